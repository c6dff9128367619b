"""Fixtures of the workbench's tests: people of every role, signed in, using pages as a browser does without script."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import event, insert

from api.access import COOKIE
from api.live import Live
from api.service import Service
from api.settings import Settings
from api.store.accounts import NewSession, begin_session
from api.store.firewall import Role
from api.store.petitions import new_id, now
from api.store.tables import links, petitions, reviews, suggestions
from api.store.users import add_user, find_user
from classifier.bundle import Bundle
from classifier.errors import NotFoundError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

#: The unit of the user of role `unit`.
UNIT = "urban_management"


@dataclass
class Desk:
    """One person at the workbench. Answers are not followed: a redirect is seen as one."""

    client: TestClient
    session: NewSession | None
    #: Headers of every request.
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **options: Any) -> Any:
        return self.client.get(path, headers=self.headers, follow_redirects=False, **options)

    def post(self, path: str, data: dict[str, Any] | None = None, **options: Any) -> Any:
        """Send a form, with the session's token unless `data` has a `csrf` of its own."""
        whole = ({"csrf": self.session.csrf} if self.session else {}) | (data or {})
        return self.client.post(path, data=whole, headers=self.headers, follow_redirects=False, **options)


@pytest.fixture
def desk(http: Any, app: FastAPI, service: Service) -> Callable[[str | None], Desk]:
    """`desk("intake")` is an intake user signed in; `desk(None)` somebody who is not. `http` runs the application."""

    def make(role: str | None = "admin") -> Desk:
        client = TestClient(app, cookies={})
        if role is None:
            return Desk(client, None)
        with service.store.write() as connection:
            try:
                user = find_user(connection, f"user-{role}" if role != "admin" else "admin")
            except NotFoundError:
                user = add_user(connection, f"user-{role}", Role(role), UNIT if role == "unit" else "")
            session = begin_session(connection, user)
        client.cookies.set(COOKIE, session.cookie)
        return Desk(client, session)

    return make


def text_of(answer: Any) -> str:
    """What a page says, tags and blank space aside."""
    return re.sub(
        r"\s+", " ", re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", answer.text, flags=re.S)
    ).strip()


@pytest.fixture
def stock(service: Service) -> Callable[..., list[str]]:
    """`stock({...}, {...})` stores petitions as they stand after intake, without running the model, and gives their ids in order.

    Keys are columns of petitions and reviews (`category`, `kind`, `unit` go into both), `since` is when it came in.
    """

    def store(*rows: dict[str, Any]) -> list[str]:
        ids = []
        with service.store.write() as connection:
            for given in rows:
                row = {"category": "0402", "kind": "申诉求决", "unit": "ecology"} | given
                moment, id_ = row.pop("since", now()), new_id()
                own = {name: row[name] for name in row if name in petitions.c}
                petition = _BARE | own | {"id": id_, "created_at": moment, "waits_since": moment}
                seq = connection.execute(
                    insert(petitions).values(**petition).returning(petitions.c.seq)
                ).scalar_one()
                answer = {
                    "model_version": "m",
                    "petition_id": id_,
                    "answer": '{"links": []}',
                    "created_at": moment,
                }
                connection.execute(insert(suggestions).values(**answer))
                said = {name: row[name] for name in row if name in reviews.c}
                connection.execute(insert(reviews).values(**(_SURE | said | {"seq": seq})))
                ids.append(id_)
        return ids

    return store


_BARE = {"title": "油烟扰民", "text": "楼下烧烤店油烟直接排进楼道。", "original": b"", "link_view": b""}
_SURE = {
    "open": True, "sampled": False, "usefulness": 0.0, "doubts": "", "confidence": 0.99, "unseen": 0.0, "model_version": "m",
    "abstained": False, "category_p": 0.99, "kind_p": 0.99,
}  # fmt: skip


@pytest.fixture
def link(service: Service) -> Callable[[str, str], None]:
    """`link(a, b)` suggests that the petitions concern one matter."""

    def suggest(one: str, other: str) -> None:
        with service.store.write() as connection:
            row = {
                "petition_id": one,
                "other_id": other,
                "kind": "SharedMatter",
                "score": 0.9,
                "evidence": "{}",
            }
            connection.execute(insert(links).values(**row, created_at=now()))

    return suggest


@pytest.fixture
def queries(service: Service) -> Callable[[Callable[[], Any]], int]:
    """How many statements a call sends to the database."""

    def count(call: Callable[[], Any]) -> int:
        sent: list[str] = []

        def note(*given: Any) -> None:
            sent.append(given[2])

        event.listen(service.store.engine, "before_cursor_execute", note)
        try:
            call()
        finally:
            event.remove(service.store.engine, "before_cursor_execute", note)
        return len(sent)

    return count


@pytest.fixture
def follower(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> Callable[[Settings], Live]:
    """Makes a `Live` that follows the office's own directory and headings, as each worker process has one; the model is loaded already."""
    monkeypatch.setattr("api.live.load_bundle", lambda _: bundle)

    def make(settings: Settings) -> Live:
        return Live(settings.models, settings.directory, settings.own_directory, settings.headings_file)

    return make
