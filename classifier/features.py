"""Text to sparse matrix: words, single characters, hashed character n-grams. Array code over whole batches.

A `Document` is one text, already normalised, redacted and cut, once; everything that looks at text starts from it.
The vectoriser has four blocks of columns, each of a length of its own: words of the whole petition, character 2- and 3-grams of its
title, single characters of the whole, 2- and 3-grams of the whole. N-grams are hashed with NumPy over the code points of the
batch; a look-up table keeps only the buckets seen often enough in training, so the model stays small.
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
# Letters and ideographs that count end below this code point; a single character's bucket is its code point.
CHARACTERS = 0xA000
# A cell of the matrix as one number to sort by: the row above, the column in these bits (four blocks of at most 2²⁰ columns).
_COLUMN_BITS = HASH_BITS + 2
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1
# Documents looked at together: arrays of this many stay in the processor's cache (10,000 at once take four times as long).
_BATCH = 500
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


def distinct(values: Ints) -> Ints:
    """Each value once, rising: `numpy.unique`, five times as fast on these short runs of hashes."""
    ordered = np.sort(values)
    return ordered[np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))] if len(ordered) else ordered


def is_word(token: str) -> bool:
    return _WORD.search(token) is not None


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Where the columns of a batch stand: `columns[i]` covers characters `starts[i]:ends[i]` of document `rows[i]`.

    Rows rise within each of the parts (words, then for each size of n-gram those of the title and those of the whole) that `parts` bounds.
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
        title_buckets: Ints,
        characters: Ints,
        buckets: Ints,
        idf: Floats,
        scale: Sequence[float],
    ) -> None:
        """Columns are the words, then the buckets of title n-grams, of single characters and of n-grams, each rising."""
        self.vocabulary = tuple(vocabulary)
        self.title_buckets = title_buckets
        self.characters = characters
        self.buckets = buckets
        self.idf = idf
        self.scale = tuple(scale)
        sizes = (len(self.vocabulary), len(title_buckets), len(characters), len(buckets))
        self.bounds: tuple[int, ...] = (0, *np.cumsum(sizes).tolist())
        self._words = _WordColumns(self.vocabulary, 0)
        self._title_column = _bucket_columns(_BUCKETS, title_buckets, self.bounds[1])
        self._character_column = _bucket_columns(CHARACTERS, characters, self.bounds[2])
        self._bucket_column = _bucket_columns(_BUCKETS, buckets, self.bounds[3])

    def bigram_idf(self) -> Floats:
        """The idf of the n-gram block by bucket; buckets it does not know are as rare as can be. Shape (2 ** HASH_BITS,)."""
        known = self.idf[self.bounds[3] :]
        idf = np.full(_BUCKETS, known.max() + 0.5 if len(known) else 1.0, dtype=np.float32)
        idf[self.buckets] = known
        return idf

    @property
    def width(self) -> int:
        """The number of columns."""
        return self.bounds[-1]

    @classmethod
    def fit(
        cls,
        documents: Sequence[Document],
        *,
        max_words: int = 40_000,
        max_title_grams: int = 20_000,
        max_grams: int = 75_000,
        scale: Sequence[float] = (1.0, 0.85, 0.4, 1.4),
    ) -> Vectoriser:
        """Choose columns, the most frequent first, and their idf. Words count from one document on, n-grams from two.

        `scale` is the length of the blocks: words, title n-grams, characters, n-grams (docs/decisions/004, 016).
        """
        words: Counter[str] = Counter()
        title_df, df = np.zeros(_BUCKETS, dtype=np.int64), np.zeros(_BUCKETS, dtype=np.int64)
        character_df = np.zeros(CHARACTERS, dtype=np.int64)
        for document in documents:
            words.update(set(document.words))
        for start in range(0, len(documents), _BATCH):
            batch = documents[start : start + _BATCH]
            titles = _title_lengths(batch)
            for size, rows, buckets, starts in _grams(*_codes([blank_marks(d.text) for d in batch])):
                if size == 1:
                    _count(character_df, rows, buckets)
                else:
                    in_title = starts + size <= titles[rows]
                    _count(title_df, rows[in_title], buckets[in_title])
                    _count(df, rows, buckets)
        kept_words = _frequent(words, max_words)
        title_buckets = _frequent_buckets(title_df, max_title_grams)
        characters = _frequent_buckets(character_df, CHARACTERS)
        buckets = _frequent_buckets(df, max_grams)
        counts = np.concatenate(
            [
                np.array([words[word] for word in kept_words], dtype=np.int64),
                title_df[title_buckets],
                character_df[characters],
                df[buckets],
            ]
        )
        idf = np.log((1 + len(documents)) / (1 + counts)) + 1
        return cls(kept_words, title_buckets, characters, buckets, idf.astype(np.float32), scale)

    def transform(self, documents: Sequence[Document]) -> sparse.csr_matrix[Any]:
        """Shape (len(documents), width), float32, sorted indices."""
        batches = [documents[at : at + _BATCH] for at in range(0, len(documents), _BATCH)] or [documents]
        rows = [self.weigh(self.occurrences(batch), len(batch)) for batch in batches]
        return rows[0] if len(rows) == 1 else sparse.vstack(rows, format="csr")

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
        pieces: list[tuple[Columns, Ints, Ints, Ints]] = [
            (self._words.of(hashes), rows, starts - first[rows], ends - first[rows])
        ]
        titles = _title_lengths(documents)
        for size, gram_rows, buckets, gram_starts in _grams(code, first):
            gram_ends = gram_starts + size
            if size == 1:
                pieces.append((self._character_column[buckets], gram_rows, gram_starts, gram_ends))
                continue
            at = np.flatnonzero(gram_ends <= titles[gram_rows])
            pieces.append((self._title_column[buckets[at]], gram_rows[at], gram_starts[at], gram_ends[at]))
            pieces.append((self._bucket_column[buckets], gram_rows, gram_starts, gram_ends))
        kept = []
        for piece in pieces:
            known = np.flatnonzero(piece[0] >= 0)
            kept.append([array[known] for array in piece])
        joined = [np.concatenate(arrays) for arrays in zip(*kept, strict=True)]
        parts = tuple(np.cumsum([0, *(len(piece[0]) for piece in kept)]).tolist())
        return Occurrences(joined[1], joined[0].astype(np.int64), joined[2], joined[3], parts)

    def weigh(self, found: Occurrences, height: int) -> sparse.csr_matrix[Any]:
        """The feature matrix of a batch from where its columns stand."""
        # Each part is in the order of rows already: a stable sort makes use of it.
        keys = np.sort(found.rows << _COLUMN_BITS | found.columns, kind="stable")
        at = np.flatnonzero(np.diff(keys, prepend=-1))
        counts = np.diff(at, append=len(keys))
        keys = keys[at]
        rows, columns = keys >> _COLUMN_BITS, keys & _COLUMN_MASK
        values = _LOG_TF[np.minimum(counts, len(_LOG_TF) - 1)] * self.idf[columns]
        # The block of a cell, and its row and block as one number.
        cells = rows * len(self.scale) + np.searchsorted(self.bounds[1:-1], columns, side="right")
        squares = np.bincount(cells, weights=values * values, minlength=height * len(self.scale))
        norms = np.sqrt(squares)
        factor = np.divide(np.tile(self.scale, height), norms, out=np.zeros_like(norms), where=norms > 0)
        values *= factor[cells].astype(np.float32)
        starts = np.searchsorted(rows, np.arange(height + 1))
        return sparse.csr_matrix((values, columns, starts), shape=(height, self.width))


def bigrams(texts: Sequence[str]) -> tuple[Ints, Ints, Ints]:
    """Row, bucket and start of every character 2-gram of the texts, marks left out, rows rising."""
    _, (_, rows, buckets, starts), _ = _grams(*_codes([blank_marks(text) for text in texts]))
    return rows, buckets, starts


def _title_lengths(documents: Sequence[Document]) -> Ints:
    return np.array([document.title_length for document in documents], dtype=np.int64)


def _count(df: Ints, rows: Ints, buckets: Ints) -> None:
    """Add to `df` in how many of the rows each bucket occurs."""
    df += np.bincount(distinct(rows * len(df) + buckets) % len(df), minlength=len(df))


def _bucket_columns(size: int, buckets: Ints, first_column: int) -> Columns:
    """The column of each of `size` buckets, or -1."""
    columns = np.full(size, -1, dtype=np.int32)
    columns[buckets] = np.arange(first_column, first_column + len(buckets), dtype=np.int32)
    return columns


def _frequent_buckets(df: Ints, most: int) -> Ints:
    """The `most` most frequent buckets of those in two documents and more, rising."""
    frequent = np.flatnonzero(df >= 2)
    return np.sort(frequent[np.lexsort((frequent, -df[frequent]))[:most]])


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
    """For n-grams of 1 to 3: the size, and row, bucket and start of each that holds letters and ideographs only, rows rising."""
    row_of = np.repeat(np.arange(len(first) - 1), np.diff(first))
    code = np.where((code >= 65) & (code <= 90), code + np.uint64(32), code)
    letter = (
        ((code >= 97) & (code <= 122))
        | ((code >= 0x4E00) & (code <= 0x9FFF))
        | ((code >= 0x3400) & (code <= 0x4DBF))
    )
    at = np.flatnonzero(letter)
    rows = row_of[at]
    yield 1, rows, code[at].astype(np.int64), at - first[rows]
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
