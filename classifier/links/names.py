"""What two petitions name in the same sentence, and which name the titles of both have.

Copied wording about another estate differs where the name stands and hardly anywhere else; neighbours who tell of one matter in words of their
own share its name and little more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

from classifier.links.facts import HEARD, likeness
from classifier.links.terms import LinkEntry

#: The kinds of names that are no numbers (`classifier.links.facts`).
NAMED = ("学校", "道路", "村居", "小区", "单位")
#: So many characters stand for the title of a text without one.
INSTEAD_OF_TITLE = 30
#: Two names are one from this likeness on (恒泰御景 and 御景, 金茂 and 金毛).
SAME_NAME = 0.6
# A name before one of these is a place with many matters: sharing it says little.
_WIDE = ("镇", "乡", "街道", "县", "市", "区")
# Characters that must agree on either side of a name, the rest of it that may stand before the right side (坊, 公寓), and the longest other name.
_CONTEXT, _REST, _LONGEST = 2, 3, 8
_MARK = re.compile(r"[\W_]")
_AMOUNT = re.compile(r"[\d一二三四五六七八九十百千万两几]+")


def names_of(entry: LinkEntry) -> set[str]:
    """All names, of whatever kind."""
    return {name for kind in NAMED for name in entry.facts.get(kind, ())}


def title_of(entry: LinkEntry) -> str:
    """The title, or the first words of a text without one."""
    return entry.text[: entry.title_length or INSTEAD_OF_TITLE]


def name_in_titles(one: LinkEntry, other: LinkEntry) -> float:
    """In how many of the two titles stands a name that both have, as a share: 0, 0.5 or 1. Names of towns and districts do not count."""
    titled, other_titled = _titled(one), _titled(other)
    best = 0
    for ours, theirs in _shared_names(one, other, titled, other_titled):
        count = (ours in titled or ours in title_of(one)) + (
            theirs in other_titled or theirs in title_of(other)
        )
        if count > best and not any(
            name + ending in text
            for name in (ours, theirs)
            for ending in _WIDE
            for text in (one.text, other.text)
        ):
            best = count
    return best / 2


def _titled(entry: LinkEntry) -> set[str]:
    title = title_of(entry)
    return {name for name in names_of(entry) if name in title}


def _shared_names(
    one: LinkEntry, other: LinkEntry, titled: set[str], other_titled: set[str]
) -> Iterator[tuple[str, str]]:
    """Names of one with those of the other that are the same, and names of either that stand in the other's text, as far as a title has them."""
    if titled or other_titled:
        for kind in NAMED:
            for ours, theirs in product(one.facts.get(kind, ()), other.facts.get(kind, ())):
                if (ours in titled or theirs in other_titled) and likeness(ours, theirs) >= HEARD:
                    yield ours, theirs
    yield from ((name, name) for name in names_of(one) if name in other.text)
    yield from ((name, name) for name in names_of(other) if name in one.text)


def same_sentence_other_name(one: LinkEntry, other: LinkEntry) -> bool:
    """Whether either has a sentence of the other with another name or rare word in place of its own: 恒泰苑的电梯, 御景湾的电梯."""
    return _replaced(one, other) and _replaced(other, one)


def _replaced(one: LinkEntry, other: LinkEntry) -> bool:
    ours, theirs = "\n" + one.text, "\n" + other.text
    known = {word for word in _distinctive(other) if word not in ours}
    return bool(known) and any(
        _stands_instead(name, place, ours, theirs, known)
        for name in _distinctive(one)
        if name not in theirs and not _AMOUNT.fullmatch(name)
        for place in _places(name, ours)
    )


def _distinctive(entry: LinkEntry) -> set[str]:
    return names_of(entry) | {word for word, _ in entry.rare}


def _stands_instead(name: str, place: int, ours: str, theirs: str, known: set[str]) -> bool:
    """Whether something else that is `known` stands in `theirs` where the words before and after this name in `ours` stand."""
    left = "\n" if ours[place - 1] == "\n" else ours[place - _CONTEXT : place]
    end = place + len(name)
    for at in _places(left, theirs):
        start = at + len(left)
        for rest in range(_REST + 1):
            right = ours[end + rest : end + rest + _CONTEXT]
            if len(right) < _CONTEXT or _MARK.search(ours, end, end + rest):
                break
            stop = theirs.find(right, start + _CONTEXT, start + _LONGEST + _CONTEXT)
            instead = theirs[start : max(stop, start)]
            if (
                instead
                and instead not in ours
                and not _MARK.search(instead)
                and not _AMOUNT.fullmatch(instead)
                and any(word in instead for word in known)
                and likeness(name, instead) < SAME_NAME
            ):
                return True
    return False


def _places(part: str, text: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)
