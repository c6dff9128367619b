"""GET /v1/hot: topics that rise, with and without confirmations, by place and category, for each as far as they may see."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert

from api.hot import hot, in_words
from api.store.firewall import PRINTED
from api.store.tables import links

_SMOKE = "青石街道蓝湾苑小区楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_DOGS = "锦绣花园小区邻居养大型犬不拴绳，昨天咬伤了放学的孩子，请有关部门管一管。"
#: The window of the tests: March 2026, with records since the autumn before.
_WINDOW = {"since": "2026-03-01", "until": "2026-04-01"}


def _submit(http, text, day, **more):
    return http.submit({"text": text, "received_at": day} | more)


def _hot(http, role="admin", **query):
    answer = http.get("/v1/hot", role, params=_WINDOW | query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def _topics(found, basis):
    return [item for item in found["items"] if item["basis"] == basis]


def _verdict(http, one, other, confirmed):
    body = {"links": [{"id": other, "confirmed": confirmed}]}
    assert http.post(f"/v1/petitions/{one}/decisions", body).status_code == 201


@pytest.fixture
def smoke(http):
    """Four strangers' petitions of March on one matter; records begin in September, with something else every month."""
    for month in ("2025-09", "2025-10", "2025-11", "2025-12", "2026-01", "2026-02", "2026-03"):
        _submit(http, _DOGS, f"{month}-10", district="红河镇")
    days = ("2026-03-03", "2026-03-10", "2026-03-11", "2026-03-20 09:30")
    return [_submit(http, _SMOKE, day, district="青石镇") for day in days]


def test_a_cluster_nobody_confirmed_is_shown_as_suggested(http, smoke):
    found = _hot(http)
    assert found["windows"] == 5, "whole windows of 31 days since the first of September's petition"
    (cluster,) = _topics(found, "suggested")
    assert cluster["ids"] == smoke[::-1]
    assert (cluster["count"], cluster["petitioners"], cluster["expected"]) == (4, 4, 0.1)
    assert cluster["probability"] < 1e-5
    assert (cluster["matter_id"], cluster["district"]) == (None, "青石镇")
    assert cluster["path"].count("›") >= 1
    assert cluster["unit"] in {unit["id"] for unit in http.get("/v1/units").json()["units"]}
    assert _topics(found, "confirmed") == []


def test_what_is_steady_does_not_rise(http, smoke):
    ids = {id_ for item in _hot(http)["items"] for id_ in item["ids"]}
    assert ids == set(smoke)


def test_counts_by_week_hold_every_petition_once(http, smoke):
    (cluster,) = _topics(_hot(http), "suggested")
    weeks = {week["week"]: week["count"] for week in cluster["weeks"]}
    assert {week: count for week, count in weeks.items() if count} == {
        "2026-03-02": 1,
        "2026-03-09": 2,
        "2026-03-16": 1,
    }
    assert all(datetime.fromisoformat(week).weekday() == 0 for week in weeks)
    assert min(weeks) <= "2026-02-01"
    assert max(weeks) == "2026-03-30"


def test_a_confirmed_matter_is_shown_as_confirmed_and_once(http, smoke):
    for other in smoke[1:]:
        _verdict(http, smoke[0], other, True)
    found = _hot(http)
    (matter,) = _topics(found, "confirmed")
    assert matter["matter_id"] == http.get(f"/v1/petitions/{smoke[0]}").json()["matter"]["id"]
    assert matter["ids"] == smoke[::-1]
    assert _topics(found, "suggested") == [], "the links among them add nothing to the matter"


def test_a_suggested_link_to_a_matter_makes_a_cluster_of_both(http, smoke):
    _verdict(http, smoke[0], smoke[1], True)
    _verdict(http, smoke[1], smoke[2], True)
    found = _hot(http)
    assert [item["count"] for item in _topics(found, "confirmed")] == [3]
    assert [item["count"] for item in _topics(found, "suggested")] == [4]


def test_rejected_links_hold_nothing_together(http, smoke):
    for at, one in enumerate(smoke):
        for other in smoke[:at]:
            _verdict(http, one, other, False)
    found = _hot(http)
    assert _topics(found, "suggested") == _topics(found, "confirmed") == []
    assert _topics(found, "category"), "a topic of the place it remains"


def test_what_a_split_parted_is_no_cluster(http, smoke):
    for other in smoke[1:]:
        _verdict(http, smoke[0], other, True)
    number = http.get(f"/v1/petitions/{smoke[0]}").json()["matter"]["id"]
    http.post(f"/v1/matters/{number}/split", {"petitions": smoke[2:], "reason": "另一家店"})
    found = _hot(http)
    assert _topics(found, "confirmed") == [], "too few on either side"
    assert all(not {smoke[0], smoke[2]} <= set(item["ids"]) for item in _topics(found, "suggested"))


def test_links_below_the_score_do_not_count(http, service, smoke):
    """One petition more, by a link of 0.7."""
    other = _submit(http, "请问申请低保需要什么材料，去哪里办理？", "2026-03-25", district="青石镇")
    with service.store.write() as connection:
        connection.execute(
            insert(links).values(
                petition_id=other,
                other_id=smoke[0],
                kind="SharedMatter",
                score=0.7,
                evidence="{}",
                created_at=datetime(2026, 3, 25, tzinfo=UTC),
            )
        )
    for min_score, count in ((0.5, 5), (0.7, 5), (0.71, 4)):
        assert [item["count"] for item in _topics(_hot(http, min_score=min_score), "suggested")] == [count]


