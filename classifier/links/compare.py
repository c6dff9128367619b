"""A pair of petitions as a few numbers that a person can follow. Symmetric: the order of the two changes nothing.

What is compared: words, passages, titles, the rarest terms, what is named (estate, road, line, year …), category, time, and whether a
petitioner's key agrees. `classifier.links.model` weighs the numbers; nothing here knows weights.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from classifier.features import bigrams, distinct
from classifier.links.facts import likeness
from classifier.links.terms import Hashes, LinkEntry, TermWeights

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
    ("same_petitioner", "同一信访人", 1),
    ("follow_up", "同一信访人再次反映", 1),
    ("short", "文字短", 0),
    ("apart", "相隔时间", 0),
)
_NAMED = ("学校", "道路", "村居", "小区", "单位")
_NUMBERED = ("公交线路", "轨道线路", "年份", "期组", "栋号")
# Two names are one from this likeness on (恒泰御景 and 御景, 金茂 and 金毛); below the other they are two.
_SAME_NAME, _OTHER_NAME = 0.6, 0.5
_FOLLOW_UP = re.compile(
    "再次|又一次|多次反映|上次|上回|前次|回复|答复|依旧|依然|仍然|仍未|还是没|至今|再反映|再投诉|第[二三四五]次|追问|继续反映|之前反映|曾反映"
)
# Days apart beyond which it makes no difference; what counts where a date is missing.
_MOST_DAYS, _UNKNOWN_DAYS = 3_650, 90


@dataclass(frozen=True, slots=True)
class View:
    """What is read off one entry's text once, however many it is compared with."""

    entry: LinkEntry
    grams: Hashes
    weights: npt.NDArray[np.float32]
    title: npt.NDArray[np.bool_]
    follows_up: bool

    @classmethod
    def of(cls, entry: LinkEntry, weights: TermWeights) -> View:
        buckets, starts = bigrams(entry.text)
        grams = distinct(buckets)
        # Without a title the first words stand for it.
        title_length = entry.title_length or 30
        title = np.isin(grams, buckets[starts < title_length], assume_unique=False)
        return cls(entry, grams, weights.gram_idf(grams), title, _FOLLOW_UP.search(entry.text) is not None)


def compare(entry: LinkEntry, others: Sequence[LinkEntry], weights: TermWeights) -> npt.NDArray[np.float64]:
    """The numbers of each pair (entry, other). Shape (len(others), len(FEATURES))."""
    if not others:
        return np.zeros((0, len(FEATURES)))
    view = View.of(entry, weights)
    cosines = weights.cosines(entry, others)
    return np.array(
        [
            _pair(view, View.of(other, weights), float(cosine), weights)
            for other, cosine in zip(others, cosines, strict=True)
        ]
    )


def _pair(a: View, b: View, cosine: float, weights: TermWeights) -> list[float]:
    one, other = a.entry, b.entry
    in_b, in_a = np.isin(a.grams, b.grams, assume_unique=True), np.isin(b.grams, a.grams, assume_unique=True)
    passages = max(_share(a.weights, in_b), _share(b.weights, in_a))
    titles = (_share(a.weights[a.title], in_b[a.title]) + _share(b.weights[b.title], in_a[b.title])) / 2
    found = sorted((_found(one, other), _found(other, one)))
    same, apart = _named(one, other)
    numbered, numbered_apart = _numbered(one, other)
    same_petitioner = float(any(other.keys.get(kind) == value for kind, value in one.keys.items()))
    days = (
        min(abs((one.received - other.received).days), _MOST_DAYS)
        if one.received and other.received
        else _UNKNOWN_DAYS
    )
    return [
        cosine,
        passages,
        titles,
        found[0],
        found[1],
        _rarest(one, other, weights),
        _same_category(one, other),
        same,
        apart,
        numbered,
        numbered_apart,
        passages * (1 - found[1]),
        same_petitioner,
        same_petitioner * float(a.follows_up or b.follows_up),
        math.log(min(len(one.text), len(other.text)) + 1),
        math.log1p(days),
    ]


def _share(weights: npt.NDArray[np.float32], found: npt.NDArray[np.bool_]) -> float:
    total = float(weights.sum())
    return float(weights[found].sum()) / total if total else 0.0


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


def _rarest(one: LinkEntry, other: LinkEntry, weights: TermWeights) -> float:
    common = np.intersect1d(one.hashes, other.hashes, assume_unique=True)
    return float(np.sort(weights.idf(common))[-3:].sum()) / 3 if len(common) else 0.0


def _same_category(one: LinkEntry, other: LinkEntry) -> float:
    """Log of how far the two lists of likely categories overlap (cosine); siblings overlap a little."""
    theirs = dict(other.categories)
    dot = sum(p * theirs.get(code, 0.0) for code, p in one.categories)
    norm = math.sqrt(sum(p * p for _, p in one.categories) * sum(p * p for _, p in other.categories))
    return math.log((dot / norm if norm else 0.0) + 0.01)


def _named(one: LinkEntry, other: LinkEntry) -> tuple[float, float]:
    """In how many kinds both name something alike, and in how many both name something and nothing alike."""
    same = apart = 0.0
    for kind in _NAMED:
        ours, theirs = one.facts.get(kind, ()), other.facts.get(kind, ())
        if ours and theirs:
            best = max(likeness(x, y) for x, y in product(ours, theirs))
            same += best >= _SAME_NAME
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
