"""`fenban audit`: whether the audit trail holds, and all of it as a file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

audit_app = typer.Typer(help="审计记录", no_args_is_help=True)


@audit_app.command("verify")
def audit_verify() -> None:
    """检查审计记录有没有被改动、删除或插入：逐条核对校验值。记录不连续时退出码为 1。"""
    from api.service import open_service
    from api.settings import get_settings
    from api.trail import verify
    from classifier.errors import StoreError

    with closing(open_service(get_settings())) as service:
        found = verify(service)
    if found.checked.broken is not None:
        raise StoreError(
            f"审计记录从第 {found.checked.broken} 条起不连续：有记录被改动、删除或插入。请用备份或以前导出的文件对照。"
        )
    typer.echo(f"审计记录 {found.number} 条，前后连续，用时 {found.seconds:.1f} 秒。")
    typer.echo(f"末条校验值 {found.digest}")


@audit_app.command("export")
def audit_export(
    out: Annotated[Path, typer.Option("-o", "--out", help="输出的 CSV 文件")],
) -> None:
    """导出全部审计记录。末行是最后一条的编号和校验值；另记在别处，日后可以查证。"""
    from api.service import open_service
    from api.settings import get_settings
    from api.trail import export_all
    from classifier.registry import replacing

    with closing(open_service(get_settings())) as service:
        made = export_all(service)
        with replacing(out, mode=0o600) as temporary, temporary.open("wb") as file:
            file.writelines(made.content)
    typer.echo(f"已导出到 {out}。{made.head}")
