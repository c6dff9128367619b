"""Bundle versions under `models/` and the ACTIVE pointer. A pointer moves by one rename; a bad model never replaces a good one.

models/<version>/…               immutable once published
models/ACTIVE                    "<version> <sha-256 of its manifest>"
models/PREVIOUS                  the same, of the version before it
models/verdicts/<version>.json   what the gate said of it; a version made by hand has none
models/scorecards/<version>.json how it and the version it was judged against answered, case by case
models/HISTORY                   one JSON object a change of ACTIVE: {"at", "action", "from", "to", "by"}
models/registry.lock             held (flock) while a pointer moves, versions go or training notes what it learnt from
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from classifier.errors import (
    BundleError,
    BundleMissingError,
    BundleRefusedError,
    BundleTamperedError,
    ConflictError,
)

MANIFEST = "manifest.json"
_ACTIVE = "ACTIVE"
_PREVIOUS = "PREVIOUS"
_HISTORY = "HISTORY"
_LOCK = "registry.lock"
_VERDICTS, _SCORECARDS = "verdicts", "scorecards"
#: Who is on record for what a command without a user did.
COMMAND_LINE = "命令行"
_REPORT = "report.json"
# What a killed process left half-made is swept up once it is older than any run.
_LEFTOVER_SECONDS = 24 * 3600
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}")
# What `replacing`, `publishing` and `prune` call what they are not done with; other dotfiles are not ours to delete.
_LEFTOVER = re.compile(r"\.[0-9A-Za-z][0-9A-Za-z._-]*\.(gone|[a-z0-9_]{8})")
_NO_WAY_BACK = "没有可以退回的上一个模型。"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Move:
    """A change of ACTIVE: when (ISO 8601, UTC), by whom, "promote" or "rollback"; `before` served until then, "" for none."""

    at: str
    by: str
    action: str
    version: str
    before: str


@dataclass(frozen=True, slots=True)
class Registry:
    """The versions in one folder."""

    root: Path

    def versions(self) -> list[str]:
        if not self.root.is_dir():
            return []
        # What a killed process left half-made has a name that is no version's.
        return sorted(
            child.name
            for child in self.root.iterdir()
            if _VERSION.fullmatch(child.name) and (child / MANIFEST).is_file()
        )

    def newest_first(self) -> list[str]:
        """All versions, the last published first."""
        return sorted(self.versions(), key=self._published_at, reverse=True)

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
        return self._unchanged(f"{version} {digest}")

    def active_version(self) -> str:
        """The active version, "" when there is none that can be used."""
        try:
            return self.active().name
        except BundleError:
            return ""

    def _unchanged(self, pointer: str) -> Path:
        """The folder a pointer names. Raises BundleTamperedError when its manifest is not the one pointed at."""
        version, digest = pointer.split()
        path = self.path(version)
        if manifest_digest(path) != digest:
            raise BundleTamperedError(
                f"模型 {version} 的清单与启用时不同，可能被改动。请换一个版本，或重新训练。"
            )
        return path

    def promote(self, version: str, by: str = COMMAND_LINE, expected: str = "") -> Move:
        """Point ACTIVE at a version; the one before stays one `rollback` away. `by` is who did it, for the history.

        Raises BundleMissingError, BundleRefusedError when the gate refused the version, ConflictError when another version than `expected`
        is active (asked only where one is expected). Loading the bundle before is the caller's part: see `classifier.release`.
        """
        path = self.path(version)
        verdict = self.verdict(version)
        if verdict is not None and verdict.get("passed") is not True:
            raise BundleRefusedError(
                f"模型 {version} 没有通过检验，不能启用："
                + (" ".join(map(str, verdict.get("reasons", ()))) or "检验结论已损坏，请重新训练。")
            )
        with self.locked():
            current = self._pointer(_ACTIVE)
            _check_expected(current, expected)
            if current and current.split()[0] != version:
                self._point(_PREVIOUS, current)
            self._point(_ACTIVE, f"{version} {manifest_digest(path)}")
            return self._record("promote", current, version, by)

    def previous(self) -> str:
        """The version `rollback` would go to. Raises BundleMissingError when there is none, BundleTamperedError when it was changed since."""
        previous, current = self._pointer(_PREVIOUS), self._pointer(_ACTIVE)
        # Both name one version when a process was killed between the two pointers: there is nothing to go back to.
        if not previous or not current or previous.split()[0] == current.split()[0]:
            raise BundleMissingError(_NO_WAY_BACK)
        return self._unchanged(previous).name

    def rollback(
        self, by: str = COMMAND_LINE, expected: str = "", check: Callable[[str], object] = lambda _: None
    ) -> Move:
        """Swap ACTIVE with the version before it.

        `check` is called with that version, and may raise, before anything moves. Raises BundleMissingError when there is none,
        ConflictError as `promote`: of two who go back from the same bad version, the second does not return to it.
        """
        with self.locked():
            version = self.previous()
            previous, current = self._pointer(_PREVIOUS), self._pointer(_ACTIVE)
            _check_expected(current, expected)
            check(version)
            self._point(_ACTIVE, previous)
            self._point(_PREVIOUS, current)
            return self._record("rollback", current, version, by)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """One process at a time changes what is not written once and for all. Raises BundleMissingError where there is no folder."""
        try:
            # Read only: whoever else administers the folder may have made it.
            descriptor = os.open(self.root / _LOCK, os.O_RDONLY | os.O_CREAT, 0o644)
        except FileNotFoundError:
            raise BundleMissingError(_NO_WAY_BACK) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def verdict(self, version: str) -> dict[str, Any] | None:
        """What the gate said of a version; None where it was never asked. A broken file counts as a refusal without reasons."""
        if not _VERSION.fullmatch(version):
            return None
        try:
            found = json.loads((self.root / _VERDICTS / f"{version}.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, OSError):
            found = None
        return found if isinstance(found, dict) else {"version": version, "passed": False, "reasons": []}

    def write_verdict(self, version: str, verdict: dict[str, Any]) -> None:
        """Keep what the gate said. To be written before the version itself: a refused one is never there without its verdict."""
        with replacing(self.root / _VERDICTS / f"{version}.json", 0o600) as temporary:
            temporary.write_text(json.dumps(verdict, ensure_ascii=False) + "\n", encoding="utf-8")

    def write_scorecards(self, version: str, cards: dict[str, Any]) -> None:
        """Keep the answers a verdict rests on. Apart from it: whoever lists verdicts does not read thousands of answers."""
        with replacing(self.root / _SCORECARDS / f"{version}.json") as temporary:
            temporary.write_text(json.dumps(cards, ensure_ascii=False) + "\n", encoding="utf-8")

    def scorecards(self, version: str) -> dict[str, Any]:
        """Empty where there are none or they cannot be read."""
        return _json_object(self.root / _SCORECARDS / f"{version}.json")

    def report(self, version: str) -> dict[str, Any]:
        """What a version says of itself, read without verifying the version; empty where it cannot be read."""
        return _json_object(self.root / version / _REPORT)

    def lineage(self, version: str) -> dict[str, str]:
        """`parent`, `snapshot`, `code_version`, … of a retrained version; empty for one made by hand or not readable."""
        found = self.report(version).get("lineage")
        return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}

    def history(self) -> list[Move]:
        """Every change of ACTIVE, oldest first. A line torn by a crash is left out."""
        moves = []
        with suppress(FileNotFoundError):
            for line in (self.root / _HISTORY).read_text(encoding="utf-8", errors="replace").split("\n"):
                with suppress(ValueError, AttributeError):
                    found = json.loads(line)
                    named = (str(found.get(name, "")) for name in ("at", "by", "action", "to", "from"))
                    moves.append(Move(*named))
        return moves

    def prune(self, keep: int) -> list[str]:
        """Delete all but the `keep` youngest versions; returns what went.

        Never the active version, the one before it, or the parents of these: what one could want to go back to. Also sweeps up what killed
        processes left half-made more than a day ago. Raises as `active`: while it is not known what is in use, nothing goes.
        """
        self.active()
        with self.locked():
            return self._prune(keep)

    def _prune(self, keep: int) -> list[str]:
        kept = self._in_use()
        by_age = self.newest_first()
        gone = sorted(version for version in by_age[max(keep, 0) :] if version not in kept)
        for version in gone:
            # Out of sight by one rename; then its verdict, which alone must never go first.
            hidden = self.root / f".{version}.gone"
            (self.root / version).replace(hidden)
            for folder in (_VERDICTS, _SCORECARDS):
                (self.root / folder / f"{version}.json").unlink(missing_ok=True)
            shutil.rmtree(hidden, ignore_errors=True)
        self._sweep()
        return gone

    def _in_use(self) -> set[str]:
        pointers = (self._pointer(_ACTIVE), self._pointer(_PREVIOUS))
        used = {pointer.split()[0] for pointer in pointers if pointer}
        return used | {self.lineage(version).get("parent", "") for version in used}

    def _published_at(self, version: str) -> tuple[float, str]:
        try:
            return (self.root / version / MANIFEST).stat().st_mtime, version
        except FileNotFoundError:
            return 0.0, version  # gone since it was listed

    def _sweep(self) -> None:
        folders = (self.root, self.root / _VERDICTS, self.root / _SCORECARDS)
        for path in (path for folder in folders for path in folder.glob(".*")):
            if not _LEFTOVER.fullmatch(path.name):
                continue
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > _LEFTOVER_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _record(self, action: str, before: str, version: str, by: str) -> Move:
        """One whole line at the end of the history; returns what it says. A crash before it leaves a gap that the next line's `from`
        shows, and so does a disk that refuses it: ACTIVE has moved by then, which must not look like a failure."""
        at = datetime.now(UTC).isoformat(timespec="seconds")
        move = Move(at, by, action, version, before.split()[0] if before else "")
        try:
            self._append({"at": at, "action": action, "from": move.before, "to": version, "by": by})
        except OSError as problem:
            _log.warning("%s %s 没有记入 %s（%s）", action, version, _HISTORY, type(problem).__name__)
        return move

    def _append(self, change: dict[str, str]) -> None:
        line = json.dumps(change, ensure_ascii=False).encode() + b"\n"
        descriptor = os.open(self.root / _HISTORY, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            torn = end > 0 and os.pread(descriptor, 1, end - 1) != b"\n"
            os.write(descriptor, b"\n" * torn + line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

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


def _json_object(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _check_expected(pointer: str, expected: str) -> None:
    current = pointer.split()[0] if pointer else ""
    if expected and current != expected:
        raise ConflictError(f"启用的模型已不是 {expected[:64]}，而是 {current or '（没有）'}。请看过再决定。")


def manifest_digest(path: Path) -> str:
    return sha256((path / MANIFEST).read_bytes()).hexdigest()


@contextmanager
def replacing(target: Path, mode: int = 0o644) -> Iterator[Path]:
    """A temporary path beside `target` that replaces it, synced to disk, when the block ends well and vanishes otherwise.

    `mode` is who may read it then; until then its owner alone.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        _sync(temporary)
        temporary.chmod(mode)
        temporary.replace(target)
        _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def publishing(target: Path, mode: int = 0o755) -> Iterator[Path]:
    """A temporary folder that becomes `target` by one rename when the block ends well and vanishes otherwise.

    `mode` is who may open it then; until then its owner alone. Raises BundleError when `target` exists: published versions never change.
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
        temporary.chmod(mode)
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
