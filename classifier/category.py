"""What the matter is: ranked categories with calibrated probabilities, kind, abstention, and the spans that carried it.

A linear model over level-2 nodes; level 1 is the sum of its children; level 3 is chosen within the first level-2 node by
names and terms that stand in the text. Evidence is read off the very weights that decided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from classifier.features import Document, Floats, Vectoriser
from classifier.lexicon import Lexicon
from classifier.taxonomy import Taxonomy

# Evidence shown: at most this many spans, each holding at least this share of the strongest character's weight.
_MOST_SPANS = 5
_SPAN_FLOOR = 0.3
# Two spans this close are one: a phrase reads better than its halves.
_SPAN_GAP = 1


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


class LinearModel:
    """Scores `X @ coef + intercept`, one column a class, calibrated on held-out folds.

    `coef` has shape (width, classes), float32.
    """

    def __init__(
        self, classes: tuple[str, ...], coef: Floats, intercept: Floats, calibration: Calibration
    ) -> None:
        self.classes = classes
        self.coef = coef
        self.intercept = intercept
        self.calibration = calibration
        self._mean = coef.mean(axis=1)

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


def spans_for(
    model: LinearModel, index: int, vectoriser: Vectoriser, document: Document, row: sparse.csr_matrix[Any]
) -> tuple[Span, ...]:
    """The spans of `document` that carried class `index`, strongest first. `row` is the document's row of features."""
    found = vectoriser.occurrences(document)
    if not len(found.columns):
        return ()
    # A column's value is shared by all its occurrences, an occurrence's weight by all its characters.
    counts = np.bincount(found.columns, minlength=vectoriser.width)[found.columns]
    values = _values_at(row, found.columns)
    weight = values * model.contributions(found.columns, index) / counts / (found.ends - found.starts)
    steps = np.zeros(len(document.text) + 1)
    np.add.at(steps, found.starts, weight)
    np.add.at(steps, found.ends, -weight)
    by_character = np.cumsum(steps[:-1])
    total = by_character[by_character > 0].sum()
    if total <= 0:
        return ()
    strong = by_character >= max(_SPAN_FLOOR * by_character.max(), 1e-9)
    spans = [
        Span(start, end, float(round(by_character[start:end].sum() / total, 4)))
        for start, end in _word_edges(_runs(strong), document)
    ]
    return tuple(sorted(spans, key=lambda s: (-s.weight, s.start))[:_MOST_SPANS])


def _values_at(row: sparse.csr_matrix[Any], columns: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    at = np.minimum(np.searchsorted(row.indices, columns), max(len(row.indices) - 1, 0))
    values: npt.NDArray[np.float32] = np.where(row.indices[at] == columns, row.data[at], 0)
    return values


def _runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs: list[tuple[int, int]] = []
    for start, end in edges.reshape(-1, 2).tolist():
        if runs and start - runs[-1][1] <= _SPAN_GAP:
            runs[-1] = (runs[-1][0], end)
        else:
            runs.append((start, end))
    return runs


def _word_edges(runs: list[tuple[int, int]], document: Document) -> list[tuple[int, int]]:
    """Widen runs to whole words, so that no span begins in the middle of one; runs that meet become one."""
    edges = np.cumsum([0, *map(len, document.words)])
    widened: list[tuple[int, int]] = []
    for start, end in runs:
        start = int(edges[np.searchsorted(edges, start, side="right") - 1])
        end = int(edges[np.searchsorted(edges, end, side="left")])
        if widened and start <= widened[-1][1]:
            widened[-1] = (widened[-1][0], max(end, widened[-1][1]))
        else:
            widened.append((start, end))
    return [_trimmed(document.text, start, end) for start, end in widened]


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    piece = text[start:end]
    return start + len(piece) - len(piece.lstrip(" \n，。、；：！？,.;:!?")), end - len(piece) + len(
        piece.rstrip(" \n，。、；：！？,.;:!?")
    )


def level1(
    classes: tuple[str, ...], probabilities: npt.NDArray[np.float64]
) -> tuple[tuple[str, ...], npt.NDArray[np.float64]]:
    """Roll probabilities up to level-1 codes: sums over the children. Shape (rows, level-1 codes)."""
    codes = tuple(dict.fromkeys(code[:2] for code in classes))
    member = np.zeros((len(classes), len(codes)))
    member[np.arange(len(classes)), [codes.index(code[:2]) for code in classes]] = 1
    return codes, probabilities @ member


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
