"""Which role may open and do what at the workbench: every page route against every role, signed out, and without the session's token."""

from __future__ import annotations

import shutil

import pytest
from fastapi.routing import APIRoute

from api import import_run, imports
from api.store.firewall import Role
from api.store.users import add_user
from api.workbench import routes as workbench
from classifier.registry import Registry

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
    # Registering, and what a type-ahead offers.
    ("GET", "/register"): (_OFFICERS, 200, None),
    ("POST", "/register"): (_OFFICERS, 422, {"do": "accept"}),
    ("POST", "/register/suggest"): (_OFFICERS, 200, {"text": "楼下烧烤店油烟扰民"}),
    ("POST", "/register/read"): (_OFFICERS, 422, {"text": "楼下烧烤店油烟扰民"}),
    ("GET", "/register/{petition_id}/receipt"): (_OFFICERS, 200, None),
    ("GET", "/help"): (_EVERYONE, 200, None),
    ("GET", "/help/algorithm"): (_EVERYONE, 200, None),
    ("GET", "/look-up/categories"): (_EVERYONE, 200, None),
    ("GET", "/look-up/units"): (_EVERYONE, 200, None),
    ("GET", "/look-up/districts"): (_EVERYONE, 200, None),
    # Models: overseers look, administrators act.
    ("GET", "/models"): (_OVERSEERS, 200, None),
    ("GET", "/models/serving"): (_OVERSEERS, 200, None),
    ("GET", "/models/drift"): (_OVERSEERS, 200, None),
    ("GET", "/models/compare"): (_OVERSEERS, 200, None),
    ("GET", "/models/retrain/progress"): (_OVERSEERS, 200, None),
    ("POST", "/models/retrain"): (_ADMIN, 303, {}),
    ("POST", "/models/retrain/cancel"): (_ADMIN, 303, {}),
    ("GET", "/models/rollback"): (_ADMIN, 200, None),
    ("POST", "/models/rollback"): (_ADMIN, 409, {"expected": "none"}),
    ("GET", "/models/{version}"): (_OVERSEERS, 200, None),
    ("GET", "/models/{version}/promote"): (_ADMIN, 200, None),
    ("POST", "/models/{version}/promote"): (_ADMIN, 303, {"expected": "none"}),
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
    # The overview: everybody, each of what they may see.
    ("GET", "/overview"): (_EVERYONE, 200, None),
    ("GET", "/overview/rising"): (_EVERYONE, 200, None),
    ("GET", "/overview/list/{what}"): (_EVERYONE, 200, None),
    ("GET", "/overview.xlsx"): (_EVERYONE, 200, None),
    ("GET", "/overview/report.xlsx"): (_EVERYONE, 200, None),
    ("GET", "/overview/{table}.xlsx"): (_EVERYONE, 200, None),
    # The queue and the search.
    ("GET", "/queue"): (_OFFICERS, 200, None),
    ("GET", "/queue/preview"): (_OFFICERS, 200, None),
    ("POST", "/queue/accept"): (_OFFICERS, 422, {"token": "nothing"}),
    ("GET", "/queue/accepted"): (_OFFICERS, 404, None),
    ("GET", "/petitions"): (_EVERYONE, 200, None),
    ("GET", "/petitions.xlsx"): (_EVERYONE, 200, None),
    # One petition, its links, its matter. What is posted expects what is not so: whoever asks first changes nothing for the next.
    ("GET", "/petitions/{petition_id}"): (_EVERYONE, 200, None),
    ("POST", "/petitions/{petition_id}/decide"): (_OFFICERS, 409, {"expected_decision": "999", "kind": "咨询"}),
    ("POST", "/petitions/{petition_id}/undo"): (_OFFICERS, 409, {"event": "decided-999"}),
    ("POST", "/petitions/{petition_id}/return"): (_RETURNERS, 409, {"expected_decision": "999", "unit": UNIT, "reason": "不归我们管"}),
    ("POST", "/petitions/{petition_id}/reply"): (_RETURNERS, 409, {"expected_decision": "999", "unit": UNIT, "replied_on": "2026-03-04"}),
    ("POST", "/petitions/{petition_id}/original"): (_OFFICERS, 200, {}),
    ("GET", "/petitions/{petition_id}/links/{other_id}"): (_EVERYONE, 200, None),
    ("POST", "/petitions/{petition_id}/links/{other_id}"): (_OFFICERS, 409, {"expected_verdict": "999", "verdict": "no"}),
    ("POST", "/petitions/{petition_id}/links/{other_id}/undo"): (_OFFICERS, 409, {"expected_verdict": "999"}),
    ("GET", "/matters/{matter_id}"): (_EVERYONE, 200, None),
    ("POST", "/matters/{matter_id}/split"): (_REVIEWERS, 422, {"reason": "不是一回事"}),
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
def waiting_import(service, desk):
    """The id of a file that an intake user uploaded; another process is at work, so that it will wait in the queue."""
    content = "内容\n楼道灯坏了三个月没有人修。\n".encode()
    import_id = imports.upload(service, desk("intake").session.user.id, "三月.csv", content)
    with import_run._lock(service.settings).held():
        yield import_id


@pytest.fixture
def ids(http, service, settings, monkeypatch, waiting_import):
    """Two petitions that everybody may see, on one matter, and what else addresses name."""
    # A registry of its own, and nothing is trained: a retraining ends as it begins.
    own = shutil.copytree(settings.models, settings.data_dir / "models")
    monkeypatch.setattr(settings, "models", own)
    monkeypatch.setattr("api.retrain.spawn", lambda settings, command, descriptor: None)
    one, other = (http.submit(_TEXT) for _ in range(2))
    for each in (one, other):
        http.post(f"/v1/petitions/{each}/decisions", {"kind": "申诉求决", "unit": UNIT})
    body = {"links": [{"id": other, "confirmed": True}]}
    matter = http.post(f"/v1/petitions/{one}/decisions", body).json()["matter"]["id"]
    with service.store.write() as connection:
        account = add_user(connection, "somebody", Role.INTAKE)
    return {
        "account_id": account.id,
        "petition_id": one,
        "other_id": other,
        "matter_id": matter,
        "version": Registry(own).active_version(),
        "import_id": waiting_import,
        "what": "repeats",
        "table": "units",
    }


def _ask(desk, method, path, form, ids, **options):
    address = path.format(**ids)
    if path == "/overview/report.xlsx":
        address += "?month=2026-03"
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
