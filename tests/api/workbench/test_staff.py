"""Accounts and keys: what is shown once is shown once, an administrator always remains, two who change one account are told."""

from __future__ import annotations

import html
import re
import threading

import pytest
from sqlalchemy import event, select

from api import staff
from api.store.audit import Action, broken_at, entries
from api.store.firewall import Role
from api.store.tables import api_keys, invitations
from api.store.users import add_user, find_user
from classifier.errors import ConflictError
from tests.api.workbench.conftest import UNIT, text_of

_PASSWORD = "梧桐树下等公交车"


@pytest.fixture
def admin(desk):
    return desk("admin")


def _id(service, name):
    with service.store.read() as connection:
        return find_user(connection, name).id


def _value(answer):
    return html.unescape(re.search(r'<textarea[^>]*id="value"[^>]*>(.*?)</textarea>', answer.text)[1])


def _seen(admin, account_id):
    return html.unescape(
        re.search(r'name="seen" value="([^"]*)"', admin.get(f"/admin/accounts/{account_id}").text)[1]
    )


def _change(admin, account_id, **form):
    return admin.post(
        f"/admin/accounts/{account_id}", {"seen": _seen(admin, account_id), "state": "active"} | form
    )


def test_a_new_account_gets_a_link_that_is_shown_once_and_opens(admin, desk, service):
    answer = admin.post("/admin/accounts", {"name": " 张 三 ", "role": "reviewer"})
    assert answer.status_code == 200
    link = _value(answer)
    assert link.startswith("http://testserver/welcome?token=")
    token = link.partition("token=")[2]
    everywhere = "".join(
        admin.get(path).text
        for path in ("/admin/accounts", f"/admin/accounts/{_id(service, '张 三')}", "/admin/audit")
    )
    assert token not in everywhere
    with service.store.read() as connection:
        assert token not in str(connection.execute(select(invitations)).all())
        entry = next(entries(connection))
    assert (entry.action, entry.user, entry.detail["account"], entry.detail["role"]) == (
        Action.ACCOUNT_ADDED,
        "admin",
        "张 三",
        "reviewer",
    )
    someone = desk(None)
    opened = someone.post("/welcome", {"token": token, "password": _PASSWORD, "again": _PASSWORD})
    assert opened.status_code == 303
    assert "审核" in someone.get("/account").text


@pytest.mark.parametrize(
    ("form", "status", "word"),
    [
        ({"name": "", "role": "intake"}, 422, "请写用户名"),
        ({"name": "x" * 41, "role": "intake"}, 422, "40"),
        ({"name": "甲", "role": "king"}, 422, "选一个角色"),
        ({"name": "甲", "role": "unit"}, 422, "哪个单位"),
        ({"name": "甲", "role": "unit", "unit_typed": "没有的单位"}, 422, "没有的单位"),
        ({"name": "ADMIN", "role": "intake"}, 409, "已经有账号"),
    ],
)
def test_a_wrong_account_is_told_why_and_what_was_typed_stays(admin, rows, form, status, word):
    before = rows()
    answer = admin.post("/admin/accounts", form)
    assert answer.status_code == status
    assert word in text_of(answer)
    assert f'name="name" value="{form["name"]}"' in answer.text
    assert rows() == before


def test_sent_twice_there_is_one_account(admin, service):
    first = admin.post("/admin/accounts", {"name": "张三", "role": "intake"})
    second = admin.post("/admin/accounts", {"name": "张三", "role": "intake"})
    assert (first.status_code, second.status_code) == (200, 409)
    assert [account.name for account in staff.everybody(service)].count("张三") == 1


def test_a_unit_account_has_a_unit_and_others_have_none(admin, service):
    assert (
        admin.post("/admin/accounts", {"name": "城管员", "role": "unit", "unit_typed": "城管局"}).status_code
        == 200
    )
    assert (
        admin.post("/admin/accounts", {"name": "录入员", "role": "intake", "unit": UNIT}).status_code == 200
    )
    units = {account.name: account.unit for account in staff.everybody(service)}
    assert (units["城管员"], units["录入员"]) == (UNIT, "")


def test_another_role_ends_the_sessions_that_saw_more(admin, desk, service):
    someone = desk("reviewer")
    account_id = _id(service, "user-reviewer")
    assert _change(admin, account_id, role="intake").headers["location"].endswith("?done=account")
    assert someone.get("/account").status_code == 303
    assert "录入" in desk("reviewer").get("/account").text
    with service.store.read() as connection:
        assert next(entries(connection)).detail == {
            "account": "user-reviewer",
            "role": "intake",
            "unit": "",
            "state": "active",
        }


def test_a_disabled_account_is_out_and_may_come_back(admin, desk, http, service, keys):
    assert http.get("/v1/petitions", "intake").status_code == 200
    someone = desk("intake")
    account_id = _id(service, "user-intake")
    assert _change(admin, account_id, role="intake", state="disabled").status_code == 303
    assert someone.get("/account").status_code == 303
    assert http.get("/v1/petitions", "intake").status_code == 401
    assert admin.post(f"/admin/accounts/{account_id}/link").status_code == 409
    assert admin.post(f"/admin/accounts/{account_id}/keys", {"ends": "never"}).status_code == 409
    assert _change(admin, account_id, role="intake").status_code == 303
    assert http.get("/v1/petitions", "intake").status_code == 200


