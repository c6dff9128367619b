"""A new key, or identity keys in a new form: at every moment everything can be read, and killed anywhere it ends the same."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from sqlalchemy import func, select, update

import api.rotation
from api.intake import import_batch, import_keys, submit
from api.keyring import stored_format
from api.rotation import rehash, rotate
from api.service import open_service
from api.store.meta import key_check, put
from api.store.rotation import progress
from api.store.tables import idempotency, petitioner_keys, petitions
from classifier.errors import ConflictError, IdempotencyError, SecretError
from classifier.identity import KEY_FORMAT
from classifier.petition import Petition, Petitioner

_COUNT = 11


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch):
    monkeypatch.setattr(api.rotation, "BATCH", 4)


def _letters():
    return [
        Petition(
            f"{number}", "", f"第{number}号楼的楼道灯坏了{number}天没有人修。",
            Petitioner("张伟", phone=f"138000000{number % 7:02}", address=f"柏垭村{number}组") if number % 4 else Petitioner(),
            joint_petitioners=(Petitioner("李丽", phone="13900000000"),) if number % 5 == 0 else (),
            agent=Petitioner("赵律师", phone="13600000000") if number % 3 == 0 else Petitioner(),
        )
        for number in range(_COUNT)
    ]  # fmt: skip


@pytest.fixture
def filled(service, administrator):
    keyed = list(import_keys(service, _letters()))
    list(import_batch(service, keyed, None))
    submit(service, _letters()[1], administrator, "request-1")
    return service


def _quiet(done, total):
    pass


def _stored(service):
    """Everything that a key has a part in."""
    with service.store.read() as connection:
        rows = connection.execute(select(petitions).order_by(petitions.c.seq)).all()
        keys = connection.execute(select(petitioner_keys)).all()
        bodies = connection.execute(select(idempotency.c.body_digest)).scalars().all()
    return rows, keys, bodies


def _readable(service):
    rows, _, _ = _stored(service)
    return [
        (
            service.keyring.open(row.original, row.id),
            service.keyring.open(row.contact, row.id) if row.contact else None,
        )
        for row in rows
    ]


def _groups(service):
    """Which petitions share each key: what remains when the digests themselves are others."""
    found = {}
    for kind, digest, seq in _stored(service)[1]:
        found.setdefault((kind, bytes(digest)), set()).add(seq)
    return sorted((kind, sorted(seqs)) for (kind, _), seqs in found.items())


def test_after_a_rotation_nothing_old_is_left_and_nothing_is_lost(filled, settings, administrator):
    plain, groups, (rows, keys, bodies) = _readable(filled), _groups(filled), _stored(filled)
    old = filled.vault
    assert rotate(filled, _quiet) == _COUNT + 1
    new_rows, new_keys, new_bodies = _stored(filled)
    assert _groups(filled) == groups
    assert not {bytes(key.digest) for key in keys} & {bytes(key.digest) for key in new_keys}
    assert not set(bodies) & set(new_bodies)
    assert not {row.import_key for row in rows if row.import_key} & {row.import_key for row in new_rows}
    for row in new_rows:
        with pytest.raises(SecretError):
            old.open(row.original, row.id)
    filled.close()
    again = open_service(settings)
    assert again.problem() is None
    assert again.vault.check != old.check
    assert _readable(again) == plain
    (kept,) = settings.data_dir.glob("fenban.key.old-*")
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not (settings.data_dir / "fenban.key.new").exists()
    again.close()


@pytest.mark.parametrize("times", [1, 2])
def test_an_import_or_request_repeated_after_rotations_adds_nothing(filled, administrator, times):
    for _ in range(times):
        rotate(filled, _quiet)
    repeated = list(import_batch(filled, list(import_keys(filled, _letters())), None))
    assert [new for _, new in repeated] == [False] * _COUNT
    assert submit(filled, _letters()[1], administrator, "request-1").replayed
    with pytest.raises(IdempotencyError):
        submit(filled, _letters()[2], administrator, "request-1")


class _Killed(BaseException):
    pass


def _killed_after(steps):
    left = [steps]

    def show(done, total):
        left[0] -= 1
        if left[0] < 0:
            raise _Killed

    return show


@pytest.mark.parametrize("job", ["rotate", "rehash"])
def test_stopped_after_each_step_it_goes_on_and_the_service_works_meanwhile(
    filled, settings, live, administrator, job
):
    run = {"rotate": rotate, "rehash": rehash}[job]
    plain, groups = _readable(filled), _groups(filled)
    running = replace(filled)  # opened before, with the key of before
    steps = 0
    while True:
        worker = replace(open_service(settings), live=live)
        try:
            run(worker, _killed_after(1))
        except _Killed:
            steps += 1
        else:
            break
        finally:
            worker.close()
        assert steps < 20
        assert _readable(running)[: len(plain)] == plain
        repeated = import_batch(running, list(import_keys(running, _letters()))[:2], None)
        assert not any(new for _, new in repeated)
        assert submit(running, _letters()[1], administrator, "request-1").replayed
        if steps in (2, 5):
            submit(running, replace(_letters()[3], text=f"路灯第{steps}次坏了，请修。"), administrator)
        with running.store.read() as connection:
            state = progress(connection)
        assert running.problem() == f"身份标识或密钥的更换没有做完。请再运行 fenban keys {job}。"
        assert state is not None
    assert steps > 4
    with filled.store.read() as connection:
        assert progress(connection) is None
        assert stored_format(connection) == KEY_FORMAT
    # What came in meanwhile shares the keys of the one it was made of.
    late = {_COUNT + 2, _COUNT + 3}
    now = [(kind, [seq for seq in seqs if seq not in late]) for kind, seqs in _groups(filled)]
    assert now == groups
    (mine,) = {tuple(seqs) for kind, seqs in _groups(filled) if kind == "name_address" and late & set(seqs)}
    assert late < set(mine)
    assert _readable(filled)[: len(plain)] == plain


def test_a_running_service_follows_and_finds_what_came_before(http, service, settings, live, letter):
    first = http.submit(letter)
    worker = replace(open_service(settings), live=live)
    rotate(worker, _quiet)
    worker.close()
    again = http.submit(letter | {"text": letter["text"] + "请尽快处理。"})
    assert http.get(f"/v1/petitions/{first}/original").json()["text"] == letter["text"]
    (link,) = http.get(f"/v1/petitions/{again}/links").json()["items"]
    assert set(link["evidence"]["keys"]) == {"id_number", "name_address", "phone"}


def test_reasons_are_taken_in_the_middle_of_a_rotation_by_another(http, settings, live, letter):
    """Contacts are under either key then, and the service that decides was opened with the old one."""
    ids = [http.submit(letter | {"title": "", "text": f"{letter['text']}第{n}次。"}) for n in range(6)]
    worker = replace(open_service(settings), live=live)
    with pytest.raises(_Killed):
        rotate(worker, _killed_after(1))
    worker.close()
    for petition in ids:
        body = {"category": "040206", "reason": "欧阳雪梅来电催过"}
        answer = http.post(f"/v1/petitions/{petition}/decisions", body)
        assert answer.status_code == 201, answer.text
        assert [decision["reason"] for decision in answer.json()["decisions"]] == ["〈姓名〉来电催过"]


def test_keys_of_an_older_form_are_told_and_made_anew(filled, http):
    groups = _groups(filled)
    with filled.store.write() as connection:
        put(connection, "key_format", None)
        connection.execute(
            update(petitioner_keys)
            .where(petitioner_keys.c.kind == "name_address")
            .values(digest=func.substr(petitioner_keys.c.digest, 2))
        )
    problems = http.get("/readyz").json()["problems"]
    assert [problem for problem in problems if "fenban keys rehash" in problem] == problems != []
    rehash(filled, _quiet)
    assert http.get("/readyz").json()["problems"] == []
    assert _groups(filled) == groups


def test_who_was_taken_out_of_the_search_stays_out(filled):
    with filled.store.write() as connection:
        connection.execute(petitioner_keys.delete().where(petitioner_keys.c.seq == 2))
        connection.execute(update(petitions).where(petitions.c.seq == 2).values(contact=None))
    for job in (rehash, rotate):
        job(filled, _quiet)
        assert not [row for row in _stored(filled)[1] if row.seq == 2]


def test_two_at_once_one_job_at_a_time(filled, settings, live):
    with pytest.raises(_Killed):
        rotate(filled, _killed_after(1))
    with pytest.raises(ConflictError, match="keys rotate"):
        rehash(filled, _quiet)
    other = replace(open_service(settings), live=live)

    def meanwhile(done, total):
        if not finished:
            finished.append(True)
            rotate(other, _quiet)

    finished: list[bool] = []
    with pytest.raises(ConflictError):
        rotate(filled, meanwhile)
    other.close()
    assert filled.problem() is None


def _with_keys(settings, **keys):
    return type(settings)(**settings.model_dump(exclude=set(keys)), **keys)


def test_keys_of_the_environment_are_changed_by_the_environment(filled, settings, live):
    plain, old = _readable(filled), settings.key_file.read_text().strip()
    new = base64.b64encode(os.urandom(32)).decode()
    filled.close()
    settings.key_file.unlink()
    alone = open_service(_with_keys(settings, key=old))
    with pytest.raises(ConflictError, match="FENBAN_NEW_KEY"):
        rotate(alone, _quiet)
    alone.close()
    both = open_service(_with_keys(settings, key=old, new_key=new))
    rotate(both, _quiet)
    with pytest.raises(ConflictError):
        rotate(both, _quiet)
    both.close()
    with pytest.raises(SecretError):
        open_service(_with_keys(settings, key=old))
    after = open_service(_with_keys(settings, key=new))
    assert _readable(after) == plain
    after.close()
    assert list(settings.data_dir.glob("fenban.key*")) == []


_CHILD = """
import time
import api.rotation
from api.rotation import rotate
from api.service import open_service
from api.settings import get_settings
api.rotation.BATCH = 1
rotate(open_service(get_settings()), lambda done, total: (print(done, flush=True), time.sleep(0.002)))
"""


def test_killed_it_goes_on(filled, settings):
    plain, groups = _readable(filled), _groups(filled)
    with filled.store.read() as connection:
        before = key_check(connection)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FENBAN_")} | {
        "FENBAN_DATA_DIR": str(settings.data_dir),
        "FENBAN_DATABASE_URL": settings.url,
        "FENBAN_MODELS": str(settings.models),
    }
    for steps in (3, 8, 6, None):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD], env=environment, stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        for _ in range(steps or 1_000):
            if not child.stdout.readline():
                break
        time.sleep(0.001)
        if steps:
            assert child.poll() is None
            child.kill()
        child.stdout.close()
        assert (child.wait(60) == 0) == (steps is None)
    with filled.store.write() as connection:
        filled.unlock(connection)
        assert key_check(connection) != before
        assert progress(connection) is None
    assert _readable(filled) == plain
    assert _groups(filled) == groups
    assert not (settings.data_dir / "fenban.key.new").exists()
