"""Which role may open and do what at the workbench: every page route against every role, signed out, and without the session's token."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from api.workbench import routes as workbench

#: The unit of the user of role `unit`.
UNIT = "urban_management"
_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"

_EVERYONE = frozenset({"intake", "reviewer", "admin", "auditor", "unit"})
_OFFICERS = _EVERYONE - {"auditor", "unit"}
_RETURNERS = frozenset({"unit", "reviewer", "admin"})
_REVIEWERS = frozenset({"reviewer", "admin"})
_OVERSEERS = frozenset({"reviewer", "admin", "auditor"})
_AUDITORS = frozenset({"auditor", "admin"})
_ADMIN = frozenset({"admin"})

#: Who may, the status when they may, and what is posted.
_MAY = {
    ("GET", "/"): (_EVERYONE, 303, None),
    ("GET", "/account"): (_EVERYONE, 200, None),
    ("POST", "/account"): (_EVERYONE, 403, {"current": "wrong"}),
    ("POST", "/sign-out"): (_EVERYONE, 303, {}),
    # One petition, its links, its matter. What is posted expects what is not so: whoever asks first changes nothing for the next.
    ("GET", "/petitions/{petition_id}"): (_EVERYONE, 200, None),
    ("POST", "/petitions/{petition_id}/decide"): (_OFFICERS, 409, {"expected_decision": "999", "kind": "咨询"}),
    ("POST", "/petitions/{petition_id}/undo"): (_OFFICERS, 409, {"event": "decided-999"}),
    ("POST", "/petitions/{petition_id}/return"): (_RETURNERS, 409, {"expected_decision": "999", "unit": UNIT, "reason": "不归我们管"}),
    ("POST", "/petitions/{petition_id}/original"): (_OFFICERS, 200, {}),
    ("GET", "/petitions/{petition_id}/links/{other_id}"): (_EVERYONE, 200, None),
    ("POST", "/petitions/{petition_id}/links/{other_id}"): (_OFFICERS, 409, {"expected_verdict": "999", "verdict": "no"}),
    ("POST", "/petitions/{petition_id}/links/{other_id}/undo"): (_OFFICERS, 409, {"expected_verdict": "999"}),
    ("GET", "/matters/{matter_id}"): (_EVERYONE, 200, None),
    ("POST", "/matters/{matter_id}/split"): (_REVIEWERS, 422, {"reason": "不是一回事"}),
}  # fmt: skip
#: What needs no session.
_OPEN = {("GET", "/sign-in"), ("POST", "/sign-in"), ("GET", "/welcome"), ("POST", "/welcome")}


def _routes(router):
    """Every (method, path) of a router, those of routers within it too."""
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield from ((method, route.path) for method in route.methods)
        else:
            yield from _routes(route.original_router)


def test_every_page_has_its_line_in_the_matrix():
    assert set(_routes(workbench.router)) == set(_MAY) | _OPEN


@pytest.fixture
def ids(http):
    """Two petitions that everybody may see, on one matter."""
    one, other = (http.submit(_TEXT) for _ in range(2))
    for each in (one, other):
        http.post(f"/v1/petitions/{each}/decisions", {"kind": "申诉求决", "unit": UNIT})
    body = {"links": [{"id": other, "confirmed": True}]}
    matter = http.post(f"/v1/petitions/{one}/decisions", body).json()["matter"]["id"]
    return {"petition_id": one, "other_id": other, "matter_id": matter}


def _ask(desk, method, path, form, ids, **options):
    address = path.format(**ids)
    return desk.get(address) if method == "GET" else desk.post(address, form, **options)


def test_roles_on_every_page(desk, ids):
    expected, found = {}, {}
    for (method, path), (allowed, status, form) in _MAY.items():
        for role in _EVERYONE:
            case = (method, path, role)
            expected[case] = status if role in allowed else 403
            found[case] = _ask(desk(role), method, path, form, ids).status_code
    assert found == expected


def test_nobody_gets_in_without_a_session(desk, ids, rows):
    before = rows()
    found = {case: _ask(desk(None), *case, form, ids).status_code for case, (_, _, form) in _MAY.items()}
    assert found == dict.fromkeys(_MAY, 401)
    assert rows() == before


def test_nothing_is_done_without_the_sessions_token(desk, ids, rows):
    unsafe = [case for case in _MAY if case[0] != "GET"]
    someone = desk("admin")
    before = rows()
    found = {
        case: _ask(someone, *case, _MAY[case][2] | {"csrf": "0" * 43}, ids).status_code for case in unsafe
    }
    assert found == dict.fromkeys(unsafe, 403)
    someone.headers["Origin"] = "https://elsewhere.example"
    found = {case: _ask(someone, *case, _MAY[case][2], ids).status_code for case in unsafe}
    assert found == dict.fromkeys(unsafe, 403)
    assert rows() == before
