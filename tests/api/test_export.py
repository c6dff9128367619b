"""Label snapshots: what people decided, redacted, in a fixed shape, the same bytes for the same database, groups no one can trace."""

from __future__ import annotations

import errno
import json
import re
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select, text

from api.export import write_snapshot
from api.store.tables import matters, petitioner_keys
from classifier.errors import BundleError, StoreUnavailableError
from classifier.redact import MARK, redact
from training.office import TestSet, split_office
from training.snapshot import read_snapshot

_MATTER = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道。"
_FIELDS = [
    "id", "title", "text", "channel", "district", "received_at", "registered_at", "petitioner_group", "matter_group", "category",
    "kind", "unit", "joint_units", "returned", "decided_at", "model_version", "suggested", "sampled",
]  # fmt: skip


@pytest.fixture
def snapshot(service, tmp_path):
    """A function that writes the next snapshot and reads it as training will: rows and links."""
    numbers = iter(range(100))

    def write():
        out = tmp_path / f"labels-{next(numbers)}"
        written = write_snapshot(service, out)
        assert {path.name for path in out.iterdir()} == {"petitions.jsonl", "links.jsonl", "manifest.json"}
        # Training verifies form and hashes, then reads every row.
        assert read_snapshot(out).sha256 == written.sha256
        rows, links = (_lines(out / name) for name in ("petitions.jsonl", "links.jsonl"))
        assert (len(rows), len(links)) == (written.petitions, written.links)
        assert sum(bool(row["decided_at"]) for row in rows) == written.decided
        return rows, links

    return write


def _lines(path):
    return tuple(json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line)


def _decided(http, body, **decision):
    petition = http.submit(body)
    answer = http.post(f"/v1/petitions/{petition}/decisions", {"category": "040206"} | decision)
    assert answer.status_code == 201
    return petition


def _say(http, one, other, confirmed):
    body = {"links": [{"id": other, "confirmed": confirmed}]}
    assert http.post(f"/v1/petitions/{one}/decisions", body).status_code == 201


def test_shape_of_a_snapshot(http, service, letter, snapshot):
    service.settings.review_share = 1.0
    more = {"kind": "申诉求决", "unit": "城管局", "joint_units": ["公安局", "生态环境局"]}
    first = _decided(http, letter, reason="油烟归城管", **more)
    second = _decided(http, {"text": _MATTER, "channel": "网络"}, unit="生态环境局")
    http.submit("没有人认定过的一件，不在其中。")
    rows, links = snapshot()
    assert [row["id"] for row in rows] == [first, second]
    assert [list(row) for row in rows] == [_FIELDS] * 2
    suggested = http.get(f"/v1/petitions/{first}").json()["suggestion"]
    varying = {"id", "petitioner_group", "registered_at", "decided_at"}
    assert {k: v for k, v in rows[0].items() if k not in varying} == {
        "title": "〈姓名〉反映楼下烧烤店油烟",
        "text": "我叫〈姓名〉，身份证号〈身份证号〉，电话〈手机号〉。楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。",
        "channel": "来信",
        "district": "青石镇",
        "received_at": "2026-03-04T13:10:00+00:00",
        "matter_group": "",
        "category": "040206",
        "kind": "申诉求决",
        "unit": "城管局",
        "joint_units": ["生态环境局", "公安局"],
        "returned": [],
        "model_version": service.live.engine().bundle.version,
        "suggested": {
            "category": suggested["categories"][0]["code"],
            "category_probability": suggested["categories"][0]["probability"],
            "kind": suggested["kind"]["name"],
            "unit": suggested["units"][0]["name"],
        },
        "sampled": True,
    }
    assert re.fullmatch("[0-9a-f]{32}", rows[0]["petitioner_group"])
    assert (rows[1]["unit"], rows[1]["petitioner_group"]) == ("生态环境局", "")
    assert rows[1]["received_at"] == "", "the letter does not say"
    for row in rows:
        for name in ("registered_at", "decided_at"):
            assert datetime.fromisoformat(row[name]).utcoffset() is not None
    assert rows[1]["received_at"] == "", "what was not said is not made up: suggestions were made without it"
    assert links == ()


