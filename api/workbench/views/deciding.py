"""What can be done on a petition's page: accept, decide, take back, send back, reply; each as it stands now or as it was typed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from api.access import Clerk
from api.names import Names
from api.store.firewall import Role
from api.store.petitions import DECIDED, RETURNED, now
from api.viewing import PetitionView
from api.workbench.contexts.petition import Accept, DecideForm, JointChoice, ReplyForm, ReturnForm, Undoable
from classifier.dates import CHINA

OFFICERS = (Role.INTAKE, Role.REVIEWER, Role.ADMIN)


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed into the form that was sent, to be shown again."""

    category: str = ""
    category_typed: str | None = None
    kind: str = ""
    unit: str = ""
    unit_typed: str | None = None
    joint: tuple[str, ...] = ()
    joint_typed: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TypedReply:
    """What was typed into the form of a reply."""

    day: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """What the page says beyond the petition: what was not done and why, and what was typed."""

    problem: str = ""
    conflict: bool = False
    typed: Typed | None = None
    return_reason: str | None = None
    reply: TypedReply | None = None


def last_day(due: datetime | None) -> date | None:
    """The last day of a time limit, in China; `due` is its end, 24:00."""
    return (due - timedelta(microseconds=1)).astimezone(CHINA).date() if due else None


def acceptable(view: PetitionView) -> Accept | None:
    """What to press: not again what is decided, not the unit that has just sent it back."""
    suggestion = view.suggestion
    if view.row["status"] == DECIDED or not suggestion["categories"] or not suggestion["units"]:
        return None
    unit = suggestion["units"][0]["id"]
    if view.sent_back and view.sent_back["unit"] == unit:
        return None
    return Accept(suggestion["categories"][0]["code"], suggestion["kind"]["name"], unit)


def decide_form(view: PetitionView, names: Names, said: Said) -> DecideForm:
    suggestion, decided = view.suggestion, view.decided or {}
    suggested_unit = suggestion["units"][0]["id"] if suggestion["units"] else ""
    returned_by = view.sent_back["unit"] if view.sent_back else ""
    category = decided.get("category") or (
        suggestion["categories"][0]["code"] if suggestion["categories"] else ""
    )
    unit = decided.get("unit") or suggested_unit
    if unit == returned_by:
        # The unit of before would be assigned it once more by a press too quick.
        unit = suggested_unit if suggested_unit != returned_by else ""
    joint = set(decided.get("joint_units", ()))
    offered = [*joint, *(each["id"] for each in suggestion["units"])]
    typed = said.typed
    if typed is not None:
        offered += typed.joint
        joint, category, unit = set(typed.joint), typed.category, typed.unit
    return DecideForm(
        category=category,
        category_shown=_shown(typed.category_typed if typed else None, names.category_alone(category)),
        kind=typed.kind if typed else decided.get("kind") or suggestion["kind"]["name"],
        unit=unit,
        unit_shown=_shown(typed.unit_typed if typed else None, names.unit(unit)),
        joint=tuple(
            JointChoice(each, names.unit(each), each in joint)
            for each in dict.fromkeys(offered)
            if each != unit or each in joint
        ),
        joint_shown=typed.joint_typed if typed else "",
        reason=typed.reason if typed else "",
        kept=typed is not None,
        open=typed is not None or (acceptable(view) is None and view.row["status"] != DECIDED),
    )


def _shown(typed: str | None, name: str) -> str:
    return name if typed is None else typed


def undoable(view: PetitionView, clerk: Clerk) -> Undoable | None:
    if view.decided is None:
        return None
    event, what = view.decided, "认定"
    if view.sent_back is not None:
        event, what = view.sent_back, "退回"
    elif view.replied is not None and view.replied["decision_id"] == view.row["decision_id"]:
        event, what = view.replied, "答复"
    if what != "认定" and not clerk.may(Role.REVIEWER, Role.ADMIN):
        return None
    return Undoable(event["id"], what, event["user"], event["created_at"])


def _holder(view: PetitionView, clerk: Clerk) -> str:
    """The unit for which this user may say that it sends the petition back or has replied; "" where there is none, or nothing left to say."""
    unit: str = view.decided["unit"] if view.decided else ""
    if not clerk.may(Role.UNIT, Role.REVIEWER, Role.ADMIN) or clerk.viewer.unit not in (None, unit):
        return ""
    return "" if view.row["status"] == RETURNED or view.replied else unit


def return_form(view: PetitionView, names: Names, clerk: Clerk, said: Said) -> ReturnForm | None:
    unit = _holder(view, clerk)
    if not unit:
        return None
    due = last_day(view.return_due)
    return ReturnForm(unit, names.unit(unit), due, said.return_reason or "", said.return_reason is not None)


def reply_form(view: PetitionView, names: Names, clerk: Clerk, said: Said) -> ReplyForm | None:
    unit = _holder(view, clerk)
    if not unit:
        return None
    today = now().astimezone(CHINA).date()
    arrived = (view.row["received_at"] or view.row["created_at"]).astimezone(CHINA).date()
    typed = said.reply or TypedReply(today.isoformat())
    return ReplyForm(unit, names.unit(unit), arrived, today, typed.day, typed.reason, said.reply is not None)
