"""Replies to petitioners: who records one of what and when, what it ends, and taking it back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from api.store.audit import Action, entries
from classifier.dates import CHINA

_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_UNIT = "urban_management"


@pytest.fixture
def petition(http):
    found = http.submit({"text": _TEXT, "received_at": "2026-03-04", "petitioner": {"name": "赵小满"}})
    http.post(f"/v1/petitions/{found}/decisions", {"category": "040206", "unit": _UNIT})
    return found


def _reply(http, petition, role="reviewer", **more):
    body = {"unit": "城管局", "replied_on": "2026-04-20"} | more
    return http.post(f"/v1/petitions/{petition}/replies", body, role)


def test_a_reply_is_kept_shown_and_on_record(http, service, petition):
    assert http.get(f"/v1/petitions/{petition}").json()["replied_on"] is None
    whole = _reply(http, petition, reason="赵小满当面签收，电话13900001111").json()
    assert (whole["status"], whole["replied_on"]) == ("已认定", "2026-04-20")
    (given,) = whole["replies"]
    assert (given["unit"], given["role"], given["undone"]) == (_UNIT, "reviewer", False)
    assert "13900001111" not in given["reason"]
    assert "赵小满" not in given["reason"]
    event = http.get(f"/v1/petitions/{petition}/history").json()["items"][-1]
    assert (event["event"], event["replied_on"], event["unit"]) == ("replied", "2026-04-20", _UNIT)
    with service.store.read() as connection:
        (entry,) = entries(connection, action=Action.REPLIED.value)
    assert (entry.petition_id, entry.detail) == (petition, {"unit": _UNIT, "on": "2026-04-20"})


def test_what_is_no_reply_is_refused(http, petition, rows):
    tomorrow = datetime.now(CHINA).date() + timedelta(days=1)
    assert http.keys["reviewer"] != http.keys["intake"]  # made now, not while counting
    before = rows()
    for more, outcome in (
        ({"replied_on": "2026-03-03"}, (422, "bad-input")),
        ({"replied_on": tomorrow.isoformat()}, (422, "bad-input")),
        ({"replied_on": "上周"}, (422, "bad-date")),
        ({"replied_on": ""}, (422, "bad-date")),
        ({"unit": "ecology"}, (422, "bad-input")),
        ({"unit": "不存在的局"}, (422, "unknown-code")),
        ({"expected_decision": 0}, (409, "conflict")),
    ):
        assert http.outcome(_reply(http, petition, **more)) == outcome, more
    assert http.outcome(_reply(http, petition, role="intake")) == (403, "forbidden")
    assert rows() == before
    undecided = http.submit(_TEXT)
    assert http.outcome(_reply(http, undecided)) == (422, "bad-input")


def test_an_answered_petition_is_answered_once_and_by_its_unit(http, petition):
    assert _reply(http, petition).status_code == 201
    assert http.outcome(_reply(http, petition)) == (422, "bad-input")
    sent_back = {"unit": _UNIT, "reason": "不归我们管"}
    assert http.outcome(http.post(f"/v1/petitions/{petition}/returns", sent_back)) == (422, "bad-input")
    another = http.post(f"/v1/petitions/{petition}/decisions", {"unit": "ecology"})
    assert http.outcome(another) == (422, "bad-input")
    # A category may still be put right; the reply stands.
    corrected = http.post(f"/v1/petitions/{petition}/decisions", {"category": "040203"}).json()
    assert corrected["replied_on"] == "2026-04-20"


def test_steps_are_taken_back_in_their_order(http, petition):
    first = http.get(f"/v1/petitions/{petition}").json()["decision_id"]
    _reply(http, petition)
    http.post(f"/v1/petitions/{petition}/decisions", {"category": "040203"})

    def undo(role="reviewer"):
        return http.post(f"/v1/petitions/{petition}/undo", {}, role)

    after = undo().json()
    assert (after["decision_id"], after["replied_on"]) == (first, "2026-04-20")
    assert http.outcome(undo("intake")) == (403, "forbidden")
    after = undo().json()
    assert (after["decision_id"], after["replied_on"], after["replies"][0]["undone"]) == (first, None, True)
    assert _reply(http, petition, replied_on="2026-04-21").json()["replied_on"] == "2026-04-21"
    undo()
    assert undo("intake").json()["status"] == "待认定"
    names = [each["event"] for each in http.get(f"/v1/petitions/{petition}/history").json()["items"]]
    assert names.count("undone") == 4
