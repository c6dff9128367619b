"""Learning from a backlog without labels: what teaches, what is shown, and when it is declined."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from classifier.bundle import Bundle
from classifier.errors import CorpusError
from training import __main__ as command
from training import adapt as module
from training.adapt import MOST_OF_A_CATEGORY, adapt
from training.train import Sources

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def backlog(tiny_corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Petitions of the gold set's own kind, told again with a word the seed does not have, and one that cannot be read."""
    path = tmp_path_factory.mktemp("backlog") / "积存.csv"
    rows = [
        json.loads(line)
        for file in sorted((tiny_corpora / "gold").glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    with path.open("w", encoding="gb18030", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["标题", "留言详情"])
        writer.writerows([[row["title"], f"鹭鸶镇{row['text']}"] for row in rows])
        writer.writerows([[rows[0]["title"], f"鹭鸶镇{rows[0]['text']}"]] * 5)
        writer.writerow(["只有标题也算", ""])
        writer.writerow(["太长", "字" * 100_001])
    return path


def test_the_surest_of_each_category_teach_and_it_is_said_what_changed(
    tiny_corpora: Path, backlog: Path, bundle: Bundle, quiet: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the tiny gold set one petition is more than a point: what is learnt, not whether it is taken, is looked at here.
    monkeypatch.setattr(module, "TOLERANCE", 0.1)
    found = adapt(Sources(tiny_corpora), [backlog], quiet)  # type: ignore[arg-type]
    changes = found.changes
    assert found.kept
    assert found.bundle.report["unlabelled"] == changes
    gold = sum(
        len(f.read_text(encoding="utf-8").splitlines()) for f in (tiny_corpora / "gold").glob("*.jsonl")
    )
    assert changes["texts"] == gold + 6  # five copies and a title; the overlong one is left out
    assert 0 < changes["taught"] <= changes["texts"] - 5  # near copies teach once
    assert changes["taught"] <= MOST_OF_A_CATEGORY * changes["categories_taught"]
    assert 0 <= changes["changed_suggestions"] <= 1
    assert any("鹭鸶" in word for word in found.words)
    assert "鹭鸶" in "".join(found.bundle.vectoriser.vocabulary)
    assert found.bundle.version != bundle.version
    # Guessed petitions are neither counted as petitions nor judged by.
    assert found.bundle.report["petitions"] == bundle.report["petitions"]
    assert found.bundle.report["category"]["n"] == bundle.report["category"]["n"]


def test_a_model_that_loses_on_the_gold_set_is_declined(
    tiny_corpora: Path, backlog: Path, bundle: Bundle, quiet: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TOLERANCE", -1.0)  # nothing could gain that much
    found = adapt(Sources(tiny_corpora), [backlog], quiet)  # type: ignore[arg-type]
    assert not found.kept
    assert found.bundle.report["unlabelled"]["kept"] is False
    # What is left is the model without the backlog.
    assert found.bundle.vectoriser.vocabulary == bundle.vectoriser.vocabulary
    assert found.bundle.category is not None
    assert bundle.category is not None
    kept = found.bundle.category.coef.astype(np.float16)  # as a file keeps them
    np.testing.assert_array_equal(kept, bundle.category.coef)


def test_of_a_category_only_so_many_teach() -> None:
    from classifier.features import Document

    chance = np.random.default_rng(0)
    texts = ["".join(chr(0x4E00 + c) for c in chance.integers(5_000, size=30)) for _ in range(60)]
    documents = [Document(text, 0, (text,)) for text in texts]
    sure = np.zeros((60, 3), dtype=np.float32)
    sure[:50, 0] = np.linspace(0.61, 0.99, 50)
    sure[50:55, 1] = 0.7
    sure[55:, 2] = 0.59
    taught = module._surest(sure, documents)
    assert taught == [*range(50 - MOST_OF_A_CATEGORY, 50), *range(50, 55)]
    assert module._surest(sure, [documents[0]] * 60) == [49]


def test_what_cannot_be_learnt_from_is_said(
    tiny_corpora: Path, backlog: Path, tmp_path: Path, quiet: object
) -> None:
    empty = tmp_path / "empty.csv"
    empty.write_text("内容\n\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="没有可读的信访件"):
        adapt(Sources(tiny_corpora), [empty], quiet)  # type: ignore[arg-type]
    units = tmp_path / "units.csv"
    units.write_text(
        "内容,承办单位\n" + "".join(f"第{i}件路灯不亮,{'甲' if i % 2 else '乙'}局\n" for i in range(20)),
        encoding="utf-8",
    )
    with pytest.raises(CorpusError, match="没有内容分类的标注"):
        adapt(Sources(tiny_corpora, (units,), seed=False), [backlog], quiet)  # type: ignore[arg-type]


def test_the_command_shows_it(
    tiny_corpora: Path, backlog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "train",
        "--corpora",
        str(tiny_corpora),
        "--unlabelled",
        str(backlog),
        "--out",
        str(tmp_path / "m"),
    ]
    assert command.main(arguments) == 0
    shown = capsys.readouterr().err
    assert "金标准：二级分类" in shown
    assert "采用" in shown
    assert "1 行读不出正文" in shown
    assert (tmp_path / "m" / "manifest.json").exists()
