"""Counting: indexes that say what the firewall lets whom see."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index("ix_petitions_decision_id", "petitions")
    op.create_index("ix_petitions_decision_id", "petitions", ["decision_id", "kind", "created_by", "seq"])
    accusation = sa.text("kind = '检举控告'")
    op.create_index(
        "ix_petitions_accusations",
        "petitions",
        ["created_by", "seq"],
        sqlite_where=accusation,
        postgresql_where=accusation,
    )
    open_category = sa.text("category = ''")
    op.create_index(
        "ix_decisions_uncategorised",
        "decisions",
        ["id"],
        sqlite_where=open_category,
        postgresql_where=open_category,
    )
