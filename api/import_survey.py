"""What a file would bring in, before anything of it is stored: its columns, its first rows as they will be read, how many will not do."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, time
from io import BytesIO
from typing import Any

from classifier.dates import CHINA
from classifier.errors import ColumnError, UnreadableFileError
from classifier.petition import Petition
from classifier.records import Content, Record, Reject, checked, layout, read_records
from classifier.tokenise import Tokeniser
from classifier.triage import read

#: Rows shown, and reasons of rejects.
SHOWN, SHOWN_REJECTS = 5, 5
#: So many rows are tried one by one (1.5 s); of a longer file the rest is only counted, at a tenth of the time.
CHECKED = 20_000
#: A workbook is a zip: what it unpacks to is held in memory.
_MOST_UNPACKED = 1 << 30

#: Fields that say who somebody is: shown masked.
IDENTITY = frozenset({
    "name", "phone", "id_number", "address", "account", "joint_names", "joint_phones", "joint_id_numbers",
    "agent_name", "agent_phone", "agent_id_number", "agent_address",
})  # fmt: skip
#: What an import reads. Categories and units of a file are no decisions, and left alone.
FIELDS = (
    "title", "text", "received_at", "channel", "district", "people", "id", "name", "phone", "id_number", "address", "account",
    "joint_names", "joint_phones", "joint_id_numbers", "agent_name", "agent_phone", "agent_id_number", "agent_address",
)  # fmt: skip
_LONGEST = {"title": 40, "text": 90}
_USUAL = 24
_QUOTED = re.compile("“[^”]*”")
_BETWEEN = re.compile(r"([、,，;；/／|\s]+)")


@dataclass(frozen=True, slots=True)
class Survey:
    """`fields`: which heading feeds which field. `rows`: line and what is shown of each field. `rejects`: line and reason.

    Of `total` rows `checked` were tried, and `rejected` of those will not do. `problem` says why nothing can be imported yet.
    """

    headings: tuple[str, ...]
    fields: Mapping[str, str]
    total: int = 0
    checked: int = 0
    rejected: int = 0
    rows: tuple[tuple[int, Mapping[str, str]], ...] = ()
    rejects: tuple[tuple[int, str], ...] = ()
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Survey:
        lists = {name: tuple(tuple(item) for item in found[name]) for name in ("rows", "rejects")}
        return cls(**found | lists | {"headings": tuple(found["headings"])})


def survey(content: Content, mapping: Mapping[str, str], tokeniser: Tokeniser) -> Survey:
    """Raises UnreadableFileError: another type, broken, empty. A text column that is missing is the survey's `problem`."""
    _check_size(content)
    found = layout(content, mapping)
    if not found.headings:
        raise UnreadableFileError("文件是空的。请换一个文件。")
    fields = {name: heading for name, heading in found.fields.items() if name in FIELDS}
    try:
        items = read_records(content, mapping)
        total = rejected = 0
        rows: list[tuple[int, Mapping[str, str]]] = []
        rejects: list[tuple[int, str]] = []
        for item in items:
            total += 1
            if total > CHECKED:
                continue
            done = checked(item)
            if isinstance(done, Reject):
                rejected += 1
                if len(rejects) < SHOWN_REJECTS:
                    rejects.append((done.line, _reason(done.reason, fields)))
            elif len(rows) < SHOWN:
                rows.append((done[0].line, _shown(*done, tokeniser)))
    except ColumnError:
        problem = "没有认出哪一列是内容。请在下面给“内容”或“标题”选一列；表格要有一行列名。"
        return Survey(found.headings, fields, problem=problem)
    if not total:
        raise UnreadableFileError("文件里没有信访件：表头下面没有数据。请换一个文件。")
    problem = "" if rejected < total else "没有一行可以导入。请检查下面的列是不是选对了。"
    return Survey(
        found.headings, fields, total, min(total, CHECKED), rejected, tuple(rows), tuple(rejects), problem
    )


def _reason(text: str, fields: Mapping[str, str]) -> str:
    """Why a row will not do. The cell it quotes may be anything while columns are not yet in their places: the column is named instead."""
    plain = _QUOTED.sub("", text)
    heading = fields.get("received_at", "")
    return f"“{heading}”一列的{plain}" if heading and plain.startswith("日期") and plain != text else plain


def _check_size(content: Content) -> None:
    if content.data[:2] != b"PK":
        return
    try:
        with zipfile.ZipFile(BytesIO(content.data)) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
    except zipfile.BadZipFile:
        return  # the reader says what is wrong
    if unpacked > _MOST_UNPACKED:
        raise UnreadableFileError("表格里的内容太多，打不开。请分成几个文件，或另存为 CSV 上传。")


def _shown(record: Record, petition: Petition, tokeniser: Tokeniser) -> dict[str, str]:
    """What is shown of a row: as it will be read, redacted, and shortened."""
    reading = read(petition, tokeniser, bytes(32))
    as_read = {
        "title": reading.title,
        "text": reading.text,
        "received_at": _moment(petition.received_at),
        "channel": petition.channel.value if petition.channel else "",
        "people": str(petition.people),
    }
    return {
        name: _short(mask(record[name]) if name in IDENTITY else as_read.get(name, record[name]), name)
        for name in FIELDS
        if record[name]
    }


def mask(cell: str) -> str:
    """Of each name or number only its first character."""
    return "".join(
        piece if _BETWEEN.fullmatch(piece) else piece[:1] + "＊" * min(len(piece) - 1, 2)
        for piece in _BETWEEN.split(cell)
    )


def _short(text: str, name: str) -> str:
    longest = _LONGEST.get(name, _USUAL)
    return text if len(text) <= longest else f"{text[:longest]}…"


def _moment(moment: datetime | None) -> str:
    """With the time of day where one was given."""
    if moment is None:
        return ""
    local = moment.astimezone(CHINA)
    return f"{local:%Y-%m-%d}" if local.time() == time() else f"{local:%Y-%m-%d %H:%M}"
