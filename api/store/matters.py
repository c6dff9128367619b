"""Matters (信访事项): kept in line with what people confirmed, every move on record, in the transaction of the verdict itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    exists,
    insert,
    or_,
    select,
    text,
)

from api.store.petitions import new_id, now, storable
from api.store.tables import (
    link_decisions,
    links,
    matter_events,
    matter_members,
    matter_split_sides,
    matter_splits,
    matters,
)
from api.store.undos import stands
from api.store.users import role_of
from classifier.errors import NotFoundError
from classifier.links.matters import Pair, Stay, keep_numbers, latest_verdicts, matters_of

JOINED, LEFT = "joined", "left"


def rearrange(
    connection: Connection,
    around: Collection[str],
    user_id: str,
    *,
    link_decision_id: int | None = None,
    split_id: int | None = None,
) -> None:
    """Bring the matters of these petitions in line with the links whose latest verdict confirms; each move is an event.

    Only what hangs together with `around` is looked at: nothing else can have changed.
    """
    lock(connection)
    numbers = set(_scalars(connection, matter_members.c.matter_id, matter_members.c.petition_id.in_(around)))
    held = _held(connection, numbers)
    region = set(held) | set(around)
    parts = matters_of(_verdicts_within(connection, numbers, around))
    stays = _stays(connection, numbers, around, held)
    past = {stay.matter for stay in stays}
    ages = {number: age for age, number in enumerate(_by_age(connection, past | numbers))}
    taken = {matter for petition, matter in _held(connection, past).items() if petition not in region}
    fresh: list[str] = []

    def new() -> str:
        fresh.append(new_id())
        return fresh[-1]

    named = keep_numbers(parts, stays, ages, taken, new)
    moment = now()
    if fresh:
        connection.execute(insert(matters), [{"id": number, "created_at": moment} for number in fresh])
    holds = {petition: number for number, part in zip(named, parts, strict=True) for petition in part}
    moves = [
        {"petition_id": petition, "matter_id": matter, "event": event}
        for event, side, other in ((LEFT, held, holds), (JOINED, holds, held))
        for petition, matter in sorted(side.items())
        if other.get(petition) != matter
    ]
    if not moves:
        return
    gone = {move["petition_id"] for move in moves}
    for some in _chunks(sorted(gone)):
        connection.execute(delete(matter_members).where(matter_members.c.petition_id.in_(some)))
    joining = [
        {"petition_id": move["petition_id"], "matter_id": move["matter_id"]}
        for move in moves
        if move["event"] == JOINED
    ]
    if joining:
        connection.execute(insert(matter_members), joining)
    cause = {"link_decision_id": link_decision_id, "split_id": split_id, "user_id": user_id}
    connection.execute(insert(matter_events), [move | cause | {"created_at": moment} for move in moves])


def split(connection: Connection, matter_id: str, parted: Collection[str], reason: str, user_id: str) -> None:
    """Part these petitions from the others of their matter: every link between the two sides is rejected, both sides are kept.

    The sides stay on record, so that a link found between them later is not suggested either. The caller holds the `lock`.
    """
    members = set(_held(connection, {matter_id}))
    moment = now()
    split_id: int = connection.execute(
        insert(matter_splits)
        .values(matter_id=matter_id, reason=storable(reason), user_id=user_id, created_at=moment)
        .returning(matter_splits.c.id)
    ).scalar_one()
    connection.execute(
        insert(matter_split_sides),
        [
            {
                "split_id": split_id,
                "petition_id": petition,
                "parted": petition in parted,
                "created_at": moment,
            }
            for petition in sorted(members)
        ],
    )
    inside = select(matter_members.c.petition_id).where(matter_members.c.matter_id == matter_id)
    across = [
        link_id
        for link_id, one, other in connection.execute(
            select(links.c.id, links.c.petition_id, links.c.other_id).where(
                links.c.petition_id.in_(inside), links.c.other_id.in_(inside)
            )
        )
        if (one in parted) != (other in parted)
    ]
    if across:
        verdict = {
            "confirmed": False,
            "reason": storable(reason),
            "user_id": user_id,
            "role": role_of(connection, user_id),
            "created_at": moment,
        }
        connection.execute(insert(link_decisions), [{"link_id": link_id} | verdict for link_id in across])
    rearrange(connection, {min(members)}, user_id, split_id=split_id)


def verdicts_on(connection: Connection, petition_id: str) -> dict[str, bool]:
    """What people last said of each petition's link to this one, said of the pair or by a split between them."""
    parted, kept = matter_split_sides.alias("parted"), matter_split_sides.alias("kept")
    apart = connection.execute(
        select(kept.c.petition_id)
        .join(parted, and_(parted.c.split_id == kept.c.split_id, parted.c.parted != kept.c.parted))
        .where(parted.c.petition_id == petition_id)
    ).scalars()
    said = connection.execute(
        _verdicts().where(or_(links.c.petition_id == petition_id, links.c.other_id == petition_id))
    ).all()
    latest = latest_verdicts((one, other, confirmed) for one, other, confirmed in said)
    # A split rejects every link there is, so a later verdict on the pair itself is newer than the split.
    return dict.fromkeys(apart, False) | {
        (other if one == petition_id else one): confirmed for (one, other), confirmed in latest.items()
    }


