"""Who may do what: every endpoint against every role and every kind of bad credential."""

from __future__ import annotations

import os
import shutil
from datetime import datetime

import pytest
from sqlalchemy import select

from api.run_state import RunState
from api.store.tables import api_keys, users
from api.store.users import Role, add_user, authenticate, disable_user, find_user, new_key
from classifier.bundle import save_bundle
from classifier.dates import CHINA
from classifier.errors import ConflictError, InputError, NotFoundError, UnauthenticatedError
from classifier.registry import Registry

_EVERYONE = frozenset({"intake", "reviewer", "admin", "auditor", "unit"})
_OFFICERS = _EVERYONE - {"auditor", "unit"}
_REVIEWERS = frozenset({"reviewer", "admin"})
_OVERSEERS = frozenset({"reviewer", "admin", "auditor"})
_AUDITORS = frozenset({"auditor", "admin"})
_ADMIN = frozenset({"admin"})
_NOBODY = {None: "none", "unknown": "unknown", "expired": "expired", "disabled": "disabled"}

_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_TRIAGE = {"petitions": [{"text": _TEXT}]}
_DECISION = {"category": "040206", "unit": "城管局"}
_RETURN = {"unit": "城管局", "reason": "不归我们管"}
_REPLY = {"unit": "城管局", "replied_on": datetime.now(CHINA).date().isoformat()}
_UNDO = {"reason": "认错了"}
_SPLIT = {"petitions": ["{petition_id}"], "reason": "不是同一家店"}

#: Who may, the status when they may, and a body with which it works.
_MAY = {
    ("POST", "/v1/triage"): (_OFFICERS, 200, _TRIAGE),
    ("POST", "/v1/petitions"): (_OFFICERS, 201, {"text": _TEXT}),
    ("GET", "/v1/petitions"): (_EVERYONE, 200, None),
    ("GET", "/v1/petitions/{petition_id}"): (_EVERYONE, 200, None),
    ("GET", "/v1/petitions/{petition_id}/original"): (_OFFICERS, 200, None),
    ("GET", "/v1/petitions/{petition_id}/links"): (_EVERYONE, 200, None),
    ("POST", "/v1/petitions/{petition_id}/decisions"): (_OFFICERS, 201, _DECISION),
    ("POST", "/v1/petitions/{petition_id}/returns"): (_REVIEWERS, 201, _RETURN),
    ("POST", "/v1/petitions/{petition_id}/replies"): (_REVIEWERS, 201, _REPLY),
    ("GET", "/v1/petitions/{petition_id}/history"): (_EVERYONE, 200, None),
    ("POST", "/v1/petitions/{petition_id}/undo"): (_OFFICERS, 201, _UNDO),
    ("GET", "/v1/review"): (_OFFICERS, 200, None),
    ("GET", "/v1/accuracy"): (_OVERSEERS, 200, None),
    ("GET", "/v1/matters/{matter_id}"): (_EVERYONE, 200, None),
    ("POST", "/v1/matters/{matter_id}/split"): (_REVIEWERS, 201, _SPLIT),
    ("GET", "/v1/hot?since=2026-01-01"): (_EVERYONE, 200, None),
    ("GET", "/v1/taxonomy"): (_EVERYONE, 200, None),
    ("GET", "/v1/units"): (_EVERYONE, 200, None),
    ("GET", "/v1/models/active"): (_EVERYONE, 200, None),
    ("GET", "/v1/models"): (_AUDITORS, 200, None),
    ("GET", "/v1/models/health"): (_AUDITORS, 200, None),
    ("GET", "/v1/models/diff?before={version}&after=other"): (_AUDITORS, 200, None),
    ("GET", "/v1/models/{version}"): (_AUDITORS, 200, None),
    ("POST", "/v1/models/{version}/promote"): (_ADMIN, 200, None),
    ("POST", "/v1/models/rollback"): (_ADMIN, 200, None),
    ("POST", "/v1/retrain"): (_ADMIN, 202, None),
    ("GET", "/v1/retrain"): (_ADMIN, 200, None),
    ("GET", "/v1/retrain/stream"): (_ADMIN, 200, None),
    ("DELETE", "/v1/retrain"): (_ADMIN, 202, None),
}
_OPEN = {("GET", "/healthz"), ("GET", "/readyz")}


