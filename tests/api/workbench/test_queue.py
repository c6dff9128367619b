"""待办: what waits, in which order, walked page by page and petition by petition; due dates; nothing of what one may not see."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from api.decisions import Choice, LinkVerdict, decide, send_back, undo
from api.listing import Asked
from api.matters import days_left, due_at, overdue_before
from api.queue import PAGE, neighbours, queue
from api.review import review_queue
from api.store.firewall import Role, viewer_of
from api.store.petitions import now
from api.store.tables import petitions

_DAY = timedelta(days=1)
_CHOICE = Choice(category="0402", kind="申诉求决", unit="urban_management")


@pytest.fixture
def whole(service, administrator):
    """A function that gives all ids of a queue, page after page, and the pages."""

    def read(query: str = "", viewer=administrator):
        pages, asked = [], Asked.read(query)
        while True:
            found = queue(service, asked, viewer)
            pages.append([item.row["id"] for item in found.items])
            if not found.next:
                return [id_ for page in pages for id_ in page], pages
            assert len(pages) < 20
            asked = Asked.read(found.next)

    return read


def _many(count: int) -> list[dict[str, object]]:
    """Every eighth of the random share, usefulness with ties."""
    return [
        {"sampled": n % 8 == 3, "usefulness": (n * 37 % 10) / 10, "since": now() - n % 30 * _DAY}
        for n in range(count)
    ]


def test_by_use_it_is_the_review_queue_with_what_was_sent_back_before_the_useful(
    service, administrator, stock, whole
):
    ids = stock(*_many(130))
    assert whole()[0] == [item["id"] for item in review_queue(service, 200, administrator)]
    back = [id_ for n, id_ in enumerate(ids) if n % 8 != 3][40:42]
    for id_ in back:
        decide(service, id_, _CHOICE, administrator)
        assert id_ not in whole()[0]
        send_back(service, id_, "urban_management", "不归我们管", administrator)
    found, pages = whole()
    assert [len(page) for page in pages] == [PAGE, PAGE, 30]
    assert sorted(found) == sorted(ids)
    assert found[1:3] == back
    others = [item["id"] for item in review_queue(service, 200, administrator)]
    drawn = {id_ for n, id_ in enumerate(ids) if n % 8 == 3}
    # One place in five, the first of each page among them, stays the random share's.
    assert [id_ for id_ in found if id_ in drawn] == [id_ for id_ in others if id_ in drawn]
    assert all(page[n] in drawn for page in pages[:1] for n in range(0, PAGE, 5))


def test_by_due_date_the_longest_waiting_first(stock, whole):
    rows = _many(120)
    ids = stock(*rows)
    expected = [
        id_ for _, id_ in sorted(zip([row["since"] for row in rows], ids, strict=True), key=lambda p: p[0])
    ]
    found, pages = whole("sort=due")
    assert found == expected
    assert [len(page) for page in pages] == [PAGE, PAGE, 20]


@pytest.mark.parametrize("query", ["", "sort=due", "kind=申诉求决", "kind=申诉求决&sort=due"])
def test_neighbours_are_those_of_the_list_across_its_pages(service, administrator, stock, query):
    stock(*_many(107))
    stock({"kind": "咨询", "usefulness": 0.5}, {"kind": "咨询", "sampled": True})
    asked, chain = Asked.read(query), []
    while True:
        found = queue(service, asked, administrator)
        chain += [(item.row["id"], found.asked.query()) for item in found.items]
        if not found.next:
            break
        asked = Asked.read(found.next)
    ids = [id_ for id_, _ in chain]
    for n, (id_, address) in enumerate(chain):
        before = ids[n - 1] if n else None
        after = ids[n + 1] if n + 1 < len(ids) else None
        assert neighbours(service, administrator, address, id_) == (before, after), n


def test_whoever_decides_on_the_way_walks_the_list_as_it_was_shown(service, administrator, stock):
    stock(*_many(60))
    shown = queue(service, Asked(), administrator)
    ids, address = [item.row["id"] for item in shown.items], shown.asked.query()
    # Somebody else decides on some of it meanwhile: these are passed over.
    others = {ids[4], ids[5], ids[17]}
    for id_ in others:
        decide(service, id_, _CHOICE, administrator)
    walked, here = [], ids[0]
    while len(walked) < 40:
        walked.append(here)
        decide(service, here, _CHOICE, administrator)
        here = neighbours(service, administrator, address, here)[1]
    assert walked == [id_ for id_ in ids if id_ not in others][:40]


def test_by_due_date_one_walks_on_from_what_was_just_decided(service, administrator, stock):
    ids = stock(*({"since": now() - (9 - n) * _DAY} for n in range(5)))
    decide(service, ids[2], _CHOICE, administrator)
    assert neighbours(service, administrator, "sort=due", ids[2]) == (ids[1], ids[3])
    assert neighbours(service, administrator, "sort=due", ids[1]) == (ids[0], ids[3])
    assert neighbours(service, administrator, "", "nothing") == (None, None)


@pytest.mark.parametrize(
    "query", ["after=x", "after=9_nan_9", "after=1_0.5", "after=-1_3_9&sort=due", f"at={'9' * 40}", f"after={'9' * 60}",
              f"after={'9' * 60}_1&sort=due", "sort=due&after=1_99999999999999999999999", "&&=&%00=%ff"]
)  # fmt: skip
def test_addresses_that_nobody_made_are_read_as_far_as_they_go(service, administrator, stock, desk, query):
    (id_,) = stock({})
    assert neighbours(service, administrator, query, id_) == (None, None)
    assert desk("intake").get(f"/queue?{query}").status_code == 200


_MOMENTS = st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


@given(_MOMENTS, st.integers(1, 60), _MOMENTS)
def test_overdue_means_that_the_last_day_is_over(begun, days, moment):
    over = due_at(begun, days) <= moment
    assert (begun < overdue_before(moment, days)) == over
    assert (days_left(begun, days, moment) < 0) == over


def test_how_long_it_may_wait_is_said_in_words(service, administrator, stock, desk):
    days = service.settings.forward_days
    ages = {days + 2: "逾期 2 天", days: "今天到期", days - 3: "还有 3 天", days - 4: "还有 4 天"}
    ids = stock(*({"since": now() - age * _DAY} for age in ages))
    page = desk("intake").get("/queue?sort=due").text
    assert re.findall(r"(?:逾期|还有) \d 天|今天到期", page) == list(ages.values())
    assert re.search(r'badge error">\s*逾期 2 天', page)
    assert "《信访工作条例》第二十二条" in page
    figures = queue(service, Asked(), administrator).figures
    assert (figures.waiting, figures.overdue, figures.soon, figures.returned) == (4, 1, 2, 0)
    listed = {
        due: [item.row["id"] for item in queue(service, Asked(due=due), administrator).items]
        for due in ("overdue", "soon")
    }
    assert listed == {"overdue": ids[:1], "soon": ids[1:3]}


def test_what_was_sent_back_waits_from_its_return(service, administrator, stock):
    (id_,) = stock({"since": now() - 20 * _DAY})
    left = lambda: [item.days_left for item in queue(service, Asked(), administrator).items]  # noqa: E731
    assert left() == [-5]
    decide(service, id_, _CHOICE, administrator)
    assert left() == []
    send_back(service, id_, "urban_management", "不归我们管", administrator)
    assert left() == [15]
    undo(service, id_, administrator)
    assert left() == []
    undo(service, id_, administrator)
    assert left() == [-5]


def test_filters_narrow_either_order_to_the_same(service, administrator, stock, whole, link):
    ids = stock(
        {"category": "040206", "channel": "来信", "district": "青石镇"},
        {"category": "0402", "kind": "咨询", "sampled": True, "category_p": 0.3},
        {
            "category": "1502",
            "unit": "housing",
            "abstained": True,
            "received_at": datetime(2026, 3, 4, 15, 59, tzinfo=UTC),
        },
        {"category": "1501", "received_at": datetime(2026, 3, 4, 16, 0, tzinfo=UTC)},
        {"category": "1501", "sampled": True},
    )
    link(ids[4], ids[3])
    decide(service, ids[0], _CHOICE, administrator)
    send_back(service, ids[0], "urban_management", "不归我们管", administrator)
    for query, expected in {
        "": ids,
        "status=待认定": ids[1:],
        "status=已退回": ids[:1],
        "category=04": ids[:2],
        "category=1501": ids[3:],
        "kind=咨询": ids[1:2],
        "unit=housing": ids[2:3],
        "channel=来信": ids[:1],
        "district=青石镇": ids[:1],
        "confidence=low": ids[1:3],
        "confidence=high": [ids[0], *ids[3:]],
        "linked=1": ids[3:],
        "until=2026-03-04": ids[2:3],
        "since=2026-03-05&until=2026-03-05": ids[3:4],
    }.items():
        assert sorted(whole(query)[0]) == sorted(expected), query
        assert sorted(whole(f"{query}&sort=due")[0]) == sorted(expected), query
    decide(service, ids[4], Choice(links=(LinkVerdict(ids[3], False),)), administrator)
    assert whole("linked=1")[0] == []


def test_an_unknown_value_is_told_and_narrows_nothing(desk, stock):
    stock({})
    for query in ("status=办结", "since=昨天以前", "kind=x", "since=2026-03-05&until=2026-03-04"):
        page = desk("intake").get(f"/queue?{query}")
        assert page.status_code == 200
        assert "注意" in page.text, query


def test_the_page_shows_what_one_decides_by(desk, stock, link, service):
    ids = stock(
        {
            "title": "河道有油污",
            "doubts": "uncertain,words",
            "channel": "电话",
            "category": "040206",
            "category_p": 0.625,
        },
        {"title": "甲"},
    )
    link(*ids)
    page = desk("intake").get("/queue?kind=申诉求决")
    for words in (
        "河道有油污",
        "楼下烧烤店油烟",
        "电话",
        "生态环境局",
        "62%",
        "1 件",
        "候选相近",
        "有较多没有学过的词语",
    ):
        assert words in page.text, words
    rows = re.findall(r'<a data-row href="/petitions/(\w+)\?from=([^"]+)">', page.text)
    assert {id_ for id_, _ in rows} == set(ids)
    address = parse_qs(unquote(rows[0][1]))
    assert address["kind"] == ["申诉求决"]
    assert "data-rows" in page.text


@pytest.mark.parametrize(
    ("row", "badge"),
    [
        ({"abstained": True, "doubts": "uncertain"}, "没有把握"),
        ({"abstained": True}, "没有把握"),
        ({"doubts": "uncertain"}, "候选相近"),
        ({"doubts": "words"}, ""),
    ],
)
def test_a_doubtful_category_has_one_badge_and_no_sentence_beside_it(desk, stock, row, badge):
    stock({"category_p": 0.86} | row)
    page = desk("intake").get("/queue").text
    (shown,) = re.findall(r"<tr>.*?</tr>", page, re.S)[1:]
    assert re.findall(r'badge warn">([^<]+)', shown) == ([badge] if badge else [])
    assert ("没有把握" in shown) == (badge == "没有把握")
    assert ("相近" in shown) == (badge == "候选相近")


def test_a_returned_row_shows_what_was_decided_and_who_returned_it(desk, stock, service, administrator):
    (id_,) = stock({"doubts": "uncertain"})
    decide(service, id_, _CHOICE, administrator)
    send_back(service, id_, "urban_management", "不归我们管", administrator)
    page = desk("intake").get("/queue").text
    assert "原认定" in page
    assert "退回单位：城管局" in page
    assert "候选相近" not in page


def test_words_narrow_no_queue(desk, stock):
    stock({})
    page = desk("intake").get("/queue?q=没有这个词").text
    assert page.count("data-row ") == 1
    assert "清除条件" not in page


def test_who_was_drawn_cannot_be_told_from_the_page(desk, stock):
    def rows(page):
        return [
            re.sub(r"petitions/\w+|-\d{6}", "", row)
            for row in re.findall(r"<tr>.*?</tr>", page.text, re.S)[1:]
        ]

    stock({"sampled": True}, {"sampled": False})
    first, second = rows(desk("reviewer").get("/queue"))
    assert first == second


def test_accusations_are_nowhere_for_intake(service, desk, stock, link):
    intake = desk("intake")
    own = intake.session.user.id
    viewer = viewer_of(Role.INTAKE, own, "", units_see_accusations=False)
    ids = stock(
        {"title": "甲"},
        {"title": "乙", "kind": "检举控告"},
        {"title": "丙"},
        {"title": "丁", "kind": "检举控告", "created_by": own},
    )
    link(ids[0], ids[1])
    link(ids[0], ids[3])
    for query in ("", "?sort=due", "?kind=检举控告"):
        page = intake.get(f"/queue{query}").text
        assert ids[1] not in page
        assert "乙" not in page
    found = queue(service, Asked(), viewer)
    assert found.figures.waiting == 3
    assert neighbours(service, viewer, "sort=due", ids[0])[1] == ids[2]
    assert neighbours(service, viewer, "sort=due", ids[2]) == (ids[0], ids[3])
    # The petition of their own leads to what they see; from there nothing leads to an accusation.
    assert {item.row["id"]: item.links for item in found.items} == {ids[0]: 0, ids[2]: 0, ids[3]: 1}
    assert [item.row["id"] for item in queue(service, Asked(linked="1"), viewer).items] == [ids[3]]


def test_as_many_queries_for_fifty_rows_as_for_five(service, desk, stock, queries, link):
    intake = desk("intake")
    ids = stock(*_many(5))
    link(ids[0], ids[1])
    few = {path: queries(lambda path=path: intake.get(path)) for path in _COUNTED}
    ids = stock(*_many(60))
    for other in ids[1:]:
        link(other, ids[0])
    many = {path: queries(lambda path=path: intake.get(path)) for path in _COUNTED}
    assert many == few
    assert max(many.values()) <= 12


_COUNTED = (
    "/queue",
    "/queue?sort=due",
    "/queue?kind=申诉求决",
    "/queue/preview?floor=0.95",
    "/petitions",
    "/petitions?q=油烟",
)


def test_empty_lists_say_what_to_do_next(desk, stock):
    intake = desk("intake")
    assert "登记新来的件" in intake.get("/queue").text
    stock({})
    assert "没有符合条件的待办件" in intake.get("/queue?kind=咨询").text


def test_next_and_first_page_lead_through_the_list(desk, stock):
    stock(*_many(PAGE + 5))
    intake = desk("intake")
    onward = re.search(r'href="(/queue\?after=[^"]+)" data-key="n"', intake.get("/queue").text).group(1)
    second = intake.get(onward.replace("&amp;", "&")).text
    assert second.count("data-row ") == 5
    assert "回到第一页" in second
    assert urlsplit(onward).query.startswith("after=")


def test_waiting_is_kept_with_the_petition_from_intake_on(http, service):
    id_ = http.submit({"text": "楼下烧烤店油烟直接排进楼道。", "received_at": "2026-03-04 21:10"})
    with service.store.read() as connection:
        since = connection.execute(select(petitions.c.waits_since).where(petitions.c.id == id_)).scalar_one()
    assert since == datetime(2026, 3, 4, 13, 10, tzinfo=UTC)
