"""A database filled as an office's is after two years, by direct inserts: for measuring pages, not suggestions.

Petitions come in by day (fewer on weekends), rather more in the later year; what is older than three weeks is decided, apart from a few
returned or forgotten ones, and most of it answered after some five weeks; an eighth of all are on matters of two to seven petitions,
half of those by a petitioner of before. Texts are the seed's, categories and units are drawn with the skew of an office (1/rank).
Suggestions agree with decisions about as often as their confidence says. Links join the petitions of a matter and a tenth of the others.
Everything follows from the seed number.

Run: python -m bench.filled --url sqlite:////folder/fenban.db [--petitions 100000] [--data-dir FOLDER]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Table, insert, select, text

from api.service import FIRST_ADMIN, Service, open_service
from api.settings import Settings
from api.store.petitions import DECIDED, PENDING, RETURNED
from api.store.tables import (
    decisions,
    link_decisions,
    links,
    matter_events,
    matter_members,
    matters,
    petitioner_keys,
    petitions,
    replies,
    returns,
    reviews,
    suggestions,
)
from api.store.users import find_user
from bench.shared_data import ROOT, seed_rows
from classifier.dates import CHINA
from classifier.petition import Channel, Kind

DAYS = 730
_BATCH = 2_000
_ON_MATTERS, _SAME_PETITIONER, _WITH_KEYS, _LINKED = 0.125, 0.5, 0.8, 0.1
_CHANNELS = ((Channel.WEB, 0.45), (Channel.PHONE, 0.25), (Channel.LETTER, 0.15), (Channel.VISIT, 0.14), (Channel.FAX, 0.01))  # fmt: skip
_KINDS = ((Kind.CLAIM, 0.8), (Kind.PROPOSAL, 0.08), (Kind.INQUIRY, 0.08), (Kind.ACCUSATION, 0.04))
_BLOB = bytes(range(256)) * 3

Row = dict[str, Any]
Ints = npt.NDArray[np.int64]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="")
    parser.add_argument("--data-dir", type=Path, default=Path("data"))
    parser.add_argument("--petitions", type=int, default=100_000)
    given = parser.parse_args()
    service = open_service(settings_for(given.data_dir, given.url))
    started = time.perf_counter()
    fill(service, given.petitions)
    print(f"{given.petitions} petitions in {time.perf_counter() - started:.0f} s")
    service.close()


def settings_for(data_dir: Path, url: str) -> Settings:
    return Settings(
        data_dir=data_dir,
        database_url=url,
        models=ROOT / "models",
        corpora=ROOT / "corpora",
        directory=ROOT / "corpora/units/county",
        log_level="ERROR",
    )


def fill(service: Service, size: int, seed: int = 1, until: datetime | None = None) -> None:
    """Add `size` petitions that came in over the two years before `until` (now without) to an empty database."""
    until = (until or datetime.now(UTC)).replace(microsecond=0)
    made = _Made(service, size, np.random.default_rng(seed), until)
    with service.store.write() as connection:
        user = find_user(connection, FIRST_ADMIN).id
    for start in range(0, size, _BATCH):
        with service.store.write() as connection:
            made.write(connection, range(start, min(start + _BATCH, size)), user)
    with service.store.write() as connection:
        made.write_matters(connection, user)
    with service.store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # As the databases do by themselves in time.
        connection.execute(text("ANALYZE" if service.store.is_sqlite else "VACUUM ANALYZE"))


def _skewed(size: int) -> npt.NDArray[np.float64]:
    weights = 1 / np.arange(1, size + 1)
    shares: npt.NDArray[np.float64] = weights / weights.sum()
    return shares


@dataclass(frozen=True, slots=True)
class _Matter:
    number: str
    petitions: tuple[int, ...]


class _Made:
    """The invented petitions as arrays, one element a petition in order of arrival."""

    def __init__(self, service: Service, size: int, draw: np.random.Generator, until: datetime) -> None:
        engine = service.live.engine()
        self._size, self._draw, self._until = size, draw, until
        self._version, self._taxonomy, self._directory = (
            engine.bundle.version,
            engine.bundle.taxonomy,
            engine.router.directory,
        )
        self._texts = [(row["title"], row["text"]) for row in seed_rows()]
        days = np.arange(DAYS)
        weekday = np.array([(until - timedelta(days=int(DAYS - day))).weekday() for day in days])
        weight = (0.7 + 0.6 * days / DAYS) * np.where(weekday >= 5, 0.35, 1.0)
        # So many days ago, oldest first, with a time of the working day.
        self.age = DAYS - np.sort(draw.choice(days, size, p=weight / weight.sum())) - draw.random(size) * 0.4
        self.age = np.sort(self.age)[::-1]
        codes = [one.code for one in engine.bundle.taxonomy.level(2)]
        units = list(engine.router.directory.units)
        districts = ["", *(one.name for one in engine.router.directory.districts.values())]
        self.category = np.array(codes)[draw.choice(len(codes), size, p=_skewed(len(codes)))]
        self.unit = np.array(units)[draw.choice(len(units), size, p=_skewed(len(units)))]
        self.district = np.array(districts)[draw.choice(len(districts), size)]
        self.channel = self._of(_CHANNELS)
        self.kind = self._of(_KINDS)
        self.people = np.where(draw.random(size) < 0.93, 1, draw.integers(2, 12, size))
        self.confidence = draw.beta(4, 2, size)
        right = draw.random(size) < self.confidence
        self.suggested = np.where(right, self.category, draw.permutation(self.category))
        self.suggested_unit = np.where(draw.random(size) < 0.8, self.unit, draw.permutation(self.unit))
        chance = draw.random(size)
        old = self.age > 20
        self.decided = np.where(old, chance > 0.004, chance > 0.5) & (self.age > 0.5)
        self.returned = self.decided & (draw.random(size) < np.where(old, 0.003, 0.02))
        self.after = np.minimum(draw.gamma(2.0, 1.5, size), self.age * 0.9)
        # So many days after it came in, where it has been answered by now.
        self.answered = draw.gamma(4.0, 9.0, size) + 5
        self.replied = self.decided & ~self.returned & (self.answered < self.age) & (draw.random(size) < 0.95)
        self.matters = self._matters()
        self.petitioner = np.where(draw.random(size) < _WITH_KEYS, np.arange(size), -1)
        for matter in self.matters:
            for one, other in zip(matter.petitions[1:], matter.petitions, strict=False):
                if draw.random() < _SAME_PETITIONER:
                    self.petitioner[one] = self.petitioner[other]

    def _of(self, shares: Sequence[tuple[Any, float]]) -> npt.NDArray[np.str_]:
        names = np.array([str(name.value) for name, _ in shares])
        found: npt.NDArray[np.str_] = names[
            self._draw.choice(len(names), self._size, p=[share for _, share in shares])
        ]
        return found

    def _matters(self) -> tuple[_Matter, ...]:
        """Each begins anywhere and goes on among the petitions of the following months."""
        draw, free = self._draw, np.ones(self._size, dtype=bool)
        found: list[_Matter] = []
        left = int(self._size * _ON_MATTERS)
        while left > 0:
            many = int(draw.integers(2, 8))
            first = int(draw.integers(0, self._size))
            ahead = draw.integers(first + 1, first + max(self._size // 6, 10), 3 * many)
            picked = [first, *dict.fromkeys(int(one) for one in ahead if one < self._size)]
            chosen = sorted([one for one in picked if free[one]][:many])
            left -= many
            if len(chosen) >= 2:
                free[chosen] = False
                found.append(_Matter(_id(f"m{len(found)}"), tuple(chosen)))
        return tuple(found)

    def write(self, connection: Connection, numbers: range, user: str) -> None:
        decided = [n for n in numbers if self.decided[n]]
        _insert(connection, petitions, (self._petition(n, user) for n in numbers))
        _insert(connection, suggestions, (self._suggestion(n) for n in numbers))
        _insert(connection, reviews, (self._review(n) for n in numbers))
        _insert(connection, decisions, (self._decision(n, user) for n in decided))
        _insert(connection, returns, (self._return(n, user) for n in decided if self.returned[n]))
        _insert(connection, replies, (self._reply(n, user) for n in decided if self.replied[n]))
        _insert(connection, petitioner_keys, (key for n in numbers for key in self._keys(n)))
        _insert(connection, links, (link for n in numbers for link in self._links(n)))

    def write_matters(self, connection: Connection, user: str) -> None:
        """What people confirmed: the link of each petition of a matter to the one before it."""
        moment = self._until
        _insert(connection, matters, ({"id": m.number, "created_at": moment} for m in self.matters))
        pairs = [(m, one, other) for m in self.matters for one, other in zip(m.petitions[1:], m.petitions, strict=False)]  # fmt: skip
        first: int = connection.execute(select(links.c.id).order_by(links.c.id.desc()).limit(1)).scalar() or 0
        _insert(connection, links, (self._link(one, other, 0.95) | {"id": first + at} for at, (_, one, other) in enumerate(pairs, 1)))  # fmt: skip
        verdict = {"confirmed": True, "reason": "", "user_id": user, "role": "admin", "created_at": moment}
        _insert(connection, link_decisions, ({"link_id": first + at} | verdict for at in range(1, len(pairs) + 1)))  # fmt: skip
        members = [{"petition_id": _id(str(n)), "matter_id": m.number} for m in self.matters for n in m.petitions]  # fmt: skip
        _insert(connection, matter_members, iter(members))
        event = {"event": "joined", "user_id": user, "created_at": moment}
        _insert(connection, matter_events, (member | event for member in members))
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT setval('links_id_seq', (SELECT max(id) FROM links))"))

    def _arrived(self, n: int) -> datetime:
        return self._until - timedelta(days=float(self.age[n]))

    def _petition(self, n: int, user: str) -> Row:
        title, body = self._texts[n % len(self._texts)]
        known = bool(self.decided[n])
        status = RETURNED if self.returned[n] else DECIDED if known else PENDING
        return {
            "seq": n + 1, "id": _id(str(n)), "channel": str(self.channel[n]), "district": str(self.district[n]),
            "people": int(self.people[n]), "received_at": self._arrived(n), "created_at": self._arrived(n) + timedelta(hours=1),
            "created_by": user, "title": title, "text": body, "link_view": _BLOB, "original": _BLOB[:500], "status": status,
            "category": str(self.category[n] if known else self.suggested[n]), "kind": str(self.kind[n]),
            "unit": str(self.unit[n] if known else self.suggested_unit[n]), "decision_id": n + 1 if known else None,
            "replied_on": self._replied_on(n) if self.replied[n] else None,
        }  # fmt: skip

    def _suggestion(self, n: int) -> Row:
        # As long as a real answer, with what the pages read of it.
        code, unit, taxonomy = str(self.suggested[n]), str(self.suggested_unit[n]), self._taxonomy
        answer = {
            "categories": [{"code": code, "name": taxonomy[code].name, "path": taxonomy.path(code), "probability": float(self.confidence[n]), "evidence": []}],
            "kind": {"name": str(self.kind[n]), "probability": 0.9},
            "units": [{"id": unit, "name": self._directory.units[unit].name, "role": "主办", "score": 0.6, "grounds": []}],
            "abstained": bool(self.confidence[n] < 0.4), "links": [], "redactions": [], "warnings": [], "filler": "x" * 1_500,
        }  # fmt: skip
        return {
            "id": n + 1, "petition_id": _id(str(n)), "model_version": self._version,
            "answer": json.dumps(answer, ensure_ascii=False), "created_at": self._arrived(n),
        }  # fmt: skip

    def _review(self, n: int) -> Row:
        return {
            "seq": n + 1, "open": not self.decided[n], "sampled": n % 20 == 0, "usefulness": 1 - float(self.confidence[n]),
            "doubts": "", "confidence": float(self.confidence[n]), "unseen": 0.05, "model_version": self._version,
            "category": str(self.suggested[n]), "kind": str(self.kind[n]), "unit": str(self.suggested_unit[n]),
        }  # fmt: skip

    def _decided_at(self, n: int) -> datetime:
        return self._arrived(n) + timedelta(days=float(self.after[n]))

    def _decision(self, n: int, user: str) -> Row:
        return {
            "id": n + 1, "petition_id": _id(str(n)), "suggestion_id": n + 1, "category": str(self.category[n]),
            "kind": str(self.kind[n]), "unit": str(self.unit[n]), "reason": "", "user_id": user, "role": "admin",
            "created_at": self._decided_at(n),
        }  # fmt: skip

    def _return(self, n: int, user: str) -> Row:
        return {
            "petition_id": _id(str(n)), "unit": str(self.unit[n]), "reason": "不属于本单位职责", "user_id": user, "role": "unit",
            "decision_id": n + 1, "late": False, "created_at": self._decided_at(n) + timedelta(hours=2),
        }  # fmt: skip

    def _replied_on(self, n: int) -> date:
        return (self._arrived(n) + timedelta(days=float(self.answered[n]))).astimezone(CHINA).date()

    def _reply(self, n: int, user: str) -> Row:
        return {
            "petition_id": _id(str(n)), "decision_id": n + 1, "unit": str(self.unit[n]), "replied_on": self._replied_on(n),
            "reason": "书面答复已送达", "user_id": user, "role": "unit", "created_at": self._arrived(n) + timedelta(days=float(self.answered[n])),
        }  # fmt: skip

    def _keys(self, n: int) -> Iterator[Row]:
        if self.petitioner[n] >= 0:
            for kind in ("phone", "name"):
                digest = blake2b(f"{kind}{self.petitioner[n]}".encode(), digest_size=32).digest()
                yield {"kind": kind, "digest": digest, "seq": n + 1}

    def _links(self, n: int) -> Iterator[Row]:
        if n and self._draw.random() < _LINKED:
            # Names that are not there (yet) would break the reference: only earlier ones.
            other = int(self._draw.integers(max(0, n - self._size // 10), n))
            yield self._link(n, other, float(self._draw.uniform(0.4, 0.95)))

    def _link(self, n: int, other: int, score: float) -> Row:
        evidence = {"passages": [], "terms": ["噪声", "施工"], "keys": [], "similarity": score}
        return {
            "petition_id": _id(str(n)), "other_id": _id(str(other)), "kind": "SharedMatter", "score": score,
            "evidence": json.dumps(evidence, ensure_ascii=False), "created_at": self._arrived(n), "run": 0 if score != 0.95 else 1,
        }  # fmt: skip


def _insert(connection: Connection, table: Table, rows: Iterator[Row]) -> None:
    if found := list(rows):
        connection.execute(insert(table), found)


def _id(what: str) -> str:
    return blake2b(what.encode(), digest_size=16).hexdigest()


if __name__ == "__main__":
    main()