def test_every_endpoint_has_its_line_in_the_matrix(app):
    documented = {
        (method.upper(), path) for path, operations in app.openapi()["paths"].items() for method in operations
    }
    assert documented == {(method, path.partition("?")[0]) for method, path in _MAY} | _OPEN


@pytest.fixture(scope="module")
def two_versions(models, bundle, tmp_path_factory):
    """A registry of two versions."""
    folder = shutil.copytree(models, tmp_path_factory.mktemp("two") / "models")
    save_bundle(bundle, folder / "other", "other")
    return folder


@pytest.fixture
def settings(settings, two_versions, tmp_path):
    """With a registry of its own."""
    return settings.model_copy(update={"models": shutil.copytree(two_versions, tmp_path / "models")})


@pytest.fixture
def ids(http, settings, monkeypatch):
    """A petition that was decided on, and the matter it is on with a copy of it; a model with one before it. Nothing is trained: a
    retraining that starts is one at work, until the test ends."""
    files, registry = RunState(settings.models), Registry(settings.models)
    held: list[int] = []
    monkeypatch.setattr(
        "api.retrain.spawn", lambda settings, command, descriptor: held.append(os.dup(descriptor))
    )
    monkeypatch.setattr("api.routes.retrain._STREAM_SECONDS", 0.1)
    registry.promote("other")
    yield _ids(http, registry)
    for descriptor in held:
        os.close(descriptor)
    assert not files.is_held()


def _ids(http, registry):
    petition, copy = http.submit(_TEXT), http.submit(_TEXT)
    http.post(f"/v1/petitions/{copy}/decisions", _DECISION)
    http.post(f"/v1/petitions/{petition}/decisions", _DECISION | {"links": [{"id": copy, "confirmed": True}]})
    matter = http.get(f"/v1/petitions/{petition}").json()["matter"]["id"]
    version = registry.active().name
    return {"petition_id": petition, "matter_id": matter, "copy": copy, "version": version}


def _request(http, method, path, role, body, ids):
    if body is _SPLIT:
        body = body | {"petitions": [ids["petition_id"]]}
    return http.request(method, path.format(**ids), role, json=body)


def test_roles_on_every_endpoint(http, ids):
    expected, found = {}, {}
    for (method, path), (allowed, status, body) in _MAY.items():
        for role in _EVERYONE:
            case = (method, path, role)
            expected[case] = (status, "") if role in allowed else (403, "forbidden")
            found[case] = http.outcome(_request(http, method, path, role, body, ids))
            if body in (_RETURN, _UNDO):  # decided again for the next role
                http.post(f"/v1/petitions/{ids['petition_id']}/decisions", _DECISION)
            if body is _REPLY and role in allowed:  # open again for the next role
                http.post(f"/v1/petitions/{ids['petition_id']}/undo", {})
            if body is _SPLIT:  # joined again for the next role
                again = {"links": [{"id": ids["copy"], "confirmed": True}]}
                http.post(f"/v1/petitions/{ids['petition_id']}/decisions", again)
    assert found == expected


def test_no_valid_credential_opens_nothing(http, rows, ids):
    assert [role for role in _NOBODY if role and not http.keys[role]] == []  # made now, not while counting
    before = rows()
    expected, found = {}, {}
    for (method, path), (_, _, body) in _MAY.items():
        for role in _NOBODY:
            answer = _request(http, method, path, role, body, ids)
            case = (method, path, _NOBODY[role])
            expected[case] = (401, "unauthenticated", "Bearer")
            found[case] = (*http.outcome(answer), answer.headers.get("WWW-Authenticate"))
    assert found == expected
    assert rows() == before


