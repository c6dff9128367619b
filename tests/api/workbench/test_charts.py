"""Charts are arithmetic: what is drawn is as long as it is much, everything stays inside, no text becomes markup."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.workbench.charts import WIDTH, Interval, Series, bars, columns, intervals, nice_step, spark

_NASTY = "<script>\"&'"
_COUNTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=14)


def _svg(markup):
    return ElementTree.fromstring(str(markup))  # noqa: S314


def _rects(svg):
    return [one for one in svg.findall("rect") if "url(#c-" in one.get("fill", "")]


@settings(deadline=None)
@given(_COUNTS, _COUNTS, st.booleans())
def test_columns_are_as_high_as_they_are_much(first, second, side_by_side):
    size = min(len(first), len(second))
    series = [Series("一", first[:size]), Series("二", second[:size])]
    svg = _svg(columns("c", "说明", [str(n) for n in range(size)], series, side_by_side=side_by_side))
    # The last two are the names' swatches.
    drawn = _rects(svg)[:-2]
    values = [value for pair in zip(first, second, strict=False) for value in pair if value]
    assert len(drawn) == len(values)
    bottom = float(svg.get("viewBox").split()[3])
    for one, value in zip(drawn, values, strict=True):
        x, y, wide, high = (float(one.get(name)) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + wide <= WIDTH
        assert y >= 0
        assert y + high <= bottom
        most = max(values)
        tallest = max(float(other.get("height")) for other in drawn)
        assert high == pytest.approx(tallest * value / most, abs=0.15)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=12))
def test_bars_say_their_sums_and_stay_inside(values):
    svg = _svg(bars("c", "说明", [(f"单位{n}", pair) for n, pair in enumerate(values)], ("一", "二")))
    texts = [one.text for one in svg.findall("text")]
    assert [text for text in texts if re.fullmatch(r"[\d,]+", text)] == [f"{sum(pair):,}" for pair in values]
    assert all(float(one.get("x")) + float(one.get("width")) <= WIDTH for one in _rects(svg))


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_an_interval_holds_its_share(a, b, c):
    low, share, high = sorted((a, b, c))
    svg = _svg(intervals("c", "说明", [Interval("民政", share, low, high, 12)]))
    whisker = next(one.get("d") for one in svg.findall("path") if "curve" in one.get("class"))
    left, right = float(re.match(r"M([\d.]+)", whisker)[1]), float(re.search(r"H([\d.]+)", whisker)[1])
    dot = float(svg.find("circle").get("cx"))
    assert left - 0.2 <= dot <= right + 0.2
    assert right <= WIDTH


@settings(deadline=None)
@given(st.floats(0, 10**9))
def test_a_step_is_round_and_few_reach_the_top(most):
    step = nice_step(most)
    assert step >= 1
    assert float(f"{step:.0e}") == step
    assert most / step <= 4.00001


def test_texts_are_texts():
    charts = (
        columns("c", _NASTY, [_NASTY], [Series(_NASTY, [1]), Series("二", [None])]),
        bars("c", _NASTY, [(_NASTY, [1])], (_NASTY,)),
        intervals("c", _NASTY, [Interval(_NASTY, 0.5, 0.4, 0.6, 1)]),
        spark("c", _NASTY, [0, 1]),
    )
    for chart in charts:
        assert "<script" not in chart
        assert _svg(chart).find("title").text == _NASTY


def test_nothing_is_drawn_of_nothing():
    for chart in (
        columns("c", "无", [], [Series("一", [])]),
        bars("c", "无", []),
        intervals("c", "无", []),
        spark("c", "无", []),
    ):
        assert _svg(chart).get("role") == "img"


def test_series_differ_without_colour():
    chart = str(columns("c", "说明", ["1"], [Series(str(n), [1]) for n in range(7)]))
    patterns = re.findall(r'<pattern id="c-\d" class="c\d"[^>]*><rect[^>]*/>(.*?)</pattern>', chart)
    assert len(set(patterns)) == 7
