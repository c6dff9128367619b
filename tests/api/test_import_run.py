"""An import killed anywhere goes on and stores every row once; a key replaced meanwhile changes nothing."""

from __future__ import annotations

import csv
import io
import os
import signal
import threading
import time
import warnings

import pytest
from sqlalchemy import select

from api import import_run, imports
from api.app import create_app
from api.import_files import owner_of
from api.import_run import go_on, work
from api.imports import cancel, start, upload
from api.rotation import rotate
from api.store.firewall import Role
from api.store.imports import ImportState, find_import
from api.store.tables import petitions
from api.store.users import add_user
from classifier.errors import ColumnError, SecretError, StoreUnavailableError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

_ROWS, _BROKEN = 9, (2, 3, 8)


class _Killed(BaseException):
    """Stands for kill -9: nothing after it is done."""


def _file(rows=_ROWS, broken=_BROKEN):
    """Rows 5 and 6 are alike in everything: they are two petitions."""
    file = io.StringIO(newline="")
    write = csv.writer(file).writerow
    write(["编号", "内容"])
    for number in range(rows):
        same = 5 if number == 6 else number
        write([same, "" if number in broken else f"第{same}号楼的楼道灯坏了{same}天没有人修。"])
    return file.getvalue().encode()


@pytest.fixture
def user(service):
    with service.store.write() as connection:
        return add_user(connection, "clerk", Role.INTAKE, "").id


@pytest.fixture
def begun(monkeypatch):
    """No process of its own: the ids of imports whose process would have been started."""
    ids = []
    monkeypatch.setattr(
        import_run, "spawn", lambda settings, command, descriptor, **environment: ids.append(command[-1])
    )
    monkeypatch.setattr(import_run, "_PAUSE", 0.0)
    return ids


def _found(service, import_id):
    with service.store.read() as connection:
        return find_import(connection, import_id)


def _texts(service):
    with service.store.read() as connection:
        return sorted(connection.execute(select(petitions.c.text)).scalars())


def _check_whole(service, import_id, user):
    found = _found(service, import_id)
    counts = found.counts
    assert found.state is ImportState.DONE
    assert (counts.read, counts.new, counts.known, counts.rejected) == (
        _ROWS,
        _ROWS - len(_BROKEN),
        0,
        len(_BROKEN),
    )
    good = [5 if n == 6 else n for n in range(_ROWS) if n not in _BROKEN]
    assert _texts(service) == sorted(f"第{n}号楼的楼道灯坏了{n}天没有人修。" for n in good)
    _, pieces = imports.rejects(service, import_id, None, user)
    lines = list(csv.reader(io.StringIO(b"".join(pieces).decode("utf-8-sig"))))
    assert [line[0] for line in lines] == ["行", *(str(n + 2) for n in _BROKEN)]


@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("where", ["before the commit", "after the commit"])
def test_killed_at_any_batch_it_stores_each_row_once(service, user, begun, monkeypatch, at, where):
    import_id = upload(service, user, "三月.csv", _file())
    start(service, import_id, None, user)
    real, batches = import_run.import_batch, []
    monkeypatch.setattr(
        import_run, "_MOST_ROWS", 2
    )  # however quick the machine: more batches than are killed at

    def killing(service, batch, user_id, along):
        def killed(connection, new, known):
            along(connection, new, known)
            raise _Killed

        batches.append(batch)
        if len(batches) != at + 1:
            return real(service, batch, user_id, along)
        done = list(real(service, batch, user_id, killed if where == "before the commit" else along))
        raise _Killed(done)

    monkeypatch.setattr(import_run, "import_batch", killing)
    with pytest.raises(_Killed):
        work(service, import_id)
    assert _found(service, import_id).state is ImportState.RUNNING
    monkeypatch.setattr(import_run, "import_batch", real)
    go_on(service)
    assert begun == [import_id, import_id]
    work(service, import_id)
    _check_whole(service, import_id, user)


def test_killed_between_the_rejects_and_the_end(service, user, begun, monkeypatch):
    import_id = upload(service, user, "三月.csv", _file())
    start(service, import_id, None, user)

    def killed(*_):
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(import_run, "_end", killed)
        with pytest.raises(_Killed):
            work(service, import_id)
    work(service, import_id)
    _check_whole(service, import_id, user)


def test_a_real_process_killed_and_started_again_at_the_start_of_the_service(service, settings, user):
    import_id = upload(service, user, "三月.csv", _file(40, ()))
    start(service, import_id, None, user)
    process = _process_of(service, import_id)
    _until(lambda: _found(service, import_id).counts.new >= 3)
    os.kill(process, signal.SIGKILL)
    _until(lambda: not import_run._lock(settings).is_held())
    cut_off = _found(service, import_id)
    assert cut_off.state is ImportState.RUNNING
    assert cut_off.counts.new == len(_texts(service)) < 40
    with TestClient(create_app(settings, service)):
        _until(lambda: _found(service, import_id).state is ImportState.DONE)
    counts = _found(service, import_id).counts
    assert (counts.new, counts.known, counts.rejected, len(_texts(service))) == (40, 0, 0, 40)


