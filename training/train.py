"""Corpus to bundle: what `fenban train` does between reading and publishing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import sparse

from classifier.bundle import Bundle, bundle_version
from classifier.category import LinearModel
from classifier.errors import CorpusError
from classifier.features import Document, Vectoriser
from classifier.lexicon import Lexicon, load_lexicon
from classifier.taxonomy import Taxonomy, load_taxonomy
from classifier.tokenise import Tokeniser
from training.corpus import Example, count_by, load_labelled, load_seed, seed_examples, term_examples
from training.figures import Head, counted, report_of
from training.fit import ALPHAS, Matrix, Scores, fit_model, fit_pooling, gram, ridge, wants_kernel
from training.links import Pair, fit_links, load_pairs
from training.reference import reference as held_out_reference
from training.split import groups_of
from training.stream import is_large, learn_in_batches
from training.units import BALANCE, FIRMER, MOST_UNITS, category_directions, described, folded, widened

# The seed's petitions are nearer to one another than to real ones, so its own folds choose too weak a ridge: where most petitions
# are the seed's, categories take this many times what they choose (docs/decisions/012).
_FIRMER = 3.0
# A catch-all node (其他) is written as often as the others and met much more rarely.
_CATCH_ALL, _CATCH_ALL_SHARE = "其他", 0.1
#: A petition of the office's own teaches as much as so many of the seed's (1,000 labels, seven classes: weight 1 0.912, 3 0.914, 6 0.920).
OFFICE_WEIGHT = 6.0
# Past decisions are learnt from once two units have so many; then every unit they name is learnt.
_FEWEST_OF_A_UNIT = 3


class Progress(Protocol):
    """How long work is shown: `step(name, total)` opens a bar and gives the function that moves it by one."""

    def step(self, name: str, total: int | None) -> AbstractContextManager[Callable[[], None]]: ...


@dataclass(frozen=True, slots=True)
class Sources:
    """Where to learn from. `seed` False leaves the shipped corpus out: only what `data` teaches is in the bundle.

    `pairs` are links that officers of the office confirmed or rejected.
    """

    corpora: Path
    data: tuple[Path, ...] = ()
    seed: bool = True
    pairs: tuple[Pair, ...] = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """What texts are read with: the taxonomy and the words of its categories."""

    taxonomy: Taxonomy
    lexicon: Lexicon
    tokeniser: Tokeniser


def train(sources: Sources, progress: Progress, note: Callable[[str], None] = lambda _: None) -> Bundle:
    """Learn a bundle.

    Raises CorpusError when there is nothing to learn from; reference data and file errors as their loaders do.
    """
    reference = load_reference(sources, progress)
    if is_large(sources.data):
        return _learn_large(sources, reference, progress, note)
    return learn(sources, reference, read_examples(sources, reference, progress, note), (), progress)


def load_reference(sources: Sources, progress: Progress) -> Reference:
    taxonomy = load_taxonomy(sources.corpora / "taxonomy")
    lexicon = load_lexicon(sources.corpora / "lexicon", taxonomy) if sources.seed else Lexicon({})
    with progress.step("装载分词词典", None):
        return Reference(taxonomy, lexicon, Tokeniser(lexicon.dictionary()))


def learn(
    sources: Sources,
    reference: Reference,
    examples: Sequence[Example],
    backlog: Sequence[Document],
    progress: Progress,
) -> Bundle:
    """Examples to bundle. The words of `backlog`, texts without labels, count for the vocabulary and its idf."""
    with progress.step("统计词语和字组", None):
        documents = [example.document for example in examples]
        vectoriser = Vectoriser.fit([*documents, *backlog])
        matrix = vectoriser.transform(documents)
        groups = groups_of(documents, [e.group for e in examples])
    with progress.step("训练内容分类", None):
        material = _Material(examples, matrix, groups)
        category = _fit_category(material, _frequency(examples, reference.taxonomy))
    with progress.step("训练诉求类型和承办单位", None):
        kind = _fit_kind(material)
        unit = _fit_unit(material, category, sources, reference, vectoriser)
    counts = counted(examples)
    if category:
        labelled = [example for example in examples if example.category]
        counts["reference"] = held_out_reference(labelled, category.labels, category.fitted)
    return _bundle(sources, reference, vectoriser, counts, category, kind, unit, progress)


def _learn_large(
    sources: Sources, reference: Reference, progress: Progress, note: Callable[[str], None]
) -> Bundle:
    """As `learn`, from files of more rows than are held in memory."""
    without = replace(sources, data=())
    seed = read_examples(without, reference, progress, note) if sources.seed else []
    found = learn_in_batches(sources.data, seed, reference.taxonomy, reference.tokeniser, progress.step, note)
    category, kind, unit = (
        Head(*head, np.ones(len(head[1]))) if head else None
        for head in (found.heads[name] for name in ("category", "kind", "unit"))
    )
    counts = counted(seed) | {
        "categories": found.counts["category"],
        "kinds": found.counts["kind"],
        "units": found.counts["unit"],
    }
    counts["petitions"] += found.rows
    return _bundle(sources, reference, found.vectoriser, counts, _pooled(category), kind, unit, progress)


def _bundle(
    sources: Sources,
    reference: Reference,
    vectoriser: Vectoriser,
    counts: dict[str, Any],
    category: Head | None,
    kind: Head | None,
    unit: Head | None,
    progress: Progress,
) -> Bundle:
    if not (category or kind or unit):
        raise CorpusError("标注里每样都只有一种取值，学不出区别。请至少给出两种分类、类型或单位。")
    report = report_of(sources.seed, [path.name for path in sources.data], counts, category, kind, unit)
    bundle = Bundle(
        version="",
        taxonomy=reference.taxonomy,
        lexicon=reference.lexicon,
        tokeniser=reference.tokeniser,
        vectoriser=vectoriser,
        category=category.fitted.model if category else None,
        kind=kind.fitted.model if kind else None,
        unit=unit.fitted.model if unit else None,
        threshold=report["category"]["threshold"] if category else 0.5,
        report=report,
    )
    bundle = _with_links(bundle, sources, progress)
    return replace(bundle, version=bundle_version(bundle))


def _with_links(bundle: Bundle, sources: Sources, progress: Progress) -> Bundle:
    """The bundle with its link model, learnt from the written pairs of the corpora where there are any."""
    pairs = load_pairs(sources.corpora / "pairs")
    if not pairs:
        return bundle
    seed = load_seed(sources.corpora / "seed", bundle.taxonomy) if sources.seed else []
    with progress.step("训练关联判断", len(pairs)) as tick:
        model, figures = fit_links(bundle, pairs, seed, tick, sources.pairs)
    return replace(bundle, links=model, report=bundle.report | {"links": figures})


def read_examples(
    sources: Sources,
    reference: Reference,
    progress: Progress,
    note: Callable[[str], None],
    office: Sequence[Example] = (),
) -> list[Example]:
    """Every labelled text of the sources, and `office`, what a snapshot holds. Raises CorpusError when there is none."""
    taxonomy, lexicon, tokeniser = reference.taxonomy, reference.lexicon, reference.tokeniser
    weight = OFFICE_WEIGHT if sources.seed else 1.0
    examples = [replace(example, weight=weight) for example in office]
    if sources.seed:
        rows = load_seed(sources.corpora / "seed", taxonomy)
        with progress.step("读取种子语料", len(rows)) as tick:
            examples += seed_examples(rows, tokeniser, tick)
        examples += term_examples(taxonomy, lexicon, tokeniser)
    for path in sources.data:
        with progress.step(f"读取 {path.name}", None) as tick:
            labelled = load_labelled(path, taxonomy, tokeniser, tick)
        if labelled.rejects:
            note(labelled.complaint(path))
        examples += [replace(example, weight=weight) for example in labelled.examples]
    if not examples:
        raise CorpusError(
            "没有可学的标注。请给出带 category、kind 或 unit 列的 --data，或去掉 --no-seed 用自带语料。"
        )
    return examples


@dataclass(frozen=True)
class _Material:
    """What every head learns from."""

    examples: Sequence[Example]
    matrix: Matrix
    groups: npt.NDArray[np.int64]

    @cached_property
    def kernel(self) -> Scores:
        return gram(self.matrix)

    def kernel_of(self, rows: npt.NDArray[np.int64], classes: int) -> Scores | None:
        """The rows' inner products where a problem of this size is solved with them."""
        if not wants_kernel(len(rows), classes):
            return None
        if len(rows) == len(self.examples):
            return self.kernel
        # All inner products are worth having where the largest head needs most of them.
        if 2 * len(rows) > len(self.examples):
            return self.kernel[np.ix_(rows, rows)]
        return gram(self.matrix[rows])


