"""Files larger than memory: batches learn what the whole would have taught, and nothing of a row stays behind."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from openpyxl import Workbook

from classifier.bundle import Bundle
from classifier.category import level1
from classifier.errors import CorpusError, UnreadableFileError
from classifier.petition import Petition
from classifier.predict import predict
from classifier.records import read_records
from classifier.triage import read
from training import stream
from training.corpus import Example
from training.train import Progress, Sources, train

Rows = list[dict[str, str]]
Train = Callable[..., Bundle]


@pytest.fixture
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything a hundredth of its size."""
    for name, size in (
        ("STREAM_ROWS", 300),
        ("SAMPLE_ROWS", 500),
        ("HELD_OUT_ROWS", 60),
        ("BATCH_ROWS", 100),
        ("REPLAY_ROWS", 50),
    ):
        monkeypatch.setattr(stream, name, size)


@pytest.fixture
def learn(small_corpora: Path, quiet: Progress) -> Train:
    def run(*files: Path, seed: bool = False, note: Callable[[str], None] = lambda _: None) -> Bundle:
        return train(Sources(small_corpora, files, seed=seed), quiet, note)

    return run


def _labelled(rows: Rows, **labels: Callable[[dict[str, str]], str]) -> Rows:
    return [
        {"id": row["id"], "title": row["title"], "text": row["text"]}
        | {name: make(row) for name, make in labels.items()}
        for row in rows
    ]


def _category(row: dict[str, str]) -> str:
    return row["category"][:4]


def _unit(row: dict[str, str]) -> str:
    return "甲大队" if row["category"].startswith("04") else "乙大队"


def _accuracy(bundle: Bundle, rows: Rows) -> tuple[float, float]:
    """Of the category at level 2 and at level 1."""
    assert bundle.category is not None
    texts = [Petition(row["id"], row["title"], row["text"]) for row in rows]
    found = predict(bundle, [read(text, bundle.tokeniser, bytes(32)).document for text in texts]).category
    assert found is not None
    codes, broad = level1(bundle.category.classes, found)
    fine = [
        bundle.category.classes[i] == row["category"] for i, row in zip(found.argmax(1), rows, strict=True)
    ]
    coarse = [codes[i] == row["category"][:2] for i, row in zip(broad.argmax(1), rows, strict=True)]
    return float(np.mean(fine)), float(np.mean(coarse))


