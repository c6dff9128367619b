"""Counts over the columns of petitions, and the tables that hold them: what the overview page, its Excel files and the monthly report
share. Pure array code; knows no database and no page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

import numpy as np

from api.store.columns import Columns, Ints, Mask
from api.store.petitions import PENDING
from classifier.dates import CHINA
from classifier.errors import InputError

_EPOCH = date(1970, 1, 1)
#: Up to so many days are shown by week, longer periods by month.
_BY_WEEK = 92
#: Longer ones are a slip of the hand.
_LONGEST = 3_700

#: What a list of petitions is narrowed to, as parameters of its address.
Find = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Period:
    """Days in China, both ends included."""

    since: date
    until: date

    def checked(self) -> Period:
        """Raises InputError."""
        if self.since > self.until:
            raise InputError("起始日期晚于截止日期。请对调或修改。")
        if (self.until - self.since).days > _LONGEST:
            raise InputError("时段超过十年。请缩短后再看。")
        return self

    @property
    def days(self) -> int:
        return (self.until - self.since).days + 1

    def year_before(self) -> Period:
        """The same days of the year before; 29 February becomes the 28th."""
        return Period(_year_before(self.since), _year_before(self.until))

    def months(self) -> list[Period]:
        """The calendar months of the period, the first and last one cut off where the period is."""
        found, first = [], self.since
        while first <= self.until:
            after = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
            found.append(Period(first, min(after - timedelta(days=1), self.until)))
            first = after
        return found

    def weeks(self) -> list[Period]:
        """From Monday on; the same."""
        found, first = [], self.since
        while first <= self.until:
            after = first + timedelta(days=7 - first.weekday())
            found.append(Period(first, min(after - timedelta(days=1), self.until)))
            first = after
        return found

    def parts(self) -> tuple[list[Period], bool]:
        """Weeks or months, by its length; and whether they are months."""
        by_month = self.days > _BY_WEEK
        return (self.months() if by_month else self.weeks()), by_month

    def find(self) -> Find:
        return ("since", self.since.isoformat()), ("until", self.until.isoformat())

    @classmethod
    def month(cls, text: str) -> Period:
        """A whole month, written 2026-11. Raises InputError."""
        try:
            first = datetime.strptime(text, "%Y-%m").date()
        except ValueError:
            raise InputError("月份看不懂。请写成 2026-11 这样。") from None
        after = (first + timedelta(days=32)).replace(day=1)
        return cls(first, after - timedelta(days=1))

    @classmethod
    def month_before(cls, day: date) -> Period:
        """The last whole month before `day`."""
        last = day.replace(day=1) - timedelta(days=1)
        return cls(last.replace(day=1), last)


@dataclass(frozen=True, slots=True)
class Cell:
    """One value, and what finds the petitions it counts: parameters of the list of petitions, or of the overview's own list `lists`
    (api/overview_lists.py); None where there is nothing to list."""

    value: str | int | float | None
    find: Find | None = None
    lists: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A heading and how values below it are written."""

    label: str
    form: Literal["text", "count", "percent"] = "count"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of figures. `name` is its word in addresses; `note` says what is counted."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""


def today() -> date:
    return datetime.now(CHINA).date()


def number_of(day: date) -> int:
    return (day - _EPOCH).days


def within(columns: Columns, period: Period) -> Mask:
    found: Mask = (columns.day >= number_of(period.since)) & (columns.day <= number_of(period.until))
    return found


def is_text(columns: Columns, name: str, value: str) -> Mask:
    """Whether the text column `name` says `value`."""
    book = columns.books[name]
    found: Mask = columns.texts[name] == (book.index(value) if value in book else -1)
    return found


def count_texts(columns: Columns, name: str, which: Mask) -> dict[str, int]:
    """How many of `which` say what in the text column `name`, most frequent first."""
    book = columns.books[name]
    counts = np.bincount(columns.texts[name][which], minlength=len(book))
    order = sorted(np.flatnonzero(counts).tolist(), key=lambda at: (-int(counts[at]), book[at]))
    return {book[at]: int(counts[at]) for at in order}


