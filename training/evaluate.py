"""A labelled file against a bundle: the figures of DESIGN's contract for `fenban evaluate`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from classifier.bundle import Bundle
from classifier.category import LinearModel, level1
from classifier.directory import load_directory
from classifier.predict import Probabilities, categories_of, kind_of, predict, units_of
from classifier.routing import Router
from training.corpus import Example, load_labelled
from training.metrics import coverage_at, expected_calibration_error, macro_f1

_BATCH = 500
_TOP = 3


@dataclass(slots=True)
class Answers:
    """What the bundle says of each example, in order. `decided` and `units` are names of the directory where it knows the unit."""

    category: list[Probabilities]
    kinds: list[str]
    decided: list[str]
    units: list[list[str]]


@dataclass(frozen=True, slots=True)
class Ranking:
    """Suggestions at one level against the accepted answers, one entry a labelled petition; `rows` are their places in the file's examples.

    `probabilities` has shape (petitions, codes); `ranked` are its three greatest, `confidence` the greatest. `truth` is the answer that
    counts: the first suggestion where that is accepted (`correct`), else the label.
    """

    level: int
    rows: tuple[int, ...]
    accepted: Sequence[tuple[str, ...]]
    codes: tuple[str, ...]
    probabilities: Probabilities
    ranked: Sequence[Sequence[str]]
    truth: Sequence[str]
    confidence: Probabilities
    correct: npt.NDArray[np.bool_]

    @property
    def suggested(self) -> list[str]:
        return [row[0] for row in self.ranked]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures and what they were made of. `rankings`: the finest level first; empty without categories."""

    figures: dict[str, Any]
    examples: Sequence[Example]
    answers: Answers
    rankings: Sequence[Ranking]
    rejected: int


