"""The three-level classification of petition contents, as an office's file has it.

`taxonomy.csv` has the columns code, name, parent. Codes have two, four or six digits by level and begin with their
parent's. An optional `headings.csv` (heading, code) maps an office's own few headings (组织人事 / 民生 / 历史遗留 …) on top:
the longest code that covers a category gives its heading.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from classifier.errors import TaxonomyError, UnknownCodeError
from classifier.tables import parse_rows, raise_problems, read_text

_CODE = re.compile(r"(?:\d{2}){1,3}")


@dataclass(frozen=True)
class Category:
    """One node. `level` is 1, 2 or 3."""

    code: str
    name: str
    parent: str

    @property
    def level(self) -> int:
        return len(self.code) // 2


@dataclass(frozen=True)
class Taxonomy:
    """All nodes by code, in file order."""

    categories: dict[str, Category]
    headings: dict[str, str] = field(default_factory=dict)

    def __contains__(self, code: object) -> bool:
        return code in self.categories

    def __getitem__(self, code: str) -> Category:
        try:
            return self.categories[code]
        except KeyError:
            raise UnknownCodeError(
                f"分类代码“{code[:20]}”不存在。请用 fenban 或 /v1/taxonomy 查看现有代码。"
            ) from None

    def level(self, level: int) -> tuple[Category, ...]:
        return tuple(c for c in self.categories.values() if c.level == level)

    def children(self, code: str) -> tuple[Category, ...]:
        return self._children.get(code, ())

    @cached_property
    def _children(self) -> dict[str, tuple[Category, ...]]:
        found: dict[str, list[Category]] = {}
        for category in self.categories.values():
            found.setdefault(category.parent, []).append(category)
        return {code: tuple(children) for code, children in found.items()}

    def path(self, code: str) -> str:
        """The names from level 1 down: `城乡建设 › 城乡规划 › 违章建筑`."""
        return " › ".join(self[code[: 2 * level]].name for level in range(1, self[code].level + 1))

    def heading(self, code: str) -> str:
        """The office's own heading for a category, or "" when none is mapped."""
        for length in range(len(code), 0, -2):
            if code[:length] in self.headings:
                return self.headings[code[:length]]
        return ""

    def find(self, text: str) -> str:
        """The code that a code, a path, or a name unique on level 1 or else level 2 stands for.

        Raises UnknownCodeError when nothing or more than one node fits.
        """
        text = text.strip()
        if text in self.categories:
            return text
        if text.isdigit() and f"0{text}" in self.categories:  # spreadsheets drop the leading zero
            return f"0{text}"
        for names in (self._by_path, self._by_name):
            if text in names:
                if len(names[text]) == 1:
                    return names[text][0]
                choices = "、".join(f"{code} {self.path(code)}" for code in names[text][:4])
                raise UnknownCodeError(f"分类名称“{text[:20]}”不止一个：{choices}。请写代码。")
        raise UnknownCodeError(f"分类“{text[:20]}”不存在。请写分类代码，或一级、二级分类的名称。")

    @cached_property
    def _by_path(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for code in self.categories:
            for path in {self.path(code), self.path(code).replace(" ", "")}:
                found.setdefault(path, []).append(code)
        return found

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """Names of level 1 win over level 2 over level 3; a name twice on its level is ambiguous."""
        found: dict[str, list[str]] = {}
        for category in sorted(self.categories.values(), key=lambda c: c.level):
            codes = found.setdefault(category.name, [])
            if not codes or self.categories[codes[0]].level == category.level:
                codes.append(category.code)
        return found

    def to_csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["code", "name", "parent"])
        writer.writerows([c.code, c.name, c.parent] for c in self.categories.values())
        return out.getvalue()

    def headings_csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["heading", "code"])
        writer.writerows([heading, code] for code, heading in self.headings.items())
        return out.getvalue()


def load_taxonomy(path: Path) -> Taxonomy:
    """Load `taxonomy.csv` (a file, or a folder that has it, with `headings.csv` beside it if there is one).

    Raises TaxonomyError naming each wrong line: a bad code, a doubled code, a parent that is missing or not the code's
    prefix, an empty name, two siblings of one name.
    """
    file = path / "taxonomy.csv" if path.is_dir() else path
    categories = parse_taxonomy(read_text(file, TaxonomyError), file.name)
    headings_file = file.with_name("headings.csv")
    headings = (
        parse_headings(read_text(headings_file, TaxonomyError), categories, headings_file.name)
        if headings_file.exists()
        else {}
    )
    return Taxonomy(categories, headings)


def parse_taxonomy(text: str, source: str = "taxonomy.csv") -> dict[str, Category]:
    rows = parse_rows(text, ("code", "name"), source, TaxonomyError)
    categories: dict[str, Category] = {}
    lines: dict[str, int] = {}
    problems: list[str] = []
    for line, row in rows:
        code, name = row["code"], row["name"]
        parent = row.get("parent") or code[:-2]
        if not _CODE.fullmatch(code):
            problems.append(f"{source} 第 {line} 行：代码“{code[:20]}”不是 2、4 或 6 位数字")
        elif code in lines:
            problems.append(f"{source} 第 {line} 行：代码 {code} 与第 {lines[code]} 行重复")
        elif not name:
            problems.append(f"{source} 第 {line} 行：代码 {code} 没有名称")
        elif parent != code[:-2]:
            problems.append(
                f"{source} 第 {line} 行：代码 {code} 的上级应为“{code[:-2]}”，写的是“{parent[:20]}”"
            )
        else:
            lines[code] = line
            categories[code] = Category(code, name, parent)
    siblings: dict[tuple[str, str], str] = {}
    for category in categories.values():
        if category.parent and category.parent not in categories:
            problems.append(
                f"{source} 第 {lines[category.code]} 行：代码 {category.code} 的上级 {category.parent} 不存在"
            )
        twin = siblings.setdefault((category.parent, category.name), category.code)
        if twin != category.code:
            problems.append(f"{source} 第 {lines[category.code]} 行：“{category.name}”与 {twin} 同级同名")
    if not categories and not problems:
        problems.append(f"{source}：没有任何分类")
    raise_problems(problems, TaxonomyError)
    return categories


def parse_headings(
    text: str, categories: dict[str, Category], source: str = "headings.csv"
) -> dict[str, str]:
    headings: dict[str, str] = {}
    problems: list[str] = []
    for line, row in parse_rows(text, ("heading", "code"), source, TaxonomyError):
        heading, code = row["heading"], row["code"]
        if code not in categories:
            problems.append(f"{source} 第 {line} 行：代码“{code[:20]}”不在分类表里")
        elif not heading:
            problems.append(f"{source} 第 {line} 行：没有写标题（heading）")
        elif code in headings:
            problems.append(f"{source} 第 {line} 行：代码 {code} 已经归到“{headings[code]}”")
        else:
            headings[code] = heading
    raise_problems(problems, TaxonomyError)
    return headings
