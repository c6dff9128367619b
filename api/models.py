"""The versions of the model as an administrator sees and moves them. Who moved what stands in models/HISTORY."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from api.model_diff import Difference, difference
from api.settings import Settings
from classifier import release
from classifier.bundle import load_bundle
from classifier.errors import BundleError, BundleMissingError, ConflictError, NotFoundError
from classifier.registry import Registry


@dataclass(frozen=True, slots=True)
class Promotion:
    """A move of ACTIVE. `before` is the version that served until then, "" for none."""

    at: str
    by: str
    action: str
    version: str
    before: str


def overview(settings: Settings) -> dict[str, Any]:
    """Every version with lineage and verdict, the active one, and who promoted what, latest first."""
    registry = Registry(settings.models)
    return {
        "active": active_version(registry),
        "versions": [_brief(registry, version) for version in registry.versions()],
        "promotions": [asdict(entry) for entry in reversed(history(registry))],
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


def promote(settings: Settings, version: str, by: str) -> Promotion:
    """Point ACTIVE at a version that loads and that the gate did not refuse. Raises NotFoundError, BundleError: then nothing changed."""
    registry = Registry(settings.models)
    _known(registry, version)
    release.promote(registry, version, by)
    return history(registry)[-1]


def rollback(settings: Settings, by: str) -> Promotion:
    """Back to the version before. Raises ConflictError when there is none, BundleError when it does not load: then nothing changed."""
    registry = Registry(settings.models)
    try:
        release.roll_back(registry, by)
    except BundleMissingError as problem:
        raise ConflictError(str(problem)) from None
    return history(registry)[-1]


def compare(settings: Settings, before: str, after: str) -> Difference:
    """What changes from one version to the other, on the cases both were asked and in their answers to the gold set. Raises NotFoundError,
    BundleError."""
    registry = Registry(settings.models)
    for version in (before, after):
        _known(registry, version)
    return difference(registry, before, after, sorted((settings.corpora / "gold").glob("*.jsonl")))


def history(registry: Registry) -> list[Promotion]:
    """Oldest first. A line that cannot be read, as a power cut may leave it, is passed over."""
    return [
        Promotion(
            line.get("at", ""),
            line.get("by", ""),
            line.get("action", ""),
            line.get("to", ""),
            line.get("from", ""),
        )
        for line in registry.history()
    ]


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
