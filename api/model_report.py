"""What is known of one version's answers, read from what training and the gate left beside it: no model is loaded.

Held-out figures by category, how far its confidence reaches, and which decisions look mistaken, as far as the reader may see them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from api.model_diff import CategoryChange, judged, scorecard_of
from api.service import Service
from api.store.firewall import Viewer
from api.store.recent import seen_of
from classifier.curves import Curves, curves
from classifier.errors import BundleError
from classifier.registry import Registry
from classifier.scorecard import SOURCES, Tally

#: Where a version's answers were held against labels: while it was trained, then on the gate's cases.
HELD_OUT = "训练时留出"
# Doubtful decisions that are looked at: the surest.
_LOOKED_AT = 500


@dataclass(frozen=True, slots=True)
class Reach:
    """Of one source's answers on level 1: the curves, and from the threshold on the share taken and how much of that is right.

    `accuracy` is None where nothing reaches the threshold."""

    source: str
    curves: Curves
    coverage: float
    accuracy: float | None


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """A category among the held-out petitions. `recall` of its `n`, `f1` with precision; `before` is its F1 in the version this one came
    from, None without; `learnt` is how many petitions of it taught."""

    code: str
    path: str
    learnt: int
    n: int
    recall: float
    f1: float
    before: float | None


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A decision that looks mistaken: the petition, its place in the register, what was decided and what the model would have said."""

    petition_id: str
    seq: int
    created_at: datetime
    task: str
    given: str
    likely: str
    probability: float


def named(service: Service) -> Callable[[str], str]:
    """What a code is called: by the taxonomy in use, else as it stands."""
    try:
        taxonomy = service.live.engine().bundle.taxonomy
    except BundleError:
        return str
    return lambda code: taxonomy.path(code) if code in taxonomy else code


def reaches(registry: Registry, version: str, report: Mapping[str, Any], threshold: float) -> list[Reach]:
    """One for training's held-out petitions and each source of the gate's cases that there are answers of."""
    found = []
    with suppress(KeyError, TypeError, ValueError):
        drawn = Curves.from_json(report["held_out"]["level1"])
        # The report rounds both alike.
        above = [point for point in drawn.points if point.confidence >= threshold]
        at = above[-1] if above else None
        found.append(Reach(HELD_OUT, drawn, at.coverage if at else 0.0, at.accuracy if at else None))
    card = scorecard_of(registry, version)
    for source, name in SOURCES.items():
        answers = card.answers.get(f"{source}.level1", ()) if card else ()
        if answers:
            confidence = np.array([answer.probability for answer in answers])
            correct = np.array([answer.is_right for answer in answers])
            sure = confidence >= threshold
            accuracy = float(correct[sure].mean()) if sure.any() else None
            found.append(Reach(name, curves(confidence, correct), float(sure.mean()), accuracy))
    return found


def class_figures(
    registry: Registry, report: Mapping[str, Any], called: Callable[[str], str]
) -> list[ClassFigures]:
    """The most frequent first; empty for a version whose report does not say."""
    parent = (report.get("lineage") or {}).get("parent", "")
    before = _classes(registry.report(parent)) if parent else {}
    learnt = report.get("categories", {})
    rows = [
        ClassFigures(
            code,
            called(code),
            sum(count for below, count in learnt.items() if below.startswith(code)),
            n,
            right / n if n else 0.0,
            _f1(n, suggested, right),
            _f1(*before[code]) if code in before else None,
        )
        for code, (n, suggested, right) in _classes(report).items()
    ]
    return sorted(rows, key=lambda row: (-row.n, row.code))


def _classes(report: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    with suppress(KeyError, TypeError, ValueError, AttributeError):
        found = report["held_out"]["classes"].items()
        return {code: (int(n), int(suggested), int(right)) for code, (n, suggested, right) in found}
    return {}


def _f1(n: int, suggested: int, right: int) -> float:
    return 2 * right / (n + suggested) if n + suggested else 0.0


def doubtful(
    service: Service, verdict: Mapping[str, Any] | None, viewer: Viewer, limit: int
) -> tuple[list[Doubtful], int]:
    """Decisions worth a second look, the surest first, and how many of those looked at `viewer` may see at all."""
    listed = [item for item in (verdict or {}).get("suspicious", []) if isinstance(item, dict)][:_LOOKED_AT]
    with service.store.read() as connection:
        seen = seen_of(connection, [str(item.get("id", "")) for item in listed], viewer)
    called = named(service)
    found = [
        Doubtful(
            item["id"],
            seen[item["id"]]["seq"],
            seen[item["id"]]["created_at"],
            item["task"],
            called(item["given"]),
            called(item["likely"]),
            item["probability"],
        )
        for item in listed
        if item.get("id") in seen
    ]
    return found[:limit], len(found)


def changes(service: Service, before: str, after: str) -> tuple[dict[str, Tally], tuple[CategoryChange, ...]]:
    """What the gate's cases say of going from one version to the other, the worst first; both empty where they share none."""
    return judged(Registry(service.settings.models), before, after, named(service))