def test_each_bad_credential_is_told_what_to_do(http):
    words = {role: http.get("/v1/units", role).json()["detail"] for role in _NOBODY}
    assert "Bearer" in words[None]
    assert "无效" in words["unknown"]
    assert "过期" in words["expired"]
    assert "停用" in words["disabled"]


def test_credential_in_another_form_opens_nothing(http, keys):
    headers = ("", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "{}", "Bearer {} {}", "Bearer {}x", "bearer é")
    found = {}
    for header in headers:
        value = header.replace("{}", keys["admin"]).encode()
        found[header] = http.outcome(http.get("/v1/units", role=None, headers={"Authorization": value}))
    assert found == dict.fromkeys(headers, (401, "unauthenticated"))


def test_what_needs_no_credential(http):
    paths = ("/healthz", "/readyz", "/metrics", "/docs", "/v1/openapi.json")
    assert [http.get(path, role=None).status_code for path in paths] == [200] * 5


def test_forbidden_names_the_roles_that_may(http):
    detail = http.post("/v1/petitions/x/returns", _RETURN, role="auditor").json()["detail"]
    assert "审计" in detail
    assert "审核、管理员" in detail


def test_keys_are_stored_as_digests_and_each_opens(service):
    with service.store.write() as connection:
        user = add_user(connection, " 张三 ", Role.REVIEWER)
        issued = [new_key(connection, user.id) for _ in range(2)]
    with service.store.read() as connection:
        assert [authenticate(connection, key) for key in issued] == [user, user]
        digests = connection.execute(select(api_keys.c.digest)).scalars().all()
    assert user.name == "张三"
    assert not [key for key in issued for digest in digests if key in digest or digest in key]


def test_a_key_expires_and_an_endless_one_does_not(service):
    with service.store.write() as connection:
        user = add_user(connection, "张三", Role.INTAKE)
        endless, tomorrow, over = (new_key(connection, user.id, days) for days in (None, 1, 0))
    with service.store.read() as connection:
        assert authenticate(connection, endless) == authenticate(connection, tomorrow) == user
        with pytest.raises(UnauthenticatedError, match="过期"):
            authenticate(connection, over)


def test_disabling_a_user_closes_all_their_keys_and_no_others(service):
    with service.store.write() as connection:
        gone, stays = (add_user(connection, name, Role.INTAKE) for name in ("走", "留"))
        closed = [new_key(connection, gone.id) for _ in range(2)]
        kept = new_key(connection, stays.id)
        disable_user(connection, "走")
    with service.store.read() as connection:
        for key in closed:
            with pytest.raises(UnauthenticatedError, match="停用"):
                authenticate(connection, key)
        assert authenticate(connection, kept) == stays


def test_only_a_unit_user_has_a_unit_and_must_have_one(service):
    for role in Role:
        with service.store.write() as connection:
            if role is Role.UNIT:
                user = add_user(connection, "承办", role, "ecology")
                assert authenticate(connection, new_key(connection, user.id)) == user
                assert find_user(connection, "承办").unit == "ecology"
                with pytest.raises(InputError, match="--unit"):
                    add_user(connection, "无单位", role)
            else:
                with pytest.raises(InputError, match="--unit"):
                    add_user(connection, f"有单位{role}", role, "ecology")


def test_names_are_taken_once(service):
    with service.store.write() as connection:
        add_user(connection, "张三", Role.INTAKE)
    with pytest.raises(ConflictError, match="张三"), service.store.write() as connection:
        add_user(connection, " 张三", Role.ADMIN)
    with pytest.raises(NotFoundError), service.store.read() as connection:
        find_user(connection, "李四")


def test_first_start_makes_one_administrator_whose_key_is_in_the_file(service, settings):
    key = settings.admin_file.read_text().strip()
    with service.store.read() as connection:
        assert connection.execute(select(users.c.name)).scalars().all() == ["admin"]
        assert authenticate(connection, key).role is Role.ADMIN


def test_later_starts_make_no_further_administrator(service, settings):
    from api.service import open_service

    service.close()
    settings.admin_file.unlink()
    again = open_service(settings)
    again.close()
    assert not settings.admin_file.exists()
