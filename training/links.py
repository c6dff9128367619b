"""The link model: learnt from written pairs of petitions, and from petitions that are certainly of different matters.

`corpora/pairs` holds pairs that were written as hard ones (copied wording about another estate, neighbours in other words) and pairs as they
come every day. Hard pairs are rare in life, so they count for little. Seed petitions were each written about a matter of its own: two that
look alike are the ordinary case of "alike, but not the same".
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from sklearn.metrics import average_precision_score
from sklearn.model_selection import StratifiedKFold

from classifier.bundle import Bundle
from classifier.dates import parse_date
from classifier.errors import CorpusError
from classifier.links.compare import FEATURES, compare
from classifier.links.model import LinkModel
from classifier.links.terms import LinkEntry
from classifier.petition import Petition
from classifier.predict import predict
from classifier.tables import raise_problems, read_text
from classifier.triage import entry_of, read

LABELS = ("same_matter", "related", "different")
#: How many everyday pairs a pair stands for: a hard one, and a pair of seed petitions that look alike.
HARD_WEIGHT, SEED_WEIGHT = 0.2, 0.5
#: ... and a pair an officer of this office judged.
OFFICE_WEIGHT = 2.0
#: A link is shown from the probability from which so many of the held-out pairs are right, each counting by its weight: where an identity
#: key agrees, and otherwise. The second is the stricter one: among strangers a petition meets far more that is like it and another matter than these pairs hold.
AGAIN_PRECISION, SHOWN_PRECISION = 0.95, 0.96
_SEED_PAIRS, _LIKE = 1_000, 20
# Strength of the L2 penalty on numbers scaled to their range (5 to 40 differ little), and folds of the held-out scores.
_RIDGE, _FOLDS = 10.0, 5
_BATCH = 500
# Dates of seed pairs, and the share of them that has one petitioner.
_EPOCH, _SAME_PETITIONER = datetime(2020, 1, 1, tzinfo=UTC), 0.15

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two petitions that somebody judged. `same_petitioner` makes a key of theirs agree."""

    a: Petition
    b: Petition
    is_same: bool
    same_petitioner: bool
    weight: float


def load_pairs(folder: Path) -> list[Pair]:
    """The pairs of every `NN.jsonl`; empty where there is no folder. Raises CorpusError naming file and line of each bad row."""
    pairs: list[Pair] = []
    problems: list[str] = []
    for file in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(read_text(file, CorpusError).split("\n"), start=1):
            if line.strip():
                try:
                    pairs.append(_pair(json.loads(line)))
                except (ValueError, KeyError, TypeError, AttributeError):
                    problems.append(f"{file.name} 第 {number} 行不是一对信访件（见 corpora/README.md）")
    raise_problems(problems, CorpusError)
    return pairs


def _pair(row: Mapping[str, Any]) -> Pair:
    if row["label"] not in LABELS:
        raise ValueError(row["label"])
    weight = 1.0 if row["everyday"] else HARD_WEIGHT
    a, b = (
        Petition(
            f"{row['id']}{side}",
            row[side]["title"],
            row[side]["text"],
            received_at=parse_date(row[side]["received_at"]) if row[side]["received_at"] else None,
        )
        for side in ("a", "b")
    )
    return Pair(a, b, row["label"] == "same_matter", bool(row["same_petitioner"]), weight)


def fit_links(
    bundle: Bundle,
    pairs: Sequence[Pair],
    seed: Sequence[Mapping[str, str]],
    tick: Callable[[], object] = lambda: None,
    office: Sequence[Pair] = (),
) -> tuple[LinkModel, dict[str, float]]:
    """A link model for what this bundle makes of texts, and its held-out figures, pairs counting by their weights.

    `office` are pairs officers judged: they teach and move the threshold, but average precision is of the other pairs alone, so that it
    compares from model to model.
    """
    everything = [*pairs, *_seed_pairs(bundle, seed, _gaps(pairs)), *office]
    values = _values(bundle, everything, tick)
    truth = np.array([pair.is_same for pair in everything], dtype=np.float64)
    weights = np.array([pair.weight for pair in everything])
    held_out = np.zeros(len(truth))
    groups = [f"{pair.is_same}{pair.weight}" for pair in everything]
    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=0).split(values, groups):
        held_out[test] = _fitted(values[train], truth[train], weights[train]).likely(values[test])
    threshold, recall = _threshold(held_out, truth, weights, SHOWN_PRECISION)
    same = np.array([pair.same_petitioner for pair in everything])
    again, recall_again = _threshold(held_out[same], truth[same], weights[same], AGAIN_PRECISION)
    # A key that agrees never asks for more.
    again = min(again, threshold)
    model = replace(_fitted(values, truth, weights), threshold=threshold, again=again)
    figures = {
        "pairs": len(pairs), "threshold": threshold, "recall": round(recall, 4),
        "threshold_again": again, "recall_again": round(recall_again, 4),
    }  # fmt: skip
    if office:
        figures["office_pairs"] = len(office)
    shipped = slice(len(everything) - len(office))
    precision = average_precision_score(truth[shipped], held_out[shipped], sample_weight=weights[shipped])
    return model, figures | {"average_precision": round(float(precision), 4)}


