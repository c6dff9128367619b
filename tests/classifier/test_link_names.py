"""Copied wording with another name in its place, and names that two titles have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.bundle import Bundle
from classifier.links.compare import FEATURES, compare
from classifier.links.names import name_in_titles, same_sentence_other_name
from classifier.links.terms import LinkEntry
from classifier.petition import Petition
from classifier.predict import predict
from classifier.triage import entry_of, read

Reader = Callable[[str], LinkEntry]
_PROBLEM = [name for name, _, _ in FEATURES].index("name_and_problem")

_LETTER = "{0}小区电梯一个月困人三次\n我住{0}小区6号楼，电梯一个月困人三次，物业公司只贴通知，维保单位两个月没有来过，请督促更换电梯。"
_NEIGHBOUR = (
    "金桂园小区的电梯又停了\n老母亲昨天被关在里面四十分钟，按了铃没人理。维修的说要换钢缆，钱没人出。"
)
_OTHER_PROBLEM = "金桂园小区夜里烧烤摊太吵\n楼下烧烤摊开到凌晨三点，油烟往窗户里灌，孩子睡不着。"


@pytest.fixture(scope="module")
def entry(bundle: Bundle) -> Reader:
    def made(text: str) -> LinkEntry:
        title, _, body = text.partition("\n")
        reading = read(Petition("x", title, body), bundle.tokeniser, bytes(32))
        return entry_of(bundle, predict(bundle, [reading.document]), 0, reading)

    return made


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (_LETTER.format("金桂园"), _LETTER.format("翠竹轩"), True),
        (_LETTER.format("金桂园"), _LETTER.format("金桂园"), False),
        (_LETTER.format("金桂园"), _LETTER.format("金贵园"), False),  # by ear
        (_LETTER.format("金桂园"), _NEIGHBOUR, False),
        # Both estates are in either letter: nothing was put in place of anything.
        (_LETTER.format("金桂园") + "翠竹轩也一样。", _LETTER.format("翠竹轩") + "金桂园也一样。", False),
        ("", "", False),
    ],
)
def test_a_sentence_with_another_name_is_seen(entry: Reader, one: str, other: str, expected: bool) -> None:
    a, b = entry(one), entry(other)
    assert same_sentence_other_name(a, b) is expected
    assert same_sentence_other_name(b, a) is expected


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (_LETTER.format("金桂园"), _NEIGHBOUR, 1.0),
        (_LETTER.format("金桂园"), "电梯又停了\n我住金桂园小区，电梯又停了，请来修。", 0.5),
        (_LETTER.format("金桂园"), _LETTER.format("翠竹轩"), 0.0),
        # A town has many matters.
        ("石盘镇的路灯不亮\n石盘镇的路灯半年不亮。", "石盘镇的中学招生不公\n石盘镇的中学今年招生不公。", 0.0),
        ("", "", 0.0),
    ],
)
def test_names_that_both_titles_have(entry: Reader, one: str, other: str, expected: float) -> None:
    a, b = entry(one), entry(other)
    assert name_in_titles(a, b) == name_in_titles(b, a) == expected


def test_the_same_name_counts_with_the_same_problem_only(bundle: Bundle, entry: Reader) -> None:
    letter = entry(_LETTER.format("金桂园"))
    others = [entry(text) for text in (_NEIGHBOUR, _OTHER_PROBLEM, _LETTER.format("翠竹轩"))]
    neighbour, problem, estate = compare(letter, others, bundle.term_weights)[:, _PROBLEM]
    assert neighbour > 2 * problem
    assert estate == 0


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_nothing_written_breaks_it_and_the_order_does_not_matter(
    bundle: Bundle, entry: Reader, data: st.DataObject
) -> None:
    pieces = st.lists(
        st.sampled_from(
            ["金桂园", "翠竹轩", "小区", "电梯", "坏了", "，", "\n", "三次", "〈姓名〉", "柳坪路", "镇", "x"]
        ),
        max_size=12,
    )
    a, b = (entry("".join(data.draw(pieces))) for _ in range(2))
    assert same_sentence_other_name(a, b) == same_sentence_other_name(b, a)
    assert name_in_titles(a, b) == name_in_titles(b, a)
    (there,), (back,) = compare(a, [b], bundle.term_weights), compare(b, [a], bundle.term_weights)
    assert there.tolist() == pytest.approx(back.tolist(), rel=1e-9)
    assert 0 <= there[_PROBLEM] <= 1 + 1e-9
