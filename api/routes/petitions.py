"""/v1/triage and /v1/petitions."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response

from api.access import Anyone, Officer, Reviewer, ServiceDep
from api.decisions import (
    Choice,
    LinkVerdict,
    decide,
    get_history,
    get_links,
    get_one,
    get_original,
    get_page,
    reply,
    send_back,
    undo,
)
from api.intake import submit, triage_only
from api.observe import Metrics
from api.schemas.fields import Moment
from api.schemas.petitions import (
    AcceptedOut,
    DecisionIn,
    HistoryOut,
    LinksOut,
    OriginalOut,
    PetitionDetailOut,
    PetitionPageOut,
    ReplyIn,
    ReturnIn,
    UndoIn,
)
from api.schemas.triage import PetitionIn, TriageIn, TriageListOut
from api.store.petitions import Filters
from classifier.errors import InputError

router = APIRouter(prefix="/v1", tags=["信访件"])

_Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        description="同一件重发时用同一个值，不会存两次",
    ),
]


@router.post("/triage", summary="只分析，不保存")
def post_triage(body: TriageIn, service: ServiceDep, _: Officer) -> TriageListOut:
    """一次最多 1,000 件。不查关联、不留痕。"""
    answers = triage_only(service, [item.to_petition() for item in body.petitions], body.top)
    return TriageListOut.model_validate({"results": [asdict(answer) for answer in answers]})


@router.post(
    "/petitions",
    status_code=201,
    summary="收件：分析并保存",
    responses={200: {"model": AcceptedOut, "description": "同一 Idempotency-Key 已经收过，这是当时的回答"}},
)
def post_petition(
    body: PetitionIn,
    service: ServiceDep,
    viewer: Officer,
    request: Request,
    response: Response,
    key: _Key = None,
) -> AcceptedOut:
    """保存信访件和建议；返回即已落盘。带同一 Idempotency-Key 重发同一内容，得到同一编号。"""
    accepted = submit(service, body.to_petition(), viewer, key)
    if accepted.replayed:
        response.status_code = 200
        response.headers["Idempotent-Replayed"] = "true"
    else:
        metrics: Metrics = request.app.state.metrics
        metrics.petitions.inc()
        if accepted.answer["abstained"]:
            metrics.abstained.inc()
    response.headers["Location"] = f"/v1/petitions/{accepted.petition_id}"
    return AcceptedOut.model_validate({"id": accepted.petition_id, "suggestion": accepted.answer})


@router.get("/petitions", summary="列表，新的在前")
def list_petitions(
    service: ServiceDep,
    viewer: Anyone,
    cursor: Annotated[str | None, Query(max_length=100)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    status: Annotated[str, Query(max_length=16, description="待认定、已认定、已退回")] = "",
    category: Annotated[str, Query(max_length=8, description="分类代码；写上级代码查出其下全部")] = "",
    kind: Annotated[str, Query(max_length=16)] = "",
    unit: Annotated[str, Query(max_length=80, description="单位 id")] = "",
    channel: Annotated[str, Query(max_length=16)] = "",
    since: Moment = None,
    until: Moment = None,
) -> PetitionPageOut:
    filters = Filters(status, category, kind, unit, channel, since, until)
    rows, following = get_page(service, filters, _decode_cursor(cursor) if cursor else None, limit, viewer)
    return PetitionPageOut.model_validate(
        {
            "items": [dict(row) for row in rows],
            "next_cursor": _encode_cursor(following) if following else None,
        }
    )


@router.get("/petitions/{petition_id}", summary="一件，连同建议、认定和退回")
def get_petition(petition_id: str, service: ServiceDep, viewer: Anyone) -> PetitionDetailOut:
    return PetitionDetailOut.model_validate(get_one(service, petition_id, viewer))


@router.get("/petitions/{petition_id}/original", summary="原文和联系方式（查看会留痕）")
def get_petition_original(petition_id: str, service: ServiceDep, viewer: Officer) -> OriginalOut:
    return OriginalOut.model_validate(get_original(service, petition_id, viewer))


@router.get("/petitions/{petition_id}/links", summary="关联：一信多投、重复信访、多人同一事项")
def get_petition_links(petition_id: str, service: ServiceDep, viewer: Anyone) -> LinksOut:
    """接件人员看到的关联里，检举控告件只显示“仅限授权人员”，没有编号、内容和依据。"""
    return LinksOut.model_validate({"items": get_links(service, petition_id, viewer)})


@router.post("/petitions/{petition_id}/decisions", status_code=201, summary="认定分类、类型、单位、关联")
def post_decision(
    petition_id: str, body: DecisionIn, service: ServiceDep, viewer: Officer
) -> PetitionDetailOut:
    verdicts = tuple(LinkVerdict(link.id, link.confirmed) for link in body.links)
    joint = None if body.joint_units is None else tuple(body.joint_units)
    choice = Choice(body.category, body.kind, body.unit, verdicts, body.reason, joint, body.expected_decision)
    return PetitionDetailOut.model_validate(decide(service, petition_id, choice, viewer))


@router.post("/petitions/{petition_id}/returns", status_code=201, summary="承办单位退回")
def post_return(petition_id: str, body: ReturnIn, service: ServiceDep, viewer: Reviewer) -> PetitionDetailOut:
    """过了规定的工作日也记录，标为逾期。"""
    whole = send_back(service, petition_id, body.unit, body.reason, viewer, body.expected_decision)
    return PetitionDetailOut.model_validate(whole)


@router.post("/petitions/{petition_id}/replies", status_code=201, summary="承办单位已答复信访人")
def post_reply(petition_id: str, body: ReplyIn, service: ServiceDep, viewer: Reviewer) -> PetitionDetailOut:
    """答复之后，这件的办理期限不再计算。"""
    whole = reply(
        service, petition_id, body.unit, body.replied_on, body.reason, viewer, body.expected_decision
    )
    return PetitionDetailOut.model_validate(whole)


@router.post(
    "/petitions/{petition_id}/undo", status_code=201, summary="撤销最近一次认定、退回、答复或关联认定"
)
def post_undo(petition_id: str, body: UndoIn, service: ServiceDep, viewer: Officer) -> PetitionDetailOut:
    """此前有效的重新有效：前一次认定，没有则为建议。撤销本身也记录在案，原来的认定不删除。撤销退回、答复需要审核或管理员。"""
    whole = undo(
        service, petition_id, viewer, link=body.link, reason=body.reason, expected=body.expected_decision
    )
    return PetitionDetailOut.model_validate(whole)


@router.get("/petitions/{petition_id}/history", summary="经过：建议、认定、退回、答复、关联、撤销")
def get_petition_history(petition_id: str, service: ServiceDep, viewer: Anyone) -> HistoryOut:
    return HistoryOut.model_validate({"items": get_history(service, petition_id, viewer)})


def _encode_cursor(seq: int) -> str:
    return base64.urlsafe_b64encode(f"seq:{seq}".encode()).decode()


def _decode_cursor(cursor: str) -> int:
    try:
        name, _, seq = base64.urlsafe_b64decode(cursor.encode("ascii")).decode("ascii").partition(":")
        if name == "seq" and seq.isdecimal() and len(seq) < 19:
            return int(seq)
    except (binascii.Error, ValueError):
        pass
    raise InputError("cursor 无效。请用上一页返回的 next_cursor，或去掉它从头开始。")
