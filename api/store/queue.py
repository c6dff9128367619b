"""The queue as the database keeps it: what waits for a decision, in two orders, each read on from any place in it.

By use there are two streams, of which api/queue.py makes one list: the random share, first come first; and the others, those that a unit
sent back before all, then by usefulness. By due date it is one stream. A place is a key of its stream, so no page counts rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
)

from api.store.asked_links import has_undecided
from api.store.firewall import Viewer, visible
from api.store.listing import Wanted, confident, narrowed
from api.store.petitions import RETURNED
from api.store.tables import decisions, petitions, returns, reviews
from api.store.undos import stands

#: What stands in the place of usefulness for what a unit sent back: above every usefulness.
SENT_BACK = 2.0
#: A figure of the queue stops here.
COUNTED = 10_000
_LEFT = 2_000

#: A place among the useful ones: usefulness, falling, then seq.
Rank = tuple[float, int]
#: A place by due date: since when it waits, then seq.
Wait = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Lens:
    """Which part of the queue is looked at, and by whom."""

    wanted: Wanted
    viewer: Viewer


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one petition stands, or would if it still waited: `waits` is the moment its due date is counted from."""

    seq: int
    sampled: bool
    rank: float
    waits: datetime


def chance(connection: Connection, lens: Lens, after: int, limit: int) -> list[int]:
    """The random share in which something is undecided, from behind seq `after`."""
    query = _drawn(lens, reviews.c.seq > after).order_by(reviews.c.seq)
    return list(connection.execute(query.limit(limit)).scalars())


def chance_before(connection: Connection, lens: Lens, before: int) -> int | None:
    query = _drawn(lens, reviews.c.seq < before).order_by(reviews.c.seq.desc())
    return connection.execute(query.limit(1)).scalar()


def useful(connection: Connection, lens: Lens, after: Rank | None, limit: int) -> list[Rank]:
    """The others, from behind a place or from the beginning."""
    found: list[Rank] = []
    rank, seq = after or (SENT_BACK, 0)
    if rank >= SENT_BACK:
        query = _sent_back(lens, petitions.c.seq > seq).order_by(petitions.c.seq).limit(limit)
        found = [(SENT_BACK, number) for number in connection.execute(query).scalars()]
        rank, seq = SENT_BACK, 0
    if len(found) < limit:
        use = reviews.c.usefulness
        # The first condition alone is a range of the index.
        behind = (use <= rank, or_(use < rank, reviews.c.seq > seq))
        query = _pending(lens, *behind).order_by(use.desc(), reviews.c.seq)
        found += [(rank, number) for number, rank in connection.execute(query.limit(limit - len(found)))]
    return found


def useful_before(connection: Connection, lens: Lens, before: Rank) -> Rank | None:
    """The one that stands just before a place."""
    rank, seq = before
    use = reviews.c.usefulness
    if rank < SENT_BACK:
        ahead = (use >= rank, or_(use > rank, reviews.c.seq < seq))
        query = _pending(lens, *ahead).order_by(use, reviews.c.seq.desc())
        row = connection.execute(query.limit(1)).first()
        if row is not None:
            return row[1], row[0]
        seq = 2**62
    last = _sent_back(lens, petitions.c.seq < seq).order_by(petitions.c.seq.desc()).limit(1)
    number = connection.execute(last).scalar()
    return None if number is None else (SENT_BACK, number)


def waiting(
    connection: Connection, lens: Lens, beside: Wait | None, limit: int, backward: bool = False
) -> list[Wait]:
    """By due date, from behind a place; `backward`: from before it, nearest first."""
    since, seq = petitions.c.waits_since, petitions.c.seq
    query = select(seq, since).where(since.is_not(None), *_wanted(lens))
    if confident(lens.wanted):
        query = query.where(
            exists().where(reviews.c.seq == seq, *confident(lens.wanted)).correlate(petitions)
        )
    if beside is not None and backward:
        query = query.where(since <= beside[0], or_(since < beside[0], seq < beside[1]))
    elif beside is not None:
        query = query.where(since >= beside[0], or_(since > beside[0], seq > beside[1]))
    order = (since.desc(), seq.desc()) if backward else (since, seq)
    return [(moment, number) for number, moment in connection.execute(query.order_by(*order).limit(limit))]


def left_since(connection: Connection, lens: Lens, at: int) -> list[Standing]:
    """What was decided after decision number `at`, as it stood before: at most 2,000, narrowed by what was suggested."""
    wanted = lens.wanted
    suggested = Wanted(category=wanted.category, kind=wanted.kind, unit=wanted.unit)
    arrived = Wanted(
        channel=wanted.channel, districts=wanted.districts, since=wanted.since, until=wanted.until
    )
    query = (
        _standing()
        .where(petitions.c.decision_id > at, petitions.c.waits_since.is_(None), visible(lens.viewer))
        .where(*narrowed(arrived), *narrowed(suggested, reviews), *confident(wanted))
        .order_by(petitions.c.decision_id)
        .limit(_LEFT)
    )
    return [_stands(row) for row in connection.execute(query).mappings()]


