"""Fixtures of the service's tests: one loaded model for all, users of every role, HTTP calls made as one of them."""

from __future__ import annotations

import shutil
import threading
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from sqlalchemy import func, make_url, select, text

from api.app import create_app
from api.live import Live
from api.service import Service
from api.settings import Settings
from api.store.firewall import Role, Viewer, viewer_of
from api.store.session import Store
from api.store.tables import metadata
from api.store.users import add_user, disable_user, find_user, new_key

with warnings.catch_warnings():
    # Starlette would rather have httpx2; what is locked is httpx.
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

#: A letter whose every identifying part is a marker that nothing else in a test contains.
LETTER: dict[str, Any] = {
    "title": "欧阳雪梅反映楼下烧烤店油烟",
    "text": "我叫欧阳雪梅，身份证号11010519491231002X，电话13971234567。楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。",
    "channel": "来信",
    "received_at": "2026-03-04 21:10",
    "district": "青石镇",
    "people": 2,
    "petitioner": {
        "name": "欧阳雪梅",
        "id_number": "11010519491231002X",
        "phone": "13971234567",
        "address": "柏垭村槐树坡九组十七号",
    },
}
#: What of it may appear nowhere but in the sealed columns and in the answer of /original.
MARKERS = ("欧阳雪梅", "雪梅", "11010519491231002", "13971234567", "柏垭村槐树坡", "九组十七号")


#: The unit of the user of role `unit`.
UNIT = "urban_management"


@dataclass(frozen=True)
class Http:
    """The application as a client sees it. Every call is made by the user of `role`; `None` sends no credential."""

    client: TestClient
    keys: dict[str, str]

    def request(self, method: str, path: str, role: str | None = "admin", **options: Any) -> Any:
        given = options.pop("headers", {})
        headers = given if role is None else {"Authorization": f"Bearer {self.keys[role]}"} | given
        return self.client.request(method, path, headers=headers, **options)

    def get(self, path: str, role: str | None = "admin", **options: Any) -> Any:
        return self.request("GET", path, role, **options)

    def post(self, path: str, body: Any = None, role: str | None = "admin", **options: Any) -> Any:
        if body is not None:
            options["json"] = body
        return self.request("POST", path, role, **options)

    def submit(self, body: dict[str, Any] | str, **options: Any) -> str:
        """Store a petition; returns its id."""
        answer = self.post("/v1/petitions", {"text": body} if isinstance(body, str) else body, **options)
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    @staticmethod
    def outcome(answer: Any) -> tuple[int, str]:
        """Status and problem code ("" for none); a problem must be one of RFC 9457 in our form."""
        if answer.status_code < 400:
            return answer.status_code, ""
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        problem = answer.json()
        assert set(problem) == {"type", "title", "status", "detail"}
        assert problem["status"] == answer.status_code
        assert problem["title"]
        assert problem["detail"]
        prefix, code = problem["type"][:19], problem["type"][19:]
        assert prefix == "urn:fenban:problem:"
        return answer.status_code, code


@pytest.fixture
def letter() -> dict[str, Any]:
    return LETTER | {"petitioner": dict(LETTER["petitioner"])}


@pytest.fixture(scope="session")
def markers() -> tuple[str, ...]:
    return MARKERS


@pytest.fixture(scope="session")
def live(models: Path) -> Live:
    """The tiny model, loaded once: every service of these tests uses it, those of test_live.py aside."""
    return Live(models, Path(__file__).parents[2] / "corpora" / "units" / "county")


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database after all migrations."""
    file = tmp_path_factory.mktemp("migrated") / "fenban.db"
    store = Store(f"sqlite:///{file}")
    store.migrate()
    store.close()
    return file


@pytest.fixture
def settings(settings: Settings, migrated_file: Path) -> Settings:
    """As for all tests, but a SQLite file is a copy: migrating it anew for each test would take half the time."""
    url = make_url(settings.url)
    if url.get_backend_name() == "sqlite":
        settings.data_dir.mkdir(mode=0o700)
        shutil.copy(migrated_file, url.database or "")
    return settings


@pytest.fixture
def service(service: Service, live: Live) -> Service:
    return replace(service, live=live)


@pytest.fixture
def app(settings: Settings, service: Service) -> Iterator[FastAPI]:
    made = create_app(settings, service)
    yield made
    # FastAPI keeps every application that shared routers were included in; with it would stay the store and all it has compiled.
    vars(made.router).clear()
    vars(made).clear()


class Keys(dict[str, str]):
    """A key for each role, made when it is first asked for, and three that no longer or never opened anything."""

    def __init__(self, service: Service) -> None:
        super().__init__(admin=service.settings.admin_file.read_text().strip(), unknown="fenban_" + "0" * 43)
        self._store = service.store

    def __missing__(self, name: str) -> str:
        role = Role(name) if name in set(Role) else Role.ADMIN
        with self._store.write() as connection:
            unit = UNIT if role is Role.UNIT else ""
            user = add_user(connection, f"user-{name}", role, unit)
            self[name] = new_key(connection, user.id, days=0 if name == "expired" else None)
            if name == "disabled":
                disable_user(connection, user.name)
        return self[name]


@pytest.fixture
def keys(service: Service) -> Keys:
    return Keys(service)


@pytest.fixture
def http(app: FastAPI, keys: Keys) -> Iterator[Http]:
    # The default client raises what the application lets through: a server would print it.
    with TestClient(app) as client:
        # Tests count what pages ask the database; what is read ahead beside them is not theirs.
        for thread in threading.enumerate():
            if thread.name == "read-ahead":
                thread.join()
        yield Http(client, keys)
    structlog.reset_defaults()


@pytest.fixture
def administrator(service: Service) -> Viewer:
    """The first administrator, as use cases are told who asks."""
    with service.store.read() as connection:
        return viewer_of(Role.ADMIN, find_user(connection, "admin").id, "", units_see_accusations=False)


@pytest.fixture
def rows(service: Service) -> Callable[[], dict[str, int]]:
    """The number of rows of every table, now."""

    def count() -> dict[str, int]:
        with service.store.read() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }

    return count


@pytest.fixture
def blank_url(database_url: str) -> Iterator[str]:
    """A database without any table, wiped again afterwards: what a test leaves in it is nobody's concern."""
    _wipe(database_url)
    yield database_url
    _wipe(database_url)


def _wipe(url: str) -> None:
    if make_url(url).get_backend_name() == "sqlite":
        return  # a new file for each test
    store = Store(url)
    with store.write() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    store.close()
