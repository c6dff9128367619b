"""Whether a candidate may replace the incumbent: a pure function of two scorecards and a written policy.

Every rule compares both models on the same cases, or asks for a bound, and gives a sentence. Laws, tested: the verdict does not depend on
the order of cases or categories; a model passes against itself unless one of the absolute rules (labels, person, trial run) speaks
against it; what passes lies below no floor that the incumbent reached; making a candidate worse never turns a refusal into a pass.
That last law is why calibration counts overconfidence only: a wrong answer then never improves it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import comb, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from classifier.errors import CorpusError
from classifier.scorecard import SOURCES, TASKS, Answer, Scorecard, Tally, compare, compare_categories

#: The tasks whose labels are looked at for errors: categories at level 1, for within a branch a second opinion is often as good.
LABEL_TASKS = ("level1", "kind", "unit")
_FORMAT = 1
_BINS = 10


@dataclass(frozen=True, slots=True)
class Overall:
    """For all cases of a series. `significance`: of the exact one-sided McNemar test; `most_loss`: share of the cases."""

    significance: float
    most_loss: float
    fewest_cases: int


@dataclass(frozen=True, slots=True)
class Policy:
    """The written policy; corpora/gate/policy.toml explains each number. Shares are 0 to 1."""

    overall: Mapping[str, Overall]
    category: Overall
    fewest_hits: int
    floor: Mapping[str, float]
    calibration_most_worse: float
    calibration_noise: float
    speed_least_share: float
    labels_fewest: int
    labels_most_more: float
    labels_usual: Mapping[str, float]
    links_most_loss: float
    links_least_precision: float
    links_fewest_shown: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reasons`: why it was refused, or that it was not; `changes`: what got better and what worse, either way. Chinese sentences."""

    passed: bool
    reasons: tuple[str, ...]
    changes: tuple[str, ...]


