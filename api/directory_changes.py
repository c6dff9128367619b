"""Changing the unit directory: one row, a whole file, or back to an earlier version. Checked first, then tried on past petitions
(api/directory_preview.py), then put in use for all worker processes and recorded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from api.office_directory import (
    Sheets,
    changing,
    check,
    decoded,
    joined,
    parse_sheet,
    parted,
    read_sheets,
    version_sheets,
)
from api.service import Service
from api.store.audit import Action, record
from api.store.directory_use import accounts_of_units, units_with_petitions
from api.store.firewall import Viewer
from api.store.tables import users
from classifier.directory import Directory
from classifier.errors import ConflictError, DirectoryError

#: What the four files are called on pages.
TABLE_NAMES: Mapping[str, str] = {
    "units": "承办单位",
    "categories": "分类对应",
    "districts": "辖区",
    "rules": "规则",
}
#: What names a row of each, and what tells it from the others.
_KEYS: Mapping[str, tuple[str, ...]] = {
    "units": ("name",),
    "categories": ("category", "unit"),
    "districts": ("name",),
    "rules": ("id",),
}
_IDS: Mapping[str, tuple[str, ...]] = {
    "units": ("id",),
    "categories": ("category", "unit"),
    "districts": ("code",),
    "rules": ("id",),
}
_LINE = re.compile(r"(units|categories|districts|rules)\.csv(?: 第 (\d+) 行)?：")
# What a problem of the loader says, and the fields it may be about: the first that is empty or whose text it quotes.
_SAID: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "units": (("id 和 name", ("name", "id")), ("单位 id", ("id",)), ("单位名称", ("name",)), ("上级单位", ("parent",))),
    "categories": (("分类代码", ("category",)), ("角色", ("role",)), ("已经写过", ("unit",)), ("单位", ("unit",))),
    "districts": (("辖区代码", ("name", "code")), ("单位", ("unit",))),
    "rules": (
        ("规则编号", ("id",)), ("优先级", ("priority",)), ("没有任何条件", ("keywords",)), ("诉求类型", ("kind",)),
        ("辖区", ("district",)), ("分类代码", ("category",)), ("角色", ("role",)), ("单位", ("unit", "respondent")),
    ),
}  # fmt: skip


# The loader speaks of files and columns, a page of what they are called.
_PLAIN: Mapping[str, str] = {
    "id 和 name": "名称和代码",
    "编号（id）": "编号",
    "单位 id“": "单位代码“",
    "（fallback=1）": "",
    " units.csv 里": "承办单位表里",
    " districts.csv 里": "辖区表里",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A change not yet made. `stamp` is that of the content it began from; `what` says it in words, `detail` for the trail."""

    sheets: Sheets
    stamp: str
    what: str
    detail: Mapping[str, Any]
    table: str = ""
    #: The changed row's place in its table, None when there is none.
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a draft: by field of the row that was edited, and the rest."""

    fields: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.fields or self.others)


def sheets_in_use(service: Service) -> Sheets:
    """Raises DirectoryError when the folder in use cannot be read."""
    return read_sheets(service.settings.directory_in_use)


def beginning(service: Service, stamp: str) -> Sheets:
    """The sheets in use, if they are those that `stamp` tells of. Raises ConflictError, DirectoryError."""
    sheets = sheets_in_use(service)
    if sheets.stamp != stamp:
        raise ConflictError("单位目录刚有人改过。请重新打开列表，看过现在的内容再改。")
    return sheets


def edited(service: Service, stamp: str, table: str, at: int | None, row: Mapping[str, str]) -> Draft:
    """Row `at` changed, or a new one. Raises ConflictError, NotFoundError, DirectoryError."""
    before = beginning(service, stamp)
    sheets = joined(before, table, row, at)
    place = len(before.rows[table]) if at is None else at
    if table == "units" and row.get("fallback") == "1":
        # One unit takes what fits nowhere: whoever names another means it instead.
        rows = sheets.rows[table]
        sheets = sheets.having(
            table, [row if n == place else {**row, "fallback": ""} for n, row in enumerate(rows)]
        )
    name, verb = _name_of(sheets, table, sheets.rows[table][place]), "新增" if at is None else "修改"
    what = f"{verb}{TABLE_NAMES[table]}“{name}”"
    return Draft(sheets, stamp, what, {"table": table, "change": verb, "row": name}, table, place)


def removed(service: Service, stamp: str, table: str, at: int) -> Draft:
    """Row `at` gone. Raises ConflictError, NotFoundError, DirectoryError."""
    before = beginning(service, stamp)
    sheets = parted(before, table, at)
    name = _name_of(before, table, before.rows[table][at])
    what = f"删除{TABLE_NAMES[table]}“{name}”"
    return Draft(sheets, stamp, what, {"table": table, "change": "删除", "row": name}, table)


def uploaded(service: Service, stamp: str, table: str, content: bytes) -> Draft:
    """A whole file replaced. Raises ConflictError, DirectoryError when it is not a table of this kind."""
    before = beginning(service, stamp)
    rows = parse_sheet(decoded(content, table), table)
    what = f"上传{TABLE_NAMES[table]}，共 {len(rows)} 行"
    detail: dict[str, Any] = {"table": table, "change": "上传", "rows": len(rows)}
    return Draft(before.having(table, rows), stamp, what, detail, table)


def restored(service: Service, stamp: str, number: int) -> Draft:
    """An earlier version again. Raises ConflictError, NotFoundError, DirectoryError."""
    beginning(service, stamp)
    what = f"恢复第 {number} 版"
    return Draft(
        version_sheets(service.settings, number), stamp, what, {"change": "恢复", "restored": number}
    )


def key_of(table: str, row: Mapping[str, str]) -> str:
    """What a row is found by when others moved; "" for none."""
    return "|".join(row.get(column, "") for column in _IDS[table]) if row else ""


def findings(service: Service, draft: Draft) -> Findings | Directory:
    """The checked directory, or what is wrong: what the loader finds, and units that are gone but still needed."""
    try:
        directory = check(draft.sheets, service.live.engine().bundle.taxonomy)
    except DirectoryError as problem:
        return sorted_out(draft, problem.problems or (str(problem),))
    if gone := _still_needed(service, draft.sheets):
        return Findings(others=gone)
    return directory


def apply(service: Service, viewer: Viewer, draft: Draft) -> int:
    """Put the draft in use; returns the number of its version. Raises ConflictError, DirectoryError, StoreUnavailableError."""
    if gone := _still_needed(service, draft.sheets):
        raise ConflictError("；".join(gone))
    taxonomy = service.live.engine().bundle.taxonomy
    with service.store.read() as connection:
        by = connection.execute(select(users.c.name).where(users.c.id == viewer.user_id)).scalar_one()
    with (
        changing(service.settings, draft.sheets, taxonomy, draft.stamp, by, draft.what) as number,
        service.store.write() as connection,
    ):
        record(connection, Action.DIRECTORY_CHANGED, viewer.user_id, **{**draft.detail, "number": number})
    service.live.look()
    return number


def sorted_out(draft: Draft, problems: Sequence[str]) -> Findings:
    """The loader's problems, those of the edited row at the fields they are about."""
    fields: dict[str, str] = {}
    others = []
    for problem in problems:
        where = _LINE.match(problem)
        table, line = (where[1], where[2]) if where else ("", None)
        said = problem[where.end() :] if where else problem
        name = ""
        if draft.at is not None and (table, line) == (draft.table, str(draft.at + 2)):
            name = _field_of(table, draft.sheets.rows[table][draft.at], said)
        for word, plain in _PLAIN.items():
            said = said.replace(word, plain)
        if name:
            fields.setdefault(name, f"{said}。")
        elif "兜底单位" in said and draft.at is not None and draft.table == "units":
            fields.setdefault(
                "fallback", "总要有一个单位分办归口不明的信访件。请改在另一个单位上勾选，这里就自动取消。"
            )
        elif where:
            place = TABLE_NAMES[table] + (f"第 {line} 行" if line else "")
            others.append(f"{place}：{said}")
        else:
            others.append(said)
    return Findings(fields, tuple(others))


