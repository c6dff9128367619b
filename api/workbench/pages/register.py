"""Registering a petition: the form, suggestions while it is filled in, the text of a file, saving, the receipt."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from starlette.datastructures import FormData, UploadFile

from api.access import OfficerClerk, ServiceDep
from api.decisions import Choice
from api.documents import MAX_BYTES, text_of
from api.errors import status_of
from api.observe import Metrics
from api.registration import Outcome, receipt, register
from api.store.petitions import PENDING, now
from api.workbench import render, words
from api.workbench.contexts.register import Filled, Person, ReceiptPage, RegisterPage, SuggestionsPart
from api.workbench.look_up import Listed, name_of
from api.workbench.petition_form import (
    Choices,
    Deciding,
    blank,
    choices_of,
    deciding_from,
    filled_from,
    missing,
    petition_of,
)
from api.workbench.problems import is_fragment
from api.workbench.suggesting import links_of, nothing_yet, suggestions
from classifier.errors import FenbanError, IdempotencyError, InputError, UnreadableFileError
from classifier.petition import Channel

router = APIRouter(prefix="/register")

_SPARE = 2
_DONE = {
    Outcome.REGISTERED: "registered",
    Outcome.DECIDED: "registered-decided",
    Outcome.OTHERWISE: "registered-otherwise",
    Outcome.UNDECIDED: "registered-undecided",
}


async def _posted(request: Request) -> AsyncIterator[FormData]:
    """The fields as they came: what is wrong with them is told on the form itself."""
    async with request.form() as form:
        yield form


_Posted = Annotated[FormData, Depends(_posted)]


@router.get("")
def get_register(request: Request, clerk: OfficerClerk) -> Response:
    return render.page(request, clerk, _page(blank(now()), nothing_yet(Deciding(), {})))


@router.post("")
def post_register(request: Request, service: ServiceDep, clerk: OfficerClerk, form: _Posted) -> Response:
    """`do` is what was pressed: accept (save with what is chosen), register (save, decide nothing), suggest (show suggestions)."""
    filled, deciding = filled_from(form), deciding_from(form)
    petition, problems = petition_of(service, filled)
    do = form.get("do")
    choices, wrong = choices_of(service, deciding)
    saves = do == "register" or (do == "accept" and deciding.has_seen)
    if do == "accept" and saves:
        problems |= missing(choices) | wrong
    if not saves or problems:
        told = "建议已列出，看过后再保存。" if do == "accept" and not problems else ""
        return _again(request, service, clerk, filled, deciding, problems, told=told)
    try:
        choice = _choice(choices) if do == "accept" else None
        done = register(service, petition, choice, clerk.viewer, filled.nonce)
    except IdempotencyError:
        fresh = replace(filled, nonce=blank(now()).nonce)
        text = "这张表已经登记过一件，内容和现在的不同。要另外登记一件，请再按一次保存；要改已登记的，请到“查询”里打开它。"
        return _again(request, service, clerk, fresh, deciding, {}, text, status=409)
    except FenbanError as problem:
        return _again(request, service, clerk, filled, deciding, {}, str(problem), status=status_of(problem))
    metrics: Metrics = request.app.state.metrics
    if not done.replayed:
        metrics.petitions.inc()
        metrics.abstained.inc(done.abstained)
    return RedirectResponse(f"/register/{done.petition_id}/receipt?done={_DONE[done.outcome]}", 303)


@router.post("/suggest")
def post_suggest(service: ServiceDep, clerk: OfficerClerk, form: _Posted) -> Response:
    """The part beside the form, for the fields as they stand. Nothing is stored."""
    filled, deciding = filled_from(form), deciding_from(form)
    petition, problems = petition_of(service, filled)
    if "text" in problems:
        silent = problems["text"] if filled.title or filled.text.strip() else ""
        return render.fragment(nothing_yet(deciding, {}, silent))
    return render.fragment(suggestions(service, filled, petition, deciding, clerk.viewer, {}))


@router.post("/read")
def post_read(request: Request, service: ServiceDep, clerk: OfficerClerk, form: _Posted) -> Response:
    """The text of a file: as JSON for script, else the form with the text in it. Nothing of the file is kept."""
    file = form.get("file")
    try:
        if not isinstance(file, UploadFile) or not file.filename:
            raise UnreadableFileError("没有选文件。请先选一个 .txt 或 .docx 文件。")
        text = text_of(file.filename, file.file.read(MAX_BYTES + 1))
    except InputError as problem:
        if is_fragment(request):
            raise
        return _again(
            request,
            service,
            clerk,
            filled_from(form),
            deciding_from(form),
            {"file": str(problem)},
            look=False,
        )
    if is_fragment(request):
        return JSONResponse({"text": text})
    filled = filled_from(form)
    # What was typed stays; the file's text comes below it.
    filled = replace(filled, text=f"{filled.text.rstrip()}\n\n{text}" if filled.text.strip() else text)
    told = f"已读入 {len(text):,} 个字，请核对。"
    return _again(request, service, clerk, filled, deciding_from(form), {}, told=told, status=200)


@router.get("/{petition_id}/receipt")
def get_receipt(request: Request, service: ServiceDep, clerk: OfficerClerk, petition_id: str) -> Response:
    found = receipt(service, petition_id, clerk.viewer)
    taxonomy = service.live.engine().bundle.taxonomy
    shown = ReceiptPage(
        path=f"/petitions/{petition_id}",
        receipt=words.receipt(found.seq, found.created_at),
        registered=found.created_at,
        status=found.status,
        decided=found.status != PENDING,
        category=taxonomy.path(found.category) if found.category in taxonomy else found.category,
        kind=found.kind,
        unit=name_of(service, Listed.UNITS, found.unit),
        joint=tuple(name_of(service, Listed.UNITS, unit) for unit in found.joint),
        links=links_of(service, found.links),
    )
    return render.page(request, clerk, shown)


def _choice(choices: Choices) -> Choice:
    return Choice(choices.category, choices.kind, choices.unit, joint_units=choices.joint or None)


def _again(
    request: Request,
    service: ServiceDep,
    clerk: OfficerClerk,
    filled: Filled,
    deciding: Deciding,
    problems: dict[str, str],
    problem: str = "",
    told: str = "",
    status: int | None = None,
    look: bool = True,
) -> Response:
    """The form as it was typed, with suggestions where there is a text and the service can give any."""
    petition, wrong = petition_of(service, filled)
    part = nothing_yet(deciding, problems)
    if look and "text" not in wrong:
        try:
            part = suggestions(service, filled, petition, deciding, clerk.viewer, problems)
        except FenbanError as failed:
            # What was typed must come back even from a service that cannot answer.
            part = nothing_yet(deciding, problems, str(failed))
    if status is None:
        status = 422 if problems else 200
    return render.page(request, clerk, _page(filled, part, problem, told), status)


def _page(filled: Filled, part: SuggestionsPart, problem: str = "", told: str = "") -> RegisterPage:
    return RegisterPage(
        filled, tuple(Channel), problem, told, part.problems, (Person(),) * _SPARE, part.found, part.silent, part.carried,
        part.other_category, part.other_unit, part.other_joint,
    )  # fmt: skip
