"""A row of the unit directory as a form: which fields each table has, what they show of a row, and the row that was typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from api.names import Names
from api.service import Service
from api.workbench.contexts.directory import Cell, Field, Option
from api.workbench.look_up import Listed, chosen
from classifier.errors import UnknownCodeError
from classifier.petition import Kind
from classifier.sounds import initials
from classifier.taxonomy import Taxonomy

ABOUT: Mapping[str, str] = {
    "units": "单位的名称、职责和别名。职责用来推荐承办单位，别名用来认出信里说的是哪个单位。",
    "categories": "每个分类由谁主办、谁协办，依据是什么。没有写的分类按上一级的办。",
    "districts": "乡镇、街道、社区等地名，和负责属地的单位。",
    "rules": "例外：写明的条件都满足时，直接由指定的单位主办或协办。优先级大的先算。",
}
#: The mark of a rule for whichever unit the text complains of.
ANY_UNIT = "*"
_LEAD_OR_JOINT = (("主办", "主办"), ("协办", "协办"))
_KINDS = (("", "不限"), *((kind.value, kind.value) for kind in Kind))
_SEPARATOR = "、"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A field as a table has it."""

    name: str
    label: str
    sort: str = "text"
    hint: str = ""
    list: Listed | None = None
    options: tuple[tuple[str, str], ...] = ()
    is_needed: bool = False


_HINT = "名称、拼音首字母或代码"
#: What else a letter may call a place of.
_BELOW = "别名、下属村社区"
_UNIT = _Asked("unit", "单位", "ahead", _HINT, Listed.UNITS, is_needed=True)
_FORMS: Mapping[str, tuple[_Asked, ...]] = {
    "units": (
        _Asked("name", "名称", is_needed=True),
        _Asked("id", "代码", hint="字母或数字，定了不再改；不写则按拼音首字母"),
        _Asked("parent", "上级单位", "ahead", "没有就不写", Listed.UNITS),
        _Asked("duties", "职责", "lines", "每行一条"),
        _Asked("aliases", "别名", "lines", "每行一个；不要用日常词语"),
        _Asked("fallback", "归口不明的信访件由它分办", "check", "全部单位里只有一个"),
    ),
    "categories": (
        _Asked("category", "分类", "ahead", _HINT, Listed.CATEGORIES, is_needed=True),
        _UNIT,
        _Asked("role", "主办或协办", "choice", options=_LEAD_OR_JOINT),
        _Asked("basis", "依据", "prose", "职责条目或法规条文，随建议一起显示"),
    ),
    "districts": (
        _Asked("name", "名称", is_needed=True),
        _Asked("code", "代码", hint="例：D13", is_needed=True),
        _Asked("aliases", _BELOW, "lines", "每行一个"),
        _UNIT,
    ),
    "rules": (
        _Asked("id", "编号", hint="例：R61", is_needed=True),
        _Asked("priority", "优先级", "number", "大的先算"),
        _Asked("keywords", "关键词", "lines", "每行一个，信里有任何一个就算"),
        _Asked("category", "分类", "lines", "每行一个代码或名称，属于任何一个就算"),
        _Asked("kind", "诉求类型", "choice", options=_KINDS),
        _Asked("respondent", "信里投诉的单位", "ahead", "没有就不写", Listed.UNITS),
        _Asked("any", "投诉目录里任何一个单位都算", "check"),
        _Asked("district", "辖区", "ahead", "没有就不写", Listed.DISTRICTS),
        _Asked("unit", "交给哪个单位", "ahead", _HINT, Listed.UNITS, is_needed=True),
        _Asked("role", "主办或协办", "choice", options=_LEAD_OR_JOINT),
        _Asked("ground", "理由", "prose", "随建议一起显示"),
    ),
}
#: The columns of a list, by the field of a row they show.
_COLUMNS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "units": (("name", "单位"), ("parent", "上级"), ("duties", "职责"), ("aliases", "别名")),
    "categories": (("category", "分类"), ("unit", "单位"), ("role", "角色"), ("basis", "依据")),
    "districts": (("name", "辖区"), ("aliases", _BELOW), ("unit", "负责的单位")),
    "rules": (("id", "编号"), ("priority", "优先级"), ("keywords", "条件"), ("unit", "单位"), ("ground", "理由")),
}  # fmt: skip
#: So many characters of a cell, and so many names of categories, a list shows.
_SHOWN, _FEW = 60, 4
# These go side by side, the others over the whole width.
_WIDE = frozenset({"duties", "basis", "ground", "fallback"})
_UNDER = frozenset({"any"})
#: Columns of short names beside columns of sentences.
_TIGHT: Mapping[str, frozenset[str]] = {
    "units": frozenset({"name", "parent"}),
    "categories": frozenset({"unit", "role"}),
    "districts": frozenset({"name"}),
    "rules": frozenset({"id", "priority", "unit"}),
}
#: A category's name that says nothing without what it belongs to.
_OTHER = "其他"


