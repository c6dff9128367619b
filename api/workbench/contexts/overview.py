"""The overview: figures and charts of a period, the tables behind them, what rises, and lists of what is counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup

from api.workbench.contexts.base import Page
from api.workbench.contexts.lists import Due


@dataclass(frozen=True, slots=True)
class Choice:
    """A link among several of which one is where one is."""

    #: What it is called.
    label: str
    #: Where it leads.
    href: str
    #: Whether it is the one shown.
    here: bool


@dataclass(frozen=True, slots=True)
class CellView:
    """A cell of a table, as it reads."""

    #: What stands in it.
    text: str
    #: The list of what it counts, "" for none.
    href: str
    #: Whether it is a figure.
    is_number: bool


@dataclass(frozen=True, slots=True)
class FigureView:
    """A figure to be read at a glance."""

    #: Its name.
    label: str
    #: The figure.
    cell: CellView
    #: What it is about.
    note: str


@dataclass(frozen=True, slots=True)
class TableView:
    """A chart and the table behind it."""

    #: Its word in addresses, and in ids on the page.
    name: str
    #: What it shows.
    title: str
    #: What is counted, "" where that is plain.
    note: str
    #: The chart; empty where there is nothing to draw.
    chart: Markup
    #: The headings, each with whether figures stand below it.
    heads: tuple[tuple[str, bool], ...]
    #: The rows.
    rows: tuple[tuple[CellView, ...], ...]
    #: Where it is had as Excel.
    download: str


@dataclass(frozen=True, slots=True)
class RisingItem:
    """A topic that rises."""

    #: What holds it together: 认定, 建议 or 同地同类.
    basis: str
    #: Category, place and shared words.
    label: str
    #: Petitions in the window.
    count: str
    #: Different petitioners among them.
    petitioners: str
    #: How many its own past lets expect.
    expected: str
    #: So many weeks the chart shows.
    weeks: int
    #: Weeks as small columns.
    chart: Markup
    #: The unit most of them are with, "" for none.
    unit: str
    #: The matter's page, or the list of petitions of place and category; "" where neither holds it.
    href: str
    #: The petitions: number in order of arrival, latest first, and page.
    petitions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Rising:
    """Which topics rise, or that it is still being worked out."""

    #: Whether the topics are known.
    is_known: bool
    #: Which days are looked at, and against what.
    span: str
    #: The topics, most surprising first.
    items: tuple[RisingItem, ...]
    #: How many more there are.
    more: int
    #: Where all are shown.
    href: str


@dataclass(frozen=True, slots=True)
class OverviewPage(Page):
    """What came in during a period and how far it is."""

    template: ClassVar[str] = "overview.html"

    #: The first day shown, as an input takes it.
    since: str
    #: The last day shown.
    until: str
    #: What was wrong with the period asked for, "" for nothing.
    problem: str
    #: Periods one chooses most.
    presets: tuple[Choice, ...]
    #: The figures.
    figures: tuple[FigureView, ...]
    #: Charts and tables.
    tables: tuple[TableView, ...]
    #: Where all tables are had in one workbook.
    download: str
    #: What rises.
    rising: Rising
    #: The month whose report is offered first.
    month: str


@dataclass(frozen=True, slots=True)
class RisingPart(Page):
    """What rises, as a part of the overview."""

    template: ClassVar[str] = "overview_rising_part.html"

    #: What rises.
    rising: Rising


@dataclass(frozen=True, slots=True)
class RisingPage(Page):
    """What rises, as a page of its own."""

    template: ClassVar[str] = "overview_rising.html"

    #: What rises.
    rising: Rising
    #: The overview of the same period.
    back: str


@dataclass(frozen=True, slots=True)
class ListedRow:
    """A petition, or a matter by its first petition."""

    #: Its title.
    title: str
    #: Its page.
    href: str
    #: The day it, or the first on the matter, came in.
    day: str
    #: Its category, as it holds now.
    category: str
    #: What was suggested instead, "" where that is not the point.
    suggested: str
    #: Its unit.
    unit: str
    #: How far it is.
    status: str
    #: An overdue matter's time limit.
    due: Due | None
    #: How many petitions are on it.
    petitions: str


@dataclass(frozen=True, slots=True)
class OverviewListPage(Page):
    """The petitions or matters that a number of the overview counts."""

    template: ClassVar[str] = "overview_list.html"

    #: What is listed.
    title: str
    #: Of which days.
    span: str
    #: How many there are.
    total: str
    #: Whether a row is a matter.
    as_matters: bool
    #: Whether each says by how much its time limit is over.
    with_due: bool
    #: Whether each shows what was suggested.
    with_suggested: bool
    #: The rows of this page.
    rows: tuple[ListedRow, ...]
    #: Where in the list this page is.
    where: str
    #: The page before, "" for none.
    before: str
    #: The page after.
    after: str
    #: The overview of the same period.
    back: str
