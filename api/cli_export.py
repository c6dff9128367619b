"""`fenban export`: what people decided, for training; the monthly report, for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

export_app = typer.Typer(help="导出", no_args_is_help=True)


@export_app.command("labels")
def export_labels(
    out: Annotated[Path, typer.Option("-o", "--out", help="输出的文件夹，不能已经存在")] = Path("labels"),
) -> None:
    """导出人的认定（脱敏），供 fenban train --labels 学习。"""
    from api.export import write_snapshot
    from api.service import open_service
    from api.settings import get_settings

    written = write_snapshot(open_service(get_settings()), out)
    typer.echo(
        f"已导出 {written.decided} 条认定、{written.links} 条关联认定到 {out}，校验值 {written.sha256[:12]}。"
    )


@export_app.command("report")
def export_report(
    month: Annotated[str, typer.Option("--month", help="哪个月，例：2026-11；不写则为上个月")] = "",
    out: Annotated[Path | None, typer.Option("-o", "--out", help="输出的 .xlsx 文件")] = None,
) -> None:
    """导出月报（台账、统计表）。不含检举控告件；本系统没有记录的列留空。"""
    from api.figures import Period, today
    from api.monthly import report_file
    from api.service import open_service
    from api.settings import get_settings

    chosen = Period.month(month) if month else Period.month_before(today())
    target = out or Path(f"信访月报-{chosen.since:%Y-%m}.xlsx")
    service = open_service(get_settings())
    try:
        content = report_file(service, chosen)
    finally:
        service.close()
    target.write_bytes(content)
    typer.echo(f"已导出 {chosen.since:%Y-%m} 的月报到 {target}。")