def verdict_on(connection: Connection, petition_id: str, other_id: str) -> tuple[int, bool] | None:
    """The number of the latest verdict on a pair that was not taken back, and whether a split gave it; None without one."""
    parted, kept = matter_split_sides.alias("parted"), matter_split_sides.alias("kept")
    of_split = exists(
        select(matter_splits.c.id)
        .join(parted, parted.c.split_id == matter_splits.c.id)
        .join(kept, and_(kept.c.split_id == parted.c.split_id, kept.c.parted != parted.c.parted))
        .where(
            # A split and the verdicts it gives are of one moment.
            matter_splits.c.created_at == link_decisions.c.created_at,
            parted.c.petition_id == petition_id,
            kept.c.petition_id == other_id,
        )
        .correlate(link_decisions)
    )
    ends = (petition_id, other_id)
    row = connection.execute(
        select(link_decisions.c.id, of_split.label("of_split"))
        .join(links, links.c.id == link_decisions.c.link_id)
        .where(links.c.petition_id.in_(ends), links.c.other_id.in_(ends), stands(link_decisions))
        .order_by(link_decisions.c.id.desc())
        .limit(1)
    ).first()
    return (row.id, bool(row.of_split)) if row else None


def matter_of(connection: Connection, petition_id: str) -> str | None:
    """The number of the matter a petition is on; None without a confirmed link."""
    query = select(matter_members.c.matter_id).where(matter_members.c.petition_id == petition_id)
    return connection.execute(query).scalar()


def check_matter(connection: Connection, matter_id: str) -> None:
    """Raises NotFoundError."""
    if connection.execute(select(matters.c.id).where(matters.c.id == matter_id)).first() is None:
        raise no_matter()


def no_matter() -> NotFoundError:
    return NotFoundError("没有这个信访事项。请检查编号。")


def rejected_within(connection: Connection, matter_id: str, seen: Collection[str]) -> list[Pair]:
    """Pairs among the petitions `seen` on this matter that people rejected although others hold both on it: for a person to look at."""
    found = latest_verdicts(_verdicts_within(connection, {matter_id}, ()))
    return sorted(ends for ends, confirmed in found.items() if not confirmed and set(ends) <= set(seen))


def is_dissolved(connection: Connection, matter_id: str) -> bool:
    """Whether no petition at all is on a matter any more."""
    return not _held(connection, {matter_id})


def _verdicts() -> Any:
    return (
        select(links.c.petition_id, links.c.other_id, link_decisions.c.confirmed)
        .join(link_decisions, link_decisions.c.link_id == links.c.id)
        .where(stands(link_decisions))
        .order_by(link_decisions.c.id)
    )


def _verdicts_within(
    connection: Connection, numbers: Collection[str], besides: Collection[str]
) -> list[tuple[str, str, bool]]:
    ends = (_on(links.c.petition_id, numbers, besides), _on(links.c.other_id, numbers, besides))
    return [(one, other, confirmed) for one, other, confirmed in connection.execute(_verdicts().where(*ends))]


def _on(
    column: ColumnElement[str], numbers: Collection[str], besides: Collection[str]
) -> ColumnElement[bool]:
    """Whether a petition is on one of these matters or among those named besides."""
    inside = select(matter_members.c.petition_id).where(matter_members.c.matter_id.in_(numbers))
    return or_(column.in_(inside), column.in_(besides))


def _held(connection: Connection, numbers: Collection[str]) -> dict[str, str]:
    rows = connection.execute(
        select(matter_members.c.petition_id, matter_members.c.matter_id).where(
            matter_members.c.matter_id.in_(numbers)
        )
    )
    return {petition: number for petition, number in rows}


def _stays(
    connection: Connection, numbers: Collection[str], besides: Collection[str], held: dict[str, str]
) -> list[Stay]:
    rows = connection.execute(
        select(matter_events.c.petition_id, matter_events.c.matter_id)
        .where(matter_events.c.event == JOINED, _on(matter_events.c.petition_id, numbers, besides))
        .order_by(matter_events.c.id)
    ).all()
    latest = {petition: at for at, (petition, _) in enumerate(rows)}
    return [
        Stay(petition, matter, held.get(petition) == matter and latest[petition] == at)
        for at, (petition, matter) in enumerate(rows)
    ]


def _by_age(connection: Connection, numbers: Collection[str]) -> Sequence[str]:
    query = select(matters.c.id).where(matters.c.id.in_(numbers)).order_by(matters.c.created_at, matters.c.id)
    return connection.execute(query).scalars().all()


def _scalars(connection: Connection, column: ColumnElement[str], where: ColumnElement[bool]) -> Iterable[str]:
    return connection.execute(select(column).where(where)).scalars()


def _chunks(items: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def lock(connection: Connection) -> None:
    """One rearrangement at a time: two verdicts that meet in one petition must see each other. SQLite has one writer anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE matter_members IN SHARE ROW EXCLUSIVE MODE"))
