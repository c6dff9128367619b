"""What an office wants to know of a matter (信访事项): how many petitions, first or repeat, whose it is, until when; and its split.

Every figure belongs to the matter. Petitioners are told apart to count them and to tell a first petition from a repeat, within one
matter; nothing is counted, kept or listed by petitioner.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping

from api.reasons import without_identity
from api.service import Service
from api.settings import Settings
from api.store.audit import Action, record
from api.store.firewall import Viewer
from api.store.matters import check_matter, is_dissolved, lock, matter_of, no_matter, rejected_within, split
from api.store.petitions import now
from api.store.standing import events_of, members_of, petitioners_on, units_decided
from classifier.dates import CHINA
from classifier.errors import InputError

_SATURDAY = 5


def due_at(opened: datetime, days: int) -> datetime:
    """The end of the last day of a time limit of `days` days.

    The day on which it begins does not count and the last one ends at 24:00 (Civil Code Art. 201, 203), both in China. Public
    holidays, which move the end to the next day, are not known here.
    """
    last = opened.astimezone(CHINA).date() + timedelta(days=days)
    return datetime.combine(last + timedelta(days=1), time(), CHINA).astimezone(UTC)


def days_left(begun: datetime, days: int, moment: datetime) -> int:
    """How many days after `moment`'s own the last day of a limit is: 0 on the last day, negative by how many days it is over."""
    last = begun.astimezone(CHINA).date() + timedelta(days=days)
    return (last - moment.astimezone(CHINA).date()).days


def overdue_before(moment: datetime, days: int) -> datetime:
    """At `moment` a limit of `days` days is over exactly for what began earlier than this."""
    day = moment.astimezone(CHINA).date() - timedelta(days=days)
    return datetime.combine(day, time(), CHINA).astimezone(UTC)


def return_due_at(assigned: datetime, working_days: int) -> datetime:
    """The end of the last of so many working days after a petition was assigned (Regulation Art. 23), counted as `due_at` counts.

    Working days are Monday to Friday, in China: public holidays and the weekends worked in their place are not known here.
    """
    day = assigned.astimezone(CHINA).date()
    while working_days:
        day += timedelta(days=1)
        working_days -= day.weekday() < _SATURDAY
    return datetime.combine(day + timedelta(days=1), time(), CHINA).astimezone(UTC)


def unit_in_charge(decided: Sequence[tuple[str, str]]) -> str:
    """The unit that people decided on last for any petition of a matter, "" while none.

    `decided` are (petition, unit) of the decisions, oldest first. A decision repeats what was decided on its petition before:
    only where the unit is another than before was a unit decided.
    """
    before: dict[str, str] = {}
    latest = ""
    for petition, unit in decided:
        if before.get(petition) != unit:
            latest = unit
        before[petition] = unit
    return latest


def firsts(seqs: Sequence[int], petitioner: Mapping[int, int]) -> list[bool]:
    """For each petition of a matter, first come first, whether it is its petitioner's first (初信初访) on it, else a repeat (重复信访).

    A repeat, as offices count it: at least one identical petitioner and the same matter. Who is anonymous repeats nothing.
    """
    seen: set[int] = set()
    found = []
    for seq in seqs:
        who = petitioner.get(seq)
        found.append(who is None or who not in seen)
        seen |= {who} if who is not None else set()
    return found


def standing_of(
    connection: Connection, settings: Settings, petition_id: str, viewer: Viewer
) -> dict[str, Any] | None:
    """The matter a petition is on, as it stands, and whether the petition is the first; None when it is on none.

    None, too, when it is the only one there that `viewer` may see: that there are others is not for them to know.
    """
    found = members_and_standing(connection, settings, petition_id, viewer)
    return found[1] if found else None


def members_and_standing(
    connection: Connection, settings: Settings, petition_id: str, viewer: Viewer
) -> tuple[list[dict[str, Any]], dict[str, Any]] | None:
    """The same with the matter's petitions, first come first, each saying whether it is its petitioner's `first`."""
    number = matter_of(connection, petition_id)
    if number is None:
        return None
    rows, figures = _standing(connection, settings, number, viewer)
    first = [row["first"] for row in rows if row["id"] == petition_id]
    return (rows, figures | {"first": first[0]}) if first and len(rows) > 1 else None