def columns(table: str) -> tuple[str, ...]:
    return tuple(label for _, label in _COLUMNS[table])


def fields(
    service: Service,
    table: str,
    row: Mapping[str, str],
    is_new: bool,
    problems: Mapping[str, str],
    typed: Mapping[str, str],
) -> tuple[Field, ...]:
    """The form of a row. What was `typed` goes before what the row holds, so that a mistake is seen as it was made."""
    names = Names.of(service.live.engine())
    return tuple(_field(names, table, asked, row, is_new, problems, typed) for asked in _FORMS[table])


def read(
    service: Service, table: str, form: Mapping[str, str], is_new: bool, present: set[str]
) -> tuple[dict[str, str], dict[str, str]]:
    """The row that was typed, and what is wrong with single fields before anything else is checked.

    `present` are the ids that a new unit's own must differ from. A unit's id never changes: decisions and accounts refer to it.
    """
    taxonomy = service.live.engine().bundle.taxonomy
    row: dict[str, str] = {}
    problems: dict[str, str] = {}
    for asked in _FORMS[table]:
        text = form.get(asked.name, "")
        try:
            if asked.sort == "ahead" and asked.list is not None:
                row[asked.name] = chosen(service, asked.list, text, form.get(f"{asked.name}_typed"))
            elif asked.sort == "lines":
                row[asked.name] = _lines(text, taxonomy if asked.name == "category" else None)
            elif asked.sort == "check":
                row[asked.name] = "1" if text else ""
            else:
                row[asked.name] = " ".join(text.split())
            if asked.is_needed and not row[asked.name]:
                problems[asked.name] = f"请填写{asked.label}。"
        except UnknownCodeError as problem:
            row[asked.name] = text
            problems[asked.name] = str(problem)
    if table == "units":
        if not is_new:
            del row["id"]
        elif not row["id"]:
            row["id"] = _fresh_id(row["name"], present)
    if table == "rules" and row.pop("any"):
        row["respondent"] = ANY_UNIT
        problems.pop("respondent", None)
    return row, problems


def cells(service: Service, table: str, row: Mapping[str, str], whole: bool = False) -> tuple[Cell, ...]:
    """A row as a list shows it; `whole`: with all it says, however long."""
    names = Names.of(service.live.engine())
    told = ((name, label, _cell(names, table, row, name, whole)) for name, label in _COLUMNS[table])
    tight = _TIGHT[table]
    return tuple(Cell(label, text, more, name in tight) for name, label, (text, more) in told)


def _listed(names: Names, listed: Listed, code: str) -> str:
    called = {
        Listed.CATEGORIES: names.category_alone,
        Listed.UNITS: names.unit,
        Listed.DISTRICTS: names.district,
    }
    return called[listed](code)


