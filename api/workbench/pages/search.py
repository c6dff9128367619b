"""查询: the petitions one may see, and the list as a file."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy import RowMapping

from api import search as use_case
from api.access import AnyClerk, Clerk, ServiceDep
from api.listing import Asked
from api.names import Names
from api.search import EXPORTED, Found, Item
from api.spreadsheet import TYPE, list_workbook
from api.store.petitions import now
from api.workbench import render
from api.workbench.contexts.lists import FoundRow, SearchPage
from api.workbench.lists import due_in_words, search_filters
from api.workbench.words import day, minute, receipt, seq_of_receipt
from classifier.errors import InputError

router = APIRouter()

_COLUMNS = (
    ("登记编号", 17), ("登记时间", 17), ("来件时间", 17), ("渠道", 7), ("属地", 12), ("人数", 6), ("标题", 40),
    ("摘要", 60), ("状态", 8), ("内容分类", 36), ("诉求类型", 10), ("承办单位", 18),
)  # fmt: skip
_NOT_BY_PERSON = "not-by-person"


@router.get("/petitions")
def get_petitions(request: Request, service: ServiceDep, clerk: AnyClerk) -> Response:
    asked, problem = Asked.of(request.query_params)
    if (seq := seq_of_receipt(asked.q)) is not None:
        row = use_case.numbered(service, seq, clerk.viewer)
        if row is not None and receipt(row["seq"], row["created_at"]) == asked.q:
            return RedirectResponse(f"/petitions/{row['id']}", 303)
        problem = f"没有登记编号是 {asked.q} 的件，或者您无权查看。请核对编号。"
        return _page(request, service, clerk, asked, Found((), (), "", None), problem)
    if asked.q and use_case.names_somebody(asked.q):
        # What identifies somebody does not stay in the address.
        others = asked.query(q="", after="", at="")
        return RedirectResponse(f"/petitions?done={_NOT_BY_PERSON}&{others}".rstrip("&"), 303)
    try:
        found = use_case.search(service, asked, clerk.viewer)
    except InputError as wrong:
        return _page(request, service, clerk, asked, Found((), (), "", None), str(wrong), 422)
    return _page(request, service, clerk, asked, found, problem)


@router.get("/petitions.xlsx")
def get_workbook(request: Request, service: ServiceDep, clerk: AnyClerk) -> Response:
    asked, _ = Asked.of(request.query_params)
    if use_case.names_somebody(asked.q):
        raise InputError(render.NOTICES[_NOT_BY_PERSON].text)
    rows = use_case.export(service, asked, clerk.viewer)
    names = Names.of(service.live.engine())
    content = list_workbook("信访件", _COLUMNS, (_cells(names, row) for row in rows))
    headers = {"Content-Disposition": f'attachment; filename="petitions-{day(now())}.xlsx"'}
    return Response(content, media_type=TYPE, headers=headers)


def _page(
    request: Request,
    service: ServiceDep,
    clerk: Clerk,
    asked: Asked,
    found: Found,
    problem: str,
    status: int = 200,
) -> Response:
    unit = clerk.viewer.unit
    names, settings = Names.of(service.live.engine()), service.settings
    way_back = quote(asked.query(at="", list="petitions"), safe="")
    context = SearchPage(
        q=asked.q,
        problem=problem,
        rows=tuple(_row(item, names, way_back, unit) for item in found.items),
        older=tuple(_row(item, names, way_back, unit) for item in found.older),
        filters=search_filters(service, asked, unit is not None),
        first=f"/petitions?{asked.query(after='', at='')}" if asked.after else "",
        next=f"/petitions?{found.next}" if found.next else "",
        read_to=found.read_to,
        download=f"/petitions.xlsx?{replace(asked, after='', at='').query()}",
        download_most=EXPORTED,
        of_unit=unit is not None,
        limit=f"{settings.handling_days} 天（{settings.handling_source}）",
    )
    return render.page(request, clerk, context, status)


def _row(item: Item, names: Names, way_back: str, unit: str | None) -> FoundRow:
    row = item.row
    return FoundRow(
        href=f"/petitions/{row['id']}?from={way_back}",
        receipt=receipt(row["seq"], row["created_at"]),
        arrived=row["received_at"] or row["created_at"],
        channel=row["channel"],
        district=row["district"],
        title=row["title"],
        excerpt=row["excerpt"],
        status=row["status"],
        category=names.category_short(row["category"]),
        kind=row["kind"],
        unit=names.unit(row["unit"]),
        role="" if unit is None else "主办" if row["unit"] == unit else "协办",
        due=due_in_words(item.days_left) if item.days_left is not None else None,
    )


def _cells(names: Names, row: RowMapping) -> tuple[str | int, ...]:
    return (
        receipt(row["seq"], row["created_at"]),
        minute(row["created_at"]),
        minute(row["received_at"]),
        row["channel"],
        row["district"],
        row["people"],
        row["title"],
        " ".join(row["excerpt"].split()),
        row["status"],
        names.category_short(row["category"]),
        row["kind"],
        names.unit(row["unit"]),
    )
