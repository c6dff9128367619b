"""Planted label errors are found, honest labels are let be, and leaving a group out is what refitting without it would give."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from classifier.bundle import Bundle
from training.corpus import Example, document_of, seed_examples
from training.fit import ridge
from training.noise import _ALPHA, confident_errors, left_out_scores, look_again
from training.office import Office, TestSet
from training.snapshot import LabelledPetition, Petition, Snapshot


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_leaving_out_in_closed_form_is_refitting_without(seed: int) -> None:
    chance = np.random.default_rng(seed)
    matrix = sparse.csr_matrix(chance.random((24, 40), dtype=np.float32))
    truth, weights = chance.integers(0, 3, 24), chance.choice([1.0, 6.0], 24)
    groups, judged = chance.integers(0, 6, 24), np.sort(chance.permutation(24)[:15])
    scores = left_out_scores(matrix, truth, 3, weights, groups, judged)
    for i, row in enumerate(judged):
        kept = np.array([r for r in range(24) if groups[r] != groups[row] or r not in judged])
        coef, intercept = ridge(matrix[kept], truth[kept], 3, weights[kept], _ALPHA)
        assert scores[i] == pytest.approx(np.asarray(matrix[row] @ coef)[0] + intercept, abs=2e-3)


def test_a_class_is_confident_from_what_is_usual_for_it() -> None:
    probabilities = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.05, 0.95]])
    # The third was called 0; class 1 is usually so likely (0.95) only for the fourth.
    both = np.array([True, True])
    assert confident_errors(probabilities, np.array([0, 0, 0, 1]), both).tolist() == [0, 0, 0, 1]
    assert confident_errors(probabilities, np.array([0, 0, 0, 0]), both).tolist() == [0, 0, 1, 1]
    # Of a class of few labels nothing is usual.
    assert confident_errors(probabilities, np.array([0, 0, 0, 0]), ~both).tolist() == [0, 0, 0, 0]
    assert confident_errors(probabilities, np.array([0, 0, 0, 0]), np.array([True, False])).tolist() == [0, 0, 0, 0]  # fmt: skip


def _office(
    rows: list[dict[str, str]],
    labels: list[str],
    bundle: Bundle,
    new_from: int,
    units: list[str] | None = None,
) -> Office:
    moments = [datetime(2026, 3 if i >= new_from else 1, 1, tzinfo=UTC) for i in range(len(rows))]
    petitions = tuple(
        LabelledPetition(
            Petition(r["id"], r["title"], r["text"]), "", "", c, r["kind"], "", (), (), moment, moment
        )
        for r, c, moment in zip(rows, labels, moments, strict=True)
    )
    examples = tuple(
        Example(document_of(p.petition, bundle.tokeniser), p.category, p.kind, unit, group=p.id)
        for p, unit in zip(petitions, units or [""] * len(rows), strict=True)
    )
    return Office(Snapshot("", "", petitions, ()), examples, petitions, (), TestSet(), 0)


@pytest.mark.parametrize(("rate", "recall", "precision"), [(0.1, 0.75, 0.85), (0.4, 0.7, 0.65)])
def test_planted_errors_are_found(
    bundle: Bundle, seed_rows: list[dict[str, str]], rate: float, recall: float, precision: float
) -> None:
    chance = random.Random(5)  # noqa: S311  no secret
    rows = chance.sample(seed_rows, 400)
    taught = {row["id"] for row in rows}
    seed = list(seed_examples([row for row in seed_rows if row["id"] not in taught][::2], bundle.tokeniser))
    other = {"04": "1501", "15": "0402"}
    wrong = {row["id"] for row in rows if chance.random() < rate}
    labels = [other[r["category"][:2]] if r["id"] in wrong else r["category"][:4] for r in rows]
    office = _office(rows, labels, bundle, new_from=200)
    findings, cards = look_again(office, seed, bundle.vectoriser, datetime(2026, 2, 1, tzinfo=UTC), 6.0)
    found = {f.id for f in findings if f.task == "level1"}
    assert len(found & wrong) >= recall * len(wrong)
    assert len(found & wrong) >= precision * len(found)
    assert all(f.given != f.likely for f in findings)
    new = {row["id"] for row in rows[200:]}
    card = cards["level1"]
    assert (card.new, card.older) == (200, 200)
    assert (card.suspicious, card.older_suspicious) == (len(found & new), len(found - new))


def test_honest_labels_are_let_be(bundle: Bundle, seed_rows: list[dict[str, str]]) -> None:
    rows = random.Random(6).sample(seed_rows, 300)  # noqa: S311
    office = _office(rows, [row["category"][:4] for row in rows], bundle, new_from=0)
    _, cards = look_again(office, (), bundle.vectoriser, datetime(2026, 2, 1, tzinfo=UTC), 6.0)
    assert cards["level1"].suspicious <= 0.03 * 300
    few = _office(rows[:20], [row["category"][:4] for row in rows[:20]], bundle, new_from=0)
    assert look_again(few, (), bundle.vectoriser, datetime(2026, 2, 1, tzinfo=UTC), 6.0) == ((), {})


def test_units_of_few_decisions_are_not_called_wrong(bundle: Bundle, seed_rows: list[dict[str, str]]) -> None:
    """A first retraining knows most units from a handful of decisions."""
    chance = random.Random(7)  # noqa: S311  no secret
    rows = chance.sample(seed_rows, 300)
    # Two large units by the matter, and sixty that take one petition in three whatever it is about.
    units = [f"少{chance.randrange(60)}" if chance.random() < 0.33 else r["category"][:2] for r in rows]
    office = _office(rows, [row["category"][:4] for row in rows], bundle, new_from=0, units=units)
    findings, cards = look_again(office, (), bundle.vectoriser, datetime(2026, 2, 1, tzinfo=UTC), 6.0)
    assert cards["unit"].new == sum(unit in {"04", "15"} for unit in units)
    assert cards["unit"].suspicious <= 0.05 * cards["unit"].new
    assert not any("少" in f.given + f.likely for f in findings)
