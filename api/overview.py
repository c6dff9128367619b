"""The overview (概览): what came in during a period, and how far it is, as figures and tables. Every number says what finds the petitions
that it counts. Only what the viewer may see is counted.

Petitions are counted by the day they came in, in China; status, category and unit are those that hold now.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from threading import Lock
from time import monotonic
from typing import Any

import numpy as np

from api.figures import (
    Cell,
    Column,
    Find,
    Period,
    Table,
    by_parts,
    changed,
    count_texts,
    firsts,
    in_parts,
    is_text,
    labels_of,
    matters_in,
    number_of,
    overdue_matters,
    today,
    within,
)
from api.hot import hot
from api.names import Names
from api.overview_lists import LISTS
from api.service import Service
from api.store.audit import Action, record
from api.store.columns import Columns, Mask, as_seen, columns_of
from api.store.firewall import Accusations, Viewer
from api.store.petitions import DECIDED, PENDING, RETURNED, now
from api.store.session import Store
from classifier.dates import CHINA
from classifier.errors import NotFoundError
from classifier.intervals import wilson

#: Days within which a petition is to be passed on (Regulation Art. 22), and steps on the way there.
_AGES = ((0, 3), (4, 7), (8, 15), (16, None))
_BINS = 10
_UNNAMED = "未写明"


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name, and what it is about."""

    label: str
    cell: Cell
    note: str


@dataclass(frozen=True, slots=True)
class Overview:
    """All of the page. `by_month`: whether time is cut into months, else weeks."""

    period: Period
    by_month: bool
    figures: tuple[Figure, ...]
    tables: tuple[Table, ...]

    def table(self, name: str) -> Table:
        """Raises NotFoundError."""
        for one in self.tables:
            if one.name == name:
                return one
        raise NotFoundError("没有这张表。请回到概览页选择。")


def presets(day: date) -> dict[str, tuple[str, Period]]:
    """The periods one chooses most, by their word in addresses."""
    return {
        "30d": ("近 30 天", Period(day - timedelta(days=29), day)),
        "12m": ("近 12 个自然月（含本月）", Period(_months_back(day, 11), day)),
        "year": ("本年", Period(day.replace(month=1, day=1), day)),
    }


