"""The model in use: loaded, verified, tried, then swapped by one reference. A model that fails leaves the old one in place."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

from classifier.bundle import Bundle, load_bundle
from classifier.directory import load_directory
from classifier.errors import BundleError, BundleMissingError, FenbanError
from classifier.petition import Petition
from classifier.registry import Registry
from classifier.routing import Router
from classifier.triage import triage

# Petitions any model must answer before it serves: a plain one, one without a title, one that says nothing.
_SMOKE = (
    Petition("smoke-1", "小区物业乱收费", "小区物业擅自提高物业费，业主多次反映没有结果，请有关部门处理。"),
    Petition("smoke-2", "", "厂里三个月没有发工资，请帮忙追讨。"),
    Petition("smoke-3", "", "12345"),
)
_CHECK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Engine:
    """What one request works with from beginning to end."""

    bundle: Bundle
    router: Router


class Live:
    """Holds the engine of the ACTIVE bundle and follows the pointer. Safe to share between threads."""

    def __init__(self, models: Path, directory: Path) -> None:
        self._registry = Registry(models)
        self._directory = directory
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._loaded = ""
        self._checked = 0.0
        self.problem: str | None = None

    def engine(self) -> Engine:
        """The engine now. Raises BundleMissingError while there is none."""
        if self._engine is None or time.monotonic() - self._checked > _CHECK_SECONDS:
            self._follow()
        if self._engine is None:
            raise BundleMissingError(self.problem or "还没有启用的模型。")
        return self._engine

    def _follow(self) -> None:
        with self._lock:
            self._checked = time.monotonic()
            pointer = self._pointer()
            if self._engine is not None and pointer == self._loaded:
                return
            try:
                self._engine = self._load()
                self.problem = None
            except FenbanError as problem:
                self.problem = str(problem)
            except Exception as problem:
                # Whatever a broken bundle makes of the loader: the model that serves goes on serving.
                self.problem = f"模型加载失败（{type(problem).__name__}）。请换一个版本，或重新训练。"
            self._loaded = pointer

    def _pointer(self) -> str:
        try:
            return (self._registry.root / "ACTIVE").read_text(encoding="ascii", errors="replace")
        except OSError:
            return ""

    def _load(self) -> Engine:
        bundle = load_bundle(self._registry.active())
        router = Router(load_directory(self._directory, bundle.taxonomy), bundle.taxonomy, bundle.tokeniser)
        engine = Engine(bundle, router)
        for petition in _SMOKE:
            answer = triage(petition, bundle, None, router, bytes(32))
            if not answer.units:
                raise BundleError(f"模型 {bundle.version} 没有通过试运行，继续使用原来的模型。")
        return engine
