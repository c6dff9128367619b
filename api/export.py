"""What people decided, as training reads it: redacted text, decided labels, a group no one can trace. No identity leaves."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from api.service import Service
from api.store.labels import decided_labels, petitioner_groups, returned_ids
from classifier.identity import keyed_hash
from classifier.registry import publishing, replacing

COLUMNS = (
    "id",
    "title",
    "text",
    "channel",
    "received_at",
    "category",
    "kind",
    "unit",
    "group",
    "decided_at",
    "model_version",
)


def write_labels(service: Service, out: Path) -> int:
    """Write the snapshot whole or not at all; returns the number of decided petitions.

    `group` is a hash of a hash of an identity key: it keeps one petitioner's petitions on one side of a split and says nothing else.
    `unit` is the unit's name, so that the snapshot outlives a change of ids; it is empty while the unit decided on has sent the
    petition back, for then it is known to be wrong.
    """
    directory = service.live.engine().router.directory
    count = 0
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        with service.store.read() as connection:
            groups = petitioner_groups(connection)
            returned = returned_ids(connection)
            for row in decided_labels(connection):
                decided = "" if row["id"] in returned else row["unit"]
                unit = directory.units.get(decided)
                digest = groups.get(row["seq"])
                group = keyed_hash(f"group:{digest}", service.vault.identity_secret) if digest else ""
                writer.writerow(
                    [
                        row["id"], row["title"], row["text"], row["channel"], row["received_at"] or row["created_at"],
                        row["category"], row["kind"], unit.name if unit else decided, group, row["decided_at"],
                        row["model_version"],
                    ]
                )  # fmt: skip
                count += 1
    return count


@dataclass(frozen=True, slots=True)
class SnapshotManifest:
    """What a snapshot holds: petitions, those of them decided, link verdicts, and the SHA-256 of its manifest."""

    petitions: int
    decided: int
    links: int
    sha256: str


def write_snapshot(service: Service, out: Path) -> SnapshotManifest:
    """The decisions as training in a child process reads them, as the new folder `out`, whole or not at all."""
    with publishing(out) as folder:
        count = write_labels(service, folder / "labels.csv")
        digest = sha256((folder / "labels.csv").read_bytes()).hexdigest()
        manifest = json.dumps(
            {"format": 1, "decided": count, "files": {"labels.csv": digest}}, sort_keys=True
        )
        (folder / "manifest.json").write_text(manifest, encoding="utf-8")
    return SnapshotManifest(count, count, 0, sha256(manifest.encode()).hexdigest())
