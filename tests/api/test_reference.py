"""What the service says of itself: taxonomy, units, model, probes, metrics, and a documentation that needs no internet."""

from __future__ import annotations

import re

import pytest

from api.errors import TITLES
from classifier.petition import CHANNEL_ALIASES


def test_taxonomy_units_and_model_are_the_engines_own(http, service):
    engine = service.live.engine()
    categories = http.get("/v1/taxonomy").json()["categories"]
    assert {c["code"]: (c["name"], c["parent"]) for c in categories} == {
        c.code: (c.name, c.parent) for c in engine.bundle.taxonomy.categories.values()
    }
    units = http.get("/v1/units").json()
    assert units["directory"] == engine.router.directory.name
    assert {u["id"]: u["name"] for u in units["units"]} == {
        u.id: u.name for u in engine.router.directory.units.values()
    }
    active = http.get("/v1/models/active", "unit").json()
    assert (active["version"], active["threshold"]) == (engine.bundle.version, engine.bundle.threshold)


def test_the_active_model_does_not_tell_how_many_accusations_there_are(http, service):
    """Its figures go to everybody; the counts of its training do not."""
    whole = service.live.engine().bundle.report
    found = http.get("/v1/models/active", "unit").json()["report"]
    assert found == {
        name: whole[name] for name in ("seed", "category", "kind", "unit", "links") if name in whole
    }
    assert "检举控告" in str(whole)
    assert "检举控告" not in str(found)


def test_probes(http, service):
    assert http.get("/healthz", role=None).json()["status"] == "ok"
    assert http.get("/readyz", role=None).json() == {
        "status": "ok",
        "model_version": service.live.engine().bundle.version,
        "problems": [],
    }


def _metrics(http) -> dict[str, float]:
    lines = http.get("/metrics", role=None).text.splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")
    }


def test_metrics_count_by_route_and_never_by_petition(http, service):
    key = {"headers": {"Idempotency-Key": "k"}}
    petition = http.submit("楼下烧烤店油烟直接排进楼道。", **key)
    http.post("/v1/petitions", {"text": "楼下烧烤店油烟直接排进楼道。"}, **key)
    http.post("/v1/petitions", {"text": "！！！"})
    http.get(f"/v1/petitions/{petition}")
    http.get("/v1/petitions/nothing")
    http.get("/nowhere/13971234567")
    http.request("BREW", "/healthz")
    found = _metrics(http)

    def requests(method, route, status):
        return found[f'fenban_requests_total{{method="{method}",route="{route}",status="{status}"}}']

    assert requests("POST", "/v1/petitions", 201) == 2
    assert requests("POST", "/v1/petitions", 200) == 1
    assert requests("GET", "/v1/petitions/{petition_id}", 200) == 1
    assert requests("GET", "/v1/petitions/{petition_id}", 404) == 1
    assert requests("GET", "unmatched", 404) == 1
    assert found["fenban_petitions_total"] == 2, "a repeated answer is no petition"
    assert found["fenban_abstained_total"] >= 1
    assert found[f'fenban_model_info{{version="{service.live.engine().bundle.version}"}}'] == 1
    text = str(found)
    assert petition not in text
    assert "13971234567" not in text
    assert "BREW" not in text, "a method of the sender's making is no label"


def test_documentation_page_loads_nothing_from_elsewhere(http):
    page = http.get("/docs", role=None)
    loaded = re.findall(r"""(?:src|href|url)\s*[=:]\s*["']([^"']+)["']""", page.text)
    assert len(loaded) >= 3
    assert [address for address in loaded if not address.startswith("/")] == []
    assert not re.search(r"https?:|(?<![:\w])//\w", page.text)
    answers = {address: http.get(address, role=None).status_code for address in loaded}
    assert answers == dict.fromkeys(loaded, 200)


def test_root_leads_to_the_workbench(http):
    answer = http.get("/", role=None, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?onward=%2F")


@pytest.fixture
def openapi(http):
    return http.get("/v1/openapi.json", role=None).json()


def test_examples_of_the_documentation_work(http, openapi):
    schemas = openapi["components"]["schemas"]
    (petition,) = schemas["PetitionIn"]["examples"]
    (decision,) = schemas["DecisionIn"]["examples"]
    answer = http.post("/v1/petitions", petition)
    assert answer.status_code == 201
    decided = http.post(f"{answer.headers['Location']}/decisions", decision)
    assert decided.status_code == 201
    assert decided.json()["category"] == decision["category"]


def test_every_endpoint_is_described_with_its_problems(openapi):
    for path, operations in openapi["paths"].items():
        for operation in operations.values():
            assert operation["summary"], path
            if path.startswith("/v1/"):
                assert set(operation["responses"]) >= {"400", "401", "403", "404", "409", "413", "422", "503"}
                assert operation["security"], path
                for status in ("401", "422"):
                    assert "application/problem+json" in operation["responses"][status]["content"]
    assert {400, 401, 403, 404, 405, 409, 413, 422, 500, 503} <= set(TITLES)


def test_every_way_to_write_a_channel_is_accepted(http):
    for name, channel in CHANNEL_ALIASES.items():
        petition = http.submit({"text": "楼下烧烤店油烟直接排进楼道。", "channel": f" {name.lower()} "})
        assert http.get(f"/v1/petitions/{petition}").json()["channel"] == channel.value
