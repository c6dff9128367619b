"""Figures on predictions. Pure functions over arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Probabilities = npt.NDArray[np.float64]


def macro_f1(truth: Sequence[str], predicted: Sequence[str]) -> float:
    """Mean F1 over the classes that occur in `truth`."""
    pairs = list(zip(truth, predicted, strict=True))
    total = 0.0
    classes = sorted(set(truth))
    for name in classes:
        hit = sum(t == p == name for t, p in pairs)
        wrong = sum((t == name) != (p == name) for t, p in pairs)
        total += 2 * hit / (2 * hit + wrong)
    return total / len(classes) if classes else 0.0


def expected_calibration_error(
    confidence: Probabilities, correct: npt.NDArray[np.bool_], bins: int = 10
) -> float:
    """Mean distance of confidence and accuracy over equally wide bins, weighted by their size (Naeini et al. 2015)."""
    if not len(confidence):
        return 0.0
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    size = np.bincount(at, minlength=bins)
    gap = np.abs(
        np.bincount(at, weights=confidence, minlength=bins) - np.bincount(at, weights=correct, minlength=bins)
    )
    return float(gap[size > 0].sum() / len(confidence))


def coverage_at(
    confidence: Probabilities,
    correct: npt.NDArray[np.bool_],
    accuracy: float = 0.95,
    frequency: Probabilities | None = None,
) -> tuple[float, float]:
    """The largest share of texts, taken by falling confidence, that are right at least `accuracy` of the time, and
    the least confidence among them. (0.0, 1.0) when there is no such share. `frequency`: how many texts each stands for."""
    if not len(confidence):
        return 0.0, 1.0
    order = np.argsort(-confidence, kind="stable")
    share = np.ones(len(order)) if frequency is None else frequency[order]
    taken = np.cumsum(share)
    good = np.flatnonzero(np.cumsum(share * correct[order]) / taken >= accuracy)
    if not len(good):
        return 0.0, 1.0
    return float(taken[good[-1]] / taken[-1]), float(confidence[order[good[-1]]])
