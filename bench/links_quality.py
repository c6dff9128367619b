"""Links against pairs that two readers judged, beside the usual measures of likeness, on the same pairs in one run.

Of ../shared/data: pairs_dev.csv (same_matter / related / different) over pair_messages_dev.csv; the archive for the search are these
messages and messages_unlabelled.csv. End to end means: the pair's later message is looked up among all earlier ones, and a pair that the search
does not bring up scores 0. Prints average precision, recall at 95 % precision, and both at the shipped threshold.
Run: python -m bench.links_quality [-o PICTURE.svg]   (says so and stops where ../shared/data is not here)
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import average_precision_score, precision_recall_curve

from bench.charts import traces
from bench.shared_data import ROOT, SHARED, real
from classifier.bundle import Bundle, load_bundle
from classifier.features import distinct
from classifier.links.history import FILE_SHORTLIST, MemoryHistory
from classifier.links.score import score_candidates
from classifier.links.terms import LinkEntry, resemblance, shingles
from classifier.petition import Petition
from classifier.predict import predict
from classifier.registry import Registry
from classifier.triage import Reading, entry_of, read

_BATCH = 500
Scores = npt.NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, help="an SVG of precision over recall")
    out: Path | None = parser.parse_args().out
    if not SHARED.is_dir():
        sys.exit("../shared/data is not here: nothing to measure on")
    bundle = load_bundle(Registry(ROOT / "models").active())
    messages = {p.id: p for p in [*real("messages_unlabelled.csv"), *real("pair_messages_dev.csv")]}
    readings, entries = _entries(bundle, list(messages.values()))
    with (SHARED / "pairs_dev.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    pairs = [(row["a"], row["b"]) for row in rows]
    truth = np.array([row["label"] == "same_matter" for row in rows])
    same_user = [row["same_user"] == "True" for row in rows]
    print(f"{len(rows)} pairs, {truth.sum()} of them of one matter; {len(entries)} messages in the archive")
    searched, reached, milliseconds = _end_to_end(bundle, entries, pairs)
    print(
        f"search brings up {reached[truth].mean():.4f} of the true pairs; look-up {milliseconds:.2f} ms a message in memory"
    )
    scores = {
        "分办（含检索）": searched,
        "分办（只打分）": _scored(bundle, entries, pairs, same_user),
        "结巴词 TF-IDF 余弦": _cosine(
            [" ".join(r.document.words) for r in readings.values()], list(readings), pairs, "word"
        ),
        "字组 TF-IDF 余弦": _cosine(
            [r.document.text for r in readings.values()], list(readings), pairs, "char"
        ),
        "片段重合（MinHash 所估）": _jaccard(readings, pairs),
    }
    for name, values in scores.items():
        precision, recall, _ = precision_recall_curve(truth, values)
        print(
            f"{name:20} average precision {average_precision_score(truth, values):.4f}   "
            f"recall at 0.95 precision {recall[precision >= 0.95].max():.4f}"
        )
    shown = searched >= bundle.links.threshold
    print(
        f"shipped threshold {bundle.links.threshold:.3f}: precision {truth[shown].mean():.4f}, "
        f"recall {shown[truth].mean():.4f}, {shown.sum()} of {len(rows)} pairs shown"
    )
    if out:
        traces(
            out,
            "同一事项：查准率与查全率",
            "查全率",
            "查准率",
            # Scored alone, the pairs lie on the same line: the search misses none.
            {name: _trace(truth, values) for name, values in scores.items() if name != "分办（只打分）"},
        )


def _trace(truth: npt.NDArray[np.bool_], values: Scores) -> tuple[list[float], list[float]]:
    precision, recall, _ = precision_recall_curve(truth, values)
    return recall.tolist(), precision.tolist()


def _entries(
    bundle: Bundle, petitions: Sequence[Petition]
) -> tuple[dict[str, Reading], dict[str, LinkEntry]]:
    readings: dict[str, Reading] = {}
    entries: dict[str, LinkEntry] = {}
    for start in range(0, len(petitions), _BATCH):
        batch = [read(p, bundle.tokeniser, bytes(32)) for p in petitions[start : start + _BATCH]]
        predictions = predict(bundle, [reading.document for reading in batch])
        for row, reading in enumerate(batch):
            readings[reading.id] = reading
            entries[reading.id] = entry_of(bundle, predictions, row, reading)
    return readings, entries


def _end_to_end(
    bundle: Bundle, entries: Mapping[str, LinkEntry], pairs: Sequence[tuple[str, str]]
) -> tuple[Scores, npt.NDArray[np.bool_], float]:
    """Scores of the pairs as a run over the whole file finds them, whether the search brought them up, and its time a message."""
    history = MemoryHistory(bundle.term_weights, FILE_SHORTLIST)
    found: dict[frozenset[str], float] = {}
    started = time.perf_counter()
    for entry in entries.values():
        candidates = history.candidates(entry, bundle.term_weights)
        for scored in score_candidates(entry, candidates, bundle.term_weights, bundle.links):
            found[frozenset((entry.id, scored.other.id))] = scored.score
        history.add(entry)
    spent = 1000 * (time.perf_counter() - started) / len(entries)
    keys = [frozenset(pair) for pair in pairs]
    return np.array([found.get(key, 0.0) for key in keys]), np.array([key in found for key in keys]), spent


def _scored(
    bundle: Bundle,
    entries: Mapping[str, LinkEntry],
    pairs: Sequence[tuple[str, str]],
    same_user: Sequence[bool],
) -> Scores:
    """Scores of the pairs themselves. Where the file says so, the two have one petitioner, whatever their accounts."""
    scores = []
    for (a, b), same in zip(pairs, same_user, strict=True):
        keys = frozenset({("account", "one")}) if same else frozenset()
        one, other = replace(entries[a], keys=keys), replace(entries[b], keys=keys)
        scores.append(score_candidates(one, [other], bundle.term_weights, bundle.links)[0].score)
    return np.array(scores)


def _cosine(texts: list[str], ids: list[str], pairs: Sequence[tuple[str, str]], analyzer: str) -> Scores:
    options = {"ngram_range": (2, 3)} if analyzer == "char" else {"token_pattern": r"(?u)\b\w\w+\b"}
    matrix = TfidfVectorizer(analyzer=analyzer, sublinear_tf=True, **options).fit_transform(texts)
    row = {id_: i for i, id_ in enumerate(ids)}
    return np.array([(matrix[row[a]] @ matrix[row[b]].T).toarray()[0, 0] for a, b in pairs])


def _jaccard(readings: Mapping[str, Reading], pairs: Sequence[tuple[str, str]]) -> Scores:
    """Jaccard similarity of runs of three characters: what MinHash estimates."""
    sets = {id_: distinct(shingles(readings[id_].document.text, 3)[0]) for pair in pairs for id_ in pair}
    dice = np.array([resemblance(sets[a], sets[b]) for a, b in pairs])
    jaccard: Scores = dice / (2 - dice)
    return jaccard


if __name__ == "__main__":
    main()
