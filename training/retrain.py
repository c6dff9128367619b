"""From a snapshot of an office's labels to a judged version: read → split → learn → score both models → gate → publish.

Nothing is written before the end, and then in an order in which dying at any point does no harm: first which petitions are tested on, then
the verdict, then the version itself. A version is never promoted here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

from classifier.bundle import Bundle, bundle_version, load_bundle, save_bundle
from classifier.directory import load_directory
from classifier.registry import Registry
from classifier.routing import Router
from classifier.scorecard import LinkCard, Scorecard, compare
from classifier.taxonomy import Taxonomy
from training.corpus import load_seed, seed_examples
from training.gate import Verdict, gate, load_policy, policy_json
from training.links import OFFICE_WEIGHT, Pair, shown_and_right
from training.noise import Finding, look_again
from training.office import Office, Side, TestSet, load_test_set, newest, save_test_set, split_office
from training.publish import publish
from training.scoring import Case, gold_cases, office_cases, score, speeds
from training.snapshot import LabelledPetition, moment_of, read_snapshot
from training.stream import STREAM_ROWS
from training.train import OFFICE_WEIGHT as LABEL_WEIGHT
from training.train import Progress, Reference, Sources, learn, load_reference, read_examples

# The newest part of the office's cases is reported by itself: what comes in now is what the model will meet.
_NEWEST = 0.2


@dataclass(frozen=True, slots=True)
class Retraining:
    """What came of it. `figures` are plain numbers for JSON."""

    version: str
    parent: str
    verdict: Verdict
    figures: dict[str, Any]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "parent": self.parent,
            "passed": self.verdict.passed,
            "reasons": list(self.verdict.reasons),
            "changes": list(self.verdict.changes),
            "figures": self.figures,
            "suspicious": len(self.findings),
        }


def retrain(
    labels: Path,
    models: Path,
    corpora: Path,
    directory: Path,
    policy_file: Path,
    progress: Progress,
    note: Callable[[str], None] = lambda _: None,
) -> Retraining:
    """Learn from the snapshot `labels`, judge against the active model, publish with the verdict.

    Raises BundleError when no model is active, CorpusError and the like when an input is not as it should be; nothing is written then.
    """
    policy = load_policy(policy_file)
    registry = Registry(models)
    incumbent = load_bundle(registry.active())
    sources = Sources(corpora)
    reference = load_reference(sources, progress)
    units = load_directory(directory, reference.taxonomy)
    office = _read_office(labels, reference, load_test_set(models), progress, note)
    candidate = _with_lineage(_taught(sources, reference, office, progress, note), office, incumbent.version)

    cases = [
        *office_cases(office.tested, reference.taxonomy, units),
        *gold_cases(corpora, reference.taxonomy),
    ]
    with tempfile.TemporaryDirectory() as folder:
        # What is judged is what will be served: numbers as they come back from disk.
        save_bundle(candidate, Path(folder) / "candidate", candidate.version)
        candidate = load_bundle(Path(folder) / "candidate")
    with progress.step("检验新旧两个模型", 2 * len(cases)) as tick:
        routed = [
            (bundle, Router(units, bundle.taxonomy, bundle.tokeniser)) for bundle in (candidate, incumbent)
        ]
        new, old = (score(bundle, cases, router, tick) for bundle, router in routed)
        pairs = _pairs(office, Side.TEST)
        new, old = (
            replace(card, links=_link_card(bundle, pairs), per_second=speed)
            for card, (bundle, _), speed in zip(
                (new, old), routed, speeds(routed, [case.petition for case in cases]), strict=True
            )
        )
    with progress.step("查找像是标错的认定", None):
        seed = list(seed_examples(load_seed(corpora / "seed", reference.taxonomy), reference.tokeniser))
        since = moment_of(registry.lineage(incumbent.version).get("last_decision", ""))
        findings, label_cards = look_again(office, seed, candidate.vectoriser, since, LABEL_WEIGHT)
        new = replace(new, labels=label_cards)
    verdict = gate(new, old, policy, _names(reference.taxonomy))
    figures = _figures(new, old, office, cases)
    result = Retraining(candidate.version, incumbent.version, verdict, figures, findings)
    with progress.step("写入模型", None):
        save_test_set(models, office.sides)
        registry.write_scorecards(candidate.version, {"candidate": new.to_json(), "incumbent": old.to_json()})
        registry.write_verdict(
            candidate.version,
            {
                **result.to_json(),
                "snapshot": office.snapshot.sha256,
                "policy": policy_json(policy),
                "suspicious": [finding.to_json() for finding in findings],
            },
        )
        publish(candidate, models, promote=False)
    return result


def train_on_labels(
    sources: Sources,
    labels: Path,
    models: Path | None,
    progress: Progress,
    note: Callable[[str], None] = lambda _: None,
) -> tuple[Bundle, TestSet]:
    """What `fenban train --labels` makes: a bundle nobody judged, and the state to save before it is published under `models`.

    Of the snapshot `labels` the office's frozen test set is kept back as in `retrain`; with `models` None, for a bundle outside a
    registry, all labels are learnt.
    """
    reference = load_reference(sources, progress)
    state = load_test_set(models) if models else TestSet()
    office = _read_office(labels, reference, state, progress, note, keep_back=models is not None)
    return _with_lineage(_taught(sources, reference, office, progress, note), office, ""), office.sides


def _read_office(
    folder: Path,
    reference: Reference,
    test_set: TestSet,
    progress: Progress,
    note: Callable[[str], None],
    keep_back: bool = True,
) -> Office:
    with progress.step(f"读取认定快照 {folder.name}", None) as tick:
        snapshot = read_snapshot(folder)
        office = split_office(
            snapshot, reference.taxonomy, reference.tokeniser, test_set, tick, keep_back=keep_back
        )
    if office.unusable:
        note(
            f"{folder.name}：{office.unusable} 件的认定用不上（分类表里没有的分类、不存在的类型，或没有正文）"
        )
    return office


def _taught(
    sources: Sources,
    reference: Reference,
    office: Office,
    progress: Progress,
    note: Callable[[str], None],
) -> Bundle:
    # An office's labels are learnt in memory, the seed and calibration beside them, as `train` does with files up to this size.
    examples = newest(office, STREAM_ROWS)
    if len(examples) < len(office.examples):
        note(f"认定有 {len(office.examples)} 件，多于一次能学的；只学最新的 {len(examples)} 件")
    return learn(
        replace(sources, pairs=tuple(_pairs(office, Side.TRAIN))),
        reference,
        read_examples(sources, reference, progress, note, examples),
        (),
        progress,
    )


def _with_lineage(bundle: Bundle, office: Office, parent: str) -> Bundle:
    lineage = {
        "parent": parent,
        "snapshot": office.snapshot.sha256,
        "last_decision": office.snapshot.last_decision,
        "code_version": installed_version("fenban"),
    }
    bundle = replace(bundle, version="", report=bundle.report | {"lineage": lineage})
    return replace(bundle, version=bundle_version(bundle))


def _pairs(office: Office, side: Side) -> list[Pair]:
    """The office's link verdicts whose petitions are both on this side."""
    by_id = {labelled.id: labelled for labelled in office.snapshot.petitions}
    return [
        Pair(
            by_id[link.b].petition,
            by_id[link.a].petition,
            link.is_confirmed,
            _same_petitioner(by_id[link.a], by_id[link.b]),
            OFFICE_WEIGHT,
        )
        for link in office.snapshot.links
        if office.side(link.a) is office.side(link.b) is side
    ]


