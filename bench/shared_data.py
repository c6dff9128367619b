"""Texts to measure on: the real messages beside the checkout where they are, else the seed corpus. Says which."""

from __future__ import annotations

import json
from pathlib import Path

from classifier.petition import Petition
from classifier.records import Reject, petitions

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"


def real(name: str) -> list[Petition]:
    """The petitions of a shared file; empty when it is not here."""
    path = SHARED / name
    if not path.exists():
        return []
    return [item[1] for item in petitions(path) if not isinstance(item, Reject)]


def seed_rows() -> list[dict[str, str]]:
    """The rows of the seed corpus, fields as in corpora/README.md."""
    return [
        json.loads(line)
        for file in sorted((ROOT / "corpora" / "seed").glob("*.jsonl"))
        for line in file.open(encoding="utf-8")
    ]


def seed() -> list[Petition]:
    return [Petition(row["id"], row["title"], row["text"]) for row in seed_rows()]


def some(count: int) -> tuple[list[Petition], str]:
    """At least one and up to `count` texts, and what they are."""
    found = real("petitions_l1_dev.csv") + real("messages_unlabelled.csv") + real("mailbox_units_dev.csv")
    if found:
        return found[:count], "real messages (../shared/data)"
    return seed()[:count], "seed corpus (../shared/data is not here)"
