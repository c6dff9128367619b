"""Help, and the algorithm notice (算法说明) that the law on personal information asks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from api.workbench.contexts.base import Page


@dataclass(frozen=True, slots=True)
class Shortcut:
    """One key."""

    #: The keys, as printed on them.
    keys: tuple[str, ...]
    #: Where it works.
    place: str
    #: What it does.
    does: str
    #: Whether the keys are pressed together, not one or the other.
    together: bool = False


@dataclass(frozen=True, slots=True)
class HelpPage(Page):
    """What each suggestion means, what one does with it, the keys."""

    template: ClassVar[str] = "help.html"

    #: From this level-1 probability on the model is sure, 0 to 1.
    threshold: float
    #: The keys.
    shortcuts: tuple[Shortcut, ...]
    #: Whether the viewer registers and decides.
    decides: bool
    #: Whether the viewer is of a handling unit.
    is_unit: bool
    #: Days within which a matter is to be handled.
    handling_days: int
    #: Where that comes from.
    handling_source: str
    #: Working days within which a unit may return what is not its own.
    return_days: int


@dataclass(frozen=True, slots=True)
class Measured:
    """How good one kind of suggestion was on held-out petitions; a figure is None where the report has none."""

    #: What was suggested.
    name: str
    #: On how many petitions.
    n: int
    #: Share in which the first suggestion was right.
    accuracy: float | None
    #: Share in which one of the first three was right.
    top3: float | None
    #: Mean difference of probability and share that was right.
    ece: float | None


@dataclass(frozen=True, slots=True)
class AlgorithmPage(Page):
    """What decides what here, from what, how well, and how to object."""

    template: ClassVar[str] = "help_algorithm.html"

    #: The version of the model in use.
    version: str
    #: The unit directory in use, in words.
    directory: str
    #: How many petitions it learnt from.
    petitions: int
    #: Whether the corpus that ships is among them.
    seed: bool
    #: Whether the office's own decisions are.
    office: bool
    #: Whether units are learnt, too, and not only routed by the directory.
    learns_units: bool
    #: From this level-1 probability on the model is sure, 0 to 1.
    threshold: float
    #: Figures on held-out petitions.
    measured: tuple[Measured, ...]
    #: Of links: how many judged pairs, average precision (0 to 1), the least score shown. None where the report says nothing.
    link_pairs: int | None
    #: See above.
    link_precision: float | None
    #: See above.
    link_threshold: float
    #: Share of petitions drawn by chance to learn how often suggestions are right.
    review_share: float
