"""What link search asks of whoever keeps earlier petitions, the search itself, and a keeper in memory.

A term's posting holds its latest petitions. Candidates are those with the greatest summed rarity of shared terms; the best of them by
cosine are scored. Files and databases differ only in where postings and entries lie: both go through `search`.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from classifier.features import blank_marks
from classifier.links.terms import LinkEntry, TermWeights, Views, posted_terms, views_of

#: A posting names at most this many of its latest petitions.
POSTING_CAP = 100
#: A term that more petitions had than this finds nobody any more: only its rarity is kept.
COMMON = 1_000
#: So many petitions the index may name for one; their packed views are compared, their texts are not read.
CANDIDATE_CAP = 200
#: So many of them are scored, texts and all, at intake; a run over a whole file can afford more.
SHORTLIST = 24
FILE_SHORTLIST = 60
#: Of the petitions that share an identity key the latest so many are compared, and the best so many scored beside the shortlist.
KEY_CAP = 50
KEY_SHORTLIST = 8
# How many petitions the background counts for beside those of the archive, where rarity is concerned.
_BACKGROUND = 1_000
_SEQ_BYTES = 4
_PUNCTUATION = re.compile(r"[\W_]+")

Seqs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class History(Protocol):
    """Earlier petitions. Finding candidates is its job, scoring them is not."""

    def candidates(self, entry: LinkEntry, weights: TermWeights) -> list[LinkEntry]:
        """Earlier petitions that share a term or an identity key with `entry`, likeliest first, capped; never the entry itself."""
        ...


class Posting(NamedTuple):
    """How many petitions had a term so far, and the latest of them: little-endian uint32 sequence numbers, None for a common term."""

    df: int = 0
    seqs: bytes | None = b""


class Archive(Protocol):
    """Where postings and entries lie. Petitions are known by running numbers from 1 on."""

    def stored(self) -> int:
        """How many petitions there are."""
        ...

    def postings(self, terms: Sequence[int]) -> Mapping[int, Posting]:
        """Those of the terms that any petition had."""
        ...

    def same_key(self, entry: LinkEntry) -> Sequence[int]:
        """The latest `KEY_CAP` petitions that share an identity key."""
        ...

    def views(self, seqs: Sequence[int]) -> Views:
        """The terms of these petitions, in any order."""
        ...

    def entries(self, seqs: Sequence[int]) -> Mapping[int, LinkEntry]:
        """These petitions, whole."""
        ...


def exact_key(text: str) -> int | None:
    """A hash of the text without punctuation, blanks, case and redaction marks: copies agree in it. None when nothing is left."""
    plain = _PUNCTUATION.sub("", blank_marks(text)).lower()
    if not plain:
        return None
    # Keyed by a name, so that a text of one word is not taken for that word.
    digest = blake2b(plain.encode("utf-8", "replace"), digest_size=8, person=b"exact")
    return int.from_bytes(digest.digest(), "big", signed=True)


def filed_under(entry: LinkEntry, weights: TermWeights) -> tuple[list[int], int | None]:
    """The terms a petition is filed and looked up under, each once, and its exact key."""
    return list(dict.fromkeys(posted_terms(entry, weights))), exact_key(entry.text)


def search(
    archive: Archive, entry: LinkEntry, weights: TermWeights, shortlist: int = SHORTLIST
) -> list[LinkEntry]:
    """The likeliest `shortlist` of an archive, and up to `KEY_SHORTLIST` others that share an identity key."""
    seqs, index_weight = _named_by_index(archive, entry, weights)
    by_key = np.array(archive.same_key(entry), dtype=np.int64)
    extra = by_key[~np.isin(by_key, seqs)]
    seqs, index_weight = np.concatenate([seqs, extra]), np.concatenate([index_weight, np.zeros(len(extra))])
    views = archive.views(seqs.tolist())
    order = np.argsort(seqs)
    weight = index_weight[order][np.searchsorted(seqs[order], views.seqs)]
    cosines, _ = weights.likeness(entry, views)
    ranked = views.seqs[np.lexsort((-views.seqs, -np.round(cosines + weight, 9)))]
    itself = [seq for seq, known in zip(views.seqs.tolist(), views.ids, strict=True) if known == entry.id]
    ranked = ranked[~np.isin(ranked, itself)]
    kept = ranked[:shortlist].tolist()
    kept += ranked[shortlist:][np.isin(ranked[shortlist:], by_key)][:KEY_SHORTLIST].tolist()
    entries = archive.entries(kept)
    return [entries[seq] for seq in kept if seq in entries]


def _named_by_index(archive: Archive, entry: LinkEntry, weights: TermWeights) -> tuple[Seqs, Floats]:
    """The `CANDIDATE_CAP` petitions with the greatest summed rarity of shared terms, and that sum as a share of the entry's own."""
    terms, exact = filed_under(entry, weights)
    found = archive.postings([*terms, exact] if exact is not None else terms)
    df = np.array([found[term].df if term in found else 0 for term in terms], dtype=np.int64)
    rarity = archive_rarity(df, weights.idf(np.array(terms, dtype=np.int64)), archive.stored())
    own = float(rarity.sum()) or 1.0
    # A copy shares everything there is to share, however common its terms have become.
    shares = {term: value / own for term, value in zip(terms, rarity.tolist(), strict=True)}
    if exact is not None:
        shares[exact] = 1.0
    named = [(found[term].seqs or b"", share) for term, share in shares.items() if term in found]
    seqs = np.frombuffer(b"".join(seqs for seqs, _ in named), dtype="<u4").astype(np.int64)
    sizes = [len(seqs) // _SEQ_BYTES for seqs, _ in named]
    weight = np.repeat(np.array([share for _, share in named], dtype=np.float64), sizes)
    distinct, at = np.unique(seqs, return_inverse=True)
    summed: Floats = np.bincount(at, weights=weight, minlength=len(distinct)).astype(np.float64)
    best = np.lexsort((-distinct, -np.round(summed, 9)))[:CANDIDATE_CAP]
    return distinct[best], summed[best]


def archive_rarity(df: Seqs, idf: npt.NDArray[np.float32], stored: int) -> Floats:
    """How rare terms are, ln((N + B) / (df + B · p)): the archive's own counts, with the background as `B` petitions more.

    `p`, the share of background texts with a term, is what its idf of 1 − ln p says. An empty archive thus believes the background, a
    large one its own counts.
    """
    background = _BACKGROUND * np.exp(1 - np.maximum(idf.astype(np.float64), 1))
    rarity: Floats = np.maximum(np.log((stored + _BACKGROUND) / (df + background)), 0.0)
    return rarity


class PostingLists:
    """Postings by term, as they change while petitions are filed one after the other."""

    def __init__(self) -> None:
        self.by_term: dict[int, Posting] = {}

    def file(self, seq: int, terms: Sequence[int], exact: int | None) -> None:
        """Add petition `seq`, later than all before it, under its terms (each once) and its exact key."""
        number = seq.to_bytes(_SEQ_BYTES, "little")
        for term in terms:
            df, seqs = self.by_term.get(term, Posting())
            still_rare = seqs is not None and df < COMMON
            self.by_term[term] = Posting(df + 1, _latest(seqs, number) if still_rare else None)
        if exact is not None:
            # A letter that thousands send is still found by those who send it next.
            df, seqs = self.by_term.get(exact, Posting())
            self.by_term[exact] = Posting(df + 1, _latest(seqs, number))


def _latest(seqs: bytes | None, number: bytes) -> bytes:
    return ((seqs or b"") + number)[-_SEQ_BYTES * POSTING_CAP :]


class MemoryHistory:
    """A history for one run over a file: nothing outlives it."""

    def __init__(self, weights: TermWeights, shortlist: int = SHORTLIST) -> None:
        """`shortlist` petitions are answered for one, and a few of the same identity key."""
        self._weights = weights
        self._shortlist = shortlist
        self._entries: list[LinkEntry] = []
        self._lists = PostingLists()
        self._by_key: dict[tuple[str, str], deque[int]] = defaultdict(lambda: deque(maxlen=KEY_CAP))

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: LinkEntry) -> None:
        self._entries.append(entry)
        self._lists.file(len(self._entries), *filed_under(entry, self._weights))
        for key in entry.keys:
            self._by_key[key].append(len(self._entries))

    def candidates(self, entry: LinkEntry, weights: TermWeights) -> list[LinkEntry]:
        return search(self, entry, weights, self._shortlist)

    def stored(self) -> int:
        return len(self._entries)

    def postings(self, terms: Sequence[int]) -> Mapping[int, Posting]:
        return {term: self._lists.by_term[term] for term in terms if term in self._lists.by_term}

    def same_key(self, entry: LinkEntry) -> Sequence[int]:
        found: Iterator[Iterable[int]] = (self._by_key[key] for key in entry.keys if key in self._by_key)
        return sorted(set().union(*found), reverse=True)[:KEY_CAP]

    def views(self, seqs: Sequence[int]) -> Views:
        return views_of(self.entries(seqs))

    def entries(self, seqs: Sequence[int]) -> Mapping[int, LinkEntry]:
        return {seq: self._entries[seq - 1] for seq in seqs}
