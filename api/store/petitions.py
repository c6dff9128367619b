"""Petitions and what was suggested for them: written whole in one transaction, read back by id, cursor and filter."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, func, insert, select, update

from api.store.clock import now as now
from api.store.firewall import Viewer, visible
from api.store.tables import access_log, idempotency, links, petitions, suggestions
from api.store.terms import IndexWriter
from classifier.errors import NotFoundError
from classifier.links.terms import pack
from classifier.petition import Link, Petition, Triage
from classifier.triage import Triaged

PENDING, DECIDED, RETURNED = "待认定", "已认定", "已退回"
STATUSES = (PENDING, DECIDED, RETURNED)

_LISTED = (
    petitions.c.seq, petitions.c.id, petitions.c.title, petitions.c.text, petitions.c.channel, petitions.c.district,
    petitions.c.people, petitions.c.received_at, petitions.c.created_at, petitions.c.status, petitions.c.category,
    petitions.c.kind, petitions.c.unit, petitions.c.decision_id, petitions.c.replied_on,
)  # fmt: skip


def new_id() -> str:
    return uuid.uuid4().hex


@dataclass(frozen=True, slots=True)
class Sealed:
    """The encrypted parts of a petition."""

    original: bytes
    contact: bytes | None


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; an empty field does not narrow. `category` is a prefix: a level-1 code finds all below it."""

    status: str = ""
    category: str = ""
    kind: str = ""
    unit: str = ""
    channel: str = ""
    since: datetime | None = None
    until: datetime | None = None


def add_petition(
    connection: Connection,
    petition: Petition,
    triaged: Triaged,
    sealed: Sealed,
    index: IndexWriter,
    user_id: str | None,
    import_key: str | None = None,
) -> int:
    """Store a petition, its suggestion, its links and its place in the link index, which is yet to be flushed; returns its seq."""
    answer, reading, entry = triaged.triage, triaged.reading, triaged.entry
    moment = now()
    seq: int = connection.execute(
        insert(petitions)
        .values(
            id=petition.id,
            import_key=import_key,
            channel=petition.channel.value if petition.channel else "",
            district=storable(petition.district)[:80],
            people=petition.people,
            received_at=petition.received_at.astimezone(UTC) if petition.received_at else None,
            created_at=moment,
            created_by=user_id,
            title=storable(reading.title),
            text=storable(reading.text),
            original=sealed.original,
            contact=sealed.contact,
            link_view=pack(entry),
            status=PENDING,
            category=answer.categories[0].code if answer.categories else "",
            kind=answer.kind.name.value,
            unit=answer.units[0].id[:80],
            waits_since=petition.received_at.astimezone(UTC) if petition.received_at else moment,
        )
        .returning(petitions.c.seq)
    ).scalar_one()
    connection.execute(
        insert(suggestions).values(
            petition_id=petition.id,
            model_version=answer.model_version,
            answer=dump_answer(answer),
            created_at=moment,
        )
    )
    if answer.links:
        connection.execute(insert(links), [link_row(petition.id, link, moment) for link in answer.links])
    index.add(seq, entry)
    return seq


def link_row(petition_id: str, link: Link, moment: datetime) -> dict[str, Any]:
    """A suggested link as a row of `links`."""
    return {
        "petition_id": petition_id,
        "other_id": link.id,
        "kind": link.kind.value,
        "score": link.score,
        "evidence": json.dumps(asdict(link.evidence), ensure_ascii=False),
        "created_at": moment,
    }


