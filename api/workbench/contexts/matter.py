"""The page of a matter: how it stands, its petitions, what happened, and parting it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import ClassVar

from api.workbench.contexts.base import Page
from api.workbench.contexts.letter import Other, Step


@dataclass(frozen=True, slots=True)
class MatterPetition:
    """One petition of the matter."""

    #: Its id.
    id: str
    #: Its page.
    href: str
    #: Its receipt number.
    receipt: str
    #: Its title.
    title: str
    #: How it came in.
    channel: str
    #: When it came in.
    arrived: datetime
    #: 初信初访 or 重复信访.
    first: str
    #: Its state.
    status: str
    #: The day of its reply; None while there is none.
    replied_on: date | None
    #: Its category.
    category: str
    #: Its unit's name.
    unit: str
    #: Whether it is ticked to be parted.
    ticked: bool


@dataclass(frozen=True, slots=True)
class RejectedPair:
    """Two petitions that somebody told apart and that others hold together."""

    #: The two side by side.
    href: str
    #: The one.
    one: Other
    #: The other.
    other: Other


@dataclass(frozen=True, slots=True)
class WayBack:
    """Where the reader came from."""

    #: The page.
    href: str
    #: What it is called.
    label: str


@dataclass(frozen=True, slots=True)
class MatterPage(Page):
    """A matter. All figures are the matter's and the office's."""

    template: ClassVar[str] = "matter.html"

    #: Its id.
    id: str
    #: The beginning of its id, to name it by.
    name: str
    #: The title of its first petition, "" for none.
    title: str
    #: Where the reader came from.
    back: WayBack
    #: Petitions on it.
    petitions: int
    #: Different petitioners.
    petitioners: int
    #: First petitions (初信初访).
    firsts: int
    #: Repeats (重复信访).
    repeats: int
    #: The unit in charge, "" while nobody decided.
    unit: str
    #: When the first one came in; None once nothing is left.
    opened: datetime | None
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
    #: The petitions, first come first.
    items: tuple[MatterPetition, ...]
    #: Pairs that need a look.
    rejected: tuple[RejectedPair, ...]
    #: What happened, in order.
    steps: tuple[Step, ...]
    #: Whether this user may part it.
    may_split: bool
    #: The reason typed.
    reason: str
    #: What was wrong, "" for nothing.
    problem: str
