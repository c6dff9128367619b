"""Registering a petition: the form, the suggestions beside it, the receipt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from api.workbench.contexts.base import Page


@dataclass(frozen=True, slots=True)
class Person:
    """The fields of one person, as typed."""

    #: Name.
    name: str = field(default="", repr=False)
    #: ID number.
    id_number: str = field(default="", repr=False)
    #: Phone.
    phone: str = field(default="", repr=False)
    #: Address.
    address: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Filled:
    """What stands in the form's fields about the petition, as typed."""

    #: Made when the form was first shown; whatever comes with it is stored once.
    nonce: str
    #: Title.
    title: str = field(default="", repr=False)
    #: Text.
    text: str = field(default="", repr=False)
    #: Channel, one of those offered.
    channel: str = ""
    #: When it came in, in any writing.
    received: str = ""
    #: Number of people.
    people: str = "1"
    #: The district's code that script chose.
    district: str = ""
    #: What stands in the district's input.
    district_typed: str = ""
    #: Who submits.
    petitioner: Person = field(default_factory=Person, repr=False)
    #: Who signs as well.
    joint: tuple[Person, ...] = field(default=(), repr=False)
    #: Who speaks for them.
    agent: Person = field(default_factory=Person, repr=False)


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text, marked or not."""

    #: The characters.
    text: str
    #: Whether they carried the suggestion.
    marked: bool


@dataclass(frozen=True, slots=True)
class CategoryChoice:
    """One category to choose."""

    #: Its code.
    code: str
    #: Its name.
    name: str
    #: The names from level 1 down.
    path: str
    #: How likely, 0 to 1; None where a person named it.
    probability: float | None
    #: Passages of the text with what carried it, each in pieces.
    passages: tuple[tuple[Piece, ...], ...]
    #: Whether it is the one chosen now.
    checked: bool


@dataclass(frozen=True, slots=True)
class KindChoice:
    """One kind to choose."""

    #: Its name.
    name: str
    #: How likely, 0 to 1; None where it was not the one suggested.
    probability: float | None
    #: Whether it is the one chosen now.
    checked: bool


@dataclass(frozen=True, slots=True)
class UnitChoice:
    """One unit to choose as lead, or to join."""

    #: Its id.
    id: str
    #: Its name.
    name: str
    #: How much speaks for it, 0 to 1; None where a person named it.
    score: float | None
    #: Why, in words.
    grounds: tuple[str, ...]
    #: Whether it is chosen as lead now.
    leads: bool
    #: Whether it is chosen to join now.
    joins: bool


@dataclass(frozen=True, slots=True)
class LinkView:
    """An earlier petition that may belong to this one."""

    #: The link's kind in Chinese.
    kind: str
    #: How likely, 0 to 1; None for one of which nothing else may be told.
    score: float | None
    #: Whether it is a repeat.
    repeats: bool
    #: Where it is shown, "" for one of which nothing else may be told.
    path: str
    #: Its receipt number.
    receipt: str
    #: Its title or how it begins, without identity.
    title: str
    #: When it came in.
    received: datetime | None
    #: Its state.
    status: str
    #: The unit that has it, by name.
    unit: str
    #: What both name.
    facts: tuple[str, ...]
    #: What they name differently.
    contradictions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Typed:
    """A type-ahead: what was typed and the code that goes with it."""

    #: The code, "" for none.
    code: str = ""
    #: What stands in the input.
    shown: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """What is suggested for the text as it stands, and what is chosen now."""

    #: The version that suggests.
    model: str
    #: Whether the model says that it is not sure of the category.
    abstained: bool
    #: What to look at before going on.
    warnings: tuple[str, ...]
    #: Categories, likeliest first.
    categories: tuple[CategoryChoice, ...]
    #: All kinds, the likeliest first.
    kinds: tuple[KindChoice, ...]
    #: Units, best first.
    units: tuple[UnitChoice, ...]
    #: Earlier petitions, likeliest first.
    links: tuple[LinkView, ...]
    #: The category chosen in advance, "" for none: with it the next request tells a person's choice from ours.
    first_category: str
    #: The kind chosen in advance.
    first_kind: str
    #: The lead unit chosen in advance, "" for none.
    first_unit: str
    #: Whether the kind chosen now is 检举控告.
    accuses: bool


@dataclass(frozen=True, slots=True)
class SuggestionsPart(Page):
    """The suggestions beside the form, fetched anew while one types."""

    template: ClassVar[str] = "register_suggestions.html"

    #: What is suggested; None while there is no text to read.
    found: Found | None
    #: Why there is nothing, "" for no reason worth telling.
    silent: str
    #: While there is nothing, what was chosen before, as fields that are sent along.
    carried: tuple[tuple[str, str], ...]
    #: Another category, by type-ahead.
    other_category: Typed
    #: Another lead unit, by type-ahead.
    other_unit: Typed
    #: One more joint unit, by type-ahead.
    other_joint: Typed
    #: What is wrong, by field.
    problems: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RegisterPage(Page):
    """The form, with the suggestions for what stands in it."""

    template: ClassVar[str] = "register.html"

    #: What stands in the fields.
    filled: Filled
    #: The channels there are.
    channels: tuple[str, ...]
    #: What is wrong with the whole, "" for nothing.
    problem: str
    #: What just happened, "" for nothing: a file was read, suggestions are there.
    told: str
    #: What is wrong, by field.
    problems: Mapping[str, str]
    #: Empty lines for more people who sign.
    spare: tuple[Person, ...]
    #: As in SuggestionsPart.
    found: Found | None
    #: As in SuggestionsPart.
    silent: str
    #: As in SuggestionsPart.
    carried: tuple[tuple[str, str], ...]
    #: As in SuggestionsPart.
    other_category: Typed
    #: As in SuggestionsPart.
    other_unit: Typed
    #: As in SuggestionsPart.
    other_joint: Typed


@dataclass(frozen=True, slots=True)
class ReceiptPage(Page):
    """A petition was registered: its number, what was decided, what to look at next."""

    template: ClassVar[str] = "register_receipt.html"

    #: The petition's page.
    path: str
    #: Its receipt number.
    receipt: str
    #: When it was registered.
    registered: datetime
    #: Its state.
    status: str
    #: Whether a person decided on it.
    decided: bool
    #: The category that holds, by path; "" for none.
    category: str
    #: The kind that holds.
    kind: str
    #: The lead unit that holds, by name.
    unit: str
    #: Joint units, by name.
    joint: tuple[str, ...]
    #: Links to look at.
    links: tuple[LinkView, ...]
