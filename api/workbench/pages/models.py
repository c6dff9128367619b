"""The pages about models. Overseers read; administrators train anew, promote and roll back, each after a page that says what would change."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request, Response
from fastapi.responses import RedirectResponse

from api import drift, model_report, model_state, models, promotion, retrain
from api.access import AdminClerk, Clerk, OverseerClerk, ServiceDep
from api.errors import status_of
from api.model_card import card_of
from api.review import live_accuracy
from api.run_state import RunState
from api.service import Service
from api.store.firewall import Role
from api.store.petitions import now
from api.workbench import model_views as views
from api.workbench import render
from api.workbench.contexts.base import Notice
from api.workbench.contexts.models import (
    ComparePage,
    DriftPage,
    DriftPart,
    ModelPage,
    ModelsPage,
    MovePage,
    RunPart,
    RunView,
    ServingPart,
)
from api.workbench.curves import coverage_chart, reliability_chart
from api.workbench.problems import is_fragment
from classifier.errors import AlreadyRunningError, BundleError, ConflictError, FenbanError
from classifier.registry import Registry

router = APIRouter(prefix="/models")

_MOVES_SHOWN, _DOUBTFUL_SHOWN, _WORSE_SHOWN = 10, 50, 12
_Version = Annotated[str, Query(max_length=64)]
_Expected = Annotated[str, Form(max_length=64)]


@router.get("")
def get_models(request: Request, service: ServiceDep, clerk: OverseerClerk) -> Response:
    return render.page(request, clerk, _models(service, clerk))


def _models(service: Service, clerk: Clerk) -> ModelsPage:
    found, known = model_state.standing(service, clerk.viewer), models.overview(service.settings)
    briefs = {brief["version"]: brief for brief in known["versions"]}
    newest = (v for v in Registry(service.settings.models).newest_first() if v in briefs)
    return ModelsPage(
        views.in_use(found),
        views.todo(found),
        _run(service),
        found.candidate,
        views.accuracy_view(live_accuracy(service, clerk.viewer)),
        tuple(views.version_line(briefs[version], found.active, found.previous) for version in newest),
        tuple(map(views.move_line, known["promotions"][:_MOVES_SHOWN])),
        clerk.may(Role.ADMIN),
    )


def _run(service: Service) -> RunView:
    files = RunState(service.settings.models)
    run = files.read()
    return views.run_view(run, files.is_cancelled(run), now())


@router.get("/serving")
def get_serving(service: ServiceDep, clerk: OverseerClerk) -> Response:
    return render.fragment(ServingPart(views.in_use(model_state.standing(service, clerk.viewer))))


@router.get("/drift")
def get_drift(request: Request, service: ServiceDep, clerk: OverseerClerk) -> Response:
    found = views.drift_view(drift.recent_health(service))
    return (
        render.fragment(DriftPart(found))
        if is_fragment(request)
        else render.page(request, clerk, DriftPage(found))
    )


@router.post("/retrain")
def post_retrain(request: Request, service: ServiceDep, clerk: AdminClerk) -> Response:
    try:
        retrain.start(service, clerk.user)
    except AlreadyRunningError as problem:
        return render.page(request, clerk, _models(service, clerk), 409, Notice("warn", str(problem)))
    return RedirectResponse("/models#retrain", 303)


@router.post("/retrain/cancel")
def post_cancel(service: ServiceDep, clerk: AdminClerk) -> Response:
    # One that has ended meanwhile needs no cancelling: the page shows how it ended.
    with suppress(ConflictError):
        retrain.cancel(service, clerk.user)
    return RedirectResponse("/models#retrain", 303)


@router.get("/retrain/progress")
def get_progress(service: ServiceDep, _: OverseerClerk) -> Response:
    return render.fragment(RunPart(_run(service)))


@router.get("/compare")
def get_compare(
    request: Request,
    service: ServiceDep,
    clerk: OverseerClerk,
    before: _Version = "",
    after: _Version = "",
    go: Annotated[str, Query(max_length=1)] = "",
) -> Response:
    """Two models are loaded only when `go` is given: the button sends it."""
    registry = Registry(service.settings.models)
    versions = tuple(registry.newest_first())
    before = before or registry.active_version()
    after = after or next((version for version in versions if version != before), "")
    if not go:
        return render.page(request, clerk, ComparePage(versions, before, after, "", None))
    if before == after:
        again = ComparePage(versions, before, after, "两个版本相同，没有可比的。请选两个不同的版本。", None)
        return render.page(request, clerk, again, 422)
    try:
        found = models.compare(service.settings, before, after)
    except FenbanError as problem:
        again = ComparePage(versions, before, after, str(problem), None)
        return render.page(request, clerk, again, status_of(problem))
    shown = views.comparison(found, models.gold_titles(service.settings))
    return render.page(request, clerk, ComparePage(versions, before, after, "", shown))


@router.get("/rollback")
def get_rollback(request: Request, service: ServiceDep, clerk: AdminClerk) -> Response:
    return render.page(request, clerk, _rollback(service))


@router.post("/rollback")
def post_rollback(
    request: Request, service: ServiceDep, clerk: AdminClerk, expected: _Expected = ""
) -> Response:
    try:
        _check_expected(service, expected)
        promotion.rollback(service, clerk.user, expected)
    except FenbanError as problem:
        return render.page(request, clerk, _rollback(service, str(problem)), status_of(problem))
    return RedirectResponse("/models?done=model-rolled-back", 303)


@router.get("/{version}")
def get_model(version: str, request: Request, service: ServiceDep, clerk: OverseerClerk) -> Response:
    return render.page(request, clerk, _model(service, clerk, version))


def _model(service: Service, clerk: Clerk, version: str) -> ModelPage:
    registry = Registry(service.settings.models)
    found = models.show(service.settings, version)
    report, verdict, threshold = found["report"], found["verdict"], found["threshold"]
    passed, active = None if verdict is None else verdict.get("passed") is True, registry.active_version()
    reach = model_report.reaches(registry, version, report, threshold)
    drawn = [(one.source, one.curves) for one in reach]
    doubtful, count = model_report.doubtful(service, verdict, clerk.viewer, _DOUBTFUL_SHOWN)
    judged_against = str((verdict or {}).get("parent", "")) or active
    return ModelPage(
        version,
        views.badges(version, passed, active, model_state.previous_of(registry)),
        views.lineage_words(report.get("lineage")),
        judged_against if judged_against != version and judged_against in registry.versions() else "",
        views.reasons(verdict),
        views.changes(verdict),
        threshold,
        tuple(map(views.reach_line, reach)),
        reliability_chart(drawn) if drawn else None,
        coverage_chart(drawn, threshold, [(one.coverage, one.accuracy) for one in reach]) if drawn else None,
        tuple(model_report.class_figures(registry, report, model_report.named(service))),
        tuple(map(views.doubtful_line, doubtful)),
        count,
        card_of(report, threshold),
        clerk.may(Role.ADMIN) and version != active and passed is not False,
    )


@router.get("/{version}/promote")
def get_promote(version: str, request: Request, service: ServiceDep, clerk: AdminClerk) -> Response:
    return render.page(request, clerk, _promote(service, version))


@router.post("/{version}/promote")
def post_promote(
    version: str, request: Request, service: ServiceDep, clerk: AdminClerk, expected: _Expected = ""
) -> Response:
    if version == Registry(service.settings.models).active_version():
        # Pressed twice, or somebody else did the same: what was wanted holds.
        return RedirectResponse("/models?done=model-already", 303)
    try:
        _check_expected(service, expected)
        promotion.promote(service, version, clerk.user, expected)
    except (ConflictError, BundleError) as problem:
        return render.page(request, clerk, _promote(service, version, str(problem)), status_of(problem))
    return RedirectResponse("/models?done=model-promoted", 303)


def _check_expected(service: Service, expected: str) -> None:
    """Raises ConflictError when a form does not say what it would replace, though there is something to replace."""
    active = Registry(service.settings.models).active_version()
    if active and not expected:
        raise ConflictError("页面已经过期，这次没有执行。请看过现在的情况再决定。")


def _promote(service: Service, version: str, problem: str = "") -> MovePage:
    known = models.show(service.settings, version)
    passed = None if known["verdict"] is None else known["verdict"].get("passed") is True
    barred = ""
    if known["active"]:
        barred = "这个版本已经在使用，不用再启用。"
    elif passed is False:
        barred = "这个版本没有通过检验，不能启用。原因见下；多认定、改正标错的件后可以重新训练。"
    return _move(service, version, False, barred, problem)


def _rollback(service: Service, problem: str = "") -> MovePage:
    previous = model_state.previous_of(Registry(service.settings.models))
    barred = "" if previous else "没有可以退回的上一个模型，或它已不完整。可以从版本列表里启用另一个版本。"
    return _move(service, previous, True, barred, problem)


def _move(service: Service, after: str, is_rollback: bool, barred: str, problem: str) -> MovePage:
    registry = Registry(service.settings.models)
    before, verdict = registry.active_version(), registry.verdict(after) if after else None
    series, changed = model_report.changes(service, before, after) if before and after else ({}, ())
    worse = [change for change in changed if change.tally.after < change.tally.before]
    return MovePage(
        is_rollback,
        before,
        after,
        views.judgement(None if verdict is None else verdict.get("passed") is True),
        views.reasons(verdict),
        str((verdict or {}).get("parent", "")),
        views.series_lines(series),
        tuple(map(views.change_line, worse[:_WORSE_SHOWN])),
        barred,
        problem,
    )
