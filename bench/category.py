"""Categories on the seven-class messages, 5-fold grouped, same folds in one run: fenban's learner against the usual recipe.

Both see the same training texts of each fold and nothing else (no seed corpus). Groups are equal titles and near-identical texts
(training/split.py). Prints macro-F1 a fold and over all held-out texts, and texts per second of prediction.
Run: python -m bench.category   (says so and stops where ../shared/data is not here)
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Sequence

import jieba
import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from bench.shared_data import ROOT, SHARED
from classifier.features import Vectoriser
from classifier.taxonomy import load_taxonomy
from classifier.tokenise import Tokeniser
from training.corpus import Example, load_labelled
from training.fit import ALPHA, ridge
from training.metrics import macro_f1
from training.split import Indices, folds, groups_of


def main() -> None:
    path = SHARED / "petitions_l1_dev.csv"
    if not path.exists():
        sys.exit("../shared/data is not here: nothing to measure on")
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    taxonomy = load_taxonomy(ROOT / "corpora" / "taxonomy")
    examples = load_labelled(path, taxonomy, Tokeniser()).examples
    labels = [example.category for example in examples]
    groups = groups_of([e.document for e in examples], [e.group for e in examples])
    cut = [jieba.lcut(e.document.text) for e in examples]
    methods = {"usual recipe": [""] * len(examples), "fenban": [""] * len(examples)}
    seconds = dict.fromkeys(methods, 0.0)
    print(f"{len(examples)} texts, {len(set(labels))} classes, {len(set(groups.tolist()))} groups, 5 folds")
    for number, (train, test) in enumerate(folds(labels, groups), start=1):
        line = [f"fold {number}"]
        for name, predicted in methods.items():
            learn = _usual if name == "usual recipe" else _fenban
            found, taken = learn(examples, cut, labels, train, test)
            seconds[name] += taken
            for i, label in zip(test, found, strict=True):
                predicted[i] = label
            line.append(f"{name} {macro_f1([labels[i] for i in test], list(found)):.4f}")
        print("   ".join(line))
    for name, predicted in methods.items():
        accuracy = np.mean([a == b for a, b in zip(labels, predicted, strict=True)])
        print(
            f"{name:14} macro-F1 {macro_f1(labels, predicted):.4f}   accuracy {accuracy:.4f}   "
            f"train + predict without cutting {seconds[name]:.1f} s"
        )


def _usual(
    _: Sequence[Example], cut: Sequence[list[str]], labels: Sequence[str], train: Indices, test: Indices
) -> tuple[Sequence[str], float]:
    started = time.perf_counter()
    vectoriser = TfidfVectorizer(analyzer=lambda tokens: tokens)
    model = LinearSVC().fit(vectoriser.fit_transform([cut[i] for i in train]), [labels[i] for i in train])
    predicted: list[str] = model.predict(vectoriser.transform([cut[i] for i in test])).tolist()
    return predicted, time.perf_counter() - started


def _fenban(
    examples: Sequence[Example], _: Sequence[list[str]], labels: Sequence[str], train: Indices, test: Indices
) -> tuple[Sequence[str], float]:
    started = time.perf_counter()
    documents = [examples[i].document for i in train]
    vectoriser = Vectoriser.fit(documents)
    classes = sorted({labels[i] for i in train})
    truth = np.array([classes.index(labels[i]) for i in train], dtype=np.int64)
    coef, intercept = ridge(vectoriser.transform(documents), truth, len(classes), np.ones(len(train)), ALPHA)
    scores = vectoriser.transform([examples[i].document for i in test]) @ coef + intercept
    return [classes[i] for i in np.asarray(scores).argmax(axis=1)], time.perf_counter() - started


if __name__ == "__main__":
    main()
