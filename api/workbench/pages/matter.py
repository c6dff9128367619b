"""One matter: how it stands, and parting petitions from it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api.access import AnyClerk, ReviewerClerk, ServiceDep
from api.matters import split_matter
from api.names import Names
from api.viewing import view_matter
from api.workbench import render
from api.workbench.views.matter import matter_page
from classifier.errors import InputError

router = APIRouter(prefix="/matters/{matter_id}")


@router.get("")
def get_matter(matter_id: str, request: Request, service: ServiceDep, clerk: AnyClerk) -> Response:
    view = view_matter(service, matter_id, clerk.viewer)
    return render.page(request, clerk, matter_page(view, Names.of(service.live.engine()), clerk))


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
        page = matter_page(view, Names.of(service.live.engine()), clerk, ticked, reason, str(problem))
        return render.page(request, clerk, page, 422)
    return RedirectResponse(f"/matters/{matter_id}?done=split", 303)
