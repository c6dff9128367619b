"""What in the database needs a unit of the directory."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, exists, func, literal, select

from api.store.tables import petitions, users


def accounts_of_units(connection: Connection, units: Sequence[str]) -> dict[str, int]:
    """How many accounts in use each of these units has, those with none left out."""
    query = (
        select(users.c.unit, func.count())
        .where(users.c.unit.in_(units), users.c.disabled_at.is_(None))
        .group_by(users.c.unit)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def units_with_petitions(connection: Connection, units: Sequence[str]) -> list[str]:
    """Those of these units that a petition stands with now. One look into an index a unit."""
    return [
        unit
        for unit in units
        if connection.execute(select(exists().where(petitions.c.unit == literal(unit)))).scalar_one()
    ]
