"""Files as petitions: .csv, .xlsx, .xls, .jsonl in the encodings and headings offices really have.

A row that cannot be read becomes a `Reject` with its line and reason; the rows around it go on.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from itertools import islice, zip_longest
from pathlib import Path, PurePath
from typing import Any, BinaryIO

import python_calamine

from classifier.dates import parse_date
from classifier.errors import ColumnError, EmptyTextError, InputError, TextTooLongError, UnreadableFileError
from classifier.normalise import normalised
from classifier.petition import CHANNEL_ALIASES, Petition, Petitioner

#: A petition's title and text together; longer ones are files that belong in an attachment.
MAX_CHARACTERS = 100_000
#: Spreadsheet exports often begin with a banner; the header is looked for in this many rows.
_HEADER_ROWS = 10
#: The keys of so many JSON objects are looked at for headings.
_FIRST_OBJECTS = 100
#: One of these must be there.
_TEXTS = frozenset({"text", "title"})
_JSON_LINES = frozenset({".jsonl", ".ndjson"})
_TABLES = frozenset({".csv", ".tsv", ".txt"})
_WORKBOOKS = frozenset({".xlsx", ".xls", ".xlsm", ".xlsb", ".ods"})

#: Usual headings of each field, most usual first. English names are the fields themselves.
HEADINGS: dict[str, tuple[str, ...]] = {
    "id": ("id", "编号", "留言编号", "信访编号", "信访件编号", "工单编号", "工单号", "受理编号", "登记编号", "诉求编号", "事项编号", "序号"),
    "title": ("title", "标题", "留言主题", "诉求标题", "信访标题", "主题", "工单标题", "来信标题", "事由", "概况"),
    "text": ("text", "内容", "留言详情", "诉求内容", "信访内容", "留言内容", "来信内容", "正文", "详情", "工单内容", "反映内容", "问题描述", "事项内容", "主要内容", "诉求描述"),
    "name": ("name", "来信人", "姓名", "信访人", "信访人姓名", "反映人", "投诉人", "联系人", "来访人", "来电人", "诉求人", "留言人"),
    "phone": ("phone", "电话", "联系电话", "手机", "手机号", "手机号码", "来电号码", "联系方式", "电话号码"),
    "id_number": ("id_number", "身份证", "身份证号", "身份证号码", "证件号码", "证件号"),
    "address": ("address", "住址", "地址", "联系地址", "家庭住址", "户籍地址", "现住址"),
    "account": ("account", "petitioner", "sender", "留言用户", "用户", "用户编号", "用户名", "账号"),
    "joint_names": ("joint_names", "联名人", "共同信访人", "联名信访人", "联名人姓名", "共同信访人姓名", "同访人"),
    "joint_phones": ("joint_phones", "联名人电话", "共同信访人电话", "联名人联系电话"),
    "joint_id_numbers": ("joint_id_numbers", "联名人身份证号", "共同信访人身份证号", "联名人证件号码"),
    "agent_name": ("agent_name", "代理人", "代理人姓名", "委托代理人", "受托人"),
    "agent_phone": ("agent_phone", "代理人电话", "代理人联系电话", "代理人手机", "代理人联系方式", "委托代理人电话"),
    "agent_id_number": ("agent_id_number", "代理人身份证号", "代理人身份证", "代理人证件号码"),
    "agent_address": ("agent_address", "代理人住址", "代理人地址"),
    "received_at": ("received_at", "时间", "留言时间", "来信时间", "登记时间", "信访日期", "来电时间", "受理时间", "日期", "创建时间", "来访时间", "提交时间", "登记日期"),
    "channel": ("channel", "渠道", "来源", "信访形式", "信访方式", "受理渠道", "来源渠道", "诉求来源"),
    "district": ("district", "辖区", "区县", "所属区域", "所在地区", "问题属地", "发生地", "区域", "街道", "乡镇"),
    "people": ("people", "人数", "信访人数", "来访人数"),
    "category": ("category", "分类", "内容分类", "一级分类", "一级标签", "问题分类", "诉求分类", "类别", "二级分类"),
    "alternative": ("alternative", "备选分类"),
    "group": ("group",),
    "kind": ("kind", "诉求类型", "信访目的", "类型", "诉求性质", "信件类型"),
    "unit": ("unit", "承办单位", "责任单位", "办理单位", "主办单位", "处理单位", "去向", "回复单位"),
}  # fmt: skip
_NOBODY = Petitioner()
_FIELD_OF = {heading: name for name, headings in HEADINGS.items() for heading in headings}
_SPACES = re.compile(r"[\s*：:]+")
# Several people in one cell; 等5人 after them says how many, not who.
_BETWEEN_PEOPLE = re.compile(r"[、,，;；/／|\n]+")
_AND_OTHERS = re.compile(r"等\s*[\d一二三四五六七八九十百]*\s*人?$")


@dataclass(frozen=True, slots=True)
class Record:
    """One readable row: its line (1-based, in the file) and its fields as text, only those that are not empty."""

    line: int
    fields: Mapping[str, str] = field(repr=False)
    #: All cells of the row, and what stands above them.
    row: tuple[str, ...] = field(default=(), repr=False)
    headings: tuple[str, ...] = field(default=(), repr=False)

    def __getitem__(self, name: str) -> str:
        return self.fields.get(name, "")


@dataclass(frozen=True, slots=True)
class Reject:
    """One row that cannot be used: its line, why, and for the rejects file the row itself with its headings."""

    line: int
    reason: str
    row: tuple[str, ...] = field(default=(), repr=False)
    headings: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Content:
    """A file that is in memory and nowhere else. Its name says its type."""

    name: str
    data: bytes = field(repr=False)


Source = Path | Content


@dataclass(frozen=True, slots=True)
class Layout:
    """The headings of a file in order, without blanks and stars, and which of them feeds which field."""

    headings: tuple[str, ...]
    fields: Mapping[str, str]


def read_records(source: Source, mapping: Mapping[str, str] | None = None) -> Iterator[Record | Reject]:
    """The rows of a file in order. `mapping` names the heading of a field where it is not a usual one, "" for a field to leave out.

    Raises UnreadableFileError (missing, of another type, broken workbook), ColumnError (no column holds a text, or a mapped heading
    is not there) before the first row.
    """
    if _suffix(source) in _JSON_LINES:
        return _json_lines(source, mapping or {})
    return _table(_rows(source), mapping or {}, source.name)


def layout(source: Source, mapping: Mapping[str, str] | None = None) -> Layout:
    """Which columns would be read. Where none holds a text, the fullest of the first rows is taken for the headings.

    Raises UnreadableFileError.
    """
    wanted = mapping or {}
    if _suffix(source) in _JSON_LINES:
        first = islice(_json_lines(source, {}), _FIRST_OBJECTS)
        headings = list(dict.fromkeys(heading for item in first for heading in item.headings))
    else:
        rows = [
            [_SPACES.sub("", _cell(cell)) for cell in row] for _, row in islice(_rows(source), _HEADER_ROWS)
        ]
        with_text = (row for row in rows if _TEXTS & set(_columns(row, wanted).values()))
        headings = next(with_text, max(rows, key=lambda row: len(set(filter(None, row))), default=[]))
    fields = {name: headings[i] for i, name in _columns(headings, wanted).items()}
    return Layout(tuple(dict.fromkeys(filter(None, headings))), fields)


def _suffix(source: Source) -> str:
    """The type of a file, one that can be read. Raises UnreadableFileError."""
    suffix = PurePath(source.name).suffix.lower()
    if isinstance(source, Path) and not source.is_file():
        raise UnreadableFileError(f"找不到文件 {source.name}。请检查路径。")
    if suffix not in _JSON_LINES | _TABLES | _WORKBOOKS:
        raise UnreadableFileError(
            f"不支持 {suffix or '没有扩展名'} 的文件。请用 .csv、.xlsx、.xls 或 .jsonl。"
        )
    return suffix


def _opened(source: Source) -> BinaryIO:
    return io.BytesIO(source.data) if isinstance(source, Content) else source.open("rb")


def _rows(source: Source) -> Iterator[Cells]:
    return _csv_rows(source) if _suffix(source) in _TABLES else _workbook_rows(source)


def parse_mapping(pairs: Iterable[str]) -> dict[str, str]:
    """`内容=诉求描述` or `text=诉求描述`, several joined by commas. Raises ColumnError."""
    mapping: dict[str, str] = {}
    for pair in (piece for pairs_ in pairs for piece in re.split("[,，]", pairs_) if piece.strip()):
        name, equals, heading = (part.strip() for part in pair.partition("="))
        known = _FIELD_OF.get(name)
        if not equals or not heading or known is None:
            raise ColumnError(
                f"--map “{pair[:40]}”看不懂。写法：--map 内容=文件里的列名；可用字段：{'、'.join(h[1] for h in HEADINGS.values() if len(h) > 1)}。"
            )
        mapping[known] = heading
    return mapping


def to_petition(record: Record) -> Petition:
    """The petition of a record; its id is the row's, or `line-N`. Raises InputError naming what is wrong."""
    title, text = record["title"], record["text"]
    check_text(title, text)
    channel = record["channel"]
    people = record["people"] or "1"
    first, *others = _people(record["name"], record["phone"], record["id_number"])
    joint = _people(record["joint_names"], record["joint_phones"], record["joint_id_numbers"])
    return Petition(
        id=record["id"] or f"line-{record.line}",
        title=title,
        text=text,
        petitioner=replace(first, address=record["address"], account=record["account"]),
        channel=CHANNEL_ALIASES.get(channel.upper()) if channel else None,
        received_at=parse_date(record["received_at"]) if record["received_at"] else None,
        district=record["district"],
        people=int(people) if people.isdecimal() and 0 < int(people) < 1_000_000 else 1,
        joint_petitioners=tuple(person for person in (*others, *joint) if person != _NOBODY),
        agent=Petitioner(
            record["agent_name"], record["agent_id_number"], record["agent_phone"], record["agent_address"]
        ),
    )


