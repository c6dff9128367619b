"""Who is asking, and may they: the dependencies every route declares.

The HTTP interface (/v1) takes a key in the Authorization header and no cookie; pages take a session's cookie and no key. So no page of
another site can make a browser call /v1, and every unsafe request of a page must bring the session's own token.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.service import Service
from api.store.accounts import Session, session_of, touch
from api.store.firewall import Role, Viewer, viewer_of
from api.store.users import User, authenticate
from classifier.errors import ForbiddenError, UnauthenticatedError

#: The session's cookie, and where an unsafe request of a page carries its token.
COOKIE = "fenban_session"
CSRF_FIELD, CSRF_HEADER = "csrf", "X-CSRF-Token"

_bearer = HTTPBearer(auto_error=False, description="fenban users key 发的凭证")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

ROLE_NAMES = {
    Role.INTAKE: "录入",
    Role.REVIEWER: "审核",
    Role.UNIT: "承办单位",
    Role.ADMIN: "管理员",
    Role.AUDITOR: "审计",
}


class SignedOutError(UnauthenticatedError):
    """A page was asked for without a session that holds: the answer is the sign-in page, which keeps what was typed."""


class StaleFormError(ForbiddenError):
    """A form was filled in before its sender signed in anew: nothing was done, and it comes back to be sent again."""

    def __init__(self, session: Session) -> None:
        super().__init__("页面已经过期，这次没有执行。请刷新页面后重试。")
        self.session = session


@dataclass(frozen=True, slots=True)
class Clerk:
    """Who uses a page. `csrf` goes into every form."""

    user: User
    viewer: Viewer
    csrf: str

    def may(self, *roles: Role) -> bool:
        return self.user.role in roles


def get_service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceDep = Annotated[Service, Depends(get_service)]


def current_user(
    service: ServiceDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> User:
    """Raises UnauthenticatedError."""
    if credentials is None:
        raise UnauthenticatedError("没有带凭证。请在 Authorization 里写 Bearer 加凭证。")
    with service.store.read() as connection:
        return authenticate(connection, credentials.credentials)


def same_origin(request: Request) -> None:
    """Raises ForbiddenError for an unsafe request that a browser says comes from another site's page."""
    if request.method in _SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    origin = request.headers.get("Origin")
    elsewhere = origin is not None and urlsplit(origin).netloc != request.headers.get("Host", "")
    if site not in {"same-origin", "none"} or elsewhere:
        raise ForbiddenError("这个请求来自别的网站，没有执行。请在本系统的页面里操作。")


async def _posted_csrf(request: Request) -> str:
    """What an unsafe request brings as its session's token, "" for none."""
    if request.method in _SAFE:
        return ""
    if given := request.headers.get(CSRF_HEADER):
        return given
    field = (await request.form()).get(CSRF_FIELD)
    return field if isinstance(field, str) else ""


def known_session(request: Request, service: Service) -> tuple[Session, bool] | None:
    """The session whose cookie a request brings, and whether its last use should be written down; None for none that is still valid."""
    cookie = request.cookies.get(COOKIE, "")
    if not cookie:
        return None
    settings = service.settings
    idle, longest = timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours)
    with service.store.read() as connection:
        return session_of(connection, cookie, idle, longest)


def signed_in(
    request: Request, service: ServiceDep, posted: Annotated[str, Depends(_posted_csrf)]
) -> Session:
    """Raises SignedOutError, ForbiddenError for a request from elsewhere, StaleFormError when an unsafe one lacks the session's token."""
    same_origin(request)
    cookie = request.cookies.get(COOKIE, "")
    known = known_session(request, service)
    if known is None:
        raise SignedOutError("请先登录。" if not cookie else "登录已过期，请重新登录。")
    session, is_stale = known
    # Compared as bytes: what was posted may hold anything.
    if request.method not in _SAFE and not hmac.compare_digest(posted.encode(), session.csrf.encode()):
        raise StaleFormError(session)
    if is_stale:
        with service.store.write() as connection:
            touch(connection, cookie)
    # For the page of a problem, which keeps the menu.
    request.state.session = session
    return session


def _may(service: Service, user: User, roles: tuple[Role, ...]) -> Viewer:
    """The one check of a role. Raises ForbiddenError."""
    if user.role not in roles:
        names = "、".join(ROLE_NAMES[role] for role in roles)
        raise ForbiddenError(f"您的角色是{ROLE_NAMES[user.role]}，这一步需要：{names}。")
    return viewer_of(user.role, user.id, user.unit, service.settings.units_see_accusations)


def allowed(*roles: Role) -> Callable[[ServiceDep, User], Viewer]:
    """A dependency of /v1 that lets only these roles pass and says what the user may see; raises ForbiddenError for others."""

    def check(service: ServiceDep, user: Annotated[User, Depends(current_user)]) -> Viewer:
        return _may(service, user, roles)

    return check


def page_for(*roles: Role) -> Callable[[ServiceDep, Session], Clerk]:
    """The same for pages."""

    def check(service: ServiceDep, session: Annotated[Session, Depends(signed_in)]) -> Clerk:
        return Clerk(session.user, _may(service, session.user, roles), session.csrf)

    return check


_OFFICERS = (Role.INTAKE, Role.REVIEWER, Role.ADMIN)
_REVIEWERS = (Role.REVIEWER, Role.ADMIN)
_OVERSEERS = (Role.REVIEWER, Role.ADMIN, Role.AUDITOR)
#: Who may send a petition back: a unit what it was given itself.
_RETURNERS = (Role.UNIT, Role.REVIEWER, Role.ADMIN)
#: Who sees every petition may see counts of all of them.
_AUDITORS = (Role.ADMIN, Role.AUDITOR)

CurrentUser = Annotated[User, Depends(current_user)]
Anyone = Annotated[Viewer, Depends(allowed(*Role))]
Officer = Annotated[Viewer, Depends(allowed(*_OFFICERS))]
Reviewer = Annotated[Viewer, Depends(allowed(*_REVIEWERS))]
Overseer = Annotated[Viewer, Depends(allowed(*_OVERSEERS))]
Auditor = Annotated[Viewer, Depends(allowed(*_AUDITORS))]
Admin = Annotated[Viewer, Depends(allowed(Role.ADMIN))]

# The same circles at the workbench.
AnyClerk = Annotated[Clerk, Depends(page_for(*Role))]
OfficerClerk = Annotated[Clerk, Depends(page_for(*_OFFICERS))]
ReviewerClerk = Annotated[Clerk, Depends(page_for(*_REVIEWERS))]
ReturnerClerk = Annotated[Clerk, Depends(page_for(*_RETURNERS))]
OverseerClerk = Annotated[Clerk, Depends(page_for(*_OVERSEERS))]
AuditorClerk = Annotated[Clerk, Depends(page_for(*_AUDITORS))]
AdminClerk = Annotated[Clerk, Depends(page_for(Role.ADMIN))]
