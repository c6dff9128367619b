"""What moved is reported, what did not is not."""

from __future__ import annotations

from collections import Counter
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.drift import (
    FEWEST_PETITIONS,
    Sample,
    Unknown,
    at_least,
    drifted,
    in_bins,
    mean_of_bins,
    pooled,
    stability_index,
)

_SHARES = np.array([0.3, 0.2, 0.15, 0.1, 0.08, 0.06, 0.05, 0.03, 0.02, 0.01])
_CODES = [f"04{n:02}" for n in range(len(_SHARES))]


def _sample(rng, n, shares=_SHARES, confidence=(5, 2), unknown=0.02, changed=0.15, changed_at=None):
    """A sample of the office that all tests start from, with what a test moves."""
    codes = rng.choice(_CODES, n, p=shares / shares.sum())
    counts = Counter(codes.tolist())
    rates = {code: (changed_at or {}).get(code, changed) for code in _CODES}
    corrections = {
        code: (int(rng.binomial(count // 2, rates[code])), count // 2) for code, count in counts.items()
    }
    words = rng.binomial(60, np.clip(rng.normal(unknown, unknown / 2, min(n, 500)), 0, 1)) / 60
    return Sample(
        counts,
        in_bins(rng.beta(*confidence, n)),
        Unknown.of(words),
        corrections,
        {f"unit-{code}": rate for code, rate in corrections.items()},
    )


def _kinds(before, now):
    return {(finding.kind, finding.key) for finding in drifted(before, now)}


def test_samples_of_one_office_raise_no_alarm():
    """The limit promised: at most LEVEL for each of six questions, three in a hundred weeks."""
    rng = np.random.default_rng(20261130)
    alarms = sum(bool(_kinds(_sample(rng, 2_000), _sample(rng, n))) for n in (60, 150, 400) * 100)
    assert alarms <= 9
    small = sum(bool(_kinds(_sample(rng, 150), _sample(rng, 150))) for _ in range(100))
    assert small <= 3


@pytest.mark.parametrize("n", [200, 1_000])
def test_a_category_that_grows_is_named(n):
    rng = np.random.default_rng(1)
    shares = _SHARES.copy()
    shares[6] *= 4
    found = {finding.key: finding for finding in drifted(_sample(rng, 2_000), _sample(rng, n, shares))}
    assert _CODES[6] in found
    one = found[_CODES[6]]
    assert one.kind == "category"
    assert one.now / one.before == pytest.approx(0.2 / 1.15 / 0.05, rel=0.4)
    assert one.now == one.count / one.total


def test_a_category_nobody_met_and_one_that_is_gone():
    rng = np.random.default_rng(2)
    before, now = _sample(rng, 1_000), _sample(rng, 1_000)
    moved = dict(now.categories)
    moved["1801"] = moved.pop(_CODES[0])
    found = {f.key: f for f in drifted(before, Sample(moved, now.confidence, now.unknown))}
    assert (found["1801"].before, found[_CODES[0]].now) == (0.0, 0.0)
    assert "" in found, "and the mix as a whole"


def test_less_confidence_new_words_more_corrections():
    rng = np.random.default_rng(3)
    before = _sample(rng, 2_000)
    assert ("confidence", "") in _kinds(before, _sample(rng, 300, confidence=(4, 3)))
    assert ("confidence", "") not in _kinds(before, _sample(rng, 300, confidence=(9, 2)))
    assert ("vocabulary", "") in _kinds(before, _sample(rng, 300, unknown=0.05))
    assert ("vocabulary", "") not in _kinds(before, _sample(rng, 300, unknown=0.01))
    found = _kinds(before, _sample(rng, 400, changed_at={_CODES[1]: 0.6}))
    assert {key for key in found if "correction" in key[0]} == {
        ("correction", _CODES[1]),
        ("unit_correction", f"unit-{_CODES[1]}"),
    }


def test_too_few_say_nothing():
    rng = np.random.default_rng(4)
    few = Sample({"9999": FEWEST_PETITIONS - 1}, (FEWEST_PETITIONS - 1, *(0,) * 9))
    assert drifted(_sample(rng, 2_000), few) == []
    assert drifted(few, _sample(rng, 2_000)) == []
    assert drifted(Sample(), Sample()) == []


@given(st.integers(0, 30), st.integers(0, 30), st.integers(0, 30), st.integers(0, 30))
def test_the_exact_test_is_the_sum_it_says(k, rest, c, others):
    n, m = k + rest, c + others
    every = comb(n + m, n)
    tail = sum(comb(k + c, i) * comb(n + m - k - c, n - i) for i in range(k, min(k + c, n) + 1))
    assert at_least(k, n, c, m) == pytest.approx(tail / every)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=12))
def test_the_index_is_symmetric_never_negative_and_nothing_for_alike(pairs):
    one, other = (np.array(row, dtype=np.float64) for row in zip(*pairs, strict=True))
    assert stability_index(one, other) == pytest.approx(stability_index(other, one))
    assert stability_index(one, other) >= 0
    assert stability_index(one, one) == 0


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.integers(2, 400), st.integers(2, 400))
def test_pooling_is_counting_together_and_a_report_keeps_a_sample(seed, n, m):
    rng = np.random.default_rng(seed)
    one, other = _sample(rng, n), _sample(rng, m)
    both = pooled([one, other])
    assert both.petitions == n + m
    assert sum(both.confidence) == n + m
    shares = (one.unknown.mean * n + other.unknown.mean * m) / (n + m)
    assert both.unknown.mean == pytest.approx(shares, abs=1e-9)
    again = Sample.from_report(one.to_report())
    assert (again.categories, again.confidence, again.corrections) == (
        one.categories,
        one.confidence,
        one.corrections,
    )
    assert again.unknown.mean == pytest.approx(one.unknown.mean, abs=1e-5)


def test_bins():
    assert in_bins([0.0, 0.05, 0.1, 0.99, 1.0]) == (2, 1, 0, 0, 0, 0, 0, 0, 0, 2)
    assert mean_of_bins(in_bins([0.05, 0.95])) == pytest.approx(0.5)
    assert (in_bins([]), mean_of_bins(in_bins([]))) == ((0,) * 10, 0.0)