def test_the_manifest_names_every_byte(http, service, tmp_path):
    _decided(http, _MATTER)
    written = write_snapshot(service, tmp_path / "labels")
    content = (tmp_path / "labels" / "manifest.json").read_bytes()
    manifest = json.loads(content)
    assert list(manifest) == ["format", "petitions", "decided", "links", "taxonomy", "last_decision", "files"]
    assert [manifest[name] for name in ("format", "petitions", "decided", "links")] == [1, 1, 1, 0]
    assert sha256(content).hexdigest() == written.sha256
    for name, digest in manifest["files"].items():
        assert sha256((tmp_path / "labels" / name).read_bytes()).hexdigest() == digest
    assert datetime.fromisoformat(manifest["last_decision"]).utcoffset() is not None


def test_the_decision_in_force_is_the_label_and_a_returned_unit_is_none(http, snapshot):
    petition = _decided(http, _MATTER, unit="公安局")
    decisions, returns, undo = (f"/v1/petitions/{petition}/{end}" for end in ("decisions", "returns", "undo"))

    def label():
        ((row,), _) = snapshot()
        return row["category"], row["unit"], [one["unit"] for one in row["returned"]]

    assert label() == ("040206", "公安局", [])
    http.post(decisions, {"category": "040203", "unit": "城管局"})
    http.post(returns, {"unit": "城管局", "reason": "不归我们管"})
    back = ["城管局"]
    assert label() == ("040203", "", back), "known to be wrong is no label"
    http.post(decisions, {"unit": "公安局"})
    assert label() == ("040203", "公安局", back), "a return stays a negative label"
    http.post(undo, {})
    http.post(undo, {})
    assert label() == ("040203", "城管局", [])
    http.post(undo, {})
    assert label() == ("040206", "公安局", [])
    http.post(undo, {})
    assert snapshot() == ((), ())


def test_links_have_their_latest_verdict_and_both_ends_are_there(http, snapshot):
    """Also those on which nothing else was decided."""
    first, second, third = (http.submit(_MATTER) for _ in range(3))
    _say(http, second, first, False)
    _say(http, first, second, True)
    _say(http, third, first, False)
    rows, links = snapshot()
    assert [row["id"] for row in rows] == [first, second, third]
    assert {(row["category"], row["unit"], row["decided_at"], row["sampled"]) for row in rows} == {
        ("", "", "", False)
    }
    assert all(row["model_version"] and row["suggested"]["category"] for row in rows)
    found = {(link["a"], link["b"]): link["confirmed"] for link in links}
    assert found == {(second, first): True, (third, first): False}, "a is the later one"
    assert {link["kind"] for link in links} == {"DuplicateText"}
    assert all(list(link) == ["a", "b", "kind", "score", "confirmed", "decided_at"] for link in links)
    for one, other, left in ((second, first, 3), (third, first, 2), (second, first, 0)):
        http.post(f"/v1/petitions/{one}/undo", {"link": other})
        rows, links = snapshot()
        assert {row["id"] for row in rows} == {end for link in links for end in (link["a"], link["b"])}
        assert len(rows) in {left, left + 1}


def test_the_same_database_gives_the_same_bytes(http, service, letter, tmp_path):
    one, other = _decided(http, letter, unit="城管局"), _decided(http, letter)
    _say(http, one, other, True)
    outs = [tmp_path / name for name in ("a", "b")]
    written = [write_snapshot(service, out) for out in outs]
    assert written[0] == written[1]
    for name in ("petitions.jsonl", "links.jsonl", "manifest.json"):
        assert (outs[0] / name).read_bytes() == (outs[1] / name).read_bytes()


def test_what_comes_in_meanwhile_is_no_news(http, service, letter, tmp_path):
    """In an office something always comes in: a retraining on the same decisions would learn nothing new."""
    one, other = _decided(http, letter, unit="城管局"), _decided(http, letter)
    _say(http, one, other, True)
    before = write_snapshot(service, tmp_path / "before")
    http.submit(letter)
    assert write_snapshot(service, tmp_path / "after") == before
    _say(http, one, other, True)
    assert write_snapshot(service, tmp_path / "decided") != before


