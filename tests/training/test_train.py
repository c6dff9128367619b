"""Corpus to bundle: whatever labels there are, those are learnt, and nothing else is made up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from classifier.bundle import Bundle
from classifier.curves import Curves
from classifier.errors import ColumnError, CorpusError, UnreadableFileError
from classifier.petition import Petition, Triage
from classifier.routing import Router
from classifier.triage import triage
from training.train import Progress, Sources, train

_POLLUTION = Petition("1", "", "化工厂夜里偷排废气，味道刺鼻，河水发黑发臭，请环保部门查处。")
_WAGES = Petition("2", "", "工地老板拖欠我们农民工工资半年了，请劳动监察部门帮忙讨薪。")

SeedRows = list[dict[str, str]]
Ask = Callable[[Bundle, Petition], Triage]


@pytest.fixture(scope="session")
def from_seed(small_corpora: Path, quiet: Progress) -> Bundle:
    """What the small corpora teach by themselves."""
    return train(Sources(small_corpora), quiet)


def _labelled(rows: SeedRows, **labels) -> SeedRows:
    """Every fourth seed petition with the columns `labels` makes of it."""
    return [
        {"id": row["id"], "title": row["title"], "text": row["text"]}
        | {name: make(row) for name, make in labels.items()}
        for row in rows[::4]
    ]


def _unit(row: dict[str, str]) -> str:
    """Units the shipped directory has never heard of: only learning can name them."""
    return "甲大队" if row["category"].startswith("04") else "乙大队"


@pytest.fixture
def ask(router: Router) -> Ask:
    return lambda bundle, petition: triage(petition, bundle, None, router, bytes(32))


def test_training_twice_gives_the_same_version(tiny_corpora: Path, bundle: Bundle, quiet: Progress) -> None:
    assert train(Sources(tiny_corpora), quiet).version == bundle.version


def test_one_changed_letter_gives_another_version(
    small_corpora: Path, seed_rows: SeedRows, quiet: Progress, write_csv
) -> None:
    rows = _labelled(seed_rows, category=lambda row: row["category"])
    first = train(Sources(small_corpora, (write_csv("a.csv", rows),), seed=False), quiet)
    again = train(Sources(small_corpora, (write_csv("a.csv", rows),), seed=False), quiet)
    rows[0]["text"] += "补"
    changed = train(Sources(small_corpora, (write_csv("a.csv", rows),), seed=False), quiet)
    assert first.version == again.version != changed.version


def test_categories_only(
    small_corpora: Path, seed_rows: SeedRows, quiet: Progress, write_csv, ask: Ask
) -> None:
    rows = _labelled(seed_rows, category=lambda row: "环境保护" if row["category"][:2] == "04" else "15")
    bundle = train(Sources(small_corpora, (write_csv("a.csv", rows),), seed=False), quiet)
    assert bundle.category is not None
    assert bundle.category.classes == ("04", "15")
    assert bundle.kind is None
    assert bundle.unit is None
    assert bundle.report["seed"] is False
    assert bundle.report["petitions"] == len(rows)
    pollution, wages = ask(bundle, _POLLUTION), ask(bundle, _WAGES)
    assert [a.categories[0].code for a in (pollution, wages)] == ["04", "15"]
    assert pollution.kind.probability == 0.25  # nobody taught kinds: a guess, and said to be one
    assert wages.units


def test_units_only(small_corpora: Path, seed_rows: SeedRows, quiet: Progress, write_csv, ask: Ask) -> None:
    rows = _labelled(seed_rows, unit=_unit)
    bundle = train(Sources(small_corpora, (write_csv("a.csv", rows),), seed=False), quiet)
    assert bundle.category is None
    assert bundle.kind is None
    assert bundle.unit is not None
    assert bundle.unit.classes == ("乙大队", "甲大队")
    answers = [ask(bundle, petition) for petition in (_POLLUTION, _WAGES)]
    assert [a.categories for a in answers] == [(), ()]
    assert [a.units[0].name for a in answers] == ["甲大队", "乙大队"]
    assert any("以往同类件" in ground for ground in answers[0].units[0].grounds)


def test_kinds_only(small_corpora: Path, seed_rows: SeedRows, quiet: Progress, write_csv, ask: Ask) -> None:
    rows = [row | {"kind": "投诉举报" if i % 2 else "咨询问题"} for i, row in enumerate(_labelled(seed_rows))]
    bundle = train(Sources(small_corpora, (write_csv("a.csv", rows),), seed=False), quiet)
    assert bundle.category is None
    assert bundle.unit is None
    assert bundle.kind is not None
    assert bundle.kind.classes == ("咨询", "检举控告")  # other systems' words for the four kinds
    assert ask(bundle, _WAGES).kind.name in bundle.kind.classes


def test_several_files_add_up(small_corpora: Path, seed_rows: SeedRows, quiet: Progress, write_csv) -> None:
    one = write_csv("a.csv", _labelled(seed_rows, category=lambda row: row["category"]))
    two = write_csv("b.csv", _labelled(seed_rows, unit=_unit))
    bundle = train(Sources(small_corpora, (one, two), seed=False), quiet)
    assert bundle.category is not None
    assert bundle.unit is not None
    assert bundle.report["data"] == ["a.csv", "b.csv"]


def test_level_1_labels_beside_the_seed_teach_its_finer_classes(
    small_corpora: Path, seed_rows: SeedRows, from_seed: Bundle, quiet: Progress, write_csv, ask: Ask
) -> None:
    rows = _labelled(seed_rows, category=lambda row: row["category"][:2])
    bundle = train(Sources(small_corpora, (write_csv("a.csv", rows),)), quiet)
    assert bundle.category is not None
    assert from_seed.category is not None
    assert bundle.category.classes == from_seed.category.classes
    assert {len(code) for code in bundle.category.classes} == {4}
    assert bundle.report["petitions"] == from_seed.report["petitions"] + len(rows)
    # 15 came with no petition of its own, only with its names: the labelled letters now teach it.
    assert _confidence(ask(bundle, _WAGES), "15") > _confidence(ask(from_seed, _WAGES), "15")


def _confidence(answer: Triage, branch: str) -> float:
    return sum(c.probability for c in answer.categories if c.code.startswith(branch))


def test_a_level_1_label_without_known_children_stays_a_class(
    small_corpora: Path, seed_rows: SeedRows, quiet: Progress, write_csv, ask: Ask
) -> None:
    rows = _labelled(seed_rows, category=lambda row: row["category"][: 4 if row["category"] < "05" else 2])
    bundle = train(Sources(small_corpora, (write_csv("a.csv", rows),), seed=False), quiet)
    assert bundle.category is not None
    assert [code for code in bundle.category.classes if not code.startswith("04")] == ["15"]
    assert ask(bundle, _WAGES).categories[0].code == "15"


def test_units_on_top_of_the_seed_leave_its_categories_alone(
    small_corpora: Path, seed_rows: SeedRows, from_seed: Bundle, quiet: Progress, write_csv, ask: Ask
) -> None:
    rows = _labelled(seed_rows, unit=_unit)
    rows[0]["unit"] = rows[1]["unit"] = "只办过两次的单位"
    secret = sum(row["unit"] == "甲大队" for row in rows[:10])
    for row in rows:
        row["kind"] = ""
    for row in rows[2:10]:
        row["kind"] = "检举控告"
    bundle = train(Sources(small_corpora, (write_csv("a.csv", rows),)), quiet)
    assert bundle.unit is not None
    assert bundle.unit.classes == ("乙大队", "只办过两次的单位", "甲大队")
    assert bundle.report["units"]["只办过两次的单位"] == 2  # what its name adds is no decision
    # Every reader of a suggestion sees these: accusations are not counted.
    assert bundle.report["units"]["甲大队"] == sum(row["unit"] == "甲大队" for row in rows) - secret
    assert bundle.category is not None
    assert from_seed.category is not None
    assert bundle.category.classes == from_seed.category.classes
    assert bundle.report["categories"] == from_seed.report["categories"]
    assert ask(bundle, _POLLUTION).categories[0].code[:2] == "04"


def test_few_rows_of_many_rare_classes_can_be_learnt(
    small_corpora: Path, seed_rows: SeedRows, quiet: Progress, write_csv
) -> None:
    """An office's first labels: a dozen, no class more than three times."""
    by_class: dict[str, SeedRows] = {}
    for row in seed_rows:
        by_class.setdefault(row["category"][:4], []).append(row)
    chosen = [row for rows in list(by_class.values())[:5] for row in rows[:3]]
    rows = [{"text": row["text"], "category": row["category"]} for row in chosen]
    bundle = train(Sources(small_corpora, (write_csv("a.csv", rows),), seed=False), quiet)
    assert bundle.report["category"]["n"] == len(rows)


