"""Laws of the gate, and each of its rules by an example that it alone refuses."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from math import comb
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.errors import CorpusError
from classifier.scorecard import Answer, LabelCard, LinkCard, Scorecard, compare_categories
from training.gate import Policy, gate, load_policy, loss_chance, overconfidence

_FILE = Path(__file__).resolve().parents[2] / "corpora" / "gate" / "policy.toml"
_CLASSES = ("A", "B", "C")
_SERIES = ("gold.level1", "office.level2", "office.kind", "office.unit")


@pytest.fixture(scope="module")
def policy() -> Policy:
    return load_policy(_FILE)


@st.composite
def _cards(draw: st.DrawFn) -> tuple[Scorecard, Scorecard]:
    """Two models on the same cases; often alike, sometimes far apart."""
    chance = random.Random(draw(st.integers(0, 2**32)))  # noqa: S311  no secret
    skills = draw(st.tuples(st.floats(0, 1), st.floats(0, 1)))
    answers: tuple[dict[str, tuple[Answer, ...]], ...] = ({}, {})
    for series in draw(st.lists(st.sampled_from(_SERIES), unique=True, max_size=3)):
        truths = [chance.choice(_CLASSES) for _ in range(draw(st.integers(1, 60)))]
        alike = draw(st.floats(0, 1))
        rows = []
        for i, truth in enumerate(truths):
            first, second = (truth if chance.random() < s else chance.choice(_CLASSES) for s in skills)
            second = first if chance.random() < alike else second
            rows.append([Answer(f"{i}", (truth,), said, chance.random()) for said in (first, second)])
        for which in (0, 1):
            answers[which][series] = tuple(row[which] for row in rows)
    made = []
    for found in answers:
        links = LinkCard(chance.random(), shown := chance.randint(0, 40), chance.randint(0, shown))
        new, older = chance.randint(0, 99), chance.randint(0, 99)
        labels = {"level1": LabelCard(new, chance.randint(0, new), older, chance.randint(0, older))}
        speed, invariant, smoke = (
            chance.choice((50.0, 90.0, 100.0)),
            chance.random() > 0.05,
            chance.random() > 0.05,
        )
        known = {"level1": frozenset(_CLASSES), "level2": frozenset(_CLASSES)}
        made.append(Scorecard("m", found, known, links, labels, speed, invariant, smoke))
    if draw(st.booleans()):  # nothing but the answers differs
        made[1] = replace(made[0], answers=made[1].answers)
    return made[0], made[1]


@given(_cards())
def test_what_passes_is_below_no_floor(policy: Policy, cards: tuple[Scorecard, Scorecard]) -> None:
    candidate, incumbent = cards
    if gate(candidate, incumbent, policy).passed:
        for (series, _), tally in compare_categories(incumbent, candidate).items():
            if tally.cases >= policy.category.fewest_cases:
                floor = policy.floor[series.split(".")[1]]
                assert tally.after / tally.cases >= min(floor, tally.before / tally.cases)
            assert tally.after or tally.before < policy.fewest_hits  # no small category is lost


@given(_cards(), st.randoms(use_true_random=False))
def test_the_order_of_cases_and_categories_is_irrelevant(
    policy: Policy, cards: tuple[Scorecard, Scorecard], chance: random.Random
) -> None:
    def shuffled(card: Scorecard) -> Scorecard:
        series = chance.sample(sorted(card.answers), len(card.answers))
        return replace(
            card, answers={s: tuple(chance.sample(card.answers[s], len(card.answers[s]))) for s in series}
        )

    assert gate(*map(shuffled, cards), policy) == gate(*cards, policy)


@given(_cards())
def test_a_model_passes_against_itself(policy: Policy, cards: tuple[Scorecard, Scorecard]) -> None:
    card = replace(cards[0], labels={}, is_invariant=True, passes_smoke=True)
    verdict = gate(card, card, policy)
    assert verdict.passed
    assert verdict.reasons[0].startswith("通过")
    # ... and whoever has everything at least as right does, too.
    assert gate(_improved(card), card, policy).passed


def _improved(card: Scorecard) -> Scorecard:
    better = {s: tuple(replace(a, predicted=a.truth) for a in answers) for s, answers in card.answers.items()}
    return replace(card, answers=better, per_second=card.per_second + 1)


@given(_cards(), st.randoms(use_true_random=False))
@settings(max_examples=300)
def test_a_worse_candidate_is_never_let_in_where_the_better_one_was_refused(
    policy: Policy, cards: tuple[Scorecard, Scorecard], chance: random.Random
) -> None:
    candidate, incumbent = cards
    if gate(candidate, incumbent, policy).passed:
        return
    assert not gate(_worse(candidate, chance), incumbent, policy).passed


def _worse(card: Scorecard, chance: random.Random) -> Scorecard:
    """Some right answers become wrong ones, and one thing more may get worse."""
    share = chance.random()
    answers = {
        series: tuple(
            replace(a, predicted="wrong") if a.is_right and chance.random() < share else a for a in found
        )
        for series, found in card.answers.items()
    }
    links, label = card.links, card.labels.get("level1", LabelCard())
    extras: list[dict[str, object]] = [
        {},
        {"per_second": card.per_second / 2},
        {"is_invariant": False},
        {"passes_smoke": False},
        {"links": replace(links, right=chance.randint(0, links.right))},
        {"links": replace(links, average_precision=(links.average_precision or 0) / 2)},
        {"labels": {**card.labels, "level1": replace(label, suspicious=label.new)}},
        {"classes": {**card.classes, "level1": frozenset()}},
    ]
    return replace(card, answers=answers, **chance.choice(extras))  # type: ignore[arg-type]


@given(st.integers(0, 40), st.integers(0, 40))
def test_the_chance_of_a_loss_is_the_binomial_tail(lost: int, won: int) -> None:
    expected = sum(comb(lost + won, k) * 0.5 ** (lost + won) for k in range(lost, lost + won + 1))
    assert loss_chance(lost, won) == pytest.approx(expected)
    assert loss_chance(lost + 1, won) <= loss_chance(lost, won) <= loss_chance(lost, won + 1)


def _card(hits: dict[str, tuple[int, int]], series: str = "gold.level1", sure: float = 0.5) -> Scorecard:
    """So many right of so many cases in each category; the first ones are right. Confidence `sure` throughout."""
    answers = tuple(
        Answer(f"{code}{i}", (code,), code if i < right else "else", sure)
        for code, (right, cases) in hits.items()
        for i in range(cases)
    )
    task = series.split(".")[1]
    return Scorecard("m", {series: answers}, {task: frozenset(hits)}, LinkCard(0.9), per_second=100.0)


@pytest.mark.parametrize(
    ("before", "after", "series", "reason"),
    [
        ({"A": (80, 100), "B": (80, 100)}, {"A": (74, 100), "B": (75, 100)}, "gold.level1", "一级分类变差：200 件里由答对 160 件变为 149 件"),
        ({"A": (8, 8), "B": (8, 8)}, {"A": (6, 8), "B": (5, 8)}, "office.level1", "本单位检验件上一级分类变差"),
        ({"A": (30, 30), "B": (300, 400)}, {"A": (18, 30), "B": (312, 400)}, "gold.level1", "“甲类”变差：30 件里由答对 30 件变为 18 件"),
        ({"A": (7, 14), "B": (300, 400)}, {"A": (5, 14), "B": (302, 400)}, "gold.level1", "“甲类”低于下限 40%"),
        ({"A": (3, 4), "B": (300, 400)}, {"A": (0, 4), "B": (303, 400)}, "gold.level2", "“甲类”丢了"),
    ],
)  # fmt: skip
def test_what_the_answers_refuse(policy: Policy, before, after, series: str, reason: str) -> None:
    verdict = gate(_card(after, series), _card(before, series), policy, {"A": "甲类"})
    assert not verdict.passed
    assert any(reason in line for line in verdict.reasons), verdict.reasons


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"A": (80, 100), "B": (80, 100)}, {"A": (79, 100), "B": (79, 100)}),  # within chance
        ({"A": (4, 14), "B": (80, 100)}, {"A": (4, 14), "B": (80, 100)}),  # below the floor, as before
        ({"A": (1, 4), "B": (80, 100)}, {"A": (0, 4), "B": (81, 100)}),  # one case proves nothing
    ],
)
def test_what_they_let_pass(policy: Policy, before, after) -> None:
    assert gate(_card(after), _card(before), policy).passed


def test_a_class_that_is_gone_is_missed_even_for_one_case(policy: Policy) -> None:
    before, after = _card({"A": (1, 2), "B": (80, 100)}), _card({"A": (0, 2), "B": (81, 100)})
    assert gate(after, before, policy).passed
    gone = replace(after, classes={"level1": frozenset({"B"})})
    assert any("没有了" in line for line in gate(gone, before, policy).reasons)


def test_growing_overconfidence_is_refused_and_modesty_is_not(policy: Policy) -> None:
    hits = {"A": (150, 200)}
    assert overconfidence(_card(hits, sure=0.9).answers["gold.level1"]) == pytest.approx(0.15, abs=1e-5)
    assert overconfidence(_card(hits, sure=0.4).answers["gold.level1"]) == 0.0
    verdict = gate(_card(hits, sure=0.9), _card(hits, sure=0.7), policy)
    assert "把握虚高" in verdict.reasons[0]
    assert gate(_card(hits, sure=0.4), _card(hits, sure=0.7), policy).passed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"per_second": 79.0}, "变慢了"),
        ({"is_invariant": False}, "不许看人"),
        ({"passes_smoke": False}, "试运行"),
        ({"links": LinkCard(0.87)}, "关联判断变差"),
        ({"links": LinkCard(None)}, "关联判断变差"),
        ({"links": LinkCard(0.9, 20, 17)}, "20 条关联里只有 17 条是对的"),
        ({"labels": {"level1": LabelCard(100, 21)}}, "像是标错的"),
        ({"labels": {"level1": LabelCard(100, 28, 100, 12)}}, "28%，平常 12%"),
    ],
)
def test_what_the_bounds_refuse(policy: Policy, change, reason: str) -> None:
    card = _card({"A": (80, 100)})
    verdict = gate(replace(card, **change), card, policy)
    assert [reason in line for line in verdict.reasons] == [True]


@pytest.mark.parametrize(
    "change",
    [
        {"per_second": 80.0},
        {"links": LinkCard(0.88)},
        {"links": LinkCard(0.9, 19, 10)},
        {"labels": {"level1": LabelCard(49, 49)}},
        {"labels": {"level1": LabelCard(100, 23, 100, 12)}},
    ],
)
def test_what_is_just_within_bounds(policy: Policy, change) -> None:
    card = _card({"A": (80, 100)})
    assert gate(replace(card, **change), card, policy).passed


def test_scorecards_of_different_cases_are_no_comparison(policy: Policy) -> None:
    with pytest.raises(ValueError, match="different cases"):
        gate(_card({"A": (1, 2)}), _card({"A": (1, 3)}), policy)


def test_a_verdict_says_what_got_better_and_worse(policy: Policy) -> None:
    before, after = _card({"A": (80, 100), "B": (70, 100)}), _card({"A": (79, 100), "B": (75, 100)})
    verdict = gate(after, before, policy, {"A": "甲类", "B": "乙类"})
    assert verdict.passed
    assert "200 件答对由 150 件到 154 件（5 件变对，1 件变错）" in verdict.changes[0]
    assert verdict.changes[1:] == (
        "变好的有：乙类（一级分类，70→75／100）",
        "变差的有：甲类（一级分类，80→79／100）",
    )


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda t: t.replace("format = 1", "format = 2"), "format 应为 1"),
        (lambda t: t.replace("[speed]\nleast_share = 0.8", "[speed]\n"), "缺少 least_share"),
        (lambda t: t.replace("least_share = 0.8", "least_share = 1.8"), "1.8 不在 0 到 1 之间"),
        (lambda t: t.replace("least_share = 0.8", 'least_share = "快"'), "不在 0 到 1 之间"),
        (lambda t: t.replace("fewest_hits = 3", "fewest_hits = 0"), "不是正整数"),
        (lambda t: t.replace("[speed]\n", "[speed]\nfastest = 1\n"), "不认识的项：speed.fastest"),
        (lambda t: t.replace("kind = 0.30", "kind = 0.30\nother = 1"), "不认识的项：other"),
        (lambda t: t.replace("[overall.gold]\n", "[overall.gold]\nmean = 1\n"), "不认识 mean"),
        (lambda t: t + "\n[[", "不是正确的 TOML"),
    ],
)  # fmt: skip
def test_a_policy_that_says_something_else_is_refused(
    tmp_path: Path, edit: Callable[[str], str], message: str
) -> None:
    text = _FILE.read_text(encoding="utf-8")
    assert edit(text) != text
    (tmp_path / "policy.toml").write_text(edit(text), encoding="utf-8")
    with pytest.raises(CorpusError, match=message):
        load_policy(tmp_path / "policy.toml")
    with pytest.raises(CorpusError, match="没有检验尺度文件"):
        load_policy(tmp_path / "none.toml")
