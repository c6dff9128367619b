"""The context of a petition's page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from sqlalchemy import RowMapping

from api.access import Clerk
from api.store.firewall import RESTRICTED, Role
from api.store.petitions import DECIDED, RETURNED
from api.viewing import PetitionView
from api.workbench import words
from api.workbench.contexts.letter import Letter, Other
from api.workbench.contexts.petition import (
    Accept,
    Candidate,
    Compared,
    DecideForm,
    JointChoice,
    LinkRow,
    MatterBox,
    OriginalPage,
    Person,
    PetitionPage,
    ReturnForm,
    Undoable,
    UnitCandidate,
)
from api.workbench.marked import letter
from api.workbench.names import Names
from api.workbench.views.steps import arrived, role_name, steps_of
from classifier.carry import carry_over
from classifier.dates import CHINA
from classifier.petition import Kind

OFFICERS = (Role.INTAKE, Role.REVIEWER, Role.ADMIN)
FIRST, REPEAT = "初信初访", "重复信访"
_VERDICTS = {None: "待认定", True: "已确认", False: "已否定"}
_PERSON = (
    ("name", "姓名"),
    ("id_number", "身份证号"),
    ("phone", "电话"),
    ("address", "住址"),
    ("account", "平台账号"),
)


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


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a queue the petition stands: the queue's filter and its neighbours' ids, "" for none."""

    queue: str = ""
    previous: str = ""
    following: str = ""
    just: Other | None = None


def last_day(due: datetime | None) -> date | None:
    """The last day of a time limit, in China; `due` is its end, 24:00."""
    return (due - timedelta(microseconds=1)).astimezone(CHINA).date() if due else None


def with_queue(path: str, queue: str, **more: str) -> str:
    """An address that carries along the queue one came from."""
    query = "&".join(
        f"{name}={quote(value, safe='')}" for name, value in (("from", queue), *more.items()) if value
    )
    return f"{path}?{query}" if query else path


def address(petition_id: str, queue: str = "", **more: str) -> str:
    """The page of a petition, opened from this queue."""
    return with_queue(f"/petitions/{petition_id}", queue, **more)


def petition_page(
    view: PetitionView, names: Names, clerk: Clerk, evidence: int, place: Place, said: Said
) -> PetitionPage:
    """`evidence` is the number of the candidate whose evidence is marked, from 1."""
    row, suggestion, decided = view.row, view.suggestion, view.decided
    may_decide = clerk.may(*OFFICERS)
    text, marked = _letter(view, evidence)
    links = tuple(_link(link, view, names, place.queue) for link in view.links)
    return PetitionPage(
        id=row["id"],
        receipt=words.receipt(row["seq"], row["created_at"]),
        status=row["status"],
        channel=row["channel"],
        arrived=arrived(row),
        district=row["district"],
        people=row["people"],
        letter=text,
        marked=marked,
        compared=_compared(view, names),
        decided_by=_by(decided) if decided else "",
        decided_why=decided["reason"] if decided else "",
        returned_why=view.sent_back["reason"] if view.sent_back else "",
        abstained=suggestion["abstained"],
        warnings=tuple(suggestion["warnings"]),
        candidates=_candidates(view, place, evidence),
        kind=suggestion["kind"]["name"],
        kind_probability=suggestion["kind"]["probability"],
        units=tuple(
            UnitCandidate(unit["name"], unit["role"], unit["score"], tuple(unit["grounds"]))
            for unit in suggestion["units"]
        ),
        accept=_accept(view) if may_decide else None,
        form=_form(view, names, said) if may_decide else None,
        kinds=tuple(kind.value for kind in Kind),
        expected=row["decision_id"] or 0,
        problem=said.problem,
        conflict=said.conflict,
        undo=_undoable(view, clerk) if may_decide else None,
        send_back=_send_back(view, names, clerk, said),
        may_open_original=may_decide,
        links=links,
        undecided=sum(link.verdict == _VERDICTS[None] and bool(link.href) for link in links),
        matter=_matter(view, names),
        steps=steps_of(view.events, view.heads, names),
        queue=place.queue,
        back=f"/queue?{place.queue}" if place.queue else "",
        previous=address(place.previous, place.queue) if place.previous else "",
        following=address(place.following, place.queue) if place.following else "",
        just=place.just,
    )


def original_page(row: RowMapping | Mapping[str, Any], whole: Mapping[str, Any], queue: str) -> OriginalPage:
    """`whole` is what `get_original` answers."""
    people = [
        ("信访人", whole["petitioner"]),
        *(("联名信访人", person) for person in whole["joint_petitioners"]),
        ("代理人", whole["agent"]),
    ]
    shown = (
        Person(role, tuple((label, person[name]) for name, label in _PERSON if person.get(name)))
        for role, person in people
    )
    return OriginalPage(
        words.receipt(row["seq"], row["created_at"]),
        address(row["id"], queue),
        whole["title"],
        whole["text"],
        tuple(person for person in shown if person.fields),
    )


