"""The gold set: petitions by other writers, never trained on. What a build must reach, and must not lose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from classifier.bundle import Bundle
from classifier.predict import kind_of, predict
from training.corpus import load_seed, seed_examples
from training.evaluate import category_figures, kind_figures

_BATCH = 500


def gold_figures(bundle: Bundle, corpora: Path) -> dict[str, Any]:
    """`category`, `category_level1` and `kind` as `fenban evaluate` gives them, and `branches`: the share of each level-1
    branch's petitions whose first suggestion lies in the right branch.

    Raises CorpusError where there is no gold set.
    """
    rows = load_seed(corpora / "gold", bundle.taxonomy)
    examples = list(seed_examples(rows, bundle.tokeniser))
    found, kinds = [], []
    for start in range(0, len(examples), _BATCH):
        batch = examples[start : start + _BATCH]
        predictions = predict(bundle, [example.document for example in batch])
        if predictions.category is not None:
            found.append(predictions.category)
        kinds += [kind_of(bundle, predictions, row).name.value for row in range(len(batch))]
    figures: dict[str, Any] = {"n": len(examples)}
    if bundle.category:
        probabilities = np.concatenate(found)
        figures |= category_figures(examples, bundle.category, probabilities)
        best = [bundle.category.classes[i][:2] for i in probabilities.argmax(axis=1)]
        right: dict[str, list[bool]] = {}
        for example, code in zip(examples, best, strict=True):
            accepted = {example.category[:2], example.alternative[:2]}
            right.setdefault(example.category[:2], []).append(code in accepted)
        figures["branches"] = {code: round(float(np.mean(hits)), 4) for code, hits in sorted(right.items())}
    if bundle.kind:
        figures["kind"] = kind_figures(examples, kinds)
    return figures
