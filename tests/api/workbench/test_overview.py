"""The overview: what it counts is what the lists hold, for each reader what they may see; its Excel files; the monthly report."""

from __future__ import annotations

import re
from datetime import date, timedelta
from io import BytesIO
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import openpyxl
import pytest
from sqlalchemy import event, select
from typer.testing import CliRunner

from api.cli import app as command_line
from api.figures import Cell, Column, Period, Table, today
from api.monthly import report
from api.overview import overview
from api.spreadsheet import workbook
from api.store.audit import Action
from api.store.firewall import Role, Viewer, viewer_of
from api.store.tables import audit, petitions, users

_TEXT = "青石街道锦和苑小区楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_DAY = today() - timedelta(days=40)
_YEAR = f"?since={today() - timedelta(days=300)}&until={today()}"


def _submit(http, day: date = _DAY, role="admin", **more):
    return http.submit({"text": _TEXT, "received_at": f"{day} 10:00", **more}, role=role)


def _decide(http, petition, **choice):
    answer = http.post(f"/v1/petitions/{petition}/decisions", choice)
    assert answer.status_code == 201, answer.text


@pytest.fixture
def office(http):
    """Seven petitions: three on one matter of which one repeats, one returned, one waiting, two accusations (one of intake's own)."""
    phone = {"petitioner": {"phone": "13900001111"}}
    ids = {
        "first": _submit(http, channel="来信", district="青石镇", people=3, **phone),
        "again": _submit(http, _DAY + timedelta(days=5), channel="来访", people=2, **phone),
        "neighbour": _submit(
            http, _DAY + timedelta(days=6), channel="来访", petitioner={"phone": "13900002222"}
        ),
        "returned": _submit(http, channel="电话"),
        "waiting": _submit(http, today() - timedelta(days=5)),
        "accusation": _submit(http),
        "own_accusation": _submit(http, role="intake"),
    }
    for name in ("first", "again", "neighbour", "returned"):
        _decide(http, ids[name], category="0401", kind="申诉求决", unit="urban_management")
    for name in ("accusation", "own_accusation"):
        _decide(http, ids[name], kind="检举控告", unit="ecology", category="0401")
    for name in ("again", "neighbour"):
        _decide(http, ids[name], links=[{"id": ids["first"], "confirmed": True}])
    body = {"unit": "urban_management", "reason": "不归我们管"}
    assert http.post(f"/v1/petitions/{ids['returned']}/returns", body).status_code == 201
    return ids


def _figures(page) -> dict[str, str]:
    found = re.findall(r'<span class="muted">(.*?)</span><b>(.*?)</b>', page.text)
    return {label: re.sub("<[^>]*>", "", value) for label, value in found}


@pytest.mark.parametrize(
    ("role", "expected"),
    [
        (
            "reviewer",
            {"来件": "7", "初信初访": "6", "重复": "1", "待认定": "1", "已退回": "1", "涉及事项": "5"},
        ),
        ("auditor", {"来件": "7", "涉及事项": "5"}),
        ("intake", {"来件": "6", "初信初访": "5", "重复": "1", "涉及事项": "4"}),
        ("unit", {"来件": "4", "待认定": "0", "已退回": "1", "涉及事项": "2"}),
    ],
)
def test_everybody_counts_what_they_may_see(desk, office, role, expected):
    page = desk(role).get(f"/overview{_YEAR}")
    assert page.status_code == 200
    figures = _figures(page)
    assert {label: figures[label] for label in expected} == expected
    assert ("检举控告" in page.text) == (role != "unit")


def _links(page) -> set[tuple[int, str]]:
    """Each number that leads somewhere, and where."""
    found = re.findall(r'<a href="(/(?:petitions|overview/list)[^"]*)">([\d,]+)</a>', page.text)
    return {(int(number.replace(",", "")), address.replace("&amp;", "&")) for address, number in found}


@pytest.mark.parametrize("role", ["admin", "intake", "unit"])
def test_every_number_is_as_many_as_its_list_holds(desk, office, service, role):
    someone = desk(role)
    links = _links(someone.get(f"/overview{_YEAR}"))
    assert len({urlsplit(address).path for _, address in links}) >= 4
    for number, address in links:
        parts = urlsplit(address)
        given = dict(parse_qsl(parts.query))
        if parts.path == "/petitions":
            assert set(given) <= {
                "status",
                "category",
                "kind",
                "unit",
                "channel",
                "district",
                "since",
                "until",
            }
            assert number == _count(service, someone, given), address
        else:
            page = someone.get(address)
            assert page.status_code == 200
            assert re.search(rf"共 {number:,} [件项]", page.text), address
            assert len(re.findall("data-row>", page.text)) == number


