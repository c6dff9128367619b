"""The console script as a process of its own, the way an office runs it."""

from __future__ import annotations

import csv
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SCRIPT = Path(sys.executable).parent / "fenban"
_SECONDS = 120
_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE = 24, 1

WriteCsv = Callable[..., Path]


@dataclass(frozen=True, slots=True)
class Done:
    """What a finished process left: both streams as bytes."""

    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode("utf-8")

    @property
    def said(self) -> str:
        return self.err.decode("utf-8")


@dataclass(frozen=True, slots=True)
class Fenban:
    """`fenban …` in a folder of its own, with its own data directory."""

    folder: Path
    settings: Mapping[str, str]

    def __call__(
        self,
        *arguments: object,
        code: int = 0,
        stdin: bytes = b"",
        obeys_modes: bool = False,
        **settings: object,
    ) -> Done:
        """Run to the end; any other exit code than `code` fails the test. `obeys_modes` takes root's right to write anywhere."""
        done = subprocess.run(
            [_SCRIPT, *map(str, arguments)],
            input=stdin,
            capture_output=True,
            cwd=self.folder,
            env=self.environment(**settings),
            timeout=_SECONDS,
            check=False,
            preexec_fn=_obey_modes if obeys_modes else None,
        )
        assert done.returncode == code, done.stderr.decode("utf-8", "replace")
        assert b"Traceback" not in done.stderr, done.stderr.decode("utf-8", "replace")
        return Done(done.stdout, done.stderr)

    def refuses(self, *arguments: object, **settings: object) -> str:
        """Run what cannot be done: exit code 1, nothing on stdout, exactly one line on stderr. Returns the line."""
        done = self(*arguments, code=1, **settings)
        assert done.out == b""
        assert done.said.startswith("fenban: ")
        assert done.said.count("\n") == 1
        assert done.said.endswith("\n")
        return done.said.strip()

    def start(self, *arguments: object, **settings: object) -> subprocess.Popen[bytes]:
        """Leave it running; the caller ends it."""
        return subprocess.Popen(
            [_SCRIPT, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env=self.environment(**settings),
        )

    def environment(self, **settings: object) -> dict[str, str]:
        """Lower-case names are settings of fenban, upper-case ones stand as they are."""
        given = {f"FENBAN_{n.upper()}" if n.islower() else n: str(v) for n, v in settings.items()}
        kept = {name: value for name, value in os.environ.items() if not name.startswith("FENBAN_")}
        return kept | dict(self.settings) | {"FENBAN_DATA_DIR": str(self.folder / "data")} | given


def _obey_modes() -> None:
    """Root may write where the mode forbids it; without this capability the modes hold. No root, no effect."""
    ctypes.CDLL(None).prctl(_PR_CAPBSET_DROP, _CAP_DAC_OVERRIDE, 0, 0, 0)


@pytest.fixture(scope="session")
def make_fenban(models: Path, tiny_corpora: Path) -> Callable[[Path], Fenban]:
    """A command line on the tiny model, for a folder."""
    settings = {
        "FENBAN_MODELS": str(models),
        "FENBAN_CORPORA": str(tiny_corpora),
        "FENBAN_DIRECTORY": str(ROOT / "corpora" / "units" / "county"),
    }
    return lambda folder: Fenban(folder, settings)


@pytest.fixture
def fenban(make_fenban: Callable[[Path], Fenban], tmp_path: Path) -> Fenban:
    return make_fenban(tmp_path)


@pytest.fixture
def own_models(models: Path, tmp_path: Path) -> Path:
    """A copy of the registry that a test may change or break."""
    return shutil.copytree(models, tmp_path / "models")


@pytest.fixture(scope="session")
def seed_rows() -> list[dict[str, str]]:
    """Every shipped seed petition, as it stands in its file."""
    files = sorted((ROOT / "corpora" / "seed").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="session")
def bicycle_letters() -> tuple[str, list[dict[str, str]]]:
    """A text on a matter that the tiny corpus does not know, and forty letters on the same."""
    asked = "我家门口的共享单车堆成了山，骑行卡退不了钱，平台客服一直不接电话，请有关部门管一管。"
    places = ("东门", "西街", "南桥", "北苑", "河滨", "车站", "学院", "市场")
    texts = (
        f"{places[i % 8]}路口的共享单车乱停乱放占了第{i}号楼的通道，骑行卡里的{i + 20}元退不了，平台客服不接电话。"
        for i in range(40)
    )
    return asked, [{"text": text, "kind": "申诉求决"} for text in texts]


@pytest.fixture(scope="session")
def write_csv() -> WriteCsv:
    """Writes rows of equal keys as a CSV file; returns its path."""

    def write(path: Path, rows: Iterable[Mapping[str, str]], encoding: str = "utf-8") -> Path:
        rows = list(rows)
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return path

    return write


@dataclass(slots=True)
class Server:
    """A running server, and what it printed."""

    process: subprocess.Popen[bytes]
    address: str
    key: str = ""
    #: The administrator's one-time link, while it is printed.
    link: str = ""

    def ask(
        self, path: str, body: dict[str, Any] | None = None, code: int = 200, **headers: str
    ) -> dict[str, Any]:
        """GET, or POST when there is a body; any other status than `code` fails the test."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(  # noqa: S310  our own server
            self.address + path,
            json.dumps(body).encode() if body is not None else None,
            {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"} | given,
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                status, content = answer.status, json.load(answer)
        except urllib.error.HTTPError as problem:
            with problem:
                status, content = problem.code, json.load(problem)
        assert status == code, content
        return content

    def stop(self) -> tuple[str, str]:
        """Ctrl-C; returns what the process had written."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=30)
        return out.decode("utf-8"), err.decode("utf-8")


@contextmanager
def _serving(fenban: Fenban, *arguments: object, **settings: object) -> Iterator[Server]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = fenban.start("serve", "--port", port, *arguments, **settings)
    server = Server(process, f"http://127.0.0.1:{port}")
    try:
        for line in iter(process.stdout.readline, b""):
            said, _, value = line.decode("utf-8").strip().partition("  ")
            if said == "首次登录":
                server.link = value
            if said == "凭证":
                server.key = value
                break
        _wait_until_ready(server)
        yield server
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def _wait_until_ready(server: Server) -> None:
    end = time.monotonic() + 60
    while True:
        assert server.process.poll() is None, server.process.communicate()[1].decode("utf-8")
        try:
            if server.ask("/readyz")["status"] == "ok":
                return
        except urllib.error.URLError:
            assert time.monotonic() < end, "the server does not come up"
            time.sleep(0.1)


@pytest.fixture(scope="session")
def serving() -> Callable[..., Any]:
    """`with serving(fenban, "--demo", models=…) as server:` a server until the block ends."""
    return _serving


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium. It asks nothing outside by itself."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip(
            "no Chromium is installed: journeys through pages are not tried (Debian: apt-get install chromium)"
        )
    from playwright.sync_api import sync_playwright

    quiet = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync")  # fmt: skip
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=[f"--{name}" for name in quiet])
        yield started
        started.close()
