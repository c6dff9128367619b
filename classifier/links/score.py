"""How alike two petitions are, and which kind of link that makes. Symmetric.

A copy is recognised by its shingles; else the link model says how likely the two concern one matter. The same person raises little by
itself: without a like matter there is no link, however many keys agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from classifier.features import distinct
from classifier.identity import same_petitioner
from classifier.links.compare import FEATURES, add_rare_words, compare_at_best
from classifier.links.model import LinkModel
from classifier.links.terms import LinkEntry, TermWeights, resemblance, shingles
from classifier.petition import LinkKind

#: Shingle resemblance from which two texts are the same text.
COPY = 0.8
# Below this cosine shingles are not looked at: texts that share four of five shingles share most words.
_WORTH_A_LOOK = 0.3
_ROUNDING = 1e-4
_NAMES = [name for name, _, _ in FEATURES]
_WORDS, _APART, _OTHER_NUMBER = (_NAMES.index(name) for name in ("words", "named_apart", "numbered_apart"))


@dataclass(frozen=True, slots=True)
class Scored:
    """A link that an entry would have to another. `values` are the numbers of the pair."""

    other: LinkEntry
    kind: LinkKind
    score: float
    keys: tuple[str, ...]
    values: npt.NDArray[np.float64]

    @property
    def similarity(self) -> float:
        """Cosine of the words."""
        return round(float(self.values[_WORDS]), 4)


def score_candidates(
    entry: LinkEntry,
    candidates: Sequence[LinkEntry],
    weights: TermWeights,
    model: LinkModel,
    least: float = 0.0,
) -> list[Scored]:
    """Each candidate scored; those that cannot come to a score of `least` are left out.

    Swapping the two of a pair changes only which one is `other`.
    """
    values = compare_at_best(entry, candidates, weights)
    own = distinct(shingles(entry.text)[0])
    copied = np.array([_copied(entry, *pair, own) for pair in zip(candidates, values, strict=True)])
    # Coefficients keep to their signs: no rare word that is missing makes a pair likelier than it is now. Scores are rounded.
    worth = np.flatnonzero((copied >= COPY) | (model.likely(values) >= least - _ROUNDING))
    kept, values = [candidates[i] for i in worth.tolist()], values[worth]
    add_rare_words(values, entry, kept)
    scored = []
    for candidate, row, copy, chance in zip(
        kept, values, copied[worth].tolist(), model.likely(values).tolist(), strict=True
    ):
        keys = tuple(sorted({kind for kind, _ in entry.keys & candidate.keys}))
        if copy >= COPY:
            kind, score = LinkKind.DUPLICATE_TEXT, max(copy, chance)
        else:
            again = same_petitioner(entry.keys, candidate.keys)
            kind, score = (LinkKind.REPEAT_PETITION if again else LinkKind.SHARED_MATTER), chance
        scored.append(Scored(candidate, kind, round(score, 4), keys, row))
    return scored


def _copied(
    entry: LinkEntry, other: LinkEntry, values: npt.NDArray[np.float64], own: npt.NDArray[np.int64]
) -> float:
    """Resemblance of the texts; none where they name different places or numbers: copied wording about another estate is no copy."""
    if entry.text == other.text:
        return 1.0
    if values[_APART] or values[_OTHER_NUMBER]:
        return 0.0
    looks_alike = values[_WORDS] >= _WORTH_A_LOOK or not len(entry.hashes) or not len(other.hashes)
    return resemblance(own, distinct(shingles(other.text)[0])) if looks_alike else 0.0
