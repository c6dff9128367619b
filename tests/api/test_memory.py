"""Memory that is freed goes back to the system."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

# As pages do: threads count on arrays of some megabytes, and each leaves something small behind.
_PAGES = """
import sys, threading
import numpy as np
from api.memory import give_back_what_is_freed

def resident():
    with open("/proc/self/status", encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) // 1024

if sys.argv[1] == "given back":
    give_back_what_is_freed()
np.ones(4_000_000)  # once something large was freed, glibc keeps what is smaller
left, before = [], resident()

def page(size):
    for _ in range(20):
        arrays = [np.ones(size) for _ in range(8)]
        left.append(b"x" * 100_000)
        del arrays
        left.append(b"x" * 100_000)

threads = [threading.Thread(target=page, args=(100_000 + 5_000 * n,)) for n in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(resident() - before - sum(map(len, left)) // 2**20)
"""


def _kept(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", _PAGES, how], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="the C library is not glibc")
def test_what_pages_used_is_given_back():
    assert _kept("given back") < 15 < _kept("left alone")
