"""The model in use: it follows ACTIVE, and whatever happens to a new one, a good one that serves goes on serving."""

from __future__ import annotations

import json
import shutil
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
    """Two good versions of one model, the first active; its pointer is looked at on every request."""
    monkeypatch.setattr("api.live._CHECK_SECONDS", -1.0)
    shutil.copytree(two_versions, tmp_path / "models")
    return Registry(tmp_path / "models")


@pytest.fixture
def live(registry):
    """In place of the one all other tests share."""
    return Live(registry.root, _COUNTY)


def _version(live):
    return live.engine().bundle.version


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
    assert live.engine() is before


def test_the_pointer_is_not_read_on_every_request(registry, monkeypatch):
    monkeypatch.setattr("api.live._CHECK_SECONDS", 3600.0)
    live = Live(registry.root, _COUNTY)
    assert _version(live) == "v1"
    registry.promote("v2")
    assert _version(live) == "v1"


def test_a_bad_new_version_leaves_the_old_one_serving(live, registry):
    before = live.engine()
    for fault in _FAULTS:
        live.problem = None
        _spoil(registry, fault)
        assert live.engine() is before, fault
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
        assert live.engine() is before, content
        assert live.problem, content
        problems.add(live.problem)
    active.unlink()
    assert live.engine() is before
    active.mkdir()
    assert live.engine() is before
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
    assert _version(live) == "v1"


def test_a_broken_unit_directory_is_told_and_mended(tmp_path, registry):
    directory = tmp_path / "units"
    live = Live(registry.root, directory)
    with pytest.raises(BundleMissingError) as caught:
        live.engine()
    assert str(caught.value) == live.problem
    shutil.copytree(_COUNTY, directory)
    assert _version(live) == "v1"


# --- as a client sees it ------------------------------------------------------------------------------------


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


def test_readiness_tells_of_a_bad_new_model_while_the_old_one_serves(http, registry):
    assert http.get("/readyz").json()["problems"] == []
    _spoil(registry, "a changed file")
    ready = http.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["model_version"]) == (200, "ok", "v1")
    (problem,) = ready.json()["problems"]
    assert "model.safetensors" in problem
    answer = http.post("/v1/petitions", {"text": "楼下烧烤店油烟扰民。"})
    assert answer.json()["suggestion"]["model_version"] == "v1"


def test_each_suggestion_names_the_model_it_came_from(http, registry):
    first = http.submit("楼下烧烤店油烟扰民。")
    registry.promote("v2")
    second = http.submit("楼下烧烤店油烟扰民。")
    versions = [
        http.get(f"/v1/petitions/{petition}").json()["suggestion"]["model_version"]
        for petition in (first, second)
    ]
    assert versions == ["v1", "v2"]
