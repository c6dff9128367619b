"""The web application: settings in, FastAPI out. Pages and documentation work without any outside address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.staticfiles import StaticFiles

from api import errors
from api.access import SignedOutError, StaleFormError
from api.import_run import go_on
from api.imports import too_large
from api.limits import BodyLimit, keep_uploads_in_memory
from api.observe import Metrics, configure_logging, observe
from api.routes import health, hot, matters, models, petitions, reference, retrain, review
from api.schemas.service import ProblemOut
from api.service import Service, open_service
from api.settings import Settings, get_settings
from api.store.columns import read_ahead
from api.workbench import problems
from api.workbench import routes as workbench
from api.workbench.render import STATIC
from api.workbench.security import SecurityHeaders

_DESCRIPTION = (
    "读入信访件，给出内容分类、诉求类型、关联和承办单位的建议，每条建议都带依据；由人认定。"
    "只给事项分类，从不给人分类。"
)
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": ProblemOut, "description": errors.TITLES[status], "content": {errors.PROBLEM_JSON: {}}}
    for status in (400, 401, 403, 404, 409, 413, 422, 503)
}


def create_app(settings: Settings | None = None, service: Service | None = None) -> FastAPI:
    """Build the application.

    Without an open `service`, the database is opened, and migrated, when the application starts: StoreError, SecretError then.
    """
    settings = settings or get_settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        configure_logging(settings.log_level)
        app.state.service = opened = service or open_service(settings)
        go_on(opened)
        with opened.live.following(), read_ahead(opened.store):
            yield
        opened.close()

    app: FastAPI = FastAPIOffline(
        title="fenban 分办",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url="/docs",
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.metrics = Metrics()
    errors.install(app, problems)
    app.exception_handler(SignedOutError)(problems.signed_out)
    app.exception_handler(StaleFormError)(problems.stale)

    keep_uploads_in_memory(max(settings.max_body_bytes, settings.max_upload_bytes))
    largest = settings.max_upload_bytes
    app.add_middleware(
        BodyLimit, most=settings.max_body_bytes, uploads={"/imports": (largest, too_large(largest))}
    )
    app.middleware("http")(observe)
    app.add_middleware(SecurityHeaders)
    app.include_router(health.router)
    for module in (petitions, review, matters, hot, reference, models, retrain):
        app.include_router(module.router, responses=_PROBLEMS)
    app.include_router(workbench.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    return app
