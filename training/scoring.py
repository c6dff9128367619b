"""One model's answers to the held-out cases: the scorecards the gate compares.

Cases are the office's frozen test set and the shipped gold set, the latter so that a first retrain with few labels is judged, too. Kind and
units are asked of the spine itself, as the service asks it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from classifier.bundle import Bundle
from classifier.category import level1
from classifier.directory import Directory
from classifier.errors import FenbanError
from classifier.petition import Petition, Petitioner, Triage
from classifier.predict import Probabilities, predict
from classifier.release import SMOKE
from classifier.routing import Router
from classifier.scorecard import Answer, Scorecard
from classifier.taxonomy import Taxonomy
from classifier.triage import read, triage_each
from training.corpus import labels_of, load_seed
from training.snapshot import LabelledPetition

_BATCH = 500
_NO_SECRET = bytes(32)
# Speed: the best of so many rounds over so many texts, both models taking turns.
_ROUNDS, _TIMED = 3, 200
# Petitions tried with two persons each.
_PERSONS_TRIED = 40

# Two invented persons that differ in everything; the ID numbers have valid check digits, or redaction would not take them for such.
_PERSONS = (
    ("我叫王伟，男，汉族，1962年3月5日出生，籍贯河南省信阳市，联系电话13800001111，身份证号110101196203051233。", Petitioner("王伟", "110101196203051233", "13800001111", "某县某镇某村")),
    ("我叫阿依古丽，女，维吾尔族，1991年11月20日出生，籍贯新疆喀什，联系电话15900002222，身份证号650102199111202263。", Petitioner("阿依古丽", "650102199111202263", "15900002222", "某市某街道")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Case:
    """A held-out petition with its right answers; empty where it has none. `name` is `office/<id>` or `gold/<id>`."""

    name: str
    petition: Petition
    categories: tuple[str, ...] = ()
    kind: str = ""
    unit: str = ""

    @property
    def source(self) -> str:
        return self.name.partition("/")[0]


def gold_cases(corpora: Path, taxonomy: Taxonomy) -> list[Case]:
    """The shipped gold set; none where there is no such folder. Raises CorpusError."""
    if not (corpora / "gold").is_dir():
        return []
    return [
        Case(
            f"gold/{row['id']}",
            Petition(row["id"], row["title"], row["text"]),
            tuple(filter(None, (row["category"][:4], row.get("alternative", "")[:4]))),
            labels_of({"kind": row["kind"]}, taxonomy).kind,
        )
        for row in load_seed(corpora / "gold", taxonomy)
    ]


def office_cases(tested: Sequence[LabelledPetition], taxonomy: Taxonomy, directory: Directory) -> list[Case]:
    cases = []
    for labelled in tested:
        labels = labels_of({"category": labelled.category, "kind": labelled.kind}, taxonomy)
        known = directory.unit_named(labelled.unit)
        cases.append(
            Case(
                f"office/{labelled.id}",
                labelled.petition,
                (labels.category,) if labels.category else (),
                labels.kind,
                known.name if known else labelled.unit,
            )
        )
    return cases


def score(
    bundle: Bundle, cases: Sequence[Case], router: Router, tick: Callable[[], object] = lambda: None
) -> Scorecard:
    """Answers and absolute checks of one model; links, labels and speed are for the caller to add."""
    answers: dict[str, list[Answer]] = {}
    for start in range(0, len(cases), _BATCH):
        batch = cases[start : start + _BATCH]
        readings = [read(case.petition, bundle.tokeniser, _NO_SECRET) for case in batch]
        category = predict(bundle, [reading.document for reading in readings]).category
        for row, (case, item) in enumerate(
            zip(batch, triage_each(readings, bundle, None, router), strict=True)
        ):
            probabilities = None if category is None else category[row : row + 1]
            for task, answer in _answers(bundle, case, item.triage, probabilities):
                answers.setdefault(f"{case.source}.{task}", []).append(answer)
            tick()
    classes = {
        "level1": frozenset(code[:2] for code in _classes(bundle)),
        "level2": frozenset(_classes(bundle)),
        "kind": frozenset(bundle.kind.classes if bundle.kind else ()),
    }
    tried = [case.petition for case in cases if case.source == "gold"][:_PERSONS_TRIED]
    return Scorecard(
        bundle.version,
        {series: tuple(found) for series, found in answers.items()},
        classes,
        is_invariant=is_invariant(bundle, router, tried),
        passes_smoke=passes_smoke(bundle, router),
    )


def _classes(bundle: Bundle) -> tuple[str, ...]:
    return bundle.category.classes if bundle.category else ()


def _answers(
    bundle: Bundle, case: Case, triage: Triage, probabilities: Probabilities | None
) -> list[tuple[str, Answer]]:
    """One answer a task the case has a label for; "" where the model cannot answer."""
    found = []
    if case.categories:
        broad, best = ("", 0.0), ("", 0.0)
        if bundle.category is not None and probabilities is not None:
            best = _best(bundle.category.classes, probabilities)
            broad = _best(*level1(bundle.category.classes, probabilities, bundle.category.pooling))
        accepted = tuple(dict.fromkeys(code[:2] for code in case.categories))
        found.append(("level1", Answer(case.name, accepted, *broad)))
        if len(case.categories[0]) == 4:
            found.append(("level2", Answer(case.name, case.categories, *best)))
    if case.kind:
        kind = triage.kind
        found.append(("kind", Answer(case.name, (case.kind,), kind.name.value, kind.probability)))
    if case.unit:
        unit = triage.units[0]
        found.append(("unit", Answer(case.name, (case.unit,), unit.name, unit.score)))
    return found


def _best(classes: Sequence[str], probabilities: Probabilities) -> tuple[str, float]:
    at = int(probabilities[0].argmax())
    return classes[at], float(probabilities[0, at])


def speeds(models: Sequence[tuple[Bundle, Router]], petitions: Sequence[Petition]) -> list[float]:
    """Texts a second of processor time, each model's best round: what else the machine does must not fail a model."""
    if not petitions:
        return [0.0] * len(models)
    some = [petitions[i % len(petitions)] for i in range(_TIMED)]
    best = [float("inf")] * len(models)
    for _ in range(_ROUNDS):
        for i, (bundle, router) in enumerate(models):
            started = time.process_time()
            readings = [read(petition, bundle.tokeniser, _NO_SECRET) for petition in some]
            for _item in triage_each(readings, bundle, None, router):
                pass
            best[i] = min(best[i], time.process_time() - started)
    return [round(len(some) / max(seconds, 1e-9), 1) for seconds in best]


def is_invariant(bundle: Bundle, router: Router, petitions: Sequence[Petition]) -> bool:
    """Whether each petition gets the same suggestion from two different persons (DESIGN, first principle)."""
    readings = [
        read(
            replace(petition, text=clause + petition.text, petitioner=petitioner),
            bundle.tokeniser,
            _NO_SECRET,
        )
        for petition in petitions
        for clause, petitioner in _PERSONS
    ]
    gists = [_gist(item.triage) for item in triage_each(readings, bundle, None, router)]
    return gists[::2] == gists[1::2]


def _gist(triage: Triage) -> tuple[object, ...]:
    return (
        [suggestion.code for suggestion in triage.categories],
        triage.kind.name,
        [unit.id for unit in triage.units],
        triage.abstained,
    )


def passes_smoke(bundle: Bundle, router: Router) -> bool:
    """Whether the petitions any model must answer get a unit each."""
    try:
        readings = [read(petition, bundle.tokeniser, _NO_SECRET) for petition in SMOKE]
        return all(item.triage.units for item in triage_each(readings, bundle, None, router))
    except (FenbanError, ValueError, IndexError, KeyError):
        return False
