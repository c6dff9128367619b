"""A petition as link search sees it: hashed terms with counts, its rarest terms, its shingles."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from classifier.features import Document, blank_marks, distinct, is_word
from classifier.identity import Keys
from classifier.links.facts import facts_of

Hashes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: How many of a petition's rarest words get a posting, beside its names and its sketch.
RAREST = 32
_MOST_NAMES, _SKETCH = 12, 4
# Years and numbers of houses stand in too many petitions to find one by.
_NOT_POSTED = frozenset({"年份", "栋号", "期组"})
# Words of this background rarity and more are compared one by one, so many of them.
_RARE, _MOST_RARE, _IN_TITLE = 6.0, 10, 1.5
# Versions of the packed form: terms alone; with the rest as JSON; with the vector's length before the terms.
_PACKED_FIRST, _PACKED_SECOND, _PACKED = b"\1", b"\2", b"\3"
_HEAD, _HEAD_WITH_NORM = 5, 9
_NUMBER = re.compile(r"\d{3,}")
#: So many of the rarest terms that two petitions share are summed.
RAREST_SHARED = 3
#: Characters of a shingle.
SHINGLE = 6
_PUNCTUATION = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class LinkEntry:
    """One petition in a history. `hashes` are sorted and unique, `counts` stand beside them; `keys` are (type, keyed hash).

    `text` is redacted, its first `title_length` characters are the title. `rare` are its rarest words with their weights, `facts` what it
    names by kind, `categories` its likeliest level-2 codes with their probabilities. `norm` is the length of its TF-IDF vector (float32)
    under the weights it was made with, 0 where that is not known.
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
    norm: float = 0.0


@dataclass(frozen=True, slots=True)
class Views:
    """The terms of many petitions for array work: petition i has the next `sizes[i]` of `hashes` and `counts`, and `norms[i]` (see LinkEntry)."""

    seqs: Hashes
    ids: Sequence[str]
    sizes: Hashes
    hashes: Hashes = field(repr=False)
    counts: npt.NDArray[np.int32] = field(repr=False)
    norms: npt.NDArray[np.float32] = field(repr=False)

    def with_more(self, more: Views) -> Views:
        """These and then the others."""
        return Views(
            np.concatenate([self.seqs, more.seqs]),
            [*self.ids, *more.ids],
            np.concatenate([self.sizes, more.sizes]),
            np.concatenate([self.hashes, more.hashes]),
            np.concatenate([self.counts, more.counts]),
            np.concatenate([self.norms, more.norms]),
        )


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
    hashes, counts = hashes[order], np.array(list(terms.values()), dtype=np.int32)[order]
    return LinkEntry(
        petition_id,
        document.text,
        hashes,
        counts,
        keys,
        document.title_length,
        _rare(document, terms, weights),
        facts_of(document, weights.by_word),
        tuple((code, round(p, 3)) for code, p in categories),
        received,
        float(np.linalg.norm(weights.tfidf(hashes, counts))),
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
    """What a store keeps of an entry beside its id, text and keys, little-endian: a version, the number of terms (uint32), the norm
    (float32), hashes (int64), counts (int32), and the rest as JSON."""
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
            np.array([entry.norm], dtype="<f4").tobytes(),
            entry.hashes.astype("<i8").tobytes(),
            entry.counts.astype("<i4").tobytes(),
            json.dumps(rest, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"),
        )
    )


def unpack(petition_id: str, text: str, keys: Keys, packed: bytes) -> LinkEntry:
    """The entry again; what was packed by the first version has no more than hashes and counts until `fenban relink`.

    Raises ValueError when it was packed by a later version.
    """
    size, head, norm = _head(packed)
    hashes = np.frombuffer(packed, "<i8", size, head).astype(np.int64)
    counts = np.frombuffer(packed, "<i4", size, head + 8 * size).astype(np.int32)
    if packed[:1] == _PACKED_FIRST:
        return LinkEntry(petition_id, text, hashes, counts, keys)
    rest = json.loads(packed[head + 12 * size :])
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
        norm,
    )


