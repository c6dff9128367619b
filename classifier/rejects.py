"""Rows that could not be used, as a CSV for a spreadsheet: line, reason, the row's own columns. What is wrong is mended there and read again."""

from __future__ import annotations

import csv
from typing import TextIO

from classifier.records import Reject

LINE, REASON = "行", "原因"
# A spreadsheet takes a cell that begins so for a formula, which may call programs or send cells elsewhere; full-width signs as well.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class RejectsCsv:
    """Writes to a text file opened with newline="". The headings come with the first row; it takes the file's own."""

    def __init__(self, file: TextIO) -> None:
        self._writer = csv.writer(file)
        self._headings: tuple[str, ...] | None = None

    def add(self, reject: Reject) -> None:
        if self._headings is None:
            self._headings = reject.headings
            named = [heading or f"第{n}列" for n, heading in enumerate(reject.headings, start=1)]
            self._write([LINE, REASON, *(named or ["内容"])])
        self._write([str(reject.line), reject.reason, *self._placed(reject)])

    def _placed(self, reject: Reject) -> list[str]:
        """The cells under their headings. What has none here (objects of a .jsonl differ) comes behind, with its name."""
        if reject.headings in {self._headings, ()} or not self._headings:
            return list(reject.row)
        cells = dict(zip(reject.headings, reject.row, strict=False))
        return [cells.pop(heading, "") for heading in self._headings] + [
            f"{name}：{cell}" for name, cell in cells.items() if cell
        ]

    def _write(self, cells: list[str]) -> None:
        self._writer.writerow([as_text(cell) for cell in cells])


def as_text(cell: str) -> str:
    """The cell with an apostrophe before it where a spreadsheet would calculate."""
    return f"'{cell}" if cell.lstrip(" \n\0").startswith(_FORMULA) else cell
