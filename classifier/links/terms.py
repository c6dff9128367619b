"""A petition as link search sees it: hashed terms with counts, its rarest terms, its shingles."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from classifier.features import Document, blank_marks, is_word

Hashes = npt.NDArray[np.int64]

#: How many of a petition's rarest terms get a posting. Each costs a row; the number was set by hand.
RAREST = 24
_NUMBER = re.compile(r"\d{3,}")
_SHINGLE = 6
_PUNCTUATION = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """One petition in a history. `hashes` are sorted and unique, `counts` stand beside them; `keys` map type to keyed hash."""

    id: str
    text: str = field(repr=False)
    hashes: Hashes = field(repr=False)
    counts: npt.NDArray[np.int32] = field(repr=False)
    keys: Mapping[str, str] = field(default_factory=dict, repr=False)


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


def link_entry(petition_id: str, document: Document, keys: Mapping[str, str]) -> LinkEntry:
    terms = link_terms(document)
    hashes = np.array([term_hash(term) for term in terms], dtype=np.int64)
    order = np.argsort(hashes)
    counts = np.array(list(terms.values()), dtype=np.int32)
    return LinkEntry(petition_id, document.text, hashes[order], counts[order], dict(keys))


def posted_terms(entry: LinkEntry, weights: TermWeights) -> list[int]:
    """The hashes under which a petition is filed and looked up, rarest first by the background."""
    return weights.rarest(entry)


def pack(entry: LinkEntry) -> bytes:
    """What a store keeps of an entry beside its id, text and keys: a version, then hashes (int64) and counts (int32), little-endian."""
    return (
        b"\1"
        + len(entry.hashes).to_bytes(4, "little")
        + entry.hashes.astype("<i8").tobytes()
        + entry.counts.astype("<i4").tobytes()
    )


def unpack(petition_id: str, text: str, keys: Mapping[str, str], packed: bytes) -> LinkEntry:
    """The entry again. Raises ValueError when it was packed by another version."""
    if packed[:1] != b"\1":
        raise ValueError("packed by another version")
    size = int.from_bytes(packed[1:5], "little")
    hashes = np.frombuffer(packed, "<i8", size, 5).astype(np.int64)
    counts = np.frombuffer(packed, "<i4", size, 5 + 8 * size).astype(np.int32)
    return LinkEntry(petition_id, text, hashes, counts, keys)


class TermWeights:
    """Background rarity of terms: idf by hash, learnt from the training corpus; unknown terms count as the rarest."""

    def __init__(self, vocabulary: Sequence[str], idf: npt.NDArray[np.float32]) -> None:
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


def shingles(text: str, size: int = _SHINGLE) -> tuple[Hashes, npt.NDArray[np.int64], str]:
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


def shared_passages(a: str, b: str, most: int = 3, shortest: int = 8) -> tuple[str, ...]:
    """The longest runs of characters that both texts have, punctuation aside, longest first."""
    hashes, _, plain = shingles(a)
    common = np.isin(hashes, shingles(b)[0])
    edges = np.flatnonzero(np.diff(np.concatenate([[False], common, [False]]).astype(np.int8))).reshape(-1, 2)
    runs = [plain[start : end + _SHINGLE - 1] for start, end in edges.tolist()]
    return tuple(
        dict.fromkeys(sorted((run for run in runs if len(run) >= shortest), key=lambda run: (-len(run), run)))
    )[:most]
