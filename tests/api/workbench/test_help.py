"""Help and the algorithm notice: for everybody, from the bundle in use, without a figure that tells of accusations."""

from __future__ import annotations

import re

import pytest


def text_of(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", answer.text))


@pytest.mark.parametrize("role", ["intake", "reviewer", "unit", "auditor", "admin"])
def test_help_speaks_to_everybody(desk, role):
    shown = text_of(desk(role).get("/help"))
    for word in (
        "内容分类",
        "诉求类型",
        "没有把握",
        "一信多投",
        "重复信访",
        "多人同一事项",
        "不是给信访人的记号",
    ):
        assert word in shown
    assert ("说明理由退回" in shown) == (role == "unit")
    assert ("一键接受" in shown) == (role in {"intake", "reviewer", "admin"})
    assert 'id="keys"' in desk(role).get("/help").text


def test_the_notice_gives_the_figures_of_the_bundle_in_use(desk, bundle):
    shown = text_of(desk("unit").get("/help/algorithm"))
    assert bundle.version in shown
    category = bundle.report["category"]
    for figure in (
        f"{category['accuracy']:.1%}",
        f"{category['top3']:.1%}",
        f"{category['level1']['accuracy']:.1%}",
        f"{bundle.report['kind']['accuracy']:.1%}",
        f"{bundle.threshold:.1%}",
        f"{bundle.report['petitions']:,}",
    ):
        assert figure in shown
    for word in ("不用身份", "不作决定", "不评价人", "第二十四条", "第五十五条", "虚构"):
        assert word in shown
    assert "没有学习以往的认定" in shown
    # How many accusations there are is for those who may see them.
    assert f"{bundle.report['kinds']['检举控告']:,}" not in shown


def test_a_bundle_without_figures_says_so(desk, service, monkeypatch):
    for name in list(service.live.engine().bundle.report):
        monkeypatch.delitem(service.live.engine().bundle.report, name)
    shown = text_of(desk("auditor").get("/help/algorithm"))
    assert "没有留出检验的数字" in shown
    assert "来源没有记录" in shown