def test_unknown_labels_are_rejected_by_line_and_the_rest_is_learnt(
    small_corpora: Path, seed_rows: SeedRows, quiet: Progress, write_csv
) -> None:
    rows = _labelled(seed_rows, category=lambda row: row["category"], kind=lambda row: row["kind"])
    rows[2]["category"] = "没有这个分类"
    rows[5]["kind"] = "表扬"
    rows[7]["title"] = rows[7]["text"] = ""
    notes: list[str] = []
    bundle = train(Sources(small_corpora, (write_csv("office.csv", rows),), seed=False), quiet, notes.append)
    assert bundle.report["petitions"] == len(rows) - 3
    assert len(notes) == 1
    assert "office.csv：3 行用不上" in notes[0]
    assert "第 4 行" in notes[0]
    assert "没有这个分类" in notes[0]


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"title": "题", "text": "小区门口河里污水横流"}], "没有 category、kind 或 unit 列"),
        ([{"text": "小区门口河里污水横流", "category": "火星事务"}], "第 2 行：分类“火星事务”不存在"),
        ([{"text": f"小区门口河里污水横流{i}", "category": "04"} for i in range(4)], "只有一种取值"),
        ([{"text": f"厂里欠薪{i}", "unit": f"单位{i}"} for i in range(4)], "只有一种取值"),
    ],
)
def test_nothing_usable_is_a_clear_error(
    rows: SeedRows, says: str, small_corpora: Path, quiet: Progress, write_csv
) -> None:
    with pytest.raises(CorpusError, match=says):
        train(Sources(small_corpora, (write_csv("a.csv", rows),), seed=False), quiet)


