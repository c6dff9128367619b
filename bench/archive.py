"""An invented archive of any size for measuring link search: petitions as entries, without running the whole triage.

Words come from the seed corpus in runs of three to seven, as they stand there, four of five from petitions of one category: frequencies
are Zipf's, and stock phrases come back as in life. The long tail is invented: every petition is of a town (one for 2,000 petitions)
and names one to three of its estates, villages, firms and roads, whose popularity falls as 1/rank; every second petition has a name
that no other has, most have a number. Names are one word each, as if the dictionary knew them. Hence the distinct terms of an archive
grow almost in proportion to it (Heaps' law), which is what an index suffers from.

Planted repeats, each of a petition somewhere in the archive: `phone` (the same text, another phone), `homophone` (its names in other
characters), `reworded` (runs shuffled, a third replaced by others of the category, every tenth word by another one, another sender).
Everything follows from the seed number and the petition's own number: any part can be made again, in any order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

from bench.shared_data import seed_rows
from classifier.features import Document
from classifier.links.terms import LinkEntry, TermWeights, link_entry
from classifier.petition import Petition
from classifier.tokenise import Tokeniser
from classifier.triage import read

KINDS = ("phone", "homophone", "reworded")
_SECRET = b"bench, not a secret"
_PETITIONS_A_TOWN = 2_000
_NAMES_A_TOWN = 150
# Characters names are made of; the second line sounds like the first, place by place.
_SOUNDS = (
    "金华明宏建城园景丽新富东江湖青龙盛泰福嘉"
    "锦桦铭鸿健成圆璟莉欣傅冬姜胡清隆圣太付佳"
)  # fmt: skip
_HALF = len(_SOUNDS) // 2
_SUFFIXES = ("小区", "花园", "村", "公司", "路", "大道", "工业园", "学校")


@dataclass(frozen=True, slots=True)
class Made:
    """One invented petition: its runs of words, from which text, document and entry follow."""

    number: int
    category: int
    runs: tuple[tuple[str, ...], ...]
    phone: str

    @property
    def words(self) -> tuple[str, ...]:
        """With a comma after every run and the line end after the first, which is the title."""
        parts: list[str] = []
        for i, run in enumerate(self.runs):
            parts += [*run, "，" if i else "\n"]
        return tuple(parts)

    @property
    def document(self) -> Document:
        words = self.words
        text = "".join(words)
        return Document(text, text.index("\n"), words)

    def entry(self, weights: TermWeights, petition_id: str | None = None) -> LinkEntry:
        """As triage makes it, its category taken for granted."""
        keys = frozenset({("phone", self.phone)}) if self.phone else frozenset()
        categories = [(str(self.category), 1.0)]
        return link_entry(petition_id or str(self.number), self.document, keys, weights, categories)


class Archive:
    """Petitions by number. The same `seed` and corpus give the same petitions."""

    def __init__(self, tokeniser: Tokeniser, seed: int = 1) -> None:
        self._seed = seed
        streams: dict[str, list[str]] = defaultdict(list)
        for row in seed_rows():
            petition = Petition(row["id"], row["title"], row["text"])
            words = read(petition, tokeniser, _SECRET).document.words
            streams[row["category"]] += [
                word for word in words if word.strip() and word not in "，。！？；：、"
            ]
        self._streams = [streams[code] for code in sorted(streams) if len(streams[code]) > 100]
        self._all = [word for stream in self._streams for word in stream]

    def petition(self, number: int) -> Made:
        draw = np.random.default_rng((self._seed, number))
        category = int(draw.zipf(1.3)) % len(self._streams)
        runs = [self._run(draw, category) for _ in range(int(draw.integers(10, 26)))]
        for name in self._names(draw, number):
            runs.insert(int(draw.integers(0, len(runs) + 1)), (name, *self._run(draw, category)[:2]))
        phone = _digest(f"phone{number // 2}") if draw.random() < 0.7 else ""
        return Made(number, category, tuple(runs), phone)

    def repeat(self, original: Made, kind: str, number: int) -> Made:
        """A later petition on the same matter, with `number` as its own."""
        draw = np.random.default_rng((self._seed, number, KINDS.index(kind)))
        phone = _digest(f"other{number}")
        runs = list(original.runs)
        if kind == "homophone":
            runs = [tuple(_homophone(word) for word in run) for run in runs]
        elif kind == "reworded":
            runs = [
                run if draw.random() > 1 / 3 or _is_name(run[0]) else self._run(draw, original.category)
                for run in runs
            ]
            runs = [
                tuple(
                    word if _is_name(word) or draw.random() > 0.1 else self._word(draw, original.category)
                    for word in run
                )
                for run in runs
            ]
            runs = [runs[at] for at in draw.permutation(len(runs)).tolist()]
        return Made(number, original.category, tuple(map(tuple, runs)), phone)

    def _run(self, draw: np.random.Generator, category: int) -> tuple[str, ...]:
        stream = self._streams[category] if draw.random() < 0.8 else self._all
        start, length = int(draw.integers(0, len(stream) - 8)), int(draw.integers(3, 8))
        return tuple(stream[start : start + length])

    def _word(self, draw: np.random.Generator, category: int) -> str:
        stream = self._streams[category]
        return stream[int(draw.integers(0, len(stream)))]

    def _names(self, draw: np.random.Generator, number: int) -> list[str]:
        # Towns come in with the petitions, so the names of an archive grow with it.
        town = int(draw.integers(0, number // _PETITIONS_A_TOWN + 5))
        ranks = np.minimum(draw.zipf(1.4, size=int(draw.integers(1, 4))), _NAMES_A_TOWN)
        names = [_name(f"{town}:{rank}") for rank in ranks.tolist()] + [_name(f"town{town}")]
        if draw.random() < 0.5:
            names.append(_name(f"own{number}"))
        if draw.random() < 0.8:
            names.append(str(int(draw.integers(100, 10_000))))
        return names


def _name(what: str) -> str:
    digest = blake2b(what.encode(), digest_size=8).digest()
    return "".join(_SOUNDS[byte % _HALF] for byte in digest[:4]) + _SUFFIXES[digest[5] % len(_SUFFIXES)]


def _is_name(word: str) -> bool:
    return word.isdigit() or (len(word) >= 5 and all(letter in _SOUNDS for letter in word[:4]))


def _homophone(word: str) -> str:
    """An invented name in other characters of the same sound; any other word as it is."""
    if not _is_name(word) or word.isdigit():
        return word
    swapped = [_SOUNDS[(_SOUNDS.index(letter) + _HALF) % len(_SOUNDS)] for letter in word[:4]]
    return "".join(swapped) + word[4:]


def _digest(what: str) -> str:
    return blake2b(what.encode(), digest_size=16).hexdigest()


def planted(archive: Archive, size: int, count: int) -> list[tuple[Made, str, Made]]:
    """`count` repeats of each kind as (original, kind, repeat), the originals spread over an archive of `size`."""
    found: list[tuple[Made, str, Made]] = []
    places: Sequence[int] = np.linspace(1, size, len(KINDS) * count, dtype=np.int64).tolist()
    for i, place in enumerate(places):
        kind = KINDS[i % len(KINDS)]
        original = archive.petition(place)
        found.append((original, kind, archive.repeat(original, kind, 10**9 + i)))
    return found
