"""What the pages of the unit directory show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from api.workbench.contexts.base import Page


@dataclass(frozen=True, slots=True)
class TableLink:
    """One of the four tables."""

    #: Its name in addresses.
    name: str
    #: In Chinese.
    label: str
    #: How many rows it has.
    rows: int
    #: What it says, in a line.
    about: str


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version of the office's own directory."""

    #: Its number.
    number: int
    #: When it was made.
    at: datetime
    #: By whom, "" for the one the office began from.
    by: str
    #: What was changed, in words.
    what: str
    #: Whether it is the one in use.
    in_use: bool


@dataclass(frozen=True, slots=True)
class DirectoryPage(Page):
    """The four tables, files in and out, earlier versions."""

    template: ClassVar[str] = "directory.html"

    #: The tables.
    tables: tuple[TableLink, ...]
    #: Which directory is in use, in words.
    in_use: str
    #: What tells its content from any other.
    stamp: str
    #: Newest first.
    versions: tuple[VersionRow, ...]
    #: How many versions are kept.
    kept: int
    #: Whether whoever looks may change anything.
    editable: bool
    #: What was wrong with the last try, "" for nothing.
    problem: str
    #: The problem's parts, each a line.
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a table as it is shown."""

    #: The column in Chinese.
    label: str
    #: Its text.
    text: str
    #: What comes after it in small type.
    more: str
    #: Whether it is a name that stays on one line where there is room.
    tight: bool


@dataclass(frozen=True, slots=True)
class RowLine:
    """A row of a table."""

    #: Its place, from 0.
    at: int
    #: Its cells, the first of which names it.
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class BranchOption:
    """A level-1 category to narrow a table to."""

    #: Its code, "" for all.
    code: str
    #: Its name.
    name: str
    #: Whether it is chosen.
    chosen: bool


@dataclass(frozen=True, slots=True)
class DirectoryTablePage(Page):
    """One of the four tables."""

    template: ClassVar[str] = "directory_table.html"

    #: Its name in addresses.
    table: str
    #: In Chinese.
    label: str
    #: What it says, in a line.
    about: str
    #: The columns shown.
    columns: tuple[str, ...]
    #: The first of the rows that were looked for.
    rows: tuple[RowLine, ...]
    #: How many were found.
    found: int
    #: How many there are in all.
    total: int
    #: What was looked for.
    query: str
    #: Level-1 categories to narrow it to; none where that makes no sense.
    branches: tuple[BranchOption, ...]
    #: What tells the content from any other.
    stamp: str
    #: Whether whoever looks may change anything.
    editable: bool


@dataclass(frozen=True, slots=True)
class Option:
    """A value to choose."""

    #: As it is kept.
    value: str
    #: As it is shown.
    label: str


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a row's form."""

    #: The column.
    name: str
    #: In Chinese.
    label: str
    #: text, prose, number, lines, choice, ahead, check or fixed.
    sort: str
    #: What helps to fill it in, "" for nothing.
    hint: str
    #: What stands in it; for `ahead` the code.
    value: str
    #: For `ahead`, what stands in the input.
    shown: str
    #: For `ahead`, where the list comes from.
    path: str
    #: For `choice`, what to choose from.
    options: tuple[Option, ...]
    #: What is wrong with it, "" for nothing.
    problem: str
    #: Whether it takes a line of its own.
    is_wide: bool
    #: Whether it belongs right under the one before.
    is_under: bool


@dataclass(frozen=True, slots=True)
class DirectoryRowPage(Page):
    """A row of a table to be changed or made."""

    template: ClassVar[str] = "directory_row.html"

    #: The table's name in addresses.
    table: str
    #: In Chinese.
    label: str
    #: The row's place, "" for a new one.
    at: str
    #: What names the row, to find it again when others moved.
    row_key: str
    #: What tells the content it belongs to from any other.
    stamp: str
    #: What it holds.
    fields: tuple[Field, ...]
    #: What was tried and not done, in words; "" while nothing is wrong.
    refused: str
    #: What is wrong beside single fields.
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MovedRow:
    """A past petition that would have another lead unit."""

    #: The petition's id.
    id: str
    #: Its receipt number.
    receipt: str
    #: Its redacted title.
    title: str
    #: The lead unit now.
    before: str
    #: The lead unit then.
    after: str


@dataclass(frozen=True, slots=True)
class DirectoryPreviewPage(Page):
    """What a change would do to past petitions, before it is made."""

    template: ClassVar[str] = "directory_preview.html"

    #: The change in words.
    what: str
    #: What a row to be deleted says; none for other changes.
    removed: tuple[Cell, ...]
    #: How many past petitions were looked at.
    looked: int
    #: How many of them would have another lead unit.
    count: int
    #: The first of these.
    moved: tuple[MovedRow, ...]
    #: Whether time ran out before all that should have been looked at were.
    is_short: bool
    #: Where the form goes.
    action: str
    #: What it sends.
    fields: tuple[tuple[str, str], ...]
    #: Where "back" leads without script and without saving.
    back: str
    #: Whether the form can be gone back to with what was typed.
    can_edit: bool
