"""The words people really use for a category: per level-3 node, terms that speak for it and terms that exclude it.

A folder of CSV files with the columns code, name, terms, excludes; terms are joined by `、`. Used for the segmenter's dictionary, as
training texts, and to choose level 3 within level 2.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

from classifier.errors import CorpusError
from classifier.normalise import normalised
from classifier.tables import parse_rows, raise_problems, read_text
from classifier.taxonomy import Taxonomy

_SEPARATOR = "、"


@dataclass(frozen=True, slots=True)
class Entry:
    """What a category is called. All terms are normalised."""

    terms: tuple[str, ...]
    excludes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Lexicon:
    entries: dict[str, Entry]

    def dictionary(self) -> tuple[str, ...]:
        """Terms worth keeping whole when cutting words: two to six ideographs, in a fixed order."""
        terms = {term for entry in self.entries.values() for term in entry.terms if 2 <= len(term) <= 6}
        return tuple(sorted(term for term in terms if all("\u4e00" <= c <= "\u9fff" for c in term)))

    def to_csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["code", "terms", "excludes"])
        for code, entry in sorted(self.entries.items()):
            writer.writerow([code, _SEPARATOR.join(entry.terms), _SEPARATOR.join(entry.excludes)])
        return out.getvalue()


def load_lexicon(folder: Path, taxonomy: Taxonomy) -> Lexicon:
    """Load every `*.csv` of a folder. Raises CorpusError naming each wrong line; an absent folder is an empty lexicon."""
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    for file in sorted(folder.glob("*.csv")):
        _parse(read_text(file, CorpusError), file.name, taxonomy, entries, problems)
    raise_problems(problems, CorpusError)
    return Lexicon(entries)


def parse_lexicon(text: str, taxonomy: Taxonomy, source: str = "lexicon.csv") -> Lexicon:
    entries: dict[str, Entry] = {}
    problems: list[str] = []
    _parse(text, source, taxonomy, entries, problems)
    raise_problems(problems, CorpusError)
    return Lexicon(entries)


def _parse(
    text: str, source: str, taxonomy: Taxonomy, entries: dict[str, Entry], problems: list[str]
) -> None:
    for line, row in parse_rows(text, ("code", "terms"), source, CorpusError):
        code = row["code"]
        if code not in taxonomy:
            problems.append(f"{source} 第 {line} 行：代码“{code[:20]}”不在分类表里")
        elif code in entries:
            problems.append(f"{source} 第 {line} 行：代码 {code} 重复")
        else:
            entries[code] = Entry(_terms(row["terms"]), _terms(row.get("excludes", "")))


def _terms(text: str) -> tuple[str, ...]:
    # One cell is normalised as a whole: the separator stays what it is, and a call a term would cost ten times as much.
    terms = (term.strip() for term in normalised(text).split(_SEPARATOR))
    return tuple(dict.fromkeys(term for term in terms if term))
