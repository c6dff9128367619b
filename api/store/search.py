"""Looking petitions up: newest first, narrowed; words by reading redacted texts, and by the link index where they are rare."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    any_,
    bindparam,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from api.store.firewall import Viewer, visible
from api.store.listing import Wanted, narrowed
from api.store.standing import ARRIVED
from api.store.tables import matter_members, petitions
from api.store.terms import DatabaseHistory, is_sqlite


def newest(
    connection: Connection, wanted: Wanted, viewer: Viewer, before: int | None, limit: int
) -> list[int]:
    """The seqs of the newest petitions below `before` that `viewer` may see."""
    query = select(petitions.c.seq).where(visible(viewer), *narrowed(wanted))
    if before is not None:
        query = query.where(petitions.c.seq < before)
    return list(connection.execute(query.order_by(petitions.c.seq.desc()).limit(limit)).scalars())


def newer(connection: Connection, wanted: Wanted, viewer: Viewer, after: int) -> int | None:
    """The seq of the one that came just after."""
    query = select(petitions.c.seq).where(visible(viewer), *narrowed(wanted), petitions.c.seq > after)
    return connection.execute(query.order_by(petitions.c.seq).limit(1)).scalar()


def saying(connection: Connection, seqs: Collection[int], words: Sequence[str], limit: int) -> list[int]:
    """Those of these petitions, newest first, in whose title or text all the words stand."""
    if not seqs:
        return []
    query = select(petitions.c.seq).where(_one_of(connection, seqs), *map(_says, words))
    return list(connection.execute(query.order_by(petitions.c.seq.desc()).limit(limit)).scalars())


def indexed(connection: Connection, terms: Sequence[int], most: int) -> list[int]:
    """The latest petitions that the link index names for any of these terms, newest first; none for terms that many had."""
    found = DatabaseHistory(connection).postings(terms).values()
    packed = b"".join(posting.seqs for posting in found if posting.seqs)
    seqs: list[int] = np.unique(np.frombuffer(packed, "<u4")).tolist()
    return seqs[::-1][:most]


def among(connection: Connection, wanted: Wanted, viewer: Viewer, seqs: Sequence[int]) -> list[int]:
    """Those of these that are narrowed to and may be seen."""
    if not seqs:
        return []
    query = select(petitions.c.seq).where(_one_of(connection, seqs), visible(viewer), *narrowed(wanted))
    return list(connection.execute(query).scalars())


def rows_of(connection: Connection, seqs: Sequence[int], excerpt: int) -> list[RowMapping]:
    """What a row of the list shows, in the order of `seqs`; `excerpt` characters of the redacted text."""
    query: Select[Any] = select(
        *(petitions.c[name] for name in (
            "seq", "id", "title", "channel", "district", "people", "received_at", "created_at", "status", "category", "kind", "unit",
        )),
        func.substr(petitions.c.text, 1, excerpt).label("excerpt"),
    ).where(petitions.c.seq.in_(seqs))  # fmt: skip
    found = {row["seq"]: row for row in connection.execute(query).mappings()}
    return [found[seq] for seq in seqs if seq in found]


def opened(connection: Connection, ids: Collection[str], viewer: Viewer) -> dict[str, datetime]:
    """For those of these petitions that are on a matter: when the matter's first petition came in, as far as `viewer` may see it."""
    if not ids:
        return {}
    own = matter_members.alias("own")
    query = (
        select(own.c.petition_id, func.min(ARRIVED, type_=petitions.c.created_at.type))
        .join(matter_members, matter_members.c.matter_id == own.c.matter_id)
        .join(petitions, petitions.c.id == matter_members.c.petition_id)
        .where(own.c.petition_id.in_(ids), visible(viewer))
        .group_by(own.c.petition_id)
    )
    return {petition: moment for petition, moment in connection.execute(query)}


def numbered(connection: Connection, seq: int, viewer: Viewer) -> RowMapping | None:
    """The petition at this place in the register."""
    query = select(petitions.c.id, petitions.c.seq, petitions.c.created_at)
    return connection.execute(query.where(petitions.c.seq == seq, visible(viewer))).mappings().first()


def _one_of(connection: Connection, seqs: Collection[int]) -> ColumnElement[bool]:
    """As one parameter: thousands of them cost more than the query."""
    if is_sqlite(connection):
        each = func.json_each(json.dumps(list(seqs))).table_valued("value")
        return petitions.c.seq.in_(select(each.c.value))
    return petitions.c.seq == any_(bindparam("seqs", list(seqs), type_=ARRAY(BigInteger)))


def _says(word: str) -> ColumnElement[bool]:
    return or_(
        petitions.c.title.icontains(word, autoescape=True), petitions.c.text.icontains(word, autoescape=True)
    )
