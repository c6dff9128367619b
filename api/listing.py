"""What somebody asked a list for, as it stands in the address of its page; and the choices the page offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, datetime, time, timedelta
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

from api.service import Service
from api.store.listing import Wanted
from api.store.petitions import STATUSES
from classifier.dates import CHINA, parse_date
from classifier.errors import DateError
from classifier.petition import Channel, Kind

_LONGEST = 200
_KNOWN: Mapping[str, frozenset[str]] = {
    "status": frozenset(STATUSES),
    "kind": frozenset(kind.value for kind in Kind),
    "channel": frozenset(channel.value for channel in Channel),
    "confidence": frozenset({"low", "high"}),
    "linked": frozenset({"1"}),
    "due": frozenset({"overdue", "soon"}),
    "sort": frozenset({"due"}),
    "list": frozenset({"petitions"}),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """The fields of the address; "" where nothing was asked. Dates are YYYY-MM-DD, the last day included."""

    status: str = ""
    category: str = ""
    kind: str = ""
    unit: str = ""
    channel: str = ""
    district: str = ""
    since: str = ""
    until: str = ""
    confidence: str = ""
    linked: str = ""
    due: str = ""
    #: "" is by use, `due` by due date.
    sort: str = ""
    #: Which list it is: "" is the queue, `petitions` the search.
    list: str = ""
    #: Words to look for.
    q: str = ""
    #: The place after which the page begins.
    after: str = ""
    #: The number of the latest decision when the list was shown.
    at: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str]) -> tuple[Self, str]:
        """What of an address is understood, and what is not, in words ("" for nothing): an unknown value narrows nothing."""
        names = [field.name for field in fields(cls)]
        values = {name: given.get(name, "").strip()[:_LONGEST] for name in names}
        odd = {name for name, known in _KNOWN.items() if values[name] and values[name] not in known}
        problem = "条件里有不认识的值，没有用它。请重新选择。" if odd else ""
        for name in ("since", "until"):
            try:
                values[name] = _day(values[name]).isoformat() if values[name] else ""
            except DateError as wrong:
                odd.add(name)
                problem = str(wrong)
        if values["since"] and values["until"] and not odd and values["since"] > values["until"]:
            problem = "起始日期晚于截止日期，找不到任何件。请改日期。"
        if not values["category"].isdecimal():
            values["category"] = ""
        return cls(**{name: "" if name in odd else value for name, value in values.items()}), problem

    @classmethod
    def read(cls, query: str) -> Self:
        """The same of a query string."""
        return cls.of(dict(parse_qsl(query[: 20 * _LONGEST].lstrip("?"))))[0]

    def query(self, **changes: str) -> str:
        """As a query string, with other values for some fields."""
        changed = replace(self, **changes)
        pairs = [(field.name, getattr(changed, field.name)) for field in fields(changed)]
        return urlencode([(name, value) for name, value in pairs if value])

    @property
    def narrows(self) -> bool:
        """Whether anything but the order is asked for."""
        return replace(self, sort="", list="", after="", at="") != type(self)()


def wanted(service: Service, asked: Asked) -> Wanted:
    """The same as a list in the store is narrowed to; what `due` and `sort` ask for is the queue's own."""
    district = _district(service, asked.district)
    until = _midnight(asked.until)
    return Wanted(
        status=asked.status,
        category=asked.category,
        kind=asked.kind,
        unit=asked.unit,
        channel=asked.channel,
        districts=district,
        since=_midnight(asked.since),
        until=until + timedelta(days=1) if until else None,
        confidence=asked.confidence,
        linked=bool(asked.linked),
    )


def _day(text: str) -> date:
    return parse_date(text).date()


def _midnight(day: str) -> datetime | None:
    return datetime.combine(date.fromisoformat(day), time(), CHINA) if day else None


def _district(service: Service, name: str) -> tuple[str, ...]:
    """All names of the district that is called so: petitions keep what the form said."""
    if not name:
        return ()
    known: Any = service.live.engine().router.directory.districts.values()
    return next(
        ((d.name, *d.aliases, d.code) for d in known if name in (d.name, d.code, *d.aliases)), (name,)
    )
