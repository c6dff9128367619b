"""The figures against oracles that share no line with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score

from training.metrics import coverage_at, expected_calibration_error, macro_f1

_LABELS = st.sampled_from(["01", "02", "03", "04"])
# Ninety-sevenths never fall on the edge of a tenth, where either bin would be right.
_CONFIDENCE = st.integers(1, 96).map(lambda n: n / 97)
_JUDGED = st.lists(st.tuples(_CONFIDENCE, st.booleans()), min_size=1, max_size=60)


@given(st.lists(st.tuples(_LABELS, _LABELS), min_size=1, max_size=60))
def test_macro_f1_is_sklearns_over_the_classes_present(pairs: list[tuple[str, str]]) -> None:
    truth, predicted = [t for t, _ in pairs], [p for _, p in pairs]
    oracle = f1_score(truth, predicted, labels=sorted(set(truth)), average="macro", zero_division=0)
    assert macro_f1(truth, predicted) == pytest.approx(oracle)


def test_macro_f1_counts_no_class_that_is_only_predicted() -> None:
    # 01: 2·1/(2·1+1) = 2/3; 02: 1. A third class nobody asked for would pull the mean to 5/9.
    assert macro_f1(["01", "01", "02"], ["01", "03", "02"]) == pytest.approx((2 / 3 + 1) / 2)


@given(_JUDGED)
def test_calibration_error_is_the_weighted_gap_of_ten_bins(judged: list[tuple[float, bool]]) -> None:
    gap = 0.0
    for low in range(10):
        members = [(c, ok) for c, ok in judged if low / 10 <= c < (low + 1) / 10]
        if members:
            mean = sum(c for c, _ in members) / len(members)
            right = sum(ok for _, ok in members) / len(members)
            gap += abs(mean - right) * len(members) / len(judged)
    assert expected_calibration_error(*_arrays(judged)) == pytest.approx(gap)


def test_full_confidence_has_a_bin() -> None:
    assert expected_calibration_error(np.array([1.0, 1.0]), np.array([True, False])) == pytest.approx(0.5)


@given(_JUDGED, st.sampled_from([0.5, 0.8, 0.95, 1.0]))
def test_coverage_is_the_largest_share_that_is_right_often_enough(
    judged: list[tuple[float, bool]], accuracy: float
) -> None:
    falling = sorted(judged, key=lambda pair: -pair[0])
    good = [k for k in range(1, len(falling) + 1) if sum(ok for _, ok in falling[:k]) / k >= accuracy]
    expected = (max(good) / len(falling), falling[max(good) - 1][0]) if good else (0.0, 1.0)
    assert coverage_at(*_arrays(judged), accuracy) == pytest.approx(expected)


def test_coverage_looks_past_an_early_mistake() -> None:
    confidence = np.linspace(0.99, 0.5, 40)
    correct = np.ones(40, dtype=bool)
    correct[0] = False  # the surest of all is wrong: 39 of 40 are still 97.5 %
    assert coverage_at(confidence, correct) == (1.0, 0.5)


def test_nothing_to_measure_is_no_coverage_and_no_error() -> None:
    nothing, none = np.zeros(0), np.zeros(0, dtype=bool)
    assert coverage_at(nothing, none) == (0.0, 1.0)
    assert expected_calibration_error(nothing, none) == 0.0
    assert macro_f1([], []) == 0.0


def _arrays(judged: list[tuple[float, bool]]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([c for c, _ in judged]), np.array([ok for _, ok in judged])


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans(), st.integers(1, 4)), min_size=1, max_size=30))
def test_a_text_that_stands_for_three_counts_as_three(judged: list[tuple[float, bool, int]]) -> None:
    confidence = np.array([c for c, _, _ in judged])
    correct = np.array([r for _, r, _ in judged])
    times = np.array([n for _, _, n in judged])
    weighted = coverage_at(confidence, correct, 0.8, times.astype(float))
    # Repeated texts tie with themselves: only a threshold between different confidences can be compared.
    if len(set(confidence.tolist())) == len(judged):
        repeated = coverage_at(np.repeat(confidence, times), np.repeat(correct, times), 0.8)
        assert repeated[0] >= weighted[0] - 1e-9
        assert weighted[0] * times.sum() == pytest.approx(round(weighted[0] * times.sum()))
