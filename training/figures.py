"""What a bundle says of itself: what it was trained on, and its held-out figures, curves and classes. No clock, no paths: builds agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.category import level1
from classifier.curves import curves
from classifier.petition import Kind
from training.corpus import Example, count_by
from training.fit import Fitted
from training.metrics import coverage_at, expected_calibration_error, macro_f1
from training.tallies import tallies

#: The model abstains below the level-1 probability from which it was right this often on held-out folds.
ABSTAIN_ACCURACY = 0.95


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted model with the labels of the rows it was fitted on, and how often each occurs in life."""

    fitted: Fitted
    labels: tuple[str, ...]
    frequency: npt.NDArray[np.float64]


def counted(examples: Sequence[Example]) -> dict[str, Any]:
    return {
        "petitions": sum(not (example.is_terms or example.is_guess) for example in examples),
        "term_lists": sum(example.is_terms for example in examples),
        "categories": count_by([e for e in examples if not e.is_guess], "category"),
        "kinds": count_by(examples, "kind"),
        "units": _units(examples),
    }


def _units(examples: Sequence[Example]) -> dict[str, int]:
    """Cases of each unit without accusations: every reader of a suggestion sees them. A unit that had nothing else is named with none."""
    named = dict.fromkeys(count_by(examples, "unit"), 0)
    return named | count_by([e for e in examples if e.kind != Kind.ACCUSATION], "unit")


def report_of(
    seed: bool,
    data: Sequence[str],
    counts: dict[str, Any],
    category: Head | None,
    kind: Head | None,
    unit: Head | None,
) -> dict[str, Any]:
    """What the bundle says of itself: what it was trained on and its held-out figures. No clock, no paths: builds agree."""
    return {
        "seed": seed,
        "data": list(data),
        **counts,
        "category": _category_figures(category) if category else None,
        "kind": _figures(kind) if kind else None,
        "unit": _figures(unit) if unit else None,
        # Apart from the figures, which everybody may read: counts by category would tell how many accusations there are.
        "held_out": _held_out(category) if category and len(category.fitted.tested) else None,
    }


def _category_figures(head: Head) -> dict[str, Any]:
    figures = _figures(head)
    fitted = head.fitted
    if not len(fitted.tested):
        return {**figures, "threshold": 0.5}
    codes, broad, truth = _broad(head)
    confidence, correct = broad.max(axis=1), broad.argmax(axis=1) == truth
    coverage, threshold = coverage_at(confidence, correct, ABSTAIN_ACCURACY, head.frequency[fitted.tested])
    return {
        **figures,
        "level1": {
            "accuracy": round(float(correct.mean()), 4),
            "macro_f1": round(
                macro_f1([codes[i] for i in truth], [codes[i] for i in broad.argmax(axis=1)]), 4
            ),
            "coverage_at_95": round(coverage, 4),
        },
        "threshold": round(threshold, 4),
    }


def _figures(head: Head) -> dict[str, Any]:
    fitted = head.fitted
    if not len(fitted.tested):
        return {"n": 0}
    probabilities = _probabilities(fitted)
    truth = [head.labels[i] for i in fitted.tested]
    predicted = [fitted.model.classes[i] for i in probabilities.argmax(axis=1)]
    correct = np.array([t == p for t, p in zip(truth, predicted, strict=True)])
    ranked = np.argsort(-probabilities, axis=1, kind="stable")[:, :3]
    top3 = np.array(
        [t in {fitted.model.classes[c] for c in row} for t, row in zip(truth, ranked, strict=True)]
    )
    return {
        "n": len(truth),
        "accuracy": round(float(correct.mean()), 4),
        "macro_f1": round(macro_f1(truth, predicted), 4),
        "top3": round(float(top3.mean()), 4),
        "ece": round(expected_calibration_error(probabilities.max(axis=1), correct), 4),
        "design": asdict(fitted.design),
    }


def _broad(head: Head) -> tuple[list[str], npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Level-1 codes, their probabilities of each held-out text, and where among them its label is."""
    fitted = head.fitted
    codes, broad = level1(fitted.model.classes, _probabilities(fitted), fitted.model.pooling)
    return list(codes), broad, np.array([codes.index(head.labels[i][:2]) for i in fitted.tested])


def _held_out(head: Head) -> dict[str, Any]:
    """`level1`: both curves of level 1, where the model abstains, weighted as the threshold is, which lies on them. `classes`: of each
    held-out class how many there were, how many answers named it, how many of these were right."""
    fitted = head.fitted
    _, broad, place = _broad(head)
    confidence, correct = broad.max(axis=1), broad.argmax(axis=1) == place
    truth = [head.labels[i] for i in fitted.tested]
    predicted = [fitted.model.classes[i] for i in _probabilities(fitted).argmax(axis=1)]
    return {
        "level1": curves(confidence, correct, head.frequency[fitted.tested], ABSTAIN_ACCURACY).to_json(),
        "classes": {t.name: [t.count, t.suggested, t.right] for t in tallies(truth, predicted)},
    }


def _probabilities(fitted: Fitted) -> npt.NDArray[np.float64]:
    return fitted.model.calibration.probabilities(fitted.held_out)
