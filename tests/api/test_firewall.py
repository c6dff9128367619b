"""Art. 30: who sees which petitions. Every endpoint against every role; no answer may hold what its reader may not see."""

from __future__ import annotations

from itertools import pairwise

import pytest

from api.store.firewall import RESTRICTED, Accusations, Role, Viewer, viewer_of

_ROLES = tuple(role.value for role in Role)
_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。附页{}。"
_OWN, _OTHER = "urban_management", "ecology"

#: name → (a word that only this one has, kind and unit that people decided, who registered it)
_PETITIONS = {
    "own": ("青柏", "申诉求决", _OWN, "admin"),
    "other": ("红杉", "申诉求决", _OTHER, "admin"),
    "suggested": ("白桦", "", "", "admin"),
    "accusation_own": ("紫藤", "检举控告", _OWN, "admin"),
    "accusation_other": ("黄栌", "检举控告", _OTHER, "admin"),
    "accusation_intake": ("绿萝", "检举控告", _OTHER, "intake"),
}
_ACCUSATIONS = {name for name in _PETITIONS if name.startswith("accusation")}
_ALL = frozenset(_PETITIONS)
_SEES = {
    "reviewer": _ALL,
    "admin": _ALL,
    "auditor": _ALL,
    "intake": _ALL - {"accusation_own", "accusation_other"},
    "unit": frozenset({"own"}),
}

#: What each endpoint shows of petitions: none; all that the reader may see; these when they are enough for a topic; the one it is
#: asked for; what is linked to it; what it has a verdict with. The queue has nothing decided (tests/api/test_review.py).
_SHOWS = {
    ("POST", "/v1/triage"): "none",
    ("POST", "/v1/petitions"): "linked",
    ("GET", "/v1/petitions"): "all",
    ("GET", "/v1/petitions/{petition_id}"): "one",
    ("GET", "/v1/petitions/{petition_id}/original"): "one",
    ("GET", "/v1/petitions/{petition_id}/links"): "linked",
    ("POST", "/v1/petitions/{petition_id}/decisions"): "one",
    ("POST", "/v1/petitions/{petition_id}/returns"): "one",
    ("GET", "/v1/petitions/{petition_id}/history"): "verdicts",
    ("POST", "/v1/petitions/{petition_id}/undo"): "one",
    ("POST", "/v1/petitions/{petition_id}/replies"): "one",
    ("GET", "/v1/review"): "none",
    ("GET", "/v1/accuracy"): "none",
    ("GET", "/v1/matters/{matter_id}"): "all",
    ("POST", "/v1/matters/{matter_id}/split"): "none",
    ("GET", "/v1/hot?since=2026-03-02&until=2026-03-09&min_score=0.5"): "topic",
    ("GET", "/v1/taxonomy"): "none",
    ("GET", "/v1/units"): "none",
    ("GET", "/v1/models/active"): "none",
    ("GET", "/v1/models"): "none",
    ("GET", "/v1/models/health"): "none",
    ("GET", "/v1/models/diff"): "none",
    ("GET", "/v1/models/{version}"): "none",
    ("POST", "/v1/models/{version}/promote"): "none",
    ("POST", "/v1/models/rollback"): "none",
    ("POST", "/v1/retrain"): "none",
    ("GET", "/v1/retrain"): "none",
    ("GET", "/v1/retrain/stream"): "none",
    ("DELETE", "/v1/retrain"): "none",
}
#: Each with its neighbours, and two that a person told apart.
_PAIRS = [*pairwise(_PETITIONS), ("own", "accusation_other")]
_VERDICTS = {name: {end for ends in _PAIRS if name in ends for end in ends} - {name} for name in _PETITIONS}
#: What has nothing to do here: no such version, none before the one in use, no retraining at work.
_IDLE = {
    "/v1/models/{version}": 404,
    "/v1/models/diff": 422,
    "/promote": 404,
    "/rollback": 409,
    "DELETE": 409,
}
_AUDITORS = {"/v1/models", "/v1/models/health", "/v1/models/diff", "/v1/models/{version}"}
_ADMIN = {"/promote", "/rollback", "/v1/retrain", "/stream", "DELETE"}
_FORBIDDEN = {
    "auditor": {"POST", "DELETE", "/original", "/review", "/v1/retrain", "/stream"},
    "unit": {"POST", "DELETE", "/original", "/review", "/accuracy", "/v1/retrain", "/stream", *_AUDITORS},
    "intake": {"/returns", "/replies", "/split", "/accuracy", *_ADMIN, *_AUDITORS},
    "reviewer": {*_ADMIN, *_AUDITORS},
}
_BODIES = {
    "/v1/triage": {"petitions": [{"text": _TEXT}]},
    "/v1/petitions": {"text": _TEXT.format("另附")},
    "/decisions": {"category": "040206"},
    "/returns": {"reason": "不归我们管"},
    "/replies": {"replied_on": "2026-03-05"},
    "/undo": {"reason": "认错了"},
    "/split": {"petitions": ["nothing"], "reason": "试一试"},
}