def _process_of(service, import_id):
    """The number of the process that works on it: the one with the import's id among its arguments."""

    def look():
        for name in filter(str.isdecimal, os.listdir("/proc")):
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    if import_id.encode() in file.read():
                        return int(name)
            except OSError:
                continue
        return None

    return _until(look)


def _until(condition, seconds=240):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.02)
    return found


def test_what_never_gets_anywhere_is_given_up_and_can_be_started_again(service, user, begun):
    import_id = upload(service, user, "三月.csv", _file())
    start(service, import_id, None, user)
    for _ in range(5):
        go_on(service)
    assert begun == [import_id] * 3
    found = _found(service, import_id)
    assert found.state is ImportState.FAILED
    assert "3 次中途没有了" in found.message
    start(service, import_id, None, user)
    work(service, import_id)
    _check_whole(service, import_id, user)


def test_one_that_was_to_be_cancelled_when_its_process_died_is_cancelled(service, user, begun):
    import_id = upload(service, user, "三月.csv", _file())
    start(service, import_id, None, user)
    with import_run._lock(service.settings).held():
        cancel(service, import_id, None, user)
        assert _found(service, import_id).state is ImportState.CANCELLING
    go_on(service)
    assert _found(service, import_id).state is ImportState.CANCELLED


def test_a_short_outage_of_the_database_is_waited_out_and_a_long_one_said(service, user, begun, monkeypatch):
    monkeypatch.setattr(import_run, "_PATIENCE", (0.0, 0.0))
    import_id = upload(service, user, "三月.csv", _file())
    start(service, import_id, None, user)
    real, calls = import_run.import_batch, []

    def failing(times):
        def batch(*args):
            calls.append(1)
            if len(calls) <= times:
                raise StoreUnavailableError("数据库正忙")
            return real(*args)

        return batch

    monkeypatch.setattr(import_run, "import_batch", failing(3))
    work(service, import_id)
    found = _found(service, import_id)
    assert (found.state, found.message) == (ImportState.FAILED, "数据库正忙")
    calls.clear()
    monkeypatch.setattr(import_run, "import_batch", failing(2))
    start(service, import_id, None, user)
    work(service, import_id)
    _check_whole(service, import_id, user)


def test_a_file_that_was_changed_on_disk_is_not_imported(service, settings, user, begun):
    import_id = upload(service, user, "三月.csv", _file())
    file = settings.data_dir / "imports" / f"{import_id}.file"
    file.write_bytes(file.read_bytes()[:-1])
    start(service, import_id, None, user)
    work(service, import_id)
    found = _found(service, import_id)
    assert found.state is ImportState.FAILED
    assert "解不开" in found.message
    assert _texts(service) == []


@pytest.mark.parametrize("when", ["while it waits", "half-way"])
def test_the_key_may_be_replaced_meanwhile(service, user, begun, monkeypatch, when):
    import_id = upload(service, user, "三月.csv", _file())
    old = service.vault
    if when == "while it waits":
        rotate(service, lambda done, total: None)
    start(service, import_id, None, user)
    if when == "half-way":
        real, batches = import_run.import_batch, []

        def then_rotated(*args):
            done = list(real(*args))
            batches.append(done)
            if len(batches) == 2:
                rotate(service, lambda done, total: None)
            return done

        monkeypatch.setattr(import_run, "import_batch", then_rotated)
    work(service, import_id)
    _check_whole(service, import_id, user)
    with pytest.raises(SecretError):
        old.open(_found(service, import_id).sealed, owner_of(import_id))
    # And the same file once more, under the new key.
    again = upload(service, user, "三月.csv", _file())
    start(service, again, None, user)
    work(service, again)
    assert _found(service, again).counts.known == _ROWS - len(_BROKEN)


def test_clerks_decide_while_an_import_is_at_work(service, http, user, begun):
    petition = http.submit("楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。")
    import_id = upload(service, user, "三月.csv", _file(40, ()))
    start(service, import_id, None, user)
    worker = threading.Thread(target=work, args=(service, import_id))
    worker.start()
    statuses = []
    while worker.is_alive() and len(statuses) < 20:
        answer = http.post(
            f"/v1/petitions/{petition}/decisions", {"category": "040206", "reason": str(len(statuses))}
        )
        statuses.append(answer.status_code)
    worker.join()
    assert set(statuses) == {201}
    assert _found(service, import_id).counts.new == 40


def test_a_file_without_text_column_is_not_started(service, user, begun):
    import_id = upload(service, user, "三月.csv", "甲,乙\n1,2\n".encode())
    with pytest.raises(ColumnError):
        start(service, import_id, None, user)
    assert (_found(service, import_id).state, begun) == (ImportState.WAITING, [])
