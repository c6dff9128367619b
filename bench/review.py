"""The review queue and the accuracy estimate with 100,000 petitions stored, a third of them decided. Median and greatest of 20 calls.

Run: python -m bench.review [--url sqlite:///… | postgresql+psycopg://… (an empty database)] [--rows 100000]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import insert, select, text, update

from api.review import live_accuracy, review_queue
from api.service import Service, open_service
from api.settings import Settings
from api.store.firewall import Accusations, Role, Viewer, viewer_of
from api.store.tables import decisions, petitions, reviews, suggestions, users
from bench.shared_data import ROOT

_BATCH = 5_000
# As long as a petition and what is suggested for it are, so that rows lie as far apart as in an office.
_TEXT, _ANSWER = "油烟扰民，反映多次无人处理。" * 30, "建议" * 1_500


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="")
    parser.add_argument("--rows", type=int, default=100_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            database_url=given.url,
            models=ROOT / "models",
            directory=ROOT / "corpora/units/county",
        )
        service = open_service(settings)
        with service.store.read() as connection:
            user: str = connection.execute(select(users.c.id).limit(1)).scalar_one()
        _fill(service, given.rows, user)
        everything = Viewer(user, Accusations.ALL)
        intake = viewer_of(Role.INTAKE, user, "", units_see_accusations=False)
        print(f"{given.rows} petitions, {'SQLite' if service.store.is_sqlite else 'PostgreSQL'}")
        _time("queue of 50, reviewer", lambda: review_queue(service, 50, everything))
        _time("queue of 200, reviewer", lambda: review_queue(service, 200, everything))
        _time("queue of 50, intake", lambda: review_queue(service, 50, intake))
        _time("accuracy", lambda: live_accuracy(service, everything))
        service.close()


def _fill(service: Service, rows: int, user: str) -> None:
    rng = random.Random(0)  # noqa: S311  the same rows each time
    moment = datetime(2026, 3, 4, tzinfo=UTC)
    for start in range(1, rows + 1, _BATCH):
        seqs = range(start, min(start + _BATCH, rows + 1))
        decided = [seq for seq in seqs if rng.random() < 1 / 3]
        with service.store.write() as connection:
            connection.execute(
                insert(petitions),
                [
                    {
                        "seq": seq,
                        "id": f"p{seq}",
                        "created_at": moment,
                        "title": "油烟",
                        "text": _TEXT,
                        "original": _TEXT.encode(),
                        "link_view": b"\1" * 900,
                        "kind": rng.choice(["申诉求决", "申诉求决", "咨询", "检举控告"]),
                    }
                    for seq in seqs
                ],
            )
            connection.execute(
                insert(suggestions),
                [
                    {
                        "id": seq,
                        "petition_id": f"p{seq}",
                        "model_version": "m",
                        "answer": _ANSWER,
                        "created_at": moment,
                    }
                    for seq in seqs
                ],
            )
            connection.execute(
                insert(decisions),
                [
                    {
                        "id": seq,
                        "petition_id": f"p{seq}",
                        "suggestion_id": seq,
                        "category": rng.choice(["040206", "0403"]),
                        "kind": "咨询",
                        "unit": "ecology",
                        "user_id": user,
                        "created_at": moment,
                    }
                    for seq in decided
                ],
            )
            connection.execute(
                update(petitions).where(petitions.c.seq.in_(decided)).values(decision_id=petitions.c.seq)
            )
            done = set(decided)
            connection.execute(
                insert(reviews),
                [
                    {
                        "seq": seq,
                        "open": seq not in done,
                        "sampled": rng.random() < 0.05,
                        "usefulness": round(rng.betavariate(1, 4), 4),
                        "doubts": "uncertain",
                        "confidence": rng.random(),
                        "unseen": 0.1,
                        "model_version": "m",
                        "category": "040206",
                        "kind": "咨询",
                        "unit": "ecology",
                    }
                    for seq in seqs
                ],
            )
    with service.store.write() as connection:
        connection.execute(text("ANALYZE"))


def _time(name: str, call: Callable[[], object]) -> None:
    times = []
    for _ in range(20):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1e3)
    print(f"{name}: median {statistics.median(times):.1f} ms, greatest {max(times):.1f} ms")


if __name__ == "__main__":
    main()
