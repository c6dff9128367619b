"""Suggestions as a form shows them: with what was chosen in advance, and with what a person chose since, which no suggestion moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from api.intake import Preview, SeenLink, preview
from api.service import Service
from api.store.firewall import Viewer
from api.workbench import words
from api.workbench.contexts.register import (
    CategoryChoice,
    Filled,
    Found,
    KindChoice,
    LinkView,
    Piece,
    SuggestionsPart,
    Typed,
    UnitChoice,
)
from api.workbench.excerpts import passages
from api.workbench.look_up import Listed, name_of
from api.workbench.petition_form import Choices, Deciding, choices_of, warnings_of
from classifier.petition import KIND_ALIASES, Kind, LinkKind, Petition, Suggestion

_PASSAGES = 2
_LIKELY = 0.05


@dataclass(frozen=True, slots=True)
class _Own:
    """What a person chose otherwise than it was chosen in advance; empty where they left it."""

    category: str
    kind: str
    unit: str


def nothing_yet(deciding: Deciding, problems: dict[str, str], silent: str = "") -> SuggestionsPart:
    """The part while there is no text to read."""
    return SuggestionsPart(
        None,
        silent,
        tuple(_carried(deciding)),
        deciding.other_category,
        deciding.other_unit,
        deciding.other_joint,
        problems,
    )


def suggestions(
    service: Service,
    filled: Filled,
    petition: Petition,
    deciding: Deciding,
    viewer: Viewer,
    problems: dict[str, str],
) -> SuggestionsPart:
    """The part for a petition that has a text. Raises InputError, BundleError, StoreError.

    A choice by type-ahead that is understood becomes one of those to tick; one that is not stays as it was typed.
    """
    choices, wrong = choices_of(service, deciding)
    own = _Own(
        _own(choices.category, deciding.first_category),
        _own(choices.kind, deciding.first_kind),
        _own(choices.unit, deciding.first_unit),
    )
    kind = KIND_ALIASES[own.kind] if own.kind else None
    seen = preview(service, petition, viewer, own.category, kind)
    found = _found(service, petition, seen, own, choices, warnings_of(filled, petition))
    left = deciding
    if "category" not in wrong:
        left = replace(left, other_category=Deciding().other_category)
    if "unit" not in wrong:
        left = replace(left, other_unit=Deciding().other_unit)
    if "joint" not in wrong and "joint" not in problems:
        left = replace(left, other_joint=Deciding().other_joint)
    return SuggestionsPart(found, "", (), left.other_category, left.other_unit, left.other_joint, problems)


def links_of(service: Service, links: Sequence[SeenLink]) -> tuple[LinkView, ...]:
    """Links for a page, likeliest first; those of which nothing may be told come last."""
    return tuple(_link(service, link) for link in links)


def _carried(deciding: Deciding) -> Iterator[tuple[str, str]]:
    """What was chosen, as it was posted."""
    for name in ("category", "kind", "unit", "first_category", "first_kind", "first_unit"):
        if value := getattr(deciding, name):
            yield name, value
    yield from (("joint", unit) for unit in deciding.joint)
    for name in ("other_category", "other_unit", "other_joint"):
        typed: Typed = getattr(deciding, name)
        if typed.shown:
            yield from ((name, typed.code), (f"{name}_typed", typed.shown))


def _own(chosen: str, first: str) -> str:
    return chosen if chosen != first else ""


def _found(
    service: Service,
    petition: Petition,
    seen: Preview,
    own: _Own,
    choices: Choices,
    warnings: tuple[str, ...],
) -> Found:
    answer = seen.triage
    # An unsure model chooses nothing in advance, and a unit follows from the category: both are a person's to choose.
    is_unsure = answer.abstained or not answer.categories
    first_category = "" if is_unsure else answer.categories[0].code
    category = own.category or first_category
    first_unit = seen.units[0].id if category else ""
    first_kind = answer.kind.name.value
    kind = own.kind or first_kind
    return Found(
        model=answer.model_version,
        abstained=is_unsure,
        warnings=(*answer.warnings, *warnings),
        categories=_categories(service, petition, seen, category),
        kinds=_kinds(seen, kind),
        units=_units(service, seen, own.unit or first_unit, choices.joint),
        links=links_of(service, seen.links),
        first_category=first_category,
        first_kind=first_kind,
        first_unit=first_unit,
        accuses=kind == Kind.ACCUSATION.value,
    )


def _categories(
    service: Service, petition: Petition, seen: Preview, checked: str
) -> tuple[CategoryChoice, ...]:
    choices = [
        CategoryChoice(
            one.code,
            one.name,
            one.path,
            one.probability,
            passages(
                petition.given, [(span.start, span.end) for span in one.evidence], 3 if rank == 0 else 1
            ),
            one.code == checked,
        )
        for rank, one in enumerate(seen.triage.categories)
    ]
    if checked and not any(choice.checked for choice in choices):
        taxonomy = service.live.engine().bundle.taxonomy
        name, path = (
            (taxonomy[checked].name, taxonomy.path(checked)) if checked in taxonomy else (checked, "")
        )
        choices.insert(0, CategoryChoice(checked, name, path, None, (), checked=True))
    return tuple(choices)


def _passages(petition: Petition, one: Suggestion, rank: int) -> tuple[tuple[Piece, ...], ...]:
    """What carried the first in a few passages, a likely other in one; an unlikely one takes no room."""
    most = _PASSAGES if rank == 0 else int(one.probability >= _LIKELY)
    return passages(petition.given, [(span.start, span.end) for span in one.evidence], most)


def _kinds(seen: Preview, checked: str) -> tuple[KindChoice, ...]:
    first = seen.triage.kind
    order = [first.name, *(kind for kind in Kind if kind is not first.name)]
    return tuple(
        KindChoice(kind.value, first.probability if kind is first.name else None, kind.value == checked)
        for kind in order
    )


def _units(service: Service, seen: Preview, leads: str, joint: tuple[str, ...]) -> tuple[UnitChoice, ...]:
    choices = [
        UnitChoice(one.id, one.name, one.score, one.grounds, one.id == leads, one.id in joint)
        for one in seen.units
    ]
    offered = {choice.id for choice in choices}
    for unit in dict.fromkeys((leads, *joint)):
        if unit and unit not in offered:
            name = name_of(service, Listed.UNITS, unit)
            choices.append(UnitChoice(unit, name, None, (), unit == leads, unit in joint))
    return tuple(sorted(choices, key=lambda choice: not choice.leads))


def _link(service: Service, link: SeenLink) -> LinkView:
    kind = words.LINKS.get(link.kind, link.kind)
    repeats = link.kind == LinkKind.REPEAT_PETITION.value
    other = link.other
    if other is None:
        return LinkView(kind, None, repeats, "", "", "", None, "", "", (), ())
    return LinkView(
        kind,
        link.score,
        repeats,
        f"/petitions/{other['id']}",
        words.receipt(other["seq"], other["created_at"]),
        other["title"] or other["begins"],
        other["received_at"] or other["created_at"],
        other["status"],
        name_of(service, Listed.UNITS, other["unit"]),
        link.facts,
        link.contradictions,
    )
