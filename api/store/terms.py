"""The link index in the database: which petitions had a term, which are of one petitioner, and candidates from both.

A term is one row: how many petitions had it, and the latest of them. A petition changes some fifty rows, each found by its key; a
look-up reads as many. On both databases those who write the index take turns, so that nobody misses whom another is just filing.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    func,
    insert,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, OID, REGCLASS

from api.store.tables import link_terms, petitioner_keys, petitions
from classifier.identity import Keys
from classifier.links.history import KEY_CAP, Posting, PostingLists, filed_under, search
from classifier.links.terms import LinkEntry, TermWeights, Views, unpack, unpack_views

# PostgreSQL's writers take turns under a lock of this number and the petitions table's own: two schemas of a database do not
# wait for each other. Patience as with SQLite.
_TURN = 0x66656E62616E << 16
_PATIENCE_MILLISECONDS = 10_000
# Above every sequence number.
_NO_LIMIT = 2**62


def whole_text(title: str, text: str) -> str:
    """Title and text as they were read together: without a title or without a text there is no line end between them."""
    return f"{title}\n{text}" if title and text else title or text


class DatabaseHistory:
    """Earlier petitions as link search asks for them, on the connection of the transaction that asks."""

    def __init__(self, connection: Connection, table: Table = link_terms) -> None:
        """`table` holds the index."""
        self._connection = connection
        self._table = table
        self._sqlite = is_sqlite(connection)
        self._below = _NO_LIMIT

    def candidates(self, entry: LinkEntry, weights: TermWeights) -> list[LinkEntry]:
        return search(self, entry, weights)

    def stored(self) -> int:
        """The last running number: counting rows would read them all, and gaps in the numbers are few."""
        return self._connection.execute(_LAST).scalar() or 0

    def postings(self, terms: Sequence[int]) -> Mapping[int, Posting]:
        rows = self._among(_queries(self._table, self._sqlite).postings, terms)
        return {term: Posting(df, seqs) for term, df, seqs in rows}

    def same_key(self, entry: LinkEntry) -> Sequence[int]:
        found: set[int] = set()
        for kind, digest in entry.keys:
            values = {"kind": kind, "digest": bytes.fromhex(digest), "below": self._below}
            found.update(self._connection.execute(_OF_KEY, values).scalars())
        return sorted(found, reverse=True)[:KEY_CAP]

    def views(self, seqs: Sequence[int]) -> Views:
        """Terms alone: reading 200 texts takes longer than all else."""
        return unpack_views(self._among(_queries(self._table, self._sqlite).views, seqs))

    def entries(self, seqs: Sequence[int]) -> Mapping[int, LinkEntry]:
        queries = _queries(self._table, self._sqlite)
        keys: dict[int, set[tuple[str, str]]] = defaultdict(set)
        for seq, kind, digest in self._among(queries.keys, seqs):
            keys[seq].add((kind, digest.hex()))
        found = {}
        for seq, petition_id, view, title, words in self._among(queries.entries, seqs):
            entry = _unpacked(petition_id, whole_text(title, words), frozenset(keys[seq]), view)
            if entry is not None:
                found[seq] = entry
        return found

    def _among(self, query: Select[Any], values: Sequence[int]) -> Sequence[Any]:
        if not values:
            return []
        given = json.dumps(list(values)) if self._sqlite else list(values)
        return self._connection.execute(query, {"values": given}).all()


class _Queries(NamedTuple):
    """Each takes the numbers it asks about as one parameter, `values`: a list of hundreds costs no more than a list of one."""

    postings: Select[Any]
    views: Select[Any]
    entries: Select[Any]
    keys: Select[Any]


@cache
def _queries(table: Table, sqlite: bool) -> _Queries:
    """Built once: putting them together takes longer than the database takes to answer."""
    each = func.json_each(bindparam("values", type_=Text)).table_valued("value")

    def among(column: ColumnElement[int]) -> ColumnElement[bool]:
        if sqlite:
            return column.in_(select(each.c.value))
        return column == any_(bindparam("values", type_=ARRAY(BigInteger)))

    terms, stored, keys = table.c, petitions.c, petitioner_keys.c
    return _Queries(
        select(terms.term, terms.df, terms.seqs).where(among(terms.term)),
        select(stored.seq, stored.id, stored.link_view).where(among(stored.seq)),
        select(stored.seq, stored.id, stored.link_view, stored.title, stored.text).where(among(stored.seq)),
        select(keys.seq, keys.kind, keys.digest).where(among(keys.seq)),
    )


_LAST = select(func.max(petitions.c.seq))
# One key a query: read backwards along the primary key, however many petitions an agent filed.
_OF_KEY = (
    select(petitioner_keys.c.seq)
    .where(
        petitioner_keys.c.kind == bindparam("kind"),
        petitioner_keys.c.digest == bindparam("digest"),
        petitioner_keys.c.seq < bindparam("below", type_=BigInteger),
    )
    .order_by(petitioner_keys.c.seq.desc())
    .limit(KEY_CAP)
)


class IndexWriter(DatabaseHistory):
    """A history that grows: what is filed is found by the next petition, and stands in the database after `flush`.

    The postings of a batch are read and written once. From the first look-up on nobody else writes the index until the transaction
    ends: of two who store the same text at once, the second sees the first.
    """

    def __init__(
        self,
        connection: Connection,
        weights: TermWeights,
        table: Table = link_terms,
        last: int | None = None,
    ) -> None:
        """With `last`, the last petition filed, no turn is taken: for an index that nobody else writes."""
        super().__init__(connection, table)
        self._weights = weights
        self._lists = PostingLists()
        self._read: set[int] = set()
        self._changed: set[int] = set()
        self._last = last

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
        """File a stored petition; call `flush` before the transaction ends."""
        self.add_all([(seq, entry)])

    def add_all(self, filed: Sequence[tuple[int, LinkEntry]]) -> None:
        """File stored petitions, in rising order."""
        self.file_all(filed)
        keys = [
            {"kind": kind, "digest": bytes.fromhex(digest), "seq": seq}
            for seq, entry in filed
            for kind, digest in entry.keys
        ]
        if keys:
            self._connection.execute(insert(petitioner_keys), keys)

    def file_all(self, filed: Sequence[tuple[int, LinkEntry]]) -> None:
        """The postings alone, with one read of what is known of all their terms."""
        under = [(seq, *filed_under(entry, self._weights)) for seq, entry in filed]
        touched = {term for _, terms, _ in under for term in terms} | {e for *_, e in under if e is not None}
        self.postings(list(touched))
        self._changed |= touched
        for seq, terms, exact in under:
            self._lists.file(seq, terms, exact)
            self._last = seq

    def flush(self, connection: Connection | None = None) -> None:
        """Write the postings that changed, in one statement, on `connection` where that is not the one that reads."""
        connection = connection or self._connection
        changed = sorted(self._changed)
        if not changed:
            return
        rows = [(term, *self._lists.by_term[term]) for term in changed]
        name = self._table.name
        keep = "ON CONFLICT (term) DO UPDATE SET df = excluded.df, seqs = excluded.seqs"
        if self._sqlite:
            connection.exec_driver_sql(
                f"INSERT INTO {name} (term, df, seqs) VALUES (?, ?, ?) {keep}",  # noqa: S608  a table of ours
                rows,
            )
        else:
            terms, dfs, seqs = map(list, zip(*rows, strict=True))
            columns = "unnest(CAST(:terms AS bigint[]), CAST(:dfs AS integer[]), CAST(:seqs AS bytea[]))"
            connection.execute(
                text(f"INSERT INTO {name} (term, df, seqs) SELECT * FROM {columns} {keep}"),  # noqa: S608
                {"terms": terms, "dfs": dfs, "seqs": seqs},
            )
        self._changed.clear()


def take_turn(connection: Connection) -> None:
    """Wait until nobody else writes the index; the turn ends with the transaction. Raises StoreUnavailableError after ten seconds.

    SQLite has one writer at a time anyway.
    """
    if not is_sqlite(connection):
        connection.execute(text(f"SET LOCAL lock_timeout = {_PATIENCE_MILLISECONDS}"))
        own = cast(cast(cast(petitions.name, REGCLASS), OID), BigInteger)
        connection.execute(select(func.pg_advisory_xact_lock(own + _TURN)))


def _unpacked(petition_id: str, words: str, keys: Keys, view: bytes) -> LinkEntry | None:
    """None for a view that another version packed: it is found again after `fenban relink`."""
    try:
        return unpack(petition_id, words, keys, view)
    except ValueError:
        return None


def is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"
