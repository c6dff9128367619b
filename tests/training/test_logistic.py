"""Log loss in the span of the texts is log loss in their columns, and its mean with a ridge is one linear model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from training import logistic as module
from training.fit import fit_model, gram
from training.logistic import logistic, mean_with


def _texts(seed: int, texts: int, classes: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    chance = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), chance.integers(classes, size=texts - classes)])
    own = np.arange(30) % classes == truth[:, None]
    cells = chance.random((texts, 30)) < np.where(own, 0.4, 0.1)
    return sparse.csr_matrix(cells, dtype=np.float32) * np.float32(0.4), truth


@pytest.mark.parametrize("classes", [2, 5])
def test_it_is_the_regression_a_library_finds_in_the_columns(classes: int) -> None:
    matrix, truth = _texts(3, 200, classes)
    weights = np.random.default_rng(4).uniform(0.5, 2, size=200)
    coef, intercept = logistic(matrix, truth, classes, weights, gram(matrix))
    # A constant column is the intercept.
    beside = sparse.csr_matrix(sparse.hstack([matrix, np.ones((200, 1))]))
    usual = LogisticRegression(C=module._STRENGTH, fit_intercept=False, max_iter=500, tol=1e-8)
    expected = usual.fit(beside, truth, weights / weights.mean()).predict_log_proba(beside)
    scores = np.asarray(matrix @ coef) + intercept
    if classes > 2:
        np.testing.assert_allclose(log_softmax(scores, axis=1), expected, atol=0.05)
    else:  # the library penalises one column where we have two that mirror each other: the same order, another length
        assert np.corrcoef(scores[:, 1] - scores[:, 0], expected[:, 1] - expected[:, 0])[0, 1] > 0.99


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_only_the_direction_of_the_other_model_counts(seed: int, length: float) -> None:
    chance = np.random.default_rng(seed)
    matrix, _ = _texts(seed, 40, 4)
    one, (coef, intercept) = (
        (chance.normal(size=(30, 4)).astype(np.float32), chance.normal(size=4).astype(np.float32))
        for _ in range(2)
    )
    mixed, constant = mean_with(one, (coef, intercept), matrix)
    again, other_constant = mean_with(
        one, (coef * np.float32(length) + 1, intercept * np.float32(length) + 1), matrix
    )
    scores = matrix @ mixed + constant
    np.testing.assert_allclose(scores, matrix @ again + other_constant, rtol=1e-3, atol=1e-3)
    # Where a calibration counts from: the mean of one 1 and else -1.
    np.testing.assert_allclose(scores.mean(axis=1), -0.5, atol=1e-3)


def test_more_texts_than_can_be_afforded_get_the_ridge_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, truth = _texts(1, 120, 3)
    arguments = (matrix, [str(t) for t in truth], np.ones(120), np.ones(120, dtype=bool), np.arange(120))
    both = fit_model(*arguments, with_logistic=True)
    assert both.design.logistic
    monkeypatch.setattr("training.fit.MOST_TEXTS", 100)
    alone = fit_model(*arguments, with_logistic=True)
    assert not alone.design.logistic
    np.testing.assert_array_equal(alone.model.coef, fit_model(*arguments).model.coef)
    for fitted in (both, alone):
        probabilities = fitted.model.probabilities(matrix)
        assert (probabilities.argmax(axis=1) == truth).mean() > 0.6
