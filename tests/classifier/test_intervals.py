"""Wilson's interval against scipy's, and what must hold of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from classifier.intervals import wilson

_COUNTS = st.integers(1, 100_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(_COUNTS)
def test_as_scipy_has_it(counts):
    right, n = counts
    expected = binomtest(right, n).proportion_ci(0.95, "wilson")
    assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


@given(_COUNTS)
def test_it_holds_the_share_and_stays_a_share(counts):
    right, n = counts
    low, high = wilson(right, n)
    assert 0 <= low <= right / n <= high <= 1
    assert low < high
    mirrored = wilson(n - right, n)
    assert (1 - mirrored[1], 1 - mirrored[0]) == pytest.approx((low, high), abs=1e-12)


def test_without_a_case_nothing_is_known():
    assert wilson(0, 0) == (0, 1)
