"""What two petitions share and where they differ, for a person to see side by side: passages with their places, facts, reasons."""

from __future__ import annotations

import re

import numpy as np

from classifier.features import blank_marks
from classifier.identity import is_agent_key
from classifier.links.compare import FEATURES
from classifier.links.facts import HEARD, likeness
from classifier.links.terms import SHINGLE, Hashes, LinkEntry, TermWeights, shingles
from classifier.petition import LinkEvidence, Passage

# Passages shown, the shortest of them in characters, and the shared rare words and reasons beside them.
_MOST_PASSAGES, _SHORTEST, _MOST_TERMS, _MOST_REASONS = 6, 8, 6, 5
_LETTER = re.compile(r"[^\W_]")
# Reasons whose share of the log odds is smaller than this are not worth a line.
_WORTH_SAYING = 0.2


def evidence_of(
    a: LinkEntry,
    b: LinkEntry,
    keys: tuple[str, ...],
    similarity: float,
    contributions: np.ndarray[tuple[int], np.dtype[np.float64]],
    words: dict[int, str],
    weights: TermWeights,
) -> LinkEvidence:
    """Evidence of the link from `a` to `b`. `words` maps `a`'s term hashes to words; `contributions` are the model's, by number."""
    common = np.intersect1d(a.hashes, b.hashes, assume_unique=True)
    rarest = common[np.argsort(-weights.idf(common), kind="stable")][:_MOST_TERMS]
    shared, apart = compared_facts(a, b)
    order = np.argsort(-np.abs(contributions), kind="stable")[:_MOST_REASONS]
    reasons = tuple(
        f"{FEATURES[i][1]} {'+' if contributions[i] > 0 else '−'}{abs(contributions[i]):.1f}"
        for i in order
        if abs(contributions[i]) >= _WORTH_SAYING
    )
    if any(map(is_agent_key, keys)):
        reasons = ("同一代理人", *reasons)
    return LinkEvidence(
        passages=shared_passages(a.text, b.text),
        terms=tuple(words[int(h)] for h in rarest if int(h) in words),
        keys=keys,
        similarity=similarity,
        facts=shared,
        contradictions=apart,
        reasons=reasons,
    )


def compared_facts(a: LinkEntry, b: LinkEntry) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What both name (道路：柳坪), and of which kind each names something the other does not (小区：锦绣／御景)."""
    shared, apart = [], []
    for kind in a.facts.keys() & b.facts.keys():
        ours, theirs = a.facts[kind], b.facts[kind]
        same = [name for name in ours if any(likeness(name, other) >= HEARD for other in theirs)]
        if same:
            shared += [f"{kind}：{name}" for name in same]
        elif not any(name in b.text for name in ours) and not any(name in a.text for name in theirs):
            apart.append(f"{kind}：{'、'.join(ours[:3])}／{'、'.join(theirs[:3])}")
    return tuple(sorted(shared)), tuple(sorted(apart))


def shared_passages(a: str, b: str) -> tuple[Passage, ...]:
    """The longest runs of characters that both texts have, punctuation aside, longest first, with their places in both."""
    ours, theirs = shingles(a)[0], shingles(b)[0]
    if not len(ours) or not len(theirs):
        return ()
    places = {shingle: at for at, shingle in reversed(list(enumerate(theirs.tolist())))}
    letters_a, letters_b = _letters(a), _letters(b)
    passages: dict[str, Passage] = {}
    begin = 0
    while begin < len(ours):
        at = places.get(int(ours[begin]), -1)
        if at < 0:
            begin += 1
            continue
        # A phrase may stand in the other text more than once: its run is followed both ways.
        back = _run(ours[:begin][::-1], theirs[:at][::-1])
        stop = begin + _run(ours[begin:], theirs[at:])
        first, last = begin - back, stop + SHINGLE - 2
        if last - first + 1 >= _SHORTEST:
            start, end = letters_a[first], letters_a[last] + 1
            other, other_end = letters_b[at - back], letters_b[at + last - begin] + 1
            passages.setdefault(a[start:end], Passage(a[start:end], start, end, other, other_end))
        begin = stop
    longest = sorted(passages.values(), key=lambda passage: (passage.start - passage.end, passage.start))
    return tuple(longest[:_MOST_PASSAGES])


def _run(one: Hashes, other: Hashes) -> int:
    """How many first elements agree."""
    size = min(len(one), len(other))
    apart = np.flatnonzero(one[:size] != other[:size])
    return int(apart[0]) if len(apart) else size


def _letters(text: str) -> list[int]:
    """Where the characters stand that shingles are made of."""
    return [match.start() for match in _LETTER.finditer(blank_marks(text))]
