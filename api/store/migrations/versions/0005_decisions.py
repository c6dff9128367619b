"""Decisions as labels: joint units, the decider's role, reasons of verdicts on links, undo, which decision holds now and which a
return answers; and what was suggested at intake in narrow columns, from which the review queue is read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NEW_APPEND_ONLY = ("joint_units", "undos")
# Append-only tables that get columns which earlier rows have a value for.
_FILLED = ("decisions", "returns", "link_decisions")
_BATCH = 500


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    for table in _FILLED:
        op.add_column(table, sa.Column("role", sa.String(length=16), server_default="", nullable=False))
    op.add_column("link_decisions", sa.Column("reason", sa.Text(), server_default="", nullable=False))
    op.add_column("returns", sa.Column("late", sa.Boolean(), server_default=sa.false(), nullable=False))
    # Written out: Alembic adds no foreign key to a table of SQLite.
    kind = "INTEGER" if _dialect() == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE returns ADD COLUMN decision_id {kind} CONSTRAINT fk_returns_decision_id REFERENCES decisions (id)"
    )
    op.add_column("petitions", sa.Column("decision_id", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_petitions_decision_id"), "petitions", ["decision_id"])
    op.create_index(op.f("ix_decisions_unit"), "decisions", ["unit"])
    op.create_table(
        "joint_units",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("decision_id", number, nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_joint_units_decision_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_joint_units")),
    )
    for column in ("decision_id", "unit"):
        op.create_index(op.f(f"ix_joint_units_{column}"), "joint_units", [column])
    _create_undos(number)
    _create_reviews(number)
    with _writable(_FILLED):
        _fill_roles_and_decisions()
    _fill_reviews(op.get_bind())
    _protect(_NEW_APPEND_ONLY)


def _dialect() -> str:
    return op.get_bind().dialect.name


def _create_undos(number: Any) -> None:
    op.create_table(
        "undos",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("petition_id", sa.String(length=32), nullable=False),
        sa.Column("decision_id", number, nullable=True),
        sa.Column("return_id", number, nullable=True),
        sa.Column("link_decision_id", number, nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("role", sa.String(length=16), server_default="", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_undos_petition_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_undos_decision_id")),
        sa.ForeignKeyConstraint(["return_id"], ["returns.id"], name=op.f("fk_undos_return_id")),
        sa.ForeignKeyConstraint(
            ["link_decision_id"], ["link_decisions.id"], name=op.f("fk_undos_link_decision_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_undos_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_undos")),
        *(
            sa.UniqueConstraint(column, name=op.f(f"uq_undos_{column}"))
            for column in ("decision_id", "return_id", "link_decision_id")
        ),
    )
    op.create_index(op.f("ix_undos_petition_id"), "undos", ["petition_id"])


def _create_reviews(number: Any) -> None:
    op.create_table(
        "reviews",
        sa.Column("seq", number, autoincrement=False, nullable=False),
        sa.Column("open", sa.Boolean(), nullable=False),
        sa.Column("sampled", sa.Boolean(), nullable=False),
        sa.Column("usefulness", sa.Float(), nullable=False),
        sa.Column("doubts", sa.String(length=80), nullable=False),
        sa.Column("confidence", sa.Float(), nullable=False),
        sa.Column("unseen", sa.Float(), nullable=False),
        sa.Column("model_version", sa.String(length=64), nullable=False),
        sa.Column("category", sa.String(length=8), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("unit", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["petitions.seq"], name=op.f("fk_reviews_seq")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_reviews")),
    )
    op.create_index("ix_reviews_useful", "reviews", ["open", "sampled", sa.text("usefulness DESC"), "seq"])
    op.create_index("ix_reviews_drawn", "reviews", ["open", "sampled", "seq"])


@contextmanager
def _writable(tables: tuple[str, ...]) -> Iterator[None]:
    """Lift the protection of append-only tables while new columns of old rows are filled, and only for that."""
    for table in tables:
        if _dialect() == "sqlite":
            op.execute(f"DROP TRIGGER {table}_no_update")
        else:
            op.execute(f"ALTER TABLE {table} DISABLE TRIGGER {table}_append_only")
    yield
    for table in tables:
        if _dialect() == "sqlite":
            _refuse(table, "UPDATE")
        else:
            op.execute(f"ALTER TABLE {table} ENABLE TRIGGER {table}_append_only")


def _fill_roles_and_decisions() -> None:
    users = sa.table("users", sa.column("id"), sa.column("role"))
    for name in _FILLED:
        table = sa.table(name, sa.column("user_id"), sa.column("role"))
        # No command changes a user's role, so it was what it is.
        role = sa.select(users.c.role).where(users.c.id == table.c.user_id).scalar_subquery()
        op.execute(sa.update(table).values(role=role))
    op.execute(
        "UPDATE returns SET decision_id = (SELECT max(d.id) FROM decisions d "
        "WHERE d.petition_id = returns.petition_id AND d.created_at <= returns.created_at)"
    )
    op.execute(
        "UPDATE petitions SET decision_id = (SELECT max(d.id) FROM decisions d WHERE d.petition_id = petitions.id) "
        "WHERE id IN (SELECT petition_id FROM decisions)"
    )


def _fill_reviews(connection: sa.Connection) -> None:
    """What is known of earlier suggestions: ordered by doubt alone, none of them part of the random share."""
    petitions = sa.table("petitions", *map(sa.column, ("seq", "id", "decision_id", "status")))
    suggestions = sa.table("suggestions", *map(sa.column, ("id", "petition_id", "model_version", "answer")))
    reviews = sa.table(
        "reviews",
        *map(sa.column, ("seq", "usefulness", "doubts", "confidence", "unseen", "model_version")),
        *(sa.column(name, sa.Boolean()) for name in ("open", "sampled")),
        *map(sa.column, ("category", "kind", "unit")),
    )
    # Of the batch's petitions only: a subquery over all suggestions would be worked out anew for every batch.
    first = (
        sa.select(sa.func.min(suggestions.c.id))
        .where(suggestions.c.petition_id == petitions.c.id)
        .correlate(petitions)
        .scalar_subquery()
    )
    query = (
        sa.select(petitions.c.seq, petitions.c.status, suggestions.c.model_version, suggestions.c.answer)
        .join(suggestions, suggestions.c.id == first)
        .order_by(petitions.c.seq)
        .limit(_BATCH)
    )
    last = 0
    while rows := connection.execute(query.where(petitions.c.seq > last)).all():
        last = rows[-1].seq
        connection.execute(sa.insert(reviews), [_review(row) for row in rows])


def _review(row: Any) -> dict[str, Any]:
    answer = json.loads(row.answer)
    categories, units = answer.get("categories", ()), answer.get("units", ())
    probability = float(categories[0]["probability"]) if categories else 0.0
    unsure = bool(answer.get("abstained", False))
    return {
        "seq": row.seq,
        "open": row.status == "待认定",
        "sampled": False,
        "usefulness": round((1 - probability) / 2, 4) if unsure else 0.0,
        "doubts": "uncertain" if unsure else "",
        "confidence": probability,
        "unseen": 0.0,
        "model_version": row.model_version,
        "category": categories[0]["code"] if categories else "",
        "kind": answer.get("kind", {}).get("name", ""),
        "unit": units[0]["id"][:80] if units else "",
    }


def _protect(tables: tuple[str, ...]) -> None:
    for table in tables:
        if _dialect() == "sqlite":
            for action in ("UPDATE", "DELETE"):
                _refuse(table, action)
        else:
            op.execute(
                f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
                "FOR EACH ROW EXECUTE FUNCTION fenban_append_only()"
            )


def _refuse(table: str, action: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_no_{action.lower()} BEFORE {action} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )
