"""Two services that start at once on a database without any table: one makes it, both serve it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
from sqlalchemy import select

from api.service import open_service
from api.store.session import HEAD
from api.store.tables import users
from api.store.users import authenticate

# Whatever is slow to import is there before the start is given.
_START = """
import api.store.migrations.run
from api.service import open_service
from api.settings import Settings
settings = Settings()
print("ready", flush=True)
input()
open_service(settings).close()
"""


def _started(environment):
    return subprocess.Popen(
        [sys.executable, "-c", _START],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


@pytest.mark.parametrize("attempt", range(3))
def test_two_first_starts_at_once(blank_url, settings, attempt):
    names = ("data_dir", "database_url", "models", "corpora", "directory")
    given = {f"FENBAN_{name.upper()}": str(getattr(settings, name)) for name in names}
    with ExitStack() as stack:
        starts = [stack.enter_context(_started(os.environ | given)) for _ in range(2)]
        for start in starts:
            assert start.stdout.readline() == "ready\n"
        for start in starts:
            start.stdin.write("\n")
            start.stdin.flush()
        said = [start.communicate(timeout=60)[1] for start in starts]
    assert [start.returncode for start in starts] == [0, 0], "".join(said)
    service = open_service(settings)
    assert service.store.revision() == HEAD
    with service.store.read() as connection:
        assert connection.execute(select(users.c.name)).scalars().all() == ["admin"]
        assert authenticate(connection, settings.admin_file.read_text().strip()).name == "admin"
    service.close()
