"""POST /v1/triage: suggestions without a trace."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from classifier.petition import Petition
from classifier.triage import triage

_SEED = Path(__file__).parents[2] / "corpora" / "seed" / "04.jsonl"


@pytest.fixture(scope="module")
def thousand():
    seeds = [json.loads(line) for line in _SEED.read_text(encoding="utf-8").splitlines()]
    return [
        {"id": f"n{i}", "text": seeds[i % len(seeds)]["title"] or "停水三天无人处理"} for i in range(1_000)
    ]


def test_one_petition_gets_the_kernels_own_answer(http, service, letter):
    answer = http.post("/v1/triage", {"petitions": [letter | {"id": "甲-1"}], "top": 2})
    assert answer.status_code == 200
    (result,) = answer.json()["results"]
    engine = service.live.engine()
    petition = Petition("甲-1", letter["title"], letter["text"], district=letter["district"])
    expected = triage(petition, engine.bundle, None, engine.router, service.vault.identity_secret, top=2)
    assert result["id"] == "甲-1"
    assert result["model_version"] == engine.bundle.version
    assert [c["code"] for c in result["categories"]] == [c.code for c in expected.categories]
    assert [u["id"] for u in result["units"]] == [u.id for u in expected.units]
    assert result["kind"]["name"] == expected.kind.name
    assert len(result["categories"]) == 2
    assert result["links"] == []


def test_evidence_and_redactions_point_into_the_text_as_given(http, letter):
    (result,) = http.post("/v1/triage", {"petitions": [letter]}).json()["results"]
    given = f"{letter['title']}\n{letter['text']}"
    spans = [span for category in result["categories"] for span in category["evidence"]]
    assert spans
    assert all(given[span["start"] : span["end"]] == span["text"] for span in spans)
    covered = {(r["kind"], given[r["start"] : r["end"]]) for r in result["redactions"]}
    assert covered >= {
        ("身份证号", letter["petitioner"]["id_number"]),
        ("手机号", letter["petitioner"]["phone"]),
        ("姓名", letter["petitioner"]["name"]),
    }


def test_a_thousand_petitions_come_back_in_order_and_leave_no_trace(http, thousand, rows):
    before = rows()
    answer = http.post("/v1/triage", {"petitions": thousand, "top": 1})
    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["id"] for result in results] == [petition["id"] for petition in thousand]
    assert all(result["categories"] and result["units"] for result in results)
    assert rows() == before


def test_more_than_a_thousand_are_refused(http, thousand):
    answer = http.post("/v1/triage", {"petitions": [*thousand, thousand[0]]})
    assert http.outcome(answer) == (422, "bad-input")
    assert "1000" in answer.json()["detail"]


def test_no_petition_or_no_candidate_is_refused(http):
    for body in ({"petitions": []}, {}, {"petitions": [{"text": "好"}], "top": 0}):
        assert http.outcome(http.post("/v1/triage", body)) == (422, "bad-input"), body


def test_one_empty_text_among_many_refuses_them_all(http, thousand):
    answer = http.post("/v1/triage", {"petitions": [*thousand[:5], {"text": " \u3000"}]})
    assert http.outcome(answer) == (422, "empty-text")
