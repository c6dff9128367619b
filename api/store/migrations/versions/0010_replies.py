"""Replies to petitioners, with which the time limit of a petition ends; what takes one back; the day of the one that stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "replies",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("petition_id", sa.String(length=32), nullable=False),
        sa.Column("decision_id", number, nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("replied_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_replies_petition_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_replies_decision_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_replies_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_replies")),
    )
    for column in ("petition_id", "decision_id"):
        op.create_index(op.f(f"ix_replies_{column}"), "replies", [column])
    # Written out: Alembic adds no foreign key to a table of SQLite.
    kind = "INTEGER" if _dialect() == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE undos ADD COLUMN reply_id {kind} CONSTRAINT fk_undos_reply_id REFERENCES replies (id)"
    )
    op.create_index("ix_undos_reply_id", "undos", ["reply_id"], unique=True)
    op.add_column("petitions", sa.Column("replied_on", sa.Date(), nullable=True))
    # With it in the index, counting still reads no row of the table.
    op.drop_index("ix_petitions_listed", "petitions")
    columns = "seq status category kind unit channel district created_by decision_id received_at created_at people replied_on"
    op.create_index("ix_petitions_listed", "petitions", columns.split())
    _protect("replies")


def _dialect() -> str:
    return op.get_bind().dialect.name


def _protect(table: str) -> None:
    if _dialect() == "sqlite":
        for action in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    else:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
            "FOR EACH ROW EXECUTE FUNCTION fenban_append_only()"
        )
