"""A database that cannot be used: each cause gets its own error, one line of advice, no SQL, no value, no password."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event, text

from api.app import create_app
from api.service import open_service
from api.store.session import Store
from classifier.errors import StoreError, StoreUnavailableError

#: A port of this host where nobody listens; a host that cannot be resolved, which no name server is asked about.
_CLOSED = "postgresql+psycopg://fenban:geheim@127.0.0.1:1/fenban"
_NO_SUCH_HOST = "postgresql+psycopg://fenban:geheim@[fe80::1%25nowhere]/fenban"

_ADDRESSES = {
    "nonsense": (StoreError, "看不懂"),
    "": (StoreError, "看不懂"),
    "postgresql+psycopg://fenban:geheim@host:port/db": (StoreError, "看不懂"),
    "postgresql+psycopg://fenban:geheim@db..office/db": (StoreError, "看不懂"),
    "sqlite://geheim@host/fenban.db": (StoreError, "看不懂"),
    "mysql://fenban:geheim@host/db": (StoreError, "没有装 mysql"),
    "postgresql+asyncpg://fenban:geheim@host/db": (StoreError, "没有装 postgresql+asyncpg"),
    "postgresql+psycopg_async://fenban:geheim@host/db": (StoreError, "没有装 postgresql+psycopg_async"),
    "geheim://host/db": (StoreError, "没有装 geheim"),
    _CLOSED: (StoreUnavailableError, "连不上"),
    _NO_SUCH_HOST: (StoreUnavailableError, "连不上"),
    "postgresql+psycopg://fenban:geheim@/fenban?host=/nonexistent": (StoreUnavailableError, "连不上"),
    "sqlite:////proc/fenban/fenban.db": (StoreUnavailableError, "建不了"),
}


def _is_one_clear_line(message: str) -> None:
    assert "\n" not in message
    assert message.endswith("。") or message.endswith("…。")
    assert not re.search(r"SELECT|INSERT|UPDATE|PRAGMA|BEGIN|sqlalche|Traceback", message), message


@pytest.mark.parametrize("url", _ADDRESSES, ids=lambda url: url[:40] or "empty")
def test_address_that_cannot_be_opened(url):
    kind, words = _ADDRESSES[url]
    problem = _failure_of_migrate(url)
    assert type(problem) is kind
    assert words in str(problem)
    assert ":geheim" not in str(problem)


def test_postgresql_database_that_does_not_exist():
    given = os.environ.get("FENBAN_TEST_POSTGRES")
    if not given:
        pytest.skip("FENBAN_TEST_POSTGRES is not set")
    problem = _failure_of_migrate(given.rpartition("/")[0] + "/fenban_nowhere")
    assert "连不上" in str(problem)


def test_postgresql_connections_that_were_cut_are_replaced(service):
    if service.store.is_sqlite:
        pytest.skip("a file has no connections to cut")
    service.store.ping()
    other = Store(service.store.engine.url.render_as_string(hide_password=False))
    with other.write() as connection:
        cut = connection.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        ).scalar_one()
    other.close()
    assert cut >= 1
    service.store.ping()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A migrated SQLite database without any open connection."""
    path = tmp_path / "office" / "fenban.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    store.close()
    return path


