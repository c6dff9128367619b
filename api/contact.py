"""Who stands behind a petition, as one JSON object: sealed beside it, hashed with its row, turned into identity keys again.

A petition by one petitioner has the form it had before several were possible, so what was sealed then still opens. The hash of its row
holds where the row is read as then: a cell with several names or numbers is read as several petitioners now, and is another row.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from classifier.identity import Keys, petition_keys
from classifier.petition import Petition, Petitioner

_JOINT, _AGENT = "joint_petitioners", "agent"
_NOBODY = Petitioner()


def contact_of(petition: Petition) -> dict[str, Any] | None:
    """What to seal; None when nobody is named."""
    contact: dict[str, Any] = asdict(petition.petitioner) | _others(petition)
    return contact if any(contact.values()) else None


def row_of(petition: Petition) -> dict[str, Any]:
    """The whole petition as read, for a hash of it."""
    row = asdict(petition)
    return {name: value for name, value in row.items() if name not in (_JOINT, _AGENT)} | _others(petition)


def shown(contact: dict[str, Any]) -> dict[str, Any]:
    """What was sealed, as the API answers it."""
    parts = dict(contact)
    return {_JOINT: parts.pop(_JOINT, []), _AGENT: parts.pop(_AGENT, {}), "petitioner": parts}


def names_of(contact: dict[str, Any]) -> tuple[str, ...]:
    """The names of everybody in what was sealed."""
    parts = shown(contact)
    people = (parts["petitioner"], *parts[_JOINT], parts[_AGENT])
    return tuple(person["name"] for person in people if person.get("name"))


def keys_of(contact: dict[str, Any], secret: bytes) -> Keys:
    """The identity keys of everybody in what was sealed."""
    parts = shown(contact)
    return petition_keys(
        Petition(
            "", "", "",
            petitioner=Petitioner(**parts["petitioner"]),
            joint_petitioners=tuple(Petitioner(**person) for person in parts[_JOINT]),
            agent=Petitioner(**parts[_AGENT]),
        ),
        secret,
    )  # fmt: skip


def _others(petition: Petition) -> dict[str, Any]:
    others: dict[str, Any] = {}
    if petition.joint_petitioners:
        others[_JOINT] = [asdict(person) for person in petition.joint_petitioners]
    if petition.agent != _NOBODY:
        others[_AGENT] = asdict(petition.agent)
    return others
