"""A retraining from its start to its end, whoever starts, watches or ends it. Training itself is a stand-in (stand_in/training)."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from api.export import write_snapshot
from api.retrain import retrain, start
from api.run_state import Run, RunState, State, Step
from api.store.firewall import Role
from api.store.users import User
from classifier.bundle import save_bundle
from classifier.errors import AlreadyRunningError, ConflictError
from classifier.registry import Registry

_STAND_IN = Path(__file__).parent / "stand_in"
_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_SECONDS = 30


@pytest.fixture
def settings(settings, models, tmp_path):
    """With a registry of its own."""
    return settings.model_copy(update={"models": shutil.copytree(models, tmp_path / "models")})


@pytest.fixture
def files(settings):
    return RunState(settings.models)


@pytest.fixture
def stand_in(monkeypatch):
    """Says how the stand-in for training is to end."""
    monkeypatch.setenv("PYTHONPATH", str(_STAND_IN))

    def ends(how: str) -> None:
        monkeypatch.setenv("STAND_IN", how)

    ends("passes")
    return ends


@pytest.fixture
def decided(http, stand_in):
    """One decision to learn from."""
    petition = http.submit(_TEXT)
    http.post(f"/v1/petitions/{petition}/decisions", {"category": "040206"})
    return petition


def _no(step: Step) -> None:
    pass


def _until(condition):
    end = time.monotonic() + _SECONDS
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happens"
        time.sleep(0.05)
    return found


def _clean(settings, files):
    """Nothing of a run is left but its state, its log and its lock, which is free."""
    assert list(settings.data_dir.glob(".fenban-retrain-*")) == []
    assert not files.is_held()
    assert Registry(settings.models).active().name == Registry(settings.models).versions()[0]


@pytest.mark.parametrize(
    ("how", "state", "words"),
    [
        ("passes", State.PASSED, "m1 通过检验"),
        ("fails", State.REFUSED, "差 9 个百分点"),
        ("broken", State.FAILED, "快照与清单不符。"),
        ("crashes", State.FAILED, "（MemoryError）"),
    ],
)
def test_a_run_ends_as_training_says(service, settings, files, decided, stand_in, how, state, words):
    stand_in(how)
    steps = []
    done = retrain(service, steps.append)
    assert (done.state, done.by, files.read()) == (state, "命令行", done)
    assert words in done.message
    assert done.started_at <= done.ended_at
    assert [step.step for step in done.steps] == ["导出认定", "训练内容分类"]
    assert steps[-1] == done.steps[-1] == Step("训练内容分类", 2, 3)
    assert bool(done.verdict) is (state is not State.FAILED)
    log = files.log.read_text(encoding="utf-8")
    assert "训练内容分类" in log
    assert state in log
    assert "张三" not in log + (settings.models / "retrain.json").read_text(encoding="utf-8")
    _clean(settings, files)


def test_the_locale_does_not_matter(service, decided, stand_in, monkeypatch):
    """An old machine's: what training writes is read as UTF-8 all the same."""
    for name, value in (("LC_ALL", "C"), ("PYTHONUTF8", "0"), ("PYTHONCOERCECLOCALE", "0")):
        monkeypatch.setenv(name, value)
    stand_in("fails")
    done = retrain(service, _no)
    assert (done.state, [step.step for step in done.steps]) == (State.REFUSED, ["导出认定", "训练内容分类"])
    assert done.verdict["reasons"][0] in done.message


def test_nothing_new_is_said_and_not_trained_on(service, http, decided, stand_in, files):
    assert retrain(service, _no).state is State.PASSED
    again = retrain(service, _no)
    assert again.state is State.NOTHING
    assert retrain(service, _no).state is State.NOTHING
    http.post(f"/v1/petitions/{decided}/decisions", {"category": "15"})
    stand_in("fails")
    assert retrain(service, _no).state is State.REFUSED
    http.post(f"/v1/petitions/{decided}/decisions", {"category": "040206"})
    stand_in("broken")
    assert retrain(service, _no).state is State.FAILED
    assert retrain(service, _no).state is State.FAILED, (
        "what failed has not shown that there is nothing to learn"
    )


def test_nothing_new_is_seen_without_an_export(service, decided, stand_in, monkeypatch):
    retrain(service, _no)
    monkeypatch.setattr("api.retrain.write_snapshot", None)
    assert retrain(service, _no).state is State.NOTHING


def test_a_wish_to_end_is_heard_during_the_export(service, settings, files, decided, stand_in, monkeypatch):
    real = write_snapshot

    def export(*arguments):
        files.cancel()
        return real(*arguments)

    monkeypatch.setattr("api.retrain.write_snapshot", export)
    done = retrain(service, _no)
    assert (done.state, [step.step for step in done.steps]) == (State.CANCELLED, ["导出认定"])
    _clean(settings, files)


def test_a_run_that_cannot_open_the_store_says_why(settings, files, decided):
    """Begun over HTTP: nobody reads what it prints."""
    with files.held():
        files.write(Run(id="1", state=State.RUNNING))
        nobody = {"database_url": "postgresql+psycopg://nobody@127.0.0.1:1/nothing"}
        process = _command(settings.model_copy(update=nobody), "--run", "1")
        process.communicate(timeout=_SECONDS)
    found = files.read()
    assert found.state is State.FAILED
    assert "数据库" in found.message


def test_no_decision_at_all(service, stand_in):
    done = retrain(service, _no)
    assert done.state is State.NOTHING
    assert "还没有人的认定" in done.message