def evaluate(
    path: Path,
    bundle: Bundle,
    directory: Path,
    tick: Callable[[], object] = lambda: None,
    note: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The figures alone; see `evaluation`."""
    return evaluation(path, bundle, directory, tick, note).figures


def evaluation(
    path: Path,
    bundle: Bundle,
    directory: Path,
    tick: Callable[[], object] = lambda: None,
    note: Callable[[str], None] = lambda _: None,
) -> Evaluation:
    """Score whichever of category, kind and unit the file has. `directory` serves units only.

    `seconds` covers everything from the raw row to the answers; `note` hears of rows that could not be used. Raises as
    `load_labelled` does.
    """
    started = time.perf_counter()
    labelled = load_labelled(path, bundle.taxonomy, bundle.tokeniser, tick)
    answers = _answers(bundle, labelled.examples, directory)
    seconds = time.perf_counter() - started
    examples = labelled.examples
    if labelled.rejects:
        note(labelled.complaint(path))
    figures: dict[str, Any] = {"n": len(examples), "model_version": bundle.version}
    rankings: list[Ranking] = []
    if bundle.category and any(e.category for e in examples):
        rankings = category_rankings(examples, bundle.category, np.concatenate(answers.category))
        figures |= _category_figures(rankings)
    if bundle.kind and any(e.kind for e in examples):
        figures["kind"] = kind_figures(examples, answers.kinds)
    if any(e.unit for e in examples):
        figures["unit"] = _unit_figures(answers.decided, answers.units)
    figures |= {
        "seconds": round(seconds, 3),
        "per_second": round(len(examples) / max(seconds, 1e-9), 1),
    }
    return Evaluation(figures, examples, answers, rankings, len(labelled.rejects))


def _answers(bundle: Bundle, examples: Sequence[Example], directory: Path) -> Answers:
    answers = Answers([], [], [], [])
    router = None
    if any(example.unit for example in examples):
        router = Router(load_directory(directory, bundle.taxonomy), bundle.taxonomy, bundle.tokeniser)
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH]
        predictions = predict(bundle, [example.document for example in batch])
        if predictions.category is not None:
            answers.category.append(predictions.category)
        for row, example in enumerate(batch):
            kind = kind_of(bundle, predictions, row).name
            answers.kinds.append(kind.value)
            if router:
                categories = categories_of(bundle, predictions, row, example.document, _TOP)
                units = units_of(
                    bundle, predictions, row, example.document, router, categories, kind, "", _TOP
                )
                answers.units.append([unit.name for unit in units])
                known = router.directory.unit_named(example.unit)
                answers.decided.append(known.name if known else example.unit)
    return answers


def category_figures(
    examples: Sequence[Example], model: LinearModel, probabilities: Probabilities
) -> dict[str, Any]:
    """`category` at the finest level the labels have (1 or 2); `category_level1` beside it when that is 2."""
    return _category_figures(category_rankings(examples, model, probabilities))


def _category_figures(rankings: Sequence[Ranking]) -> dict[str, Any]:
    return dict(zip(("category", "category_level1"), map(_ranking_figures, rankings), strict=False))


def category_rankings(
    examples: Sequence[Example], model: LinearModel, probabilities: Probabilities
) -> list[Ranking]:
    """The finest level the labels have, then level 1 when that is finer. `probabilities`: shape (examples, classes).

    At level 2 the rows with level-1 labels only are left out; at level 1 all are rolled up.
    """
    rows = [i for i, example in enumerate(examples) if example.category]
    classes = model.classes
    codes, broad = level1(classes, probabilities[rows], model.pooling)
    at_level1 = _ranking(1, rows, [_accepted(examples[i], 2) for i in rows], codes, broad)
    fine = [i for i in rows if len(examples[i].category) == 4]
    if not fine or all(len(code) == 2 for code in classes):
        return [at_level1]
    truth = [_accepted(examples[i], 4) for i in fine]
    return [_ranking(2, fine, truth, classes, probabilities[fine]), at_level1]


def _accepted(example: Example, length: int) -> tuple[str, ...]:
    """The label and the second accepted answer, cut to a level; the label first."""
    return tuple(dict.fromkeys(code[:length] for code in (example.category, example.alternative) if code))


def _ranking(
    level: int,
    rows: Sequence[int],
    accepted: Sequence[tuple[str, ...]],
    codes: tuple[str, ...],
    probabilities: Probabilities,
) -> Ranking:
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :_TOP]
    ranked = [[codes[i] for i in row] for row in order.tolist()]
    hits = [row[0] in good for row, good in zip(ranked, accepted, strict=True)]
    # An accepted second answer counts as the truth it is.
    truth = [row[0] if hit else good[0] for row, good, hit in zip(ranked, accepted, hits, strict=True)]
    correct = np.array(hits, dtype=bool)
    confidence = probabilities.max(axis=1)
    return Ranking(level, tuple(rows), accepted, codes, probabilities, ranked, truth, confidence, correct)


def _ranking_figures(ranking: Ranking) -> dict[str, Any]:
    pairs = zip(ranking.ranked, ranking.accepted, strict=True)
    return {
        "level": ranking.level,
        "accuracy": round(float(ranking.correct.mean()), 4),
        "macro_f1": round(macro_f1(ranking.truth, ranking.suggested), 4),
        "top3": round(sum(bool(set(row) & set(good)) for row, good in pairs) / len(ranking.ranked), 4),
        "ece": round(expected_calibration_error(ranking.confidence, ranking.correct), 4),
        "coverage_at_95": round(coverage_at(ranking.confidence, ranking.correct)[0], 4),
    }


def kind_figures(examples: Sequence[Example], kinds: Sequence[str]) -> dict[str, Any]:
    pairs = [(example.kind, kind) for example, kind in zip(examples, kinds, strict=True) if example.kind]
    truth, predicted = [t for t, _ in pairs], [p for _, p in pairs]
    return {
        "accuracy": round(sum(t == p for t, p in pairs) / len(pairs), 4),
        "macro_f1": round(macro_f1(truth, predicted), 4),
        "counts": dict(sorted(Counter(truth).items())),
    }


def _unit_figures(decided: Sequence[str], units: Sequence[Sequence[str]]) -> dict[str, Any]:
    pairs = [(unit, ranked) for unit, ranked in zip(decided, units, strict=True) if unit]
    truth = [unit for unit, _ in pairs]
    return {
        "accuracy": round(sum(unit == ranked[0] for unit, ranked in pairs) / len(pairs), 4),
        "macro_f1": round(macro_f1(truth, [ranked[0] for _, ranked in pairs]), 4),
        "top3": round(sum(unit in ranked[:_TOP] for unit, ranked in pairs) / len(pairs), 4),
    }
