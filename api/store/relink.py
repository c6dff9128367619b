"""What `fenban relink` keeps in the database: how far it is, the index it fills beside the one that serves, the links it suggests.

Links are append-only: a run adds its own, and the petition says which run's links hold. What people decided on holds in any case.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date

from sqlalchemy import Connection, bindparam, delete, func, insert, select, text, update

from api.store.petitions import link_row, now
from api.store.tables import (
    link_decisions,
    link_terms,
    link_terms_next,
    links,
    meta,
    petitioner_keys,
    petitions,
)
from api.store.terms import IndexWriter, is_sqlite
from api.store.undos import stands
from classifier.errors import ConflictError
from classifier.identity import Keys
from classifier.links.terms import LinkEntry, TermWeights, Views, pack, views_of
from classifier.petition import Link

_NAME = "relink"


@dataclass(frozen=True, slots=True)
class Progress:
    """The `run`-th relink, with this model: petitions up to sequence number `upto` are done, or all of them."""

    run: int
    model: str
    upto: int
    done: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A petition as it lies in the database, redacted."""

    seq: int
    id: str
    title: str = field(repr=False)
    text: str = field(repr=False)
    keys: Keys = field(repr=False)
    received: date | None


@dataclass(frozen=True, slots=True)
class Relinked:
    """A petition's new entry and its links to earlier ones."""

    seq: int
    entry: LinkEntry = field(repr=False)
    links: tuple[Link, ...]


class Rebuild(IndexWriter):
    """The new index while it is filled, petition by petition, as if each had just come in: nothing later is found.

    It reads on one connection and is written on another, so that nobody waits while links are looked for.
    """

    def __init__(self, connection: Connection, weights: TermWeights, upto: int) -> None:
        super().__init__(connection, weights, link_terms_next, last=upto)
        self._new: dict[int, LinkEntry] = {}

    def same_key_before(self, seq: int) -> None:
        """From now on only petitions before `seq` are of the same petitioner."""
        self._below = seq

    def file(self, seq: int, entry: LinkEntry) -> None:
        """Post a petition whose row and keys are stored already."""
        self._new[seq] = entry
        self.file_all([(seq, entry)])

    def views(self, seqs: Sequence[int]) -> Views:
        new, stored = self._parted(seqs)
        return super().views(stored).with_more(views_of(new))

    def entries(self, seqs: Sequence[int]) -> Mapping[int, LinkEntry]:
        new, stored = self._parted(seqs)
        return {**super().entries(stored), **new}

    def _parted(self, seqs: Sequence[int]) -> tuple[dict[int, LinkEntry], list[int]]:
        """Those filed on this connection's watch, and the others, which are to be read."""
        return {seq: self._new[seq] for seq in seqs if seq in self._new}, [
            seq for seq in seqs if seq not in self._new
        ]


def progress(connection: Connection) -> Progress | None:
    """How far the last relink came; None when there was none."""
    value = connection.execute(select(meta.c.value).where(meta.c.name == _NAME)).scalar()
    return Progress(**json.loads(value)) if value else None


def begin(connection: Connection, model: str) -> Progress:
    """Go on with a relink that was cut off, or begin one when the last is done or was made with another model."""
    last = progress(connection)
    if last is not None and last.model == model and not last.done:
        return last
    clear(connection)
    first = Progress(last.run + 1 if last else 1, model, 0, done=False)
    if last is None:
        connection.execute(insert(meta).values(name=_NAME, value=json.dumps(asdict(first))))
    else:
        advance(connection, last, first)
    return first


def advance(connection: Connection, before: Progress, after: Progress) -> None:
    """Keep how far it is, in the transaction of what was done. Raises ConflictError when another relink did it meanwhile."""
    expected = (meta.c.name == _NAME) & (meta.c.value == json.dumps(asdict(before)))
    if connection.execute(update(meta).where(expected).values(value=json.dumps(asdict(after)))).rowcount != 1:
        raise ConflictError("另一个 fenban relink 正在运行。请等它结束。")


def clear(connection: Connection) -> None:
    """Empty the index that does not serve."""
    if is_sqlite(connection):
        connection.execute(delete(link_terms_next))
    else:
        connection.execute(text(f"TRUNCATE {link_terms_next.name}"))


def count_after(connection: Connection, seq: int) -> int:
    return connection.execute(select(func.count()).where(petitions.c.seq > seq)).scalar_one()


def stored_after(connection: Connection, seq: int, limit: int | None) -> list[Stored]:
    """The next petitions in order of intake."""
    query = (
        select(petitions.c.seq, petitions.c.id, petitions.c.title, petitions.c.text, petitions.c.received_at)
        .where(petitions.c.seq > seq)
        .order_by(petitions.c.seq)
        .limit(limit)
    )
    rows = connection.execute(query).all()
    keys: dict[int, set[tuple[str, str]]] = defaultdict(set)
    if rows:
        between = petitioner_keys.c.seq.between(rows[0].seq, rows[-1].seq)
        for owner, kind, digest in connection.execute(
            select(petitioner_keys.c.seq, petitioner_keys.c.kind, petitioner_keys.c.digest).where(between)
        ):
            keys[owner].add((kind, digest.hex()))
    return [
        Stored(
            row.seq,
            row.id,
            row.title,
            row.text,
            frozenset(keys[row.seq]),
            row.received_at.date() if row.received_at else None,
        )
        for row in rows
    ]


def supersede(connection: Connection, run: int, done: Sequence[Relinked]) -> None:
    """New views and links for these petitions. A pair that people decided on gets no second link."""
    if not done:
        return
    connection.execute(
        update(petitions)
        .where(petitions.c.seq == bindparam("which"))
        .values(link_view=bindparam("view"), link_run=run),
        [{"which": item.seq, "view": pack(item.entry)} for item in done],
    )
    decided = _decided_pairs(connection, [item.entry.id for item in done])
    moment = now()
    rows = [
        link_row(item.entry.id, link, moment) | {"run": run}
        for item in done
        for link in item.links
        if frozenset((item.entry.id, link.id)) not in decided
    ]
    if rows:
        connection.execute(insert(links), rows)


def _decided_pairs(connection: Connection, ids: Sequence[str]) -> set[frozenset[str]]:
    query = (
        select(links.c.petition_id, links.c.other_id)
        .join(link_decisions, link_decisions.c.link_id == links.c.id)
        .where(links.c.petition_id.in_(ids) | links.c.other_id.in_(ids), stands(link_decisions))
    )
    return {frozenset((row.petition_id, row.other_id)) for row in connection.execute(query)}


def swap(connection: Connection) -> None:
    """The new index serves from now on, the old one is the spare."""
    serving, spare = link_terms.name, link_terms_next.name
    for old, new in ((serving, "link_terms_was"), (spare, serving), ("link_terms_was", spare)):
        connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}"))
        if not is_sqlite(connection):
            connection.execute(text(f"ALTER INDEX pk_{old} RENAME TO pk_{new}"))
