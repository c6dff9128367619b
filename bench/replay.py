"""Retraining week by week on a stream of petitions: never, always, and only through the gate, while bad labels come in.

The seven-class messages, which carry no dates, arrive in an order drawn once, in equal weeks. An oracle officer decides 30 % of each week's petitions; one
decision in ten is wrong, in one week four in ten. Every week is answered by the model that is active in it, then an office retrains
from all its decisions so far, exactly as `fenban retrain` does (snapshot, frozen test set, verdict). `always` takes every candidate;
`gate` takes what passes, and where it is refused the officer looks again at the decisions the verdict lists as doubtful and puts
right those that were wrong. The link model is left out: no links are decided here.
Run: python -m bench.replay [--weeks N] [-o PICTURE.svg]   (says so and stops where ../shared/data is not here)
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from statistics import fmean

import numpy as np

from bench.charts import curves
from bench.shared_data import ROOT, SHARED
from classifier.bundle import load_bundle
from classifier.registry import Registry
from classifier.taxonomy import load_taxonomy
from training.evaluate import evaluate
from training.publish import publish
from training.retrain import retrain
from training.train import Sources, train

WEEKS = 13
DECIDED, WRONG, BURST = 0.3, 0.1, 0.4
NEVER, ALWAYS, GATE = "从不重训", "重训，不设关口", "重训，过关才启用"
_DIRECTORY = ROOT / "corpora" / "units" / "county"
_POLICY = ROOT / "corpora" / "gate" / "policy.toml"
_FIRST_WEEK = datetime(2026, 1, 5, tzinfo=UTC)
Row = Mapping[str, str]


class _Quiet:
    def step(self, name: str, total: int | None) -> AbstractContextManager[Callable[[], None]]:
        return nullcontext(lambda: None)


@dataclass(slots=True)
class Office:
    """One way to go about it: its models and its decisions so far, (week, label) by petition."""

    name: str
    models: Path
    policy: Path
    decisions: dict[str, tuple[int, str]] = field(default_factory=dict)
    accuracy: list[float] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)
    looked_again: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--out", type=Path, help="an SVG of the curves")
    parser.add_argument("--weeks", type=int, default=WEEKS)
    given = parser.parse_args()
    path = SHARED / "petitions_l1_dev.csv"
    if not path.exists():
        sys.exit("../shared/data is not here: nothing to replay")
    rows = {row["id"]: row for row in csv.DictReader(path.open(encoding="utf-8-sig"))}
    order = np.random.default_rng(4).permutation(list(rows))
    codes = {c.name: c.code for c in load_taxonomy(ROOT / "corpora" / "taxonomy").level(1)}
    weeks: list[list[str]] = [part.tolist() for part in np.array_split(order, given.weeks)]
    burst = given.weeks // 2
    labels = _decisions(weeks, rows, codes, burst)
    with tempfile.TemporaryDirectory() as folder:
        offices = _open(Path(folder))
        print(
            f"{len(rows):,} messages in {given.weeks} weeks, week {burst + 1} with {BURST:.0%} wrong decisions"
        )
        for week, ids in enumerate(weeks):
            for office in offices:
                office.accuracy.append(_accuracy(office, [rows[i] for i in ids], Path(folder)))
            told = "  ".join(f"{office.name} {office.accuracy[-1]:.3f}" for office in offices)
            for office in offices[1:]:
                office.decisions |= {i: (week, label) for i, label in labels[week].items()}
                if week + 1 < given.weeks:
                    told += "  " + _retrain(office, rows, codes, week, Path(folder))
            print(f"week {week + 1:2}  {told}", flush=True)
    for office in offices:
        # The first week is answered by the day-one model everywhere.
        print(
            f"{office.name}: mean accuracy from week 2 on {fmean(office.accuracy[1:]):.4f}, last three weeks "
            f"{fmean(office.accuracy[-3:]):.4f}; refused in weeks {office.refused}; {office.looked_again} decisions looked at again"
        )
    if given.out:
        lines: dict[str, Sequence[float | None]] = {o.name: o.accuracy for o in reversed(offices)}
        title = f"逐周重训：第 {burst + 1} 周的认定有四成是错的"
        curves(given.out, title, "周", "当周件七类正确率", range(1, given.weeks + 1), lines)


def _decisions(
    weeks: Sequence[Sequence[str]], rows: Mapping[str, Row], codes: Mapping[str, str], burst: int
) -> list[dict[str, str]]:
    """What the officer decides of each week's petitions: category codes, some of them wrong."""
    draw = np.random.default_rng(5)
    used = sorted({codes[row["category"]] for row in rows.values()})
    found = []
    for week, ids in enumerate(weeks):
        decided = {}
        for petition in ids:
            if draw.random() < DECIDED:
                right = codes[rows[petition]["category"]]
                is_wrong = draw.random() < (BURST if week == burst else WRONG)
                others = [code for code in used if code != right]
                decided[petition] = str(draw.choice(others)) if is_wrong else right
        found.append(decided)
    return found