def _people(names: str, phones: str, id_numbers: str) -> list[Petitioner]:
    """The people of three cells, at least one, perhaps nobody: the first of each cell belong together. A cell without a separator stays
    as it is; more numbers than names stand for people without a name.
    """
    cells = (_AND_OTHERS.sub("", names) if _BETWEEN_PEOPLE.search(names) else names, id_numbers, phones)
    split = [[part.strip() for part in _BETWEEN_PEOPLE.split(cell) if part.strip()] for cell in cells]
    return [Petitioner(*parts) for parts in zip_longest(*split, fillvalue="")] or [_NOBODY]


def check_text(title: str, text: str) -> None:
    """Raises EmptyTextError when nothing visible is there, TextTooLongError beyond MAX_CHARACTERS."""
    length = len(title) + len(text)
    if length > MAX_CHARACTERS:
        raise TextTooLongError(
            f"内容有 {length:,} 个字符，超过 {MAX_CHARACTERS:,} 的上限。请只放信访内容，其余作为附件。"
        )
    if not normalised(title + text).strip():
        raise EmptyTextError("标题和内容都是空的。请填写信访内容。")


def petitions(
    source: Source, mapping: Mapping[str, str] | None = None
) -> Iterator[tuple[Record, Petition] | Reject]:
    """The petitions of a file with their records; rows that are no petition come as `Reject`."""
    return map(checked, read_records(source, mapping))


