"""Label snapshots: what people decided, redacted, in a fixed shape, with one petitioner's petitions in one group."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime

import pytest

from api.export import write_labels
from training.corpus import load_labelled

_MATTER = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道。"


def _snapshot(service, tmp_path):
    """The file as training will find it: header and rows."""
    out = tmp_path / "labels" / "snapshot.csv"
    count = write_labels(service, out)
    content = out.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf"), "spreadsheets take UTF-8 for it only with its mark"
    table = list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    assert len(table) == count + 1
    assert [p.name for p in out.parent.iterdir()] == [out.name]
    return table[0], [dict(zip(table[0], row, strict=True)) for row in table[1:]]


def _decided(http, body, **decision):
    petition = http.submit(body)
    answer = http.post(f"/v1/petitions/{petition}/decisions", {"category": "040206"} | decision)
    assert answer.status_code == 201
    return petition


def test_shape_of_a_snapshot(http, service, letter, tmp_path):
    first = _decided(http, letter, kind="申诉求决", unit="城管局", reason="油烟归城管")
    second = _decided(http, {"text": _MATTER, "channel": "网络"}, unit="生态环境局")
    http.submit("没有人认定过的一件，不在其中。")
    header, rows = _snapshot(service, tmp_path)
    assert header == [
        "id", "title", "text", "channel", "received_at", "category", "kind", "unit", "group", "decided_at", "model_version",
    ]  # fmt: skip
    version = service.live.engine().bundle.version
    assert [row["id"] for row in rows] == [first, second]
    assert {k: v for k, v in rows[0].items() if k not in {"id", "group", "decided_at"}} == {
        "title": "〈姓名〉反映楼下烧烤店油烟",
        "text": "我叫〈姓名〉，身份证号〈身份证号〉，电话〈手机号〉。楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。",
        "channel": "来信",
        "received_at": "2026-03-04 13:10:00+00:00",
        "category": "040206",
        "kind": "申诉求决",
        "unit": "城管局",
        "model_version": version,
    }
    assert re.fullmatch("[0-9a-f]{32}", rows[0]["group"])
    assert (rows[1]["unit"], rows[1]["group"]) == ("生态环境局", "")
    for row in rows:
        for name in ("received_at", "decided_at"):
            assert datetime.fromisoformat(row[name]).utcoffset() is not None


def test_the_latest_decision_is_the_label_and_a_returned_unit_is_none(http, service, tmp_path):
    petition = _decided(http, _MATTER, unit="公安局")
    http.post(f"/v1/petitions/{petition}/decisions", {"category": "040203", "unit": "城管局"})
    _, (row,) = _snapshot(service, tmp_path)
    assert (row["category"], row["unit"]) == ("040203", "城管局")
    http.post(f"/v1/petitions/{petition}/returns", {"unit": "城管局", "reason": "不归我们管"})
    _, (row,) = _snapshot(service, tmp_path)
    assert (row["category"], row["unit"]) == ("040203", ""), "known to be wrong is no label"


def test_petitions_of_one_petitioner_share_a_group_whatever_they_gave(http, service, tmp_path):
    """Phone on the first letter, ID number on the last: only the ones between say that it is one person."""
    phone, number = "13971234567", "11010519491231002X"
    chain = [
        {"phone": phone},
        {"phone": phone, "id_number": number},
        {"id_number": number, "name": "欧阳雪梅", "address": "柏垭村九组"},
        {"name": "欧阳雪梅", "address": "柏垭村九组", "account": "u-1"},
        {"account": "u-1"},
    ]
    one = [_decided(http, {"text": f"{_MATTER}第{i}次", "petitioner": p}) for i, p in enumerate(chain)]
    other = _decided(http, {"text": _MATTER, "petitioner": {"phone": "13871234567"}})
    nobody = [_decided(http, _MATTER), _decided(http, {"text": _MATTER, "petitioner": {"name": "欧阳雪梅"}})]
    groups = {row["id"]: row["group"] for row in _snapshot(service, tmp_path)[1]}
    assert len({groups[petition] for petition in one}) == 1
    assert groups[other] not in {groups[one[0]], ""}
    assert [groups[petition] for petition in nobody] == ["", ""]


def test_a_petition_between_that_nobody_decided_still_connects(http, service, tmp_path):
    phone, number = "13971234567", "11010519491231002X"
    first = _decided(http, {"text": _MATTER, "petitioner": {"phone": phone}})
    http.submit({"text": _MATTER, "petitioner": {"phone": phone, "id_number": number}})
    last = _decided(http, {"text": _MATTER, "petitioner": {"id_number": number}})
    groups = {row["id"]: row["group"] for row in _snapshot(service, tmp_path)[1]}
    assert groups[first] == groups[last] != ""


def test_a_group_cannot_be_traced_to_a_key_in_the_database(http, service, tmp_path):
    from sqlalchemy import select

    from api.store.tables import petitioner_keys

    _decided(http, {"text": _MATTER, "petitioner": {"phone": "13971234567"}})
    _, (row,) = _snapshot(service, tmp_path)
    with service.store.read() as connection:
        digests = connection.execute(select(petitioner_keys.c.digest)).scalars().all()
    assert digests
    assert row["group"] not in digests


def test_training_reads_what_was_exported(http, service, tmp_path):
    _decided(http, {"text": _MATTER, "petitioner": {"phone": "13971234567"}}, unit="城管局", kind="建议")
    _, (row,) = _snapshot(service, tmp_path)
    bundle = service.live.engine().bundle
    read = load_labelled(tmp_path / "labels" / "snapshot.csv", bundle.taxonomy, bundle.tokeniser)
    assert read.rejects == ()
    (example,) = read.examples
    assert (example.category, example.kind, example.group) == ("0402", "建议意见", row["group"])


def test_nothing_decided_is_an_empty_snapshot(http, service, tmp_path):
    http.submit(_MATTER)
    assert _snapshot(service, tmp_path)[1] == []


def test_a_snapshot_that_fails_leaves_the_one_before(http, service, tmp_path):
    _decided(http, _MATTER)
    _snapshot(service, tmp_path)
    out = tmp_path / "labels" / "snapshot.csv"
    before = out.read_bytes()
    from sqlalchemy import text

    from classifier.errors import StoreUnavailableError

    with service.store.write() as connection:
        connection.execute(text("ALTER TABLE decisions RENAME TO elsewhere"))
    try:
        with pytest.raises(StoreUnavailableError):
            write_labels(service, out)
    finally:
        with service.store.write() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO decisions"))
    assert out.read_bytes() == before
    assert [p.name for p in out.parent.iterdir()] == [out.name]
