"""Which role may open and do what at the workbench: every page route against every role, signed out, and without the session's token."""

from __future__ import annotations

import pytest
from fastapi.routing import APIRoute

from api import import_run, imports
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
    # Imports: a file that waits goes through its life in this order, and has no rejects.
    ("GET", "/imports"): (_OFFICERS, 200, None),
    ("POST", "/imports"): (_OFFICERS, 422, {}),
    ("GET", "/imports/{import_id}"): (_OFFICERS, 200, None),
    ("POST", "/imports/{import_id}/mapping"): (_OFFICERS, 303, {"column-text": "内容"}),
    ("POST", "/imports/{import_id}/start"): (_OFFICERS, 303, {}),
    ("GET", "/imports/{import_id}/progress"): (_OFFICERS, 200, None),
    ("POST", "/imports/{import_id}/cancel"): (_OFFICERS, 303, {}),
    ("POST", "/imports/{import_id}/delete"): (_OFFICERS, 303, {}),
    ("GET", "/imports/{import_id}/rejects"): (_OFFICERS, 404, None),
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
def waiting_import(service, desk):
    """The id of a file that an intake user uploaded; another process is at work, so that it will wait in the queue."""
    content = "内容\n楼道灯坏了三个月没有人修。\n".encode()
    import_id = imports.upload(service, desk("intake").session.user.id, "三月.csv", content)
    with import_run._lock(service.settings).held():
        yield import_id


@pytest.fixture
def ids(waiting_import):
    return {"import_id": waiting_import}


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
