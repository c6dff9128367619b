"""Which unit: the product's path against words and characters with logistic regression, on the same splits by time.

    python -m bench.routing            trained on the first 80 %, tested on the rest
    python -m bench.routing 60 80      trained on the first 60 %, tested on the next 20 %; several pairs may follow

The product is what `fenban train --data FIRST.csv` and `fenban evaluate LATER.csv` do, with the shipped county directory. The baseline
chooses its C on the last fifth of its training letters. Needs ../shared/data/mailbox_units_dev.csv and says so where it is absent.
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from bench.shared_data import ROOT, SHARED
from classifier.tokenise import Tokeniser
from training.evaluate import evaluation
from training.metrics import macro_f1
from training.train import Sources, train

_FILE = SHARED / "mailbox_units_dev.csv"
_STRENGTHS = (10.0, 30.0, 100.0, 300.0)
#: A unit of fewer decisions than this in the training part is rare.
RARE = 20

Row = dict[str, str]
Ranked = list[list[str]]


def main(arguments: Sequence[str]) -> None:
    if not _FILE.exists():
        sys.stdout.write("../shared/data/mailbox_units_dev.csv is not here: nothing measured.\n")
        return
    with _FILE.open(encoding="utf-8", newline="") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["received_at"])
    shares = [int(text) / 100 for text in arguments] or [0.8, 1.0]
    for first, last in zip(shares[::2], shares[1::2], strict=True):
        past, later = rows[: int(first * len(rows))], rows[int(first * len(rows)) : int(last * len(rows))]
        sys.stdout.write(f"\ntrained on {len(past)} letters, tested on the next {len(later)}\n")
        for name, learn in (("words + characters, logistic regression", _usual), ("fenban", _fenban)):
            started = time.perf_counter()
            truth, ranked, note = learn(past, later)
            seconds = time.perf_counter() - started
            sys.stdout.write(f"{name:40} {_figures(past, later, truth, ranked)}  {note} {seconds:.0f} s\n")
            sys.stdout.flush()


def _figures(past: Sequence[Row], later: Sequence[Row], truth: Sequence[str], ranked: Ranked) -> str:
    counts = Counter(row["unit"] for row in past)
    hits = [unit in best[:3] for unit, best in zip(truth, ranked, strict=True)]
    rare = [hit for hit, row in zip(hits, later, strict=True) if counts[row["unit"]] < RARE]
    first = [best[0] for best in ranked]
    return (
        f"accuracy {np.mean([a == b for a, b in zip(truth, first, strict=True)]):.4f}"
        f"  top-3 {np.mean(hits):.4f}  macro-F1 {macro_f1(truth, first):.4f}"
        f"  top-3 of {len(rare)} letters to rare units {np.mean(rare) if rare else float('nan'):.3f}"
    )


def _usual(past: Sequence[Row], later: Sequence[Row]) -> tuple[list[str], Ranked, str]:
    """TF-IDF of words and of character 2- and 3-grams, multinomial logistic regression."""
    cut = int(0.8 * len(past))
    best = max(
        _STRENGTHS,
        key=lambda strength: np.mean(
            [
                row["unit"] == ranked[0]
                for row, ranked in zip(past[cut:], _regression(past[:cut], past[cut:], strength), strict=True)
            ]
        ),
    )
    return [row["unit"] for row in later], _regression(past, later, best), f"C {best:g}"


def _regression(past: Sequence[Row], later: Sequence[Row], strength: float) -> Ranked:
    tokeniser = Tokeniser(())
    views = (
        TfidfVectorizer(
            analyzer=lambda text: [w for w in tokeniser.cut(text) if w.strip()], sublinear_tf=True
        ),
        TfidfVectorizer(analyzer="char", ngram_range=(2, 3), min_df=2, sublinear_tf=True),
    )
    texts = [f"{row['title']}\n{row['text']}" for row in past]
    new = [f"{row['title']}\n{row['text']}" for row in later]
    matrix = sparse.hstack([view.fit_transform(texts) for view in views]).tocsr()
    model = LogisticRegression(C=strength, max_iter=300, tol=1e-3).fit(matrix, [row["unit"] for row in past])
    scores = model.predict_proba(sparse.hstack([view.transform(new) for view in views]).tocsr())
    return [[model.classes_[i] for i in row] for row in np.argsort(-scores, axis=1, kind="stable")[:, :3]]


def _fenban(past: Sequence[Row], later: Sequence[Row]) -> tuple[list[str], Ranked, str]:
    with tempfile.TemporaryDirectory() as folder:
        first, second = (
            _written(Path(folder) / name, rows) for name, rows in (("a.csv", past), ("b.csv", later))
        )
        bundle = train(Sources(ROOT / "corpora", (first,)), _Silent())
        found = evaluation(second, bundle, ROOT / "corpora" / "units" / "county")
    if len(found.examples) != len(later):
        raise SystemExit(f"{found.rejected} letters could not be read")
    return found.answers.decided, found.answers.units, ""


def _written(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


class _Silent:
    @contextmanager
    def step(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        yield lambda: None


if __name__ == "__main__":
    main(sys.argv[1:])