def _field(
    names: Names,
    table: str,
    asked: _Asked,
    row: Mapping[str, str],
    is_new: bool,
    problems: Mapping[str, str],
    typed: Mapping[str, str],
) -> Field:
    value = row.get(asked.name, "")
    if asked.name == "any":
        value = "1" if row.get("respondent") == ANY_UNIT else ""
    elif asked.name == "respondent" and value == ANY_UNIT:
        value = ""
    shown, path = "", ""
    if asked.list is not None:
        path = f"/look-up/{asked.list}"
        shown = _listed(names, asked.list, value)
    elif asked.sort == "lines":
        value = value.replace(_SEPARATOR, "\n")
    if typed:
        value = typed.get(asked.name, "")
        shown = typed.get(f"{asked.name}_typed", shown)
    sort = "fixed" if table == "units" and asked.name == "id" and not is_new else asked.sort
    options = tuple(Option(kept, label) for kept, label in asked.options)
    hint = "；".join(filter(None, ("必填" if asked.is_needed else "", asked.hint)))
    return Field(
        asked.name, asked.label, sort, "" if sort == "fixed" else hint, row.get("id", "") if sort == "fixed" else value,
        shown, path, options, problems.get(asked.name, ""), asked.name in _WIDE, asked.name in _UNDER,
    )  # fmt: skip


def _cell(names: Names, table: str, row: Mapping[str, str], name: str, whole: bool) -> tuple[str, str]:
    """A cell's text and what comes after it in small type."""
    value = row.get(name, "")
    if name in {"unit", "parent"}:
        return names.unit(value), row.get("role", "") if table == "rules" else ""
    if name == "category":
        return names.category(value), value
    if table == "rules" and name == "keywords":
        return _conditions(names, row, whole), ""
    if name in {"duties", "aliases"}:
        return value if whole else _short(value), ""
    more = (
        {"units": row.get("id", ""), "districts": row.get("code", "")}.get(table, "")
        if name == "name"
        else ""
    )
    if table == "units" and name == "name" and row.get("fallback") == "1":
        more += "　归口不明的由它分办"
    return value, more


def _conditions(names: Names, row: Mapping[str, str], whole: bool) -> str:
    respondent, keywords = row.get("respondent", ""), row.get("keywords", "")
    categories = [_category(names, code) for code in row.get("category", "").split(_SEPARATOR)]
    told = (
        ("含", keywords if whole else _short(keywords)),
        ("分类", _SEPARATOR.join(categories) if whole else _few(categories)),
        ("类型", row.get("kind", "")),
        ("被投诉的单位", "任何单位" if respondent == ANY_UNIT else names.unit(respondent)),
        ("辖区", names.district(row.get("district", ""))),
    )
    return "；".join(f"{what}：{text}" for what, text in told if text)


def _category(names: Names, code: str) -> str:
    name = names.category_alone(code)
    return names.category_short(code) if name == _OTHER else name


def _short(text: str) -> str:
    """As many whole values as there is room for."""
    if len(text) <= _SHOWN:
        return text
    begin, values = text[: _SHOWN + 1].rpartition(_SEPARATOR)[0], text.split(_SEPARATOR)
    return _of(begin, len(values)) if begin else f"{text[:_SHOWN]}…"


def _few(names: Sequence[str]) -> str:
    shown = _SEPARATOR.join(names[:_FEW])
    return _of(shown, len(names)) if len(names) > _FEW else shown


def _of(shown: str, many: int) -> str:
    # Not to be parted at the end of a line.
    return f"{shown} 等\u00a0{many}\u00a0项"


def _lines(text: str, taxonomy: Taxonomy | None) -> str:
    """One value a line, or several joined as the file joins them. Names of categories become codes. Raises UnknownCodeError."""
    parts = [part.strip() for line in text.splitlines() for part in line.split(_SEPARATOR) if part.strip()]
    if taxonomy is not None:
        parts = [taxonomy.find(part) for part in parts]
    return _SEPARATOR.join(dict.fromkeys(parts))


def _fresh_id(name: str, present: set[str]) -> str:
    base = initials(name).split(" ")[0]
    if not base:
        return ""
    numbered = (base if n == 1 else f"{base}{n}" for n in range(1, len(present) + 2))
    return next(found for found in numbered if found not in present)
