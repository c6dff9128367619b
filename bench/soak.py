"""Do two clerks work undisturbed for an hour while files are imported? A real `fenban serve`, used through its pages.

Each clerk registers a petition every `--every` seconds as the form without script does (suggestions, accept, receipt), looks at it, confirms
a link where one is suggested, and works through the queue, the search, the overview in between. A third person uploads file after
file; an import is running all the time. Counts answers of 400 and more and broken connections; reports how long pages took, and the
memory of the server by quarters of the time after the first two minutes: with `--petitions`, which were there before anybody came (bench.filled),
its caches fill early; the columns of new petitions (decision 023) still grow. Exit code 1 when anything failed.

Run: python -m bench.soak [--minutes 60] [--every 5] [--petitions 100000] [--database-url URL]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from api.service import open_service
from bench.filled import fill, settings_for
from bench.forms import form_to, forms_of, links_of
from bench.shared_data import ROOT, seed_rows
from bench.swap import free_port

_PASSWORD = "一整个下午都在下雨"  # noqa: S105  of a database that lives an hour
_IDS = re.compile(r"/[0-9a-f]{32}")
_ROWS = 1_500
_LOOK_SECONDS = 10.0
_WARM_SECONDS = 120.0


@dataclass
class Seen:
    """What happened, gathered by all threads."""

    failures: list[str] = field(default_factory=list)
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: list[tuple[float, float]] = field(default_factory=list)
    imported: int = 0
    registered: int = 0
    linked: int = 0

    def figures(self, minutes: float) -> dict[str, Any]:
        whole = sorted(ms for path, all_ in self.took.items() for ms in all_)
        begin = self.memory[0][0] + min(_WARM_SECONDS, 60 * minutes / 4)
        warm = [mb for at, mb in self.memory if at >= begin] or [0.0]
        return {
            "minutes": minutes,
            "pages": len(whole),
            "failures": len(self.failures),
            "registered": self.registered,
            "links_confirmed": self.linked,
            "imported": self.imported,
            "p50_ms": _cut(whole, 50),
            "p99_ms": _cut(whole, 99),
            "slowest_ms": round(whole[-1], 1),
            "p99_ms_by_page": {path: _cut(sorted(all_), 99) for path, all_ in sorted(self.took.items())},
            "megabytes_by_quarter": [
                round(float(np.median(part))) for part in np.array_split(warm, 4) if len(part)
            ],
        }


def _cut(ordered: list[float], percent: int) -> float:
    return round(ordered[min(len(ordered) - 1, len(ordered) * percent // 100)], 1)


class Person:
    """A browser without script."""

    def __init__(self, address: str, seen: Seen) -> None:
        self._client = httpx.Client(base_url=address, timeout=30)
        self._seen = seen

    def get(self, path: str) -> str:
        return self._ask("GET", path)

    def send(self, page: str, action: str, files: Any = None, **values: str) -> str:
        """Fill in and send the form of `page` whose address ends with `action`; returns the page after it."""
        form = form_to(page, action)
        return self._ask("POST", form.action, data=form.filled(**values), files=files)

    def press(self, page: str, action: str) -> None:
        self.send(page, action)

    def _ask(self, method: str, path: str, **body: Any) -> str:
        begin = time.perf_counter()
        try:
            answer = self._client.request(method, path, **body)
        except httpx.HTTPError as problem:
            self._seen.failures.append(f"{method} {path}: {type(problem).__name__}")
            return ""
        name = f"{method} {_IDS.sub('/{id}', path.partition('?')[0])}"
        self._seen.took[name].append(1000 * (time.perf_counter() - begin))
        if answer.is_redirect:
            return self.get(answer.headers["location"])
        if answer.status_code >= 400:
            self._seen.failures.append(f"{name}: {answer.status_code}")
        return answer.text


def clerk(
    person: Person, texts: list[dict[str, str]], seen: Seen, every: float, ended: threading.Event
) -> None:
    """Register one petition a turn, and do something else with each."""
    chance = random.Random(len(texts))  # noqa: S311  which text comes next
    turn = 0
    due = time.monotonic()
    while not ended.is_set():
        row = chance.choice(texts)
        form = person.get("/register")
        suggested = person.send(
            form, "/register", title=row["title"], text=row["text"], channel="电话", do="suggest"
        )
        receipt = person.send(suggested, "/register", do="accept", **_chosen(suggested))
        seen.registered += 1
        own = [link for link in links_of(receipt) if _IDS.search(link)]
        page = person.get(own[0]) if own else ""
        pairs = [link for link in links_of(page) if "/links/" in link]
        if pairs:
            beside = person.get(pairs[0])
            where = pairs[0].partition("?")[0]
            if any(form.action == where for form in forms_of(beside)):  # else somebody has decided on it
                person.send(beside, where, verdict="yes")
                seen.linked += 1
        others = ("/queue", "/petitions", "/overview", "/queue?sort=due", "/help", "/petitions?q=电梯")
        listed = person.get(others[turn % len(others)])
        opened = [link for link in links_of(listed) if _IDS.search(link)]
        if opened:
            person.get(chance.choice(opened))
        turn += 1
        due += every
        ended.wait(max(0.0, due - time.monotonic()))


def _chosen(page: str) -> dict[str, str]:
    """Where the model is not sure nothing is chosen beforehand: the person takes the first candidate."""
    held = dict(form_to(page, "/register").fields)
    first = {name: re.search(rf'name="{name}" value="([^"]+)"', page) for name in ("category", "unit")}
    return {name: found.group(1) for name, found in first.items() if found and not held.get(name)}


def importer(person: Person, texts: list[dict[str, str]], seen: Seen, ended: threading.Event) -> None:
    """One file after another, each of other rows."""
    number = 0
    while not ended.is_set():
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(["编号", "标题", "内容", "姓名", "联系电话", "来信时间"])
        for row in random.Random(number).sample(texts, _ROWS):  # noqa: S311
            writer.writerow(
                [
                    f"{number}-{row['id']}",
                    row["title"],
                    f"{row['text']}（第{number}批）",
                    "王某",
                    "",
                    "2026-03-04",
                ]
            )
        page = person.send(
            person.get("/imports"),
            "/imports",
            files={"file": ("存量.csv", out.getvalue().encode("gb18030"), "text/csv")},
        )
        own = next(link for link in re.findall(r"/imports/[0-9a-f]{32}", page))
        person.press(page, "/start")
        while not ended.is_set() and "data-running" in person.get(own):
            ended.wait(2)
        seen.imported += _ROWS
        number += 1


def _memory(pids: list[int]) -> float:
    """Megabytes resident in these processes."""
    total = 0
    for pid in pids:
        found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
        total += int(found.group(1)) if found else 0
    return total / 1024


@contextmanager
def served(folder: Path, database_url: str) -> Iterator[tuple[str, int, Callable[..., str]]]:
    """A server on a database of its own: its address, its process, and `fenban …` beside it."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FENBAN_")}
    own = {"DATA_DIR": folder / "data", "MODELS": ROOT / "models", "CORPORA": ROOT / "corpora", "DIRECTORY": ROOT / "corpora/units/county", "PORT": port, "DATABASE_URL": database_url}  # fmt: skip
    environment = kept | {f"FENBAN_{name}": str(value) for name, value in own.items()}
    script = Path(sys.executable).parent / "fenban"

    def fenban(*arguments: str) -> str:
        whole = [str(script), *arguments]
        done = subprocess.run(whole, env=environment, capture_output=True, text=True, check=True)  # noqa: S603
        return str(done.stdout).strip()

    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([script, "serve"], env=environment, stdout=log, stderr=log)  # noqa: S603
        try:
            _wait(f"http://127.0.0.1:{port}/readyz")
            yield f"http://127.0.0.1:{port}", process.pid, fenban
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def _wait(address: str) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if httpx.get(address).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit("the server does not come up")


