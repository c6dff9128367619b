"""Suggestions accepted many at once: which may be, and what came of one form."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, insert, select, update

from api.store.asked_links import has_undecided
from api.store.firewall import Viewer, visible
from api.store.listing import confident, narrowed
from api.store.petitions import PENDING, now
from api.store.queue import Lens
from api.store.tables import bulk_accepts, petitions, reviews, suggestions
from classifier.petition import Kind


def acceptable(
    connection: Connection, lens: Lens, floor: float, limit: int, petition_id: str = ""
) -> Sequence[RowMapping]:
    """Petitions whose whole suggestion may be accepted unread by a glance, first come first, each with the number of its suggestion.

    Surely suggested in category and kind, by at least `floor`; undecided, never sent back; no accusation; without undecided links, also
    such as `lens.viewer` does not see; not of the random share, whose figures need single decisions.
    """
    latest = (
        select(func.max(suggestions.c.id))
        .where(suggestions.c.petition_id == petitions.c.id)
        .correlate(petitions)
        .scalar_subquery()
    )
    sure = (reviews.c.category_p >= floor, reviews.c.kind_p >= floor, ~reviews.c.abstained)
    untouched = (petitions.c.status == PENDING, petitions.c.decision_id.is_(None))
    accusation = Kind.ACCUSATION.value
    harmless: tuple[ColumnElement[bool], ...] = (petitions.c.kind != accusation, reviews.c.kind != accusation)
    query = (
        select(
            *(petitions.c[name] for name in ("seq", "id", "title", "channel", "received_at", "created_at")),
            *(reviews.c[name] for name in ("category", "kind", "unit", "category_p", "kind_p")),
            latest.label("suggestion_id"),
        )
        .join(petitions, petitions.c.seq == reviews.c.seq)
        .where(reviews.c.open, ~reviews.c.sampled, reviews.c.category != "", reviews.c.unit != "")
        .where(
            *sure,
            *untouched,
            *harmless,
            visible(lens.viewer),
            *narrowed(lens.wanted),
            *confident(lens.wanted),
        )
        .where(~has_undecided(None))
        .order_by(reviews.c.seq)
        .limit(limit)
    )
    if petition_id:
        query = query.where(petitions.c.id == petition_id)
    elif lens.wanted.linked:
        return []
    return connection.execute(query).mappings().all()


def claim(connection: Connection, token: str, user_id: str) -> bool:
    """Whether nobody has sent this form before. Of two who send it at once one gets ConflictError."""
    if connection.execute(select(bulk_accepts.c.token).where(bulk_accepts.c.token == token)).first():
        return False
    connection.execute(insert(bulk_accepts).values(token=token, user_id=user_id, created_at=now()))
    return True


def finish(connection: Connection, token: str, result: dict[str, Any]) -> None:
    values = {"ended_at": now(), "result": json.dumps(result)}
    connection.execute(update(bulk_accepts).where(bulk_accepts.c.token == token).values(**values))


def outcome(connection: Connection, token: str, user_id: str) -> RowMapping | None:
    """What came of a form that this user sent."""
    query = select(bulk_accepts.c.created_at, bulk_accepts.c.ended_at, bulk_accepts.c.result)
    query = query.where(bulk_accepts.c.token == token, bulk_accepts.c.user_id == user_id)
    return connection.execute(query).mappings().first()


def titles(connection: Connection, ids: Sequence[str], viewer: Viewer) -> dict[str, RowMapping]:
    """Of those of these petitions that `viewer` may see, what a list shows."""
    names = ("seq", "id", "title", "created_at", "category", "kind", "unit")
    query = select(*(petitions.c[name] for name in names))
    rows = connection.execute(query.where(petitions.c.id.in_(ids), visible(viewer))).mappings()
    return {row["id"]: row for row in rows}


def is_untouched(connection: Connection, petition_id: str) -> bool:
    """Whether nobody has decided on a petition."""
    query = select(petitions.c.status, petitions.c.decision_id).where(petitions.c.id == petition_id)
    row = connection.execute(query).first()
    return row is not None and row.status == PENDING and row.decision_id is None
