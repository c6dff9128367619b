"""The pages about models: which one is in use, how good each is, what changes from one to another, training anew, moving between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from markupsafe import Markup

from api.model_card import Card
from api.model_report import ClassFigures
from api.workbench.contexts.base import Page


@dataclass(frozen=True, slots=True)
class Badge:
    """A state in a word."""

    #: ok, warn, error, accent or "" for none of these.
    level: str
    #: The word, "" where nothing is to be said.
    word: str


@dataclass(frozen=True, slots=True)
class InUse:
    """The version in use."""

    #: What ACTIVE names, "" for none.
    active: str
    #: What this process answers with, "" for none.
    serving: str
    #: Since when, None when nobody knows.
    since: datetime | None
    #: Who put it to use, "" when nobody knows.
    by: str
    #: Where a rollback leads, "" for nowhere.
    previous: str


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step of a retraining."""

    #: What it does.
    name: str
    #: Whether it is the one at work.
    now: bool
    #: How much of it is done.
    done: int
    #: Of how much, None when that is not known.
    total: int | None


@dataclass(frozen=True, slots=True)
class RunView:
    """A retraining as it stands, or how the latest one ended."""

    #: Whether one is at work.
    running: bool
    #: Whether it was asked to end.
    cancelled: bool
    #: How it stands.
    badge: Badge
    #: What it came to, in a sentence.
    message: str
    #: Who started it, "" for nobody.
    by: str
    #: When, None for never.
    started_at: datetime | None
    #: When it ended.
    ended_at: datetime | None
    #: How long it has taken, e.g. 3 分 20 秒; "" for never.
    elapsed: str
    #: Its steps in order.
    steps: tuple[StepLine, ...]
    #: Why the gate said what it said.
    reasons: tuple[str, ...]
    #: What got better and what worse.
    changes: tuple[str, ...]
    #: The version it made, "" for none.
    version: str


@dataclass(frozen=True, slots=True)
class Measure:
    """How often suggestions were right, on petitions drawn at random."""

    #: Of what.
    label: str
    #: How many were decided.
    decided: int
    #: How many of them were right.
    right: int
    #: How many nobody has decided.
    undecided: int
    #: The share that was right, None before anything is decided.
    accuracy: float | None
    #: The lower end of the 95 % interval.
    low: float
    #: The upper end.
    high: float
    #: The interval as a bar, "" before anything is decided.
    bar: Markup


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Live accuracy."""

    #: The share of petitions drawn.
    share: float
    #: How many were drawn.
    sampled: int
    #: Of categories, kinds and units.
    measures: tuple[Measure, ...]
    #: What to keep in mind, "" for nothing.
    warning: str


@dataclass(frozen=True, slots=True)
class VersionLine:
    """A version in the list."""

    #: What it is called.
    version: str
    #: In use, passed, refused, never judged.
    badges: tuple[Badge, ...]
    #: What it came from.
    lineage: str
    #: How many petitions it learnt from.
    petitions: int
    #: Held-out accuracy of level-2 categories, None without.
    accuracy: float | None
    #: Why the gate said what it said.
    reasons: tuple[str, ...]
    #: Whether it can be put to use: not in use already, not refused.
    can_promote: bool


@dataclass(frozen=True, slots=True)
class MoveLine:
    """One change of the version in use."""

    #: When, None when the record is torn.
    at: datetime | None
    #: By whom.
    by: str
    #: What was done.
    what: str
    #: To which version.
    version: str
    #: From which, "" for none.
    before: str


@dataclass(frozen=True, slots=True)
class ServingPart(Page):
    """Which version this process answers with, for script to look at until it is the one in use."""

    template: ClassVar[str] = "models_serving.html"

    #: The version in use.
    use: InUse


@dataclass(frozen=True, slots=True)
class RunPart(Page):
    """A retraining's progress, for script to fetch anew."""

    template: ClassVar[str] = "models_run.html"

    #: How it stands.
    run: RunView


@dataclass(frozen=True, slots=True)
class ModelsPage(Page):
    """Which version is in use, how good it is, what to do next, and all the others."""

    template: ClassVar[str] = "models.html"

    #: The version in use.
    use: InUse
    #: What to do next, the most pressing first.
    todo: tuple[str, ...]
    #: The retraining at work or the latest one.
    run: RunView
    #: A version that waits to be put to use, "" for none.
    candidate: str
    #: How often suggestions are right.
    accuracy: Accuracy
    #: All versions, the newest first.
    versions: tuple[VersionLine, ...]
    #: The latest changes of the version in use, the newest first.
    moves: tuple[MoveLine, ...]
    #: Whether the reader may act.
    may_act: bool


@dataclass(frozen=True, slots=True)
class WeekLine:
    """Seven days."""

    #: When they began.
    since: datetime
    #: How many petitions came in.
    petitions: int
    #: Mean confidence, None without suggestions of the model in use.
    confidence: float | None
    #: The share of words the model does not know, None without texts.
    unknown: float | None
    #: How many categories people decided.
    decided: int
    #: How many of them otherwise than suggested.
    changed: int
    #: The lower end of the 95 % interval of that rate, None without decisions.
    low: float | None
    #: The upper end.
    high: float | None


