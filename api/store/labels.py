"""Decisions, returns and link decisions: appended, never changed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, exists, func, insert, select

from api.store.firewall import Viewer, previews
from api.store.matters import verdicts_on
from api.store.petitions import RETURNED, now, storable
from api.store.tables import (
    decisions,
    link_decisions,
    links,
    petitioner_keys,
    petitions,
    returns,
    suggestions,
)
from classifier.errors import NotFoundError
from classifier.identity import is_agent_key
from classifier.links.matters import petitioners_of


def add_decision(
    connection: Connection,
    petition_id: str,
    suggestion_id: int,
    user_id: str,
    values: dict[str, str],
    reason: str,
) -> None:
    connection.execute(
        insert(decisions).values(
            petition_id=petition_id,
            suggestion_id=suggestion_id,
            user_id=user_id,
            reason=storable(reason),
            created_at=now(),
            **values,
        )
    )


def add_return(connection: Connection, petition_id: str, unit: str, reason: str, user_id: str) -> None:
    connection.execute(
        insert(returns).values(
            petition_id=petition_id, unit=unit, reason=storable(reason), user_id=user_id, created_at=now()
        )
    )


def add_link_decision(
    connection: Connection, petition_id: str, other_id: str, confirmed: bool, user_id: str
) -> int:
    """The number of the verdict. Raises NotFoundError when no such link was suggested, in either direction."""
    link_id = connection.execute(
        select(links.c.id)
        .where(
            ((links.c.petition_id == petition_id) & (links.c.other_id == other_id))
            | ((links.c.petition_id == other_id) & (links.c.other_id == petition_id))
        )
        .order_by(links.c.id.desc())
        .limit(1)
    ).scalar()
    if link_id is None:
        raise NotFoundError("这两件之间没有可认定的关联。请先查看该件的关联列表。")
    verdict: int = connection.execute(
        insert(link_decisions)
        .values(link_id=link_id, confirmed=confirmed, user_id=user_id, created_at=now())
        .returning(link_decisions.c.id)
    ).scalar_one()
    return verdict


def holds() -> ColumnElement[bool]:
    """Of the rows of `links` those that hold now: of the run that their later petition is at, or decided on by a person."""
    run = select(petitions.c.link_run).where(petitions.c.id == links.c.petition_id)
    decided = exists().where(link_decisions.c.link_id == links.c.id)
    return (links.c.run == run.correlate(links).scalar_subquery()) | decided.correlate(links)


def links_of(connection: Connection, petition_id: str, viewer: Viewer) -> list[dict[str, Any]]:
    """Links that hold, in both directions, best first, each pair once, with the latest verdict on the pair (None while undecided).

    `id` is the other petition's. As far as `viewer` may see it.
    """
    verdicts = verdicts_on(connection, petition_id)
    rows = connection.execute(
        select(links)
        .where((links.c.petition_id == petition_id) | (links.c.other_id == petition_id), holds())
        .order_by(links.c.score.desc(), links.c.id)
    ).mappings()
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        other = row["other_id"] if row["petition_id"] == petition_id else row["petition_id"]
        shown = {"id": other, "kind": row["kind"], "score": row["score"], "confirmed": verdicts.get(other)}
        found.setdefault(other, shown | {"evidence": json.loads(row["evidence"])})
    return previews(connection, viewer, list(found.values()))


def history_of(connection: Connection, petition_id: str) -> dict[str, Sequence[RowMapping]]:
    """Decisions and returns of a petition, oldest first."""
    return {
        "decisions": connection.execute(
            select(decisions).where(decisions.c.petition_id == petition_id).order_by(decisions.c.id)
        )
        .mappings()
        .all(),
        "returns": connection.execute(
            select(returns).where(returns.c.petition_id == petition_id).order_by(returns.c.id)
        )
        .mappings()
        .all(),
    }


def decided_labels(connection: Connection) -> Iterator[RowMapping]:
    """Each decided petition with its latest decision and the suggestion decided on, in order of intake."""
    latest = (
        select(decisions.c.petition_id, func.max(decisions.c.id).label("id"))
        .group_by(decisions.c.petition_id)
        .subquery()
    )
    query: Any = (
        select(
            petitions.c.seq,
            petitions.c.id,
            petitions.c.title,
            petitions.c.text,
            petitions.c.received_at,
            petitions.c.created_at,
            petitions.c.channel,
            decisions.c.category,
            decisions.c.kind,
            decisions.c.unit,
            decisions.c.created_at.label("decided_at"),
            suggestions.c.model_version,
        )
        .join(latest, latest.c.petition_id == petitions.c.id)
        .join(decisions, and_(decisions.c.id == latest.c.id))
        .join(suggestions, suggestions.c.id == decisions.c.suggestion_id)
        .order_by(petitions.c.seq)
    )
    yield from connection.execution_options(yield_per=500).execute(query).mappings()


def petitioner_groups(connection: Connection) -> dict[int, str]:
    """One identity digest for each petition that has any: the same for all petitions of one petitioner.

    One letter names a phone, the next an ID number, a third both: petitions are of one petitioner when they share a key or a
    chain of petitions that do. The digest only groups petitions for splitting; the export hashes it once more.
    """
    smallest: dict[int, tuple[bool, str]] = {}
    digests: dict[int, tuple[bool, str]] = {}

    def keys() -> Iterator[tuple[str, str, int]]:
        rows = connection.execution_options(yield_per=5_000).execute(
            select(petitioner_keys.c.kind, petitioner_keys.c.digest, petitioner_keys.c.seq)
        )
        for kind, raw, seq in rows:
            digest = raw.hex()
            # An agent's comes last: two clients of one lawyer are two petitioners.
            ranked = (is_agent_key(kind), digest)
            digests[seq] = min(ranked, digests.get(seq, ranked))
            yield kind, digest, seq

    groups = petitioners_of(keys())
    for seq, group in groups.items():
        smallest[group] = min(digests[seq], smallest.get(group, digests[seq]))
    return {seq: smallest[group][1] for seq, group in groups.items()}


def returned_ids(connection: Connection) -> set[str]:
    query = select(petitions.c.id).where(petitions.c.status == RETURNED)
    return set(connection.execute(query).scalars())
