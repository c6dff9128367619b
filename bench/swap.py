"""Does anybody notice a change of models? A real `fenban serve` under a steady load while two versions are promoted in turn.

Two bundles that answer differently are promoted alternately every `--every` seconds. Half the requests ask `/v1/triage`, half store a
petition. Each answer names its version and must be, to the last digit, what that version says when asked alone. A request is late when
it began, after a promotion, at a worker that had not yet swapped. Counts failures; exit code 1 when there is one.

Run: python -m bench.swap [--seconds 120] [--workers 2] [--day-one]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from api.store.petitions import dump_answer
from bench.shared_data import ROOT, seed_rows
from classifier.bundle import load_bundle
from classifier.directory import load_directory
from classifier.petition import Petition
from classifier.registry import Registry
from classifier.routing import Router
from classifier.triage import triage
from training.publish import publish
from training.train import Sources, train

DIRECTORY = ROOT / "corpora" / "units" / "county"
#: What a version's answer depends on; ids are given at intake, links depend on what is stored.
_COMPARED = ("model_version", "categories", "abstained", "kind", "units", "redactions", "warnings")
_TEXTS = 40


class _Silent:
    @contextmanager
    def step(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        yield lambda: None


@dataclass
class Outcome:
    """What was seen. `answers`: when a request began (clock of the day), its version, its milliseconds."""

    failures: list[str] = field(default_factory=list)
    answers: list[tuple[float, str, float]] = field(default_factory=list)
    promotions: list[tuple[float, str]] = field(default_factory=list)
    #: Worker → (when, which version) of each swap, as it logged them.
    swaps: dict[int, list[tuple[float, str]]] = field(default_factory=lambda: defaultdict(list))
    #: Worker → MB resident after the first swaps and at the end.
    memory: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))

    def figures(self) -> dict[str, Any]:
        took = sorted(milliseconds for _, _, milliseconds in self.answers)
        cut = statistics.quantiles(took, n=100) if len(took) > 1 else [0.0] * 99
        last = [
            [
                min((at - when for at, which in swaps if which == version and at >= when), default=None)
                for swaps in self.swaps.values()
            ]
            for when, version in self.promotions
        ]
        followed = [max(delays) for found in last if (delays := [d for d in found if d is not None])]
        late = [0.0]
        for when, version in self.promotions:
            until = min((other for other, _ in self.promotions if other > when), default=float("inf"))
            stale = [at - when for at, which, _ in self.answers if when < at < until and which != version]
            late.append(max(stale, default=0.0))
        return {
            "requests": len(self.answers) + len(self.failures),
            "failures": len(self.failures),
            "versions_that_answered": len({version for _, version, _ in self.answers}),
            "p50_ms": round(cut[49], 1),
            "p99_ms": round(cut[98], 1),
            "slowest_ms": round(took[-1], 1) if took else None,
            "promotions": len(self.promotions),
            "swaps_per_worker": sorted(len(swaps) for swaps in self.swaps.values()),
            "seconds_until_the_last_worker_swapped": round(max(followed, default=0.0), 2),
            "seconds_of_the_last_answer_by_the_old_version": round(max(late), 2),
            "megabytes": {pid: [round(mb) for mb in seen] for pid, seen in self.memory.items()},
        }


def two_bundles(models: Path, day_one: bool) -> tuple[str, str]:
    """Publish two versions that really differ; returns their names. The first is active."""
    versions: list[str] = []
    for branches in (("04", "15"), ("03", "09")):
        if day_one and not versions:
            active = Registry(ROOT / "models").active()
            shutil.copytree(active, models / active.name)
            versions.append(active.name)
            continue
        with tempfile.TemporaryDirectory() as folder:
            corpora = Path(folder)
            shutil.copytree(ROOT / "corpora" / "taxonomy", corpora / "taxonomy")
            for name, suffix in (("seed", "jsonl"), ("lexicon", "csv")):
                (corpora / name).mkdir()
                for branch in branches:
                    shutil.copy(ROOT / "corpora" / name / f"{branch}.{suffix}", corpora / name)
            versions.append(publish(train(Sources(corpora), _Silent()), models, promote=False).version)
    Registry(models).promote(versions[0])
    return versions[0], versions[1]


def texts() -> list[tuple[str, str]]:
    """Titles and texts of seed petitions of every branch."""
    rows = seed_rows()
    return [(row["title"], row["text"]) for row in rows[:: max(len(rows) // _TEXTS, 1)]]


def alone(models: Path, version: str, given: list[tuple[str, str]]) -> list[str]:
    """What `version` answers to each text, when nothing else happens."""
    bundle = load_bundle(models / version)
    router = Router(load_directory(DIRECTORY, bundle.taxonomy), bundle.taxonomy, bundle.tokeniser)
    return [
        _comparable(
            json.loads(dump_answer(triage(Petition("", *one), bundle, None, router, bytes(32), top=3)))
        )
        for one in given
    ]


def _comparable(answer: dict[str, Any]) -> str:
    return json.dumps({name: answer[name] for name in _COMPARED}, ensure_ascii=False, sort_keys=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


@contextmanager
def server(
    folder: Path, models: Path, workers: int, outcome: Outcome, url: str
) -> Iterator[tuple[str, str, list[int]]]:
    """A running `fenban serve`; gives its address, its key and the process ids of its workers."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FENBAN_")}
    settings = {
        "FENBAN_DATA_DIR": str(folder / "data"),
        "FENBAN_DATABASE_URL": url,
        "FENBAN_MODELS": str(models),
        "FENBAN_DIRECTORY": str(DIRECTORY),
    }
    command = [str(Path(sys.executable).parent / "fenban"), "serve"]
    process = subprocess.Popen(  # noqa: S603  our own program
        [*command, "--port", str(port), "--workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=kept | settings,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    reader = threading.Thread(target=_read_log, args=(process.stderr, outcome), daemon=True)
    reader.start()
    try:
        key = next(line.split()[1] for line in process.stdout if line.startswith("凭证"))
        address = f"http://127.0.0.1:{port}"
        end = time.monotonic() + 60
        while not _is_ready(address):
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.1)
        yield address, key, _workers(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        reader.join(timeout=10)


def _read_log(stream: Any, outcome: Outcome) -> None:
    for line in stream:
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        if event["event"] == "model":
            at = datetime.fromisoformat(event["timestamp"]).timestamp()
            outcome.swaps[event["pid"]].append((at, event["version"]))
        elif event["event"] in {"model-refused", "unexpected"}:
            outcome.failures.append(line.strip())


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=5) as answer:  # noqa: S310  our own server
            return bool(answer.status == 200)
    except OSError:
        return False


def _workers(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [
        int(child)
        for child in children
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text(encoding="utf-8", errors="replace")
    ]


def run(
    seconds: float, per_minute: int, every: float, workers: int, day_one: bool = False, url: str = ""
) -> Outcome:
    """The whole measurement, in a folder of its own. `url` names a database; without one it is SQLite in that folder."""
    outcome, given = Outcome(), texts()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = folder / "models"
        versions = two_bundles(models, day_one)
        expected = {version: alone(models, version, given) for version in versions}
        differ = sum(a != b for a, b in zip(*expected.values(), strict=True))
        assert differ == len(given), "two versions that answer alike would show nothing"
        with server(folder, models, workers, outcome, url) as (address, key, pids):
            _load(outcome, address, key, pids, given, expected, Registry(models), seconds, per_minute, every)
    return outcome


def _load(
    outcome: Outcome,
    address: str,
    key: str,
    pids: list[int],
    given: list[tuple[str, str]],
    expected: dict[str, list[str]],
    registry: Registry,
    seconds: float,
    per_minute: int,
    every: float,
) -> None:
    def ask(number: int) -> None:
        row = number // 2 % len(given)
        body = {"title": given[row][0], "text": given[row][1]}
        stored = number % 2 == 0
        path = "/v1/petitions" if stored else "/v1/triage"
        request = urllib.request.Request(  # noqa: S310  our own server
            address + path,
            json.dumps(body if stored else {"petitions": [body]}).encode(),
            {"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
        )
        began, started = time.time(), time.perf_counter()
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                found = json.load(answer)
            suggestion = found["suggestion"] if stored else found["results"][0]
            took = (time.perf_counter() - started) * 1e3
            version = suggestion["model_version"]
            if _comparable(suggestion) != expected[version][row]:
                outcome.failures.append(f"{path} text {row}: not what {version} says alone")
            else:
                outcome.answers.append((began, version, took))
        except (OSError, ValueError, KeyError) as problem:
            outcome.failures.append(f"{path} text {row}: {problem!r}")

    versions, count = tuple(expected), int(seconds * per_minute / 60)
    began = time.monotonic()
    next_promotion, turn = began + every, 1
    with ThreadPoolExecutor(32) as pool:
        for number in range(count):
            due = began + number * 60 / per_minute
            time.sleep(max(due - time.monotonic(), 0))
            if time.monotonic() >= next_promotion:
                registry.promote(versions[turn % 2])
                outcome.promotions.append((time.time(), versions[turn % 2]))
                turn, next_promotion = turn + 1, next_promotion + every
                if turn in {5, 6}:
                    _weigh(outcome, pids)
            pool.submit(ask, number)
    time.sleep(3)  # the last promotion is to be followed, too
    _weigh(outcome, pids)


def _weigh(outcome: Outcome, pids: list[int]) -> None:
    for pid in pids:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
        outcome.memory[pid].append(pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--per-minute", type=int, default=1_000)
    parser.add_argument("--every", type=float, default=5, help="seconds between promotions")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--day-one", action="store_true", help="one of the two is models/ACTIVE")
    parser.add_argument("--url", default="", help="database; SQLite in a folder of its own without")
    given = parser.parse_args()
    outcome = run(given.seconds, given.per_minute, given.every, given.workers, given.day_one, given.url)
    for failure in outcome.failures[:20]:
        print(failure)
    print(json.dumps(outcome.figures(), ensure_ascii=False, indent=1))
    sys.exit(1 if outcome.failures else 0)


if __name__ == "__main__":
    main()
