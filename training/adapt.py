"""Learning from a backlog without labels: the office's own words, and its surest petitions as further examples.

A first model reads the backlog. Of each category the petitions it is surest of teach a second one, which also takes its vocabulary and
idf from the whole backlog. Few of each category: a backlog's frequent categories would otherwise crowd out the others
(docs/decisions/011). The second model is kept only if the gold set does not suffer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from classifier.bundle import Bundle, bundle_version
from classifier.errors import CorpusError, InputError
from classifier.features import Document
from classifier.predict import predict
from classifier.records import Reject, check_text, petitions
from classifier.tokenise import Tokeniser
from classifier.triage import read
from training.corpus import Example
from training.gold import gold_figures
from training.split import groups_of
from training.train import Progress, Sources, learn, load_reference, read_examples

#: A petition teaches if the first model is at least so sure of its category; at most so many of a category do.
SUREST, MOST_OF_A_CATEGORY = 0.6, 20
#: Figures of the gold set may fall by so much; otherwise the backlog is not learnt from.
TOLERANCE = 0.01
#: More texts than this say nothing new of an office's language; the first ones of a file are taken.
MOST_TEXTS = 50_000
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Adaptation:
    """What came of a backlog. `changes` is what the bundle's report keeps; `words` are frequent words of the backlog that were unknown.

    `bundle` is the adapted model if `kept`, else the model without the backlog.
    """

    bundle: Bundle
    kept: bool
    changes: dict[str, Any]
    words: tuple[str, ...]


def adapt(
    sources: Sources,
    unlabelled: Sequence[Path],
    progress: Progress,
    note: Callable[[str], None] = lambda _: None,
) -> Adaptation:
    """Train with a backlog beside the sources.

    Raises CorpusError when the files hold no text, when there is no gold set to check against, or when the sources teach no category;
    else as `training.train.train`.
    """
    reference = load_reference(sources, progress)
    examples = read_examples(sources, reference, progress, note)
    backlog = _read(unlabelled, reference.tokeniser, progress, note)
    first = learn(sources, reference, examples, (), progress)
    if first.category is None:
        raise CorpusError(
            "没有内容分类的标注，未标注的材料无从学起。请去掉 --no-seed，或给出带 category 列的 --data。"
        )
    with progress.step("判读未标注的材料", None):
        before = _suggested(first, backlog)
        taught = _surest(before, backlog)
    guesses = [
        Example(backlog[i], first.category.classes[before[i].argmax()], group=f"backlog-{i}", is_guess=True)
        for i in taught
    ]
    second = learn(sources, reference, [*examples, *guesses], backlog, progress)
    with progress.step("用金标准复核", None):
        after = _suggested(second, backlog)
        gold = [_gold(bundle, sources.corpora) for bundle in (first, second)]
    kept = all(gold[1][name] >= value - TOLERANCE for name, value in gold[0].items())
    known = set(first.vectoriser.vocabulary)
    changes = {
        "texts": len(backlog),
        "taught": len(taught),
        "categories_taught": len({example.category for example in guesses}),
        "new_words": len(set(second.vectoriser.vocabulary) - known),
        "changed_suggestions": round(float((_best(first, before) != _best(second, after)).mean()), 4),
        "confidence": [round(float(p.max(axis=1).mean()), 4) for p in (before, after)],
        "gold_before": gold[0],
        "gold_after": gold[1],
        "kept": kept,
    }
    bundle = replace(
        (second if kept else first),
        version="",
        report={**(second if kept else first).report, "unlabelled": changes},
    )
    return Adaptation(
        replace(bundle, version=bundle_version(bundle)), kept, changes, _new_words(backlog, known)
    )


def _read(
    files: Sequence[Path], tokeniser: Tokeniser, progress: Progress, note: Callable[[str], None]
) -> list[Document]:
    documents: list[Document] = []
    for path in files:
        rejected = 0
        with progress.step(f"读取 {path.name}", None) as tick:
            for item in petitions(path):
                if len(documents) >= MOST_TEXTS:
                    break
                tick()
                if isinstance(item, Reject):
                    rejected += 1
                    continue
                try:
                    check_text(item[1].title, item[1].text)
                except InputError:
                    rejected += 1
                    continue
                documents.append(read(item[1], tokeniser, bytes(32)).document)
        if rejected:
            note(f"{path.name}：{rejected} 行读不出正文，略过")
    if not documents:
        raise CorpusError("未标注的文件里没有可读的信访件。请检查文件和列名（可先用 fenban triage 试读）。")
    return documents


def _suggested(bundle: Bundle, documents: Sequence[Document]) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Probabilities of the categories, shape (documents, classes), float32."""
    found = [
        predict(bundle, documents[start : start + _BATCH]).category
        for start in range(0, len(documents), _BATCH)
    ]
    return np.concatenate([part.astype(np.float32) for part in found if part is not None])


def _surest(probabilities: np.ndarray[Any, np.dtype[np.float32]], documents: Sequence[Document]) -> list[int]:
    """The petitions to learn from: of each category the surest, one of each group of near copies."""
    confidence, best = probabilities.max(axis=1), probabilities.argmax(axis=1)
    groups = groups_of(documents, [""] * len(documents))
    seen: set[int] = set()
    count: dict[int, int] = {}
    taught = []
    for i in np.argsort(-confidence, kind="stable").tolist():
        category, group = int(best[i]), int(groups[i])
        if confidence[i] >= SUREST and group not in seen and count.get(category, 0) < MOST_OF_A_CATEGORY:
            seen.add(group)
            count[category] = count.get(category, 0) + 1
            taught.append(i)
    return sorted(taught)


def _best(
    bundle: Bundle, probabilities: np.ndarray[Any, np.dtype[np.float32]]
) -> np.ndarray[Any, np.dtype[np.str_]]:
    classes = bundle.category.classes if bundle.category else ()
    best: np.ndarray[Any, np.dtype[np.str_]] = np.array(classes)[probabilities.argmax(axis=1)]
    return best


def _gold(bundle: Bundle, corpora: Path) -> dict[str, float]:
    figures = gold_figures(bundle, corpora)
    names = ("category", "category_level1", "kind")
    return {name: figures[name]["accuracy"] for name in names if name in figures}


def _new_words(backlog: Sequence[Document], known: set[str], most: int = 20) -> tuple[str, ...]:
    """Words in the most petitions of the backlog that the first model did not know."""
    counts: dict[str, int] = {}
    for document in backlog:
        for word in set(document.words):
            if len(word) >= 2 and "\u4e00" <= word[0] <= "\u9fff" and word not in known:
                counts[word] = counts.get(word, 0) + 1
    return tuple(sorted(counts, key=lambda word: (-counts[word], word))[:most])
