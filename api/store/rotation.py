"""What `fenban keys` changes in the database, and how far it is: sealed parts, identity keys, digests of rows and requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, tuple_, update

from api.store.meta import kept, put
from api.store.petitions import Sealed
from api.store.tables import idempotency, petitioner_keys, petitions
from classifier.errors import ConflictError
from classifier.identity import Keys

_NAME = "rotation"
ADDING, CLEANING = "adding", "cleaning"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job (`rotate`, `rehash`) is: in its `phase`, petitions up to number `upto` are done. `check` is the vault's it leads to.

    While `CLEANING`, `last` is the last petition from before the change, `request` the last request done.
    """

    job: str
    check: str
    phase: str = ADDING
    upto: int = 0
    last: int = 0
    request: tuple[str, str] = ("", "")


def progress(connection: Connection) -> Progress | None:
    """How far the job at work, or cut off, is; None when there is none."""
    value = kept(connection, _NAME)
    if value is None:
        return None
    state = json.loads(value)
    return Progress(**state | {"request": tuple(state["request"])})


def advance(connection: Connection, before: Progress | None, after: Progress | None) -> None:
    """Keep how far it is, in the transaction of what was done and with the turn taken. Raises ConflictError when another run did it."""
    if progress(connection) != before:
        raise ConflictError("另一个 fenban keys 正在运行。请等它结束。")
    put(connection, _NAME, json.dumps(asdict(after)) if after else None)


def sealed_after(connection: Connection, seq: int, limit: int) -> Sequence[Row[Any]]:
    """The next petitions in order of intake: seq, id, original, contact, import_key."""
    stored = petitions.c
    query: Any = select(stored.seq, stored.id, stored.original, stored.contact, stored.import_key)
    rows: Sequence[Row[Any]] = connection.execute(
        query.where(stored.seq > seq).order_by(stored.seq).limit(limit)
    ).all()
    return rows


def how_many(connection: Connection, upto: int | None = None) -> int:
    query = select(func.count()).select_from(petitions)
    return connection.execute(query if upto is None else query.where(petitions.c.seq <= upto)).scalar_one()


def reseal(connection: Connection, sealed: Mapping[int, Sealed]) -> None:
    """Replace the sealed parts of these petitions, by seq."""
    if sealed:
        connection.execute(
            update(petitions)
            .where(petitions.c.seq == bindparam("which"))
            .values(original=bindparam("new_original"), contact=bindparam("new_contact")),
            [
                {"which": seq, "new_original": parts.original, "new_contact": parts.contact}
                for seq, parts in sealed.items()
            ],
        )


def add_keys(connection: Connection, wanted: Mapping[int, Keys]) -> None:
    """File these petitions under their keys, beside those they have."""
    rows = _rows(wanted)
    if missing := rows - _filed(connection, wanted):
        connection.execute(insert(petitioner_keys), [_values(row) for row in sorted(missing)])


def drop_other_keys(connection: Connection, wanted: Mapping[int, Keys]) -> None:
    """File these petitions under their keys and no others."""
    add_keys(connection, wanted)
    if surplus := _filed(connection, wanted) - _rows(wanted):
        which = petitioner_keys.c
        connection.execute(
            delete(petitioner_keys).where(
                which.kind == bindparam("kind"), which.digest == bindparam("digest"), which.seq == bindparam("seq")
            ),
            [_values(row) for row in sorted(surplus)],
        )  # fmt: skip


_Filed = tuple[int, str, bytes]


def _rows(wanted: Mapping[int, Keys]) -> set[_Filed]:
    return {(seq, kind, bytes.fromhex(digest)) for seq, keys in wanted.items() for kind, digest in keys}


def _filed(connection: Connection, seqs: Mapping[int, Keys]) -> set[_Filed]:
    if not seqs:
        return set()
    which = petitioner_keys.c
    query = select(which.seq, which.kind, which.digest).where(which.seq.between(min(seqs), max(seqs)))
    return {(seq, kind, bytes(digest)) for seq, kind, digest in connection.execute(query)}


def _values(row: _Filed) -> dict[str, Any]:
    seq, kind, digest = row
    return {"seq": seq, "kind": kind, "digest": digest}


def rehash_imports(connection: Connection, rows: Sequence[Row[Any]], again: Callable[[str], str]) -> None:
    """`again` says what a digest becomes; the place among equal rows behind it stays."""
    digests = [(row.seq, *row.import_key.partition("#")) for row in rows if row.import_key]
    if digests:
        connection.execute(
            update(petitions)
            .where(petitions.c.seq == bindparam("which"))
            .values(import_key=bindparam("new_key")),
            [{"which": seq, "new_key": again(digest) + mark + place} for seq, digest, mark, place in digests],
        )


def rehash_requests(
    connection: Connection, after: tuple[str, str], last: int, again: Callable[[str], str], limit: int
) -> tuple[str, str] | None:
    """The next requests behind `after` for petitions up to number `last`; returns the last one done, None when all are."""
    stored = idempotency.c
    rows = connection.execute(
        select(stored.user_id, stored.key, stored.body_digest)
        .join(petitions, petitions.c.id == stored.petition_id)
        .where(petitions.c.seq <= last, tuple_(stored.user_id, stored.key) > tuple_(*after))
        .order_by(stored.user_id, stored.key)
        .limit(limit)
    ).all()
    if not rows:
        return None
    connection.execute(
        update(idempotency)
        .where(stored.user_id == bindparam("user"), stored.key == bindparam("name"))
        .values(body_digest=bindparam("new_digest")),
        [{"user": row.user_id, "name": row.key, "new_digest": again(row.body_digest)} for row in rows],
    )
    return rows[-1].user_id, rows[-1].key
