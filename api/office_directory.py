"""The office's own unit directory, in versions: who changed what, when, and the way back.

directory            a link to the version in use; while it is not there, the folder of FENBAN_DIRECTORY serves
directory-history/   one folder a version, 0001, 0002, …: the four files and version.json, which never change once they are there

The link moves by one rename, so that whoever reads sees one version or the other, never a mixture. The latest KEPT versions stay.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path

from api.settings import Settings
from classifier.directory import Directory, load_directory
from classifier.errors import ConflictError, DirectoryError, NotFoundError, StoreUnavailableError
from classifier.registry import publishing
from classifier.tables import parse_rows, read_text
from classifier.taxonomy import Taxonomy

KEPT = 20
#: The four files without their ending, each with the columns that fenban reads; the first few are needed.
TABLES: Mapping[str, tuple[str, ...]] = {
    "units": ("id", "name", "parent", "duties", "aliases", "fallback"),
    "categories": ("category", "unit", "role", "basis"),
    "districts": ("code", "name", "aliases", "unit"),
    "rules": (
        "id", "priority", "keywords", "category", "kind", "respondent", "district", "unit", "role", "ground",
    ),
}  # fmt: skip
#: Without these a file is not of its kind.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    "units": ("id", "name", "duties", "fallback"),
    "categories": ("category", "unit", "role", "basis"),
    "districts": ("code", "name", "unit"),
    "rules": ("id", "priority", "unit", "role", "ground"),
}
_VERSION = "version.json"
_FOLDER = re.compile(r"\d{4,}")
_CHANGED = "单位目录刚有人改过。请重新打开列表，看过现在的内容再改。"

#: One row: column to text, columns of an office's own too.
Row = Mapping[str, str]


@dataclass(frozen=True)
class Sheets:
    """The four files as rows of text, in their order."""

    rows: Mapping[str, tuple[Row, ...]]

    @cached_property
    def stamp(self) -> str:
        """What tells this content from any other: 16 hexadecimal digits."""
        return sha256("\0".join(self.csv(table) for table in TABLES).encode()).hexdigest()[:16]

    def csv(self, table: str) -> str:
        """One file. Row n (from 0) stands on line n + 2, for no cell holds a line end."""
        columns = tuple(dict.fromkeys((*TABLES[table], *(key for row in self.rows[table] for key in row))))
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([row.get(column, "") for column in columns] for row in self.rows[table])
        return out.getvalue()

    def having(self, table: str, rows: Sequence[Row]) -> Sheets:
        return Sheets({**self.rows, table: tuple(rows)})


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the office's own directory; `what` says in words what its author changed."""

    number: int
    at: datetime
    by: str
    what: str
    in_use: bool = False


def parse_sheet(text: str, table: str) -> tuple[Row, ...]:
    """The rows of one file. Raises DirectoryError when a needed column is missing."""
    rows = parse_rows(text, _NEEDED[table], f"{table}.csv", DirectoryError)
    return tuple({key: " ".join(value.split("\n")).strip() for key, value in row.items()} for _, row in rows)


def read_sheets(folder: Path) -> Sheets:
    """Raises DirectoryError when a file is missing, in an unknown encoding or without its columns."""
    return Sheets(
        {table: parse_sheet(read_text(folder / f"{table}.csv", DirectoryError), table) for table in TABLES}
    )


