"""The audit trail is looked through by action and by day: without these it is read from its end until enough is found."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # By number within an action, for a page is the latest of them.
    op.create_index("ix_audit_action", "audit", ["action", "number"])
    op.create_index("ix_audit_created_at", "audit", ["created_at"])
