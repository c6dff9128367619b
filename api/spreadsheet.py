"""Tables and lists as Excel workbooks. What stands in a cell is text or a number, never a formula: texts that begin with = + - @ stay texts,
also when somebody edits the cell later."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import xlsxwriter

from api.figures import Table

TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORMS = {"text": "@", "count": "#,##0", "percent": "0.0%"}
# Nothing becomes a formula, an address or a number by what it looks like.
_OPTIONS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
_WIDEST = 60
#: What a cell holds at most.
_LONGEST = 32_767
#: Excel does not take these in the name of a sheet, nor more characters than that.
_NOT_IN_NAMES, _NAME_LENGTH = "[]:*?/\\", 31


def workbook(tables: Sequence[Table]) -> bytes:
    """One sheet a table: its title, its note, its headings (they stay in sight), its rows."""
    out = BytesIO()
    with xlsxwriter.Workbook(out, _OPTIONS | {"in_memory": True}) as book:
        forms = _Forms.of(book)
        title = book.add_format({"bold": True, "font_size": 14})
        for table in tables:
            sheet = book.add_worksheet(_sheet_name(table.title))
            sheet.write_string(0, 0, table.title, title)
            sheet.write_string(1, 0, table.note)
            for at, column in enumerate(table.columns):
                sheet.write_string(2, at, column.label, forms.head)
                sheet.set_column(at, at, _width(table, at))
            sheet.freeze_panes(3, 1)
            for line, row in enumerate(table.rows, start=3):
                for at, (cell, column) in enumerate(zip(row, table.columns, strict=True)):
                    forms.write(sheet, line, at, cell.value, column.form)
    return out.getvalue()


def list_workbook(
    title: str, columns: Sequence[tuple[str, int]], rows: Iterable[Sequence[str | int | float]]
) -> bytes:
    """One sheet: headings, rows. `columns` are headings and widths in characters. Rows go to a file of their own as they come, so memory
    does not grow with them."""
    out = BytesIO()
    with (
        tempfile.TemporaryDirectory(prefix="fenban-") as folder,
        xlsxwriter.Workbook(out, _OPTIONS | {"constant_memory": True, "tmpdir": folder}) as book,
    ):
        forms = _Forms.of(book)
        sheet = book.add_worksheet(_sheet_name(title))
        for at, (name, width) in enumerate(columns):
            sheet.set_column(at, at, width)
            sheet.write_string(0, at, name, forms.head)
        sheet.freeze_panes(1, 0)
        for line, row in enumerate(rows, start=1):
            for at, value in enumerate(row):
                forms.write(sheet, line, at, value, "text" if isinstance(value, str) else "count")
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class _Forms:
    """The formats of one workbook."""

    head: Any
    quoted: Any
    plain: Mapping[str, Any]

    @classmethod
    def of(cls, book: Any) -> _Forms:
        head = {"bold": True, "bottom": 1, "bg_color": "#EDF1F5", "text_wrap": True, "valign": "top"}
        quoted = {"num_format": "@", "valign": "top", "quote_prefix": True}
        plain = {
            form: book.add_format({"num_format": code, "valign": "top"}) for form, code in _FORMS.items()
        }
        return cls(book.add_format(head), book.add_format(quoted), plain)

    def write(self, sheet: Any, line: int, at: int, value: str | float | None, form: str) -> None:
        if isinstance(value, str):
            quoted = value[:1] in {"=", "+", "-", "@"}
            sheet.write_string(line, at, value[:_LONGEST], self.quoted if quoted else self.plain[form])
        elif value is not None:
            sheet.write_number(line, at, value, self.plain[form])


def _width(table: Table, at: int) -> int:
    texts = [
        table.columns[at].label,
        *(str(row[at].value) for row in table.rows[:200] if isinstance(row[at].value, str)),
    ]
    # A Chinese character is as wide as two others.
    return min(max(8, *(len(text.encode("gbk", "replace")) + 2 for text in texts)), _WIDEST)


def _sheet_name(title: str) -> str:
    return "".join(one for one in title if one not in _NOT_IN_NAMES)[:_NAME_LENGTH]
