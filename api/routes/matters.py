"""/v1/matters."""

from __future__ import annotations

from fastapi import APIRouter

from api.access import Anyone, Reviewer, ServiceDep
from api.matters import get_matter, split_matter
from api.schemas.matters import MatterOut, SplitIn

router = APIRouter(prefix="/v1", tags=["信访事项"])


@router.get("/matters/{matter_id}", summary="一个信访事项：信访件、经过、件数和期限")
def get_one_matter(matter_id: str, service: ServiceDep, viewer: Anyone) -> MatterOut:
    return MatterOut.model_validate(get_matter(service, matter_id, viewer))


@router.post("/matters/{matter_id}/split", status_code=201, summary="把其中几件拆出这个事项")
def post_split(matter_id: str, body: SplitIn, service: ServiceDep, viewer: Reviewer) -> MatterOut:
    """两边之间的关联都改为“不是”，以后也不再建议；哪一边靠自己的认定关联仍连在一起，就仍是一个事项。"""
    return MatterOut.model_validate(split_matter(service, matter_id, body.petitions, body.reason, viewer))
