"""The frozen test set grows and never leaks, whatever arrives in whatever order and however groups merge or fall apart."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.bundle import Bundle
from classifier.errors import CorpusError
from training.office import (
    FEWEST_LABELS,
    STATE,
    TEST_SHARE,
    Office,
    Side,
    TestSet,
    load_test_set,
    newest,
    save_test_set,
    split_office,
)
from training.snapshot import read_snapshot

_IDS = [f"p{i}" for i in range(14)]


@st.composite
def _grouping(draw: st.DrawFn) -> list[list[str]]:
    """Some of the petitions, in any order, in any groups: one snapshot."""
    here = draw(st.lists(st.sampled_from(_IDS), unique=True, min_size=1))
    labels = draw(st.lists(st.integers(0, 5), min_size=len(here), max_size=len(here)))
    groups: dict[int, list[str]] = {}
    for petition, label in zip(here, labels, strict=True):
        groups.setdefault(label, []).append(petition)
    return list(groups.values())


@given(st.lists(st.tuples(_grouping(), st.booleans()), min_size=1, max_size=8))
def test_no_petition_is_ever_on_both_sides(snapshots: list[tuple[list[list[str]], bool]]) -> None:
    learnt: set[str] = set()
    tested: set[str] = set()
    state = TestSet()
    for groups, is_open in snapshots:
        before = dict(state.sides)
        state = state.admit(groups, is_open)
        sides = state.sides
        for group in groups:
            assert len({sides[p] for p in group} - {Side.RETIRED}) <= 1  # no group on both sides
            was_learnt = any(before.get(p) is Side.TRAIN for p in group)
            for petition in group:
                if was_learnt:
                    assert sides[petition] is not Side.TEST
                if (
                    before.get(petition) is Side.TEST
                ):  # stays, or retires because the group holds what was learnt from
                    assert sides[petition] is (Side.RETIRED if was_learnt else Side.TEST)
                if before.get(petition) in {Side.TRAIN, Side.RETIRED}:
                    assert sides[petition] is before[petition]
            learnt |= {p for p in group if sides[p] is Side.TRAIN}
            tested |= {p for p in group if sides[p] is Side.TEST}
        assert not learnt & tested
        assert {p: s for p, s in sides.items() if p in before and all(p not in g for g in groups)} == {
            p: s for p, s in before.items() if all(p not in g for g in groups)
        }


@given(_grouping(), _grouping(), st.randoms(use_true_random=False))
def test_rows_may_come_in_any_order_and_splitting_again_changes_nothing(first, second, chance) -> None:
    state = TestSet().admit(first)
    once = state.admit(second)
    shuffled = [chance.sample(group, len(group)) for group in chance.sample(second, len(second))]
    assert state.admit(shuffled).sides == once.sides
    assert once.admit(second).sides == once.sides


def test_about_a_fifth_of_new_groups_is_tested_on_and_none_while_labels_are_few() -> None:
    groups = [[f"{i}", f"{i}b"] for i in range(4_000)]
    sides = TestSet().admit(groups).sides
    share = sum(side is Side.TEST for side in sides.values()) / len(sides)
    assert abs(share - TEST_SHARE) < 0.02
    assert set(TestSet().admit(groups, is_open=False).sides.values()) == {Side.TRAIN}


def test_the_state_comes_back_and_a_damaged_one_is_not_forgotten(tmp_path: Path) -> None:
    assert load_test_set(tmp_path).sides == {}
    state = TestSet({"a": Side.TRAIN, "b": Side.TEST, "c": Side.RETIRED})
    save_test_set(tmp_path, state)
    assert load_test_set(tmp_path).sides == state.sides
    whole = (tmp_path / STATE).read_text()
    for content in (whole[:-9], "[]", json.dumps({**json.loads(whole), "format": 9})):
        (tmp_path / STATE).write_text(content)
        with pytest.raises(CorpusError, match=STATE):
            load_test_set(tmp_path)


def test_what_two_trainings_saved_at_once_is_kept_of_both(tmp_path: Path) -> None:
    """Each read the state before the other wrote."""
    save_test_set(tmp_path, TestSet({"a": Side.TRAIN, "b": Side.TEST, "c": Side.TEST}))
    save_test_set(tmp_path, TestSet({"a": Side.TRAIN, "b": Side.TRAIN, "d": Side.TEST}))
    assert load_test_set(tmp_path).sides == {
        "a": Side.TRAIN,
        "b": Side.RETIRED,
        "c": Side.TEST,
        "d": Side.TEST,
    }


def test_many_trainings_that_save_at_once_lose_nothing(tmp_path: Path) -> None:
    state = {str(number): Side.TRAIN for number in range(40)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: save_test_set(tmp_path, TestSet({one: state[one]})), state))
    assert load_test_set(tmp_path).sides == state


@pytest.fixture
def split(write_snapshot, bundle: Bundle, tmp_path: Path):
    """Splits rows as a snapshot."""
    made = iter(range(99))

    def make(rows, state: TestSet = TestSet(), links=(), keep_back: bool = True) -> Office:  # noqa: B008  frozen
        snapshot = read_snapshot(write_snapshot(tmp_path / f"s{next(made)}", rows, links))
        return split_office(snapshot, bundle.taxonomy, bundle.tokeniser, state, keep_back=keep_back)

    return make


@pytest.fixture(scope="session")
def labelled(seed_rows: list[dict[str, str]]) -> list[dict[str, str]]:
    keys = ("id", "title", "text", "kind")
    return [{**{key: row[key] for key in keys}, "category": row["category"][:4]} for row in seed_rows[:200]]


def test_copies_petitioners_and_matters_stay_on_one_side(split, labelled) -> None:
    rows = [dict(row) for row in labelled]
    for i in range(
        0, 60, 3
    ):  # each third row's next is a copy, and the one after is by its petitioner or on its matter
        rows[i + 1] = {**rows[i], "id": f"copy-{i}", "text": rows[i]["text"] + "盼复。"}
        rows[i + 2] |= {"petitioner_group": f"g{i}"} if i % 2 else {"matter_group": f"m{i}"}
        rows[i] |= {
            key: rows[i + 2][key] for key in ("petitioner_group", "matter_group") if key in rows[i + 2]
        }
    office = split(rows)
    for i in range(0, 60, 3):
        assert len({office.side(rows[i + k]["id"]) for k in range(3)}) == 1
    assert {p.id for p in office.tested}.isdisjoint(p.id for p in office.learnt)
    assert 10 < len(office.tested) < 80
    assert len(office.examples) == len(office.learnt) == 200 - len(office.tested)


def test_a_test_petition_whose_copy_was_learnt_from_is_retired(split, labelled) -> None:
    first = split(labelled)
    tested, learnt = first.tested[0].id, first.learnt[0].id
    joined = [{**row, "matter_group": "one"} if row["id"] in {tested, learnt} else row for row in labelled]
    second = split(joined, first.sides)
    assert second.side(tested) is Side.RETIRED
    assert tested not in {p.id for p in (*second.tested, *second.learnt)}
    # The link is taken back: what was once in doubt stays out.
    assert split(labelled, second.sides).side(tested) is Side.RETIRED


def test_an_office_with_few_labels_learns_from_all_and_these_are_never_tested_on(split, labelled) -> None:
    few = split(labelled[: FEWEST_LABELS - 1])
    assert few.tested == ()
    more = split(labelled, few.sides)
    assert more.tested
    assert {p.id for p in more.tested} <= {row["id"] for row in labelled[FEWEST_LABELS - 1 :]}
    assert split(labelled, keep_back=False).tested == ()


def test_labels_that_say_nothing_here_are_counted(split, labelled) -> None:
    office = split([*labelled[:3], {"id": "x", "text": "路灯不亮。", "category": "火星事务"}])
    assert (office.unusable, len(office.learnt)) == (1, 3)
    with pytest.raises(CorpusError, match="没有可学的认定"):
        split([{"id": "x", "text": "路灯不亮。"}])


def test_of_too_many_labels_the_newest_are_learnt(split, labelled) -> None:
    rows = [row | {"decided_at": f"2026-01-{1 + i % 28:02}T08:00:00+08:00"} for i, row in enumerate(labelled)]
    office = split(rows)
    assert newest(office, len(office.examples)) == list(office.examples)
    chosen = newest(office, 50)
    days = [labelled.decided_at for labelled in office.learnt]
    kept = [
        day for day, example in zip(days, office.examples, strict=True) if any(example is e for e in chosen)
    ]
    assert len(chosen) == len(kept) == 50
    assert sorted(kept) == sorted(days)[-50:]
