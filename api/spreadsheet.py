"""Tables as an Excel workbook. What stands in a cell is text or a number, never a formula: texts that begin with = + - @ stay texts,
also when somebody edits the cell later."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any

import xlsxwriter

from api.figures import Table

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORMS = {"text": "@", "count": "#,##0", "percent": "0.0%"}
_WIDEST = 60
#: Excel does not take these in the name of a sheet, nor more characters than that.
_NOT_IN_NAMES, _NAME_LENGTH = "[]:*?/\\", 31


def workbook(tables: Sequence[Table]) -> bytes:
    """One sheet a table: its title, its note, its headings (they stay in sight), its rows."""
    out = BytesIO()
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(out, options) as book:
        forms = {
            form: book.add_format({"num_format": code, "valign": "top"}) for form, code in _FORMS.items()
        }
        quoted = book.add_format({"num_format": "@", "valign": "top", "quote_prefix": True})
        title = book.add_format({"bold": True, "font_size": 14})
        head = book.add_format(
            {"bold": True, "bottom": 1, "bg_color": "#EDF1F5", "text_wrap": True, "valign": "top"}
        )
        for table in tables:
            sheet = book.add_worksheet(_sheet_name(table.title))
            sheet.write_string(0, 0, table.title, title)
            sheet.write_string(1, 0, table.note)
            for at, column in enumerate(table.columns):
                sheet.write_string(2, at, column.label, head)
                sheet.set_column(at, at, _width(table, at))
            sheet.freeze_panes(3, 1)
            for line, row in enumerate(table.rows, start=3):
                for at, (cell, column) in enumerate(zip(row, table.columns, strict=True)):
                    _write(sheet, line, at, cell.value, forms[column.form], quoted)
    return out.getvalue()


def _write(sheet: Any, line: int, at: int, value: str | float | None, form: Any, quoted: Any) -> None:
    if isinstance(value, str):
        sheet.write_string(line, at, value, quoted if value[:1] in {"=", "+", "-", "@"} else form)
    elif value is not None:
        sheet.write_number(line, at, value, form)


def _width(table: Table, at: int) -> int:
    texts = [
        table.columns[at].label,
        *(str(row[at].value) for row in table.rows[:200] if isinstance(row[at].value, str)),
    ]
    # A Chinese character is as wide as two others.
    return min(max(8, *(len(text.encode("gbk", "replace")) + 2 for text in texts)), _WIDEST)


def _sheet_name(title: str) -> str:
    return "".join(one for one in title if one not in _NOT_IN_NAMES)[:_NAME_LENGTH]
