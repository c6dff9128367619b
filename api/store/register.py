"""A petition's place in the register (登记): from id to receipt number and back, for who may see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from api.store.firewall import Viewer, visible
from api.store.tables import petitions


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt number is made of."""

    seq: int
    created_at: datetime


def receipts(connection: Connection, viewer: Viewer, petition_ids: Sequence[str]) -> dict[str, Receipt]:
    """By id, of those that `viewer` may see."""
    query = select(petitions.c.id, petitions.c.seq, petitions.c.created_at).where(
        petitions.c.id.in_(set(petition_ids)), visible(viewer)
    )
    return {row.id: Receipt(row.seq, row.created_at) for row in connection.execute(query)}


def petition_at(connection: Connection, viewer: Viewer, seq: int) -> str | None:
    """The id of the petition at this place of the register, None when there is none that `viewer` may see."""
    query = select(petitions.c.id).where(petitions.c.seq == seq, visible(viewer))
    return connection.execute(query).scalar()
