"""Fitting: ridge regression on class indicators, solved in its dual, and a calibration that makes its scores probabilities.

Least squares on class indicators is as accurate on these texts as a linear SVM (docs/decisions/004) and has a
closed form: for n texts one n × n Cholesky factor serves all classes, so 118 classes cost what two do.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge

from classifier.category import Calibration, LinearModel
from training.split import Indices, folds

Matrix = sparse.csr_matrix[Any]
Scores = npt.NDArray[np.float32]

ALPHA = 1.0
# Beyond this many texts the n × n kernel costs more than iterating in the primal.
_DUAL_LIMIT = 9_000
# Held-out scores for calibration: five folds for small corpora, one held-out fifth for large ones.
_FIVE_FOLDS_LIMIT = 4_500


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model and the scores its own training texts got while held out: rows `tested` of the training matrix."""

    model: LinearModel
    held_out: Scores
    tested: Indices


def fit_model(
    matrix: Matrix,
    labels: Sequence[str],
    weights: npt.NDArray[np.float64],
    real: npt.NDArray[np.bool_],
    groups: Indices,
    alpha: float = ALPHA,
) -> Fitted:
    """Fit one classifier; calibrate it on held-out folds of the texts that are petitions, not term lists.

    `real` flags the petitions.
    """
    classes = tuple(sorted(set(labels)))
    index = {name: i for i, name in enumerate(classes)}
    truth = np.array([index[label] for label in labels], dtype=np.int64)
    coef, intercept = ridge(matrix, truth, len(classes), weights, alpha)
    held_out, tested = _held_out(matrix, truth, len(classes), weights, real, groups, alpha)
    calibration = _calibrate(held_out, truth[tested]) if len(tested) else _UNFITTED
    return Fitted(LinearModel(classes, coef, intercept, calibration), held_out, tested)


def ridge(
    matrix: Matrix, truth: npt.NDArray[np.int64], classes: int, weights: npt.NDArray[np.float64], alpha: float
) -> tuple[Scores, Scores]:
    """Weighted ridge regression of ±1 indicators with an intercept. Returns coef (width, classes) and intercept (classes,)."""
    target = np.full((len(truth), classes), -1.0, dtype=np.float32)
    target[np.arange(len(truth)), truth] = 1.0
    if len(truth) > _DUAL_LIMIT:
        return _primal(matrix, target, weights, alpha)
    root = np.sqrt(weights).astype(np.float32)
    # A constant feature of 1 beside the others is the intercept.
    kernel = np.asarray((matrix @ matrix.T).todense(), dtype=np.float32) + 1.0
    kernel *= root[:, None] * root[None, :]
    kernel[np.diag_indices_from(kernel)] += alpha
    factor = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    dual = cho_solve(factor, target * root[:, None], check_finite=False) * root[:, None]
    return np.asarray(matrix.T @ dual, dtype=np.float32), dual.sum(axis=0).astype(np.float32)


def _primal(
    matrix: Matrix, target: Scores, weights: npt.NDArray[np.float64], alpha: float
) -> tuple[Scores, Scores]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a hundred steps are plenty for ranking
        solver = Ridge(alpha=alpha, solver="sparse_cg", tol=1e-3, max_iter=100)
        solver.fit(matrix, target, sample_weight=weights)
    return np.ascontiguousarray(solver.coef_.T, dtype=np.float32), np.atleast_1d(solver.intercept_).astype(
        np.float32
    )


def _held_out(
    matrix: Matrix,
    truth: npt.NDArray[np.int64],
    classes: int,
    weights: npt.NDArray[np.float64],
    is_real: npt.NDArray[np.bool_],
    groups: Indices,
    alpha: float,
) -> tuple[Scores, Indices]:
    """Scores of the real petitions by models that did not see them or their groups."""
    real = np.flatnonzero(is_real)
    if len(np.unique(groups[real])) < 10:
        return np.zeros((0, classes), dtype=np.float32), np.zeros(0, dtype=np.int64)
    others = np.flatnonzero(~is_real)
    scores, tested = [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes with fewer texts than folds are fine here
        splits = list(folds([str(t) for t in truth[real]], groups[real]))
    for train, test in splits if len(truth) <= _FIVE_FOLDS_LIMIT else splits[:1]:
        rows = np.concatenate([real[train], others])
        coef, intercept = ridge(matrix[rows], truth[rows], classes, weights[rows], alpha)
        scores.append(np.asarray(matrix[real[test]] @ coef) + intercept)
        tested.append(real[test])
    return np.concatenate(scores), np.concatenate(tested)


# Without texts to calibrate on: what the seed corpus itself arrives at, rounded.
_UNFITTED = Calibration(power=3.0, knee=20.0)


def _calibrate(scores: Scores, truth: npt.NDArray[np.int64]) -> Calibration:
    """The calibration with the greatest likelihood of the held-out labels."""
    rows = np.arange(len(truth))

    def loss(parameters: npt.NDArray[np.float64]) -> float:
        calibration = Calibration(*np.exp(np.clip(parameters, -3, 5)).tolist())
        return float(-np.log(calibration.probabilities(scores)[rows, truth] + 1e-12).mean())

    start = np.log([_UNFITTED.power, _UNFITTED.knee])
    found: Any = minimize(
        loss, start, method="Nelder-Mead", options={"maxiter": 80, "xatol": 0.01, "fatol": 1e-4}
    )
    power, knee = np.exp(np.clip(found.x, -3, 5)).tolist()
    return Calibration(round(power, 3), round(knee, 3))
