"""The fitted models over a batch of documents, and one document's share of the answer. Used alike by triage and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from classifier.bundle import Bundle
from classifier.category import LinearModel, level1
from classifier.features import Document, Occurrences
from classifier.petition import Kind, KindSuggestion, Suggestion, UnitSuggestion
from classifier.routing import Router

Probabilities = npt.NDArray[np.float64]

# So many of a unit model's classes reach the router; the rest weigh too little to matter.
_LEARNED_UNITS = 8


@dataclass(frozen=True, slots=True)
class Predictions:
    """Probabilities of a batch, each of shape (documents, classes) or None where the bundle has no such model.

    `found` are the places and `matrix` the features they came from; `confidence` is the greatest level-1 probability of each document, 0 without a
    category model.
    """

    found: Occurrences
    matrix: sparse.csr_matrix[Any]
    category: Probabilities | None
    confidence: Probabilities
    kind: Probabilities | None
    unit: Probabilities | None


def predict(bundle: Bundle, documents: Sequence[Document]) -> Predictions:
    """Features once, then every model the bundle has."""
    found = bundle.vectoriser.occurrences(documents)
    matrix = bundle.vectoriser.weigh(found, len(documents))
    category = _probabilities(bundle.category, matrix)
    confidence = np.zeros(len(documents))
    if bundle.category and category is not None:
        confidence = level1(bundle.category.classes, category, bundle.category.pooling)[1].max(axis=1)
    return Predictions(
        found,
        matrix,
        category,
        confidence,
        _probabilities(bundle.kind, matrix),
        _probabilities(bundle.unit, matrix),
    )


def _probabilities(model: LinearModel | None, matrix: sparse.csr_matrix[Any]) -> Probabilities | None:
    return model.probabilities(matrix) if model else None


def best_classes(probabilities: Probabilities, most: int) -> list[int]:
    """Indices of the greatest probabilities of one row, greatest first; ties by class order."""
    order: list[int] = np.argsort(-probabilities, kind="stable")[:most].tolist()
    return order


def categories_of(
    bundle: Bundle, predictions: Predictions, row: int, document: Document, top: int
) -> tuple[Suggestion, ...]:
    """Ranked categories of one document, without evidence. Empty without a category model.

    Level 3 is chosen within the first suggestion only: below the others it would be a guess upon a guess.
    """
    if bundle.category is None or predictions.category is None:
        return ()
    suggestions = []
    for rank, index in enumerate(best_classes(predictions.category[row], top)):
        code = bundle.category.classes[index]
        if rank == 0 and len(code) == 4:
            code = bundle.level_three.choose(code, document)
        probability = round(float(predictions.category[row, index]), 4)
        suggestions.append(
            Suggestion(code, bundle.taxonomy[code].name, bundle.taxonomy.path(code), probability)
        )
    return tuple(suggestions)


def kind_of(bundle: Bundle, predictions: Predictions, row: int) -> KindSuggestion:
    """Without a model of kinds: 申诉求决, what most petitions are, at the chance of a guess among four."""
    if bundle.kind is None or predictions.kind is None:
        return KindSuggestion(Kind.CLAIM, 0.25)
    best = int(predictions.kind[row].argmax())
    return KindSuggestion(Kind(bundle.kind.classes[best]), round(float(predictions.kind[row, best]), 4))


def learned_unit(bundle: Bundle, predictions: Predictions, row: int) -> tuple[str, float] | None:
    """The unit model's own first choice, by name, with its probability; None without a unit model."""
    if bundle.unit is None or predictions.unit is None:
        return None
    best = int(predictions.unit[row].argmax())
    return bundle.unit.classes[best], float(predictions.unit[row, best])


def units_of(
    bundle: Bundle,
    predictions: Predictions,
    row: int,
    document: Document,
    router: Router,
    categories: Sequence[Suggestion],
    kind: Kind,
    district: str,
    top: int,
) -> tuple[UnitSuggestion, ...]:
    """Ranked units of one document: the router's grounds and, where there is one, the unit model's."""
    learned, decisions = None, None
    if bundle.unit is not None and predictions.unit is not None:
        best = best_classes(predictions.unit[row], _LEARNED_UNITS)
        learned = {bundle.unit.classes[i]: float(predictions.unit[row, i]) for i in best}
        decisions = bundle.report.get("units")
    return router.route(categories, kind, document, district, learned, top, decisions)
