"""Models change under load, and nobody notices: a short run of bench/swap.py."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_no_request_fails_while_models_are_swapped() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.swap", "--seconds", "15", "--per-minute", "600", "--every", "5"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout)
    assert (figures["requests"], figures["failures"], figures["versions_that_answered"]) == (150, 0, 2)
    assert figures["swaps_per_worker"] == [figures["promotions"]] * 2
    assert figures["seconds_until_the_last_worker_swapped"] < 10
