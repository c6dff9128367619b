"""A lock that at most one process holds: a file with flock, which a killed process lets go of."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from classifier.errors import AlreadyRunningError

# Whoever only looks holds the lock for a moment; a run that begins just then waits it out.
_ATTEMPTS, _PAUSE = 20, 0.02


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