def _months_back(day: date, months: int) -> date:
    at = day.year * 12 + day.month - 1 - months
    return date(at // 12, at % 12 + 1, 1)


def overview(service: Service, period: Period, viewer: Viewer) -> Overview:
    """Raises InputError for a period that is none."""
    period.checked()
    with service.store.read_one_moment() as connection:
        columns = as_seen(connection, columns_of(service.store, connection), viewer)
    counting = _Counting(Names.of(service.live.engine()), columns, period, service.settings.handling_days)
    return Overview(period, counting.by_month, counting.figures(), counting.tables())


_HOT_SECONDS, _HOT_DAYS = 300.0, 30
_hot_lock = Lock()
_hot: dict[tuple[Store, Viewer, Period], tuple[float, Future[dict[str, Any]]]] = {}
# One at a time: it is arithmetic over a year of links, seconds of it where there are many.
_hot_worker = ThreadPoolExecutor(1, "rising")


def risen(
    service: Service, period: Period, viewer: Viewer, patience: float | None = None
) -> dict[str, Any] | None:
    """What rises (api/hot.py) in the last thirty days of the period; None when it is not known within `patience` seconds (None: as long
    as it takes).

    The answer is kept for five minutes, for everybody who may see the same. Patience below zero does not even begin to look.
    """
    days = Period(max(period.since, period.until - timedelta(days=_HOT_DAYS - 1)), period.until)
    circle = viewer if viewer.accusations is Accusations.REGISTERED else replace(viewer, user_id="")
    key, moment = (service.store, circle, days), monotonic()
    with _hot_lock:
        for one, (at, done) in list(_hot.items()):
            if done.done() and (moment - at > _HOT_SECONDS or done.exception()):
                del _hot[one]
        if key not in _hot:
            if patience is not None and patience < 0:
                return None
            since, after = (
                datetime.combine(day, time(), CHINA) for day in (days.since, days.until + timedelta(days=1))
            )
            work = _hot_worker.submit(hot, service, since, min(after, now()), viewer, most=12)
            _hot[key] = moment, work
        answer = _hot[key][1]
    try:
        return answer.result(patience if patience is None else max(patience, 0))
    except TimeoutError:
        return None


def exported(service: Service, period: Period, viewer: Viewer, name: str = "") -> Overview:
    """The overview, on record as taken out of the system: all of it, or the table `name`. Raises InputError, NotFoundError."""
    whole = overview(service, period, viewer)
    if name:
        whole.table(name)
    with service.store.write() as connection:
        detail = dict(period.find())
        record(connection, Action.EXPORTED, viewer.user_id, what="overview", table=name or "全部", **detail)
    return whole


class _Counting:
    def __init__(self, names: Names, columns: Columns, period: Period, handling_days: int) -> None:
        self._names, self._columns, self._period = names, columns, period
        self._handling_days = handling_days
        self._inside = within(columns, period)
        self._first = firsts(columns)
        self._pending = is_text(columns, "status", PENDING)
        self._parts, self.by_month = period.parts()
        self._decided, self._changed = changed(columns)

    def figures(self) -> tuple[Figure, ...]:
        inside, columns = self._inside, self._columns
        find = self._period.find()

        def status(value: str) -> Cell:
            return Cell(int((inside & is_text(columns, "status", value)).sum()), (("status", value), *find))

        def listed(what: str, count: int) -> Cell:
            return Cell(count, find, what)

        again = inside & ~self._first
        overdue = overdue_matters(columns, inside, self._handling_days, today())
        return (
            Figure("来件", Cell(int(inside.sum()), find), f"{int(columns.people[inside].sum()):,} 人次"),
            Figure("初信初访", listed("firsts", int(inside.sum() - again.sum())), "同一信访人的同一事项第一次来；关联未认定的先计入"),
            Figure("重复", listed("repeats", int(again.sum())), "有相同信访人、同一事项，经人认定；关联未认定的先不计"),
            Figure("待认定", status(PENDING), "还没有人认定"),
            Figure("已退回", status(RETURNED), "承办单位退回，等重新认定"),
            Figure("涉及事项", listed("matters", matters_in(columns, inside)), "认定为同一事项的只算一项"),
            Figure(
                LISTS["overdue"],
                listed("overdue", len(overdue)),
                f"两件以上的事项，自第一件起满 {self._handling_days} 天，还有没答复的",
            ),
        )  # fmt: skip

    def tables(self) -> tuple[Table, ...]:
        return (
            self._arrivals(),
            self._firsts(),
            self._years(),
            self._backlog(),
            self._units(),
            self._by("districts", "属地", "district"),
            self._by("channels", "渠道", "channel"),
            self._by("kinds", "诉求类型", "kind"),
            self._confidence(),
            self._corrections(),
        )

    def _arrivals(self) -> Table:
        book = self._columns.books["category"]
        tops = sorted({code[:2] for code in book if code} | {""})
        level1 = np.array([tops.index(code[:2]) for code in book] or [0])[self._columns.texts["category"]]
        table = by_parts(self._columns, self._parts, self._inside, level1, len(tops))
        counts = dict(zip(tops, table, strict=True))
        shown = sorted(
            (code for code in tops if counts[code].any()), key=lambda code: -int(counts[code].sum())
        )

        def cell(code: str, count: int, span: Period) -> Cell:
            return Cell(count, (("category", code), *span.find()) if code else None)

        rows = [
            (Cell(label), Cell(int(sum(counts[code][at] for code in shown)), part.find()),
             *(cell(code, int(counts[code][at]), part) for code in shown))
            for at, (label, part) in enumerate(zip(labels_of(self._parts, self.by_month), self._parts, strict=True))
        ]  # fmt: skip
        total = (
            Cell("合计"),
            Cell(int(self._inside.sum()), self._period.find()),
            *(cell(code, int(counts[code].sum()), self._period) for code in shown),
        )
        labels = [self._names.category_alone(code) if code else "未分类" for code in shown]
        return Table(
            "arrivals",
            "来件走势（按一级分类）",
            (Column("月份" if self.by_month else "周（起于）", "text"), Column("合计"), *map(Column, labels)),
            (*rows, total),
        )

    def _firsts(self) -> Table:
        first = in_parts(self._columns, self._parts, self._inside & self._first)
        again = in_parts(self._columns, self._parts, self._inside & ~self._first)
        rows = [
            (Cell(label), *_shares(int(one), int(other), part.find()))
            for label, part, one, other in zip(
                labels_of(self._parts, self.by_month), self._parts, first, again, strict=True
            )
        ]
        return Table(
            "firsts",
            "初信初访与重复",
            (
                Column("月份" if self.by_month else "周（起于）", "text"),
                Column("来件"),
                Column("初信初访"),
                Column("重复"),
                Column("重复占比", "percent"),
            ),
            (*rows, (Cell("合计"), *_shares(int(first.sum()), int(again.sum()), self._period.find()))),
            "重复：至少一名信访人相同，且经人认定为同一事项；匿名的不算重复。关联未认定的先计入初信初访。",
        )

    def _years(self) -> Table:
        days = self._columns.day
        begin = int(days.min()) if len(days) else None
        rows = []
        spans = self._period.months()
        for month in [*spans, self._period] if len(spans) > 1 else spans:
            before = month.year_before()
            count = int(within(self._columns, month).sum())
            known = begin is not None and begin <= number_of(before.until)
            past = int(within(self._columns, before).sum()) if known else None
            label = _span(month) if month is not self._period else "合计"
            rows.append(
                (
                    Cell(label),
                    Cell(count, month.find()),
                    Cell(past, before.find() if known else None),
                    Cell((count - past) / past if past else None),
                )
            )
        return Table(
            "years",
            "与去年同期比",
            (Column("月份", "text"), Column("本期"), Column("去年同期"), Column("同比", "percent")),
            tuple(rows),
            "首尾不满一个月的，去年也只取相同的日子。“—”：去年还没有记录。",
        )

    def _units(self) -> Table:
        return self._by("units", "承办单位", "unit", self._names.unit, with_status=True)

    def _by(
        self,
        name: str,
        label: str,
        column: str,
        shown: Callable[[str], str] = str,
        with_status: bool = False,
    ) -> Table:
        """How many by a text column; of units also how far they are."""
        columns, inside = self._columns, self._inside
        total = count_texts(columns, column, inside)
        by_status = {
            status: count_texts(columns, column, inside & is_text(columns, "status", status))
            for status in ((DECIDED, PENDING, RETURNED) if with_status else (PENDING,))
        }
        people = np.bincount(
            columns.texts[column][inside],
            weights=columns.people[inside],
            minlength=len(columns.books[column]),
        )
        at = {value: number for number, value in enumerate(columns.books[column])}

        def cell(count: int, value: str, *more: tuple[str, str]) -> Cell:
            return Cell(count, ((column, value), *more, *self._period.find()) if value else None)

        rows = tuple(
            (
                Cell(shown(value) if value else _UNNAMED),
                cell(count, value),
                Cell(int(people[at[value]])),
                *(cell(counts.get(value, 0), value, ("status", status)) for status, counts in by_status.items()),
            )
            for value, count in total.items()
        )  # fmt: skip
        heads = (
            {PENDING: "待认定（建议）", DECIDED: "已认定", RETURNED: "已退回"}
            if with_status
            else {PENDING: PENDING}
        )
        title = {"unit": "各承办单位"}.get(column, f"按{label}")
        return Table(
            name,
            title,
            (Column(label, "text"), Column("件数"), Column("人次"), *(Column(heads[status]) for status in by_status)),
            rows,
            "待认定的按建议的单位计。" if with_status else "",
        )  # fmt: skip

    def _backlog(self) -> Table:
        """All that wait now, whenever they came in."""
        day = today()
        age = number_of(day) - self._columns.day[self._pending]
        rows = []
        for low, high in _AGES:
            found = int(((age >= low) & (age <= (high if high is not None else age.max(initial=0)))).sum())
            if low == 0:
                # What is dated in the future, by a slip, waits too.
                found += int((age < 0).sum())
            span: Find = (("since", (day - timedelta(days=high)).isoformat()),) if high is not None else ()
            span += (("until", (day - timedelta(days=low)).isoformat()),) if low else ()
            label = f"{low}–{high} 天" if high is not None else "超过 15 天"
            rows.append((Cell(label), Cell(found, (("status", PENDING), *span))))
        return Table(
            "backlog",
            "待认定件等了多久",
            (Column("自收到之日起", "text"), Column("件数")),
            tuple(rows),
            "现在待认定的全部件，不限时段。《信访工作条例》第二十二条：十五日内转送、交办。",
        )

    def _confidence(self) -> Table:
        columns = self._columns
        known = self._inside & ~np.isnan(columns.confidence)
        decided, other = self._decided, self._changed
        bins = np.minimum((columns.confidence[known] * _BINS).astype(np.int64), _BINS - 1)

        def in_bins(which: Mask) -> list[int]:
            return [int(n) for n in np.bincount(bins, weights=which[known], minlength=_BINS)]

        rows = tuple(
            (Cell(f"{at * 10}–{at * 10 + 10}%"), Cell(count), *_rate(of - wrong, of))
            for at, (count, of, wrong) in enumerate(
                zip(in_bins(known), in_bins(decided), in_bins(other), strict=True)
            )
        )
        return Table(
            "confidence",
            "建议分类的把握",
            (Column("把握", "text"), Column("件数"), *_rate_columns("与认定一致")),
            rows,
            "每柱十个百分点。一致：认定的分类与收件时的建议到二级相同。",
        )

    def _corrections(self) -> Table:
        columns, inside = self._columns, self._inside
        decided, other = self._decided, self._changed
        of = count_texts(columns, "suggested", inside & decided)
        wrong = count_texts(columns, "suggested", inside & other)
        tops = sorted({code[:2] for code in of})
        sums = {
            top: [sum(n for code, n in counts.items() if code[:2] == top) for counts in (of, wrong)]
            for top in tops
        }
        rows = tuple(
            (
                Cell(self._names.category_alone(top)),
                *_rate(sums[top][1], sums[top][0], (("category", top), *self._period.find())),
            )
            for top in sorted(tops, key=lambda one: -sums[one][0])
        )
        return Table(
            "corrections",
            "各类建议的改判率",
            (Column("建议的一级分类", "text"), *_rate_columns("改判")),
            rows,
            "改判：认定的分类与收件时的建议不同（比到二级）。横线：真实改判率多半在此范围内，件数少的范围宽。",
        )


def _rate_columns(label: str) -> tuple[Column, ...]:
    return (
        Column("已认定"),
        Column(label),
        Column(f"{label}率", "percent"),
        Column("多半不低于", "percent"),
        Column("多半不高于", "percent"),
    )


def _rate(part: int, whole: int, find: Find | None = None) -> tuple[Cell, ...]:
    """How many, of how many, the share and its interval; `find` finds the changed ones."""
    low, high = wilson(part, whole)
    known = whole > 0
    return (
        Cell(whole),
        Cell(part, find, "changed"),
        Cell(part / whole if known else None),
        Cell(low if known else None),
        Cell(high if known else None),
    )


def _shares(first: int, again: int, find: Find) -> tuple[Cell, ...]:
    whole = first + again
    return (
        Cell(whole, find),
        Cell(first, find, "firsts"),
        Cell(again, find, "repeats"),
        Cell(again / whole if whole else None),
    )


def _span(period: Period) -> str:
    """2026-11, with the days where the month is not whole."""
    text = f"{period.since:%Y-%m}"
    whole = Period.month(text)
    return text if whole == period else f"{text}（{period.since.day}–{period.until.day} 日）"
