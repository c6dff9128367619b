"""A model of units leans on the categories' model and on names and duties, and what it leans on folds away."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from classifier.category import Calibration, LinearModel
from classifier.petition import Petition
from classifier.routing import Router
from classifier.taxonomy import load_taxonomy
from classifier.tokenise import Tokeniser
from classifier.triage import triage
from training.fit import Design, Fitted
from training.train import Progress, Sources, train
from training.units import category_directions, described, folded, widened

ROOT = Path(__file__).resolve().parents[2]
_CALIBRATION = Calibration(3.0, 20.0)


def _model(rng: np.random.Generator, width: int, classes: int) -> LinearModel:
    coef = rng.normal(size=(width, classes)).astype(np.float32)
    names = tuple(f"c{i}" for i in range(classes))
    return LinearModel(names, coef, rng.normal(size=classes).astype(np.float32), _CALIBRATION)


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(2, 5), st.integers(2, 4))
def test_folding_gives_the_scores_of_the_widened_matrix(
    seed: int, width: int, categories: int, units: int
) -> None:
    rng = np.random.default_rng(seed)
    matrix = sparse.random(9, width, 0.5, format="csr", dtype=np.float32, random_state=seed)
    directions = category_directions(_model(rng, width, categories), matrix)
    wide = widened(matrix, directions)
    model = _model(rng, wide.shape[1], units)
    fitted = Fitted(model, np.zeros((0, units), np.float32), np.zeros(0, np.int64), Design(1.0))
    narrow = folded(fitted, directions).model
    assert narrow.coef.shape == (width, units)
    np.testing.assert_allclose(matrix @ narrow.coef, wide @ model.coef, rtol=1e-3, atol=1e-3)


def test_rows_are_about_as_long_along_the_categories_as_in_words() -> None:
    rng = np.random.default_rng(0)
    matrix = sparse.random(50, 30, 0.3, format="csr", dtype=np.float32, random_state=0)
    directions = category_directions(_model(rng, 30, 6), matrix)
    assert directions is not None
    assert np.square(matrix @ directions).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)


def test_without_categories_nothing_is_added() -> None:
    matrix = sparse.random(5, 4, 0.5, format="csr", dtype=np.float32, random_state=0)
    assert category_directions(None, matrix) is None
    assert widened(matrix, None) is matrix


def test_a_name_brings_the_duties_a_shipped_directory_has_for_it() -> None:
    taxonomy = load_taxonomy(ROOT / "corpora" / "taxonomy")
    cases = described(
        ["人力资源和社会保障局", "火星局"], ROOT / "corpora" / "units", taxonomy, Tokeniser(), 2.0
    )
    known, unknown = cases
    assert "人社局" in known.document.text
    assert "工伤认定" in known.document.text
    assert unknown.document.text == "火星局"
    assert [(case.unit, case.weight, case.is_terms) for case in cases] == [
        ("人力资源和社会保障局", 2.0, True),
        ("火星局", 2.0, True),
    ]


@pytest.mark.parametrize("count", [1, 3])
def test_a_unit_with_few_cases_is_reachable(
    count: int, small_corpora: Path, seed_rows, quiet: Progress, write_csv, router: Router
) -> None:
    rows = [
        {"title": row["title"], "text": row["text"], "unit": f"{row['category'][:2]}处"}
        for row in seed_rows[::4]
    ]
    few = ("雷电预警短信没有收到", "天气预报不准，下冰雹没有通知", "大风蓝色预警为什么没有发布")[:count]
    rows += [{"title": "", "text": text, "unit": "星城气象台"} for text in few]
    bundle = train(Sources(small_corpora, (write_csv("a.csv", rows),)), quiet)
    assert bundle.report["units"]["星城气象台"] == count
    for text in ("气象台什么时候发布天气情况", "雷电预警太晚了"):
        units = triage(Petition("1", "", text), bundle, None, router, bytes(32)).units
        found = next(unit for unit in units if unit.name == "星城气象台")
        assert found.grounds