def standing_of(connection: Connection, petition_id: str) -> Standing | None:
    row = connection.execute(_standing().where(petitions.c.id == petition_id)).mappings().first()
    return None if row is None else _stands(row)


def latest_decision(connection: Connection) -> int:
    """The number of the latest decision of all, 0 before any."""
    return connection.execute(select(func.max(decisions.c.id))).scalar() or 0


def id_of(connection: Connection, seq: int) -> str:
    found: str = connection.execute(select(petitions.c.id).where(petitions.c.seq == seq)).scalar_one()
    return found


def rows_of(connection: Connection, seqs: Sequence[int], excerpt: int) -> list[RowMapping]:
    """What a row of the queue shows, in the order of `seqs`; `excerpt` characters of the redacted text."""
    query = (
        select(
            *(petitions.c[name] for name in (
                "seq", "id", "title", "channel", "received_at", "created_at", "status", "category", "kind", "unit", "waits_since",
            )),
            func.substr(petitions.c.text, 1, excerpt).label("excerpt"),
            reviews.c.category.label("suggested"),
            reviews.c.category_p,
            reviews.c.abstained,
            reviews.c.doubts,
        )
        .join(reviews, reviews.c.seq == petitions.c.seq)
        .where(petitions.c.seq.in_(seqs))
    )  # fmt: skip
    found = {row["seq"]: row for row in connection.execute(query).mappings()}
    return [found[seq] for seq in seqs if seq in found]


def tally(
    connection: Connection, viewer: Viewer, overdue: datetime, soon: datetime
) -> tuple[int, int, int, int]:
    """How many wait, began to wait before `overdue`, before `soon`, were sent back; of the first `COUNTED`, the longest waiting first."""
    since = petitions.c.waits_since
    first = (
        select(since, petitions.c.status)
        .where(since.is_not(None), visible(viewer))
        .order_by(since)
        .limit(COUNTED)
        .subquery()
    )
    told = (first.c.waits_since < overdue, first.c.waits_since < soon, first.c.status == RETURNED)
    counts = (func.coalesce(func.sum(case((condition, 1), else_=0)), 0) for condition in told)
    total, *others = connection.execute(select(func.count(), *counts).select_from(first)).one()
    return (total, *others)


def _wanted(lens: Lens) -> list[ColumnElement[bool]]:
    linked = [has_undecided(lens.viewer)] if lens.wanted.linked else []
    return [visible(lens.viewer), *narrowed(lens.wanted), *linked]


def _drawn(lens: Lens, condition: ColumnElement[bool]) -> Select[Any]:
    """Those of the random share may have been decided in part; few they are."""
    query = select(reviews.c.seq).where(reviews.c.open, reviews.c.sampled, condition, *confident(lens.wanted))
    return query.join(petitions, petitions.c.seq == reviews.c.seq).where(*_wanted(lens))


def _pending(lens: Lens, *conditions: ColumnElement[bool]) -> Select[Any]:
    query = select(reviews.c.seq, reviews.c.usefulness)
    query = query.where(reviews.c.open, ~reviews.c.sampled, *conditions, *confident(lens.wanted))
    if lens.wanted == Wanted(confidence=lens.wanted.confidence):
        # Nearly all are seen: reading on until there are enough ends soon.
        seen = visible(lens.viewer)
        return (
            query
            if lens.viewer.sees_all
            else query.join(petitions, petitions.c.seq == reviews.c.seq).where(seen)
        )
    # Whatever waits, which is little, within its index.
    fitting = select(petitions.c.seq).where(petitions.c.waits_since.is_not(None), *_wanted(lens))
    return query.where(reviews.c.seq.in_(fitting))


def _sent_back(lens: Lens, condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(petitions.c.seq)
        .join(reviews, and_(reviews.c.seq == petitions.c.seq, ~reviews.c.sampled))
        .where(petitions.c.status == RETURNED, condition, *_wanted(lens), *confident(lens.wanted))
    )


def _standing() -> Select[Any]:
    sent_back = (
        select(func.max(returns.c.created_at))
        .where(returns.c.petition_id == petitions.c.id, stands(returns))
        .correlate(petitions)
        .scalar_subquery()
    )
    return select(
        petitions.c.seq,
        petitions.c.waits_since,
        petitions.c.received_at,
        petitions.c.created_at,
        sent_back.label("sent_back"),
        reviews.c.sampled,
        case((sent_back.is_not(None), literal(SENT_BACK)), else_=reviews.c.usefulness).label("rank"),
    ).join(reviews, reviews.c.seq == petitions.c.seq)


def _stands(row: RowMapping) -> Standing:
    waits = row["waits_since"] or row["sent_back"] or row["received_at"] or row["created_at"]
    return Standing(row["seq"], row["sampled"], row["rank"], waits)