def test_no_seed_and_no_data_says_what_to_give(small_corpora: Path, quiet: Progress) -> None:
    with pytest.raises(CorpusError, match="--data"):
        train(Sources(small_corpora, (), seed=False), quiet)


def test_a_file_that_cannot_be_read_is_named(small_corpora: Path, quiet: Progress, write_csv) -> None:
    with pytest.raises(UnreadableFileError, match=r"nowhere\.csv"):
        train(Sources(small_corpora, (Path("nowhere.csv"),), seed=False), quiet)
    with pytest.raises(ColumnError, match=r"a\.csv"):
        train(Sources(small_corpora, (write_csv("a.csv", [{"甲": "1", "乙": "2"}]),), seed=False), quiet)


def test_the_report_holds_figures_and_no_text(bundle: Bundle, seed_rows: SeedRows) -> None:
    figures = bundle.report["category"]
    assert figures["n"] == bundle.report["petitions"] == len(seed_rows)
    assert 0.3 < figures["accuracy"] <= figures["top3"] <= 1
    assert figures["level1"]["accuracy"] > figures["accuracy"]
    assert bundle.threshold == figures["threshold"]
    assert not any(row["text"][:12] in str(bundle.report) for row in seed_rows)


def test_the_report_holds_what_the_curves_are_drawn_from(bundle: Bundle) -> None:
    held_out = bundle.report["held_out"]
    drawn = Curves.from_json(held_out["level1"])
    assert drawn.n == bundle.report["category"]["n"] == sum(b.count for b in drawn.bins)
    assert len(drawn.points) <= 41
    # The threshold lies on the curve: from it on, 95 % are right, and that is as far as it goes.
    at = [p for p in drawn.points if round(p.confidence, 4) >= bundle.threshold][-1]
    assert at.coverage == bundle.report["category"]["level1"]["coverage_at_95"]
    assert at.accuracy >= 0.95
    assert all(p.accuracy < 0.95 for p in drawn.points if p.coverage > at.coverage)
    n, suggested, right = (sum(row[i] for row in held_out["classes"].values()) for i in range(3))
    assert (n, round(right / n, 4)) == (drawn.n, bundle.report["category"]["accuracy"])
    assert suggested <= n
