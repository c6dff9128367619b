"""The one retraining that may run: its lock, its state, its cancellation. Files beside the models, so that any worker process, the command
line and a timer see the same.

retrain.lock     held (flock) by the run's process as long as it lives; a killed one lets go of it
retrain.json     what the run last said of itself, replaced whole
retrain.cancel   the id of a run that somebody wants ended; the run looks for it
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from api.locks import FileLock
from classifier.errors import ConflictError
from classifier.registry import replacing


class State(StrEnum):
    """How a run stands. `NOTHING`: it ended at once, for nobody decided anything since the last one."""

    IDLE = "idle"
    RUNNING = "running"
    PASSED = "passed"
    REFUSED = "refused"
    NOTHING = "nothing"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a run does: `done` of `total` (None when that is not known)."""

    step: str
    done: int = 0
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A retraining as it stands. Moments are ISO 8601 in UTC, "" while there is none; `verdict` is what the gate said,
    `newest` the numbers of the latest decision, return, verdict on a link and undo that the run saw."""

    id: str = ""
    state: State = State.IDLE
    by: str = ""
    started_at: str = ""
    ended_at: str = ""
    steps: tuple[Step, ...] = ()
    message: str = "还没有重新训练过。"
    version: str = ""
    parent: str = ""
    snapshot: str = ""
    newest: str = ""
    verdict: dict[str, Any] | None = field(default=None)

    def reached(self, step: Step) -> Run:
        """With this step: the last one moved on, or a new one begun."""
        before = self.steps[:-1] if self.steps and self.steps[-1].step == step.step else self.steps
        return replace(self, steps=(*before, step))

    def ended(self, state: State, message: str, **values: Any) -> Run:
        return replace(self, state=state, message=message, ended_at=moment(), **values)


def moment() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class RunState:
    """The files in one folder of models."""

    models: Path

    @property
    def log(self) -> Path:
        return self.models / "retrain.log"

    @property
    def _lock(self) -> FileLock:
        return FileLock(self.models / "retrain.lock", "已有一次重新训练在进行。请等它结束，或先取消它。")

    def take(self) -> int:
        """Hold the lock; returns the descriptor that holds it, which a child process may inherit. Raises AlreadyRunningError."""
        return self._lock.take()

    def held(self, descriptor: int | None = None) -> AbstractContextManager[None]:
        """The lock for a block; `descriptor` when a parent process took it already. Raises AlreadyRunningError."""
        return self._lock.held(descriptor)

    def is_held(self) -> bool:
        return self._lock.is_held()

    def write(self, run: Run) -> None:
        with replacing(self.models / "retrain.json") as temporary:
            temporary.write_text(json.dumps(asdict(run), ensure_ascii=False), encoding="utf-8")

    def read(self) -> Run:
        """The latest run. One whose process is gone without a word has failed, whatever it last said."""
        # Before the file is read, for a run writes its end and then lets go; and after, for one that began meanwhile.
        held = self.is_held()
        run = self._last()
        if run.state is State.RUNNING and not held and not self.is_held():
            return run.ended(State.FAILED, "这次训练的进程中途没有了（断电、被结束或服务重启）。请重新开始。")
        return run

    def _last(self) -> Run:
        try:
            found = json.loads((self.models / "retrain.json").read_text(encoding="utf-8"))
            steps = tuple(Step(**step) for step in found.pop("steps"))
            return Run(**found | {"steps": steps, "state": State(found["state"])})
        except FileNotFoundError:
            return Run()
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return Run(message="训练状态文件读不出来，可以重新开始一次训练。")

    def cancel(self) -> Run:
        """Ask the run that is at work to end; returns it. Raises ConflictError when there is none."""
        run = self.read()
        if run.state is not State.RUNNING:
            raise ConflictError("现在没有重新训练在进行，不用取消。")
        with replacing(self.models / "retrain.cancel") as temporary:
            temporary.write_text(run.id, encoding="ascii")
        return run

    def is_cancelled(self, run: Run) -> bool:
        try:
            return (self.models / "retrain.cancel").read_text(encoding="ascii") == run.id
        except OSError:
            return False

    def clear(self) -> None:
        """Forget any wish to end a run."""
        (self.models / "retrain.cancel").unlink(missing_ok=True)
