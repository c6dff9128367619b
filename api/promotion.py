"""A version put to use, or taken back, from the running service: the move, and its line in the audit trail.

The move is a file's, the line a database's. The move comes first, and models/HISTORY keeps it should the database not take the line.
"""

from __future__ import annotations

from api import models
from api.service import Service
from api.store.audit import Action, record
from api.store.users import User
from classifier.registry import COMMAND_LINE, Move


def promote(service: Service, version: str, by: User | None, expected: str = "") -> Move:
    """As `api.models.promote`; `by` None is the command line."""
    return _on_record(service, by, models.promote(service.settings, version, _name(by), expected))


def rollback(service: Service, by: User | None, expected: str = "") -> Move:
    """As `api.models.rollback`."""
    return _on_record(service, by, models.rollback(service.settings, _name(by), expected))


def _name(by: User | None) -> str:
    return by.name if by else COMMAND_LINE


def _on_record(service: Service, by: User | None, move: Move) -> Move:
    action = Action.ROLLED_BACK if move.action == "rollback" else Action.PROMOTED
    nobody = {} if by else {"by": COMMAND_LINE}
    with service.store.write() as connection:
        record(connection, action, by.id if by else None, version=move.version, before=move.before, **nobody)
    return move
