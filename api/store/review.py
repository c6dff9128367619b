"""What is kept for the review queue and for honest figures: one narrow row a petition, written at intake."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, case, func, insert, select

from api.store.firewall import Viewer, visible
from api.store.petitions import RETURNED
from api.store.tables import decisions, petitions, reviews
from classifier.doubt import Review
from classifier.petition import Triage

_QUEUED = (
    petitions.c.id, petitions.c.title, petitions.c.channel, petitions.c.district, petitions.c.received_at,
    petitions.c.created_at, reviews.c.usefulness, reviews.c.doubts, reviews.c.confidence,
    reviews.c.unseen, reviews.c.category, reviews.c.kind, reviews.c.unit, reviews.c.model_version, reviews.c.abstained,
)  # fmt: skip


def add_review(
    connection: Connection, seq: int, answer: Triage, confidence: float, found: Review, sampled: bool
) -> None:
    connection.execute(
        insert(reviews).values(
            seq=seq,
            open=True,
            sampled=sampled,
            usefulness=found.usefulness,
            doubts=",".join(found.doubts),
            confidence=confidence,
            unseen=found.unseen,
            model_version=answer.model_version,
            category=answer.categories[0].code if answer.categories else "",
            kind=answer.kind.name.value,
            unit=answer.units[0].id[:80],
            abstained=answer.abstained,
            category_p=answer.categories[0].probability if answer.categories else None,
            kind_p=answer.kind.probability,
        )
    )


def categories_decided(connection: Connection, ids: Collection[str]) -> list[str]:
    """The categories in force of those of these petitions whose category a person decided."""
    query = (
        select(decisions.c.category)
        .join(petitions, petitions.c.decision_id == decisions.c.id)
        .where(petitions.c.id.in_(ids), decisions.c.category != "")
    )
    return list(connection.execute(query).scalars()) if ids else []


def most_useful(connection: Connection, limit: int, viewer: Viewer) -> Sequence[RowMapping]:
    """Undecided petitions outside the random share, the most useful to ask about first, of equally useful ones the first come."""
    return _queue(connection, (reviews.c.usefulness.desc(), reviews.c.seq), ~reviews.c.sampled, limit, viewer)


def drawn(connection: Connection, limit: int, viewer: Viewer) -> Sequence[RowMapping]:
    """Petitions of the random share in which something is undecided, first come first: nothing of what they say decides which of them is asked."""
    return _queue(connection, (reviews.c.seq,), reviews.c.sampled, limit, viewer)


def _queue(
    connection: Connection,
    order: Sequence[ColumnElement[Any]],
    which: ColumnElement[bool],
    limit: int,
    viewer: Viewer,
) -> Sequence[RowMapping]:
    query = (
        select(*_QUEUED)
        .join(petitions, petitions.c.seq == reviews.c.seq)
        .where(reviews.c.open, which, visible(viewer))
        .order_by(*order)
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


@dataclass(frozen=True, slots=True)
class Tally:
    """Of the random share: how many had this decided by a person, and how often the suggestion at intake said the same."""

    decided: int
    right: int


def tally_sampled(
    connection: Connection, since: datetime | None, until: datetime | None, model: str, viewer: Viewer
) -> tuple[int, dict[str, Tally]]:
    """How many petitions of the random share came in then, suggested on by version `model` if that is given, and for `category_level1`, `category_level2`, `kind`, `unit` the tally.

    A level counts where the decision goes down to it. The decision in force counts, not those taken back or replaced; a unit that
    sent the petition back is known to be wrong, and the right one is undecided.
    """
    said = {
        "category_level1": _same_code(2),
        "category_level2": _same_code(4),
        "kind": (decisions.c.kind != "", decisions.c.kind == reviews.c.kind),
        "unit": (
            and_(decisions.c.unit != "", petitions.c.status != RETURNED),
            decisions.c.unit == reviews.c.unit,
        ),
    }
    counts = []
    for decided, right in said.values():
        counts += [_count(decided), _count(and_(decided, right))]
    within = [reviews.c.sampled, visible(viewer)]
    within += [reviews.c.model_version == model] if model else []
    within += [petitions.c.created_at >= since.astimezone(UTC)] if since else []
    within += [petitions.c.created_at < until.astimezone(UTC)] if until else []
    total, *numbers = connection.execute(
        select(func.count(), *counts)
        .select_from(reviews)
        .join(petitions, petitions.c.seq == reviews.c.seq)
        .outerjoin(decisions, decisions.c.id == petitions.c.decision_id)
        .where(*within)
    ).one()
    pairs = zip(numbers[::2], numbers[1::2], strict=True)
    return total, {name: Tally(*pair) for name, pair in zip(said, pairs, strict=True)}


def _same_code(length: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    decided, suggested = (func.substr(code, 1, length) for code in (decisions.c.category, reviews.c.category))
    return func.length(decisions.c.category) >= length, decided == suggested


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
