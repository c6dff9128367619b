"""A petition's text and the steps of its history, as several pages show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """Some characters of a text that look alike."""

    #: The characters.
    text: str
    #: Whether they are marked.
    marked: bool
    #: The number that stands at the beginning of a mark, 0 for none.
    number: int
    #: Whether they say that identity data was taken out here.
    redacted: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """Title and text, cut into pieces; nothing is left out."""

    #: The title's, () without one.
    title: tuple[Piece, ...]
    #: The text's.
    text: tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """Another petition that is named."""

    #: Its receipt number.
    receipt: str
    #: Its page.
    href: str


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a history: what was done, by whom, when, why."""

    #: In two or three words.
    what: str
    #: When.
    at: datetime
    #: Who, "" for the machine.
    who: str
    #: In which role, "" where that was not kept.
    role: str
    #: What it said, a line each.
    lines: tuple[str, ...]
    #: Other petitions it concerns.
    others: tuple[Other, ...]
    #: The reason given, "" for none.
    reason: str
    #: Whether it was taken back later.
    undone: bool
