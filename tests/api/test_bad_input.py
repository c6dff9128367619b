"""What clients really send: each fault is a problem of a documented type, never a server error, and nothing of it is stored."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from datetime import datetime

import pytest
import uvicorn

_GOOD = "楼下烧烤店油烟直接排进楼道。"
_JSON = {"Content-Type": "application/json"}


def _raw(content: bytes, headers: dict[str, str] = _JSON) -> dict[str, object]:
    return {"content": content, "headers": headers}


#: Bodies of POST /v1/petitions that are refused, and how.
_REFUSED: dict[str, tuple[dict[str, object], tuple[int, str]]] = {
    "no body": ({}, (422, "bad-input")),
    "empty text": ({"json": {"text": ""}}, (422, "empty-text")),
    "no text": ({"json": {"channel": "来信"}}, (422, "empty-text")),
    "blanks": ({"json": {"title": " \t", "text": "\r\n\u3000\u00a0"}}, (422, "empty-text")),
    "invisible characters": ({"json": {"text": "\u200b\ufeff\u202e\x07"}}, (422, "empty-text")),
    "NUL only": ({"json": {"text": "\0\0"}}, (422, "empty-text")),
    "1 MB of text": ({"json": {"text": "好" * 350_000}}, (413, "text-too-long")),
    "title and text together": ({"json": {"title": "好", "text": "好" * 100_000}}, (413, "text-too-long")),
    "20 MB": (_raw(b'{"text": "' + b"a" * 20_000_000 + b'"}'), (413, "body-too-large")),
    "lone surrogate in the text": (_raw(b'{"text": "\\ud83d ok"}'), (422, "bad-input")),
    "lone surrogate in a name": (_raw(b'{"text": "ok", "district": "\\udc00"}'), (422, "bad-input")),
    "lone surrogate as a field": (_raw(b'{"text": "ok", "\\ud800": 1}'), (422, "bad-input")),
    "bytes that are no UTF-8": (_raw(b'{"text": "\xff\xfe"}'), (400, "http-400")),
    "GB18030": (_raw(json.dumps({"text": _GOOD}, ensure_ascii=False).encode("gb18030")), (400, "http-400")),
    "half a JSON": (_raw(b'{"text": "ok"'), (422, "bad-input")),
    "no JSON": (_raw("内容".encode()), (422, "bad-input")),
    "a list": ({"json": [{"text": _GOOD}]}, (422, "bad-input")),
    "a string": ({"json": _GOOD}, (422, "bad-input")),
    "null": ({"json": {"text": None}}, (422, "bad-input")),
    "a number as text": ({"json": {"text": 12345}}, (422, "bad-input")),
    "nesting without end": (_raw(b"[" * 100_000), (400, "http-400")),
    "a number without end": (_raw(b'{"text": "ok", "people": ' + b"9" * 5_000 + b"}"), (400, "http-400")),
    "plain text": (_raw(_GOOD.encode(), {"Content-Type": "text/plain"}), (422, "bad-input")),
    "a form": ({"data": {"text": _GOOD}}, (422, "bad-input")),
    "a file": ({"files": {"text": _GOOD.encode()}}, (422, "bad-input")),
    "an unknown field": ({"json": {"text": _GOOD, "contents": "x"}}, (422, "bad-input")),
    "an unknown field of the petitioner": (
        {"json": {"text": _GOOD, "petitioner": {"mobile": "1"}}},
        (422, "bad-input"),
    ),
    "an unknown channel": ({"json": {"text": _GOOD, "channel": "飞鸽"}}, (422, "unknown-code")),
    "a channel too long": ({"json": {"text": _GOOD, "channel": "网" * 21}}, (422, "bad-input")),
    "nobody": ({"json": {"text": _GOOD, "people": 0}}, (422, "bad-input")),
    "too many people": ({"json": {"text": _GOOD, "people": 10**6}}, (422, "bad-input")),
    "people in words": ({"json": {"text": _GOOD, "people": "三"}}, (422, "bad-input")),
    "not a number of people": (_raw(b'{"text": "ok", "people": NaN}'), (422, "bad-input")),
    "a long phone number": ({"json": {"text": _GOOD, "petitioner": {"phone": "1" * 41}}}, (422, "bad-input")),
    "an empty idempotency key": (
        {"json": {"text": _GOOD}, "headers": {"Idempotency-Key": ""}},
        (422, "bad-input"),
    ),
    "a long idempotency key": (
        {"json": {"text": _GOOD}, "headers": {"Idempotency-Key": "k" * 201}},
        (422, "bad-input"),
    ),
}


def test_each_fault_is_a_documented_problem_and_stores_nothing(http, rows):
    before = rows()
    found = {
        name: http.outcome(http.post("/v1/petitions", **request)) for name, (request, _) in _REFUSED.items()
    }
    assert found == {name: outcome for name, (_, outcome) in _REFUSED.items()}
    assert rows() == before


@pytest.mark.parametrize("path", ["/v1/triage", "/v1/petitions/x/decisions", "/v1/petitions/x/returns"])
def test_other_endpoints_refuse_the_same_bodies(http, rows, path):
    before = rows()
    for name in ("no body", "20 MB", "bytes that are no UTF-8", "half a JSON", "a list", "plain text"):
        request, outcome = _REFUSED[name]
        assert http.outcome(http.post(path, **request)) == outcome, name
    assert rows() == before


def test_a_problem_says_where_and_what_but_not_with_which_value(http):
    details = {}
    for body in ({"text": _GOOD, "people": "雪梅13971234567"}, {"text": ["雪梅13971234567"]}):
        details[str(body)] = http.post("/v1/petitions", body).json()["detail"]
    assert all("13971234567" not in detail for detail in details.values())
    assert ["people" in d or "text" in d for d in details.values()] == [True, True]


def test_no_such_address_or_method(http):
    assert http.outcome(http.get("/v1/nothing")) == (404, "http-404")
    assert http.outcome(http.request("DELETE", "/v1/petitions")) == (405, "http-405")
    assert http.outcome(http.request("BREW", "/healthz")) == (405, "http-405")


def test_odd_but_readable_texts_are_stored_and_not_trusted(http, rows):
    odd = {
        "symbols": "！！！？？？……——",
        "English": "The restaurant downstairs is noisy every night.",
        "emoji": "\U0001f621\U0001f621\U0001f44e",
        "one word": "好",
    }
    answers = {name: http.post("/v1/petitions", {"text": text}) for name, text in odd.items()}
    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(odd, 201)
    suggestions = {name: answer.json()["suggestion"] for name, answer in answers.items()}
    assert {name: s["abstained"] for name, s in suggestions.items()} == dict.fromkeys(odd, True)
    assert all(any("不可靠" in w for w in s["warnings"]) for s in suggestions.values())
    assert all(s["units"] for s in suggestions.values()), "somebody must look at it"
    assert rows()["petitions"] == len(odd)


def test_invisible_characters_within_are_stored_by_either_database(http):
    body = {
        "title": "楼下\0烧烤店",
        "text": f"\0{_GOOD}\u200b\x07",
        "district": "青石\0镇",
        "petitioner": {"name": "雪\0梅"},
    }
    petition = http.submit(body)
    found = http.get(f"/v1/petitions/{petition}").json()
    assert [found[name] for name in ("title", "text", "district")] == ["楼下烧烤店", _GOOD, "青石镇"]
    original = http.get(f"/v1/petitions/{petition}/original").json()
    assert (original["text"], original["petitioner"]["name"]) == (body["text"], "雪\0梅")


def test_invisible_characters_in_addresses_and_reasons_are_no_outage(http):
    petition = http.submit(_GOOD)
    decided = http.post(f"/v1/petitions/{petition}/decisions", {"kind": "咨询", "reason": "归\0城管"})
    assert decided.status_code == 201
    assert decided.json()["decisions"][0]["reason"] == "归城管"
    for path in ("/v1/petitions/%00", "/v1/petitions?unit=%00", "/v1/petitions?status=%ed%a0%80"):
        assert http.get(path).status_code in {200, 404, 422}, path
    body = {"links": [{"id": "\0", "confirmed": True}]}
    assert http.post(f"/v1/petitions/{petition}/decisions", body).status_code in {404, 422}


_DATES = {
    "2019-03-04": "2019-03-04T00:00:00+08:00",
    "2019-03-04 11:38:34": "2019-03-04T11:38:34+08:00",
    "2019-03-04T11:38:34Z": "2019-03-04T11:38:34+00:00",
    "2019-03-04T11:38:34.123-05:00": "2019-03-04T11:38:34-05:00",
    "2019/3/4": "2019-03-04T00:00:00+08:00",
    "2019.3.4 9:05": "2019-03-04T09:05:00+08:00",
    "2019年3月4日 下午3点": "2019-03-04T15:00:00+08:00",
    "二〇一九年三月四日": "2019-03-04T00:00:00+08:00",
    "20190304": "2019-03-04T00:00:00+08:00",
    "20190304113834": "2019-03-04T11:38:34+08:00",
    "3/4/2019": "2019-03-04T00:00:00+08:00",
    "43528.5": "2019-03-04T12:00:00+08:00",
}


def test_every_way_to_write_a_date(http):
    written: dict[object, str] = dict(_DATES)
    written[20190304] = written["20190304"]  # spreadsheets and scripts send it as a number
    written[43528.5] = written["43528.5"]
    found = {}
    for value in written:
        petition = http.submit({"text": _GOOD, "received_at": value})
        found[value] = datetime.fromisoformat(http.get(f"/v1/petitions/{petition}").json()["received_at"])
    assert found == {value: datetime.fromisoformat(moment) for value, moment in written.items()}


def test_no_date_is_no_date(http):
    for value in (None, "", " "):
        petition = http.submit({"text": _GOOD, "received_at": value})
        assert http.get(f"/v1/petitions/{petition}").json()["received_at"] is None


def test_dates_no_calendar_has(http, rows):
    before = rows()
    absurd = [
        "昨天", "2019-02-30", "2019-13-01", "0000-00-00", "0001-01-01", "1066-10-14", "9999-12-31", "2019-03-04 25:00",
        "2019-03-04T00:00+99:99", "99999999999999", "1", 1, -1, 0, 1e300, 253402300799, True, [], {}, [2019, 3, 4],
    ]  # fmt: skip
    found = [
        http.outcome(http.post("/v1/petitions", {"text": _GOOD, "received_at": value})) for value in absurd
    ]
    assert found == [(422, "bad-date")] * len(absurd)
    answer = http.post("/v1/petitions", **_raw(b'{"text": "ok", "received_at": Infinity}'))
    assert http.outcome(answer) == (422, "bad-date")
    assert rows() == before


@contextlib.contextmanager
def _served(app):
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started and time.monotonic() < deadline:
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()
    finally:
        server.should_exit = True
        thread.join()


def _answer(address, head: list[str], chunks: list[bytes]) -> bytes:
    with socket.create_connection(address, timeout=20) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        with contextlib.suppress(ConnectionError):  # the server may answer before it has read everything
            for chunk in chunks:
                connection.sendall(chunk)
        received = b""
        with contextlib.suppress(ConnectionError):
            while data := connection.recv(65_536):
                received += data
        return received


def test_a_body_without_length_is_counted_while_it_arrives(app, http, keys, rows):
    before = rows()
    head = [
        "POST /v1/petitions HTTP/1.1",
        "Host: test",
        "Connection: close",
        f"Authorization: Bearer {keys['admin']}",
        "Content-Type: application/json",
    ]
    megabyte = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
    body = json.dumps({"text": _GOOD}).encode()
    with _served(app) as address:
        large = _answer(address, [*head, "Transfer-Encoding: chunked"], [megabyte] * 20 + [b"0\r\n\r\n"])
        declared = _answer(address, [*head, "Content-Length: 20000000"], [])
        assert rows() == before
        small = _answer(
            address,
            [*head, "Transfer-Encoding: chunked"],
            [b"%x\r\n%b\r\n" % (len(body), body), b"0\r\n\r\n"],
        )
    for refused in (large, declared):
        assert refused.startswith(b"HTTP/1.1 413 ")
        assert b"urn:fenban:problem:body-too-large" in refused
        assert refused.count(b"HTTP/1.1") == 1
    assert small.startswith(b"HTTP/1.1 201 ")


def test_a_wrong_method_is_told_all_that_are_right(http):
    for path, expected in (("/v1/petitions", "GET, POST"), ("/v1/petitions/x/undo", "POST"), ("/v1/retrain", "DELETE, GET, POST")):  # fmt: skip
        answer = http.request("OPTIONS", path)
        assert (answer.status_code, answer.headers["allow"]) == (405, expected)
