"""A pair of petitions as a few numbers that a person can follow. Symmetric: the order of the two changes nothing.

What is compared: words, passages, titles, the rarest terms, what is named (estate, road, line, year …), category, time, and whether a
petitioner's key agrees. `classifier.links.model` weighs the numbers; nothing here knows weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from classifier.features import HASH_BITS, bigrams
from classifier.identity import same_petitioner
from classifier.links.facts import likeness
from classifier.links.names import (
    INSTEAD_OF_TITLE,
    NAMED,
    SAME_NAME,
    name_in_titles,
    names_of,
    same_sentence_other_name,
    title_of,
)
from classifier.links.terms import RAREST_SHARED, LinkEntry, TermWeights, views_of

Values = npt.NDArray[np.float64]

#: The numbers of a pair, in the order of `compare`. Of each: its name, and 1 or -1 where a greater value can only speak for or against
#: the same matter (the model keeps to it), 0 where it may do either.
FEATURES: tuple[tuple[str, str, int], ...] = (
    ("words", "用词相近", 1),
    ("passages", "语句重合", 1),
    ("titles", "标题互见", 1),
    ("rare_both", "少见词互见", 1),
    ("rare_one", "一方少见词见于另一方", 1),
    ("rarest", "共有的最少见词", 1),
    ("category", "内容分类相同", 1),
    ("named", "名称相同", 1),
    ("named_apart", "名称不同", -1),
    ("numbered", "线路或期号相同", 1),
    ("numbered_apart", "线路、年份或期号不同", -1),
    ("copied_apart", "文字相同而名称不同", -1),
    ("other_name", "同一句话换了名称", -1),
    ("name_and_problem", "标题同名且同类同问题", 1),
    ("same_petitioner", "同一信访人", 1),
    ("follow_up", "同一信访人再次反映", 1),
    ("short", "文字短", 0),
    ("apart", "相隔时间", 0),
)
_PASSAGES, _RARE_BOTH, _RARE_ONE, _COPIED_APART, _OTHER_NAME_THERE = (
    [name for name, _, _ in FEATURES].index(wanted)
    for wanted in ("passages", "rare_both", "rare_one", "copied_apart", "other_name")
)
_NUMBERED = ("公交线路", "轨道线路", "年份", "期组", "栋号")
# Two names are two below this likeness.
_OTHER_NAME = 0.5
_FOLLOW_UP = re.compile(
    "再次|又一次|多次反映|上次|上回|前次|回复|答复|依旧|依然|仍然|仍未|还是没|至今|再反映|再投诉|第[二三四五]次|追问|继续反映|之前反映|曾反映"
)
# Days apart beyond which it makes no difference; what counts where a date is missing.
_MOST_DAYS, _UNKNOWN_DAYS = 3_650, 90


def compare(entry: LinkEntry, others: Sequence[LinkEntry], weights: TermWeights) -> Values:
    """The numbers of each pair (entry, other). Shape (len(others), len(FEATURES))."""
    values = compare_at_best(entry, others, weights)
    add_rare_words(values, entry, others)
    return values


def compare_at_best(entry: LinkEntry, others: Sequence[LinkEntry], weights: TermWeights) -> Values:
    """The same before any rare word or other name was looked for: as if all and none were found, the best that the pair can come to.

    Looking for them takes longest, and most pairs are no link even so: `add_rare_words` is for the others.
    """
    if not others:
        return np.zeros((0, len(FEATURES)))
    cosines, rarest = weights.likeness(entry, views_of(dict(enumerate(others)), with_norms=False))
    passages, titles, problems = _overlaps(entry, others, weights)
    follows_up = _FOLLOW_UP.search(entry.text) is not None
    pairs = np.array(
        [
            _pair(entry, other, follows_up, problem)
            for other, problem in zip(others, problems.tolist(), strict=True)
        ]
    )
    best, none = np.ones(len(others)), np.zeros(len(others))
    columns = [cosines, passages, titles, best, best, rarest / RAREST_SHARED, *pairs.T]
    columns[_COPIED_APART:_COPIED_APART] = [none, none]
    return np.stack(columns, axis=1)


def add_rare_words(values: Values, entry: LinkEntry, others: Sequence[LinkEntry]) -> None:
    """Put in how much of either's rarest words stands in the other, and whether another name does. `values` are those pairs' rows of
    `compare_at_best`."""
    for row, other in zip(values, others, strict=True):
        row[_RARE_BOTH], row[_RARE_ONE] = sorted((_found(entry, other), _found(other, entry)))
        row[_COPIED_APART] = row[_PASSAGES] * (1 - row[_RARE_ONE])
        row[_OTHER_NAME_THERE] = same_sentence_other_name(entry, other)


def _overlaps(
    entry: LinkEntry, others: Sequence[LinkEntry], weights: TermWeights
) -> tuple[Values, Values, Values]:
    """How much of either text's character 2-grams, by rarity, stands in the other: the greater of the two shares; how much of each title
    stands in the other text: the mean of the two; and the same of the titles without the names in them. Shape (len(others),) each.
    """
    everyone = (entry, *others)
    rows, buckets, starts = bigrams([one.text for one in everyone])
    # Each 2-gram of a text once, at its first place; without a title the first words stand for it.
    order = np.lexsort((starts, buckets, rows))
    rows, buckets, starts = rows[order], buckets[order], starts[order]
    first = np.flatnonzero((np.diff(rows, prepend=-1) != 0) | (np.diff(buckets, prepend=-1) != 0))
    rows, buckets, starts = rows[first], buckets[first], starts[first]
    title_ends = np.array([one.title_length or INSTEAD_OF_TITLE for one in everyone])
    in_title = starts < title_ends[rows]
    in_problem = in_title & ~_of_names(everyone, rows, starts)
    rarity = weights.gram_idf(buckets).astype(np.float64)
    own = rows == 0

    # Of each 2-gram of the entry: that it is there, in the title, in the title's problem. One look-up for all three.
    table = np.zeros(1 << HASH_BITS, dtype=np.uint8)
    table[buckets[own]] = 1 + 2 * in_title[own] + 4 * in_problem[own]
    ours = table[buckets]

    def total(where: npt.NDArray[np.bool_]) -> Values:
        sums: Values = np.bincount(rows[where], weights=rarity[where], minlength=len(everyone)).astype(
            np.float64
        )
        return sums

    shared = (ours & 1).astype(np.bool_)

    def found(part: npt.NDArray[np.bool_], bit: int) -> Values:
        """How much of this part of each text stands in the other text: the mean of the two."""
        size = total(part)
        ours_in_theirs = total((ours & bit).astype(np.bool_))[1:] / max(size[0], 1e-9)
        theirs_in_ours = total(shared & part)[1:] / np.maximum(size[1:], 1e-9)
        mean: Values = (ours_in_theirs + theirs_in_ours) / 2
        return mean

    whole = total(rows >= 0)
    passages = total(shared)[1:] / np.maximum(np.minimum(whole[0], whole[1:]), 1e-9)
    return passages, found(in_title, 2), found(in_problem, 4)


def _of_names(
    everyone: Sequence[LinkEntry], rows: npt.NDArray[np.int64], starts: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which of these 2-grams touch a name in their title. Shape as `rows`."""
    ends = [len(title_of(one)) + 1 for one in everyone]
    offsets = np.concatenate([[0], np.cumsum(ends)])
    touched = np.zeros(offsets[-1], dtype=np.bool_)
    for one, offset in zip(everyone, offsets.tolist(), strict=False):
        title = title_of(one)
        for name in names_of(one):
            at = title.find(name)
            while at >= 0:
                touched[offset + max(at - 1, 0) : offset + at + len(name)] = True
                at = title.find(name, at + 1)
    # What stands behind the title is of no title.
    places = np.minimum(starts, np.array(ends)[rows] - 1)
    of_names: npt.NDArray[np.bool_] = touched[offsets[rows] + places]
    return of_names


