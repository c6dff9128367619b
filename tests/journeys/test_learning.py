"""`fenban train` and `fenban evaluate` as an office runs them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from classifier.bundle import Bundle, load_bundle
from classifier.registry import Registry


@pytest.fixture(scope="module")
def office_rows(seed_rows: list[dict[str, str]]) -> list[dict[str, str]]:
    rows = [row for row in seed_rows if row["category"][:2] in {"04", "15"}][::12]
    return [
        {
            "内容": row["text"],
            "一级分类": row["category"],
            "诉求类型": row["kind"],
            "承办单位": row["unit_role"],
        }
        for row in rows
    ]


def test_evaluation_in_json_with_the_active_model(
    fenban, bundle: Bundle, office_rows: list[dict[str, str]], write_csv
) -> None:
    # A file called `training` where the user stands is not our training.
    (fenban.folder / "training.py").write_text("raise SystemExit('not this one')", encoding="utf-8")
    path = write_csv(fenban.folder / "评测.csv", [*office_rows, {"内容": "表扬信", "一级分类": "火星事务"}])
    done = fenban("evaluate", path, "--json", "-")
    figures = json.loads(done.text)
    assert list(figures) == [
        "n",
        "model_version",
        "category",
        "category_level1",
        "kind",
        "unit",
        "seconds",
        "per_second",
    ]
    assert figures["n"] == len(office_rows)
    assert figures["model_version"] == bundle.version
    assert figures["category"]["accuracy"] > 0.9  # it was trained on these
    assert "评测.csv：1 行用不上" in done.said
    assert "nan" not in done.text.lower()


def test_training_to_a_folder_in_another_process_gives_the_same_version_and_evaluates_there(
    fenban, models: Path, bundle: Bundle, office_rows: list[dict[str, str]], write_csv
) -> None:
    before = Registry(models).versions()
    done = fenban("train", "--out", "mine", PYTHONHASHSEED="7")
    assert "--model" in done.said
    assert load_bundle(fenban.folder / "mine").version == bundle.version
    assert Registry(models).versions() == before
    path = write_csv(fenban.folder / "评测.csv", office_rows)
    done = fenban(
        "evaluate", path, "--model", "mine", "--json", "figures.json", models=fenban.folder / "none"
    )
    figures = json.loads((fenban.folder / "figures.json").read_text(encoding="utf-8"))
    assert figures["model_version"] == bundle.version
    assert f"共 {len(office_rows)} 件" in done.text
    assert f"{figures['unit']['accuracy']:.1%}" in done.text
    # A second training does not overwrite the first, and says so before it begins.
    assert "不会覆盖" in fenban.refuses("train", "--out", "mine")


def test_what_cannot_be_learnt_is_said_in_words(fenban, write_csv) -> None:
    path = write_csv(fenban.folder / "a.csv", [{"标题": "题", "内容": "厂里欠薪"}])
    line = fenban("train", "--data", path, "--no-seed", "--out", "mine", code=1).said.splitlines()[-1]
    assert line.startswith("fenban: a.csv 里没有可用的标注")
    assert not (fenban.folder / "mine").exists()


def test_the_folder_of_models_may_have_any_name(fenban, bundle: Bundle) -> None:
    folder = fenban.folder / "模型库"
    assert "已启用" in fenban("train", models=folder).said
    assert Registry(folder).active().name == bundle.version
