"""Imports at work: one at a time on a data folder, in a process of its own that lets everybody else go first.

Whoever holds the lock of the folder works through what a killed process left and then the queue. How far an import is stands in its row
and changes in the transaction that stores the rows: killed anywhere, it goes on with the row after the last one that is stored.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import islice

import structlog
from sqlalchemy import Connection

from api.import_files import ImportFiles, folder_of, owner_of
from api.intake import import_batch, import_keys
from api.locks import FileLock, spawn
from api.service import Service
from api.settings import Settings
from api.store.audit import Action, record
from api.store.imports import (
    AT_WORK,
    UNFINISHED,
    Counts,
    Import,
    ImportState,
    advance,
    delete_import,
    expired,
    find_import,
    forget_files,
    move,
    next_unfinished,
    sealed_imports,
)
from api.store.petitions import now
from classifier.errors import AlreadyRunningError, FenbanError, StoreUnavailableError
from classifier.petition import Petition
from classifier.records import Reject, petitions
from classifier.rejects import RejectsCsv

#: How long files are kept after an import ended (its rejects), or after an upload that nobody began.
KEPT = timedelta(days=30)
#: A process that ended so often without storing anything will not get anywhere.
_ATTEMPTS = 3
# bench/import_beside.py: a clerk's decision waits for the transaction it meets, and SQLite's waiters look only now and then whether
# the database is free. Short transactions, with as much time between them, keep the wait below what one notices.
_TRANSACTION_SECONDS, _MOST_ROWS = 0.04, 50
_PAUSE = 1.0
#: How long it waits after each failure of the database before it gives up: a restart of PostgreSQL takes so long.
_PATIENCE = (1.0, 3.0, 10.0, 20.0)
# More, and on a busy machine the process would be kept from ending the transaction that others wait for.
_NICENESS = 5
# The other cores are for who waits for an answer.
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
#: Left by a writer that was killed; nobody writes for so long.
_LEFTOVER_SECONDS = 24 * 3_600.0


class _Cancelled(Exception):
    """Somebody wants the import to end."""


def go_on(service: Service) -> None:
    """See to it that unfinished imports are worked on; a problem with that is no problem of who asks."""
    try:
        launch(service, attempts=1)
    except FenbanError as problem:
        structlog.get_logger("fenban").warning("import-not-started", reason=str(problem))


def launch(service: Service, attempts: int = 5) -> None:
    """Begin a process, if there is anything to do and nobody at it. The lock is taken here and inherited.

    Whoever is at it takes up what is new. Should it be about to end, `attempts` waits that out. Raises StoreError.
    """
    with service.store.read() as connection:
        if next_unfinished(connection) is None:
            return
    try:
        descriptor = _lock(service.settings).take(attempts)
        try:
            first = _begin_next(service)
            if first is not None:
                spawn(service.settings, ("run-imports", "--first", first), descriptor, **_ONE_THREAD)
        finally:
            os.close(descriptor)
    except AlreadyRunningError:
        return
    except OSError as problem:
        raise StoreUnavailableError(
            f"导入没有开始（{type(problem).__name__}）。请检查数据目录、权限、磁盘和内存。"
        ) from None


def work(service: Service, first: str, descriptor: int | None = None) -> None:
    """Import `first` and then whatever is queued. The lock's `descriptor` comes from `launch`, where there was one.

    Raises AlreadyRunningError.
    """
    # The lock goes first: whoever queues a file now waits it out, not the thread.
    with service.live.following(), _lock(service.settings).held(descriptor):
        sweep(service)
        following: str | None = first
        while following is not None:
            _import(service, following)
            following = _begin_next(service)


def be_modest() -> None:
    """Called by the process itself: who decides and registers goes first."""
    os.nice(_NICENESS)


def files_of(service: Service, found: Import) -> ImportFiles:
    opened = service.keyring.open(found.sealed, owner_of(found.id))
    return ImportFiles.of(folder_of(service.settings), found.id, opened)


def forget(service: Service, connection: Connection, files: ImportFiles) -> None:
    """The row no longer has the key: what of the files is left opens no more. They are deleted once this is committed."""
    forget_files(connection, files.id, replace(files, key=None).sealed_by(service.unlock(connection)))


def sweep(service: Service) -> None:
    """Delete files that were kept for KEPT, uploads that nobody began on in that time, and files that no import has."""
    until = now() - KEPT
    with service.store.read() as connection:
        is_any = bool(expired(connection, until))
    old: list[ImportFiles] = []
    if is_any:
        with service.store.write() as connection:
            service.unlock(connection)
            for found in expired(connection, until):
                old.append(files_of(service, found))
                if found.state is ImportState.WAITING:
                    delete_import(connection, found.id)
                else:
                    forget(service, connection, old[-1])
    for files in old:
        files.delete()
    with service.store.read() as connection:
        known = {import_id for import_id, _ in sealed_imports(connection)}
    for path in folder_of(service.settings).iterdir():
        is_stray = path.name.startswith(".") or (path.suffix and path.stem not in known)
        with suppress(FileNotFoundError):
            if is_stray and time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS:
                path.unlink()


@dataclass(slots=True)
class _Work:
    """One import at work."""

    service: Service
    found: Import
    files: ImportFiles
    rejects: RejectsCsv
    counts: Counts
    began: float
    #: Of the file's rows, how many were looked at and were rejects, whatever of it is noted yet; the petition's last looked at.
    looked: int = 0
    rejected: int = 0

    def run(self) -> None:
        """To the end of the file. Raises _Cancelled, FenbanError."""
        keyed = self._left_to_store()
        size = 1
        while batch := list(islice(keyed, size)):
            took = self._store(batch)
            size = max(1, min(_MOST_ROWS, round(len(batch) * _TRANSACTION_SECONDS / took)))
            time.sleep(took * _PAUSE)
        self._note()

    def _left_to_store(self) -> Iterator[tuple[str, Petition]]:
        """From the row on that is noted; the ones before are read as well, for equal rows are told apart by their order."""
        done = self.counts.read
        for keyed in import_keys(self.service, self._petitions()):
            if self.looked > done:
                yield keyed

    def _petitions(self) -> Iterator[Petition]:
        for item in petitions(self.files.upload(), self.found.mapping):
            self.looked += 1
            if isinstance(item, Reject):
                self.rejected += 1
                self.rejects.add(item)
            else:
                yield item[1]

    def _store(self, batch: list[tuple[str, Petition]]) -> float:
        """Store a batch; returns the seconds that took. Raises _Cancelled once that is wished for, FenbanError."""
        state, after, took = ImportState.RUNNING, self.counts, 0.0

        def along(connection: Connection, new: int, known: int) -> None:
            nonlocal state, after
            after = Counts(self.looked, self.counts.new + new, self.counts.known + known, self.rejected)
            state = advance(connection, self.found.id, after, self._seconds())

        for patience in (*_PATIENCE, None):
            started = time.monotonic()
            try:
                list(import_batch(self.service, batch, self.found.user_id, along))
                took = time.monotonic() - started
                break
            except StoreUnavailableError:
                if patience is None:
                    raise
                time.sleep(patience)
        self.counts = after
        if state is not ImportState.RUNNING:
            raise _Cancelled
        return took

    def _note(self) -> None:
        """What came after the last petition."""
        self.counts = replace(self.counts, read=self.looked, rejected=self.rejected)
        with self.service.store.write() as connection:
            advance(connection, self.found.id, self.counts, self._seconds())

    def _seconds(self) -> float:
        return self.found.seconds + time.monotonic() - self.began


def _import(service: Service, import_id: str) -> None:
    began = time.monotonic()
    with service.store.read() as connection:
        found = find_import(connection, import_id)
    state, message = ImportState.DONE, ""
    try:
        files = files_of(service, found)
        service.live.engine()
        with files.keeping_rejects() as sealed:
            text = io.TextIOWrapper(sealed, "utf-8-sig", "replace", newline="", write_through=True)
            job = _Work(service, found, files, RejectsCsv(text), found.counts, began)
            try:
                job.run()
            except _Cancelled:
                state, message = ImportState.CANCELLED, "已按要求取消，已经存入的信访件都在。"
            text.detach()
    except FenbanError as problem:
        state, message = ImportState.FAILED, str(problem)
    except Exception as problem:
        # A message may hold anything; its kind is enough to look for it.
        state = ImportState.FAILED
        message = f"导入没有完成（{type(problem).__name__}）。请看磁盘空间和目录权限，再按“继续导入”。"
    _end(service, import_id, state, message)


def _end(service: Service, import_id: str, state: ImportState, message: str) -> None:
    """Note how it ended; of a finished one only the rejects are kept."""
    with service.store.write() as connection:
        service.unlock(connection)
        found = find_import(connection, import_id)
        files = files_of(service, found)
        is_done = state is ImportState.DONE
        move(connection, import_id, AT_WORK, state, message=message, ended_at=now())
        if is_done and not found.counts.rejected:
            forget(service, connection, files)
        counts = found.counts
        record(
            connection, Action.IMPORTED, found.user_id, step="end", id=import_id, state=state.value, total=found.total,
            read=counts.read, new=counts.new, known=counts.known, rejected=counts.rejected,
        )  # fmt: skip
    if is_done:
        files.delete_upload()
    if not found.counts.rejected:
        files.delete_rejects()


def _begin_next(service: Service) -> str | None:
    """The import to work on now, noted as begun. With the lock held: nobody else is at work on one."""
    while True:
        with service.store.write() as connection:
            found = next_unfinished(connection)
            if found is None:
                return None
            if found.state is not ImportState.CANCELLING and found.attempts < _ATTEMPTS:
                started = found.started_at or now()
                values = {"attempts": found.attempts + 1, "started_at": started}
                move(connection, found.id, UNFINISHED, ImportState.RUNNING, **values)
                return found.id
        if found.state is ImportState.CANCELLING:
            _end(service, found.id, ImportState.CANCELLED, "已按要求取消，已经存入的信访件都在。")
        else:
            message = f"导入程序 {_ATTEMPTS} 次中途没有了。请看内存、磁盘和模型，再按“继续导入”。"
            _end(service, found.id, ImportState.FAILED, message)


def _lock(settings: Settings) -> FileLock:
    return FileLock(folder_of(settings) / "lock", "已有一次导入在进行。")
