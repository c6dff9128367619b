"""Accepting many confident suggestions at once: first exactly what would be accepted, then each by a decision of its own."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping

from api.decisions import Choice, decide
from api.listing import Asked
from api.queue import lens_of
from api.service import Service
from api.store import bulk as store
from api.store.firewall import Viewer
from api.store.listing import Wanted
from api.store.queue import Lens
from classifier.errors import ConflictError, FenbanError, InputError, NotFoundError, UnknownCodeError

#: The confidence one may ask for at least, and what is asked unless chosen otherwise.
LEAST, USUAL = 0.9, 0.95
#: So many are shown, and accepted, at most.
MOST = 200
REASON = "批量接受建议"

#: Why a petition was left out.
WHY_LEFT = {
    "taken": "已有人认定或退回，保持不变",
    "changed": "建议已有变化，请逐件认定",
    "single": "需要逐件认定",
    "hidden": "已不在您能看到的件里",
    "unknown": "建议的分类或单位已不在目录里",
    "failed": "没有存上，请逐件认定",
}


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be accepted at this confidence. `more`: there are others beyond. `token` goes back with the form, once."""

    rows: Sequence[RowMapping]
    more: bool
    floor: float
    token: str


@dataclass(frozen=True, slots=True)
class Left:
    """A petition that was not accepted, `row` None where it may not be seen (any more)."""

    row: RowMapping | None
    why: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one form. `ended_at` None: it is still at work, or was cut off."""

    accepted: tuple[RowMapping, ...]
    left: tuple[Left, ...]
    begun_at: datetime
    ended_at: datetime | None


def preview(service: Service, asked: Asked, floor: float, viewer: Viewer) -> Preview:
    """At most `MOST` of what `asked` narrows the queue to, first come first. Raises InputError for a confidence below `LEAST`."""
    if not LEAST <= floor <= 1:
        raise InputError(f"批量接受的把握要在 {LEAST:.0%} 到 100% 之间。请重新选择。")
    lens = lens_of(service, asked, viewer)
    with service.store.read() as connection:
        rows = store.acceptable(connection, lens, floor, MOST + 1)
    return Preview(rows[:MOST], len(rows) > MOST, floor, secrets.token_hex(16))


def accept(service: Service, token: str, chosen: Sequence[tuple[str, int]], viewer: Viewer) -> None:
    """Accept (petition, suggestion shown) each in a transaction of its own; what came of it says `outcome`.

    A token is used once: sent again, nothing happens. Raises InputError for no token, nothing or too much chosen.
    """
    if len(token) != 32 or not token.isalnum() or len(chosen) > MOST:
        raise InputError("表单不完整，没有接受任何件。请回到待办重新预览。")
    if not chosen:
        raise InputError("没有勾选任何件。请回到预览，至少留下一件。")
    try:
        with service.store.write() as connection:
            if not store.claim(connection, token, viewer.user_id):
                return
    except ConflictError:
        return
    accepted: list[str] = []
    left: list[tuple[str, str]] = []
    for petition_id, suggestion_id in dict(chosen).items():
        why = _accept(service, petition_id, suggestion_id, viewer)
        if why:
            left.append((petition_id, why))
        else:
            accepted.append(petition_id)
    with service.store.write() as connection:
        store.finish(connection, token, {"accepted": accepted, "left": left})


def outcome(service: Service, token: str, viewer: Viewer) -> Outcome:
    """Raises NotFoundError for a form that this user did not send."""
    with service.store.read() as connection:
        row = store.outcome(connection, token, viewer.user_id)
        if row is None:
            raise NotFoundError("没有这次批量接受的记录。请从待办里查看各件现在的状态。")
        result = json.loads(row["result"] or '{"accepted": [], "left": []}')
        known = store.titles(connection, [*result["accepted"], *(id_ for id_, _ in result["left"])], viewer)
    return Outcome(
        tuple(known[id_] for id_ in result["accepted"] if id_ in known),
        tuple(Left(known.get(id_), WHY_LEFT.get(why, WHY_LEFT["failed"])) for id_, why in result["left"]),
        row["created_at"],
        row["ended_at"],
    )


def _accept(service: Service, petition_id: str, suggestion_id: int, viewer: Viewer) -> str:
    """The code of the reason for which it was not accepted, "" when it was."""
    with service.store.read() as connection:
        found = store.acceptable(connection, Lens(Wanted(), viewer), LEAST, 1, petition_id)
        if not found:
            seen = store.titles(connection, [petition_id], viewer)
            if not seen:
                return "hidden"
            return "single" if store.is_untouched(connection, petition_id) else "taken"
    suggested = found[0]
    if suggested["suggestion_id"] != suggestion_id:
        return "changed"
    choice = Choice(
        category=suggested["category"],
        kind=suggested["kind"],
        unit=suggested["unit"],
        reason=REASON,
        expected=0,
    )
    try:
        decide(service, petition_id, choice, viewer)
    except FenbanError as problem:
        codes = ((ConflictError, "taken"), (NotFoundError, "hidden"), (UnknownCodeError, "unknown"))
        return next((code for kind, code in codes if isinstance(problem, kind)), "failed")
    return ""
