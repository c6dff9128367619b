"""What the pages of petitions, links and matters show, each in one transaction, as far as a viewer may see it.

Reading changes nothing, but that who opens an accusation (检举控告) is on record, once a day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy import Connection, RowMapping

from api.matters import members_and_standing, return_due_at, whole_matter
from api.service import Service
from api.store.audit import Action, is_recorded, record
from api.store.firewall import Viewer
from api.store.history import label_history
from api.store.labels import assigned_at, links_of
from api.store.matters import verdict_on
from api.store.petitions import DECIDED, RETURNED, get_petition, heads_of, latest_suggestion, now
from api.store.standing import assignments_of, replies_on, returns_on
from classifier.dates import CHINA
from classifier.errors import NotFoundError
from classifier.petition import Kind


@dataclass(frozen=True, slots=True)
class PetitionView:
    """One petition. Events are those of `label_history`, oldest first; `heads` has the other petitions named, by id.

    `decided` is the event of the decision in force, `sent_back` that of the return that answers it, `replied` that of the
    reply that stands. `members` are the petitions of its
    matter, `standing` its figures; () and None while it is on none. `return_due` is the last moment for the unit to send it back.
    """

    row: RowMapping
    suggestion: Mapping[str, Any]
    events: Sequence[Mapping[str, Any]]
    links: Sequence[Mapping[str, Any]]
    heads: Mapping[str, RowMapping]
    members: Sequence[Mapping[str, Any]]
    standing: Mapping[str, Any] | None
    decided: Mapping[str, Any] | None
    sent_back: Mapping[str, Any] | None
    replied: Mapping[str, Any] | None
    return_due: datetime | None


@dataclass(frozen=True, slots=True)
class PairView:
    """A link with both its petitions. `is_later`: `row` is the later one, whose places the evidence names first.

    `verdict` is the number of the verdict in force, 0 for none; `of_split` says that a split gave it. `events` are the verdicts and what
    took them back. `following` is the petition's next link nobody has decided on, "" for none.
    """

    row: RowMapping
    other: RowMapping
    link: Mapping[str, Any]
    is_later: bool
    verdict: int
    of_split: bool
    events: Sequence[Mapping[str, Any]]
    following: str
    undecided: int


@dataclass(frozen=True, slots=True)
class MatterView:
    """A matter as `get_matter` answers it, what was assigned, sent back and answered on it, and the petitions its events name, by id."""

    whole: Mapping[str, Any]
    assignments: Sequence[RowMapping]
    returns: Sequence[RowMapping]
    replies: Sequence[RowMapping]
    heads: Mapping[str, RowMapping]


def view_petition(service: Service, petition_id: str, viewer: Viewer, also: str = "") -> PetitionView:
    """`also` is another petition to have among the `heads`. Raises NotFoundError, also for what `viewer` may not see."""
    with service.store.read() as connection:
        row = get_petition(connection, petition_id, viewer)
        events = label_history(connection, petition_id, viewer)
        links = links_of(connection, petition_id, viewer)
        found = members_and_standing(connection, service.settings, petition_id, viewer)
        others = {link["id"] for link in links} | {
            event["link"]["id"] for event in events if event["event"] == "linked"
        }
        others.add(also)
        view = PetitionView(
            row=row,
            suggestion=json.loads(latest_suggestion(connection, petition_id)["answer"]),
            events=events,
            links=links,
            heads=heads_of(connection, others - {""}, viewer),
            members=found[0] if found else (),
            standing=found[1] if found else None,
            decided=_latest(events, "decided"),
            sent_back=_latest(events, "returned") if row["status"] == RETURNED else None,
            replied=_latest(events, "replied"),
            return_due=_return_due(service, connection, row),
        )
    note_opened(service, (row,), viewer)
    return view


def view_pair(service: Service, petition_id: str, other_id: str, viewer: Viewer) -> PairView:
    """A link of a petition. Raises NotFoundError, also where the list of its links does not name the other one to `viewer`."""
    with service.store.read() as connection:
        row = get_petition(connection, petition_id, viewer)
        links = links_of(connection, petition_id, viewer)
        link = next((link for link in links if link["id"] == other_id != ""), None)
        if link is None:
            raise NotFoundError("这件没有这条关联。请从它的关联列表里打开。")
        other = get_petition(connection, other_id, viewer)
        verdict = verdict_on(connection, petition_id, other_id)
        events = label_history(connection, petition_id, viewer)
    note_opened(service, (row, other), viewer)
    verdicts = [event for event in events if event["event"] == "linked" and event["link"]["id"] == other_id]
    numbers = {event["id"] for event in verdicts}
    undecided = [
        link["id"] for link in links if link["id"] not in ("", other_id) and link["confirmed"] is None
    ]
    return PairView(
        row=row,
        other=other,
        link=link,
        # Links lead from a petition to those before it.
        is_later=row["seq"] > other["seq"],
        verdict=verdict[0] if verdict else 0,
        of_split=verdict[1] if verdict else link["confirmed"] is not None,
        events=[event for event in events if event["id"] in numbers or event.get("undoes") in numbers],
        following=undecided[0] if undecided else "",
        undecided=len(undecided),
    )


def view_matter(service: Service, matter_id: str, viewer: Viewer) -> MatterView:
    """Raises NotFoundError."""
    with service.store.read() as connection:
        whole = whole_matter(connection, service.settings, matter_id, viewer)
        named = {event["petition_id"] for event in whole["events"]} | {row["id"] for row in whole["items"]}
        return MatterView(
            whole,
            assignments_of(connection, matter_id, viewer),
            returns_on(connection, matter_id, viewer),
            replies_on(connection, matter_id, viewer),
            heads_of(connection, named, viewer),
        )


def note_opened(service: Service, rows: Sequence[RowMapping], viewer: Viewer) -> None:
    """Record who opened which of these that are accusations, once a user, petition and day (in China)."""
    secret = [row["id"] for row in rows if row["kind"] == Kind.ACCUSATION.value]
    if not secret:
        return
    today = datetime.combine(now().astimezone(CHINA).date(), time(), CHINA).astimezone(UTC)

    def unrecorded(connection: Connection) -> list[str]:
        done = Action.OPENED_ACCUSATION
        return [each for each in secret if not is_recorded(connection, done, viewer.user_id, each, today)]

    with service.store.read() as connection:
        missing = unrecorded(connection)
    if missing:
        with service.store.write() as connection:
            for petition_id in unrecorded(connection):
                record(connection, Action.OPENED_ACCUSATION, viewer.user_id, petition_id)


def _latest(events: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any] | None:
    return next((e for e in reversed(events) if e["event"] == name and not e["undone"]), None)


def _return_due(service: Service, connection: Connection, row: RowMapping) -> datetime | None:
    if row["status"] != DECIDED or not row["decision_id"]:
        return None
    return return_due_at(assigned_at(connection, row["id"]), service.settings.return_working_days)
