"""The measure a bundle carries for later weeks: held-out petitions, of the office where it has taught enough."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.bundle import Bundle
from classifier.drift import Sample, drifted
from classifier.petition import Kind
from training.train import Progress, Sources, train


def test_the_seed_alone(bundle: Bundle) -> None:
    found, figures = bundle.report["reference"], bundle.report["category"]
    sample = Sample.from_report(found)
    assert found["office"] is False
    accusations = bundle.report["kinds"][Kind.ACCUSATION]
    assert accusations
    assert sample.petitions == sum(sample.confidence) == sample.unknown.n == figures["n"] - accusations
    wrong, seen = (sum(counts) for counts in zip(*sample.corrections.values(), strict=True))
    assert seen == sample.petitions
    assert 1 - wrong / seen == pytest.approx(figures["accuracy"], abs=accusations / figures["n"])
    assert 0 < sample.unknown.mean < 0.5
    assert drifted(sample, sample) == []


@pytest.mark.parametrize(("rows", "office"), [(60, False), (200, True)])
def test_an_office_is_measured_by_its_own(
    small_corpora: Path, seed_rows: list[dict[str, str]], quiet: Progress, write_csv, rows: int, office: bool
) -> None:
    # One of its own categories, so that whose petitions were counted shows.
    chosen = [row for row in seed_rows if row["category"].startswith("15")][:rows]
    path = write_csv("office.csv", [{"内容": row["text"], "分类": row["category"]} for row in chosen])
    found = train(Sources(small_corpora, (path,)), quiet).report["reference"]
    assert found["office"] is office
    assert (sum(found["categories"].values()) == len(chosen)) is office
    assert all(code.startswith("15") for code in found["categories"]) is office


def test_without_categories_there_is_none(
    small_corpora: Path, seed_rows: list[dict[str, str]], quiet: Progress, write_csv
) -> None:
    path = write_csv(
        "units.csv", [{"内容": row["text"], "承办单位": row["unit_role"]} for row in seed_rows[::6]]
    )
    report = train(Sources(small_corpora, (path,), seed=False), quiet).report
    assert "reference" not in report
