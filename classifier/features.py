"""Text to sparse matrix: words, title words, hashed character n-grams. Array code over whole batches.

A `Document` is one text, already normalised, redacted and cut, once; everything that looks at text starts from it.
The vectoriser has three blocks of columns, each of unit length: words of the whole petition, words of its title, character 2- and
3-grams of the whole. N-grams are hashed with NumPy over the code points of the batch; a look-up table keeps
only the buckets seen often enough in training, so the model stays small.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from classifier.redact import MARK

HASH_BITS = 20
_BUCKETS = 1 << HASH_BITS
# Odd multipliers of a multiplicative hash (Knuth, TAOCP 6.4); any fixed odd numbers do.
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))
# The multiplier of the hash of a word (odd, so that it has an inverse), and the inverse.
_PRIME = _MIX[0]
_PRIME_INVERSE = np.uint64(pow(int(_PRIME), -1, 1 << 64))
# Words are looked up by this many of the top bits of their hashes.
_TOP_BITS = 18
_TOP_SHIFT = np.uint64(64 - _TOP_BITS)
# A cell of the matrix as one number to sort by: the row above, the column in these bits (three blocks of at most 2²⁰ columns).
_COLUMN_BITS = HASH_BITS + 2
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1
# 1 + ln tf; who repeats a thing a thousand times says no more than who repeats it 999 times.
_LOG_TF = (1 + np.log(np.maximum(np.arange(1_000), 1))).astype(np.float32)
# A word must hold a letter or an ideograph: numbers, dates and punctuation say nothing of the matter.
_WORD = re.compile(r"[A-Za-z\u3400-\u4dbf\u4e00-\u9fff]")

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
Columns = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Document:
    """A redacted text and its words. `title_length` characters of `text` (before the newline) are the title.

    `words` joined are `text` with every mark replaced by as many spaces, so offsets into one are offsets into the other.
    """

    text: str
    title_length: int
    words: tuple[str, ...]


def blank_marks(redacted: str) -> str:
    """The text with each redaction mark as spaces of the same length: marks must not become features."""
    return MARK.sub(lambda match: " " * len(match.group()), redacted) if "〈" in redacted else redacted


def is_word(token: str) -> bool:
    return _WORD.search(token) is not None


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Where the columns of a batch stand: `columns[i]` covers characters `starts[i]:ends[i]` of document `rows[i]`.

    Rows rise within each of the parts (words, title words, 2-grams, 3-grams) that `parts` bounds.
    """

    rows: Ints
    columns: Ints
    starts: Ints
    ends: Ints
    parts: tuple[int, ...]

    def of(self, row: int) -> Occurrences:
        """Those of one document."""
        picked = []
        for first, last in pairwise(self.parts):
            low, high = np.searchsorted(self.rows[first:last], (row, row + 1)) + first
            picked.append(np.arange(low, high))
        at = np.concatenate(picked)
        return Occurrences(self.rows[at], self.columns[at], self.starts[at], self.ends[at], (0, len(at)))


