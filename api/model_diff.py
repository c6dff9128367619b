"""What changes when one version takes another's place: which categories got better or worse, and which petitions get another answer.

The first comes from the scorecards the gate kept beside its verdicts, on the cases both versions were asked; the second from asking both.
Answers are given by id: no text is in here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from classifier.bundle import Bundle, load_bundle
from classifier.errors import InputError
from classifier.predict import best_classes, kind_of, predict
from classifier.records import Reject, check_text, petitions
from classifier.registry import Registry
from classifier.scorecard import Scorecard, Tally, compare, compare_categories
from classifier.triage import read

_BATCH = 500


@dataclass(frozen=True, slots=True)
class CategoryChange:
    """A category of one series (`gold.level2`) of which another number of cases is right now. `path` names it."""

    series: str
    code: str
    path: str
    tally: Tally


@dataclass(frozen=True, slots=True)
class AnswerChange:
    """A petition that gets another category or kind. `category` and `kind` are (before, after)."""

    id: str
    category: tuple[str, str]
    kind: tuple[str, str]


@dataclass(frozen=True, slots=True)
class Difference:
    """`series` and `categories` are empty where the two versions were never asked the same cases. `asked`: petitions both answered."""

    before: str
    after: str
    series: dict[str, Tally]
    categories: tuple[CategoryChange, ...]
    asked: int
    answers: tuple[AnswerChange, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def difference(registry: Registry, before: str, after: str, files: Sequence[Path]) -> Difference:
    """Compare two versions, and their answers to the petitions in `files`. Raises BundleError, UnreadableFileError."""
    old, new = load_bundle(registry.path(before)), load_bundle(registry.path(after))
    series, categories = judged(registry, before, after, partial(_path, new))
    asked, answers = 0, []
    for found in _both(old, new, files):
        asked += 1
        if found.category[0] != found.category[1] or found.kind[0] != found.kind[1]:
            answers.append(found)
    return Difference(before, after, series, categories, asked, tuple(answers))


def judged(
    registry: Registry, before: str, after: str, named: Callable[[str], str]
) -> tuple[dict[str, Tally], tuple[CategoryChange, ...]]:
    """Series and categories of the cases both were asked, the worst loss first, from the scorecards alone: no model is loaded. `named`
    says what a code is called."""
    cards = scorecard_of(registry, before), scorecard_of(registry, after)
    if cards[0] is None or cards[1] is None:
        return {}, ()
    changes = [
        CategoryChange(name, code, named(code), tally)
        for (name, code), tally in sorted(compare_categories(cards[0], cards[1]).items())
        if tally.lost or tally.won
    ]
    changes.sort(key=lambda change: change.tally.after - change.tally.before)
    return compare(cards[0], cards[1]), tuple(changes)


def scorecard_of(registry: Registry, version: str) -> Scorecard | None:
    """A version's scorecard: from its own file or, for one made by hand, from that of a version that was judged against it."""
    for judged in (version, *registry.versions()):
        for card in registry.scorecards(judged).values():
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                if card["version"] == version:
                    return Scorecard.from_json(card)
    return None


def _path(bundle: Bundle, code: str) -> str:
    return bundle.taxonomy.path(code) if code in bundle.taxonomy else code


def _both(old: Bundle, new: Bundle, files: Sequence[Path]) -> Iterator[AnswerChange]:
    batch: list[Any] = []
    for path in files:
        for item in petitions(path):
            if isinstance(item, Reject):
                continue
            with suppress(InputError):
                check_text(item[1].title, item[1].text)
                batch.append(item[1])
            if len(batch) == _BATCH:
                yield from _answered(old, new, batch)
                batch = []
    yield from _answered(old, new, batch)


def _answered(old: Bundle, new: Bundle, batch: Sequence[Any]) -> Iterator[AnswerChange]:
    if not batch:
        return
    said = []
    for bundle in (old, new):
        # Identity hashes are made and thrown away: nothing is stored.
        documents = [read(petition, bundle.tokeniser, bytes(32)).document for petition in batch]
        predictions = predict(bundle, documents)
        rows = []
        for row in range(len(batch)):
            category = ""
            if bundle.category is not None and predictions.category is not None:
                category = bundle.category.classes[best_classes(predictions.category[row], 1)[0]]
            rows.append((_path(bundle, category), kind_of(bundle, predictions, row).name.value))
        said.append(rows)
    for petition, before, after in zip(batch, *said, strict=True):
        yield AnswerChange(petition.id, (before[0], after[0]), (before[1], after[1]))


def provenance(registry: Registry, version: str) -> str:
    """Where a version comes from and what the gate said of it, in words; "" for one made by hand that nobody judged."""
    lines = []
    lineage = registry.lineage(version)
    if lineage:
        parent = lineage.get("parent") or "无（直接训练）"
        lines.append(
            f"来历：上一版 {parent}，认定快照 {lineage.get('snapshot', '')[:12]}，程序 {lineage.get('code_version', '')}"
        )
    verdict = registry.verdict(version)
    if verdict is not None:
        lines.append("检验：" + ("通过" if verdict.get("passed") is True else "没有通过"))
        lines += [f"  {reason}" for reason in verdict.get("reasons", ())]
    return "\n".join(lines)
