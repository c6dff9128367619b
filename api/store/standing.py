"""What stands on a matter, as far as a viewer may see it: its petitions, its different petitioners, its units, its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, func, select

from api.store.firewall import Viewer, visible
from api.store.petitions import RETURNED
from api.store.tables import (
    decisions,
    matter_events,
    matter_members,
    matter_splits,
    petitioner_keys,
    petitions,
    replies,
    returns,
    users,
)
from api.store.undos import stands
from classifier.links.matters import petitioners_of

#: When a petition came in, as far as is known.
ARRIVED: ColumnElement[Any] = func.coalesce(petitions.c.received_at, petitions.c.created_at)


def members_of(connection: Connection, matter_id: str, viewer: Viewer) -> Sequence[RowMapping]:
    """The petitions on a matter, without their texts, first come first. Here and below only those that `viewer` may see."""
    query = (
        select(
            petitions.c.seq,
            petitions.c.id,
            petitions.c.title,
            petitions.c.channel,
            petitions.c.district,
            petitions.c.received_at,
            petitions.c.created_at,
            petitions.c.status,
            petitions.c.category,
            petitions.c.kind,
            petitions.c.unit,
            petitions.c.replied_on,
        )
        .join(matter_members, matter_members.c.petition_id == petitions.c.id)
        .where(matter_members.c.matter_id == matter_id, visible(viewer))
        .order_by(ARRIVED, petitions.c.seq)
    )
    return connection.execute(query).mappings().all()


def petitioners_on(connection: Connection, matter_id: str, viewer: Viewer) -> dict[int, int]:
    """seq → a number that petitions of one petitioner share; petitions without an identity key are left out.

    Only keys of the matter's own petitions are looked at: what else somebody wrote is no concern of this matter.
    """
    rows = connection.execute(
        select(petitioner_keys.c.kind, petitioner_keys.c.digest, petitioner_keys.c.seq)
        .join(petitions, petitions.c.seq == petitioner_keys.c.seq)
        .join(matter_members, matter_members.c.petition_id == petitions.c.id)
        .where(matter_members.c.matter_id == matter_id, visible(viewer))
    )
    return petitioners_of((kind, digest, seq) for kind, digest, seq in rows)


def units_decided(connection: Connection, matter_id: str, viewer: Viewer) -> list[tuple[str, str]]:
    """(petition, unit) of each decision on a petition of the matter, oldest first; a decision repeats what was decided before.

    Petitions that their unit sent back are nobody's until they are decided on anew.
    """
    rows = connection.execute(
        select(decisions.c.petition_id, decisions.c.unit)
        .join(petitions, petitions.c.id == decisions.c.petition_id)
        .join(matter_members, matter_members.c.petition_id == petitions.c.id)
        .where(
            matter_members.c.matter_id == matter_id,
            decisions.c.unit != "",
            petitions.c.status != RETURNED,
            stands(decisions),
            visible(viewer),
        )
        .order_by(decisions.c.id)
    )
    return [(petition, unit) for petition, unit in rows]


def events_of(connection: Connection, matter_id: str, viewer: Viewer) -> Sequence[RowMapping]:
    """Every move on a matter with its cause, oldest first."""
    return (
        connection.execute(
            select(matter_events, matter_splits.c.reason, users.c.name.label("user"))
            .join(users, users.c.id == matter_events.c.user_id)
            .join(petitions, petitions.c.id == matter_events.c.petition_id)
            .outerjoin(matter_splits, matter_splits.c.id == matter_events.c.split_id)
            .where(matter_events.c.matter_id == matter_id, visible(viewer))
            .order_by(matter_events.c.id)
        )
        .mappings()
        .all()
    )


def assignments_of(connection: Connection, matter_id: str, viewer: Viewer) -> Sequence[RowMapping]:
    """Every decision on a petition of the matter that names a unit, oldest first, those taken back too (`undone`)."""
    return _steps(connection, decisions, matter_id, viewer)


def returns_on(connection: Connection, matter_id: str, viewer: Viewer) -> Sequence[RowMapping]:
    """Every return of a petition of the matter, oldest first, those taken back too (`undone`)."""
    return _steps(connection, returns, matter_id, viewer)


def replies_on(connection: Connection, matter_id: str, viewer: Viewer) -> Sequence[RowMapping]:
    """Every reply to a petition of the matter with its day (`replied_on`), oldest first, those taken back too (`undone`)."""
    return _steps(connection, replies, matter_id, viewer, replies.c.replied_on)


def _steps(
    connection: Connection, of: Table, matter_id: str, viewer: Viewer, *more: ColumnElement[Any]
) -> Sequence[RowMapping]:
    query = (
        select(
            of.c.id,
            of.c.petition_id,
            of.c.unit,
            of.c.reason,
            of.c.role,
            of.c.created_at,
            users.c.name.label("user"),
            (~stands(of)).label("undone"),
            *more,
        )
        .join(users, users.c.id == of.c.user_id)
        .join(petitions, petitions.c.id == of.c.petition_id)
        .join(matter_members, matter_members.c.petition_id == of.c.petition_id)
        .where(matter_members.c.matter_id == matter_id, of.c.unit != "", visible(viewer))
        .order_by(of.c.id)
    )
    return connection.execute(query).mappings().all()
