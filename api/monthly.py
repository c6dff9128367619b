"""The offices' monthly report (docs/procedure.md): the ledger (台账), one row a matter, and the statistics by unit and category (统计表).

A matter is what people confirmed; every single petition is one of its own. What fenban does not know (who leads a case, whether it was
resolved, follow-up) is an empty column for the office to fill in. The report is passed around, so it holds no accusation (检举控告),
whoever asks for it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np

from api.figures import (
    Cell,
    Column,
    Period,
    Table,
    firsts,
    is_text,
    number_of,
    one_a_matter,
    today,
    within,
)
from api.matters import due_at
from api.names import Names
from api.service import Service
from api.spreadsheet import workbook
from api.store.audit import Action, record
from api.store.columns import Columns, Ints, Mask, as_seen, columns_of, heads
from api.store.firewall import PRINTED, Accusations, Viewer
from api.store.petitions import DECIDED, PENDING, RETURNED
from classifier.dates import CHINA
from classifier.petition import Channel

#: Within so many days a petition is passed on (Regulation Art. 22).
_FORWARD_DAYS = 15
_STATUSES = (DECIDED, PENDING, RETURNED)
_LEDGER = (
    Column("序号"), Column("事由", "text"), Column("内容分类", "text"), Column("诉求类型", "text"), Column("首次收到", "text"),
    Column("属地", "text"), Column("承办单位", "text"), Column("件数（件）"), Column("其中本月（件）"), Column("来访（批次）"),
    Column("人次"), Column("渠道", "text"), Column("办理情况", "text"), Column("办理期限", "text"), Column("是否超过期限", "text"),
    Column("状态", "text"), Column("包案领导", "text"), Column("责任人", "text"), Column("化解措施", "text"), Column("化解情况", "text"),
    Column("回访", "text"), Column("事项编号", "text"),
)  # fmt: skip
#: Left for the office.
_UNKNOWN = 5
_STATISTICS = (
    Column("分项", "text"), Column("名称", "text"), Column("件数（件）"), Column("来访（批次）"), Column("人次"), Column("初信初访（件）"),
    Column("重复（件）"), Column("已认定（件）"), Column("待认定（件）"), Column("已退回（件）"), Column("超过 15 天待认定（件）"),
    Column("上月（件）"), Column("比上月", "percent"), Column("去年同月（件）"), Column("同比", "percent"), Column("化解率", "text"),
)  # fmt: skip


def report_file(service: Service, month: Period, viewer: Viewer | None = None) -> bytes:
    """The report as an Excel workbook. Of what `viewer` may see, with that on record; None, at the command line, is everything but
    accusations."""
    content = workbook(report(service, month, viewer or PRINTED))
    with service.store.write() as connection:
        user = viewer.user_id if viewer else None
        record(connection, Action.EXPORTED, user, what="report", month=f"{month.since:%Y-%m}")
    return content


def report(service: Service, month: Period, viewer: Viewer) -> tuple[Table, Table]:
    """Ledger and statistics of a month."""
    printed = replace(viewer, accusations=Accusations.NONE)
    with service.store.read_one_moment() as connection:
        columns = as_seen(connection, columns_of(service.store, connection), printed)
        # What came in later is no part of the month's report, even when it is made later.
        columns = columns.only(columns.day <= number_of(month.until))
        first = one_a_matter(columns, np.flatnonzero(within(columns, month)))
        first = first[np.lexsort((columns.seq[first], columns.at[first]))]
        found = heads(connection, columns.seq[first].tolist())
    names = Names.of(service.live.engine())
    titles = [found[int(seq)]["title"] for seq in columns.seq[first]]
    ledger = _ledger(names, columns, month, first, titles, service.settings.handling_days)
    return ledger, _statistics(names, columns, month)


def _ledger(
    names: Names, columns: Columns, month: Period, first: Ints, titles: list[str], handling_days: int
) -> Table:
    members: dict[int, list[int]] = {}
    for row in np.flatnonzero(columns.matter >= 0).tolist():
        members.setdefault(int(columns.matter[row]), []).append(row)
    inside = within(columns, month)
    rows = []
    for number, (at, title) in enumerate(zip(first.tolist(), titles, strict=True), start=1):
        matter = int(columns.matter[at])
        rows.append(
            _matter_row(
                names,
                columns,
                members[matter] if matter >= 0 else [at],
                at,
                inside,
                number,
                title,
                handling_days,
            )
        )
    return Table(
        "ledger",
        "台账",
        _LEDGER,
        tuple(rows),
        f"{month.since:%Y-%m} 有来件的信访事项，不含检举控告件。件数、人次截至月底；状态、单位为导出时的。"
        "化解、包案、回访等本系统没有记录的列留空，由单位填写。",
    )


def _matter_row(
    names: Names,
    columns: Columns,
    members: list[int],
    first: int,
    inside: Mask,
    number: int,
    title: str,
    handling_days: int,
) -> tuple[Cell, ...]:
    def said(name: str, row: int) -> str:
        return columns.books[name][int(columns.texts[name][row])]

    def commonest(name: str) -> str:
        counts = Counter(value for row in members if (value := said(name, row)))
        return min(counts, key=lambda value: (-counts[value], value), default="")

    arrived = datetime.fromtimestamp(int(columns.at[first]), UTC)
    # The limit ends with its last day: due_at is the moment after.
    due = due_at(arrived, handling_days).astimezone(CHINA).date()
    last_day = date.fromordinal(due.toordinal() - 1)
    statuses = Counter(said("status", row) for row in members)
    channels = [said("channel", row) for row in members]
    status = next((one for one in (RETURNED, PENDING) if statuses[one]), DECIDED)
    values: tuple[str | int | None, ...] = (
        number,
        title or "（无标题）",
        names.category(commonest("category")),
        commonest("kind"),
        arrived.astimezone(CHINA).date().isoformat(),
        commonest("district"),
        names.unit(commonest("unit")),
        len(members),
        int(inside[members].sum()),
        channels.count(Channel.VISIT.value),
        int(columns.people[members].sum()),
        "、".join(dict.fromkeys(channel for channel in channels if channel)),
        "，".join(f"{one} {statuses[one]} 件" for one in _STATUSES if statuses[one]),
        last_day.isoformat(),
        "是" if today() > last_day else "否",
        status,
        *([None] * _UNKNOWN),
        columns.matters[int(columns.matter[first])] if columns.matter[first] >= 0 else "",
    )
    return tuple(map(Cell, values))


def _statistics(names: Names, columns: Columns, month: Period) -> Table:
    first = firsts(columns)
    before = Period.month_before(month.since)
    spans = {
        "now": within(columns, month),
        "before": within(columns, before),
        "year": within(columns, Period.month(f"{month.since.year - 1}-{month.since.month:02d}")),
    }
    begin = int(columns.day.min(initial=np.iinfo(np.int32).max))
    known = {
        "before": begin <= number_of(before.until),
        "year": begin <= number_of(month.year_before().until),
    }
    statuses = {status: is_text(columns, "status", status) for status in _STATUSES}
    late = statuses[PENDING] & (columns.day < number_of(today()) - _FORWARD_DAYS)
    visits = is_text(columns, "channel", Channel.VISIT.value)

    def row(group: str, name: str, which: Mask) -> tuple[Cell, ...]:
        now = which & spans["now"]
        count, past, year = (int((which & spans[span]).sum()) for span in ("now", "before", "year"))
        values: tuple[str | float | None, ...] = (
            group,
            name,
            count,
            int((now & visits).sum()),
            int(columns.people[now].sum()),
            int((now & first).sum()),
            int((now & ~first).sum()),
            *(int((now & statuses[status]).sum()) for status in _STATUSES),
            int((now & late).sum()),
            past if known["before"] else None,
            (count - past) / past if past and known["before"] else None,
            year if known["year"] else None,
            (count - year) / year if year and known["year"] else None,
            None,
        )
        return tuple(map(Cell, values))

    def rows(group: str, column: str, short: int, shown: Callable[[str], str]) -> Iterable[tuple[Cell, ...]]:
        book = columns.books[column]
        of = spans["now"] | spans["before"] | spans["year"]
        keys = sorted({book[at][:short] for at in np.unique(columns.texts[column][of]).tolist()})
        masks = {
            key: np.isin(columns.texts[column], [at for at, one in enumerate(book) if one[:short] == key])
            for key in keys
        }
        for key in sorted(keys, key=lambda one: -int((masks[one] & spans["now"]).sum())):
            yield row(group, shown(key) if key else "未定", masks[key])

    every = np.ones(len(columns.seq), dtype=np.bool_)
    return Table(
        "statistics",
        "统计表",
        _STATISTICS,
        (
            row("合计", "合计", every),
            *rows("承办单位", "unit", 80, names.unit),
            *rows("内容分类", "category", 2, names.category),
        ),
        f"{month.since:%Y-%m} 收到的信访件，不含检举控告件；状态、单位、分类为导出时的，待认定的按建议计。"
        "初信初访、重复按经人认定的同一事项计。化解率本系统没有记录，留空由单位填写。空白的上月、去年同月：那时还没有记录。",
    )
