"""The link model: what it learns from, that its signs hold, and the shipped one's figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from classifier.bundle import Bundle
from classifier.errors import CorpusError
from classifier.links.compare import FEATURES
from classifier.links.model import UNTRAINED, LinkModel
from training.links import HARD_WEIGHT, _fitted, _threshold, fit_links, load_pairs

ROOT = Path(__file__).resolve().parents[2]

_PAIR: dict[str, Any] = {
    "id": "P1-001",
    "label": "same_matter",
    "case": "resubmission",
    "everyday": True,
    "same_petitioner": True,
    "a": {
        "title": "路灯不亮",
        "text": "柳坪路路灯半年不亮，请修。",
        "channel": "网络",
        "received_at": "2024-03-01",
    },
    "b": {"title": "", "text": "柳坪路路灯还是不亮。", "channel": "电话", "received_at": ""},
    "note": "",
}


def _write(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / "01.jsonl").write_text(
        "\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8"
    )
    return folder


def test_pairs_are_read_with_their_weights(tmp_path: Path) -> None:
    pairs = load_pairs(
        _write(tmp_path, _PAIR, _PAIR | {"id": "P1-002", "label": "related", "everyday": False})
    )
    assert [(pair.is_same, pair.same_petitioner, pair.weight) for pair in pairs] == [
        (True, True, 1.0),
        (False, True, HARD_WEIGHT),
    ]
    assert pairs[0].a.received_at is not None
    assert pairs[0].b.received_at is None


@pytest.mark.parametrize(
    "bad", [{"label": "alike"}, {"a": "路灯"}, {"a": {"title": "路灯"}}, {"everyday": None, "label": None}]
)
def test_a_bad_row_is_named(tmp_path: Path, bad: dict[str, Any]) -> None:
    with pytest.raises(CorpusError, match="第 2 行"):
        load_pairs(_write(tmp_path, _PAIR, _PAIR | bad))


def test_no_folder_means_no_pairs(tmp_path: Path) -> None:
    assert load_pairs(tmp_path / "pairs") == []


def test_coefficients_keep_their_sign_even_against_the_data() -> None:
    chance = np.random.default_rng(0)
    values = chance.random((400, len(FEATURES)))
    # Everything that speaks for a link is made to speak against it, and the other way round.
    signs = np.array([sign for _, _, sign in FEATURES])
    truth = (-(values - 0.5) @ signs + chance.normal(0, 0.1, 400) > 0).astype(float)
    model = _fitted(values, truth, np.ones(400))
    for weight, sign in zip(model.weights, signs.tolist(), strict=True):
        assert weight * sign >= 0


def test_the_threshold_is_where_enough_are_right() -> None:
    likely = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    truth = np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    assert _threshold(likely, truth, np.ones(5), 0.95) == (0.8, pytest.approx(2 / 3))
    # A wrong pair that stands for little does not stop it.
    assert _threshold(likely, truth, np.array([1, 1, 0.01, 1, 1]), 0.95) == (0.6, 1.0)
    assert _threshold(likely[2:3], truth[2:3], np.ones(1), 0.95) == (0.95, 0.0)


def test_contributions_add_up_to_the_log_odds() -> None:
    values = np.random.default_rng(1).random((5, len(FEATURES)))
    model = LinkModel(tuple([0.5] * len(FEATURES)), tuple(range(len(FEATURES))), -2.0, 0.5, 0.5)
    likely = model.likely(values)
    logits = np.log(likely / (1 - likely))
    np.testing.assert_allclose(model.contributions(values).sum(axis=1) - 2.0, logits, rtol=1e-4)


def test_the_shipped_model_learnt_and_holds_its_floor(day_one: Bundle) -> None:
    assert day_one.links != UNTRAINED
    figures = day_one.report["links"]
    assert figures["pairs"] >= 600
    assert figures["average_precision"] >= 0.85
    assert 0.3 <= day_one.links.again <= day_one.links.threshold <= 0.9


def test_learning_twice_gives_the_same_model(bundle: Bundle) -> None:
    pairs = load_pairs(ROOT / "corpora" / "pairs")[::12]
    assert fit_links(bundle, pairs, ()) == fit_links(bundle, pairs, ())
