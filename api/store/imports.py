"""Files on their way in: what stands in `imports`, and the one way from state to state.

waiting ─► queued ─► running ─► done | failed
             │          └─► cancelling ─► cancelled
             └─► cancelled                              failed and cancelled ones may be queued again
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, case, delete, func, insert, or_, select, update

from api.store.petitions import now
from api.store.tables import imports, users
from classifier.errors import NotFoundError


class ImportState(StrEnum):
    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    CANCELLING = "cancelling"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


#: A process is, or should be, at work on it.
AT_WORK = (ImportState.RUNNING, ImportState.CANCELLING)
UNFINISHED = (*AT_WORK, ImportState.QUEUED)
ENDED = (ImportState.DONE, ImportState.FAILED, ImportState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Counts:
    """How far an import is: rows `read` of its file are done with; of those `new` were stored, `known` had been, `rejected` are none."""

    read: int = 0
    new: int = 0
    known: int = 0
    rejected: int = 0


@dataclass(frozen=True, slots=True)
class Import:
    """A row of `imports`; `user` is who uploaded it."""

    id: str
    user_id: str
    user: str
    created_at: datetime
    state: ImportState
    sealed: bytes
    kept: bool
    mapping: Mapping[str, str]
    total: int
    counts: Counts
    message: str
    seconds: float
    attempts: int
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None


_ROWS = select(imports, users.c.name.label("user")).join(users, users.c.id == imports.c.user_id)


def add_import(
    connection: Connection,
    import_id: str,
    user_id: str,
    sealed: bytes,
    mapping: Mapping[str, str],
    total: int,
) -> None:
    connection.execute(
        insert(imports).values(
            id=import_id,
            user_id=user_id,
            created_at=now(),
            state=ImportState.WAITING,
            sealed=sealed,
            kept=True,
            mapping=json.dumps(mapping, ensure_ascii=False),
            total=total,
        )
    )


def find_import(connection: Connection, import_id: str, owner: str | None = None) -> Import:
    """`owner` narrows to those of one user. Raises NotFoundError."""
    query = _ROWS.where(imports.c.id == import_id)
    row = connection.execute(_of(query, owner)).mappings().first()
    if row is None:
        raise NotFoundError("没有这次导入。请从“导入”页面打开。")
    return _import(row)


def list_imports(connection: Connection, owner: str | None, limit: int) -> list[Import]:
    """Newest first."""
    query = _of(_ROWS, owner).order_by(imports.c.created_at.desc(), imports.c.id).limit(limit)
    return [_import(row) for row in connection.execute(query).mappings()]


def move(
    connection: Connection, import_id: str, before: Iterable[ImportState], after: ImportState, **values: Any
) -> bool:
    """From one of the states `before` to `after`; False when it is in none of them."""
    changed = connection.execute(
        update(imports)
        .where(imports.c.id == import_id, imports.c.state.in_(list(before)))
        .values(state=after, **values)
    )
    return changed.rowcount == 1


def set_mapping(connection: Connection, import_id: str, mapping: Mapping[str, str], total: int) -> bool:
    """Of one that is yet to be started; False when it is not."""
    text = json.dumps(mapping, ensure_ascii=False)
    return move(connection, import_id, [ImportState.WAITING], ImportState.WAITING, mapping=text, total=total)


def advance(connection: Connection, import_id: str, counts: Counts, seconds: float) -> ImportState:
    """Note how far it is, in the transaction of the rows it speaks of; returns the state, which may say that it is to end."""
    connection.execute(
        update(imports)
        .where(imports.c.id == import_id)
        .values(
            read=counts.read,
            new=counts.new,
            known=counts.known,
            rejected=counts.rejected,
            seconds=seconds,
            attempts=0,
        )
    )
    return ImportState(
        connection.execute(select(imports.c.state).where(imports.c.id == import_id)).scalar_one()
    )


def next_unfinished(connection: Connection) -> Import | None:
    """What to work on now: what a process left behind, then the queue in order."""
    left = case((imports.c.state.in_(AT_WORK), 0), else_=1)
    query = _ROWS.where(imports.c.state.in_(UNFINISHED)).order_by(left, imports.c.queued_at, imports.c.id)
    row = connection.execute(query.limit(1)).mappings().first()
    return _import(row) if row else None


def how_many_before(connection: Connection, found: Import) -> int:
    """So many imports are to end before this queued one begins."""
    before = or_(
        imports.c.state.in_(AT_WORK),
        (imports.c.state == ImportState.QUEUED) & (imports.c.queued_at < found.queued_at),
    )
    return connection.execute(select(func.count()).select_from(imports).where(before)).scalar_one()


def expired(connection: Connection, before: datetime) -> list[Import]:
    """Those with files that ended, or were uploaded and never begun, before that moment."""
    query = _ROWS.where(
        imports.c.kept,
        or_(
            imports.c.state.in_(ENDED) & (imports.c.ended_at < before),
            (imports.c.state == ImportState.WAITING) & (imports.c.created_at < before),
        ),
    )
    return [_import(row) for row in connection.execute(query).mappings()]


def forget_files(connection: Connection, import_id: str, sealed: bytes) -> None:
    """Its files are going; `sealed` no longer has their key."""
    connection.execute(update(imports).where(imports.c.id == import_id).values(sealed=sealed, kept=False))


def delete_import(connection: Connection, import_id: str) -> None:
    connection.execute(delete(imports).where(imports.c.id == import_id))


def sealed_imports(connection: Connection) -> list[tuple[str, bytes]]:
    """The sealed part of every import: a few hundred bytes each."""
    return [(row.id, bytes(row.sealed)) for row in connection.execute(select(imports.c.id, imports.c.sealed))]


def reseal_import(connection: Connection, import_id: str, sealed: bytes) -> None:
    connection.execute(update(imports).where(imports.c.id == import_id).values(sealed=sealed))


def _of(query: Any, owner: str | None) -> Any:
    return query if owner is None else query.where(imports.c.user_id == owner)


def _import(row: RowMapping) -> Import:
    return Import(
        id=row["id"],
        user_id=row["user_id"],
        user=row["user"],
        created_at=row["created_at"],
        state=ImportState(row["state"]),
        sealed=bytes(row["sealed"]),
        kept=row["kept"],
        mapping=json.loads(row["mapping"]) if row["mapping"] else {},
        total=row["total"],
        counts=Counts(row["read"], row["new"], row["known"], row["rejected"]),
        message=row["message"],
        seconds=row["seconds"],
        attempts=row["attempts"],
        queued_at=row["queued_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
    )