@contextmanager
def _as_nobody():
    """File permissions do not bind root: become somebody they bind."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def _failure_of_migrate(url: str) -> StoreError:
    with pytest.raises(StoreError) as caught, closing(Store(url)) as store:
        store.migrate()
    _is_one_clear_line(str(caught.value))
    return caught.value


@pytest.mark.parametrize("what", ["file", "folder"])
def test_read_only_file_or_folder(file, what):
    for parent in list(file.parents)[1:4]:
        parent.chmod(0o755)
    for path in (file.parent, *file.parent.iterdir()):
        path.chmod(0o777)
    (file if what == "file" else file.parent).chmod(0o555)
    with _as_nobody():
        problem = _failure_of_migrate(f"sqlite:///{file}")
    assert type(problem) is StoreUnavailableError
    assert "权限" in str(problem)
    file.parent.chmod(0o755)
    file.chmod(0o644)


@pytest.mark.parametrize("option", ["mode=ro", "immutable=1"])
def test_read_only_address(file, option, monkeypatch):
    monkeypatch.chdir(file.parent)
    problem = _failure_of_migrate(f"sqlite:///file:{file}?{option}&uri=true")
    assert type(problem) is StoreUnavailableError
    assert "只能读" in str(problem)
    assert sorted(p.name for p in file.parent.iterdir() if p.is_dir()) == []


@pytest.mark.parametrize("content", [b"name,text\n" * 500, b"SQLite format 3\0" + b"\xff" * 8_000])
def test_file_that_is_no_database(tmp_path, content):
    path = tmp_path / "fenban.db"
    path.write_bytes(content)
    problem = _failure_of_migrate(f"sqlite:///{path}")
    assert type(problem) is StoreUnavailableError
    assert "损坏" in str(problem)
    assert path.read_bytes() == content


def test_folder_where_the_file_should_be(tmp_path):
    problem = _failure_of_migrate(f"sqlite:///{tmp_path}")
    assert type(problem) is StoreUnavailableError
    assert "打不开" in str(problem)


@contextmanager
def _pragma_on_connect(service, pragma):
    """Every connection from here on begins with this PRAGMA."""

    def begin(connection, _):
        connection.execute(f"PRAGMA {pragma}")

    event.listen(service.store.engine, "connect", begin)
    service.store.close()
    yield
    event.remove(service.store.engine, "connect", begin)
    service.store.close()


def test_full_disk(http, service, letter, rows):
    if not service.store.is_sqlite:
        pytest.skip("one cannot fill a PostgreSQL server's disk from here")
    before = rows()
    with service.store.read() as connection:
        pages = connection.execute(text("PRAGMA page_count")).scalar_one()
    with _pragma_on_connect(service, f"max_page_count = {pages}"):
        answer = http.post("/v1/petitions", letter | {"text": letter["text"] * 200})
        assert http.outcome(answer) == (503, "store-unavailable")
        assert "磁盘已满" in answer.json()["detail"]
        assert rows() == before
    assert http.post("/v1/petitions", letter).status_code == 201


def test_locked_database(http, service, letter, rows):
    if not service.store.is_sqlite:
        pytest.skip("PostgreSQL locks rows, not the database")
    before = rows()
    with _pragma_on_connect(service, "busy_timeout = 50"):
        other = sqlite3.connect(service.store.engine.url.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            answer = http.post("/v1/petitions", letter)
            assert http.outcome(answer) == (503, "store-unavailable")
            assert "正忙" in answer.json()["detail"]
            assert http.get("/v1/petitions").status_code == 200, "readers never wait for a writer"
        finally:
            other.close()
    assert rows() == before
    assert http.post("/v1/petitions", letter).status_code == 201


def test_failure_while_serving_names_no_sql_and_no_value(http, service, letter, markers):
    with service.store.write() as connection:
        connection.execute(text("ALTER TABLE petitions RENAME TO elsewhere"))
    try:
        answer = http.post("/v1/petitions", letter)
    finally:
        with service.store.write() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO petitions"))
    assert http.outcome(answer) == (503, "store-unavailable")
    _is_one_clear_line(answer.json()["detail"])
    assert not [mark for mark in (*markers, "petitions", "油烟") if mark in answer.text]


def test_readiness_says_that_the_database_is_gone(settings, service):
    from starlette.testclient import TestClient

    away = replace(service, store=Store(_CLOSED))
    with TestClient(create_app(settings, away)) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "unavailable"
    assert answer.json()["problems"] == ["连不上数据库。请检查地址和数据库服务。"]


def test_readiness_notices_a_file_that_broke(http, service):
    if not service.store.is_sqlite:
        pytest.skip("a matter of files")
    service.store.close()
    file = Path(service.store.engine.url.database)
    file.write_bytes(b"x" * file.stat().st_size)
    answer = http.get("/readyz", role=None)
    assert (answer.status_code, answer.json()["status"]) == (503, "unavailable")
    assert "损坏" in answer.json()["problems"][0]


def test_readiness_notices_tables_that_are_gone(http, service):
    with service.store.write() as connection:
        connection.execute(text("ALTER TABLE meta RENAME TO elsewhere"))
    try:
        answer = http.get("/readyz", role=None)
    finally:
        with service.store.write() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO meta"))
    assert answer.status_code == 503


def test_service_does_not_start_on_a_database_it_cannot_write(settings, tmp_path):
    settings = settings.model_copy(update={"database_url": _CLOSED, "data_dir": tmp_path / "new"})
    with pytest.raises(StoreUnavailableError):
        open_service(settings)
    assert not (tmp_path / "new").exists(), "no key is made for a database that is not there"