def _field_of(table: str, row: Mapping[str, str], said: str) -> str:
    candidates = next(fields for words, fields in _SAID[table] if words in said)
    meant = (name for name in candidates if not row.get(name) or f"“{row[name]}”" in said)
    return next(meant, candidates[0])


def _name_of(sheets: Sheets, table: str, row: Mapping[str, str]) -> str:
    """As in 0102 城管局: what names the row, a unit by its name."""
    names = {unit["id"]: unit["name"] for unit in sheets.rows["units"]}
    parts = (
        names.get(row.get(key, ""), row.get(key, "")) if key == "unit" else row.get(key, "")
        for key in _KEYS[table]
    )
    return " ".join(filter(None, parts))[:80]


def _still_needed(service: Service, sheets: Sheets) -> tuple[str, ...]:
    """Why units that the sheets leave out must stay."""
    present = {row["id"] for row in sheets.rows["units"]}
    before = {row["id"]: row["name"] for row in sheets_in_use(service).rows["units"]}
    gone = sorted(set(before) - present)
    if not gone:
        return ()
    with service.store.read() as connection:
        accounts = accounts_of_units(connection, gone)
        petitions = units_with_petitions(connection, gone)
    told = [
        f"“{before[unit]}”还有账号 {count} 个，请先停用或改到别的单位" for unit, count in accounts.items()
    ]
    told += [f"“{before[unit]}”名下还有信访件，不能删除；可以只改名称和职责" for unit in petitions]
    return tuple(told)
