"""The lists a type-ahead chooses from, as JSON for the workbench's script. The browser keeps them and asks whether they still hold."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api.access import AnyClerk, ServiceDep
from api.workbench.look_up import Listed, offers

router = APIRouter(prefix="/look-up")


@router.get("/categories")
def get_categories(request: Request, service: ServiceDep, _: AnyClerk) -> Response:
    return _answer(request, service, Listed.CATEGORIES)


@router.get("/units")
def get_units(request: Request, service: ServiceDep, _: AnyClerk) -> Response:
    return _answer(request, service, Listed.UNITS)


@router.get("/districts")
def get_districts(request: Request, service: ServiceDep, _: AnyClerk) -> Response:
    return _answer(request, service, Listed.DISTRICTS)


def _answer(request: Request, service: ServiceDep, listed: Listed) -> Response:
    found = offers(service, listed)
    headers = {"ETag": found.tag, "Cache-Control": "private, no-cache"}
    if request.headers.get("If-None-Match") == found.tag:
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type="application/json")
