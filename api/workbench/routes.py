"""All pages in one router. None of them is part of the HTTP interface's description."""

from __future__ import annotations

from fastapi import APIRouter

from api.workbench.pages import accounts, admin, audit, directory, headings, look_up, sign_in

router = APIRouter(include_in_schema=False)
for module in (sign_in, look_up, admin, accounts, directory, headings, audit):
    router.include_router(module.router)