def get_matter(service: Service, matter_id: str, viewer: Viewer) -> dict[str, Any]:
    """A matter with its petitions, its history and its figures, as far as `viewer` may see them. Raises NotFoundError."""
    with service.store.read() as connection:
        return whole_matter(connection, service.settings, matter_id, viewer)


def split_matter(
    service: Service, matter_id: str, parted: Collection[str], reason: str, viewer: Viewer
) -> dict[str, Any]:
    """A person parts petitions from the others of a matter; returns the matter as it stands then.

    Each side holds together by its own confirmed links only; a petition left without one is on no matter. Raises NotFoundError,
    InputError without a reason, for a petition that is not on the matter, or when no petition would stay.
    """
    if not reason.strip():
        raise InputError("拆分必须写明理由。")
    chosen = set(parted)
    with service.store.write() as connection:
        lock(connection)
        check_matter(connection, matter_id)
        members = {row["id"] for row in members_of(connection, matter_id, viewer)}
        if not chosen <= members:
            raise InputError("要拆出的信访件里有不在这个事项上的。请对照事项的信访件列表。")
        if chosen == members:
            raise InputError("不能把全部信访件都拆出去。请至少留下一件。")
        why = without_identity(service, connection, reason, sorted(members), viewer)
        split(connection, matter_id, chosen, why, viewer.user_id)
        record(connection, Action.SPLIT, viewer.user_id, matter=matter_id, petitions=sorted(chosen))
        return whole_matter(connection, service.settings, matter_id, viewer)


def whole_matter(
    connection: Connection, settings: Settings, matter_id: str, viewer: Viewer
) -> dict[str, Any]:
    """A matter within a transaction of the caller's. Raises NotFoundError."""
    rows, figures = _standing(connection, settings, matter_id, viewer)
    events = events_of(connection, matter_id, viewer)
    if len(rows) < 2:
        # Nothing but history is left of it; or else the others are hidden from this viewer, and with them that it is one.
        once = {row["petition_id"] for row in events}
        if len(once) < 2 or not is_dissolved(connection, matter_id):
            raise no_matter()
    seen = {row["id"] for row in rows}
    return figures | {
        "items": rows,
        # A reason may speak of any petition of the split.
        "events": [_event(row, viewer.sees_all) for row in events],
        "rejected_pairs": [list(ends) for ends in rejected_within(connection, matter_id, seen)],
    }


def _standing(
    connection: Connection, settings: Settings, matter_id: str, viewer: Viewer
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    rows = members_of(connection, matter_id, viewer)
    petitioner = petitioners_on(connection, matter_id, viewer)
    is_first = firsts([row["seq"] for row in rows], petitioner)
    opened = (rows[0]["received_at"] or rows[0]["created_at"]) if rows else None
    due = due_at(opened, settings.handling_days) if opened else None
    replied = [row["replied_on"] for row in rows]
    is_replied = bool(rows) and None not in replied
    figures = {
        "id": matter_id,
        "petitions": len(rows),
        # Each petitioner has one first petition on the matter, each anonymous petition is one of its own.
        "petitioners": sum(is_first),
        "unit": unit_in_charge(units_decided(connection, matter_id, viewer)),
        "opened_at": opened,
        "due_at": due,
        "due_source": settings.handling_source,
        # A matter is answered once each of its petitions is: everybody who wrote is owed a reply.
        "replied_on": max(replied) if is_replied else None,
        "replies": sum(day is not None for day in replied),
        "overdue": due is not None and not is_replied and now() >= due,
    }
    return [{**row, "first": first} for row, first in zip(rows, is_first, strict=True)], figures


def _event(row: RowMapping, with_reason: bool) -> dict[str, Any]:
    return {
        "event": row["event"],
        "petition_id": row["petition_id"],
        "cause": "link" if row["split_id"] is None else "split",
        "reason": (row["reason"] or "") if with_reason else "",
        "user_id": row["user_id"],
        "user": row["user"],
        # What made it, together with other moves of the same.
        "move": row["link_decision_id"] if row["split_id"] is None else row["split_id"],
        "created_at": row["created_at"],
    }
