"""What the first page of administration, the headings and the audit trail show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from api.workbench.contexts.base import Page


@dataclass(frozen=True, slots=True)
class AdminPage(Page):
    """How the service stands, and what can be done."""

    template: ClassVar[str] = "admin.html"

    #: The version of the model in use, "" for none.
    model: str
    #: What somebody should do, in words.
    problems: tuple[str, ...]
    #: SQLite or PostgreSQL.
    database: str
    #: Which unit directory is in use, in words.
    directory: str
    #: How many units it has.
    units: int
    #: How many rules it has.
    rules: int
    #: How many accounts may be used.
    accounts: int
    #: How many keys are in use.
    keys: int
    #: How many headings the office has.
    headings: int
    #: How many categories of level 1 and 2 fall under none of them.
    uncovered: int
    #: How many entries the audit trail has.
    entries: int


@dataclass(frozen=True, slots=True)
class HeadingRow:
    """A category and its heading."""

    #: Its code.
    code: str
    #: Its name.
    name: str
    #: What is given for the code itself, "" for nothing.
    given: str
    #: What holds for it now, from the code or from above, "" for nothing.
    holds: str


@dataclass(frozen=True, slots=True)
class HeadingBranch:
    """A level-1 category with those below it."""

    #: The category itself.
    top: HeadingRow
    #: Level 2, in order.
    below: tuple[HeadingRow, ...]
    #: How many of level 2 have a heading of their own.
    exceptions: int
    #: How many of level 2 fall under no heading.
    uncovered: int
    #: Whether to show level 2 at once.
    is_open: bool


@dataclass(frozen=True, slots=True)
class HeadingCount:
    """A heading and how much falls under it."""

    #: The heading.
    name: str
    #: How many level-2 categories.
    count: int


@dataclass(frozen=True, slots=True)
class HeadingsPage(Page):
    """The office's own headings over the taxonomy."""

    template: ClassVar[str] = "headings.html"

    #: Level 1 with level 2.
    branches: tuple[HeadingBranch, ...]
    #: Every heading there is.
    headings: tuple[HeadingCount, ...]
    #: How many codes of level 1 and 2 fall under none.
    uncovered: int
    #: Whether the office has its own, or those of the model count.
    own: bool
    #: What tells this content from any other.
    stamp: str
    #: Whether whoever looks may change anything.
    editable: bool
    #: The most characters of a heading.
    longest: int
    #: What was wrong with the last try, "" for nothing.
    problem: str


@dataclass(frozen=True, slots=True)
class ActionOption:
    """An action to narrow the trail to."""

    #: As it is kept.
    value: str
    #: In Chinese.
    label: str
    #: Whether it is chosen.
    chosen: bool


@dataclass(frozen=True, slots=True)
class TrailRow:
    """One entry of the trail."""

    #: Its number.
    number: int
    #: When.
    at: datetime
    #: Who, "" for nobody signed in.
    user: str
    #: In which role, in Chinese.
    role: str
    #: What, in Chinese.
    action: str
    #: The petition's id, "" for none.
    petition_id: str
    #: Its receipt number.
    receipt: str
    #: More about it, in words, part by part.
    detail: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """How the chain of the trail stands."""

    #: ok, warn or error.
    level: str
    #: In words.
    text: str
    #: Number of the latest entry.
    number: int
    #: Its digest.
    digest: str
    #: From where a check that ran out of time goes on, 0 when there is nothing to go on with.
    goes_on: int
    #: Whether the whole of it has just been checked.
    is_whole: bool


@dataclass(frozen=True, slots=True)
class AuditPage(Page):
    """Who saw, decided and changed what."""

    template: ClassVar[str] = "audit.html"

    #: Newest first.
    rows: tuple[TrailRow, ...]
    #: The address of the next page, "" for none.
    older: str
    #: Whether these are not the newest.
    is_later_page: bool
    #: The user it is narrowed to.
    user: str
    #: Every user name, for the input's list.
    users: tuple[str, ...]
    #: Actions to narrow it to.
    actions: tuple[ActionOption, ...]
    #: The receipt number it is narrowed to.
    receipt: str
    #: From this day on.
    since: str
    #: To this day, inclusive.
    until: str
    #: What was wrong with the filters, "" for nothing.
    problem: str
    #: Whether the trail holds.
    chain: Chain
