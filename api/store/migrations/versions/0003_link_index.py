"""The link index by term: one row a term with its latest petitions, packed views, raw digests; links know which run made them.

Everything here is written out, format and limits alike: what this step made must not change when the program does.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

POSTING_CAP = 100
COMMON = 1_000
_BATCH = 5_000


def upgrade() -> None:
    connection = op.get_bind()
    for name in ("link_terms", "link_terms_next"):
        op.create_table(
            name,
            sa.Column("term", sa.BigInteger(), autoincrement=False, nullable=False),
            sa.Column("df", sa.Integer(), nullable=False),
            sa.Column("seqs", sa.LargeBinary(), nullable=True),
            sa.PrimaryKeyConstraint("term", name=op.f(f"pk_{name}")),
            sqlite_with_rowid=False,
        )
    _post_terms(connection)
    op.drop_table("petition_terms")
    if connection.dialect.name == "sqlite":
        _on_sqlite(connection)
    else:
        _on_postgresql()
    # The column keeps its place among the first: SQLite reads a row from its beginning.
    op.execute("ALTER TABLE petitions RENAME COLUMN term_hashes TO link_view")
    op.execute("ALTER TABLE petitions DROP COLUMN term_counts")
    op.add_column("petitions", sa.Column("link_run", sa.Integer(), server_default="0", nullable=False))


def _post_terms(connection: sa.Connection) -> None:
    terms = sa.table("petition_terms", sa.column("term", sa.BigInteger), sa.column("seq", sa.BigInteger))
    target = sa.table(
        "link_terms",
        sa.column("term", sa.BigInteger),
        sa.column("df", sa.Integer),
        sa.column("seqs", sa.LargeBinary),
    )
    query = sa.select(terms.c.term, terms.c.seq).order_by(terms.c.term, terms.c.seq)
    query = query.execution_options(yield_per=_BATCH)
    postings = _postings(connection.execute(query))
    while batch := list(islice(postings, _BATCH)):
        connection.execute(sa.insert(target), batch)


def _postings(rows: Iterable[Any]) -> Iterator[dict[str, Any]]:
    for term, group in groupby(rows, key=lambda row: row.term):
        seqs = [row.seq for row in group]
        latest = b"".join(seq.to_bytes(4, "little") for seq in seqs[-POSTING_CAP:])
        yield {"term": term, "df": len(seqs), "seqs": latest if len(seqs) <= COMMON else None}


def _packed(hashes: bytes, counts: bytes) -> bytes:
    """Version 1 of a packed view: the number of terms, their hashes, their counts."""
    return b"\1" + (len(hashes) // 8).to_bytes(4, "little") + hashes + counts


def _on_sqlite(connection: sa.Connection) -> None:
    driver = connection.connection.driver_connection
    if not isinstance(driver, sqlite3.Connection):
        raise TypeError(type(driver).__name__)
    driver.create_function("fenban_packed", 2, _packed, deterministic=True)
    driver.create_function("fenban_unhex", 1, bytes.fromhex, deterministic=True)
    op.execute("UPDATE petitions SET term_hashes = fenban_packed(term_hashes, term_counts)")
    op.create_table(
        "petitioner_keys_raw",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["seq"], ["petitions.seq"], name=op.f("fk_petitioner_keys_seq")),
        sa.PrimaryKeyConstraint("kind", "digest", "seq", name=op.f("pk_petitioner_keys")),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO petitioner_keys_raw (kind, digest, seq) "
        "SELECT kind, fenban_unhex(digest), seq FROM petitioner_keys"
    )
    op.drop_table("petitioner_keys")
    op.rename_table("petitioner_keys_raw", "petitioner_keys")
    op.create_index("ix_petitioner_keys_seq", "petitioner_keys", ["seq"], unique=False)

    _links_on_sqlite()


def _links_on_sqlite() -> None:
    """SQLite changes no constraint: the table is made anew. Verdicts refer to it, so their check waits until it is filled again."""
    op.execute("PRAGMA defer_foreign_keys = ON")
    op.execute("CREATE TEMPORARY TABLE links_kept AS SELECT * FROM links")
    op.drop_table("links")
    op.create_table(
        "links",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("petition_id", sa.String(length=32), nullable=False),
        sa.Column("other_id", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("run", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["other_id"], ["petitions.id"], name=op.f("fk_links_other_id")),
        sa.ForeignKeyConstraint(["petition_id"], ["petitions.id"], name=op.f("fk_links_petition_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_links")),
        sa.UniqueConstraint("petition_id", "other_id", "run", name=op.f("uq_links_petition_id")),
    )
    names = "id, petition_id, other_id, kind, score, evidence, created_at"
    op.execute(f"INSERT INTO links ({names}) SELECT {names} FROM links_kept")  # noqa: S608  names of ours
    op.execute("DROP TABLE links_kept")
    op.create_index(op.f("ix_links_other_id"), "links", ["other_id"], unique=False)
    for action in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER links_no_{action.lower()} BEFORE {action} ON links "
            "BEGIN SELECT RAISE(ABORT, 'links is append-only'); END"
        )


def _on_postgresql() -> None:
    # int4send is big-endian: its bytes the other way round.
    op.execute(
        "UPDATE petitions SET term_hashes = decode('01', 'hex')"
        " || substring(int4send(length(term_hashes) / 8) FROM 4 FOR 1)"
        " || substring(int4send(length(term_hashes) / 8) FROM 3 FOR 1)"
        " || substring(int4send(length(term_hashes) / 8) FROM 2 FOR 1)"
        " || substring(int4send(length(term_hashes) / 8) FROM 1 FOR 1)"
        " || term_hashes || term_counts"
    )
    op.execute("ALTER TABLE petitioner_keys ALTER COLUMN digest TYPE bytea USING decode(digest::text, 'hex')")
    op.add_column("links", sa.Column("run", sa.Integer(), server_default="0", nullable=False))
    op.drop_constraint("uq_links_petition_id", "links", type_="unique")
    op.create_unique_constraint("uq_links_petition_id", "links", ["petition_id", "other_id", "run"])
