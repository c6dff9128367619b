"""Does the HTTP interface keep to its own description, whoever asks? schemathesis, all checks, as each role, against a real server.

For each role a fresh user with a key; requests are made up from /v1/openapi.json until at least `--requests` were sent. Exit code 1 when any
check failed. Left out are `positive_data_acceptance` (a made-up code or id has the right form and is refused all the same, with 404 or 422, as
described) and retraining, which would keep the machine busy with what is not asked.

Run: python -m bench.fuzz [--requests 20000] [--roles intake,unit]
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from api.store.firewall import Role
from bench.soak import served

_OPERATIONS = 28
_SENT = re.compile(r"(\d[\d,]*) generated")


def fuzz(address: str, key: str, examples: int, seed: int) -> tuple[int, bool, str]:
    """How many requests were sent, whether all was well, and what was said."""
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(Path(__file__).with_name("schemathesis.toml")), "run", f"{address}/v1/openapi.json",
        "--header", f"Authorization: Bearer {key}", "--checks", "all", "--exclude-checks", "positive_data_acceptance",
        "--exclude-path-regex", "/v1/retrain", "--max-examples", str(examples), "--continue-on-failure",
        "--seed", str(seed),
        # One worker: two threads that build strategies at once fail in the interpreter now and then ("AST constructor recursion depth mismatch").
        "--workers", "1", "--phases", "examples,coverage,fuzzing", "--no-color",
        # Nothing is remembered, and what fails is told as it was met: making it smaller would take most of the time.
        "--no-shrink", "--generation-database", "none",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    said = done.stdout + done.stderr
    found = _SENT.search(said)
    return int(found.group(1).replace(",", "")) if found else 0, done.returncode == 0, said


def run(address: str, fenban: Callable[..., str], role: Role, requests: int) -> bool:
    unit = ("--unit", "urban_management") if role is Role.UNIT else ()
    key = fenban("users", "add", f"fuzz-{role}", "--role", role.value, *unit)
    begin, sent, well, seed = time.monotonic(), 0, True, 0
    while sent < requests:
        seed += 1
        some, is_well, said = fuzz(address, key, max(20, (requests - sent) // _OPERATIONS), seed)
        if not is_well:
            sys.stderr.write(said)
        well = well and is_well
        if not some:
            break
        sent += some
    print(
        f"{role:<10}{sent:>8,} requests  {'no failure' if well else 'FAILED'}  {time.monotonic() - begin:,.0f} s",
        flush=True,
    )
    return well and sent >= requests


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--roles", default=",".join(Role))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, served(Path(folder), "") as (address, _, fenban):
        outcomes = [run(address, fenban, Role(role), given.requests) for role in given.roles.split(",")]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
