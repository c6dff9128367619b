"""Importing files: upload, look, start, watch, take the rejects home. Intake sees its own imports, reviewers and administrators all."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, File, Request, Response, UploadFile
from fastapi.responses import RedirectResponse, StreamingResponse

from api import imports
from api.access import Clerk, OfficerClerk, ServiceDep
from api.import_run import KEPT
from api.imports import Seen
from api.service import Service
from api.store.firewall import Role
from api.store.imports import ENDED, UNFINISHED, ImportState
from api.workbench import render
from api.workbench.contexts.imports import (
    FieldChoice,
    FieldGroup,
    ImportPage,
    ImportProgressPart,
    ImportRow,
    ImportsPage,
    Preview,
    PreviewRow,
    Progress,
    Result,
)
from api.workbench.words import duration, size
from classifier.errors import InputError

router = APIRouter()

_STATES: dict[ImportState, tuple[str, str]] = {
    ImportState.WAITING: ("待开始", "accent"),
    ImportState.QUEUED: ("排队中", ""),
    ImportState.RUNNING: ("导入中", "accent"),
    ImportState.CANCELLING: ("正在取消", "warn"),
    ImportState.DONE: ("已完成", "ok"),
    ImportState.FAILED: ("没有完成", "error"),
    ImportState.CANCELLED: ("已取消", ""),
}
#: The fields of a file by what they are about; the last group is rarely needed.
_GROUPS: tuple[tuple[str, dict[str, str]], ...] = (
    ("信访件", {"title": "标题", "text": "内容", "received_at": "时间", "channel": "渠道", "district": "辖区", "people": "人数", "id": "编号"}),
    ("信访人", {"name": "姓名", "phone": "电话", "id_number": "身份证号", "address": "住址", "account": "网上账号"}),
    (
        "联名人和代理人",
        {
            "joint_names": "联名人", "joint_phones": "联名人电话", "joint_id_numbers": "联名人身份证号", "agent_name": "代理人",
            "agent_phone": "代理人电话", "agent_id_number": "代理人身份证号", "agent_address": "代理人住址",
        },
    ),
)  # fmt: skip
_LABELS = {name: label for _, fields in _GROUPS for name, label in fields.items()}
#: So many columns are offered to choose from.
_MOST_COLUMNS = 200
_PREFIX = "column-"
#: From so many seconds on rows a second mean something.
_TELLING = 10


async def _posted_mapping(request: Request) -> dict[str, str]:
    form = await request.form()
    return {
        name.removeprefix(_PREFIX): value
        for name, value in form.items()
        if name.startswith(_PREFIX) and isinstance(value, str)
    }


_Mapping = Annotated[dict[str, str], Depends(_posted_mapping)]


@router.get("/imports")
def get_imports(request: Request, service: ServiceDep, clerk: OfficerClerk) -> Response:
    return render.page(request, clerk, _list(service, clerk))


@router.post("/imports")
def post_import(
    request: Request,
    service: ServiceDep,
    clerk: OfficerClerk,
    file: Annotated[UploadFile | None, File()] = None,
) -> Response:
    try:
        if file is None or not file.filename:
            raise InputError("还没有选文件。请选一个文件再上传。")
        with file.file as content:
            import_id = imports.upload(service, clerk.user.id, file.filename, content.read())
    except InputError as problem:
        return render.page(request, clerk, _list(service, clerk, str(problem)), 422)
    return _to(import_id)


@router.get("/imports/{import_id}")
def get_import(request: Request, import_id: str, service: ServiceDep, clerk: OfficerClerk) -> Response:
    return render.page(request, clerk, _page(imports.one(service, import_id, _owner(clerk))))


@router.post("/imports/{import_id}/mapping")
def post_mapping(
    request: Request, import_id: str, service: ServiceDep, clerk: OfficerClerk, mapping: _Mapping
) -> Response:
    try:
        imports.change_mapping(service, import_id, _owner(clerk), mapping)
    except InputError as problem:
        seen = imports.one(service, import_id, _owner(clerk))
        return render.page(request, clerk, _page(seen, mapping, str(problem)), 422)
    return _to(import_id, "?done=import-columns")


@router.post("/imports/{import_id}/start")
def post_start(request: Request, import_id: str, service: ServiceDep, clerk: OfficerClerk) -> Response:
    try:
        imports.start(service, import_id, _owner(clerk), clerk.user.id)
    except InputError:
        # The page says what is wrong.
        return render.page(request, clerk, _page(imports.one(service, import_id, _owner(clerk))), 422)
    return _to(import_id)


@router.post("/imports/{import_id}/cancel")
def post_cancel(import_id: str, service: ServiceDep, clerk: OfficerClerk) -> Response:
    imports.cancel(service, import_id, _owner(clerk), clerk.user.id)
    return _to(import_id, "?done=import-cancelled")


@router.post("/imports/{import_id}/delete")
def post_delete(import_id: str, service: ServiceDep, clerk: OfficerClerk) -> Response:
    stays = imports.delete(service, import_id, _owner(clerk))
    return RedirectResponse(f"/imports{f'/{import_id}' if stays else ''}?done=import-deleted", 303)


@router.get("/imports/{import_id}/progress")
def get_progress(import_id: str, service: ServiceDep, clerk: OfficerClerk) -> Response:
    return render.fragment(ImportProgressPart(_progress(imports.one(service, import_id, _owner(clerk)))))


@router.get("/imports/{import_id}/rejects")
def get_rejects(import_id: str, service: ServiceDep, clerk: OfficerClerk) -> Response:
    name, pieces = imports.rejects(service, import_id, _owner(clerk), clerk.user.id)
    disposition = f"attachment; filename=\"rejects.csv\"; filename*=UTF-8''{quote(name)}"
    return StreamingResponse(
        pieces, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": disposition}
    )


def _owner(clerk: Clerk) -> str | None:
    return None if clerk.may(Role.REVIEWER, Role.ADMIN) else clerk.user.id


def _to(import_id: str, done: str = "") -> Response:
    return RedirectResponse(f"/imports/{import_id}{done}", 303)


def _list(service: Service, clerk: Clerk, problem: str = "") -> ImportsPage:
    owner = _owner(clerk)
    most = service.settings.max_upload_bytes
    return ImportsPage(
        rows=tuple(_row(seen) for seen in imports.all_of(service, owner)),
        everybodys=owner is None,
        listed=imports.LISTED,
        most=most,
        most_text=size(most),
        kept_days=KEPT.days,
        problem=problem,
    )


def _row(seen: Seen) -> ImportRow:
    found, counts = seen.found, seen.found.counts
    state, level = _STATES[found.state]
    was_begun = found.started_at is not None
    return ImportRow(
        id=found.id,
        name=seen.name,
        user=found.user,
        created_at=found.created_at,
        state=state,
        level=level,
        total=found.total or None,
        new=counts.new if was_begun else None,
        known=counts.known if was_begun else None,
        rejected=counts.rejected if was_begun else None,
    )


def _page(seen: Seen, chosen: dict[str, str] | None = None, mistake: str = "") -> ImportPage:
    state = seen.found.state
    return ImportPage(
        row=_row(seen),
        preview=_preview(seen, chosen, mistake) if seen.survey is not None else None,
        progress=_progress(seen) if state in UNFINISHED else None,
        result=_result(seen) if state in ENDED else None,
    )


def _preview(seen: Seen, chosen: dict[str, str] | None, mistake: str) -> Preview | None:
    survey = seen.survey
    if survey is None:
        return None
    mapping = survey.fields if chosen is None else chosen
    groups = [
        FieldGroup(
            label,
            folded=label == _GROUPS[-1][0] and not any(mapping.get(name) for name in fields),
            fields=tuple(
                FieldChoice(f"{_PREFIX}{name}", text, mapping.get(name, "")) for name, text in fields.items()
            ),
        )
        for label, fields in _GROUPS
    ]
    shown = [name for name in _LABELS if name in survey.fields]
    return Preview(
        problem=survey.problem,
        total=survey.total or None,
        checked=survey.checked,
        rejected=survey.rejected,
        columns=tuple(_LABELS[name] for name in shown),
        rows=tuple(
            PreviewRow(line, tuple(cells.get(name, "") for name in shown)) for line, cells in survey.rows
        ),
        rejects=survey.rejects,
        groups=tuple(groups),
        headings=survey.headings[:_MOST_COLUMNS],
        mistake=mistake,
    )


def _progress(seen: Seen) -> Progress:
    found, counts = seen.found, seen.found.counts
    label = _STATES[found.state][0]
    if found.state is ImportState.QUEUED:
        label = f"排队中，前面还有 {seen.before} 个文件" if seen.before else "马上开始"
    elif found.state is ImportState.RUNNING and not counts.read:
        label = "正在准备"
    return Progress(
        running=found.state in UNFINISHED,
        label=label,
        read=counts.read,
        total=max(found.total, counts.read, 1),
        new=counts.new,
        known=counts.known,
        rejected=counts.rejected,
    )


def _result(seen: Seen) -> Result:
    found = seen.found
    is_done = found.state is ImportState.DONE
    return Result(
        message=found.message,
        took=duration(found.seconds),
        per_second=found.counts.read / found.seconds if found.seconds >= _TELLING else None,
        has_rejects=seen.has_rejects,
        may_continue=found.kept and not is_done,
        may_delete=found.kept,
        kept_until=found.ended_at + KEPT if found.ended_at and found.kept else None,
    )
