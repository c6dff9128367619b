"""A corpus small enough to train in half a second, and what tests of training write and read."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Row = Mapping[str, str]
WriteCsv = Callable[[str, Iterable[Row]], Path]


class Quiet:
    """Progress that shows nothing."""

    @contextmanager
    def step(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        yield lambda: None


@pytest.fixture(scope="session")
def quiet() -> Quiet:
    return Quiet()


@pytest.fixture(scope="session")
def seed_rows() -> list[dict[str, str]]:
    """The seed petitions of 环境保护 (04) and 劳动和社会保障 (15), as they stand in the files."""
    files = (ROOT / "corpora" / "seed" / f"{branch}.jsonl" for branch in ("04", "15"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def small_corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Corpora of two branches only, taxonomy included: 04 with seed and lexicon, 15 with its names alone."""
    folder = tmp_path_factory.mktemp("small")
    whole = (ROOT / "corpora" / "taxonomy" / "taxonomy.csv").read_text(encoding="utf-8-sig").splitlines()
    (folder / "taxonomy").mkdir()
    kept = [whole[0], *(line for line in whole[1:] if line.startswith(("04", "15")))]
    (folder / "taxonomy" / "taxonomy.csv").write_text("\n".join(kept) + "\n", encoding="utf-8")
    for kind, name in (("seed", "04.jsonl"), ("lexicon", "04.csv")):
        (folder / kind).mkdir()
        shutil.copy(ROOT / "corpora" / kind / name, folder / kind)
    return folder


@pytest.fixture
def write_csv(tmp_path: Path) -> WriteCsv:
    """Writes rows of equal keys as a CSV file; returns its path."""

    def write(name: str, rows: Iterable[Row]) -> Path:
        rows = list(rows)
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write
