"""The audit trail: found again by who, what, which petition and when; a break is seen; the file proves itself."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import event, update
from typer.testing import CliRunner

import api
from api import trail
from api.cli import app as cli
from api.settings import get_settings
from api.store.audit import Action, check_chain, entries, latest, record
from api.store.clock import at
from api.store.tables import audit
from api.store.users import Role, add_user, find_user
from api.workbench import audit_words
from api.workbench.words import receipt
from classifier.dates import CHINA
from tests.api.workbench.conftest import text_of


@pytest.fixture
def auditor(desk):
    return desk("auditor")


def _write(service, action, user="admin", petition=None, **detail):
    with service.store.write() as connection:
        record(connection, action, find_user(connection, user).id, petition, **detail)


def _tamper(service, number):
    with service.store.write() as connection:
        sqlite = connection.dialect.name == "sqlite"
        connection.exec_driver_sql(
            "DROP TRIGGER audit_no_update" if sqlite else "ALTER TABLE audit DISABLE TRIGGER USER"
        )
        connection.execute(update(audit).where(audit.c.number == number).values(action="decided"))
        if not sqlite:
            connection.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER USER")


def _numbers(page):
    return [int(n) for n in re.findall(r'data-label="编号">(\d+)<', page.text)]


def test_filters(auditor, http, service):
    petition = http.submit("小区电梯坏了。")
    seq = http.get("/v1/petitions").json()["items"][0]
    moment = datetime.fromisoformat(seq["created_at"])
    with service.store.write() as connection:
        add_user(connection, "张三", Role.INTAKE)
    with at(datetime(2026, 3, 4, 23, 30, tzinfo=CHINA)):
        _write(service, Action.SIGNED_IN, "张三")
    _write(service, Action.DECIDED, "admin", petition, category="0101", unit="urban_management")
    _write(service, Action.OPENED_ORIGINAL, "张三", petition)
    number = receipt(1, moment)
    assert [_numbers(auditor.get(f"/admin/audit{query}")) for query in (
        "", "?user=张三", "?action=decided", f"?petition={number}", "?since=2026-03-04&until=2026-03-04", "?until=2026-03-03", f"?user=张三&petition={number}",
    )] == [[3, 2, 1], [3, 1], [2], [3, 2], [1], [], [3]]  # fmt: skip
    shown = text_of(auditor.get(f"/admin/audit?petition={number}"))
    assert "查看原文和联系方式" in shown
    assert number in shown
    assert "城管局" in shown
    assert "城乡建设 ›" in shown
    assert "小区电梯" not in shown


def test_the_other_petition_of_a_link_is_named_by_its_receipt(auditor, http, service):
    one, other = http.submit("小区电梯坏了。"), http.submit("小区的电梯又停了。")
    _write(service, Action.DECIDED, "admin", one, other=other, confirmed=True)
    moment = datetime.fromisoformat(http.get(f"/v1/petitions/{other}").json()["created_at"])
    assert f"另一件：{receipt(2, moment)}" in text_of(auditor.get("/admin/audit"))


@pytest.mark.parametrize("query", ["?user=没有", "?action=eaten", "?petition=abc", "?petition=20260101-000099", "?since=昨天", "?until=2026-13-01"])  # fmt: skip
def test_a_wrong_filter_is_told(auditor, query):
    answer = auditor.get(f"/admin/audit{query}")
    assert answer.status_code == 422
    assert "没有筛选" in text_of(answer)


def test_pages_follow_each_other_without_gap(auditor, service):
    for _ in range(120):
        _write(service, Action.SIGNED_IN)
    seen, address = [], "/admin/audit?user=admin"
    while address:
        page = auditor.get(address)
        seen += _numbers(page)
        older = re.search(r'href="([^"]*)" rel="next"', page.text)
        address = older[1].replace("&amp;", "&") if older else ""
    assert seen == list(range(120, 0, -1))


@pytest.mark.parametrize("count", [5, 50])
def test_a_page_asks_the_database_as_often_for_many_as_for_few(auditor, http, service, count):
    for number in range(count):
        _write(service, Action.OPENED_ORIGINAL, "admin", http.submit(f"{number}号楼电梯坏了。"))
    asked = []
    event.listen(service.store.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    page = auditor.get("/admin/audit")
    assert len(_numbers(page)) == count
    assert sum(statement.lstrip().upper().startswith("SELECT") for statement in asked) <= 8


def test_a_break_is_seen_near_and_far(auditor, desk, service, monkeypatch):
    for _ in range(30):
        _write(service, Action.SIGNED_IN)
    assert "前后连续" in text_of(auditor.get("/admin/audit"))
    _tamper(service, 5)
    assert "第 5 条起不连续" in text_of(auditor.get("/admin/audit"))
    assert "第 5 条起不连续" in text_of(desk("admin").get("/admin"))
    monkeypatch.setattr(trail, "LATEST", 10)
    assert "最近 10 条前后连续" in text_of(auditor.get("/admin/audit"))
    assert "第 5 条起不连续" in text_of(auditor.get("/admin/audit/check"))


def test_a_long_check_is_told_and_gone_on_with(auditor, service, monkeypatch):
    for _ in range(25):
        _write(service, Action.SIGNED_IN)
    monkeypatch.setattr("api.store.audit._PAGE", 10)
    monkeypatch.setattr(trail, "SECONDS", 0.0)
    first = auditor.get("/admin/audit/check")
    assert "第 1 条到第 10 条前后连续" in text_of(first)
    second = auditor.get(re.search(r'href="(/admin/audit/check\?after=10)"', first.text)[1])
    assert "第 11 条到第 20 条" in text_of(second)
    last = text_of(auditor.get("/admin/audit/check?after=20"))
    assert "已到最后一条" in last
    assert "再查一遍" in last
    assert "从头全部查一遍" in text_of(auditor.get("/admin/audit"))


def test_a_row_tells_each_part_by_itself_and_a_name_that_is_the_role_once(auditor, http, service):
    with service.store.write() as connection:
        add_user(connection, "审核", Role.REVIEWER)
    _write(service, Action.SIGNED_IN, "审核")
    _write(
        service,
        Action.DECIDED,
        "admin",
        http.submit("小区电梯坏了。"),
        category="0101",
        unit="urban_management",
    )
    page = auditor.get("/admin/audit")
    told = re.findall(r'data-label="(?:用户|说明)">(.*?)</td>', page.text)
    assert told[0] == "admin（管理员）"
    assert re.sub(r'<span class="between">；</span>|</span>|</?div>', "", told[1]).split('<span class="piece">')[1:] == [
        f"分类：{service.live.engine().bundle.taxonomy.path('0101')}", "单位：城管局",
    ]  # fmt: skip
    assert told[2:] == ["审核", "<div>—</div>"]


def test_each_part_of_a_detail_has_a_name():
    """Of every entry that anything writes, what is told beside who, when and what has a Chinese name."""
    told = {
        keyword.arg
        for file in Path(api.__file__).parent.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "record"
        for keyword in call.keywords
        if keyword.arg is not None
    }
    assert {"version", "account", "step"} <= told
    assert told - {"petition_id"} <= set(audit_words._LABELS)


def test_a_check_of_a_moment_says_so(auditor, service, monkeypatch):
    _write(service, Action.SIGNED_IN)
    monkeypatch.setattr("api.workbench.pages.audit._NOTED", 600.0)
    assert "用时不到 600.0 秒" in text_of(auditor.get("/admin/audit/check"))


@pytest.mark.parametrize("change", [lambda rows: rows.pop(3), lambda rows: rows[4].update(detail="{}"), lambda rows: rows.insert(2, dict(rows[2]))])  # fmt: skip
def test_the_file_proves_itself_and_betrays_a_change(auditor, service, change):
    """The chain is computed again from nothing but the file."""
    for number in range(8):
        _write(service, Action.DECIDED, category="0101", number=number)
    answer = auditor.post("/admin/audit/export")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    last = rows.pop()
    with service.store.read() as connection:
        number, digest = latest(connection)
        newest = next(entries(connection))
    assert (newest.action, newest.user) == (Action.EXPORTED, "user-auditor")
    assert (last["number"], last["digest"]) == (f"末条编号 {number}", digest)
    assert digest[:16] in answer.headers["content-disposition"]
    assert _holds(rows) == digest
    change(rows)
    assert _holds(rows) != digest


def _holds(rows):
    before = "0" * 64
    for row in rows:
        content = [before, int(row["number"]), row["created_at"], row["user_id"] or None, row["role"], row["action"], row["petition_id"] or None, row["detail"]]  # fmt: skip
        before = sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest()
        if before != row["digest"]:
            return None
    return before


def test_no_cell_of_the_file_is_a_formula(auditor, service):
    with service.store.write() as connection:
        add_user(connection, "=HYPERLINK(1)", Role.INTAKE)
    _write(service, Action.SIGNED_IN, "=HYPERLINK(1)")
    rows = list(csv.reader(io.StringIO(auditor.post("/admin/audit/export").content.decode("utf-8-sig"))))
    assert any("'=HYPERLINK(1)" in row for row in rows)
    assert not [cell for row in rows for cell in row if cell[:1] in {"=", "+", "-", "@"}]


def test_a_narrowed_file_has_what_the_page_has(auditor, service):
    _write(service, Action.SIGNED_IN)
    _write(service, Action.SIGNED_OUT)
    answer = auditor.post("/admin/audit/export", {"action": "signed-out"})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [row["action"] for row in rows[:-1]] == ["signed-out"]
    assert auditor.post("/admin/audit/export", {"user": "没有"}).status_code == 404


def test_a_file_is_read_in_pieces(service, administrator, monkeypatch):
    monkeypatch.setattr(trail, "_PAGE", 4)
    for _ in range(9):
        _write(service, Action.SIGNED_IN)
    made = trail.export(service, administrator, trail.Wanted())
    _write(service, Action.SIGNED_OUT)
    rows = list(csv.DictReader(io.StringIO(b"".join(made.content).decode("utf-8-sig"))))
    assert [row["number"] for row in rows[:-1]] == [str(n) for n in range(1, 11)], (
        "what came later is not in it"
    )


def test_a_check_begins_anywhere(service):
    for _ in range(6):
        _write(service, Action.SIGNED_IN)
    with service.store.read() as connection:
        assert check_chain(connection, 4).first == 5
        assert check_chain(connection, 4).is_whole
        assert check_chain(connection, 99).broken == 99
    _tamper(service, 2)
    with service.store.read() as connection:
        assert check_chain(connection, 3).broken is None
        assert check_chain(connection).broken == 2


@pytest.fixture
def command(settings, monkeypatch):
    """`fenban audit …` on the service's own data."""
    for name in ("data_dir", "database_url", "models", "directory", "corpora"):
        monkeypatch.setenv(f"FENBAN_{name.upper()}", str(getattr(settings, name)))
    get_settings.cache_clear()
    yield lambda *words: CliRunner().invoke(cli, ["audit", *words])
    get_settings.cache_clear()


def test_the_commands(command, service, tmp_path):
    for _ in range(4):
        _write(service, Action.SIGNED_IN)
    done = command("verify")
    assert done.exit_code == 0
    assert "4 条，前后连续" in done.output
    file = tmp_path / "trail.csv"
    assert command("export", "-o", str(file)).exit_code == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"))))
    assert len(rows) == 6
    assert file.stat().st_mode & 0o777 == 0o600
    _tamper(service, 2)
    broken = command("verify")
    assert broken.exit_code == 1
    assert "第 2 条起不连续" in str(broken.exception)