@dataclass(frozen=True, slots=True)
class Drift:
    """Whether what comes in has changed."""

    #: What the last seven days are held against.
    against: str
    #: Why there is no finding, or that there is none; "" where there are some.
    note: str
    #: What moved and what to do, a sentence each.
    findings: tuple[str, ...]
    #: The weeks, the newest first.
    weeks: tuple[WeekLine, ...]
    #: A small chart of each figure over the weeks: its name and the drawing.
    charts: tuple[tuple[str, Markup], ...]
    #: Rates of fewer decisions are drawn hollow.
    few: int


@dataclass(frozen=True, slots=True)
class DriftPart(Page):
    """What moved, for script to put into the models' page."""

    template: ClassVar[str] = "models_drift_part.html"

    #: What moved.
    drift: Drift


@dataclass(frozen=True, slots=True)
class DriftPage(Page):
    """What moved, as a page of its own."""

    template: ClassVar[str] = "models_drift.html"

    #: What moved.
    drift: Drift


@dataclass(frozen=True, slots=True)
class ReachLine:
    """How far the suggestions above the line of abstention reach, on one source of answers."""

    #: Which answers.
    source: str
    #: How many.
    n: int
    #: The share above the line.
    coverage: float
    #: How much of that is right, None when nothing is above.
    accuracy: float | None
    #: Whether confidence says more or less than it keeps.
    lean: str


@dataclass(frozen=True, slots=True)
class DoubtfulLine:
    """A decision that looks mistaken."""

    #: The petition.
    petition_id: str
    #: Its receipt number.
    receipt: str
    #: Category, kind or unit.
    task: str
    #: What was decided.
    given: str
    #: What the model would have said.
    likely: str
    #: With which probability.
    probability: float


@dataclass(frozen=True, slots=True)
class ModelPage(Page):
    """One version: its figures, its curves, what looks mistaken, its card."""

    template: ClassVar[str] = "model.html"

    #: What it is called.
    version: str
    #: In use, passed, refused, never judged.
    badges: tuple[Badge, ...]
    #: What it came from.
    lineage: str
    #: The version it was judged against, else the one in use, "" where that is none or itself.
    against: str
    #: Why the gate said what it said.
    reasons: tuple[str, ...]
    #: What got better and what worse.
    changes: tuple[str, ...]
    #: The confidence below which it abstains.
    threshold: float
    #: How far it reaches, one a source.
    reach: tuple[ReachLine, ...]
    #: The reliability curve, None where there is nothing to draw it from.
    reliability: Markup | None
    #: The risk–coverage curve.
    coverage: Markup | None
    #: Held-out figures by category.
    classes: tuple[ClassFigures, ...]
    #: Decisions worth a second look.
    doubtful: tuple[DoubtfulLine, ...]
    #: How many there are in all.
    doubtful_count: int
    #: What it learnt, what it reached, whom it may fail.
    card: Card
    #: Whether it can be put to use, and the reader may do so.
    can_promote: bool


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """A category of one source of cases of which another number is right now."""

    #: What it is called.
    path: str
    #: Which cases.
    source: str
    #: Category, kind or unit.
    task: str
    #: How many cases.
    cases: int
    #: How many were right before.
    before: int
    #: How many are right after.
    after: int
    #: Better, worse, or some of each.
    badge: Badge


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """A text of the gold set that gets another answer."""

    #: Its number in the gold set.
    id: str
    #: Its title.
    title: str
    #: What changed, a line each.
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What changes from one version to the other."""

    #: Each source and task: what it is, cases, right before, right after.
    series: tuple[tuple[str, int, int, int], ...]
    #: By category, the worst loss first.
    categories: tuple[ChangeLine, ...]
    #: How many texts both were asked.
    asked: int
    #: Those whose answer changed.
    answers: tuple[AnswerLine, ...]


@dataclass(frozen=True, slots=True)
class ComparePage(Page):
    """Two versions side by side, worked out when asked for."""

    template: ClassVar[str] = "models_compare.html"

    #: All versions.
    versions: tuple[str, ...]
    #: The first.
    before: str
    #: The second.
    after: str
    #: What was wrong, "" for nothing.
    problem: str
    #: What changes, None before it was asked for.
    found: Comparison | None


@dataclass(frozen=True, slots=True)
class MovePage(Page):
    """Before another version is put to use: from which to which, what the gate said, what gets worse."""

    template: ClassVar[str] = "models_move.html"

    #: Whether this goes back to the version before.
    is_rollback: bool
    #: The version in use, "" for none; it goes with the form.
    before: str
    #: The version to be put to use, "" when there is nowhere to go back to.
    after: str
    #: The gate's verdict in a word.
    verdict: Badge
    #: Its reasons.
    reasons: tuple[str, ...]
    #: The version it was judged against, "" for none.
    judged_against: str
    #: How many of the common cases are right before and after, by source and task.
    series: tuple[tuple[str, int, int, int], ...]
    #: What gets worse, the worst first.
    worse: tuple[ChangeLine, ...]
    #: Why this cannot be done, "" when it can.
    barred: str
    #: What went wrong with the last try, "" for nothing.
    problem: str
