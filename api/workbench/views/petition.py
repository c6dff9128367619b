"""The context of a petition's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sqlalchemy import RowMapping

from api.access import Clerk
from api.names import Names
from api.store.firewall import RESTRICTED
from api.viewing import PetitionView
from api.workbench import words
from api.workbench.contexts.letter import Letter, Other
from api.workbench.contexts.petition import (
    Candidate,
    Compared,
    LinkRow,
    MatterBox,
    OriginalPage,
    Person,
    PetitionPage,
    UnitCandidate,
)
from api.workbench.marked import letter
from api.workbench.views.deciding import (
    OFFICERS,
    Said,
    acceptable,
    decide_form,
    last_day,
    reply_form,
    return_form,
    undoable,
)
from api.workbench.views.steps import arrived, role_name, steps_of
from classifier.carry import carry_over
from classifier.petition import Kind

FIRST, REPEAT = "初信初访", "重复信访"
_VERDICTS = {None: "待认定", True: "已确认", False: "已否定"}
_PERSON = (
    ("name", "姓名"),
    ("id_number", "身份证号"),
    ("phone", "电话"),
    ("address", "住址"),
    ("account", "平台账号"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a queue the petition stands: the queue's filter and its neighbours' ids, "" for none."""

    queue: str = ""
    previous: str = ""
    following: str = ""
    just: Other | None = None


def with_queue(path: str, queue: str, **more: str) -> str:
    """An address that carries along the queue one came from."""
    query = "&".join(
        f"{name}={quote(value, safe='')}" for name, value in (("from", queue), *more.items()) if value
    )
    return f"{path}?{query}" if query else path


def address(petition_id: str, queue: str = "", **more: str) -> str:
    """The page of a petition, opened from this queue."""
    return with_queue(f"/petitions/{petition_id}", queue, **more)


def petition_page(
    view: PetitionView, names: Names, clerk: Clerk, evidence: int, place: Place, said: Said
) -> PetitionPage:
    """`evidence` is the number of the candidate whose evidence is marked, from 1."""
    row, suggestion, decided = view.row, view.suggestion, view.decided
    may_decide = clerk.may(*OFFICERS)
    text, marked = _letter(view, evidence)
    links = tuple(_link(link, view, names, place.queue) for link in view.links)
    return PetitionPage(
        id=row["id"],
        receipt=words.receipt(row["seq"], row["created_at"]),
        status=row["status"],
        channel=row["channel"],
        arrived=arrived(row),
        district=row["district"],
        people=row["people"],
        letter=text,
        marked=marked,
        compared=_compared(view, names),
        decided_by=_by(decided) if decided else "",
        decided_why=decided["reason"] if decided else "",
        returned_why=view.sent_back["reason"] if view.sent_back else "",
        abstained=suggestion["abstained"],
        warnings=tuple(suggestion["warnings"]),
        candidates=_candidates(view, place, evidence),
        kind=suggestion["kind"]["name"],
        kind_probability=suggestion["kind"]["probability"],
        units=tuple(
            UnitCandidate(unit["name"], unit["role"], unit["score"], tuple(unit["grounds"]))
            for unit in suggestion["units"]
        ),
        accept=acceptable(view) if may_decide else None,
        form=decide_form(view, names, said) if may_decide else None,
        kinds=tuple(kind.value for kind in Kind),
        expected=row["decision_id"] or 0,
        problem=said.problem,
        conflict=said.conflict,
        undo=undoable(view, clerk) if may_decide else None,
        send_back=return_form(view, names, clerk, said),
        reply=reply_form(view, names, clerk, said),
        replied_on=row["replied_on"],
        may_open_original=may_decide,
        links=links,
        undecided=sum(link.verdict == _VERDICTS[None] and bool(link.href) for link in links),
        matter=_matter(view, names),
        steps=steps_of(view.events, view.heads, names),
        queue=place.queue,
        back=_list_of(place.queue),
        previous=address(place.previous, place.queue) if place.previous else "",
        following=address(place.following, place.queue) if place.following else "",
        just=place.just,
    )


