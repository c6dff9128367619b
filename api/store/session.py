"""Connections and transactions: one use case, one transaction. The only place that commits, and the only one that knows the driver."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NoSuchModuleError,
    SQLAlchemyError,
)
from sqlalchemy.pool import ConnectionPoolEntry

from classifier.errors import ConflictError, InputError, SchemaTooNewError, StoreError, StoreUnavailableError

#: The newest migration; a database at this revision needs no migration run.
HEAD = "0010"
_WRITES = "fenban_writes"
#: PostgreSQL's advisory lock of whoever sets a database up: below the numbers of `terms.take_turn`, which begin with "fenban".
_SETTING_UP = (0x66656E62616E << 16) - 1
_BUSY_MILLISECONDS = 10_000
_CACHE_KIB = 8_192


class Store:
    """One database. `read()` and `write()` each give a connection inside a transaction of its own."""

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite and parsed.database and not parsed.database.startswith((":memory:", "file:")):
            _make_folder(Path(parsed.database).parent)
        try:
            self.engine: Engine = create_engine(parsed, pool_pre_ping=not self.is_sqlite)
        except (ImportError, NoSuchModuleError):
            raise _no_driver(parsed) from None
        except ArgumentError:
            raise _bad_url() from None
        if self.engine.dialect.is_async:
            raise _no_driver(parsed)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _sqlite_connect)
            event.listen(self.engine, "begin", _sqlite_begin)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with _translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def read_one_moment(self) -> Iterator[Connection]:
        """As `read`, but all queries see the database as it was at the first of them."""
        with self.read() as connection:
            if not self.is_sqlite:  # a reader of SQLite sees one moment anyway
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Everything inside is kept, or nothing is. Raises StoreUnavailableError (read-only, full, locked, gone), ConflictError."""
        with _translated(), self.engine.connect() as connection:
            connection = connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    @contextmanager
    def set_up(self) -> Iterator[Connection]:
        """As `write`, while nobody else sets the same database up: what another start made meanwhile is seen, not made again.

        On PostgreSQL it waits as long as the other takes, on SQLite as long as for any writer.
        """
        with self.write() as connection:
            if not self.is_sqlite:  # SQLite has one writer at a time anyway
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _SETTING_UP})
            yield connection

    def migrate(self) -> None:
        """Bring the database to HEAD, creating it if need be.

        Raises SchemaTooNewError when a newer fenban made it, StoreUnavailableError when it cannot be written.
        """
        if _known(self.revision()) == HEAD:
            self._probe()
            return
        from api.store.migrations.run import upgrade  # alembic is slow to import and rarely needed

        with self.set_up() as connection:
            if _known(_revision(connection)) != HEAD:
                upgrade(connection, HEAD)

    def revision(self) -> str | None:
        """The migration the database is at; None for an empty one."""
        with self.read() as connection:
            return _revision(connection)

    def _probe(self) -> None:
        """Fail now, in words, if the database cannot be written, rather than at the first petition."""
        with self.write() as connection:
            connection.execute(text("UPDATE meta SET value = value WHERE name = 'probe'"))

    def ping(self) -> None:
        with self.read() as connection:
            connection.execute(text("SELECT name FROM meta LIMIT 1"))

    def close(self) -> None:
        self.engine.dispose()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return revision


def _known(revision: str | None) -> str | None:
    """Raises SchemaTooNewError."""
    if revision is not None and revision > HEAD:
        raise SchemaTooNewError(f"数据库是更新版本的 fenban 建的（{revision}）。请升级程序，不要用旧版打开。")
    return revision


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
        (parsed.host or "").encode("idna")
    except (ArgumentError, ValueError):  # ValueError: a port that is no number, a host that is no name
        raise _bad_url() from None
    return parsed


def _bad_url() -> StoreError:
    return StoreError(
        "数据库地址看不懂。例：sqlite:///data/fenban.db 或 postgresql+psycopg://用户@主机/库名。"
    )


def _no_driver(url: URL) -> StoreError:
    return StoreError(
        f"没有装 {url.drivername} 的驱动。PostgreSQL 请安装 fenban[postgres]，地址写 postgresql+psycopg://…。"
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # petitions lie in here
    except OSError as problem:
        raise StoreUnavailableError(
            f"数据目录 {folder.name} 建不了：{problem.strerror}。请检查权限和磁盘。"
        ) from None


def _sqlite_connect(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = (
        None  # transactions begin where `_sqlite_begin` says, not where the driver guesses
    )
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {_BUSY_MILLISECONDS}")
    cursor.execute("PRAGMA foreign_keys = ON")
    # A look-up reads some 300 pages all over the file; the default of 2 MB holds 500.
    cursor.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as problem:
        if "readonly" not in str(problem):
            raise
    # A petition acknowledged is stored, power cut or not.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.close()


def _sqlite_begin(connection: Connection) -> None:
    # A writer takes its lock at once: upgrading a reader's lock later fails instead of waiting.
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


_REASONS = (
    (("readonly", "read-only", "permission denied"), "数据库只能读、不能写。请检查文件和目录的权限。"),
    (("disk is full", "full", "no space"), "磁盘已满，这次没有存上。请清理磁盘后重试。"),
    (("locked", "deadlock", "timeout"), "数据库正忙，这次没有存上。请稍后重试。"),
    (("not a database", "malformed", "corrupt"), "数据库文件已损坏。请用备份恢复。"),
    (("unable to open",), "数据库文件打不开。请检查数据目录是否存在、有没有权限。"),
    (
        ("connect", "server closed", "terminat", "resolve", "resolution", "host name"),
        "连不上数据库。请检查地址和数据库服务。",
    ),
)


@contextmanager
def _translated() -> Iterator[None]:
    """Driver errors as ours: in words, without SQL and without the values that were being written."""
    try:
        yield
    except IntegrityError:
        raise ConflictError("与已有的记录冲突，这次没有存上。请重试。") from None
    except DataError:
        # PostgreSQL takes no NUL, SQLite does: what one cannot keep is the sender's to mend, not an outage.
        raise InputError("内容里有不能保存的字符或数值。请去掉不可见字符后重试。") from None
    except DBAPIError as problem:
        raise _unavailable(problem.orig) from None
    except sqlite3.Error as problem:
        raise _unavailable(problem) from None
    except SQLAlchemyError as problem:
        raise StoreError(f"数据库操作失败（{type(problem).__name__}），这次没有存上。") from None


def _unavailable(problem: Any) -> StoreUnavailableError:
    words = str(problem).lower()
    for signs, reason in _REASONS:
        if any(sign in words for sign in signs):
            return StoreUnavailableError(reason)
    return StoreUnavailableError(
        f"数据库操作失败（{type(problem).__name__}），这次没有存上。请看数据库日志。"
    )
