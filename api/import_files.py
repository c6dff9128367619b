"""The files of one import, sealed in the data folder: what was uploaded, what was found in it, the rows that were rejected.

`<id>.file`, `<id>.survey` and `<id>.rejects` are under one key of their own. Key and name of the upload are sealed by the office's key
and stand in the import's row: a rotation seals those few bytes anew, and a row without the key makes files that were left unreadable.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from api.sealed_files import new_file_key, sealing, unsealed
from api.settings import Settings
from api.vault import Vault
from classifier.errors import NotFoundError, StoreUnavailableError
from classifier.records import Content

_FILE, _SURVEY, _REJECTS = "file", "survey", "rejects"


def folder_of(settings: Settings) -> Path:
    """Where the files lie. Raises StoreUnavailableError."""
    folder = settings.data_dir / "imports"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as problem:
        raise StoreUnavailableError(
            f"数据目录写不了（{type(problem).__name__}）。请检查目录、权限和磁盘。"
        ) from None
    return folder


def owner_of(import_id: str) -> str:
    """Whose the sealed part of an import's row is."""
    return f"import:{import_id}"


@dataclass(frozen=True, slots=True)
class ImportFiles:
    """`key` None: the files are gone, or going; what would read them raises NotFoundError."""

    folder: Path
    id: str
    name: str = field(repr=False)
    key: bytes | None = field(default=None, repr=False)

    @classmethod
    def new(cls, folder: Path, import_id: str, name: str) -> ImportFiles:
        return cls(folder, import_id, name, new_file_key())

    @classmethod
    def of(cls, folder: Path, import_id: str, opened: dict[str, Any]) -> ImportFiles:
        """By what was opened of the import's row."""
        key = base64.b64decode(opened["key"]) if "key" in opened else None
        return cls(folder, import_id, opened["name"], key)

    def sealed_by(self, vault: Vault) -> bytes:
        """For the import's row."""
        key = {"key": base64.b64encode(self.key).decode()} if self.key else {}
        return vault.seal({"name": self.name} | key, owner_of(self.id))

    def keep_upload(self, data: bytes) -> None:
        with self._sealing(_FILE) as out:
            out.write(data)

    def upload(self) -> Content:
        return Content(self.name, b"".join(self._unsealed(_FILE)))

    def keep_survey(self, survey: dict[str, Any]) -> None:
        with self._sealing(_SURVEY) as out:
            out.write(json.dumps(survey).encode())

    def survey(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(b"".join(self._unsealed(_SURVEY)))
        return found

    def keeping_rejects(self) -> AbstractContextManager[BinaryIO]:
        return self._sealing(_REJECTS)

    def rejects(self) -> Iterator[bytes]:
        return self._unsealed(_REJECTS)

    def has_rejects(self) -> bool:
        return self.key is not None and self._path(_REJECTS).exists()

    def delete(self) -> None:
        self.delete_upload()
        self.delete_rejects()

    def delete_upload(self) -> None:
        for kind in (_FILE, _SURVEY):
            self._path(kind).unlink(missing_ok=True)

    def delete_rejects(self) -> None:
        self._path(_REJECTS).unlink(missing_ok=True)

    def _path(self, kind: str) -> Path:
        return self.folder / f"{self.id}.{kind}"

    def _sealing(self, kind: str) -> AbstractContextManager[BinaryIO]:
        return sealing(self._path(kind), self._key(), f"{self.id}:{kind}")

    def _unsealed(self, kind: str) -> Iterator[bytes]:
        path = self._path(kind)
        if not path.exists():
            raise NotFoundError("这个文件已经删除。需要时请重新上传。")
        return unsealed(path, self._key(), f"{self.id}:{kind}")

    def _key(self) -> bytes:
        if self.key is None:
            raise NotFoundError("这个文件已经删除。需要时请重新上传。")
        return self.key
