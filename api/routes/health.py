"""/healthz, /readyz, /metrics: for whoever watches the service. No credential, no data."""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api.access import ServiceDep
from api.observe import Metrics
from api.schemas.service import HealthOut
from classifier.errors import FenbanError

router = APIRouter(tags=["运行状况"])


@router.get("/healthz", summary="进程活着")
def healthz() -> HealthOut:
    return HealthOut(status="ok")


@router.get("/readyz", summary="数据库和模型都可用")
def readyz(service: ServiceDep, response: Response) -> HealthOut:
    """一个新模型加载失败时仍用旧模型服务：状态是 ok，原因写在 problems 里。"""
    problems: list[str] = []
    ready, version = True, None
    try:
        service.store.ping()
        problems += [problem] if (problem := service.problem()) else []
    except FenbanError as problem:
        ready = False
        problems.append(str(problem))
    try:
        version = service.live.engine().bundle.version
        problems += [service.live.problem] if service.live.problem else []
    except FenbanError as problem:
        ready = False
        problems.append(str(problem))
    response.status_code = 200 if ready else 503
    return HealthOut(status="ok" if ready else "unavailable", model_version=version, problems=problems)


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request, service: ServiceDep) -> Response:
    counts: Metrics = request.app.state.metrics
    counts.model.clear()
    with suppress(FenbanError):
        counts.model.labels(service.live.engine().bundle.version).set(1)
    return Response(generate_latest(counts.registry), media_type=CONTENT_TYPE_LATEST)
