"""Help and the algorithm notice: for everybody, from the bundle in use, without a figure that tells of accusations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api import workbench
from api.workbench.pages.help import _SHORTCUTS


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
    assert ("在该件页面登记答复" in shown) == (role == "unit")
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


def test_one_figure_reads_alike_and_keys_pressed_together_are_joined(desk, bundle):
    someone = desk("intake")
    page = someone.get("/help")
    assert f"把握不到 {bundle.threshold:.1%} 时" in text_of(page)
    assert "<kbd>Ctrl</kbd>+<kbd>Enter</kbd></td><td>表单" in page.text
    assert "<kbd>n</kbd> <kbd>p</kbd></td><td>信访件" in page.text


def test_a_bundle_without_figures_says_so(desk, service, monkeypatch):
    for name in list(service.live.engine().bundle.report):
        monkeypatch.delitem(service.live.engine().bundle.report, name)
    shown = text_of(desk("auditor").get("/help/algorithm"))
    assert "没有留出检验的数字" in shown
    assert "来源没有记录" in shown


#: Where a key is, in the words of the help page, for each template that names keys.
_PLACES = {
    "base.html": "各页",
    "directory_table.html": "单位目录",
    "import.html": "导入文件",
    "imports.html": "导入",
    "link.html": "两件对照",
    "petition.html": "信访件",
    "petition_original.html": "原文",
    "petitions.html": "查询",
    "queue.html": "待办",
    "queue_preview.html": "批量接受",
    "register_receipt.html": "登记完成",
}
#: Keys that the script handles by itself, as it names them, and where the help page has them.
_SCRIPT = {
    "?": ("?", "各页"),
    "Escape": ("Esc", "各页"),
    "Enter": ("Enter", "表单"),
    "j": ("j", "列表"),
    "k": ("k", "列表"),
    "ArrowDown": ("↓", "分类、单位输入框"),
    "ArrowUp": ("↑", "分类、单位输入框"),
}


def test_the_table_of_keys_is_what_pages_and_script_answer_to():
    home = Path(workbench.__file__).parent
    declared = {
        (_PLACES[file.name], key)
        for file in (home / "templates").glob("*.html")
        for key in re.findall(r'data-key="([^"{]+)"', file.read_text(encoding="utf-8"))
    }
    script = "".join(file.read_text(encoding="utf-8") for file in (home / "static").glob("*.js"))
    assert set(re.findall(r'event\.key === "([^"]+)"', script)) == set(_SCRIPT)
    # The menu's figures come from the menu; Enter opens a row because a link has the focus; Ctrl belongs to Enter.
    declared |= {(place, key) for key, place in _SCRIPT.values()} | {("列表", "Enter"), ("表单", "Ctrl")}
    declared |= {("事项", key) for key in ("j", "k", "Enter")} | {("各页", key) for key in ("1", "…", "8")}
    listed = [
        (place, key)
        for one in _SHORTCUTS
        for place in ([one.place] if one.place == "分类、单位输入框" else one.place.split("、"))
        for key in one.keys
    ]
    assert sorted(listed) == sorted(declared)
