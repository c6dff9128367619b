"""The link index in the database: which petitions had a term, which are of one petitioner, and candidates from both.

A term is one row: how many petitions had it, and the latest of them. A petition changes some fifty rows, each found by its key; a
look-up reads as many. On both databases those who write the index take turns, so that nobody misses whom another is just filing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import BigInteger, ColumnElement, Connection, Table, any_, func, insert, literal, select, text
from sqlalchemy import tuple_ as tuple_of
from sqlalchemy.dialects.postgresql import ARRAY

from api.store.tables import link_terms, petitioner_keys, petitions
from classifier.links.history import KEY_CAP, Posting, PostingLists, filed_under, search
from classifier.links.terms import LinkEntry, TermWeights, unpack

# The number of the lock under which PostgreSQL's writers take turns; any fixed one does. Patience as with SQLite.
_TURN = 0x66656E62616E
_PATIENCE_MILLISECONDS = 10_000


class DatabaseHistory:
    """Earlier petitions as link search asks for them, on the connection of the transaction that asks."""

    def __init__(self, connection: Connection, table: Table = link_terms) -> None:
        """`table` holds the index."""
        self._connection = connection
        self._table = table

    def candidates(self, entry: LinkEntry, weights: TermWeights) -> list[LinkEntry]:
        return search(self, entry, weights)

    def stored(self) -> int:
        """The last running number: counting rows would read them all, and gaps in the numbers are few."""
        return self._connection.execute(select(func.max(petitions.c.seq))).scalar() or 0

    def postings(self, terms: Sequence[int]) -> Mapping[int, Posting]:
        if not terms:
            return {}
        table = self._table.c
        query = select(table.term, table.df, table.seqs).where(_among(self._connection, table.term, terms))
        return {row.term: Posting(row.df, row.seqs) for row in self._connection.execute(query)}

    def same_key(self, entry: LinkEntry) -> Sequence[int]:
        if not entry.keys:
            return []
        pairs = [(kind, bytes.fromhex(digest)) for kind, digest in entry.keys.items()]
        query = (
            select(petitioner_keys.c.seq)
            .distinct()
            .where(tuple_of(petitioner_keys.c.kind, petitioner_keys.c.digest).in_(pairs))
            .order_by(petitioner_keys.c.seq.desc())
            .limit(KEY_CAP)
        )
        return self._connection.execute(query).scalars().all()

    def views(self, seqs: Sequence[int]) -> Mapping[int, LinkEntry]:
        """Without texts and keys: reading 200 texts takes longer than all else."""
        if not seqs:
            return {}
        query = select(petitions.c.seq, petitions.c.id, petitions.c.link_view).where(
            _among(self._connection, petitions.c.seq, seqs)
        )
        found = {}
        for row in self._connection.execute(query):
            view = _unpacked(row.id, "", {}, row.link_view)
            if view is not None:
                found[row.seq] = view
        return found

    def entries(self, seqs: Sequence[int]) -> Mapping[int, LinkEntry]:
        if not seqs:
            return {}
        keys: dict[int, dict[str, str]] = {}
        for seq, kind, digest in self._connection.execute(
            select(petitioner_keys.c.seq, petitioner_keys.c.kind, petitioner_keys.c.digest).where(
                _among(self._connection, petitioner_keys.c.seq, seqs)
            )
        ):
            keys.setdefault(seq, {})[kind] = digest.hex()
        query = select(
            petitions.c.seq, petitions.c.id, petitions.c.link_view, petitions.c.title, petitions.c.text
        ).where(_among(self._connection, petitions.c.seq, seqs))
        found = {}
        for row in self._connection.execute(query):
            words = f"{row.title}\n{row.text}"
            entry = _unpacked(row.id, words, keys.get(row.seq, {}), row.link_view)
            if entry is not None:
                found[row.seq] = entry
        return found


class IndexWriter(DatabaseHistory):
    """A history that grows: what is filed is found by the next petition, and stands in the database after `flush`.

    The postings of a batch are read and written once. From the first look-up on nobody else writes the index until the transaction
    ends: of two who store the same text at once, the second sees the first.
    """

    def __init__(self, connection: Connection, weights: TermWeights, table: Table = link_terms) -> None:
        super().__init__(connection, table)
        self._weights = weights
        self._lists = PostingLists()
        self._read: set[int] = set()
        self._changed: set[int] = set()
        self._last: int | None = None

    def stored(self) -> int:
        if self._last is None:
            take_turn(self._connection)
            self._last = super().stored()
        return self._last

    def postings(self, terms: Sequence[int]) -> Mapping[int, Posting]:
        self.stored()  # waits for its turn
        unread = [term for term in terms if term not in self._read]
        self._lists.by_term.update(super().postings(unread))
        self._read.update(unread)
        return {term: self._lists.by_term[term] for term in terms if term in self._lists.by_term}

    def add(self, seq: int, entry: LinkEntry) -> None:
        """File a stored petition. Raises nothing of its own; call `flush` before the transaction ends."""
        terms, exact = filed_under(entry, self._weights)
        filed = [*terms, exact] if exact is not None else terms
        self.postings(filed)
        self._lists.file(seq, terms, exact)
        self._changed.update(filed)
        self._last = seq
        if entry.keys:
            self._connection.execute(
                insert(petitioner_keys),
                [
                    {"kind": kind, "digest": bytes.fromhex(digest), "seq": seq}
                    for kind, digest in entry.keys.items()
                ],
            )

    def flush(self) -> None:
        """Write the postings that changed, in one statement."""
        changed = sorted(self._changed)
        if not changed:
            return
        rows = [(term, *self._lists.by_term[term]) for term in changed]
        name = self._table.name
        keep = "ON CONFLICT (term) DO UPDATE SET df = excluded.df, seqs = excluded.seqs"
        if _is_sqlite(self._connection):
            self._connection.exec_driver_sql(
                f"INSERT INTO {name} (term, df, seqs) VALUES (?, ?, ?) {keep}",  # noqa: S608  a table of ours
                rows,
            )
        else:
            terms, dfs, seqs = map(list, zip(*rows, strict=True))
            columns = "unnest(CAST(:terms AS bigint[]), CAST(:dfs AS integer[]), CAST(:seqs AS bytea[]))"
            self._connection.execute(
                text(f"INSERT INTO {name} (term, df, seqs) SELECT * FROM {columns} {keep}"),  # noqa: S608
                {"terms": terms, "dfs": dfs, "seqs": seqs},
            )
        self._changed.clear()


def take_turn(connection: Connection) -> None:
    """Wait until nobody else writes the index; the turn ends with the transaction. Raises StoreUnavailableError after ten seconds.

    SQLite has one writer at a time anyway.
    """
    if not _is_sqlite(connection):
        connection.execute(text(f"SET LOCAL lock_timeout = {_PATIENCE_MILLISECONDS}"))
        connection.execute(select(func.pg_advisory_xact_lock(_TURN)))


def _unpacked(petition_id: str, words: str, keys: Mapping[str, str], view: bytes) -> LinkEntry | None:
    """None for a view that another version packed: it is found again after `fenban relink`."""
    try:
        return unpack(petition_id, words, keys, view)
    except ValueError:
        return None


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


def _among(connection: Connection, column: ColumnElement[int], values: Sequence[int]) -> ColumnElement[bool]:
    """`column` is one of the values, as one parameter: a list of hundreds costs no more to compile than a list of one."""
    if _is_sqlite(connection):
        each = func.json_each(json.dumps(list(values))).table_valued("value")
        return column.in_(select(each.c.value))
    return column == any_(literal(list(values), ARRAY(BigInteger)))