def test_petitions_of_one_petitioner_share_a_group_whatever_they_gave(http, snapshot):
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
    groups = {row["id"]: row["petitioner_group"] for row in snapshot()[0]}
    assert len({groups[petition] for petition in one}) == 1
    assert groups[other] not in {groups[one[0]], ""}
    assert [groups[petition] for petition in nobody] == ["", ""]


def test_a_petition_between_that_nobody_decided_still_connects(http, snapshot):
    phone, number = "13971234567", "11010519491231002X"
    first = _decided(http, {"text": _MATTER, "petitioner": {"phone": phone}})
    http.submit({"text": _MATTER, "petitioner": {"phone": phone, "id_number": number}})
    last = _decided(http, {"text": _MATTER, "petitioner": {"id_number": number}})
    groups = {row["id"]: row["petitioner_group"] for row in snapshot()[0]}
    assert groups[first] == groups[last] != ""


def test_petitions_on_one_matter_share_a_group(http, snapshot):
    one, other, alone = (_decided(http, _MATTER) for _ in range(3))
    _say(http, one, other, True)
    groups = {row["id"]: row["matter_group"] for row in snapshot()[0]}
    assert groups[one] == groups[other] != ""
    assert groups[alone] == ""


def test_groups_cannot_be_traced_nor_joined_from_one_snapshot_to_the_next(http, service, letter, snapshot):
    one, other = _decided(http, letter), _decided(http, letter)
    _say(http, one, other, True)
    before = snapshot()[0]
    _decided(http, _MATTER)
    after = snapshot()[0]
    named = [{row[name] for row in rows} - {""} for rows in (before, after) for name in ("petitioner_group", "matter_group")]  # fmt: skip
    assert [len(names) for names in named] == [1] * 4
    assert len(set[str]().union(*named)) == 4, "nothing in common"
    with service.store.read() as connection:
        known = {raw.hex() for raw in connection.execute(select(petitioner_keys.c.digest)).scalars()}
        known |= set(connection.execute(select(matters.c.id)).scalars())
    assert known
    assert not known & set[str]().union(*named)


_PEOPLE = [
    ("欧阳雪梅", "11010519491231002X", "13971234567", "柏垭村槐树坡九组十七号"),
    ("阿依古丽", "440524188001010014", "18612345678", "青石街道锦和苑三栋"),
    ("王建国", "", "010-62345678", "河东镇桥头村二组"),
]
_TOLD = (
    "我叫{name}，女，汉族，1949年12月31日出生，身份证号{number}，手机{phone}，微信wx_abc12345，邮箱someone@example.com。{matter}",
    "{matter}车牌京A12345，银行卡6222 0212 3456 7890 128。\n此致敬礼\n{name}\n{phone}",
    "{matter}{name}多次反映，没有答复。来访人{name}，男，现年五十岁，联系电话：{phone}。QQ：123456789",
    "1 3 9 7 1 2 3 4 5 6 7 是{name}先生的电话，{matter}",
)


def test_nobody_is_in_a_snapshot(http, service, snapshot, tmp_path):
    """The recognisers find nothing in what is exported, no name of a form is in it, and no reason."""
    for name, number, phone, address in _PEOPLE:
        for told in _TOLD:
            body = {
                "title": f"{name}反映油烟",
                "text": told.format(name=name, number=number, phone=phone, matter=_MATTER),
                "petitioner": {"name": name, "id_number": number, "phone": phone, "address": address},
            }
            petition = _decided(http, body, unit="城管局", reason=f"{name}本人（{phone}）已核实")
            reason = f"{name}的户口不在本区，身份证号{number or phone}"
            http.post(f"/v1/petitions/{petition}/returns", {"unit": "城管局", "reason": reason})
    rows, _ = snapshot()
    assert len(rows) == len(_PEOPLE) * len(_TOLD)
    written = (tmp_path / "labels-0" / "petitions.jsonl").read_text(encoding="utf-8")
    given = {part for person in _PEOPLE for part in person if part} | {"wx_abc12345", "someone@", "京A12345"}
    assert [part for part in (*given, "核实", "户口") if part in written] == []
    for row in rows:
        words = f"{row['title']}\n{row['text']}"
        assert MARK.search(words)
        assert redact(words)[2] == (), words
        assert [list(one) for one in row["returned"]] == [["unit", "at"]]
        assert _MATTER[:-1] in row["text"]


