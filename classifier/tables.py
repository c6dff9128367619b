"""Reference data in CSV files an office may edit: read whatever spreadsheet programs save, say which line is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from classifier.errors import ReferenceDataError

_SHOWN_PROBLEMS = 5

Row = tuple[int, dict[str, str]]


def read_text(file: Path, error: type[ReferenceDataError]) -> str:
    """The text of a UTF-8 (with or without BOM) or GB18030 file. Raises `error` when it is missing or neither."""
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise error(f"找不到 {file.name}。请检查目录 {file.parent.name}。") from None
    except OSError as problem:
        raise error(f"{file.name} 打不开：{problem.strerror}。") from None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise error(f"{file.name} 的编码无法识别。请另存为 UTF-8。")


def parse_rows(text: str, needed: Sequence[str], source: str, error: type[ReferenceDataError]) -> list[Row]:
    """Rows as dicts of stripped strings, each with its line number. Blank rows are left out.

    Raises `error` when a needed column is missing, or when it is no table at all.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        missing = [column for column in needed if column not in (reader.fieldnames or ())]
        if missing:
            raise error(f"{source} 第 1 行：缺少列 {'、'.join(missing)}。请补上表头。")
        rows = [
            (
                reader.line_num,
                {key: (value or "").strip() for key, value in row.items() if isinstance(key, str)},
            )
            for row in reader
        ]
    except csv.Error:
        raise error(
            f"{source} 第 {reader.line_num + 1} 行：格式读不懂，或有一格太长。请检查引号和分隔符。"
        ) from None
    return [(line, row) for line, row in rows if any(row.values())]


def raise_problems(problems: Sequence[str], error: type[ReferenceDataError]) -> None:
    """Raise `error` with the first few problems in its message and all of them in `problems`, if there are any."""
    if problems:
        more = f"；另有 {len(problems) - _SHOWN_PROBLEMS} 处" if len(problems) > _SHOWN_PROBLEMS else ""
        raise error("；".join(problems[:_SHOWN_PROBLEMS]) + more + "。请改正后重试。", tuple(problems))