def _pair(one: LinkEntry, other: LinkEntry, follows_up: bool, problem: float) -> list[float]:
    """From the category on, without `copied_apart` and `other_name`. `problem` is how much of the titles without names both have."""
    named, named_apart = _named(one, other)
    numbered, numbered_apart = _numbered(one, other)
    same = same_petitioner(one.keys, other.keys)
    days = (
        min(abs((one.received - other.received).days), _MOST_DAYS)
        if one.received and other.received
        else _UNKNOWN_DAYS
    )
    category = _same_category(one, other)
    return [
        math.log(category + 0.01),
        named,
        named_apart,
        numbered,
        numbered_apart,
        name_in_titles(one, other) * category * problem if category * problem else 0.0,
        float(same),
        float(same and (follows_up or _FOLLOW_UP.search(other.text) is not None)),
        math.log(min(len(one.text), len(other.text)) + 1),
        math.log1p(days),
    ]


def _found(one: LinkEntry, other: LinkEntry) -> float:
    """How much of one's rarest words stands in the other's text, by weight; a longer word partly found counts partly."""
    total = hit = 0.0
    for word, weight in one.rare:
        total += weight
        if word in other.text:
            hit += weight
        elif len(word) > 2:
            pairs = [word[i : i + 2] for i in range(len(word) - 1)]
            hit += 0.7 * weight * sum(pair in other.text for pair in pairs) / len(pairs)
    return hit / total if total else 0.5


def _same_category(one: LinkEntry, other: LinkEntry) -> float:
    """How far the two lists of likely categories overlap (cosine); siblings overlap a little."""
    theirs = dict(other.categories)
    dot = sum(p * theirs.get(code, 0.0) for code, p in one.categories)
    norm = math.sqrt(sum(p * p for _, p in one.categories) * sum(p * p for _, p in other.categories))
    return dot / norm if norm else 0.0


def _named(one: LinkEntry, other: LinkEntry) -> tuple[float, float]:
    """In how many kinds both name something alike, and in how many both name something and nothing alike."""
    same = apart = 0.0
    for kind in NAMED:
        ours, theirs = one.facts.get(kind, ()), other.facts.get(kind, ())
        if ours and theirs:
            best = max(likeness(x, y) for x, y in product(ours, theirs))
            same += best >= SAME_NAME
            # A name that stands in the other's text, as whatever kind, is no contradiction.
            elsewhere = any(name in other.text for name in ours) or any(name in one.text for name in theirs)
            apart += best < _OTHER_NAME and not elsewhere
    return same, apart


def _numbered(one: LinkEntry, other: LinkEntry) -> tuple[float, float]:
    same = apart = 0.0
    for kind in _NUMBERED:
        ours, theirs = set(one.facts.get(kind, ())), set(other.facts.get(kind, ()))
        if ours and theirs:
            same += bool(ours & theirs)
            apart += not ours & theirs
    return same, apart
