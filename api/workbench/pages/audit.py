"""The audit trail: who saw, decided and changed what; whether it holds; as a file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import StreamingResponse

from api import staff, trail
from api.access import ROLE_NAMES, AuditorClerk, Clerk, ServiceDep
from api.service import Service
from api.store.audit import Action, Entry
from api.store.firewall import Role
from api.store.register import Receipt
from api.workbench import render
from api.workbench.audit_words import detail_in_words
from api.workbench.contexts.admin import ActionOption, AuditPage, Chain, TrailRow
from api.workbench.words import ACTIONS, count, receipt, seq_of_receipt
from classifier.dates import CHINA
from classifier.errors import InputError, NotFoundError

router = APIRouter(prefix="/admin/audit")

_ROWS = 50
#: Fewer seconds than this are not told.
_NOTED = 0.1

_Filter = Annotated[str, Query(max_length=80)]
_Posted = Annotated[str, Form(max_length=80)]


@router.get("")
def get_audit(
    request: Request,
    service: ServiceDep,
    clerk: AuditorClerk,
    user: _Filter = "",
    action: _Filter = "",
    petition: _Filter = "",
    since: _Filter = "",
    until: _Filter = "",
    before: Annotated[int | None, Query(ge=1, le=2**60)] = None,
) -> Response:
    given = (user.strip(), action, petition.strip(), since.strip(), until.strip())
    chain = _chain(trail.standing(service))
    return _page(request, service, clerk, given, before, chain)


@router.get("/check")
def get_check(
    request: Request,
    service: ServiceDep,
    clerk: AuditorClerk,
    after: Annotated[int, Query(ge=0, le=2**60)] = 0,
) -> Response:
    """The whole chain, some seconds of it at a time."""
    chain = _chain(trail.standing(service, whole=True, after=after), is_whole=True)
    return _page(request, service, clerk, ("", "", "", "", ""), None, chain)


@router.post("/export")
def post_export(
    service: ServiceDep,
    clerk: AuditorClerk,
    user: _Posted = "",
    action: _Posted = "",
    petition: _Posted = "",
    since: _Posted = "",
    until: _Posted = "",
) -> Response:
    """It changes the trail, for an export is on record: a form, not a link."""
    made = trail.export(service, clerk.viewer, _wanted((user, action, petition, since, until)))
    headers = {"Content-Disposition": f'attachment; filename="{made.name}"'}
    return StreamingResponse(made.content, media_type="text/csv; charset=utf-8", headers=headers)


_Given = tuple[str, str, str, str, str]


def _page(
    request: Request, service: Service, clerk: Clerk, given: _Given, before: int | None, chain: Chain
) -> Response:
    user, action, petition, since, until = given
    problem, found = "", trail.Stretch((), {}, False)
    try:
        found = trail.stretch(service, clerk.viewer, _wanted(given), before, _ROWS)
    except (InputError, NotFoundError) as wrong:
        problem = str(wrong)
    older = ""
    if found.goes_on:
        names = ("user", "action", "petition", "since", "until")
        filters = [(name, value) for name, value in zip(names, given, strict=True) if value]
        older = f"/admin/audit?{urlencode([*filters, ('before', found.entries[-1].number)])}"
    shown = AuditPage(
        tuple(_row(service, entry, found.receipts) for entry in found.entries),
        older,
        before is not None,
        user,
        tuple(account.name for account in staff.everybody(service)),
        tuple(ActionOption(each.value, name, each.value == action) for each, name in ACTIONS.items()),
        petition,
        since,
        until,
        problem,
        chain,
    )
    return render.page(request, clerk, shown, 422 if problem else 200)


def _wanted(given: _Given) -> trail.Wanted:
    """Raises InputError saying which filter is wrong."""
    user, action, petition, since, until = given
    if action and action not in set(Action):
        raise InputError("没有这种动作。请从列表里选。")
    seq = seq_of_receipt(petition) if petition else None
    if petition and seq is None:
        raise InputError("登记编号写法不对。例：20260304-000123。")
    end = _day(until)
    return trail.Wanted(user, action, seq, _day(since), end + timedelta(days=1) if end else None)


def _day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=CHINA)
    except ValueError:
        raise InputError("日期写法不对。例：2026-03-04。") from None


def _row(service: Service, entry: Entry, receipts: Mapping[str, Receipt]) -> TrailRow:
    place = receipts.get(entry.petition_id or "")
    return TrailRow(
        entry.number,
        entry.created_at,
        entry.user,
        ROLE_NAMES[Role(entry.role)] if entry.role in set(Role) else "",
        ACTIONS[Action(entry.action)] if entry.action in set(Action) else entry.action,
        entry.petition_id if place and entry.petition_id else "",
        receipt(place.seq, place.created_at) if place else "",
        detail_in_words(service, entry.detail, receipts),
    )


def _chain(found: trail.Standing, is_whole: bool = False) -> Chain:
    level, text, goes_on = _standing(found, is_whole)
    return Chain(level, text, found.number, found.digest, goes_on, is_whole and level == "ok")


def _standing(found: trail.Standing, is_whole: bool) -> tuple[str, str, int]:
    """ok, warn or error, in words, and from where a check that ran out of time goes on."""
    checked = found.checked
    if found.number == 0:
        return "ok", "还没有审计记录。", 0
    if checked.broken is not None:
        text = f"第 {count(checked.broken)} 条起不连续：有记录被改动、删除或插入。请停止修改，找技术人员用备份或以前导出的文件对照。"
        return "error", text, 0
    if not is_whole:
        return "ok", f"最近 {count(found.number - checked.first + 1)} 条前后连续。", 0
    took = f"用时 {found.seconds:.1f} 秒" if found.seconds >= _NOTED else f"用时不到 {_NOTED} 秒"
    span = f"第 {count(checked.first)} 条到第 {count(checked.last)} 条前后连续，{took}"
    if checked.is_whole:
        return "ok", f"{span}，已到最后一条。", 0
    return "warn", f"{span}，后面的还没有查。", checked.last
