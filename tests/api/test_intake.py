"""POST /v1/petitions and what a client reads back: stored at once, once only, redacted everywhere but in /original."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from sqlalchemy import select

from api.store.tables import access_log, users

_OTHER = {"text": "厂里三个月没有发工资，请帮忙追讨。"}


def test_a_petition_is_stored_with_its_suggestion(http, letter):
    answer = http.post("/v1/petitions", letter, role="intake")
    assert answer.status_code == 201
    accepted = answer.json()
    assert answer.headers["Location"] == f"/v1/petitions/{accepted['id']}"
    assert "Idempotent-Replayed" not in answer.headers
    detail = http.get(answer.headers["Location"], role="auditor").json()
    suggestion = accepted["suggestion"]
    assert suggestion["id"] == accepted["id"]
    assert detail["suggestion"] == suggestion
    assert (
        detail
        | {
            "channel": "来信",
            "district": "青石镇",
            "people": 2,
            "status": "待认定",
            "category": suggestion["categories"][0]["code"],
            "kind": suggestion["kind"]["name"],
            "unit": suggestion["units"][0]["id"],
            "decisions": [],
            "returns": [],
        }
        == detail
    )
    assert datetime.fromisoformat(detail["received_at"]) == datetime.fromisoformat(
        "2026-03-04T21:10:00+08:00"
    )
    assert "〈姓名〉" in detail["title"]
    assert "〈身份证号〉" in detail["text"]
    assert "〈手机号〉" in detail["text"]


def test_every_moment_names_its_zone(http, letter):
    petition = http.submit(letter)
    http.post(f"/v1/petitions/{petition}/decisions", {"category": "040206", "unit": "城管局"})
    detail = http.post(f"/v1/petitions/{petition}/returns", {"unit": "城管局", "reason": "不归我们管"}).json()
    moments = [
        detail["created_at"],
        detail["received_at"],
        detail["decisions"][0]["created_at"],
        detail["returns"][0]["created_at"],
    ]
    assert all(datetime.fromisoformat(moment).tzinfo for moment in moments), moments


def test_an_own_number_is_not_the_id(http, letter):
    assert http.submit(letter | {"id": "2026-1"}) != http.submit(letter | {"id": "2026-1"})


def test_a_petition_nobody_has(http):
    for path in ("", "/original", "/links"):
        assert http.outcome(http.get(f"/v1/petitions/nothing{path}")) == (404, "not-found")
    assert http.outcome(http.post("/v1/petitions/nothing/decisions", {"kind": "咨询"})) == (404, "not-found")
    answer = http.post("/v1/petitions/nothing/returns", {"unit": "城管局", "reason": "x"})
    assert http.outcome(answer) == (404, "not-found")


def test_the_same_body_with_the_same_key_is_answered_again(http, letter, rows):
    first = http.post("/v1/petitions", letter, headers={"Idempotency-Key": "k"})
    before = rows()
    again = http.post("/v1/petitions", letter, headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Location"] == first.headers["Location"]
    assert rows() == before


def test_another_body_with_the_same_key_is_refused(http, letter, rows):
    http.post("/v1/petitions", letter, headers={"Idempotency-Key": "k"})
    before = rows()
    for change in (
        {"text": "别的"},
        {"people": 3},
        {"channel": "来访"},
        {"received_at": "2026-03-05"},
        {"petitioner": {"phone": "13971234568"}},
    ):
        answer = http.post("/v1/petitions", letter | change, headers={"Idempotency-Key": "k"})
        assert http.outcome(answer) == (409, "idempotency-key-reused"), change
    assert rows() == before


def test_keys_belong_to_their_user(http, letter):
    options = {"headers": {"Idempotency-Key": "k"}}
    assert http.submit(letter, role="intake", **options) != http.submit(letter, role="reviewer", **options)


def test_without_a_key_each_request_is_a_petition(http, letter):
    assert http.submit(letter) != http.submit(letter)


def test_one_key_from_eight_threads_at_once_is_one_petition(http, letter, rows):
    def send(_):
        return http.post("/v1/petitions", letter, headers={"Idempotency-Key": "k"})

    before = rows()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(send, range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    after = rows()
    assert after["petitions"] - before["petitions"] == 1
    assert after["suggestions"] - before["suggestions"] == 1
    assert after["idempotency"] - before["idempotency"] == 1


def test_many_petitions_at_once_are_all_stored(http, rows):
    def send(n):
        return http.post("/v1/petitions", {"text": f"第{n}小区停水三天，无人处理。"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(send, range(24))) == [201] * 24
    assert rows()["petitions"] == 24


def test_the_original_is_exactly_what_was_given(http, letter):
    given = letter | {"title": "ＡＢ　繁體\u200b", "text": letter["text"] + "\r\n  末尾 \U0001f600 "}
    original = http.get(f"/v1/petitions/{http.submit(given)}/original", role="intake").json()
    assert original == {
        "title": given["title"],
        "text": given["text"],
        "petitioner": letter["petitioner"] | {"account": ""},
        "joint_petitioners": [],
        "agent": {},
    }


def test_the_original_of_an_unnamed_petitioner(http):
    original = http.get(f"/v1/petitions/{http.submit(_OTHER)}/original").json()
    nobody = {"petitioner": {}, "joint_petitioners": [], "agent": {}}
    assert original == {"title": "", "text": _OTHER["text"]} | nobody


def test_opening_the_original_is_on_record_and_nothing_else_is(http, service, letter, rows):
    petition = http.submit(letter)
    for path in ("", "/links"):
        http.get(f"/v1/petitions/{petition}{path}", role="auditor")
    http.get(f"/v1/petitions/{petition}/original", role="auditor")
    assert rows()["access_log"] == 0, "an auditor may not open it, so nothing was opened"
    for role in ("intake", "reviewer"):
        http.get(f"/v1/petitions/{petition}/original", role=role)
    with service.store.read() as connection:
        query = (
            select(access_log.c.petition_id, users.c.name)
            .join(users, users.c.id == access_log.c.user_id)
            .order_by(access_log.c.id)
        )
        found = [tuple(row) for row in connection.execute(query)]
    assert found == [(petition, "user-intake"), (petition, "user-reviewer")]
