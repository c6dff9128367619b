"""Decisions as labels: joint units, roles, returns in time and late, undo, two people at once, and the history of it all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

import api.decisions
from api.matters import return_due_at
from api.store.tables import matter_events, matter_members, reviews
from classifier.dates import CHINA

_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_HELD = ("status", "category", "kind", "unit", "joint_units", "decision_id")


@pytest.fixture
def petition(http):
    return http.submit(_TEXT)


def _decide(http, petition, body, role="admin"):
    return http.post(f"/v1/petitions/{petition}/decisions", body, role)


def _undo(http, petition, body=None, role="admin"):
    return http.post(f"/v1/petitions/{petition}/undo", body or {}, role)


def _return(http, petition, unit="城管局", **more):
    return http.post(f"/v1/petitions/{petition}/returns", {"unit": unit, "reason": "不归我们管"} | more)


def _held(http, petition):
    whole = http.get(f"/v1/petitions/{petition}").json()
    return {name: whole[name] for name in _HELD}


def _history(http, petition, role="admin"):
    return http.get(f"/v1/petitions/{petition}/history", role).json()["items"]


def test_joint_units_stay_until_somebody_decides_otherwise(http, petition):
    for body, unit, joint in (
        ({"unit": "城管局", "joint_units": ["公安局", "ecology"]}, "urban_management", ["ecology", "public_security"]),
        ({"category": "040206"}, "urban_management", ["ecology", "public_security"]),
        # Who takes the lead joins no longer.
        ({"unit": "ecology"}, "ecology", ["public_security"]),
        ({"joint_units": []}, "ecology", []),
    ):  # fmt: skip
        after = _decide(http, petition, body).json()
        assert (after["unit"], after["joint_units"]) == (unit, joint), body
        assert after["decisions"][-1]["joint_units"] == joint


def test_joint_units_need_a_lead_that_is_another(http, petition, rows):
    before = rows()
    assert http.outcome(_decide(http, petition, {"joint_units": ["城管局"]})) == (422, "bad-input")
    for joint, code in ((["城管局"], "bad-input"), (["不存在的局"], "unknown-code")):
        body = {"unit": "城管局", "joint_units": joint}
        assert http.outcome(_decide(http, petition, body)) == (422, code)
    assert rows() == before


def test_a_joint_unit_sees_what_it_joins_and_no_accusation(http, petition):
    """The user of role unit is of the urban management."""
    path = f"/v1/petitions/{petition}"
    for body, seen in (
        ({"unit": "ecology"}, False),
        ({"joint_units": ["城管局"]}, True),
        ({"kind": "检举控告"}, False),
        ({"kind": "咨询"}, True),
        ({"joint_units": []}, False),
    ):
        _decide(http, petition, body)
        assert (http.get(path, "unit").status_code == 200) is seen, body
        assert len(http.get("/v1/petitions", "unit").json()["items"]) == seen
    _undo(http, petition)
    assert http.get(path, "unit").status_code == 200, "what was taken back holds no more"


def test_undo_goes_back_step_by_step_to_the_suggestion(http, service, petition):
    steps = [
        lambda: _decide(http, petition, {"category": "040203", "unit": "城管局"}),
        lambda: _decide(http, petition, {"kind": "建议", "joint_units": ["公安局"]}),
        lambda: _return(http, petition),
        lambda: _decide(http, petition, {"unit": "公安局"}),
    ]
    before = []
    for step in steps:
        before.append(_held(http, petition))
        assert step().status_code == 201
    assert [held["status"] for held in before] == ["待认定", "已认定", "已认定", "已退回"]
    for held in reversed(before):
        answer = _undo(http, petition, {"reason": "认错了"})
        assert answer.status_code == 201
        assert _held(http, petition) == held
    assert http.outcome(_undo(http, petition)) == (422, "bad-input")
    whole = http.get(f"/v1/petitions/{petition}").json()
    assert {row["undone"] for name in ("decisions", "returns") for row in whole[name]} == {True}
    with service.store.read() as connection:
        assert connection.execute(select(reviews.c.open)).scalars().all() == [True]


def test_what_was_taken_back_is_not_carried_on(http, petition):
    _decide(http, petition, {"category": "040203", "unit": "城管局", "joint_units": ["公安局"]})
    _undo(http, petition)
    after = _decide(http, petition, {"kind": "咨询"}).json()
    assert after["decisions"][-1] | {"category": "", "unit": "", "joint_units": []} == after["decisions"][-1]


def test_what_was_sent_back_is_not_assigned_to_the_same_unit_by_the_way(http, petition, rows):
    _decide(http, petition, {"category": "040206", "unit": "城管局"})
    _return(http, petition)
    before = rows()
    for body in ({"category": "040203"}, {"kind": "建议"}, {"joint_units": ["公安局"]}):
        answer = _decide(http, petition, body)
        assert http.outcome(answer) == (422, "bad-input")
        assert "主办单位" in answer.json()["detail"]
    assert rows() == before
    assert _held(http, petition)["status"] == "已退回"
    after = _decide(http, petition, {"category": "040203", "unit": "城管局"}).json()
    assert (after["status"], after["category"]) == ("已认定", "040203"), "who insists says so"


def test_only_who_may_record_a_return_takes_it_back(http, petition):
    _decide(http, petition, {"unit": "城管局"})
    _return(http, petition)
    assert http.outcome(_undo(http, petition, role="intake")) == (403, "forbidden")
    assert _undo(http, petition, role="reviewer").json()["status"] == "已认定"
    assert _undo(http, petition, role="intake").json()["status"] == "待认定"


@pytest.fixture
def pair(http):
    return http.submit(_TEXT), http.submit(_TEXT)


def _verdict(http, one, other, confirmed):
    return _decide(http, one, {"links": [{"id": other, "confirmed": confirmed}], "reason": "看过"})


def _said(http, one, other):
    links = http.get(f"/v1/petitions/{one}/links").json()["items"]
    return [link["confirmed"] for link in links if link["id"] == other]


def test_undoing_verdicts_takes_matters_along(http, service, pair):
    one, other = pair
    _verdict(http, one, other, True)
    matter = http.get(f"/v1/petitions/{one}").json()["matter"]["id"]
    _verdict(http, other, one, False)
    assert http.get(f"/v1/petitions/{one}").json()["matter"] is None
    # From either end; what was confirmed before holds again, under its own number.
    assert _undo(http, one, {"link": other}).json()["matter"]["id"] == matter
    assert _said(http, one, other) == [True]
    assert _undo(http, other, {"link": one}).json()["matter"] is None
    assert _said(http, one, other) == [None]
    assert http.outcome(_undo(http, one, {"link": other})) == (422, "bad-input")
    assert http.outcome(_undo(http, one, {"link": "nothing"})) == (404, "not-found")
    with service.store.read() as connection:
        assert connection.execute(select(matter_members)).all() == []
        moves = connection.execute(select(matter_events.c.event).order_by(matter_events.c.id)).scalars().all()
    assert moves == ["joined"] * 2 + ["left"] * 2 + ["joined"] * 2 + ["left"] * 2


def test_a_link_that_people_once_judged_is_still_suggested_after_undo(http, pair):
    one, other = pair
    _verdict(http, other, one, False)
    assert http.get(f"/v1/petitions/{other}").json()["suggestion"]["links"] == []
    _undo(http, other, {"link": one})
    assert [link["id"] for link in http.get(f"/v1/petitions/{other}").json()["suggestion"]["links"]] == [one]


def test_a_split_is_not_undone_link_by_link(http, pair):
    one, other = pair
    matter = _verdict(http, one, other, True).json()["matter"]["id"]
    http.post(f"/v1/matters/{matter}/split", {"petitions": [one], "reason": "不是同一家店"})
    answer = _undo(http, one, {"link": other})
    assert http.outcome(answer) == (422, "bad-input")
    assert "拆分" in answer.json()["detail"]
    # A person's later word on the pair lifts the split; that word can be taken back.
    assert _verdict(http, one, other, True).json()["matter"]
    assert _undo(http, one, {"link": other}).json()["matter"] is None


def test_who_decides_on_what_is_no_longer_so_is_told_what_holds_now(http, petition, rows):
    first = _decide(http, petition, {"category": "040206", "unit": "城管局", "expected_decision": 0})
    seen = first.json()["decision_id"]
    before = rows()
    for path, body in (
        ("decisions", {"category": "040203", "expected_decision": 0}),
        ("undo", {"expected_decision": seen + 1}),
        ("returns", {"unit": "城管局", "reason": "不归", "expected_decision": 0}),
    ):
        answer = http.post(f"/v1/petitions/{petition}/{path}", body)
        assert http.outcome(answer) == (409, "conflict"), path
        assert all(word in answer.json()["detail"] for word in ("已认定", "城管局", " › ", str(seen))), path
    assert rows() == before
    assert _decide(http, petition, {"category": "040203", "expected_decision": seen}).status_code == 201
    assert _decide(http, petition, {"category": "040206"}).status_code == 201, "not asked, not checked"


def test_of_two_who_saw_the_same_one_decides(http, petition):
    from concurrent.futures import ThreadPoolExecutor

    http.keys["admin"]
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(
                lambda code: _decide(http, petition, {"category": code, "expected_decision": 0}),
                ["040206", "040203"] * 4,
            )
        )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert len(http.get(f"/v1/petitions/{petition}").json()["decisions"]) == 1


@pytest.mark.parametrize(
    ("assigned", "due"),
    [
        ("2026-03-04 09:00", "2026-03-12"),  # Wednesday: Thursday, Friday, Monday to Wednesday
        ("2026-03-06 23:59", "2026-03-14"),  # Friday: the whole next week
        ("2026-03-07 10:00", "2026-03-14"),  # Saturday
        ("2026-03-08 10:00", "2026-03-14"),
    ],
)
def test_five_working_days(assigned, due):
    begin = datetime.fromisoformat(assigned).replace(tzinfo=CHINA)
    assert return_due_at(begin, 5).astimezone(CHINA) == datetime.fromisoformat(due).replace(tzinfo=CHINA)


@given(
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
    st.integers(1, 60),
)
def test_working_days_never_end_early(assigned, days):
    due = return_due_at(assigned, days)
    assert due - assigned > timedelta(days=days)
    assert (due - timedelta(seconds=1)).astimezone(CHINA).weekday() < 5
    assert return_due_at(assigned, days + 5) == due + timedelta(days=7)


def test_a_late_return_is_recorded_and_marked(http, petition, monkeypatch):
    """A decision that keeps the unit starts no new time limit; one that insists does."""
    start = datetime.now(UTC)

    def days_later(days):
        monkeypatch.setattr(api.decisions, "now", lambda: start + timedelta(days=days))

    _decide(http, petition, {"unit": "城管局"})
    _decide(http, petition, {"category": "040206"})
    days_later(3)
    assert _return(http, petition).json()["returns"][-1]["late"] is False
    _undo(http, petition)
    days_later(12)
    answer = _return(http, petition)
    assert answer.status_code == 201
    assert answer.json()["returns"][-1]["late"] is True
    assert [event["late"] for event in _history(http, petition) if event["event"] == "returned"] == [
        False,
        True,
    ]
    assert http.outcome(_return(http, petition)) == (422, "bad-input"), "it is back already"


def test_nobody_sends_back_what_nobody_assigned(http, petition, rows):
    before, unit = rows(), http.get(f"/v1/petitions/{petition}").json()["unit"]
    assert http.outcome(_return(http, petition, unit)) == (422, "bad-input")
    assert rows() == before


def test_a_name_the_form_gave_is_in_no_reason(http, letter):
    petition = http.submit(letter)
    _decide(http, petition, {"unit": "城管局", "reason": "欧阳雪梅已搬走"})
    http.post(f"/v1/petitions/{petition}/returns", {"unit": "城管局", "reason": "与欧阳雪梅谈过"})
    _undo(http, petition, {"reason": "欧阳雪梅又来了"})
    assert "雪梅" not in http.get(f"/v1/petitions/{petition}/history").text
    assert [event["reason"] for event in _history(http, petition)] == [
        "",
        "〈姓名〉已搬走",
        "与〈姓名〉谈过",
        "〈姓名〉又来了",
    ]


def test_a_name_of_the_other_petition_is_in_no_reason(http):
    """A verdict is about both ends, a split about every petition of the matter."""
    names = ("欧阳雪梅", "阿依古丽")
    one, other = (http.submit({"text": _TEXT, "petitioner": {"name": name}}) for name in names)
    why = "阿依古丽说与欧阳雪梅不同"
    _decide(http, one, {"links": [{"id": other, "confirmed": False}], "reason": why})
    _undo(http, one, {"link": other, "reason": why})
    _decide(http, one, {"links": [{"id": other, "confirmed": True}], "reason": why})
    matter = http.get(f"/v1/petitions/{one}").json()["matter"]["id"]
    split = http.post(f"/v1/matters/{matter}/split", {"petitions": [other], "reason": why})
    reasons = [event["reason"] for event in _history(http, one) if event["event"] != "suggested"]
    reasons += [event["reason"] for event in split.json()["events"] if event["cause"] == "split"]
    assert len(reasons) >= 5
    assert set(reasons) == {"〈姓名〉说与〈姓名〉不同"}


def test_history_says_who_did_what_when_and_why(http, service, pair):
    one, other = pair
    _decide(
        http, other, {"category": "040206", "unit": "城管局", "joint_units": ["公安局"], "reason": "油烟"}, "intake"
    )  # fmt: skip
    _verdict(http, other, one, True)
    _return(http, other)
    _undo(http, other, {"reason": "退错了"}, "reviewer")
    _undo(http, one, {"link": other})
    items = _history(http, other)
    assert [(e["event"], e["role"], e["user"], e["reason"], e["undone"]) for e in items] == [
        ("suggested", "", "", "", False),
        ("decided", "intake", "user-intake", "油烟", False),
        ("linked", "admin", "admin", "看过", True),
        ("returned", "admin", "admin", "不归我们管", True),
        ("undone", "reviewer", "user-reviewer", "退错了", False),
        ("undone", "admin", "admin", "", False),
    ]
    suggested, decided, linked, returned, *undone = items
    stored = http.get(f"/v1/petitions/{other}").json()["suggestion"]
    assert suggested["model_version"] == service.live.engine().bundle.version
    assert [c["probability"] for c in suggested["suggestion"]["categories"]] == [
        c["probability"] for c in stored["categories"]
    ]
    assert (decided["category"], decided["unit"]) == ("040206", "urban_management")
    assert decided["joint_units"] == ["public_security"]
    assert (linked["link"]["id"], linked["link"]["confirmed"]) == (one, True)
    assert [e["undoes"] for e in undone] == [returned["id"], linked["id"]]
    assert [e["created_at"] for e in items] == sorted(e["created_at"] for e in items)
    # From the other end the verdict and its undoing are seen, too.
    assert [e["event"] for e in _history(http, one)] == ["suggested", "linked", "undone"]


def test_a_link_to_what_one_may_not_see_is_in_no_history(http, pair):
    one, other = pair
    _verdict(http, one, other, True)
    _undo(http, one, {"link": other})
    _decide(http, other, {"kind": "检举控告"})
    assert [e["event"] for e in _history(http, one, "intake")] == ["suggested"]
    assert http.outcome(http.get(f"/v1/petitions/{other}/history", "intake")) == (404, "not-found")
    assert [e["event"] for e in _history(http, one, "auditor")] == ["suggested", "linked", "undone"]
