"""The first page of administration: how the service stands, and what can be done."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from api import headings, staff, trail
from api.access import AuditorClerk, ServiceDep
from api.store.firewall import Role
from api.workbench import render
from api.workbench.contexts.admin import AdminPage
from api.workbench.directory_view import in_use
from classifier.errors import TaxonomyError

router = APIRouter(prefix="/admin")


@router.get("")
def get_admin(request: Request, service: ServiceDep, clerk: AuditorClerk) -> Response:
    engine = service.live.engine()
    everybody = [account for account in staff.everybody(service) if account.disabled_at is None]
    # The shell tells an administrator what is wrong with model and directory on every page.
    told = None if clerk.may(Role.ADMIN) else service.live.problem
    problems = [problem for problem in (told, service.problem()) if problem]
    standing = trail.standing(service)
    if standing.checked.broken is not None:
        problems.append(f"审计记录从第 {standing.checked.broken} 条起不连续，请打开审计记录查看。")
    try:
        own = headings.headings(service)
    except TaxonomyError:
        # Live says already what is wrong with the file.
        counts, uncovered = dict[str, int](), 0
    else:
        counts, uncovered = own.counts, len(own.uncovered)
    directory = engine.router.directory
    shown = AdminPage(
        engine.bundle.version,
        tuple(problems),
        "SQLite（数据目录里的文件）" if service.store.is_sqlite else "PostgreSQL",
        in_use(service),
        len(directory.units),
        len(directory.rules),
        len(everybody),
        sum(account.keys for account in everybody),
        len(counts),
        uncovered,
        standing.number,
    )
    return render.page(request, clerk, shown)
