"""The queue (待办): what waits for a decision, by use or by due date, narrowed by an address, page by page and petition by petition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from sqlalchemy import Connection, RowMapping

from api.listing import Asked, wanted
from api.matters import days_left, overdue_before
from api.review import ONE_IN, why, woven
from api.service import Service
from api.store import queue as store
from api.store import search
from api.store.asked_links import undecided_counts
from api.store.firewall import Viewer
from api.store.petitions import DECIDED, RETURNED, now
from api.store.queue import COUNTED, Lens, Rank, Standing, Wait
from classifier.doubt import Doubt

#: Rows of a page: a multiple of five, so that each page begins with one of the random share.
PAGE = 10 * ONE_IN
#: So many days before its last one a petition counts as soon due.
SOON = 3
#: Who walks on from a page is followed so far; beyond, the next of the same stream comes next.
_WALKED = 500
_EXCERPT = 120
_AT = re.compile(r"[0-9]{1,18}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Item:
    """One petition of the queue: its row, its suggested links, whether its suggested category is in doubt, why else it is asked, its days
    left (None without a due date)."""

    row: RowMapping
    links: int
    is_doubtful: bool
    reasons: tuple[str, ...]
    days_left: int | None


@dataclass(frozen=True, slots=True)
class Figures:
    """How many wait, are overdue, soon due, sent back: of all a viewer sees. `capped` when there are more than were counted."""

    waiting: int
    overdue: int
    soon: int
    returned: int
    capped: bool


@dataclass(frozen=True, slots=True)
class Queue:
    """A page of it. `asked` is what was asked, with the state of the moment; `next` the address of the next page, "" on the last."""

    items: tuple[Item, ...]
    figures: Figures
    asked: Asked
    next: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a page by use begins: behind these places of both streams."""

    chance: int = 0
    useful: Rank | None = None

    def __str__(self) -> str:
        return (
            str(self.chance) if self.useful is None else f"{self.chance}_{self.useful[0]!r}_{self.useful[1]}"
        )


def queue(service: Service, asked: Asked, viewer: Viewer) -> Queue:
    """A page as `asked`: by use, every fifth place by chance, unless it is asked by due date."""
    lens, moment = lens_of(service, asked, viewer), now()
    days = service.settings.forward_days
    with service.store.read() as connection:
        asked = replace(asked, at="" if asked.sort else str(store.latest_decision(connection)))
        if asked.sort:
            seqs, after = _by_due(connection, lens, asked.after)
        else:
            seqs, after = _by_use(connection, lens, asked.after)
        rows = store.rows_of(connection, seqs, _EXCERPT)
        links = undecided_counts(connection, [row["id"] for row in rows], viewer)
        total, overdue, soon, returned = store.tally(
            connection, viewer, overdue_before(moment, days), _soon_before(moment, days)
        )
    items = tuple(
        Item(
            row,
            links.get(row["id"], 0),
            row["status"] != RETURNED and _is_doubtful(row),
            _reasons(row),
            days_left(row["waits_since"], days, moment) if row["waits_since"] else None,
        )
        for row in rows
    )
    figures = Figures(total, overdue, soon - overdue, returned, total >= COUNTED)
    return Queue(items, figures, asked, asked.query(after=after, at="") if after else "")


def neighbours(
    service: Service, viewer: Viewer, query: str, petition_id: str
) -> tuple[str | None, str | None]:
    """The petitions before and after one in the queue that `query`, the address it was opened from, describes; None where there is none.
    An address of the search describes the search, whose words are not looked for again: with words there is neither.

    The petition itself may have left the queue: the walk goes on from where it stood. So may others; they keep their places, as the list
    was when it was shown, and are passed over.
    """
    asked = Asked.read(query)
    lens = lens_of(service, asked, viewer)
    with service.store.read() as connection:
        here = store.standing_of(connection, petition_id)
        if here is None:
            return None, None
        if asked.list:
            found = _searched(connection, lens, asked, here)
        elif asked.sort:
            place = (here.waits, here.seq)
            before, after = (
                store.waiting(connection, lens, place, 1, backward) for backward in (True, False)
            )
            found = (before[0][1] if before else None, after[0][1] if after else None)
        else:
            found = _beside(connection, lens, asked, here)
        one, other = (None if seq is None else store.id_of(connection, seq) for seq in found)
    return one, other


def _searched(
    connection: Connection, lens: Lens, asked: Asked, here: Standing
) -> tuple[int | None, int | None]:
    if asked.q:
        return None, None
    older = search.newest(connection, lens.wanted, lens.viewer, here.seq, 1)
    return search.newer(connection, lens.wanted, lens.viewer, here.seq), next(iter(older), None)


def lens_of(service: Service, asked: Asked, viewer: Viewer) -> Lens:
    """Which part of the queue an address asks for."""
    narrowed = wanted(service, asked)
    days, moment = service.settings.forward_days, now()
    if asked.due:
        over, soon = overdue_before(moment, days), _soon_before(moment, days)
        bounds = (None, over) if asked.due == "overdue" else (over, soon)
        narrowed = replace(narrowed, waits_from=bounds[0], waits_before=bounds[1])
    return Lens(narrowed, viewer)


def _soon_before(moment: datetime, days: int) -> datetime:
    """What began to wait before this is overdue or soon due."""
    return overdue_before(moment + timedelta(days=SOON + 1), days)


