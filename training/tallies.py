"""What an evaluation report counts beyond the figures of `fenban evaluate`. Pure functions over arrays and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

#: Rates of fewer petitions than this are shown pale: one more or less would move them by 20 points.
FEW = 5


@dataclass(frozen=True, slots=True)
class Tally:
    """One class: `count` petitions have it, `suggested` were given it, `right` both."""

    name: str
    count: int
    suggested: int
    right: int

    @property
    def recall(self) -> float:
        return self.right / self.count if self.count else 0.0

    @property
    def precision(self) -> float:
        return self.right / self.suggested if self.suggested else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.count + self.suggested)


def confusion(truth: Sequence[str], said: Sequence[str]) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The classes that occur on either side, sorted, and their counts: rows are the truth, columns what was said."""
    names = sorted({*truth, *said})
    at = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(counts, ([at[t] for t in truth], [at[s] for s in said]), 1)
    return names, counts


def tallies(truth: Sequence[str], said: Sequence[str]) -> list[Tally]:
    """Each class of `truth`, the most frequent first."""
    counts, suggested = Counter(truth), Counter(said)
    right = Counter(t for t, s in zip(truth, said, strict=True) if t == s)
    order = sorted(counts, key=lambda name: (-counts[name], name))
    return [Tally(name, counts[name], suggested[name], right[name]) for name in order]
