"""待办: the queue, and accepting many confident suggestions of it at once."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api import bulk
from api.access import OfficerClerk, ServiceDep
from api.listing import Asked
from api.names import Names
from api.queue import Figures, Item, queue
from api.store.petitions import RETURNED, now
from api.workbench import render
from api.workbench.contexts.lists import (
    AcceptedRow,
    BulkPreviewPage,
    BulkResultPage,
    Choice,
    Figure,
    PreviewRow,
    QueuePage,
    QueueRow,
)
from api.workbench.lists import due_in_words, queue_filters
from api.workbench.words import count, percent, receipt
from classifier.errors import InputError

router = APIRouter()

_FLOORS = (0.9, 0.95, 0.97, 0.99)
#: A form that has not ended after so many seconds was cut off.
_PATIENCE = 120


@router.get("/queue")
def get_queue(request: Request, service: ServiceDep, clerk: OfficerClerk) -> Response:
    asked, problem = Asked.of(request.query_params)
    # Words are looked for by the search alone.
    asked = replace(asked, q="")
    found = queue(service, asked, clerk.viewer)
    asked, names = found.asked, Names.of(service.live.engine())
    way_back = quote(asked.query(), safe="")
    context = QueuePage(
        rows=tuple(_row(item, names, way_back) for item in found.items),
        filters=queue_filters(service, asked),
        figures=_figures(found.figures),
        problem=problem,
        by_due=asked.sort == "due",
        first=f"/queue?{asked.query(after='', at='')}" if asked.after else "",
        next=f"/queue?{found.next}" if found.next else "",
        kept=_kept(asked),
        floors=tuple(Choice(f"{floor:.2f}", f"{percent(floor)} 以上") for floor in _FLOORS),
        floor=f"{bulk.USUAL:.2f}",
        limit=f"{service.settings.forward_days} 天（{service.settings.forward_source}）",
    )
    return render.page(request, clerk, context)


@router.get("/queue/preview")
def get_preview(
    request: Request,
    service: ServiceDep,
    clerk: OfficerClerk,
    floor: Annotated[float, Query()] = bulk.USUAL,
) -> Response:
    asked = replace(Asked.of(request.query_params)[0], q="")
    found = bulk.preview(service, asked, floor, clerk.viewer)
    names = Names.of(service.live.engine())
    way_back = quote(asked.query(), safe="")
    rows = tuple(
        PreviewRow(
            value=f"{row['id']}.{row['suggestion_id']}",
            href=f"/petitions/{row['id']}?from={way_back}",
            receipt=receipt(row["seq"], row["created_at"]),
            arrived=row["received_at"] or row["created_at"],
            title=row["title"],
            category=names.category_short(row["category"]),
            confidence=row["category_p"],
            kind=row["kind"],
            kind_confidence=row["kind_p"],
            unit=names.unit(row["unit"]),
        )
        for row in found.rows
    )
    back = f"/queue?{asked.query(at='')}"
    context = BulkPreviewPage(rows, found.more, found.floor, bulk.MOST, found.token, back)
    return render.page(request, clerk, context)


@router.post("/queue/accept")
def post_accept(
    service: ServiceDep,
    clerk: OfficerClerk,
    token: Annotated[str, Form(max_length=64)] = "",
    take: Annotated[list[str] | None, Form(max_length=bulk.MOST)] = None,
) -> Response:
    bulk.accept(service, token, [_chosen(value) for value in take or ()], clerk.viewer)
    return RedirectResponse(f"/queue/accepted?token={token}", 303)


@router.get("/queue/accepted")
def get_accepted(
    request: Request,
    service: ServiceDep,
    clerk: OfficerClerk,
    token: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    found = bulk.outcome(service, token, clerk.viewer)
    names = Names.of(service.live.engine())
    unfinished = found.ended_at is None
    is_late = (now() - found.begun_at).total_seconds() > _PATIENCE
    accepted = tuple(
        AcceptedRow(
            f"/petitions/{row['id']}",
            receipt(row["seq"], row["created_at"]),
            row["title"],
            names.category_short(row["category"]),
            f"{row['kind']}，{names.unit(row['unit'])}",
        )
        for row in found.accepted
    )
    left = tuple(
        AcceptedRow(
            f"/petitions/{one.row['id']}" if one.row else "",
            receipt(one.row["seq"], one.row["created_at"]) if one.row else "",
            one.row["title"] if one.row else "",
            "",
            one.why,
        )
        for one in found.left
    )
    context = BulkResultPage(
        accepted, left, unfinished and not is_late, unfinished and is_late, found.begun_at
    )
    return render.page(request, clerk, context)


def _chosen(value: str) -> tuple[str, int]:
    """The petition and the suggestion that a ticked box names."""
    petition, _, suggestion = value.partition(".")
    if len(petition) > 32 or not (suggestion.isascii() and suggestion.isdecimal() and len(suggestion) < 19):
        raise InputError("表单不完整，没有接受任何件。请回到待办重新预览。")
    return petition, int(suggestion)


def _row(item: Item, names: Names, way_back: str) -> QueueRow:
    row = item.row
    is_own = row["category"] == row["suggested"]
    return QueueRow(
        href=f"/petitions/{row['id']}?from={way_back}",
        receipt=receipt(row["seq"], row["created_at"]),
        arrived=row["received_at"] or row["created_at"],
        channel=row["channel"],
        title=row["title"],
        excerpt=row["excerpt"],
        category=names.category_short(row["category"]),
        confidence=row["category_p"] if is_own else None,
        doubt=("没有把握" if row["abstained"] else "候选相近") if is_own and item.is_doubtful else "",
        kind=row["kind"],
        unit=names.unit(row["unit"]),
        returned=row["status"] == RETURNED,
        links=item.links,
        reasons=item.reasons,
        due=due_in_words(item.days_left) if item.days_left is not None else None,
    )


def _figures(figures: Figures) -> tuple[Figure, ...]:
    more = "+" if figures.capped else ""
    return (
        Figure("待办", f"{count(figures.waiting)}{more}", "", "/queue"),
        Figure(
            "已逾期",
            count(figures.overdue),
            "error" if figures.overdue else "",
            "/queue?due=overdue&sort=due",
        ),
        Figure("快到期", count(figures.soon), "warn" if figures.soon else "", "/queue?due=soon&sort=due"),
        Figure("被退回", count(figures.returned), "warn" if figures.returned else "", "/queue?status=已退回"),
    )


def _kept(asked: Asked) -> tuple[tuple[str, str], ...]:
    """What bulk accepting is narrowed to: not the order, nor the place in it."""
    names = [field.name for field in fields(asked) if field.name not in {"sort", "list", "after", "at"}]
    return tuple((name, value) for name in names if (value := getattr(asked, name)))
