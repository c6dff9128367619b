"""Two petitions side by side: read, confirm, reject, take a verdict back."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.access import AnyClerk, Clerk, OfficerClerk, ServiceDep
from api.decisions import Choice, LinkVerdict, decide, undo
from api.names import Names
from api.service import Service
from api.viewing import PairView, view_pair
from api.workbench import render
from api.workbench.views.links import following, pair_page
from api.workbench.views.petition import with_queue
from classifier.errors import ConflictError, InputError

router = APIRouter(prefix="/petitions/{petition_id}/links")

_Why = Annotated[str, Form(max_length=2_000)]
_From = Annotated[str, Form(alias="from", max_length=2_000)]


@router.get("/{other_id}")
def get_pair(
    petition_id: str,
    other_id: str,
    request: Request,
    service: ServiceDep,
    clerk: AnyClerk,
    queue: Annotated[str, Query(alias="from", max_length=2_000)] = "",
) -> Response:
    view = view_pair(service, petition_id, other_id, clerk.viewer)
    return render.page(request, clerk, pair_page(view, Names.of(service.live.engine()), clerk, queue))


@router.post("/{other_id}")
def post_verdict(
    petition_id: str,
    other_id: str,
    request: Request,
    service: ServiceDep,
    clerk: OfficerClerk,
    verdict: Annotated[Literal["yes", "no"], Form()],
    expected_verdict: Annotated[int, Form(ge=0)],
    reason: _Why = "",
    queue: _From = "",
) -> Response:
    confirmed = verdict == "yes"
    before = view_pair(service, petition_id, other_id, clerk.viewer)
    choice = Choice(links=(LinkVerdict(other_id, confirmed, expected_verdict),), reason=reason)
    try:
        decide(service, petition_id, choice, clerk.viewer)
    except (ConflictError, InputError) as problem:
        view = view_pair(service, petition_id, other_id, clerk.viewer)
        if not _is_done(view, confirmed, clerk):
            return _again(request, service, clerk, view, queue, reason, problem)
    done = "link-confirmed" if confirmed else "link-rejected"
    return RedirectResponse(following(before, queue, done), 303)


@router.post("/{other_id}/undo")
def post_undo(
    petition_id: str,
    other_id: str,
    request: Request,
    service: ServiceDep,
    clerk: OfficerClerk,
    expected_verdict: Annotated[int, Form(ge=1)],
    reason: _Why = "",
    queue: _From = "",
) -> Response:
    # Whether the link is one that this page shows them.
    view_pair(service, petition_id, other_id, clerk.viewer)
    event = f"linked-{expected_verdict}"
    try:
        undo(service, petition_id, clerk.viewer, link=other_id, reason=reason, event=event)
    except (ConflictError, InputError) as problem:
        view = view_pair(service, petition_id, other_id, clerk.viewer)
        mine = {each.get("undoes") for each in view.events if each["user"] == clerk.user.name}
        if event not in mine:  # asked for twice is taken back once
            return _again(request, service, clerk, view, queue, reason, problem)
    return RedirectResponse(
        with_queue(f"/petitions/{petition_id}/links/{other_id}", queue, done="undone"), 303
    )


def _is_done(view: PairView, confirmed: bool, clerk: Clerk) -> bool:
    """Whether the verdict in force is this very one of this very user: the form was sent twice."""
    held = next((each for each in view.events if each["id"] == f"linked-{view.verdict}"), None)
    return (
        held is not None
        and held["user"] == clerk.user.name
        and held["link"]["confirmed"] == confirmed
        and not view.of_split
    )


def _again(
    request: Request,
    service: Service,
    clerk: Clerk,
    view: PairView,
    queue: str,
    reason: str,
    problem: ConflictError | InputError,
) -> Response:
    conflict = isinstance(problem, ConflictError)
    page = pair_page(view, Names.of(service.live.engine()), clerk, queue, reason, str(problem), conflict)
    return render.page(request, clerk, page, 409 if conflict else 422)