def test_the_last_administrator_stays(admin, service):
    account_id = _id(service, "admin")
    for form in ({"role": "admin", "state": "disabled"}, {"role": "intake"}):
        answer = _change(admin, account_id, **form)
        assert answer.status_code == 409
        assert "最后一个" in text_of(answer)
    with service.store.write() as connection:
        add_user(connection, "second", Role.ADMIN)
    assert _change(admin, account_id, role="auditor").status_code == 303


def test_two_administrators_cannot_remove_each_other_at_once(service, administrator):
    with service.store.write() as connection:
        add_user(connection, "second", Role.ADMIN)
    outcomes = []

    def demote(name):
        try:
            staff.change(service, administrator, _id(service, name), "intake", "", False, "admin||active")
            outcomes.append("done")
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=demote, args=(name,)) for name in ("admin", "second")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["conflict", "done"]
    assert sum(a.role is Role.ADMIN for a in staff.everybody(service)) == 1


def test_who_changes_an_account_has_seen_it_as_it_is(admin, desk, service):
    desk("intake")
    account_id = _id(service, "user-intake")
    seen = _seen(admin, account_id)
    assert _change(admin, account_id, role="auditor").status_code == 303
    answer = admin.post(
        f"/admin/accounts/{account_id}", {"role": "reviewer", "state": "active", "seen": seen}
    )
    assert answer.status_code == 409
    assert "刚有人改过" in text_of(answer)
    assert next(a.role for a in staff.everybody(service) if a.id == account_id) is Role.AUDITOR


def test_a_new_link_replaces_the_one_before(admin, desk, service):
    desk("intake")
    account_id = _id(service, "user-intake")
    first, second = (_value(admin.post(f"/admin/accounts/{account_id}/link")) for _ in range(2))
    paths = [link.removeprefix("http://testserver") for link in (first, second)]
    assert [desk(None).get(path).status_code for path in paths] == [403, 200]


def test_an_account_without_a_password_is_to_get_a_link_first(admin, service):
    with service.store.write() as connection:
        add_user(connection, "新来的同事", Role.INTAKE)
    page = admin.get(f"/admin/accounts/{_id(service, '新来的同事')}").text
    assert re.findall(r'<button class="primary">(\w+)<', page) == ["发新的登录链接"]


def test_sessions_end_everywhere(admin, desk, service):
    here, there = desk("intake"), desk("intake")
    account_id = _id(service, "user-intake")
    page = admin.get(f"/admin/accounts/{account_id}")
    assert "2 处" in text_of(page)
    assert "<button>结束全部登录</button>" in page.text
    assert admin.post(f"/admin/accounts/{account_id}/sign-out").status_code == 303
    assert [someone.get("/account").status_code for someone in (here, there)] == [303, 303]
    assert "<button disabled>结束全部登录</button>" in admin.get(f"/admin/accounts/{account_id}").text


def test_a_key_is_shown_once_works_and_is_withdrawn(admin, http, service):
    account_id = _id(service, "admin")
    answer = admin.post(f"/admin/accounts/{account_id}/keys", {"ends": "days", "days": "30"})
    key = _value(answer)
    bearer = {"headers": {"Authorization": f"Bearer {key}"}}
    assert http.get("/v1/units", None, **bearer).status_code == 200
    pages = [
        admin.get(path).text for path in ("/admin/keys", f"/admin/accounts/{account_id}", "/admin/audit")
    ]
    assert not any(key in page for page in pages)
    with service.store.read() as connection:
        kept = connection.execute(select(api_keys)).all()
        entry = next(entries(connection))
    assert key not in str(kept)
    assert all(row.digest not in page for row in kept for page in pages)
    assert (entry.action, entry.detail) == (Action.KEY_ISSUED, {"account": "admin", "days": 30})
    assert "不过期" in text_of(admin.get("/admin/keys")), "the first administrator's"
    assert admin.post(f"/admin/accounts/{account_id}/withdraw").status_code == 303
    assert http.get("/v1/units", None, **bearer).status_code == 401
    assert "没有有效的凭证" in text_of(admin.get("/admin/keys"))
    with service.store.read() as connection:
        assert broken_at(connection) is None


@pytest.mark.parametrize("days", ["", "0", "-3", "4000", "10**3", "１０年", "9" * 12])
def test_a_key_of_no_sensible_life_is_refused(admin, service, rows, days):
    before = rows()
    answer = admin.post(f"/admin/accounts/{_id(service, 'admin')}/keys", {"ends": "days", "days": days})
    assert answer.status_code == 422
    assert "天数" in text_of(answer)
    assert rows() == before


def test_an_auditor_reads_and_changes_nothing(desk, service):
    someone = desk("auditor")
    for path in (
        "/admin",
        "/admin/accounts",
        f"/admin/accounts/{_id(service, 'admin')}",
        "/admin/keys",
        "/admin/directory",
        "/admin/headings",
    ):
        page = someone.get(path)
        assert page.status_code == 200
        assert re.findall(r'<form[^>]*action="(/admin[^"]*)"', page.text) == [], path


@pytest.mark.parametrize("count", [5, 50])
def test_lists_ask_the_database_as_often_for_many_as_for_few(admin, service, count):
    with service.store.write() as connection:
        for number in range(count):
            add_user(connection, f"u{number}", Role.INTAKE)
    asked = []
    event.listen(service.store.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert admin.get("/admin/accounts").status_code == 200
    assert sum(statement.lstrip().upper().startswith("SELECT") for statement in asked) == 2
