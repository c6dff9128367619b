"""/v1/hot."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BeforeValidator

from api.access import Anyone, ServiceDep
from api.hot import SURE, hot
from api.schemas.fields import AS_WRITTEN, moment
from api.schemas.review import HotOut

router = APIRouter(prefix="/v1", tags=["苗头预警"])


@router.get("/hot", summary="近来明显增多的事项，最不寻常的在前")
def get_hot(
    service: ServiceDep,
    viewer: Anyone,
    since: Annotated[datetime, BeforeValidator(moment), AS_WRITTEN, Query(description="从何时起（含）")],
    until: Annotated[
        datetime | None,
        BeforeValidator(moment),
        AS_WRITTEN,
        Query(description="到何时止（不含）；不写为现在"),
    ] = None,
    min_score: Annotated[float, Query(ge=0, le=1, description="建议的关联从这个分数起才算")] = SURE,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> HotOut:
    """信访事项、由建议的关联连成的一群、同一地同一类，各与自己此前同样长的时段比；至少三件、两个不同信访人。"""
    return HotOut.model_validate(hot(service, since, until, viewer, min_score, limit))
