"""An office's labels in two parts: what is learnt from, and a frozen test set that grows with the labels and never leaks.

Petitions of one petitioner, one matter or nearly one text form a group. The state, `models/office-test.json`, remembers of every petition
on which side it is. Guaranteed, whatever arrives in whatever order and however groups merge or fall apart:

1. A petition that was ever learnt from is never tested on afterwards, and one that was ever tested on is never learnt from.
2. No group of a snapshot has members on both sides of its split.
3. A test petition stays one until its group, through a new link or copy, holds a petition that was learnt from: then it is retired, neither
   learnt from nor tested on, for good.
4. The same snapshot and state give the same split, whatever the order of rows, and splitting again changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from classifier.errors import CorpusError, InputError
from classifier.records import check_text
from classifier.registry import Registry, replacing
from classifier.taxonomy import Taxonomy
from classifier.tokenise import Tokeniser
from training.corpus import Example, document_of, labels_of
from training.snapshot import LabelledPetition, Snapshot
from training.split import groups_of

STATE = "office-test.json"
_FORMAT = 1
#: This share of new groups is tested on, by the hash of the least id among them.
TEST_SHARE = 0.2
#: An office with fewer labels than this can spare none: all are learnt from, and the shipped gold set alone judges.
FEWEST_LABELS = 100
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


class Side(StrEnum):
    TRAIN = "train"
    TEST = "test"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class TestSet:
    """On which side each petition is that any published version was made with. Sides never change but from test to retired."""

    __test__ = False  # not a class of tests

    sides: Mapping[str, Side] = field(default_factory=dict)

    def admit(self, groups: Iterable[Sequence[str]], is_open: bool = True) -> TestSet:
        """The sides once these groups of petition ids are known. While not `is_open`, whole new groups are learnt from."""
        sides = dict(self.sides)
        for group in groups:
            known = {sides[member] for member in group if member in sides}
            new = _side_of_new(group, known, is_open)
            for member in group:
                if member not in sides:
                    sides[member] = new
                elif Side.TRAIN in known and sides[member] is Side.TEST:
                    sides[member] = Side.RETIRED
        return TestSet(sides)

    def joined(self, other: TestSet) -> TestSet:
        """What two trainings that knew nothing of each other leave: a petition on which they differ is retired."""
        sides = dict(self.sides)
        for member, side in other.sides.items():
            sides[member] = side if sides.get(member, side) is side else Side.RETIRED
        return TestSet(sides)


def _side_of_new(group: Sequence[str], known: set[Side], is_open: bool) -> Side:
    if Side.TRAIN in known:
        return Side.TRAIN
    if Side.TEST in known:
        return Side.TEST
    # A retired petition was once of a group that is learnt from.
    if Side.RETIRED in known or not is_open:
        return Side.TRAIN
    digest = int.from_bytes(sha256(min(group).encode()).digest()[:8])
    return Side.TEST if digest < TEST_SHARE * 2**64 else Side.TRAIN


def load_test_set(models: Path) -> TestSet:
    """Raises CorpusError when the file is damaged: going on without it could test on what was learnt."""
    try:
        found = json.loads((models / STATE).read_text(encoding="utf-8"))
        if found["format"] != _FORMAT:
            raise ValueError(found["format"])
        return TestSet({str(member): side for side in Side for member in found[side.value]})
    except FileNotFoundError:
        return TestSet()
    except (ValueError, KeyError, TypeError):
        raise CorpusError(
            f"{STATE} 已损坏，分不清哪些件已学过。请从备份恢复；没有备份时删除它，并用 fenban train 从头训练。"
        ) from None


def save_test_set(models: Path, test_set: TestSet) -> None:
    """Write the state, joined with what another training may have written meanwhile. Raises CorpusError as `load_test_set`."""
    models.mkdir(parents=True, exist_ok=True)
    with Registry(models).locked():
        whole = load_test_set(models).joined(test_set)
        by_side = {
            side.value: sorted(member for member, on in whole.sides.items() if on is side) for side in Side
        }
        with replacing(models / STATE, 0o600) as temporary:
            temporary.write_text(json.dumps({"format": _FORMAT, **by_side}) + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class Office:
    """A snapshot, split. `examples` are the labels to learn from, `learnt` the petitions they are of, in the same order; `tested` the labelled
    petitions to judge on. `sides` holds the state to save before anything learnt from this is published. `unusable`: labels that say
    nothing here, as a category the taxonomy does not have."""

    snapshot: Snapshot
    examples: tuple[Example, ...]
    learnt: tuple[LabelledPetition, ...]
    tested: tuple[LabelledPetition, ...]
    sides: TestSet
    unusable: int

    def side(self, petition_id: str) -> Side:
        return self.sides.sides[petition_id]


def split_office(
    snapshot: Snapshot,
    taxonomy: Taxonomy,
    tokeniser: Tokeniser,
    test_set: TestSet,
    tick: Callable[[], object] = lambda: None,
    *,
    keep_back: bool = True,
) -> Office:
    """Both parts of a snapshot; without `keep_back` nothing new is kept to test on. Raises CorpusError when there is no label to learn."""
    documents = []
    for labelled in snapshot.petitions:
        documents.append(document_of(labelled.petition, tokeniser))
        tick()
    numbers = groups_of(
        documents,
        [labelled.petitioner_group for labelled in snapshot.petitions],
        [labelled.matter_group for labelled in snapshot.petitions],
    ).tolist()
    groups: dict[int, list[str]] = {}
    for number, labelled in zip(numbers, snapshot.petitions, strict=True):
        groups.setdefault(number, []).append(labelled.id)
    decided = sum(labelled.is_labelled for labelled in snapshot.petitions)
    sides = test_set.admit(groups.values(), is_open=keep_back and decided >= FEWEST_LABELS)
    examples, learnt, tested, unusable = [], [], [], 0
    for number, document, labelled in zip(numbers, documents, snapshot.petitions, strict=True):
        if not labelled.is_labelled:
            continue
        try:
            check_text(labelled.petition.title, labelled.petition.text)
            example = labels_of(
                {"category": labelled.category, "kind": labelled.kind, "unit": labelled.unit}, taxonomy
            )
        except InputError:
            unusable += 1
            continue
        if sides.sides[labelled.id] is Side.TRAIN:
            examples.append(
                replace(example, document=document, group=f"office-{number}", returned=labelled.returned)
            )
            learnt.append(labelled)
        elif sides.sides[labelled.id] is Side.TEST:
            tested.append(labelled)
    if not examples:
        raise CorpusError("标注快照里没有可学的认定。请先认定一些信访件，再导出。")
    return Office(snapshot, tuple(examples), tuple(learnt), tuple(tested), sides, unusable)


def newest(office: Office, most: int) -> list[Example]:
    """At most so many of the examples: the latest decided, each where it was."""
    if len(office.examples) <= most:
        return list(office.examples)
    order = sorted(
        range(len(office.learnt)),
        key=lambda place: office.learnt[place].decided_at or _LONG_AGO,
        reverse=True,
    )
    return [office.examples[place] for place in sorted(order[:most])]
