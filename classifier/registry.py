"""Bundle versions under `models/` and the ACTIVE pointer. A pointer moves by one rename; a bad model never replaces a good one.

models/<version>/…      immutable once published
models/ACTIVE           "<version> <sha-256 of its manifest>"
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from classifier.errors import BundleError, BundleMissingError, BundleTamperedError

MANIFEST = "manifest.json"
_ACTIVE = "ACTIVE"
_PREVIOUS = "PREVIOUS"
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Registry:
    """The versions in one folder."""

    root: Path

    def versions(self) -> list[str]:
        if not self.root.is_dir():
            return []
        return sorted(child.name for child in self.root.iterdir() if (child / MANIFEST).is_file())

    def path(self, version: str) -> Path:
        """The folder of a version. Raises BundleMissingError."""
        if not _VERSION.fullmatch(version) or not (self.root / version / MANIFEST).is_file():
            raise BundleMissingError(f"没有模型 {version[:64]}。可用 fenban models list 查看现有版本。")
        return self.root / version

    def active(self) -> Path:
        """The active version's folder. Raises BundleMissingError, BundleTamperedError."""
        try:
            version, digest = (self.root / _ACTIVE).read_text(encoding="ascii").split()
        except FileNotFoundError:
            raise BundleMissingError(
                f"{self.root} 里还没有启用的模型。请先运行 make model，或 fenban train 后 fenban models promote。"
            ) from None
        except (ValueError, UnicodeDecodeError):
            raise BundleTamperedError(
                "模型指针 ACTIVE 已损坏。请用 fenban models promote 重新启用一个版本。"
            ) from None
        path = self.path(version)
        if manifest_digest(path) != digest:
            raise BundleTamperedError(
                f"模型 {version} 的清单与启用时不同，可能被改动。请换一个版本，或重新训练。"
            )
        return path

    def promote(self, version: str) -> None:
        """Point ACTIVE at a version; the one before stays one `rollback` away."""
        path = self.path(version)
        current = self._pointer(_ACTIVE)
        if current and current.split()[0] != version:
            self._point(_PREVIOUS, current)
        self._point(_ACTIVE, f"{version} {manifest_digest(path)}")

    def rollback(self) -> str:
        """Swap ACTIVE with the version before it; returns that version. Raises BundleMissingError when there is none."""
        previous, current = self._pointer(_PREVIOUS), self._pointer(_ACTIVE)
        if not previous or not current:
            raise BundleMissingError("没有可以退回的上一个模型。")
        version = previous.split()[0]
        self.path(version)
        self._point(_ACTIVE, previous)
        self._point(_PREVIOUS, current)
        return version

    def _pointer(self, name: str) -> str:
        """What a pointer says, or "" when it is not there or broken: a broken one must not stop a promotion."""
        try:
            content = (self.root / name).read_text(encoding="ascii")
        except (FileNotFoundError, UnicodeDecodeError):
            return ""
        return content if len(content.split()) == 2 else ""

    def _point(self, name: str, content: str) -> None:
        with replacing(self.root / name) as temporary:
            temporary.write_text(content, encoding="ascii")


def manifest_digest(path: Path) -> str:
    return sha256((path / MANIFEST).read_bytes()).hexdigest()


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that replaces it, synced to disk, when the block ends well and vanishes otherwise."""
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(0o644)
        temporary.replace(target)
        _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def publishing(target: Path) -> Iterator[Path]:
    """A temporary folder that becomes `target` by one rename when the block ends well and vanishes otherwise.

    Raises BundleError when `target` exists: published versions never change.
    """
    if target.exists():
        raise BundleError(f"{target.name} 已经存在，不会覆盖。请换一个输出目录，或先删除它。")
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        yield temporary
        for file in temporary.iterdir():
            _sync(file)
        _sync(temporary)
        temporary.chmod(0o755)
        temporary.replace(target)
        _sync(target.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
