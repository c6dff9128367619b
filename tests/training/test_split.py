"""No petitioner's group and no near copy of a letter is ever on both sides of a fold."""

from __future__ import annotations

import random
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from classifier.features import Document
from training.split import folds, groups_of

pytestmark = pytest.mark.filterwarnings("ignore:The least populated class")

_IDEOGRAPHS = [chr(code) for code in range(0x4E00, 0x9FA6)]
# The same letter as it comes in again: other punctuation, blanks, a redacted number.
_COPIES = (
    lambda text: text,
    lambda text: f"{text[:7]}，{text[7:15]}。\n{text[15:]}！！",
    lambda text: " ".join(text),
    lambda text: f"{text[:10]}〈手机号〉{text[10:]}",
)


def _document(text: str) -> Document:
    return Document(text, 0, (text,))


@st.composite
def _corpus(draw: st.DrawFn) -> tuple[list[int], list[str], list[str], list[str]]:
    """Which letter each text is a copy of, the texts, the given groups ("" for none), the labels."""
    chance = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311  no secret
    letters = ["".join(chance.choices(_IDEOGRAPHS, k=chance.randint(20, 60))) for _ in range(18)]
    copied = draw(st.lists(st.tuples(st.integers(0, 17), st.sampled_from(_COPIES)), max_size=15))
    sources = [*range(18), *(source for source, _ in copied)]
    texts = [*letters, *(copy(letters[source]) for source, copy in copied)]
    size = len(texts)
    names = draw(st.lists(st.sampled_from(["", "", "", "甲", "乙"]), min_size=size, max_size=size))
    labels = draw(st.lists(st.sampled_from(["0101", "0402", "1503"]), min_size=size, max_size=size))
    return sources, texts, names, labels


@settings(max_examples=60, deadline=None)
@given(_corpus())
def test_what_belongs_together_stays_on_one_side(
    corpus: tuple[list[int], list[str], list[str], list[str]],
) -> None:
    sources, texts, names, labels = corpus
    groups = groups_of([_document(text) for text in texts], names)
    assume(len(set(groups.tolist())) >= 5)
    tested: list[int] = []
    for train, test in folds(labels, groups):
        assert not set(train) & set(test)
        assert {sources[i] for i in train}.isdisjoint(sources[i] for i in test)
        assert {names[i] for i in train if names[i]}.isdisjoint(names[i] for i in test if names[i])
        tested += test.tolist()
    assert sorted(tested) == list(range(len(texts)))  # and each text is tested exactly once


def test_groups_join_through_a_common_member() -> None:
    """A shares a petitioner with B, B is a copy of C: all three are one."""
    a, b, c, other = (
        _document(text)
        for text in (
            "厂里三个月没有发工资了",
            "小区门口河里污水横流",
            "小区门口，河里污水横流！",
            "镇上卫生院晚上没有医生值班",
        )
    )
    groups = groups_of([a, b, c, other], ["甲", "甲", "", ""])
    assert groups[0] == groups[1] == groups[2] != groups[3]


def test_different_seed_petitions_are_not_lumped_together(seed_rows: list[dict[str, str]]) -> None:
    texts = [row["text"] for row in seed_rows]
    assert len(np.unique(groups_of([_document(text) for text in texts], [""] * len(texts)))) >= 0.99 * len(
        texts
    )


def test_a_slightly_edited_letter_is_a_near_copy(seed_rows: list[dict[str, str]]) -> None:
    """One character in forty changed: nearly all are still found (the sketch is a sample, not a proof)."""
    chance = random.Random(7)  # noqa: S311  no secret
    found = 0
    rows = [row["text"] for row in seed_rows if len(row["text"]) >= 80][:200]
    for text in rows:
        edited = list(text)
        for at in chance.sample(range(len(text)), len(text) // 40):
            edited[at] = "囗"
        one, other = groups_of([_document(text), _document("".join(edited))], ["", ""])
        found += one == other
    assert found >= 0.95 * len(rows)


def test_folds_are_the_same_every_time_and_keep_the_shares_of_labels() -> None:
    labels = ["0402"] * 60 + ["1503"] * 20
    groups = np.arange(80)
    first, second = list(folds(labels, groups)), list(folds(labels, groups))
    assert all(
        np.array_equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
    )
    for _, test in first:
        assert sum(labels[i] == "1503" for i in test) == 4


def test_labels_all_rarer_than_folds_can_still_be_split() -> None:
    labels = [f"{n:04}" for n in range(6) for _ in range(2)]
    parts = [set(test.tolist()) for _, test in folds(labels, np.arange(12))]
    assert set().union(*parts) == set(range(12))
    assert all(one.isdisjoint(other) for one, other in combinations(parts, 2))
