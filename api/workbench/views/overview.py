"""The overview's figures and tables as they read, and the chart of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from api.figures import Cell, Find, Period, Table, today
from api.hot import BASIS_NAMES, Basis
from api.names import Names
from api.overview import Overview, presets
from api.overview_lists import Listing
from api.service import Service
from api.workbench import charts, words
from api.workbench.contexts.overview import (
    CellView,
    Choice,
    FigureView,
    ListedRow,
    OverviewListPage,
    OverviewPage,
    Rising,
    RisingItem,
    TableView,
)
from api.workbench.lists import due_in_words

#: So many series and bars are drawn; the others are one, or in the table only.
_SERIES, _BARS = 6, 12
#: What several rows of a table are, where one bar stands for them.
_COUNTED_AS = {"units": "单位", "districts": "属地"}
#: So many topics that rise stand on the overview itself.
FEW = 5


def overview_page(whole: Overview, rising: Rising, problem: str = "") -> OverviewPage:
    query = urlencode(whole.period.find())
    day = today()
    return OverviewPage(
        since=whole.period.since.isoformat(),
        until=whole.period.until.isoformat(),
        problem=problem,
        presets=_presets(day, whole.period),
        figures=tuple(FigureView(one.label, cell_view(one.cell, "count"), one.note) for one in whole.figures),
        tables=tuple(table_view(one, query) for one in whole.tables),
        download=f"/overview.xlsx?{query}",
        rising=rising,
        month=f"{day.replace(day=1) - timedelta(days=1):%Y-%m}",
    )


def table_view(table: Table, query: str) -> TableView:
    return TableView(
        table.name,
        table.title,
        table.note,
        _CHARTS[table.name](table),
        tuple((column.label, column.form != "text") for column in table.columns),
        tuple(
            tuple(cell_view(cell, column.form) for cell, column in zip(row, table.columns, strict=True))
            for row in table.rows
        ),
        f"/overview/{table.name}.xlsx?{query}",
    )


def _presets(day: date, chosen: Period) -> tuple[Choice, ...]:
    """In December the last twelve months are this year: one of them is enough to be marked."""
    known = presets(day)
    here = next((word for word, (_, period) in known.items() if period == chosen), "")
    return tuple(
        Choice(label, f"/overview?period={word}", word == here) for word, (label, _) in known.items()
    )


def cell_view(cell: Cell, form: str) -> CellView:
    value = cell.value
    if isinstance(value, str):
        text = value
    elif form == "percent":
        text = words.percent(value, 1)
    else:
        text = words.count(None if value is None else int(value))
    return CellView(text, address_of(cell), form != "text")


def address_of(cell: Cell) -> str:
    """The list of what a cell counts; none for what is nothing, or is no count."""
    if cell.find is None or not cell.value:
        return ""
    return f"/overview/list/{cell.lists}?{urlencode(cell.find)}" if cell.lists else petitions_by(cell.find)


def petitions_by(find: Find) -> str:
    return f"/petitions?{urlencode(find)}"


def rising_view(answer: Mapping[str, Any] | None, period: Period, most: int | None = None) -> Rising:
    """At most so many topics; None stands for such as are still being worked out."""
    href = f"/overview/rising?{urlencode(period.find())}"
    if answer is None:
        return Rising(False, "", (), 0, href)
    days = (words.day(answer["since"]), words.day(answer["until"] - timedelta(seconds=1)))
    span = f"{days[0]} 至 {days[1]}，与此前 {answer['windows']} 个同样长的时段相比"
    items = tuple(_rising_item(number, item) for number, item in enumerate(answer["items"][:most]))
    return Rising(True, span, items, len(answer["items"]) - len(items), href)


def _rising_item(number: int, item: Mapping[str, Any]) -> RisingItem:
    weeks = item["weeks"][-12:]
    said = "每周件数：" + "，".join(f"{week['week']:%m-%d} {week['count']}" for week in weeks)
    parts = (item["path"], item["district"], "、".join(item["terms"]))
    return RisingItem(
        BASIS_NAMES[Basis(item["basis"])],
        " · ".join(part for part in parts if part),
        words.count(item["count"]),
        words.count(item["petitioners"]),
        f"{item['expected']:.1f}",
        len(weeks),
        charts.spark(f"weeks-{number}", said, [week["count"] for week in weeks]),
        item["unit_name"],
        f"/matters/{item['matter_id']}" if item["matter_id"] else "",
        tuple((str(at), f"/petitions/{one}") for at, one in enumerate(item["ids"], start=1)),
    )


def list_page(service: Service, found: Listing, what: str, period: Period, category: str) -> OverviewListPage:
    names = Names.of(service.live.engine())

    def at(page: int) -> str:
        more = (("category", category),) if category else ()
        return f"/overview/list/{what}?{urlencode((*period.find(), *more, ('page', page)))}"

    rows = tuple(
        ListedRow(
            one.title or "（无标题）",
            f"/matters/{one.matter_id}" if one.matter_id else f"/petitions/{one.id}",
            words.day(one.arrived),
            names.category(one.category),
            names.category(one.suggested) if what == "changed" else "",
            names.unit(one.unit),
            one.status,
            due_in_words(one.days_left) if one.days_left is not None else None,
            words.count(one.petitions),
        )
        for one in found.entries
    )
    title = f"{found.title}：{names.category(category)}" if category else found.title
    days, as_matters = (
        f"{period.since.isoformat()} 至 {period.until.isoformat()}",
        what in {"matters", "overdue"},
    )
    return OverviewListPage(
        title=title,
        span=f"{days} 有来件的事项" if as_matters else days,
        total=words.count(found.total),
        as_matters=as_matters,
        with_due=what == "overdue",
        with_suggested=what == "changed",
        rows=rows,
        where=f"第 {found.page} / {found.pages} 页",
        before=at(found.page - 1) if found.page > 1 else "",
        after=at(found.page + 1) if found.page < found.pages else "",
        back=f"/overview?{urlencode(period.find())}",
    )


# Charts -----------------------------------------------------------------------------------------------------------------------------------


def _values(table: Table, at: int, rows: Sequence[tuple[Cell, ...]] | None = None) -> list[float | None]:
    found: list[float | None] = []
    for row in table.rows if rows is None else rows:
        value = row[at].value
        found.append(None if value is None or isinstance(value, str) else float(value))
    return found


def _labels(rows: Sequence[tuple[Cell, ...]]) -> list[str]:
    """Months as 1月, a year's first with the year: 26年1月; everything else as it is."""
    return [_month(str(row[0].value)) for row in rows]


