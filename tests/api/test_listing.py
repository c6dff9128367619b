"""GET /v1/petitions: every filter, and pages that together hold each petition once."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from api.store.tables import petitions

_TEXTS = (
    {"text": "楼下烧烤店油烟直接排进楼道，噪音扰民。", "channel": "来信"},
    {"text": "建议在河边增加垃圾桶，清理河道漂浮物。", "channel": "网络"},
    {"text": "请问申请低保需要什么材料？", "channel": "电话"},
    {"text": "化工厂夜里偷排污水，河里的鱼都死了。", "channel": "网络"},
    {"text": "举报村干部把低保给了自己的亲戚。", "channel": "来访"},
    {"text": "邻居养狗不拴绳，咬伤了孩子，请处理。"},
    {"text": "工地夜间施工噪音太大，影响休息。", "channel": "电话"},
)


@pytest.fixture
def listed(http, service):
    """Seven petitions of seven days, the newest on 2026-03-07, 08:00 in China; two decided, one of them returned."""
    ids = [http.submit(body) for body in _TEXTS]
    for i, petition in enumerate(ids):
        with service.store.write() as connection:
            moment = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(days=i)
            connection.execute(update(petitions).where(petitions.c.id == petition).values(created_at=moment))
    for petition in ids[:2]:
        decision = {"category": "040206", "kind": "咨询", "unit": "城管局"}
        http.post(f"/v1/petitions/{petition}/decisions", decision)
    http.post(f"/v1/petitions/{ids[0]}/returns", {"unit": "城管局", "reason": "不归我们管"})
    return ids


def _all(http, **query):
    return http.get("/v1/petitions", params={"limit": 200} | query).json()["items"]


def test_newest_first_with_what_holds_now(http, listed):
    items = _all(http)
    assert [item["id"] for item in items] == listed[::-1]
    assert {k: items[-1][k] for k in ("status", "category", "kind", "unit")} == {
        "status": "已退回",
        "category": "040206",
        "kind": "咨询",
        "unit": "urban_management",
    }


def test_pages_cover_everything_once(http, listed):
    for limit in (1, 2, 3, 7, 8):
        found, cursor, pages = [], None, 0
        while pages <= len(listed):
            page = http.get("/v1/petitions", params={"limit": limit} | ({"cursor": cursor} if cursor else {}))
            found += [item["id"] for item in page.json()["items"]]
            pages += 1
            if (cursor := page.json()["next_cursor"]) is None:
                break
        assert found == listed[::-1]
        assert pages == -(-len(listed) // limit)


def test_petitions_arriving_meanwhile_do_not_shift_the_pages(http, listed):
    first = http.get("/v1/petitions", params={"limit": 3}).json()
    http.submit("刚刚停电了，什么时候恢复？")
    rest = http.get("/v1/petitions", params={"limit": 100, "cursor": first["next_cursor"]}).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == listed[::-1]


def test_pages_of_a_filtered_list(http, listed):
    wanted = [item["id"] for item in _all(http) if item["channel"] == "网络"]
    first = http.get("/v1/petitions", params={"limit": 1, "channel": "网络"}).json()
    second = http.get(
        "/v1/petitions", params={"limit": 1, "channel": "网络", "cursor": first["next_cursor"]}
    ).json()
    assert [first["items"][0]["id"], second["items"][0]["id"]] == wanted
    assert second["next_cursor"] is None


def test_each_filter_keeps_exactly_what_it_says(http, listed):
    items = _all(http)
    found, expected = {}, {}
    for name in ("status", "category", "kind", "unit", "channel"):
        for value in {item[name] for item in items} - {""}:
            found[name, value] = [item["id"] for item in _all(http, **{name: value})]
            test = str.startswith if name == "category" else str.__eq__
            expected[name, value] = [item["id"] for item in items if test(item[name], value)]
        assert len({item[name] for item in items}) > 1, f"nothing to tell apart by {name}"
    assert found == expected


def test_a_parent_category_finds_all_below_it(http, listed):
    items = _all(http)
    for code in {item["category"][:2] for item in items}:
        found = {item["id"] for item in _all(http, category=code)}
        assert found == {item["id"] for item in items if item["category"][:2] == code}


def test_filters_narrow_together(http, listed):
    assert [item["id"] for item in _all(http, status="已认定", channel="网络")] == [listed[1]]
    assert _all(http, status="已退回", channel="网络") == []


def test_wildcards_of_the_database_are_plain_characters(http, listed):
    assert [_all(http, category=value) for value in ("_", "%", "04%", "%6", "\\")] == [[]] * 5


def test_since_and_until(http, listed):
    found, expected = {}, {}
    for query, kept in (
        ({"since": "2026-03-04T00:00:00Z"}, slice(3, 7)),
        ({"since": "2026-03-04 08:00"}, slice(3, 7)),
        ({"since": "2026年3月4日 上午8点01分"}, slice(4, 7)),
        ({"until": "2026-03-04T00:00:00Z"}, slice(0, 3)),
        ({"until": "2026-03-04T00:00:01+00:00"}, slice(0, 4)),
        ({"since": "20260302", "until": "20260304"}, slice(1, 3)),
        ({"since": "", "until": ""}, slice(0, 7)),
        ({"since": "2027-01-01"}, slice(0, 0)),
    ):
        found[str(query)] = [item["id"] for item in _all(http, **query)]
        expected[str(query)] = listed[kept][::-1]
    assert found == expected


def test_a_cursor_of_ones_own_making_is_refused(http):
    made_up = [
        base64.urlsafe_b64encode(c).decode() for c in (b"seq:-1", b"seq:", b"id:3", b"seq:" + b"9" * 30)
    ]
    for cursor in ("abc", "====", "é", "c2Vx", *made_up):
        answer = http.get("/v1/petitions", params={"cursor": cursor})
        assert http.outcome(answer) == (422, "bad-input"), cursor
        assert "cursor" in answer.json()["detail"]


def test_bad_filters(http):
    for query, code in (
        ({"limit": 0}, "bad-input"),
        ({"limit": 201}, "bad-input"),
        ({"limit": "many"}, "bad-input"),
        ({"since": "yesterday"}, "bad-date"),
        ({"until": "2026-02-30"}, "bad-date"),
        ({"category": "x" * 9}, "bad-input"),
        ({"cursor": "x" * 101}, "bad-input"),
    ):
        assert http.outcome(http.get("/v1/petitions", params=query)) == (422, code), query


def test_lists_hold_no_original(http, service, letter, markers):
    http.submit(letter)
    text = http.get("/v1/petitions").text
    assert not [mark for mark in markers if mark in text]
    with service.store.read() as connection:
        assert connection.execute(select(petitions.c.text)).scalar_one() in text
