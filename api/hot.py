"""Early notice (苗头预警): which matters, likely matters and topics of a place rise. Offices ask for it in their plans; it is read, no
alarm is raised.

Three kinds of topic, never mixed: matters that people confirmed, clusters of petitions that only suggested links hold together, and
(place, level-2 category). Works without any confirmation. Petitioners are counted as different ones within a topic, never named.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
from sqlalchemy import RowMapping

from api.live import Engine
from api.names import Names
from api.service import Service
from api.store.arrivals import Span, arrivals, links_in, petitioners_in, records_begin, shared_terms
from api.store.firewall import Viewer
from api.store.petitions import now
from classifier.dates import CHINA
from classifier.errors import InputError
from classifier.links.matters import Pair, components
from classifier.redact import could_be_name
from classifier.rising import Rise, rising, windows_before
from classifier.tokenise import Tokeniser

#: A suggested link counts from this score on: chains of weaker ones would string unlike petitions together.
SURE = 0.8
_TERMS, _IDS, _WEEKS = 5, 100, 53


class Basis(StrEnum):
    """What holds a topic together."""

    CONFIRMED = "confirmed"
    SUGGESTED = "suggested"
    CATEGORY = "category"


BASIS_NAMES = {Basis.CONFIRMED: "认定", Basis.SUGGESTED: "建议", Basis.CATEGORY: "同地同类"}


@dataclass(frozen=True, slots=True)
class _Topic:
    basis: Basis
    rows: tuple[int, ...]
    matter_id: str | None = None


def hot(
    service: Service,
    since: datetime,
    until: datetime | None,
    viewer: Viewer,
    min_score: float = SURE,
    most: int = 50,
) -> dict[str, Any]:
    """Topics whose petitions in [since, until) are more than their own past lets expect, most surprising first, at most `most`.

    `until` None is now. `min_score`, 0 to 1, is asked of suggested links. The past are up to twelve windows of the same length, as far
    as records reach. Raises InputError when the window is empty.
    """
    since, until = since.astimezone(UTC), (until or now()).astimezone(UTC)
    if since >= until:
        raise InputError("起始时间要早于截止时间。请改 since 或 until。")
    engine = service.live.engine()
    with service.store.read() as connection:
        first = records_begin(connection)
        windows = windows_before(first.timestamp(), since.timestamp(), until.timestamp()) if first else 0
        whole = Span(since - windows * (until - since), until, viewer)
        rows = arrivals(connection, whole)
        links = links_in(connection, whole, min_score)
        people = petitioners_in(connection, Span(since, until, viewer))
        topics = _topics(engine, rows, links)
        risen = _risen(topics, rows, people, since, until, windows)[:most]
        terms = {
            rise.group: shared_terms(connection, _links_within(topics[rise.group], rows, links))
            for rise in risen
        }
    known_words = set(engine.bundle.vectoriser.vocabulary)
    items = [
        _shown(engine, topics[rise.group], rise, rows, since, until, terms[rise.group], known_words)
        for rise in risen
    ]
    return {"since": since, "until": until, "windows": windows, "items": items}


def _topics(engine: Engine, rows: Sequence[RowMapping], links: dict[Pair, int]) -> list[_Topic]:
    at = {row["id"]: index for index, row in enumerate(rows)}
    matters: dict[str, list[int]] = {}
    cells: dict[tuple[str, str], list[int]] = {}
    for index, row in enumerate(rows):
        if row["matter_id"]:
            matters.setdefault(row["matter_id"], []).append(index)
        if len(row["category"]) >= 4:
            cells.setdefault((_place(engine, row["district"]), row["category"][:4]), []).append(index)
    # Links within one matter hold together what is together already. The matter's own petitions stay together in a cluster.
    suggested = [
        ends
        for one, other in links
        if (ends := (at[one], at[other]))
        and (not rows[ends[0]]["matter_id"] or rows[ends[0]]["matter_id"] != rows[ends[1]]["matter_id"])
    ]
    held = [(members[0], member) for members in matters.values() for member in members[1:]]
    linked = {end for ends in suggested for end in ends}
    clusters = [tuple(sorted(found)) for found in components([*suggested, *held]) if found & linked]
    return [
        *(_Topic(Basis.CONFIRMED, tuple(members), number) for number, members in matters.items()),
        *(_Topic(Basis.SUGGESTED, members) for members in clusters),
        *(_Topic(Basis.CATEGORY, tuple(members)) for members in cells.values()),
    ]


def _risen(
    topics: Sequence[_Topic],
    rows: Sequence[RowMapping],
    people: dict[int, int],
    since: datetime,
    until: datetime,
    windows: int,
) -> list[Rise]:
    group = np.array([number for number, topic in enumerate(topics) for _ in topic.rows], dtype=np.int64)
    row = np.array([index for topic in topics for index in topic.rows], dtype=np.int64)
    times = np.array([one["arrived"].timestamp() for one in rows], dtype=np.float64)
    # Who is anonymous is somebody else each time: a petition's own number is no other petitioner's.
    who = np.array([people.get(one["seq"], one["seq"]) for one in rows], dtype=np.int64)
    return rising(group, times[row], who[row], since.timestamp(), until.timestamp(), windows)


def _links_within(topic: _Topic, rows: Sequence[RowMapping], links: dict[Pair, int]) -> list[int]:
    inside = {rows[index]["id"] for index in topic.rows}
    return [number for (one, other), number in links.items() if one in inside and other in inside]


def _shown(
    engine: Engine,
    topic: _Topic,
    rise: Rise,
    rows: Sequence[RowMapping],
    since: datetime,
    until: datetime,
    terms: Iterable[Sequence[str]],
    known_words: Collection[str],
) -> dict[str, Any]:
    members = [rows[index] for index in topic.rows]
    inside = [row for row in members if since <= row["arrived"] < until]
    category = _commonest(row["category"] for row in inside)
    if topic.basis is Basis.CATEGORY:
        category = category[:4]
    taxonomy = engine.bundle.taxonomy
    unit = _commonest(row["unit"] for row in inside)
    return {
        "basis": topic.basis.value,
        "matter_id": topic.matter_id,
        "category": category,
        "path": taxonomy.path(category) if category in taxonomy else "",
        "district": _commonest(_place(engine, row["district"]) for row in inside),
        "terms": _public(terms, known_words, engine.bundle.tokeniser),
        "count": rise.count,
        "petitioners": rise.petitioners,
        "expected": round(rise.expected, 3),
        "probability": rise.probability,
        "weeks": _weeks(members, since, until),
        "unit": unit,
        "unit_name": Names.of(engine).unit(unit),
        "ids": [row["id"] for row in reversed(inside)][:_IDS],
    }


def _place(engine: Engine, given: str) -> str:
    """One name for a place, however the form names it; what the directory does not know stays as it is."""
    known = engine.router.directory.district_in(given, "") if given else None
    return known.name if known else given


def _public(terms: Iterable[Sequence[str]], known: Collection[str], tokeniser: Tokeniser) -> list[str]:
    """The commonest shared terms, without any that may be somebody's name (an early notice names no person) and without words of grammar
    alone, which say nothing of what it is about."""
    counts = Counter(term for some in terms for term in some if term in known or not could_be_name(term))
    telling = (term for term in counts if not tokeniser.is_grammar(term))
    return sorted(telling, key=lambda term: (-counts[term], term))[:_TERMS]


def _commonest(values: Iterable[str]) -> str:
    counts = Counter(value for value in values if value)
    return min(counts, key=lambda value: (-counts[value], value), default="")


def _weeks(members: Sequence[RowMapping], since: datetime, until: datetime) -> list[dict[str, Any]]:
    """Petitions by week from Monday on, in China; the window and as long before it, a year at most. A week cut off counts what is in."""
    start = max(since - min(until - since, since - datetime(1900, 1, 1, tzinfo=UTC)), until - _WEEKS * _WEEK)
    counts = Counter(_monday(row["arrived"]) for row in members if start <= row["arrived"] < until)
    first, last = _monday(start), _monday(until - timedelta(microseconds=1))
    mondays = [first + n * _WEEK for n in range((last - first).days // 7 + 1)]
    return [{"week": monday, "count": counts[monday]} for monday in mondays]


_WEEK = timedelta(days=7)


def _monday(moment: datetime) -> date:
    day = moment.astimezone(CHINA).date()
    return day - timedelta(days=day.weekday())


def in_words(answer: dict[str, Any]) -> str:
    """The topics for a person, one paragraph each."""
    days = [answer[end].astimezone(CHINA).strftime("%Y-%m-%d %H:%M") for end in ("since", "until")]
    lines = [f"{days[0]} 至 {days[1]}，与此前 {answer['windows']} 个同样长的时段相比："]
    if not answer["items"]:
        lines.append("没有明显增多的事项。")
    for rank, item in enumerate(answer["items"], start=1):
        label = " · ".join(
            part for part in (item["path"], item["district"], "、".join(item["terms"])) if part
        )
        lines += [
            f"{rank}. 〔{BASIS_NAMES[Basis(item['basis'])]}〕{label}",
            f"   本期 {item['count']} 件，不同信访人数 {item['petitioners']}；此前每段平均 {item['expected']:.1f} 件，"
            f"碰巧这么多的概率 {item['probability']:.1g}",
            "   每周：" + "，".join(f"{week['week']:%m-%d} {week['count']}" for week in item["weeks"][-8:]),
            f"   单位：{item['unit_name']}",
            f"   信访件：{' '.join(item['ids'])}",
        ]
    return "\n".join(lines) + "\n"
