"""A reason somebody gave, as it is kept: in clear, beside what it explains, and without anybody's identity in it."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection

from api.contact import names_of
from api.service import Service
from api.store.firewall import Viewer
from api.store.petitions import sealed_parts
from classifier.normalise import normalised
from classifier.redact import redact


def without_identity(
    service: Service, connection: Connection, reason: str, about: Iterable[str], viewer: Viewer
) -> str:
    """The reason without what the recognisers find and without the names in the forms of the petitions it is `about`.

    Reads with the key in use, also while it is replaced. Raises NotFoundError for a petition that `viewer` may not see.
    """
    if not reason.strip():
        return ""
    service.keyring.follow(connection)
    names: list[str] = []
    for petition_id in about:
        contact = sealed_parts(connection, petition_id, viewer).contact
        if contact:
            names += names_of(service.keyring.open(contact, petition_id))
    known = (normalised(name).strip() for name in names)
    return redact(normalised(reason).strip(), names=tuple(name for name in known if name))[0]
