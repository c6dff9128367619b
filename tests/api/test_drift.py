"""Weekly health of the model, from the database to the words: what was planted is reported, and nothing else."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from sqlalchemy import insert, select

from api.drift import health, in_words
from api.store.petitions import new_id, now
from api.store.tables import decisions, petitions, returns, suggestions, undos, users
from classifier.drift import in_bins

_UNTIL = now()
#: Category → its share of what comes in, and words of such a letter that the tiny model knows.
_MIX = {"0402": 0.5, "0403": 0.3, "1501": 0.15, "1502": 0.05}
_KNOWN = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_NEW = "磁悬浮谐振腔量子比特退相干，拓扑绝缘体超晶格外延薄膜的铌酸锂波导耦合。"
_CLAIM, _ACCUSATION = "申诉求决", "检举控告"


@pytest.fixture
def fill(service):
    """Stores petitions that came in `week` times seven days before _UNTIL, as intake and officers would have left them."""
    version = service.live.engine().bundle.version
    chance = np.random.default_rng(7)
    with service.store.read() as connection:
        admin = connection.execute(select(users.c.id)).scalar_one()

    def fill(
        week: int, n: int, mix=_MIX, confidence=0.8, text=_KNOWN, changed=0.1, changed_at=None, kind=_CLAIM
    ) -> None:
        moment = _UNTIL - timedelta(days=7 * week + 3)
        codes = [code for code, share in mix.items() for _ in range(round(share * n))]
        tables: dict[str, list] = {"petitions": [], "suggestions": [], "decisions": []}
        for code in codes:
            id_ = new_id()
            sure = float(np.clip(chance.normal(confidence, 0.1), 0, 0.999))
            answer = {
                "categories": [{"code": code + "01", "probability": sure}],
                "units": [{"id": "ecology"}],
            }
            tables["petitions"].append(
                {
                    "id": id_,
                    "created_at": moment,
                    "link_view": b"",
                    "title": "",
                    "text": text,
                    "original": b"",
                }
                | {"category": code, "kind": kind, "unit": "ecology"}
            )
            tables["suggestions"].append(
                {
                    "petition_id": id_,
                    "model_version": version,
                    "answer": json.dumps(answer),
                    "created_at": moment,
                }
            )
            is_changed = chance.random() < (changed_at or {}).get(code, changed)
            tables["decisions"].append(
                {"petition_id": id_, "category": "0410" if is_changed else code, "unit": "ecology"}
                | {"user_id": admin, "created_at": moment}
            )
        with service.store.write() as connection:
            connection.execute(insert(petitions), tables["petitions"])
            connection.execute(insert(suggestions), tables["suggestions"])
            numbers = dict(
                tuple(row) for row in connection.execute(select(suggestions.c.petition_id, suggestions.c.id))
            )
            rows = [row | {"suggestion_id": numbers[row["petition_id"]]} for row in tables["decisions"]]
            connection.execute(insert(decisions), rows)

    return fill


@pytest.fixture
def look(service):
    return lambda **options: health(service, until=_UNTIL, **options)


def _kinds(found):
    return {(one["kind"], one["key"]) for one in found["findings"]}


def test_nothing_moved_nothing_said(fill, look):
    for week in range(4):
        fill(week, 200)
    found = look(weeks=4)
    assert found["findings"] == []
    assert found["note"] == "没有发现明显变化，不用做什么。"
    assert [week["petitions"] for week in found["weeks"]] == [200] * 4
    assert found["against"] == "earlier_weeks"
    latest = found["weeks"][0]
    assert latest["confidence"] == pytest.approx(0.8, abs=0.03)
    assert latest["low"] < 0.1 < latest["high"]
    assert latest["decided"] == 200


def test_what_was_planted_is_reported_in_words(fill, look):
    for week in range(1, 4):
        fill(week, 200)
    fill(
        0,
        200,
        mix={"0402": 0.4, "0403": 0.3, "1501": 0.1, "1502": 0.2},
        confidence=0.6,
        text=_KNOWN + _NEW,
        changed_at={"0403": 0.5},
    )
    found = look(weeks=4)
    assert _kinds(found) == {
        ("category", "1502"),
        ("mix", ""),
        ("confidence", ""),
        ("vocabulary", ""),
        ("correction", "0403"),
    }
    texts = {one["key"] or one["kind"]: one["text"] for one in found["findings"]}
    assert "是此前几周的 4.0 倍" in texts["1502"]
    assert "20.0%（40/200 件）" in texts["1502"]
    assert all("建议：" in text for text in texts.values())
    assert "fenban retrain" in texts["vocabulary"]
    words = in_words(found)
    assert all(text in words for text in texts.values())
    assert words.count("\n") == len(texts) + 3 + 4


def test_few_petitions_are_not_judged(fill, look):
    fill(0, 20)
    for week in range(1, 4):
        fill(week, 200, mix={"1502": 1.0})
    found = look(weeks=4)
    assert found["findings"] == []
    assert "只有 20 件" in found["note"]
    assert "20 件" in in_words(found)
    fill(0, 100)
    assert "可比的只有 0 件" in look(weeks=1)["note"]


def test_an_empty_database(look):
    found = look()
    assert (found["findings"], len(found["weeks"]), found["categories"]) == ([], 8, [])
    assert found["weeks"][0] | {"since": 0, "until": 0} == {
        "since": 0,
        "until": 0,
        "petitions": 0,
        "confidence": None,
        "unknown": None,
        "decided": 0,
        "changed": 0,
        "low": None,
        "high": None,
    }


def test_accusations_do_not_count(fill, look):
    """As they do not in the training report."""
    fill(0, 100)
    fill(0, 40, mix={"1502": 1.0}, kind=_ACCUSATION)
    found = look()
    assert found["weeks"][0]["petitions"] == 100
    assert {one["key"]: one["decided"] for one in found["corrections"]}["1502"] == 5


def test_a_decision_that_was_taken_back_is_no_correction(fill, look, service):
    fill(0, 40, changed=1.0)
    assert look()["weeks"][0]["changed"] > 30
    with service.store.write() as connection:
        rows = connection.execute(select(decisions.c.id, decisions.c.petition_id, decisions.c.user_id))
        taken = [row._asdict() for row in rows]
        connection.execute(
            insert(undos),
            [
                {"decision_id": row.pop("id"), "reason": "", "role": "admin", "created_at": now()} | row
                for row in taken
            ],
        )
    assert look()["weeks"][0]["decided"] == 0


def test_a_unit_that_sent_it_back_was_no_right_suggestion(fill, look, service):
    fill(0, 40)
    assert [one["changed"] for one in look()["unit_corrections"]] == [0]
    with service.store.write() as connection:
        rows = connection.execute(
            select(decisions.c.id.label("decision_id"), decisions.c.petition_id, decisions.c.user_id)
        )
        said = {"unit": "ecology", "reason": "", "role": "reviewer", "late": False, "created_at": now()}
        connection.execute(insert(returns), [row._asdict() | said for row in rows][:10])
    assert [(one["decided"], one["changed"]) for one in look()["unit_corrections"]] == [(40, 10)]


def test_against_training_once_the_office_has_taught(fill, look, service):
    """The same weeks, all alike, against a report that knew another mix."""
    for week in range(4):
        fill(week, 200)
    engine = service.live.engine()
    learnt = {
        "office": True,
        "categories": {"0402": 650, "0403": 300, "1501": 150, "1502": 10},
        "confidence": list(in_bins([0.8] * 1_000)),
        "unknown": [0.5, 0.2, 500],
        "corrections": {"0403": [100, 1_000]},
    }
    bundle = replace(engine.bundle, report=engine.bundle.report | {"reference": learnt})
    taught = replace(service, live=SimpleNamespace(engine=lambda: replace(engine, bundle=bundle)))
    found = health(taught, until=_UNTIL)
    assert found["against"] == "training"
    assert ("category", "1502") in _kinds(found)
    assert "训练时" in found["findings"][0]["text"]
    seed_only = replace(bundle, report=bundle.report | {"reference": learnt | {"office": False}})
    service = replace(service, live=SimpleNamespace(engine=lambda: replace(engine, bundle=seed_only)))
    assert health(service, until=_UNTIL)["findings"] == []


def test_over_http(fill, http):
    fill(0, 40)
    found = http.get("/v1/models/health", "auditor", params={"weeks": 2}).json()
    assert [week["petitions"] for week in found["weeks"]] == [40, 0]
    assert found["categories"][0]["code"] == "0402"
    assert found["categories"][0]["share"] == 0.5
    assert datetime.fromisoformat(found["until"]) >= _UNTIL
    assert http.get("/v1/models/health", params={"weeks": 0}).status_code == 422
