"""Which groups of petitions rise against their own past (苗头): a pure function over arrays; knows neither texts nor people.

For each group let k be the petitions in the window [since, until) and C those in the w windows of the same length before it. The
group's rate per window is the mean of a Poisson rate after C arrivals in w windows under Jeffreys' prior (H. Jeffreys, Proc. R. Soc. A
186, 1946), that is

    λ = (C + 1/2) / max(w, 1)

so that a group without any past has a small rate instead of none. How surprising its arrivals are is the Poisson tail

    P(X ≥ k | λ) = 1 − Σ_{i<k} λ^i e^{−λ} / i!

as in expectation-based Poisson detection of emerging clusters (Neill, Moore, Sabhnani & Daniel, KDD 2005): a group is compared with
nothing but its own past, so a large topic that is always large does not hide a small one that is new. The tail is an order to read
in, not a test: no correction is made for looking at many groups at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import pdtrc

#: Fewer than this many petitions, or petitioners, are no topic: one person who writes again is a repeat, not a rise.
FEWEST_PETITIONS = 3
FEWEST_PETITIONERS = 2
#: Groups whose arrivals are likelier than this do not rise.
LIKELY = 0.05
#: At most this many windows of the past are looked at.
MOST_WINDOWS = 12


@dataclass(frozen=True, slots=True)
class Rise:
    """A group whose arrivals rise. `expected` is λ, `probability` the tail, 0 to 1; `petitioners` are different ones, in the window."""

    group: int
    count: int
    petitioners: int
    expected: float
    probability: float


def windows_before(first: float, since: float, until: float) -> int:
    """How many whole windows of the length of [since, until) lie between `first`, when records begin, and `since`; capped."""
    return int(np.clip((since - first) // (until - since), 0, MOST_WINDOWS))


def rising(
    groups: npt.NDArray[np.int64],
    times: npt.NDArray[np.float64],
    petitioners: npt.NDArray[np.int64],
    since: float,
    until: float,
    windows: int,
) -> list[Rise]:
    """The groups that rise, most surprising first.

    One row a petition in a group, in any order, all three of shape (n,): its group (0 and up), when it came in (in the unit of `since`
    and `until`), and a number that petitions of one petitioner share. A petition of several groups has several rows.
    """
    if not len(groups):
        return []
    size = int(groups.max()) + 1
    inside = (times >= since) & (times < until)
    before = (times >= since - windows * (until - since)) & (times < since)
    count = np.bincount(groups[inside], minlength=size)
    past = np.bincount(groups[before], minlength=size)
    pairs = np.unique(np.stack([groups[inside], petitioners[inside]], axis=1), axis=0)
    people = np.bincount(pairs[:, 0], minlength=size)
    expected = (past + 0.5) / max(windows, 1)
    tail = np.where(count > 0, pdtrc(np.maximum(count - 1, 0), expected), 1.0)
    risen = (count >= FEWEST_PETITIONS) & (people >= FEWEST_PETITIONERS) & (tail <= LIKELY)
    # Tails of great surprises all round to nothing: then the larger multiple of the rate goes first.
    order = np.lexsort((np.arange(size), -count / expected, tail))
    return [
        Rise(int(group), int(count[group]), int(people[group]), float(expected[group]), float(tail[group]))
        for group in order
        if risen[group]
    ]
