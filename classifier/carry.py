"""Evidence of a stored suggestion, carried over into the stored text.

A suggestion's spans point into the petition as given, and that is sealed; what is kept in clear is its normalised, redacted text. Nobody
need open the original to see the evidence: each span brings its own words, in the spelling of the stored text, and the redactions tell
where the two texts run in step.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from classifier.redact import MARK

#: Characters `start:end` of the text as given, and what they read in the stored text.
GivenSpan = tuple[int, int, str]
#: Type, and characters `start:end` of the text as given that a mark took the place of.
GivenRedaction = tuple[str, int, int]


def carry_over(
    spans: Sequence[GivenSpan], stored: str, redactions: Sequence[GivenRedaction]
) -> tuple[tuple[int, int] | None, ...]:
    """For each span its `start, end` in `stored` (title + "\\n" + text), None for one whose words are not there.

    Words that stand there once are in that place. Of several places the one nearest to where the span is expected counts: between two
    known places (marks, words that stand there once) the texts are taken to run in proportion, after the last one in step.
    """
    found = [_places(stored, text) for _, _, text in spans]
    sure = [
        (start, places[0]) for (start, _, _), places in zip(spans, found, strict=True) if len(places) == 1
    ]
    anchors = _rising([(0, 0), *_of_marks(stored, redactions), *sure])
    return tuple(
        _nearest(places, _expected(anchors, start), len(text))
        for (start, _, text), places in zip(spans, found, strict=True)
    )


def _places(stored: str, words: str) -> list[int]:
    places: list[int] = []
    at = stored.find(words) if words else -1
    while at >= 0:
        places.append(at)
        at = stored.find(words, at + 1)
    return places


def _nearest(places: Sequence[int], expected: float, length: int) -> tuple[int, int] | None:
    if not places:
        return None
    at = min(places, key=lambda place: abs(place - expected))
    return at, at + length


def _of_marks(stored: str, redactions: Sequence[GivenRedaction]) -> list[tuple[int, int]]:
    """The ends of each redaction and of its mark, when the two lists agree: a text may hold what looks like a mark itself."""
    marks = list(MARK.finditer(stored))
    if [mark.group()[1:-1] for mark in marks] != [kind for kind, _, _ in redactions]:
        return []
    pairs = zip(redactions, marks, strict=True)
    return [ends for (_, start, end), m in pairs for ends in ((start, m.start()), (end, m.end()))]


def _rising(anchors: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Anchors in order; one that would lead backwards is left out."""
    kept: list[tuple[int, int]] = []
    for given, place in sorted(anchors):
        if not kept or (given > kept[-1][0] and place >= kept[-1][1]):
            kept.append((given, place))
    return kept


def _expected(anchors: Sequence[tuple[int, int]], given: int) -> float:
    after = bisect_right(anchors, (given, len(anchors) and anchors[-1][1]))
    before = max(after - 1, 0)
    from_given, from_place = anchors[before]
    if after >= len(anchors):
        return from_place + given - from_given
    to_given, to_place = anchors[after]
    return from_place + (given - from_given) * (to_place - from_place) / (to_given - from_given)
