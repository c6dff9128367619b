"""Whether a model's confidence is to be believed, and how far it reaches: two curves over its answers. Pure functions over arrays.

Training writes them into its report, the workbench draws them; what both need is here. Order and ties are those of the rows, so that the
same answers give the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

#: Points of a coverage curve: enough to draw it, few enough for a report that people read.
_POINTS = 40


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers whose confidence lies in `[low, high)`; the last bin holds 1.0, too. Means are 0 in an empty bin."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Point:
    """Of all answers, the share `coverage` with at least this `confidence` is right with `accuracy`."""

    coverage: float
    accuracy: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Curves:
    """`n` answers: their bins of confidence that are not empty, and how accuracy falls as less sure ones are taken."""

    n: int
    bins: tuple[Bin, ...]
    points: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        """Rounded to four digits."""
        return {
            "n": self.n,
            "bins": [
                [b.low, b.high, b.count, round(b.confidence, 4), round(b.accuracy, 4)] for b in self.bins
            ],
            "points": [
                [round(p.coverage, 4), round(p.accuracy, 4), round(p.confidence, 4)] for p in self.points
            ],
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Curves:
        """Raises KeyError, TypeError, ValueError on what `to_json` did not write."""
        return cls(
            int(found["n"]),
            tuple(
                Bin(float(low), float(high), int(n), float(said), float(was))
                for low, high, n, said, was in found["bins"]
            ),
            tuple(Point(*map(float, (share, right, least))) for share, right, least in found["points"]),
        )


def reliability(
    confidence: Numbers, correct: npt.NDArray[np.bool_], bins: int = 10, frequency: Numbers | None = None
) -> list[Bin]:
    """The bins that an expected calibration error sums over, all `bins` of them. `frequency`: how many texts each row stands for."""
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    weight = np.ones(len(confidence)) if frequency is None else frequency
    found = []
    for i in range(bins):
        inside = at == i
        total = float(weight[inside].sum())
        said, was = (
            float((weight * values)[inside].sum() / total) if total else 0.0
            for values in (confidence, correct)
        )
        found.append(Bin(i / bins, (i + 1) / bins, int(inside.sum()), said, was))
    return found


def risk_coverage(
    confidence: Numbers, correct: npt.NDArray[np.bool_], frequency: Numbers | None = None
) -> tuple[Numbers, Numbers]:
    """Share of texts taken by falling confidence and share of wrong ones among them, both of shape (texts,).

    El-Yaniv & Wiener 2010 call the pair risk and coverage.
    """
    order = np.argsort(-confidence, kind="stable")
    weight = np.ones(len(order)) if frequency is None else frequency[order]
    taken = np.cumsum(weight)
    return taken / max(float(weight.sum()), 1e-12), np.cumsum(weight * ~correct[order]) / taken


def curves(
    confidence: Numbers,
    correct: npt.NDArray[np.bool_],
    frequency: Numbers | None = None,
    target: float = 0.95,
) -> Curves:
    """Both curves. The point where accuracy is at least `target` for the last time is among those kept, if there is one."""
    if not len(confidence):
        return Curves(0, (), ())
    coverage, risk = risk_coverage(confidence, correct, frequency)
    falling = np.sort(confidence)[::-1]
    last = np.flatnonzero(1 - risk >= target)[-1:]
    kept = np.unique(np.concatenate([np.linspace(0, len(risk) - 1, _POINTS).astype(int), last]))
    return Curves(
        len(confidence),
        tuple(b for b in reliability(confidence, correct, frequency=frequency) if b.count),
        tuple(Point(float(coverage[i]), float(1 - risk[i]), float(falling[i])) for i in kept),
    )
