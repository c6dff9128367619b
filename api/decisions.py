"""An officer decides, a unit sends back or replies, each is taken back: appended beside the suggestion it answers, with who, when and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping

from api.contact import shown
from api.matters import return_due_at, standing_of
from api.reasons import without_identity
from api.service import Service
from api.store.audit import Action, record
from api.store.firewall import Accusations, Role, Viewer, previews
from api.store.history import history_of, label_history
from api.store.labels import (
    Decided,
    add_decision,
    add_link_decision,
    add_reply,
    add_return,
    assigned_at,
    decision_in_force,
    joint_units_of,
    links_of,
    reply_in_force,
    return_of,
    settle,
    suggest_again,
)
from api.store.matters import lock, rearrange, verdict_on, verdicts_on
from api.store.petitions import (
    RETURNED,
    Filters,
    get_petition,
    latest_suggestion,
    list_petitions,
    lock_petition,
    log_access,
    now,
    sealed_parts,
)
from api.store.tables import decisions, link_decisions, replies, returns
from api.store.undos import take_back
from api.store.users import role_of
from classifier.dates import CHINA
from classifier.errors import ConflictError, ForbiddenError, InputError, UnknownCodeError
from classifier.petition import KIND_ALIASES

#: Who may take back that a unit sent a petition back or replied to it.
MAY_RETURN = (Role.REVIEWER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """Whether the petition with this id is linked as suggested.

    `expected`: the number of the verdict on the pair that the officer saw in force, 0 for none, None when it does not matter.
    """

    id: str
    confirmed: bool
    expected: int | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """What an officer decided; an empty field was not decided. `joint_units` None: as before; (): none any more.

    `expected`: the number of the decision the officer saw as the one in force, 0 for none, None when it does not matter.
    """

    category: str = ""
    kind: str = ""
    unit: str = ""
    links: tuple[LinkVerdict, ...] = ()
    reason: str = ""
    joint_units: tuple[str, ...] | None = None
    expected: int | None = None


def decide(service: Service, petition_id: str, choice: Choice, viewer: Viewer) -> dict[str, Any]:
    """Record a decision; returns the petition as it stands now. What was not decided this time keeps its value.

    Raises NotFoundError, UnknownCodeError, ConflictError when another decision or verdict than expected is in force, InputError when nothing
    was decided, the joint units do not fit the lead, a unit sent it back and none is decided now, or another lead is decided while a reply
    of the one before stands.
    """
    if not (choice.category or choice.kind or choice.unit or choice.links or choice.joint_units is not None):
        raise InputError("没有写任何认定。请至少认定分类、诉求类型、承办单位或关联中的一项。")
    values = _checked(service, choice)
    joint = None if choice.joint_units is None else {unit_id(service, name) for name in choice.joint_units}
    with service.store.write() as connection:
        _turn(service, connection, petition_id, viewer, choice.expected)
        about = (petition_id, *(verdict.id for verdict in choice.links))
        reason = without_identity(service, connection, choice.reason, about, viewer)
        if any(values.values()) or joint is not None:
            # What people decided before still holds; what only the machine suggested never becomes a label.
            decided = _merged(connection, petition_id, values, joint)
            _check_reply(connection, petition_id, decided.unit)
            suggestion_id = latest_suggestion(connection, petition_id)["id"]
            add_decision(connection, petition_id, suggestion_id, viewer.user_id, decided, reason)
            settle(connection, petition_id)
        for verdict in choice.links:
            get_petition(connection, verdict.id, viewer)
            if verdict.expected is not None:
                _check_verdict(connection, petition_id, verdict.id, verdict.expected)
            number = add_link_decision(
                connection, petition_id, verdict.id, verdict.confirmed, reason, viewer.user_id
            )
            rearrange(connection, {petition_id, verdict.id}, viewer.user_id, link_decision_id=number)
        _record_decision(connection, petition_id, viewer, choice, values)
        # Who has just made an accusation of it sees it this last time.
        return _whole(service, connection, petition_id, viewer, _UNFILTERED)


def _record_decision(
    connection: Connection, petition_id: str, viewer: Viewer, choice: Choice, values: dict[str, str]
) -> None:
    decided = {name: value for name, value in values.items() if value}
    if decided or choice.joint_units is not None:
        record(connection, Action.DECIDED, viewer.user_id, petition_id, **decided)
    for verdict in choice.links:
        detail = {"other": verdict.id, "confirmed": verdict.confirmed}
        record(connection, Action.LINK_DECIDED, viewer.user_id, petition_id, **detail)


def undo(
    service: Service,
    petition_id: str,
    viewer: Viewer,
    *,
    link: str = "",
    reason: str = "",
    expected: int | None = None,
    event: str = "",
) -> dict[str, Any]:
    """Take back the latest decision, return or reply on a petition or, with `link`, the latest verdict on its link to that petition.

    What held before holds again: the decision before, else the suggestion; matters follow. The undo is an event of its own, nothing
    is erased. `event` is what the officer saw and means to take back, as the history names it (decided-12): asked for twice it is taken back
    once. Raises NotFoundError, ConflictError as `decide` and when something else would be taken back than `event`, InputError when there is nothing to take back, ForbiddenError for a
    return or reply where the user may not record one.
    """
    with service.store.write() as connection:
        _turn(service, connection, petition_id, viewer, expected)
        about = (petition_id, link) if link else (petition_id,)
        why = without_identity(service, connection, reason, about, viewer)
        if link:
            get_petition(connection, link, viewer)
            _undo_verdict(connection, petition_id, link, viewer, why, event)
        else:
            _undo_decision(connection, petition_id, viewer, why, event)
        record(connection, Action.UNDONE, viewer.user_id, petition_id, **({"other": link} if link else {}))
        return _whole(service, connection, petition_id, viewer, _UNFILTERED)


def _undo_verdict(
    connection: Connection, petition_id: str, other_id: str, viewer: Viewer, reason: str, event: str
) -> None:
    lock(connection)
    found = verdict_on(connection, petition_id, other_id)
    _check_event(event, f"linked-{found[0]}" if found else "")
    if found is None:
        raise InputError("这两件的关联没有可以撤销的认定。")
    number, of_split = found
    if of_split:
        raise InputError("这个认定来自拆分，不能单独撤销。要恢复关联，请重新认定这两件。")
    take_back(connection, petition_id, link_decisions, number, viewer.user_id, reason)
    suggest_again(connection, number)
    rearrange(connection, {petition_id, other_id}, viewer.user_id, link_decision_id=number)


def _check_verdict(connection: Connection, petition_id: str, other_id: str, expected: int) -> None:
    """Raises ConflictError. Until this transaction ends nobody else gives a verdict, from the other end neither."""
    lock(connection)
    found = verdict_on(connection, petition_id, other_id)
    if expected != (found[0] if found else 0):
        raise ConflictError("这条关联的认定刚有变化。请看过现在的认定后再提交。")


def _check_event(event: str, latest: str) -> None:
    if event and event != latest:
        raise ConflictError(
            "刚有变化，没有撤销：要撤销的那一步已经不是最近的一步。请看过现在的经过后再撤销。"
        )


def _undo_decision(connection: Connection, petition_id: str, viewer: Viewer, reason: str, event: str) -> None:
    decision = decision_in_force(connection, petition_id)
    sent_back = return_of(connection, decision["id"]) if decision else None
    reply = reply_in_force(connection, petition_id)
    if decision and reply and reply["decision_id"] == decision["id"]:
        _check_event(event, f"replied-{reply['id']}")
        if role_of(connection, viewer.user_id) not in MAY_RETURN:
            raise ForbiddenError("这件已经答复，撤销答复需要审核或管理员。")
        take_back(connection, petition_id, replies, reply["id"], viewer.user_id, reason)
        settle(connection, petition_id)
        return
    if decision:
        _check_event(event, f"decided-{decision['id']}" if sent_back is None else f"returned-{sent_back}")
    else:
        _check_event(event, "")
    if decision is None:
        raise InputError("没有可以撤销的认定。")
    if sent_back is None:
        take_back(connection, petition_id, decisions, decision["id"], viewer.user_id, reason)
    elif role_of(connection, viewer.user_id) in MAY_RETURN:
        take_back(connection, petition_id, returns, sent_back, viewer.user_id, reason)
    else:
        raise ForbiddenError("这件已被承办单位退回，撤销退回需要审核或管理员。您可以直接重新认定。")
    settle(connection, petition_id)


def _turn(
    service: Service, connection: Connection, petition_id: str, viewer: Viewer, expected: int | None
) -> RowMapping:
    """The petition, to be decided on by nobody else until this transaction ends. Raises NotFoundError, ConflictError."""
    lock_petition(connection, petition_id)
    row = get_petition(connection, petition_id, viewer)
    if expected is not None and expected != (row["decision_id"] or 0):
        raise ConflictError(f"这件的认定刚有变化：{_in_words(service, row)}。请看过后再认定。")
    return row


def _in_words(service: Service, row: RowMapping) -> str:
    engine = service.live.engine()
    known = engine.bundle.taxonomy
    category = known.path(row["category"]) if row["category"] in known else row["category"]
    unit = engine.router.directory.units.get(row["unit"])
    now_is = "，".join((row["status"], category, row["kind"], unit.name if unit else row["unit"]))
    return f"现在是{now_is}（认定编号 {row['decision_id'] or 0}）"


def _merged(
    connection: Connection, petition_id: str, values: dict[str, str], joint: set[str] | None
) -> Decided:
    before = decision_in_force(connection, petition_id)
    if before and not values["unit"] and return_of(connection, before["id"]) is not None:
        # The unit of before would be assigned it once more, and its return forgotten.
        raise InputError("这件已被承办单位退回。请同时写明主办单位。")
    whole = {name: value or (before[name] if before else "") for name, value in values.items()}
    if joint is None:
        held = joint_units_of(connection, before["id"]) if before else ()
        # Who takes the lead joins no longer.
        return Decided(**whole, joint_units=tuple(unit for unit in held if unit != whole["unit"]))
    if joint and not whole["unit"]:
        raise InputError("还没有认定主办单位。请先写主办单位，再写协办单位。")
    if whole["unit"] in joint:
        raise InputError("主办单位不能同时是协办单位。")
    return Decided(**whole, joint_units=tuple(sorted(joint)))


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


def send_back(
    service: Service,
    petition_id: str,
    unit: str,
    reason: str,
    viewer: Viewer,
    expected: int | None = None,
) -> dict[str, Any]:
    """A unit returns an assignment (Art. 23: within 5 working days, with reasons): a label for the next model, not a failure.

    A later one is recorded, too, and marked: the regulation sets the time limit, but does not say that what is said after it is
    void, and that the unit was the wrong one stays true. A user of a unit sends back for this unit only. Raises NotFoundError,
    UnknownCodeError, ConflictError as `decide`, ForbiddenError for another's unit, InputError without a reason or when the unit was not assigned the petition, or has sent it back already.
    """
    if not reason.strip():
        raise InputError("退回必须写明理由（条例第二十三条）。")
    holder = unit_id(service, unit)
    if viewer.unit is not None and viewer.unit != holder:
        raise ForbiddenError("只能退回由本单位主办的信访件。")
    with service.store.write() as connection:
        row = _turn(service, connection, petition_id, viewer, expected)
        decision = decision_in_force(connection, petition_id)
        if decision is None or decision["unit"] != holder:
            raise InputError("这件信访件没有认定由该单位主办，不能由它退回。")
        if row["status"] == RETURNED:
            raise InputError("这件信访件已经退回，等待重新认定。")
        if row["replied_on"] is not None:
            raise InputError("这件信访件已经答复，不能再退回。答复登记错了的，请先撤销答复。")
        why = without_identity(service, connection, reason, (petition_id,), viewer)
        limit = return_due_at(assigned_at(connection, petition_id), service.settings.return_working_days)
        add_return(connection, petition_id, decision, why, viewer.user_id, late=now() >= limit)
        settle(connection, petition_id)
        record(connection, Action.RETURNED, viewer.user_id, petition_id, unit=holder)
        return _whole(service, connection, petition_id, viewer, viewer)


def reply(
    service: Service,
    petition_id: str,
    unit: str,
    day: date,
    note: str,
    viewer: Viewer,
    expected: int | None = None,
) -> dict[str, Any]:
    """The unit that holds a petition has answered the petitioner in writing on this day, in China (Regulation Art. 32, 34): its time
    limit ends. `note` says how, in a line; the reply itself stays in the file.

    A user of a unit replies for this unit only. Raises NotFoundError, UnknownCodeError, ConflictError as `decide`, ForbiddenError for
    another's unit, InputError when the unit does not hold the petition, it is answered already, or the day is before the petition came in
    or not yet here.
    """
    holder = unit_id(service, unit)
    if viewer.unit is not None and viewer.unit != holder:
        raise ForbiddenError("只能登记由本单位主办的信访件的答复。")
    with service.store.write() as connection:
        row = _turn(service, connection, petition_id, viewer, expected)
        decision = decision_in_force(connection, petition_id)
        if decision is None or decision["unit"] != holder or row["status"] == RETURNED:
            raise InputError("这件信访件现在没有认定由该单位主办，不能登记它的答复。")
        if row["replied_on"] is not None:
            raise InputError("这件信访件已经登记了答复。登记错了的，请先撤销答复。")
        arrived = (row["received_at"] or row["created_at"]).astimezone(CHINA).date()
        if not arrived <= day <= now().astimezone(CHINA).date():
            raise InputError(f"答复日期不对。请填 {arrived}（收到之日）到今天之间的日期。")
        said = without_identity(service, connection, note, (petition_id,), viewer)
        add_reply(connection, petition_id, decision, day, said, viewer.user_id)
        settle(connection, petition_id)
        record(connection, Action.REPLIED, viewer.user_id, petition_id, unit=holder, on=day.isoformat())
        return _whole(service, connection, petition_id, viewer, viewer)


def _check_reply(connection: Connection, petition_id: str, unit: str) -> None:
    """Raises InputError where another unit than `unit` has answered the petition."""
    given = reply_in_force(connection, petition_id)
    if given is not None and given["unit"] != unit:
        raise InputError("这件信访件已经由原主办单位答复。要改主办单位，请先撤销答复。")


def get_one(service: Service, petition_id: str, viewer: Viewer) -> dict[str, Any]:
    """A petition with its suggestion, matter, decisions, returns and replies. Raises NotFoundError."""
    with service.store.read() as connection:
        return _whole(service, connection, petition_id, viewer, viewer)


def get_history(service: Service, petition_id: str, viewer: Viewer) -> list[dict[str, Any]]:
    """What was suggested, decided, returned, replied, linked and undone, oldest first, as far as `viewer` may see it. Raises NotFoundError."""
    with service.store.read() as connection:
        get_petition(connection, petition_id, viewer)
        return label_history(connection, petition_id, viewer)


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
        record(connection, Action.OPENED_ORIGINAL, viewer.user_id, petition_id)
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
    joint = joint_units_of(connection, row["decision_id"]) if row["decision_id"] else ()
    return {
        **row,
        "joint_units": joint,
        "suggestion": suggestion,
        "matter": standing_of(connection, service.settings, petition_id, viewer),
        **history_of(connection, petition_id),
    }