def _count(service, someone, given) -> int:
    """Petitions by day of arrival in China, both days included, category by prefix, as the list of petitions narrows."""
    ours = viewer_of(someone.session.user.role, someone.session.user.id, someone.session.user.unit, False)
    from api.store.firewall import visible

    stored = petitions.c
    query = select(stored.received_at, stored.category).where(visible(ours))
    for name in ("status", "kind", "unit", "channel", "district"):
        query = query.where(stored[name] == given[name]) if name in given else query
    with service.store.read() as connection:
        rows = connection.execute(query).all()
    days = [(row.received_at + timedelta(hours=8)).date().isoformat() for row in rows]
    return sum(
        given.get("since", "0") <= day <= given.get("until", "9")
        and row.category.startswith(given.get("category", ""))
        for day, row in zip(days, rows, strict=True)
    )


def test_every_chart_is_drawn_and_says_what_it_shows(desk, office):
    page = desk().get(f"/overview{_YEAR}").text
    drawn = re.findall(r'<svg class="chart fit".*?</svg>', page, re.S)
    charts = [ElementTree.fromstring(one) for one in drawn]  # noqa: S314
    assert len(charts) == 10
    assert all(chart.get("role") == "img" and chart.find("title").text for chart in charts)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = set(re.findall(r"url\(#([^)]+)\)", page))
    assert used <= set(ids)
    assert used


def test_overdue_matters_are_listed_the_longest_overdue_first(desk, http):
    ids = [_submit(http, today() - timedelta(days=ago)) for ago in (70, 10, 90, 5)]
    for one in ids:
        _decide(http, one, category="0401", kind="申诉求决", unit="urban_management")
    for one, other in ((ids[1], ids[0]), (ids[3], ids[2])):
        _decide(http, one, links=[{"id": other, "confirmed": True}])
    someone = desk()
    page = someone.get("/overview").text
    assert ">逾期事项<" in page
    # Of the last month: both have a petition in it, the first ones came before.
    listed = someone.get(f"/overview/list/overdue?since={today() - timedelta(days=20)}&until={today()}").text
    assert "<h1>逾期事项</h1>" in listed
    assert "有来件的事项，共 2 项" in listed
    assert "第一件收到" in listed
    assert re.findall(r"逾期 \d+ 天", listed) == ["逾期 30 天", "逾期 10 天"]
    assert "已认定" not in listed
    assert "第 1 / 1 页" not in listed


def _bars(page: str, name: str) -> dict[str, str]:
    """What a chart of bars writes: labels and their figures."""
    chart = re.search(
        rf'<svg class="chart fit"[^>]*aria-labelledby="{name}-says">.*?</svg>', page, re.S
    ).group()
    words = re.findall(r'class="strong[^"]*">([^<]*)<', chart)
    return dict(zip(words[::2], words[1::2], strict=True))


@pytest.mark.parametrize(("districts", "last"), [(12, "镇12"), (13, "镇13"), (14, "其余 2 个属地：")])
def test_bars_sum_up_to_the_whole(desk, stock, districts, last):
    stock(
        *({"district": f"镇{n}", "people": 1} for n in range(1, districts + 1) for _ in range(20 - n)),
        {"district": ""},
    )
    bars = _bars(desk().get("/overview").text, "districts")
    assert {"未写明", last} <= set(bars)
    assert sum(map(int, bars.values())) == sum(20 - n for n in range(1, districts + 1)) + 1


def test_an_empty_office_has_an_overview(desk):
    page = desk().get("/overview")
    assert page.status_code == 200
    assert _figures(page)["来件"] == "0"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("?since=2026-05-02&until=2026-05-01", "起始日期晚于截止日期"),
        ("?since=gestern", "日期看不懂"),
        ("?since=1990-01-01", "超过十年"),
    ],
)
def test_a_period_that_is_none_is_told_on_the_page(desk, query, reason):
    page = desk().get(f"/overview{query}")
    assert page.status_code == 422
    assert reason in page.text
    assert "来件走势" in page.text
    assert desk().get(f"/overview/units.xlsx{query}").status_code == 422


def test_presets_are_periods(desk):
    someone = desk()
    assert f"{today() - timedelta(days=29)} 至 {today()}" in someone.get("/overview?period=30d").text
    assert f"{today().year}-01-01 至 {today()}" in someone.get("/overview?period=year").text


