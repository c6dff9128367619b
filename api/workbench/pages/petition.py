"""One petition: read, decide, take back, send back, reply, and the original for who asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.access import AnyClerk, Clerk, OfficerClerk, ReturnerClerk, ServiceDep
from api.decisions import Choice, decide, get_one, get_original, reply, send_back, undo
from api.names import Names
from api.queue import neighbours
from api.service import Service
from api.store.firewall import Accusations, Viewer
from api.viewing import PetitionView, view_petition
from api.workbench import render
from api.workbench.look_up import Listed, chosen
from api.workbench.views.deciding import Said, Typed, TypedReply
from api.workbench.views.petition import Place, address, original_page, petition_page
from api.workbench.views.steps import other
from classifier.errors import ConflictError, InputError, NotFoundError
from classifier.petition import Kind

router = APIRouter()

_Code = Annotated[str, Form(max_length=80)]
_Typed = Annotated[str | None, Form(max_length=200)]
_Why = Annotated[str, Form(max_length=2_000)]
_From = Annotated[str, Form(alias="from", max_length=2_000)]
_Seen = Annotated[int, Form(ge=0)]


@router.get("/petitions/{petition_id}")
def get_petition(
    petition_id: str,
    request: Request,
    service: ServiceDep,
    clerk: AnyClerk,
    evidence: Annotated[int, Query(ge=0, le=99)] = 1,
    queue: Annotated[str, Query(alias="from", max_length=2_000)] = "",
    after: Annotated[str, Query(max_length=32)] = "",
) -> Response:
    """`after` is the petition that was just decided, when this one came up by itself."""
    view = view_petition(service, petition_id, clerk.viewer, after)
    place = _place(service, clerk, queue, petition_id)
    if after in view.heads:
        just = other(view.heads[after])
        place = replace(place, just=replace(just, href=address(after, queue)))
    return render.page(
        request, clerk, petition_page(view, Names.of(service.live.engine()), clerk, evidence, place, Said())
    )


@router.post("/petitions/{petition_id}/decide")
def post_decision(
    petition_id: str,
    request: Request,
    service: ServiceDep,
    clerk: OfficerClerk,
    expected_decision: _Seen,
    category: _Code = "",
    category_typed: _Typed = None,
    kind: _Code = "",
    unit: _Code = "",
    unit_typed: _Typed = None,
    joint: Annotated[list[str] | None, Form(max_length=50)] = None,
    joint_add: _Code = "",
    joint_add_typed: _Typed = None,
    with_joint: _Code = "",
    reason: _Why = "",
    queue: _From = "",
) -> Response:
    """`with_joint` says that the form had joint units to tick: without it they stay as they are."""
    names = Names.of(service.live.engine())
    typed = Typed(
        category, category_typed, kind, unit, unit_typed, tuple(joint or ()), joint_add_typed or "", reason
    )
    place = _place(service, clerk, queue, petition_id)
    choice = None
    try:
        choice = _choice(service, typed, joint_add, bool(with_joint), expected_decision)
        whole = decide(service, petition_id, choice, clerk.viewer)
    except (ConflictError, InputError) as problem:
        view = view_petition(service, petition_id, clerk.viewer)
        if isinstance(problem, ConflictError) and choice is not None and _is_done(view, choice, clerk):
            return _onward(petition_id, place)
        said = Said(str(problem), isinstance(problem, ConflictError), typed)
        return _again(request, clerk, view, names, place, said)
    is_secret = whole["kind"] == Kind.ACCUSATION.value and clerk.viewer.accusations is not Accusations.ALL
    if is_secret and not _is_there(service, petition_id, clerk.viewer):
        return RedirectResponse("/queue?done=handed-on", 303)
    return _onward(petition_id, place)


@router.post("/petitions/{petition_id}/undo")
def post_undo(
    petition_id: str,
    request: Request,
    service: ServiceDep,
    clerk: OfficerClerk,
    event: Annotated[str, Form(min_length=1, max_length=40)],
    reason: _Why = "",
    queue: _From = "",
) -> Response:
    try:
        undo(service, petition_id, clerk.viewer, reason=reason, event=event)
    except (ConflictError, InputError) as problem:
        view = view_petition(service, petition_id, clerk.viewer)
        mine = {each.get("undoes") for each in view.events if each["user"] == clerk.user.name}
        if event not in mine:  # asked for twice is taken back once
            said = Said(str(problem), isinstance(problem, ConflictError))
            place = _place(service, clerk, queue, petition_id)
            return _again(request, clerk, view, Names.of(service.live.engine()), place, said)
    return RedirectResponse(address(petition_id, queue, done="undone"), 303)


@router.post("/petitions/{petition_id}/return")
def post_return(
    petition_id: str,
    request: Request,
    service: ServiceDep,
    clerk: ReturnerClerk,
    expected_decision: _Seen,
    unit: _Code = "",
    reason: _Why = "",
    queue: _From = "",
) -> Response:
    try:
        send_back(service, petition_id, unit, reason, clerk.viewer, expected_decision)
    except (ConflictError, InputError) as problem:
        view = view_petition(service, petition_id, clerk.viewer)
        if not (view.sent_back and view.sent_back["user"] == clerk.user.name):
            said = Said(str(problem), isinstance(problem, ConflictError), return_reason=reason)
            place = _place(service, clerk, queue, petition_id)
            return _again(request, clerk, view, Names.of(service.live.engine()), place, said)
    return RedirectResponse(address(petition_id, queue, done="sent-back"), 303)


@router.post("/petitions/{petition_id}/reply")
def post_reply(
    petition_id: str,
    request: Request,
    service: ServiceDep,
    clerk: ReturnerClerk,
    expected_decision: _Seen,
    unit: _Code = "",
    replied_on: Annotated[str, Form(max_length=20)] = "",
    reason: _Why = "",
    queue: _From = "",
) -> Response:
    try:
        day = _day(replied_on)
        reply(service, petition_id, unit, day, reason, clerk.viewer, expected_decision)
    except (ConflictError, InputError) as problem:
        view = view_petition(service, petition_id, clerk.viewer)
        if not (view.replied and view.replied["user"] == clerk.user.name):
            typed = TypedReply(replied_on, reason)
            said = Said(str(problem), isinstance(problem, ConflictError), reply=typed)
            place = _place(service, clerk, queue, petition_id)
            return _again(request, clerk, view, Names.of(service.live.engine()), place, said)
    return RedirectResponse(address(petition_id, queue, done="replied"), 303)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError("答复日期看不懂。请写成 2026-03-04 这样。") from None


@router.post("/petitions/{petition_id}/original")
def post_original(
    petition_id: str, request: Request, service: ServiceDep, clerk: OfficerClerk, queue: _From = ""
) -> Response:
    """No address shows it: it is asked for each time, and each time is on record."""
    whole = get_original(service, petition_id, clerk.viewer)
    row = view_petition(service, petition_id, clerk.viewer).row
    return render.page(request, clerk, original_page(row, whole, queue))


def _place(service: Service, clerk: Clerk, queue: str, petition_id: str) -> Place:
    if not queue:
        return Place()
    previous, following = neighbours(service, clerk.viewer, queue, petition_id)
    return Place(queue, previous or "", following or "")


def _choice(service: Service, typed: Typed, joint_add: str, with_joint: bool, expected: int) -> Choice:
    """Raises UnknownCodeError for what was typed and stands for nothing."""
    added = chosen(service, Listed.UNITS, joint_add, typed.joint_typed)
    joint = (*typed.joint, *([added] if added else ()))
    whole = Choice(
        category=chosen(service, Listed.CATEGORIES, typed.category, typed.category_typed),
        kind=typed.kind,
        unit=chosen(service, Listed.UNITS, typed.unit, typed.unit_typed),
        reason=typed.reason,
        expected=expected,
    )
    # Joint units alone are decided where there are any or were: an empty form decides nothing.
    names_something = whole.category or whole.kind or whole.unit or joint
    return replace(whole, joint_units=joint) if with_joint and names_something else whole


def _is_done(view: PetitionView, choice: Choice, clerk: Clerk) -> bool:
    """Whether what holds now is this very choice of this very user: the form was sent twice."""
    held = view.decided
    if held is None or view.sent_back or held["user"] != clerk.user.name:
        return False
    chosen = {"category": choice.category, "kind": choice.kind, "unit": choice.unit}
    same_joint = choice.joint_units is None or set(choice.joint_units) == set(held["joint_units"])
    same = all(held[name] == value for name, value in chosen.items() if value)
    return same and same_joint and bool(held["reason"]) == bool(choice.reason.strip())


def _is_there(service: Service, petition_id: str, viewer: Viewer) -> bool:
    try:
        get_one(service, petition_id, viewer)
    except NotFoundError:
        return False
    return True


def _onward(petition_id: str, place: Place) -> Response:
    """To the next one of the queue, which says that this one is decided and leads back to it; else back to it."""
    if place.following:
        return RedirectResponse(address(place.following, place.queue, after=petition_id), 303)
    return RedirectResponse(address(petition_id, place.queue, done="decided"), 303)


def _again(
    request: Request, clerk: Clerk, view: PetitionView, names: Names, place: Place, said: Said
) -> Response:
    """The page as the petition is now, with what was typed."""
    status = 409 if said.conflict else 422
    return render.page(request, clerk, petition_page(view, names, clerk, 1, place, said), status)
