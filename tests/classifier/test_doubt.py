"""Which suggestions are worth asking about: bounds, reasons, and nothing of who wrote them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.doubt import Doubt, review, unseen_share
from classifier.petition import (
    Kind,
    KindSuggestion,
    Petition,
    Petitioner,
    Suggestion,
    Triage,
    UnitRole,
    UnitSuggestion,
)
from classifier.triage import read, triage_each

_KNOWN = frozenset({"油烟", "烧烤店", "凌晨"})
_CASES = {"0402": 300, "1501": 300}


def _triage(first: float, second: float, abstained: bool = False) -> Triage:
    categories = (Suggestion("040206", "", "", first), Suggestion("1501", "", "", second))
    units = (UnitSuggestion("ecology", "", UnitRole.LEAD, 1.0, ()),)
    return Triage("p", "m", categories, abstained, KindSuggestion(Kind.CLAIM, 1.0), units, (), (), ())


def _doubts(answer=None, words=("油烟",), cases=_CASES, copies=(), learned=None):
    return review(answer or _triage(0.9, 0.05), words, _KNOWN, cases, copies, learned)


def test_nothing_in_doubt_is_of_no_use_to_ask():
    found = _doubts(copies=["0402", "040206"], learned=("ecology", 0.9))
    assert (found.usefulness, found.doubts, found.unseen) == (0, (), 0)


@pytest.mark.parametrize(
    ("changed", "doubt"),
    [
        ({"answer": _triage(0.5, 0.4)}, Doubt.UNCERTAIN),
        ({"answer": _triage(0.9, 0.05, abstained=True)}, Doubt.UNCERTAIN),
        ({"copies": ["0402", "1501"]}, Doubt.COPY_DECIDED_OTHERWISE),
        ({"learned": ("urban_management", 0.6)}, Doubt.UNIT_VIEWS_DIFFER),
        ({"cases": {"0402": 29}}, Doubt.RARE),
        ({"words": ("油烟", "充电桩", "网约车")}, Doubt.NEW_WORDS),
    ],
)
def test_each_doubt_alone(changed, doubt):
    found = _doubts(**changed)
    assert found.doubts == (doubt,)
    assert 0 < found.usefulness <= 1


def test_a_guess_of_the_unit_model_contradicts_nothing():
    assert _doubts(learned=("urban_management", 0.4)).doubts == ()


def test_names_numbers_and_marks_are_no_new_words():
    assert unseen_share(["欧阳雪梅", "王强", "2026", "〉", "油烟", "的"], _KNOWN) == 0
    assert unseen_share([], _KNOWN) == unseen_share(["2026"], _KNOWN) == 0


@given(
    st.tuples(st.floats(0, 1), st.floats(0, 1)).map(lambda p: sorted(p, reverse=True)),
    st.booleans(),
    st.lists(st.sampled_from(["油烟", "充电桩", "网约车", "凌晨", "3号线"])),
    st.integers(0, 100),
    st.lists(st.sampled_from(["0402", "15", "150101"])),
    st.none() | st.tuples(st.sampled_from(["ecology", "公安局"]), st.floats(0, 1)),
)
def test_usefulness_is_a_share_and_more_doubt_is_more_use(
    probabilities, abstained, words, cases, copies, learned
):
    found = review(_triage(*probabilities, abstained), words, _KNOWN, {"0402": cases}, copies, learned)
    assert 0 <= found.usefulness <= 1
    assert 0 <= found.unseen <= 1
    assert (found.usefulness > 0) >= bool(found.doubts) - (found.doubts == (Doubt.UNCERTAIN,))
    less = review(_triage(*probabilities, abstained), words, _KNOWN, {"0402": cases}, (), None)
    assert less.usefulness <= found.usefulness
    shuffled = review(
        _triage(*probabilities, abstained), words[::-1], _KNOWN, {"0402": cases}, copies, learned
    )
    assert shuffled == found


_GIVEN = Petition("p", "烧烤店油烟", "我叫{name}，电话{phone}。楼下烧烤店每天营业到凌晨，油烟直接排进楼道。")


@given(
    name=st.sampled_from(["欧阳雪梅", "王强", "买买提", "李小龙", "诸葛亮"]),
    phone=st.sampled_from(["13971234567", "18612345678"]),
    who=st.builds(
        Petitioner,
        id_number=st.sampled_from(["", "11010519491231002X"]),
        address=st.text(max_size=20),
        account=st.text(max_size=20),
    ),
)
def test_who_writes_changes_nothing(bundle, router, name, phone, who):
    """Only the form and the name in the text differ; what people decided is the same."""

    def found(petition):
        reading = read(petition, bundle.tokeniser, bytes(32))
        item = next(triage_each([reading], bundle, None, router))
        cases = bundle.report["categories"]
        return review(item.triage, reading.document.words, bundle.known_words, cases, (), item.learned_unit)

    one = replace(_GIVEN, text=_GIVEN.text.format(name="赵敏", phone="13012345678"))
    other = replace(_GIVEN, text=_GIVEN.text.format(name=name, phone=phone), petitioner=replace(who, name=name, phone=phone))  # fmt: skip
    assert found(other) == found(one)
