"""Folds that keep together what belongs together: the same letter sent again, the same petitioner, near-identical texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from classifier.features import Document, distinct
from classifier.links.terms import resemblance, shingles

Indices = npt.NDArray[np.int64]

# Two texts that share one of their few smallest shingle hashes are near copies (bottom-k sketch, Broder 1997).
SKETCH = 3
# ... if so much of both is the same (Dice coefficient of all their shingles).
_NEAR_COPY = 0.2


def groups_of(documents: Sequence[Document], *given: Sequence[str]) -> Indices:
    """Group numbers: equal names in one of the lists `given` and near-identical texts end up together (union of all relations)."""
    parent = list(range(len(documents)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[int, str] | int, int] = {}
    every = [distinct(shingles(document.text)[0]) for document in documents]
    for i, (own, *names) in enumerate(zip(every, *given, strict=True)):
        for which, name in enumerate(names):
            if name:
                parent[root(i)] = root(first.setdefault((which, name), i))
        for key in own[:SKETCH].tolist():
            j = first.setdefault(key, i)
            # A phrase that many letters have may happen to be in the sketch: the texts themselves decide.
            if j != i and resemblance(own, every[j]) >= _NEAR_COPY:
                parent[root(i)] = root(j)
    return np.array([root(i) for i in range(len(documents))], dtype=np.int64)


def folds(
    labels: Sequence[str], groups: Indices, count: int = 5, seed: int = 0
) -> Iterator[tuple[Indices, Indices]]:
    """(train, test) index arrays, stratified by label, no group on both sides, the same for the same input.

    Where every label is rarer than `count` there is nothing to stratify by.
    """
    is_rare = max(Counter(labels).values()) < count
    splitter = (GroupKFold if is_rare else StratifiedGroupKFold)(count, shuffle=True, random_state=seed)
    yield from splitter.split(np.zeros(len(labels)), np.asarray(labels), groups)
