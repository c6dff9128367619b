"""Has what comes in moved away from what the model learnt? Pure functions over counts; they know neither texts nor people.

Two samples of petitions are compared: the mix of categories, how sure the model was, how many words it had not met, how often people
changed what it suggested. Counts are small in most offices, so every test is one that holds for small counts, and a difference is
reported only when it is both unlikely to be chance and large enough to matter:

- a share against a share: Fisher's exact test (R. A. Fisher 1935), the tail of the hypergeometric distribution;
- a distribution against a distribution: chi-square, cells with fewer than five expected petitions merged (Cochran 1954), and the
  population stability index Σ (p − q) ln(p / q), from 0.2 on (the usual rule for “shifted”, Siddiqi 2006);
- mean share of unknown words: Welch's z.

Each of the six questions may raise a false alarm in at most LEVEL of the weeks; within a question the level is divided by the number
of categories or units looked at (Bonferroni).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, gammaln, ndtr

#: False alarms of one question, a week.
LEVEL = 0.005
#: Fewer petitions than this, or decisions on one category, say nothing.
FEWEST_PETITIONS, FEWEST_DECISIONS = 30, 20
#: What matters: a share this many times what it was (or one by this less); the index; points of confidence, of unknown words, of corrections.
RATIO, SHIFTED, CONFIDENCE_POINTS, UNKNOWN_RATIO, CORRECTION_POINTS = 2.0, 0.2, 0.05, 1.25, 0.1
_FEWEST_OF_A_CATEGORY, _EXPECTED, _BINS = 5, 5.0, 10

#: Key → (how many were changed, of how many).
Rates = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Unknown:
    """Shares of a text's words that the model does not know: mean and standard deviation over `n` texts."""

    mean: float = 0.0
    deviation: float = 0.0
    n: int = 0

    @classmethod
    def of(cls, shares: Iterable[float]) -> Unknown:
        found = np.fromiter(shares, dtype=np.float64)
        return cls(float(found.mean()), float(found.std()), len(found)) if len(found) else cls()


@dataclass(frozen=True, slots=True)
class Sample:
    """Petitions of one origin: counts of level-2 codes; counts of confidence in tenths; unknown words; what people changed, by the
    suggested category and by the suggested unit."""

    categories: Mapping[str, int] = field(default_factory=dict)
    confidence: tuple[int, ...] = (0,) * _BINS
    unknown: Unknown = Unknown()
    corrections: Rates = field(default_factory=dict)
    units: Rates = field(default_factory=dict)

    @property
    def petitions(self) -> int:
        return sum(self.categories.values())

    def to_report(self) -> dict[str, Any]:
        """As a training report keeps it."""
        return {
            "categories": dict(sorted(self.categories.items())),
            "confidence": list(self.confidence),
            "unknown": [round(self.unknown.mean, 5), round(self.unknown.deviation, 5), self.unknown.n],
            "corrections": {code: list(rate) for code, rate in sorted(self.corrections.items())},
        }

    @classmethod
    def from_report(cls, found: Mapping[str, Any]) -> Sample:
        return cls(
            found["categories"],
            tuple(found["confidence"]),
            Unknown(*found["unknown"]),
            {code: (rate[0], rate[1]) for code, rate in found["corrections"].items()},
        )


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that moved. `kind`: category, mix, confidence, vocabulary, correction, unit_correction; `key` the code or unit, "" for all.

    `now` and `before` are the shares (for mix: the index and 0); `count` of `total` petitions now; `probability` that chance does as much.
    """

    kind: str
    key: str
    now: float
    before: float
    count: int
    total: int
    probability: float


def in_bins(confidence: Iterable[float]) -> tuple[int, ...]:
    """Counts of probabilities, 0 to 1, in tenths."""
    found = np.fromiter(confidence, dtype=np.float64)
    counts = np.bincount(np.minimum((found * _BINS).astype(np.int64), _BINS - 1), minlength=_BINS)
    return tuple(counts.tolist())


def mean_of_bins(counts: Iterable[int]) -> float:
    """The mean as the bins tell it; 0 without any."""
    found = np.array(tuple(counts), dtype=np.float64)
    centres = (np.arange(len(found)) + 0.5) / max(len(found), 1)
    return float(found @ centres / found.sum()) if found.sum() else 0.0


def pooled(samples: Iterable[Sample]) -> Sample:
    """One sample of several."""
    every = tuple(samples)
    categories: Counter[str] = Counter()
    for sample in every:
        categories.update(sample.categories)
    confidence = np.sum([sample.confidence for sample in every] or [(0,) * _BINS], axis=0)
    return Sample(
        categories,
        tuple(confidence.tolist()),
        _pooled_unknown([sample.unknown for sample in every]),
        _pooled_rates([sample.corrections for sample in every]),
        _pooled_rates([sample.units for sample in every]),
    )


def stability_index(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """The population stability index of two rows of counts; half a petition is added to each cell, so that none is empty."""
    p, q = ((row + 0.5) / (row + 0.5).sum() for row in (one, other))
    return float(((p - q) * np.log(p / q)).sum())


def at_least(count: int, total: int, other_count: int, other_total: int) -> float:
    """Fisher's exact test, one side: how likely is `count` or more of `total`, given both rows together."""
    successes, everything = count + other_count, total + other_total
    k = np.arange(count, min(successes, total) + 1)
    logs = (
        _choose(successes, k)
        + _choose(everything - successes, total - k)
        - _choose(everything, np.array(total))
    )
    return float(min(np.exp(logs).sum(), 1.0))


