"""All petitions as columns of numbers, so that any figure of any period is a few array operations: what the overview and the monthly
report count on.

The columns are kept in the process and follow the database without ever guessing: new petitions have a higher number (writers of
petitions take turns), every later change of one stands in the audit trail (writers of the trail take turns, too), and every move of a
matter is an event under the matters' lock. All three are in the order of commits, so what was read up to is read for good. Only the
first look reads everything. Nothing here says who somebody is: a matter's petitioners are told apart by the number of their first
petition, within that matter, as api/store/standing.py does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from threading import Lock, Thread
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    cast,
    extract,
    func,
    literal_column,
    not_,
    select,
)

from api.store.audit import Action
from api.store.firewall import Viewer, visible
from api.store.meta import key_check
from api.store.session import Store
from api.store.standing import ARRIVED
from api.store.tables import (
    audit,
    decisions,
    matter_events,
    matter_members,
    petitioner_keys,
    petitions,
    reviews,
)
from api.store.terms import is_sqlite
from classifier.errors import StoreError
from classifier.links.matters import petitioners_of
from classifier.petition import Kind

Ints = npt.NDArray[np.int64]
Narrow = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]

#: Text columns; each is kept as numbers into a book of its own.
_TEXTS = ("status", "kind", "category", "unit", "channel", "district", "suggested")
_CHANGES = (Action.DECIDED, Action.RETURNED, Action.REPLIED, Action.UNDONE)
_CHUNK = 500
_DAY, _CHINA_SECONDS = 86_400, 8 * 3_600
#: Where more changed at once than this, reading everything is quicker.
_MANY = 20_000


@dataclass(frozen=True, slots=True)
class Columns:
    """One element a petition, in order of registration; all arrays have shape (n,).

    `texts` are numbers into `books`; of `suggested` the category suggested at intake. `at` is when it came in, in seconds since 1970
    (UTC), `day` in days since 1970-01-01, in China. `confidence` is 0 to 1, NaN where intake kept none. `open_category`: whether the decision in force leaves the category open.
    `replied`: whether a reply stands.
    `matter` is -1 where nobody confirmed a link; `petitioner`, -1 for none known, tells petitioners of one matter apart.
    """

    seq: Ints
    at: Ints
    day: Narrow
    people: Narrow
    confidence: npt.NDArray[np.float64]
    open_category: Mask
    replied: Mask
    texts: Mapping[str, Narrow]
    books: Mapping[str, Sequence[str]]
    matter: Narrow
    petitioner: Narrow
    #: The id of each matter number.
    matters: Sequence[str]

    def only(self, which: Mask) -> Columns:
        """These petitions alone."""
        return Columns(
            self.seq[which],
            self.at[which],
            self.day[which],
            self.people[which],
            self.confidence[which],
            self.open_category[which],
            self.replied[which],
            {name: numbers[which] for name, numbers in self.texts.items()},
            self.books,
            self.matter[which],
            self.petitioner[which],
            self.matters,
        )

    def rows_of(self, seqs: Iterable[int]) -> Ints:
        """Where petitions stand; numbers that are not there are left out."""
        wanted = np.fromiter(seqs, dtype=np.int64)
        at = np.searchsorted(self.seq, wanted)
        inside = at < len(self.seq)
        found: Ints = at[inside][self.seq[at[inside]] == wanted[inside]]
        return found


@dataclass(frozen=True, slots=True)
class _Upto:
    """How far the database was read: petition, entry of the trail, move of a matter; and the key that identity keys are made with."""

    seq: int
    entry: int
    event: int
    key: str | None


@dataclass(slots=True)
class _Book:
    """Numbers for texts, in the order in which they were met."""

    numbers: dict[str, int] = field(default_factory=dict)

    def write(self, texts: Iterable[str]) -> Narrow:
        numbers = self.numbers
        return np.array([numbers.setdefault(one, len(numbers)) for one in texts], dtype=np.int32)


class _Mirror:
    """The columns of one database, and what they need to follow it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._upto: _Upto | None = None
        self._books = {name: _Book() for name in _TEXTS}
        self._matters = _Book()
        self._columns: Columns | None = None

    def follow(self, connection: Connection) -> Columns:
        with self._lock:
            now = _reached(connection)
            before, columns = self._upto, self._columns
            if before is None or columns is None or before.key != now.key or _gap(before, now) > _MANY:
                columns = self._everything(connection)
            elif before != now:
                columns = self._changed(connection, columns, before, now)
            self._upto, self._columns = now, columns
            return columns

    def _everything(self, connection: Connection) -> Columns:
        columns = self._read(connection.execute(_rows(connection).order_by(petitions.c.seq)).all())
        return self._with_matters(connection, columns, None)

    def _changed(self, connection: Connection, columns: Columns, before: _Upto, now: _Upto) -> Columns:
        columns = _patched(columns, self._read(_changed_rows(connection, before)))
        columns = replace(columns, books=self._pages())
        if now.event != before.event:
            moved = select(matter_events.c.matter_id).where(matter_events.c.id > before.event).distinct()
            columns = self._with_matters(connection, columns, connection.execute(moved).scalars().all())
        return columns

    def _read(self, rows: Sequence[Any]) -> Columns:
        names = ("seq", "at", "people", "confidence", "open_category", "replied", *_TEXTS)
        read = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())
        alone = np.full(len(rows), -1, dtype=np.int32)
        at = np.array(read["at"], dtype=np.int64)
        return Columns(
            seq=np.array(read["seq"], dtype=np.int64),
            at=at,
            day=((at + _CHINA_SECONDS) // _DAY).astype(np.int32),
            people=np.array(read["people"], dtype=np.int32),
            confidence=np.array(read["confidence"], dtype=np.float64),
            open_category=np.array(read["open_category"], dtype=np.bool_),
            replied=np.array(read["replied"], dtype=np.bool_),
            texts={name: self._books[name].write(read[name]) for name in _TEXTS},
            books=self._pages(),
            matter=alone,
            petitioner=alone.copy(),
            matters=tuple(self._matters.numbers),
        )

    def _pages(self) -> dict[str, tuple[str, ...]]:
        return {name: tuple(book.numbers) for name, book in self._books.items()}

    def _with_matters(self, connection: Connection, columns: Columns, only: Sequence[str] | None) -> Columns:
        """The columns with these matters (None for all) as they are now."""
        matter, petitioner = columns.matter.copy(), columns.petitioner.copy()
        if only is not None:
            numbers = [self._matters.numbers[one] for one in only if one in self._matters.numbers]
            gone = np.isin(matter, numbers)
            matter[gone] = petitioner[gone] = -1
        members = _in_chunks(connection, _members(), matter_members.c.matter_id, only)
        rows = columns.rows_of(seq for _, seq in members)
        matter[rows] = self._matters.write(one for one, _ in members)
        told_apart = petitioners_by_matter(_in_chunks(connection, _keys(), matter_members.c.matter_id, only))
        if told_apart:
            petitioner[columns.rows_of(told_apart)] = list(told_apart.values())
        return replace(columns, matter=matter, petitioner=petitioner, matters=tuple(self._matters.numbers))


_MIRRORS: WeakKeyDictionary[Store, _Mirror] = WeakKeyDictionary()
_MIRRORS_LOCK = Lock()


def columns_of(store: Store, connection: Connection) -> Columns:
    """The columns as this connection sees the database; it is one of `Store.read_one_moment`."""
    with _MIRRORS_LOCK:
        mirror = _MIRRORS.setdefault(store, _Mirror())
    return mirror.follow(connection)


@contextmanager
def read_ahead(store: Store) -> Iterator[None]:
    """Begin the first look in a thread of its own, so that nobody's page waits for it: it takes a second and more of a large archive."""

    def read() -> None:
        # A database that does not answer now is told to whoever asks next.
        with suppress(StoreError), store.read_one_moment() as connection:
            columns_of(store, connection)

    thread = Thread(target=read, name="read-ahead", daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def seen_by(connection: Connection, columns: Columns, viewer: Viewer) -> Mask:
    """Which rows `viewer` may see."""
    if viewer.sees_all:
        return np.ones(len(columns.seq), dtype=np.bool_)
    if viewer.unit is None:
        # Only accusations are hidden from who sees every unit. The kind is written out: no index on a condition serves a parameter.
        accusation = petitions.c.kind == literal_column(f"'{Kind.ACCUSATION.value}'")
        hidden = select(petitions.c.seq).where(accusation, not_(visible(viewer)))
        seen = np.ones(len(columns.seq), dtype=np.bool_)
        seen[columns.rows_of(connection.execute(hidden).scalars())] = False
        return seen
    seen = np.zeros(len(columns.seq), dtype=np.bool_)
    shown = select(petitions.c.seq).where(visible(viewer))
    seen[columns.rows_of(connection.execute(shown).scalars())] = True
    return seen


def as_seen(connection: Connection, columns: Columns, viewer: Viewer) -> Columns:
    """The columns with only what `viewer` may see, in petitioners, too: a chain of keys that leads through a petition hidden from them
    does not make two petitions of one petitioner."""
    if viewer.sees_all:
        return columns
    seen = seen_by(connection, columns, viewer)
    # A hidden petition matters where its petitioner has two or more that are seen.
    bridged = columns.petitioner[~seen & (columns.petitioner >= 0)]
    several, many = np.unique(
        columns.petitioner[seen & np.isin(columns.petitioner, bridged)], return_counts=True
    )
    mixed = np.unique(columns.matter[np.isin(columns.petitioner, several[many > 1])])
    numbers = [columns.matters[number] for number in mixed]
    shown = set(columns.seq[seen & np.isin(columns.matter, mixed)].tolist())
    keys = _in_chunks(connection, _keys(), matter_members.c.matter_id, numbers)
    told_apart = petitioners_by_matter(row for row in keys if row.seq in shown)
    petitioner = columns.petitioner.copy()
    if told_apart:
        petitioner[columns.rows_of(told_apart)] = list(told_apart.values())
    return replace(columns, petitioner=petitioner).only(seen)


def petitioners_by_matter(rows: Iterable[tuple[str, str, bytes, int]]) -> dict[int, int]:
    """seq → the number of its petitioner, of (matter, kind of key, digest, seq): told apart within each matter."""
    by_matter: dict[str, list[tuple[str, bytes, int]]] = defaultdict(list)
    for matter, kind, digest, seq in rows:
        by_matter[matter].append((kind, digest, seq))
    found: dict[int, int] = {}
    for keys in by_matter.values():
        found |= petitioners_of(keys)
    return found


def _reached(connection: Connection) -> _Upto:
    row = connection.execute(
        select(
            select(func.coalesce(func.max(petitions.c.seq), 0)).scalar_subquery(),
            select(func.coalesce(func.max(audit.c.number), 0)).scalar_subquery(),
            select(func.coalesce(func.max(matter_events.c.id), 0)).scalar_subquery(),
        )
    ).one()
    return _Upto(*row, key_check(connection))


def _gap(before: _Upto, now: _Upto) -> int:
    return max(now.seq - before.seq, now.entry - before.entry, now.event - before.event)


def _seconds(sqlite: bool) -> ColumnElement[int]:
    # SQLite gives whole seconds anyway and may have no floor; PostgreSQL would round.
    seconds = extract("epoch", ARRIVED)
    return cast(seconds if sqlite else func.floor(seconds), BigInteger)


def _rows(connection: Connection) -> Select[Any]:
    stored = petitions.c
    is_open = (
        select(decisions.c.id)
        .where(decisions.c.id == stored.decision_id, decisions.c.category == "")
        .correlate(petitions)
        .exists()
    )
    return (
        select(
            stored.seq,
            _seconds(is_sqlite(connection)),
            stored.people,
            reviews.c.confidence,
            is_open,
            stored.replied_on.is_not(None),
            stored.status,
            stored.kind,
            stored.category,
            stored.unit,
            stored.channel,
            stored.district,
            func.coalesce(reviews.c.category, ""),
        )
        .select_from(petitions)
        .outerjoin(reviews, reviews.c.seq == stored.seq)
    )


def _changed_rows(connection: Connection, before: _Upto) -> list[Any]:
    """Of petitions that are new, or were decided, returned, replied or taken back since; in order of registration."""
    changed = (
        select(audit.c.petition_id)
        .where(audit.c.number > before.entry, audit.c.action.in_([one.value for one in _CHANGES]))
        .distinct()
    )
    old = connection.execute(changed).scalars().all()
    rows = _in_chunks(connection, _rows(connection).where(petitions.c.seq <= before.seq), petitions.c.id, old)
    rows += connection.execute(_rows(connection).where(petitions.c.seq > before.seq)).all()
    return sorted(rows, key=lambda row: int(row[0]))


def _patched(columns: Columns, changed: Columns) -> Columns:
    """The columns with these petitions as they are now, new ones at the end; on which matter they are stays."""
    stays = ~np.isin(columns.seq, changed.seq)
    order = np.argsort(np.concatenate([columns.seq[stays], changed.seq]))

    def joined(old: npt.NDArray[Any], new: npt.NDArray[Any]) -> Any:
        return np.concatenate([old[stays], new])[order]

    kept = np.searchsorted(changed.seq, columns.seq[~stays])
    matter, petitioner = changed.matter.copy(), changed.petitioner.copy()
    matter[kept], petitioner[kept] = columns.matter[~stays], columns.petitioner[~stays]
    return Columns(
        joined(columns.seq, changed.seq),
        joined(columns.at, changed.at),
        joined(columns.day, changed.day),
        joined(columns.people, changed.people),
        joined(columns.confidence, changed.confidence),
        joined(columns.open_category, changed.open_category),
        joined(columns.replied, changed.replied),
        {name: joined(columns.texts[name], changed.texts[name]) for name in _TEXTS},
        changed.books,
        joined(columns.matter, matter),
        joined(columns.petitioner, petitioner),
        columns.matters,
    )


def _members() -> Select[Any]:
    return select(matter_members.c.matter_id, petitions.c.seq).join(
        petitions, petitions.c.id == matter_members.c.petition_id
    )


def _keys() -> Select[Any]:
    keys = petitioner_keys.c
    return (
        select(matter_members.c.matter_id, keys.kind, keys.digest, keys.seq)
        .join(petitions, petitions.c.id == matter_members.c.petition_id)
        .join(petitioner_keys, keys.seq == petitions.c.seq)
    )


def _in_chunks(
    connection: Connection, query: Select[Any], column: ColumnElement[str], values: Collection[str] | None
) -> list[Any]:
    """The rows of `query` whose `column` is one of `values`, all rows for None."""
    if values is None:
        return list(connection.execute(query).all())
    ordered = sorted(values)
    found: list[Any] = []
    for at in range(0, len(ordered), _CHUNK):
        found += connection.execute(query.where(column.in_(ordered[at : at + _CHUNK]))).all()
    return found


def heads(connection: Connection, seqs: Collection[int]) -> dict[int, RowMapping]:
    """By number what a list shows of petitions that the viewer was found to see: id, redacted title, `arrived`."""
    found: dict[int, RowMapping] = {}
    ordered = sorted(seqs)
    query = select(petitions.c.seq, petitions.c.id, petitions.c.title, ARRIVED.label("arrived"))
    for at in range(0, len(ordered), _CHUNK):
        rows = connection.execute(query.where(petitions.c.seq.in_(ordered[at : at + _CHUNK])))
        found |= {row["seq"]: row for row in rows.mappings()}
    return found
