"""Signing in: one-time links, passwords, pace, cookies, sessions that end, forms that survive it."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from api import accounts
from api.access import COOKIE
from api.store.accounts import failures
from api.store.audit import Action, broken_at, entries
from api.store.petitions import now
from api.store.tables import audit, sessions, users
from api.store.users import disable_user

_PASSWORD = "梧桐树下等公交车"


@pytest.fixture
def link(service):
    return accounts.first_link(service)


@pytest.fixture
def chosen(service, link):
    """The administrator has chosen a password."""
    accounts.accept_link(service, link.partition("=")[2], _PASSWORD, _PASSWORD)
    return _PASSWORD


def _sign_in(someone, password, **more):
    return someone.post("/sign-in", {"name": "admin", "password": password} | more)


def test_the_first_link_opens_once(desk, link, service):
    someone = desk(None)
    assert "admin" in someone.get(link).text
    token = link.partition("=")[2]
    answer = someone.post("/welcome", {"token": token, "password": _PASSWORD, "again": _PASSWORD})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert someone.get("/").headers["location"] == "/register"
    assert desk(None).get(link).status_code == 403
    assert accounts.first_link(service) is None


@pytest.mark.parametrize(
    ("password", "again", "word"),
    [("short", "short", "8"), (_PASSWORD, "别的什么密码啊", "不一样"), ("aaaaaaaaaaaa", "aaaaaaaaaaaa", "太少"), ("xxadmin123", "xxadmin123", "用户名")],
)  # fmt: skip
def test_a_poor_password_is_told_why(desk, link, password, again, word):
    token = link.partition("=")[2]
    answer = desk(None).post("/welcome", {"token": token, "password": password, "again": again})
    assert answer.status_code == 422
    assert word in answer.text
    assert desk(None).get(link).status_code == 200  # the link still holds


def test_password_opens_a_session_and_nothing_of_it_is_kept(desk, chosen, service):
    someone = desk(None)
    answer = _sign_in(someone, chosen, onward="/account")
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert someone.get("/account").status_code == 200
    with service.store.read() as connection:
        kept = [
            str(value)
            for table in (users, sessions)
            for row in connection.execute(select(table))
            for value in row
        ]
    assert not any(chosen in value or someone.client.cookies[COOKIE] in value for value in kept)


def test_behind_tls_the_cookie_is_secure(desk, chosen):
    someone = desk(None)
    someone.client.base_url = "https://testserver"
    assert "Secure" in _sign_in(someone, chosen).headers["set-cookie"]


@pytest.mark.parametrize(
    "onward", ["https://elsewhere.example/", "//elsewhere.example", "/\\elsewhere.example", "javascript:x"]
)
def test_nobody_is_sent_elsewhere(desk, chosen, onward):
    assert _sign_in(desk(None), chosen, onward=onward).headers["location"] == "/"


def test_failures_slow_down(desk, chosen, service):
    statuses = [_sign_in(desk(None), "not the password").status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    assert _sign_in(desk(None), chosen).status_code == 429  # the right one waits, too
    with service.store.read() as connection:
        who = accounts._keyed(service, "name:admin")
        assert failures(connection, who, timedelta(minutes=15))[0] == 5
        assert failures(connection, who, timedelta())[0] == 0


def test_unknown_and_known_names_answer_alike(desk, chosen):
    known, unknown = desk(None), desk(None)
    answers = [
        known.post("/sign-in", {"name": "admin", "password": "wrong"}),
        unknown.post("/sign-in", {"name": "nobody", "password": "wrong"}),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert answers[0].text.replace("admin", "nobody") == answers[1].text


def test_signing_out_ends_it(desk):
    someone = desk("intake")
    cookie = someone.client.cookies[COOKIE]
    assert someone.post("/sign-out").headers["location"] == "/sign-in?done=signed-out"
    someone.client.cookies.set(COOKIE, cookie)
    assert someone.get("/account").status_code == 303


@pytest.mark.parametrize("column", ["seen_at", "created_at"])
def test_a_session_ends_by_itself(desk, service, column):
    someone = desk("intake")
    with service.store.write() as connection:
        connection.execute(update(sessions).values({column: now() - timedelta(hours=13)}))
    answer = someone.get("/account")
    assert answer.headers["location"] == "/sign-in?onward=%2Faccount&done=expired"
    assert "过期" in someone.get(answer.headers["location"]).text


def test_a_disabled_user_is_out_at_once(desk, service):
    someone = desk("intake")
    with service.store.write() as connection:
        disable_user(connection, "user-intake")
    assert someone.get("/account").status_code == 303


def test_what_was_typed_survives_the_end_of_a_session(desk, chosen, service):
    someone = desk("admin")
    someone.client.cookies.clear()
    typed = "楼下烧烤店油烟，\n“每天”到凌晨 <b>两点</b>"
    answer = someone.post("/account", {"current": typed})
    assert answer.status_code == 401
    kept = re.search(r'name="kept" value="([^"]*)"', answer.text).group(1)
    kept = kept.replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert dict(json.loads(kept)) == {"current": typed}
    resumed = _sign_in(someone, chosen, onward="/account", kept=kept)
    assert resumed.status_code == 200
    assert 'action="/account"' in resumed.text
    assert "&lt;b&gt;两点&lt;/b&gt;" in resumed.text


def test_script_is_told_in_one_line(desk):
    someone = desk(None)
    someone.headers["X-Fragment"] = "1"
    answer = someone.get("/account")
    assert (answer.status_code, answer.text) == (401, "请先登录。")


def test_another_password_ends_other_sessions(desk, chosen):
    here, there = desk("admin"), desk("admin")
    answer = here.post(
        "/account", {"current": chosen, "password": "槐花开了一整条街", "again": "槐花开了一整条街"}
    )
    assert answer.headers["location"] == "/account?done=password"
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303


def test_attempts_are_on_record(desk, chosen, service):
    _sign_in(desk(None), "wrong")
    _sign_in(desk(None), chosen)
    with service.store.read() as connection:
        done = [(entry.action, entry.user) for entry in entries(connection)]
        assert broken_at(connection) is None
    expected = [Action.SIGNED_IN, Action.SIGN_IN_FAILED, Action.PASSWORD_SET]
    assert done == [(action, "admin") for action in expected]


def test_a_changed_row_breaks_the_chain(desk, chosen, service):
    for _ in range(3):
        _sign_in(desk(None), chosen)
    with service.store.write() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TRIGGER audit_no_update")
        else:
            connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
        connection.execute(update(audit).where(audit.c.number == 2).values(action="decided"))
        assert broken_at(connection) == 2
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER USER")


def test_pages_say_what_a_browser_may_do(desk):
    answer = desk("admin").get("/account")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", answer.text)


def test_static_files_are_kept_by_their_content(desk):
    page = desk(None).get("/sign-in").text
    for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', page):
        answer = desk(None).get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]


def test_an_unknown_page_is_a_page_and_an_unknown_endpoint_a_problem(desk):
    assert desk(None).get("/nowhere").headers["content-type"].startswith("text/html")
    assert desk(None).get("/v1/nowhere").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "status"), [("/admin", 403), ("/petitions/nothing", 404), ("/nowhere", 404)]
)
def test_the_page_of_a_problem_keeps_the_menu_of_who_is_signed_in(desk, path, status):
    answer = desk("unit").get(path)
    assert answer.status_code == status
    assert 'href="/petitions"' in answer.text
    assert 'href="/admin"' not in answer.text, "nothing that the role may not open"
    assert "退出" in answer.text
