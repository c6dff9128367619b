"""/v1/models: the versions, which one serves, whether it is still fit. /v1/models/active is in reference.py: everybody needs it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from api.access import Admin, Auditor, CurrentUser, ServiceDep
from api.drift import health
from api.models import compare, overview, show
from api.promotion import promote, rollback
from api.schemas.models import ModelDetailOut, ModelDiffOut, ModelsHealthOut, ModelsOut, PromotionOut

router = APIRouter(prefix="/v1/models", tags=["模型"])


@router.get("", summary="全部版本：来历、检验结论、哪个在用")
def get_models(service: ServiceDep, _: Auditor) -> ModelsOut:
    return ModelsOut.model_validate(overview(service.settings))


@router.get("/health", summary="模型还合不合用：近来的来件变了没有")
def get_health(
    service: ServiceDep,
    _: Auditor,
    weeks: Annotated[int, Query(ge=1, le=26, description="看最近几个七天")] = 8,
) -> ModelsHealthOut:
    """学过本单位认定的模型与训练时比，否则与本单位此前几周比；件数太少时不作判断。不含检举控告件。"""
    return ModelsHealthOut.model_validate(health(service, weeks))


@router.get("/diff", summary="从一个版本换到另一个，哪些分类变好变差，哪些件的回答变了")
def get_diff(
    service: ServiceDep,
    _: Auditor,
    before: Annotated[str, Query(description="原来的版本")],
    after: Annotated[str, Query(description="换上的版本")],
) -> ModelDiffOut:
    """各分类取自检验结论；回答取自自带检验件，只列编号。"""
    return ModelDiffOut.model_validate(compare(service.settings, before, after).to_json())


@router.post("/rollback", summary="退回上一个启用的版本")
def post_rollback(
    service: ServiceDep,
    _: Admin,
    user: CurrentUser,
    expected: Annotated[str, Query(description="要退掉的版本；别人已经换过时不动，答 409")] = "",
) -> PromotionOut:
    """各进程几秒之内换上。"""
    return PromotionOut.model_validate(asdict(rollback(service, user, expected)))


@router.get("/{version}", summary="一个版本的训练报告和检验结论")
def get_model(version: str, service: ServiceDep, _: Auditor) -> ModelDetailOut:
    return ModelDetailOut.model_validate(show(service.settings, version))


@router.post("/{version}/promote", summary="启用一个版本")
def post_promote(version: str, service: ServiceDep, _: Admin, user: CurrentUser) -> PromotionOut:
    """先完整校验再启用；各进程几秒之内换上。"""
    return PromotionOut.model_validate(asdict(promote(service, version, user)))
