"""Two petitions side by side: what they share, where they differ, and whether they are one matter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from api.workbench.contexts.base import Page
from api.workbench.contexts.letter import Letter, Step


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two."""

    #: 本件 or 另一件.
    label: str
    #: Its page.
    href: str
    #: Its receipt number.
    receipt: str
    #: Its state.
    status: str
    #: How it came in, "" when not known.
    channel: str
    #: When it came in.
    arrived: datetime
    #: Its category as it stands, without what it belongs to.
    category: str
    #: Its kind as it stands.
    kind: str
    #: Its unit's name.
    unit: str
    #: Whether the unit is decided, not only suggested.
    decided: bool
    #: Its text, shared passages marked and numbered.
    letter: Letter


@dataclass(frozen=True, slots=True)
class Fact:
    """Something both name."""

    #: What it is: 道路, 小区 …
    label: str
    #: The name.
    name: str


@dataclass(frozen=True, slots=True)
class Difference:
    """Something each names otherwise."""

    #: What it is.
    label: str
    #: What this one names.
    ours: str
    #: What the other one names.
    theirs: str


@dataclass(frozen=True, slots=True)
class Reason:
    """What weighed in the score."""

    #: What was compared.
    label: str
    #: Its weight in words.
    weight: str
    #: Whether it speaks for one matter.
    speaks_for: bool


@dataclass(frozen=True, slots=True)
class PairPage(Page):
    """A link with its two petitions."""

    template: ClassVar[str] = "link.html"

    #: The address of this page.
    here: str
    #: 一信多投, 重复信访 or 多人同一事项.
    kind: str
    #: What that means.
    meaning: str
    #: 0 to 1.
    score: float
    #: 待认定, 已确认 or 已否定.
    verdict: str
    #: The number of the verdict, 0 for none.
    expected: int
    #: Whether a split gave it.
    of_split: bool
    #: How alike the words are, 0 to 1.
    similarity: float
    #: This one and the other one.
    sides: tuple[Side, ...]
    #: The number of shared passages.
    passages: int
    #: What both name.
    facts: tuple[Fact, ...]
    #: What each names otherwise.
    differences: tuple[Difference, ...]
    #: Rare words both have.
    terms: tuple[str, ...]
    #: Which identity data agree.
    keys: tuple[str, ...]
    #: What weighed how much.
    reasons: tuple[Reason, ...]
    #: The time between the two, in words.
    between: str
    #: Whether this user may confirm and reject.
    may_decide: bool
    #: The reason typed.
    reason: str
    #: What was wrong, "" for nothing.
    problem: str
    #: Whether that is because somebody else was faster.
    conflict: bool
    #: Whether the verdict may be taken back.
    may_undo: bool
    #: Verdicts so far.
    steps: tuple[Step, ...]
    #: This petition's page.
    back: str
    #: Its other links nobody has decided on.
    undecided: int
    #: The filter of the queue the petition was opened from, as a query.
    queue: str
