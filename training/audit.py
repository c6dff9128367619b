"""Whether a corpus is fit to learn from: enough of everything, no copies, no template farms, nobody's data. Pure functions.

`fenban corpora check` shows what `audit` finds. The rules are those of corpora/README.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifier.features import distinct
from classifier.lexicon import load_lexicon
from classifier.links.terms import Hashes, resemblance, shingles
from classifier.normalise import normalised
from classifier.redact import redact
from classifier.taxonomy import Taxonomy, load_taxonomy
from training.corpus import load_seed
from training.links import Pair, load_pairs

#: Fewest petitions in all, for each level-2 and for each level-3 node; fewest in the gold set.
FEWEST, FEWEST_LEVEL2, FEWEST_LEVEL3, FEWEST_GOLD = 4_000, 24, 3, 400
#: Fewest pairs for the link model.
FEWEST_PAIRS = 600
#: A level-3 node has so many terms in the lexicon.
FEWEST_TERMS, MOST_TERMS = 8, 30
#: Two texts whose runs of six characters overlap to this Dice coefficient are near copies.
NEAR_COPY = 0.35
#: A run of this many characters in this many petitions is a template. Titles of laws in 《》 are not counted.
TEMPLATE_LENGTH, TEMPLATE_PETITIONS = 14, 3
#: Characters of a petition's text.
SHORTEST, LONGEST = 12, 1_250
#: A sentence of this many characters that also stands in a text of others was not written for this corpus.
FOREIGN_SENTENCE = 12

Row = Mapping[str, str]
# Names in seed petitions are invented and partly masked (王某); numbers that identify somebody must not occur at all.
_NUMBERS = {"身份证号", "手机号", "固定电话", "银行卡号", "车牌号", "护照号", "邮箱", "QQ号", "微信号"}
_LAW = re.compile(r"《[^》]*》")
_SENTENCE_END = re.compile(r"[。！？!?；;\n]+")
_NOT_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Audit:
    """`problems` in words, a line each; `figures` for people and for `--json`."""

    figures: dict[str, Any]
    problems: tuple[str, ...]


def audit(corpora: Path, foreign: Iterable[str] = ()) -> Audit:
    """Check seed, gold set and lexicon of a corpora folder; `foreign` are texts no sentence may be taken from.

    Raises CorpusError where a file cannot be read as what it should be.
    """
    taxonomy = load_taxonomy(corpora / "taxonomy")
    seed = load_seed(corpora / "seed", taxonomy)
    gold = load_seed(corpora / "gold", taxonomy) if (corpora / "gold").is_dir() else []
    pairs = load_pairs(corpora / "pairs")
    paired = [
        {"id": one.id, "title": one.title, "text": one.text} for pair in pairs for one in (pair.a, pair.b)
    ]
    problems = [
        *_counts(seed, gold, taxonomy),
        *_pairs(pairs),
        *_terms(corpora, taxonomy),
        *_rows(seed + gold + paired),
        *_copies(seed, gold),
        *_templates(seed + gold),
        *_foreign(seed + gold + paired, foreign),
    ]
    figures = {
        "seed": _figures(seed),
        "gold": _figures(gold),
        "pairs": {"pairs": len(pairs), "same_matter": sum(pair.is_same for pair in pairs)},
    }
    return Audit(figures, tuple(problems))


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    lengths = np.array([len(row["text"]) for row in rows] or [0])
    return {
        "petitions": len(rows),
        "level2": dict(sorted(Counter(row["category"][:4] for row in rows).items())),
        "kinds": dict(Counter(row["kind"] for row in rows).most_common()),
        "channels": dict(Counter(row["channel"] for row in rows).most_common()),
        "lengths": {f"{q}%": int(np.percentile(lengths, q)) for q in (0, 10, 25, 50, 75, 90, 100)},
        "without_title": sum(not row["title"] for row in rows),
    }


def _counts(seed: Sequence[Row], gold: Sequence[Row], taxonomy: Taxonomy) -> Iterable[str]:
    if len(seed) < FEWEST:
        yield f"种子信访件 {len(seed)} 件，应不少于 {FEWEST} 件"
    if len(gold) < FEWEST_GOLD:
        yield f"金标准信访件 {len(gold)} 件，应不少于 {FEWEST_GOLD} 件"
    for level, fewest in ((2, FEWEST_LEVEL2), (3, FEWEST_LEVEL3)):
        found = Counter(row["category"][: 2 * level] for row in seed)
        for category in taxonomy.level(level):
            if found[category.code] < fewest:
                yield f"{taxonomy.path(category.code)}（{category.code}）只有 {found[category.code]} 件，应不少于 {fewest} 件"


def _pairs(pairs: Sequence[Pair]) -> Iterable[str]:
    if len(pairs) < FEWEST_PAIRS:
        yield f"成对信访件 {len(pairs)} 对，应不少于 {FEWEST_PAIRS} 对"
    same = sum(pair.is_same for pair in pairs)
    if pairs and not 0.3 <= same / len(pairs) <= 0.7:
        yield f"成对信访件里同一事项占 {same / len(pairs):.0%}，应在三成到七成之间"


def _terms(corpora: Path, taxonomy: Taxonomy) -> Iterable[str]:
    entries = load_lexicon(corpora / "lexicon", taxonomy).entries
    for category in taxonomy.level(3):
        count = len(entries[category.code].terms) if category.code in entries else 0
        if not FEWEST_TERMS <= count <= MOST_TERMS:
            yield f"词表里 {category.code} {category.name} 有 {count} 个词，应为 {FEWEST_TERMS} 至 {MOST_TERMS} 个"


def _rows(rows: Sequence[Row]) -> Iterable[str]:
    for row in rows:
        if not SHORTEST <= len(row["text"]) <= LONGEST:
            yield f"{row['id']} 正文 {len(row['text'])} 字，应为 {SHORTEST} 至 {LONGEST} 字"
        found = redact(normalised(f"{row['title']}\n{row['text']}"))[2]
        for kind in sorted({item.kind for item in found} & _NUMBERS):
            yield f"{row['id']} 里有像真的{kind}"


def _copies(seed: Sequence[Row], gold: Sequence[Row]) -> Iterable[str]:
    rows = [*seed, *gold]
    hashes = [distinct(shingles(row["text"])[0]) for row in rows]
    owners, starts, _ = _shared(hashes)
    sizes = np.diff(starts)
    last = np.repeat(starts[1:], sizes)
    pairs = [np.zeros(0, dtype=np.int64)]
    for step in range(1, int(sizes.max())):
        # The holders of one shingle stand side by side: neighbours at each distance are pairs.
        first = np.flatnonzero(last > np.arange(len(owners)) + step)
        pairs.append(owners[first] * len(rows) + owners[first + step])
    found, counts = np.unique(np.concatenate(pairs), return_counts=True)
    for pair, count in zip(found.tolist(), counts.tolist(), strict=True):
        a, b = divmod(pair, len(rows))
        shorter = min(len(hashes[a]), len(hashes[b]))
        if 2 * count >= NEAR_COPY * shorter and resemblance(hashes[a], hashes[b]) >= NEAR_COPY:
            yield f"{rows[a]['id']} 和 {rows[b]['id']} 几乎相同"


def _templates(rows: Sequence[Row]) -> Iterable[str]:
    found = [shingles(_LAW.sub("", f"{row['title']}\n{row['text']}"), TEMPLATE_LENGTH) for row in rows]
    owners, starts, values = _shared([distinct(hashes) for hashes, _, _ in found])
    # One run a group of petitions: its neighbours shifted by a character say the same again.
    farms: dict[tuple[int, ...], str] = {}
    for group in np.flatnonzero(np.diff(starts) >= TEMPLATE_PETITIONS).tolist():
        at = starts[group]
        holders = tuple(owners[at : starts[group + 1]].tolist())
        if holders not in farms:
            hashes, _, plain = found[holders[0]]
            first = int(np.flatnonzero(hashes == values[at])[0])
            farms[holders] = plain[first : first + TEMPLATE_LENGTH]
    for holders, run in sorted(farms.items(), key=lambda farm: farm[1]):
        ids = sorted(rows[h]["id"] for h in holders)
        yield f"“{run}”在 {len(ids)} 件里重复：{'、'.join(ids[:4])}"


def _shared(hashes: Sequence[Hashes]) -> tuple[Hashes, Hashes, Hashes]:
    """The rows that hold each hash, rising; where those of one hash begin, with one more for the end; and the hash of each place."""
    together = np.concatenate(hashes)
    owner = np.repeat(np.arange(len(hashes)), [len(own) for own in hashes])
    order = np.argsort(together, kind="stable")
    rising = together[order]
    starts = np.concatenate([[0], np.flatnonzero(rising[1:] != rising[:-1]) + 1, [len(rising)]])
    return owner[order], starts, rising


def _foreign(rows: Sequence[Row], foreign: Iterable[str]) -> Iterable[str]:
    known = {sentence for text in foreign for sentence in _sentences(text)}
    for row in rows:
        for sentence in _sentences(f"{row['title']}\n{row['text']}"):
            if sentence in known:
                yield f"{row['id']} 的句子“{sentence[:20]}”不是为本项目写的"


def _sentences(text: str) -> Iterable[str]:
    for sentence in _SENTENCE_END.split(normalised(text)):
        plain = _NOT_LETTERS.sub("", sentence)
        if len(plain) >= FOREIGN_SENTENCE:
            yield plain
