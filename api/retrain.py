"""Decisions become a candidate: snapshot → `python -m training retrain` in a process of its own → the gate's verdict. One at a time.

`retrain` does it here and now; `start` leaves it to a process that outlives the asking worker. Nothing is promoted unless asked for.
The snapshot lives in the data folder, which nobody else can read, and goes with the run, however that ends; what a killed run left
goes with the next one. The log names steps and outcomes, never a text or a person.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import IO, Any

from api.export import write_snapshot
from api.locks import spawn
from api.promotion import promote
from api.run_state import Run, RunState, State, Step, moment
from api.service import Service
from api.settings import Settings
from api.store.audit import Action, record
from api.store.snapshot import state
from api.store.users import User
from classifier.errors import ConflictError, FenbanError, StoreUnavailableError
from classifier.registry import COMMAND_LINE

_FOLDER = ".fenban-retrain-"
_LOG_BYTES = 256 * 1024
# How often the child is looked after, its progress written down at most, and how long it may take to end each time it is told to.
_LOOK_SECONDS, _WRITE_SECONDS, _END_SECONDS = 0.3, 0.5, 5.0
#: What `python -m training retrain` says by its exit code.
_PASSED, _REFUSED = 0, 3

_NOTHING_NEW = "上次训练以来没有新的认定，不用重新训练。"
# How the last line of a traceback begins.
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception)\b")

Show = Callable[[Step], object]


class _Cancelled(Exception):
    """Somebody wants the run to end."""


@dataclass(slots=True)
class _Work:
    """A run at work: how it stands, where it is written down, who else is told."""

    files: RunState
    run: Run
    show: Show
    log: logging.Logger
    written: float = 0.0

    def reach(self, step: Step) -> None:
        """Raises _Cancelled."""
        is_new = not self.run.steps or self.run.steps[-1].step != step.step
        if is_new:
            self.log.info(step.step)
        self.run = self.run.reached(step)
        self.show(step)
        # A step may say nothing more for minutes: that it began is written at once.
        if is_new or time.monotonic() - self.written > _WRITE_SECONDS:
            self.write()
        self.check()

    def check(self) -> None:
        if self.files.is_cancelled(self.run):
            raise _Cancelled

    def write(self) -> None:
        self.files.write(self.run)
        self.written = time.monotonic()

    def end(self, state: State, message: str, **values: Any) -> Run:
        self.run = self.run.ended(state, message, **values)
        self.log.info("%s：%s", state.value, message)
        self.write()
        return self.run


def start(service: Service, by: User) -> Run:
    """Begin a run in a process of its own; returns it as it begins.

    The lock is taken here and inherited by the process, so that of two who start at once one is refused. Raises
    AlreadyRunningError, StoreUnavailableError when the folder of models cannot be written.
    """
    settings = service.settings
    files = RunState(settings.models)
    try:
        descriptor = files.take()
        try:
            _on_record(service, by)
            run = _begin(files, by.name)
            spawn(settings, ("retrain", "--run", run.id), descriptor)
        finally:
            os.close(descriptor)
    except OSError as problem:
        raise StoreUnavailableError(
            f"模型目录写不了（{type(problem).__name__}），训练没有开始。请检查目录、权限和磁盘。"
        ) from None
    return run


def cancel(service: Service, by: User) -> Run:
    """Ask the run that is at work to end; returns it. Raises ConflictError when there is none."""
    run = RunState(service.settings.models).cancel()
    with service.store.write() as connection:
        record(connection, Action.RETRAINED, by.id, cancelled=True)
    return run


def _on_record(service: Service, by: User | None) -> None:
    nobody = {} if by else {"by": COMMAND_LINE}
    with service.store.write() as connection:
        record(connection, Action.RETRAINED, by.id if by else None, **nobody)


def retrain(
    service: Service,
    show: Show,
    promoting: bool = False,
    run_id: str = "",
    descriptor: int | None = None,
) -> Run:
    """Run to the end; returns how it ended. `run_id` and the lock's `descriptor` come from `start`, where there was one.

    Raises AlreadyRunningError; KeyboardInterrupt when interrupted, after cleaning up. Whatever else goes wrong is a run that failed.
    """
    settings = service.settings
    files = RunState(settings.models)
    with files.held(descriptor), _logger(files.log) as log:
        if not run_id:
            _on_record(service, None)
        run = files.read() if run_id else _begin(files, COMMAND_LINE)
        work = _Work(files, run, show, log)
        log.info("开始 %s", work.run.id)
        try:
            with _folder(settings.data_dir) as folder:
                _run(service, work, folder)
            if promoting and work.run.state is State.PASSED:
                _promote(service, work)
        except _Cancelled:
            work.end(State.CANCELLED, "已按要求取消。")
        except KeyboardInterrupt:
            work.end(State.CANCELLED, "训练被中断。")
            raise
        except FenbanError as problem:
            work.end(State.FAILED, str(problem))
        except Exception as problem:
            # A message may hold anything; its kind is enough to look for it.
            work.end(State.FAILED, f"重新训练没有完成（{type(problem).__name__}）。请看磁盘空间和目录权限。")
        return work.run


def _promote(service: Service, work: _Work) -> None:
    """Only in the place of the version it was judged against."""
    run = work.run
    try:
        promote(service, run.version, None, expected=run.parent)
        work.log.info("已启用 %s", run.version)
    except ConflictError:
        work.end(
            State.PASSED,
            f"新版本 {run.version} 通过检验，但没有自动启用：检验期间启用的模型已不是与它比较的 {run.parent}。"
            "请比较后再决定（fenban models diff），或重新训练。",
        )


def _begin(files: RunState, by: str) -> Run:
    before = files.read()
    files.clear()
    # What ended without a verdict has not shown that there is nothing more to learn.
    judged = before.state in {State.PASSED, State.REFUSED, State.NOTHING}
    run = Run(
        id=uuid.uuid4().hex,
        state=State.RUNNING,
        by=by,
        started_at=moment(),
        message="",
        parent=before.parent if judged else "",
        snapshot=before.snapshot if judged else "",
        newest=before.newest if judged else "",
    )
    files.write(run)
    return run


def _run(service: Service, work: _Work, folder: Path) -> None:
    settings = service.settings
    work.reach(Step("导出认定"))
    parent = service.live.engine().bundle
    with service.store.read() as connection:
        newest = "/".join(map(str, state(connection)))
    # Asked before the export, which reads every decision there is.
    if (parent.version, newest) == (work.run.parent, work.run.newest):
        work.end(State.NOTHING, _NOTHING_NEW)
        return
    snapshot = write_snapshot(service, folder / "labels", work.check)
    learnt = (parent.report.get("lineage") or {}).get("snapshot")
    before = (work.run.parent, work.run.snapshot)
    work.run = replace(work.run, parent=parent.version, snapshot=snapshot.sha256, newest=newest)
    if not (snapshot.decided or snapshot.links):
        work.end(State.NOTHING, "还没有人的认定，没有可学的。")
    elif snapshot.sha256 == learnt or (parent.version, snapshot.sha256) == before:
        work.end(State.NOTHING, _NOTHING_NEW)
    else:
        _train(settings, work, folder)


def training_command(settings: Settings, labels: Path) -> list[str]:
    """What is started: the command line that training keeps for us."""
    return [
        # UTF-8 both ways, whatever the locale of the office's machine.
        *(sys.executable, "-X", "utf8", "-P", "-m", "training", "retrain", "--json-progress"),
        *("--labels", str(labels), "--models", str(settings.models)),
        *("--corpora", str(settings.corpora), "--directory", str(settings.directory_in_use)),
    ]


def _train(settings: Settings, work: _Work, folder: Path) -> None:
    answer = folder / "answer.json"
    with answer.open("wb") as out:
        process = subprocess.Popen(  # noqa: S603  our own module
            training_command(settings, folder / "labels"),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.PIPE,
            # Ctrl-C is for us to pass on.
            start_new_session=True,
        )
    try:
        said = _follow(process, work)
    finally:
        _stop(process)
    if process.returncode not in {_PASSED, _REFUSED}:
        work.end(State.FAILED, said or f"训练程序没有完成（退出码 {process.returncode}）。")
        return
    verdict = json.loads(answer.read_text(encoding="utf-8").rstrip("\n").split("\n")[-1])
    state = State.PASSED if process.returncode == _PASSED else State.REFUSED
    message = (
        f"新版本 {verdict['version']} 通过检验，可以启用。"
        if state is State.PASSED
        else f"新版本 {verdict['version']} 没有通过检验，不会启用：{'；'.join(verdict['reasons'])}"
    )
    # Training asks by itself which version is active: what it judged against may be another than when the run began.
    work.end(state, message, version=verdict["version"], parent=verdict["parent"], verdict=verdict)


def _follow(process: subprocess.Popen[bytes], work: _Work) -> str:
    """Until the child has ended; returns why it could not, as it said or as its traceback is called. Raises _Cancelled."""
    lines: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_read, args=(process.stderr, lines), daemon=True).start()
    said = broken = ""
    while True:
        try:
            line = lines.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            work.check()
            continue
        if line is None:
            process.wait()
            return said or (broken and f"训练程序出错（{broken}）。请看内存、磁盘和程序版本。")
        text = line.decode("utf-8", "replace").strip()
        if text.startswith("fenban: "):
            said = text.removeprefix("fenban: ")
        elif step := _step(text):
            work.reach(step)
        elif found := _EXCEPTION.match(text):
            # Its name alone: what follows may hold anything.
            broken = found[0]


def _read(stream: IO[bytes] | None, lines: queue.Queue[bytes | None]) -> None:
    if stream is not None:
        with stream:
            for line in stream:
                lines.put(line)
    lines.put(None)


def _step(line: str) -> Step | None:
    """A line of --json-progress; None for whatever else a child writes, which is not ours to repeat."""
    try:
        found = json.loads(line)
        return Step(str(found["step"])[:80], int(found["done"]), found["total"])
    except (ValueError, TypeError, KeyError):
        return None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """First as Ctrl-C, upon which training clears away what it began to write; a process started in the background may be deaf to it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_END_SECONDS)


@contextmanager
def _folder(data_dir: Path) -> Iterator[Path]:
    """A folder nobody else can read. Called with the lock held: what another run left there belongs to a dead one."""
    for left in data_dir.glob(f"{_FOLDER}*"):
        shutil.rmtree(left, ignore_errors=True)
    data_dir.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=_FOLDER, dir=data_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _logger(path: Path) -> Iterator[logging.Logger]:
    """The log file, at most two of _LOG_BYTES."""
    log = logging.getLogger("fenban.retrain")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = RotatingFileHandler(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.addHandler(handler)
    try:
        yield log
    finally:
        log.removeHandler(handler)
        handler.close()
