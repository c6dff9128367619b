"""Laws of the early notice: more arrivals never lower a group, order and numbering do not matter, one person is no topic."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.rising import MOST_WINDOWS, rising, windows_before

_SINCE, _UNTIL = 100.0, 110.0
#: (group, time, petitioner): six windows of ten before the one looked at, and some after it.
_rows = st.lists(
    st.tuples(st.integers(0, 4), st.integers(400, 1_150).map(lambda t: t / 10), st.integers(0, 6)),
    max_size=60,
)


def _rising(rows, windows=6):
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    groups, times, people = (
        np.array(c, dtype=d) for c, d in zip(columns, (np.int64, float, np.int64), strict=True)
    )
    return rising(groups, times, people, _SINCE, _UNTIL, windows)


def _key(rise):
    return rise.probability, -rise.count / rise.expected


def _rank(found, group):
    """How many groups go before this one; more than there are when it does not rise."""
    mine = [rise for rise in found if rise.group == group]
    return sum(_key(rise) < _key(mine[0]) for rise in found) if mine else math.inf


@given(_rows, st.integers(0, 4), st.integers(0, 6))
def test_one_more_arrival_never_lowers_a_group(rows, group, petitioner):
    more = [*rows, (group, _SINCE + 1, petitioner)]
    assert _rank(_rising(more), group) <= _rank(_rising(rows), group)


@given(_rows, st.integers(0, 4), st.integers(0, 6))
def test_one_more_arrival_in_the_past_never_raises_a_group(rows, group, petitioner):
    more = [*rows, (group, _SINCE - 1, petitioner)]
    assert _rank(_rising(more), group) >= _rank(_rising(rows), group)


@given(_rows, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows, random):
    assert _rising(random.sample(rows, len(rows))) == _rising(rows)


@given(_rows, st.permutations(range(5)), st.permutations(range(7)))
def test_numbering_of_groups_and_petitioners_does_not_matter(rows, groups, people):
    renamed = [(groups[g], t, people[p]) for g, t, p in rows]
    back = {new: old for old, new in enumerate(groups)}
    found, other = _rising(rows), _rising(renamed)
    assert [_key(rise) for rise in found] == [_key(rise) for rise in other]
    assert {(r.group, r.count, r.petitioners, r.expected) for r in found} == {
        (back[r.group], r.count, r.petitioners, r.expected) for r in other
    }


@given(_rows)
def test_what_rises_is_more_than_before_and_from_several(rows):
    found = _rising(rows)
    assert [_key(rise) for rise in found] == sorted(_key(rise) for rise in found)
    for rise in found:
        inside = [(t, p) for g, t, p in rows if g == rise.group and _SINCE <= t < _UNTIL]
        assert rise.count == len(inside) >= 3
        assert rise.petitioners == len({p for _, p in inside}) >= 2
        assert rise.count > rise.expected


@given(st.integers(0, 40), st.integers(3, 40), st.integers(0, 12))
def test_the_tail_is_that_of_the_formula(past, count, windows):
    rows = [(0, _SINCE - 0.1, 0)] * past * (windows > 0) + [(0, _SINCE, p) for p in range(count)]
    rate = (past * (windows > 0) + 0.5) / max(windows, 1)
    tail = 1 - sum(math.exp(-rate + i * math.log(rate) - math.lgamma(i + 1)) for i in range(count))
    found = _rising(rows, windows)
    if abs(tail - 0.05) > 1e-9:
        assert bool(found) is (tail < 0.05)
    for rise in found:
        assert rise.probability == pytest.approx(tail, abs=1e-9)
        assert rise.expected == pytest.approx(rate)


def test_a_steady_topic_does_not_rise_and_a_new_small_one_does():
    steady = [(0, t, t) for t in range(40, 110)]
    new = [(1, _SINCE + n, n) for n in range(3)]
    one_person = [(2, _SINCE + n, 7) for n in range(9)]
    assert [rise.group for rise in _rising(steady + new + one_person)] == [1]


def test_edges_of_the_window():
    for time, counted in ((_SINCE, 3), (_UNTIL, 2), (np.nextafter(_SINCE, 0), 2)):
        rows = [(0, _SINCE + 1, 1), (0, _SINCE + 2, 2), (0, float(time), 3)]
        found = _rising(rows, windows=0)
        assert [rise.count for rise in found] == ([3] if counted == 3 else [])


@pytest.mark.parametrize(
    ("first", "windows"),
    [(100, 0), (101, 0), (200, 0), (91, 0), (90, 1), (79.9, 2), (-1e6, MOST_WINDOWS)],
)
def test_only_whole_windows_since_records_began(first, windows):
    assert windows_before(first, _SINCE, _UNTIL) == windows
