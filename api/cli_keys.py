"""`fenban keys`: the office's key and what was hashed with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from api.rotation import Show
    from api.service import Service

keys_app = typer.Typer(help="密钥和身份标识", no_args_is_help=True)
Database = Annotated[str | None, typer.Option("--database-url", help="数据库地址")]


@keys_app.command("rotate")
def keys_rotate(database_url: Database = None) -> None:
    """换一把新的主密钥：原文和联系方式重新加密，身份标识重新计算；中断后重新运行会接着做。

    密钥在文件里时服务可以不停；来自 FENBAN_KEY 时，服务要先带上 FENBAN_NEW_KEY 重启，换完再换值重启一次。
    """
    from api.rotation import rotate
    from api.settings import get_settings

    typer.echo(f"更换密钥完成：{_run('更换密钥', database_url, rotate)} 件。请现在备份新的密钥。")
    if get_settings().key.get_secret_value():
        typer.echo("请把 FENBAN_KEY 改为 FENBAN_NEW_KEY 的值，去掉 FENBAN_NEW_KEY，重启服务。")
    else:
        typer.echo(
            "原来的密钥改名为 fenban.key.old-…，还在数据目录里：打开旧备份要用它。请移到别处保管，用不着了就销毁。"
        )


@keys_app.command("rehash")
def keys_rehash(database_url: Database = None) -> None:
    """升级后按新的写法重新计算身份标识，密钥不变。服务可以不停；中断后重新运行会接着做。"""
    from api.rotation import rehash

    count = _run("重新计算身份标识", database_url, rehash)
    typer.echo(
        f"重新计算身份标识完成：{count} 件。要按新标识查找已有信访件之间的关联，请再运行 fenban relink。"
    )


def _run(task: str, database_url: str | None, job: Callable[[Service, Show], int]) -> int:
    from rich.console import Console
    from rich.progress import Progress

    from api.service import open_service
    from api.settings import get_settings

    settings = get_settings()
    service = open_service(
        settings.model_copy(update={"database_url": database_url}) if database_url else settings
    )
    try:
        with Progress(console=Console(stderr=True)) as bars:
            bar = bars.add_task(task, total=None)
            return job(service, lambda done, total: bars.update(bar, completed=done, total=total))
    finally:
        service.close()
