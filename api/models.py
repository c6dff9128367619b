"""The versions of the model as an administrator sees and moves them. Who moved what stands in models/HISTORY."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from api.model_diff import Difference, difference
from api.settings import Settings
from classifier import release
from classifier.bundle import load_bundle
from classifier.errors import BundleError, BundleMissingError, ConflictError, NotFoundError
from classifier.registry import Move, Registry


def overview(settings: Settings) -> dict[str, Any]:
    """Every version with lineage and verdict, the active one, and who promoted what, latest first."""
    registry = Registry(settings.models)
    return {
        "active": active_version(registry),
        "versions": [_brief(registry, version) for version in registry.versions()],
        "promotions": [asdict(entry) for entry in reversed(registry.history())],
    }


def show(settings: Settings, version: str) -> dict[str, Any]:
    """A version whole: its training report and the gate's verdict (None without). Raises NotFoundError, BundleError."""
    registry = Registry(settings.models)
    bundle = load_bundle(_known(registry, version))
    return {
        "version": version,
        "active": version == active_version(registry),
        "threshold": bundle.threshold,
        "report": bundle.report,
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
    """What changes from one version to the other, on the cases both were asked and in their answers to the gold set. Raises NotFoundError,
    BundleError."""
    registry = Registry(settings.models)
    for version in (before, after):
        _known(registry, version)
    return difference(registry, before, after, sorted((settings.corpora / "gold").glob("*.jsonl")))


def active_version(registry: Registry) -> str:
    """ "" when there is none that can be used."""
    try:
        return registry.active().name
    except BundleError:
        return ""


def _known(registry: Registry, version: str) -> Path:
    try:
        return registry.path(version)
    except BundleMissingError as problem:
        raise NotFoundError(str(problem)) from None


def _brief(registry: Registry, version: str) -> dict[str, Any]:
    # Read, not verified: a list of all versions must not load each. A version that is broken still has its line.
    report = _json(registry.root / version / "report.json") or {}
    verdict = registry.verdict(version) or {}
    return {
        "version": version,
        "lineage": report.get("lineage"),
        "petitions": report.get("petitions", 0),
        "accuracy": (report.get("category") or {}).get("accuracy"),
        "passed": verdict.get("passed"),
        "reasons": verdict.get("reasons", []),
    }


def _json(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
