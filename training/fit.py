"""Fitting: ridge regression on class indicators, solved in its dual, and a calibration that makes its scores probabilities.

Least squares on class indicators is as accurate on these texts as a linear SVM (docs/decisions/004) and has a
closed form: for n texts one n × n Cholesky factor serves all classes, so 118 classes cost what two do.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
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

#: Strengths of the ridge to choose from, by what they make of held-out texts.
ALPHAS = (0.5, 2.0, 4.0, 8.0)
#: Beyond this many texts the n × n kernel costs more than iterating in the primal (float32: 1 GB here).
DUAL_LIMIT = 16_000
# A column in more than this share of the texts is frequent (of 0.02, 0.05 and 0.1 the fastest on 13,000 texts).
_OFTEN, _BLOCK = 0.02, 1_000
# Held-out scores for calibration: five folds for small corpora, one held-out fifth for large ones.
_FIVE_FOLDS_LIMIT = 9_000
# Naive-Bayes weights need this many texts a class to be worth something, and cost one fit a class.
_NB_TEXTS, _NB_CLASSES = 100, 30
# The log ratio of a column's naive-Bayes weight is cut off here; ten steps more or less change nothing.
_NB_MOST = 4.0


@dataclass(frozen=True, slots=True)
class Design:
    """How a head was fitted: ridge of strength `alpha`, and whether its mean with a naive-Bayes-weighted ridge won."""

    alpha: float
    naive_bayes: bool = False


@dataclass(frozen=True, slots=True)
class Fitted:
    """A model and the scores its own training texts got while held out: rows `tested` of the training matrix."""

    model: LinearModel
    held_out: Scores
    tested: Indices
    design: Design


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is to be fitted. `kernel` holds the texts' inner products, None where there are too many texts."""

    matrix: Matrix
    truth: Indices
    classes: int
    weights: npt.NDArray[np.float64]
    kernel: Scores | None

    def fit(self, rows: Indices, design: Design) -> tuple[Scores, Scores]:
        """Coefficients and intercepts from these rows alone."""
        matrix, truth, weights = self.matrix[rows], self.truth[rows], self.weights[rows]
        kernel = None if self.kernel is None else self.kernel[np.ix_(rows, rows)]
        coef, intercept = ridge(matrix, truth, self.classes, weights, design.alpha, kernel)
        if not design.naive_bayes:
            return coef, intercept
        other, other_intercept = naive_bayes_ridge(matrix, truth, self.classes, weights)
        half = np.float32(0.5)
        return (coef + other) * half, (intercept + other_intercept) * half


def fit_model(
    matrix: Matrix,
    labels: Sequence[str],
    weights: npt.NDArray[np.float64],
    real: npt.NDArray[np.bool_],
    groups: Indices,
    frequency: npt.NDArray[np.float64] | None = None,
    kernel: Scores | None = None,
    firmer: float = 1.0,
    try_naive_bayes: bool = True,
) -> Fitted:
    """Fit one classifier: choose its design on the first held-out fold, calibrate it on all of them.

    `real` flags the petitions, which alone are held out; term lists only teach. `frequency` says how many petitions of real life each
    row stands for when the calibration is fitted (default: one). `kernel` is `gram(matrix)` where the caller has it.
    The strength the fold chooses is multiplied by `firmer`.
    """
    classes = tuple(sorted(set(labels)))
    index = {name: i for i, name in enumerate(classes)}
    truth = np.array([index[label] for label in labels], dtype=np.int64)
    if kernel is None and len(truth) <= DUAL_LIMIT:
        kernel = gram(matrix)
    problem = _Problem(matrix, truth, len(classes), weights, kernel)
    frequency = np.ones(len(truth)) if frequency is None else frequency
    splits = _splits(truth, real, groups)
    design, first = _choose(problem, splits, try_naive_bayes)
    if firmer != 1:
        design = replace(design, alpha=design.alpha * firmer)
        first = _scores(problem, *splits[0], design) if splits else first
    held_out, tested = [first], [test for _, test in splits[:1]]
    # Classes with enough texts for naive-Bayes weights have enough in one fold to be calibrated on, too.
    for train, test in [] if design.naive_bayes else splits[1:]:
        held_out.append(_scores(problem, train, test, design))
        tested.append(test)
    coef, intercept = problem.fit(np.arange(len(truth)), design)
    scores, rows = np.concatenate(held_out), np.concatenate([*tested, np.zeros(0, dtype=np.int64)])
    calibration = calibrate(scores, truth[rows], frequency[rows])[0] if len(rows) else UNFITTED
    return Fitted(LinearModel(classes, coef, intercept, calibration), scores, rows, design)


def gram(matrix: Matrix) -> Scores:
    """Inner products of all rows, dense. Shape (rows, rows), float32.

    Columns that stand in many rows go through a dense product: as sparse ones they cost three times as much in all.
    """
    often = np.bincount(matrix.indices, minlength=matrix.shape[1]) > _OFTEN * matrix.shape[0]
    columns = matrix.tocsc()
    dense = columns[:, np.flatnonzero(often)].toarray()
    rare = columns[:, np.flatnonzero(~often)].tocsr()
    products: Scores = dense @ dense.T
    turned = rare.T.tocsr()
    for start in range(0, len(products), _BLOCK):
        products[start : start + _BLOCK] += (rare[start : start + _BLOCK] @ turned).toarray()
    return products


