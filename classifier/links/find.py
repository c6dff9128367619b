"""From one petition to its links: ask the history for candidates, score them, keep the likely ones with evidence."""

from __future__ import annotations

from classifier.features import Document
from classifier.links.history import History
from classifier.links.score import score_candidates, with_evidence
from classifier.links.terms import LinkEntry, TermWeights, link_terms, term_hash
from classifier.petition import Link

#: A link is shown from this score on.
SHOWN = 0.5


def find_links(
    entry: LinkEntry,
    document: Document,
    history: History,
    weights: TermWeights,
    min_score: float = SHOWN,
    most: int | None = 10,
) -> tuple[Link, ...]:
    """Links from `entry` to earlier petitions with a score of at least `min_score`, best first, at most `most`."""
    candidates = history.candidates(entry, weights)
    scored = zip(score_candidates(entry, candidates, weights), candidates, strict=True)
    kept = sorted(
        ((link, c) for link, c in scored if link.score >= min_score),
        key=lambda pair: (-pair[0].score, pair[0].id),
    )
    words = {term_hash(term): term for term in link_terms(document)} if kept else {}
    return tuple(with_evidence(link, entry, candidate, words, weights) for link, candidate in kept[:most])
