"""Charts of the model pages: well-formed, titled, with their figures behind them, whatever the numbers."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.workbench.curves import (
    Week,
    coverage_chart,
    interval_bar,
    lean,
    means,
    reliability_chart,
    weeks_chart,
)
from classifier.curves import Curves, curves

_ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


def _curves(rows):
    confidence, correct = zip(*rows, strict=True)
    return curves(np.array(confidence), np.array(correct))


def _drawing(markup):
    """The SVG as a tree; every number in it lies on the drawing."""
    root = ElementTree.fromstring(f"<div>{markup}</div>").find("svg")  # noqa: S314  our own drawing
    _, _, width, height = map(float, root.get("viewBox").split())
    assert "nan" not in str(markup)
    for element in root.iter():
        for name, most in (("x", width), ("y", height), ("cx", width), ("cy", height)):
            if element.get(name):
                assert -2 <= float(element.get(name)) <= most + 2, ElementTree.tostring(element)
    return root


@given(_ANSWERS, _ANSWERS)
def test_both_charts_stand_for_any_answers(one, other):
    series = [("训练时留出", _curves(one)), ("本单位检验件", _curves(other))]
    marks = [(0.4, 0.96), (0.0, None)]
    for chart in (reliability_chart(series), coverage_chart(series, 0.8, marks)):
        root = _drawing(chart)
        assert root.get("role") == "img"
        assert root[0].tag == "title"
        assert "<details>" in chart
        assert {row.partition("</td>")[0] for row in chart.split("<tr><td>")[1:]} == {n for n, _ in series}


def test_the_line_of_abstention_stands_where_it_is():
    found = _curves([(0.99, True)] * 50 + [(0.5, False)] * 50)
    chart = coverage_chart([("甲", found)], 0.886, [(0.5, 1.0)])
    assert "弃权线：把握 88.6%" in chart
    assert '<path class="axis" d="M258.0 14V262"' in chart
    assert "弃权线：" not in coverage_chart([("甲", found)], 1.0, [(0.0, None)])


def test_few_answers_are_drawn_hollow():
    chart = reliability_chart([("甲", _curves([(0.95, True)] * 30 + [(0.15, False)] * 3))])
    assert len(re.findall(r'<circle class="area"', chart)) == 1
    assert len(re.findall(r'<circle class="curve"', chart)) == 1


def test_a_rate_of_few_answers_is_hollow_and_a_valley_has_its_figure_below():
    weeks = [Week("一", 0.5, 40), Week("二", 0.2, 3), Week("三", 0.6, 20), Week("四", 0.0, None)]
    chart = weeks_chart("改判", weeks, True)
    _drawing(chart)
    assert [len(re.findall(f'<circle class="{kind}"', chart)) for kind in ("area", "curve")] == [3, 1]
    points = dict(
        zip(("50%", "20%", "60%", "0%"), map(float, re.findall(r' cy="([\d.]+)"', chart)), strict=True)
    )
    figures = {
        told: float(y) for y, told in re.findall(r'y="([\d.]+)" text-anchor="middle"[^>]*>(\d+%)<', chart)
    }
    assert {told: figures[told] > points[told] for told in points} == {
        "50%": False,
        "20%": True,
        "60%": False,
        "0%": True,
    }


def test_names_are_escaped():
    found = _curves([(0.9, True)])
    hostile = "<script>alert(1)</script>"
    for chart in (
        reliability_chart([(hostile, found), ("乙", found)]),
        coverage_chart([(hostile, found), ("乙", found)], 0.9, [(1.0, 1.0)]),
        weeks_chart(hostile, [Week(hostile, 0.5)], True),
    ):
        assert "<script" not in chart


@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), max_size=26))
def test_weeks_of_any_shares_and_gaps(values):
    weeks = [Week("03-04", value) for value in values]
    root = _drawing(weeks_chart("把握", weeks, True))
    assert len(root.findall(".//circle")) == sum(value is not None for value in values)
    _drawing(weeks_chart("来件", [Week("03-04", None if v is None else 900 * v) for v in values], False))


@pytest.mark.parametrize(
    ("said", "was", "word"), [(0.8, 0.81, "相当"), (0.8, 0.9, "谨慎"), (0.9, 0.8, "偏满")]
)
def test_whether_confidence_keeps_its_word(said, was, word):
    assert word in lean(said, was)


def test_means_are_weighted_by_their_answers():
    assert means(_curves([(0.9, True)] * 3 + [(0.5, False)])) == pytest.approx((0.8, 0.75))
    assert means(Curves(0, (), ())) == (0, 0)


def test_an_interval_is_where_it_says():
    _drawing(interval_bar(0.0, 0.0, 0.3))
    assert 'x="160.0"' in interval_bar(0.8, 0.9, 0.95)
