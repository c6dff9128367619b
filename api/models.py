"""The versions of the model as an administrator sees and moves them. Who moved what is appended to models/promotions.jsonl."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from api.run_state import moment
from api.settings import Settings
from classifier.bundle import load_bundle
from classifier.errors import BundleError, BundleMissingError, ConflictError, NotFoundError
from classifier.registry import Registry

_HISTORY = "promotions.jsonl"
#: Who is on record for what a command without a user did.
COMMAND_LINE = "命令行"


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
        "promotions": [asdict(entry) for entry in reversed(history(settings.models))],
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
        "verdict": _json(settings.models / "verdicts" / f"{version}.json"),
    }


def promote(settings: Settings, version: str, by: str) -> Promotion:
    """Point ACTIVE at a version that loads. Raises NotFoundError, BundleError: then nothing changed."""
    registry = Registry(settings.models)
    load_bundle(_known(registry, version))
    before = active_version(registry)
    registry.promote(version)
    return _record(settings.models, Promotion(moment(), by, "promote", version, before))


def rollback(settings: Settings, by: str) -> Promotion:
    """Back to the version before. Raises ConflictError when there is none, BundleError when it does not load: then nothing changed."""
    registry = Registry(settings.models)
    before = active_version(registry)
    try:
        version = registry.rollback()
    except BundleMissingError as problem:
        raise ConflictError(str(problem)) from None
    try:
        load_bundle(registry.active())
    except BundleError:
        registry.rollback()
        raise
    return _record(settings.models, Promotion(moment(), by, "rollback", version, before))


def history(models: Path) -> list[Promotion]:
    """Oldest first. A line that cannot be read, as a power cut may leave it, is passed over."""
    found = []
    try:
        lines = (models / _HISTORY).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            found.append(Promotion(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


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
    verdict = _json(registry.root / "verdicts" / f"{version}.json") or {}
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


def _record(models: Path, entry: Promotion) -> Promotion:
    """One line, appended and synced."""
    line = json.dumps(asdict(entry), ensure_ascii=False) + "\n"
    descriptor = os.open(models / _HISTORY, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, line.encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return entry
