"""The figures of `fenban evaluate`: worked out by hand, and against what triage itself answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from classifier.bundle import Bundle
from classifier.category import Calibration, LinearModel
from classifier.features import Document
from classifier.petition import KIND_ALIASES, Petition
from classifier.routing import Router
from classifier.taxonomy import Taxonomy
from classifier.triage import triage
from training.__main__ import main
from training.corpus import Example
from training.evaluate import category_figures, evaluate

ROOT = Path(__file__).resolve().parents[2]
COUNTY = ROOT / "corpora" / "units" / "county"

_RANKED = {"level", "accuracy", "macro_f1", "top3", "ece", "coverage_at_95"}
_CLASSES = ("0401", "0402", "1501", "1502")
_NOTHING = Document("", 0, ())
_MODEL = LinearModel(_CLASSES, np.zeros((1, 4), np.float32), np.zeros(4, np.float32), Calibration(1.0, 1.0))


def test_figures_worked_out_by_hand() -> None:
    examples = [
        Example(_NOTHING, "0402"),
        Example(_NOTHING, "0401", alternative="1501"),
        Example(_NOTHING, "1502"),
        Example(_NOTHING, "0401"),
        Example(_NOTHING, "04"),  # no finer label: counts at level 1 only
        Example(_NOTHING, ""),  # no label at all: counts nowhere
    ]
    probabilities = np.array(
        [
            # 0401  0402  1501  1502
            [0.05, 0.85, 0.05, 0.05],  # right
            [0.10, 0.05, 0.75, 0.10],  # right by the second accepted answer
            [
                0.35,
                0.25,
                0.25,
                0.15,
            ],  # wrong, and fourth: not among the first three; level 1 wrong, too (0.6)
            [0.25, 0.45, 0.15, 0.15],  # wrong, but second; level 1 right (0.7)
            [0.10, 0.20, 0.30, 0.40],  # level 1 wrong (0.7)
            [0.97, 0.01, 0.01, 0.01],
        ]
    )
    figures = category_figures(examples, _MODEL, probabilities)
    assert figures["category"] == {
        "level": 2,
        "accuracy": 0.5,  # 2 of 4
        # Truths 0402, 1501 (the accepted answer), 1502, 0401 against 0402, 1501, 0401, 0402:
        # 0402 2/(2+1), 1501 1, 1502 0, 0401 0.
        "macro_f1": round((2 / 3 + 1) / 4, 4),
        "top3": 0.75,
        # Bins of confidence 0.85 (right), 0.75 (right), 0.35 (wrong), 0.45 (wrong).
        "ece": round((0.15 + 0.25 + 0.35 + 0.45) / 4, 4),
        "coverage_at_95": 0.5,  # the two surest are right, the third is not
    }
    assert figures["category_level1"] == {
        "level": 1,
        "accuracy": 0.6,  # 0.9 right, 0.85 right by the alternative, 0.6 wrong, 0.7 right, 0.7 wrong
        # Truths 04, 15, 15, 04, 04 against 04, 15, 04, 04, 15: 04 2·2/(2·2+2), 15 2·1/(2·1+2).
        "macro_f1": round((2 / 3 + 1 / 2) / 2, 4),
        "top3": 1.0,
        "ece": round((abs(0.9 - 1) + abs(0.85 - 1) + abs(0.6 - 0) + abs(1.4 - 1)) / 5, 4),
        "coverage_at_95": 0.6,  # 0.9, 0.85 and the first 0.7 are right
    }


def test_level_1_labels_have_one_block_of_figures() -> None:
    examples = [Example(_NOTHING, "04"), Example(_NOTHING, "15")]
    figures = category_figures(examples, _MODEL, np.array([[0.4, 0.3, 0.2, 0.1], [0.3, 0.3, 0.2, 0.2]]))
    assert set(figures) == {"category"}
    assert (figures["category"]["level"], figures["category"]["accuracy"]) == (1, 0.5)


@pytest.fixture(scope="session")
def office_rows(seed_rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """Labelled rows; every third label is another petition's, so that no figure is 0 or 1."""
    rows = []
    for i, row in enumerate(seed_rows[::9]):
        label = seed_rows[(i * 31) % len(seed_rows)] if i % 3 == 0 else row
        rows.append(
            {
                "id": row["id"],
                "title": row["title"],
                "text": row["text"],
                "category": label["category"],
                "alternative": "1503" if i % 5 == 0 else "",
                "kind": label["kind"],
                "unit": label["unit_role"],
            }
        )
    return rows


def test_a_file_is_scored_as_triage_answers_it(
    bundle: Bundle, router: Router, office_rows: list[dict[str, str]], write_csv
) -> None:
    figures = evaluate(write_csv("office.csv", office_rows), bundle, COUNTY)
    answers = [
        triage(Petition(row["id"], row["title"], row["text"]), bundle, None, router, bytes(32))
        for row in office_rows
    ]
    assert figures["n"] == len(office_rows)

    accepted = [{row["category"][:4], row["alternative"]} for row in office_rows]
    ranked = [[c.code[:4] for c in answer.categories] for answer in answers]
    hits = [codes[0] in good for codes, good in zip(ranked, accepted, strict=True)]
    assert figures["category"]["accuracy"] == round(sum(hits) / len(hits), 4)
    assert figures["category"]["top3"] == round(
        sum(bool(set(codes) & good) for codes, good in zip(ranked, accepted, strict=True)) / len(hits), 4
    )
    truth = [
        codes[0] if hit else row["category"][:4]
        for codes, hit, row in zip(ranked, hits, office_rows, strict=True)
    ]
    assert figures["category"]["macro_f1"] == _macro(truth, [codes[0] for codes in ranked])

    kinds = [KIND_ALIASES[row["kind"]].value for row in office_rows]
    said = [answer.kind.name.value for answer in answers]
    assert figures["kind"]["accuracy"] == round(accuracy_score(kinds, said), 4)
    assert figures["kind"]["macro_f1"] == _macro(kinds, said)

    units = [row["unit"] for row in office_rows]
    sent = [answer.units[0].id for answer in answers]
    assert figures["unit"]["accuracy"] == round(accuracy_score(units, sent), 4)
    assert figures["unit"]["macro_f1"] == _macro(units, sent)
    among = [unit in {u.id for u in answer.units} for unit, answer in zip(units, answers, strict=True)]
    assert figures["unit"]["top3"] == round(sum(among) / len(among), 4)


