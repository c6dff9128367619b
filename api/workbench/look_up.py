"""What a type-ahead offers: categories, units, districts, each with its code and pinyin initials; and what was chosen from them.

A page shows a choice with the macro of templates/_ahead.html. The browser posts two fields: `<name>`, the code that script put there,
and `<name>_typed`, what stands in the visible input. `chosen` makes one code of the two, with or without script.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from enum import StrEnum
from functools import cached_property
from hashlib import sha256

from api.service import Service
from classifier.directory import Directory
from classifier.errors import UnknownCodeError
from classifier.sounds import initials
from classifier.taxonomy import Taxonomy

# So many near names a message offers.
_NEAR = 4


class Listed(StrEnum):
    """The lists, by the name they have in `/look-up/<name>`."""

    CATEGORIES = "categories"
    UNITS = "units"
    DISTRICTS = "districts"


_CALLED = {Listed.CATEGORIES: "分类", Listed.UNITS: "单位", Listed.DISTRICTS: "辖区"}


@dataclass(frozen=True, slots=True)
class Offer:
    """One entry of a list. `more` is what else it is found by: other names, duties."""

    code: str
    name: str
    path: str
    initials: str
    more: str = ""


@dataclass(frozen=True)
class Offers:
    """One list, in the order of its source."""

    listed: Listed
    all: tuple[Offer, ...]

    @cached_property
    def by_code(self) -> dict[str, Offer]:
        return {offer.code: offer for offer in self.all}

    @cached_property
    def by_name(self) -> dict[str, list[Offer]]:
        """By name, by path and by each other name."""
        found: dict[str, list[Offer]] = {}
        for offer in self.all:
            for name in dict.fromkeys((offer.name, offer.path, *offer.more.split("、"))):
                if name:
                    found.setdefault(_plain(name), []).append(offer)
        return found

    @cached_property
    def body(self) -> bytes:
        """As JSON."""
        return json.dumps([asdict(offer) for offer in self.all], ensure_ascii=False).encode()

    @cached_property
    def tag(self) -> str:
        """An ETag: changes with the content."""
        return f'"{sha256(self.body).hexdigest()[:20]}"'


@dataclass(frozen=True, slots=True)
class _Made:
    """All lists of one taxonomy and directory. Not of one bundle: the lists must not keep an old model in memory."""

    taxonomy: Taxonomy
    directory: Directory
    offers: dict[Listed, Offers]


_latest: _Made | None = None


def offers(service: Service, listed: Listed) -> Offers:
    """The list as the model and the directory in use have it; made once for each."""
    global _latest
    engine = service.live.engine()
    taxonomy, directory = engine.bundle.taxonomy, engine.router.directory
    made = _latest
    if made is None or made.taxonomy is not taxonomy or made.directory is not directory:
        made = _Made(taxonomy, directory, _lists(taxonomy, directory))
        _latest = made
    return made.offers[listed]


def chosen(service: Service, listed: Listed, code: str, typed: str | None = None) -> str:
    """The code that was chosen, "" for none. `typed` is None where the page has no visible input beside the code.

    What is typed wins over a code that it does not name: without script the code is the one the page was sent with. It may be a code, a
    name, a path, another name, or "name code". Raises UnknownCodeError, naming near choices.
    """
    known = offers(service, listed)
    code = code.strip()
    if typed is None:
        if code and code not in known.by_code:
            raise UnknownCodeError(f"{_CALLED[listed]}代码“{code[:20]}”已经没有了。请重新选一个。")
        return code
    typed = typed.strip()
    if not typed:
        return ""
    shown = known.by_code.get(code)
    if shown is not None and _plain(typed) in {_plain(shown.name), _plain(shown.path), shown.code.lower()}:
        return code
    return _named(known, typed)


def name_of(service: Service, listed: Listed, code: str) -> str:
    """What a code is called; the code itself where nothing is."""
    offer = offers(service, listed).by_code.get(code)
    return offer.name if offer else code


def _named(known: Offers, typed: str) -> str:
    if typed in known.by_code:
        return typed
    found = known.by_name.get(_plain(typed), [])
    # A unit's path is the name of the one above it, which that name means first.
    own = [offer for offer in found if _plain(typed) == _plain(offer.name)]
    found = own or [offer for offer in found if _plain(typed) == _plain(offer.path)] or found
    if len(found) == 1:
        return found[0].code
    what = _CALLED[known.listed]
    if found:
        raise UnknownCodeError(
            f"叫“{typed[:20]}”的{what}不止一个：{_written(found[:_NEAR])}。请写代码或选一个。"
        )
    near = _near(known, typed)
    hint = f"相近的有：{_written(near)}。" if near else ""
    raise UnknownCodeError(f"没有“{typed[:20]}”这个{what}。{hint}请从列出的选项里选，或写代码。")


def _near(known: Offers, typed: str) -> list[Offer]:
    plain = _plain(typed)
    inside = [offer for offer in known.all if plain in _plain(offer.name) or plain == offer.initials]
    close = [
        offer for name in get_close_matches(plain, known.by_name, _NEAR) for offer in known.by_name[name]
    ]
    return list(dict.fromkeys((*inside, *close)))[:_NEAR]


def _written(found: Iterable[Offer]) -> str:
    return "、".join(f"{offer.name}（{offer.code}）" for offer in found)


def _plain(name: str) -> str:
    return "".join(name.split()).lower()


def _lists(taxonomy: Taxonomy, directory: Directory) -> dict[Listed, Offers]:
    units = directory.units
    lists: dict[Listed, list[Offer]] = {
        Listed.CATEGORIES: [
            Offer(c.code, c.name, taxonomy.path(c.code), initials(c.name), taxonomy.heading(c.code))
            for c in taxonomy.categories.values()
        ],
        Listed.UNITS: [
            Offer(
                unit.id,
                unit.name,
                units[unit.parent].name if unit.parent in units else "",
                initials(unit.name),
                "、".join((*unit.aliases, *unit.duties)),
            )
            for unit in units.values()
        ],
        Listed.DISTRICTS: [
            Offer(d.code, d.name, "", initials(d.name), "、".join(d.aliases))
            for d in directory.districts.values()
        ],
    }
    return {listed: Offers(listed, tuple(found)) for listed, found in lists.items()}
