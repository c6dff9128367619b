"""A label snapshot as `fenban export labels` writes it: a folder whose every byte is in its manifest, read only after it is checked."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from classifier.errors import CorpusError
from classifier.petition import Petition
from classifier.registry import MANIFEST
from classifier.taxonomy import Taxonomy
from classifier.tokenise import Tokeniser
from training.corpus import Example, document_of, group_of, labels_of

FORMAT = 1
_PETITIONS, _LINKS = "petitions.jsonl", "links.jsonl"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The rows of both files in their order; `sha256` is the manifest's, the name of the snapshot."""

    petitions: tuple[dict[str, Any], ...]
    links: tuple[dict[str, Any], ...]
    sha256: str


def load_snapshot(folder: Path) -> Snapshot:
    """Raises CorpusError when it is no snapshot, of another format, or any byte of it is not what was exported."""
    try:
        content = (folder / MANIFEST).read_bytes()
        manifest = json.loads(content)
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise CorpusError(f"{folder.name} 不是本版本能读的标注快照。请用 fenban export labels 重新导出。")
        files = {name: (folder / name).read_bytes() for name in (_PETITIONS, _LINKS)}
    except (OSError, ValueError):
        raise CorpusError(
            f"{folder.name} 不是完整的标注快照。请给出 fenban export labels 导出的文件夹。"
        ) from None
    for name, data in files.items():
        if manifest.get("files", {}).get(name) != sha256(data).hexdigest():
            raise CorpusError(f"{folder.name} 的 {name} 与导出时不同，可能被改动。请重新导出。")
    petitions, links = (
        tuple(json.loads(line) for line in data.decode().split("\n") if line) for data in files.values()
    )
    return Snapshot(petitions, links, sha256(content).hexdigest())


def snapshot_examples(
    rows: Iterable[dict[str, Any]], taxonomy: Taxonomy, tokeniser: Tokeniser
) -> Iterator[Example]:
    """What the petitions of a snapshot teach; those with a verdict on a link only teach nothing here."""
    for row in rows:
        if not (row["category"] or row["kind"] or row["unit"]):
            continue
        labels = labels_of({name: row[name] for name in ("category", "kind", "unit")}, taxonomy)
        petition = Petition(row["id"], row["title"], row["text"])
        yield Example(
            document_of(petition, tokeniser),
            labels.category,
            labels.kind,
            labels.unit,
            group=row["petitioner_group"] or group_of(petition),
        )
