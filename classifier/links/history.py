"""What link search asks of whoever keeps earlier petitions, and a keeper in memory."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import Protocol

from classifier.links.terms import LinkEntry, TermWeights, posted_terms

#: A posting list answers with at most this many of its latest petitions.
POSTING_CAP = 30
#: At most this many candidates are scored for one petition at intake; a run over a whole file can afford more.
CANDIDATE_CAP = 16
FILE_CANDIDATE_CAP = 60


class History(Protocol):
    """Earlier petitions. Candidates come from the rarest terms' posting lists and from identity keys; scoring is not its job."""

    def candidates(self, entry: LinkEntry, terms: Mapping[int, float]) -> list[LinkEntry]:
        """Earlier petitions that share a term of `terms` (hash to weight) or an identity key, best first, capped."""
        ...


class MemoryHistory:
    """A history for one run over a file: nothing outlives it."""

    def __init__(self, weights: TermWeights, most: int = CANDIDATE_CAP) -> None:
        """`most` candidates are answered at the most for one petition."""
        self._weights = weights
        self._most = most
        self._entries: dict[str, LinkEntry] = {}
        self._by_term: dict[int, deque[str]] = defaultdict(lambda: deque(maxlen=POSTING_CAP))
        self._by_key: dict[tuple[str, str], deque[str]] = defaultdict(lambda: deque(maxlen=POSTING_CAP))

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: LinkEntry) -> None:
        self._entries[entry.id] = entry
        for term in posted_terms(entry, self._weights):
            self._by_term[term].append(entry.id)
        for key in entry.keys.items():
            self._by_key[key].append(entry.id)

    def candidates(self, entry: LinkEntry, terms: Mapping[int, float]) -> list[LinkEntry]:
        postings = ((term, self._by_term[term]) for term in terms if term in self._by_term)
        by_key = [id_ for key in entry.keys.items() if key in self._by_key for id_ in self._by_key[key]]
        ranked = rank_candidates(
            ((id_, terms[term]) for term, ids in postings for id_ in ids), by_key, self._most
        )
        return [self._entries[id_] for id_ in ranked if id_ != entry.id]


def rank_candidates(
    postings: Iterable[tuple[str, float]], by_key: Iterable[str], most: int = CANDIDATE_CAP
) -> list[str]:
    """The `most` ids with the greatest summed weight of shared terms, then as many of a shared key that are not among them."""
    weight: dict[str, float] = defaultdict(float)
    for id_, value in postings:
        weight[id_] += value
    best = sorted(weight, key=lambda id_: (-weight[id_], id_))[:most]
    return list(dict.fromkeys([*best, *by_key]))[: 2 * most]
