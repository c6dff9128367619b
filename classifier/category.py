"""What the matter is: ranked categories with calibrated probabilities, kind, abstention, and the spans that carried it.

A linear model over level-2 nodes; level 1 is pooled from its children; level 3 is chosen within the first level-2 node by
names and terms that stand in the text. Evidence is read off the very weights that decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from classifier.features import Document, Floats, Occurrences
from classifier.lexicon import Lexicon
from classifier.taxonomy import Taxonomy

# Evidence shown: at most this many spans, each holding at least this share of the strongest character's weight.
_MOST_SPANS = 5
_SPAN_FLOOR = 0.3


@dataclass(frozen=True, slots=True)
class Calibration:
    """Scores to probabilities: p ∝ softplus(knee · (score + 1)) ** power.

    Least-squares scores lie near -1 for "no" and 1 for "yes". A power law of the distance from "no" is calibrated where a softmax
    is overconfident (on the seed's held-out folds: ECE 0.03 against 0.13; docs/decisions/004). Monotone: it never changes the order.
    """

    power: float
    knee: float

    def probabilities(self, scores: Floats) -> npt.NDArray[np.float64]:
        """Shape (rows, classes) to the same; each row sums to 1."""
        log_values = self.power * np.log(
            np.logaddexp(0.0, self.knee * (scores.astype(np.float64) + 1.0)) + 1e-12
        )
        values = np.exp(log_values - log_values.max(axis=1, keepdims=True))
        result: npt.NDArray[np.float64] = values / values.sum(axis=1, keepdims=True)
        return result


@dataclass(frozen=True, slots=True)
class Pooling:
    """Level 2 to level 1: a branch has (Σ over its children p ** exponent) ** power, made to sum to 1.

    Below 1, `exponent` counts a child that is doubtful for more than its probability: letters that lie between the children of one branch
    are then seldom taken for another's. `power` calibrates what comes of it. 1 and 1 are the plain sum.
    """

    exponent: float = 1.0
    power: float = 1.0


class LinearModel:
    """Scores `X @ coef + intercept`, one column a class, calibrated on held-out folds.

    `coef` has shape (width, classes), float32.
    """

    def __init__(
        self,
        classes: tuple[str, ...],
        coef: Floats,
        intercept: Floats,
        calibration: Calibration,
        pooling: Pooling = Pooling(),
    ) -> None:
        self.classes = classes
        self.coef = coef
        self.intercept = intercept
        self.calibration = calibration
        self.pooling = pooling
        self._mean = coef @ np.full(len(classes), 1 / max(len(classes), 1), dtype=np.float32)

    def probabilities(self, matrix: sparse.csr_matrix[Any]) -> npt.NDArray[np.float64]:
        """Shape (rows, classes); each row sums to 1."""
        return self.calibration.probabilities(np.asarray(matrix @ self.coef) + self.intercept)

    def contributions(self, columns: npt.NDArray[np.int64], index: int) -> Floats:
        """What one unit of each column adds to a class, against the mean of all classes (only differences rank)."""
        result: Floats = self.coef[columns, index] - self._mean[columns]
        return result


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start:end` of a document's text and their share (0 to 1) of all that spoke for the class."""

    start: int
    end: int
    weight: float


class Explainer:
    """Reads off which characters of one document carried a class. Made once a document, asked once a class."""

    def __init__(
        self, model: LinearModel, document: Document, found: Occurrences, row: sparse.csr_matrix[Any]
    ) -> None:
        """`found` are the document's own occurrences, `row` its row of features."""
        self._model = model
        self._document = document
        self._word_edges = np.cumsum([0, *map(len, document.words)])
        self._columns = found.columns
        self._starts, self._ends = found.starts, found.ends
        # A column's value is shared by all its occurrences, an occurrence's weight by all its characters.
        at = np.searchsorted(row.indices, found.columns)
        counts = np.bincount(at, minlength=len(row.indices))
        self._shares = (row.data / np.maximum(counts, 1))[at] / (found.ends - found.starts)

    def spans(self, index: int) -> tuple[Span, ...]:
        """The spans that carried class `index`, strongest first; empty when nothing spoke for it."""
        if not len(self._columns):
            return ()
        weight = self._shares * self._model.contributions(self._columns, index)
        length = len(self._document.text) + 1
        steps = np.bincount(self._starts, weights=weight, minlength=length)
        steps -= np.bincount(self._ends, weights=weight, minlength=length)
        by_character = np.cumsum(steps[:-1])
        for_class = float(by_character[by_character > 0].sum())
        if for_class <= 0:
            return ()
        running = np.concatenate([[0.0], np.cumsum(by_character)])
        strong = by_character >= _SPAN_FLOOR * by_character.max()
        edges = np.flatnonzero(np.diff(np.concatenate([[False], strong, [False]]).astype(np.int8))).reshape(
            -1, 2
        )
        strongest = np.argsort(running[edges[:, 0]] - running[edges[:, 1]], kind="stable")[:_MOST_SPANS]
        spans = []
        for start, end in self._whole_words(np.sort(edges[strongest], axis=0)):
            share = float(running[end] - running[start]) / for_class
            if share > 0:
                spans.append(Span(start, end, min(round(share, 4), 1.0)))
        return tuple(sorted(spans, key=lambda span: (-span.weight, span.start)))

    def _whole_words(self, runs: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
        """Widen runs, in rising order, to whole words, so that no span begins in the middle of one; runs that meet become one."""
        edges = self._word_edges
        starts = edges[np.searchsorted(edges, runs[:, 0], side="right") - 1].tolist()
        ends = edges[np.searchsorted(edges, runs[:, 1], side="left")].tolist()
        widened: list[tuple[int, int]] = []
        for start, end in zip(starts, ends, strict=True):
            if widened and start <= widened[-1][1]:
                widened[-1] = (widened[-1][0], max(end, widened[-1][1]))
            else:
                widened.append((start, end))
        return [_trimmed(self._document.text, start, end) for start, end in widened]


_TRIM = " \n，。、；：！？,.;:!?"


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The span without blanks and punctuation at its ends."""
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip(_TRIM)), start + len(piece.rstrip(_TRIM))


def level1(
    classes: tuple[str, ...], probabilities: npt.NDArray[np.float64], pooling: Pooling = Pooling()
) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """Roll probabilities up to level-1 codes. Shape (rows, level-1 codes); each row sums to 1."""
    codes = tuple(dict.fromkeys(code[:2] for code in classes))
    member = np.zeros((len(classes), len(codes)))
    member[np.arange(len(classes)), [codes.index(code[:2]) for code in classes]] = 1
    pooled = ((probabilities**pooling.exponent) @ member) ** pooling.power
    return codes, pooled / np.maximum(pooled.sum(axis=1, keepdims=True), 1e-300)


class LevelThree:
    """Chooses the level-3 node within a level-2 node by its name and terms; longer and title terms count more."""

    def __init__(self, taxonomy: Taxonomy, lexicon: Lexicon) -> None:
        self._children: dict[str, list[tuple[str, tuple[str, ...], tuple[str, ...]]]] = {}
        for category in taxonomy.level(3):
            entry = lexicon.entries.get(category.code)
            terms = {category.name} if category.name != "其他" else set()
            terms |= set(entry.terms) if entry else set()
            excludes = entry.excludes if entry else ()
            self._children.setdefault(category.parent, []).append(
                (category.code, tuple(sorted(terms)), excludes)
            )

    def choose(self, code: str, document: Document) -> str:
        """The level-3 code under `code` that the text names best, or `code` itself when it names none."""
        title, text = document.text[: document.title_length], document.text
        best, best_score = code, 0.0
        for child, terms, excludes in self._children.get(code, ()):
            score = float(sum(len(term) * (2 if term in title else 1) for term in terms if term in text))
            score -= sum(2 * len(term) for term in excludes if term in text)
            if score > best_score:
                best, best_score = child, score
        return best