def _fit(
    material: _Material,
    labels: Sequence[str],
    frequency: npt.NDArray[np.float64] | None = None,
    firmer: float = 1.0,
    balance: float = 0.0,
    try_naive_bayes: bool = True,
    with_logistic: bool = False,
) -> Head | None:
    """A model of the rows that have a label; None when fewer than two labels occur. A label of n rows weighs as n^-`balance`."""
    rows = np.array([i for i, label in enumerate(labels) if label], dtype=np.int64)
    chosen = tuple(labels[i] for i in rows)
    if len(set(chosen)) < 2:
        return None
    counts = Counter(chosen)
    usual = len(rows) / len(counts)
    weights = np.array(
        [
            material.examples[i].weight * (usual / counts[label]) ** balance
            for i, label in zip(rows, chosen, strict=True)
        ]
    )
    real = np.array([not (material.examples[i].is_terms or material.examples[i].is_guess) for i in rows])
    often = np.ones(len(rows)) if frequency is None else frequency[rows]
    fitted = fit_model(
        material.matrix[rows],
        chosen,
        weights,
        real,
        material.groups[rows],
        often,
        material.kernel_of(rows, len(set(chosen))),
        firmer,
        try_naive_bayes,
        with_logistic,
    )
    return Head(fitted, chosen, often)