def _month(text: str) -> str:
    if len(text) >= 7 and text[4] == "-" and text[:4].isdigit():
        return f"{int(text[5:7])}月"
    return text


def _in_words(title: str, rows: Sequence[tuple[Cell, ...]], at: int, unit: str = "件") -> str:
    """What a chart shows, for who does not see it; the table behind it says the rest."""
    counts = [(row[at].value or 0, row[0].value) for row in rows]
    if not counts:
        return f"{title}：没有数据。"
    most, where = max(counts, key=lambda one: float(one[0]))
    total = sum(float(count) for count, _ in counts)
    return (
        f"{title}：共 {total:,.0f} {unit}，最多的是 {where}，{float(most):,.0f} {unit}。明细见下面的数据表。"
    )


def _arrivals(table: Table) -> Markup:
    # The last row is the sum; the second column, too.
    rows = table.rows[:-1]
    series = [
        charts.Series(column.label, _values(table, at, rows))
        for at, column in enumerate(table.columns[2:], start=2)
    ]
    if len(series) > _SERIES + 1:
        others = [sum(one.values[at] or 0 for one in series[_SERIES:]) for at in range(len(rows))]
        series = [*series[:_SERIES], charts.Series("其他", others)]
    return charts.columns(table.name, _in_words(table.title, rows, 1), _labels(rows), series)


def _firsts(table: Table) -> Markup:
    rows = table.rows[:-1]
    series = [charts.Series(table.columns[at].label, _values(table, at, rows)) for at in (2, 3)]
    return charts.columns(table.name, _in_words(table.title, rows, 1), _labels(rows), series)


def _years(table: Table) -> Markup:
    rows = table.rows[:-1] if len(table.rows) > 1 else table.rows
    series = [charts.Series(table.columns[at].label, _values(table, at, rows)) for at in (1, 2)]
    said = _in_words(table.title, rows, 1)
    return charts.columns(table.name, said, _labels(rows), series, side_by_side=True)


def _drawn(table: Table, columns: Sequence[int], series: Sequence[str] = ()) -> Markup:
    """The bars of a table: its largest rows and what has no name, with the others as one figure: they sum up to the whole."""

    def values(row: tuple[Cell, ...]) -> list[float]:
        return [float(row[at].value or 0) for at in columns]

    named = [row for row in table.rows if row[1].find is not None]
    unnamed = [row for row in table.rows if row[1].find is None]
    # One that is left over is drawn itself.
    most = _BARS if len(named) > _BARS + 1 else _BARS + 1
    others = named[most:]
    label = f"其余 {len(others)} 个{_COUNTED_AS.get(table.name, '')}"
    return charts.bars(
        table.name,
        _in_words(table.title, table.rows, 1),
        [(str(row[0].value), values(row)) for row in (*named[:most], *unnamed)],
        series,
        (label, sum(sum(values(row)) for row in others)) if others else None,
    )


def _units(table: Table) -> Markup:
    return _drawn(table, (3, 4, 5), [column.label for column in table.columns[3:]])


def _bars(table: Table) -> Markup:
    return _drawn(table, (1,))


def _single(table: Table) -> Markup:
    series = [charts.Series(table.columns[1].label, _values(table, 1))]
    labels = [str(row[0].value) for row in table.rows]
    said = _in_words(table.title, table.rows, 1)
    return charts.columns(table.name, said, labels, series, with_values=True)


def _confidence(table: Table) -> Markup:
    count, decided, agreed = (_values(table, at) for at in (1, 2, 3))
    series = [
        charts.Series("一致", agreed),
        charts.Series("改判", [(of or 0) - (same or 0) for of, same in zip(decided, agreed, strict=True)]),
        charts.Series("未认定", [(all_ or 0) - (of or 0) for all_, of in zip(count, decided, strict=True)]),
    ]
    labels = [str(row[0].value).split("–")[0] + "%" for row in table.rows]
    return charts.columns(table.name, _in_words(table.title, table.rows, 1), labels, series)


def _corrections(table: Table) -> Markup:
    rows = [
        charts.Interval(str(name.value), float(share.value), float(low.value or 0), float(high.value or 0), int(count.value or 0))
        for name, count, _, share, low, high in table.rows[:_BARS]
        if isinstance(share.value, float)
    ]  # fmt: skip
    said = f"{table.title}：" + "；".join(f"{one.name} {one.share:.0%}" for one in rows) + "。"
    return charts.intervals(table.name, said, rows)


_CHARTS: Mapping[str, Callable[[Table], Markup]] = {
    "arrivals": _arrivals,
    "firsts": _firsts,
    "years": _years,
    "units": _units,
    "backlog": _single,
    "channels": _bars,
    "districts": _bars,
    "kinds": _bars,
    "confidence": _confidence,
    "corrections": _corrections,
}
