"""The unit directory: its four tables, one row at a time or a file at once, tried on past petitions before it is saved; earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Depends, File, Form, Query, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

from api import directory_changes as changes
from api.access import AdminClerk, AuditorClerk, Clerk, ServiceDep
from api.directory_preview import preview
from api.office_directory import TABLES, Sheets
from api.service import Service
from api.workbench import directory_form as form
from api.workbench import directory_view as view
from api.workbench import render
from api.workbench.contexts.directory import Cell, DirectoryPreviewPage, MovedRow
from api.workbench.words import receipt
from classifier.directory import Directory
from classifier.errors import ConflictError, DirectoryError, NotFoundError

router = APIRouter(prefix="/admin/directory")

#: A file is some tens of kilobytes; the largest that is taken.
_LARGEST = 2 * 1024 * 1024
#: So many petitions that move, and so many problems of a file, are listed.
_SHOWN, _PROBLEMS = 100, 20

_CHANGED = "单位目录刚有人改过，您的还没有保存。填写的内容都在，请看过再提交一次。"

Sent = Mapping[str, str]

_Stamp = Annotated[str, Form(max_length=16)]
_Step = Annotated[str, Form(max_length=10)]


async def _sent(request: Request) -> Sent:
    """The fields of a form whose fields depend on the table."""
    return {name: value for name, value in (await request.form()).items() if isinstance(value, str)}


@router.get("")
def get_directory(request: Request, service: ServiceDep, clerk: AuditorClerk) -> Response:
    return render.page(request, clerk, view.overview(service, clerk))


@router.post("/restore")
def post_restore(
    request: Request,
    service: ServiceDep,
    clerk: AdminClerk,
    number: Annotated[int, Form(ge=1, le=10**9)],
    v: _Stamp = "",
    step: _Step = "",
) -> Response:
    draft = changes.restored(service, v, number)
    found = changes.findings(service, draft)
    if isinstance(found, changes.Findings):
        return _refused(request, service, clerk, f"第 {number} 版恢复不了。", found.others)
    if step == "save":
        return _saved(service, clerk, draft, "/admin/directory")
    sent = (("number", str(number)), ("v", v))
    return _preview(
        request, service, clerk, draft, found, ("/admin/directory/restore", sent, "/admin/directory")
    )


@router.get("/{table}")
def get_table(
    request: Request,
    service: ServiceDep,
    clerk: AuditorClerk,
    table: str,
    q: Annotated[str, Query(max_length=40)] = "",
    branch: Annotated[str | None, Query(max_length=2)] = None,
) -> Response:
    _known(table)
    return render.page(request, clerk, view.table_page(service, clerk, table, q.strip(), branch))


@router.get("/{table}/download")
def get_download(service: ServiceDep, _: AuditorClerk, table: str) -> Response:
    """The file as it is: what is uploaded again unchanged changes nothing, so no cell is altered to suit a spreadsheet program."""
    _known(table)
    content = changes.sheets_in_use(service).csv(table).encode("utf-8-sig")
    headers = {"Content-Disposition": f'attachment; filename="{table}.csv"'}
    return Response(content, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/{table}/upload")
def post_upload(
    request: Request,
    service: ServiceDep,
    clerk: AdminClerk,
    table: str,
    file: Annotated[UploadFile | None, File()] = None,
    content: Annotated[str, Form()] = "",
    v: _Stamp = "",
    step: _Step = "",
) -> Response:
    _known(table)
    given = content.encode() if content else file.file.read(_LARGEST + 1) if file else b""
    if not given or len(given) > _LARGEST:
        why = "请先选一个 CSV 文件。" if not given else "文件超过 2 MB，不像是单位目录。"
        return _refused(request, service, clerk, why, ())
    try:
        draft = changes.uploaded(service, v, table, given)
    except DirectoryError as problem:
        return _refused(request, service, clerk, str(problem), ())
    found = changes.findings(service, draft)
    if isinstance(found, changes.Findings):
        return _refused(
            request, service, clerk, "文件没有通过检查，没有保存。请改正后重新上传。", found.others
        )
    if step == "save":
        return _saved(service, clerk, draft, f"/admin/directory/{table}")
    sent = (("content", draft.sheets.csv(table)), ("v", v))
    where = (f"/admin/directory/{table}/upload", sent, "/admin/directory")
    return _preview(request, service, clerk, draft, found, where)


@router.get("/{table}/row")
def get_row(
    request: Request,
    service: ServiceDep,
    clerk: AdminClerk,
    table: str,
    at: Annotated[int | None, Query(ge=0, le=10**6)] = None,
    v: Annotated[str, Query(max_length=16)] = "",
) -> Response:
    _known(table)
    sheets = changes.sheets_in_use(service)
    if at is not None and sheets.stamp != v:
        raise ConflictError("单位目录刚有人改过。请重新打开列表，看过现在的内容再改。")
    if at is not None and at >= len(sheets.rows[table]):
        raise NotFoundError("没有这一行。请重新打开列表。")
    return render.page(request, clerk, view.row_page(service, sheets, table, at, {}, changes.Findings()))


@router.post("/{table}/row")
def post_row(
    request: Request,
    service: ServiceDep,
    clerk: AdminClerk,
    table: str,
    sent: Annotated[Sent, Depends(_sent)],
) -> Response:
    """`remove`: the row goes. `step`: nothing for a look at what it would do, `edit` to go on filling it in, `save`."""
    _known(table)
    sheets = changes.sheets_in_use(service)
    step, removes, changed = sent.get("step", ""), bool(sent.get("remove")), sheets.stamp != sent.get("v")
    at = _place(sheets, table, sent)
    filled = _Filled(sheets, table, at, sent)
    if removes:
        if at is None or changed:
            raise ConflictError("单位目录刚有人改过。请重新打开列表，看过现在的内容再删。")
        draft = changes.removed(service, sheets.stamp, table, at)
    else:
        row, wrong = form.read(
            service, table, sent, at is None, {unit["id"] for unit in sheets.rows["units"]}
        )
        if changed:
            return _again(request, service, clerk, filled, changes.Findings(others=(_CHANGED,)), 409)
        if step == "edit" or wrong:
            return _again(request, service, clerk, filled, changes.Findings(wrong), 422 if wrong else 200)
        draft = changes.edited(service, sheets.stamp, table, at, row)
    found = changes.findings(service, draft)
    if isinstance(found, changes.Findings):
        return _again(request, service, clerk, filled, found, 422)
    back = f"/admin/directory/{table}"
    if step == "save":
        return _saved(service, clerk, draft, back)
    kept = tuple((name, value) for name, value in sent.items() if name not in {"csrf", "step"})
    gone = (
        form.cells(service, table, sheets.rows[table][at], whole=True) if removes and at is not None else ()
    )
    where = (f"{back}/row", kept, back)
    return _preview(request, service, clerk, draft, found, where, can_edit=not removes, removed=gone)


@dataclass(frozen=True, slots=True)
class _Filled:
    """A row's form as it came back: which row of which sheets, and what was sent."""

    sheets: Sheets
    table: str
    at: int | None
    sent: Sent


