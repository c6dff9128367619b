"""What a model learns from: seed petitions, taxonomy names and terms, and an office's own labelled files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from classifier.errors import CorpusError, InputError, UnknownCodeError
from classifier.features import Document
from classifier.lexicon import Lexicon
from classifier.petition import KIND_ALIASES, Petition
from classifier.records import Reject, check_text, petitions
from classifier.tables import raise_problems, read_text
from classifier.taxonomy import Taxonomy
from classifier.tokenise import Tokeniser
from classifier.triage import read

# Identity hashes are made and thrown away here: no label carries one.
_NO_SECRET = bytes(32)
_SEED_FIELDS = ("id", "title", "text", "category", "kind", "channel", "unit_role")
# A node's list of terms weighs as much as three petitions (the sweep is in docs/decisions/004).
_TERMS_WEIGHT = 3.0


@dataclass(frozen=True, slots=True)
class Example:
    """One text to learn from. `category` is a code of any level or "", `kind` and `unit` may be "".

    `group` holds texts together that must not be split between training and testing. `is_terms` marks a list of terms, which
    teaches but is no petition to test on; `is_seed` a petition written for the project,
    `is_guess` one whose label a model gave, which is not tested on either. `returned` are units that sent it back: never the answer.
    """

    document: Document
    category: str = ""
    kind: str = ""
    unit: str = ""
    alternative: str = ""
    group: str = ""
    weight: float = 1.0
    is_terms: bool = False
    is_seed: bool = False
    is_guess: bool = False
    returned: tuple[str, ...] = ()


def load_seed(folder: Path, taxonomy: Taxonomy) -> list[dict[str, str]]:
    """The rows of every `NN.jsonl`. Raises CorpusError naming file and line of each row that is not as corpora/README.md says."""
    rows: list[dict[str, str]] = []
    problems: list[str] = []
    seen: set[str] = set()
    for file in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(read_text(file, CorpusError).split("\n"), start=1):
            if not line.strip():
                continue
            problem, row = _seed_row(line, taxonomy, seen)
            if problem:
                problems.append(f"{file.name} 第 {number} 行：{problem}")
            else:
                seen.add(row["id"])
                rows.append(row)
    if not rows and not problems:
        problems.append(f"{folder.name} 里没有任何种子信访件（*.jsonl）")
    raise_problems(problems, CorpusError)
    return rows


def _seed_row(line: str, taxonomy: Taxonomy, seen: set[str]) -> tuple[str, dict[str, str]]:
    try:
        row = json.loads(line)
    except ValueError:
        return "不是 JSON", {}
    missing = [
        name for name in _SEED_FIELDS if not isinstance(row, dict) or not isinstance(row.get(name), str)
    ]
    if missing:
        return f"缺少 {'、'.join(missing)}", {}
    if row["id"] in seen:
        return f"编号 {row['id']} 重复", {}
    if row["category"] not in taxonomy or len(row["category"]) != 6:
        return f"分类 {row['category'][:20]} 不是三级代码", {}
    if row["kind"] not in KIND_ALIASES:
        return f"诉求类型“{row['kind'][:20]}”不存在", {}
    return "", row


def seed_examples(
    rows: Sequence[Mapping[str, str]], tokeniser: Tokeniser, tick: Callable[[], object] = lambda: None
) -> Iterator[Example]:
    for row in rows:
        document = document_of(Petition(row["id"], row["title"], row["text"]), tokeniser)
        tick()
        yield Example(
            document,
            row["category"][:4],
            KIND_ALIASES[row["kind"]].value,
            alternative=row.get("alternative", "")[:4],
            group=row["id"],
            is_seed=True,
        )


def term_examples(taxonomy: Taxonomy, lexicon: Lexicon, tokeniser: Tokeniser) -> Iterator[Example]:
    """The names and terms of each level-3 node as a text of their own, labelled with its level-2 node."""
    for category in taxonomy.level(3):
        entry = lexicon.entries.get(category.code)
        names = [taxonomy[category.parent].name, category.name]
        words = [name for name in names if name != "其他"] + list(entry.terms if entry else ())
        if words:
            document = document_of(Petition(category.code, "", "，".join(words)), tokeniser)
            yield Example(
                document, category.parent, group=f"terms-{category.code}", weight=_TERMS_WEIGHT, is_terms=True
            )


@dataclass(frozen=True, slots=True)
class LabelledFile:
    """What a file teaches, and the rows it could not use."""

    examples: tuple[Example, ...]
    rejects: tuple[Reject, ...]

    def complaint(self, path: Path) -> str:
        """The rejects in one line: how many, and the first of them."""
        first = self.rejects[0]
        return f"{path.name}：{len(self.rejects)} 行用不上，例如第 {first.line} 行：{first.reason}"


def load_labelled(
    path: Path, taxonomy: Taxonomy, tokeniser: Tokeniser, tick: Callable[[], object] = lambda: None
) -> LabelledFile:
    """The rows of a file that carry a category, kind or unit. Unknown labels make a row a reject.

    Raises UnreadableFileError, ColumnError; CorpusError when no row carries a label.
    """
    examples: list[Example] = []
    rejects: list[Reject] = []
    for item in petitions(path):
        tick()
        if isinstance(item, Reject):
            rejects.append(item)
            continue
        record, petition = item
        try:
            check_text(petition.title, petition.text)
            labels = labels_of(record.fields, taxonomy)
        except InputError as problem:
            rejects.append(Reject(item[0].line, str(problem), tuple(record.fields.values())))
            continue
        if any((labels.category, labels.kind, labels.unit)):
            document = document_of(petition, tokeniser)
            examples.append(replace(labels, document=document, group=record["group"] or group_of(petition)))
    if not examples:
        reason = (
            f"例如第 {rejects[0].line} 行：{rejects[0].reason}"
            if rejects
            else "没有 category、kind 或 unit 列"
        )
        raise CorpusError(f"{path.name} 里没有可用的标注（{reason}）。")
    return LabelledFile(tuple(examples), tuple(rejects))


def labels_of(fields: Mapping[str, str], taxonomy: Taxonomy) -> Example:
    category, alternative, kind = (fields.get(name, "") for name in ("category", "alternative", "kind"))
    if kind and kind not in KIND_ALIASES:
        raise UnknownCodeError(f"诉求类型“{kind[:20]}”不存在")
    return Example(
        _NOTHING,
        taxonomy.find(category)[:4] if category else "",
        KIND_ALIASES[kind].value if kind else "",
        fields.get("unit", ""),
        taxonomy.find(alternative)[:4] if alternative else "",
    )


_NOTHING = Document("", 0, ())


def document_of(petition: Petition, tokeniser: Tokeniser) -> Document:
    return read(petition, tokeniser, _NO_SECRET).document


def group_of(petition: Petition) -> str:
    """The same title, or without one the same beginning, is taken for the same letter sent again."""
    return petition.title.strip() or petition.text.strip()[:50]


def count_by(examples: Iterable[Example], attribute: str) -> dict[str, int]:
    counts: dict[str, int] = {}
    for example in examples:
        value = getattr(example, attribute)
        if value:
            counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items()))
