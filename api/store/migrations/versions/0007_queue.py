"""Queue and search: since when a petition waits, how sure category and kind were, indexes that lists are narrowed in, bulk accepts."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BATCH = 500
_WAITING = ("waits_since", "seq", "status", "category", "kind", "unit", "channel", "district", "created_by")
_LISTED = (
    "seq", "status", "category", "kind", "unit", "channel", "district", "created_by", "decision_id", "received_at", "created_at",
    "people",
)  # fmt: skip


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("petitions", sa.Column("waits_since", moment, nullable=True))
    op.add_column("reviews", sa.Column("abstained", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("reviews", sa.Column("category_p", sa.Float(), nullable=True))
    op.add_column("reviews", sa.Column("kind_p", sa.Float(), nullable=True))
    op.execute(
        "UPDATE petitions SET waits_since = coalesce(received_at, created_at) WHERE status IN ('待认定', '已退回')"
    )
    op.execute(
        "UPDATE petitions SET waits_since = coalesce((SELECT max(r.created_at) FROM returns r WHERE r.decision_id = petitions.decision_id "
        "AND NOT EXISTS (SELECT 1 FROM undos u WHERE u.return_id = r.id)), waits_since) WHERE status = '已退回'"
    )
    _fill_reviews(op.get_bind())
    waits = sa.text("waits_since IS NOT NULL")
    op.create_index(
        "ix_petitions_waiting", "petitions", list(_WAITING), sqlite_where=waits, postgresql_where=waits
    )
    op.create_index("ix_petitions_listed", "petitions", list(_LISTED))
    op.create_table(
        "bulk_accepts",
        sa.Column("token", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("ended_at", moment, nullable=True),
        sa.Column("result", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_bulk_accepts_user_id")),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_bulk_accepts")),
    )


def _fill_reviews(connection: sa.Connection) -> None:
    """What the suggestion at intake said of itself."""
    petitions = sa.table("petitions", *map(sa.column, ("seq", "id")))
    suggestions = sa.table("suggestions", *map(sa.column, ("id", "petition_id", "answer")))
    reviews = sa.table(
        "reviews", *map(sa.column, ("seq", "category_p", "kind_p")), sa.column("abstained", sa.Boolean())
    )
    first = (
        sa.select(sa.func.min(suggestions.c.id))
        .where(suggestions.c.petition_id == petitions.c.id)
        .correlate(petitions)
        .scalar_subquery()
    )
    answers = suggestions.alias("answers")
    query = (
        sa.select(petitions.c.seq, answers.c.answer)
        .select_from(petitions)
        .join(answers, answers.c.id == first)
        .order_by(petitions.c.seq)
        .limit(_BATCH)
    )
    change = (
        sa.update(reviews)
        .where(reviews.c.seq == sa.bindparam("number"))
        .values({name: sa.bindparam(f"new_{name}") for name in ("abstained", "category_p", "kind_p")})
    )
    last = 0
    while rows := connection.execute(query.where(petitions.c.seq > last)).all():
        last = rows[-1].seq
        connection.execute(change, [{"number": row.seq, **_said(json.loads(row.answer))} for row in rows])


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    categories, kind = answer.get("categories", ()), answer.get("kind", {})
    return {
        "new_abstained": bool(answer.get("abstained", False)),
        "new_category_p": categories[0]["probability"] if categories else None,
        "new_kind_p": kind.get("probability"),
    }
