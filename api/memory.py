"""What the process does with memory that it no longer needs."""

from __future__ import annotations

import ctypes

# The options of malloc.h, and what `mallopt(3)` calls them.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
_OPTIONS = ((_ARENA_MAX, 2), (_MMAP_THRESHOLD, 512 * 1024), (_TRIM_THRESHOLD, 1024 * 1024))


def give_back_what_is_freed() -> None:
    """From now on memory that is freed goes back to the system, in this process; where the C library is not glibc, nothing changes.

    Pages count on arrays of some megabytes, in any of forty threads. Left to itself glibc keeps up to eight arenas a core and, once an
    array of some size was freed, keeps what is freed of that size for later: such a server grows for hours and never shrinks.
    `bench.soak` with and without, side by side: decision 023.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for option, value in _OPTIONS:
            mallopt(option, value)
