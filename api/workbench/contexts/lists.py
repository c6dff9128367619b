"""The contexts of lists: the queue, what bulk accepting would do and did, the search."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from api.workbench.contexts.base import Page


@dataclass(frozen=True, slots=True)
class Choice:
    """One value of a filter."""

    #: As it stands in the address.
    value: str
    #: What it is called.
    label: str


@dataclass(frozen=True, slots=True)
class Group:
    """Choices under one heading."""

    #: The heading, "" for none.
    label: str
    #: The choices, in order.
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition of a list."""

    #: Its name in the address.
    name: str
    #: What it is called.
    label: str
    #: select or date.
    type: str
    #: What is chosen now, "" for all.
    value: str
    #: What may be chosen, for a select.
    groups: tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Filters:
    """The conditions above a list."""

    #: The page they are of.
    action: str
    #: Those always shown.
    main: tuple[Filter, ...]
    #: Those shown on demand.
    more: tuple[Filter, ...]
    #: Whether one of `more` is in use.
    open: bool
    #: Whether anything is narrowed.
    narrowed: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A time limit, as one reads it."""

    #: In words: 逾期 2 天, 今天到期, 还有 5 天.
    text: str
    #: error, warn or "": overdue, soon due, neither.
    level: str


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One petition that waits for a decision."""

    #: Its page, with the way back to this list.
    href: str
    #: The receipt number.
    receipt: str
    #: When it came in.
    arrived: datetime
    #: How it came in, "" where not known.
    channel: str
    #: The redacted title, "" for none.
    title: str
    #: The beginning of the redacted text.
    excerpt: str
    #: The last names of the category's path.
    category: str
    #: How sure the model is of it, 0 to 1, None where the category is not its own.
    confidence: float | None
    #: In which way the category is doubtful: 没有把握 (the model said so), 候选相近, "".
    doubt: str
    #: 诉求类型.
    kind: str
    #: The unit suggested or, once sent back, the one that did.
    unit: str
    #: Whether a unit sent it back.
    returned: bool
    #: With how many petitions a link was suggested that nobody has decided on.
    links: int
    #: Why it is asked about.
    reasons: tuple[str, ...]
    #: Until when it is to be forwarded, None without a limit.
    due: Due | None


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that leads to the list it counts."""

    #: What it counts.
    label: str
    #: The figure in digits, with + when there are more.
    text: str
    #: error, warn or "".
    level: str
    #: The list.
    href: str


@dataclass(frozen=True, slots=True)
class QueuePage(Page):
    """待办: what waits for a decision."""

    template: ClassVar[str] = "queue.html"

    #: The petitions, in order.
    rows: tuple[QueueRow, ...]
    #: The conditions.
    filters: Filters
    #: How many wait, are due.
    figures: tuple[Figure, ...]
    #: What of the address was not understood, "" for nothing.
    problem: str
    #: Whether it is sorted by due date.
    by_due: bool
    #: The first page, "" when this is it.
    first: str
    #: The next page, "" on the last.
    next: str
    #: Names and values of the address, for the form of bulk accepting.
    kept: tuple[tuple[str, str], ...]
    #: The confidences to choose from for bulk accepting.
    floors: tuple[Choice, ...]
    #: The one usually chosen.
    floor: str
    #: The time limit in days and where it stands.
    limit: str


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One petition that would be accepted."""

    #: Its number and that of the suggestion shown.
    value: str
    #: Its page.
    href: str
    #: The receipt number.
    receipt: str
    #: When it came in.
    arrived: datetime
    #: The redacted title, "" for none.
    title: str
    #: The last names of the category's path.
    category: str
    #: How sure the model is of the category, 0 to 1.
    confidence: float
    #: 诉求类型.
    kind: str
    #: How sure the model is of the kind, 0 to 1.
    kind_confidence: float
    #: The lead unit.
    unit: str


@dataclass(frozen=True, slots=True)
class BulkPreviewPage(Page):
    """Exactly what accepting at a confidence would accept."""

    template: ClassVar[str] = "queue_preview.html"

    #: The petitions, first come first.
    rows: tuple[PreviewRow, ...]
    #: Whether there are others beyond.
    more: bool
    #: The confidence.
    floor: float
    #: The most that are accepted at once.
    most: int
    #: Sent with the form, used once.
    token: str
    #: The queue it came from.
    back: str


@dataclass(frozen=True, slots=True)
class AcceptedRow:
    """One petition of the result."""

    #: Its page, "" when it may not be seen.
    href: str
    #: The receipt number, "" when it may not be seen.
    receipt: str
    #: The redacted title.
    title: str
    #: The last names of the category it was assigned, "" where it was left out.
    category: str
    #: What else it was assigned, or why it was left out.
    note: str


@dataclass(frozen=True, slots=True)
class BulkResultPage(Page):
    """What came of it."""

    template: ClassVar[str] = "queue_accepted.html"

    #: What was accepted.
    accepted: tuple[AcceptedRow, ...]
    #: What was left out.
    left: tuple[AcceptedRow, ...]
    #: Whether it is still at work.
    running: bool
    #: Whether it was cut off before it ended.
    cut: bool
    #: When it was sent.
    begun: datetime


@dataclass(frozen=True, slots=True)
class FoundRow:
    """One petition found."""

    #: Its page.
    href: str
    #: The receipt number.
    receipt: str
    #: When it came in.
    arrived: datetime
    #: How it came in.
    channel: str
    #: The district the form named.
    district: str
    #: The redacted title, "" for none.
    title: str
    #: The beginning of the redacted text.
    excerpt: str
    #: 待认定, 已认定 or 已退回.
    status: str
    #: The last names of the category's path.
    category: str
    #: 诉求类型.
    kind: str
    #: The unit in charge.
    unit: str
    #: For a unit: 主办 or 协办.
    role: str
    #: For a unit: until when it is to be handled.
    due: Due | None


@dataclass(frozen=True, slots=True)
class SearchPage(Page):
    """查询: the petitions one may see."""

    template: ClassVar[str] = "petitions.html"

    #: What is looked for.
    q: str
    #: What of it could not be looked for, "" for nothing.
    problem: str
    #: The petitions found, newest first.
    rows: tuple[FoundRow, ...]
    #: Older ones that only the index of rare words found.
    older: tuple[FoundRow, ...]
    #: The conditions.
    filters: Filters
    #: The first page, "" when this is it.
    first: str
    #: The next page, "" on the last.
    next: str
    #: Words were looked for down to petitions registered then, None for in all.
    read_to: datetime | None
    #: The Excel file of this list.
    download: str
    #: The most rows it has.
    download_most: int
    #: Whether the list is a unit's own.
    of_unit: bool
    #: A unit's time limit in days and where it stands.
    limit: str
