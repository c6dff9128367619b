"""The model in use: loaded aside, verified, tried, then swapped by one reference. A model that fails leaves the old one in place.

No request pays for a load: a thread of each worker process follows ACTIVE, the unit directory and the office's headings (`following`,
begun with the application). A request takes the engine once and keeps it to its end; an old engine goes when its last request has.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from api.settings import directory_in_use
from classifier.bundle import Bundle, load_bundle
from classifier.directory import load_directory
from classifier.errors import BundleError, BundleMissingError, FenbanError, TaxonomyError
from classifier.registry import Registry
from classifier.release import SMOKE
from classifier.routing import Router
from classifier.tables import read_text
from classifier.taxonomy import parse_headings
from classifier.triage import triage

#: How often ACTIVE and the directory are looked at, and how soon what failed is tried again unchanged: a disk may have been full.
CHECK_SECONDS = 1.0
RETRY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Engine:
    """What one request works with from beginning to end. The bundle's taxonomy has the office's own headings where there are any."""

    bundle: Bundle
    router: Router

    def heading_of(self, code: str) -> str:
        """The office's heading for a category of any level, "" when none is mapped."""
        return self.bundle.taxonomy.heading(code)


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was there at a look: the pointer's content; the directory's folder; name, time and size of each file of it, and of the
    headings."""

    pointer: str = ""
    folder: Path = Path()
    directory: tuple[tuple[str, int, int], ...] = ()
    headings: tuple[tuple[str, int, int], ...] = ()


class Live:
    """Holds the engine of the ACTIVE bundle. Safe to share between threads.

    `own` is where the office's own directory is, once there is one, and `headings` its own headings.csv.
    """

    def __init__(
        self, models: Path, directory: Path, own: Path | None = None, headings: Path | None = None
    ) -> None:
        self._registry = Registry(models)
        self._directory, self._own, self._headings = directory, own, headings
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        #: The bundle as it was loaded, with its own headings.
        self._bundle: Bundle | None = None
        #: Of the last attempt, and when it failed; of the engine that serves.
        self._tried: _Seen | None = None
        self._failed_at = 0.0
        self._loaded = _Seen()
        #: What is wrong beside the engine that serves.
        self._remark: str | None = None
        self.problem: str | None = None

    def engine(self) -> Engine:
        """The engine now, without a look at the disk once there is one. Raises BundleMissingError while there is none."""
        engine = self._engine
        if engine is None:
            self.look()
            engine = self._engine
        if engine is None:
            raise BundleMissingError(self.problem or "还没有启用的模型。")
        return engine

    @contextmanager
    def following(self) -> Iterator[None]:
        """Look now, and every CHECK_SECONDS in a thread of its own until the block ends."""
        ended = threading.Event()

        def follow() -> None:
            while not ended.wait(CHECK_SECONDS):
                self.look()

        self.look()
        thread = threading.Thread(target=follow, name="follow-active", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def look(self) -> None:
        """Take up what changed since the last look, if it works. What happened is in `problem`, None when all is well."""
        with self._lock:
            folder = directory_in_use(self._own, self._directory) if self._own else self._directory
            seen = _Seen(self._pointer(), folder, _stamps(folder), _stamps_of(self._headings))
            if seen == self._tried and not (
                self.problem and time.monotonic() - self._failed_at > RETRY_SECONDS
            ):
                return
            self._tried = seen
            try:
                self._swap(seen)
            except FenbanError as problem:
                self._fail(seen, str(problem))
            except Exception as problem:
                # Whatever a broken bundle makes of the loader: the model that serves goes on serving.
                self._fail(seen, f"加载失败（{type(problem).__name__}）。请换一个版本，或重新训练。")

    def _swap(self, seen: _Seen) -> None:
        started = time.monotonic()
        old = self._engine
        # Touched files, or a pointer set to what it was: nothing to do.
        if old and seen == self._loaded:
            self.problem = self._remark
            return
        same = self._bundle is not None and seen.pointer == self._loaded.pointer
        loaded = self._bundle if self._bundle and same else load_bundle(self._registry.active())
        bundle, problem = self._with_headings(loaded)
        router = Router(load_directory(seen.folder, bundle.taxonomy), bundle.taxonomy, bundle.tokeniser)
        engine = Engine(bundle, router)
        _try_out(engine)
        self._engine, self._bundle, self._loaded = engine, loaded, seen
        self.problem = self._remark = problem
        if old:
            structlog.get_logger("fenban").info(
                "model",
                version=bundle.version,
                before=old.bundle.version,
                milliseconds=round((time.monotonic() - started) * 1000),
                pid=os.getpid(),
            )

    def _with_headings(self, bundle: Bundle) -> tuple[Bundle, str | None]:
        """The bundle with the office's headings, and what is wrong with them: wrong headings must not keep a model from serving."""
        if self._headings is None or not self._headings.exists():
            return bundle, None
        try:
            text = read_text(self._headings, TaxonomyError)
            headings = parse_headings(text, bundle.taxonomy.categories, self._headings.name)
        except TaxonomyError as problem:
            return bundle, f"本单位的大类对照没有采用，仍用模型自带的：{problem}"
        return replace(bundle, taxonomy=replace(bundle.taxonomy, headings=headings)), None

    def _fail(self, seen: _Seen, reason: str) -> None:
        self._failed_at = time.monotonic()
        if self._engine is None:
            self.problem = reason  # told to whoever asks for the engine
            return
        wanted = " ".join(seen.pointer.split()[:1])[:64]
        what = f"新的模型 {wanted} " if wanted and seen.pointer != self._loaded.pointer else "模型或单位目录"
        self.problem = f"{what}没有换上，仍在使用 {self._engine.bundle.version}：{reason}"
        structlog.get_logger("fenban").error("model-refused", reason=self.problem, pid=os.getpid())

    def _pointer(self) -> str:
        try:
            return (self._registry.root / "ACTIVE").read_text(encoding="ascii", errors="replace")
        except OSError:
            return ""


def _stamps(folder: Path) -> tuple[tuple[str, int, int], ...]:
    try:
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.stat()) for entry in entries]
    except OSError:
        return ()
    return tuple(sorted((name, stat.st_mtime_ns, stat.st_size) for name, stat in found))


def _stamps_of(file: Path | None) -> tuple[tuple[str, int, int], ...]:
    try:
        stat = file.stat() if file else None
    except OSError:
        stat = None
    return ((file.name, stat.st_mtime_ns, stat.st_size),) if file and stat else ()


def _try_out(engine: Engine) -> None:
    """Raises BundleError when a petition gets no unit."""
    for petition in SMOKE:
        if not triage(petition, engine.bundle, None, engine.router, bytes(32)).units:
            raise BundleError(f"模型 {engine.bundle.version} 没有通过试运行。请换一个版本，或重新训练。")
