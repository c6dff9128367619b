"""One matter: how it stands, and parting petitions from it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.access import AnyClerk, Clerk, ReviewerClerk, ServiceDep
from api.matters import split_matter
from api.names import Names
from api.service import Service
from api.viewing import MatterView, view_matter
from api.workbench import render
from api.workbench.contexts.matter import MatterPage
from api.workbench.views.matter import matter_page
from classifier.errors import InputError

router = APIRouter(prefix="/matters/{matter_id}")


@router.get("")
def get_matter(matter_id: str, request: Request, service: ServiceDep, clerk: AnyClerk) -> Response:
    view = view_matter(service, matter_id, clerk.viewer)
    return render.page(request, clerk, _page(view, service, request, clerk))


@router.post("/split")
def post_split(
    matter_id: str,
    request: Request,
    service: ServiceDep,
    clerk: ReviewerClerk,
    petition: Annotated[list[str] | None, Form(max_length=1_000)] = None,
    reason: Annotated[str, Form(max_length=2_000)] = "",
) -> Response:
    ticked = petition or []
    try:
        if not ticked:
            raise InputError("没有选中要拆出的信访件。请先在表格里勾选。")
        split_matter(service, matter_id, ticked, reason, clerk.viewer)
    except InputError as problem:
        view = view_matter(service, matter_id, clerk.viewer)
        return render.page(
            request, clerk, _page(view, service, request, clerk, ticked, reason, str(problem)), 422
        )
    return RedirectResponse(f"/matters/{matter_id}?done=split", 303)


def _page(view: MatterView, service: Service, request: Request, clerk: Clerk, *split: Any) -> MatterPage:
    """`split`: what was asked for by one that was not made."""
    came_from = request.headers.get("Referer", "")
    return matter_page(view, Names.of(service.live.engine()), clerk, came_from, *split)
