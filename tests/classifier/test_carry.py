"""Evidence carried over from the text as given into the stored one: the same words, in the same place."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.carry import carry_over
from classifier.petition import Petition, Petitioner
from classifier.triage import read, triage

_SECRET = b"0123456789abcdef"
_PHONE, _ID = "13971234567", "11010519491231002X"


def _stored(reading):
    return f"{reading.title}\n{reading.text}"


def _carried(petition, bundle, router):
    """The spans of every suggested category of a petition, where they came to stand, and where they truly stand."""
    answer = triage(petition, bundle, None, router, _SECRET)
    reading = read(petition, bundle.tokeniser, _SECRET)
    stored = _stored(reading)
    redactions = [(found.kind, found.start, found.end) for found in answer.redactions]
    # Stored texts have a line end between title and text; what was read has none without a title.
    shift = 0 if reading.title else 1
    for category in answer.categories:
        spans = [(span.start, span.end, span.text) for span in category.evidence]
        for span, place in zip(spans, carry_over(spans, stored, redactions), strict=True):
            back = place and reading.alignment.before(place[0] - shift, place[1] - shift)
            yield span, place and stored[slice(*place)], back == span[:2]


def _share(petitions, bundle, router):
    """How many spans there are, and the shares of them found, and found in the very place."""
    found = [each for petition in petitions for each in _carried(petition, bundle, router)]
    assert all(words in (None, span[2]) for span, words, _ in found)
    words = sum(words is not None for _, words, _ in found)
    return len(found), words / len(found), sum(there for *_, there in found) / len(found)


def _messy(row, number):
    """A text of the gold set as people type it: identity data, wide and odd blanks, other widths, several line ends."""
    text = row["text"].replace("，", "， \u3000", 2).replace("。", "。\r\n\r\n  ")
    text = f"  我叫欧阳雪梅，身份证号{_ID}，电话 139 7123 4567。{text}联系电话：{_PHONE}，\u200b请回复。{row['text'][:40]}"
    title = "" if number % 3 == 0 else f" {row['title']}\u3000"
    return Petition(row["id"], title, text, Petitioner(name="欧阳雪梅"))


@pytest.fixture(scope="module")
def gold(request):
    folder = request.config.rootpath / "corpora" / "gold"
    files = [folder / f"{branch}.jsonl" for branch in ("04", "15")]
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return rows[:60]


def test_evidence_of_the_gold_set_is_found_in_its_place(gold, bundle, router):
    plain = [Petition(row["id"], row["title"], row["text"]) for row in gold]
    spans, found, there = _share(plain, bundle, router)
    assert spans > 300
    assert (found, there) == (1.0, 1.0)


def test_evidence_is_found_in_texts_as_people_type_them(gold, bundle, router):
    messy = [_messy(row, number) for number, row in enumerate(gold)]
    spans, found, there = _share(messy, bundle, router)
    assert spans > 300
    assert found >= 0.99
    assert there >= 0.99


def test_words_that_stand_twice_are_told_apart_by_marks_and_neighbours():
    given = f"  油烟  \n{_PHONE}{_PHONE}噪声，油烟。油烟，油烟"
    stored = "油烟\n〈手机号〉〈手机号〉噪声，油烟。油烟，油烟"
    redactions = [("手机号", 7, 18), ("手机号", 18, 29)]
    starts = [at for at in range(len(given)) if given.startswith("油烟", at)]
    places = carry_over([(at, at + 2, "油烟") for at in starts], stored, redactions)
    expected = [at for at in range(len(stored)) if stored.startswith("油烟", at)]
    assert [place[0] for place in places] == expected


def test_what_looks_like_a_mark_in_the_text_misleads_nobody():
    given = "\n请看〈手机号〉一栏，电话13971234567，油烟和噪声，油烟"
    stored = "\n请看〈手机号〉一栏，电话〈手机号〉，油烟和噪声，油烟"
    at = given.rindex("油烟")
    place = stored.rindex("油烟")
    # The marks do not tally; the words once there (噪声) still lead to the place.
    spans = [(at, at + 2, "油烟"), (at - 3, at - 1, "噪声")]
    assert carry_over(spans, stored, [("手机号", 15, 26)])[0] == (place, place + 2)


def test_words_that_are_not_there_have_no_place():
    assert carry_over([(1, 3, "油烟"), (0, 0, "")], "噪声\n", []) == (None, None)


@given(
    st.lists(st.sampled_from(["油烟", "噪声", "，", " ", "\n", "〈手机号〉"]), max_size=30),
    st.lists(st.tuples(st.integers(0, 90), st.sampled_from(["油烟", "噪声", "烟噪", "城管"])), max_size=8),
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 12)), max_size=4),
)
def test_a_place_always_reads_what_the_span_reads(parts, wanted, removed):
    stored = "".join(parts)
    spans = [(start, start + len(words), words) for start, words in wanted]
    redactions = [("手机号", start, start + length) for start, length in sorted(removed)]
    for (*_, words), place in zip(spans, carry_over(spans, stored, redactions), strict=True):
        assert (place is None) == (words not in stored)
        assert place is None or stored[slice(*place)] == words