def drifted(before: Sample, now: Sample) -> list[Finding]:
    """What moved between two samples, the most certain first. Empty when either is too small to say."""
    if min(before.petitions, now.petitions) < FEWEST_PETITIONS:
        return []
    found = [
        *_categories(before, now),
        *_mix(before, now),
        *_confidence(before, now),
        *_vocabulary(before, now),
        *_corrections("correction", before.corrections, now.corrections),
        *_corrections("unit_correction", before.units, now.units),
    ]
    return sorted(found, key=lambda finding: finding.probability)


def _categories(before: Sample, now: Sample) -> list[Finding]:
    codes = sorted({*before.categories, *now.categories})
    counts = {code: (now.categories.get(code, 0), before.categories.get(code, 0)) for code in codes}
    asked = {code: pair for code, pair in counts.items() if max(pair) >= _FEWEST_OF_A_CATEGORY}
    n, m, found = now.petitions, before.petitions, []
    for code, (k, c) in asked.items():
        # Half a petition more in each, so that a category that is new has a ratio, too.
        ratio = ((k + 0.5) / (n + 1)) / ((c + 0.5) / (m + 1))
        more = ratio > 1
        tail = at_least(k, n, c, m) if more else at_least(n - k, n, m - c, m)
        if max(ratio, 1 / ratio) >= RATIO and 2 * tail * len(asked) < LEVEL:
            found.append(Finding("category", code, k / n, c / m, k, n, 2 * tail))
    return found


def _mix(before: Sample, now: Sample) -> list[Finding]:
    codes = sorted({*before.categories, *now.categories})
    table = np.array([[sample.categories.get(code, 0) for code in codes] for sample in (now, before)], float)
    table, probability = _chi_square(table)
    index = stability_index(*table)
    if probability < LEVEL and index >= SHIFTED:
        return [Finding("mix", "", index, 0.0, now.petitions, now.petitions, probability)]
    return []


def _confidence(before: Sample, now: Sample) -> list[Finding]:
    if min(sum(before.confidence), sum(now.confidence)) < FEWEST_PETITIONS:
        return []
    _, probability = _chi_square(np.array([now.confidence, before.confidence], float))
    means = mean_of_bins(now.confidence), mean_of_bins(before.confidence)
    if probability < LEVEL and means[1] - means[0] >= CONFIDENCE_POINTS:
        return [Finding("confidence", "", *means, sum(now.confidence), sum(now.confidence), probability)]
    return []


def _vocabulary(before: Sample, now: Sample) -> list[Finding]:
    one, other = now.unknown, before.unknown
    if min(one.n, other.n) < FEWEST_PETITIONS:
        return []
    error = np.sqrt(one.deviation**2 / one.n + other.deviation**2 / other.n)
    probability = float(ndtr(-(one.mean - other.mean) / max(error, 1e-9)))
    if probability < LEVEL and one.mean >= UNKNOWN_RATIO * other.mean:
        return [Finding("vocabulary", "", one.mean, other.mean, one.n, one.n, probability)]
    return []


def _corrections(kind: str, before: Rates, now: Rates) -> list[Finding]:
    """A key decided on too rarely before is compared with all keys together."""
    everything = _total(before)
    asked = {key: rate for key, rate in now.items() if rate[1] >= FEWEST_DECISIONS}
    found = []
    for key, (wrong, n) in asked.items():
        own = before.get(key, (0, 0))
        changed, m = own if own[1] >= FEWEST_DECISIONS else everything
        if m < FEWEST_DECISIONS:
            continue
        tail = at_least(wrong, n, changed, m)
        if tail * len(asked) < LEVEL and wrong / n - changed / m >= CORRECTION_POINTS:
            found.append(Finding(kind, key, wrong / n, changed / m, wrong, n, tail))
    return found


def _chi_square(table: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], float]:
    """The table of two rows with its rare columns merged into one, and how likely chance makes the rows differ as much."""
    sums = table.sum(axis=1)
    expected = table.sum(axis=0) * sums.min() / sums.sum()
    rare = expected < _EXPECTED
    merged = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    merged = merged[:, merged.sum(axis=0) > 0]
    expected = np.outer(sums, merged.sum(axis=0)) / sums.sum()
    statistic = float(((merged - expected) ** 2 / expected).sum())
    freedom = merged.shape[1] - 1
    return merged, float(chdtrc(freedom, statistic)) if freedom > 0 else 1.0


def _choose(n: int, k: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """ln (n over k); −∞ where k is out of range."""
    inside = (k >= 0) & (k <= n)
    at = np.where(inside, k, 0)
    logs = gammaln(n + 1) - gammaln(at + 1) - gammaln(n - at + 1)
    return np.asarray(np.where(inside, logs, -np.inf))


def _pooled_unknown(parts: list[Unknown]) -> Unknown:
    n = sum(part.n for part in parts)
    if not n:
        return Unknown()
    mean = sum(part.n * part.mean for part in parts) / n
    square = sum(part.n * (part.deviation**2 + part.mean**2) for part in parts) / n
    return Unknown(mean, float(np.sqrt(max(square - mean**2, 0.0))), n)


def _pooled_rates(parts: list[Rates]) -> Rates:
    found: dict[str, tuple[int, int]] = {}
    for part in parts:
        for key, (wrong, n) in part.items():
            earlier = found.get(key, (0, 0))
            found[key] = earlier[0] + wrong, earlier[1] + n
    return found


def _total(rates: Rates) -> tuple[int, int]:
    return sum(wrong for wrong, _ in rates.values()), sum(n for _, n in rates.values())
