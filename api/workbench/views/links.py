"""The context of two petitions side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from api.access import Clerk
from api.names import Names
from api.store.petitions import PENDING
from api.viewing import PairView
from api.workbench import words
from api.workbench.contexts.letter import Letter
from api.workbench.contexts.links import Difference, Fact, PairPage, Reason, Side
from api.workbench.marked import Marked, letter
from api.workbench.views.deciding import OFFICERS
from api.workbench.views.petition import address, with_queue
from api.workbench.views.steps import arrived, steps_of

_VERDICTS = {None: "待认定", True: "已确认", False: "已否定"}
_REASON = re.compile(r"(?P<label>.+) (?P<sign>[+−])(?P<weight>\d+\.\d)")
# Of a reason's share of the log odds: from 1 on it alone makes the odds nearly threefold, from 0.4 on half as great again.
_STRONG, _FAIR = 1.0, 0.4


def pair_page(
    view: PairView,
    names: Names,
    clerk: Clerk,
    queue: str,
    reason: str = "",
    problem: str = "",
    conflict: bool = False,
) -> PairPage:
    row, other, link = view.row, view.other, view.link
    evidence = link["evidence"]
    may_decide = clerk.may(*OFFICERS)
    ours, theirs = _letters(view)
    return PairPage(
        here=f"/petitions/{row['id']}/links/{other['id']}",
        kind=words.LINKS.get(link["kind"], link["kind"]),
        meaning=words.LINK_MEANINGS.get(link["kind"], ""),
        score=link["score"],
        verdict=_VERDICTS[link["confirmed"]],
        expected=view.verdict,
        of_split=view.of_split,
        similarity=evidence["similarity"],
        sides=(_side("本件", row, names, queue, ours), _side("另一件", other, names, queue, theirs)),
        passages=len(evidence["passages"]),
        facts=tuple(_fact(each) for each in evidence.get("facts", ())),
        differences=tuple(_difference(each, view.is_later) for each in evidence.get("contradictions", ())),
        terms=tuple(evidence["terms"]),
        keys=tuple(words.KEYS.get(key, key) for key in evidence["keys"]),
        reasons=tuple(_reason(each) for each in evidence.get("reasons", ())),
        between=_between(row, other),
        may_decide=may_decide,
        reason=reason,
        problem=problem,
        conflict=conflict,
        may_undo=may_decide and view.verdict > 0 and not view.of_split,
        steps=steps_of(view.events, {}, names),
        back=address(row["id"], queue),
        undecided=view.undecided,
        queue=queue,
    )


def following(view: PairView, queue: str, done: str) -> str:
    """Where to go after a verdict: the petition's next link nobody has decided on, else the petition."""
    if not view.following:
        return address(view.row["id"], queue, done=done)
    return with_queue(f"/petitions/{view.row['id']}/links/{view.following}", queue, done=done)


def _letters(view: PairView) -> tuple[Letter, Letter]:
    """Both texts, shared passages marked, numbered alike, in the order of this one's."""
    rows = (view.row, view.other)
    ends = [("start", "end"), ("other_start", "other_end")]
    passages = view.link["evidence"]["passages"]
    places = [
        _places(row["title"], passages, *of)
        for row, of in zip(rows, ends if view.is_later else ends[::-1], strict=True)
    ]
    numbers = _numbers(places[0])
    ours, theirs = (
        letter(row["title"], row["text"], _marks(found, numbers))
        for row, found in zip(rows, places, strict=True)
    )
    return ours, theirs


def _places(title: str, passages: Sequence[Mapping[str, Any]], start: str, end: str) -> list[tuple[int, int]]:
    """Where the passages stand. Their places count from the text's own beginning: without a title that is behind the line end."""
    shift = 0 if title else 1
    return [(passage[start] + shift, passage[end] + shift) for passage in passages]


def _numbers(places: Sequence[tuple[int, int]]) -> list[int]:
    order = sorted(range(len(places)), key=lambda index: places[index])
    numbers = [0] * len(places)
    for number, index in enumerate(order, start=1):
        numbers[index] = number
    return numbers


def _marks(places: Sequence[tuple[int, int]], numbers: Sequence[int]) -> list[Marked]:
    return [(start, end, number) for (start, end), number in zip(places, numbers, strict=True)]


def _side(label: str, row: RowMapping, names: Names, queue: str, text: Letter) -> Side:
    return Side(
        label,
        address(row["id"], queue),
        words.receipt(row["seq"], row["created_at"]),
        row["status"],
        row["channel"],
        arrived(row),
        names.category_alone(row["category"]),
        row["kind"],
        names.unit(row["unit"]),
        row["status"] != PENDING,
        text,
    )


def _fact(line: str) -> Fact:
    label, _, name = line.partition("：")
    return Fact(label, name)


def _difference(line: str, is_later: bool) -> Difference:
    """`小区：锦绣／御景` names the later petition's first."""
    label, _, both = line.partition("：")
    ours, _, theirs = both.partition("／")
    return Difference(label, ours, theirs) if is_later else Difference(label, theirs, ours)


def _reason(line: str) -> Reason:
    found = _REASON.fullmatch(line)
    if found is None:
        return Reason(line, "", True)
    weight = float(found["weight"])
    strength = "强" if weight >= _STRONG else "中" if weight >= _FAIR else "弱"
    return Reason(found["label"], strength, found["sign"] == "+")


def _between(row: RowMapping, other: RowMapping) -> str:
    days = abs(arrived(row) - arrived(other)).days
    return "同一天" if not days else f"相隔 {days:,} 天"
