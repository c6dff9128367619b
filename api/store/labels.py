"""Decisions, returns, replies and verdicts on links: appended, never changed; and what holds now because of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    exists,
    insert,
    literal,
    or_,
    select,
    update,
)

from api.store.firewall import Viewer, previews
from api.store.matters import verdicts_on
from api.store.petitions import DECIDED, PENDING, RETURNED, now, storable, update_current
from api.store.tables import (
    decisions,
    joint_units,
    link_decisions,
    links,
    petitions,
    replies,
    returns,
    reviews,
)
from api.store.undos import stands
from api.store.users import role_of
from classifier.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Decided:
    """What a person decided of a petition; an empty field was never decided. `units` are ids, the joint ones sorted."""

    category: str = ""
    kind: str = ""
    unit: str = ""
    joint_units: tuple[str, ...] = ()


def add_decision(
    connection: Connection,
    petition_id: str,
    suggestion_id: int,
    user_id: str,
    decided: Decided,
    reason: str,
) -> None:
    moment = now()
    number: int = connection.execute(
        insert(decisions)
        .values(
            petition_id=petition_id,
            suggestion_id=suggestion_id,
            category=decided.category,
            kind=decided.kind,
            unit=decided.unit,
            reason=storable(reason),
            user_id=user_id,
            role=role_of(connection, user_id).value,
            created_at=moment,
        )
        .returning(decisions.c.id)
    ).scalar_one()
    rows = [{"decision_id": number, "unit": unit, "created_at": moment} for unit in decided.joint_units]
    if rows:
        connection.execute(insert(joint_units), rows)


def add_return(
    connection: Connection, petition_id: str, decision: RowMapping, reason: str, user_id: str, late: bool
) -> None:
    """The unit of this decision sends it back."""
    connection.execute(
        insert(returns).values(
            petition_id=petition_id,
            unit=decision["unit"],
            reason=storable(reason),
            user_id=user_id,
            role=role_of(connection, user_id).value,
            decision_id=decision["id"],
            late=late,
            created_at=now(),
        )
    )


def add_reply(
    connection: Connection, petition_id: str, decision: RowMapping, day: date, note: str, user_id: str
) -> None:
    """The unit of this decision has answered the petitioner in writing."""
    connection.execute(
        insert(replies).values(
            petition_id=petition_id,
            decision_id=decision["id"],
            unit=decision["unit"],
            replied_on=day,
            reason=storable(note),
            user_id=user_id,
            role=role_of(connection, user_id).value,
            created_at=now(),
        )
    )


def reply_in_force(connection: Connection, petition_id: str) -> RowMapping | None:
    """The reply that was not taken back; there is one at most."""
    query = select(replies).where(replies.c.petition_id == petition_id, stands(replies))
    return connection.execute(query).mappings().first()


def decision_in_force(connection: Connection, petition_id: str) -> RowMapping | None:
    """The latest decision that was not taken back."""
    query = (
        select(decisions)
        .where(decisions.c.petition_id == petition_id, stands(decisions))
        .order_by(decisions.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).mappings().first()


def joint_units_of(connection: Connection, decision_id: int) -> tuple[str, ...]:
    query = (
        select(joint_units.c.unit)
        .where(joint_units.c.decision_id == decision_id)
        .order_by(joint_units.c.unit)
    )
    return tuple(connection.execute(query).scalars())


def return_of(connection: Connection, decision_id: int) -> int | None:
    """The number of the return that answers a decision and was not taken back."""
    query = select(returns.c.id).where(returns.c.decision_id == decision_id, stands(returns))
    return connection.execute(query.order_by(returns.c.id.desc()).limit(1)).scalar()


def assigned_at(connection: Connection, petition_id: str) -> datetime:
    """Since when the unit in force has had the petition: later decisions that keep the unit start no new time limit,
    one that insists after a return does. The caller knows that there is a decision."""
    rows = connection.execute(
        select(decisions.c.unit, decisions.c.created_at, exists_return().label("sent_back"))
        .where(decisions.c.petition_id == petition_id, stands(decisions))
        .order_by(decisions.c.id.desc())
    ).all()
    since: datetime = rows[0].created_at
    for row in rows:
        if row.unit != rows[0].unit or row.sent_back:
            break
        since = row.created_at
    return since


def exists_return() -> ColumnElement[bool]:
    """Whether a row of `decisions` was answered by a return that was not taken back."""
    return exists(
        select(returns.c.id).where(returns.c.decision_id == decisions.c.id, stands(returns))
    ).correlate(decisions)


def settle(connection: Connection, petition_id: str) -> None:
    """Bring what holds now in line with what was decided, returned, replied and taken back: the decision in force, else the suggestion."""
    seq, suggested = _suggested(connection, petition_id)
    decision = decision_in_force(connection, petition_id)
    status, held, is_whole = PENDING, suggested, False
    if decision is not None:
        status = DECIDED if return_of(connection, decision["id"]) is None else RETURNED
        is_whole = status == DECIDED and all(decision[name] for name in suggested)
        held = {name: decision[name] or value for name, value in suggested.items()}
    number = decision["id"] if decision is not None else None
    since = None if status == DECIDED else _waits_since(connection, petition_id, number)
    reply = reply_in_force(connection, petition_id)
    replied_on = reply["replied_on"] if reply is not None else None
    current = {
        **held,
        "status": status,
        "decision_id": number,
        "waits_since": since,
        "replied_on": replied_on,
    }
    update_current(connection, petition_id, current)
    # The random share is asked until all of it is known: figures on what somebody happened to decide would not be honest.
    asked = or_(literal(status == PENDING), and_(reviews.c.sampled, literal(not is_whole)))
    connection.execute(update(reviews).where(reviews.c.seq == seq).values(open=asked))


def _waits_since(connection: Connection, petition_id: str, decision_id: int | None) -> datetime:
    """The moment of the return that answers the decision in force, else when the petition came in."""
    if decision_id is not None:
        sent_back = select(returns.c.created_at).where(returns.c.decision_id == decision_id, stands(returns))
        moment = connection.execute(sent_back.order_by(returns.c.id.desc()).limit(1)).scalar()
        if moment is not None:
            return moment  # type: ignore[no-any-return]
    row = connection.execute(
        select(petitions.c.received_at, petitions.c.created_at).where(petitions.c.id == petition_id)
    ).one()
    return row.received_at or row.created_at  # type: ignore[no-any-return]


def _suggested(connection: Connection, petition_id: str) -> tuple[int, dict[str, str]]:
    row = connection.execute(
        select(reviews.c.seq, reviews.c.category, reviews.c.kind, reviews.c.unit)
        .join(petitions, petitions.c.seq == reviews.c.seq)
        .where(petitions.c.id == petition_id)
    ).one()
    return row.seq, {"category": row.category, "kind": row.kind, "unit": row.unit}


def add_link_decision(
    connection: Connection, petition_id: str, other_id: str, confirmed: bool, reason: str, user_id: str
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
        .values(
            link_id=link_id,
            confirmed=confirmed,
            reason=storable(reason),
            user_id=user_id,
            role=role_of(connection, user_id).value,
            created_at=now(),
        )
        .returning(link_decisions.c.id)
    ).scalar_one()
    return verdict


def holds() -> ColumnElement[bool]:
    """Of the rows of `links` those that hold now: of the run that their later petition is at, or by the word of a person that stands."""
    run = select(petitions.c.link_run).where(petitions.c.id == links.c.petition_id)
    decided = exists().where(link_decisions.c.link_id == links.c.id, stands(link_decisions))
    return (links.c.run == run.correlate(links).scalar_subquery()) | decided.correlate(links)


def suggest_again(connection: Connection, link_decision_id: int) -> None:
    """Once a verdict was taken back: its link is suggested as before until the next relink, also where relinks since left it alone.

    A relink gives a pair that people decided on no link of its run, so the old one is repeated in it.
    """
    same = links.alias("same")
    names = ("petition_id", "other_id", "kind", "score", "evidence")
    here = exists().where(
        same.c.petition_id == links.c.petition_id,
        same.c.other_id == links.c.other_id,
        same.c.run == petitions.c.link_run,
    )
    old = (
        select(
            *(links.c[name] for name in names), literal(now(), links.c.created_at.type), petitions.c.link_run
        )
        .join(link_decisions, link_decisions.c.link_id == links.c.id)
        .join(petitions, petitions.c.id == links.c.petition_id)
        .where(link_decisions.c.id == link_decision_id, ~here.correlate(links, petitions))
    )
    connection.execute(insert(links).from_select([*names, "created_at", "run"], old))


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
