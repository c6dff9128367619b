"""Decisions, returns and links: what an officer says beside what the machine said."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from api.store.tables import decisions, link_decisions, suggestions, users

_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"


@pytest.fixture
def petition(http):
    return http.submit(_TEXT)


def _decide(http, petition, body, role="intake"):
    return http.post(f"/v1/petitions/{petition}/decisions", body, role=role)


def _links(http, petition):
    return http.get(f"/v1/petitions/{petition}/links").json()["items"]


def test_a_decision_is_kept_beside_the_suggestion_it_answers(http, service, petition):
    before = http.get(f"/v1/petitions/{petition}").json()
    body = {"category": "040206", "kind": "建议意见", "unit": "urban_management", "reason": "油烟归城管"}
    answer = _decide(http, petition, body)
    assert answer.status_code == 201
    after = answer.json()
    assert after == http.get(f"/v1/petitions/{petition}").json()
    assert after["suggestion"] == before["suggestion"], "the machine's word stays as it was"
    assert after["status"] == "已认定"
    (decision,) = after["decisions"]
    assert {k: decision[k] for k in body} == body
    assert {k: after[k] for k in ("category", "kind", "unit")} == {
        k: body[k] for k in ("category", "kind", "unit")
    }
    with service.store.read() as connection:
        query = (
            select(users.c.name, suggestions.c.model_version, suggestions.c.petition_id)
            .select_from(decisions)
            .join(users, users.c.id == decisions.c.user_id)
            .join(suggestions, suggestions.c.id == decisions.c.suggestion_id)
        )
        assert tuple(connection.execute(query).one()) == (
            "user-intake",
            before["suggestion"]["model_version"],
            petition,
        )


def test_what_is_not_decided_keeps_its_value(http, petition):
    fields = ("category", "kind", "unit")
    decided = dict.fromkeys(fields, "")
    before = http.get(f"/v1/petitions/{petition}").json()
    for body, expected in (
        ({"category": "0402"}, {"category": "0402"}),
        ({"category": "04"}, {"category": "04"}),
        ({"kind": "举报"}, {"kind": "检举控告"}),
        ({"unit": "城管局"}, {"unit": "urban_management"}),
        ({"unit": "urban_management"}, {"unit": "urban_management"}),
        ({"unit": "生态环境局", "category": "040206"}, {"unit": "ecology", "category": "040206"}),
    ):
        # Intake may not look at another's accusation again, a reviewer may.
        after = _decide(http, petition, body, role="reviewer").json()
        assert {k: after[k] for k in fields} == {k: before[k] for k in fields} | expected
        decided |= expected
        assert {k: after["decisions"][-1][k] for k in fields} == decided, (
            "what people decided, never what was suggested"
        )
        before = after


def test_later_decisions_are_added_and_the_latest_holds(http, petition):
    _decide(http, petition, {"category": "040203", "reason": "一"})
    after = _decide(http, petition, {"unit": "公安局", "reason": "二"}, role="reviewer").json()
    assert [d["reason"] for d in after["decisions"]] == ["一", "二"]
    assert (after["category"], after["unit"]) == ("040203", "public_security")
    assert len({d["user_id"] for d in after["decisions"]}) == 2


def test_a_decision_that_cannot_be_is_not_recorded_in_part(http, petition, rows):
    before, counts = http.get(f"/v1/petitions/{petition}").json(), rows()
    for body, status, code in (
        ({}, 422, "bad-input"),
        ({"reason": "只有理由"}, 422, "bad-input"),
        ({"links": []}, 422, "bad-input"),
        ({"category": "999999"}, 422, "unknown-code"),
        ({"category": "环境保护"}, 422, "unknown-code"),
        ({"kind": "表扬"}, 422, "unknown-code"),
        ({"unit": "不存在的局"}, 422, "unknown-code"),
        ({"category": "040206", "unit": "不存在的局"}, 422, "unknown-code"),
        ({"category": "123456789"}, 422, "bad-input"),
        ({"verdict": "好"}, 422, "bad-input"),
        ({"category": "040206", "reason": "长" * 2_001}, 422, "bad-input"),
        ({"category": "040206", "links": [{"id": "nothing", "confirmed": True}]}, 404, "not-found"),
    ):
        assert http.outcome(_decide(http, petition, body, role="admin")) == (status, code), body
    assert http.get(f"/v1/petitions/{petition}").json() == before
    assert rows() == counts


@pytest.fixture
def linked(http, letter):
    """Three petitions: a letter, a stranger's copy of it, and the same person's next letter on the matter."""
    first = http.submit(letter)
    copy = http.submit({"text": letter["text"], "title": letter["title"], "channel": "网络"})
    again = http.submit(
        letter | {"title": "再次反映", "text": "楼下烧烤店每天营业到凌晨，油烟还是直接排进楼道，没有改观。"}
    )
    return first, copy, again


def test_links_are_found_and_shown_from_both_ends(http, linked):
    first, copy, again = linked
    kinds = {(mine, link["id"]): link["kind"] for mine in linked for link in _links(http, mine)}
    assert kinds[copy, first] == kinds[first, copy] == "DuplicateText"
    assert kinds[again, first] == kinds[first, again] == "RepeatPetition"
    assert {pair[::-1] for pair in kinds} == set(kinds)
    for mine, other in ((first, copy), (first, again)):
        (forth,) = (link for link in _links(http, mine) if link["id"] == other)
        (back,) = (link for link in _links(http, other) if link["id"] == mine)
        assert forth | {"id": ""} == back | {"id": ""}


def test_a_link_shows_its_evidence_and_no_identity(http, linked, markers):
    _, copy, again = linked
    (link,) = _links(http, copy)[:1]
    assert any("烧烤店每天营业到凌晨" in passage["text"] for passage in link["evidence"]["passages"])
    keys = {key for link in _links(http, again) for key in link["evidence"]["keys"]}
    assert keys == {"id_number", "name_address", "phone"}
    text = str([_links(http, petition) for petition in linked])
    assert not [mark for mark in markers if mark in text]


def test_an_unrelated_matter_of_the_same_person_is_no_link(http, letter):
    http.submit(letter)
    other = http.submit(letter | {"title": "", "text": "请问申请低保需要准备什么材料，去哪里办理？"})
    assert _links(http, other) == []


def test_a_verdict_from_either_end_holds_at_both(http, service, linked):
    first, copy, _ = linked
    for mine, other, confirmed in ((copy, first, True), (first, copy, False), (copy, first, True)):
        assert _verdicts(http, first, copy) == _verdicts(http, copy, first)
        body = {"links": [{"id": other, "confirmed": confirmed}]}
        answer = _decide(http, mine, body)
        assert answer.status_code == 201
        assert answer.json()["status"] == "待认定", "a verdict on a link decides neither category nor unit"
        assert answer.json()["decisions"] == []
        assert _verdicts(http, first, copy) == _verdicts(http, copy, first) == [confirmed]
    with service.store.read() as connection:
        assert len(connection.execute(select(link_decisions)).all()) == 3, "earlier verdicts stay on record"


def _verdicts(http, mine, other):
    return [link["confirmed"] for link in _links(http, mine) if link["id"] == other]


def test_links_begin_undecided(http, linked):
    assert {link["confirmed"] for petition in linked for link in _links(http, petition)} == {None}


def _return(http, petition, unit="城管局", reason="不归我们管"):
    return http.post(f"/v1/petitions/{petition}/returns", {"unit": unit, "reason": reason})


def test_a_return_is_kept_with_its_reason(http, petition):
    _decide(http, petition, {"unit": "城管局"})
    answer = _return(http, petition, reason="  应由生态环境局办理 ")
    assert answer.status_code == 201
    assert answer.json()["status"] == "已退回"
    (sent_back,) = answer.json()["returns"]
    assert (sent_back["unit"], sent_back["reason"]) == ("urban_management", "应由生态环境局办理")
    assert answer.json()["unit"] == "urban_management", "until somebody decides anew"
    assert _decide(http, petition, {"unit": "生态环境局"}).json()["status"] == "已认定"


def test_a_return_without_reason_or_by_another_unit(http, petition, rows):
    _decide(http, petition, {"unit": "城管局"})
    before = rows()
    for unit, reason, code in (
        ("城管局", "", "bad-input"),
        ("城管局", " \n", "bad-input"),
        ("公安局", "不归我们管", "bad-input"),
        ("不存在的局", "不归我们管", "unknown-code"),
        ("", "不归我们管", "unknown-code"),
    ):
        assert http.outcome(_return(http, petition, unit, reason)) == (422, code), (unit, reason)
    assert rows() == before
    assert http.get(f"/v1/petitions/{petition}").json()["status"] == "已认定"


def test_what_only_the_machine_suggested_is_no_label(service, http, petition):
    """Deciding the unit alone leaves category and kind undecided in the record and in what training reads."""
    _decide(http, petition, {"unit": "ecology"})
    recorded = http.get(f"/v1/petitions/{petition}").json()
    assert (
        recorded["decisions"][-1] | {"category": "", "kind": "", "unit": "ecology"}
        == recorded["decisions"][-1]
    )
    assert recorded["category"], "the suggestion still shows"
    _decide(http, petition, {"category": "040203"})
    last = http.get(f"/v1/petitions/{petition}").json()["decisions"][-1]
    assert (last["category"], last["unit"]) == ("040203", "ecology"), "an earlier decision still holds"
