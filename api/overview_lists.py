"""What the overview counts and no filter of the list of petitions finds: firsts, repeats, corrections, matters, overdue matters. A page of
them at a time, latest first; overdue ones longest overdue first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from api.figures import Period, changed, firsts, number_of, one_a_matter, overdue_matters, today, within
from api.service import Service
from api.store.columns import Columns, Ints, as_seen, columns_of, heads
from api.store.firewall import Viewer
from classifier.errors import NotFoundError

PAGE = 50
#: What is listed, by its word in addresses.
LISTS = {
    "firsts": "初信初访",
    "repeats": "重复信访",
    "changed": "改判了建议分类的件",
    "matters": "涉及事项",
    "overdue": "逾期事项",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A petition, or a matter shown by its first petition; `petitions` is how many are on the matter, `matter_id` "" for a single one.

    `days_left` is negative by how many days the matter's time limit is over, None in other lists than that of overdue ones.
    """

    id: str
    matter_id: str
    title: str
    arrived: datetime
    category: str
    suggested: str
    unit: str
    status: str
    petitions: int
    days_left: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of a list. `pages` is at least 1."""

    title: str
    total: int
    page: int
    pages: int
    entries: tuple[Entry, ...]


def listing(
    service: Service, what: str, period: Period, viewer: Viewer, category: str = "", page: int = 1
) -> Listing:
    """Raises NotFoundError for a list that is none, InputError for such a period. `category` narrows by what was suggested."""
    if what not in LISTS:
        raise NotFoundError("没有这个列表。请从概览页点数字进入。")
    period.checked()
    with service.store.read_one_moment() as connection:
        columns = as_seen(connection, columns_of(service.store, connection), viewer)
        rows = _rows(columns, what, period, category, service.settings.handling_days)
        pages = max(1, -(-len(rows) // PAGE))
        page = min(max(page, 1), pages)
        chosen = rows[(page - 1) * PAGE : page * PAGE]
        found = heads(connection, columns.seq[chosen].tolist())
    sizes = np.bincount(columns.matter[columns.matter >= 0], minlength=len(columns.matters))
    as_matters = what in {"matters", "overdue"}
    last_begun = number_of(today()) - service.settings.handling_days
    entries = []
    for at in chosen.tolist():
        head, number = found[int(columns.seq[at])], int(columns.matter[at])
        many = int(sizes[number]) if number >= 0 else 1
        entries.append(
            Entry(
                head["id"],
                columns.matters[number] if as_matters and many > 1 else "",
                head["title"],
                head["arrived"],
                columns.books["category"][int(columns.texts["category"][at])],
                columns.books["suggested"][int(columns.texts["suggested"][at])],
                columns.books["unit"][int(columns.texts["unit"][at])],
                columns.books["status"][int(columns.texts["status"][at])],
                many,
                int(columns.day[at]) - last_begun if what == "overdue" else None,
            )
        )
    return Listing(LISTS[what], len(rows), page, pages, tuple(entries))


def _rows(columns: Columns, what: str, period: Period, category: str, handling_days: int) -> Ints:
    inside = within(columns, period)
    if category:
        book = columns.books["suggested"]
        codes = [at for at, code in enumerate(book) if code.startswith(category)]
        inside &= np.isin(columns.texts["suggested"], codes)
    if what == "firsts":
        rows = np.flatnonzero(inside & firsts(columns))
    elif what == "repeats":
        rows = np.flatnonzero(inside & ~firsts(columns))
    elif what == "changed":
        rows = np.flatnonzero(inside & changed(columns)[1])
    else:
        if what == "overdue":
            inside &= np.isin(columns.matter, overdue_matters(columns, inside, handling_days, today()))
        rows = one_a_matter(columns, np.flatnonzero(inside))
    sign = 1 if what == "overdue" else -1
    order: Ints = rows[np.lexsort((sign * columns.seq[rows], sign * columns.at[rows]))]
    return order
