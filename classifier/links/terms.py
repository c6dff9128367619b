"""A petition as link search sees it: hashed terms with counts, its rarest terms, its shingles."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from classifier.features import Document, blank_marks, distinct, is_word
from classifier.identity import Keys
from classifier.links.facts import facts_of

Hashes = npt.NDArray[np.int64]

#: How many of a petition's rarest words get a posting, beside its names and its sketch.
RAREST = 32
_MOST_NAMES, _SKETCH = 12, 4
# Years and numbers of houses stand in too many petitions to find one by.
_NOT_POSTED = frozenset({"年份", "栋号", "期组"})
# Words of this background rarity and more are compared one by one, so many of them.
_RARE, _MOST_RARE, _IN_TITLE = 6.0, 10, 1.5
_PACKED_FIRST, _PACKED = b"\1", b"\2"
_NUMBER = re.compile(r"\d{3,}")
#: Characters of a shingle.
SHINGLE = 6
_PUNCTUATION = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """One petition in a history. `hashes` are sorted and unique, `counts` stand beside them; `keys` are (type, keyed hash).

    `text` is redacted, its first `title_length` characters are the title. `rare` are its rarest words with their weights, `facts` what it
    names by kind, `categories` its likeliest level-2 codes with their probabilities.
    """

    id: str
    text: str = field(repr=False)
    hashes: Hashes = field(repr=False)
    counts: npt.NDArray[np.int32] = field(repr=False)
    keys: Keys = field(default=frozenset(), repr=False)
    title_length: int = 0
    rare: tuple[tuple[str, float], ...] = field(default=(), repr=False)
    facts: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    categories: tuple[tuple[str, float], ...] = ()
    received: date | None = None


@lru_cache(maxsize=200_000)
def term_hash(term: str) -> int:
    """A stable signed 64-bit hash: fits a BIGINT and is the same in every process."""
    return int.from_bytes(
        blake2b(term.encode("utf-8", "replace"), digest_size=8).digest(), "big", signed=True
    )


def link_terms(document: Document) -> Counter[str]:
    """Words of two characters and more, and numbers of three digits and more (bus lines, house numbers, years)."""
    counts = Counter(document.words)
    return Counter(
        {
            word: n
            for word, n in counts.items()
            if (len(word) >= 2 and is_word(word)) or _NUMBER.fullmatch(word)
        }
    )


def link_entry(
    petition_id: str,
    document: Document,
    keys: Keys,
    weights: TermWeights,
    categories: Sequence[tuple[str, float]] = (),
    received: date | None = None,
) -> LinkEntry:
    terms = link_terms(document)
    hashes = np.array([term_hash(term) for term in terms], dtype=np.int64)
    order = np.argsort(hashes)
    counts = np.array(list(terms.values()), dtype=np.int32)
    return LinkEntry(
        petition_id,
        document.text,
        hashes[order],
        counts[order],
        keys,
        document.title_length,
        _rare(document, terms, weights),
        facts_of(document, weights.by_word),
        tuple((code, round(p, 3)) for code, p in categories),
        received,
    )


def _rare(document: Document, terms: Counter[str], weights: TermWeights) -> tuple[tuple[str, float], ...]:
    """The rarest words, heaviest first: rarity, more for a word said again, half as much again for one in the title."""
    title = document.text[: document.title_length]
    weighed = (
        (-weights.rarity(word) * (1 + math.log(n)) * (_IN_TITLE if word in title else 1.0), word)
        for word, n in terms.items()
        if weights.rarity(word) >= _RARE
    )
    return tuple((word, round(-weight, 2)) for weight, word in sorted(weighed)[:_MOST_RARE])


def posted_terms(entry: LinkEntry, weights: TermWeights) -> list[int]:
    """The hashes under which a petition is filed and looked up, rarest first by the background.

    Its rarest words, what it names (whole names find one another where the segmenter cut them apart), and the smallest of its shingles'
    hashes, which copies share (bottom-k sketch, Broder 1997).
    """
    names = [
        term_hash(f"{kind}:{name}")
        for kind, found in entry.facts.items()
        for name in found
        if kind not in _NOT_POSTED
    ]
    sketch = distinct(shingles(entry.text)[0])[:_SKETCH].tolist()
    return list(dict.fromkeys([*sketch, *names[:_MOST_NAMES], *weights.rarest(entry)]))


def pack(entry: LinkEntry) -> bytes:
    """What a store keeps of an entry beside its id, text and keys: a version, hashes (int64) and counts (int32), little-endian, and the rest as JSON."""
    rest = {
        "title": entry.title_length,
        "rare": entry.rare,
        "facts": entry.facts,
        "categories": entry.categories,
        "received": entry.received.isoformat() if entry.received else None,
    }
    return b"".join(
        (
            _PACKED,
            len(entry.hashes).to_bytes(4, "little"),
            entry.hashes.astype("<i8").tobytes(),
            entry.counts.astype("<i4").tobytes(),
            json.dumps(rest, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"),
        )
    )


def unpack(petition_id: str, text: str, keys: Keys, packed: bytes, terms_only: bool = False) -> LinkEntry:
    """The entry again; what was packed before version 2 has no more than hashes and counts until `fenban relink`.

    `terms_only` leaves out what cosines do not need: hundreds are ranked by them for each that is scored.

    Raises ValueError when it was packed by a later version.
    """
    if packed[:1] not in (_PACKED_FIRST, _PACKED):
        raise ValueError("packed by another version")
    size = int.from_bytes(packed[1:5], "little")
    hashes = np.frombuffer(packed, "<i8", size, 5).astype(np.int64)
    counts = np.frombuffer(packed, "<i4", size, 5 + 8 * size).astype(np.int32)
    if terms_only or packed[:1] == _PACKED_FIRST:
        return LinkEntry(petition_id, text, hashes, counts, keys)
    rest = json.loads(packed[5 + 12 * size :])
    return LinkEntry(
        petition_id,
        text,
        hashes,
        counts,
        keys,
        rest["title"],
        tuple((word, weight) for word, weight in rest["rare"]),
        {kind: tuple(names) for kind, names in rest["facts"].items()},
        tuple((code, p) for code, p in rest["categories"]),
        date.fromisoformat(rest["received"]) if rest["received"] else None,
    )


class TermWeights:
    """Background rarity of terms: idf by hash, learnt from the training corpus; unknown terms count as the rarest."""

    def __init__(
        self,
        vocabulary: Sequence[str],
        idf: npt.NDArray[np.float32],
        gram_idf: npt.NDArray[np.float32] | None = None,
    ) -> None:
        """`idf` belongs to the words of `vocabulary` (more of it is not looked at); `gram_idf` to the buckets of character 2-grams."""
        self.by_word = dict(zip(vocabulary, idf[: len(vocabulary)].tolist(), strict=True))
        self._gram_idf = gram_idf
        hashes = np.array([term_hash(word) for word in vocabulary], dtype=np.int64)
        order = np.argsort(hashes)
        self._hashes = hashes[order]
        self._idf = idf[: len(vocabulary)][order]
        self._unknown = np.float32(idf.max() + 0.5 if len(idf) else 1.0)

    def idf(self, hashes: Hashes) -> npt.NDArray[np.float32]:
        if not len(self._hashes):
            return np.full(len(hashes), self._unknown, dtype=np.float32)
        at = np.minimum(np.searchsorted(self._hashes, hashes), len(self._hashes) - 1)
        found: npt.NDArray[np.float32] = np.where(self._hashes[at] == hashes, self._idf[at], self._unknown)
        return found

    def rarity(self, word: str) -> float:
        found: float = self.by_word.get(word, float(self._unknown))
        return found

    def gram_idf(self, buckets: Hashes) -> npt.NDArray[np.float32]:
        """The rarity of character 2-grams by bucket; all alike where the background has none."""
        if self._gram_idf is None:
            return np.ones(len(buckets), dtype=np.float32)
        found: npt.NDArray[np.float32] = self._gram_idf[buckets]
        return found

    def cosines(self, entry: LinkEntry, others: Sequence[LinkEntry]) -> npt.NDArray[np.float64]:
        """Cosine of the entry's TF-IDF vector, (1 + ln tf) · idf, with each other's; 0 to 1. Shape (len(others),)."""
        together = (entry, *others)
        sizes = np.array([len(item.hashes) for item in together])
        hashes = np.concatenate([item.hashes for item in together])
        counts = np.concatenate([item.counts for item in together])
        values = (1 + np.log(np.maximum(counts, 1))) * self.idf(hashes)
        owner = np.repeat(np.arange(len(together)), sizes)
        norms = np.sqrt(np.bincount(owner, weights=values * values, minlength=len(together)))
        if not sizes[0]:
            return np.zeros(len(others))
        at = np.minimum(np.searchsorted(entry.hashes, hashes), sizes[0] - 1)
        shared = np.where(entry.hashes[at] == hashes, values * values[: sizes[0]][at], 0.0)
        dots = np.bincount(owner, weights=shared, minlength=len(together))
        # Rounded so that a pair scores alike in either order, whatever the order of the sums.
        cosines: npt.NDArray[np.float64] = np.round(dots[1:] / np.maximum(norms[1:] * norms[0], 1e-12), 9)
        return cosines

    def rarest(self, entry: LinkEntry, most: int = RAREST) -> list[int]:
        """The entry's rarest terms, rarest first; among equals the more frequent in the petition, then by hash."""
        idf = self.idf(entry.hashes)
        order = np.lexsort((entry.hashes, -entry.counts, -idf))[:most]
        return [int(value) for value in entry.hashes[order]]


def shingles(text: str, size: int = SHINGLE) -> tuple[Hashes, npt.NDArray[np.int64], str]:
    """Rolling hashes of every run of `size` letters, digits or ideographs, their positions, and the text they refer to.

    Punctuation, blanks and redaction marks are left out first, so a copy with other commas is still a copy.
    """
    plain = _PUNCTUATION.sub("", blank_marks(text)).lower()
    code = np.frombuffer(plain.encode("utf-32-le", "replace"), dtype=np.uint32).astype(np.uint64)
    count = len(code) - size + 1
    if count <= 0:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, plain
    hashed = np.zeros(count, dtype=np.uint64)
    for offset in range(size):
        hashed = (hashed ^ code[offset : offset + count]) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    return hashed.view(np.int64), np.arange(count, dtype=np.int64), plain


def resemblance(a: Hashes, b: Hashes) -> float:
    """Dice coefficient of two sets of shingles (each once), 0 to 1, symmetric."""
    if not len(a) or not len(b):
        return 0.0
    return float(2 * len(np.intersect1d(a, b, assume_unique=True)) / (len(a) + len(b)))