def original_page(row: RowMapping | Mapping[str, Any], whole: Mapping[str, Any], queue: str) -> OriginalPage:
    """`whole` is what `get_original` answers."""
    people = [
        ("信访人", whole["petitioner"]),
        *(("联名信访人", person) for person in whole["joint_petitioners"]),
        ("代理人", whole["agent"]),
    ]
    shown = (
        Person(role, tuple((label, person[name]) for name, label in _PERSON if person.get(name)))
        for role, person in people
    )
    return OriginalPage(
        words.receipt(row["seq"], row["created_at"]),
        address(row["id"], queue),
        whole["title"],
        whole["text"],
        tuple(person for person in shown if person.fields),
    )


def _letter(view: PetitionView, evidence: int) -> tuple[Letter, str]:
    row, categories = view.row, view.suggestion["categories"]
    if not 0 < evidence <= len(categories):
        return letter(row["title"], row["text"]), ""
    chosen = categories[evidence - 1]
    spans = [(span["start"], span["end"], span["text"]) for span in chosen["evidence"]]
    redactions = [(each["kind"], each["start"], each["end"]) for each in view.suggestion["redactions"]]
    places = carry_over(spans, f"{row['title']}\n{row['text']}", redactions)
    found = [(start, end, 0) for start, end in filter(None, places)]
    return letter(row["title"], row["text"], found), chosen["path"] if found else ""


def _candidates(view: PetitionView, place: Place, evidence: int) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            each["path"],
            each["code"],
            each["probability"],
            address(view.row["id"], place.queue, evidence=str(number)) if each["evidence"] else "",
            number == evidence,
        )
        for number, each in enumerate(view.suggestion["categories"], start=1)
    )


def _compared(view: PetitionView, names: Names) -> tuple[Compared, ...]:
    suggestion, decided = view.suggestion, view.decided or {}
    categories, units = suggestion["categories"], suggestion["units"]
    return (
        Compared(
            "分类",
            categories[0]["path"] if categories else "",
            names.category(decided.get("category", "")),
        ),
        Compared("诉求类型", suggestion["kind"]["name"], decided.get("kind", "")),
        Compared("主办单位", units[0]["name"] if units else "", names.unit(decided.get("unit", ""))),
        Compared(
            "协办单位",
            "",
            "、".join(map(names.unit, decided.get("joint_units", ()))) or ("无" if decided else ""),
        ),
    )


def _by(event: Mapping[str, Any]) -> str:
    name, role = event["user"], role_name(event["role"])
    return f"{name if role == name else f'{name}（{role}）'} {words.minute(event['created_at'])}"


def _link(link: Mapping[str, Any], view: PetitionView, names: Names, queue: str) -> LinkRow:
    verdict = _VERDICTS[link["confirmed"]]
    head = view.heads.get(link["id"])
    if head is None:
        return LinkRow(RESTRICTED, None, verdict, "", "", "", None, False, "", "", "")
    first = next((row["first"] for row in view.members if row["id"] == link["id"]), None)
    return LinkRow(
        words.LINKS.get(link["kind"], link["kind"]),
        link["score"],
        verdict,
        with_queue(f"/petitions/{view.row['id']}/links/{link['id']}", queue),
        words.receipt(head["seq"], head["created_at"]),
        head["title"],
        arrived(head),
        (arrived(head), head["seq"]) < (arrived(view.row), view.row["seq"]),
        head["status"],
        names.unit(head["unit"]),
        "" if first is None else FIRST if first else REPEAT,
    )


def _matter(view: PetitionView, names: Names) -> MatterBox | None:
    at = view.standing
    if at is None:
        return None
    return MatterBox(
        f"/matters/{at['id']}",
        at["petitions"],
        at["petitioners"],
        at["first"],
        names.unit(at["unit"]),
        last_day(at["due_at"]),
        at["due_source"],
        at["overdue"],
        at["replied_on"],
        at["replies"],
    )


def _list_of(query: str) -> str:
    """The list that a petition was opened from, "" for none: the search says so in its query."""
    if not query:
        return ""
    return f"/petitions?{query}" if "list=petitions" in query.split("&") else f"/queue?{query}"
