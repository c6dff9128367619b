"""Help and the algorithm notice, for everybody who is signed in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from api.access import AnyClerk, ServiceDep
from api.store.firewall import Role
from api.workbench import render
from api.workbench.contexts.help import AlgorithmPage, HelpPage, Measured, Shortcut
from api.workbench.directory_view import in_use

router = APIRouter(prefix="/help")

_DECIDES = (Role.INTAKE, Role.REVIEWER, Role.ADMIN)
_SHORTCUTS = (
    Shortcut(("1", "…", "8"), "各页", "打开主菜单的对应一项"),
    Shortcut(("?",), "各页", "打开这张表"),
    Shortcut(("Esc",), "各页", "离开输入框，之后单个字母键可用"),
    Shortcut(("Ctrl", "Enter"), "表单", "提交正在填写的表单（苹果键盘用 ⌘+Enter）", together=True),
    Shortcut(("j",), "列表、事项", "下一行"),
    Shortcut(("k",), "列表、事项", "上一行"),
    Shortcut(("Enter",), "列表、事项", "打开所在的一行"),
    Shortcut(("↓", "↑"), "分类、单位输入框", "在列出的选项里移动，Enter 选定"),
    Shortcut(("n",), "待办、查询", "下一页"),
    Shortcut(("/",), "查询、单位目录", "到查找框"),
    Shortcut(("n",), "登记完成", "再登记一件"),
    Shortcut(("o",), "登记完成", "打开刚登记的一件"),
    Shortcut(("a",), "信访件", "接受建议，看下一件"),
    Shortcut(("e",), "信访件", "改为其他认定"),
    Shortcut(("u",), "信访件", "撤销最近一步：认定、退回或答复"),
    Shortcut(("d",), "信访件", "登记答复"),
    Shortcut(("r",), "信访件", "退回"),
    Shortcut(("m",), "信访件", "打开所在事项"),
    Shortcut(("n", "p"), "信访件", "下一件、上一件"),
    Shortcut(("b",), "信访件", "返回刚认定的上一件"),
    Shortcut(("b",), "原文", "返回信访件"),
    Shortcut(("y", "n"), "两件对照", "是、不是同一事项"),
    Shortcut(("u",), "两件对照", "撤销认定"),
    Shortcut(("b",), "两件对照", "返回本件"),
    Shortcut(("a",), "批量接受", "接受勾选的件"),
    Shortcut(("u",), "导入", "上传并查看"),
    Shortcut(("s",), "导入文件", "开始、继续导入"),
    Shortcut(("r",), "导入文件", "按所选的列重新读取"),
    Shortcut(("d",), "导入文件", "下载未导入的行"),
    Shortcut(("n",), "单位目录", "新增一行"),
)
_HEADS = (("category", "内容分类（二级）"), ("kind", "诉求类型"), ("unit", "承办单位"))


@router.get("")
def get_help(request: Request, service: ServiceDep, clerk: AnyClerk) -> Response:
    settings = service.settings
    shown = HelpPage(
        threshold=service.live.engine().bundle.threshold,
        shortcuts=_SHORTCUTS,
        decides=clerk.may(*_DECIDES),
        is_unit=clerk.may(Role.UNIT),
        handling_days=settings.handling_days,
        handling_source=settings.handling_source,
        return_days=settings.return_working_days,
    )
    return render.page(request, clerk, shown)


@router.get("/algorithm")
def get_algorithm(request: Request, service: ServiceDep, clerk: AnyClerk) -> Response:
    engine = service.live.engine()
    report = engine.bundle.report
    links: Mapping[str, Any] = report.get("links") or {}
    shown = AlgorithmPage(
        version=engine.bundle.version,
        directory=in_use(service),
        petitions=report.get("petitions", 0),
        seed=bool(report.get("seed")),
        office=bool(report.get("data") or report.get("lineage")),
        learns_units=engine.bundle.unit is not None,
        threshold=engine.bundle.threshold,
        measured=tuple(_measured(report)),
        link_pairs=links.get("pairs"),
        link_precision=links.get("average_precision"),
        link_threshold=engine.bundle.links.threshold,
        review_share=service.settings.review_share,
    )
    return render.page(request, clerk, shown)


def _measured(report: Mapping[str, Any]) -> list[Measured]:
    found = []
    for name, title in _HEADS:
        figures = report.get(name) or {}
        if not figures.get("n"):
            continue
        if level1 := figures.get("level1"):
            found.append(Measured("内容分类（一级）", figures["n"], level1.get("accuracy"), None, None))
        found.append(
            Measured(title, figures["n"], figures.get("accuracy"), figures.get("top3"), figures.get("ece"))
        )
    return found
