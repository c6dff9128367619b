"""What the matter is: probabilities, evidence, level 3, and what a bundle without models answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import sparse

from classifier.bundle import Bundle
from classifier.category import Calibration, Explainer, LevelThree, LinearModel, Pooling, level1
from classifier.features import Document, Vectoriser
from classifier.lexicon import parse_lexicon
from classifier.normalise import normalised
from classifier.petition import Kind, KindSuggestion
from classifier.predict import best_classes, categories_of, kind_of, predict, units_of
from classifier.redact import redact
from classifier.routing import Router
from classifier.taxonomy import Taxonomy, parse_taxonomy

_SEED = Path(__file__).resolve().parents[2] / "corpora" / "seed"


def _document(bundle: Bundle, text: str) -> Document:
    text = redact(normalised(text))[0]
    return Document(text, max(text.find("\n"), 0), tuple(bundle.tokeniser.cut(text)))


@pytest.fixture(scope="module")
def documents(bundle: Bundle) -> list[Document]:
    lines = (_SEED / "04.jsonl").read_text(encoding="utf-8").splitlines()[::9]
    return [_document(bundle, "{title}\n{text}".format(**json.loads(line))) for line in lines]


@pytest.fixture(scope="module")
def model(bundle: Bundle) -> LinearModel:
    assert bundle.category is not None
    return bundle.category


score_tables = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 4), st.integers(2, 6)), elements=st.floats(-50, 50, width=32)
)
calibrations = st.builds(Calibration, st.floats(0.1, 12), st.floats(0.1, 12))


@settings(max_examples=80, deadline=None)
@given(score_tables, calibrations)
def test_probabilities_sum_to_one_and_keep_the_order_of_the_scores(
    scores: np.ndarray, calibration: Calibration
) -> None:
    probabilities = calibration.probabilities(scores)
    assert probabilities.shape == scores.shape
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    for row, chances in zip(scores, probabilities, strict=True):
        by_score = np.argsort(row, kind="stable")
        assert (np.diff(chances[by_score]) >= -1e-12).all()


def test_calibration_is_the_formula_it_says() -> None:
    """p ∝ softplus(knee · (score + 1)) ** power"""
    scores = np.array([[-1.0, 0.0, 1.0]], dtype=np.float32)
    values = np.log1p(np.exp(2.0 * (scores.astype(float) + 1.0))) ** 3
    np.testing.assert_allclose(Calibration(3.0, 2.0).probabilities(scores), values / values.sum(), rtol=1e-6)


def test_a_models_probabilities_sum_to_one_on_real_texts(bundle: Bundle, documents: list[Document]) -> None:
    found = predict(bundle, documents)
    for probabilities in (found.category, found.kind):
        assert probabilities is not None
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert ((found.confidence > 0) & (found.confidence <= 1 + 1e-9)).all()


def test_the_tiny_model_learnt_its_branch(
    bundle: Bundle, model: LinearModel, documents: list[Document]
) -> None:
    found = predict(bundle, documents)
    assert found.category is not None
    right = sum(model.classes[best_classes(row, 1)[0]].startswith("04") for row in found.category)
    assert right >= 0.9 * len(documents)


def test_level_one_is_the_sum_of_its_children() -> None:
    codes, rolled = level1(("0101", "0201", "0102", "03"), np.array([[0.1, 0.2, 0.3, 0.4]]))
    assert codes == ("01", "02", "03")
    np.testing.assert_allclose(rolled, [[0.4, 0.2, 0.4]])


@given(
    arrays.arrays(np.float64, (3, 4), elements=st.floats(0.001, 1.0)),
    st.floats(0.2, 2.0),
    st.floats(0.2, 2.0),
)
def test_pooled_branches_are_probabilities_and_a_surer_child_never_hurts_its_branch(
    raw: np.ndarray, exponent: float, power: float
) -> None:
    probabilities = raw / raw.sum(axis=1, keepdims=True)
    classes, pooling = ("0101", "0102", "0201", "0202"), Pooling(exponent, power)
    _, broad = level1(classes, probabilities, pooling)
    np.testing.assert_allclose(broad.sum(axis=1), 1.0)
    surer = probabilities + np.array([0.1, 0.0, 0.0, 0.0])
    assert (level1(classes, surer, pooling)[1][:, 0] >= broad[:, 0] - 1e-12).all()


def test_pooling_below_one_counts_many_doubtful_children_for_more() -> None:
    row = np.array([[0.26, 0.26, 0.48]])
    assert level1(("0101", "0102", "02"), row, Pooling(2.0))[1][0].argmax() == 1
    assert level1(("0101", "0102", "02"), row, Pooling(0.7))[1][0].argmax() == 0


def test_the_best_come_first_and_ties_by_class_order() -> None:
    assert best_classes(np.array([0.2, 0.4, 0.2, 0.2]), 3) == [1, 0, 2]
    assert best_classes(np.array([0.5, 0.5]), 5) == [0, 1]


def test_evidence_lies_in_the_text_apart_and_in_order_of_weight(
    bundle: Bundle, model: LinearModel, documents: list[Document]
) -> None:
    found = predict(bundle, documents)
    assert found.category is not None
    for row, document in enumerate(documents):
        explainer = Explainer(model, document, found.found.of(row), found.matrix[row])
        spans = explainer.spans(best_classes(found.category[row], 1)[0])
        assert 1 <= len(spans) <= 5
        assert [span.weight for span in spans] == sorted((span.weight for span in spans), reverse=True)
        assert sum(span.weight for span in spans) <= 1.001
        edges = [edge for span in sorted(spans, key=lambda s: s.start) for edge in (span.start, span.end)]
        assert edges == sorted(edges)
        word_starts = set(np.cumsum([0, *map(len, document.words)]).tolist())
        for span in spans:
            assert 0 < span.weight <= 1
            passage = document.text[span.start : span.end]
            assert passage
            assert passage == passage.strip(" \n，。、；：！？")
            assert span.start in word_starts
            assert "〉" not in passage


def test_without_the_evidence_the_class_scores_lower(
    bundle: Bundle, model: LinearModel, documents: list[Document]
) -> None:
    found = predict(bundle, documents)
    assert found.category is not None
    for row, document in enumerate(documents):
        places, features = found.found.of(row), found.matrix[row]
        index = best_classes(found.category[row], 1)[0]
        spans = Explainer(model, document, places, features).spans(index)
        inside = np.zeros(len(document.text) + 1, dtype=bool)
        for span in spans:
            inside[span.start : span.end] = True
        touched = {
            column
            for column, start, end in zip(places.columns, places.starts, places.ends, strict=True)
            if inside[start:end].all()
        }
        without = features.copy()
        without.data[np.isin(features.indices, sorted(touched))] = 0

        def lead(matrix: sparse.csr_matrix, index: int = index) -> float:
            """How far the class lies above the mean of all."""
            scores = np.asarray(matrix @ model.coef)[0]
            return float(scores[index] - scores.mean())

        assert touched
        assert lead(without) < lead(features)


def _by_hand() -> tuple[LinearModel, Vectoriser]:
    """Two classes over three words: 甲 speaks for the first, 乙 for the second, 丙 for neither."""
    none = np.zeros(0, dtype=np.int64)
    vectoriser = Vectoriser(("丙", "乙", "甲"), none, none, none, np.ones(3, dtype=np.float32), (1, 1, 1, 1))
    coef = np.array([[0, 0], [-1, 1], [1, -1]], dtype=np.float32)
    return LinearModel(("01", "02"), coef, np.zeros(2, dtype=np.float32), Calibration(2, 2)), vectoriser


def _spans(text: str, index: int) -> list[tuple[str, float]]:
    model, vectoriser = _by_hand()
    document = Document(text, 0, tuple(text))
    explainer = Explainer(
        model, document, vectoriser.occurrences([document]), vectoriser.transform([document])[0]
    )
    return [(text[span.start : span.end], span.weight) for span in explainer.spans(index)]


def test_evidence_is_what_the_weights_say() -> None:
    assert _spans("甲丙丙乙丙", 0) == [("甲", 1.0)]
    assert _spans("甲丙丙乙丙", 1) == [("乙", 1.0)]
    assert _spans("甲丙甲", 0) == [("甲", 0.5), ("甲", 0.5)]
    assert _spans("丙丙", 0) == []
    assert _spans("乙", 0) == []
    assert _spans("", 0) == []


@pytest.mark.parametrize(
    ("text", "title_length", "chosen"),
    [
        ("楼顶违建没人拆", 0, "010101"),
        ("规划许可证办不下来", 0, "010102"),
        ("楼上的事", 0, "0101"),
        ("违建，违章建筑要查", 0, "010101"),
        ("规划许可证\n旁边有违建", 5, "010102"),
        ("违建\n规划许可证", 2, "010102"),
        ("违法建设\n规划许可", 4, "010101"),
        ("规划许可\n违法建设", 4, "010102"),
        ("\n规划许可违法建设", 0, "010101"),
        ("违建其实是电线杆乱拉", 0, "0101"),
        ("其他", 0, "0101"),
        ("杂七杂八", 0, "010103"),
    ],
)
def test_level_three_is_the_child_the_text_names_best(text: str, title_length: int, chosen: str) -> None:
    taxonomy = Taxonomy(
        parse_taxonomy("code,name\n01,城建\n0101,规划\n010101,违章建筑\n010102,规划许可\n010103,其他\n")
    )
    lexicon = parse_lexicon(
        "code,terms,excludes\n010101,违建、违法建设,电线杆\n010102,规划许可证,\n010103,杂七杂八,\n", taxonomy
    )
    assert LevelThree(taxonomy, lexicon).choose("0101", Document(text, title_length, ())) == chosen


def test_a_node_without_children_stays_itself(bundle: Bundle) -> None:
    assert bundle.level_three.choose("99", Document("违建", 0, ())) == "99"


def test_only_the_first_suggestion_goes_down_to_level_three(
    bundle: Bundle, documents: list[Document]
) -> None:
    found = predict(bundle, documents)
    lengths = []
    for row, document in enumerate(documents):
        first, *others = categories_of(bundle, found, row, document, 3)
        lengths.append(len(first.code))
        assert first.path.endswith(first.name)
        assert {len(suggestion.code) for suggestion in others} == {4}
        assert first.probability >= others[0].probability >= others[1].probability
    assert lengths.count(6) > len(lengths) / 2


def test_a_bundle_without_models_still_answers(
    bundle: Bundle, router: Router, documents: list[Document]
) -> None:
    bare = replace(bundle, category=None, kind=None, unit=None)
    found = predict(bare, documents[:2])
    assert found.category is found.kind is found.unit is None
    assert found.confidence.tolist() == [0, 0]
    assert categories_of(bare, found, 0, documents[0], 3) == ()
    assert kind_of(bare, found, 0) == KindSuggestion(Kind.CLAIM, 0.25)
    assert units_of(bare, found, 0, documents[0], router, (), Kind.CLAIM, "", 3)


def test_a_unit_models_probabilities_reach_the_router(
    bundle: Bundle, router: Router, documents: list[Document]
) -> None:
    width = bundle.vectoriser.width
    sure = LinearModel(
        ("archives", "住建局"),
        np.zeros((width, 2), dtype=np.float32),
        np.array([-1, 1], dtype=np.float32),
        Calibration(4, 4),
    )
    taught = replace(bundle, unit=sure)
    found = predict(taught, documents[:1])
    units = units_of(taught, found, 0, documents[0], router, (), Kind.CLAIM, "", 3)
    assert units[0].id == "housing"
    assert any("以往同类件" in ground for ground in units[0].grounds)
