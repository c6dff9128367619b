"""Categories on the seven-class messages, 5-fold grouped, the same folds in one run: fenban's learner against four others.

All see the same training texts of each fold and nothing else (no seed corpus). Groups are equal titles and near-identical texts
(training/split.py). Prints macro-F1 and accuracy over all held-out texts, the range over folds, and texts per second on one core from
the text as normalised and redacted to the class: cutting included, learning not.
Run: python -m bench.category [-o PICTURE.svg]   (says so and stops where ../shared/data is not here)
"""

from __future__ import annotations

import os

os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})

import argparse
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import floret
import jieba
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB
from sklearn.svm import LinearSVC

from bench.charts import bars
from bench.shared_data import ROOT, SHARED
from classifier.features import Document, Vectoriser, blank_marks
from classifier.taxonomy import load_taxonomy
from classifier.tokenise import Tokeniser
from training.corpus import load_labelled
from training.fit import fit_model
from training.metrics import macro_f1
from training.split import folds, groups_of

# A method learns from documents and labels and gives a function from documents to classes.
Classify = Callable[[Sequence[Document]], Sequence[str]]
Learn = Callable[[Sequence[Document], Sequence[str]], Classify]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, help="an SVG of the figures")
    out: Path | None = parser.parse_args().out
    path = SHARED / "petitions_l1_dev.csv"
    if not path.exists():
        sys.exit("../shared/data is not here: nothing to measure on")
    os.sched_setaffinity(0, {0})
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    taxonomy = load_taxonomy(ROOT / "corpora" / "taxonomy")
    examples = load_labelled(path, taxonomy, Tokeniser()).examples
    documents = [example.document for example in examples]
    labels = [example.category for example in examples]
    groups = groups_of(documents, [e.group for e in examples])
    print(
        f"{len(examples)} texts, {len(set(labels))} classes, {len(set(groups.tolist()))} groups, 5 folds, one core"
    )
    splits = list(folds(labels, groups))
    found: dict[str, tuple[float, float]] = {}
    for name, learn in METHODS.items():
        predicted = [""] * len(labels)
        learning = classifying = 0.0
        each = []
        for train, test in splits:
            started = time.perf_counter()
            classify = learn([documents[i] for i in train], [labels[i] for i in train])
            learnt = time.perf_counter()
            answers = classify([documents[i] for i in test])
            learning, classifying = learning + learnt - started, classifying + time.perf_counter() - learnt
            for i, answer in zip(test, answers, strict=True):
                predicted[i] = answer
            each.append(macro_f1([labels[i] for i in test], list(answers)))
        accuracy = float(np.mean([a == b for a, b in zip(labels, predicted, strict=True)]))
        found[name] = macro_f1(labels, predicted), len(labels) / classifying
        usual = found.get(USUAL, found[name])[1]
        print(
            f"{name:34} macro-F1 {found[name][0]:.4f} (folds {min(each):.4f}–{max(each):.4f})   accuracy {accuracy:.4f}   "
            f"{found[name][1]:7.0f} texts/s = {found[name][1] / usual:5.2f}×   learning {learning / len(splits):5.1f} s a fold",
            flush=True,
        )
    if out:
        bars(
            out,
            "七类内容分类：五折交叉检验（同组不跨折）",
            [
                ("宏平均 F1", {name: f1 for name, (f1, _) in found.items()}, "{:.3f}"),
                ("每秒件数（单核，含分词）", {name: speed for name, (_, speed) in found.items()}, "{:,.0f}"),
            ],
        )


def _pipeline(vectoriser: Any, model: Any) -> Learn:
    """jieba's words through scikit-learn."""

    def learn(documents: Sequence[Document], labels: Sequence[str]) -> Classify:
        model.fit(vectoriser.fit_transform([document.text for document in documents]), labels)

        def classify(others: Sequence[Document]) -> Sequence[str]:
            answers: list[str] = model.predict(vectoriser.transform([d.text for d in others])).tolist()
            return answers

        return classify

    return learn


def _words(**options: Any) -> TfidfVectorizer:
    return TfidfVectorizer(tokenizer=jieba.lcut, token_pattern=None, **options)


def _fasttext(documents: Sequence[Document], labels: Sequence[str]) -> Classify:
    """fastText (floret keeps it alive) with the best of five settings tried on the first fold."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        lines = [f"__label__{label} {_cut(d)}" for d, label in zip(documents, labels, strict=True)]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        model = floret.train_supervised(str(file), epoch=25, lr=0.5, thread=1, verbose=0)

    def classify(others: Sequence[Document]) -> Sequence[str]:
        found, _ = model.predict([_cut(d) for d in others])
        return [answer[0].removeprefix("__label__") for answer in found]

    return classify


def _cut(document: Document) -> str:
    return " ".join(jieba.cut(document.text)).replace("\n", " ")


def _fenban(documents: Sequence[Document], labels: Sequence[str]) -> Classify:
    vectoriser = Vectoriser.fit(documents)
    matrix = vectoriser.transform(documents)
    count = len(documents)
    groups = groups_of(documents, [""] * count)
    model = fit_model(matrix, labels, np.ones(count), np.ones(count, dtype=np.bool_), groups).model
    tokeniser = Tokeniser()

    def classify(others: Sequence[Document]) -> Sequence[str]:
        answers: list[str] = []
        for start in range(0, len(others), 200):
            batch = [
                replace(d, words=tuple(tokeniser.cut(blank_marks(d.text))))
                for d in others[start : start + 200]
            ]
            best = model.probabilities(vectoriser.transform(batch)).argmax(axis=1)
            answers += [model.classes[i] for i in best]
        return answers

    return classify


USUAL = "usual: jieba, TF-IDF, LinearSVC"
METHODS: dict[str, Learn] = {
    USUAL: _pipeline(_words(), LinearSVC()),
    "jieba, TF, logistic regression": _pipeline(
        _words(use_idf=False), LogisticRegression(C=100, max_iter=100)
    ),
    "jieba, TF-IDF, ComplementNB": _pipeline(_words(), ComplementNB()),
    "jieba, fastText": _fasttext,
    "fenban": _fenban,
}


if __name__ == "__main__":
    main()
