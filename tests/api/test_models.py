"""The versions over HTTP: what there is, which one serves, who moved it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator

import pytest

from api.live import Live
from api.model_diff import Difference
from classifier.bundle import Bundle, save_bundle
from classifier.registry import Registry


@pytest.fixture
def registry(bundle: Bundle, settings, tmp_path, monkeypatch) -> Registry:
    root = tmp_path / "models"
    for version in ("v1", "v2"):
        save_bundle(bundle, root / version, version)
    (root / "verdicts").mkdir()
    (root / "verdicts" / "v2.json").write_text(json.dumps({"passed": True, "reasons": ["各类都不差"]}))
    Registry(root).promote("v1")
    monkeypatch.setattr(settings, "models", root)
    return Registry(root)


@pytest.fixture
def live(registry, settings) -> Iterator[Live]:
    return Live(registry.root, settings.directory)


def test_the_round_trip(http, live, registry):
    assert http.get("/v1/models").json()["active"] == "v1"
    promoted = http.post("/v1/models/v2/promote").json()
    assert {name: promoted[name] for name in ("by", "action", "version", "before")} == {
        "by": "admin",
        "action": "promote",
        "version": "v2",
        "before": "v1",
    }
    live.look()
    assert http.get("/v1/models/active").json()["version"] == "v2"
    assert http.post("/v1/models/rollback").json()["version"] == "v1"
    live.look()
    assert http.get("/v1/models/active").json()["version"] == "v1"
    found = http.get("/v1/models").json()
    assert [(entry["action"], entry["version"], entry["by"]) for entry in found["promotions"]] == [
        ("rollback", "v1", "admin"),
        ("promote", "v2", "admin"),
        ("promote", "v1", "命令行"),
    ]
    assert {one["version"]: (one["passed"], one["reasons"]) for one in found["versions"]} == {
        "v1": (None, []),
        "v2": (True, ["各类都不差"]),
    }


def test_one_version_whole(http, registry, bundle):
    found = http.get("/v1/models/v2", "auditor").json()
    assert (found["active"], found["report"], found["verdict"]["passed"]) == (False, bundle.report, True)
    assert http.get("/v1/models/v1").json()["verdict"] is None


def test_two_comparisons_at_once_are_one_too_many(http, registry, monkeypatch):
    def ask_again(*_):
        assert http.outcome(http.get("/v1/models/diff?before=v1&after=v2")) == (409, "already-running")
        return Difference("v1", "v2", {}, (), 0, ())

    monkeypatch.setattr("api.models.difference", ask_again)
    for _ in range(2):
        assert http.get("/v1/models/diff?before=v1&after=v2").status_code == 200


def test_what_cannot_be_done_changes_nothing(http, registry):
    assert http.outcome(http.post("/v1/models/rollback")) == (409, "conflict")
    for name in ("v3", "..", "verdicts", "x" * 100):
        assert http.outcome(http.post(f"/v1/models/{name}/promote")) in {
            (404, "not-found"),
            (404, "http-404"),
        }
    (registry.root / "v2" / "taxonomy.csv").write_text("x")
    assert http.outcome(http.post("/v1/models/v2/promote")) == (503, "bundle-tampered")
    assert registry.active().name == "v1"
    assert [move.version for move in registry.history()] == ["v1"]


def test_a_rollback_to_what_no_longer_loads_stays_where_it_is(http, registry):
    http.post("/v1/models/v2/promote")
    (registry.root / "v1" / "taxonomy.csv").write_text("x")
    assert http.outcome(http.post("/v1/models/rollback")) == (503, "bundle-tampered")
    assert registry.active().name == "v2"


def test_two_administrators_who_go_back_at_once_go_back_once(http, registry):
    http.post("/v1/models/v2/promote")
    assert http.post("/v1/models/rollback?expected=v2").json()["version"] == "v1"
    assert http.outcome(http.post("/v1/models/rollback?expected=v2")) == (409, "conflict")
    assert registry.active().name == "v1"


def test_a_broken_version_has_its_line_and_a_torn_record_is_passed_over(http, registry):
    http.post("/v1/models/v2/promote")
    with (registry.root / "HISTORY").open("a") as file:
        file.write('{"at": "2026')
    (registry.root / "v1" / "report.json").write_text("{")
    found = http.get("/v1/models").json()
    assert [one["version"] for one in found["versions"]] == ["v1", "v2"]
    assert [move["version"] for move in found["promotions"]] == ["v2", "v1"]
    shutil.rmtree(registry.root)
    assert http.get("/v1/models").json() == {"active": "", "versions": [], "promotions": []}