@pytest.fixture(autouse=True)
def _no_training(monkeypatch):
    """A retraining ends as it begins."""
    monkeypatch.setattr("api.retrain.spawn", lambda settings, command, descriptor: None)


@pytest.fixture
def ids(http):
    """Six petitions, all linked, all on one matter, two of them in spite of a person."""
    found = {}
    for name, (word, _, _, role) in _PETITIONS.items():
        body = {"text": _TEXT.format(word), "received_at": "2026-03-04"}
        found[name] = http.submit(body, role=role)
    for name, (_, kind, unit, _) in _PETITIONS.items():
        body = {"kind": kind, "unit": unit} if kind else {"category": "040206"}
        assert http.post(f"/v1/petitions/{found[name]}/decisions", body).status_code == 201
    for one, other in pairwise(found):
        body = {"links": [{"id": found[other], "confirmed": True}]}
        assert http.post(f"/v1/petitions/{found[one]}/decisions", body).status_code == 201
    body = {"links": [{"id": found["accusation_other"], "confirmed": False}]}
    assert http.post(f"/v1/petitions/{found['own']}/decisions", body).status_code == 201
    suggested = http.get(f"/v1/petitions/{found['suggested']}").json()
    assert suggested["unit"] == _OWN, "suggested to the unit of the unit user, else it shows nothing"
    assert suggested["kind"] != "检举控告"
    return found


@pytest.fixture
def settings(settings, tmp_path):
    """A retraining writes beside the models: not into the folder that all tests share. Nothing is drawn by chance to be asked about."""
    return settings.model_copy(update={"models": tmp_path / "models", "review_share": 0.0})


@pytest.fixture
def matter(http, ids):
    return http.get(f"/v1/petitions/{ids['own']}").json()["matter"]["id"]


def _found_in(answer, ids):
    """Which petitions an answer names, or quotes a word of."""
    return {name for name, id_ in ids.items() if id_ in answer.text or _PETITIONS[name][0] in answer.text}


def _body(path, name):
    for end, body in _BODIES.items():
        if path.endswith(end):
            return body | ({"unit": _PETITIONS[name][2] or _OWN} if end in {"/returns", "/replies"} else {})
    return None


def _may(method, path, role):
    return not any(part == method or path.endswith(part) for part in _FORBIDDEN.get(role, ()))


def test_every_endpoint_has_its_line(app):
    endpoints = {
        (method.upper(), path)
        for path, operations in app.openapi()["paths"].items()
        for method in operations
        if path.startswith("/v1")
    }
    assert endpoints == {(method, path.partition("?")[0]) for method, path in _SHOWS}


@pytest.mark.parametrize("role", _ROLES)
def test_no_answer_holds_what_its_reader_may_not_see(http, ids, matter, role):
    sees, wrong = _SEES[role], []
    # What stores or decides comes last: it changes what there is to see.
    for (method, path), shows in sorted(_SHOWS.items(), key=lambda item: item[0][0]):
        for name, id_ in ids.items():
            if "{petition_id}" not in path and name != "own":
                continue
            where = path.format(petition_id=id_, matter_id=matter, version="none")
            answer = http.request(method, where, role, json=_body(path, name))
            shown, case = _found_in(answer, ids), (method, path, name, answer.status_code)
            if not shown <= sees:
                wrong.append((*case, "shows", shown - sees))
            if not _may(method, path, role):
                good = answer.status_code == 403
            elif ("{petition_id}" in path and name not in sees) or ("{matter_id}" in path and len(sees) < 2):
                good = http.outcome(answer) == (404, "not-found")
            elif path.endswith("/split") or (path.endswith(("/returns", "/replies")) and name == "suggested"):
                good = answer.status_code == 422
            elif idle := [status for part, status in _IDLE.items() if method == part or path.endswith(part)]:
                good = answer.status_code in idle
            else:
                good = answer.status_code < 400 and _shows_it_all(shows, shown, name, role)
            if not good:
                wrong.append((*case, answer.text[:200]))
    assert wrong == []


