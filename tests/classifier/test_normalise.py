"""One spelling for every text, and the way back to the text as given."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.align import Alignment, rewrite
from classifier.normalise import normalise, normalised

# Every code point may come, those that normalising treats specially come often.
_AWKWARD = "乾張後里隻著萬发藉\u200b\u200d\ufe0f\u0301\u3099か\u0000\ud800\r\n\u2028\x85 \u3000ＡＢ１２，（）!ﬁ㈱½⒏ḱ\u1100\u1161"
texts = st.text(st.one_of(st.characters(exclude_categories=()), st.sampled_from(_AWKWARD)), max_size=30)


@settings(max_examples=150, deadline=None)
@given(texts)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once


def test_every_character_of_the_first_plane_outside_the_ideographs_normalises_once() -> None:
    text = "一".join(chr(code) for code in (*range(0x3400), *range(0xA000, 0x10000)))
    once = normalised(text)
    assert normalised(once) == once


@settings(max_examples=150, deadline=None)
@given(texts, st.data())
def test_a_span_mapped_back_covers_the_text_it_came_from(text: str, data: st.DataObject) -> None:
    normal, alignment = normalise(text)
    start = data.draw(st.integers(0, len(normal)))
    end = data.draw(st.integers(start, len(normal)))
    given_start, given_end = alignment.before(start, end)
    assert 0 <= given_start <= given_end <= len(text)
    if end > start:
        # Blanks at the edge of a text vanish, so the piece is normalised between two letters.
        again = normalised(f"一{text[given_start:given_end]}一")
        assert normal[start:end] in again or not normal[start:end].strip()


@settings(max_examples=80, deadline=None)
@given(texts)
def test_mapped_positions_never_run_backwards(text: str) -> None:
    normal, alignment = normalise(text)
    starts = [alignment.before(i, i + 1)[0] for i in range(len(normal))]
    assert starts == sorted(starts)


@pytest.mark.parametrize(
    ("given_text", "expected"),
    [
        ("１３８００１３８０００", "13800138000"),
        ("ＡＢＣ：甲，乙。", "ABC：甲，乙。"),
        ("張三住在乾县", "张三住在乾县"),
        ("乾隆年间", "乾隆年间"),
        ("房間打掃得乾乾淨淨", "房间打扫得干干净净"),
        ("著名的藉口", "著名的藉口"),
        ("頭髮和發展", "头发和发展"),
        ("138\u200b0013\ufeff8000", "13800138000"),
        ("一\u0000二", "一二"),
        ("一\ud800二", "一\ufffd二"),
        ("第一行\r\n第二行\r第三行", "第一行\n第二行\n第三行"),
        ("  头尾的空白\u3000\n", "头尾的空白"),
        ("一 \t\u3000二", "一 二"),
        ("一 \n\n 二", "一\n二"),
        ("", ""),
        ("\u200b\r\n", ""),
    ],
)
def test_known_spellings(given_text: str, expected: str) -> None:
    assert normalised(given_text) == expected


@pytest.mark.parametrize(
    ("text", "wanted", "origin"),
    [
        ("电话１３８\u200b００１３８０００。", "13800138000", "１３８\u200b００１３８０００"),
        ("住㈱甲公司", "(株)", "㈱"),
        ("一\r\n\r\n二三", "二三", "二三"),
        ("　　張三反映", "张三", "張三"),
        ("x\u200b½y", "1\u20442", "½"),
        ("7\u200b⒏元", "8.", "⒏"),
    ],
)
def test_a_passage_maps_back_to_exactly_its_origin(text: str, wanted: str, origin: str) -> None:
    normal, alignment = normalise(text)
    at = normal.index(wanted)
    start, end = alignment.before(at, at + len(wanted))
    assert text[start:end] == origin


def test_two_rewrites_map_back_through_both() -> None:
    first, alignment = rewrite("一二三四五", [(1, 2, "贰贰贰")])
    second, alignment = rewrite(first, [(4, 5, "")], alignment)
    assert second == "一贰贰贰四五"
    assert alignment.before(4, 6) == (3, 5)
    assert alignment.before(2, 3) == (1, 2)
    assert alignment.before(0, 6) == (0, 5)


def test_within_an_edit_a_position_means_the_whole_of_it() -> None:
    after, alignment = rewrite("一二三四五", [(1, 4, "贰叁")])
    assert after == "一贰叁五"
    assert alignment.before(1, 2) == alignment.before(2, 3) == (1, 4)
    assert alignment.before(0, 2) == (0, 4)
    assert alignment.before(2, 4) == (1, 5)


def test_an_empty_span_stays_empty() -> None:
    _, alignment = rewrite("一二三", [(1, 2, "贰贰")])
    assert alignment.before(0, 0) == (0, 0)
    assert alignment.before(4, 4) == (3, 3)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20))
def test_a_rewrite_of_nothing_is_the_identity(text: str) -> None:
    same, alignment = rewrite(text, [])
    assert same == text
    assert alignment.before(0, len(text)) == Alignment().before(0, len(text)) == (0, len(text))
