"""Petitions as columns: they follow the database exactly, and what is counted on them is what the rest of the service says."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from api.figures import Period, changed, count_texts, firsts, is_text, matters_in, overdue_matters, within
from api.matters import due_at
from api.matters import firsts as firsts_of_one
from api.store.columns import Columns, _Mirror, as_seen, columns_of, read_ahead
from api.store.firewall import Role, viewer_of
from classifier.dates import CHINA

_TEXT = "青石街道锦和苑小区楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_DAYS = st.dates(date(2019, 1, 1), date(2027, 12, 31))


def _now(service) -> Columns:
    with service.store.read_one_moment() as connection:
        return columns_of(service.store, connection)


def _anew(service) -> Columns:
    with service.store.read_one_moment() as connection:
        return _Mirror().follow(connection)


def _said(columns: Columns) -> list[tuple]:
    """The columns as rows, matters by their ids: numbers in books depend on what was met when."""
    texts = {name: [columns.books[name][n] for n in numbers] for name, numbers in columns.texts.items()}
    matter = [columns.matters[n] if n >= 0 else "" for n in columns.matter]
    return list(
        zip(
            columns.seq.tolist(), columns.at.tolist(), columns.day.tolist(), columns.people.tolist(),
            columns.confidence.tolist(), columns.open_category.tolist(), columns.replied.tolist(), *texts.values(), matter, columns.petitioner.tolist(),
            strict=True,
        )
    )  # fmt: skip


def _confirm(http, one, other, confirmed=True):
    answer = http.post(f"/v1/petitions/{one}/decisions", {"links": [{"id": other, "confirmed": confirmed}]})
    assert answer.status_code == 201, answer.text


def test_columns_follow_every_change_as_if_read_anew(http, service):
    assert _said(_now(service)) == _said(_anew(service)) == []
    phone = {"petitioner": {"phone": "13900001111"}}
    ids = [
        http.submit(
            {"text": _TEXT, "received_at": f"2026-0{n}-05 23:30", "people": n} | (phone if n < 4 else {})
        )
        for n in range(1, 6)
    ]
    steps = [
        lambda: http.post(f"/v1/petitions/{ids[0]}/decisions", {"category": "0401", "unit": "urban_management"}),
        lambda: http.post(f"/v1/petitions/{ids[1]}/decisions", {"unit": "ecology"}),
        lambda: http.post(f"/v1/petitions/{ids[0]}/returns", {"unit": "urban_management", "reason": "不归我们管"}),
        lambda: http.post(f"/v1/petitions/{ids[1]}/replies", {"unit": "ecology", "replied_on": "2026-02-20"}),
        lambda: http.post(f"/v1/petitions/{ids[1]}/undo", {}),
        lambda: _confirm(http, ids[2], ids[0]),
        lambda: _confirm(http, ids[3], ids[2]),
        lambda: _confirm(http, ids[4], ids[1]),
        lambda: http.submit({"text": _TEXT, "received_at": "2026-09-05"}),
        lambda: _confirm(http, ids[4], ids[1], confirmed=False),
        lambda: _confirm(http, ids[4], ids[1]),
        lambda: http.post(f"/v1/petitions/{ids[0]}/undo", {}),
        lambda: http.post(f"/v1/petitions/{ids[1]}/undo", {"link": ids[4]}),
    ]  # fmt: skip
    seen = [_said(_now(service))]
    for step in steps:
        step()
        seen.append(_said(_now(service)))
        assert seen[-1] == _said(_anew(service))
    # Otherwise a step that failed would prove nothing.
    assert all(one != other for one, other in pairwise(seen))


def test_nothing_is_read_twice(http, service):
    for _ in range(3):
        http.submit(_TEXT)
    first = _now(service)
    asked = []
    event.listen(service.store.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert _now(service) is first
    assert len([one for one in asked if "FROM" in one]) == 2


def test_what_was_read_ahead_is_not_read_again(http, service):
    http.submit(_TEXT)
    with read_ahead(service.store):
        pass
    asked = []
    event.listen(service.store.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    assert len(_now(service).seq) == 1
    assert len([one for one in asked if "FROM" in one]) == 2


def test_a_chain_through_what_is_hidden_makes_no_repeat(http, service):
    """Two letters share a petitioner only through an accusation that names both of their keys: intake counts two firsts."""
    one = http.submit({"text": _TEXT, "petitioner": {"phone": "13900001111"}})
    other = http.submit({"text": _TEXT, "petitioner": {"phone": "13900002222"}})
    both = http.submit(
        {
            "text": _TEXT,
            "petitioner": {"phone": "13900001111"},
            "joint_petitioners": [{"phone": "13900002222"}],
        }
    )
    _confirm(http, other, one)
    _confirm(http, both, one)
    http.post(f"/v1/petitions/{both}/decisions", {"kind": "检举控告"})
    with service.store.read_one_moment() as connection:
        columns = columns_of(service.store, connection)
        hidden = as_seen(connection, columns, viewer_of(Role.INTAKE, "somebody", "", False))
    assert firsts(columns).tolist() == [True, False, False]
    assert firsts(hidden).tolist() == [True, True]


def _made(rows: list[tuple[int, int, int]]) -> Columns:
    """Columns of (moment, matter, petitioner)."""
    size = len(rows)
    at, matter, petitioner = (
        np.array(one, dtype=np.int64) for one in (zip(*rows, strict=True) if rows else ((), (), ()))
    )
    return Columns(
        seq=np.arange(size) + 1,
        at=at,
        day=(at + 28_800) // 86_400,
        people=np.ones(size, dtype=np.int64),
        confidence=np.full(size, np.nan),
        open_category=np.zeros(size, dtype=bool),
        replied=np.zeros(size, dtype=bool),
        texts={},
        books={},
        matter=matter,
        petitioner=petitioner,
        matters=tuple("abc"),
    )  # fmt: skip


_ROWS = st.lists(st.tuples(st.integers(0, 20), st.integers(-1, 2), st.integers(-1, 3)), max_size=25)


@settings(deadline=None)
@given(_ROWS)
def test_firsts_are_those_of_each_matter(rows):
    columns = _made(rows)
    expected = [True] * len(rows)
    for number in range(3):
        members = sorted((at, seq) for seq, (at, matter, _) in enumerate(rows) if matter == number)
        order = [seq for _, seq in members]
        who = {seq: rows[seq][2] for seq in order if rows[seq][2] >= 0}
        for seq, first in zip(order, firsts_of_one(order, who), strict=True):
            expected[seq] = first
    assert firsts(columns).tolist() == expected


@settings(deadline=None)
@given(_ROWS, st.lists(st.booleans(), min_size=25, max_size=25), st.integers(1, 90), st.integers(0, 100))
def test_overdue_is_what_the_time_limit_says(rows, replied, limit, later):
    rows = [(moment * 86_400 + 50_000, matter, who) for moment, matter, who in rows]
    day = date(1970, 1, 1) + timedelta(days=later)
    begun = datetime(day.year, day.month, day.day, tzinfo=CHINA)
    answered = np.array(replied[: len(rows)], dtype=bool)
    found = overdue_matters(
        replace(_made(rows), replied=answered), np.ones(len(rows), dtype=bool), limit, day
    ).tolist()
    opened = {n: [at for at, matter, _ in rows if matter == n] for n in range(3)}
    unanswered = {matter for (_, matter, _), done in zip(rows, answered, strict=True) if not done}
    assert found == [
        n
        for n, moments in opened.items()
        if len(moments) > 1
        and n in unanswered
        and due_at(datetime.fromtimestamp(min(moments), UTC), limit) <= begun
    ]


@settings(deadline=None)
@given(_ROWS)
def test_matters_are_counted_once(rows):
    on = [matter for _, matter, _ in rows]
    expected = on.count(-1) + len(set(on) - {-1})
    assert matters_in(_made(rows), np.ones(len(rows), dtype=bool)) == expected


@settings(deadline=None)
@given(_DAYS, st.integers(0, 800))
def test_parts_cover_a_period_without_gap_or_overlap(since, days):
    period = Period(since, since + timedelta(days=days))
    for parts in (period.months(), period.weeks()):
        assert parts[0].since == period.since
        assert parts[-1].until == period.until
        assert all(one.until + timedelta(days=1) == other.since for one, other in pairwise(parts))
        assert all(part.since <= part.until for part in parts)


def test_the_year_before_knows_leap_years():
    assert Period(date(2028, 2, 29), date(2028, 3, 1)).year_before() == Period(
        date(2027, 2, 28), date(2027, 3, 1)
    )


def test_a_day_is_chinas(http, service):
    http.submit({"text": _TEXT, "received_at": "2026-03-04 00:00"})
    http.submit({"text": _TEXT, "received_at": "2026-03-04 23:59:59.9"})
    assert within(_now(service), Period(date(2026, 3, 4), date(2026, 3, 4))).tolist() == [True, True]


def test_a_correction_is_one_of_level_two(http, service):
    """A decision of level 1 that holds the suggestion is none; one that leaves the category open is no decision on it."""
    ids = [http.submit(_TEXT) for _ in range(4)]
    suggested = http.get(f"/v1/petitions/{ids[0]}").json()["suggestion"]["categories"][0]["code"]
    other = "1503" if suggested[:2] != "15" else "0401"
    for petition, body in zip(
        ids, ({"category": suggested[:2]}, {"category": other}, {"unit": "ecology"}), strict=False
    ):
        assert http.post(f"/v1/petitions/{petition}/decisions", body).status_code == 201
    decided, other_than = changed(_now(service))
    assert decided.tolist() == [True, True, False, False]
    assert other_than.tolist() == [False, True, False, False]


def test_texts_are_counted(http, service):
    for channel in ("电话", "电话", "来信"):
        http.submit({"text": _TEXT, "channel": channel})
    columns = _now(service)
    assert count_texts(columns, "channel", np.ones(3, dtype=bool)) == {"电话": 2, "来信": 1}
    assert is_text(columns, "channel", "传真").tolist() == [False] * 3


def test_columns_alone_keep_every_field():
    columns = replace(
        _made([(1, 0, 1), (2, 1, -1)]), texts={"unit": np.array([0, 1])}, books={"unit": ("a", "b")}
    )
    one = columns.only(np.array([False, True]))
    assert {field.name: getattr(one, field.name) for field in fields(one) if field.name not in {"texts", "books", "matters"}} == {
        "seq": [2], "at": [2], "day": [0], "people": [1], "confidence": pytest.approx([np.nan], nan_ok=True),
        "open_category": [False], "replied": [False], "matter": [1], "petitioner": [-1],
    }  # fmt: skip
    assert one.texts["unit"].tolist() == [1]