def _shows_it_all(shows, shown, name, role):
    """That little is shown is no merit where it may be seen."""
    hidden = _ACCUSATIONS if role == "intake" else set()
    return {
        "none": not shown,
        "all": shown == _SEES[role],
        "topic": shown == (_SEES[role] if len(_SEES[role]) >= 3 else set()),
        "one": name in shown,
        "verdicts": shown == _VERDICTS[name] & _SEES[role] - hidden,
        "linked": shown | {name} >= _SEES[role] - hidden,
    }[shows]


@pytest.mark.parametrize("role", _ROLES)
def test_link_previews(http, ids, role):
    """A unit is not told that there is a link; intake is, without any word of it."""
    for path in ("/v1/petitions/{}/links", "/v1/petitions/{}"):
        answer = http.get(path.format(ids["own"]), role).json()
        items = answer["items"] if "items" in answer else answer["suggestion"]["links"]
        named = {item["id"] for item in items if item["id"]}
        masked = [item for item in items if not item["id"]]
        if "items" in answer:
            hidden = _ACCUSATIONS if role == "intake" else set()
            assert named == {ids[name] for name in _SEES[role] - hidden - {"own"}}
            assert len(masked) == (len(_ACCUSATIONS) if role == "intake" else 0)
        evidence = {
            "passages": [], "terms": [], "keys": [], "similarity": 0.0, "facts": [], "contradictions": [], "reasons": [],
        }  # fmt: skip
        blank = {"id": "", "kind": RESTRICTED, "score": 0.0, "evidence": evidence}
        assert [{k: item[k] for k in blank} for item in masked] == [blank] * len(masked)
        assert all(item.get("confirmed") is None for item in masked)


def test_links_in_the_answer_to_a_new_petition(http, ids):
    body = {"text": _TEXT.format("另附")}
    key = {"Idempotency-Key": "k"}
    first = http.post("/v1/petitions", body, role="intake", headers=key)
    again = http.post("/v1/petitions", body, role="intake", headers=key)
    assert (first.status_code, again.status_code) == (201, 200)
    for answer in (first, again):
        assert not _found_in(answer, ids) & _ACCUSATIONS
        kinds = [link["kind"] for link in answer.json()["suggestion"]["links"]]
        assert kinds.count(RESTRICTED) == len(_ACCUSATIONS)
        assert kinds[-1] == RESTRICTED
    everything = http.post("/v1/petitions", body, role="reviewer")
    assert _found_in(everything, ids) == _ALL


@pytest.mark.parametrize("role", _ROLES)
def test_a_matter_counts_what_its_reader_sees(http, ids, matter, role):
    count = len(_SEES[role])
    answer = http.get(f"/v1/matters/{matter}", role)
    one = http.get(f"/v1/petitions/{ids['own']}", role).json()["matter"]
    if count < 2:
        assert one is None
        assert http.outcome(answer) == (404, "not-found")
        return
    whole = answer.json()
    seen = {ids[name] for name in _SEES[role]}
    assert (whole["petitions"], whole["petitioners"], one["petitions"]) == (count, count, count)
    assert {row["id"] for row in whole["items"]} == {row["petition_id"] for row in whole["events"]} == seen
    rejected = [sorted([ids["own"], ids["accusation_other"]])]
    assert whole["rejected_pairs"] == (rejected if role != "intake" else [])


def test_an_office_may_let_units_see_their_own_accusations(http, service, ids, matter):
    service.settings.units_see_accusations = True
    answer = http.get("/v1/petitions", "unit")
    assert _found_in(answer, ids) == {"own", "accusation_own"}
    assert http.get(f"/v1/matters/{matter}", "unit").json()["petitions"] == 2
    assert [http.get(f"/v1/petitions/{ids[name]}", "unit").status_code for name in _PETITIONS] == [
        200 if name in {"own", "accusation_own"} else 404 for name in _PETITIONS
    ]


def test_what_a_unit_sees_follows_the_decisions(http, ids):
    def seen(name):
        return http.get(f"/v1/petitions/{ids[name]}", "unit").status_code == 200

    for name, body, expected in (
        ("suggested", {"unit": _OWN}, True),
        ("suggested", {"unit": _OTHER}, False),
        ("own", {"kind": "检举控告"}, False),
        ("own", {"kind": "建议意见"}, True),
        ("other", {"unit": _OWN}, True),
        ("accusation_own", {"kind": "申诉求决"}, True),
    ):
        http.post(f"/v1/petitions/{ids[name]}/decisions", body, role="reviewer")
        assert seen(name) is expected, (name, body)
    http.post(f"/v1/petitions/{ids['own']}/returns", {"unit": _OWN, "reason": "不归我们管"})
    assert seen("own"), "until somebody decides anew"


