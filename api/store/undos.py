"""What was taken back. A decision, a return, a reply or a verdict on a link stays on record; an undo beside it says that it holds no more."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Connection, Table, exists, insert

from api.store.petitions import now, storable
from api.store.tables import decisions, link_decisions, replies, returns, undos
from api.store.users import role_of

_TAKES_BACK = {
    decisions: undos.c.decision_id,
    returns: undos.c.return_id,
    replies: undos.c.reply_id,
    link_decisions: undos.c.link_decision_id,
}


def stands(of: Table) -> ColumnElement[bool]:
    """Whether a row of `of` (decisions, returns, replies or link_decisions) was not taken back."""
    return ~exists().where(_TAKES_BACK[of] == of.c.id).correlate(of)


def take_back(
    connection: Connection, petition_id: str, of: Table, number: int, user_id: str, reason: str
) -> None:
    """Record that the row of `of` with this number holds no more. Raises ConflictError when it was taken back already."""
    connection.execute(
        insert(undos).values(
            petition_id=petition_id,
            reason=storable(reason),
            user_id=user_id,
            role=role_of(connection, user_id).value,
            created_at=now(),
            **{_TAKES_BACK[of].name: number},
        )
    )
