"""The model in use: it follows ACTIVE, and whatever happens to a new one, a good one that serves goes on serving."""

from __future__ import annotations

import gc
import json
import shutil
import threading
import time
import weakref
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.live import Live
from classifier.bundle import save_bundle
from classifier.errors import BundleMissingError
from classifier.registry import Registry

_COUNTY = Path(__file__).parents[2] / "corpora" / "units" / "county"


@pytest.fixture(scope="module")
def two_versions(bundle, tmp_path_factory):
    root = tmp_path_factory.mktemp("versions") / "models"
    for version in ("v1", "v2"):
        save_bundle(bundle, root / version, version)
    Registry(root).promote("v1")
    return root


@pytest.fixture
def registry(two_versions, tmp_path, monkeypatch):
    """Two good versions of one model, the first active. No test waits for a look: each says when there is one."""
    monkeypatch.setattr("api.live.CHECK_SECONDS", 3600.0)
    shutil.copytree(two_versions, tmp_path / "models")
    return Registry(tmp_path / "models")


@pytest.fixture
def live(registry):
    """In place of the one all other tests share."""
    return Live(registry.root, _COUNTY)


def _engine(live):
    live.look()
    return live.engine()


def _version(live):
    return _engine(live).bundle.version


def _spoil(registry, fault):
    """A bad version, made from the second one, promoted."""
    target = registry.root / f"bad-{_FAULTS.index(fault)}"
    shutil.copytree(registry.root / "v2", target)
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    if fault == "a changed file":
        with (target / "model.safetensors").open("r+b") as file:
            file.seek(-1, 2)
            file.write(b"\x7f")
    elif fault == "a missing file":
        (target / "taxonomy.csv").unlink()
    elif fault == "another format":
        manifest["format"] = 99
    elif fault == "another segmenter":
        manifest["segmenter"]["version"] = "0.0"
    elif fault == "a manifest without version":
        del manifest["version"]
    elif fault == "a wrong vocabulary with its right digest":
        content = b"{}"
        (target / "vocabulary.json").write_bytes(content)
        manifest["files"]["vocabulary.json"]["sha256"] = sha256(content).hexdigest()
    (target / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    registry.promote(target.name)


_FAULTS = (
    "a changed file",
    "a missing file",
    "another format",
    "another segmenter",
    "a manifest without version",
    "a wrong vocabulary with its right digest",
)


def test_promotion_and_rollback_are_followed(live, registry):
    before = live.engine()
    registry.promote("v2")
    assert _version(live) == "v2"
    assert before.bundle.version == "v1", "a request under way keeps the engine it began with"
    registry.rollback()
    assert _version(live) == "v1"
    assert live.problem is None


def test_an_unchanged_pointer_reloads_nothing(live, registry):
    before = live.engine()
    (registry.root / "ACTIVE").touch()
    assert _engine(live) is before
    registry.promote("v2")
    registry.rollback()
    assert _engine(live) is before


def test_no_request_looks_at_the_disk(live, registry):
    assert _version(live) == "v1"
    registry.promote("v2")
    assert live.engine().bundle.version == "v1"
    live.look()
    assert live.engine().bundle.version == "v2"


def test_the_thread_follows_and_ends(live, registry, monkeypatch):
    monkeypatch.setattr("api.live.CHECK_SECONDS", 0.01)
    with live.following():
        registry.promote("v2")
        end = time.monotonic() + 30
        while live.engine().bundle.version != "v2":
            assert time.monotonic() < end
            time.sleep(0.01)
    assert "follow-active" not in [thread.name for thread in threading.enumerate()]
    registry.promote("v1")
    time.sleep(0.05)
    assert live.engine().bundle.version == "v2"


def test_the_old_engine_goes_when_its_last_request_has(live, registry):
    request = live.engine()
    old = weakref.ref(request.bundle), weakref.ref(request.router)
    registry.promote("v2")
    live.look()
    gc.collect()
    assert all(reference() for reference in old), "a request under way keeps it"
    gc.disable()
    try:
        del request
        assert [reference() for reference in old] == [None, None], "no cycle that waits for the collector"
    finally:
        gc.enable()


def test_what_failed_is_tried_again_after_a_while(live, registry, monkeypatch):
    live.engine()
    hidden = registry.root / "v2" / "taxonomy.csv"
    registry.promote("v2")
    hidden.rename(registry.root / "aside")
    assert _version(live) == "v1"
    assert "v2" in live.problem
    assert "v1" in live.problem
    (registry.root / "aside").rename(hidden)
    assert _version(live) == "v1", "not at every look: a load costs a second of a core"
    monkeypatch.setattr("api.live.RETRY_SECONDS", 0.0)
    assert _version(live) == "v2"
    assert live.problem is None


def test_a_changed_unit_directory_is_taken_up_without_loading_the_model_again(tmp_path, registry):
    directory = shutil.copytree(_COUNTY, tmp_path / "units")
    live = Live(registry.root, directory)
    before = live.engine()
    file = directory / "units.csv"
    good = file.read_text(encoding="utf-8")
    file.write_text("乱写", encoding="utf-8")
    assert _engine(live) is before
    assert "v1" in live.problem
    file.write_text(good + "\n", encoding="utf-8")
    after = _engine(live)
    assert live.problem is None
    assert after.bundle is before.bundle
    assert after.router is not before.router


def test_a_bad_new_version_leaves_the_old_one_serving(live, registry):
    before = live.engine()
    for fault in _FAULTS:
        live.problem = None
        _spoil(registry, fault)
        assert _engine(live) is before, fault
        assert live.problem, fault
        assert live.problem.endswith("。"), fault
    registry.promote("v2")
    assert _version(live) == "v2"
    assert live.problem is None


def test_a_tampered_pointer_leaves_the_old_one_serving(live, registry):
    before, active = live.engine(), registry.root / "ACTIVE"
    good = active.read_text()
    problems = set()
    for content in ("", "v2", "v2 " + "0" * 64, "../v2 " + "0" * 64, "nothing 123", "v1 v2 v3", "\udcff"):
        active.write_text(content, errors="surrogateescape")
        assert _engine(live) is before, content
        assert live.problem, content
        problems.add(live.problem)
    active.unlink()
    assert _engine(live) is before
    active.mkdir()
    assert _engine(live) is before
    assert all("/" not in problem or "models" in problem for problem in problems)
    active.rmdir()
    active.write_text(good)
    assert _version(live) == "v1"
    assert live.problem is None


def test_a_manifest_changed_after_promotion_is_not_loaded(live, registry):
    manifest = registry.root / "v1" / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(BundleMissingError, match="v1"):
        live.engine()


def test_no_model_at_first_then_one(tmp_path, registry):
    live = Live(tmp_path / "empty", _COUNTY)
    with pytest.raises(BundleMissingError, match="make model"):
        live.engine()
    (tmp_path / "empty").mkdir()
    shutil.copytree(registry.root / "v1", tmp_path / "empty" / "v1")
    Registry(tmp_path / "empty").promote("v1")
    assert live.engine().bundle.version == "v1"


def test_a_broken_unit_directory_is_told_and_mended(tmp_path, registry):
    directory = tmp_path / "units"
    live = Live(registry.root, directory)
    with pytest.raises(BundleMissingError) as caught:
        live.engine()
    assert str(caught.value) == live.problem
    shutil.copytree(_COUNTY, directory)
    assert live.engine().bundle.version == "v1", "while there is none, every request looks"


def test_without_a_model_the_service_says_so_and_stores_nothing(settings, service, registry, rows):
    empty = registry.root.parent / "none"
    with TestClient(create_app(settings, replace(service, live=Live(empty, _COUNTY)))) as client:
        headers = {"Authorization": f"Bearer {settings.admin_file.read_text().strip()}"}
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
        assert ready.json()["model_version"] is None
        assert "make model" in ready.json()["problems"][0]
        before = rows()
        for method, path in (
            ("POST", "/v1/petitions"),
            ("GET", "/v1/taxonomy"),
            ("GET", "/v1/units"),
            ("GET", "/v1/models/active"),
        ):
            body = {"json": {"text": "楼下烧烤店油烟扰民。"}} if method == "POST" else {}
            answer = client.request(method, path, headers=headers, **body)
            assert answer.status_code == 503, path
            assert answer.json()["type"] == "urn:fenban:problem:no-bundle"
        assert rows() == before
        assert client.get("/healthz").status_code == 200
        assert "fenban_model_info{" not in client.get("/metrics").text
        shutil.copytree(registry.root / "v1", empty / "v1")
        Registry(empty).promote("v1")
        assert client.get("/readyz").json() == {"status": "ok", "model_version": "v1", "problems": []}


def test_readiness_tells_of_a_bad_new_model_while_the_old_one_serves(http, live, registry):
    assert http.get("/readyz").json()["problems"] == []
    _spoil(registry, "a changed file")
    live.look()
    ready = http.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["model_version"]) == (200, "ok", "v1")
    (problem,) = ready.json()["problems"]
    assert "model.safetensors" in problem
    assert "bad-0" in problem
    answer = http.post("/v1/petitions", {"text": "楼下烧烤店油烟扰民。"})
    assert answer.json()["suggestion"]["model_version"] == "v1"


def test_each_suggestion_names_the_model_it_came_from(http, live, registry):
    first = http.submit("楼下烧烤店油烟扰民。")
    registry.promote("v2")
    live.look()
    second = http.submit("楼下烧烤店油烟扰民。")
    versions = [
        http.get(f"/v1/petitions/{petition}").json()["suggestion"]["model_version"]
        for petition in (first, second)
    ]
    assert versions == ["v1", "v2"]
