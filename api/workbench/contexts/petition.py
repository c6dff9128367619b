"""The page of one petition: its text, suggestion beside decision, links, matter, history; and the page of its original."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from api.workbench.contexts.base import Page
from api.workbench.contexts.letter import Letter, Other, Step


@dataclass(frozen=True, slots=True)
class Candidate:
    """One suggested category."""

    #: The path of names.
    path: str
    #: The code.
    code: str
    #: Probability, 0 to 1.
    probability: float
    #: The page with this one's evidence marked, "" when it has none.
    href: str
    #: Whether its evidence is marked now.
    here: bool


@dataclass(frozen=True, slots=True)
class UnitCandidate:
    """One suggested unit."""

    #: Its name.
    name: str
    #: 主办 or 协办.
    role: str
    #: 0 to 1.
    score: float
    #: Why, a line each.
    grounds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing to decide: what is suggested, what was decided."""

    #: What it is called.
    label: str
    #: The suggestion, "" for none.
    suggested: str
    #: What was decided, "" for nothing yet.
    decided: str


@dataclass(frozen=True, slots=True)
class Accept:
    """The suggestion as it would be decided by one press."""

    #: Category code.
    category: str
    #: Kind.
    kind: str
    #: The lead unit's id.
    unit: str


@dataclass(frozen=True, slots=True)
class JointChoice:
    """A unit that may join."""

    #: Its id.
    id: str
    #: Its name.
    name: str
    #: Whether it is ticked.
    ticked: bool


@dataclass(frozen=True, slots=True)
class DecideForm:
    """What stands in the form: as decided, else as suggested, else as typed before something was wrong."""

    #: Category code.
    category: str
    #: Its name, or what was typed.
    category_shown: str
    #: Kind.
    kind: str
    #: The lead unit's id.
    unit: str
    #: Its name, or what was typed.
    unit_shown: str
    #: Units that may join.
    joint: tuple[JointChoice, ...]
    #: What was typed to add another one.
    joint_shown: str
    #: The reason.
    reason: str
    #: Whether that is what was typed before something was wrong.
    kept: bool
    #: Whether it stands open.
    open: bool


@dataclass(frozen=True, slots=True)
class Undoable:
    """The step that would be taken back."""

    #: As the history names it.
    event: str
    #: 认定, 退回 or 答复.
    what: str
    #: Who did it.
    who: str
    #: When.
    at: datetime


@dataclass(frozen=True, slots=True)
class ReturnForm:
    """Sending the petition back."""

    #: The lead unit's id.
    unit: str
    #: Its name.
    name: str
    #: The last day for it.
    due: date | None
    #: The reason typed.
    reason: str
    #: Whether it stands open.
    open: bool


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """Recording that the petitioner was answered."""

    #: The lead unit's id.
    unit: str
    #: Its name.
    name: str
    #: The first day it can have been: when the petition came in.
    first: date
    #: The last: today.
    last: date
    #: The day typed; today before anything was.
    day: str
    #: The note typed.
    reason: str
    #: Whether it stands open.
    open: bool


@dataclass(frozen=True, slots=True)
class LinkRow:
    """One link of the petition."""

    #: 一信多投, 重复信访, 多人同一事项 or 仅限授权人员.
    kind: str
    #: 0 to 1; None where the other one is for authorised people only.
    score: float | None
    #: 待认定, 已确认 or 已否定.
    verdict: str
    #: The two side by side, "" where that is not for them.
    href: str
    #: The other one's receipt number.
    receipt: str
    #: Its title.
    title: str
    #: When it came in.
    arrived: datetime | None
    #: Whether it came in before this one.
    earlier: bool
    #: Its state.
    status: str
    #: Its unit's name.
    unit: str
    #: 初信初访 or 重复信访 on the matter of both, "" while they are on none together.
    first: str


@dataclass(frozen=True, slots=True)
class MatterBox:
    """The matter the petition is on. All figures are the matter's and the office's."""

    #: Its page.
    href: str
    #: Petitions on it.
    petitions: int
    #: Different petitioners.
    petitioners: int
    #: Whether this petition is its petitioner's first on it.
    first: bool
    #: The unit in charge, "" while nobody decided.
    unit: str
    #: The last day of the time limit.
    due: date | None
    #: Where the limit comes from.
    source: str
    #: Whether it is over while a petition has no reply.
    overdue: bool
    #: The day of the last reply once every petition has one; None before.
    replied_on: date | None
    #: Petitions with a reply.
    replies: int


@dataclass(frozen=True, slots=True)
class PetitionPage(Page):
    """One petition."""

    template: ClassVar[str] = "petition.html"

    #: The petition's id.
    id: str
    #: Its receipt number.
    receipt: str
    #: 待认定, 已认定 or 已退回.
    status: str
    #: How it came in, "" when not known.
    channel: str
    #: When it came in.
    arrived: datetime
    #: Where, "" when not known.
    district: str
    #: How many people.
    people: int
    #: The text with what is marked.
    letter: Letter
    #: Whether evidence is marked, and of which category.
    marked: str
    #: Suggestion and decision, a line each.
    compared: tuple[Compared, ...]
    #: Who decided and when, "" while nobody has.
    decided_by: str
    #: Why it was decided so, "" for no reason given.
    decided_why: str
    #: What the unit that sent it back said, "" when none did.
    returned_why: str
    #: Whether the machine says it is not sure.
    abstained: bool
    #: What the machine warns of.
    warnings: tuple[str, ...]
    #: Suggested categories, the best first.
    candidates: tuple[Candidate, ...]
    #: The suggested kind.
    kind: str
    #: Its probability.
    kind_probability: float
    #: Suggested units, the lead first.
    units: tuple[UnitCandidate, ...]
    #: What one press would decide; None where there is nothing to accept, or nobody to do it.
    accept: Accept | None
    #: The form; None for who may not decide.
    form: DecideForm | None
    #: The kinds to choose from.
    kinds: tuple[str, ...]
    #: The number of the decision shown, 0 for none.
    expected: int
    #: What the page says at the top when something was not done, "" for nothing.
    problem: str
    #: Whether that is because somebody else was faster.
    conflict: bool
    #: What may be taken back; None for nothing, or nobody to do it.
    undo: Undoable | None
    #: Sending it back; None where that makes no sense, or for who may not.
    send_back: ReturnForm | None
    #: Recording a reply; None where that makes no sense, or for who may not.
    reply: ReplyForm | None
    #: The day of the reply that stands; None while there is none.
    replied_on: date | None
    #: Whether the original may be asked for.
    may_open_original: bool
    #: Links, the best first.
    links: tuple[LinkRow, ...]
    #: Links nobody has decided on.
    undecided: int
    #: Its matter; None while it is on none.
    matter: MatterBox | None
    #: What happened, in order.
    steps: tuple[Step, ...]
    #: The filter of the queue it was opened from, as a query, "" for none.
    queue: str
    #: The queue's page, "" when it was not opened from there.
    back: str
    #: The one before in the queue, "" for none.
    previous: str
    #: The next one.
    following: str
    #: The petition just decided, when the page came up by itself after it.
    just: Other | None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody the petition names."""

    #: 信访人, 联名信访人 or 代理人.
    role: str
    #: Label and value of each field that is filled in.
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OriginalPage(Page):
    """The original text and who wrote it. Opening it is on record."""

    template: ClassVar[str] = "petition_original.html"

    #: The petition's receipt number.
    receipt: str
    #: The petition's page.
    back: str
    #: The title as given.
    title: str
    #: The text as given.
    text: str
    #: Who it names.
    people: tuple[Person, ...]
