"""From one petition to its links: ask the history for candidates, score them, keep the likely ones with evidence."""

from __future__ import annotations

from classifier.features import Document
from classifier.links.evidence import evidence_of
from classifier.links.history import History
from classifier.links.model import LinkModel
from classifier.links.score import score_candidates
from classifier.links.terms import LinkEntry, TermWeights, link_terms, term_hash
from classifier.petition import Link


def find_links(
    entry: LinkEntry,
    document: Document,
    history: History,
    weights: TermWeights,
    model: LinkModel,
    min_score: float | None = None,
    most: int | None = 10,
) -> tuple[Link, ...]:
    """Links from `entry` to earlier petitions, best first, at most `most`: with a score of at least `min_score`, or the model's threshold for
    the kind of link."""
    least = min(model.threshold, model.again) if min_score is None else min_score
    candidates = history.candidates(entry, weights)
    scored = score_candidates(entry, candidates, weights, model, least)
    shown = (s for s in scored if s.score >= (model.shown_from(s.kind) if min_score is None else min_score))
    kept = sorted(shown, key=lambda s: (-s.score, s.other.id))[:most]
    words = {term_hash(term): term for term in link_terms(document)} if kept else {}
    return tuple(
        Link(
            s.other.id,
            s.kind,
            s.score,
            evidence_of(
                entry, s.other, s.keys, s.similarity, model.contributions(s.values[None])[0], words, weights
            ),
        )
        for s in kept
    )
