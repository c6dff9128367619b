"""How alike two petitions are, and which kind of link that makes. Symmetric.

Text similarity is the cosine of TF-IDF vectors; a copy is recognised by its shingles. The same person raises nothing by itself:
without a like text there is no link, however many keys agree.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from classifier.features import distinct
from classifier.links.terms import LinkEntry, TermWeights, resemblance, shared_passages, shingles
from classifier.petition import Link, LinkEvidence, LinkKind

#: Shingle resemblance from which two texts are the same text.
COPY = 0.8
# Cosine at which a link is as likely as not, and how fast that changes. The same person's next letter on a matter
# uses other words than the first, two strangers' letters on one matter must share more to say so. Set by
# hand; bench/links.py measures the outcome on judged pairs.
_EVEN_SAME_PERSON = 0.22
_EVEN_STRANGERS = 0.30
_STEEPNESS = 18.0
# Below this cosine shingles are not looked at: texts that share four of five shingles share most words.
_WORTH_A_LOOK = 0.3


def score_candidates(entry: LinkEntry, candidates: Sequence[LinkEntry], weights: TermWeights) -> list[Link]:
    """The link that `entry` would have to each candidate, whatever its score. Swapping the two of a pair changes only `id`."""
    cosines = weights.cosines(entry, candidates)
    own = distinct(shingles(entry.text)[0]) if candidates else None
    links = []
    for candidate, cosine in zip(candidates, cosines.tolist(), strict=True):
        looks_alike = cosine >= _WORTH_A_LOOK or not len(entry.hashes) or not len(candidate.hashes)
        copied = (
            resemblance(own, distinct(shingles(candidate.text)[0]))
            if own is not None and looks_alike
            else 0.0
        )
        keys = tuple(sorted(kind for kind, value in entry.keys.items() if candidate.keys.get(kind) == value))
        if copied >= COPY:
            kind, score = LinkKind.DUPLICATE_TEXT, copied
        elif keys:
            kind, score = LinkKind.REPEAT_PETITION, _likely(max(cosine, copied), _EVEN_SAME_PERSON)
        else:
            kind, score = LinkKind.SHARED_MATTER, _likely(max(cosine, copied), _EVEN_STRANGERS)
        links.append(
            Link(candidate.id, kind, round(score, 4), LinkEvidence(keys=keys, similarity=round(cosine, 4)))
        )
    return links


def with_evidence(
    link: Link, a: LinkEntry, b: LinkEntry, words: dict[int, str], weights: TermWeights
) -> Link:
    """The same link with the passages and the rarest terms both share. `words` maps `a`'s term hashes to words."""
    common = np.intersect1d(a.hashes, b.hashes, assume_unique=True)
    rarest = common[np.argsort(-weights.idf(common), kind="stable")][:6]
    evidence = LinkEvidence(
        passages=shared_passages(a.text, b.text),
        terms=tuple(words[int(h)] for h in rarest if int(h) in words),
        keys=link.evidence.keys,
        similarity=link.evidence.similarity,
    )
    return Link(link.id, link.kind, link.score, evidence)


def _likely(similarity: float, even: float) -> float:
    return 1 / (1 + math.exp(-_STEEPNESS * (similarity - even)))