def checked(item: Record | Reject) -> tuple[Record, Petition] | Reject:
    """The petition of a readable row, if it is one."""
    if isinstance(item, Reject):
        return item
    try:
        return item, to_petition(item)
    except InputError as problem:
        return Reject(item.line, str(problem), item.row, item.headings)


def count_rows(path: Path) -> int | None:
    """A quick upper estimate of rows for a progress bar; None when it would cost a full read of a workbook."""
    if path.suffix.lower() in _TABLES | _JSON_LINES:
        with path.open("rb") as file:
            return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    return None


Cells = tuple[int, Sequence[Any]]


def _csv_rows(source: Source) -> Iterator[Cells]:
    """The rows, read as they are asked for: a file larger than memory will do."""

    def blocks() -> Iterator[bytes]:
        with _opened(source) as file:
            yield from iter(lambda: file.read(1 << 20), b"")

    encoding = _encoding(blocks, source.name)
    csv.field_size_limit(min(sys.maxsize, 1 << 30))
    with io.TextIOWrapper(_opened(source), encoding, "replace", newline="\n") as file:
        first = file.readline(1 << 20)
    delimiter = max(",\t;", key=first.count)
    with io.TextIOWrapper(_opened(source), encoding, "replace", newline="") as file:
        yield from _cells(csv.reader(file, delimiter=delimiter))


def _cells(reader: Any) -> Iterator[Cells]:
    previous = 0
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error:
            previous = reader.line_num
            yield previous, _BROKEN
            continue
        yield previous + 1, row
        previous = reader.line_num


#: Stands for a row that the format's own reader could not make out.
_BROKEN: tuple[str, ...] = ("\0broken",)


def decode(content: bytes, name: str) -> str:
    """UTF-8 with or without BOM, UTF-16 with BOM, or GB18030, whichever fits; a few broken bytes become U+FFFD.

    Raises UnreadableFileError when none fits nearly.
    """
    return content.decode(_encoding(lambda: iter([content]), name), "replace")