def test_promotion_only_when_asked_for_and_passed(service, settings, bundle, decided, stand_in):
    save_bundle(bundle, settings.models / "m1", "m1")
    stand_in("fails")
    retrain(service, _no, promoting=True)
    assert Registry(settings.models).active().name != "m1"
    (settings.models / "retrain.json").unlink()
    stand_in("overtaken")  # judged against a version that serves no longer
    done = retrain(service, _no, promoting=True)
    assert (done.state, "没有自动启用" in done.message, done.parent) == (State.PASSED, True, "m0")
    assert Registry(settings.models).active().name != "m1"
    (settings.models / "retrain.json").unlink()
    stand_in("passes")
    retrain(service, _no, promoting=True)
    assert Registry(settings.models).active().name == "m1"


def test_one_at_a_time(service, files, decided):
    with files.held():
        with pytest.raises(AlreadyRunningError):
            retrain(service, _no)
        with pytest.raises(AlreadyRunningError):
            start(service, User("nobody", "admin", Role.ADMIN))
    assert files.read().state is State.IDLE


def _state(http):
    return http.get("/v1/retrain").json()["state"]


def test_start_watch_and_see_the_end(http, settings, files, decided):
    assert _state(http) == "idle"
    begun = http.post("/v1/retrain")
    assert (begun.status_code, begun.json()["state"], begun.json()["by"]) == (202, "running", "admin")
    stream = http.get("/v1/retrain/stream")
    assert stream.headers["content-type"] == "application/x-ndjson"
    lines = [json.loads(line) for line in stream.text.splitlines()]
    assert [line["state"] for line in lines[:-1]] == ["running"] * (len(lines) - 1)
    assert (lines[-1]["state"], lines[-1]["by"], lines[-1]["version"]) == ("passed", "admin", "m1")
    assert lines[-1] == http.get("/v1/retrain").json()
    _until(lambda: not files.is_held())
    _clean(settings, files)


def test_a_second_is_refused_and_the_first_can_be_cancelled(http, settings, files, decided, stand_in):
    stand_in("slow")
    assert http.post("/v1/retrain").status_code == 202
    assert http.outcome(http.post("/v1/retrain")) == (409, "already-running")
    _until(lambda: len(http.get("/v1/retrain").json()["steps"]) == 2)
    assert http.request("DELETE", "/v1/retrain").status_code == 202
    assert _until(lambda: _state(http) != "running" and _state(http)) == "cancelled"
    _until(lambda: not files.is_held())
    _clean(settings, files)
    assert http.outcome(http.request("DELETE", "/v1/retrain")) == (409, "conflict")


def test_a_killed_run_is_recognised_and_leaves_nothing_behind(http, settings, files, decided, stand_in):
    stand_in("slow")
    process = _command(settings)
    _until(lambda: len(files.read().steps) == 2)
    process.kill()
    process.communicate()
    found = http.get("/v1/retrain").json()
    assert (found["state"], "中途没有了" in found["message"]) == ("failed", True)
    assert list(settings.data_dir.glob(".fenban-retrain-*"))
    stand_in("passes")
    assert http.post("/v1/retrain").status_code == 202
    assert _until(lambda: _state(http) != "running" and _state(http)) == "passed"
    _until(lambda: not files.is_held())
    _clean(settings, files)


def _command(settings, *arguments):
    names = ("data_dir", "database_url", "models", "corpora", "directory")
    given = {f"FENBAN_{name.upper()}": getattr(settings, name) for name in names}
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "api.cli", "retrain", *arguments],
        env=os.environ | {name: str(value) for name, value in given.items()},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_exit_codes(settings, files, decided, stand_in):
    found = {}
    for how in ("fails", "broken"):
        stand_in(how)
        process = _command(settings)
        out, err = process.communicate(timeout=_SECONDS)
        found[how] = (process.returncode, "没有通过" in out, "快照与清单不符" in err, "训练内容分类" in err)
        (settings.models / "retrain.json").unlink()
    with files.held():
        process = _command(settings)
        _, err = process.communicate(timeout=_SECONDS)
        found["running"] = (process.returncode, err.count("\n"), "已有一次" in err)
    assert found == {
        "fails": (3, True, False, True),
        "broken": (1, False, True, True),
        "running": (4, 1, True),
    }


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_run_and_its_child(settings, files, decided, stand_in, sent):
    stand_in("slow")
    process = _command(settings)
    _until(lambda: len(files.read().steps) == 2)
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(sent)
    _, err = process.communicate(timeout=_SECONDS)
    assert (process.returncode, "Traceback" in err) == (1, False)
    assert files.read().state is State.CANCELLED
    assert not Path(f"/proc/{child}").exists()
    _clean(settings, files)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"steps": 3}', '{"state": "x", "steps": []}'])
def test_a_broken_state_is_no_obstacle(tmp_path, content):
    (tmp_path / "retrain.json").write_text(content)
    assert RunState(tmp_path).read().state is State.IDLE


def test_a_wish_to_end_is_for_one_run_only(tmp_path):
    files = RunState(tmp_path)
    one, other = Run(id="1", state=State.RUNNING), Run(id="2", state=State.RUNNING)
    with pytest.raises(ConflictError):
        files.cancel()
    with files.held():
        files.write(one)
        assert files.cancel() == one
        assert (files.is_cancelled(one), files.is_cancelled(other)) == (True, False)
        files.clear()
        assert not files.is_cancelled(one)