def test_batches_are_nearly_as_accurate_as_the_whole_even_from_a_sorted_file(
    seed_rows: Rows, learn: Train, write_csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = _labelled(seed_rows, category=_category)
    test, rest = rows[::5], [row for i, row in enumerate(rows) if i % 5]
    taught = [rest[i] for i in np.random.default_rng(0).integers(len(rest), size=3 * len(rest))]
    files = write_csv("a.csv", taught), write_csv("b.csv", sorted(taught, key=_category))
    fine, coarse = _accuracy(learn(files[0]), test)
    assert fine > 0.7
    for name, size in (("STREAM_ROWS", 1_000), ("SAMPLE_ROWS", 2_000), ("HELD_OUT_ROWS", 100)):
        monkeypatch.setattr(stream, name, size)
    for file in files:
        bundle = learn(file)
        assert bundle.report["category"]["n"] <= 100  # it did go in batches
        in_batches = _accuracy(bundle, test)
        assert in_batches[0] > fine - 0.05
        assert in_batches[1] > coarse - 0.03


@pytest.mark.usefixtures("small_limits")
def test_a_bundle_from_batches_says_what_one_from_the_whole_says(
    seed_rows: Rows, learn: Train, write_csv
) -> None:
    rows = _labelled(seed_rows, category=_category, kind=lambda row: row["kind"], unit=_unit)
    rows[0]["unit"] = rows[1]["unit"] = "只来过两次的单位"
    files = write_csv("a.csv", rows[::2]), write_csv("b.csv", rows[1::2])
    bundle = learn(*files)
    assert bundle.version == learn(*files).version
    assert bundle.category is not None
    assert bundle.category.coef.dtype == np.float32
    assert bundle.category.coef.shape == (bundle.vectoriser.width, len(bundle.category.classes))
    assert bundle.kind is not None
    assert bundle.unit is not None
    assert bundle.unit.classes == ("乙大队", "甲大队")
    assert bundle.report["data"] == ["a.csv", "b.csv"]
    assert bundle.report["petitions"] == sum(bundle.report["categories"].values()) == len(rows)
    assert bundle.report["units"]["只来过两次的单位"] == 2
    # Every reader of a suggestion sees these: accusations are not counted.
    assert sum(bundle.report["units"].values()) == sum(row["kind"] != "检举控告" for row in rows)
    for head in ("category", "kind", "unit"):
        assert 0 < bundle.report[head]["n"] <= stream.HELD_OUT_ROWS
    assert bundle.report["unit"]["accuracy"] > 0.9  # two classes, the first not taken for the second
    assert bundle.threshold == bundle.report["category"]["threshold"]
    rows[0]["text"] += "补"
    assert learn(write_csv("a.csv", rows[::2]), files[1]).version != bundle.version


@pytest.mark.usefixtures("small_limits")
def test_rows_that_cannot_be_used_are_reported_and_the_rest_is_learnt(
    seed_rows: Rows, learn: Train, write_csv
) -> None:
    rows = _labelled(seed_rows, category=_category, kind=lambda row: row["kind"])
    rows[2]["category"] = "没有这个分类"
    rows[5]["kind"] = "表扬"
    rows[7]["title"] = rows[7]["text"] = ""
    rows[9]["category"] = rows[9]["kind"] = ""
    notes: list[str] = []
    bundle = learn(write_csv("office.csv", rows), note=notes.append)
    assert bundle.report["petitions"] == len(rows) - 4
    assert len(notes) == 1
    assert notes[0].startswith("office.csv：3 行用不上，例如第 4 行：")
    assert "没有这个分类" in notes[0]


@pytest.mark.usefixtures("small_limits")
def test_held_out_letters_and_their_copies_are_not_learnt(
    seed_rows: Rows, learn: Train, write_csv, monkeypatch: pytest.MonkeyPatch
) -> None:
    divided: list[list[Example]] = []
    learnt: list[Example] = []
    divide, batches = stream._divide, stream._batches

    def spy_divide(*arguments) -> tuple[list[Example], list[Example]]:
        divided.extend(divide(*arguments))
        return divided[0], divided[1]

    def spy_batches(*arguments) -> Iterator[list[Example]]:
        for batch in batches(*arguments):
            assert len(batch) <= stream.BATCH_ROWS
            learnt.extend(batch)
            yield batch

    monkeypatch.setattr(stream, "_divide", spy_divide)
    monkeypatch.setattr(stream, "_batches", spy_batches)
    rows = _labelled(seed_rows, category=_category)
    copies = [
        row | {"title": f"再次来信：{row['title']}", "text": row["text"] + "请尽快答复。"} for row in rows
    ]
    learn(write_csv("a.csv", rows + copies))
    held, taught = divided
    held_texts = {example.document.text for example in held}
    beginnings = {example.document.text.partition("\n")[2][:40] for example in held}
    assert 30 <= len(held) <= stream.HELD_OUT_ROWS
    assert len(held) + len(taught) == stream.SAMPLE_ROWS
    assert held_texts.isdisjoint(example.document.text for example in [*taught, *learnt])
    kept = [example for example in learnt if example.document.text.partition("\n")[2][:40] in beginnings]
    assert len(kept) < 0.1 * len(held)  # an ending of a few characters rarely moves all three hashes
    assert len(learnt) > 0.8 * len(rows + copies)


@pytest.mark.usefixtures("small_limits")
def test_level_1_labels_teach_the_finer_classes_of_the_seed(
    seed_rows: Rows, small_corpora: Path, quiet: Progress, learn: Train, write_csv
) -> None:
    from_seed = train(Sources(small_corpora), quiet)
    rows = _labelled(seed_rows, category=lambda row: row["category"][:2])
    bundle = learn(write_csv("a.csv", rows), seed=True)
    assert from_seed.category is not None
    assert bundle.category is not None
    assert bundle.category.classes == from_seed.category.classes
    assert {len(code) for code in bundle.category.classes} == {4}
    assert bundle.report["petitions"] == from_seed.report["petitions"] + len(rows)
    assert bundle.report["term_lists"] == from_seed.report["term_lists"] > 0
    assert _accuracy(bundle, rows)[1] > 0.9


@pytest.mark.usefixtures("small_limits")
def test_level_1_labels_without_finer_ones_stay_classes(seed_rows: Rows, learn: Train, write_csv) -> None:
    rows = _labelled(seed_rows, category=lambda row: row["category"][: 4 if row["category"] < "05" else 2])
    bundle = learn(write_csv("a.csv", rows))
    assert bundle.category is not None
    assert [code for code in bundle.category.classes if not code.startswith("04")] == ["15"]


@pytest.mark.usefixtures("small_limits")
def test_nothing_usable_is_a_clear_error(seed_rows: Rows, learn: Train, write_csv) -> None:
    with pytest.raises(CorpusError, match="没有 category、kind 或 unit 列"):
        learn(write_csv("a.csv", _labelled(seed_rows)))
    with pytest.raises(CorpusError, match="第 2 行：分类“火星事务”不存在"):
        learn(write_csv("a.csv", _labelled(seed_rows, category=lambda _: "火星事务")))
    with pytest.raises(CorpusError, match="只有一种取值"):
        learn(write_csv("a.csv", _labelled(seed_rows, category=lambda _: "04")))


def test_rows_count_not_line_ends_and_files_count_together(
    monkeypatch: pytest.MonkeyPatch, write_csv, tmp_path: Path
) -> None:
    monkeypatch.setattr(stream, "STREAM_ROWS", 10)
    six = write_csv("a.csv", [{"text": "第一行\n第二行\n第三行"} for _ in range(6)])
    five = write_csv("b.csv", [{"text": "只有一行"} for _ in range(5)])
    assert not stream.is_large([six])
    assert not stream.is_large([])
    assert stream.is_large([six, five])
    workbook = Workbook()
    for row in ("内容", *(f"第{i}件" for i in range(11))):
        workbook.active.append([row])
    workbook.save(tmp_path / "c.xlsx")
    assert stream.is_large([tmp_path / "c.xlsx"])
    with pytest.raises(UnreadableFileError, match=r"nowhere\.csv"):
        stream.is_large([Path("nowhere.csv")])


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030", "utf-16"])
def test_a_file_is_read_row_by_row(encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    line = "小区门口的河里污水横流，" * 200
    file.write_text("text\n" + f"{line}\n" * 5_000, encoding=encoding)  # 24 MB and more
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_records(file)) == 5_000
        assert tracemalloc.get_traced_memory()[1] < 12e6
    finally:
        tracemalloc.stop()