def _enter(person: Person, fenban: Callable[..., str], name: str) -> None:
    fenban("users", "add", name, "--role", "reviewer")
    link = fenban("users", "link", name)
    path = link[link.index("/welcome") :]
    person.send(person.get(path), "/welcome", password=_PASSWORD, again=_PASSWORD)


def _fill(data_dir: Path, database_url: str, petitions: int) -> None:
    service = open_service(settings_for(data_dir, database_url))
    fill(service, petitions)
    service.close()


def soak(minutes: float, every: float, petitions: int, database_url: str) -> dict[str, Any]:
    seen, ended = Seen(), threading.Event()
    texts = [dict(row) for row in seed_rows()]
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        if petitions:
            _fill(Path(folder) / "data", database_url, petitions)
        address, pid, fenban = stack.enter_context(served(Path(folder), database_url))
        people = []
        for number in range(3):
            person = Person(address, seen)
            _enter(person, fenban, f"用户{number}")
            people.append(person)
        seen.took.clear()
        work = [
            threading.Thread(target=clerk, args=(people[0], texts, seen, every, ended)),
            threading.Thread(target=clerk, args=(people[1], texts[::-1][1:], seen, every, ended)),
            threading.Thread(target=importer, args=(people[2], texts, seen, ended)),
        ]
        for thread in work:
            thread.start()
        until = time.monotonic() + 60 * minutes
        while time.monotonic() < until and all(thread.is_alive() for thread in work):
            seen.memory.append((time.monotonic(), _memory([pid])))
            time.sleep(min(_LOOK_SECONDS, 60 * minutes / 20))
        if time.monotonic() < until:
            seen.failures.append("somebody stopped working")
        ended.set()
        for thread in work:
            thread.join(60)
        log = (Path(folder) / "log").read_text(encoding="utf-8", errors="replace")
        sys.stderr.writelines(f"{line}\n" for line in log.splitlines() if '"level": "error"' in line)
    for failure in sorted(set(seen.failures)):
        sys.stderr.write(f"{seen.failures.count(failure)} × {failure}\n")
    return seen.figures(minutes)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--every", type=float, default=5)
    parser.add_argument("--petitions", type=int, default=0)
    parser.add_argument("--database-url", default="")
    given = parser.parse_args()
    figures = soak(given.minutes, given.every, given.petitions, given.database_url)
    print(json.dumps(figures, ensure_ascii=False, indent=1))
    return 1 if figures["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
