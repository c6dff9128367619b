"""What a model made of held-out petitions, case by case, as it is judged, stored beside its verdict and compared with another's.

Nouns only, and the one comparison that the gate, the command line and the pages share. No text is in here: a case is its id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

#: What is judged, and whose cases it is judged on. A series is one of each: `office.level1`.
TASKS = {"level1": "一级分类", "level2": "二级分类", "kind": "诉求类型", "unit": "承办单位"}
SOURCES = {"office": "本单位检验件", "gold": "自带检验件"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One case of one series. `accepted` holds the label and, where there is one, the second right answer; `probability` is 0 to 1."""

    case: str
    accepted: tuple[str, ...]
    predicted: str
    probability: float

    @property
    def truth(self) -> str:
        return self.accepted[0]

    @property
    def is_right(self) -> bool:
        return self.predicted in self.accepted


@dataclass(frozen=True, slots=True)
class LinkCard:
    """The link model. `average_precision`: of its recipe on held-out folds of the shipped pairs, None where there are none.

    `shown` of the office's held-out verdicts have a score from which the model shows a link; `right` of these were confirmed.
    """

    average_precision: float | None = None
    shown: int = 0
    right: int = 0


@dataclass(frozen=True, slots=True)
class LabelCard:
    """The labels of one task that were looked at: those that came since the parent's snapshot and those before, and how many of each look
    wrong (training/noise.py)."""

    new: int = 0
    suspicious: int = 0
    older: int = 0
    older_suspicious: int = 0


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Everything the gate asks of one model. `answers`: by series; two models are compared on the cases both have.

    `classes` are what each task's model can answer at all; `per_second` is texts a second of processor time.
    """

    version: str
    answers: Mapping[str, tuple[Answer, ...]]
    classes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    links: LinkCard = LinkCard()
    labels: Mapping[str, LabelCard] = field(default_factory=dict)
    per_second: float = 0.0
    is_invariant: bool = True
    passes_smoke: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "answers": {
                series: [[a.case, list(a.accepted), a.predicted, round(a.probability, 4)] for a in answers]
                for series, answers in sorted(self.answers.items())
            },
            "classes": {task: sorted(names) for task, names in sorted(self.classes.items())},
            "links": asdict(self.links),
            "labels": {task: asdict(card) for task, card in sorted(self.labels.items())},
            "per_second": self.per_second,
            "is_invariant": self.is_invariant,
            "passes_smoke": self.passes_smoke,
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Scorecard:
        """Raises KeyError, TypeError, ValueError on what `to_json` did not write."""
        return cls(
            str(found["version"]),
            {
                series: tuple(
                    Answer(case, tuple(accepted), said, float(p)) for case, accepted, said, p in rows
                )
                for series, rows in found["answers"].items()
            },
            {task: frozenset(names) for task, names in found["classes"].items()},
            LinkCard(**found["links"]),
            {task: LabelCard(**card) for task, card in found["labels"].items()},
            float(found["per_second"]),
            bool(found["is_invariant"]),
            bool(found["passes_smoke"]),
        )


@dataclass(frozen=True, slots=True)
class Tally:
    """Common cases of one series, or of one of its categories: how many each model had right, and where they differ.

    `lost`: the first right and the second wrong; `won`: the other way round.
    """

    cases: int = 0
    before: int = 0
    after: int = 0
    lost: int = 0
    won: int = 0

    def plus(self, before: bool, after: bool) -> Tally:
        return Tally(
            self.cases + 1,
            self.before + before,
            self.after + after,
            self.lost + (before and not after),
            self.won + (after and not before),
        )


def compare(before: Scorecard, after: Scorecard) -> dict[str, Tally]:
    """One tally a series that both have cases of."""
    tallies: dict[str, Tally] = {}
    for series, old, new in _common(before, after):
        tallies[series] = tallies.get(series, Tally()).plus(old.is_right, new.is_right)
    return tallies


def compare_categories(before: Scorecard, after: Scorecard) -> dict[tuple[str, str], Tally]:
    """One tally a series and category, the category being the case's label."""
    tallies: dict[tuple[str, str], Tally] = {}
    for series, old, new in _common(before, after):
        key = series, new.truth
        tallies[key] = tallies.get(key, Tally()).plus(old.is_right, new.is_right)
    return tallies


def _common(before: Scorecard, after: Scorecard) -> Iterator[tuple[str, Answer, Answer]]:
    for series in sorted(set(before.answers) & set(after.answers)):
        olds = {answer.case: answer for answer in before.answers[series]}
        for new in after.answers[series]:
            # Judged by the newer label: an officer may have corrected it since.
            if old := olds.get(new.case):
                yield series, Answer(old.case, new.accepted, old.predicted, old.probability), new
