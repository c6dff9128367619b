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
# The dictionary's parts of speech that name no thing, deed or quality: adverb, time, direction, number, measure, pronoun, preposition,
# conjunction, particle, interjection, affix.
_GRAMMAR = frozenset("dtfmqrpcuyeohk")


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

    def is_grammar(self, word: str) -> bool:
        """Whether a word only serves others (一直, 往回). One that is not in the dictionary counts by its characters: 我刚 is one."""
        parts = [word] if self._jieba.has_word(word) else list(word)
        tags = [tag for part in parts for _, tag in self._jieba.tag(part, False)]
        return all(tag[0] in _GRAMMAR and tag != "eng" for tag in tags)

    def cut_many(self, texts: Sequence[str]) -> list[list[str]]:
        return [self._jieba.cut(text) for text in texts]
