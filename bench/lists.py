"""How long the pages of the queue and the search take with an archive: `python -m bench.lists [--size N] [--waiting N] [--database-url URL]`.

Petitions are written straight into the tables, in the sizes of life: texts of the seed corpus with an invented place name each, sealed
text and link view as long as theirs are. All but `--waiting` are decided, one waiting one in fifty was sent back, one petition in eight
has a suggested link. An empty database is filled first; a filled one is measured as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from sqlalchemy import func, insert, select, text, update

from api.access import COOKIE
from api.app import create_app
from api.listing import Asked
from api.queue import neighbours, queue
from api.service import Service, open_service
from api.settings import Settings
from api.store.accounts import begin_session
from api.store.firewall import Role, viewer_of
from api.store.petitions import now
from api.store.tables import decisions, link_terms, links, petitions, returns, reviews, suggestions
from api.store.users import add_user, find_user
from bench.shared_data import seed_rows
from classifier.errors import NotFoundError
from classifier.links.terms import term_hash
from classifier.petition import Channel, Kind

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

_BATCH = 1_000
_NAMES = 20_000
_FIRST, _SECOND = "金华明宏建城园景丽新富东江湖青龙盛泰福嘉", "锦桦铭鸿健成圆璟莉欣傅冬姜胡清隆圣太付佳"
_PATHS = (
    "/queue",
    "/queue?sort=due",
    "/queue?status=待认定&kind=咨询",
    "/queue?category=02&channel=来信",
    "/queue?unit=cdc&district=青石镇",
    "/queue?unit=cdc&district=青石镇&sort=due",
    "/queue?confidence=high",
    "/queue?linked=1",
    "/queue?linked=1&sort=due",
    "/queue/preview?floor=0.95",
    "/petitions",
    "/petitions?status=待认定",
    "/petitions?category=0102&kind=咨询",
    "/petitions?channel=传真&district=青石镇&unit=cdc",
    "/petitions?since=2020-01-01&until=2020-02-01",
    "/petitions?q=油烟",
    "/petitions?q=查无此词",
    "/petitions?q={name}",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=5_000)
    parser.add_argument("--database-url", default="")
    parser.add_argument("--data", default="", help="a folder to keep the database in")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(given.data or folder), database_url=given.database_url, log_level="WARNING"
        )
        service = open_service(settings)
        _fill(service, given.size, given.waiting)
        _measure(settings, service)
        service.close()


def _fill(service: Service, size: int, waiting: int) -> None:
    with service.store.read() as connection:
        if connection.execute(select(func.count()).select_from(petitions)).scalar_one():
            return
        user = find_user(connection, "admin").id
    began = time.perf_counter()
    rng, postings = random.Random(7), dict[str, list[int]]()  # noqa: S311
    rows = _rows(service, size, waiting, user, rng, postings)
    while batch := list(islice(rows, _BATCH)):
        with service.store.write() as connection:
            for at, table in enumerate((petitions, suggestions, reviews, decisions, returns, links)):
                if some := [row[at] for row in batch if row[at]]:
                    connection.execute(insert(table), some)
    with service.store.write() as connection:
        connection.execute(
            update(petitions).where(petitions.c.status != "待认定").values(decision_id=petitions.c.seq)
        )
        posted = [
            {"term": term_hash(name), "df": len(seqs), "seqs": np.array(seqs[-100:], "<u4").tobytes()}
            for name, seqs in postings.items()
        ]
        connection.execute(insert(link_terms), posted)
    if not service.store.is_sqlite:
        # As autovacuum does, a little later.
        with service.store.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    print(f"filled with {size:,} petitions, {waiting:,} waiting, in {time.perf_counter() - began:.0f} s")


def _rows(
    service: Service, size: int, waiting: int, user: str, rng: random.Random, postings: dict[str, list[int]]
) -> Iterator[tuple[dict[str, object], ...]]:
    engine = service.live.engine()
    codes = [category.code for category in engine.bundle.taxonomy.level(2)]
    directory = engine.router.directory
    units, districts = list(directory.units), [d.name for d in directory.districts.values()]
    texts = seed_rows()
    begin = now() - timedelta(days=900)
    # Most of what waits came lately, some long ago.
    open_ones = (
        set(rng.sample(range(max(1, size - 2 * waiting), size + 1), waiting))
        if waiting < size
        else set(range(1, size + 1))
    )
    for seq in range(1, size + 1):
        seed, name = rng.choice(texts), _name(rng.randrange(_NAMES))
        postings.setdefault(name, []).append(seq)
        words = f"{name}小区住户反映：{seed['text']}"
        moment = begin + timedelta(minutes=seq * 900 * 1_440 / size)
        waits, back = seq in open_ones, seq in open_ones and rng.random() < 0.02
        held = {
            "category": rng.choice(codes),
            "kind": rng.choices([*Kind], (85, 5, 3, 7))[0].value,
            "unit": rng.choice(units),
        }
        petition: dict[str, object] = held | {
            "seq": seq,
            "id": f"{seq:032x}",
            "channel": rng.choice([*Channel]).value,
            "district": rng.choice(districts),
            "received_at": moment,
            "created_at": moment,
            "created_by": user,
            "title": seed["title"],
            "text": words,
            "original": os.urandom(len(words) * 3 + 60),
            "link_view": os.urandom(12 * len(words) // 3),
            "status": "已退回" if back else "待认定" if waits else "已认定",
            "waits_since": moment if waits else None,
        }
        sure = round(rng.betavariate(4, 1.3), 4)
        # As long as an answer is, with its evidence.
        answer = json.dumps(
            {"categories": [{"probability": sure}], "evidence": "证" * 1_200}, ensure_ascii=False
        )
        suggestion: dict[str, object] = {
            "id": seq, "petition_id": petition["id"], "model_version": "m", "answer": answer, "created_at": moment,
        }  # fmt: skip
        review: dict[str, object] = held | {
            "seq": seq, "open": waits and not back, "sampled": rng.random() < 0.05, "usefulness": round(rng.betavariate(1, 4), 4),
            "doubts": "uncertain", "confidence": sure, "unseen": 0.1, "model_version": "m", "abstained": sure < 0.5, "category_p": sure,
            "kind_p": 0.97,
        }  # fmt: skip
        decision: dict[str, object] = {}
        sent: dict[str, object] = {}
        if not waits or back:
            decision = held | {
                "id": seq,
                "petition_id": petition["id"],
                "suggestion_id": seq,
                "user_id": user,
                "created_at": moment,
            }
        if back:
            sent = {
                "petition_id": petition["id"],
                "unit": held["unit"],
                "reason": "不归我们管",
                "user_id": user,
                "decision_id": seq,
                "created_at": moment,
            }
        link: dict[str, object] = {}
        if seq > 1 and rng.random() < 1 / 8:
            other = f"{rng.randrange(max(1, seq - 20_000), seq):032x}"
            link = {
                "petition_id": petition["id"],
                "other_id": other,
                "kind": "SharedMatter",
                "score": 0.7,
                "evidence": "{}",
                "created_at": moment,
            }
        yield petition, suggestion, review, decision, sent, link


def _name(number: int) -> str:
    base = len(_FIRST)
    return (
        _FIRST[number % base]
        + _SECOND[number // base % base]
        + _FIRST[number // base**2 % base]
        + _SECOND[number // base**3 % base]
    )


def _measure(settings: Settings, service: Service) -> None:
    with service.store.write() as connection:
        people = []
        for role in (Role.ADMIN, Role.INTAKE, Role.UNIT):
            try:
                user = find_user(connection, f"bench-{role.value}")
            except NotFoundError:
                user = add_user(
                    connection, f"bench-{role.value}", role, "urban_management" if role is Role.UNIT else ""
                )
            people.append((user, begin_session(connection, user)))
        size = connection.execute(select(func.max(petitions.c.seq))).scalar_one()
    backend = "SQLite" if service.store.is_sqlite else "PostgreSQL"
    print(
        f"{backend}, {size:,} petitions; a whole request in milliseconds: median and greatest of 9, median of this process's own time"
    )
    with TestClient(create_app(settings, service)) as client:
        for user, session in people:
            client.cookies.set(COOKIE, session.cookie)
            paths = [path for path in _PATHS if user.role is not Role.UNIT or path.startswith("/petitions")]
            for path in paths:
                shown = path.replace("{name}", _name(4_711))
                _time(f"{user.role.value:7} {shown}", partial(_get, client, shown))
            if user.role is Role.UNIT:
                continue
            viewer = viewer_of(user.role, user.id, "", False)
            found = queue(service, Asked(), viewer)
            last = found.items[-1].row["id"]
            _time(
                f"{user.role.value:7} neighbours() of the page's last",
                partial(neighbours, service, viewer, found.asked.query(), last),
            )


def _time(name: str, call: Callable[[], object]) -> None:
    # The first one compiles statements and templates, once a process.
    call()
    times = []
    for _ in range(9):
        wall, own = time.perf_counter(), time.process_time()
        call()
        times.append(((time.perf_counter() - wall) * 1e3, (time.process_time() - own) * 1e3))
    walls, owns = zip(*times, strict=True)
    print(
        f"{statistics.median(walls):7.1f} {max(walls):7.1f} {statistics.median(owns):7.1f}  {name}",
        flush=True,
    )


def _get(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200, answer.text


if __name__ == "__main__":
    main()
