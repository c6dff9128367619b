"""Matters: what people confirmed so far becomes matters with their history; from now on it is kept up with each verdict.
And users of a handling unit, who see what was assigned to it; and an index for what came in when."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

APPEND_ONLY = ("matter_splits", "matter_split_sides", "matter_events")


def upgrade() -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "matters",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matters")),
    )
    op.create_table(
        "matter_members",
        sa.Column("petition_id", sa.String(length=32), nullable=False),
        sa.Column("matter_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_matter_members_petition_id")
        ),
        sa.ForeignKeyConstraint(["matter_id"], ["matters.id"], name=op.f("fk_matter_members_matter_id")),
        sa.PrimaryKeyConstraint("petition_id", name=op.f("pk_matter_members")),
    )
    op.create_index(op.f("ix_matter_members_matter_id"), "matter_members", ["matter_id"], unique=False)
    op.create_table(
        "matter_splits",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("matter_id", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["matter_id"], ["matters.id"], name=op.f("fk_matter_splits_matter_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_matter_splits_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matter_splits")),
    )
    op.create_index(op.f("ix_matter_splits_matter_id"), "matter_splits", ["matter_id"], unique=False)
    op.create_table(
        "matter_split_sides",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("split_id", number, nullable=False),
        sa.Column("petition_id", sa.String(length=32), nullable=False),
        sa.Column("parted", sa.Boolean(), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(
            ["split_id"], ["matter_splits.id"], name=op.f("fk_matter_split_sides_split_id")
        ),
        sa.ForeignKeyConstraint(
            ["petition_id"], ["petitions.id"], name=op.f("fk_matter_split_sides_petition_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matter_split_sides")),
    )
    for column in ("split_id", "petition_id"):
        op.create_index(op.f(f"ix_matter_split_sides_{column}"), "matter_split_sides", [column], unique=False)
    op.create_table(
        "matter_events",
        sa.Column("id", number, autoincrement=True, nullable=False),
        sa.Column("matter_id", sa.String(length=32), nullable=False),
        sa.Column("petition_id", sa.String(length=32), nullable=False),
        sa.Column("event", sa.String(length=8), nullable=False),
        sa.Column("link_decision_id", number, nullable=True),
        sa.Column("split_id", number, nullable=True),
        sa.Column("user_id", sa.String(length=32), nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.ForeignKeyConstraint(["matter_id"], ["matters.id"], name=op.f("fk_matter_events_matter_id")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_matter_events_petition_id")),
        sa.ForeignKeyConstraint(
            ["link_decision_id"], ["link_decisions.id"], name=op.f("fk_matter_events_link_decision_id")
        ),
        sa.ForeignKeyConstraint(["split_id"], ["matter_splits.id"], name=op.f("fk_matter_events_split_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_matter_events_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_matter_events")),
    )
    for column in ("matter_id", "petition_id"):
        op.create_index(op.f(f"ix_matter_events_{column}"), "matter_events", [column], unique=False)
    op.create_index(op.f("ix_petitions_received_at"), "petitions", ["received_at"], unique=False)
    op.add_column("users", sa.Column("unit", sa.String(length=80), server_default="", nullable=False))
    _fill(op.get_bind())
    _protect(op.get_bind().dialect.name)


def _fill(connection: sa.Connection) -> None:
    """Matters of the links confirmed before there were any. A migration is frozen: it imports nothing that may change."""
    links = sa.table("links", *map(sa.column, ("id", "petition_id", "other_id")))
    verdicts = sa.table(
        "link_decisions",
        *map(sa.column, ("id", "link_id", "confirmed", "user_id")),
        sa.column("created_at", sa.DateTime(timezone=True)),
    )
    rows = connection.execute(
        sa.select(links.c.petition_id, links.c.other_id, verdicts)
        .join(links, links.c.id == verdicts.c.link_id)
        .order_by(verdicts.c.id)
    ).mappings()
    latest: dict[tuple[str, str], Any] = {}
    for row in rows:
        ends = row["petition_id"], row["other_id"]
        latest[min(ends), max(ends)] = row
    confirmed = {ends: row for ends, row in latest.items() if row["confirmed"]}
    group: dict[str, list[str]] = {}
    for one, other in confirmed:
        first, second = group.setdefault(one, [one]), group.setdefault(other, [other])
        if first is not second:
            first += second
            group.update(dict.fromkeys(second, first))
    if not group:
        return
    moment = datetime.now(UTC)
    cause = {end: row for ends, row in confirmed.items() for end in ends}
    names = {id(members): uuid.uuid4().hex for members in group.values()}
    member_rows = [
        {"petition_id": petition, "matter_id": names[id(members)]} for petition, members in group.items()
    ]
    types = {"created_at": sa.DateTime(timezone=True)}

    def into(table: str, *columns: str) -> sa.Insert:
        return sa.insert(sa.table(table, *(sa.column(name, types.get(name)) for name in columns)))

    connection.execute(
        into("matters", "id", "created_at"), [{"id": name, "created_at": moment} for name in names.values()]
    )
    connection.execute(into("matter_members", "petition_id", "matter_id"), member_rows)
    connection.execute(
        into(
            "matter_events",
            "petition_id",
            "matter_id",
            "event",
            "link_decision_id",
            "user_id",
            "created_at",
        ),
        [
            row
            | {
                "event": "joined",
                "link_decision_id": cause[row["petition_id"]]["id"],
                "user_id": cause[row["petition_id"]]["user_id"],
                "created_at": moment,
            }
            for row in member_rows
        ],
    )


def _protect(dialect: str) -> None:
    for table in APPEND_ONLY:
        if dialect == "sqlite":
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
