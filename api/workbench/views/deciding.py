"""What can be done on a petition's page: accept, decide, take back, send back; each as it stands now or as it was typed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from api.access import Clerk
from api.names import Names
from api.store.firewall import Role
from api.store.petitions import DECIDED, RETURNED
from api.viewing import PetitionView
from api.workbench.contexts.petition import Accept, DecideForm, JointChoice, ReturnForm, Undoable
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
class Said:
    """What the page says beyond the petition: what was not done and why, and what was typed."""

    problem: str = ""
    conflict: bool = False
    typed: Typed | None = None
    return_reason: str | None = None


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
    if view.sent_back is None:
        event, what = view.decided, "认定"
    elif clerk.may(Role.REVIEWER, Role.ADMIN):
        event, what = view.sent_back, "退回"
    else:
        return None
    return Undoable(event["id"], what, event["user"], event["created_at"])


def return_form(view: PetitionView, names: Names, clerk: Clerk, said: Said) -> ReturnForm | None:
    decided = view.decided
    if not clerk.may(Role.UNIT, Role.REVIEWER, Role.ADMIN) or not decided or not decided["unit"]:
        return None
    if view.row["status"] == RETURNED or clerk.viewer.unit not in (None, decided["unit"]):
        return None
    unit = decided["unit"]
    due = last_day(view.return_due)
    return ReturnForm(unit, names.unit(unit), due, said.return_reason or "", said.return_reason is not None)
