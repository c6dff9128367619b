"""Requests made up from our own OpenAPI description: whatever they are, no answer is a server error and each problem has our form."""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create_app
from api.settings import Settings


class _Front:
    """Describes the service when tests are collected, and is the service of whichever test runs."""

    def __init__(self) -> None:
        self.app: ASGIApp = create_app(Settings())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":  # each test starts and ends its own application
            await self.app(scope, receive, send)


_front = _Front()
_schema = schemathesis.openapi.from_asgi("/v1/openapi.json", _front)


@pytest.fixture
def ids(http, app, settings, tmp_path, monkeypatch) -> dict[str, str]:
    """A petition and the matter it is on with a copy of it. Nothing is trained, and models move in a folder of their own."""
    _front.app = app
    monkeypatch.setattr("api.retrain.spawn", lambda settings, command, descriptor: None)
    monkeypatch.setattr(settings, "models", tmp_path / "models")
    petition, copy = (http.submit("楼下烧烤店油烟直接排进楼道。") for _ in range(2))
    confirmed = {"links": [{"id": copy, "confirmed": True}]}
    answer = http.post(f"/v1/petitions/{petition}/decisions", confirmed).json()
    return {"petition_id": petition, "matter_id": answer["matter"]["id"]}


@_schema.parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_made_up_requests(case, ids, keys):
    for name, id_ in ids.items():
        if len(str(case.path_parameters.get(name, ""))) > 1:
            case.path_parameters[name] = id_  # else nearly all of them would only be unknown
    answer = case.call(headers={"Authorization": f"Bearer {keys['admin']}"})
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/problem+json"]
