"""How long the server takes for a page of the workbench on a filled database (bench/filled.py), and with how many queries.

The application is asked in this process, as the server's worker thread is: no network, no browser. Each page is opened a few times first,
so that caches are as warm as during a working day; the first time is printed, too. Besides the time of the wall, the processor's is given:
on a machine with other work it is the one to compare.

Run: python -m bench.pages [--url …] [--data-dir FOLDER] [--petitions 100000] [--role admin] [--times 30] [PATH…]
Without --data-dir a new SQLite database is filled in a temporary folder; an existing one is taken as it is unless it is empty.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import event, func, select

from api.access import COOKIE
from api.app import create_app
from api.service import FIRST_ADMIN, Service, open_service
from api.store.accounts import begin_session
from api.store.firewall import Role
from api.store.tables import petitions
from api.store.users import add_user, find_user
from bench.filled import fill, settings_for
from classifier.errors import NotFoundError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

#: Pages that are measured when none is named.
PAGES = (
    "/overview",
    "/overview?period=30d",
    "/overview/list/repeats",
    "/overview/list/matters",
)
_UNIT = "housing"
_WARM = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds of each opening, by the wall and by the processor; queries of one opening."""

    first: float
    wall: tuple[float, ...]
    cpu: tuple[float, ...]
    queries: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--petitions", type=int, default=100_000)
    parser.add_argument("--role", default="admin", choices=[role.value for role in Role])
    parser.add_argument("--times", type=int, default=30)
    parser.add_argument("paths", nargs="*", default=PAGES)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = open_service(settings_for(given.data_dir or Path(folder), given.url))
        with service.store.read() as connection:
            size = connection.execute(select(func.count()).select_from(petitions)).scalar_one()
        if not size:
            fill(service, given.petitions)
            size = given.petitions
        where = service.store.engine.dialect.name
        print(f"{where}, {size} petitions, as {given.role}; milliseconds on the server")
        print(f"{'page':<44}{'first':>8}{'median':>8}{'p95':>8}{'cpu':>8}{'queries':>9}")
        for path in given.paths:
            one = measure(service, Role(given.role), path, given.times)
            shown = (one.first, statistics.median(one.wall), _p95(one.wall), statistics.median(one.cpu))
            print(f"{path:<44}{''.join(f'{value:8.1f}' for value in shown)}{one.queries:>9}")
        service.close()


def measure(service: Service, role: Role, path: str, times: int) -> Measured:
    """Open a page so many times, and a few more before."""
    queries = 0

    def count(*_: object) -> None:
        nonlocal queries
        queries += 1

    app = create_app(service.settings, service)
    with TestClient(app, cookies={COOKIE: _cookie(service, role)}) as client:

        def opened() -> tuple[float, float]:
            wall, cpu = time.perf_counter(), time.process_time()
            answer = client.get(path, follow_redirects=False)
            taken = (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3
            if answer.status_code != 200:
                raise SystemExit(f"{path}: status {answer.status_code}")
            return taken

        first = opened()[0]
        for _ in range(_WARM):
            opened()
        event.listen(service.store.engine, "before_cursor_execute", count)
        opened()
        event.remove(service.store.engine, "before_cursor_execute", count)
        found = [opened() for _ in range(times)]
    return Measured(first, tuple(wall for wall, _ in found), tuple(cpu for _, cpu in found), queries)


def _cookie(service: Service, role: Role) -> str:
    name = FIRST_ADMIN if role is Role.ADMIN else f"bench-{role.value}"
    with service.store.write() as connection:
        try:
            user = find_user(connection, name)
        except NotFoundError:
            user = add_user(connection, name, role, _UNIT if role is Role.UNIT else "")
        return begin_session(connection, user).cookie


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]


if __name__ == "__main__":
    main()
