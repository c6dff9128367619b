"""Which suggestion a person's answer would teach most: how useful it is to ask, and why, in codes a page can put into words.

Only the matter is looked at: the suggestion, the words of the redacted text, what people decided on copies of it. Nothing here knows
who wrote it, and the words that have the form of a name do not count.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from classifier.features import is_word
from classifier.petition import Triage
from classifier.redact import could_be_name


class Doubt(StrEnum):
    """Why it is worth asking."""

    UNCERTAIN = "uncertain"
    COPY_DECIDED_OTHERWISE = "copy"
    UNIT_VIEWS_DIFFER = "unit"
    RARE = "rare"
    NEW_WORDS = "words"


# What each doubt adds. Set by hand: what a correction is worth to the next model was not measured. Views that contradict each other say
# that one of them is wrong; so they come first. Uncertainty adds the part of it that is left between the two best categories.
_COPY, _UNIT, _UNCERTAIN, _RARE, _NEW_WORDS = 0.35, 0.2, 0.25, 0.1, 0.1
# From here on the best two categories are near enough to be mistaken for each other.
_NARROW = 0.2
# A category with fewer cases to learn from than this is rare.
_FEW_CASES = 30
# This share of words the model never saw is much (day-one model, 1,500 of petitions_l1_dev.csv: median 0.16, 95th percentile 0.30).
_MUCH_UNSEEN = 0.3
# A unit model surer than this contradicts a rule; below, it only guesses.
_SURE_OF_UNIT = 0.5


@dataclass(frozen=True, slots=True)
class Review:
    """`usefulness` 0 to 1; `unseen` the share, 0 to 1, of distinct words of two characters or more that the model does not know."""

    usefulness: float
    doubts: tuple[Doubt, ...]
    unseen: float


def review(
    answer: Triage,
    words: Collection[str],
    known_words: Collection[str],
    cases: Mapping[str, int],
    decided_on_copies: Sequence[str],
    learned_unit: tuple[str, float] | None,
) -> Review:
    """How useful it is to ask about this suggestion.

    `cases` is how many petitions of each level-2 code the model learnt from, `decided_on_copies` the categories people decided on for
    copies of the text, `learned_unit` id and probability of the unit model's own first choice.
    """
    categories = answer.categories
    first = categories[0].probability if categories else 0.0
    margin = first - (categories[1].probability if len(categories) > 1 else 0.0)
    code = categories[0].code if categories else ""
    unseen = unseen_share(words, known_words)
    found: dict[Doubt, float] = {}
    if any(other[:2] != code[:2] for other in decided_on_copies):
        found[Doubt.COPY_DECIDED_OTHERWISE] = _COPY
    if learned_unit and learned_unit[1] >= _SURE_OF_UNIT and learned_unit[0] != answer.units[0].id:
        found[Doubt.UNIT_VIEWS_DIFFER] = _UNIT
    if answer.abstained or margin < _NARROW:
        found[Doubt.UNCERTAIN] = _UNCERTAIN * (1 - margin)
    if code and cases.get(code[:4], 0) < _FEW_CASES:
        found[Doubt.RARE] = _RARE
    if unseen >= _MUCH_UNSEEN:
        found[Doubt.NEW_WORDS] = _NEW_WORDS
    return Review(round(sum(found.values()), 4), tuple(found), round(unseen, 4))


def unseen_share(words: Collection[str], known_words: Collection[str]) -> float:
    """Of the distinct words of two characters or more, names aside, the share that is not known; 0 without any."""
    telling = {word for word in words if len(word) >= 2 and is_word(word) and not could_be_name(word)}
    return sum(word not in known_words for word in telling) / len(telling) if telling else 0.0
