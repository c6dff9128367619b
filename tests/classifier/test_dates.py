"""Dates as exports write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.dates import CHINA, parse_date
from classifier.errors import DateError


def _at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=CHINA)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2019-03-04 11:38:34", _at(2019, 3, 4, 11, 38, 34)),
        ("2019-3-4", _at(2019, 3, 4)),
        ("2019/3/4", _at(2019, 3, 4)),
        ("2019/3/4 9:05", _at(2019, 3, 4, 9, 5)),
        ("2019.3.4", _at(2019, 3, 4)),
        ("2019年3月4日", _at(2019, 3, 4)),
        ("2019年3月4日 下午3点", _at(2019, 3, 4, 15)),
        ("2019年3月4日下午3时20分", _at(2019, 3, 4, 15, 20)),
        ("2019年3月4日 上午12:30", _at(2019, 3, 4, 0, 30)),
        ("2019年3月4日 中午12点", _at(2019, 3, 4, 12)),
        ("2019年3月4日 中午11点30分", _at(2019, 3, 4, 11, 30)),
        ("2019年3月4日 中午1点", _at(2019, 3, 4, 13)),
        ("2019年3月4日 晚上8点", _at(2019, 3, 4, 20)),
        ("2019年3月4日（星期一）", _at(2019, 3, 4)),
        ("20190304", _at(2019, 3, 4)),
        ("201903041138", _at(2019, 3, 4, 11, 38)),
        ("20190304113834", _at(2019, 3, 4, 11, 38, 34)),
        ("2019-03-04T11:38:34", _at(2019, 3, 4, 11, 38, 34)),
        ("2019-03-04T11:38:34.512", _at(2019, 3, 4, 11, 38, 34)),
        ("2019-03-04T03:38:34Z", _at(2019, 3, 4, 11, 38, 34)),
        ("2019-03-04T11:38:34+08:00", _at(2019, 3, 4, 11, 38, 34)),
        ("2019-03-03T22:38:34-0500", _at(2019, 3, 4, 11, 38, 34)),
        ("3/4/2019", _at(2019, 3, 4)),
        ("3/4/2019 3:05 PM", _at(2019, 3, 4, 15, 5)),
        ("二〇一九年三月四日", _at(2019, 3, 4)),
        ("二零一九年十二月三十一日", _at(2019, 12, 31)),
        ("二〇一九年元月二十日", _at(2019, 1, 20)),
        ("43528", _at(2019, 3, 4)),
        ("43528.5", _at(2019, 3, 4, 12)),
        ("  2019-03-04  ", _at(2019, 3, 4)),
    ],
)
def test_the_ways_exports_write_a_date(text: str, expected: datetime) -> None:
    assert parse_date(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", "不详", "2019-02-30", "2019-13-01", "2019-00-10", "20190230", "二〇一九年二月三十日", "二〇一九年十三月一日",
        "2019-03-04 25:00", "2019-03-04 11:61", "1899-01-01", "9999-01-01", "00001", "20190304999999", "2019年", "3月4日",
        "2019-03-04T11:38:34+99:99", "昨天", "\0", "２０１９", "-1", "1e5",
    ],
)  # fmt: skip
def test_what_no_calendar_has_is_refused(text: str) -> None:
    with pytest.raises(DateError):
        parse_date(text)


def test_a_datetime_without_a_zone_is_in_china() -> None:
    assert parse_date(datetime(2019, 3, 4, 8)) == _at(2019, 3, 4, 8)
    aware = datetime(2019, 3, 4, tzinfo=UTC)
    assert parse_date(aware) is aware
    assert parse_date(aware) == _at(2019, 3, 4, 8)


moments = st.datetimes(datetime(1950, 1, 1), datetime(2173, 1, 1)).map(lambda d: d.replace(microsecond=0))


@settings(max_examples=50, deadline=None)
@given(moments, st.integers(-14 * 60, 14 * 60))
def test_iso_text_comes_back_as_the_same_moment(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    assert parse_date(moment.isoformat(sep=" ")) == moment.replace(tzinfo=CHINA)
    assert parse_date(aware.isoformat()) == aware


@settings(max_examples=50, deadline=None)
@given(moments)
def test_spreadsheet_serials_come_back_as_the_same_moment(moment: datetime) -> None:
    days = (moment - datetime(1899, 12, 30)) / timedelta(days=1)
    assert parse_date(f"{days:.8f}") == moment.replace(tzinfo=CHINA)


@settings(max_examples=150, deadline=None)
@given(
    st.text(
        st.sampled_from("0123456789-/.年月日号点时分秒:：TZ+ 上下午中晚AMP一二三十元〇（星期）"), max_size=24
    )
    | st.text(max_size=24)
)
def test_garbage_raises_nothing_but_a_date_error(text: str) -> None:
    try:
        parsed = parse_date(text)
    except DateError:
        return
    assert parsed.tzinfo is not None
    assert 1949 <= parsed.year <= 2200