def storable(text: str) -> str:
    """PostgreSQL and UTF-8 hold neither NUL nor lone surrogates; normalised text has none, this makes sure."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def dump_answer(answer: Triage) -> str:
    return storable(json.dumps(asdict(answer), ensure_ascii=False))


def get_petition(connection: Connection, petition_id: str, viewer: Viewer) -> RowMapping:
    """Raises NotFoundError, also for one that `viewer` may not see: whether it is there is no answer to give."""
    query = select(*_LISTED).where(petitions.c.id == petition_id, visible(viewer))
    row = connection.execute(query).mappings().first()
    if row is None:
        raise NotFoundError("没有这件信访件。请检查编号。")
    return row


def heads_of(connection: Connection, ids: Collection[str], viewer: Viewer) -> dict[str, RowMapping]:
    """Of these petitions those that `viewer` may see, by id, without their texts."""
    columns = [column for column in _LISTED if column.name != "text"]
    query = select(*columns).where(petitions.c.id.in_(ids), visible(viewer))
    return {row["id"]: row for row in connection.execute(query).mappings()} if ids else {}


def lock_petition(connection: Connection, petition_id: str) -> None:
    """Until this transaction ends nobody else decides on the petition. SQLite has one writer anyway.

    Rows that refer to the petition may still be written: a lock against those too would wait for a matter, and a matter for it.
    """
    query = select(petitions.c.seq).where(petitions.c.id == petition_id).with_for_update(key_share=True)
    connection.execute(query)


def latest_suggestion(connection: Connection, petition_id: str) -> RowMapping:
    return (
        connection.execute(
            select(suggestions.c.id, suggestions.c.answer, suggestions.c.model_version)
            .where(suggestions.c.petition_id == petition_id)
            .order_by(suggestions.c.id.desc())
            .limit(1)
        )
        .mappings()
        .one()
    )


def list_petitions(
    connection: Connection, filters: Filters, before: int | None, limit: int, viewer: Viewer
) -> Sequence[RowMapping]:
    """Newest first, at most `limit`, only those with a seq below `before` that `viewer` may see."""
    conditions = [
        column == value
        for column, value in (
            (petitions.c.status, filters.status),
            (petitions.c.kind, filters.kind),
            (petitions.c.unit, filters.unit),
            (petitions.c.channel, filters.channel),
        )
        if value
    ]
    if filters.category:
        conditions.append(petitions.c.category.startswith(filters.category, autoescape=True))
    if filters.since:
        conditions.append(petitions.c.created_at >= filters.since.astimezone(UTC))
    if filters.until:
        conditions.append(petitions.c.created_at < filters.until.astimezone(UTC))
    if before is not None:
        conditions.append(petitions.c.seq < before)
    query = (
        select(*_LISTED)
        .where(and_(visible(viewer), *conditions))
        .order_by(petitions.c.seq.desc())
        .limit(limit)
    )
    return connection.execute(query).mappings().all()


def brief_rows(connection: Connection, petition_ids: Sequence[str], viewer: Viewer) -> dict[str, RowMapping]:
    """By id what tells one petition from another in a list, of those that `viewer` may see; `begins` is the text's beginning."""
    columns = (
        petitions.c.seq,
        petitions.c.id,
        petitions.c.title,
        petitions.c.created_at,
        petitions.c.received_at,
    )
    now_is = (
        petitions.c.status,
        petitions.c.category,
        petitions.c.kind,
        petitions.c.unit,
        petitions.c.decision_id,
    )
    begins = func.substr(petitions.c.text, 1, 60).label("begins")
    query = select(*columns, *now_is, begins).where(petitions.c.id.in_(petition_ids), visible(viewer))
    return {row["id"]: row for row in connection.execute(query).mappings()}


def sealed_parts(connection: Connection, petition_id: str, viewer: Viewer) -> Sealed:
    """Raises NotFoundError, also for one that `viewer` may not see."""
    query = select(petitions.c.original, petitions.c.contact)
    row = connection.execute(query.where(petitions.c.id == petition_id, visible(viewer))).first()
    if row is None:
        raise NotFoundError("没有这件信访件。请检查编号。")
    return Sealed(row.original, row.contact)


def log_access(connection: Connection, petition_id: str, user_id: str) -> None:
    """Who opened whose original text and contact fields, for the auditor."""
    connection.execute(insert(access_log).values(petition_id=petition_id, user_id=user_id, created_at=now()))


def update_current(connection: Connection, petition_id: str, values: Mapping[str, Any]) -> None:
    """What holds now: status, category, kind, unit, decision, reply. The history is in suggestions, decisions, returns, replies and undos."""
    connection.execute(update(petitions).where(petitions.c.id == petition_id).values(**values))


def imported(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Which import keys are stored already."""
    found = connection.execute(select(petitions.c.import_key).where(petitions.c.import_key.in_(keys)))
    return {key for key in found.scalars() if key}


def remembered(connection: Connection, user_id: str, key: str) -> RowMapping | None:
    """What an idempotency key was used for."""
    return (
        connection.execute(
            select(idempotency.c.body_digest, idempotency.c.petition_id).where(
                idempotency.c.user_id == user_id, idempotency.c.key == key
            )
        )
        .mappings()
        .first()
    )


def remember(connection: Connection, user_id: str, key: str, body_digest: str, petition_id: str) -> None:
    connection.execute(
        insert(idempotency).values(
            user_id=user_id, key=key, body_digest=body_digest, petition_id=petition_id, created_at=now()
        )
    )