def firsts(columns: Columns) -> Mask:
    """Which petitions are their petitioner's first (初信初访) on their matter; the others are repeats (重复信访).

    As `api.matters.firsts` has it for one matter: who is anonymous, or on no matter, repeats nothing.
    """
    known = np.flatnonzero((columns.matter >= 0) & (columns.petitioner >= 0))
    order = known[
        np.lexsort((columns.seq[known], columns.at[known], columns.petitioner[known], columns.matter[known]))
    ]
    again = (columns.matter[order][1:] == columns.matter[order][:-1]) & (
        columns.petitioner[order][1:] == columns.petitioner[order][:-1]
    )
    found = np.ones(len(columns.seq), dtype=np.bool_)
    found[order[1:][again]] = False
    return found


def matters_in(columns: Columns, which: Mask) -> int:
    """Different matters among petitions; one on no matter is one of its own."""
    on = columns.matter[which]
    return int((on < 0).sum() + np.count_nonzero(np.bincount(on[on >= 0])))


def one_a_matter(columns: Columns, rows: Ints) -> Ints:
    """Of each matter that `rows` are on its first petition, whenever it came in; petitions on none stay."""
    alone = rows[columns.matter[rows] < 0]
    concerned = np.zeros(len(columns.matters), dtype=np.bool_)
    concerned[columns.matter[rows][columns.matter[rows] >= 0]] = True
    on = np.flatnonzero(columns.matter >= 0)
    on = on[concerned[columns.matter[on]]]
    on = on[np.lexsort((columns.seq[on], columns.at[on], columns.matter[on]))]
    begins = np.ones(len(on), dtype=np.bool_)
    begins[1:] = columns.matter[on][1:] != columns.matter[on][:-1]
    return np.concatenate([alone, on[begins]])


def overdue_matters(columns: Columns, which: Mask, handling_days: int, day: date) -> Ints:
    """The numbers of matters, of two petitions or more, that petitions of `which` are on and whose time limit was over when `day` began
    while a petition on it had no reply yet.

    The limit ends with the last day, counted from the first petition without its own day (api/matters.due_at).
    """
    on = columns.matter >= 0
    size = int(columns.matter.max(initial=-1)) + 1
    many = np.bincount(columns.matter[on], minlength=size)
    first = np.full(size, np.iinfo(np.int64).max)
    np.minimum.at(first, columns.matter[on], columns.day[on])
    concerned = np.bincount(columns.matter[which & on], minlength=size)
    unanswered = np.bincount(columns.matter[on & ~columns.replied], minlength=size)
    late = first < number_of(day) - handling_days
    return np.flatnonzero((many > 1) & (concerned > 0) & (unanswered > 0) & late)


def changed(columns: Columns) -> tuple[Mask, Mask]:
    """On which petitions people decided a category, and on which of them another one than suggested, down to level 2.

    A decision of level 1 does not contradict what lies below it.
    """
    decided = ~is_text(columns, "status", PENDING) & ~columns.open_category
    decided &= ~is_text(columns, "category", "") & ~is_text(columns, "suggested", "")
    said, suggested = columns.books["category"], columns.books["suggested"]
    width = max(len(suggested), 1)
    pairs = columns.texts["category"] * width + columns.texts["suggested"]
    different = [
        pair
        for pair in np.flatnonzero(np.bincount(pairs[decided])).tolist()
        if not suggested[pair % width][:4].startswith(said[pair // width][:4])
    ]
    return decided, decided & np.isin(pairs, different)


def in_parts(columns: Columns, parts: Sequence[Period], which: Mask) -> Ints:
    """How many of `which` came in during each of consecutive parts."""
    starts = np.array([number_of(part.since) for part in parts])
    at = np.searchsorted(starts, columns.day[which], side="right") - 1
    counted: Ints = np.bincount(at, minlength=len(parts))
    return counted


def by_parts(columns: Columns, parts: Sequence[Period], which: Mask, of: Ints, size: int) -> Ints:
    """The same by a number 0 ≤ `of` < `size` of each petition: shape (size, parts)."""
    starts = np.array([number_of(part.since) for part in parts])
    at = np.searchsorted(starts, columns.day[which], side="right") - 1
    flat = np.bincount(of[which] * len(parts) + at, minlength=size * len(parts))
    counted: Ints = flat.reshape(size, len(parts))
    return counted


def labels_of(parts: Sequence[Period], by_month: bool) -> Iterator[str]:
    """Months as 2026-11, weeks by their first day as 11-02."""
    for part in parts:
        yield f"{part.since:%Y-%m}" if by_month else f"{part.since:%m-%d}"


def _year_before(day: date) -> date:
    try:
        return day.replace(year=day.year - 1)
    except ValueError:
        return day.replace(year=day.year - 1, day=28)
