"""/v1/retrain: start a retraining, watch it, end it. Any worker process answers: the run keeps its state in files beside the models."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import asdict

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from api.access import Admin, CurrentUser, ServiceDep
from api.retrain import cancel, start
from api.run_state import Run, RunState, State
from api.schemas.models import RetrainOut

router = APIRouter(prefix="/v1/retrain", tags=["重新训练"])

_NDJSON = "application/x-ndjson"
# Between two looks at the run; a stream is ended after an hour, its reader may ask again.
_LOOK_SECONDS, _STREAM_SECONDS = 0.5, 3600.0


def _out(run: Run) -> RetrainOut:
    return RetrainOut.model_validate(asdict(run))


@router.post("", status_code=202, summary="开始一次重新训练")
def post_retrain(service: ServiceDep, _: Admin, user: CurrentUser) -> RetrainOut:
    """在另一个进程里进行，不启用训练出的版本。已有一次在进行时 409。"""
    return _out(start(service, user))


@router.get("", summary="重新训练的状态")
def get_retrain(service: ServiceDep, _: Admin) -> RetrainOut:
    return _out(RunState(service.settings.models).read())


@router.delete("", status_code=202, summary="取消正在进行的重新训练")
def delete_retrain(service: ServiceDep, _: Admin, user: CurrentUser) -> RetrainOut:
    """几秒之内停下；没有在进行时 409。"""
    return _out(cancel(service, user))


@router.get(
    "/stream",
    summary="重新训练的进展，每行一个 JSON",
    response_class=StreamingResponse,
    responses={200: {"content": {_NDJSON: {"schema": RetrainOut.model_json_schema()}}}},
)
async def get_stream(service: ServiceDep, _: Admin) -> StreamingResponse:
    """每有变化发一行，形状同状态；结束时最后一行，然后关闭。"""
    return StreamingResponse(_lines(RunState(service.settings.models)), media_type=_NDJSON)


async def _lines(files: RunState) -> AsyncIterator[str]:
    """Small files, read without a thread: many may watch."""
    last, end = None, time.monotonic() + _STREAM_SECONDS
    while time.monotonic() < end:
        run = files.read()
        if run != last:
            last = run
            yield _out(run).model_dump_json() + "\n"
        if run.state is not State.RUNNING:
            return
        await asyncio.sleep(_LOOK_SECONDS)