def decoded(content: bytes, table: str) -> str:
    """An uploaded file as text, UTF-8 or GB18030. Raises DirectoryError when it is neither."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{table}.csv"
        file.write_bytes(content)
        return read_text(file, DirectoryError)


def check(sheets: Sheets, taxonomy: Taxonomy) -> Directory:
    """The directory that the sheets make. Raises DirectoryError listing every problem with file and line."""
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), sheets)
        return load_directory(Path(folder), taxonomy)


def versions(settings: Settings) -> list[Version]:
    """Those that are kept, newest first."""
    using = settings.directory_in_use.name if settings.own_directory.is_symlink() else ""
    found = []
    for folder in _folders(settings):
        with suppress(OSError, ValueError, KeyError):
            told = json.loads((folder / _VERSION).read_text(encoding="utf-8"))
            at = datetime.fromisoformat(told["at"])
            found.append(Version(int(folder.name), at, told["by"], told["what"], folder.name == using))
    return found[::-1]


def version_sheets(settings: Settings, number: int) -> Sheets:
    """Raises NotFoundError when that version is not kept, DirectoryError when somebody damaged it."""
    folder = settings.directory_history / f"{number:04d}"
    if not folder.is_dir():
        raise NotFoundError(f"没有第 {number} 版单位目录，可能已经清理。请从列表里另选一版。")
    return read_sheets(folder)


@contextmanager
def changing(
    settings: Settings, sheets: Sheets, taxonomy: Taxonomy, stamp: str, by: str, what: str
) -> Iterator[int]:
    """Make `sheets` the version in use when the block ends well; gives its number. One change at a time, whichever process makes it.

    `stamp` is that of the content the change began from. Raises ConflictError when that is no longer in use, DirectoryError when the
    sheets do not make a directory, StoreUnavailableError when the data folder cannot be written.
    """
    check(sheets, taxonomy)
    if settings.own_directory.is_dir() and not settings.own_directory.is_symlink():
        raise ConflictError(
            "数据目录里的 directory 不是本系统建的。请把这个文件夹移到别处，再用“上传”放进来。"
        )
    with one_at_a_time(settings):
        before = read_sheets(settings.directory_in_use)
        if before.stamp != stamp:
            raise ConflictError(_CHANGED)
        with _words():
            if not _folders(settings):
                # Where the office began from stays among the versions: there is a way back to it.
                _add(settings, before, "", f"原来的目录（{settings.directory_in_use.name}）")
            number = _add(settings, sheets, by, what)
        try:
            yield number
        except BaseException:
            shutil.rmtree(settings.directory_history / f"{number:04d}", ignore_errors=True)
            raise
        with _words():
            _use(settings, number)
            _prune(settings)


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Whoever changes what an office edits waits here for the others, of all processes on this data folder."""
    with _words():
        settings.directory_history.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(settings.directory_history / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _words() -> Iterator[None]:
    try:
        yield
    except OSError as problem:
        raise StoreUnavailableError(
            f"数据目录写不进去（{problem.strerror or type(problem).__name__}），这次没有存上。请检查权限和磁盘。"
        ) from None


def _folders(settings: Settings) -> list[Path]:
    """Oldest first."""
    try:
        found = [path for path in settings.directory_history.iterdir() if _FOLDER.fullmatch(path.name)]
    except FileNotFoundError:
        return []
    return sorted(found, key=lambda path: int(path.name))


def _add(settings: Settings, sheets: Sheets, by: str, what: str) -> int:
    folders = _folders(settings)
    number = int(folders[-1].name) + 1 if folders else 1
    told = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "by": by, "what": what}
    with publishing(settings.directory_history / f"{number:04d}", mode=0o700) as folder:
        _write(folder, sheets)
        (folder / _VERSION).write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    return number


def _write(folder: Path, sheets: Sheets) -> None:
    for table in TABLES:
        # With a byte order mark, as spreadsheet programs want it.
        (folder / f"{table}.csv").write_text(sheets.csv(table), encoding="utf-8-sig")


def _use(settings: Settings, number: int) -> None:
    link = settings.own_directory
    new = link.with_name(f".{link.name}.{os.getpid()}")
    new.unlink(missing_ok=True)
    # Relative, so that the data folder may be moved and backed up as a whole.
    new.symlink_to(Path(settings.directory_history.name) / f"{number:04d}")
    new.replace(link)
    descriptor = os.open(link.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prune(settings: Settings) -> None:
    using = settings.directory_in_use.name
    for folder in _folders(settings)[:-KEPT]:
        if folder.name != using:
            shutil.rmtree(folder, ignore_errors=True)


def joined(sheets: Sheets, table: str, row: Row, at: int | None) -> Sheets:
    """`sheets` with a row put in place of row `at`, or at the end. Columns of an office's own stay. Raises NotFoundError."""
    rows = list(sheets.rows[table])
    if at is None:
        return sheets.having(table, [*rows, dict(row)])
    if not 0 <= at < len(rows):
        raise NotFoundError("没有这一行。请重新打开列表。")
    rows[at] = {**rows[at], **row}
    return sheets.having(table, rows)


def parted(sheets: Sheets, table: str, at: int) -> Sheets:
    """`sheets` without row `at`. Raises NotFoundError."""
    rows = list(sheets.rows[table])
    if not 0 <= at < len(rows):
        raise NotFoundError("没有这一行。请重新打开列表。")
    del rows[at]
    return sheets.having(table, rows)
