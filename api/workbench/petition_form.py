"""The registration form: from what a browser posts to what was typed, to a petition, or to what is wrong with it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import zip_longest

from starlette.datastructures import FormData

from api.service import Service
from api.store.petitions import now
from api.workbench import words
from api.workbench.contexts.register import Filled, Person, Typed
from api.workbench.look_up import Listed, chosen, name_of
from classifier.dates import parse_date
from classifier.errors import DateError, EmptyTextError, TextTooLongError, UnknownCodeError
from classifier.identity import canonical_id_number, canonical_phone
from classifier.petition import CHANNEL_ALIASES, KIND_ALIASES, Channel, Petition, Petitioner
from classifier.records import check_text

#: Where nothing was chosen: what comes in most.
FIRST_CHANNEL = Channel.LETTER
_NOBODY = Person()
_MOST_PEOPLE = 999_999
_MOST_SIGNERS = 200
#: The longest value of each person's field, as the HTTP interface has it.
_LONGEST = {"name": 200, "id_number": 40, "phone": 40, "address": 500}
_FIELD_NAMES = {"name": "姓名", "id_number": "身份证号", "phone": "电话", "address": "住址"}
#: Regulation Art. 20: a visit of several people sends at most so many representatives.
_REPRESENTATIVES = 5
# Clocks differ a little.
_SLACK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Deciding:
    """What of a decision was posted. `first_…` is what was chosen in advance when the form was shown."""

    category: str = ""
    kind: str = ""
    unit: str = ""
    joint: tuple[str, ...] = ()
    other_category: Typed = field(default_factory=Typed)
    other_unit: Typed = field(default_factory=Typed)
    other_joint: Typed = field(default_factory=Typed)
    first_category: str = ""
    first_kind: str = ""
    first_unit: str = ""

    @property
    def has_seen(self) -> bool:
        """Whether suggestions were on the page this came from."""
        return bool(self.first_kind)


@dataclass(frozen=True, slots=True)
class Choices:
    """A decision as codes; an empty field was not chosen."""

    category: str
    kind: str
    unit: str
    joint: tuple[str, ...]


def blank(moment: datetime) -> Filled:
    """An empty form, shown at this moment."""
    return Filled(secrets.token_urlsafe(16), channel=FIRST_CHANNEL.value, received=words.minute(moment))


def filled_from(form: FormData) -> Filled:
    """What was typed. Browsers send line ends as CR LF: they come back as they were typed."""

    def one(name: str) -> str:
        value = form.get(name)
        return value.strip() if isinstance(value, str) else ""

    text = form.get("text")
    return Filled(
        one("nonce")[:100] or secrets.token_urlsafe(16),
        one("title"),
        text.replace("\r\n", "\n") if isinstance(text, str) else "",
        one("channel"),
        one("received"),
        one("people"),
        one("district"),
        one("district_typed"),
        _person(one, ""),
        tuple(_joint(form)),
        _person(one, "agent_"),
    )


def deciding_from(form: FormData) -> Deciding:
    def one(name: str) -> str:
        value = form.get(name)
        return value.strip() if isinstance(value, str) else ""

    def typed(name: str) -> Typed:
        return Typed(one(name), one(f"{name}_typed"))

    joint = tuple(value for value in form.getlist("joint") if isinstance(value, str) and value)
    return Deciding(
        one("category"), one("kind"), one("unit"), joint,
        typed("other_category"), typed("other_unit"), typed("other_joint"),
        one("first_category"), one("first_kind"), one("first_unit"),
    )  # fmt: skip


def petition_of(service: Service, filled: Filled) -> tuple[Petition, dict[str, str]]:
    """The petition, and what is wrong by field; what is wrong is left out of the petition."""
    problems: dict[str, str] = {}
    try:
        check_text(filled.title, filled.text)
        (filled.title + filled.text).encode()
    except EmptyTextError:
        problems["text"] = "还没有内容。请填写信访内容。"
    except TextTooLongError as problem:
        problems["text"] = str(problem)
    except UnicodeEncodeError:
        problems["text"] = "内容里有不能保存的字符。请去掉后再试。"
    channel = CHANNEL_ALIASES.get(filled.channel.upper())
    if filled.channel and channel is None:
        problems["channel"] = f"没有这个渠道。可用：{'、'.join(Channel)}。"
    received = None
    if filled.received:
        try:
            received = parse_date(filled.received)
        except DateError as problem:
            problems["received"] = str(problem)
    people = 1
    if filled.people.isascii() and filled.people.isdecimal() and 0 < int(filled.people[:9]) <= _MOST_PEOPLE:
        people = int(filled.people[:9])
    elif filled.people:
        problems["people"] = f"人数要写成 1 到 {_MOST_PEOPLE:,} 的整数。"
    district = ""
    try:
        code = chosen(service, Listed.DISTRICTS, filled.district, filled.district_typed)
        district = name_of(service, Listed.DISTRICTS, code) if code else ""
    except UnknownCodeError as problem:
        problems["district"] = f"{problem}不清楚可以不填。"
    problems |= _too_long(filled)
    petition = Petition(
        "",
        filled.title,
        filled.text,
        _petitioner(filled.petitioner),
        channel,
        received,
        district,
        people,
        tuple(_petitioner(person) for person in filled.joint),
        _petitioner(filled.agent),
    )
    return petition, problems


def warnings_of(filled: Filled, petition: Petition) -> tuple[str, ...]:
    """What is unlikely but not refused: people mistype, and a petition is registered as it comes."""
    found = []
    people = [("信访人", filled.petitioner), *(("联名人", p) for p in filled.joint), ("代理人", filled.agent)]
    for who, person in people:
        if person.id_number and not canonical_id_number(person.id_number):
            found.append(f"{who}的身份证号位数或校验码不对，请核对。其他证件号码可以照登。")
        if person.phone and not canonical_phone(person.phone):
            found.append(f"{who}的电话位数不对，请核对。")
    if petition.received_at is not None and petition.received_at > now() + _SLACK:
        found.append("收到时间在现在之后，请核对。")
    if petition.channel is Channel.VISIT and petition.people > _REPRESENTATIVES:
        found.append("多人走访应当推选代表，代表不超过 5 人（条例第二十条）。")
    return tuple(dict.fromkeys(found))


def choices_of(service: Service, deciding: Deciding) -> tuple[Choices, dict[str, str]]:
    """What was chosen, type-ahead before radio button, and what is wrong by field."""
    problems: dict[str, str] = {}

    def pick(name: str, listed: Listed, typed: Typed, code: str) -> str:
        try:
            return chosen(service, listed, typed.code, typed.shown) or _known(service, listed, code)
        except UnknownCodeError as problem:
            problems[name] = str(problem)
            return ""

    category = pick("category", Listed.CATEGORIES, deciding.other_category, deciding.category)
    unit = pick("unit", Listed.UNITS, deciding.other_unit, deciding.unit)
    kind = deciding.kind if deciding.kind in KIND_ALIASES else ""
    ticked = {pick("joint", Listed.UNITS, Typed(), code) for code in deciding.joint}
    named = pick("joint", Listed.UNITS, deciding.other_joint, "")
    if named and named == unit:
        problems["joint"] = "主办单位不能同时是协办单位。"
    # Who was ticked to join and then moved up to lead joins no longer.
    joint = (ticked | {named}) - {"", unit}
    return Choices(category, kind, unit, tuple(sorted(joint))), problems


def _known(service: Service, listed: Listed, code: str) -> str:
    """A code of the list, or the name of a unit that only past decisions know. Raises UnknownCodeError."""
    learned = service.live.engine().bundle.unit
    if listed is Listed.UNITS and learned is not None and code in learned.classes:
        return code
    return chosen(service, listed, code)


def missing(choices: Choices) -> dict[str, str]:
    """What has to be chosen before a decision is saved."""
    needed = {"category": "请选一个分类。", "kind": "请选诉求类型。", "unit": "请选主办单位。"}
    return {name: text for name, text in needed.items() if not getattr(choices, name)}


def _person(one: Callable[[str], str], prefix: str) -> Person:
    return Person(*(one(prefix + name) for name in _LONGEST))


def _joint(form: FormData) -> Iterator[Person]:
    columns = [form.getlist(f"joint_{name}") for name in _LONGEST]
    for row in zip_longest(*columns, fillvalue=""):
        person = Person(*(value.strip() if isinstance(value, str) else "" for value in row))
        if person != _NOBODY:
            yield person


def _petitioner(person: Person) -> Petitioner:
    return Petitioner(person.name, person.id_number, person.phone, person.address)


def _too_long(filled: Filled) -> dict[str, str]:
    problems = {}
    if len(filled.joint) > _MOST_SIGNERS:
        problems["joint_people"] = f"联名人最多登记 {_MOST_SIGNERS} 位，其余请写在内容里。"
    places = (
        ("petitioner", (filled.petitioner,)),
        ("joint_people", filled.joint),
        ("agent", (filled.agent,)),
    )
    for place, people in places:
        for person in people:
            for name, longest in _LONGEST.items():
                if len(getattr(person, name)) > longest:
                    problems[place] = f"{_FIELD_NAMES[name]}过长，最多 {longest} 个字符。"
    return problems