def _macro(truth: list[str], said: list[str]) -> float:
    return round(f1_score(truth, said, labels=sorted(set(truth)), average="macro", zero_division=0), 4)


def test_a_unit_may_be_written_as_id_name_or_alias(
    bundle: Bundle, router: Router, office_rows: list[dict[str, str]], write_csv
) -> None:
    """An office's old files call 人社局 what they called it then; the figure must not depend on it."""
    units = router.directory.units
    figures = []
    for spell in (lambda u: u.id, lambda u: u.name, lambda u: u.names[-1]):
        rows = [row | {"unit": spell(units[row["unit"]])} for row in office_rows]
        figures.append(evaluate(write_csv("office.csv", rows), bundle, COUNTY)["unit"])
    assert figures[0]["accuracy"] > 0.2
    assert figures[0] == figures[1] == figures[2]


def test_the_keys_are_the_contracts(bundle: Bundle, office_rows: list[dict[str, str]], write_csv) -> None:
    figures = evaluate(write_csv("a.csv", office_rows), bundle, COUNTY)
    assert set(figures) == {
        "n",
        "model_version",
        "category",
        "category_level1",
        "kind",
        "unit",
        "seconds",
        "per_second",
    }
    assert set(figures["category"]) == set(figures["category_level1"]) == _RANKED
    assert set(figures["unit"]) == {"accuracy", "macro_f1", "top3"}
    assert {"accuracy", "macro_f1"} <= set(figures["kind"])
    assert figures["model_version"] == bundle.version
    assert (figures["category"]["level"], figures["category_level1"]["level"]) == (2, 1)
    assert figures["per_second"] == pytest.approx(figures["n"] / figures["seconds"], rel=0.01)


def test_only_what_the_file_has_is_scored(bundle: Bundle, seed_rows: list[dict[str, str]], write_csv) -> None:
    rows = [{"text": row["text"], "category": row["category"][:2]} for row in seed_rows[::20]]
    figures = evaluate(write_csv("a.csv", rows), bundle, COUNTY)
    assert set(figures) == {"n", "model_version", "category", "seconds", "per_second"}
    assert figures["category"]["level"] == 1
    kinds = [{"text": row["text"], "kind": row["kind"]} for row in seed_rows[::20]]
    figures = evaluate(write_csv("b.csv", kinds), bundle, COUNTY)
    assert set(figures) == {"n", "model_version", "kind", "seconds", "per_second"}


def test_level_1_names_and_codes_are_the_same_label(
    bundle: Bundle, seed_rows: list[dict[str, str]], write_csv
) -> None:
    taxonomy: Taxonomy = bundle.taxonomy
    rows = [{"text": row["text"], "category": row["category"][:2]} for row in seed_rows[::20]]
    named = [row | {"category": taxonomy[row["category"]].name} for row in rows]
    one, other = (evaluate(write_csv("a.csv", r), bundle, COUNTY) for r in (rows, named))
    assert one["category"] == other["category"]


def test_rows_without_a_usable_label_are_noted_not_scored(
    bundle: Bundle, seed_rows: list[dict[str, str]], write_csv
) -> None:
    rows = [{"text": row["text"], "category": row["category"]} for row in seed_rows[:12]]
    rows[3]["category"] = "火星事务"
    notes: list[str] = []
    figures = evaluate(write_csv("a.csv", rows), bundle, COUNTY, note=notes.append)
    assert figures["n"] == 11
    assert len(notes) == 1
    assert "1 行用不上，例如第 5 行" in notes[0]


def test_the_module_says_failures_in_one_line(
    tmp_path: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`python -m training` is what command line and service start: 0 done, 1 could not, 2 wrong usage."""
    assert main(["evaluate", str(tmp_path / "none.csv"), "--models", str(models)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "fenban: 找不到文件 none.csv。请检查路径。\n"
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate"])


def test_json_goes_to_a_file_and_words_to_the_screen(
    tmp_path: Path,
    models: Path,
    bundle: Bundle,
    office_rows: list[dict[str, str]],
    write_csv,
    capsys: pytest.CaptureFixture[str],
) -> None:
    written = tmp_path / "figures.json"
    arguments = ["evaluate", str(write_csv("a.csv", office_rows)), "--models", str(models)]
    assert main([*arguments, "--directory", str(COUNTY), "--json", str(written)]) == 0
    figures = json.loads(written.read_text(encoding="utf-8"))
    said = capsys.readouterr().out
    assert figures["model_version"] == bundle.version
    assert f"内容分类：正确率 {figures['category']['accuracy']:.1%}" in said
    assert f"承办单位：正确率 {figures['unit']['accuracy']:.1%}" in said