def _open(folder: Path) -> list[Office]:
    """The three offices, all with the same day-one model."""
    corpora = folder / "corpora"
    corpora.mkdir()
    for part in (ROOT / "corpora").iterdir():
        if part.name != "pairs":
            (corpora / part.name).symlink_to(part)
    lenient = folder / "lenient.toml"
    lenient.write_text(_LENIENT, encoding="utf-8")
    bundle = train(Sources(corpora), _Quiet())
    offices = [
        Office(name, folder / str(number) / "models", policy)
        for number, (name, policy) in enumerate(((NEVER, lenient), (ALWAYS, lenient), (GATE, _POLICY)))
    ]
    for office in offices:
        publish(bundle, office.models, promote=True)
    return offices


# Lets everything pass.
_LENIENT = """
format = 1
[overall.office]
significance = 0.0
most_loss = 1.0
fewest_cases = 1
[overall.gold]
significance = 0.0
most_loss = 1.0
fewest_cases = 1
[category]
fewest_cases = 1000000
significance = 0.0
most_loss = 1.0
fewest_hits = 1000000
[category.floor]
level1 = 0.0
level2 = 0.0
kind = 0.0
unit = 0.0
[calibration]
most_worse = 1.0
noise = 1.0
[speed]
least_share = 0.0
[labels]
fewest = 1000000
most_more = 1.0
[labels.usual]
level1 = 1.0
kind = 1.0
unit = 1.0
[links]
most_loss = 1.0
least_precision = 0.0
fewest_shown = 1000000
"""


def _accuracy(office: Office, rows: Sequence[Row], folder: Path) -> float:
    """Of the first suggestion among the seven classes, by the model that is active."""
    file = folder / "week.csv"
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    figures = evaluate(file, load_bundle(Registry(office.models).active()), _DIRECTORY)
    accuracy: float = figures["category"]["accuracy"]
    return accuracy


def _retrain(
    office: Office, rows: Mapping[str, Row], codes: Mapping[str, str], week: int, folder: Path
) -> str:
    labels = _snapshot(folder / f"{office.models.parent.name}-{week}", office.decisions, rows)
    result = retrain(labels, office.models, folder / "corpora", _DIRECTORY, office.policy, _Quiet())
    if result.verdict.passed:
        Registry(office.models).promote(result.version)
        return "promoted"
    office.refused.append(week + 1)
    doubtful = {finding.id for finding in result.findings} & set(office.decisions)
    office.looked_again += len(doubtful)
    # Put right as a new decision, made now.
    office.decisions |= {i: (week, codes[rows[i]["category"]]) for i in doubtful}
    return f"refused ({result.verdict.reasons[0]}; {len(doubtful)} looked at again)"


def _snapshot(folder: Path, decisions: Mapping[str, tuple[int, str]], rows: Mapping[str, Row]) -> Path:
    """As `fenban export labels` writes it."""
    folder.mkdir()
    lines = []
    for petition, (week, label) in sorted(decisions.items()):
        moment = (_FIRST_WEEK + timedelta(weeks=week)).isoformat()
        lines.append(
            {
                "id": petition, "title": rows[petition]["title"], "text": rows[petition]["text"], "channel": "", "district": "",
                "received_at": moment, "registered_at": moment, "petitioner_group": "", "matter_group": "", "category": label, "kind": "", "unit": "",
                "joint_units": [], "returned": [], "decided_at": moment, "model_version": "", "suggested": {}, "sampled": False,
            }
        )  # fmt: skip
    contents = {
        "petitions.jsonl": "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines),
        "links.jsonl": "",
    }
    for name, content in contents.items():
        (folder / name).write_text(content, encoding="utf-8")
    manifest = {
        "format": 1,
        "petitions": len(lines),
        "decided": len(lines),
        "links": 0,
        "taxonomy": "",
        "last_decision": max(str(line["decided_at"]) for line in lines),
        "files": {name: sha256(content.encode()).hexdigest() for name, content in contents.items()},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


if __name__ == "__main__":
    main()
