"""The audit trail: who saw, decided and changed what, in one chain of hashes. Rows are appended, never changed (migration 0006).

Each row's digest is SHA-256 over the digest before it and its own content, so that a row that was changed, left out or put in between
breaks the chain from there on. Who could rewrite the whole database could rewrite the chain as well: the latest digest, noted
elsewhere (it stands in every export), tells.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, text

from api.store.petitions import now
from api.store.tables import audit, users

_BEGINNING = "0" * 64
_PAGE = 2_000


class Action(StrEnum):
    """What is on record. The workbench names each in Chinese (api/workbench/words.py)."""

    SIGNED_IN = "signed-in"
    SIGN_IN_FAILED = "sign-in-failed"
    SIGNED_OUT = "signed-out"
    PASSWORD_SET = "password-set"  # noqa: S105  a name of an action
    OPENED_ORIGINAL = "opened-original"
    OPENED_ACCUSATION = "opened-accusation"
    DECIDED = "decided"
    RETURNED = "returned"
    REPLIED = "replied"
    UNDONE = "undone"
    LINK_DECIDED = "link-decided"
    SPLIT = "split"
    IMPORTED = "imported"
    EXPORTED = "exported"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled-back"
    RETRAINED = "retrained"
    ACCOUNT_ADDED = "account-added"
    ACCOUNT_CHANGED = "account-changed"
    KEY_ISSUED = "key-issued"
    DIRECTORY_CHANGED = "directory-changed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the trail; `user` is "" where nobody was signed in."""

    number: int
    created_at: datetime
    user_id: str | None
    user: str
    role: str
    action: str
    petition_id: str | None
    detail: dict[str, Any]
    digest: str


def record(
    connection: Connection,
    action: Action,
    user_id: str | None,
    petition_id: str | None = None,
    **detail: Any,
) -> None:
    """Append to the trail. The last thing a transaction does: writers of the trail wait for each other until they end.

    `detail` is JSON without a petition's text and without anybody's identity but that of users of this service.
    """
    _take_turn(connection)
    last, before = latest(connection)
    role = ""
    if user_id is not None:
        role = connection.execute(select(users.c.role).where(users.c.id == user_id)).scalar_one()
    row = {
        "number": last + 1,
        "created_at": now(),
        "user_id": user_id,
        "role": role,
        "action": action.value,
        "petition_id": petition_id,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True) if detail else "",
    }
    connection.execute(insert(audit).values(**row, digest=_digest(before, row)))


def is_recorded(
    connection: Connection, action: Action, user_id: str, petition_id: str, since: datetime
) -> bool:
    """Whether a user did this with a petition at `since` or later."""
    query = select(audit.c.number).where(
        audit.c.petition_id == petition_id,
        audit.c.user_id == user_id,
        audit.c.action == action.value,
        audit.c.created_at >= since.astimezone(UTC),
    )
    return connection.execute(query.limit(1)).first() is not None


def _digest(before: str, row: dict[str, Any]) -> str:
    content = [
        before,
        row["number"],
        row["created_at"].astimezone(UTC).isoformat(timespec="microseconds"),
        row["user_id"],
        row["role"],
        row["action"],
        row["petition_id"],
        row["detail"],
    ]
    return sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()


def entries(
    connection: Connection,
    before: int | None = None,
    limit: int | None = None,
    user_id: str = "",
    action: str = "",
    petition_id: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Entry]:
    """The trail, latest first, from below number `before`; narrowed to a user, an action, a petition, the time from `since` to before
    `until`."""
    query = _narrowed(user_id, action, petition_id, since, until)
    query = query.where(audit.c.number < before) if before is not None else query
    for row in connection.execute(query.order_by(audit.c.number.desc()).limit(limit)):
        yield _entry(row)


def entries_onward(
    connection: Connection,
    after: int,
    limit: int,
    user_id: str = "",
    action: str = "",
    petition_id: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[Entry]:
    """The same, oldest first, from above number `after`."""
    query = _narrowed(user_id, action, petition_id, since, until).where(audit.c.number > after)
    for row in connection.execute(query.order_by(audit.c.number).limit(limit)):
        yield _entry(row)


def _narrowed(
    user_id: str, action: str, petition_id: str, since: datetime | None, until: datetime | None
) -> Select[Any]:
    query = select(audit, users.c.name.label("user")).outerjoin(users, users.c.id == audit.c.user_id)
    for column, value in (
        (audit.c.user_id, user_id),
        (audit.c.action, action),
        (audit.c.petition_id, petition_id),
    ):
        query = query.where(column == value) if value else query
    query = query.where(audit.c.created_at >= since.astimezone(UTC)) if since else query
    return query.where(audit.c.created_at < until.astimezone(UTC)) if until else query


def latest(connection: Connection) -> tuple[int, str]:
    """Number and digest of the latest row; 0 and that of the empty trail when there is none."""
    row = connection.execute(
        select(audit.c.number, audit.c.digest).order_by(audit.c.number.desc()).limit(1)
    ).first()
    return (row.number, row.digest) if row else (0, _BEGINNING)


@dataclass(frozen=True, slots=True)
class Checked:
    """What a look at the chain found: rows `first` to `last` were read; `broken` is the first that does not continue the chain, None
    when all do. `is_whole` says whether `last` is the latest row."""

    first: int
    last: int
    broken: int | None
    is_whole: bool


def broken_at(connection: Connection) -> int | None:
    """The number of the first row that does not continue the chain, None when the whole trail holds."""
    return check_chain(connection).broken


def check_chain(connection: Connection, after: int = 0, seconds: float | None = None) -> Checked:
    """Follow the chain from row `after` on, taking that row's own digest as given, for `seconds` at most (None: to the end)."""
    until = None if seconds is None else time.monotonic() + seconds
    last, before = 0, _BEGINNING
    if after > 0:
        given = connection.execute(select(audit.c.digest).where(audit.c.number == after)).scalar()
        if given is None:
            return Checked(after, after, after, is_whole=False)
        last, before = after, given
    while True:
        rows = (
            connection.execute(
                select(audit).where(audit.c.number > last).order_by(audit.c.number).limit(_PAGE)
            )
            .mappings()
            .all()
        )
        for row in rows:
            if row["number"] != last + 1 or row["digest"] != _digest(before, dict(row)):
                return Checked(after + 1, last + 1, last + 1, is_whole=False)
            before, last = row["digest"], row["number"]
        if len(rows) < _PAGE:
            return Checked(after + 1, last, None, is_whole=True)
        if until is not None and time.monotonic() >= until:
            return Checked(after + 1, last, None, is_whole=False)


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        row.number,
        row.created_at,
        row.user_id,
        row.user or "",
        row.role,
        row.action,
        row.petition_id,
        json.loads(row.detail) if row.detail else {},
        row.digest,
    )


def _take_turn(connection: Connection) -> None:
    # SQLite has one writer at a time anyway.
    if connection.dialect.name == "postgresql":
        connection.execute(text("LOCK TABLE audit IN SHARE ROW EXCLUSIVE MODE"))