def _fit_kind(material: _Material) -> Head | None:
    """Rare kinds weigh more than their number, and the ridge is weaker than log loss asks for: an accusation taken for a claim loses
    its guard (Art. 30), and only macro-F1 sees it. Naive-Bayes weights find fewer of them (docs/decisions/012, 016)."""
    labels = [example.kind for example in material.examples]
    return _fit(material, labels, firmer=0.5, balance=0.75, try_naive_bayes=False)


def _frequency(examples: Sequence[Example], taxonomy: Taxonomy) -> npt.NDArray[np.float64]:
    """How many petitions of real life each example stands for, mean 1 over the seed's and its weight for an office's own.

    The seed is evener than life: a petition of a node with many stands for more, one of a catch-all node for few.
    """
    counts = count_by([e for e in examples if e.is_seed], "category")
    shares = np.array(
        [
            counts[e.category] * (_CATCH_ALL_SHARE if taxonomy[e.category].name == _CATCH_ALL else 1.0)
            if e.is_seed
            else e.weight
            for e in examples
        ]
    )
    seed = np.array([e.is_seed for e in examples])
    if seed.any():
        shares[seed] /= shares[seed].mean()
    return shares


def _fit_category(material: _Material, frequency: npt.NDArray[np.float64]) -> Head | None:
    """Level-2 classes where labels reach that far. A label of level 1 teaches the likeliest of its children, as a first model
    restricted to them sees it; where no child is known it stays a class of its own."""
    labels = [example.category for example in material.examples]
    fine = np.array([i for i, label in enumerate(labels) if len(label) == 4], dtype=np.int64)
    coarse = np.array([i for i, label in enumerate(labels) if len(label) == 2], dtype=np.int64)
    classes = sorted({labels[i] for i in fine})
    if len(coarse) and classes:
        truth = np.array([classes.index(labels[i]) for i in fine])
        weights = np.array([material.examples[i].weight for i in fine])
        coef, intercept = ridge(
            material.matrix[fine],
            truth,
            len(classes),
            weights,
            ALPHAS[-1],
            material.kernel_of(fine, len(classes)),
        )
        scores = np.asarray(material.matrix[coarse] @ coef) + intercept
        parents = np.array([code[:2] for code in classes])
        for row, i in enumerate(coarse):
            children = np.flatnonzero(parents == labels[i])
            if len(children):
                labels[i] = classes[children[scores[row, children].argmax()]]
    seed = sum(example.is_seed for example in material.examples)
    others = sum(not (e.is_seed or e.is_terms or e.is_guess) for e in material.examples)
    return _pooled(_fit(material, labels, frequency, _FIRMER if seed > others else 1.0))


def _pooled(head: Head | None) -> Head | None:
    """The head with its pooling to level 1."""
    if head is None:
        return None
    model = head.fitted.model
    pooling = fit_pooling(head.fitted, head.labels, head.frequency)
    model = LinearModel(model.classes, model.coef, model.intercept, model.calibration, pooling)
    return replace(head, fitted=replace(head.fitted, model=model))


def _fit_unit(
    material: _Material,
    category: Head | None,
    sources: Sources,
    reference: Reference,
    vectoriser: Vectoriser,
) -> Head | None:
    """A model of units that leans on the model of categories and on the units' names and duties (`training.units`)."""
    counts = Counter(example.unit for example in material.examples if example.unit)
    if sum(count >= _FEWEST_OF_A_UNIT for count in counts.values()) < 2:
        return None
    units = sorted(name for name, _ in counts.most_common(MOST_UNITS))
    rows = [i for i, example in enumerate(material.examples) if example.unit in set(units)]
    decided = [material.examples[i] for i in rows]
    weight = OFFICE_WEIGHT if sources.seed else 1.0
    cases = described(units, sources.corpora / "units", reference.taxonomy, reference.tokeniser, weight)
    matrix = sparse.vstack(
        [material.matrix[rows], vectoriser.transform([case.document for case in cases])], format="csr"
    )
    directions = category_directions(category.fitted.model if category else None, matrix)
    # Each case is a group of its own; it is never held out.
    groups = np.concatenate([material.groups[rows], material.groups.max() + 1 + np.arange(len(cases))])
    narrow = _Material([*decided, *cases], widened(matrix, directions), groups)
    names = [example.unit for example in narrow.examples]
    head = _fit(narrow, names, firmer=FIRMER, balance=BALANCE, with_logistic=True)
    return head and replace(head, fitted=folded(head.fitted, directions))
