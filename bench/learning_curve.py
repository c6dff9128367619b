"""What a few labels of an office are worth: 0, 100, 300, 1,000 and 3,000 of them, on top of the seed and alone.

On the seven-class messages: labels are drawn from four fifths of them (two draws, grouped as in bench/category.py), all figures are
on the last fifth. `seed + labels` is `fenban train --data`, `labels alone` is `--no-seed`, both asked for level 1 among all fifteen
branches (without the seed, among those the labels have); the usual recipe is jieba, TF-IDF, LinearSVC on the same labels.
Run: python -m bench.learning_curve [-o PICTURE.svg]   (says so and stops where ../shared/data is not here)
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import fmean

import jieba
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from bench.charts import curves
from bench.shared_data import ROOT, SHARED
from classifier.category import level1
from classifier.features import Document
from classifier.predict import predict
from classifier.taxonomy import load_taxonomy
from classifier.tokenise import Tokeniser
from training.corpus import load_labelled
from training.metrics import macro_f1
from training.split import folds, groups_of
from training.train import Sources, train

SIZES = (0, 100, 300, 1_000, 3_000)
DRAWS = 2
SEEDED, ALONE, USUAL = "种子 + 标注", "只用标注", "通行做法"


class _Quiet:
    def step(self, name: str, total: int | None) -> AbstractContextManager[object]:
        return nullcontext(lambda: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, help="an SVG of the curves")
    out: Path | None = parser.parse_args().out
    path = SHARED / "petitions_l1_dev.csv"
    if not path.exists():
        sys.exit("../shared/data is not here: nothing to measure on")
    jieba.setLogLevel(logging.WARNING)
    rows = list(csv.DictReader(path.open(encoding="utf-8-sig")))
    taxonomy = load_taxonomy(ROOT / "corpora" / "taxonomy")
    examples = load_labelled(path, taxonomy, Tokeniser()).examples
    if len(rows) != len(examples):
        sys.exit(f"{len(rows) - len(examples)} rows cannot be used: rows and examples would not match")
    documents, labels = [e.document for e in examples], [e.category for e in examples]
    learn, test = next(folds(labels, groups_of(documents, [e.group for e in examples])))
    texts, truth = [documents[i] for i in test], [labels[i] for i in test]
    means: dict[str, list[float | None]] = {SEEDED: [], ALONE: [], USUAL: []}
    print(f"{len(test)} messages to judge by; macro-F1 over seven classes (accuracy), means of {DRAWS} draws")
    for size in SIZES:
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in means}
        for draw in range(DRAWS if size else 1):
            chosen = np.random.default_rng(draw).choice(learn, size=size, replace=False)
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "labels.csv"
                with file.open("w", encoding="utf-8", newline="") as out_file:
                    writer = csv.DictWriter(out_file, list(rows[0]))
                    writer.writeheader()
                    writer.writerows(rows[i] for i in chosen)
                data = (file,) if size else ()
                found[SEEDED].append(_score(truth, _fenban(data, True, texts)))
                if size:
                    found[ALONE].append(_score(truth, _fenban(data, False, texts)))
            if size:
                usual = _usual([documents[i] for i in chosen], [labels[i] for i in chosen], texts)
                found[USUAL].append(_score(truth, usual))
        line = [f"{size:5} labels"]
        for name, scores in found.items():
            means[name].append(fmean(f1 for f1, _ in scores) if scores else None)
            if scores:
                line.append(f"{name} {fmean(f1 for f1, _ in scores):.4f} ({fmean(a for _, a in scores):.4f})")
        print("   ".join(line), flush=True)
    if out:
        curves(out, "学习曲线：本单位的标注越多，分得越准", "本单位标注件数", "七类宏平均 F1", SIZES, means)


def _score(truth: Sequence[str], predicted: Sequence[str]) -> tuple[float, float]:
    hits = [a == b for a, b in zip(truth, predicted, strict=True)]
    return macro_f1(truth, predicted), float(np.mean(hits))


def _fenban(data: tuple[Path, ...], seed: bool, texts: Sequence[Document]) -> list[str]:
    bundle = train(Sources(ROOT / "corpora", data, seed=seed), _Quiet())  # type: ignore[arg-type]
    # Cut again: each bundle has its own dictionary.
    again = [Document(d.text, d.title_length, tuple(bundle.tokeniser.cut(d.text))) for d in texts]
    assert bundle.category is not None
    found = [predict(bundle, again[i : i + 500]).category for i in range(0, len(again), 500)]
    together = np.concatenate([f for f in found if f is not None])
    codes, broad = level1(bundle.category.classes, together, bundle.category.pooling)
    return [codes[i] for i in broad.argmax(axis=1)]


def _usual(documents: Sequence[Document], labels: Sequence[str], texts: Sequence[Document]) -> list[str]:
    vectoriser = TfidfVectorizer(tokenizer=jieba.lcut, token_pattern=None)
    model = LinearSVC().fit(vectoriser.fit_transform([d.text for d in documents]), labels)
    predicted: list[str] = model.predict(vectoriser.transform([d.text for d in texts])).tolist()
    return predicted


if __name__ == "__main__":
    main()
