"""The demo office: some hundreds of invented petitions of two years, received, decided on, sent back, answered and linked as an office would, so that a
newcomer sees every page alive.

It is an ordinary database in a folder of its own, written through the same use cases as any other, at the moments of its story
(api/store/clock.py); nothing here knows the tables. Its accounts are known to everybody, so it listens on this machine only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from api.accounts import hash_password
from api.decisions import Choice, LinkVerdict, decide, get_links, reply, send_back
from api.intake import submit
from api.service import FIRST_ADMIN, Service
from api.store.accounts import set_password
from api.store.clock import at, now
from api.store.firewall import Role, Viewer, viewer_of
from api.store.users import User, add_user, find_user
from classifier.dates import CHINA
from classifier.errors import CorpusError
from classifier.petition import CHANNEL_ALIASES, Petition, Petitioner

#: The demo's accounts, and the one password of them all.
ACCOUNTS: tuple[tuple[str, Role, str], ...] = (
    (FIRST_ADMIN, Role.ADMIN, ""),
    ("录入", Role.INTAKE, ""),
    ("审核", Role.REVIEWER, ""),
    ("城管局", Role.UNIT, "urban_management"),
    ("审计", Role.AUDITOR, ""),
)
PASSWORD = "fenban-demo"  # noqa: S105  of an office that is no secret

_SATURDAY = 5
# People look at links some days after a petition came in; what is younger waits for whoever tries the demo.
_LINKS_AFTER = timedelta(days=6)
# Units answer some weeks after they were assigned a petition; this many of a hundred not yet.
_REPLY_AFTER, _REPLY_SPREAD, _UNANSWERED = timedelta(days=18), 40, 12
_OFFICE_OPENS, _OFFICE_CLOSES = 9, 17
_ONLINE = "网络"


@dataclass(frozen=True, slots=True)
class Story:
    """One petition of the demo with what became of it (corpora/README.md describes the fields)."""

    row: dict[str, Any]
    received: datetime

    def __getitem__(self, name: str) -> Any:
        return self.row.get(name, "")


@dataclass(frozen=True, slots=True)
class _Event:
    moment: datetime
    #: Events of one moment happen in the order in which they were planned.
    number: int
    do: Callable[[], None]


def read_stories(folder: Path, today: datetime) -> list[Story]:
    """Every petition of the demo, first come first, the latest of them a little before `today`. Raises CorpusError."""
    stories = []
    for file in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                row = json.loads(line)
                stories.append(Story(row, _moment(row, today)))
            except (ValueError, KeyError, TypeError):
                raise CorpusError(f"{file.name} 第 {number} 行不是一件演示信访件。") from None
    if not stories:
        raise CorpusError(f"演示语料 {folder.name} 里没有信访件。请检查 FENBAN_CORPORA。")
    return sorted(stories, key=lambda story: (story.received, story["id"]))


def _moment(row: dict[str, Any], today: datetime) -> datetime:
    day = today.astimezone(CHINA).date() - timedelta(days=int(row["days_ago"]))
    # Letters, calls and visits come on working days; before a weekend rather than after it, so that none lies in the future.
    if row["channel"] != _ONLINE:
        day -= timedelta(days=max(0, day.weekday() - _SATURDAY + 1))
    hour, minute = map(int, row["time"].split(":"))
    return min(
        datetime(day.year, day.month, day.day, hour, minute, tzinfo=CHINA), today - timedelta(minutes=5)
    )


def fill(service: Service, stories: list[Story], tick: Callable[[], object]) -> None:
    """Tell the stories to an empty office. `tick` is called once a petition.

    Raises FenbanError where the stories do not fit the taxonomy or the directory.
    """
    _Office(service, tick).run(stories)


class _Office:
    def __init__(self, service: Service, tick: Callable[[], object]) -> None:
        self._service = service
        self._tick = tick
        self._today = now()
        self._ids: dict[str, str] = {}
        self._story: dict[str, Story] = {}
        hashed = hash_password(PASSWORD)
        with service.store.write() as connection:
            users = {}
            for name, role, unit in ACCOUNTS:
                user = (
                    find_user(connection, name)
                    if name == FIRST_ADMIN
                    else add_user(connection, name, role, unit)
                )
                set_password(connection, user.id, hashed)
                users[role] = user
        self._intake, self._reviewer = self._viewer(users[Role.INTAKE]), self._viewer(users[Role.REVIEWER])

    def _viewer(self, user: User) -> Viewer:
        return viewer_of(user.role, user.id, user.unit, self._service.settings.units_see_accusations)

    def run(self, stories: list[Story]) -> None:
        planned = sorted(
            (event for story in stories for event in self._plan(story)),
            key=lambda event: (event.moment, event.number),
        )
        for event in planned:
            if event.moment <= self._today:
                with at(event.moment):
                    event.do()

    def _plan(self, story: Story) -> Iterator[_Event]:
        """What happens to a petition: registered, decided, perhaps sent back and decided anew, its links looked at, answered."""
        yield _Event(story.received, 0, lambda: self._register(story))
        if story["state"] == "pending":
            return
        settled = _office_hours(story.received + timedelta(days=int(story["decided_after"] or 0), hours=1))
        if story["first_unit"]:
            first = _office_hours(story.received + timedelta(hours=2))
            yield _Event(first, 1, lambda: self._decide(story, story["first_unit"]))
            back = _office_hours(max(first + timedelta(days=1), settled - timedelta(days=1)))
            yield _Event(back, 2, lambda: self._send_back(story))
            settled = max(settled, back + timedelta(hours=2))
        if story["state"] == "decided":
            yield _Event(settled, 3, lambda: self._decide(story, story["unit"]))
            spread = sum(map(ord, story["id"])) * 7
            if spread % 100 >= _UNANSWERED:
                answered = _office_hours(settled + _REPLY_AFTER + timedelta(days=spread % _REPLY_SPREAD))
                yield _Event(answered, 5, lambda: self._reply(story))
            if story.received < self._today - 3 * _LINKS_AFTER:
                yield _Event(_office_hours(settled + _LINKS_AFTER), 4, lambda: self._look_at_links(story))

    def _register(self, story: Story) -> None:
        accepted = submit(self._service, petition_of(story), self._intake)
        self._ids[story["id"]] = accepted.petition_id
        self._story[accepted.petition_id] = story
        self._tick()

    def _decide(self, story: Story, unit: str) -> None:
        joint = tuple(other for other in story["joint_units"] or () if other != unit)
        choice = Choice(story["category"], story["kind"], unit, (), story["reason"], joint)
        decide(self._service, self._ids[story["id"]], choice, self._reviewer)

    def _send_back(self, story: Story) -> None:
        number = self._ids[story["id"]]
        send_back(
            self._service,
            number,
            story["first_unit"],
            story["return_reason"] or "不属于本单位职责",
            self._reviewer,
        )

    def _reply(self, story: Story) -> None:
        day = now().astimezone(CHINA).date()
        reply(self._service, self._ids[story["id"]], story["unit"], day, "", self._reviewer)

    def _look_at_links(self, story: Story) -> None:
        number = self._ids[story["id"]]
        verdicts = []
        for link in get_links(self._service, number, self._reviewer):
            other = self._story.get(link["id"])
            if other is not None and link["confirmed"] is None:
                verdicts.append(
                    LinkVerdict(link["id"], bool(story["matter"]) and other["matter"] == story["matter"])
                )
        if verdicts:
            decide(self._service, number, Choice(links=tuple(verdicts)), self._reviewer)


def petition_of(story: Story) -> Petition:
    """The petition as it would be typed in. Numbers are made from the person's key: 199 0000 is nobody's."""
    return Petition(
        "",
        story["title"],
        story["text"],
        petitioner=_person(story.row) if story["person"] else Petitioner(),
        channel=CHANNEL_ALIASES[story["channel"].upper()],
        received_at=story.received,
        district=story["district"],
        people=int(story["people"] or 1),
        joint_petitioners=tuple(_person(person) for person in story["joint"] or ()),
        agent=_person(story["agent"]) if story["agent"] else Petitioner(),
    )


def _person(row: dict[str, Any]) -> Petitioner:
    key = sum(ord(letter) * 97**place for place, letter in enumerate(row["person"])) % 10_000
    return Petitioner(name=row.get("name", ""), phone=f"1990000{key:04d}", address=row.get("address", ""))


def _office_hours(moment: datetime) -> datetime:
    """The same moment, or the next one at which somebody is at work."""
    local = moment.astimezone(CHINA)
    if local.hour >= _OFFICE_CLOSES:
        local = (local + timedelta(days=1)).replace(hour=_OFFICE_OPENS)
    elif local.hour < _OFFICE_OPENS:
        local = local.replace(hour=_OFFICE_OPENS)
    while local.weekday() >= _SATURDAY:
        local += timedelta(days=1)
    return local
