"""Words. The only place that imports the segmenter.

Train and serve must cut alike, so the segmenter's name and version and the user dictionary are part of the bundle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version

import rjieba

SEGMENTER = "rjieba"

# A word added to the dictionary gets this frequency: enough to win over its parts, as the dictionary's own
# four-character words have (cut alone, all 9,116 terms of the shipped lexicon come out whole).
_TERM_FREQUENCY = 2_000


def segmenter_version() -> str:
    return version(SEGMENTER)


class Tokeniser:
    """Cuts normalised, redacted text into words with a fixed user dictionary. Safe to share between threads."""

    def __init__(self, dictionary: Iterable[str] = ()) -> None:
        self.dictionary = tuple(dict.fromkeys(dictionary))
        self._jieba = rjieba.Jieba()
        for term in self.dictionary:
            self._jieba.add_word(term, _TERM_FREQUENCY, "n")

    def cut(self, text: str) -> list[str]:
        """The words of `text`, in order; joined they are `text` again."""
        return self._jieba.cut(text)

    def cut_many(self, texts: Sequence[str]) -> list[list[str]]:
        return [self._jieba.cut(text) for text in texts]
