"""Folds that keep together what belongs together: the same letter sent again, the same petitioner, near-identical texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

from classifier.features import Document
from classifier.links.terms import shingles

Indices = npt.NDArray[np.int64]

# Two texts that share one of their few smallest shingle hashes are near copies (bottom-k sketch, Broder 1997).
_SKETCH = 3


def groups_of(documents: Sequence[Document], given: Sequence[str]) -> Indices:
    """Group numbers: equal `given` names and near-identical texts end up together (union of both relations)."""
    parent = list(range(len(documents)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[str | int, int] = {}
    for i, (document, name) in enumerate(zip(documents, given, strict=True)):
        sketch = np.unique(shingles(document.text)[0])[:_SKETCH]
        for key in ([name] if name else []) + [int(h) for h in sketch]:
            j = first.setdefault(key, i)
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
