"""Signing in and out, one-time links, one's own password. A form whose session had ended is carried through and can be sent again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api import accounts
from api.access import COOKIE, AnyClerk, Clerk, ServiceDep, same_origin
from api.demo import ACCOUNTS, PASSWORD
from api.service import Service
from api.store.accounts import NewSession, Session
from api.store.firewall import viewer_of
from api.workbench import render
from api.workbench.contexts.base import AccountPage, ResumePage, SignInPage, WelcomePage
from classifier.errors import AccessError, InputError

router = APIRouter()

Kept = tuple[tuple[str, str], ...]

_Word = Annotated[str, Form(max_length=400)]
_Path = Annotated[str, Form(max_length=2_000)]
_Origin = Depends(same_origin)


@router.get("/")
def home(clerk: AnyClerk) -> Response:
    return RedirectResponse(render.home_of(clerk.user.role), 303)


@router.get("/sign-in")
def get_sign_in(
    request: Request, service: ServiceDep, onward: Annotated[str, Query(max_length=2_000)] = "/"
) -> Response:
    return render.page(request, None, sign_in_page(service, local(onward)))


@router.post("/sign-in", dependencies=[_Origin])
def post_sign_in(
    request: Request,
    service: ServiceDep,
    name: _Word = "",
    password: _Word = "",
    onward: _Path = "/",
    kept: Annotated[str, Form()] = "",
) -> Response:
    onward, fields = local(onward), _unpacked(kept)
    try:
        session = accounts.sign_in(service, name, password, request.client.host if request.client else "")
    except AccessError as problem:
        again = sign_in_page(service, onward, fields, name, str(problem))
        return render.page(request, None, again, 429 if problem.code == "throttled" else 401)
    if not fields:
        return _entered(request, session, RedirectResponse(onward, 303))
    resume = ResumePage(onward, fields)
    return _entered(request, session, render.page(request, clerk_of(service, session), resume))


@router.post("/sign-out")
def post_sign_out(request: Request, service: ServiceDep, clerk: AnyClerk) -> Response:
    accounts.sign_out(service, clerk.user, request.cookies[COOKIE])
    answer = RedirectResponse("/sign-in?done=signed-out", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/welcome")
def get_welcome(
    request: Request, service: ServiceDep, token: Annotated[str, Query(max_length=100)] = ""
) -> Response:
    user = accounts.whose_link(service, token)
    return render.page(request, None, WelcomePage(user.name, token, accounts.SHORTEST, ""))


@router.post("/welcome", dependencies=[_Origin])
def post_welcome(
    request: Request, service: ServiceDep, token: _Word = "", password: _Word = "", again: _Word = ""
) -> Response:
    try:
        session = accounts.accept_link(service, token, password, again)
    except InputError as problem:
        name = accounts.whose_link(service, token).name
        return render.page(request, None, WelcomePage(name, token, accounts.SHORTEST, str(problem)), 422)
    return _entered(request, session, RedirectResponse("/", 303))


@router.get("/account")
def get_account(request: Request, service: ServiceDep, clerk: AnyClerk) -> Response:
    return render.page(request, clerk, _account(service, clerk))


@router.post("/account")
def post_account(
    request: Request,
    service: ServiceDep,
    clerk: AnyClerk,
    current: _Word = "",
    password: _Word = "",
    again: _Word = "",
) -> Response:
    try:
        session = accounts.change_password(service, clerk.user, current, password, again)
    except (InputError, AccessError) as problem:
        status = {"forbidden": 403, "throttled": 429}.get(problem.code, 422)
        return render.page(request, clerk, _account(service, clerk, str(problem)), status)
    return _entered(request, session, RedirectResponse("/account?done=password", 303))


def sign_in_page(
    service: Service, onward: str, kept: Kept = (), name: str = "", problem: str = ""
) -> SignInPage:
    packed = json.dumps(kept, ensure_ascii=False) if kept else ""
    is_demo = service.settings.demo
    names = tuple(known for known, _, _ in ACCOUNTS) if is_demo else ()
    return SignInPage(name, problem, onward, packed, names, PASSWORD if is_demo else "")


def keep(fields: Iterable[tuple[str, object]]) -> Kept:
    """What of an interrupted form can be sent again: files cannot, its old token must not."""
    return tuple((name, value) for name, value in fields if isinstance(value, str) and name != "csrf")


def local(path: str) -> str:
    """`path` when it leads into this service, else the first page: a link must not send people elsewhere after they signed in."""
    parts = urlsplit(path)
    inside = (
        not parts.scheme and not parts.netloc and path.startswith("/") and not path.startswith(("//", "/\\"))
    )
    return path if inside and path.isprintable() else "/"


def _unpacked(kept: str) -> Kept:
    try:
        return tuple((str(name), str(value)) for name, value in json.loads(kept)) if kept else ()
    except (ValueError, TypeError):
        return ()


def clerk_of(service: Service, session: Session | NewSession) -> Clerk:
    user = session.user
    viewer = viewer_of(user.role, user.id, user.unit, service.settings.units_see_accusations)
    return Clerk(user, viewer, session.csrf)


def _entered(request: Request, session: NewSession, answer: Response) -> Response:
    # Behind TLS only ever over TLS; Lax, so that a link in a mail opens the page, but no other site's form is taken.
    is_tls = request.url.scheme == "https"
    answer.set_cookie(COOKIE, session.cookie, httponly=True, samesite="lax", secure=is_tls, path="/")
    return answer


def _account(service: Service, clerk: Clerk, problem: str = "") -> AccountPage:
    unit = service.live.engine().router.directory.units.get(clerk.user.unit) if clerk.user.unit else None
    return AccountPage(unit.name if unit else clerk.user.unit, accounts.SHORTEST, problem)
