"""The overview, its Excel files, what rises, lists of what is counted, and the monthly report."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request, Response

from api.access import AnyClerk, ServiceDep
from api.figures import Period, today
from api.monthly import report_file
from api.overview import exported, overview, presets, risen
from api.overview_lists import listing
from api.spreadsheet import TYPE, workbook
from api.workbench import render
from api.workbench.contexts.overview import RisingPage, RisingPart
from api.workbench.problems import is_fragment
from api.workbench.views.overview import FEW, list_page, overview_page, rising_view
from classifier.errors import InputError

router = APIRouter()

_USUAL = "12m"
_Day = Annotated[str, Query(max_length=20)]


def _period(word: str, since: str, until: str) -> Period:
    """The preset named, the days given, or the usual period; an end that is not given is today or a year before the other. Raises InputError."""
    day = today()
    if not since and not until:
        return presets(day).get(word, presets(day)[_USUAL])[1]
    try:
        last = date.fromisoformat(until) if until else day
        first = date.fromisoformat(since) if since else Period(last, last).year_before().since
    except ValueError:
        raise InputError("日期看不懂。请写成 2026-03-04 这样。") from None
    return Period(first, last).checked()


@router.get("/overview")
def get_overview(
    request: Request,
    service: ServiceDep,
    clerk: AnyClerk,
    period: _Day = "",
    since: _Day = "",
    until: _Day = "",
) -> Response:
    problem, status = "", 200
    try:
        days = _period(period, since, until)
    except InputError as wrong:
        problem, status, days = str(wrong), 422, presets(today())[_USUAL][1]
    whole = overview(service, days, clerk.viewer)
    rising = rising_view(risen(service, days, clerk.viewer, patience=-1), days, FEW)
    return render.page(request, clerk, overview_page(whole, rising, problem), status)


@router.get("/overview/rising")
def get_rising(
    request: Request, service: ServiceDep, clerk: AnyClerk, since: _Day = "", until: _Day = ""
) -> Response:
    days = _period("", since, until)
    if is_fragment(request):
        answer = risen(service, days, clerk.viewer, patience=0.05)
        return render.fragment(RisingPart(rising_view(answer, days, FEW)))
    rising = rising_view(risen(service, days, clerk.viewer), days)
    return render.page(request, clerk, RisingPage(rising, f"/overview?{urlencode(days.find())}"))


@router.get("/overview/list/{what}")
def get_list(
    request: Request,
    service: ServiceDep,
    clerk: AnyClerk,
    what: str,
    since: _Day = "",
    until: _Day = "",
    category: Annotated[str, Query(max_length=8)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    days = _period("", since, until)
    found = listing(service, what, days, clerk.viewer, category, page)
    return render.page(request, clerk, list_page(service, found, what, days, category))


@router.get("/overview.xlsx")
def get_workbook(service: ServiceDep, clerk: AnyClerk, since: _Day = "", until: _Day = "") -> Response:
    whole = exported(service, _period("", since, until), clerk.viewer)
    return _excel(workbook(whole.tables), f"概览-{_span(whole.period)}.xlsx")


@router.get("/overview/report.xlsx")
def get_report(service: ServiceDep, clerk: AnyClerk, month: _Day = "") -> Response:
    chosen = Period.month(month)
    return _excel(report_file(service, chosen, clerk.viewer), f"信访月报-{month}.xlsx")


@router.get("/overview/{table}.xlsx")
def get_table(
    service: ServiceDep, clerk: AnyClerk, table: str, since: _Day = "", until: _Day = ""
) -> Response:
    whole = exported(service, _period("", since, until), clerk.viewer, table)
    one = whole.table(table)
    return _excel(workbook([one]), f"概览-{one.title}-{_span(whole.period)}.xlsx")


def _span(period: Period) -> str:
    return f"{period.since.isoformat()}-{period.until.isoformat()}"


def _excel(content: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(content, media_type=TYPE, headers=headers)
