"""What a text names, by kind: endings decide, common words are no names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.bundle import Bundle
from classifier.features import Document, blank_marks
from classifier.links.facts import HEARD, facts_of, likeness


def _facts(bundle: Bundle, text: str) -> dict[str, tuple[str, ...]]:
    words = tuple(bundle.tokeniser.cut(blank_marks(text)))
    return facts_of(Document(text, 0, words), bundle.term_weights.by_word)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("我住翠竹轩小区，电梯坏了", "小区", "翠竹轩"),
        ("翠竹名都的电梯坏了", "小区", "翠竹名"),
        ("柳坪路的路面全是坑", "道路", "柳坪"),
        ("霞坡村修路不公开账目", "村居", "霞坡"),
        ("青禾小学门口没有红绿灯", "学校", "青禾"),
        ("恒棣纸业公司拖欠工资", "单位", "恒棣纸业"),
        ("105路公交车总是晚点", "公交线路", "105"),
        ("地铁3号线什么时候开通", "轨道线路", "3"),
        ("地铁三号线什么时候开通", "轨道线路", "3"),
        ("2019年的补贴没有发", "年份", "2019"),
        ("二期的房子漏水", "期组", "2期"),
        ("我家在12栋", "栋号", "12栋"),
    ],
)
def test_what_is_named(bundle: Bundle, text: str, kind: str, name: str) -> None:
    assert any(likeness(name, found) == 1 for found in _facts(bundle, text).get(kind, ())), _facts(
        bundle, text
    )


@pytest.mark.parametrize(
    "text",
    [
        "请政府管一管",
        "我们小区没有电",
        "家里的院子",
        "这条路不好走",
        "每次都这样",
        "医院收费高",
        "三兄弟都成家了",
    ],
)
def test_common_words_are_no_names(bundle: Bundle, text: str) -> None:
    assert _facts(bundle, text) == {}


def test_marks_are_no_names(bundle: Bundle) -> None:
    assert _facts(bundle, "〈姓名〉小区，〈手机号〉路") == {}


names = st.text(st.sampled_from("恒泰御景金茂毛翠竹轩东成"), min_size=2, max_size=6)


@given(names, names)
def test_likeness_is_symmetric_and_a_part_is_the_whole(one: str, other: str) -> None:
    assert likeness(one, other) == likeness(other, one)
    assert 0 <= likeness(one, other) <= 1
    assert likeness(one, one + other) == 1


def test_a_misspelt_name_is_alike_and_another_is_not() -> None:
    assert likeness("金茂府", "金毛府") >= 0.6
    assert likeness("御景", "恒泰御景") == 1
    assert likeness("锦绣", "御景") == 0
    assert likeness("锦桦", "金华") == likeness("福泰家", "富太佳") == HEARD
    assert likeness("锦绣", "锦秀") == HEARD
