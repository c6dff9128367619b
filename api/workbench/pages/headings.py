"""The office's own headings over the taxonomy, all in one form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from api import headings
from api.access import AdminClerk, AuditorClerk, Clerk, ServiceDep
from api.service import Service
from api.store.firewall import Role
from api.workbench import render
from api.workbench.contexts.admin import HeadingBranch, HeadingCount, HeadingRow, HeadingsPage
from classifier.errors import ConflictError, InputError
from classifier.taxonomy import Category

router = APIRouter(prefix="/admin/headings")

_FIELD = "h"
Sent = Mapping[str, str]


async def _sent(request: Request) -> Sent:
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


@router.get("")
def get_headings(request: Request, service: ServiceDep, clerk: AuditorClerk) -> Response:
    return render.page(request, clerk, _shown(service, clerk))


@router.post("")
def post_headings(
    request: Request, service: ServiceDep, clerk: AdminClerk, sent: Annotated[Sent, Depends(_sent)]
) -> Response:
    """One field a code of level 1 and 2: h0101."""
    wanted = {
        name.removeprefix(_FIELD): heading
        for name, heading in sent.items()
        if name[:1] == _FIELD and name[1:].isdecimal()
    }
    try:
        headings.save(service, clerk.viewer, sent.get("v", ""), wanted)
    except (ConflictError, InputError) as problem:
        status = 409 if isinstance(problem, ConflictError) else 422
        return render.page(request, clerk, _shown(service, clerk, str(problem), wanted), status)
    return RedirectResponse("/admin/headings?done=headings", 303)


def _shown(
    service: Service, clerk: Clerk, problem: str = "", typed: Mapping[str, str] | None = None
) -> HeadingsPage:
    found = headings.headings(service)
    given = typed if typed is not None else found.by_code

    def row(category: Category) -> HeadingRow:
        return HeadingRow(
            category.code, category.name, given.get(category.code, ""), found.heading(category.code)
        )

    branches = []
    for top in found.taxonomy.level(1):
        below = tuple(row(child) for child in found.taxonomy.children(top.code))
        exceptions, uncovered = sum(bool(r.given) for r in below), sum(not r.holds for r in below)
        branches.append(
            HeadingBranch(
                row(top), below, exceptions, uncovered, bool(exceptions) and not found.heading(top.code)
            )
        )
    counts = tuple(HeadingCount(name, count) for name, count in found.counts.items())
    editable = clerk.may(Role.ADMIN)
    return HeadingsPage(
        tuple(branches),
        counts,
        len(found.uncovered),
        found.own,
        found.stamp,
        editable,
        headings.LONGEST,
        problem,
    )
