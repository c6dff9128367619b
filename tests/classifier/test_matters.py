"""Laws of matters: a partition made of what people confirmed, whatever the order; numbers that survive."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.links.matters import (
    Stay,
    components,
    confirmed_pairs,
    keep_numbers,
    matters_of,
    pair,
    petitioners_of,
)

_petitions = st.sampled_from("abcdefgh")
_pairs = st.tuples(_petitions, _petitions).filter(lambda p: p[0] != p[1])
_verdicts = st.lists(st.tuples(_pairs, st.booleans()).map(lambda v: (*v[0], v[1])), max_size=20)


def _partition(verdicts):
    return frozenset(matters_of(verdicts))


def _reachable(start, edges):
    """An oracle: walk the edges."""
    seen, rest = {start}, [start]
    while rest:
        here = rest.pop()
        for a, b in edges:
            for there in {a, b} - seen if here in (a, b) else ():
                seen.add(there)
                rest.append(there)
    return frozenset(seen)


@given(_verdicts)
def test_matters_are_a_partition_of_what_was_confirmed(verdicts):
    found = matters_of(verdicts)
    edges = confirmed_pairs(verdicts)
    assert sum(map(len, found)) == len(frozenset().union(*found))
    assert frozenset().union(*found) == {petition for edge in edges for petition in edge}
    assert all(len(matter) >= 2 for matter in found)
    assert set(found) == {_reachable(petition, edges) for edge in edges for petition in edge}


@given(st.lists(_pairs, max_size=15), st.randoms(use_true_random=False))
def test_the_order_and_the_direction_of_confirmations_do_not_matter(pairs, random):
    shuffled = [p if random.random() < 0.5 else p[::-1] for p in random.sample(pairs, len(pairs))]
    assert _partition((*p, True) for p in pairs) == _partition((*p, True) for p in shuffled)


@given(_verdicts, _pairs)
def test_to_confirm_and_reject_restores(verdicts, new):
    if pair(*new) not in confirmed_pairs(verdicts):
        assert _partition([*verdicts, (*new, True), (*new, False)]) == _partition(verdicts)


@given(_verdicts, _pairs)
def test_the_same_verdict_again_changes_nothing(verdicts, new):
    for confirmed in (True, False):
        once = [*verdicts, (*new, confirmed)]
        assert _partition([*once, (*new, confirmed)]) == _partition(once)


@given(_verdicts, _pairs)
def test_a_rejected_pair_holds_nothing_together(verdicts, rejected):
    """Two on one matter although rejected are there by way of others that people confirmed."""
    final = [*verdicts, (*rejected, False)]
    without = [v for v in verdicts if pair(*v[:2]) != pair(*rejected)]
    assert _partition(final) == _partition(without)


@given(_verdicts)
def test_numbers_over_a_whole_history(verdicts):
    """Each verdict in turn, as a store does it: every matter has one number, and a matter that nothing touched keeps its own."""
    fresh, stays, held = count(), [], {}
    for done in range(len(verdicts)):
        before = dict(held)
        parts = matters_of(verdicts[: done + 1])
        numbers = _numbers(parts, stays, before, fresh)
        assert len(set(numbers)) == len(numbers)
        held = {p: number for part, number in zip(parts, numbers, strict=True) for p in part}
        old = {frozenset(p for p in before if before[p] == m): m for m in before.values()}
        assert all(number == old[part] for part, number in zip(parts, numbers, strict=True) if part in old)
        for part, number in zip(parts, numbers, strict=True):
            gone = [old[o] for o in old if o <= part]
            if gone and not any(o & part and not o <= part for o in old):
                assert number == min(gone, key=int), "the older number survives"
        stays += [(p, m) for p, m in sorted(held.items()) if before.get(p) != m]


@given(_verdicts, _pairs)
def test_to_reject_what_was_just_confirmed_restores_the_numbers(verdicts, new):
    if pair(*new) in confirmed_pairs(verdicts):
        return
    fresh, stays, held, after = count(), [], {}, []
    for done in range(len(verdicts) + 3):
        known = [*verdicts, (*new, True), (*new, False)][:done]
        parts = matters_of(known)
        numbers = _numbers(parts, stays, held, fresh)
        now = {p: number for part, number in zip(parts, numbers, strict=True) for p in part}
        stays += [(p, m) for p, m in sorted(now.items()) if held.get(p) != m]
        held = now
        after.append(now)
    assert after[-1] == after[-3]


def _numbers(parts, stays, held, fresh):
    latest = {petition: at for at, (petition, _) in enumerate(stays)}
    known = [
        Stay(petition, matter, held.get(petition) == matter and latest[petition] == at)
        for at, (petition, matter) in enumerate(stays)
    ]
    ages = {matter: int(matter) for _, matter in stays}
    return keep_numbers(parts, known, ages, (), lambda: str(next(fresh)))


def test_a_number_that_others_hold_is_not_taken_up():
    stays = [Stay("a", "1", False), Stay("b", "1", False)]
    arguments = ([frozenset("ab")], stays, {"1": 0})
    assert keep_numbers(*arguments, (), lambda: "new") == ["1"]
    assert keep_numbers(*arguments, {"1"}, lambda: "new") == ["new"]


def test_one_petition_alone_does_not_bring_a_matter_back():
    stays = [Stay("a", "1", False), Stay("b", "1", False)]
    assert keep_numbers([frozenset("ac")], stays, {"1": 0}, (), lambda: "new") == ["new"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=20))
def test_petitions_are_of_one_petitioner_when_keys_chain_them(keys):
    found = petitioners_of(("phone", key, petition) for key, petition in keys)
    assert set(found) == {petition for _, petition in keys}
    edges = {(a, b) for key, a in keys for other, b in keys if key == other}
    for petition, number in found.items():
        assert number == min(_reachable(petition, edges))


_KEYS = st.lists(
    st.tuples(
        st.sampled_from(["phone", "agent_phone", "agent_address"]), st.integers(0, 3), st.integers(0, 6)
    ),
    max_size=20,
)


@given(_KEYS)
def test_an_agent_never_joins_two_petitioners(keys):
    own = [key for key in keys if key[0] == "phone"]
    found, without_agents = petitioners_of(keys), petitioners_of(own)
    for a in without_agents:
        for b in without_agents:
            assert (found[a] == found[b]) == (without_agents[a] == without_agents[b])


@given(_KEYS)
def test_petitions_that_name_only_their_agent_are_of_one_petitioner(keys):
    named = {petition for kind, _, petition in keys if kind == "phone"}
    found = petitioners_of(keys)
    assert set(found) == {petition for *_, petition in keys}
    for kind, digest, a in keys:
        for other, same, b in keys:
            if (kind, digest) == (other, same) and kind != "phone" and not {a, b} & named:
                assert found[a] == found[b]


@pytest.mark.parametrize(
    ("clients", "petitioners"),
    [
        ([], [1, 1]),  # nobody named: the agent's own
        ([(3, "a")], [1, 1, 1]),  # one client
        ([(3, "a"), (4, "a")], [1, 1, 1, 1]),
        ([(3, "a"), (4, "b")], [1, 1, 3, 4]),  # whose the first two are cannot be said
    ],
)
def test_whose_petition_an_agent_filed(clients, petitioners):
    keys = [("agent_phone", "lawyer", petition) for petition in (1, 2, *(seq for seq, _ in clients))]
    keys += [("phone", digest, petition) for petition, digest in clients]
    assert list(dict(sorted(petitioners_of(keys).items())).values()) == petitioners


def test_a_long_chain_needs_no_deep_stack():
    (whole,) = components((n, n + 1) for n in range(50_000))
    assert len(whole) == 50_001