def shown_and_right(bundle: Bundle, pairs: Sequence[Pair]) -> tuple[int, int]:
    """How many of these pairs the bundle's model would show as links, and how many of those are of one matter."""
    if not pairs:
        return 0, 0
    least = np.where([pair.same_petitioner for pair in pairs], bundle.links.again, bundle.links.threshold)
    shown = bundle.links.likely(_values(bundle, pairs, lambda: None)) >= least
    right = np.array([pair.is_same for pair in pairs])
    return int(shown.sum()), int((shown & right).sum())


def _gaps(pairs: Sequence[Pair]) -> list[int]:
    """Days between the petitions of each pair that has both dates."""
    moments = [(pair.a.received_at, pair.b.received_at) for pair in pairs]
    return [abs((b - a).days) for a, b in moments if a and b]


def _seed_pairs(bundle: Bundle, seed: Sequence[Mapping[str, str]], gaps: Sequence[int]) -> list[Pair]:
    """Seed petitions with one of those most like them each, some days apart, now and then by one petitioner."""
    if len(seed) <= _LIKE or not gaps:
        return []
    chance = np.random.default_rng(0)
    documents = [
        read(Petition("", row["title"], row["text"]), bundle.tokeniser, bytes(32)).document for row in seed
    ]
    matrix = bundle.vectoriser.transform(documents)
    chosen = chance.permutation(len(seed))[:_SEED_PAIRS]
    pairs = []
    for start in range(0, len(chosen), _BATCH):
        rows = chosen[start : start + _BATCH]
        likeness = (matrix[rows] @ matrix.T).toarray()
        likeness[np.arange(len(rows)), rows] = -1
        nearest = np.argsort(-likeness, axis=1, kind="stable")[:, :_LIKE]
        # Half of them with the one most like it, half with any of the next.
        ranks = np.where(np.arange(len(rows)) % 2, 0, chance.integers(1, _LIKE, len(rows)))
        for one, other in zip(rows.tolist(), nearest[np.arange(len(rows)), ranks].tolist(), strict=True):
            later = _EPOCH + timedelta(days=int(chance.choice(gaps)))
            a, b = (
                Petition("", seed[i]["title"], seed[i]["text"], received_at=moment)
                for i, moment in ((one, _EPOCH), (other, later))
            )
            pairs.append(Pair(a, b, False, bool(chance.random() < _SAME_PETITIONER), SEED_WEIGHT))
    return pairs


def _values(bundle: Bundle, pairs: Sequence[Pair], tick: Callable[[], object]) -> Values:
    """The numbers of each pair. Shape (len(pairs), len(FEATURES))."""
    entries: list[LinkEntry] = []
    petitions = [petition for pair in pairs for petition in (pair.a, pair.b)]
    for start in range(0, len(petitions), _BATCH):
        readings = [read(p, bundle.tokeniser, bytes(32)) for p in petitions[start : start + _BATCH]]
        predictions = predict(bundle, [reading.document for reading in readings])
        entries += [entry_of(bundle, predictions, row, reading) for row, reading in enumerate(readings)]
    values = []
    for pair, a, b in zip(pairs, entries[::2], entries[1::2], strict=True):
        keys = frozenset({("account", "one")}) if pair.same_petitioner else frozenset()
        values.append(compare(replace(a, keys=keys), [replace(b, keys=keys)], bundle.term_weights)[0])
        tick()
    return np.array(values)


def _fitted(values: Values, truth: Values, weights: Values) -> LinkModel:
    """Logistic regression whose coefficients keep to the signs of `FEATURES`, on numbers scaled to their range."""
    center, scale = values.mean(axis=0), np.maximum(np.ptp(values, axis=0), 1e-9)
    standard = (values - center) / scale
    sides = 2 * truth - 1

    def loss(parameters: Values) -> tuple[float, Values]:
        coef, intercept = parameters[:-1], parameters[-1]
        margin = sides * (standard @ coef + intercept)
        slope = -sides * weights / (1 + np.exp(margin))
        value = (weights * np.logaddexp(0, -margin)).sum() + 0.5 * _RIDGE * (coef * coef).sum()
        return float(value), np.append(standard.T @ slope + _RIDGE * coef, slope.sum())

    bounds = [(0 if sign > 0 else None, 0 if sign < 0 else None) for _, _, sign in FEATURES]
    found: Any = minimize(
        loss, np.zeros(len(FEATURES) + 1), jac=True, bounds=[*bounds, (None, None)], method="L-BFGS-B"
    )
    coef = found.x[:-1] / scale
    return LinkModel(
        tuple(np.round(center, 6).tolist()),
        tuple(np.round(coef, 6).tolist()),
        round(float(found.x[-1]), 6),
        0.5,
        0.5,
    )


def _threshold(likely: Values, truth: Values, weights: Values, precision: float) -> tuple[float, float]:
    """The least probability from which this share of the pairs is right, and the share of true pairs from there on."""
    order = np.argsort(-likely, kind="stable")
    right, all_ = np.cumsum((weights * truth)[order]), np.cumsum(weights[order])
    good = np.flatnonzero(right / all_ >= precision)
    if not len(good):
        return 0.95, 0.0
    return round(float(likely[order[good[-1]]]), 4), float(right[good[-1]] / right[-1])
