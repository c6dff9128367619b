"""Reading the audit trail (api/store/audit.py): a page of it, whether its chain holds, and all of it as a file."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from api.service import Service
from api.store.audit import (
    Action,
    Checked,
    Entry,
    check_chain,
    entries,
    entries_onward,
    latest,
    record,
)
from api.store.firewall import Viewer
from api.store.register import Receipt, petition_at, receipts
from api.store.users import find_user
from classifier.dates import CHINA
from classifier.errors import NotFoundError

#: A look at a page follows the chain through so many of the latest rows; the whole of it takes so many seconds at most at a time.
LATEST = 500
SECONDS = 10.0
_PAGE = 2_000
#: Columns of the file. The moment, like the digest, is as the chain has it: whoever wants to can compute it again.
COLUMNS = ("number", "created_at", "user_id", "user", "role", "action", "petition_id", "detail", "digest")
# Spreadsheet programs take a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the trail is narrowed to; an empty field does not narrow. `seq` is a petition's place in the register."""

    user: str = ""
    action: str = ""
    seq: int | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of the trail, newest first, and the petitions it speaks of that the viewer may see, by id."""

    entries: tuple[Entry, ...]
    receipts: Mapping[str, Receipt]
    #: Whether there are older ones.
    goes_on: bool


@dataclass(frozen=True, slots=True)
class Standing:
    """How the chain stands: what was checked, the latest number and digest, and how long the check took."""

    checked: Checked
    number: int
    digest: str
    seconds: float


def stretch(service: Service, viewer: Viewer, wanted: Wanted, before: int | None, limit: int) -> Stretch:
    """Up to `limit` entries below number `before`. Raises NotFoundError for a user or petition that there is not."""
    with service.store.read() as connection:
        narrowed = _Narrowed.of(connection, viewer, wanted)
        found = list(entries(connection, before, limit + 1, *narrowed.arguments))
        shown = tuple(found[:limit])
        about = [one for entry in shown for one in (entry.petition_id, entry.detail.get("other")) if one]
        return Stretch(shown, receipts(connection, viewer, about), len(found) > limit)


def standing(service: Service, whole: bool = False, after: int = 0) -> Standing:
    """Whether the chain holds: through the latest rows or, when `whole`, from row `after` on for some seconds."""
    began = time.monotonic()
    with service.store.read_one_moment() as connection:
        number, digest = latest(connection)
        begin = after if whole else max(0, number - LATEST)
        checked = check_chain(connection, begin, SECONDS if whole else None)
    return Standing(checked, number, digest, time.monotonic() - began)


def verify(service: Service) -> Standing:
    """The whole chain, however long it takes."""
    began = time.monotonic()
    with service.store.read_one_moment() as connection:
        checked = check_chain(connection)
        number, digest = latest(connection)
    return Standing(checked, number, digest, time.monotonic() - began)


@dataclass(frozen=True, slots=True)
class File:
    """The trail as CSV: its name, which holds number and digest of the latest row, and its content in pieces. `head` says both in words."""

    name: str
    head: str
    content: Iterator[bytes]


def export(service: Service, viewer: Viewer, wanted: Wanted) -> File:
    """The trail, oldest first, the export itself included, narrowed to what is wanted. Raises NotFoundError."""
    with service.store.write() as connection:
        narrowed = _Narrowed.of(connection, viewer, wanted)
        record(connection, Action.EXPORTED, viewer.user_id, what="audit")
    return _file(service, narrowed)


def export_all(service: Service) -> File:
    """The same from the command line: everything, recorded as nobody's export."""
    with service.store.write() as connection:
        record(connection, Action.EXPORTED, None, what="audit")
    return _file(service, _Narrowed())


@dataclass(frozen=True, slots=True)
class _Narrowed:
    """`Wanted` with ids in place of names."""

    user_id: str = ""
    action: str = ""
    petition_id: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @classmethod
    def of(cls, connection: Connection, viewer: Viewer, wanted: Wanted) -> _Narrowed:
        user_id = find_user(connection, wanted.user).id if wanted.user else ""
        petition_id = ""
        if wanted.seq is not None:
            found = petition_at(connection, viewer, wanted.seq)
            if found is None:
                raise NotFoundError("没有这个登记编号的信访件。请检查编号。")
            petition_id = found
        return cls(user_id, wanted.action, petition_id, wanted.since, wanted.until)

    @property
    def arguments(self) -> tuple[str, str, str, datetime | None, datetime | None]:
        return self.user_id, self.action, self.petition_id, self.since, self.until


def _file(service: Service, narrowed: _Narrowed) -> File:
    with service.store.read() as connection:
        number, digest = latest(connection)
    day = datetime.now(CHINA).strftime("%Y%m%d")
    name, head = f"audit-{day}-{number}-{digest[:16]}.csv", f"末条编号 {number}，校验值 {digest}"
    return File(name, head, _pieces(service, narrowed, number, digest))


def _pieces(service: Service, narrowed: _Narrowed, head: int, digest: str) -> Iterator[bytes]:
    """Up to row `head`, a transaction a piece: a slow reader must hold nothing open. The last line says the head's number and digest."""
    yield "\ufeff".encode() + _lines([COLUMNS])
    last = 0
    while True:
        with service.store.read() as connection:
            found = list(entries_onward(connection, last, _PAGE, *narrowed.arguments))
        rows = [entry for entry in found if entry.number <= head]
        if rows:
            yield _lines([_cells(entry) for entry in rows])
            last = rows[-1].number
        if len(found) < _PAGE or len(rows) < len(found):
            break
    yield _lines([(f"末条编号 {head}", *[""] * (len(COLUMNS) - 2), digest)])


def _cells(entry: Entry) -> tuple[str, ...]:
    return (
        str(entry.number),
        entry.created_at.astimezone(UTC).isoformat(timespec="microseconds"),
        entry.user_id or "",
        entry.user,
        entry.role,
        entry.action,
        entry.petition_id or "",
        json.dumps(entry.detail, ensure_ascii=False, sort_keys=True) if entry.detail else "",
        entry.digest,
    )


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([safe(cell) for cell in row] for row in rows)
    return out.getvalue().encode()


def safe(cell: str) -> str:
    """A cell that no spreadsheet program takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell
