"""Which petitions to ask a person about first, and how often the model is right, estimated without favour.

A small share of all petitions is chosen at intake by a keyed hash of their random ids: by nothing they say, and by nothing of who
wrote them. Decisions on these alone say how good suggestions are; those on petitions picked for being doubtful would not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import count, islice
from typing import Any, TypeVar

from sqlalchemy import Connection

from api.live import Engine
from api.service import Service
from api.store.firewall import Viewer
from api.store.review import add_review, categories_decided, drawn, most_useful, tally_sampled
from classifier.doubt import Doubt, review
from classifier.identity import keyed_hash
from classifier.intervals import wilson
from classifier.petition import LinkKind
from classifier.triage import Triaged

T = TypeVar("T")

#: Of so many places in the queue the first goes to the random share, as long as it has any undecided.
ONE_IN = 5

#: Also of the random share: who knows which petitions are the test decides them with other care.
_OPEN = "还有项目没有认定"
_UNSURE = "模型没有把握"
_WHY = {
    # Or that the model is not sure at all: both are one code, told apart by whether it abstained.
    Doubt.UNCERTAIN: "前两个候选相近",
    Doubt.COPY_DECIDED_OTHERWISE: "相同内容的另一件，人工认定的一级分类与这件的建议不同",
    Doubt.UNIT_VIEWS_DIFFER: "以往同类件多由别的单位承办，与规则或分类给出的单位不同",
    Doubt.RARE: "这个分类学过的例子很少",
    Doubt.NEW_WORDS: "有较多没有学过的词语",
}
_MEASURES = {
    "category_level1": "一级分类",
    "category_level2": "二级分类",
    "kind": "诉求类型",
    "unit": "承办单位",
}


def file_for_review(
    service: Service, engine: Engine, connection: Connection, seq: int, petition_id: str, triaged: Triaged
) -> None:
    """Keep, in the transaction of intake, what orders the queue. Nothing of the petitioner is read.

    Of links only copies count, found by their text alone: whether another link is there may hang on an identity key.
    """
    answer = triaged.triage
    copies = [link.id for link in answer.links if link.kind is LinkKind.DUPLICATE_TEXT]
    learned = triaged.learned_unit
    if learned:
        unit = engine.router.directory.unit_named(learned[0])
        learned = (unit.id if unit else learned[0], learned[1])
    found = review(
        answer,
        triaged.reading.document.words,
        engine.bundle.known_words,
        engine.bundle.report.get("categories", {}),
        categories_decided(connection, copies),
        learned,
    )
    sampled = is_drawn(petition_id, service.settings.review_share, service.vault.identity_secret)
    add_review(connection, seq, answer, triaged.confidence, found, sampled)


def is_drawn(petition_id: str, share: float, secret: bytes) -> bool:
    """Whether a petition is of the random share: the same for the same id and key, and for nobody to foretell without the key."""
    return int(keyed_hash(f"review:{petition_id}", secret)[:12], 16) < share * 16**12


def review_queue(service: Service, limit: int, viewer: Viewer) -> list[dict[str, Any]]:
    """Undecided petitions that `viewer` may see, in the order in which a person's answer is worth most, each with why.

    One place in five, the first among them, goes to the random share, first come first; the others go by usefulness. A shorter queue
    is the beginning of a longer one.
    """
    with service.store.read() as connection:
        by_chance = drawn(connection, limit, viewer)
        useful = most_useful(connection, limit, viewer)
    both = islice(woven(by_chance, useful), limit)
    return [{**row, "reasons": why(row["doubts"], row["abstained"])} for row in both]


def woven(by_chance: Iterable[T], useful: Iterable[T]) -> Iterator[T]:
    """One list of both: the first of every five places is chance's, as long as both last."""
    streams = iter(by_chance), iter(useful)
    for place in count():
        first, second = streams if place % ONE_IN == 0 else streams[::-1]
        item = next(first, None)
        item = next(second, None) if item is None else item
        if item is None:
            return
        yield item


def why(doubts: str, abstained: bool) -> list[str]:
    """Why a petition is asked about, in words; `doubts` are codes with commas between."""
    found = [Doubt(code) for code in doubts.split(",") if code]
    return [_UNSURE if abstained and doubt is Doubt.UNCERTAIN else _WHY[doubt] for doubt in found] or [_OPEN]


def live_accuracy(
    service: Service,
    viewer: Viewer,
    since: datetime | None = None,
    until: datetime | None = None,
    model: str = "",
) -> dict[str, Any]:
    """How often the suggestion at intake was what people then decided, on the random share that came in from `since` to `until`: of all
    versions that served then, or of one `model`.

    Each measure with its 95 % interval (Wilson) and how many of the share are undecided in it: the estimate is unbiased only as far as
    these would have come out like the others.
    """
    with service.store.read() as connection:
        total, tallies = tally_sampled(connection, since, until, model, viewer)
    measures = []
    for name, tally in tallies.items():
        low, high = wilson(tally.right, tally.decided)
        measures.append(
            {
                "name": name,
                "label": _MEASURES[name],
                "decided": tally.decided,
                "undecided": total - tally.decided,
                "right": tally.right,
                "accuracy": tally.right / tally.decided if tally.decided else None,
                "low": low,
                "high": high,
            }
        )
    return {
        "since": since,
        "until": until,
        "model": model,
        "share": service.settings.review_share,
        "sampled": total,
        "measures": measures,
        "warning": _warning(total, [total - tally.decided for tally in tallies.values()]),
    }


def _warning(total: int, undecided: Sequence[int]) -> str:
    if not total:
        return "这段时间没有随机抽取的信访件，无法估计。"
    if most := max(undecided, default=0):
        which = "还有" if min(undecided) == most else "有的项目还有"
        return f"随机抽取的 {total} 件里，{which} {most} 件没有认定；如果没认定的多是难件，估计会偏高。"
    return ""
