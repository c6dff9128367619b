"""Ridge in its dual, what is held out, and calibration."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import sparse

from classifier.category import Calibration
from training import fit
from training.fit import fit_model, ridge


def _problem(seed: int, rows: int = 60, width: int = 25, classes: int = 4):
    chance = np.random.default_rng(seed)
    matrix = sparse.random(rows, width, density=0.3, format="csr", dtype=np.float32, rng=chance)
    truth = chance.integers(classes, size=rows)
    weights = chance.choice([0.5, 1.0, 3.0], size=rows)
    return matrix, truth, weights


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("alpha", [0.1, 1.0, 10.0])
def test_the_dual_solves_the_weighted_normal_equations(seed: int, alpha: float) -> None:
    matrix, truth, weights = _problem(seed)
    coef, intercept = ridge(matrix, truth, 4, weights, alpha)
    # The primal, written out: (Xᵀ W X + αI) w = Xᵀ W y, with a column of ones for the intercept.
    x = np.hstack([matrix.toarray().astype(np.float64), np.ones((len(truth), 1))])
    y = np.where(truth[:, None] == np.arange(4), 1.0, -1.0)
    primal = np.linalg.solve(
        x.T @ (weights[:, None] * x) + alpha * np.eye(x.shape[1]), x.T @ (weights[:, None] * y)
    )
    np.testing.assert_allclose(coef, primal[:-1], atol=1e-4)
    np.testing.assert_allclose(intercept, primal[-1], atol=1e-4)


def test_a_weight_of_three_is_the_row_three_times() -> None:
    matrix, truth, _ = _problem(3)
    weights = np.ones(60)
    weights[:10] = 3.0
    thrice = np.concatenate([np.arange(60), np.arange(10), np.arange(10)])
    weighted = ridge(matrix, truth, 4, weights, 1.0)
    repeated = ridge(matrix[thrice], truth[thrice], 4, np.ones(80), 1.0)
    for one, other in zip(weighted, repeated, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_large_corpora_are_solved_in_the_primal_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, truth, weights = _problem(4, rows=300)
    dual = ridge(matrix, truth, 4, weights, 1.0)
    monkeypatch.setattr(fit, "wants_kernel", lambda texts, classes: False)
    monkeypatch.setattr(fit, "_TOLERANCE", 1e-5)
    primal = ridge(matrix, truth, 4, weights, 1.0)
    for one, other in zip(dual, primal, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_the_primal_stops_where_the_ranking_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, truth, weights = _problem(4, rows=300)
    dual = ridge(matrix, truth, 4, weights, 1.0)
    monkeypatch.setattr(fit, "wants_kernel", lambda texts, classes: False)
    primal = ridge(matrix, truth, 4, weights, 1.0)
    best = [np.asarray(matrix @ coef + intercept).argmax(axis=1) for coef, intercept in (dual, primal)]
    assert (best[0] == best[1]).mean() >= 0.97


def test_held_out_scores_come_from_models_that_did_not_see_the_text() -> None:
    """With labels thrown by chance and a feature of its own for each text, only a leak could guess them."""
    chance = np.random.default_rng(0)
    matrix = sparse.hstack(
        [sparse.identity(200), sparse.random(200, 50, 0.2, rng=chance)], format="csr", dtype=np.float32
    )
    labels = chance.choice(["0402", "1503"], size=200).tolist()
    real = np.arange(200) >= 20
    fitted = fit_model(matrix, labels, np.ones(200), real, np.arange(200), try_naive_bayes=False)
    assert sorted(fitted.tested.tolist()) == list(range(20, 200))  # every petition once, no list of terms
    truth = np.array([fitted.model.classes.index(label) for label in labels])
    assert (fitted.model.probabilities(matrix).argmax(axis=1) == truth).mean() > 0.95
    assert (fitted.held_out.argmax(axis=1) == truth[fitted.tested]).mean() < 0.65


def test_a_group_is_held_out_whole() -> None:
    """Each text stands there twice, as one group: its twin must not give its label away."""
    chance = np.random.default_rng(1)
    single = sparse.random(60, 400, 0.05, format="csr", dtype=np.float32, rng=chance)
    matrix = sparse.vstack([single, single], format="csr")
    labels = chance.choice(["0402", "1503"], size=60).tolist() * 2
    apart = fit_model(matrix, labels, np.ones(120), np.ones(120, dtype=bool), np.arange(120))
    together = fit_model(matrix, labels, np.ones(120), np.ones(120, dtype=bool), np.tile(np.arange(60), 2))
    assert _accuracy(apart, labels) > 0.9
    assert _accuracy(together, labels) < 0.7


def _accuracy(fitted: fit.Fitted, labels: list[str]) -> float:
    guessed = [fitted.model.classes[i] for i in fitted.held_out.argmax(axis=1)]
    return float(np.mean([labels[i] == guess for i, guess in zip(fitted.tested, guessed, strict=True)]))


def test_too_few_groups_to_hold_out_leave_the_default_calibration() -> None:
    matrix, truth, weights = _problem(5, rows=12)
    fitted = fit_model(matrix, [str(t) for t in truth], weights, np.ones(12, dtype=bool), np.arange(12) % 9)
    assert len(fitted.tested) == 0
    assert fitted.model.calibration == Calibration(3.0, 20.0)


@given(
    arrays(np.float32, (3, 5), elements=st.floats(-1.5, 2.0, width=32)),
    st.floats(0.05, 20.0),
    st.floats(0.05, 150.0),
)
def test_calibration_keeps_the_order(scores: np.ndarray, power: float, knee: float) -> None:
    probabilities = Calibration(power, knee).probabilities(scores)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    for score, probability in zip(scores, probabilities, strict=True):
        assert (np.diff(probability[np.argsort(score, kind="stable")]) >= 0).all()


def test_calibration_is_fitted_to_the_held_out_labels() -> None:
    """Scores that say little must not come out as certainty, scores that say all must not come out as doubt."""
    chance = np.random.default_rng(2)
    truth = chance.integers(3, size=400)
    signal = np.where(truth[:, None] == np.arange(3), 1.0, -1.0)
    clear = (0.9 * signal + chance.normal(0, 0.1, signal.shape)).astype(np.float32)
    blurred = (0.1 * signal + chance.normal(0, 0.5, signal.shape)).astype(np.float32)
    once = np.ones(400)
    sure = fit.calibrate(clear, truth, once)[0].probabilities(clear).max(axis=1).mean()
    unsure = fit.calibrate(blurred, truth, once)[0].probabilities(blurred).max(axis=1).mean()
    right = (blurred.argmax(axis=1) == truth).mean()
    assert sure > 0.98
    assert unsure == pytest.approx(right, abs=0.07)


def test_calibration_listens_to_what_is_frequent_in_life() -> None:
    """Half of the texts are clear, half are noise: whoever meets mostly the clear ones may be surer."""
    chance = np.random.default_rng(5)
    truth = chance.integers(3, size=600)
    signal = np.where(truth[:, None] == np.arange(3), 1.0, -1.0)
    noise = np.where(np.arange(600)[:, None] < 300, 0.2, 1.5)
    scores = (0.5 * signal + chance.normal(0, 1, signal.shape) * noise).astype(np.float32)
    sure = [
        fit.calibrate(scores, truth, np.where(np.arange(600) < 300, often, 1.0))[0]
        .probabilities(scores)
        .max(axis=1)
        .mean()
        for often in (1.0, 20.0)
    ]
    assert sure[1] > sure[0] + 0.05


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.3, 1.0]))
def test_the_kernel_holds_the_inner_products(seed: int, often: float) -> None:
    chance = np.random.default_rng(seed)
    matrix = sparse.random(23, 40, density=0.2, format="csr", dtype=np.float32, rng=chance)
    old, fit._OFTEN = fit._OFTEN, often
    try:
        np.testing.assert_allclose(fit.gram(matrix), (matrix @ matrix.T).toarray(), atol=1e-5)
    finally:
        fit._OFTEN = old


def test_naive_bayes_weights_fold_into_the_coefficients() -> None:
    """A column that only one class has must count for it, more than a plain ridge lets it; one that all have must not."""
    chance = np.random.default_rng(1)
    truth = np.repeat([0, 1], 150)
    columns = np.zeros((300, 3), dtype=np.float32)
    columns[:, 0] = 1.0
    columns[:, 1] = (truth == 0) & (chance.random(300) < 0.3)
    columns[:, 2] = chance.random(300) < 0.3
    matrix = sparse.csr_matrix(columns)
    coef, intercept = fit.naive_bayes_ridge(matrix, truth, 2, np.ones(300))
    assert coef.shape == (3, 2)
    assert intercept.shape == (2,)
    assert coef[1, 0] > 0.5 > abs(coef[2, 0])
    assert coef[1, 1] < -0.5
    right = ((matrix @ coef + intercept).argmax(axis=1) == truth)[columns[:, 1] > 0]
    assert right.all()


@pytest.mark.parametrize("density", [0.05, 0.6])
def test_the_design_that_does_best_on_held_out_texts_is_kept(
    density: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = np.random.default_rng(7)
    truth = chance.integers(2, size=300)
    own = np.arange(40) % 2 == truth[:, None]
    matrix = sparse.csr_matrix(own * (chance.random((300, 40)) < density), dtype=np.float32)
    once, everything = np.ones(300), np.ones(300, dtype=bool)
    train, test = fit._splits(truth, everything, np.arange(300))[0]
    losses = {}
    for alpha in fit.ALPHAS:
        coef, intercept = ridge(matrix[train], truth[train], 2, once[train], alpha)
        scores = np.asarray(matrix[test] @ coef) + intercept
        losses[alpha] = fit.calibrate(scores, truth[test], once[test])[1]
    labels = [str(t) for t in truth]
    fitted = fit_model(matrix, labels, once, everything, np.arange(300))
    assert not fitted.design.naive_bayes
    # Strengths are followed downhill: a hair above the least of all is as good.
    assert losses[fitted.design.alpha] <= min(losses.values()) + 1e-3
    assert len(fitted.tested) == 300
    # With enough texts a class the naive-Bayes mean is tried as well, and kept if it does better still.
    monkeypatch.setattr(fit, "_NB_TEXTS", 10)
    tried = fit_model(matrix, labels, once, everything, np.arange(300))
    coef, intercept = ridge(matrix[train], truth[train], 2, once[train], tried.design.alpha)
    other, constant = fit.naive_bayes_ridge(matrix[train], truth[train], 2, once[train])
    mean = np.asarray(matrix[test] @ (coef + other)) / 2 + (intercept + constant) / 2
    won = fit.calibrate(mean, truth[test], once[test])[1] < min(losses.values())
    assert tried.design.naive_bayes == won
    assert len(tried.tested) == (60 if won else 300)
