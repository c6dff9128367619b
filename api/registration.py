"""Registering at the desk: a petition is stored and, in the same press of a key, decided; pressed twice, it is stored and decided once."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from api.decisions import Choice, decide, unit_id
from api.intake import SeenLink, seen_links, submit
from api.service import Service
from api.store.firewall import Viewer
from api.store.labels import joint_units_of
from api.store.petitions import brief_rows, latest_suggestion
from classifier.errors import ConflictError, InputError, NotFoundError
from classifier.petition import KIND_ALIASES, Petition


class Outcome(StrEnum):
    """What became of the choice that came with a petition."""

    #: Nothing was to be decided.
    REGISTERED = "registered"
    DECIDED = "decided"
    #: Another decision was made on it before.
    OTHERWISE = "otherwise"
    #: It could not be decided so: the directory or the taxonomy has changed since.
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Registered:
    """A stored petition. `replayed` says it had been stored before; `abstained` whether the suggestion was unsure."""

    petition_id: str
    outcome: Outcome
    replayed: bool
    abstained: bool


@dataclass(frozen=True, slots=True)
class Receipt:
    """A petition as it stands after it was registered. `joint` are unit ids."""

    petition_id: str
    seq: int
    created_at: datetime
    status: str
    category: str
    kind: str
    unit: str
    joint: tuple[str, ...]
    links: tuple[SeenLink, ...]


def register(
    service: Service, petition: Petition, choice: Choice | None, viewer: Viewer, key: str
) -> Registered:
    """Store a petition and decide on it what a person chose, None for nothing.

    Pressed again with the same `key`, nothing is stored twice, and a decision that was lost in between is made up for. Raises as `submit`:
    then nothing was stored. What goes wrong with the decision alone is told by the outcome, for the petition is stored.
    """
    accepted = submit(service, petition, viewer, key)
    outcome = Outcome.REGISTERED
    if choice is not None:
        outcome = _decided(service, accepted.petition_id, replace(choice, expected=0), viewer)
    return Registered(accepted.petition_id, outcome, accepted.replayed, bool(accepted.answer["abstained"]))


def receipt(service: Service, petition_id: str, viewer: Viewer) -> Receipt:
    """Raises NotFoundError, also for a petition that `viewer` may not see."""
    with service.store.read() as connection:
        row = brief_rows(connection, [petition_id], viewer).get(petition_id)
        if row is None:
            raise NotFoundError("没有这件信访件。请检查编号。")
        joint = joint_units_of(connection, row["decision_id"]) if row["decision_id"] else ()
        answer = json.loads(latest_suggestion(connection, petition_id)["answer"])
        return Receipt(
            petition_id,
            row["seq"],
            row["created_at"],
            row["status"],
            row["category"],
            row["kind"],
            row["unit"],
            tuple(joint),
            seen_links(connection, viewer, answer.get("links", ())),
        )


def _decided(service: Service, petition_id: str, choice: Choice, viewer: Viewer) -> Outcome:
    try:
        decide(service, petition_id, choice, viewer)
    except ConflictError:
        return Outcome.DECIDED if _holds(service, petition_id, choice, viewer) else Outcome.OTHERWISE
    except InputError:
        return Outcome.UNDECIDED
    return Outcome.DECIDED


def _holds(service: Service, petition_id: str, choice: Choice, viewer: Viewer) -> bool:
    """Whether the decision in force is the one that was asked for: the same press of a key, come twice."""
    now = receipt(service, petition_id, viewer)
    kind = KIND_ALIASES[choice.kind].value if choice.kind else ""
    asked = (choice.category, kind, unit_id(service, choice.unit) if choice.unit else "")
    joint = {unit_id(service, unit) for unit in choice.joint_units or ()}
    holds = zip(asked, (now.category, now.kind, now.unit), strict=True)
    return all(not wanted or wanted == held for wanted, held in holds) and joint == set(now.joint)
