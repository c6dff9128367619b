"""Contexts become pages: one Jinja environment that escapes everything and knows no undefined names."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from api.access import ROLE_NAMES, Clerk, get_service
from api.store.firewall import Role
from api.workbench import words
from api.workbench.contexts.base import NavItem, Notice, Page, Shell

STATIC = Path(__file__).parent / "static"

_OFFICERS = frozenset({Role.INTAKE, Role.REVIEWER, Role.ADMIN})
_OVERSEERS = frozenset({Role.REVIEWER, Role.ADMIN, Role.AUDITOR})
_NAV: tuple[tuple[str, str, frozenset[Role]], ...] = (
    ("登记", "/register", _OFFICERS),
    ("待办", "/queue", _OFFICERS),
    ("查询", "/petitions", frozenset(Role)),
    ("导入", "/imports", _OFFICERS),
    ("概览", "/overview", frozenset(Role)),
    ("模型", "/models", _OVERSEERS),
    ("管理", "/admin", frozenset({Role.ADMIN, Role.AUDITOR})),
    ("帮助", "/help", frozenset(Role)),
)
#: What a page may say about the step before, by the word that stands as `done` in its address.
NOTICES: dict[str, Notice] = {
    "expired": Notice("warn", "登录已过期，请重新登录。"),
    "signed-out": Notice("ok", "已退出。"),
    "account": Notice("ok", "账号已修改。"),
    "sessions": Notice("ok", "这个账号的登录已全部结束。"),
    "keys": Notice("ok", "这个账号的凭证已全部收回。"),
    "directory": Notice("ok", "单位目录已保存，几秒内全部生效。"),
    "headings": Notice("ok", "大类对照已保存，几秒内全部生效。"),
    "password": Notice("ok", "密码已更换，其他地方的登录已失效。"),
}


@lru_cache(maxsize=1)
def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("api.workbench"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static_url
    made.filters.update(day=words.day, minute=words.minute, percent=words.percent, count=words.count)
    return made


@lru_cache(maxsize=64)
def static_url(name: str) -> str:
    """The address of a static file, which changes with its content: browsers may keep it for ever."""
    stamp = sha256((STATIC / name).read_bytes()).hexdigest()[:12]
    return f"/static/{name}?v={stamp}"


def home_of(role: Role) -> str:
    """The page that a role works on."""
    return next(path for _, path, roles in _NAV if role in roles)


def page(
    request: Request, clerk: Clerk | None, context: Page, status: int = 200, notice: Notice | None = None
) -> HTMLResponse:
    """The page of a context, in the shell of who is signed in."""
    return HTMLResponse(_html(context, _shell(request, clerk, notice)), status)


def fragment(context: Page, status: int = 200) -> HTMLResponse:
    """A part of a page, for script to put in its place; its template uses no `shell`."""
    return HTMLResponse(_html(context, None), status)


def _html(context: Page, shell: Shell | None) -> str:
    # Not asdict: what the fields hold stays what it is, and is not copied.
    values = {field.name: getattr(context, field.name) for field in fields(context)}
    if shell is not None:
        values["shell"] = shell
    return environment().get_template(context.template).render(values)


def _shell(request: Request, clerk: Clerk | None, notice: Notice | None) -> Shell:
    here = request.url.path
    notice = notice or NOTICES.get(request.query_params.get("done", ""))
    service = get_service(request)
    demo = service.settings.demo
    if clerk is None:
        return Shell("", "", "", (), notice, "", demo)
    role = clerk.user.role
    nav = tuple(
        NavItem(label, path, str(number), here == path or here.startswith(f"{path}/"))
        for number, (label, path, roles) in enumerate(_NAV, start=1)
        if role in roles
    )
    problem = ""
    if role is Role.ADMIN:
        problem = service.live.problem or ""
    return Shell(clerk.csrf, clerk.user.name, ROLE_NAMES[role], nav, notice, problem, demo)