def test_a_list_that_is_none_is_a_problem(desk):
    assert desk().get("/overview/list/petitioners").status_code == 404
    assert desk().get("/overview/nothing.xlsx").status_code == 404


def test_queries_do_not_grow_with_what_is_counted(desk, http, service):
    someone, asked = desk(), []

    def queries(path: str) -> int:
        asked.clear()
        assert someone.get(path).status_code == 200
        return len(asked)

    for _ in range(5):
        _submit(http)
    event.listen(service.store.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    paths = ("/overview", f"/overview/list/firsts{_YEAR}")
    someone.get("/overview")
    _submit(http)
    # Once to follow what is new, once with nothing new.
    few = [[queries(path) for _ in range(2)] for path in paths]
    for _ in range(45):
        _submit(http)
    assert [[queries(path) for _ in range(2)] for path in paths] == few
    assert max(max(counts) for counts in few) <= 10


def _book(answer):
    assert answer.status_code == 200
    assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    return openpyxl.load_workbook(BytesIO(answer.content))


def _entries(service):
    query = select(audit.c.action, audit.c.detail, users.c.name).join(users, users.c.id == audit.c.user_id)
    with service.store.read() as connection:
        rows = connection.execute(query.order_by(audit.c.number)).all()
    return [(row.name, row.detail) for row in rows if row.action == Action.EXPORTED.value]


def test_tables_are_had_as_excel_and_that_is_on_record(desk, http, office, service):
    someone = desk("auditor")
    book = _book(someone.get(f"/overview/units.xlsx{_YEAR}"))
    rows = list(book["各承办单位"].iter_rows(min_row=3, values_only=True))
    assert rows[0][:2] == ("承办单位", "件数")
    held = [http.get(f"/v1/petitions/{number}").json()["unit"] for number in office.values()]
    assert ("城管局", held.count("urban_management")) in [row[:2] for row in rows]
    assert len(_book(someone.get(f"/overview.xlsx{_YEAR}")).sheetnames) == 10
    assert [(name, '"units"' in detail) for name, detail in _entries(service)] == [
        ("user-auditor", True),
        ("user-auditor", False),
    ]


def test_an_excel_file_holds_no_more_than_its_reader_may_see(desk, office):
    book = _book(desk("unit").get(f"/overview.xlsx{_YEAR}"))
    assert [row[:2] for row in book["各承办单位"].iter_rows(min_row=4, values_only=True)] == [("城管局", 4)]
    assert "检举控告" not in [row[0] for row in book["按诉求类型"].iter_rows(values_only=True)]


@pytest.mark.parametrize("text", ["=1+1", "+86", "-1", "@SUM(A1)", "http://a.b", "007", "  =1"])
def test_a_text_is_never_a_formula(text):
    table = Table("one", text, (Column(text, "text"), Column("n")), ((Cell(text), Cell(1)),), text)
    book = openpyxl.load_workbook(BytesIO(workbook([table])))
    sheet = book.worksheets[0]
    cells = [sheet["A1"], sheet["A2"], sheet["A3"], sheet["A4"]]
    assert [(cell.value, cell.data_type) for cell in cells] == [(text, "s")] * 4
    assert sheet["A4"].quotePrefix == (text[0] in "=+-@")
    assert sheet["A4"].hyperlink is None


def test_titles_reach_the_ledger_as_text(desk, http):
    _submit(http, title='=HYPERLINK("http://a.b","点我")')
    book = _book(desk().get(f"/overview/report.xlsx?month={_DAY:%Y-%m}"))
    cell = book["台账"]["B4"]
    assert (cell.data_type, cell.value[0]) == ("s", "=")


@pytest.fixture
def someone_who_sees_all(service) -> Viewer:
    return viewer_of(Role.ADMIN, "", "", False)


def test_the_ledger_has_one_row_a_matter_and_no_accusation(office, service, someone_who_sees_all):
    month = Period(_DAY - timedelta(days=10), today())
    ledger, statistics = report(service, month, someone_who_sees_all)
    heads = [column.label for column in ledger.columns]
    rows = [dict(zip(heads, (cell.value for cell in row), strict=True)) for row in ledger.rows]
    # The matter, the returned one, the waiting one.
    assert [row["件数（件）"] for row in rows] in ([3, 1, 1], [1, 3, 1])
    matter = next(row for row in rows if row["件数（件）"] == 3)
    assert (matter["人次"], matter["来访（批次）"], matter["渠道"]) == (6, 2, "来信、来访")
    assert (matter["承办单位"], matter["首次收到"], matter["状态"]) == ("城管局", _DAY.isoformat(), "已认定")
    assert matter["办理期限"] == (_DAY + timedelta(days=60)).isoformat()
    assert {row["包案领导"] for row in rows} == {row["化解情况"] for row in rows} == {None}
    total = dict(
        zip([c.label for c in statistics.columns], (c.value for c in statistics.rows[0]), strict=True)
    )
    assert (total["件数（件）"], total["人次"], total["初信初访（件）"], total["重复（件）"]) == (5, 8, 4, 1)
    assert (total["已认定（件）"], total["待认定（件）"], total["已退回（件）"]) == (3, 1, 1)
    assert total["化解率"] is None


def test_a_month_is_compared_with_the_one_before_and_last_years(http, service, someone_who_sees_all):
    for day, times in (
        (date(2025, 3, 4), 4),
        (date(2026, 2, 28), 1),
        (date(2026, 3, 31), 2),
        (date(2026, 4, 1), 5),
    ):
        for _ in range(times):
            _submit(http, day)
    _, statistics = report(service, Period.month("2026-03"), someone_who_sees_all)
    heads = [column.label for column in statistics.columns]
    total = dict(zip(heads, (cell.value for cell in statistics.rows[0]), strict=True))
    assert (total["件数（件）"], total["上月（件）"], total["去年同月（件）"]) == (2, 1, 4)
    assert (total["比上月"], total["同比"]) == (1.0, -0.5)
    # What the parts count is the whole.
    for group in ("承办单位", "内容分类"):
        assert sum(row[2].value for row in statistics.rows if row[0].value == group) == 2
    _, first = report(service, Period.month("2025-03"), someone_who_sees_all)
    assert dict(zip(heads, (cell.value for cell in first.rows[0]), strict=True))["上月（件）"] is None


def test_the_report_at_the_command_line_is_that_of_the_page(desk, http, service, tmp_path, monkeypatch):
    _submit(http, date(2026, 3, 4))
    named = {
        "data_dir": service.settings.data_dir,
        "database_url": service.settings.url,
        "models": service.settings.models,
    }
    for name, value in named.items():
        monkeypatch.setenv(f"FENBAN_{name.upper()}", str(value))
    from api.settings import get_settings

    get_settings.cache_clear()
    out = tmp_path / "report.xlsx"
    answer = CliRunner().invoke(command_line, ["export", "report", "--month", "2026-03", "-o", str(out)])
    get_settings.cache_clear()
    assert answer.exit_code == 0, answer.output
    books = openpyxl.load_workbook(out), _book(desk().get("/overview/report.xlsx?month=2026-03"))
    one, other = ([list(sheet.values) for sheet in book] for book in books)
    assert one == other
    assert desk().get("/overview/report.xlsx?month=März").status_code == 422


def test_what_rises_is_shown_and_fetched_as_a_part(desk, http):
    for n in range(8):
        _submit(
            http,
            today() - timedelta(days=n % 3 + 1),
            district="青石镇",
            petitioner={"phone": f"1390000{n:04}"},
        )
    for month in range(2, 5):
        _submit(http, today() - timedelta(days=30 * month))
    someone = desk("intake")
    page = someone.get("/overview")
    assert "data-running" in page.text
    whole = someone.get("/overview/rising")
    assert "8 名不同信访人" in whole.text
    someone.headers["X-Fragment"] = "1"
    part = someone.get(f"/overview/rising?since={today().replace(day=1)}&until={today()}")
    assert part.status_code == 200
    assert "<html" not in part.text


def test_the_overview_of_a_period_agrees_with_itself(http, office, service, someone_who_sees_all):
    """Sums of every table that divides what came in are the whole."""
    period = Period(today() - timedelta(days=300), today())
    whole = overview(service, period, someone_who_sees_all)
    assert whole.by_month
    for name in ("units", "channels", "districts", "kinds"):
        assert sum(row[1].value for row in whole.table(name).rows) == 7
    for name in ("arrivals", "firsts"):
        *rows, total = whole.table(name).rows
        for at in range(1, len(total)):
            if isinstance(total[at].value, int):
                assert sum(row[at].value for row in rows) == total[at].value
    assert sum(row[1].value for row in whole.table("confidence").rows) == 7
    assert sum(row[1].value for row in whole.table("backlog").rows) == 1
