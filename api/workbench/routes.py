"""All pages in one router. None of them is part of the HTTP interface's description."""

from __future__ import annotations

from fastapi import APIRouter

from api.workbench.pages import (
    accounts,
    admin,
    audit,
    directory,
    headings,
    help,
    imports,
    links,
    look_up,
    matter,
    models,
    overview,
    petition,
    queue,
    register,
    search,
    sign_in,
)

router = APIRouter(include_in_schema=False)
for module in (
    sign_in,
    look_up,
    register,
    queue,
    search,
    links,
    petition,
    matter,
    imports,
    overview,
    models,
    accounts,
    admin,
    audit,
    directory,
    headings,
    help,
):
    router.include_router(module.router)
