"""What people decided, as training reads it: redacted text, decided labels, a group no one can trace. No identity leaves."""

from __future__ import annotations

import csv
from pathlib import Path

from api.service import Service
from api.store.labels import decided_labels, petitioner_groups, returned_ids
from classifier.identity import keyed_hash
from classifier.registry import replacing

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
