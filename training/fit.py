"""Fitting: ridge regression on class indicators, solved in its dual, and a calibration that makes its scores probabilities.

Least squares on class indicators is as accurate on these texts as a linear SVM (docs/decisions/004) and has a
closed form: for n texts one n × n Cholesky factor serves all classes, so 118 classes cost what two do.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from classifier.category import Calibration, LinearModel, Pooling, level1
from training.logistic import MOST_TEXTS, logistic, mean_with
from training.split import Indices, folds

Matrix = sparse.csr_matrix[Any]
Scores = npt.NDArray[np.float32]

#: Strengths of the ridge to choose from, by what they make of held-out texts.
ALPHAS = (0.5, 2.0, 4.0, 8.0)
# Beyond this many texts the n × n kernel costs more than iterating in the primal (float32: 1 GB here); with few classes it does
# much sooner.
_DUAL_LIMIT, _DUAL_LIMIT_FEW, _FEW_CLASSES = 16_000, 4_000, 30
# A column in more than this share of the texts is frequent (of 0.02, 0.05 and 0.1 the fastest on 13,000 texts).
_OFTEN, _BLOCK = 0.02, 1_000
# Held-out scores for calibration: five folds for small corpora, one held-out fifth for large ones.
_FIVE_FOLDS_LIMIT = 9_000
# The strength is chosen by models of at most so many texts: a Cholesky factor costs the cube of their number.
_CHOOSE_LIMIT = 5_000
# Steps beyond this tolerance change the ranking of hardly a text (macro-F1 of five folds: 1e-3 0.9224, 1e-2 0.9226, 3e-2 0.9222).
_TOLERANCE, _MOST_STEPS = 1e-2, 100
# Naive-Bayes weights need this many texts a class to be worth something, and few classes: they cost one fit a class.
_NB_TEXTS = 100
# The log ratio of a column's naive-Bayes weight is cut off here; ten steps more or less change nothing.
_NB_MOST = 4.0


@dataclass(frozen=True, slots=True)
class Design:
    """How a head was fitted: ridge of strength `alpha`, whether its mean with a naive-Bayes-weighted ridge won, or is with log loss."""

    alpha: float
    naive_bayes: bool = False
    logistic: bool = False


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
        if design.logistic and kernel is not None:
            regression = logistic(matrix, truth, self.classes, weights, kernel)
            plain = ridge(matrix, truth, self.classes, weights, design.alpha, kernel)
            return mean_with(plain, regression, matrix)
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
    with_logistic: bool = False,
) -> Fitted:
    """Fit one classifier: choose its design on the first held-out fold, calibrate it on all of them.

    `real` flags the petitions, which alone are held out; term lists only teach. `frequency` says how many petitions of real life each
    row stands for when the calibration is fitted (default: one). `kernel` is `gram(matrix)` where the caller has it.
    The strength the fold chooses is multiplied by `firmer`. `with_logistic` takes the mean with log loss, instead where the texts are not too many.
    """
    classes = tuple(sorted(set(labels)))
    index = {name: i for i, name in enumerate(classes)}
    truth = np.array([index[label] for label in labels], dtype=np.int64)
    with_logistic = with_logistic and len(truth) <= MOST_TEXTS
    if kernel is None and (with_logistic or wants_kernel(len(truth), len(classes))):
        kernel = gram(matrix)
    problem = _Problem(matrix, truth, len(classes), weights, kernel)
    frequency = np.ones(len(truth)) if frequency is None else frequency
    splits = _splits(truth, real, groups)
    try_naive_bayes = try_naive_bayes and not with_logistic
    design = _choose(problem, *splits[0], try_naive_bayes) if splits else Design(ALPHAS[1])
    design = replace(design, alpha=design.alpha * firmer, logistic=with_logistic)
    # Classes with enough texts for naive-Bayes weights have enough in one fold to be calibrated on, too.
    used = splits[:1] if design.naive_bayes else splits
    nothing = np.zeros((0, problem.classes), dtype=np.float32)
    scores = np.concatenate([nothing, *(_scores(problem, train, test, design) for train, test in used)])
    rows = np.concatenate([np.zeros(0, dtype=np.int64), *(test for _, test in used)])
    coef, intercept = problem.fit(np.arange(len(truth)), design)
    calibration = calibrate(scores, truth[rows], frequency[rows])[0] if len(rows) else UNFITTED
    return Fitted(LinearModel(classes, coef, intercept, calibration), scores, rows, design)


def wants_kernel(texts: int, classes: int) -> bool:
    """Whether `ridge` solves a problem of this size in its dual."""
    return texts <= (_DUAL_LIMIT if classes > _FEW_CLASSES else _DUAL_LIMIT_FEW)


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

    def add(start: int) -> None:
        products[start : start + _BLOCK] += (rare[start : start + _BLOCK] @ turned).toarray()

    # Sparse products leave the interpreter free.
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(add, range(0, len(products), _BLOCK)))
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
    target = _indicators(truth, classes)
    if kernel is None and not wants_kernel(len(truth), classes):
        return _primal(matrix, target, weights, alpha)
    root = np.sqrt(weights).astype(np.float32)
    # A constant feature of 1 beside the others is the intercept.
    kernel = gram(matrix) if kernel is None else kernel
    kernel += 1.0
    if (root != 1).any():
        kernel *= root[:, None]
        kernel *= root
    kernel[np.diag_indices_from(kernel)] += alpha
    factor = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    dual = cho_solve(factor, target * root[:, None], check_finite=False) * root[:, None]
    return np.asarray(matrix.T @ dual, dtype=np.float32), dual.sum(axis=0).astype(np.float32)


def _primal(
    matrix: Matrix,
    target: Scores,
    weights: npt.NDArray[np.float64],
    alpha: float,
    ratio: Scores | None = None,
) -> tuple[Scores, Scores]:
    """The same problem by conjugate gradients on its normal equations, all classes in one pass over the matrix at a time.

    `ratio`, shape (width, classes), scales the columns for each class: what no library's solver can do without a copy of the matrix a class.
    """
    turned = matrix.T.tocsr()
    weight = weights.astype(np.float32)[:, None]

    def scaled(columns: Scores) -> Scores:
        return columns if ratio is None else columns * ratio

    def back(texts: Scores) -> tuple[Scores, Scores]:
        # A constant feature of 1 beside the others is the intercept.
        return scaled(turned @ (texts * weight)), (texts * weight).sum(axis=0)

    def squares(columns: Scores, constant: Scores) -> Scores:
        found: Scores = np.einsum("ij,ij->j", columns, columns) + constant * constant
        return found

    left, left0 = back(target)
    coef, intercept = np.zeros_like(left), np.zeros_like(left0)
    ahead, ahead0 = left.copy(), left0.copy()
    size = squares(left, left0)
    goal = size * np.float32(_TOLERANCE**2)
    for _ in range(_MOST_STEPS):
        curved, curved0 = back(np.asarray(matrix @ scaled(ahead)) + ahead0)
        curved += np.float32(alpha) * ahead
        curved0 += np.float32(alpha) * ahead0
        bend = np.einsum("ij,ij->j", ahead, curved) + ahead0 * curved0
        step = np.divide(size, bend, out=np.zeros_like(size), where=size > 0)
        coef += step * ahead
        intercept += step * ahead0
        left -= step * curved
        left0 -= step * curved0
        before, size = size, squares(left, left0)
        if (size <= goal).all():
            break
        turn = np.divide(size, before, out=np.zeros_like(size), where=before > 0)
        ahead *= turn
        ahead += left
        ahead0 *= turn
        ahead0 += left0
    return scaled(coef), intercept


def naive_bayes_ridge(
    matrix: Matrix, truth: Indices, classes: int, weights: npt.NDArray[np.float64]
) -> tuple[Scores, Scores]:
    """Ridge on columns weighted by how much more often they occur in a class than elsewhere (Wang and Manning 2012).

    The weights fold into the coefficients, so that prediction costs what it did: coef (width, classes) and intercept (classes,).
    """
    present, squared = matrix.copy(), matrix.copy()
    present.data = np.ones_like(present.data)
    squared.data = squared.data**2
    member = np.zeros((len(truth), classes), dtype=np.float32)
    member[np.arange(len(truth)), truth] = weights
    inside = np.asarray(present.T @ member) + 1
    outside = np.asarray(present.T @ weights)[:, None] + 2 - inside
    logs = np.log(inside / inside.sum(axis=0)) - np.log(outside / outside.sum(axis=0))
    ratio: Scores = np.clip(logs, -_NB_MOST, _NB_MOST).astype(np.float32)
    # Texts keep their mean length: the strength means what it means elsewhere.
    lengths = np.sqrt(np.asarray(squared @ (ratio * ratio))).mean(axis=0)
    usual = np.sqrt(np.asarray(squared.sum(axis=1))).mean()
    ratio *= (usual / np.maximum(lengths, 1e-9)).astype(np.float32)
    return _primal(matrix, _indicators(truth, classes), weights, 1.0, ratio)


def _indicators(truth: Indices, classes: int) -> Scores:
    """1 where a text is of a class, -1 elsewhere. Shape (texts, classes)."""
    target = np.full((len(truth), classes), -1.0, dtype=np.float32)
    target[np.arange(len(truth)), truth] = 1.0
    return target


def _splits(truth: Indices, real: npt.NDArray[np.bool_], groups: Indices) -> list[tuple[Indices, Indices]]:
    """(train, test) rows: tests are real petitions whose groups are not trained on. Empty where there are too few groups."""
    petitions = np.flatnonzero(real)
    if len(np.unique(groups[petitions])) < 10:
        return []
    others = np.flatnonzero(~real)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # classes with fewer texts than folds are fine here
        found = folds([str(t) for t in truth[petitions]], groups[petitions])
        splits = list(islice(found, 5 if len(truth) <= _FIVE_FOLDS_LIMIT else 1))
    return [(np.concatenate([petitions[train], others]), petitions[test]) for train, test in splits]


def _choose(problem: _Problem, train: Indices, test: Indices, try_naive_bayes: bool) -> Design:
    """The design with the least log loss on the held-out rows `test`, learnt from `train` or some of it."""
    some = np.sort(np.random.default_rng(0).permutation(train)[:_CHOOSE_LIMIT])

    def loss(design: Design) -> float:
        return calibrate(_scores(problem, some, test, design), problem.truth[test], np.ones(len(test)))[1]

    # The loss has one valley: from the second strength it is followed downhill.
    losses = {design: loss(design) for design in map(Design, ALPHAS[1::-1])}
    if losses[Design(ALPHAS[1])] < losses[Design(ALPHAS[0])]:
        for weaker, stronger in pairwise(map(Design, ALPHAS[1:])):
            losses[stronger] = loss(stronger)
            if losses[stronger] > losses[weaker]:
                break
    enough = len(problem.truth) >= _NB_TEXTS * problem.classes
    if try_naive_bayes and problem.classes <= _FEW_CLASSES and enough:
        mixed = replace(min(losses, key=losses.__getitem__), naive_bayes=True)
        losses[mixed] = loss(mixed)
    return min(losses, key=losses.__getitem__)


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
    best = _lowest(loss, [tuple(start), tuple(start * [1.05, 1]), tuple(start * [1, 1.05])])
    power, knee = np.exp(np.clip(best, -3, 5)).tolist()
    return Calibration(round(power, 3), round(knee, 3)), loss(best)


def fit_pooling(fitted: Fitted, labels: Sequence[str], frequency: npt.NDArray[np.float64]) -> Pooling:
    """The pooling of level 2 to level 1 with the greatest likelihood of the held-out branches.

    `labels` and `frequency` belong to the rows the model was fitted on. The exponent is a matter of which texts resemble which, so each text
    counts once; the power makes probabilities, so each counts for what it stands for. The plain sum where nothing can be held out.
    """
    classes = fitted.model.classes
    if not len(fitted.tested) or all(len(code) == 2 for code in classes):
        return Pooling()
    probabilities = fitted.model.calibration.probabilities(fitted.held_out)
    codes, _ = level1(classes, probabilities[:1])
    truth = np.array([codes.index(labels[i][:2]) for i in fitted.tested])
    rows = np.arange(len(truth))

    def loss(logs: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
        _, broad = level1(classes, probabilities, Pooling(*np.exp(np.clip(logs, -2, 2)).tolist()))
        return float(-(weights * np.log(broad[rows, truth] + 1e-12)).sum() / weights.sum())

    even, often = np.ones(len(truth)), frequency[fitted.tested]
    exponent = float(_lowest(lambda logs: loss(logs, even), [(0, 0), (-0.5, 0), (0, 0.5)])[0])
    power = float(_lowest(lambda log: loss(np.array([exponent, log[0]]), often), [(0,), (0.5,)])[0])
    return Pooling(*(round(float(np.exp(np.clip(log, -2, 2))), 3) for log in (exponent, power)))


def _lowest(
    loss: Callable[[npt.NDArray[np.float64]], float], simplex: Sequence[tuple[float, ...]]
) -> npt.NDArray[np.float64]:
    """Where a loss of one or two parameters is lowest, looked for from the corners of `simplex`."""
    options: Any = {"maxiter": 80, "xatol": 0.01, "fatol": 1e-4, "initial_simplex": simplex}
    found: Any = minimize(loss, np.array(simplex[0], dtype=np.float64), method="Nelder-Mead", options=options)
    return np.asarray(found.x)
