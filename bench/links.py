"""Link scores of pairs that two readers judged: same matter, related, different.

Prints how well the score tells same_matter from the rest (area under the ROC curve, best F1) and the figures at the shown threshold.
Run: python -m bench.links
"""

from __future__ import annotations

import csv
import os
import sys

import numpy as np
from sklearn.metrics import precision_recall_curve, roc_auc_score

from bench.shared_data import ROOT, SHARED, real
from classifier.bundle import load_bundle
from classifier.links.find import SHOWN
from classifier.links.score import score_candidates
from classifier.links.terms import link_entry
from classifier.registry import Registry
from classifier.triage import read


def main() -> None:
    if not SHARED.is_dir():
        sys.exit("../shared/data is not here: nothing to measure on")
    bundle = load_bundle(Registry(ROOT / "models").active())
    secret = os.urandom(32)
    readings = {p.id: read(p, bundle.tokeniser, secret) for p in real("pair_messages_dev.csv")}
    entries = {id_: link_entry(id_, r.document, r.keys) for id_, r in readings.items()}
    with (SHARED / "pairs_dev.csv").open(encoding="utf-8-sig", newline="") as file:
        pairs = list(csv.DictReader(file))
    links = [score_candidates(entries[p["a"]], [entries[p["b"]]], bundle.term_weights)[0] for p in pairs]
    scores = np.array([link.score for link in links])
    truth = np.array([pair["label"] == "same_matter" for pair in pairs])
    precision, recall, _ = precision_recall_curve(truth, scores)
    best = np.max(2 * precision * recall / np.maximum(precision + recall, 1e-9))
    print(
        f"{len(pairs)} pairs, {truth.sum()} same matter: AUC {roc_auc_score(truth, scores):.3f}, best F1 {best:.3f}"
    )
    shown = scores >= SHOWN
    print(f"at {SHOWN}: precision {truth[shown].mean():.3f}, recall {shown[truth].mean():.3f}")
    for same_user in ("True", "False"):
        for label in ("same_matter", "related", "different"):
            chosen = [
                link
                for link, pair in zip(links, pairs, strict=True)
                if (pair["same_user"], pair["label"]) == (same_user, label)
            ]
            if chosen:
                similar = np.median([link.evidence.similarity for link in chosen])
                print(
                    f"same user {same_user:5} {label:12} n {len(chosen):3}   shown {sum(link.score >= SHOWN for link in chosen):3}"
                    f"   median cosine {similar:.2f}"
                )


if __name__ == "__main__":
    main()
