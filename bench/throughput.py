"""Texts per second on one core, in one run on the same texts: fenban's own path against the usual recipe.

The usual recipe is jieba.cut → TfidfVectorizer → LinearSVC.predict: from a text to a class. Fenban is timed three times: like for
like (cut → features → calibrated probabilities of 118 classes, from texts already read), then with what the recipe does not do before
it (normalise, redact) and the kind, then with evidence spans and units besides, as `fenban triage FILE` runs it.
Medians of `ROUNDS` alternating rounds. Run: make bench, or python -m bench.throughput
"""

from __future__ import annotations

import os

os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})

import logging
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import jieba
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from bench.shared_data import ROOT, some
from classifier.bundle import load_bundle
from classifier.directory import load_directory
from classifier.predict import predict
from classifier.registry import Registry
from classifier.routing import Router
from classifier.triage import read, triage_each

ROUNDS = 5
TEXTS = 1_000
_BATCH = 200


def main() -> None:
    os.sched_setaffinity(0, {0})
    jieba.setLogLevel(logging.WARNING)
    jieba.initialize()
    petitions, what = some(TEXTS)
    bundle = load_bundle(Registry(ROOT / "models").active())
    category = bundle.category
    assert category is not None
    router = Router(
        load_directory(ROOT / "corpora/units/county", bundle.taxonomy), bundle.taxonomy, bundle.tokeniser
    )
    texts = [petition.given for petition in petitions]
    # The recipe's speed does not depend on what it was fitted to say: seven arbitrary labels.
    usual = _usual(texts, [str(len(text) % 7) for text in texts])

    plain = [read(p, bundle.tokeniser, bytes(32)).document for p in petitions]

    def fenban_like() -> None:
        for start in range(0, len(plain), _BATCH):
            documents = [
                replace(d, words=tuple(bundle.tokeniser.cut(d.text))) for d in plain[start : start + _BATCH]
            ]
            category.probabilities(bundle.vectoriser.transform(documents))

    def fenban_fast() -> None:
        for start in range(0, len(petitions), _BATCH):
            readings = [read(p, bundle.tokeniser, bytes(32)) for p in petitions[start : start + _BATCH]]
            predict(bundle, [reading.document for reading in readings])

    def fenban_whole() -> None:
        for start in range(0, len(petitions), _BATCH):
            readings = [read(p, bundle.tokeniser, bytes(32)) for p in petitions[start : start + _BATCH]]
            list(triage_each(readings, bundle, None, router))

    times: dict[str, list[float]] = {"usual": [], "like": [], "fast": [], "whole": []}
    for _ in range(ROUNDS):
        for name, run in (
            ("usual", usual),
            ("like", fenban_like),
            ("fast", fenban_fast),
            ("whole", fenban_whole),
        ):
            times[name].append(_seconds(run))
    median = {name: statistics.median(values) for name, values in times.items()}
    length = sum(map(len, texts)) / len(texts)
    print(
        f"{len(texts)} texts, {length:.0f} characters on average, {what}; one core, medians of {ROUNDS} rounds"
    )
    labels = (
        ("usual", "usual recipe (jieba.cut, TF-IDF, LinearSVC)"),
        ("like", "fenban: like for like, from cut to probabilities"),
        ("fast", "fenban: with normalise, redact and kind"),
        ("whole", "fenban: with evidence spans and units besides"),
    )
    for name, label in labels:
        print(f"{label:52} {len(texts) / median[name]:8.0f} texts/s   {median['usual'] / median[name]:5.2f}×")


def _usual(texts: list[str], labels: list[str]) -> Callable[[], None]:
    vectoriser = TfidfVectorizer(tokenizer=jieba.lcut, token_pattern=None)
    model = LinearSVC().fit(vectoriser.fit_transform(texts), labels)

    def run() -> None:
        model.predict(vectoriser.transform(texts))

    return run


def _seconds(run: Callable[[], None]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
