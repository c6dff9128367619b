"""Nothing that says who somebody is, and no word of a petition, leaves through a side door: logs, metrics, errors, exports."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager

import pytest
from sqlalchemy import insert

from api.export import write_snapshot
from api.observe import configure_logging
from api.store.petitions import now
from api.store.tables import suggestions

#: A turn of phrase of the letter that no code, message or taxonomy has.
_PHRASE = "油烟直接排进楼道"


@pytest.fixture
def secrets(markers, http):
    return (*markers, _PHRASE, http.keys["admin"], http.keys["admin"].removeprefix("fenban_"))


@pytest.fixture
def captured(capsys, caplog):
    """All that the service printed or logged while a block ran, structured or not."""

    @contextmanager
    def recording():
        caplog.set_level(logging.DEBUG)
        caplog.set_level(logging.WARNING, logger="httpx")  # the test's own client logs addresses
        configure_logging("DEBUG")  # pytest gives a test another stream than its fixtures
        seen: list[str] = []
        yield seen
        out, err = capsys.readouterr()
        seen.append(out + err + caplog.text)

    return recording


def _use_everything(http, letter):
    """Every endpoint once, well and badly; the answers that are errors."""
    petition = http.submit(letter, headers={"Idempotency-Key": "k"})
    http.submit(letter)
    answers = [
        http.post("/v1/triage", {"petitions": [letter]}),
        http.get(f"/v1/petitions/{petition}/original"),
        http.get(f"/v1/petitions/{petition}/links"),
        http.get("/v1/petitions", params={"unit": "欧阳雪梅", "channel": "13971234567"[:11]}),
        http.get("/v1/petitions", params={"since": "欧阳雪梅13971234567"}),
        http.get("/v1/petitions/13971234567"),
        http.get("/13971234567/欧阳雪梅"),
        http.post(f"/v1/petitions/{petition}/decisions", {"category": "040206", "unit": "城管局"}),
        http.post("/v1/petitions", letter | {"people": 9}, headers={"Idempotency-Key": "k"}),
        http.post("/v1/petitions", letter | {"received_at": "欧阳雪梅 13971234567"}),
        http.post("/v1/petitions", letter | {"received_at": 13971234567}),
        http.post("/v1/petitions", letter | {"channel": "欧阳雪梅"}),
        http.post("/v1/petitions", letter | {"people": "13971234567"}),
        http.post("/v1/petitions", letter | {"text": [letter["text"]]}),
        http.post("/v1/petitions", letter | {"text": letter["text"] * 2_000}),
        http.post("/v1/petitions", letter | {"petitioner": {"phone": "13971234567" * 9}}),
        http.post("/v1/petitions", content=json.dumps(letter, ensure_ascii=False).encode()[:-9]),
        http.post("/v1/petitions", content=json.dumps(letter, ensure_ascii=False).encode("gb18030")),
        http.post("/v1/petitions", letter, role="auditor"),
        http.post("/v1/petitions", letter, role=None, headers={"Authorization": "Bearer 13971234567"}),
        http.request("13971234567", "/healthz"),
    ]
    return [answer for answer in answers if answer.status_code >= 400]


def test_logs_errors_and_metrics_hold_nothing_of_it(captured, http, letter, secrets):
    with captured() as seen:
        errors = _use_everything(http, letter)
    assert len(errors) >= 15
    assert [answer.status_code < 500 for answer in errors] == [True] * len(errors)
    metrics = http.get("/metrics", role=None).text
    (logged,) = seen
    lines = [json.loads(line) for line in logged.splitlines() if line.startswith("{")]
    assert len(lines) >= len(errors), "the log is there, else this finds nothing"
    assert {"request_id", "method", "route", "status", "milliseconds"} <= set(lines[0])
    spoken = {"log": logged, "metrics": metrics} | {str(a.request.url): a.text for a in errors}
    found = {(place, secret) for place, text in spoken.items() for secret in secrets if secret in text}
    assert found == set()


def test_an_exception_nobody_expected_is_logged_without_its_words(captured, http, service, letter, secrets):
    """The answer of an older version that no longer fits: the framework's message would quote it."""
    with captured() as seen:
        petition = http.submit(letter)
        with service.store.write() as connection:
            broken = json.dumps({"id": petition, "warnings": letter["text"]}, ensure_ascii=False)
            connection.execute(
                insert(suggestions).values(
                    petition_id=petition, model_version="m", answer=broken, created_at=now()
                )
            )
        answer = http.get(f"/v1/petitions/{petition}")  # would raise here what a server would print
    (logged,) = seen
    assert http.outcome(answer) == (500, "error")
    (event,) = (json.loads(line) for line in logged.splitlines() if '"unexpected"' in line)
    assert event["error"] == "ValidationError"
    assert ".py:" in event["at"]
    assert "Traceback" not in logged
    assert [s for s in secrets if s in logged + answer.text] == []
    assert 'status="500"' in http.get("/metrics", role=None).text


def test_snapshots_hold_the_redacted_text_and_nothing_of_who(http, service, letter, markers, tmp_path):
    petition = http.submit(letter)
    reason = "经联系欧阳雪梅先生本人（电话13971234567）核实"
    http.post(f"/v1/petitions/{petition}/decisions", {"category": "040206", "reason": reason})
    write_snapshot(service, tmp_path / "labels")
    content = "".join(path.read_text(encoding="utf-8") for path in (tmp_path / "labels").iterdir())
    assert _PHRASE in content
    assert [mark for mark in markers if mark in content] == []


def test_redacted_answers_hold_nothing_of_who(http, letter, markers):
    """All that an auditor may read, and what others read before they open the original."""
    accepted = http.post("/v1/petitions", letter)
    again = http.post("/v1/petitions", letter)
    petition = again.json()["id"]
    pages = [accepted, again] + [
        http.get(f"/v1/petitions{path}", role="auditor")
        for path in ("", f"/{petition}", f"/{petition}/links")
    ]
    assert [answer.status_code for answer in pages] == [201, 201, 200, 200, 200]
    assert [[mark for mark in markers if mark in answer.text] for answer in pages] == [[]] * 5


def test_who_somebody_is_changes_no_suggestion(http, letter):
    """Classify the matter, never the person."""

    def suggestion(name, number, phone, address):
        text = f"我叫{name}，身份证号{number}，电话{phone}。楼下烧烤店{_PHRASE}，反映多次无人处理。"
        who = {"name": name, "id_number": number, "phone": phone, "address": address}
        body = {"petitions": [{"text": text, "district": "青石镇", "petitioner": who}], "top": 5}
        (result,) = http.post("/v1/triage", body).json()["results"]
        return (
            [(c["code"], c["probability"]) for c in result["categories"]],
            [(u["id"], u["score"]) for u in result["units"]],
            result["kind"],
        )

    one = suggestion("欧阳雪梅", "11010519491231002X", "13971234567", "柏垭村九组")
    other = suggestion("王强", "440524188001010014", "18612345678", "上海市黄浦区中山东一路")
    assert one == other


def test_no_table_or_field_keeps_a_score_of_people(app, service):
    from api.store.tables import metadata

    columns = {f"{table.name}.{column.name}" for table in metadata.sorted_tables for column in table.c}
    assert {name for name in columns if "score" in name or "rank" in name or "risk" in name} == {
        "links.score"
    }
    described = json.dumps(app.openapi(), ensure_ascii=False)
    for word in ("risk", "watch", "blacklist", "重点人", "黑名单", "风险等级"):
        assert word not in described
