"""How the models stand: which one is in use and which one serves here, whether there is a way back, what it has not learnt from yet."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from api.run_state import Run, RunState, State
from api.service import Service
from api.store.firewall import Viewer
from api.store.recent import Fresh, Marks, fresh_since, marks_at
from classifier.errors import BundleError
from classifier.registry import Move, Registry

# A run that ended so has shown what there was to learn then.
_JUDGED = frozenset({State.PASSED, State.REFUSED, State.NOTHING})


@dataclass(frozen=True, slots=True)
class Standing:
    """`active` is what ACTIVE names and `serving` what this process uses, each "" for none; `previous` is where a rollback leads, "" for
    nowhere; `moved` the move that put `active` there; `candidate` a version that the latest run made, that passed, and that was judged
    against `active`, "" for none."""

    active: str
    serving: str
    previous: str
    moved: Move | None
    run: Run
    fresh: Fresh
    candidate: str


def standing(service: Service, viewer: Viewer) -> Standing:
    registry = Registry(service.settings.models)
    active, run = registry.active_version(), RunState(registry.root).read()
    moves = [move for move in registry.history() if move.version == active]
    with service.store.read() as connection:
        fresh = fresh_since(connection, _marks(connection, registry, active, run), viewer)
    passed = run.state is State.PASSED and run.parent == active and run.version in registry.versions()
    return Standing(
        active,
        serving(service),
        previous_of(registry),
        moves[-1] if moves else None,
        run,
        fresh,
        run.version if passed else "",
    )


def serving(service: Service) -> str:
    """The version that this process answers with."""
    try:
        return service.live.engine().bundle.version
    except BundleError:
        return ""


def previous_of(registry: Registry) -> str:
    """Where a rollback would lead, "" for nowhere."""
    try:
        return registry.previous()
    except BundleError:
        return ""


def _marks(connection: Connection, registry: Registry, active: str, run: Run) -> Marks:
    """What was learnt, or judged and refused, last: by the latest run if it began from this version or made it, else as its report says."""
    if run.state in _JUDGED and run.newest and active in {run.parent, run.version}:
        with suppress(ValueError):
            decision, returned, link, _ = map(int, run.newest.split("/"))
            return Marks(decision, returned, link)
    with suppress(ValueError):
        return marks_at(connection, datetime.fromisoformat(registry.lineage(active).get("last_decision", "")))
    return Marks()