def _encoding(blocks: Callable[[], Iterator[bytes]], name: str) -> str:
    """The encoding that `decode` speaks of. `blocks` gives the content in pieces, from its start each time it is called."""
    start = next(blocks(), b"")
    if start[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return "utf-16"
    best, length, fewest = "", 0, sys.maxsize
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            for _ in codecs.iterdecode(blocks(), encoding):
                pass
            return encoding
        except UnicodeDecodeError:
            sizes = [
                (len(text), text.count("\ufffd")) for text in codecs.iterdecode(blocks(), encoding, "replace")
            ]
            if (broken := sum(count for _, count in sizes)) < fewest:
                best, length, fewest = encoding, sum(size for size, _ in sizes), broken
    if fewest > max(3, length // 100):
        raise UnreadableFileError(f"{name} 的编码无法识别。请在表格软件里另存为“CSV UTF-8”或 .xlsx。")
    return best


def _workbook_rows(source: Source) -> Iterator[Cells]:
    try:
        workbook = python_calamine.load_workbook(
            _opened(source) if isinstance(source, Content) else str(source)
        )
        sheets = (workbook.get_sheet_by_index(i) for i in range(len(workbook.sheet_names)))
        sheet = next((s for s in sheets if s.height), None)
        rows: Iterable[Sequence[Any]] = sheet.iter_rows() if sheet is not None else ()
    except BaseException as problem:  # calamine raises its own kinds for each broken part, and panics at some
        if not isinstance(problem, Exception) and type(problem).__name__ != "PanicException":
            raise
        raise UnreadableFileError(
            f"{source.name} 打不开（{type(problem).__name__}）。请在表格软件里重新另存一份。"
        ) from None
    yield from enumerate(rows, start=1)  # rows above the first filled one come, too


def _table(rows: Iterator[Cells], mapping: Mapping[str, str], name: str) -> Iterator[Record | Reject]:
    return _body(rows, *_find_header(rows, mapping, name))


def _find_header(
    rows: Iterator[Cells], mapping: Mapping[str, str], name: str
) -> tuple[dict[int, str], tuple[str, ...]]:
    """Column index to field, and the headings as they stand there."""
    seen: list[str] = []
    for _, row in (next(rows, (0, ())) for _ in range(_HEADER_ROWS)):
        headings = [_SPACES.sub("", _cell(cell)) for cell in row]
        columns = _columns(headings, mapping)
        if _TEXTS & set(columns.values()):
            missing = {field for field, heading in mapping.items() if heading} - set(columns.values())
            if missing:
                raise ColumnError(
                    f"{name} 里没有列“{'、'.join(mapping[m] for m in sorted(missing))}”。现有列：{_list(headings)}。"
                )
            return columns, tuple(_cell(cell) for cell in row)
        seen = seen or headings
    raise ColumnError(f"{name} 里找不到标题列或内容列。现有列：{_list(seen)}。请用 --map 内容=列名 指出。")


def _columns(headings: Sequence[str], mapping: Mapping[str, str]) -> dict[int, str]:
    """Column index to field: mapped headings first, then for each field its most usual heading present."""
    place = {heading: i for i, heading in reversed(list(enumerate(headings))) if heading}
    lower = {heading.lower(): i for heading, i in place.items()}
    columns: dict[int, str] = {}
    for name, usual in HEADINGS.items():
        wanted = usual if name not in mapping else (mapping[name],) if mapping[name] else ()
        index = next(
            (lower[h.lower()] for h in wanted if h.lower() in lower and lower[h.lower()] not in columns), None
        )
        if index is not None:
            columns[index] = name
    return columns


def _body(
    rows: Iterator[Cells], columns: Mapping[int, str], headings: tuple[str, ...]
) -> Iterator[Record | Reject]:
    width = max(columns) + 1
    for line, row in rows:
        cells = tuple(_cell(cell) for cell in row)
        if not any(cells):
            continue
        if row is _BROKEN:
            yield Reject(line, "这一行的引号或分隔符不完整，读不出来")
        elif len(cells) < width and any(
            i >= len(cells) and name in {"text", "title"} for i, name in columns.items()
        ):
            yield Reject(line, f"这一行只有 {len(cells)} 列，缺少内容列", cells, headings)
        elif any("\ufffd" in cells[i] for i in columns if i < len(cells)):
            yield Reject(line, "这一行的编码损坏，有认不出的字符", cells, headings)
        else:
            found = {name: cells[i] for i, name in columns.items() if i < len(cells) and cells[i]}
            yield Record(line, found, cells, headings)


def _json_lines(source: Source, mapping: Mapping[str, str]) -> Iterator[Record | Reject]:
    with _opened(source) as file:
        for line, content in enumerate(file, start=1):
            if not content.strip():
                continue
            try:
                value = json.loads(content.decode("utf-8-sig"))
            except (UnicodeDecodeError, ValueError, RecursionError):
                yield Reject(line, "这一行不是 UTF-8 的 JSON", (content[:200].decode("utf-8", "replace"),))
                continue
            if not isinstance(value, dict):
                yield Reject(line, "这一行不是 JSON 对象")
                continue
            keys = [str(key) for key in value]
            columns = _columns(keys, mapping)
            cells = tuple(_cell(cell) for cell in value.values())
            found = {name: cells[i] for i, name in columns.items() if cells[i]}
            yield Record(line, found, cells, tuple(keys))


def _cell(value: Any) -> str:
    """A cell as text: whole floats without the `.0` that spreadsheets add to phone numbers, dates in ISO form."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, date | time):
        return value.isoformat()
    return str(value).strip()


def _list(headings: Sequence[str]) -> str:
    return "、".join(heading[:12] for heading in headings if heading)[:200] or "（空）"
