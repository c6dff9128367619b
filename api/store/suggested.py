"""What was suggested for several petitions at once."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from api.store.tables import suggestions


def latest_answers(connection: Connection, petition_ids: Sequence[str]) -> dict[str, str]:
    """The latest suggestion of each petition, as the JSON it is kept in."""
    query = (
        select(suggestions.c.petition_id, suggestions.c.answer)
        .where(suggestions.c.petition_id.in_(petition_ids))
        .order_by(suggestions.c.id)
    )
    return {row.petition_id: row.answer for row in connection.execute(query)}
