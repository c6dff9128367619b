"""Who is asking, and may they: the dependencies every route declares."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.service import Service
from api.store.firewall import Role, Viewer, viewer_of
from api.store.users import User, authenticate
from classifier.errors import ForbiddenError, UnauthenticatedError

_bearer = HTTPBearer(auto_error=False, description="fenban users key 发的凭证")

ROLE_NAMES = {
    Role.INTAKE: "接件",
    Role.REVIEWER: "审核",
    Role.ADMIN: "管理员",
    Role.AUDITOR: "审计",
    Role.UNIT: "承办单位",
}


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


def allowed(*roles: Role) -> Callable[[ServiceDep, User], Viewer]:
    """A dependency that lets only these roles pass and says what the user may see; raises ForbiddenError for others."""

    def check(service: ServiceDep, user: Annotated[User, Depends(current_user)]) -> Viewer:
        if user.role not in roles:
            names = "、".join(ROLE_NAMES[role] for role in roles)
            raise ForbiddenError(f"您的角色是{ROLE_NAMES[user.role]}，这一步需要：{names}。")
        return viewer_of(user.role, user.id, user.unit, service.settings.units_see_accusations)

    return check


Anyone = Annotated[Viewer, Depends(allowed(*Role))]
Officer = Annotated[Viewer, Depends(allowed(Role.INTAKE, Role.REVIEWER, Role.ADMIN))]
CurrentUser = Annotated[User, Depends(current_user)]
Reviewer = Annotated[Viewer, Depends(allowed(Role.REVIEWER, Role.ADMIN))]
Overseer = Annotated[Viewer, Depends(allowed(Role.REVIEWER, Role.ADMIN, Role.AUDITOR))]
Admin = Annotated[Viewer, Depends(allowed(Role.ADMIN))]
#: Who sees every petition may see counts of all of them.
Auditor = Annotated[Viewer, Depends(allowed(Role.ADMIN, Role.AUDITOR))]
