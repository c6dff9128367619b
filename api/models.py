"""The versions of the model as an administrator sees and moves them. Who moved what stands in models/HISTORY."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from threading import Lock
from typing import Any

from api.model_diff import Difference, difference
from api.settings import Settings
from classifier import release
from classifier.errors import AlreadyRunningError, BundleMissingError, ConflictError, NotFoundError
from classifier.records import Reject, petitions
from classifier.registry import Move, Registry

_comparing = Lock()


def overview(settings: Settings) -> dict[str, Any]:
    """Every version with lineage and verdict, the active one, and who promoted what, latest first."""
    registry = Registry(settings.models)
    return {
        "active": registry.active_version(),
        "versions": [_brief(registry, version) for version in registry.versions()],
        "promotions": [asdict(entry) for entry in reversed(registry.history())],
    }


def show(settings: Settings, version: str) -> dict[str, Any]:
    """A version: its training report and the gate's verdict (None without), read, not verified. Raises NotFoundError."""
    registry = Registry(settings.models)
    _known(registry, version)
    report = registry.report(version)
    return {
        "version": version,
        "active": version == registry.active_version(),
        # 0.5 as training gives a bundle without categories.
        "threshold": (report.get("category") or {}).get("threshold", 0.5),
        "report": report,
        "verdict": registry.verdict(version),
    }


def promote(settings: Settings, version: str, by: str, expected: str = "") -> Move:
    """Point ACTIVE at a version that loads and that the gate did not refuse.

    Raises NotFoundError, BundleError, ConflictError when another version than `expected` is active: then nothing changed.
    """
    registry = Registry(settings.models)
    _known(registry, version)
    return release.promote(registry, version, by, expected)


def rollback(settings: Settings, by: str, expected: str = "") -> Move:
    """Back to the version before. Raises ConflictError when there is none or another version than `expected` is active, BundleError when
    it does not load: then nothing changed."""
    try:
        return release.roll_back(Registry(settings.models), by, expected)
    except BundleMissingError as problem:
        raise ConflictError(str(problem)) from None


def compare(settings: Settings, before: str, after: str) -> Difference:
    """What changes from one version to the other, on the cases both were asked and in their answers to the gold set.

    One at a time in a process, for it holds two models. Raises NotFoundError, BundleError, AlreadyRunningError.
    """
    registry = Registry(settings.models)
    for version in (before, after):
        _known(registry, version)
    if not _comparing.acquire(blocking=False):
        raise AlreadyRunningError("已有一次版本比较在进行，请稍后再试。")
    try:
        return difference(registry, before, after, _gold(settings))
    finally:
        _comparing.release()


def gold_titles(settings: Settings) -> dict[str, str]:
    """What the texts that `compare` asks about are called, by id."""
    items = (item for path in _gold(settings) for item in petitions(path))
    return {item[1].id: item[1].title for item in items if not isinstance(item, Reject)}


def _gold(settings: Settings) -> list[Path]:
    return sorted((settings.corpora / "gold").glob("*.jsonl"))


def _known(registry: Registry, version: str) -> None:
    try:
        registry.path(version)
    except BundleMissingError as problem:
        raise NotFoundError(str(problem)) from None


def _brief(registry: Registry, version: str) -> dict[str, Any]:
    # Read, not verified: a list of all versions must not load each. A version that is broken still has its line.
    report = registry.report(version)
    verdict = registry.verdict(version) or {}
    return {
        "version": version,
        "lineage": report.get("lineage"),
        "petitions": report.get("petitions", 0),
        "accuracy": (report.get("category") or {}).get("accuracy"),
        "passed": verdict.get("passed"),
        "reasons": verdict.get("reasons", []),
    }
