"""The rows of a label snapshot: decided petitions, verdicts on links, and which petitions are of one petitioner or one matter."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from typing import Any

from sqlalchemy import Connection, RowMapping, func, or_, select

from api.store.tables import (
    decisions,
    joint_units,
    link_decisions,
    links,
    matter_members,
    petitioner_keys,
    petitions,
    returns,
    reviews,
    suggestions,
    undos,
)
from api.store.undos import stands
from classifier.links.matters import pair, petitioners_of

_CHUNK = 500


def state(connection: Connection) -> tuple[int, ...]:
    """Numbers that are the same as long as nothing was decided, returned or taken back, whatever came in meanwhile."""
    newest = (decisions.c.id, returns.c.id, link_decisions.c.id, undos.c.id)
    row = connection.execute(select(*(select(func.max(column)).scalar_subquery() for column in newest))).one()
    return tuple(number or 0 for number in row)


def verdicts(connection: Connection) -> list[dict[str, Any]]:
    """The latest verdict on each pair that was not taken back: `a` came in after `b`. In order of the pairs."""
    later, earlier = petitions.alias("later"), petitions.alias("earlier")
    query = (
        select(
            later.c.id.label("a"),
            earlier.c.id.label("b"),
            links.c.kind,
            links.c.score,
            link_decisions.c.confirmed,
            link_decisions.c.created_at,
        )
        .select_from(link_decisions)
        .join(links, links.c.id == link_decisions.c.link_id)
        .join(later, later.c.id == links.c.petition_id)
        .join(earlier, earlier.c.id == links.c.other_id)
        .where(stands(link_decisions))
        .order_by(link_decisions.c.id)
    )
    latest = {pair(row["a"], row["b"]): dict(row) for row in connection.execute(query).mappings()}
    return [latest[ends] for ends in sorted(latest)]


def labelled(connection: Connection, linked: set[str]) -> Generator[RowMapping]:
    """Each petition with a decision in force or among `linked`, with that decision and the suggestion of intake, in order of intake.

    To be closed by who stops before the end: the rows come through a cursor of the server's."""
    first = (
        select(suggestions.c.petition_id, func.min(suggestions.c.id).label("id"))
        .group_by(suggestions.c.petition_id)
        .subquery()
    )
    query = (
        select(
            petitions.c.seq,
            petitions.c.id,
            petitions.c.title,
            petitions.c.text,
            petitions.c.channel,
            petitions.c.district,
            petitions.c.received_at,
            petitions.c.created_at,
            petitions.c.status,
            petitions.c.decision_id,
            decisions.c.category,
            decisions.c.kind,
            decisions.c.unit,
            decisions.c.created_at.label("decided_at"),
            suggestions.c.model_version,
            suggestions.c.answer,
            reviews.c.sampled,
        )
        .outerjoin(decisions, decisions.c.id == petitions.c.decision_id)
        .join(first, first.c.petition_id == petitions.c.id)
        .join(suggestions, suggestions.c.id == func.coalesce(decisions.c.suggestion_id, first.c.id))
        .outerjoin(reviews, reviews.c.seq == petitions.c.seq)
        .where(or_(petitions.c.decision_id.is_not(None), petitions.c.id.in_(_linked())))
        .order_by(petitions.c.seq)
    )
    with closing(connection.execution_options(yield_per=_CHUNK).execute(query)) as rows:
        # A verdict that was taken back leaves its petitions in the query, not in the snapshot.
        yield from (row for row in rows.mappings() if row["decision_id"] is not None or row["id"] in linked)


def _linked() -> Any:
    said = select(link_decisions.c.link_id)
    return (
        select(links.c.petition_id)
        .where(links.c.id.in_(said))
        .union(select(links.c.other_id).where(links.c.id.in_(said)))
    )


def joint_units_in_force(connection: Connection) -> dict[int, list[str]]:
    """Decision → its joint units."""
    found: dict[int, list[str]] = {}
    query = select(joint_units.c.decision_id, joint_units.c.unit).order_by(joint_units.c.unit)
    for number, unit in connection.execute(query):
        found.setdefault(number, []).append(unit)
    return found


def returns_in_force(connection: Connection) -> dict[str, list[RowMapping]]:
    """Petition → its returns that were not taken back, oldest first."""
    found: dict[str, list[RowMapping]] = {}
    query = select(returns).where(stands(returns)).order_by(returns.c.id)
    for row in connection.execute(query).mappings():
        found.setdefault(row["petition_id"], []).append(row)
    return found


def matters_now(connection: Connection) -> dict[str, str]:
    """Petition → the number of the matter it is on."""
    rows = connection.execute(select(matter_members.c.petition_id, matter_members.c.matter_id))
    return {petition: matter for petition, matter in rows}


def petitioners(connection: Connection) -> dict[int, int]:
    """seq → a number that all petitions of one petitioner share; petitions without an identity key are left out.

    One letter names a phone, the next an ID number, a third both: petitions are of one petitioner when they share a key or a
    chain of petitions that do.
    """
    rows = connection.execution_options(yield_per=5_000).execute(
        select(petitioner_keys.c.kind, petitioner_keys.c.digest, petitioner_keys.c.seq)
    )
    return petitioners_of((kind, digest, seq) for kind, digest, seq in rows)
