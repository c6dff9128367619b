"""Pages of imports: the list with the upload form, one file before, while and after it is imported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from api.workbench.contexts.base import Page


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One import in the list."""

    #: Its id.
    id: str
    #: The file's name.
    name: str
    #: Who uploaded it.
    user: str
    #: When it was uploaded.
    created_at: datetime
    #: How it stands, in Chinese.
    state: str
    #: The badge's colour: "" or one of ok, warn, error, accent.
    level: str
    #: Rows of the file; None while that is not known.
    total: int | None
    #: Petitions that were stored; None before it is started, as the next two.
    new: int | None
    #: Petitions that had been stored before.
    known: int | None
    #: Rows that were not imported.
    rejected: int | None


@dataclass(frozen=True, slots=True)
class ImportsPage(Page):
    """All imports somebody sees, and the form to upload a file."""

    template: ClassVar[str] = "imports.html"

    #: Newest first.
    rows: tuple[ImportRow, ...]
    #: Whether other people's imports are among them.
    everybodys: bool
    #: How many are listed at most.
    listed: int
    #: The largest file, in bytes.
    most: int
    #: The same in words.
    most_text: str
    #: For how many days rejected rows are kept.
    kept_days: int
    #: What was wrong with the last upload, "" for nothing.
    problem: str


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """One field, and which column feeds it."""

    #: The field's name in forms.
    name: str
    #: What it is called.
    label: str
    #: The heading chosen, "" for none.
    heading: str


@dataclass(frozen=True, slots=True)
class FieldGroup:
    """Fields that belong together."""

    #: What they are about.
    label: str
    #: Whether they are rarely needed and none is chosen: folded away.
    folded: bool
    #: The fields in order.
    fields: tuple[FieldChoice, ...]


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One of the first rows as it will be read."""

    #: Its line in the file.
    line: int
    #: One cell a column of the preview.
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would bring in."""

    #: Why nothing can be imported yet, "" for nothing.
    problem: str
    #: Rows in the file; None while that is not known.
    total: int | None
    #: How many of them were tried one by one.
    checked: int
    #: Of those, how many cannot be imported.
    rejected: int
    #: What the columns of the preview are called.
    columns: tuple[str, ...]
    #: The first rows.
    rows: tuple[PreviewRow, ...]
    #: Some rows that cannot be imported: line and reason.
    rejects: tuple[tuple[int, str], ...]
    #: Which column feeds which field.
    groups: tuple[FieldGroup, ...]
    #: The headings to choose from.
    headings: tuple[str, ...]
    #: What was wrong with the last choice, "" for nothing.
    mistake: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is."""

    #: Whether there is more to come.
    running: bool
    #: What is going on, in words.
    label: str
    #: Rows done with.
    read: int
    #: Rows of the file.
    total: int
    #: Petitions that were stored.
    new: int
    #: Petitions that had been stored before.
    known: int
    #: Rows that were not imported.
    rejected: int


@dataclass(frozen=True, slots=True)
class Result:
    """How an import ended."""

    #: What it said at the end, "" when all went well.
    message: str
    #: How long it was worked on, in words.
    took: str
    #: Rows a second, None for a few seconds.
    per_second: float | None
    #: Whether rejected rows can be downloaded.
    has_rejects: bool
    #: Whether it can be gone on with.
    may_continue: bool
    #: Whether there still is a file to delete.
    may_delete: bool
    #: Until when rejected rows are kept.
    kept_until: datetime | None


@dataclass(frozen=True, slots=True)
class ImportPage(Page):
    """One import."""

    template: ClassVar[str] = "import.html"

    #: The import.
    row: ImportRow
    #: Before it is started.
    preview: Preview | None
    #: While it is queued or at work.
    progress: Progress | None
    #: After it ended.
    result: Result | None


@dataclass(frozen=True, slots=True)
class ImportProgressPart(Page):
    """The part of the page that is fetched anew while an import is at work."""

    template: ClassVar[str] = "import_progress.html"

    #: How far it is.
    progress: Progress
