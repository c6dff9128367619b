"""A lock that at most one process holds, a file with flock that a killed process lets go of; and a process that inherits one."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from api.settings import Settings
from classifier.errors import AlreadyRunningError

# Whoever only looks holds the lock for a moment; a run that begins just then waits it out.
_ATTEMPTS, _PAUSE = 20, 0.02
#: What a process must agree with us on; the key comes with the environment or its file.
_SETTINGS = ("data_dir", "database_url", "models", "corpora", "directory", "review_share")


@dataclass(frozen=True, slots=True)
class FileLock:
    """`busy` is what is said when somebody else holds it."""

    path: Path
    busy: str

    def take(self, attempts: int = _ATTEMPTS) -> int:
        """Hold the lock; returns the descriptor that holds it, which a child process may inherit. Raises AlreadyRunningError."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        for attempt in range(attempts):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                if attempt < attempts - 1:
                    time.sleep(_PAUSE)
        os.close(descriptor)
        raise AlreadyRunningError(self.busy)

    @contextmanager
    def held(self, descriptor: int | None = None) -> Iterator[None]:
        """The lock for a block; `descriptor` when a parent process took it already. Raises AlreadyRunningError."""
        taken = self.take() if descriptor is None else descriptor
        try:
            yield
        finally:
            os.close(taken)

    def is_held(self) -> bool:
        try:
            descriptor = os.open(self.path, os.O_RDWR)
        except OSError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False


def spawn(settings: Settings, command: Sequence[str], descriptor: int, **environment: str) -> None:
    """Begin `fenban COMMAND --lock DESCRIPTOR` in a process that outlives us and holds the lock from its first moment. Raises OSError."""
    # In the environment, not among the arguments: an address may hold a password, and those anybody can list.
    given = {f"FENBAN_{name.upper()}": str(getattr(settings, name)) for name in _SETTINGS}
    process = subprocess.Popen(  # noqa: S603  our own module
        [sys.executable, "-P", "-m", "api.cli", *command, "--lock", str(descriptor)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | given | environment,
        pass_fds=(descriptor,),
        start_new_session=True,
    )
    threading.Thread(target=process.wait, daemon=True).start()  # or it stays a zombie as long as we live