def _head(packed: bytes) -> tuple[int, int, float]:
    """How many terms there are, where they begin, and the norm. Raises ValueError for a later version."""
    size = int.from_bytes(packed[1:_HEAD], "little")
    if packed[:1] == _PACKED:
        return size, _HEAD_WITH_NORM, float(np.frombuffer(packed, "<f4", 1, _HEAD)[0])
    if packed[:1] in (_PACKED_FIRST, _PACKED_SECOND):
        return size, _HEAD, 0.0
    raise ValueError("packed by another version")


def unpack_views(rows: Iterable[tuple[int, str, bytes]]) -> Views:
    """The terms of (sequence number, id, packed entry), without the rest: hundreds are ranked by them for each that is scored.

    One that a later version packed is left out.
    """
    seqs, ids, sizes, norms, hashes, counts = [], [], [], [], [], []
    for seq, petition_id, packed in rows:
        try:
            size, head, norm = _head(packed)
        except ValueError:
            continue
        seqs.append(seq)
        ids.append(petition_id)
        sizes.append(size)
        norms.append(norm)
        hashes.append(packed[head : head + 8 * size])
        counts.append(packed[head + 8 * size : head + 12 * size])
    return Views(
        np.array(seqs, dtype=np.int64),
        ids,
        np.array(sizes, dtype=np.int64),
        np.frombuffer(b"".join(hashes), "<i8").astype(np.int64),
        np.frombuffer(b"".join(counts), "<i4").astype(np.int32),
        np.array(norms, dtype=np.float32),
    )


def views_of(entries: Mapping[int, LinkEntry], with_norms: bool = True) -> Views:
    """The same of entries by sequence number; without their norms these are worked out anew."""
    found = list(entries.values())
    return Views(
        np.array(list(entries), dtype=np.int64),
        [entry.id for entry in found],
        np.array([len(entry.hashes) for entry in found], dtype=np.int64),
        np.concatenate([np.zeros(0, np.int64), *(entry.hashes for entry in found)]),
        np.concatenate([np.zeros(0, np.int32), *(entry.counts for entry in found)]),
        np.array([entry.norm if with_norms else 0.0 for entry in found], dtype=np.float32),
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

    def tfidf(self, hashes: Hashes, counts: npt.NDArray[np.int32]) -> npt.NDArray[np.float64]:
        """(1 + ln tf) · idf of each term."""
        values: npt.NDArray[np.float64] = (1 + np.log(np.maximum(counts, 1))) * self.idf(hashes)
        return values

    def likeness(self, entry: LinkEntry, others: Views) -> tuple[Floats, Floats]:
        """Cosine of the entry's TF-IDF vector with each other's, 0 to 1, and the summed idf of the three rarest terms they share.

        Shape (len(others.ids),) both. Norms that `others` brings are taken as they are.
        """
        height = len(others.ids)
        if not len(entry.hashes) or not height:
            return np.zeros(height), np.zeros(height)
        idf = self.idf(entry.hashes)
        own = (1 + np.log(np.maximum(entry.counts, 1))) * idf
        owner = np.repeat(np.arange(height), others.sizes)
        at = np.minimum(np.searchsorted(entry.hashes, others.hashes), len(entry.hashes) - 1)
        shared = np.flatnonzero(entry.hashes[at] == others.hashes)
        mine, theirs = at[shared], owner[shared]
        values = (1 + np.log(np.maximum(others.counts[shared], 1))) * idf[mine]
        dots = np.bincount(theirs, weights=values * own[mine], minlength=height)
        # Rounded so that a pair scores alike in either order, whatever the order of the sums.
        cosines: Floats = np.round(
            dots / np.maximum(self._norms(others, owner) * np.linalg.norm(own), 1e-12), 9
        )
        order = np.lexsort((-idf[mine], theirs))
        theirs = theirs[order]
        rank = np.arange(len(theirs)) - np.searchsorted(theirs, theirs)
        rarest = np.bincount(
            theirs, weights=np.where(rank < RAREST_SHARED, idf[mine][order], 0), minlength=height
        )
        return np.minimum(cosines, 1.0), rarest.astype(np.float64)

    def _norms(self, views: Views, owner: Hashes) -> Floats:
        norms = views.norms.astype(np.float64)
        if ((norms > 0) | (views.sizes == 0)).all():
            return norms
        values = self.tfidf(views.hashes, views.counts)
        anew = np.sqrt(np.bincount(owner, weights=values * values, minlength=len(norms)))
        return np.where(norms > 0, norms, anew)

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
