"""/v1/review and /v1/accuracy."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from api.access import Officer, Overseer, ServiceDep
from api.review import live_accuracy, review_queue
from api.schemas.fields import Moment
from api.schemas.review import AccuracyOut, ReviewOut

router = APIRouter(prefix="/v1", tags=["复核与正确率"])


@router.get("/review", summary="先请人认定哪些件，最有用的在前")
def get_review(
    service: ServiceDep, viewer: Officer, limit: Annotated[int, Query(ge=1, le=200)] = 50
) -> ReviewOut:
    """没有把握的、看法不一的、少见的分类、新的词语，以及一小部分随机抽取的；只看事项，不看是谁。"""
    return ReviewOut.model_validate({"items": review_queue(service, limit, viewer)})


@router.get("/accuracy", summary="建议的正确率，按随机抽取的件估计")
def get_accuracy(
    service: ServiceDep,
    viewer: Overseer,
    since: Moment = None,
    until: Moment = None,
    model: Annotated[
        str, Query(max_length=64, description="只算这个版本的建议；不写为期间用过的全部版本")
    ] = "",
) -> AccuracyOut:
    """收件时的建议与人的认定相同的比例，附 95% 区间；只算随机抽取并已认定的件。时间按登记时间。"""
    return AccuracyOut.model_validate(live_accuracy(service, viewer, since, until, model))
