"""The two curves over a model's answers: their sums, their laws."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.curves import Curves, curves, reliability, risk_coverage

_ANSWERS = st.lists(
    st.tuples(st.floats(0, 1), st.booleans(), st.sampled_from([0.1, 1.0, 6.0])), min_size=1, max_size=80
)


def _arrays(rows):
    confidence, correct, frequency = zip(*rows, strict=True)
    return np.array(confidence), np.array(correct), np.array(frequency)


@given(_ANSWERS)
def test_bins_hold_every_answer_and_the_last_point_is_the_accuracy_of_all(rows):
    confidence, correct, frequency = _arrays(rows)
    found = curves(confidence, correct, frequency)
    assert sum(b.count for b in found.bins) == found.n == len(rows)
    assert all(b.low <= b.confidence + 1e-9 and b.confidence <= b.high + 1e-9 for b in found.bins)
    last = found.points[-1]
    assert last.coverage == pytest.approx(1.0)
    assert last.accuracy == pytest.approx(float((correct * frequency).sum() / frequency.sum()))
    assert last.confidence == confidence.min()


@given(_ANSWERS)
def test_coverage_rises_while_confidence_falls(rows):
    points = curves(*_arrays(rows)).points
    assert all(a.coverage < b.coverage and a.confidence >= b.confidence for a, b in pairwise(points))


@given(_ANSWERS)
def test_where_the_target_is_last_reached_is_kept(rows):
    confidence, correct, frequency = _arrays(rows)
    coverage, risk = risk_coverage(confidence, correct, frequency)
    reached = coverage[1 - risk >= 0.95]
    kept = [p.coverage for p in curves(confidence, correct, frequency).points if p.accuracy >= 0.95]
    assert max(kept, default=0.0) == max(reached, default=0.0)


def test_a_row_that_stands_for_three_counts_as_three():
    (one,) = (
        b
        for b in reliability(np.array([0.81, 0.85]), np.array([True, False]), frequency=np.array([3.0, 1.0]))
        if b.count
    )
    (three,) = (
        b for b in reliability(np.array([0.81] * 3 + [0.85]), np.array([True] * 3 + [False])) if b.count
    )
    assert (one.count, three.count) == (2, 4)
    assert (one.confidence, one.accuracy) == pytest.approx((three.confidence, three.accuracy))


@given(_ANSWERS)
def test_what_is_written_is_read(rows):
    found = curves(*_arrays(rows))
    written = json.loads(json.dumps(found.to_json()))
    assert Curves.from_json(written).to_json() == found.to_json()


@pytest.mark.parametrize(
    "broken", [{}, {"n": 1, "bins": [[1]], "points": []}, {"n": 1, "bins": 3, "points": []}]
)
def test_anything_else_is_refused(broken):
    with pytest.raises((KeyError, TypeError, ValueError)):
        Curves.from_json(broken)


def test_no_answers_no_curves():
    assert curves(np.zeros(0), np.zeros(0, dtype=bool)) == Curves(0, (), ())
