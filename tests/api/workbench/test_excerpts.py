"""Passages show what carried a suggestion, all of it and nothing else marked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from api.workbench.excerpts import passages

_TEXT = st.text(alphabet="油烟扰民\n，a", max_size=120)
_SPANS = st.lists(st.tuples(st.integers(-3, 130), st.integers(-3, 130)), max_size=6)


@given(_TEXT, _SPANS)
def test_passages_are_of_the_text_and_mark_the_spans(text, spans):
    found = passages(text, spans, most=100)
    plain = text.replace("\n", " ")
    marked = {i for start, end in spans for i in range(max(0, start), min(end, len(text)))}
    at, seen = 0, set()
    for passage in found:
        pieces = [piece for piece in passage if piece.text != "…"]
        whole = "".join(piece.text for piece in pieces)
        first = min(marked - seen)
        begin = plain.index(whole, max(0, first - 14))
        assert begin >= max(0, at - 28)
        for piece in pieces:
            here = set(range(begin, begin + len(piece.text)))
            assert piece.text
            assert plain[begin : begin + len(piece.text)] == piece.text
            if piece.marked:
                assert here <= marked
                seen |= here
            else:
                assert not here & (marked - seen)
            begin += len(piece.text)
        at = begin
    assert seen == marked


def test_near_spans_share_a_passage_and_only_the_first_are_shown():
    text = "甲" * 30 + "油烟" + "乙" * 5 + "扰民" + "丙" * 60 + "油烟"
    first, second = passages(text, [(30, 32), (37, 39), (99, 101)])
    assert (
        "".join(piece.text for piece in first)
        == "…" + "甲" * 14 + "油烟" + "乙" * 5 + "扰民" + "丙" * 14 + "…"
    )
    assert [piece.text for piece in second if piece.marked] == ["油烟"]
    assert len(passages(text, [(30, 32), (99, 101)], most=1)) == 1
    assert passages(text, [(30, 32)], most=0) == ()
