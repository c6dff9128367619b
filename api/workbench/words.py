"""The workbench's words: how codes, moments and figures read on a page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from api.store.audit import Action
from classifier.dates import CHINA
from classifier.petition import LINK_NAMES, LinkKind

#: What each action of the audit trail is called.
ACTIONS: Mapping[Action, str] = {
    Action.SIGNED_IN: "登录",
    Action.SIGN_IN_FAILED: "登录失败",
    Action.SIGNED_OUT: "退出",
    Action.PASSWORD_SET: "设置密码",
    Action.OPENED_ORIGINAL: "查看原文和联系方式",
    Action.OPENED_ACCUSATION: "查看检举控告件",
    Action.DECIDED: "认定",
    Action.RETURNED: "退回",
    Action.REPLIED: "答复",
    Action.UNDONE: "撤销",
    Action.LINK_DECIDED: "认定关联",
    Action.SPLIT: "拆分事项",
    Action.IMPORTED: "导入",
    Action.EXPORTED: "导出",
    Action.PROMOTED: "启用模型",
    Action.ROLLED_BACK: "退回上一版模型",
    Action.RETRAINED: "重新训练",
    Action.ACCOUNT_ADDED: "新增账号",
    Action.ACCOUNT_CHANGED: "修改账号",
    Action.KEY_ISSUED: "发放凭证",
    Action.DIRECTORY_CHANGED: "修改单位目录",
}

#: By the value that a link's kind has in answers.
LINKS: Mapping[str, str] = {kind.value: name for kind, name in LINK_NAMES.items()}
LINK_MEANINGS: Mapping[str, str] = {
    LinkKind.DUPLICATE_TEXT.value: "同一篇文字再次来件，不论渠道",
    LinkKind.REPEAT_PETITION.value: "同一信访人反映同一事项",
    LinkKind.SHARED_MATTER.value: "不同信访人反映同一事项",
}
#: The identity keys that two petitions may have in common (classifier/identity.py).
KEYS: Mapping[str, str] = {
    "id_number": "身份证号",
    "phone": "电话",
    "name_address": "姓名和住址",
    "account": "平台账号",
    "agent_id_number": "代理人的身份证号",
    "agent_phone": "代理人的电话",
    "agent_address": "代理人的姓名和住址",
    "agent_account": "代理人的平台账号",
}


def day(moment: datetime | date | None) -> str:
    """2026-03-04, in China; "" for none."""
    if moment is None:
        return ""
    if isinstance(moment, datetime):
        moment = moment.astimezone(CHINA).date()
    return moment.isoformat()


def minute(moment: datetime | None) -> str:
    """2026-03-04 21:10, in China; "" for none."""
    return moment.astimezone(CHINA).strftime("%Y-%m-%d %H:%M") if moment else ""


def percent(share: float | None, digits: int = 0) -> str:
    """0.932 → 93%; — for none."""
    return "—" if share is None else f"{share:.{digits}%}"


def count(number: int | None) -> str:
    """12345 → 12,345; — for none."""
    return "—" if number is None else f"{number:,}"


def receipt(seq: int, created_at: datetime) -> str:
    """The receipt number of a petition (登记编号): the day it was registered and its place in the register, e.g. 20260304-000123."""
    return f"{created_at.astimezone(CHINA):%Y%m%d}-{seq:06d}"


def seq_of_receipt(text: str) -> int | None:
    """The place in the register that a receipt number names, None when it is none."""
    begin, dash, end = text.strip().partition("-")
    if dash and len(begin) == 8 and begin.isdecimal() and end.isdecimal() and 6 <= len(end) <= 12:
        return int(end)
    return None


def duration(seconds: float) -> str:
    """75.2 → 1 分 15 秒."""
    if seconds < 1:
        return "不到 1 秒"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "小时"), (minutes, "分"), (rest, "秒"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def size(number: int) -> str:
    """67108864 → 64 MB."""
    return f"{number / 1024**2:.0f} MB" if number >= 1024**2 else f"{number / 1024:.0f} KB"