def _letter(view: PetitionView, evidence: int) -> tuple[Letter, str]:
    row, categories = view.row, view.suggestion["categories"]
    if not 0 < evidence <= len(categories):
        return letter(row["title"], row["text"]), ""
    chosen = categories[evidence - 1]
    spans = [(span["start"], span["end"], span["text"]) for span in chosen["evidence"]]
    redactions = [(each["kind"], each["start"], each["end"]) for each in view.suggestion["redactions"]]
    places = carry_over(spans, f"{row['title']}\n{row['text']}", redactions)
    found = [(start, end, 0) for start, end in filter(None, places)]
    return letter(row["title"], row["text"], found), chosen["path"] if found else ""


def _candidates(view: PetitionView, place: Place, evidence: int) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            each["path"],
            each["code"],
            each["probability"],
            address(view.row["id"], place.queue, evidence=str(number)) if each["evidence"] else "",
            number == evidence,
        )
        for number, each in enumerate(view.suggestion["categories"], start=1)
    )


def _compared(view: PetitionView, names: Names) -> tuple[Compared, ...]:
    suggestion, decided = view.suggestion, view.decided or {}
    categories, units = suggestion["categories"], suggestion["units"]
    return (
        Compared(
            "分类",
            categories[0]["path"] if categories else "",
            names.category(decided.get("category", "")),
        ),
        Compared("诉求类型", suggestion["kind"]["name"], decided.get("kind", "")),
        Compared("主办单位", units[0]["name"] if units else "", names.unit(decided.get("unit", ""))),
        Compared("协办单位", "", "、".join(map(names.unit, decided.get("joint_units", ())))),
    )


def _by(event: Mapping[str, Any]) -> str:
    return f"{event['user']}（{role_name(event['role'])}）{words.minute(event['created_at'])}"


def _accept(view: PetitionView) -> Accept | None:
    """What to press: not again what is decided, not the unit that has just sent it back."""
    suggestion = view.suggestion
    if view.row["status"] == DECIDED or not suggestion["categories"] or not suggestion["units"]:
        return None
    unit = suggestion["units"][0]["id"]
    if view.sent_back and view.sent_back["unit"] == unit:
        return None
    return Accept(suggestion["categories"][0]["code"], suggestion["kind"]["name"], unit)


def _form(view: PetitionView, names: Names, said: Said) -> DecideForm:
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
        open=typed is not None or (_accept(view) is None and view.row["status"] != DECIDED),
    )


def _shown(typed: str | None, name: str) -> str:
    return name if typed is None else typed


def _undoable(view: PetitionView, clerk: Clerk) -> Undoable | None:
    if view.decided is None:
        return None
    if view.sent_back is None:
        event, what = view.decided, "认定"
    elif clerk.may(Role.REVIEWER, Role.ADMIN):
        event, what = view.sent_back, "退回"
    else:
        return None
    return Undoable(event["id"], what, event["user"], event["created_at"])


def _send_back(view: PetitionView, names: Names, clerk: Clerk, said: Said) -> ReturnForm | None:
    decided = view.decided
    if not clerk.may(Role.UNIT, Role.REVIEWER, Role.ADMIN) or not decided or not decided["unit"]:
        return None
    if view.row["status"] == RETURNED or clerk.viewer.unit not in (None, decided["unit"]):
        return None
    unit = decided["unit"]
    due = last_day(view.return_due)
    return ReturnForm(unit, names.unit(unit), due, said.return_reason or "", said.return_reason is not None)


def _link(link: Mapping[str, Any], view: PetitionView, names: Names, queue: str) -> LinkRow:
    verdict = _VERDICTS[link["confirmed"]]
    head = view.heads.get(link["id"])
    if head is None:
        return LinkRow(RESTRICTED, None, verdict, "", "", "", None, False, "", "", "")
    first = next((row["first"] for row in view.members if row["id"] == link["id"]), None)
    return LinkRow(
        words.LINKS.get(link["kind"], link["kind"]),
        link["score"],
        verdict,
        with_queue(f"/petitions/{view.row['id']}/links/{link['id']}", queue),
        words.receipt(head["seq"], head["created_at"]),
        head["title"],
        arrived(head),
        (arrived(head), head["seq"]) < (arrived(view.row), view.row["seq"]),
        head["status"],
        names.unit(head["unit"]),
        "" if first is None else FIRST if first else REPEAT,
    )


def _matter(view: PetitionView, names: Names) -> MatterBox | None:
    at = view.standing
    if at is None:
        return None
    return MatterBox(
        f"/matters/{at['id']}",
        at["petitions"],
        at["petitioners"],
        at["first"],
        names.unit(at["unit"]),
        last_day(at["due_at"]),
        at["due_source"],
        at["overdue"],
    )