def test_one_who_writes_again_and_again_is_no_topic(http, letter):
    for day in range(2, 9):
        http.submit(letter | {"text": _SMOKE, "received_at": f"2026-03-0{day}"})
    assert _hot(http)["items"] == []
    _submit(http, _SMOKE, "2026-03-09", district=letter["district"])
    assert [(item["count"], item["petitioners"]) for item in _topics(_hot(http), "suggested")] == [(8, 2)]


def test_a_place_and_category_is_one_cell_however_the_place_is_written(http, service):
    directory = service.live.engine().router.directory
    district = next(iter(directory.districts.values()))
    texts = (
        "楼下烧烤店油烟直接排进楼道。",
        "饭店后厨油烟熏得邻居开不了窗。",
        "夜市摊点油烟很大，孩子咳嗽不止。",
    )
    ids = [
        _submit(http, text, "2026-03-05", district=place)
        for text, place in zip(texts, (district.code, district.name, district.name), strict=True)
    ]
    for petition in ids:
        http.post(f"/v1/petitions/{petition}/decisions", {"category": "040206"})
    (cell,) = _topics(_hot(http, min_score=1.0), "category")
    assert set(cell["ids"]) == set(ids)
    assert (cell["category"], cell["district"]) == ("0402", district.name)


def test_terms_name_the_matter_and_no_person(http):
    for day in (2, 3, 4):
        _submit(
            http,
            f"蓝湾苑小区物业经理诸葛明亮和王建军拒不退还装修押金，第{day}次反映，王建军多次推诿，蓝湾苑住户都有收据。",
            f"2026-03-0{day}",
        )
    (cluster,) = _topics(_hot(http, min_score=0.5), "suggested")
    named = {term for id_ in cluster["ids"] for term in _shared(http, id_)}
    assert {"王建军", "诸葛"} & named, "the link itself shows them to whoever may read both texts"
    assert any("蓝湾" in term for term in cluster["terms"])
    assert not [term for term in cluster["terms"] if term.startswith(("王", "诸葛"))]


def _shared(http, petition):
    items = http.get(f"/v1/petitions/{petition}/links").json()["items"]
    return {term for link in items for term in link["evidence"]["terms"]}


def test_what_a_reader_may_not_see_is_in_no_topic(http, service, smoke):
    for petition in smoke[:2]:
        http.post(f"/v1/petitions/{petition}/decisions", {"kind": "检举控告", "unit": "城管局"})
    for petition in smoke[2:]:
        http.post(f"/v1/petitions/{petition}/decisions", {"unit": "城管局"})
    for role, shown in (("reviewer", True), ("auditor", True), ("intake", False), ("unit", False)):
        found = _hot(http, role)
        assert bool(found["items"]) is shown, role
        assert any(id_ in str(found) for id_ in smoke[:2]) is shown, role
    window = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    assert hot(service, *window, PRINTED)["items"] == []
    service.settings.units_see_accusations = True
    assert [item["count"] for item in _topics(_hot(http, "unit"), "suggested")] == [4]


def test_in_words(http, service, smoke):
    window = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
    text = in_words(hot(service, *window, PRINTED))
    for part in ("〔建议〕", "〔同地同类〕", "青石镇", "本期 4 件，不同信访人数 4", "03-09 2", *smoke):
        assert part in text
    nothing = hot(service, datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 2, 1, tzinfo=UTC), PRINTED)
    assert "没有明显增多" in in_words(nothing)


def test_an_empty_archive(http):
    assert _hot(http) == {
        "since": "2026-02-28T16:00:00Z",
        "until": "2026-03-31T16:00:00Z",
        "windows": 0,
        "items": [],
    }


def test_without_a_date_of_receipt_the_day_of_intake_counts(http):
    for _ in range(3):
        http.submit(_SMOKE)
    found = http.get("/v1/hot", params={"since": "2026-01-01"}).json()
    assert [item["count"] for item in _topics(found, "suggested")] == [3]
    assert (
        http.get("/v1/hot", params=_WINDOW | {"until": "2026-01-02", "since": "2026-01-01"}).json()["items"]
        == []
    )


def test_bad_windows(http):
    for query, code in (
        ({}, "bad-input"),
        ({"since": ""}, "bad-input"),
        ({"since": "yesterday"}, "bad-date"),
        ({"since": "2026-03-01", "until": "2026-03-01"}, "bad-input"),
        ({"since": "2026-03-02", "until": "2026-03-01"}, "bad-input"),
        ({"since": "2026-03-01", "min_score": "1.1"}, "bad-input"),
        ({"since": "2026-03-01", "limit": "0"}, "bad-input"),
    ):
        assert http.outcome(http.get("/v1/hot", params=query)) == (422, code), query
    for since, until in (("1949-01-01", "2200-12-31"), ("2200-12-30", "2200-12-31")):
        assert http.get("/v1/hot", params={"since": since, "until": until}).status_code == 200