def _same_petitioner(a: LabelledPetition, b: LabelledPetition) -> bool:
    return bool(a.petitioner_group) and a.petitioner_group == b.petitioner_group


def _link_card(bundle: Bundle, pairs: Sequence[Pair]) -> LinkCard:
    return LinkCard(bundle.report.get("links", {}).get("average_precision"), *shown_and_right(bundle, pairs))


def _names(taxonomy: Taxonomy) -> dict[str, str]:
    return {
        category.code: taxonomy.path(category.code) for level in (1, 2) for category in taxonomy.level(level)
    }


def _figures(new: Scorecard, old: Scorecard, office: Office, cases: Sequence[Case]) -> dict[str, Any]:
    """Every series: cases, right before and after. `newest`: the same of the latest of the office's cases."""
    asked = {case.petition.id: case.name for case in cases if case.source == "office"}
    dated = sorted(
        (labelled.registered_at, asked[labelled.id]) for labelled in office.tested if labelled.id in asked
    )
    latest = {name for _, name in dated[len(dated) - round(_NEWEST * len(dated)) :]}
    return {
        "office": {
            "learnt": min(len(office.learnt), STREAM_ROWS),
            "too_old": max(len(office.learnt) - STREAM_ROWS, 0),
            "tested": len(office.tested),
            "retired": sum(side is Side.RETIRED for side in office.sides.sides.values()),
            "unusable": office.unusable,
        },
        "series": {series: asdict(tally) for series, tally in compare(old, new).items()},
        "newest": {
            series: asdict(tally) for series, tally in compare(_only(old, latest), _only(new, latest)).items()
        },
        "labels": {task: asdict(card) for task, card in sorted(new.labels.items())},
        "links": {"before": asdict(old.links), "after": asdict(new.links)},
        "per_second": {"before": old.per_second, "after": new.per_second},
    }


def _only(card: Scorecard, names: set[str]) -> Scorecard:
    kept = {
        series: tuple(answer for answer in answers if answer.case in names)
        for series, answers in card.answers.items()
    }
    return replace(card, answers={series: answers for series, answers in kept.items() if answers})
