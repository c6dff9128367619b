"""The link index in the database: the terms of a petition, the keys of a petitioner, and candidates from both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from sqlalchemy import Connection, TextClause, insert, select, text, tuple_

from api.store.tables import petition_terms, petitioner_keys, petitions
from classifier.links.history import POSTING_CAP, rank_candidates
from classifier.links.terms import LinkEntry, TermWeights, posted_terms


def write_index(connection: Connection, seq: int, entry: LinkEntry, weights: TermWeights) -> None:
    """Post a petition's rarest terms and its petitioner's keys."""
    terms = posted_terms(entry, weights)
    if terms:
        connection.execute(insert(petition_terms), [{"term": term, "seq": seq} for term in terms])
    if entry.keys:
        connection.execute(
            insert(petitioner_keys),
            [{"kind": kind, "digest": digest, "seq": seq} for kind, digest in entry.keys.items()],
        )


class DatabaseHistory:
    """Earlier petitions as link search asks for them, on the connection of the transaction that asks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def candidates(self, entry: LinkEntry, terms: Mapping[int, float]) -> list[LinkEntry]:
        by_key = self._by_key(entry)
        ranked = rank_candidates(self._postings(terms), by_key)
        found = self._entries([int(seq) for seq in ranked])
        return [found[seq] for seq in ranked if seq in found and found[seq].id != entry.id]

    def _postings(self, terms: Mapping[int, float]) -> list[tuple[str, float]]:
        if not terms:
            return []
        values = {f"t{i}": term for i, term in enumerate(terms)}
        rows = self._connection.execute(_postings_query(len(values)), values).all()
        return [(str(seq), terms[term]) for term, seq in rows]

    def _by_key(self, entry: LinkEntry) -> list[str]:
        if not entry.keys:
            return []
        rows = self._connection.execute(
            select(petitioner_keys.c.seq)
            .where(tuple_(petitioner_keys.c.kind, petitioner_keys.c.digest).in_(list(entry.keys.items())))
            .order_by(petitioner_keys.c.seq.desc())
            .limit(POSTING_CAP)
        )
        return [str(seq) for (seq,) in rows]

    def _entries(self, seqs: list[int]) -> dict[str, LinkEntry]:
        if not seqs:
            return {}
        keys: dict[int, dict[str, str]] = {}
        for seq, kind, digest in self._connection.execute(
            select(petitioner_keys.c.seq, petitioner_keys.c.kind, petitioner_keys.c.digest).where(
                petitioner_keys.c.seq.in_(seqs)
            )
        ):
            keys.setdefault(seq, {})[kind] = digest
        rows = self._connection.execute(
            select(
                petitions.c.seq,
                petitions.c.id,
                petitions.c.title,
                petitions.c.text,
                petitions.c.term_hashes,
                petitions.c.term_counts,
            ).where(petitions.c.seq.in_(seqs))
        ).all()
        return {
            str(row.seq): LinkEntry(
                row.id,
                f"{row.title}\n{row.text}",
                np.frombuffer(row.term_hashes, dtype="<i8").astype(np.int64),
                np.frombuffer(row.term_counts, dtype="<i4").astype(np.int32),
                keys.get(row.seq, {}),
            )
            for row in rows
        }


@lru_cache(maxsize=64)
def _postings_query(count: int) -> TextClause:
    """The latest petitions of each of `count` terms: one index range a term, however long its posting list."""
    parts = (
        f"SELECT * FROM (SELECT term, seq FROM petition_terms WHERE term = :t{i} ORDER BY seq DESC LIMIT {POSTING_CAP}) AS s{i}"  # noqa: S608  numbers only
        for i in range(count)
    )
    return text(" UNION ALL ".join(parts))
