"""A snapshot is used whole and unchanged or not at all, and every refusal says what to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from classifier.errors import CorpusError
from training.snapshot import read_snapshot

_ROWS = [
    {"id": "a", "text": "厂里三个月没有发工资。", "category": "1501", "kind": "申诉求决", "unit": "人社局"},
    {"id": "b", "text": "河水发黑\u2028有异味。", "category": "0402"},  # a line separator inside a text ends no row
]  # fmt: skip
_LINKS = [{"a": "b", "b": "a", "confirmed": False}]


@pytest.fixture
def snapshot(write_snapshot, tmp_path: Path) -> Path:
    return write_snapshot(tmp_path / "snapshot", _ROWS, _LINKS)


def _sign(folder: Path, **changes: object) -> None:
    """Make the manifest agree with the files again, as somebody who edits by hand might."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = {name: sha256((folder / name).read_bytes()).hexdigest() for name in manifest["files"]}
    (folder / "manifest.json").write_text(json.dumps(manifest | changes))


def test_what_was_written_is_read(snapshot: Path) -> None:
    read = read_snapshot(snapshot)
    assert read.sha256 == sha256((snapshot / "manifest.json").read_bytes()).hexdigest()
    assert [(p.id, p.category, p.kind, p.unit) for p in read.petitions] == [
        ("a", "1501", "申诉求决", "人社局"),
        ("b", "0402", "", ""),
    ]
    assert "\u2028" in read.petitions[1].petition.text
    assert [(link.a, link.b, link.is_confirmed) for link in read.links] == [("b", "a", False)]


def test_a_petition_that_came_without_a_date_is_read_without_one(write_snapshot, tmp_path: Path) -> None:
    """As it was suggested on; when it was stored stands beside it."""
    row = {"id": "a", "text": "路灯不亮。", "unit": "住建局", "received_at": "", "registered_at": "2026-03-04T09:00:00+00:00"}  # fmt: skip
    (petition,) = read_snapshot(write_snapshot(tmp_path / "labels", [row])).petitions
    assert petition.petition.received_at is None
    assert petition.registered_at == datetime(2026, 3, 4, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("returned_at", "unit"),
    [("2026-03-03T09:00:00+00:00", ""), ("2026-03-01T09:00:00+00:00", "住建局")],
    ids=["sent back after the decision", "decided again after it was sent back"],
)
def test_a_unit_that_sent_it_back_is_never_the_answer(
    write_snapshot, tmp_path: Path, returned_at: str, unit: str
) -> None:
    back = [{"unit": "住建局", "at": returned_at}]
    row = {"id": "a", "text": "路灯不亮。", "unit": "住建局", "returned": back}
    (petition,) = read_snapshot(write_snapshot(tmp_path / "s", [row])).petitions
    assert petition.unit == unit
    assert petition.returned == ("住建局",)


@pytest.mark.parametrize("name", ["petitions.jsonl", "links.jsonl"])
def test_any_changed_byte_is_found(snapshot: Path, name: str) -> None:
    content = (snapshot / name).read_bytes()
    for at in range(0, len(content), 7):
        (snapshot / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(CorpusError, match=f"{name} 与清单不符.*重新导出"):
            read_snapshot(snapshot)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: (s / "manifest.json").unlink(), "不是标注快照"),
        (lambda s: (s / "manifest.json").write_text("{"), "已损坏"),
        (lambda s: (s / "manifest.json").write_text("[]"), "已损坏"),
        (lambda s: _sign(s, format=2), "格式 2"),
        (lambda s: _sign(s, files={"petitions.jsonl": ""}), "清单不完整"),
        (lambda s: _sign(s, petitions=3), "件数与清单不符"),
        (lambda s: (s / "links.jsonl").unlink(), "缺少文件 links.jsonl"),
    ],
)
def test_a_snapshot_that_is_not_whole_is_refused(
    snapshot: Path, damage: Callable[[Path], object], message: str
) -> None:
    damage(snapshot)
    with pytest.raises(CorpusError, match=message):
        read_snapshot(snapshot)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("petitions.jsonl", "机密内容\n", "第 1 行不是 JSON 对象"),
        ("petitions.jsonl", '{"id": "a", "text": "机密内容"}\n', "第 1 行缺少字段"),
        ("links.jsonl", '{"a": "b", "b": "a", "confirmed": "yes"}\n', "第 1 行缺少字段或类型不对"),
        ("links.jsonl", '{"a": "b", "b": "z", "confirmed": true}\n', "不在快照里"),
    ],
)
def test_a_row_of_another_form_is_named_without_its_text(
    snapshot: Path, name: str, content: str, message: str
) -> None:
    (snapshot / name).write_text(content, encoding="utf-8")
    _sign(snapshot)
    with pytest.raises(CorpusError, match=message) as caught:
        read_snapshot(snapshot)
    assert "机密" not in str(caught.value)


def test_an_id_twice_is_refused(write_snapshot, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="第 2 行：编号重复"):
        read_snapshot(write_snapshot(tmp_path / "s", [_ROWS[0], _ROWS[0]]))
