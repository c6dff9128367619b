"""An officer decides, or a unit sends back: appended beside the suggestion it answers, with who, when and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping

from api.contact import shown
from api.matters import redacted, standing_of
from api.service import Service
from api.store.firewall import Accusations, Viewer, previews
from api.store.labels import add_decision, add_link_decision, add_return, history_of, links_of
from api.store.matters import rearrange, verdicts_on
from api.store.petitions import (
    DECIDED,
    RETURNED,
    Filters,
    get_petition,
    latest_suggestion,
    list_petitions,
    log_access,
    sealed_parts,
    update_current,
)
from classifier.errors import InputError, UnknownCodeError
from classifier.petition import KIND_ALIASES


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """Whether the petition with this id is linked as suggested."""

    id: str
    confirmed: bool


@dataclass(frozen=True, slots=True)
class Choice:
    """What an officer decided; an empty field was not decided."""

    category: str = ""
    kind: str = ""
    unit: str = ""
    links: tuple[LinkVerdict, ...] = ()
    reason: str = ""


def decide(service: Service, petition_id: str, choice: Choice, viewer: Viewer) -> dict[str, Any]:
    """Record a decision; returns the petition as it stands now. What was not decided this time keeps its value.

    Raises NotFoundError, UnknownCodeError, InputError when nothing was decided.
    """
    if not (choice.category or choice.kind or choice.unit or choice.links):
        raise InputError("没有写任何认定。请至少认定分类、诉求类型、承办单位或关联中的一项。")
    values = _checked(service, choice)
    with service.store.write() as connection:
        row = get_petition(connection, petition_id, viewer)
        if any(values.values()):
            # What people decided before still holds; what only the machine suggested never becomes a label.
            earlier = history_of(connection, petition_id)["decisions"]
            decided = {name: values[name] or (earlier[-1][name] if earlier else "") for name in values}
            suggestion_id = latest_suggestion(connection, petition_id)["id"]
            add_decision(
                connection, petition_id, suggestion_id, viewer.user_id, decided, redacted(choice.reason)
            )
            current = {name: decided[name] or row[name] for name in values}
            update_current(connection, petition_id, current | {"status": DECIDED})
        for verdict in choice.links:
            get_petition(connection, verdict.id, viewer)
            number = add_link_decision(connection, petition_id, verdict.id, verdict.confirmed, viewer.user_id)
            rearrange(connection, {petition_id, verdict.id}, viewer.user_id, link_decision_id=number)
        # Who has just made an accusation of it sees it this last time.
        return _whole(service, connection, petition_id, viewer, _UNFILTERED)


def _checked(service: Service, choice: Choice) -> dict[str, str]:
    engine = service.live.engine()
    if choice.category and choice.category not in engine.bundle.taxonomy:
        raise UnknownCodeError(f"分类代码“{choice.category[:20]}”不存在。现有代码见 /v1/taxonomy。")
    if choice.kind and choice.kind not in KIND_ALIASES:
        raise UnknownCodeError(
            f"诉求类型“{choice.kind[:20]}”不存在。可用：申诉求决、建议意见、检举控告、咨询。"
        )
    return {
        "category": choice.category,
        "kind": KIND_ALIASES[choice.kind].value if choice.kind else "",
        "unit": unit_id(service, choice.unit) if choice.unit else "",
    }


def unit_id(service: Service, text: str) -> str:
    """The id of the unit with this id, name or alias. Raises UnknownCodeError."""
    engine = service.live.engine()
    unit = engine.router.directory.unit_named(text)
    if unit is None and not (engine.bundle.unit and text in engine.bundle.unit.classes):
        raise UnknownCodeError(f"承办单位“{text[:40]}”不在单位目录里。现有单位见 /v1/units。")
    return unit.id if unit else text


def send_back(service: Service, petition_id: str, unit: str, reason: str, viewer: Viewer) -> dict[str, Any]:
    """A unit returns an assignment (Art. 23: within 5 working days, with reasons): a label for the next model, not a failure.

    Raises NotFoundError, UnknownCodeError, InputError without a reason or when the unit does not hold the petition.
    """
    if not reason.strip():
        raise InputError("退回必须写明理由（条例第二十三条）。")
    holder = unit_id(service, unit)
    with service.store.write() as connection:
        row = get_petition(connection, petition_id, viewer)
        if row["unit"] != holder:
            raise InputError("这件信访件现在不由该单位承办，不能由它退回。")
        add_return(connection, petition_id, holder, redacted(reason), viewer.user_id)
        update_current(connection, petition_id, {"status": RETURNED})
        return _whole(service, connection, petition_id, viewer, viewer)


def get_one(service: Service, petition_id: str, viewer: Viewer) -> dict[str, Any]:
    """A petition with its suggestion, matter, decisions and returns. Raises NotFoundError."""
    with service.store.read() as connection:
        return _whole(service, connection, petition_id, viewer, viewer)


def get_links(service: Service, petition_id: str, viewer: Viewer) -> list[dict[str, Any]]:
    """Links of a petition in both directions, with their verdicts, as far as `viewer` may see them. Raises NotFoundError."""
    with service.store.read() as connection:
        get_petition(connection, petition_id, viewer)
        return links_of(connection, petition_id, viewer)


def get_original(service: Service, petition_id: str, viewer: Viewer) -> dict[str, Any]:
    """The text as given and the contact fields; who opened them is on record. Raises NotFoundError, SecretMismatchError."""
    with service.store.write() as connection:
        service.keyring.follow(connection)
        sealed = sealed_parts(connection, petition_id, viewer)
        log_access(connection, petition_id, viewer.user_id)
    keyring = service.keyring
    contact = keyring.open(sealed.contact, petition_id) if sealed.contact else {}
    return keyring.open(sealed.original, petition_id) | shown(contact)


def get_page(
    service: Service, filters: Filters, before: int | None, limit: int, viewer: Viewer
) -> tuple[Sequence[RowMapping], int | None]:
    """A page of petitions, newest first, and where the next one begins (None on the last page)."""
    with service.store.read() as connection:
        rows = list_petitions(connection, filters, before, limit + 1, viewer)
    return rows[:limit], rows[limit - 1]["seq"] if len(rows) > limit else None


_UNFILTERED = Viewer("", Accusations.ALL)


def _whole(
    service: Service, connection: Connection, petition_id: str, viewer: Viewer, sees_it: Viewer
) -> dict[str, Any]:
    """The petition as `sees_it` may see it, with all that hangs on it as `viewer` may."""
    row = get_petition(connection, petition_id, sees_it)
    suggestion = json.loads(latest_suggestion(connection, petition_id)["answer"])
    # What people rejected is not shown as suggested any more; /links shows it with the verdict.
    verdicts = verdicts_on(connection, petition_id)
    links = [link for link in suggestion.get("links", ()) if verdicts.get(link["id"]) is not False]
    suggestion["links"] = previews(connection, viewer, links)
    return {
        **row,
        "suggestion": suggestion,
        "matter": standing_of(connection, service.settings, petition_id, viewer),
        **history_of(connection, petition_id),
    }
