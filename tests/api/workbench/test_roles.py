"""Which role may open and do what at the workbench: every page route against every role, signed out, and without the session's token."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from api.store.firewall import Role
from api.store.users import add_user
from api.workbench import routes as workbench

_EVERYONE = frozenset({"intake", "reviewer", "admin", "auditor", "unit"})
_OFFICERS = _EVERYONE - {"auditor", "unit"}
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
    # Registering, and what a type-ahead offers.
    ("GET", "/look-up/categories"): (_EVERYONE, 200, None),
    ("GET", "/look-up/units"): (_EVERYONE, 200, None),
    ("GET", "/look-up/districts"): (_EVERYONE, 200, None),
    # Administration. What changes something is posted as nothing useful: it is refused in words, not done.
    ("GET", "/admin"): (_AUDITORS, 200, None),
    ("GET", "/admin/accounts"): (_AUDITORS, 200, None),
    ("POST", "/admin/accounts"): (_ADMIN, 422, {"name": ""}),
    ("GET", "/admin/accounts/{account_id}"): (_AUDITORS, 200, None),
    ("POST", "/admin/accounts/{account_id}"): (_ADMIN, 422, {"role": "nobody"}),
    ("POST", "/admin/accounts/{account_id}/link"): (_ADMIN, 200, {}),
    ("POST", "/admin/accounts/{account_id}/sign-out"): (_ADMIN, 303, {}),
    ("POST", "/admin/accounts/{account_id}/keys"): (_ADMIN, 422, {"days": "0"}),
    ("POST", "/admin/accounts/{account_id}/withdraw"): (_ADMIN, 303, {}),
    ("GET", "/admin/keys"): (_AUDITORS, 200, None),
    ("GET", "/admin/directory"): (_AUDITORS, 200, None),
    ("POST", "/admin/directory/restore"): (_ADMIN, 409, {"number": "1", "v": "old"}),
    ("GET", "/admin/directory/{table}"): (_AUDITORS, 200, None),
    ("GET", "/admin/directory/{table}/download"): (_AUDITORS, 200, None),
    ("POST", "/admin/directory/{table}/upload"): (_ADMIN, 422, {}),
    ("GET", "/admin/directory/{table}/row"): (_ADMIN, 200, None),
    ("POST", "/admin/directory/{table}/row"): (_ADMIN, 409, {"v": "old"}),
    ("GET", "/admin/headings"): (_AUDITORS, 200, None),
    ("POST", "/admin/headings"): (_ADMIN, 409, {"v": "old"}),
    ("GET", "/admin/audit"): (_AUDITORS, 200, None),
    ("GET", "/admin/audit/check"): (_AUDITORS, 200, None),
    ("POST", "/admin/audit/export"): (_AUDITORS, 200, {}),
}
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
def ids(service):
    with service.store.write() as connection:
        account = add_user(connection, "somebody", Role.INTAKE)
    return {"account_id": account.id, "table": "rules"}


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
    assert found == {case: 303 if case[0] == "GET" else 401 for case in _MAY}
    assert desk(None).get("/account").headers["location"] == "/sign-in?onward=%2Faccount"
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
