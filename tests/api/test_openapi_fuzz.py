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
def petition(http, app) -> str:
    _front.app = app
    return http.submit("楼下烧烤店油烟直接排进楼道。")


@_schema.parametrize()
@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
def test_made_up_requests(case, petition, keys):
    if len(str(case.path_parameters.get("petition_id", ""))) > 1:
        case.path_parameters["petition_id"] = petition  # else nearly all of them would only be unknown
    answer = case.call(headers={"Authorization": f"Bearer {keys['admin']}"})
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == ["application/problem+json"]