def _by_due(connection: Connection, lens: Lens, after: str) -> tuple[list[int], str]:
    found = store.waiting(connection, lens, _read_wait(after), PAGE + 1)
    seqs = [seq for _, seq in found[:PAGE]]
    return seqs, _write_wait(found[PAGE - 1]) if len(found) > PAGE else ""


def _by_use(connection: Connection, lens: Lens, after: str) -> tuple[list[int], str]:
    start = _read_place(after)
    both = _streams(connection, lens, start, PAGE + 1)
    page = list(islice(both, PAGE + 1))
    shown = page[:PAGE]
    if len(page) <= PAGE:
        return [seq for _, seq in shown], ""
    by_chance = [seq for rank, seq in shown if rank is None]
    useful = [(rank, seq) for rank, seq in shown if rank is not None]
    end = _Place(by_chance[-1] if by_chance else start.chance, useful[-1] if useful else start.useful)
    return [seq for _, seq in shown], str(end)


def _streams(
    connection: Connection, lens: Lens, start: _Place, limit: int, left: tuple[Standing, ...] = ()
) -> Iterator[tuple[float | None, int]]:
    """Both streams as one list of (rank, seq), the rank of the random share None; those who `left` stand where they stood."""
    by_chance = {(None, seq) for seq in store.chance(connection, lens, start.chance, limit)}
    by_chance |= {(None, one.seq) for one in left if one.sampled and one.seq > start.chance}
    useful = set(store.useful(connection, lens, start.useful, limit))
    useful |= {(one.rank, one.seq) for one in left if not one.sampled and _behind(one, start)}
    ranked = sorted(useful, key=lambda place: (-place[0], place[1]))
    return islice(woven(sorted(by_chance, key=lambda place: place[1]), ranked), limit)


def _behind(one: Standing, start: _Place) -> bool:
    return start.useful is None or (-one.rank, one.seq) > (-start.useful[0], start.useful[1])


def _beside(
    connection: Connection, lens: Lens, asked: Asked, here: Standing
) -> tuple[int | None, int | None]:
    """The seqs before and after, in the list as it stood."""
    start = _read_place(asked.after)
    left = store.left_since(connection, lens, int(asked.at)) if _AT.fullmatch(asked.at) else []
    gone = {one.seq for one in left}
    seqs = [seq for _, seq in _streams(connection, lens, start, _WALKED, (*left, here))]
    if here.seq not in seqs:
        return _before(connection, lens, here), _behind_it(connection, lens, here)
    at = seqs.index(here.seq)
    before = next((seq for seq in reversed(seqs[:at]) if seq not in gone), None)
    if before is None and asked.after:
        before = _before(connection, lens, _ending_at(start, here))
    after = next((seq for seq in seqs[at + 1 :] if seq not in gone), None)
    if after is None and len(seqs) == _WALKED:
        after = _behind_it(connection, lens, here)
    return before, after


def _ending_at(start: _Place, here: Standing) -> Standing:
    """Just behind the last place of the page before."""
    if start.useful is not None:
        return replace(here, sampled=False, rank=start.useful[0], seq=start.useful[1] + 1)
    return replace(here, sampled=True, seq=start.chance + 1)


def _before(connection: Connection, lens: Lens, here: Standing) -> int | None:
    if here.sampled:
        return store.chance_before(connection, lens, here.seq)
    found = store.useful_before(connection, lens, (here.rank, here.seq))
    return found[1] if found else None


def _behind_it(connection: Connection, lens: Lens, here: Standing) -> int | None:
    if here.sampled:
        return next(iter(store.chance(connection, lens, here.seq, 1)), None)
    return next((seq for _, seq in store.useful(connection, lens, (here.rank, here.seq), 1)), None)


def _reasons(row: RowMapping) -> tuple[str, ...]:
    """Why it is asked about, but for a doubtful category; nothing where it merely has not been decided on, be it drawn or not."""
    if row["status"] == RETURNED:
        return ("等待重新认定",)
    others = ",".join(code for code in row["doubts"].split(",") if code != Doubt.UNCERTAIN)
    return tuple(why(others, row["abstained"])) if others or row["status"] == DECIDED else ()


def _is_doubtful(row: RowMapping) -> bool:
    return bool(row["abstained"]) or Doubt.UNCERTAIN in row["doubts"].split(",")


def _read_place(text: str) -> _Place:
    """The place that `text` names; the beginning when it names none."""
    chance, *rest = text.split("_")
    try:
        if len(rest) != 2 or not all(rest):
            return _Place(_seq(chance))
        rank = float(rest[0])
        return _Place(_seq(chance), (rank, _seq(rest[1]))) if 0 <= rank <= store.SENT_BACK else _Place()
    except ValueError:
        return _Place()


def _write_wait(place: Wait) -> str:
    return f"{(place[0] - _EPOCH) // timedelta(microseconds=1)}_{place[1]}"


def _read_wait(text: str) -> Wait | None:
    since, _, seq = text.partition("_")
    try:
        return _EPOCH + timedelta(microseconds=int(since)), _seq(seq)
    except (ValueError, OverflowError):
        return None


def _seq(text: str) -> int:
    """Raises ValueError for what is no number, or none that a database has."""
    number = int(text)
    if not 0 <= number < 2**62:
        raise ValueError(text[:20])
    return number
