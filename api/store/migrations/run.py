"""Alembic, run in-process on a connection that is already inside a transaction."""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection


def upgrade(connection: Connection, revision: str) -> None:
    """Upgrade to `revision`, whole or not at all: SQLite and PostgreSQL both roll table changes back."""
    script = ScriptDirectory(str(Path(__file__).parent))
    context = MigrationContext.configure(
        connection,
        opts={
            "fn": lambda current, _: script._upgrade_revs(revision, current),
            "transactional_ddl": True,
        },
    )
    with Operations.context(context):
        context.run_migrations()
