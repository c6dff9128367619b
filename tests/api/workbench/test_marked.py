"""A text cut into pieces says what the text says, and marks what is to be marked."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from api.workbench.marked import letter, pieces

_TEXTS = st.lists(st.sampled_from(["油烟", "〈手机号〉", "\n", "。", "<b>", "〈姓名〉"]), max_size=12).map(
    "".join
)
_MARKS = st.lists(st.tuples(st.integers(-5, 60), st.integers(-5, 60), st.integers(0, 6)), max_size=6)


@given(_TEXTS, _MARKS)
def test_nothing_is_lost_and_exactly_what_is_marked_is_marked(text, marks):
    cut = pieces(text, marks)
    assert "".join(piece.text for piece in cut) == text
    marked = [piece.marked for piece in cut for _ in piece.text]
    assert marked == [any(start <= at < end for start, end, _ in marks) for at in range(len(text))]
    hidden = "".join(piece.text for piece in cut if piece.redacted)
    assert hidden == "".join(re.findall("〈手机号〉|〈姓名〉", text))


@given(_TEXTS, _MARKS)
def test_a_number_stands_once(text, marks):
    numbers = [number for _, _, number in marks if number]
    shown = [piece.number for piece in pieces(text, marks) if piece.number]
    assert all(shown.count(number) <= numbers.count(number) for number in shown)


def test_title_and_text_share_one_count_of_places():
    cut = letter("油烟扰民", "电话〈手机号〉，油烟", [(0, 2, 1), (13, 15, 2), (5, 9, 3)])
    assert [(p.text, p.marked, p.number, p.redacted) for p in cut.title] == [
        ("油烟", True, 1, False), ("扰民", False, 0, False),
    ]  # fmt: skip
    assert [(p.text, p.marked, p.number, p.redacted) for p in cut.text] == [
        ("电话", True, 3, False), ("〈手", True, 0, True), ("机号〉", False, 0, True), ("，", False, 0, False), ("油烟", True, 2, False),
    ]  # fmt: skip