def test_what_an_older_fenban_let_through_is_redacted_on_the_way_out(http, service, snapshot):
    _decided(http, {"title": "油烟", "text": _MATTER})
    with service.store.write() as connection:
        connection.execute(text("UPDATE petitions SET text = '电话13971234567，油烟直接排进楼道。'"))
    ((row,), _) = snapshot()
    assert (row["title"], row["text"]) == ("油烟", "电话〈手机号〉，油烟直接排进楼道。")


def test_training_learns_what_was_exported(http, service, tmp_path):
    _decided(http, {"text": _MATTER, "petitioner": {"phone": "13971234567"}}, unit="城管局", kind="建议")
    one, other = http.submit(_MATTER), http.submit(_MATTER)
    _say(http, one, other, True)
    write_snapshot(service, tmp_path / "labels")
    bundle = service.live.engine().bundle
    read = read_snapshot(tmp_path / "labels")
    office = split_office(read, bundle.taxonomy, bundle.tokeniser, TestSet())
    (example,) = office.examples
    assert (example.category, example.kind, example.unit) == ("0402", "建议意见", "城管局")
    assert [(link.a, link.b, link.is_confirmed) for link in read.links] == [(other, one, True)]


def test_nothing_decided_is_an_empty_snapshot(http, snapshot):
    http.submit(_MATTER)
    assert snapshot() == ((), ())


def test_a_snapshot_is_never_written_over(http, service, tmp_path):
    write_snapshot(service, tmp_path / "labels")
    with pytest.raises(BundleError, match="已经存在"):
        write_snapshot(service, tmp_path / "labels")


def test_a_snapshot_that_fails_leaves_nothing(http, service, tmp_path):
    _decided(http, _MATTER)
    with service.store.write() as connection:
        connection.execute(text("ALTER TABLE decisions RENAME TO elsewhere"))
    try:
        with pytest.raises(StoreUnavailableError):
            write_snapshot(service, tmp_path / "out" / "labels")
    finally:
        with service.store.write() as connection:
            connection.execute(text("ALTER TABLE elsewhere RENAME TO decisions"))
    assert list((tmp_path / "out").iterdir()) == []


def test_an_export_is_ended_between_petitions_and_leaves_nothing(http, service, tmp_path, monkeypatch):
    class Cancelled(Exception):
        pass

    for _ in range(5):
        _decided(http, _MATTER)
    monkeypatch.setattr("api.export.TICK", 2)
    ticks = []
    write_snapshot(service, tmp_path / "out" / "whole", lambda: ticks.append(1))
    assert len(ticks) == 3

    def cancel():
        ticks.append(1)
        if len(ticks) == 5:
            raise Cancelled

    with pytest.raises(Cancelled):
        write_snapshot(service, tmp_path / "out" / "labels", cancel)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["whole"]
    assert (tmp_path / "out" / "whole").stat().st_mode & 0o777 == 0o700, (
        "what people wrote is the office's alone"
    )


def test_a_full_disk_is_said_in_words_and_leaves_nothing(http, service, tmp_path, monkeypatch):
    """As the system call reports it: the second file does not fit any more."""
    _decided(http, _MATTER)
    really = Path.open

    def full(self, *args, **kwargs):
        if self.name == "links.jsonl":
            raise OSError(errno.ENOSPC, "No space left on device")
        return really(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(StoreUnavailableError, match="磁盘空间"):
        write_snapshot(service, tmp_path / "out" / "labels")
    assert list((tmp_path / "out").iterdir()) == []
