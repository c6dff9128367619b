"""Which petitions concern one matter (信访事项): the connected components of the links people confirmed. Pure; knows no store.

A matter is what people confirmed, never what the machine suggested: a pair whose latest verdict rejects adds nothing, so no matter
is held together only through a rejected pair. The order of verdicts on different pairs does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from classifier.identity import is_agent_key

N = TypeVar("N", bound=Hashable)
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Stay:
    """One stay of a petition on a matter. `current` says that it lasts; at most one of a petition's stays does."""

    petition: str
    matter: str
    current: bool


def components(pairs: Iterable[tuple[N, N]]) -> list[frozenset[N]]:
    """The connected components of a graph, in the order in which `pairs` first names one of theirs."""
    parent: dict[N, N] = {}

    def root(node: N) -> N:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in pairs:
        one, other = root(a), root(b)
        parent[other] = one
    found: dict[N, set[N]] = defaultdict(set)
    for node in parent:
        found[root(node)].add(node)
    return [frozenset(nodes) for nodes in found.values()]


def pair(a: str, b: str) -> Pair:
    """The two in one order: a link is the same from either end."""
    return (a, b) if a <= b else (b, a)


def confirmed_pairs(verdicts: Iterable[tuple[str, str, bool]]) -> set[Pair]:
    """The pairs whose latest verdict confirms. `verdicts` are (petition, other, confirmed), oldest first."""
    return {key for key, confirmed in latest_verdicts(verdicts).items() if confirmed}


def latest_verdicts(verdicts: Iterable[tuple[str, str, bool]]) -> dict[Pair, bool]:
    return {pair(a, b): confirmed for a, b, confirmed in verdicts}


def matters_of(verdicts: Iterable[tuple[str, str, bool]]) -> list[frozenset[str]]:
    """The matters that these verdicts make: disjoint, each of two petitions or more. Others are on no matter."""
    return components(sorted(key for key in confirmed_pairs(verdicts) if key[0] != key[1]))


def keep_numbers(
    parts: Sequence[frozenset[str]],
    stays: Sequence[Stay],
    ages: Mapping[str, int],
    taken: Collection[str],
    new: Callable[[], str],
) -> list[str]:
    """A matter's number for each part, kept wherever it can be, so that a reference to a matter stays good.

    `stays` of the parts' petitions, past ones too, oldest first; `ages` ranks matters, 0 the oldest; `taken` numbers belong to
    petitions outside the parts. Where matters join, the oldest number survives. Where one splits, the part with its
    longest-standing petition keeps it. A part left without takes up again the number that two of its petitions last had together,
    if nobody holds it: to reject what was just confirmed restores both matters. Else it gets a `new` one.
    """
    part_of = {petition: at for at, part in enumerate(parts) for petition in part}
    numbers: list[str | None] = [None] * len(parts)
    used = set(taken)
    together: dict[tuple[int, str], set[str]] = defaultdict(set)
    for stay in stays:
        if stay.petition in part_of:
            together[part_of[stay.petition], stay.matter].add(stay.petition)

    def claim(stay: Stay) -> None:
        at = part_of.get(stay.petition)
        if at is not None and numbers[at] is None and stay.matter not in used:
            numbers[at] = stay.matter
            used.add(stay.matter)

    for stay in sorted((s for s in stays if s.current), key=lambda s: ages[s.matter]):
        claim(stay)
    for stay in reversed(stays):
        if stay.petition in part_of and len(together[part_of[stay.petition], stay.matter]) >= 2:
            claim(stay)
    return [number or new() for number in numbers]


def petitioners_of(keys: Iterable[tuple[str, Hashable, int]]) -> dict[int, int]:
    """A number for each petition that has a key, the same for all of one petitioner: the smallest of theirs.

    `keys` are (type, digest, petition). One letter names a phone, the next an ID number, a third both: petitions are of one
    petitioner when they share a key or a chain of petitions that do. A repeat needs at least one identical petitioner; those who sign
    together are one. An agent's key counts for petitions that name nobody else: they are of one petitioner with one another, and with
    the agent's client where all that it filed for others is one client's.
    """
    owner: dict[tuple[str, Hashable], int] = {}
    agents: dict[tuple[str, Hashable], list[int]] = defaultdict(list)

    def own() -> Iterator[tuple[int, int]]:
        for kind, digest, petition in keys:
            if is_agent_key(kind):
                agents[kind, digest].append(petition)
            else:
                yield owner.setdefault((kind, digest), petition), petition

    number = _numbers(own())
    unnamed = [[petition for petition in filed if petition not in number] for filed in agents.values()]
    by_agent = _numbers((filed[0], petition) for filed in unnamed for petition in filed)
    clients: dict[int, set[int]] = defaultdict(set)
    for filed, without in zip(agents.values(), unnamed, strict=True):
        if without:
            clients[by_agent[without[0]]] |= {number[petition] for petition in filed if petition in number}
    joined = [(group, min(found)) for group, found in clients.items() if len(found) == 1]
    return _numbers([*number.items(), *by_agent.items(), *joined])


def _numbers(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    return {petition: min(group) for group in components(pairs) for petition in group}
