"""Labels that are likely wrong, listed for a second look: confident learning (Northcutt, Jiang and Chuang 2021).

Each office label is judged by a model that has not seen its group: ridge regression, left out in closed form rather than by refitting. A
label is suspicious where another class is at least as likely as that class usually is for its own, and likelier than any other such. Of
a class of few labels it is not known what is usual: its labels are not judged, and none is thought to belong to it. What is listed is ids and labels, never a text, and nothing is dropped from training: a correction often looks like an error to a model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve

from classifier.features import Vectoriser
from classifier.scorecard import LabelCard
from training.corpus import Example
from training.fit import Matrix, Scores, calibrate, gram
from training.office import Office
from training.split import Indices

#: The newest labels of the office that are looked at, and petitions of the seed beside them: n³ is the price.
MOST_LABELS, MOST_SEED = 4_000, 4_000
#: Fewer labels say nothing of what is usual.
FEWEST_LABELS = 30
#: A class of fewer labels is not known well enough. Of an office's first 300 to 1,200 decisions on units half looked wrong without this, and a fifth does with it (decision 020).
FEWEST_OF_CLASS = 10
_ALPHA = 4.0

Probabilities = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """Row `row` was given `given`; `likely` fits better, with `probability` by a model that has not seen the row's group."""

    row: int
    given: str
    likely: str
    probability: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A petition whose label deserves a second look. `likely` is only what a model would have said."""

    id: str
    task: str
    given: str
    likely: str
    probability: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def look_again(
    office: Office, seed: Sequence[Example], vectoriser: Vectoriser, since: datetime, weight: float
) -> tuple[tuple[Finding, ...], dict[str, LabelCard]]:
    """The suspicious ones of the office's labels, and how many there are of those decided after `since` and before, as far as they are judged.

    `seed` petitions, which count 1 against the office's `weight`, teach what categories and kinds are; units only the office knows. Categories
    are looked at on level 1: within a branch a second opinion is often as good as the first.
    """
    newest = sorted(
        range(len(office.learnt)), key=lambda i: (office.learnt[i].decided_at or since, office.learnt[i].id)
    )[-MOST_LABELS:]
    some = np.random.default_rng(0).permutation(len(seed))[:MOST_SEED].tolist()
    examples = [office.examples[i] for i in newest] + [seed[i] for i in some]
    matrix = vectoriser.transform([example.document for example in examples])
    groups = np.unique([example.group for example in examples], return_inverse=True)[1].astype(np.int64)
    weights = np.array([weight] * len(newest) + [1.0] * len(some))
    findings: list[Finding] = []
    cards: dict[str, LabelCard] = {}
    for task, labels in (
        ("level1", [example.category[:2] for example in examples]),
        ("kind", [example.kind for example in examples]),
        ("unit", [example.unit for example in examples]),
    ):
        rows = np.array([i for i, label in enumerate(labels) if label], dtype=np.int64)
        size = Counter(labels[i] for i in rows)
        judged = np.array(
            [
                at
                for at, i in enumerate(rows.tolist())
                if i < len(newest) and size[labels[i]] >= FEWEST_OF_CLASS
            ],
            dtype=np.int64,
        )
        if len(judged) < FEWEST_LABELS:
            continue
        found = suspicious(matrix[rows], [labels[i] for i in rows], weights[rows], groups[rows], judged)
        doubtful = {int(rows[s.row]) for s in found}
        is_new = {
            int(i): (office.learnt[newest[i]].decided_at or since) > since for i in rows[judged].tolist()
        }
        cards[task] = LabelCard(
            new=sum(is_new.values()),
            suspicious=sum(is_new[i] for i in doubtful),
            older=sum(not new for new in is_new.values()),
            older_suspicious=sum(not is_new[i] for i in doubtful),
        )
        findings += [
            Finding(office.learnt[newest[rows[s.row]]].id, task, s.given, s.likely, s.probability)
            for s in found
        ]
    return tuple(findings), cards


def suspicious(
    matrix: Matrix,
    labels: Sequence[str],
    weights: npt.NDArray[np.float64],
    groups: Indices,
    judged: Indices,
) -> list[Suspicion]:
    """The suspicious ones of the rows `judged`, surest first. All rows teach; each has a label, a weight and a group."""
    classes = sorted(set(labels))
    if len(classes) < 2:
        return []
    index = {name: i for i, name in enumerate(classes)}
    truth = np.array([index[label] for label in labels], dtype=np.int64)
    scores = left_out_scores(matrix, truth, len(classes), weights, groups, judged)
    given = truth[judged]
    probabilities = calibrate(scores, given, np.ones(len(given)))[0].probabilities(scores)
    known = np.bincount(truth, minlength=len(classes)) >= FEWEST_OF_CLASS
    likely = confident_errors(probabilities, given, known)
    found = [
        Suspicion(
            int(judged[i]),
            classes[given[i]],
            classes[likely[i]],
            round(float(probabilities[i, likely[i]]), 4),
        )
        for i in np.flatnonzero(likely != given).tolist()
    ]
    return sorted(found, key=lambda s: (-s.probability, s.row))


def left_out_scores(
    matrix: Matrix,
    truth: Indices,
    classes: int,
    weights: npt.NDArray[np.float64],
    groups: Indices,
    judged: Indices,
) -> Scores:
    """Ridge scores of the rows `judged`, each as if the judged rows of its group had not been there. Shape (judged, classes).

    With C = √W (K + 1) √W + αI and dual d = C⁻¹ √W Y, the residuals of a left-out group G are (C⁻¹)_GG⁻¹ d_G: one factor serves all groups.
    """
    root = np.sqrt(weights).astype(np.float32)[:, None]
    target = np.full((len(truth), classes), -1.0, dtype=np.float32)
    target[np.arange(len(truth)), truth] = 1.0
    kernel = (gram(matrix) + np.float32(1.0)) * root * root.T
    kernel[np.diag_indices_from(kernel)] += np.float32(_ALPHA)
    factor = cho_factor(kernel, lower=True, overwrite_a=True, check_finite=False)
    picked = np.zeros((len(truth), len(judged)), dtype=np.float32)
    picked[judged, np.arange(len(judged))] = 1.0
    inverse = cho_solve(factor, picked, overwrite_b=True, check_finite=False)[judged]
    dual = cho_solve(factor, target * root, check_finite=False)[judged]
    scores = target[judged].copy()
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups[judged].tolist()):
        members.setdefault(group, []).append(i)
    for rows in members.values():
        scores[rows] -= np.linalg.solve(inverse[np.ix_(rows, rows)], dual[rows]) / root[judged[rows]]
    return scores


def confident_errors(probabilities: Probabilities, given: Indices, known: npt.NDArray[np.bool_]) -> Indices:
    """The class each row confidently belongs to: `given` itself where nothing speaks against it, or no class that is `known` speaks for
    itself. `probabilities` are of unseen rows."""
    classes = probabilities.shape[1]
    own = probabilities[np.arange(len(given)), given]
    size = np.bincount(given, minlength=classes)
    # A class is confident from its mean probability among those labelled with it; one without labels, from that of all.
    usual = np.where(
        size > 0, np.bincount(given, weights=own, minlength=classes) / np.maximum(size, 1), own.mean()
    )
    confident = np.where(known & (probabilities >= usual), probabilities, -1.0)
    best = confident.argmax(axis=1)
    return np.where(confident.max(axis=1) < 0, given, best)
