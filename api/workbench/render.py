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
    "not-by-person": Notice(
        "warn", "不能按姓名、电话、证件号查找：系统不保存可查的身份信息。同一人的重复来信由“关联”找出。"
    ),
    "account": Notice("ok", "账号已修改。"),
    "sessions": Notice("ok", "这个账号的登录已全部结束。"),
    "keys": Notice("ok", "这个账号的凭证已全部收回。"),
    "directory": Notice("ok", "单位目录已保存，几秒内全部生效。"),
    "headings": Notice("ok", "大类对照已保存，几秒内全部生效。"),
    "password": Notice("ok", "密码已更换，其他地方的登录已失效。"),
    "registered": Notice("ok", "已登记，等待认定。"),
    "registered-decided": Notice("ok", "已登记并认定。"),
    "registered-otherwise": Notice(
        "warn", "这件先前已经登记并认定过，这次选的没有保存。要更改，请打开这件。"
    ),
    "registered-undecided": Notice(
        "warn", "已登记，但分类表或单位目录刚有变化，认定没有保存。请打开这件重新认定。"
    ),
    "model-promoted": Notice("ok", "已启用新版本。各工作进程约两秒内换上，不用重启。"),
    "model-rolled-back": Notice("ok", "已退回上一个版本。各工作进程约两秒内换上，不用重启。"),
    "model-already": Notice("ok", "这个版本已经在使用。"),
    "import-columns": Notice("ok", "已按新的列重新读取，请看下面的前几行。"),
    "import-cancelled": Notice("ok", "已要求取消，已经存入的信访件都在。"),
    "import-deleted": Notice("ok", "文件已删除。"),
    "decided": Notice("ok", "已认定。"),
    "undone": Notice("ok", "已撤销，此前有效的重新有效。撤销已记录在经过里。"),
    "sent-back": Notice("ok", "已退回，等待重新认定。"),
    "replied": Notice("ok", "答复已登记。"),
    "link-confirmed": Notice("ok", "已确认关联。"),
    "link-rejected": Notice("ok", "已否定关联，这两件不再作为同一事项。"),
    "handed-on": Notice("ok", "已认定为检举控告，转由授权人员办理。"),
    "split": Notice("ok", "已拆分，两边之间的关联已改为否定。"),
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
    if here.startswith("/petitions/") and "list=petitions" not in request.query_params.get(
        "from", "list=petitions"
    ):
        here = "/queue"  # it was opened from there
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
