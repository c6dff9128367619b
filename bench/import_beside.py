"""Does a clerk notice an import? A real `fenban serve` with two clerks at work, without and then with a file being imported.

Asked all the while: `/healthz`, the page of imports, a list of petitions, and a decision on one of them (it must never fail for a busy
database). Prints milliseconds for each, and how long the import took. `--url` for PostgreSQL, an empty database.

Run: python -m bench.import_beside [--rows 3000] [--quiet-seconds 20] [--url postgresql+psycopg://…]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx

from api.access import COOKIE
from api.imports import upload
from api.intake import import_batch, import_keys
from api.service import Service, open_service
from api.settings import Settings
from api.store.accounts import begin_session
from api.store.firewall import Role
from api.store.imports import UNFINISHED, find_import
from api.store.users import add_user, new_key
from bench.shared_data import ROOT, some

_STORED = 300
_EVERY = {"healthz": 0.1, "imports page": 0.3, "list": 0.3, "decide": 0.5}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=3_000)
    parser.add_argument("--quiet-seconds", type=float, default=20)
    parser.add_argument("--url", default="")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(
            data_dir=Path(folder),
            database_url=given.url,
            models=ROOT / "models",
            directory=ROOT / "corpora/units/county",
        )
        _measure(settings, given.rows, given.quiet_seconds)


def _measure(settings: Settings, rows: int, quiet_seconds: float) -> None:
    service = open_service(settings)
    petitions, what = some(_STORED + rows)
    list(import_batch(service, list(import_keys(service, petitions[:_STORED])), None))
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["标题", "内容"])
    for number in range(rows):
        found = petitions[(_STORED + number) % len(petitions)]
        writer.writerow([found.title, f"{found.text}（{number}）"])
    with service.store.write() as connection:
        user = add_user(connection, "bench", Role.REVIEWER)
        key, cookie = new_key(connection, user.id), begin_session(connection, user)
    import_id = upload(service, user.id, "bench.csv", file.getvalue().encode())
    server, base = _serve(settings)
    try:
        client = httpx.Client(
            base_url=base,
            timeout=60,
            headers={"Authorization": f"Bearer {key}"},
            # Shorter than the server keeps a connection: none is used while it is being closed.
            limits=httpx.Limits(keepalive_expiry=1),
        )
        client.cookies.set(COOKIE, cookie.cookie)
        ids = [item["id"] for item in client.get("/v1/petitions?limit=100").json()["items"]]
        quiet = _ask(client, ids, lambda since: time.monotonic() - since > quiet_seconds)
        client.post(f"/imports/{import_id}/start", data={"csrf": cookie.csrf})
        beside = _ask(client, ids, lambda _: _has_ended(service, import_id))
        with service.store.read() as connection:
            done = find_import(connection, import_id)
    finally:
        server.terminate()
        server.wait()
        service.close()
    report = {
        "texts": what,
        "import": {
            "state": done.state,
            "rows": done.counts.read,
            "seconds": round(done.seconds, 1),
            "per_second": round(done.counts.read / done.seconds, 1),
        },
        "without": quiet,
        "beside": beside,
    }
    print(json.dumps(report, ensure_ascii=False, indent=1))


def _has_ended(service: Service, import_id: str) -> bool:
    with service.store.read() as connection:
        return find_import(connection, import_id).state not in UNFINISHED


def _serve(settings: Settings) -> tuple[subprocess.Popen[bytes], str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    given = {
        "FENBAN_DATA_DIR": str(settings.data_dir),
        "FENBAN_DATABASE_URL": settings.database_url,
        "FENBAN_MODELS": str(settings.models),
        "FENBAN_DIRECTORY": str(settings.directory),
    }
    server = subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "api.cli", "serve", "--port", str(port)],
        env=os.environ | given,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    base = f"http://127.0.0.1:{port}"
    for _ in range(600):
        with suppress(httpx.HTTPError):
            if httpx.get(f"{base}/readyz").status_code == 200:
                return server, base
        time.sleep(0.1)
    server.kill()
    raise SystemExit("the server does not answer")


def _ask(
    client: httpx.Client, ids: list[str], is_over: Callable[[float], bool]
) -> dict[str, dict[str, float]]:
    """Asks until it is over; for each question how often, how often in vain, and milliseconds."""
    took: dict[str, list[float]] = defaultdict(list)
    failed: dict[str, int] = defaultdict(int)
    over = threading.Event()
    decided = 0

    def question(name: str) -> httpx.Response:
        nonlocal decided
        if name != "decide":
            return client.get(
                {"healthz": "/healthz", "imports page": "/imports", "list": "/v1/petitions?limit=50"}[name]
            )
        decided += 1
        body = {"category": ("0402", "1502")[decided % 2], "reason": str(decided)}
        return client.post(f"/v1/petitions/{ids[decided % len(ids)]}/decisions", json=body)

    def keep_asking(name: str) -> None:
        while not over.wait(_EVERY[name]):
            started = time.perf_counter()
            answer = question(name)
            took[name].append((time.perf_counter() - started) * 1_000)
            failed[name] += answer.status_code not in {200, 201}

    threads = [threading.Thread(target=keep_asking, args=(name,)) for name in _EVERY]
    for thread in threads:
        thread.start()
    since = time.monotonic()
    while not is_over(since):
        time.sleep(0.5)
    over.set()
    for thread in threads:
        thread.join()
    return {name: _figures(values, failed[name]) for name, values in took.items()}


def _figures(values: list[float], failed: int) -> dict[str, float]:
    cut = statistics.quantiles(values, n=100) if len(values) > 1 else values * 99
    return {
        "asked": len(values),
        "failed": failed,
        "p50": round(cut[49], 1),
        "p99": round(cut[98], 1),
        "slowest": round(max(values), 1),
    }


if __name__ == "__main__":
    main()