def _again(
    request: Request, service: Service, clerk: Clerk, filled: _Filled, found: changes.Findings, status: int
) -> Response:
    shown = view.row_page(service, filled.sheets, filled.table, filled.at, filled.sent, found)
    return render.page(request, clerk, shown, status)


def _place(sheets: Sheets, table: str, sent: Sent) -> int | None:
    """Where the row of the form stands now, None for a new one. Raises ConflictError when it is gone."""
    at, key, rows = sent.get("at", ""), sent.get("row_key", ""), sheets.rows[table]
    if not at:
        return None
    if at.isdecimal() and int(at) < len(rows) and changes.key_of(table, rows[int(at)]) == key:
        return int(at)
    for place, row in enumerate(rows):
        if changes.key_of(table, row) == key:
            return place
    raise ConflictError("这一行刚有人删掉了。请重新打开列表。")


def _saved(service: Service, clerk: Clerk, draft: changes.Draft, back: str) -> Response:
    changes.apply(service, clerk.viewer, draft)
    return RedirectResponse(f"{back}?done=directory", 303)


def _refused(
    request: Request, service: Service, clerk: Clerk, why: str, problems: tuple[str, ...]
) -> Response:
    more = len(problems) - _PROBLEMS
    shown = problems if more <= 0 else (*problems[:_PROBLEMS], f"另有 {more} 处。")
    return render.page(request, clerk, view.overview(service, clerk, why, shown), 422)


def _preview(
    request: Request,
    service: Service,
    clerk: Clerk,
    draft: changes.Draft,
    directory: Directory,
    where: tuple[str, tuple[tuple[str, str], ...], str],
    can_edit: bool = False,
    removed: tuple[Cell, ...] = (),
) -> Response:
    """The page before saving; `where` says where the form goes, what it sends and where "back" leads, `removed` what a row to be deleted says."""
    found = preview(service, clerk.viewer, directory)
    moved = tuple(
        MovedRow(m.id, receipt(m.seq, m.created_at), m.title, m.before, m.after) for m in found.moved[:_SHOWN]
    )
    action, sent, back = where
    shown = DirectoryPreviewPage(
        draft.what,
        removed,
        found.looked,
        len(found.moved),
        moved,
        found.is_short,
        action,
        sent,
        back,
        can_edit,
    )
    return render.page(request, clerk, shown)


def _known(table: str) -> None:
    if table not in TABLES:
        raise NotFoundError("没有这张表。请从单位目录页打开。")
