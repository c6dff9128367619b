"""The label history of a petition, as one list: suggested, decided, returned, replied, linked, undone. Nothing is left out but what the viewer
may not see; what was taken back stays, marked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, RowMapping, case, or_, select

from api.store.firewall import Viewer, previews
from api.store.tables import (
    decisions,
    joint_units,
    link_decisions,
    links,
    replies,
    returns,
    suggestions,
    undos,
    users,
)
from api.store.undos import stands

# Of one moment, what answers comes after what it answers.
_ORDER = ("suggested", "decided", "returned", "replied", "linked", "undone")
_SHOWN_OF_SUGGESTION: Mapping[str, tuple[str, ...]] = {
    "categories": ("code", "name", "path", "probability"),
    "units": ("id", "name", "role", "score"),
}


def history_of(connection: Connection, petition_id: str) -> dict[str, list[dict[str, Any]]]:
    """Decisions, returns and replies of a petition, oldest first; each says whether it was taken back (`undone`)."""
    joint: dict[int, list[str]] = {}
    for number, unit in connection.execute(
        select(joint_units.c.decision_id, joint_units.c.unit)
        .join(decisions, decisions.c.id == joint_units.c.decision_id)
        .where(decisions.c.petition_id == petition_id)
        .order_by(joint_units.c.unit)
    ):
        joint.setdefault(number, []).append(unit)
    rows = {
        of.name: connection.execute(
            select(of, users.c.name.label("user"), (~stands(of)).label("undone"))
            .join(users, users.c.id == of.c.user_id)
            .where(of.c.petition_id == petition_id)
            .order_by(of.c.id)
        ).mappings()
        for of in (decisions, returns, replies)
    }
    return {
        "decisions": [{**row, "joint_units": joint.get(row["id"], [])} for row in rows["decisions"]],
        "returns": [dict(row) for row in rows["returns"]],
        "replies": [dict(row) for row in rows["replies"]],
    }


def label_history(connection: Connection, petition_id: str, viewer: Viewer) -> list[dict[str, Any]]:
    """Every event in order. `id` is unique among them; an undo names the event it takes back in `undoes`."""
    known = history_of(connection, petition_id)
    events = [
        *_suggested(connection, petition_id),
        *(_event("decided", row) | _decided(row) for row in known["decisions"]),
        *(_event("returned", row) | {"unit": row["unit"], "late": row["late"]} for row in known["returns"]),
        *(
            _event("replied", row) | {name: row[name] for name in ("unit", "replied_on", "decision_id")}
            for row in known["replies"]
        ),
        *_linked(connection, petition_id, viewer),
    ]
    events += _undone(connection, petition_id, {event["id"] for event in events}, viewer)
    return sorted(
        events, key=lambda event: (event["created_at"], _ORDER.index(event["event"]), event["number"])
    )


def _event(event: str, row: RowMapping | Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": f"{event}-{row['id']}",
        "number": row["id"],
        "event": event,
        "created_at": row["created_at"],
        "user": row["user"],
        "role": row["role"],
        "reason": row["reason"],
        "undone": bool(row.get("undone", False)),
    }


def _decided(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in ("category", "kind", "unit", "joint_units", "suggestion_id")}


def _suggested(connection: Connection, petition_id: str) -> Iterator[dict[str, Any]]:
    rows = connection.execute(
        select(suggestions).where(suggestions.c.petition_id == petition_id).order_by(suggestions.c.id)
    ).mappings()
    for row in rows:
        answer = json.loads(row["answer"])
        ranked = {
            name: [{field: item[field] for field in fields} for item in answer[name]]
            for name, fields in _SHOWN_OF_SUGGESTION.items()
        }
        yield _event("suggested", {**row, "user": "", "role": "", "reason": ""}) | {
            "model_version": row["model_version"],
            "suggestion": ranked | {"kind": answer["kind"], "abstained": answer["abstained"]},
        }


def _linked(connection: Connection, petition_id: str, viewer: Viewer) -> Iterator[dict[str, Any]]:
    other = case((links.c.petition_id == petition_id, links.c.other_id), else_=links.c.petition_id)
    rows = (
        connection.execute(
            select(
                link_decisions,
                links.c.kind,
                links.c.score,
                other.label("other"),
                users.c.name.label("user"),
                (~stands(link_decisions)).label("undone"),
            )
            .join(links, links.c.id == link_decisions.c.link_id)
            .join(users, users.c.id == link_decisions.c.user_id)
            .where(or_(links.c.petition_id == petition_id, links.c.other_id == petition_id))
        )
        .mappings()
        .all()
    )
    # A verdict on a link to what they may not see is not there for them, nor is its undoing.
    seen = {link["id"] for link in previews(connection, viewer, [{"id": row["other"]} for row in rows])}
    for row in rows:
        if row["other"] in seen:
            link = {"id": row["other"], "kind": row["kind"], "score": row["score"]}
            event = _event("linked", row) | _reason_on_link(row, viewer)
            yield event | {"link": link | {"confirmed": row["confirmed"]}}


def _reason_on_link(row: RowMapping, viewer: Viewer) -> dict[str, str]:
    """A split gives its reason to every link it rejects, and it may speak of any petition of the matter."""
    return {"reason": row["reason"] if viewer.sees_all else ""}


def _undone(
    connection: Connection, petition_id: str, shown: set[str], viewer: Viewer
) -> Iterator[dict[str, Any]]:
    """Undos of what is shown: also of a verdict that was taken back from the other end of its link."""
    numbers = [int(name.partition("-")[2]) for name in shown if name.startswith("linked-")]
    rows = connection.execute(
        select(undos, users.c.name.label("user"))
        .join(users, users.c.id == undos.c.user_id)
        .where(or_(undos.c.petition_id == petition_id, undos.c.link_decision_id.in_(numbers)))
    ).mappings()
    for row in rows:
        (undoes,) = (
            f"{event}-{row[column]}"
            for event, column in (
                ("decided", "decision_id"),
                ("returned", "return_id"),
                ("replied", "reply_id"),
                ("linked", "link_decision_id"),
            )
            if row[column] is not None
        )
        if undoes in shown:
            of_link = {} if row["link_decision_id"] is None else _reason_on_link(row, viewer)
            yield _event("undone", row) | of_link | {"undoes": undoes}