def test_intake_that_finds_an_accusation_sees_it_once_more(http, ids):
    decisions = f"/v1/petitions/{ids['own']}/decisions"
    answer = http.post(decisions, {"kind": "检举控告"}, role="intake")
    assert answer.status_code == 201
    assert (answer.json()["kind"], answer.json()["matter"]) == ("检举控告", None)
    assert http.outcome(http.get(f"/v1/petitions/{ids['own']}", "intake")) == (404, "not-found")
    assert http.outcome(http.post(decisions, {"kind": "咨询"}, role="intake")) == (404, "not-found")


def test_nobody_decides_on_a_link_they_may_not_see(http, rows, ids):
    before = rows()
    body = {"links": [{"id": ids["accusation_other"], "confirmed": False}]}
    answer = http.post(f"/v1/petitions/{ids['own']}/decisions", body, role="intake")
    assert http.outcome(answer) == (404, "not-found")
    assert rows() == before


def test_a_hidden_petition_is_answered_like_one_that_is_not(http, ids, matter):
    for hidden, nowhere in (
        (f"/v1/petitions/{ids['accusation_own']}", "/v1/petitions/nothing"),
        (f"/v1/petitions/{ids['accusation_own']}/links", "/v1/petitions/nothing/links"),
        (f"/v1/matters/{matter}", "/v1/matters/nothing"),
    ):
        assert http.get(hidden, "unit").json() == http.get(nowhere, "unit").json()


def test_pages_of_a_list_with_hidden_petitions(http, ids):
    """No page is short, and no cursor tells of what was left out."""
    found, cursor = [], None
    for _ in range(10):
        query = {"limit": 1} | ({"cursor": cursor} if cursor else {})
        page = http.get("/v1/petitions", "intake", params=query).json()
        found += [item["id"] for item in page["items"]]
        assert len(page["items"]) == 1
        if (cursor := page["next_cursor"]) is None:
            break
    assert found == [ids[name] for name in reversed(_PETITIONS) if name in _SEES["intake"]]
    assert http.get("/v1/petitions", "unit", params={"limit": 1}).json()["next_cursor"] is None


def test_reasons_of_a_split_are_for_those_who_see_every_petition(http, ids, matter):
    body = {"petitions": [ids["suggested"]], "reason": "涉及检举"}
    http.post(f"/v1/matters/{matter}/split", body, role="reviewer")
    for role, shown in (("auditor", {"涉及检举"}), ("intake", {""})):
        for name in ("own", "other"):
            number = http.get(f"/v1/petitions/{ids[name]}", role).json()["matter"]["id"]
            events = http.get(f"/v1/matters/{number}", role).json()["events"]
            assert {event["reason"] for event in events if event["cause"] == "split"} == shown


def test_reasons_of_verdicts_on_links_are_for_those_who_see_every_petition(http, ids, matter):
    """A split writes its reason on every link it rejects; whoever sees both ends of one still does not see the third petition."""
    link = {"links": [{"id": ids["other"], "confirmed": True}], "reason": "涉及检举"}
    http.post(f"/v1/petitions/{ids['own']}/decisions", link)
    http.post(f"/v1/petitions/{ids['own']}/undo", {"link": ids["other"], "reason": "涉及检举"})
    body = {"petitions": [ids["suggested"]], "reason": "涉及检举"}
    http.post(f"/v1/matters/{matter}/split", body, role="reviewer")
    for role, shown in (("auditor", "涉及检举"), ("intake", "")):
        for name, events in (("own", {"linked", "undone"}), ("suggested", {"linked"})):
            history = http.get(f"/v1/petitions/{ids[name]}/history", role).json()["items"]
            of_links = [event for event in history if event["event"] in events and event["reason"] == shown]
            assert {event["event"] for event in of_links} == events
            assert role == "auditor" or "涉及检举" not in str(history)


def test_the_table_of_roles():
    found = {role: viewer_of(role, "u", "ecology", units_see_accusations=False) for role in Role}
    everything = Viewer("u", Accusations.ALL)
    assert found == {
        Role.INTAKE: Viewer("u", Accusations.REGISTERED, told=True),
        Role.REVIEWER: everything,
        Role.ADMIN: everything,
        Role.AUDITOR: everything,
        Role.UNIT: Viewer("u", Accusations.NONE, "ecology"),
    }
    assert {role for role, viewer in found.items() if viewer.sees_all} == {
        Role.REVIEWER,
        Role.ADMIN,
        Role.AUDITOR,
    }