def load_policy(path: Path) -> Policy:
    """Raises CorpusError naming what is missing, unknown or out of range."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CorpusError(f"没有检验尺度文件 {path.name}。请恢复 corpora/gate/policy.toml。") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise CorpusError(f"{path.name} 不是正确的 TOML（UTF-8）：{problem}") from None
    if found.pop("format", None) != _FORMAT:
        raise CorpusError(f"{path.name} 的 format 应为 {_FORMAT}。")
    try:
        category = dict(found["category"])
        floor = {task: _share(category["floor"].pop(task)) for task in TASKS}
        fewest_hits, left = _count(category.pop("fewest_hits")), category.pop("floor")
        policy = Policy(
            overall={source: _overall(found["overall"].pop(source)) for source in SOURCES},
            category=_overall(category),
            fewest_hits=fewest_hits,
            floor=floor,
            calibration_most_worse=_share(found["calibration"].pop("most_worse")),
            calibration_noise=_share(found["calibration"].pop("noise")),
            speed_least_share=_share(found["speed"].pop("least_share")),
            labels_fewest=_count(found["labels"].pop("fewest")),
            labels_most_more=_share(found["labels"].pop("most_more")),
            labels_usual={task: _share(found["labels"]["usual"].pop(task)) for task in LABEL_TASKS},
            links_most_loss=_share(found["links"].pop("most_loss")),
            links_least_precision=_share(found["links"].pop("least_precision")),
            links_fewest_shown=_count(found["links"].pop("fewest_shown")),
        )
        found.pop("category")
        left = [*left, *found["labels"].pop("usual")]
    except KeyError as problem:
        raise CorpusError(f"{path.name} 缺少 {problem.args[0]}。") from None
    except (TypeError, ValueError, AttributeError) as problem:
        raise CorpusError(f"{path.name} 里有不合要求的数：{problem}") from None
    unknown = [*left, *(f"{table}.{name}" for table, rest in found.items() for name in rest)]
    if unknown:
        raise CorpusError(f"{path.name} 里有不认识的项：{'、'.join(unknown)}。")
    return policy


def _overall(found: Mapping[str, Any]) -> Overall:
    names = {field.name for field in fields(Overall)}
    if unknown := set(found) - names:
        raise ValueError("不认识 " + "、".join(sorted(unknown)))
    return Overall(_share(found["significance"]), _share(found["most_loss"]), _count(found["fewest_cases"]))


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{value} 不在 0 到 1 之间")
    return float(value)


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"{value} 不是正整数")
    return value


def gate(
    candidate: Scorecard, incumbent: Scorecard, policy: Policy, names: Mapping[str, str] | None = None
) -> Verdict:
    """The verdict. `names` are what categories are called in its sentences; a code without one stands as it is.

    Raises ValueError when the two were not asked the same cases.
    """
    called = names or {}
    asked = [
        {series: sorted(answer.case for answer in answers) for series, answers in card.answers.items()}
        for card in (candidate, incumbent)
    ]
    if asked[0] != asked[1]:
        raise ValueError("the scorecards are of different cases")
    refusals = [
        *_overall_losses(candidate, incumbent, policy),
        *_category_losses(candidate, incumbent, policy, called),
        *_unknown_now(candidate, incumbent, policy, called),
        *_overconfidence(candidate, incumbent, policy),
        *_bounds(candidate, incumbent, policy),
        *_bad_labels(candidate, policy),
    ]
    changes = tuple(_changes(candidate, incumbent, called))
    if refusals:
        return Verdict(False, tuple(refusals), changes)
    judged = (
        "各项都没有变差到超出偶然，也没有低于下限。"
        if any(candidate.answers.values())
        else "没有检验件，只查了其他各项。"
    )
    return Verdict(True, (f"通过：{judged}",), changes)


def loss_chance(lost: int, won: int) -> float:
    """How likely so many losses against wins are by chance alone: exact one-sided McNemar test (1947), P(X ≥ lost), X ~ B(lost + won, ½)."""
    differing = lost + won
    at_least: int = sum(comb(differing, k) for k in range(lost, differing + 1))
    return at_least / int(2**differing)


def _overall_losses(candidate: Scorecard, incumbent: Scorecard, policy: Policy) -> Iterator[str]:
    for series, tally in compare(incumbent, candidate).items():
        source, task = series.split(".")
        rule = policy.overall[source]
        if _is_worse(tally, rule):
            yield (
                f"{SOURCES[source]}上{TASKS[task]}变差：{tally.cases} 件里由答对 {tally.before} 件变为 {tally.after} 件"
                f"（{tally.lost} 件变错，{tally.won} 件变对）。"
            )


def _category_losses(
    candidate: Scorecard, incumbent: Scorecard, policy: Policy, called: Mapping[str, str]
) -> Iterator[str]:
    for (series, code), tally in sorted(compare_categories(incumbent, candidate).items()):
        source, task = series.split(".")
        what = f"{SOURCES[source]}的{TASKS[task]}“{called.get(code, code)}”"
        told = f"{tally.cases} 件里由答对 {tally.before} 件变为 {tally.after} 件"
        if tally.before >= policy.fewest_hits and not tally.after:
            yield f"{what}丢了：{told}。"
        elif tally.cases >= policy.category.fewest_cases:
            # The incumbent's own recall where that is lower: else what is hard could never be retrained.
            floor = min(policy.floor[task], tally.before / tally.cases)
            if tally.after / tally.cases < floor:
                yield f"{what}低于下限 {policy.floor[task]:.0%}：{told}。"
            elif _is_worse(tally, policy.category):
                yield f"{what}变差：{told}。"


def _is_worse(tally: Tally, rule: Overall) -> bool:
    """Beyond chance, or by more than is allowed at all."""
    loss = (tally.lost - tally.won) / tally.cases
    by_far = tally.cases >= rule.fewest_cases and loss > rule.most_loss + 1e-12
    return by_far or (tally.lost > tally.won and loss_chance(tally.lost, tally.won) < rule.significance)


def _unknown_now(
    candidate: Scorecard, incumbent: Scorecard, policy: Policy, called: Mapping[str, str]
) -> Iterator[str]:
    """Categories the incumbent had right and the candidate has no class for."""
    reached = {
        (series.split(".")[1], code)
        for (series, code), tally in compare_categories(incumbent, candidate).items()
        if tally.before and tally.before < policy.fewest_hits and not tally.after
    }
    for task, code in sorted(reached):
        known = candidate.classes.get(task)
        if known is not None and code not in known and code in incumbent.classes.get(task, ()):
            yield f"{TASKS[task]}“{called.get(code, code)}”在新模型里没有了，而现任答对过。"


def overconfidence(answers: Sequence[Answer]) -> float:
    """By how much confidence exceeds accuracy, over ten equally wide bins weighted by their size; where it falls short counts for nothing."""
    if not answers:
        return 0.0
    confidence = np.array([answer.probability for answer in answers])
    at = np.minimum((confidence * _BINS).astype(int), _BINS - 1)
    # Sums of rounded numbers: the order of cases must not change a digit.
    gap = np.bincount(at, weights=np.round(confidence * 2**20), minlength=_BINS) / 2**20
    gap -= np.bincount(at, weights=[answer.is_right for answer in answers], minlength=_BINS)
    return float(np.maximum(gap, 0).sum() / len(answers))


def _overconfidence(candidate: Scorecard, incumbent: Scorecard, policy: Policy) -> Iterator[str]:
    for series in sorted(set(candidate.answers) & set(incumbent.answers)):
        source, task = series.split(".")
        old, new = incumbent.answers[series], candidate.answers[series]
        if task == "unit" or not new:
            continue  # a unit's score is no probability
        before, after = overconfidence(old), overconfidence(new)
        if after > before + policy.calibration_most_worse + policy.calibration_noise / sqrt(len(new)):
            yield f"{SOURCES[source]}上{TASKS[task]}的把握虚高：把握高出正确率的部分由 {before:.3f} 变为 {after:.3f}。"


def _bounds(candidate: Scorecard, incumbent: Scorecard, policy: Policy) -> Iterator[str]:
    if not candidate.passes_smoke:
        yield "没有通过试运行。"
    if not candidate.is_invariant:
        yield "换了来访人的姓名、性别、籍贯、电话或证件号，建议跟着变了。模型只许看事，不许看人。"
    if candidate.per_second < policy.speed_least_share * incumbent.per_second:
        yield f"变慢了：由每秒 {incumbent.per_second:.0f} 件变为 {candidate.per_second:.0f} 件。"
    old, new = incumbent.links, candidate.links
    if old.average_precision is not None and (
        new.average_precision is None
        or new.average_precision < old.average_precision - policy.links_most_loss
    ):
        now = "没有了" if new.average_precision is None else f"{new.average_precision:.3f}"
        yield f"关联判断变差：平均精度由 {old.average_precision:.3f} 变为 {now}。"
    if new.shown >= policy.links_fewest_shown:
        least = policy.links_least_precision
        if old.shown:
            least = min(least, old.right / old.shown)
        if new.right / new.shown < least:
            yield f"达到显示门限的 {new.shown} 条关联里只有 {new.right} 条是对的，低于 {least:.0%}。"


def _bad_labels(candidate: Scorecard, policy: Policy) -> Iterator[str]:
    """Tasks of whose new labels many more look wrong than of those before."""
    for task, labels in sorted(candidate.labels.items()):
        if labels.new < policy.labels_fewest:
            continue
        usual = policy.labels_usual[task]
        if labels.older >= policy.labels_fewest:
            usual = labels.older_suspicious / labels.older
        share = labels.suspicious / labels.new
        if share > usual + policy.labels_most_more:
            yield (
                f"新增的 {labels.new} 条{TASKS[task]}认定里有 {labels.suspicious} 条像是标错的（{share:.0%}，平常 {usual:.0%}），"
                "可能有一批认定出了差错。请复看后重新训练（fenban models verdict 列出这些件）。"
            )


def _changes(candidate: Scorecard, incumbent: Scorecard, called: Mapping[str, str]) -> Iterator[str]:
    for series, tally in compare(incumbent, candidate).items():
        source, task = series.split(".")
        yield (
            f"{SOURCES[source]}，{TASKS[task]}：{tally.cases} 件答对由 {tally.before} 件到 {tally.after} 件"
            f"（{tally.won} 件变对，{tally.lost} 件变错）。"
        )
    moved = {key: t for key, t in compare_categories(incumbent, candidate).items() if t.after != t.before}
    for word, sign in (("变好", 1), ("变差", -1)):
        listed = sorted(
            (-sign * (t.after - t.before), key, t)
            for key, t in moved.items()
            if sign * (t.after - t.before) > 0
        )[:8]
        if listed:
            yield f"{word}的有：" + "、".join(
                f"{called.get(code, code)}（{TASKS[series.split('.')[1]]}，{t.before}→{t.after}／{t.cases}）"
                for _, (series, code), t in listed
            )


def policy_json(policy: Policy) -> dict[str, Any]:
    """The policy as a verdict keeps it."""
    return asdict(policy)
