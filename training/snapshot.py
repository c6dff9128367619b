"""A snapshot of an office's labels as `fenban export labels` writes it: verified whole before anything of it is used.

A folder of three files; docs/architecture.md says who writes what. Reading checks the form and every hash, then each row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

from classifier.dates import parse_date
from classifier.errors import CorpusError, DateError
from classifier.petition import Petition
from classifier.registry import MANIFEST

#: The form this module reads.
FORMAT = 1
_PETITIONS, _LINKS = "petitions.jsonl", "links.jsonl"
_TEXTS = (
    "id", "title", "text", "channel", "district", "received_at", "registered_at", "petitioner_group", "matter_group", "category", "kind", "unit", "decided_at",
)  # fmt: skip
_AGAIN = "请用 fenban export labels 重新导出。"
_Row = TypeVar("_Row")
_LONGEST_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LabelledPetition:
    """One petition with what was decided: a category code, a kind, a unit's name, each "" where nothing was.

    `petitioner_group` and `matter_group` say what belongs together within this snapshot only. `returned` are the units that sent it back,
    `registered_at` when the office registered it: letters often do not say when they came in.
    """

    petition: Petition
    petitioner_group: str
    matter_group: str
    category: str
    kind: str
    unit: str
    joint_units: tuple[str, ...]
    returned: tuple[str, ...]
    registered_at: datetime | None
    decided_at: datetime | None

    @property
    def id(self) -> str:
        return self.petition.id

    @property
    def is_labelled(self) -> bool:
        return bool(self.category or self.kind or self.unit)


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """What an officer said of two petitions; `a` and `b` are ids of the snapshot, `a` the later one."""

    a: str
    b: str
    is_confirmed: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole snapshot. `sha256` is the manifest's, `last_decision` as the manifest has it (ISO, or "")."""

    sha256: str
    last_decision: str
    petitions: tuple[LabelledPetition, ...]
    links: tuple[LinkVerdict, ...]


def read_snapshot(folder: Path, tick: Callable[[], object] = lambda: None) -> Snapshot:
    """Read and verify a snapshot. Raises CorpusError where it is not whole, was changed, or is of another form."""
    manifest, digest = _manifest(folder)
    contents = {name: _verified(folder, name, manifest) for name in (_PETITIONS, _LINKS)}
    petitions: dict[str, LabelledPetition] = {}
    for number, row in _rows(contents[_PETITIONS], _PETITIONS):
        found = _read_row(_petition, row, _PETITIONS, number)
        if found.id in petitions:
            raise CorpusError(f"{_PETITIONS} 第 {number} 行：编号重复。{_AGAIN}")
        petitions[found.id] = found
        tick()
    links = []
    for number, row in _rows(contents[_LINKS], _LINKS):
        link = _read_row(_link, row, _LINKS, number)
        if link.a not in petitions or link.b not in petitions:
            raise CorpusError(f"{_LINKS} 第 {number} 行：所连的信访件不在快照里。{_AGAIN}")
        links.append(link)
    if (len(petitions), len(links)) != (manifest.get("petitions"), manifest.get("links")):
        raise CorpusError(f"标注快照 {folder.name} 的件数与清单不符。{_AGAIN}")
    return Snapshot(digest, str(manifest.get("last_decision") or ""), tuple(petitions.values()), tuple(links))


def moment_of(text: str) -> datetime:
    """A moment of a snapshot; the longest ago for "". Raises DateError on what is no date."""
    return parse_date(text) if text else _LONGEST_AGO


def _manifest(folder: Path) -> tuple[dict[str, Any], str]:
    try:
        content = (folder / MANIFEST).read_bytes()
    except OSError:
        raise CorpusError(
            f"{folder.name} 不是标注快照：没有 {MANIFEST}。请给出 fenban export labels -o 写出的文件夹。"
        ) from None
    try:
        manifest = json.loads(content)
        form, files = manifest["format"], manifest["files"]
    except (ValueError, KeyError, TypeError):
        raise CorpusError(f"标注快照 {folder.name} 的 {MANIFEST} 已损坏。{_AGAIN}") from None
    if form != FORMAT:
        raise CorpusError(f"标注快照 {folder.name} 是格式 {form}，本程序只读格式 {FORMAT}。{_AGAIN}")
    if not isinstance(files, dict) or set(files) != {_PETITIONS, _LINKS}:
        raise CorpusError(f"标注快照 {folder.name} 的清单不完整。{_AGAIN}")
    return manifest, sha256(content).hexdigest()


def _verified(folder: Path, name: str, manifest: Mapping[str, Any]) -> str:
    try:
        content = (folder / name).read_bytes()
    except OSError:
        raise CorpusError(f"标注快照 {folder.name} 缺少文件 {name}。{_AGAIN}") from None
    if sha256(content).hexdigest() != manifest["files"][name]:
        raise CorpusError(f"标注快照 {folder.name} 的 {name} 与清单不符，可能损坏或被改动。{_AGAIN}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise CorpusError(f"标注快照 {folder.name} 的 {name} 不是 UTF-8。{_AGAIN}") from None


def _rows(content: str, name: str) -> list[tuple[int, Mapping[str, Any]]]:
    rows: list[tuple[int, Mapping[str, Any]]] = []
    # Only line feeds end a row: texts may hold the other separators that `splitlines` knows.
    for number, line in enumerate(content.split("\n"), start=1):
        if not line:
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            raise CorpusError(f"{name} 第 {number} 行不是 JSON 对象。{_AGAIN}")
        rows.append((number, row))
    return rows


def _read_row(
    make: Callable[[Mapping[str, Any]], _Row], row: Mapping[str, Any], name: str, number: int
) -> _Row:
    try:
        return make(row)
    except (KeyError, TypeError, ValueError, AttributeError, DateError):
        raise CorpusError(f"{name} 第 {number} 行缺少字段或类型不对。{_AGAIN}") from None


def _petition(row: Mapping[str, Any]) -> LabelledPetition:
    if not all(isinstance(row[name], str) for name in _TEXTS) or not row["id"]:
        raise ValueError("text")
    decided = moment_of(row["decided_at"]) if row["decided_at"] else None
    returned = tuple(str(found["unit"]) for found in row["returned"])
    # What a unit sent back after the decision is no label of that unit, whatever the row says.
    since = [found["unit"] for found in row["returned"] if decided and moment_of(str(found["at"])) > decided]
    return LabelledPetition(
        Petition(
            row["id"],
            row["title"],
            row["text"],
            received_at=moment_of(row["received_at"]) if row["received_at"] else None,
            district=row["district"],
        ),
        row["petitioner_group"],
        row["matter_group"],
        row["category"],
        row["kind"],
        "" if row["unit"] in since else row["unit"],
        tuple(map(str, row["joint_units"])),
        returned,
        moment_of(row["registered_at"]) if row["registered_at"] else None,
        decided,
    )


def _link(row: Mapping[str, Any]) -> LinkVerdict:
    if not isinstance(row["confirmed"], bool):
        raise TypeError("confirmed")
    return LinkVerdict(str(row["a"]), str(row["b"]), row["confirmed"])
