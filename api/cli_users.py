"""`fenban users`: who may use the service, and with which credentials."""

from __future__ import annotations

from typing import Annotated

import typer

users_app = typer.Typer(help="用户和凭证", no_args_is_help=True)


@users_app.command("add")
def users_add(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    role: Annotated[
        str,
        typer.Option("--role", help="intake 录入、reviewer 审核、admin 管理员、auditor 审计、unit 承办单位"),
    ] = "intake",
    unit: Annotated[str, typer.Option("--unit", help="承办单位用户的单位 id 或名称")] = "",
    days: Annotated[int | None, typer.Option("--days", min=0, help="凭证几天后过期；不写则不过期")] = None,
) -> None:
    """新增用户并发凭证。凭证只显示这一次。"""
    from api.decisions import unit_id
    from api.service import open_service
    from api.settings import get_settings
    from api.store.users import Role, add_user, new_key

    if role not in set(Role):
        raise typer.BadParameter(f"没有角色 {role}。可用：{'、'.join(Role)}", param_hint="--role")
    if not name.strip():
        raise typer.BadParameter("用户名不能为空", param_hint="NAME")
    if (role == Role.UNIT) != bool(unit.strip()):
        raise typer.BadParameter("承办单位用户要写明本单位，其他角色不写", param_hint="--unit")
    service = open_service(get_settings())
    own = unit_id(service, unit.strip()) if unit.strip() else ""
    with service.store.write() as connection:
        key = new_key(connection, add_user(connection, name, Role(role), own).id, days)
    typer.echo(key)


@users_app.command("key")
def users_key(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    days: Annotated[int | None, typer.Option("--days", min=0, help="凭证几天后过期；不写则不过期")] = None,
) -> None:
    """给已有用户发一个新凭证。"""
    from api.service import open_service
    from api.settings import get_settings
    from api.store.users import find_user, new_key

    with open_service(get_settings()).store.write() as connection:
        typer.echo(new_key(connection, find_user(connection, name).id, days))


@users_app.command("link")
def users_link(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """给用户发一个登录工作台的一次性链接，用来设置（或重设）密码。三天内有效，只显示这一次。"""
    from api.accounts import link_for
    from api.service import open_service
    from api.settings import get_settings

    settings = get_settings()
    path = link_for(open_service(settings), name)
    typer.echo(f"http://{settings.host}:{settings.port}{path}")


@users_app.command("disable")
def users_disable(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """停用用户，其全部凭证立即失效。"""
    from api.service import open_service
    from api.settings import get_settings
    from api.store.users import disable_user

    with open_service(get_settings()).store.write() as connection:
        disable_user(connection, name)
    typer.echo(f"已停用 {name}。")