class Vectoriser:
    """Fitted on a corpus, then pure. Rows of `transform` have float32 weights: (1 + ln tf) · idf, unit length a block."""

    def __init__(
        self,
        vocabulary: Sequence[str],
        title_vocabulary: Sequence[str],
        buckets: Ints,
        idf: Floats,
        scale: Sequence[float],
    ) -> None:
        self.vocabulary = tuple(vocabulary)
        self.title_vocabulary = tuple(title_vocabulary)
        self.buckets = buckets
        self.idf = idf
        self.scale = tuple(scale)
        title_start = len(self.vocabulary)
        gram_start = title_start + len(self.title_vocabulary)
        self._words = _WordColumns(self.vocabulary, 0)
        self._title_words = _WordColumns(self.title_vocabulary, title_start)
        self._bucket_column = np.full(_BUCKETS, -1, dtype=np.int32)
        self._bucket_column[buckets] = np.arange(gram_start, gram_start + len(buckets), dtype=np.int32)
        self._bounds = (0, title_start, gram_start, gram_start + len(buckets))

    @property
    def width(self) -> int:
        """The number of columns."""
        return self._bounds[-1]

    @classmethod
    def fit(
        cls,
        documents: Sequence[Document],
        *,
        max_words: int = 40_000,
        max_grams: int = 75_000,
        scale: Sequence[float] = (1.0, 0.5, 1.4),
    ) -> Vectoriser:
        """Choose columns, the most frequent first, and their idf. Words count from one document on, n-grams from two.

        `scale` is the length of the word, title and n-gram blocks (docs/decisions/004).
        """
        words: Counter[str] = Counter()
        title_words: Counter[str] = Counter()
        bucket_df = np.zeros(_BUCKETS, dtype=np.int32)
        for document in documents:
            words.update(set(document.words))
            title_words.update(set(_title_words(document)))
        for start in range(0, len(documents), 1_000):
            texts = [blank_marks(document.text) for document in documents[start : start + 1_000]]
            seen = [rows * _BUCKETS + hashed for _, rows, hashed, _ in _grams(*_codes(texts))]
            buckets_seen = np.unique(np.concatenate(seen)) % _BUCKETS
            bucket_df += np.bincount(buckets_seen, minlength=_BUCKETS).astype(np.int32)
        kept_words = _frequent(words, max_words)
        kept_title = _frequent(title_words, max_words // 4)
        frequent = np.flatnonzero(bucket_df >= 2)
        by_frequency = np.lexsort((frequent, -bucket_df[frequent]))[:max_grams]
        buckets = np.sort(frequent[by_frequency]).astype(np.int64)
        df = np.concatenate(
            [
                np.array([words[word] for word in kept_words], dtype=np.float64),
                np.array([title_words[word] for word in kept_title], dtype=np.float64),
                bucket_df[buckets].astype(np.float64),
            ]
        )
        idf = np.log((1 + len(documents)) / (1 + df)) + 1
        return cls(kept_words, kept_title, buckets, idf.astype(np.float32), scale)

    def transform(self, documents: Sequence[Document]) -> sparse.csr_matrix[Any]:
        """Shape (len(documents), width), float32, sorted indices."""
        return self.weigh(self.occurrences(documents), len(documents))

    def occurrences(self, documents: Sequence[Document]) -> Occurrences:
        """Every place of the documents' texts that a column looks at."""
        code, first = _codes([blank_marks(document.text) for document in documents])
        counts = [len(document.words) for document in documents]
        rows = np.repeat(np.arange(len(documents)), counts)
        lengths = np.fromiter(
            map(len, chain.from_iterable(document.words for document in documents)), np.int64, sum(counts)
        )
        # Words joined are the text, and one line end stands between two texts: running lengths are positions.
        ends = np.cumsum(lengths) + rows
        starts = ends - lengths
        hashes = _span_hashes(code, starts, ends)
        starts -= first[rows]
        ends -= first[rows]
        in_title = np.flatnonzero(
            starts < np.array([document.title_length for document in documents], dtype=np.int64)[rows]
        )
        pieces: list[tuple[Columns, Ints, Ints, Ints]] = [
            (self._words.of(hashes), rows, starts, ends),
            (self._title_words.of(hashes[in_title]), rows[in_title], starts[in_title], ends[in_title]),
        ]
        for size, gram_rows, hashed, gram_starts in _grams(code, first):
            gram_columns = self._bucket_column[hashed]
            pieces.append((gram_columns, gram_rows, gram_starts, gram_starts + size))
        kept = []
        for piece in pieces:
            known = np.flatnonzero(piece[0] >= 0)
            kept.append([array[known] for array in piece])
        joined = [np.concatenate(arrays) for arrays in zip(*kept, strict=True)]
        parts = tuple(np.cumsum([0, *(len(piece[0]) for piece in kept)]).tolist())
        return Occurrences(joined[1], joined[0].astype(np.int64), joined[2], joined[3], parts)

    def weigh(self, found: Occurrences, height: int) -> sparse.csr_matrix[Any]:
        """The feature matrix of a batch from where its columns stand."""
        keys = np.sort(found.rows << _COLUMN_BITS | found.columns, kind="stable")
        at = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.diff(at, append=len(keys))
        keys = keys[at]
        rows, columns = keys >> _COLUMN_BITS, keys & _COLUMN_MASK
        values = _LOG_TF[np.minimum(counts, len(_LOG_TF) - 1)] * self.idf[columns]
        block = np.searchsorted(self._bounds[1:-1], columns, side="right")
        squares = np.bincount(rows * 3 + block, weights=values * values, minlength=height * 3)
        norms = np.sqrt(squares)
        factor = np.divide(np.tile(self.scale, height), norms, out=np.zeros_like(norms), where=norms > 0)
        values *= factor[rows * 3 + block].astype(np.float32)
        starts = np.searchsorted(rows, np.arange(height + 1))
        return sparse.csr_matrix((values, columns, starts), shape=(height, self.width))


def _title_words(document: Document) -> list[str]:
    found, at = [], 0
    for word in document.words:
        if at >= document.title_length:
            break
        found.append(word)
        at += len(word)
    return found


def _frequent(counter: Counter[str], most: int) -> list[str]:
    """The `most` most frequent words, in code-point order so that builds agree."""
    kept = sorted((-count, word) for word, count in counter.items() if is_word(word))
    return sorted(word for _, word in kept[:most])


class _WordColumns:
    """Which column a word has, asked for all words of a batch at once by their hashes.

    `_first` leads from the top bits of a hash to the first word with these bits; the few that share them follow it.
    """

    def __init__(self, words: Sequence[str], first_column: int) -> None:
        code, starts = _codes(words)
        hashes = _span_hashes(code, starts[:-1], starts[1:] - 1)
        order = np.argsort(hashes)
        tops = hashes[order] >> _TOP_SHIFT
        self._first = np.searchsorted(tops, np.arange(1 << _TOP_BITS, dtype=np.uint64)).astype(np.int32)
        self._most = int(np.bincount(tops.astype(np.int64)).max(initial=0))
        # Behind the last word stand as many that match nothing, so that no look-up runs off the end.
        self._hashes = np.concatenate([hashes[order], np.zeros(self._most + 1, np.uint64)])
        self._columns = np.concatenate([order + first_column, np.full(self._most + 1, -1)]).astype(np.int32)

    def of(self, hashes: Hashes) -> Columns:
        """The column of each, or -1."""
        at = self._first[(hashes >> _TOP_SHIFT).astype(np.int64)]
        columns = np.where(self._hashes[at] == hashes, self._columns[at], np.int32(-1))
        missing = np.flatnonzero(columns < 0)
        for step in range(1, self._most):
            next_at = at[missing] + step
            columns[missing] = np.where(
                self._hashes[next_at] == hashes[missing], self._columns[next_at], np.int32(-1)
            )
            missing = missing[columns[missing] < 0]
        return columns


def _codes(texts: Sequence[str]) -> tuple[Hashes, Ints]:
    """The code points of the texts joined by line ends, and where each text begins, with one more for the end."""
    joined = np.frombuffer("\n".join(texts).encode("utf-32-le", "replace"), dtype=np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts)) + 1
    return joined.astype(np.uint64), np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _span_hashes(code: Hashes, starts: Ints, ends: Ints) -> Hashes:
    """A 64-bit hash of each span `code[start:end]`, from one running sum: Σ code · pⁱ, shifted back by p⁻ˢᵗᵃʳᵗ (mod 2⁶⁴)."""
    powers, inverse = _powers(_PRIME, len(code)), _powers(_PRIME_INVERSE, len(code))
    running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(code * powers[:-1])])
    # The last factor carries every bit into the top ones, which choose the place in the table.
    hashes: Hashes = (running[ends] - running[starts]) * inverse[starts] * _MIX[1]
    return hashes