def ridge(
    matrix: Matrix,
    truth: Indices,
    classes: int,
    weights: npt.NDArray[np.float64],
    alpha: float,
    kernel: Scores | None = None,
) -> tuple[Scores, Scores]:
    """Weighted ridge regression of ±1 indicators with an intercept. Returns coef (width, classes) and intercept (classes,).

    `kernel` is `gram(matrix)` where the caller has it; it is overwritten.
    """
    target = np.full((len(truth), classes), -1.0, dtype=np.float32)
    target[np.arange(len(truth)), truth] = 1.0
    if len(truth) > DUAL_LIMIT:
        return _primal(matrix, target, weights, alpha)
    root = np.sqrt(weights).astype(np.float32)
    # A constant feature of 1 beside the others is the intercept.
    kernel = gram(matrix) if kernel is None else kernel
    kernel += 1.0
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
    coef = np.atleast_2d(solver.coef_).T  # one class comes as a single row or none
    return np.ascontiguousarray(coef, dtype=np.float32), np.atleast_1d(solver.intercept_).astype(np.float32)


def naive_bayes_ridge(
    matrix: Matrix, truth: Indices, classes: int, weights: npt.NDArray[np.float64]
) -> tuple[Scores, Scores]:
    """Ridge on columns weighted by how much more often they occur in a class than elsewhere (Wang and Manning 2012).

    The weights fold into the coefficients, so that prediction costs what it did: coef (width, classes) and intercept (classes,).
    """
    present = matrix.copy()
    present.data = np.ones_like(present.data)
    total = present.T @ weights
    coef = np.zeros((matrix.shape[1], classes), dtype=np.float32)
    intercept = np.zeros(classes, dtype=np.float32)
    length = _mean_length(matrix)
    for index in range(classes):
        own = truth == index
        inside = present[own].T @ weights[own]
        outside = total - inside
        ratio = np.log((inside + 1) / (inside + 1).sum()) - np.log((outside + 1) / (outside + 1).sum())
        ratio = np.clip(ratio, -_NB_MOST, _NB_MOST).astype(np.float32)
        weighted = (matrix @ sparse.diags(ratio)).tocsr()
        scale = np.float32(length / max(_mean_length(weighted), 1e-9))
        column, constant = _primal(
            weighted * scale, np.where(own, 1.0, -1.0)[:, None].astype(np.float32), weights, 1.0
        )
        coef[:, index] = column[:, 0] * ratio * scale
        intercept[index] = constant[0]
    return coef, intercept


def _mean_length(matrix: Matrix) -> float:
    return float(np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1))).mean())


def _splits(truth: Indices, real: npt.NDArray[np.bool_], groups: Indices) -> list[tuple[Indices, Indices]]:
    """(train, test) rows: tests are real petitions whose groups are not trained on. Empty where there are too few groups."""
    petitions = np.flatnonzero(real)
    if len(np.unique(groups[petitions])) < 10:
        return []
    others = np.flatnonzero(~real)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes with fewer texts than folds are fine here
        splits = list(folds([str(t) for t in truth[petitions]], groups[petitions]))
    return [
        (np.concatenate([petitions[train], others]), petitions[test])
        for train, test in (splits if len(truth) <= _FIVE_FOLDS_LIMIT else splits[:1])
    ]


def _choose(
    problem: _Problem, splits: Sequence[tuple[Indices, Indices]], try_naive_bayes: bool
) -> tuple[Design, Scores]:
    """The design with the least log loss on the first fold, and its scores there; the middle strength where nothing can be held out."""
    if not splits:
        return Design(ALPHAS[1]), np.zeros((0, problem.classes), dtype=np.float32)
    train, test = splits[0]

    def trial(design: Design) -> tuple[float, Design, Scores]:
        scores = _scores(problem, train, test, design)
        return calibrate(scores, problem.truth[test], np.ones(len(test)))[1], design, scores

    best = min((trial(Design(alpha)) for alpha in ALPHAS), key=lambda tried: tried[0])
    if (
        try_naive_bayes
        and problem.classes <= _NB_CLASSES
        and len(problem.truth) >= _NB_TEXTS * problem.classes
    ):
        best = min(best, trial(Design(best[1].alpha, naive_bayes=True)), key=lambda tried: tried[0])
    return best[1], best[2]


def _scores(problem: _Problem, train: Indices, test: Indices, design: Design) -> Scores:
    coef, intercept = problem.fit(train, design)
    return np.asarray(problem.matrix[test] @ coef) + intercept


# Without texts to calibrate on: what the seed corpus itself arrives at, rounded.
UNFITTED = Calibration(power=3.0, knee=20.0)


def calibrate(
    scores: Scores, truth: Indices, frequency: npt.NDArray[np.float64]
) -> tuple[Calibration, float]:
    """The calibration with the greatest likelihood of the held-out labels, and its mean log loss."""
    rows = np.arange(len(truth))
    total = frequency.sum()

    def loss(parameters: npt.NDArray[np.float64]) -> float:
        calibration = Calibration(*np.exp(np.clip(parameters, -3, 5)).tolist())
        return float(
            -(frequency * np.log(calibration.probabilities(scores)[rows, truth] + 1e-12)).sum() / total
        )

    start = np.log([UNFITTED.power, UNFITTED.knee])
    found: Any = minimize(
        loss, start, method="Nelder-Mead", options={"maxiter": 80, "xatol": 0.01, "fatol": 1e-4}
    )
    power, knee = np.exp(np.clip(found.x, -3, 5)).tolist()
    return Calibration(round(power, 3), round(knee, 3)), float(found.fun)
