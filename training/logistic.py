"""Multinomial logistic regression in the span of the texts, and its mean with a ridge: both linear, so the mean is one model.

A ridge of indicators finds the first unit better, log loss the next two; where a unit's letters are few, their mean is better than either
(docs/decisions/019). No library's solver takes the texts' inner products: in the columns themselves there would be a hundred
thousand unknowns a class, in the span of the texts there are as many as there are texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.linalg import cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.special import logsumexp

from training.split import Indices

Floats = npt.NDArray[np.float32]
Linear = tuple[Floats, Floats]

#: Beyond this many texts the steps would cost minutes; whether the mean still helps there is not measured.
MOST_TEXTS = 6_000
# Times the log loss of a text of mean weight, against half the squared length of the coefficients (1, 2, 4, 5 and 20 differ by 0.3 points).
_STRENGTH = 2.0
_STEPS, _TOLERANCE = 60, 1e-6
# Rounding leaves inner products of near-equal texts a little short of positive definite.
_JITTER = np.float32(1e-2)


def logistic(
    matrix: sparse.csr_matrix[Any],
    truth: Indices,
    classes: int,
    weights: npt.NDArray[np.float64],
    kernel: Floats,
) -> Linear:
    """Coefficients (width, classes) and intercepts (classes,) of the least weighted log loss. `kernel` holds the rows' inner products.

    The intercept is a constant feature of 1 beside the others, and as free as they are. Weights count against their mean.
    """
    texts = len(truth)
    products = kernel + np.float32(1)
    products[np.diag_indices(texts)] += _JITTER
    factor = cholesky(products, lower=True, overwrite_a=True, check_finite=False)
    cost = (_STRENGTH * weights / weights.mean()).astype(np.float32)
    rows = np.arange(texts)

    def loss(flat: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        unknown = flat.reshape(texts, classes).astype(np.float32)
        scores = factor @ unknown
        logs = scores - logsumexp(scores, axis=1, keepdims=True)
        slope = np.exp(logs)
        slope[rows, truth] -= 1
        slope = factor.T @ (slope * cost[:, None]) + unknown
        value = -float(cost @ logs[rows, truth]) + 0.5 * float(flat @ flat)
        return value, slope.ravel().astype(np.float64)

    found = minimize(
        loss,
        np.zeros(texts * classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _STEPS, "ftol": _TOLERANCE},
    )
    unknown = found.x.reshape(texts, classes).astype(np.float32)
    dual = solve_triangular(factor, unknown, lower=True, trans="T", check_finite=False)
    return np.asarray(matrix.T @ dual, dtype=np.float32), dual.sum(axis=0)


def mean_with(ridge: Linear, other: Linear, matrix: sparse.csr_matrix[Any]) -> Linear:
    """The mean of a ridge of ±1 indicators and another linear model, the other brought to the spread of the ridge's scores of the rows.

    Around the mean of the classes, which ranks nothing; it is put where indicators have it, since a `Calibration` counts from there.
    """
    spreads = []
    centred = []
    for coef, intercept in (ridge, other):
        coef, intercept = coef - coef.mean(axis=1, keepdims=True), intercept - intercept.mean()
        centred.append((coef, intercept))
        spreads.append(float(np.std(np.asarray(matrix @ coef) + intercept)))
    (coef, intercept), (other_coef, other_intercept) = centred
    share = np.float32(0.5 * spreads[0] / max(spreads[1], 1e-9))
    usual = np.float32(2 / len(intercept) - 1)
    return coef / 2 + share * other_coef, intercept / 2 + share * other_intercept + usual
