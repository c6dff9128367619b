"""What came in when, and how it hangs together: the rows from which topics that rise are found. Only what the viewer may see."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, RowMapping, and_, exists, func, or_, select

from api.store.firewall import Viewer, visible
from api.store.labels import holds
from api.store.standing import ARRIVED
from api.store.tables import (
    link_decisions,
    links,
    matter_members,
    matter_split_sides,
    petitioner_keys,
    petitions,
)
from api.store.undos import stands
from classifier.links.matters import Pair, latest_verdicts, pair, petitioners_of

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` (included) to `until` (excluded), both in UTC, as `viewer` may see it."""

    since: datetime
    until: datetime
    viewer: Viewer

    def of(self, table: FromClause = petitions) -> ColumnElement[bool]:
        """Whether a row of `table`, the petitions or an alias of them, came in then. Two ranges, so that indexes serve."""
        received = and_(table.c.received_at >= self.since, table.c.received_at < self.until)
        created = and_(table.c.created_at >= self.since, table.c.created_at < self.until)
        return and_(or_(received, and_(table.c.received_at.is_(None), created)), visible(self.viewer, table))


def records_begin(connection: Connection) -> datetime | None:
    """When the office's first petition came in."""
    firsts = [
        connection.execute(select(func.min(column))).scalar()
        for column in (petitions.c.received_at, petitions.c.created_at)
    ]
    return min((first for first in firsts if first is not None), default=None)


def arrivals(connection: Connection, span: Span) -> Sequence[RowMapping]:
    """The petitions of a span, first come first, each with its matter (None without)."""
    query = (
        select(
            petitions.c.seq,
            petitions.c.id,
            ARRIVED.label("arrived"),
            petitions.c.district,
            petitions.c.category,
            petitions.c.unit,
            matter_members.c.matter_id,
        )
        .outerjoin(matter_members, matter_members.c.petition_id == petitions.c.id)
        .where(span.of())
        .order_by(ARRIVED, petitions.c.seq)
    )
    return connection.execute(query).mappings().all()


def petitioners_in(connection: Connection, span: Span) -> dict[int, int]:
    """seq → a number that petitions of one petitioner share, within the span; petitions without an identity key are left out."""
    rows = connection.execute(
        select(petitioner_keys.c.kind, petitioner_keys.c.digest, petitioner_keys.c.seq)
        .join(petitions, petitions.c.seq == petitioner_keys.c.seq)
        .where(span.of())
    )
    return petitioners_of((kind, digest, seq) for kind, digest, seq in rows)


def links_in(connection: Connection, span: Span, min_score: float) -> dict[Pair, int]:
    """Links that hold between two petitions of the span: people confirmed them, or they score at least `min_score` and nobody rejected.

    Each pair with the number of its best link.
    """
    one, other = petitions.alias("one"), petitions.alias("other")
    between = (
        links.join(one, one.c.id == links.c.petition_id).join(other, other.c.id == links.c.other_id)
    )  # fmt: skip
    both = (span.of(one), span.of(other))
    said = connection.execute(
        select(links.c.petition_id, links.c.other_id, link_decisions.c.confirmed)
        .select_from(between.join(link_decisions, link_decisions.c.link_id == links.c.id))
        .where(*both, stands(link_decisions))
        .order_by(link_decisions.c.id)
    )
    verdicts = latest_verdicts((a, b, confirmed) for a, b, confirmed in said)
    decided = exists().where(link_decisions.c.link_id == links.c.id).correlate(links)
    rows = connection.execute(
        select(links.c.id, links.c.petition_id, links.c.other_id, links.c.score)
        .select_from(between)
        .where(*both, holds(), or_(links.c.score >= min_score, decided))
        .order_by(links.c.score.desc(), links.c.id)
    ).all()
    sides = _sides(connection, span)
    found: dict[Pair, int] = {}
    for number, a, b, score in rows:
        ends = pair(a, b)
        verdict = verdicts.get(ends)
        if verdict is None and _apart(sides, ends):
            verdict = False
        if verdict or (verdict is None and score >= min_score):
            found.setdefault(ends, number)
    return found


def shared_terms(connection: Connection, numbers: Collection[int]) -> list[tuple[str, ...]]:
    """For each of these links the rare terms its two petitions share."""
    ordered = sorted(numbers)
    found: list[tuple[str, ...]] = []
    for at in range(0, len(ordered), _CHUNK):
        query = select(links.c.evidence).where(links.c.id.in_(ordered[at : at + _CHUNK]))
        found += [_terms(text) for text in connection.execute(query).scalars()]
    return found


def _terms(evidence: str) -> tuple[str, ...]:
    kept: dict[str, Any] = json.loads(evidence)
    return tuple(kept.get("terms", ()))


def _sides(connection: Connection, span: Span) -> dict[str, dict[int, bool]]:
    rows = connection.execute(
        select(matter_split_sides.c.petition_id, matter_split_sides.c.split_id, matter_split_sides.c.parted)
        .join(petitions, petitions.c.id == matter_split_sides.c.petition_id)
        .where(span.of())
    )
    found: dict[str, dict[int, bool]] = defaultdict(dict)
    for petition, split, parted in rows:
        found[petition][split] = parted
    return found


def _apart(sides: dict[str, dict[int, bool]], ends: Pair) -> bool:
    one, other = sides.get(ends[0], {}), sides.get(ends[1], {})
    return any(one[split] != other[split] for split in one.keys() & other.keys())
