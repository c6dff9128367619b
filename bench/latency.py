"""One petition at intake with 10,000 in history: reading, category, links from the database, routing, evidence. Median and 95th percentile.

Run: python -m bench.latency [--url sqlite:///… | postgresql+psycopg://…]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from itertools import islice
from pathlib import Path

from api.intake import import_batch, import_keys
from api.service import open_service
from api.settings import Settings
from api.store.terms import DatabaseHistory
from bench.shared_data import ROOT, some
from classifier.triage import read, triage_each

HISTORY = 10_000
ASKED = 300


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="")
    given = parser.parse_args()
    petitions, what = some(HISTORY + ASKED)
    # A short corpus fills the history several times over.
    filled = [replace(petitions[i % len(petitions)], id=f"h{i}") for i in range(HISTORY)]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            database_url=given.url,
            models=ROOT / "models",
            directory=ROOT / "corpora/units/county",
        )
        service = open_service(settings)
        started = time.perf_counter()
        keyed = import_keys(service, filled)
        while batch := list(islice(keyed, 100)):
            list(import_batch(service, batch, None))
        seconds = time.perf_counter() - started
        engine = service.live.engine()
        times, candidates = [], 0
        for petition in petitions[-ASKED:]:
            started = time.perf_counter()
            reading = read(petition, engine.bundle.tokeniser, service.vault.identity_secret)
            with service.store.read() as connection:
                answer = next(
                    triage_each([reading], engine.bundle, DatabaseHistory(connection), engine.router)
                )
            times.append((time.perf_counter() - started) * 1e3)
            candidates += len(answer.triage.links)
        service.close()
    print(f"history {HISTORY}, asked {ASKED}, {what}; filled at {HISTORY / seconds:.0f} petitions/s")
    print(
        f"median {statistics.median(times):.1f} ms, 95 % within {statistics.quantiles(times, n=20)[-1]:.1f} ms, {candidates} links"
    )


if __name__ == "__main__":
    main()
