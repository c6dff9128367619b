"""Accounts and keys: who may use the service, in which role, with which keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse

from api import staff
from api.access import ROLE_NAMES, AdminClerk, AuditorClerk, Clerk, ServiceDep
from api.accounts import LINK_LASTS
from api.service import Service
from api.store.firewall import Role
from api.workbench import render
from api.workbench.contexts.accounts import (
    AccountAdminPage,
    AccountRow,
    AccountsPage,
    KeyRow,
    KeysPage,
    RoleOption,
    SecretPage,
)
from api.workbench.look_up import Listed, chosen
from classifier.errors import ConflictError, InputError

router = APIRouter(prefix="/admin")

_ABOUT = {
    Role.INTAKE: "登记、认定",
    Role.REVIEWER: "认定、查看检举控告件、退回",
    Role.UNIT: "只看交给本单位的信访件",
    Role.ADMIN: "全部，包括本页",
    Role.AUDITOR: "只看，不改；查审计记录",
}
#: So many keys are listed.
_MOST_KEYS = 500

_Word = Annotated[str, Form(max_length=200)]
_Typed = Annotated[str | None, Form(max_length=200)]


@router.get("/accounts")
def get_accounts(request: Request, service: ServiceDep, clerk: AuditorClerk) -> Response:
    return render.page(request, clerk, _list(service, clerk))


@router.post("/accounts")
def post_accounts(
    request: Request,
    service: ServiceDep,
    clerk: AdminClerk,
    name: _Word = "",
    role: _Word = "",
    unit: _Word = "",
    unit_typed: _Typed = None,
) -> Response:
    try:
        made = staff.add(service, clerk.viewer, name, role, _unit(service, role, unit, unit_typed))
    except (InputError, ConflictError) as problem:
        again = _list(service, clerk, name, role, unit, unit_typed or "", str(problem))
        return render.page(request, clerk, again, 409 if isinstance(problem, ConflictError) else 422)
    return _link(request, clerk, made, "")


@router.get("/accounts/{account_id}")
def get_account(request: Request, service: ServiceDep, clerk: AuditorClerk, account_id: str) -> Response:
    return render.page(request, clerk, _one(service, clerk, account_id))


@router.post("/accounts/{account_id}")
def post_account(
    request: Request,
    service: ServiceDep,
    clerk: AdminClerk,
    account_id: str,
    role: _Word = "",
    unit: _Word = "",
    unit_typed: _Typed = None,
    state: _Word = "active",
    seen: _Word = "",
) -> Response:
    def change() -> None:
        own = _unit(service, role, unit, unit_typed)
        staff.change(service, clerk.viewer, account_id, role, own, state == "disabled", seen)

    return _done(request, service, clerk, account_id, change, "account", (role, unit, unit_typed or ""))


@router.post("/accounts/{account_id}/link")
def post_link(request: Request, service: ServiceDep, clerk: AdminClerk, account_id: str) -> Response:
    earlier = "以前发的链接已失效；原有密码在新密码设好之前仍可用。"
    return _link(request, clerk, staff.new_link(service, clerk.viewer, account_id), earlier)


@router.post("/accounts/{account_id}/sign-out")
def post_sign_out(request: Request, service: ServiceDep, clerk: AdminClerk, account_id: str) -> Response:
    def end() -> None:
        staff.sign_everywhere_out(service, clerk.viewer, account_id)

    return _done(request, service, clerk, account_id, end, "sessions")


@router.post("/accounts/{account_id}/keys")
def post_keys(
    request: Request,
    service: ServiceDep,
    clerk: AdminClerk,
    account_id: str,
    ends: _Word = "days",
    days: _Word = "",
) -> Response:
    wanted = None if ends == "never" else int(days) if days.strip().isdecimal() and len(days) < 9 else 0
    try:
        made = staff.issue_key(service, clerk.viewer, account_id, wanted)
    except (InputError, ConflictError) as problem:
        return _again(request, service, clerk, account_id, problem)
    advice = "请复制后交给使用它的系统或同事，放在请求的 Authorization 里。关掉这一页就再也看不到了；丢了就收回重发。"
    return render.page(request, clerk, SecretPage("凭证", made.name, made.account_id, made.value, advice))


@router.post("/accounts/{account_id}/withdraw")
def post_withdraw(request: Request, service: ServiceDep, clerk: AdminClerk, account_id: str) -> Response:
    def withdraw() -> None:
        staff.withdraw_keys(service, clerk.viewer, account_id)

    return _done(request, service, clerk, account_id, withdraw, "keys")


@router.get("/keys")
def get_keys(request: Request, service: ServiceDep, clerk: AuditorClerk) -> Response:
    found = staff.all_keys(service, _MOST_KEYS + 1)
    shown = tuple(_key_row(key) for key in found[:_MOST_KEYS])
    return render.page(request, clerk, KeysPage(shown, len(found) > _MOST_KEYS))


def _unit(service: Service, role: str, unit: str, typed: str | None) -> str:
    """The unit that was chosen; of no interest where the role has none. Raises UnknownCodeError."""
    return chosen(service, Listed.UNITS, unit, typed) if role == Role.UNIT else ""


def _done(
    request: Request,
    service: Service,
    clerk: Clerk,
    account_id: str,
    change: Callable[[], None],
    word: str,
    typed: tuple[str, str, str] | None = None,
) -> Response:
    try:
        change()
    except (InputError, ConflictError) as problem:
        return _again(request, service, clerk, account_id, problem, typed)
    return RedirectResponse(f"/admin/accounts/{account_id}?done={word}", 303)


def _again(
    request: Request,
    service: Service,
    clerk: Clerk,
    account_id: str,
    problem: InputError | ConflictError,
    typed: tuple[str, str, str] | None = None,
) -> Response:
    status = 409 if isinstance(problem, ConflictError) else 422
    return render.page(request, clerk, _one(service, clerk, account_id, str(problem), typed), status)


def _link(request: Request, clerk: Clerk, made: staff.Secret, earlier: str) -> Response:
    """`earlier` says what becomes of the links and the password there were."""
    # As whoever reads this page reached the service, so will the colleague.
    whole = f"{request.url.scheme}://{request.url.netloc}{made.value}"
    hours = int(LINK_LASTS.total_seconds() // 3600)
    advice = (
        f"请复制后当面或用内部通讯交给本人，{hours} 小时内有效，只能用一次，用来设置密码并登录。"
        f"{earlier}关掉这一页就再也看不到这个链接，丢了可以重发。"
    )
    return render.page(request, clerk, SecretPage("登录链接", made.name, made.account_id, whole, advice))


def _list(
    service: Service,
    clerk: Clerk,
    name: str = "",
    role: str = Role.INTAKE.value,
    unit: str = "",
    unit_typed: str = "",
    problem: str = "",
) -> AccountsPage:
    rows = tuple(_account_row(service, account) for account in staff.everybody(service))
    editable = clerk.may(Role.ADMIN)
    return AccountsPage(rows, editable, _roles(role), name, unit, unit_typed, problem)


def _one(
    service: Service,
    clerk: Clerk,
    account_id: str,
    problem: str = "",
    typed: tuple[str, str, str] | None = None,
) -> AccountAdminPage:
    account, keys, sessions = staff.one(service, account_id)
    row = _account_row(service, account)
    role, unit, unit_typed = typed or (account.role.value, account.unit, row.unit)
    return AccountAdminPage(
        row,
        account.stamp,
        tuple(_key_row(key) for key in keys),
        sessions,
        clerk.may(Role.ADMIN),
        _roles(role),
        unit,
        unit_typed,
        problem,
    )


def _roles(chosen: str) -> tuple[RoleOption, ...]:
    return tuple(
        RoleOption(role.value, f"{ROLE_NAMES[role]}（{_ABOUT[role]}）", role.value == chosen)
        for role in _ABOUT
    )


def _account_row(service: Service, account: staff.Account) -> AccountRow:
    unit = service.live.engine().router.directory.units.get(account.unit) if account.unit else None
    return AccountRow(
        account.id,
        account.name,
        ROLE_NAMES[account.role],
        unit.name if unit else account.unit,
        account.disabled_at is None,
        account.has_password,
        account.keys,
        account.since,
    )


def _key_row(key: staff.Key) -> KeyRow:
    return KeyRow(key.account_id, key.account, ROLE_NAMES[key.role], key.since, key.expires_at)
