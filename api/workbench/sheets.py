"""Excel workbooks of lists: one sheet, a heading line, text as text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from io import BytesIO

import xlsxwriter
from fastapi import Response

_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
# What a cell holds at most.
_LONGEST = 32_767


def workbook(
    title: str, columns: Sequence[tuple[str, int]], rows: Iterable[Sequence[str | int | float]]
) -> bytes:
    """`columns` are headings and widths in characters. Rows go to a file of their own as they come, so memory does not grow with them;
    nothing in a cell is ever a formula or an address."""
    out = BytesIO()
    with tempfile.TemporaryDirectory(prefix="fenban-") as folder:
        book = xlsxwriter.Workbook(out, {"constant_memory": True, "tmpdir": folder})
        sheet = book.add_worksheet(title)
        heading = book.add_format({"bold": True, "bottom": 1})
        for at, (name, width) in enumerate(columns):
            sheet.set_column(at, at, width)
            sheet.write_string(0, at, name, heading)
        sheet.freeze_panes(1, 0)
        for line, row in enumerate(rows, start=1):
            for at, value in enumerate(row):
                if isinstance(value, str):
                    sheet.write_string(line, at, value[:_LONGEST])
                else:
                    sheet.write_number(line, at, value)
        book.close()
    return out.getvalue()


def download(content: bytes, name: str) -> Response:
    """The workbook as a file to be kept under an ASCII `name`."""
    return Response(
        content, media_type=_TYPE, headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
