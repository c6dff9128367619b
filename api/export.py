"""What people decided, as training reads it: redacted text, decided labels, groups no one can trace. No identity leaves.

The form is described in docs/privacy.md and read by training/snapshot.py. `api` and `training` share no code, so both name the fields.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, RowMapping

from api.service import Service
from api.store.petitions import RETURNED
from api.store.snapshot import (
    joint_units_in_force,
    labelled,
    matters_now,
    petitioners,
    returns_in_force,
    state,
    verdicts,
)
from api.store.terms import whole_text
from classifier.errors import StoreUnavailableError
from classifier.identity import keyed_hash
from classifier.redact import redact
from classifier.registry import MANIFEST, publishing

FORMAT = 1
#: So many petitions take a second or two.
TICK = 500
_PETITIONS, _LINKS = "petitions.jsonl", "links.jsonl"


@dataclass(frozen=True, slots=True)
class SnapshotManifest:
    """How many petitions a snapshot holds, how many of them decided, how many verdicts on links; `sha256` of its manifest names it."""

    petitions: int
    decided: int
    links: int
    sha256: str


def write_snapshot(
    service: Service, out: Path, tick: Callable[[], object] = lambda: None
) -> SnapshotManifest:
    """Write the folder `out` whole or not at all, for its owner alone; the same database content gives the same bytes.

    `tick` is called every `TICK` petitions: what it raises ends the export and leaves nothing.

    Raises BundleError when `out` exists, StoreUnavailableError when the disk is full or may not be written.
    """
    try:
        with publishing(out, 0o700) as folder, service.store.read_one_moment() as connection:
            return _write(service, connection, folder, tick)
    except OSError as problem:
        raise StoreUnavailableError(
            f"快照写不进 {out.name}：{problem.strerror or type(problem).__name__}。没有留下任何文件。请检查目录、权限和磁盘空间。"
        ) from None


def _write(
    service: Service, connection: Connection, folder: Path, tick: Callable[[], object]
) -> SnapshotManifest:
    # For the groups' names: another snapshot, other names, so that two snapshots cannot be joined by them.
    digest = sha256(repr(state(connection)).encode()).hexdigest()
    said = verdicts(connection)
    linked = {row[end] for row in said for end in ("a", "b")}
    rows = _Rows(service, connection, digest)
    decided, latest = 0, [row["created_at"] for row in said]

    def petition_lines() -> Iterable[dict[str, Any]]:
        nonlocal decided
        with closing(labelled(connection, linked)) as found:
            for number, row in enumerate(found):
                if number % TICK == 0:
                    tick()
                if row["decided_at"] is not None:
                    decided += 1
                    latest.append(row["decided_at"])
                yield rows.petition(row)

    petitions = _write_lines(folder / _PETITIONS, petition_lines())
    links = _write_lines(folder / _LINKS, map(_link, said))
    manifest = {
        "format": FORMAT,
        "petitions": petitions,
        "decided": decided,
        "links": links,
        "taxonomy": sha256(service.live.engine().bundle.taxonomy.to_csv().encode()).hexdigest(),
        "last_decision": max(latest).isoformat() if latest else "",
        "files": {name: sha256((folder / name).read_bytes()).hexdigest() for name in (_PETITIONS, _LINKS)},
    }
    content = (json.dumps(manifest, ensure_ascii=False, indent=1) + "\n").encode()
    (folder / MANIFEST).write_bytes(content)
    return SnapshotManifest(petitions, decided, links, sha256(content).hexdigest())


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            count += 1
    return count


def _link(row: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: row[name] for name in ("a", "b", "kind", "score", "confirmed")}
    return named | {"decided_at": _iso(row["created_at"])}


class _Rows:
    """Makes the rows of one snapshot; what is looked up for all of them is read once."""

    def __init__(self, service: Service, connection: Connection, digest: str) -> None:
        self._units = service.live.engine().router.directory.units
        self._joint = joint_units_in_force(connection)
        self._returns = returns_in_force(connection)
        self._matters = matters_now(connection)
        self._petitioners = petitioners(connection)
        secret = service.vault.identity_secret
        self._petitioner_group = _Groups(lambda number: keyed_hash(f"petitioner:{digest}:{number}", secret))
        self._matter_group = _Groups(lambda number: keyed_hash(f"matter:{digest}:{number}", secret))

    def petition(self, row: RowMapping) -> dict[str, Any]:
        title, text = _redacted_again(row["title"], row["text"])
        sent_back = row["status"] == RETURNED
        answer = json.loads(row["answer"])
        categories, units = answer["categories"], answer["units"]
        return {
            "id": row["id"],
            "title": title,
            "text": text,
            "channel": row["channel"],
            "district": row["district"],
            "received_at": _iso(row["received_at"]),
            "registered_at": _iso(row["created_at"]),
            "petitioner_group": self._petitioner_group.of(self._petitioners.get(row["seq"])),
            "matter_group": self._matter_group.of(self._matters.get(row["id"])),
            "category": row["category"] or "",
            "kind": row["kind"] or "",
            # Known to be wrong is no label.
            "unit": "" if sent_back else self._name(row["unit"] or ""),
            "joint_units": [self._name(unit) for unit in self._joint.get(row["decision_id"] or 0, ())],
            "returned": [
                {"unit": self._name(one["unit"]), "at": _iso(one["created_at"])}
                for one in self._returns.get(row["id"], ())
            ],
            "decided_at": _iso(row["decided_at"]),
            "model_version": row["model_version"],
            "suggested": {
                "category": categories[0]["code"] if categories else "",
                "category_probability": categories[0]["probability"] if categories else 0.0,
                "kind": answer["kind"]["name"],
                "unit": units[0]["name"] if units else "",
            },
            "sampled": bool(row["sampled"]) and row["decided_at"] is not None,
        }

    def _name(self, unit_id: str) -> str:
        """Names outlive a change of ids."""
        unit = self._units.get(unit_id)
        return unit.name if unit else unit_id


class _Groups:
    """Names for groups, in the order in which they are met: nothing of what makes a group is in its name."""

    def __init__(self, name: Callable[[int], str]) -> None:
        self._name = name
        self._numbers: dict[Hashable, int] = {}

    def of(self, group: Hashable | None) -> str:
        if group is None:
            return ""
        return self._name(self._numbers.setdefault(group, len(self._numbers)))


def _redacted_again(title: str, text: str) -> tuple[str, str]:
    """The stored text, redacted at intake, as today's recognisers leave it: an older fenban knew fewer of them."""
    whole = whole_text(title, text)
    redacted, _, found = redact(whole)
    if not found:
        return title, text
    if title and text:
        title, _, text = redacted.partition("\n")
        return title, text
    return (redacted, "") if title else ("", redacted)


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
