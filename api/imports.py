"""What the workbench does with files: take one in, look at its columns, start, cancel, forget, hand back the rejects.

`owner` is whose imports somebody sees: a user's id for their own ones, None for everybody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from api.import_files import ImportFiles, folder_of
from api.import_run import files_of, forget, go_on, launch, sweep
from api.import_survey import FIELDS, Survey, survey
from api.service import Service
from api.store.audit import Action, record
from api.store.imports import (
    ENDED,
    Import,
    ImportState,
    add_import,
    delete_import,
    find_import,
    how_many_before,
    list_imports,
    move,
    set_mapping,
)
from api.store.petitions import new_id, now
from classifier.errors import ColumnError, ConflictError, InputError, NotFoundError, TextTooLongError
from classifier.records import Content

#: So many imports are listed.
LISTED = 100
_LONGEST_NAME = 120
_MAY_START = (ImportState.WAITING, ImportState.FAILED, ImportState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Seen:
    """An import with the name of its file. `survey` only while it waits; `before`: so many are to end first, while it is queued."""

    found: Import
    name: str
    has_rejects: bool = False
    survey: Survey | None = None
    before: int = 0


def too_large(most: int) -> str:
    """What is said of a file of more than `most` bytes."""
    size = f"{most // 1024**2} MB" if most >= 1024**2 else f"{most} 字节"
    return f"文件超过 {size}。请分成几个文件上传。"


def upload(service: Service, user_id: str, name: str, data: bytes) -> str:
    """Take a file in, sealed; returns the import's id. Nothing of it is stored as petitions yet.

    Raises TextTooLongError, UnreadableFileError (another type, broken, empty), BundleMissingError, StoreError.
    """
    settings = service.settings
    if len(data) > settings.max_upload_bytes:
        raise TextTooLongError(too_large(settings.max_upload_bytes))
    name = _plain(name)
    found = survey(Content(name, data), {}, service.live.engine().bundle.tokeniser)
    sweep(service)
    files = ImportFiles.new(folder_of(settings), new_id(), name)
    try:
        files.keep_upload(data)
        files.keep_survey(found.as_json())
        with service.store.write() as connection:
            sealed = files.sealed_by(service.unlock(connection))
            add_import(connection, files.id, user_id, sealed, {}, found.total)
    except BaseException:
        files.delete()
        raise
    return files.id


def all_of(service: Service, owner: str | None) -> list[Seen]:
    """The latest LISTED imports, newest first."""
    go_on(service)
    with service.store.read() as connection:
        found = list_imports(connection, owner, LISTED)
    return [Seen(item, files_of(service, item).name) for item in found]


def one(service: Service, import_id: str, owner: str | None) -> Seen:
    """Raises NotFoundError."""
    go_on(service)
    with service.store.read() as connection:
        found = find_import(connection, import_id, owner)
        before = how_many_before(connection, found) if found.state is ImportState.QUEUED else 0
    files = files_of(service, found)
    is_waiting = found.state is ImportState.WAITING
    seen = Survey.from_json(files.survey()) if is_waiting else None
    return Seen(found, files.name, found.kept and files.has_rejects(), seen, before)


def change_mapping(service: Service, import_id: str, owner: str | None, mapping: Mapping[str, str]) -> None:
    """Look at the file again with each field of `mapping` fed by the heading it names, "" for none.

    Raises NotFoundError, ConflictError (begun already), InputError (no such field or heading, one heading for two fields).
    """
    found, files = _found(service, import_id, owner)
    if found.state is not ImportState.WAITING:
        raise ConflictError("这次导入已经开始，不能再改列。请取消后重新上传。")
    if not set(mapping) <= set(FIELDS):
        raise InputError("没有这个字段。请刷新页面后重选。")
    whole = dict.fromkeys(FIELDS, "") | dict(mapping)
    chosen = [heading for heading in whole.values() if heading]
    twice = {heading for heading in chosen if chosen.count(heading) > 1}
    if twice:
        raise InputError(f"“{'、'.join(sorted(twice))[:60]}”给了两个字段。一列只能给一个字段，请改其中一个。")
    content = files.upload()
    again = survey(content, whole, service.live.engine().bundle.tokeniser)
    if not set(chosen) <= set(again.headings):
        raise InputError("文件里没有选的列。请刷新页面后重选。")
    files.keep_survey(again.as_json())
    with service.store.write() as connection:
        if not set_mapping(connection, import_id, whole, again.total):
            raise ConflictError("这次导入已经开始，不能再改列。请取消后重新上传。")


def start(service: Service, import_id: str, owner: str | None, user_id: str) -> None:
    """Begin, or go on with one that failed or was cancelled; asked a second time it changes nothing.

    Raises NotFoundError, ColumnError (no text column), StoreError.
    """
    found, files = _found(service, import_id, owner)
    if found.state in _MAY_START:
        if found.state is ImportState.WAITING and (problem := Survey.from_json(files.survey()).problem):
            raise ColumnError(problem)
        if not found.kept:
            raise NotFoundError("这个文件已经删除。需要时请重新上传。")
        with service.store.write() as connection:
            values = {"queued_at": now(), "ended_at": None, "message": "", "attempts": 0}
            if move(connection, import_id, _MAY_START, ImportState.QUEUED, **values):
                record(
                    connection,
                    Action.IMPORTED,
                    user_id,
                    step="start",
                    id=import_id,
                    total=found.total,
                    read=found.counts.read,
                )
    launch(service)


def cancel(service: Service, import_id: str, owner: str | None, user_id: str) -> None:
    """End one that is queued or at work; what is stored stays. Raises NotFoundError, ConflictError when it has ended."""
    with service.store.write() as connection:
        find_import(connection, import_id, owner)
        message = "已取消，还没有开始。"
        values = {"message": message, "ended_at": now()}
        if move(connection, import_id, [ImportState.QUEUED], ImportState.CANCELLED, **values):
            record(connection, Action.IMPORTED, user_id, step="end", id=import_id, state="cancelled")
        elif not move(connection, import_id, [ImportState.RUNNING], ImportState.CANCELLING):
            state = find_import(connection, import_id).state
            if state not in {ImportState.CANCELLING, ImportState.CANCELLED}:
                raise ConflictError("这次导入已经结束，不用取消。")
    go_on(service)


def delete(service: Service, import_id: str, owner: str | None) -> bool:
    """Forget the file. One that was never begun goes altogether: then False.

    Raises NotFoundError, ConflictError while it is queued or at work.
    """
    with service.store.write() as connection:
        service.unlock(connection)
        found = find_import(connection, import_id, owner)
        files = files_of(service, found)
        if found.state is ImportState.WAITING:
            delete_import(connection, import_id)
        elif found.state in ENDED:
            forget(service, connection, files)
        else:
            raise ConflictError("正在导入。请先取消，再删除文件。")
    files.delete()
    return found.state is not ImportState.WAITING


def rejects(service: Service, import_id: str, owner: str | None, user_id: str) -> tuple[str, Iterator[bytes]]:
    """A name for the file, and the rejects as CSV (UTF-8 with BOM) in pieces. On record, for it holds rows as they were.

    Raises NotFoundError.
    """
    found, files = _found(service, import_id, owner)
    if not (found.kept and files.has_rejects()):
        raise NotFoundError("没有退回的行，或已过保存期删除。")
    with service.store.write() as connection:
        record(
            connection,
            Action.EXPORTED,
            user_id,
            what="import-rejects",
            id=import_id,
            rows=found.counts.rejected,
        )
    return f"{PurePath(files.name).stem}-未导入.csv", files.rejects()


def _found(service: Service, import_id: str, owner: str | None) -> tuple[Import, ImportFiles]:
    with service.store.read() as connection:
        found = find_import(connection, import_id, owner)
    return found, files_of(service, found)


def _plain(name: str) -> str:
    """A file's own name, whatever path a browser sends with it; the ending is kept, for it says the type."""
    path = PurePath("".join(filter(str.isprintable, name)).replace("\\", "/").rpartition("/")[2])
    return path.stem[:_LONGEST_NAME] + path.suffix[:16]
