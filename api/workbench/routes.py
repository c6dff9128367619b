"""All pages in one router. None of them is part of the HTTP interface's description."""

from __future__ import annotations

from fastapi import APIRouter

from api.workbench.pages import links, matter, petition, sign_in

router = APIRouter(include_in_schema=False)
for module in (sign_in, petition, links, matter):
    router.include_router(module.router)
