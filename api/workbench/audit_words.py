"""What an entry of the audit trail says beside who, when and what: its detail in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.access import ROLE_NAMES
from api.directory_changes import TABLE_NAMES
from api.service import Service
from api.store.register import Receipt
from api.workbench.words import receipt

#: What each part of a detail is called.
_LABELS: Mapping[str, str] = {
    "account": "账号",
    "category": "分类",
    "before": "此前版本",
    "cancelled": "",
    "change": "",
    "codes": "改动分类",
    "confirmed": "",
    "count": "个数",
    "days": "有效天数",
    "headings": "大类",
    "id": "导入编号",
    "kind": "诉求类型",
    "known": "已有",
    "matter": "事项",
    "month": "月份",
    "new": "新收",
    "number": "版本",
    "other": "另一件",
    "on": "日期",
    "petitions": "件数",
    "read": "读到",
    "rejected": "未收",
    "restored": "取自版本",
    "role": "角色",
    "row": "",
    "rows": "行数",
    "state": "状态",
    "step": "",
    "table": "表",
    "total": "总行数",
    "unit": "单位",
    "version": "版本",
    "what": "内容",
}
_WORDS: Mapping[str, Mapping[Any, str]] = {
    "cancelled": {True: "取消训练"},
    "change": {"link": "发登录链接", "sessions": "结束全部登录", "keys": "收回全部凭证"},
    "confirmed": {True: "确认有关联", False: "否认有关联"},
    "days": {0: "不过期"},
    "role": {role.value: name for role, name in ROLE_NAMES.items()},
    "state": {
        "active": "在用",
        "disabled": "停用",
        "done": "已完成",
        "failed": "失败",
        "cancelled": "已取消",
    },
    "step": {"start": "开始", "end": "结束"},
    "table": {**TABLE_NAMES, "headings": "大类对照"},
    "what": {"audit": "审计记录", "labels": "认定", "table": "表格"},
}
#: In this order, whatever else follows.
_FIRST = ("account", "table", "change", "row", "confirmed", "category", "kind", "unit")


def detail_in_words(
    service: Service, detail: Mapping[str, Any], receipts: Mapping[str, Receipt]
) -> tuple[str, ...]:
    """账号：张三 and 角色：审核. Parts without a name of their own are shown as they are kept; `receipts` are those of the petitions named."""
    order = sorted(detail, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
    told = ((_LABELS.get(name, name), _value(service, name, detail[name], receipts)) for name in order)
    return tuple(f"{label}：{value}" if label else value for label, value in told if value)


def _value(service: Service, name: str, value: Any, receipts: Mapping[str, Receipt]) -> str:
    engine = service.live.engine()
    if isinstance(value, str | bool | int) and (word := _WORDS.get(name, {}).get(value)):
        return word
    if name == "category" and value in engine.bundle.taxonomy:
        return engine.bundle.taxonomy.path(value)
    if name == "unit" and value in engine.router.directory.units:
        return engine.router.directory.units[value].name
    if isinstance(value, list):
        return f"{len(value)} 件" if name == "petitions" else "、".join(map(str, value))
    if name == "other" and value in receipts:
        return receipt(receipts[value].seq, receipts[value].created_at)
    if name in {"id", "matter", "other"} and isinstance(value, str):
        return value[:8]
    return str(value)
