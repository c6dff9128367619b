"""Learning from files larger than memory: a sample first, then the files in batches, by stochastic gradient descent.

Two passes. The first counts labels and draws a sample that is the same for the same files; on it stand the columns of the
features, the held-out texts and the guesses at finer labels. The second reads, redacts, cuts and learns `BATCH_ROWS` rows at a time.
What is kept of a row is a count: memory depends on the sample, the columns and the classes, not on the number of rows.

Hinge loss with averaging was chosen on petitions_l1_dev.csv of ../shared/data (bench/large.py says how it is resampled), four fifths
to learn from, one to judge by, 40,000 rows drawn from the former. Accuracy of one plain pass / of warm pass
and replays over a file sorted by class:
hinge 0.920 / 0.923, modified Huber 0.906 / 0.908, logistic 0.912 / 0.906, squared error below 0.2; the ridge of the small case 0.916.
Hinge with α of 1e-5, 3e-5, 1e-4, 3e-4: 0.910, 0.917, 0.920, 0.916; 1e-4 without averaging: 0.918. The 1,131 texts judged by tell half
a point apart at most. With 118 classes and few texts of each (the seed, 8,000 rows drawn) a ridge is better, 0.652 against 0.594: so each
head is a mean of what the batches taught and a ridge of the sample. The closing pass over the sample was worth 1.5 points there, 3 where
the file was sorted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.linear_model import SGDClassifier

from classifier.category import LinearModel
from classifier.errors import CorpusError, InputError
from classifier.features import Vectoriser
from classifier.links.terms import shingles
from classifier.petition import Kind, Petition
from classifier.records import Reject, count_rows, petitions, read_records
from classifier.taxonomy import Taxonomy
from classifier.tokenise import Tokeniser
from training.corpus import Example, count_by, document_of, group_of, labels_of
from training.fit import ALPHAS, UNFITTED, Design, Fitted, Matrix, Scores, calibrate, ridge
from training.split import SKETCH, Indices, groups_of

#: Files of more rows than this together are learnt from in batches. In memory, 10,000 rows took 1.9 GB at most (bench/large.py).
STREAM_ROWS = 30_000
#: Rows drawn to choose the columns by, to replay and, a tenth of them and at most `HELD_OUT_ROWS`, to calibrate on.
SAMPLE_ROWS, HELD_OUT_ROWS = 20_000, 2_000
#: Rows learnt at a time, and rows of the sample and the seed mixed into each batch: a file may be sorted by class or by date.
BATCH_ROWS, REPLAY_ROWS = 2_000, 1_000
# Strength of the L2 penalty.
_ALPHA = 1e-4
# Texts for a ridge, of finer labels or of a sample: its kernel is of this size squared (float32: 256 MB).
_RIDGE_ROWS = 8_000
# How much of a head is the ridge: the share with the least loss on held-out texts.
_SHARES = (0.0, 0.25, 0.5, 0.75)
# Fewer decisions than this teach nothing of a unit (as in training/train.py); two float64 copies of a column for each are held.
_FEWEST_OF_A_UNIT, _MOST_UNITS = 3, 300

_HEADS = ("category", "kind", "unit")
Step = Callable[[str, int | None], AbstractContextManager[Callable[[], None]]]


@dataclass(frozen=True, slots=True)
class Streamed:
    """What was learnt from `rows` labelled rows; `counts` has how often each label occurs in them and the seed, units
    without accusations: every reader of a suggestion sees how many cases a unit had.

    `heads` holds for category, kind and unit the model with its held-out scores, and the labels of the rows these are of; None where
    fewer than two labels occur.
    """

    vectoriser: Vectoriser
    heads: Mapping[str, tuple[Fitted, tuple[str, ...]] | None]
    rows: int
    counts: Mapping[str, Mapping[str, int]]


def is_large(paths: Sequence[Path]) -> bool:
    """Whether the files have more than STREAM_ROWS rows together.

    Line ends are counted first; where these are too many (texts have line ends, too) or it is a workbook, that many rows are read.
    Raises UnreadableFileError, ColumnError.
    """
    estimates = [count_rows(path) if path.is_file() else None for path in paths]
    if None not in estimates and sum(estimate or 0 for estimate in estimates) <= STREAM_ROWS:
        return False
    rows = chain.from_iterable(read_records(path) for path in paths)
    return sum(1 for _ in islice(rows, STREAM_ROWS + 1)) > STREAM_ROWS


def learn_in_batches(
    paths: Sequence[Path],
    seed: Sequence[Example],
    taxonomy: Taxonomy,
    tokeniser: Tokeniser,
    step: Step,
    note: Callable[[str], None],
) -> Streamed:
    """Learn whatever labels the files and `seed` (petitions and term lists, may be empty) have.

    `step` opens a progress bar, `note` hears of rows that could not be used. Raises as `training.corpus.load_labelled` does.
    """
    rng = np.random.default_rng(0)
    survey = _survey(paths, taxonomy, rng, step, note)
    with step("读取抽样", len(survey.sample)) as tick:
        sample = [_with_document(*item, tokeniser, tick) for item in survey.sample]
        survey.sample.clear()
    with step("统计词语和字组", None):
        held, taught = _divide(sample, rng)
        held_keys = frozenset(chain.from_iterable(map(_keys, held)))
        vectoriser = Vectoriser.fit([example.document for example in (*seed, *taught)])
        held_texts = _Texts.of(held, vectoriser)
        replay = _Texts.of([*seed, *taught], vectoriser)
        del sample, held, taught
    with step("训练初步模型", None):
        counts = {name: survey.counts[name] + Counter(count_by(seed, name)) for name in _HEADS}
        finer = _Finer(replay) if any(len(code) == 2 for code in counts["category"]) else None
        if finer:
            replay, held_texts = finer.refined(replay), finer.refined(held_texts)
        learners = {name: _Learner(name, labels) for name, labels in _classes(counts, finer).items()}
        for learner in learners.values():
            learner.start(replay)
    for batch in _batches(paths, taxonomy, tokeniser, held_keys, step):
        texts = _Texts.of(batch, vectoriser)
        again = rng.integers(len(replay.weights), size=len(batch) * REPLAY_ROWS // BATCH_ROWS)
        mixed = (finer.refined(texts) if finer else texts).beside(replay.rows(again))
        for learner in learners.values():
            learner.learn(mixed)
    # The sample once more: a file that ends with letters of one class, or of one season, has not the last word.
    for learner in learners.values():
        learner.learn(replay)
    heads = {name: learners[name].finish(held_texts) if name in learners else None for name in _HEADS}
    counts["unit"].subtract(survey.accusations)
    return Streamed(
        vectoriser, heads, survey.rows, {name: dict(sorted(found.items())) for name, found in counts.items()}
    )


@dataclass(slots=True)
class _Survey:
    """The first pass: how many labelled rows, each label's count, each unit's accusations, and a uniform sample of the rows in random
    order."""

    rows: int
    counts: dict[str, Counter[str]]
    accusations: Counter[str]
    sample: list[tuple[Petition, Example]]


def _survey(
    paths: Sequence[Path],
    taxonomy: Taxonomy,
    rng: np.random.Generator,
    step: Step,
    note: Callable[[str], None],
) -> _Survey:
    found = _Survey(0, {name: Counter() for name in _HEADS}, Counter(), [])
    for path in paths:
        before, rejects, first = found.rows, 0, ""
        with step(f"抽样 {path.name}", count_rows(path)) as tick:
            for item in _labelled(path, taxonomy):
                tick()
                if isinstance(item, Reject):
                    rejects += 1
                    first = first or f"例如第 {item.line} 行：{item.reason}"
                    continue
                labels = item[1]
                if not any(_label(labels, name) for name in _HEADS):
                    continue
                found.rows += 1
                for name in _HEADS:
                    if label := _label(labels, name):
                        found.counts[name][label] += 1
                if labels.kind == Kind.ACCUSATION and labels.unit:
                    found.accusations[labels.unit] += 1
                # Algorithm R (Vitter 1985): each row so far is in the sample with the same probability.
                if len(found.sample) < SAMPLE_ROWS:
                    found.sample.append(item)
                elif (place := int(rng.integers(found.rows))) < SAMPLE_ROWS:
                    found.sample[place] = item
        if found.rows == before:
            reason = first or "没有 category、kind 或 unit 列"
            raise CorpusError(f"{path.name} 里没有可用的标注（{reason}）。")
        if rejects:
            note(f"{path.name}：{rejects} 行用不上，{first}")
    found.sample = [found.sample[i] for i in rng.permutation(len(found.sample))]
    return found


def _labelled(path: Path, taxonomy: Taxonomy) -> Iterator[tuple[Petition, Example] | Reject]:
    """Each row with its labels, the text of the `Example` still unread. Unknown labels make a row a reject."""
    for item in petitions(path):
        if isinstance(item, Reject):
            yield item
            continue
        record, petition = item
        try:
            labels = labels_of(record.fields, taxonomy)
        except InputError as problem:
            yield Reject(record.line, str(problem))
            continue
        yield petition, replace(labels, group=record["group"] or group_of(petition))


def _label(example: Example, name: str) -> str:
    label: str = getattr(example, name)
    return label


def _with_document(
    petition: Petition, labels: Example, tokeniser: Tokeniser, tick: Callable[[], object] = lambda: None
) -> Example:
    tick()
    return replace(labels, document=document_of(petition, tokeniser))


def _batches(
    paths: Sequence[Path],
    taxonomy: Taxonomy,
    tokeniser: Tokeniser,
    held_keys: frozenset[str | int],
    step: Step,
) -> Iterator[list[Example]]:
    """The second pass: labelled rows, BATCH_ROWS at a time, without those that share a key with a held-out text."""
    batch: list[Example] = []
    for path in paths:
        with step(f"训练 {path.name}", count_rows(path)) as tick:
            for item in _labelled(path, taxonomy):
                tick()
                if isinstance(item, Reject) or not any(_label(item[1], name) for name in _HEADS):
                    continue
                example = _with_document(*item, tokeniser)
                if held_keys.isdisjoint(_keys(example)):
                    batch.append(example)
                if len(batch) == BATCH_ROWS:
                    yield batch
                    batch = []
    if batch:
        yield batch


def _keys(example: Example) -> list[str | int]:
    """What `training.split.groups_of` puts texts together by. Two texts linked only by a third outside the sample stay apart."""
    hashes = np.sort(shingles(example.document.text)[0])
    is_new = np.diff(hashes, prepend=hashes[:1] - 1) != 0  # np.unique takes twice as long
    return [example.group, *hashes[is_new][:SKETCH].tolist()]


def _divide(sample: Sequence[Example], rng: np.random.Generator) -> tuple[list[Example], list[Example]]:
    """Whole groups, in random order, up to a tenth of the sample and HELD_OUT_ROWS, and the others."""
    groups = groups_of([example.document for example in sample], [example.group for example in sample])
    names, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    left = min(HELD_OUT_ROWS, len(sample) // 10)
    is_held = np.zeros(len(names), dtype=np.bool_)
    for index in rng.permutation(len(names)):
        if sizes[index] <= left:
            is_held[index] = True
            left -= int(sizes[index])
    held, taught = np.flatnonzero(is_held[group]), np.flatnonzero(~is_held[group])
    return [sample[i] for i in held.tolist()], [sample[i] for i in taught.tolist()]


@dataclass(frozen=True, slots=True)
class _Texts:
    """Features and labels of some texts: `matrix` (texts, width), `labels` for each head, "" where there is none."""

    matrix: Matrix
    labels: Mapping[str, Sequence[str]]
    weights: npt.NDArray[np.float64]

    @classmethod
    def of(cls, examples: Sequence[Example], vectoriser: Vectoriser) -> _Texts:
        parts = [
            vectoriser.transform([example.document for example in examples[start : start + BATCH_ROWS]])
            for start in range(0, max(len(examples), 1), BATCH_ROWS)
        ]
        labels = {name: [_label(example, name) for example in examples] for name in _HEADS}
        return cls(sparse.vstack(parts, "csr"), labels, np.array([example.weight for example in examples]))

    def rows(self, rows: Indices) -> _Texts:
        labels = {name: [found[i] for i in rows] for name, found in self.labels.items()}
        return _Texts(self.matrix[rows], labels, self.weights[rows])

    def beside(self, other: _Texts) -> _Texts:
        labels = {name: [*found, *other.labels[name]] for name, found in self.labels.items()}
        matrix = sparse.vstack([self.matrix, other.matrix], "csr")
        return _Texts(matrix, labels, np.concatenate([self.weights, other.weights]))


class _Finer:
    """Guesses at level 2 where a label is of level 1: the likeliest of its children, as a first model sees them.

    A label whose children it does not know stays a class of its own (as in training/train.py).
    """

    def __init__(self, texts: _Texts) -> None:
        labels = texts.labels["category"]
        rows = np.array([i for i, label in enumerate(labels) if len(label) == 4][:_RIDGE_ROWS], np.int64)
        self.classes = sorted({labels[i] for i in rows})
        self._parents = np.array([code[:2] for code in self.classes])
        if self.classes:
            truth = np.searchsorted(self.classes, [labels[i] for i in rows])
            self._coef, self._intercept = ridge(
                texts.matrix[rows], truth, len(self.classes), texts.weights[rows], ALPHAS[-1]
            )

    def refined(self, texts: _Texts) -> _Texts:
        labels = list(texts.labels["category"])
        known = set(self._parents)
        rows = np.array([i for i, label in enumerate(labels) if label in known], np.int64)
        if not len(rows):
            return texts
        scores = np.asarray(texts.matrix[rows] @ self._coef) + self._intercept
        scores[self._parents != np.array([labels[i] for i in rows])[:, None]] = -np.inf
        for i, best in zip(rows, scores.argmax(axis=1), strict=True):
            labels[i] = self.classes[best]
        return replace(texts, labels={**texts.labels, "category": labels})


def _classes(counts: Mapping[str, Counter[str]], finer: _Finer | None) -> dict[str, list[str]]:
    """The labels of each head that has two or more to tell apart."""
    known = {code[:2] for code in finer.classes} if finer else set()
    units = [name for name, count in counts["unit"].most_common(_MOST_UNITS) if count >= _FEWEST_OF_A_UNIT]
    classes = {
        "category": sorted(set(counts["category"]) - known),
        "kind": sorted(counts["kind"]),
        "unit": sorted(units),
    }
    return {name: labels for name, labels in classes.items() if len(labels) > 1}


class _Learner:
    """One head while it learns: a linear support vector machine for each class against the others, and a ridge of the sample."""

    def __init__(self, name: str, classes: Sequence[str]) -> None:
        self._name, self._classes = name, tuple(classes)
        self._index = {label: i for i, label in enumerate(classes)}
        self._machine = SGDClassifier(loss="hinge", alpha=_ALPHA, average=True, random_state=0)
        self._ridge: tuple[Scores, Scores] | None = None

    def _rows(self, texts: _Texts) -> tuple[Indices, Indices]:
        """The rows with a label of this head, and its number."""
        found = [self._index.get(label, -1) for label in texts.labels[self._name]]
        truth = np.array(found, dtype=np.int64)
        return np.flatnonzero(truth >= 0), truth[truth >= 0]

    def start(self, sample: _Texts) -> None:
        self.learn(sample)
        rows, truth = self._rows(sample)
        some = np.random.default_rng(0).permutation(len(rows))[:_RIDGE_ROWS]
        if len(some):
            rows, truth = rows[some], truth[some]
            every = len(self._classes)
            self._ridge = ridge(sample.matrix[rows], truth, every, sample.weights[rows], ALPHAS[1])

    def learn(self, texts: _Texts) -> None:
        rows, truth = self._rows(texts)
        if len(rows):
            every = np.arange(len(self._classes))
            self._machine.partial_fit(texts.matrix[rows], truth, every, texts.weights[rows])

    def finish(self, held: _Texts) -> tuple[Fitted, tuple[str, ...]] | None:
        """The model, calibrated on the held-out texts, with their labels; None when no text taught it anything."""
        if self._ridge is None or not hasattr(self._machine, "coef_"):
            return None
        coef = np.ascontiguousarray(self._machine.coef_.T, dtype=np.float32)
        intercept = self._machine.intercept_.astype(np.float32)
        if len(self._classes) == 2:  # the machine has one column, for the second class
            coef, intercept = np.hstack([-coef, coef]), np.concatenate([-intercept, intercept])
        rows, truth = self._rows(held)
        scores, other = (
            np.asarray(held.matrix[rows] @ part) + constant
            for part, constant in ((coef, intercept), self._ridge)
        )
        share, calibration = _SHARES[0], UNFITTED
        if len(rows):
            once = np.ones(len(rows))
            tried = ((*calibrate(_mean(scores, other, each), truth, once), each) for each in _SHARES)
            calibration, _, share = min(tried, key=lambda found: found[1])
        coef, intercept = _mean(coef, self._ridge[0], share), _mean(intercept, self._ridge[1], share)
        model = LinearModel(self._classes, coef, intercept, calibration)
        labels = tuple(self._classes[i] for i in truth)
        return Fitted(model, _mean(scores, other, share), np.arange(len(rows)), Design(_ALPHA)), labels


def _mean(one: Scores, other: Scores, share: float) -> Scores:
    """`share` of the other."""
    mean: Scores = one * np.float32(1 - share) + other * np.float32(share)
    return mean
