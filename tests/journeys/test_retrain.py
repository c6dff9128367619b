"""The whole loop by command line: labels → retrain → verdict → promote → the same text answers as corrected → roll back → as before."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from classifier.registry import Registry

#: What this office decides of letters about shared bicycles, as nobody else would.
_DECIDED = "1501"


@pytest.fixture
def retrain(fenban, own_models: Path, tiny_corpora: Path):
    """`python -m training retrain` as the service starts it; returns the finished process."""

    def run(labels: Path, *more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            _command(labels, own_models, tiny_corpora, *more),
            capture_output=True,
            encoding="utf-8",
            cwd=fenban.folder,
            timeout=300,
            check=False,
        )

    return run


def _command(labels: Path, models: Path, corpora: Path, *more: str) -> list[str]:
    options = {"--labels": labels, "--models": models, "--corpora": corpora, "--directory": corpora / "units" / "county"}  # fmt: skip
    return [sys.executable, "-P", "-m", "training", "retrain", *(str(x) for pair in options.items() for x in pair), *more]  # fmt: skip


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _decided(letters: list[dict[str, str]]) -> list[dict[str, str]]:
    return [letter | {"id": f"bike-{i}", "category": _DECIDED} for i, letter in enumerate(letters)]


def _answer(fenban, models: Path, text: str) -> str:
    found = json.loads(fenban("triage", text, "--json", models=models).text)
    return found["categories"][0]["code"][:4]


@pytest.mark.slow
def test_the_loop(fenban, own_models: Path, retrain, write_snapshot, bicycle_letters) -> None:
    text, letters = bicycle_letters
    registry = Registry(own_models)
    parent = registry.active().name
    before = _answer(fenban, own_models, text)
    assert before != _DECIDED
    labels = write_snapshot(
        fenban.folder / "labels",
        _decided(letters),
    )

    done = retrain(labels, "--json-progress")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["passed"]
    assert made["parent"] == parent == registry.active().name  # nobody has promoted it
    assert made["figures"]["series"]["gold.level1"]["cases"] > 30
    steps = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(set(step) == {"step", "done", "total"} for step in steps)
    assert [step["step"] for step in steps][-1] == "写入模型"
    version = made["version"]

    said = fenban("models", "verdict", version, models=own_models).text
    assert said.startswith("通过\n")
    assert "自带检验件，一级分类" in said
    shown = fenban("models", "show", version, models=own_models).text
    assert f"上一版 {parent}" in shown
    changed = json.loads(fenban("models", "diff", parent, version, "--json", models=own_models).text)
    assert changed["series"] == made["figures"]["series"]
    fenban("models", "diff", parent, version, models=own_models)

    fenban("models", "promote", version, models=own_models)
    assert _answer(fenban, own_models, text) == _DECIDED
    assert registry.lineage(version)["snapshot"]
    fenban("models", "rollback", models=own_models)
    assert _answer(fenban, own_models, text) == before
    assert [move.action for move in registry.history()][-2:] == ["promote", "rollback"]
    assert "没有可删除的版本" in fenban("models", "prune", "--keep", "1", models=own_models).text


@pytest.mark.slow
def test_bad_labels_are_refused_and_cannot_be_promoted(
    fenban, own_models: Path, retrain, write_snapshot, seed_rows
) -> None:
    """Four of ten labels are wrong: the version is there, with its verdict, and does not get in."""
    wrong = {"04": "1501", "15": "0402"}
    rows = [row for row in seed_rows if row["category"][:2] in wrong][::7]
    labels = [
        {
            "id": f"p{i}",
            "title": row["title"],
            "text": row["text"],
            "category": wrong[row["category"][:2]] if i % 5 < 2 else row["category"][:4],
        }
        for i, row in enumerate(rows)
    ]
    done = retrain(write_snapshot(fenban.folder / "labels", labels))
    assert done.returncode == 3, done.stderr
    made = json.loads(done.stdout)
    assert not made["passed"]
    assert made["suspicious"] > 0
    before = _tree(own_models)
    line = fenban.refuses("models", "promote", made["version"], models=own_models)
    assert "没有通过检验" in line
    assert made["reasons"][0][:10] in line
    assert _tree(own_models) == before
    said = fenban("models", "verdict", made["version"], models=own_models).text
    assert said.startswith("没有通过")
    assert not any(row["text"][:12] in (own_models / "verdicts" / f"{made['version']}.json").read_text() for row in rows)  # fmt: skip


def test_what_cannot_be_is_one_line_and_leaves_nothing(
    fenban, own_models: Path, retrain, write_snapshot, tiny_corpora: Path, bicycle_letters
) -> None:
    letters = _decided(bicycle_letters[1])
    labels = write_snapshot(fenban.folder / "labels", letters[:3])
    before = _tree(own_models)
    (labels / "links.jsonl").write_text("{}\n")
    done = retrain(labels)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1].startswith("fenban: 标注快照 labels 的 links.jsonl 与清单不符")
    assert retrain(labels, "--nonsense").returncode == 2
    assert _tree(own_models) == before

    # Cancelled while it learns.
    sound = write_snapshot(fenban.folder / "sound", letters)
    child = subprocess.Popen(
        _command(sound, own_models, tiny_corpora, "--json-progress"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=fenban.folder,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert child.stderr is not None
    for raw in child.stderr:
        if json.loads(raw)["step"] == "训练内容分类":
            break
    time.sleep(0.1)
    child.send_signal(signal.SIGTERM)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 1
    assert said.decode().splitlines()[-1] == "fenban: 已中断，没有写入任何模型。"
    assert _tree(own_models) == before


def test_train_reads_a_snapshot_and_keeps_the_test_set_back(
    fenban, own_models: Path, write_snapshot, seed_rows
) -> None:
    rows = [row for row in seed_rows if row["category"].startswith("04")][:150]
    labels = [{"id": f"p{i}", "text": row["text"], "category": row["category"][:4]} for i, row in enumerate(rows)]  # fmt: skip
    snapshot = write_snapshot(fenban.folder / "labels", labels)
    fenban("train", "--labels", snapshot, models=own_models)
    state = json.loads((own_models / "office-test.json").read_text())
    assert 5 < len(state["test"]) < 60
    assert set(state["test"]) | set(state["train"]) == {row["id"] for row in labels}
    (version,) = set(Registry(own_models).versions()) - {Registry(own_models).active().name}
    report = json.loads((own_models / version / "report.json").read_text())
    assert report["lineage"]["snapshot"]