def _powers(base: np.uint64, count: int) -> Hashes:
    """base⁰ … baseᶜᵒᵘⁿᵗ, mod 2⁶⁴."""
    return np.cumprod(np.concatenate([np.ones(1, np.uint64), np.full(count, base, np.uint64)]))


def _grams(code: Hashes, first: Ints) -> Iterator[tuple[int, Ints, Ints, Ints]]:
    """For 2- and 3-grams: the size, and row, bucket and start of each that holds letters and ideographs only, rows rising."""
    row_of = np.repeat(np.arange(len(first) - 1), np.diff(first))
    code = np.where((code >= 65) & (code <= 90), code + np.uint64(32), code)
    letter = (
        ((code >= 97) & (code <= 122))
        | ((code >= 0x4E00) & (code <= 0x9FFF))
        | ((code >= 0x3400) & (code <= 0x4DBF))
    )
    for size in (2, 3):
        count = max(len(code) - size + 1, 0)
        valid = np.ones(count, dtype=np.bool_)
        hashed = np.full(count, size, dtype=np.uint64)
        for offset in range(size):
            valid &= letter[offset : offset + count]
            hashed = (hashed ^ code[offset : offset + count]) * _MIX[offset]
        at = np.flatnonzero(valid)
        rows = row_of[at]
        yield size, rows, (hashed[at] >> np.uint64(64 - HASH_BITS)).astype(np.int64), at - first[rows]
