"""A snapshot is read only when every byte of it is what was exported."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from classifier.errors import CorpusError
from training.snapshot import load_snapshot

_ROWS = {"petitions.jsonl": [{"id": "p1", "text": "油烟\u2028扰民"}, {"id": "p2"}], "links.jsonl": [{"a": "p2", "b": "p1"}]}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, rows in _ROWS.items():
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (tmp_path / name).write_text(lines, encoding="utf-8")
    files = {name: sha256((tmp_path / name).read_bytes()).hexdigest() for name in _ROWS}
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 1, "files": files}), encoding="utf-8")
    return tmp_path


def test_rows_as_written(folder: Path) -> None:
    found = load_snapshot(folder)
    assert {"petitions.jsonl": list(found.petitions), "links.jsonl": list(found.links)} == _ROWS
    assert found.sha256 == sha256((folder / "manifest.json").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", sorted(_ROWS))
def test_any_changed_byte_is_refused(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    for at in range(len(content)):
        (folder / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(CorpusError, match="可能被改动"):
            load_snapshot(folder)


@pytest.mark.parametrize("manifest", ["", "[]", "{}", '{"format": 2}', '{"format": 1}'])
def test_another_manifest_is_refused(folder: Path, manifest: str) -> None:
    (folder / "manifest.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(CorpusError, match=r"export labels|可能被改动"):
        load_snapshot(folder)


@pytest.mark.parametrize("name", [*_ROWS, "manifest.json"])
def test_a_missing_file_is_said(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(CorpusError, match="export labels"):
        load_snapshot(folder)
