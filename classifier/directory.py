"""An office's units, duties and routing rules, as a folder of four CSV files it edits itself.

units.csv       id, name, parent, duties, aliases, fallback   one row a unit; the one with fallback=1 takes what fits nowhere
categories.csv  category, unit, role, basis                   which unit leads (主办) or joins (协办) for a category of any level
districts.csv   code, name, aliases, unit                     places, and the unit that is responsible on the spot
rules.csv       id, priority, keywords, category, kind, respondent, district, unit, role, ground
                                                              exceptions: all conditions that are filled in must hold; the
                                                              greatest priority wins
Several values in one cell are joined by `、`. Sources: docs/procedure.md and corpora/units/README.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from classifier.errors import DirectoryError
from classifier.petition import KIND_ALIASES, Kind, UnitRole
from classifier.tables import Row, parse_rows, raise_problems, read_text
from classifier.taxonomy import Taxonomy

_SEPARATOR = "、"
_ROLES = {role.value: role for role in UnitRole}


@dataclass(frozen=True, slots=True)
class Unit:
    """One handling unit. `duties` are what it does, in the words of its own duty list."""

    id: str
    name: str
    parent: str = ""
    duties: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class Assignment:
    """`unit` leads or joins for `category` and everything below it that has no assignment of its own."""

    category: str
    unit: str
    role: UnitRole
    basis: str


@dataclass(frozen=True, slots=True)
class District:
    code: str
    name: str
    aliases: tuple[str, ...]
    unit: str


@dataclass(frozen=True, slots=True)
class Rule:
    """An exception. Empty conditions hold always; `keywords` and `categories` need one of theirs to hold."""

    id: str
    priority: int
    unit: str
    role: UnitRole
    ground: str
    keywords: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    kind: Kind | None = None
    respondent: str = ""
    district: str = ""


@dataclass(frozen=True)
class Directory:
    """A validated directory; every reference in it resolves and there is exactly one fallback unit."""

    units: dict[str, Unit]
    assignments: tuple[Assignment, ...]
    districts: dict[str, District]
    rules: tuple[Rule, ...]
    fallback: str
    name: str = ""

    def assigned(self, category: str) -> tuple[Assignment, ...]:
        """The assignments of the category or of its nearest ancestor that has any."""
        for length in range(len(category), 0, -2):
            found = self._by_category.get(category[:length])
            if found:
                return found
        return ()

    @cached_property
    def _by_category(self) -> dict[str, tuple[Assignment, ...]]:
        found: dict[str, list[Assignment]] = {}
        for assignment in self.assignments:
            found.setdefault(assignment.category, []).append(assignment)
        return {code: tuple(items) for code, items in found.items()}

    def unit_named(self, text: str) -> Unit | None:
        """The unit with this id, name or alias."""
        return self.units.get(text) or self._by_name.get(text)

    @cached_property
    def _by_name(self) -> dict[str, Unit]:
        return {name: unit for unit in self.units.values() for name in unit.names}

    def district_in(self, given: str, text: str) -> District | None:
        """The district the form names or, failing that, the one the text names first (the longest name wins a tie)."""
        if given:
            known = self.districts.get(given) or self._district_by_name.get(given)
            if known:
                return known
        found = [(at, -len(name), name) for name in self._district_by_name if (at := text.find(name)) >= 0]
        return self._district_by_name[min(found)[2]] if found else None

    @cached_property
    def _district_by_name(self) -> dict[str, District]:
        return {
            name: district
            for district in self.districts.values()
            for name in (district.name, *district.aliases)
        }


def load_directory(folder: Path, taxonomy: Taxonomy) -> Directory:
    """Load and check a folder. Raises DirectoryError listing every problem with file and line."""
    if not folder.is_dir():
        raise DirectoryError(f"找不到单位目录 {folder.name}。请给出含 units.csv 等四个文件的文件夹。")
    loader = _Loader(folder, taxonomy)
    directory = loader.load()
    raise_problems(loader.problems, DirectoryError)
    return directory


class _Loader:
    """Reads the four files in order, gathering problems instead of stopping at the first."""

    def __init__(self, folder: Path, taxonomy: Taxonomy) -> None:
        self._folder = folder
        self._taxonomy = taxonomy
        self.problems: list[str] = []

    def load(self) -> Directory:
        units, fallback = self._units()
        self._known = set(units)
        assignments = self._assignments()
        districts = self._districts()
        rules = self._rules(districts)
        leads = {a.category for a in assignments if a.role is UnitRole.LEAD}
        for category in self._taxonomy.level(1):
            covered = category.code in leads or all(
                child.code in leads for child in self._taxonomy.children(category.code)
            )
            if not covered:
                self.problems.append(
                    f"categories.csv：一级分类 {category.code} {category.name} 没有主办单位，也没有逐个二级分类写明"
                )
        return Directory(units, assignments, districts, rules, fallback, self._folder.name)

    def _rows(self, file: str, needed: tuple[str, ...]) -> list[Row]:
        return parse_rows(read_text(self._folder / file, DirectoryError), needed, file, DirectoryError)

    def _units(self) -> tuple[dict[str, Unit], str]:
        units: dict[str, Unit] = {}
        fallbacks: list[str] = []
        parents: list[tuple[int, str, str]] = []
        for line, row in self._rows("units.csv", ("id", "name", "duties", "fallback")):
            unit_id, name = row["id"], row["name"]
            if not unit_id or not name:
                self._problem("units.csv", line, "id 和 name 都要写")
            elif unit_id in units:
                self._problem("units.csv", line, f"单位 id“{unit_id}”重复")
            elif any(unit.name == name for unit in units.values()):
                self._problem("units.csv", line, f"单位名称“{name}”重复")
            else:
                parent = row.get("parent", "")
                units[unit_id] = Unit(
                    unit_id, name, parent, _split(row["duties"]), _split(row.get("aliases", ""))
                )
                if row["fallback"] == "1":
                    fallbacks.append(unit_id)
                if parent:
                    parents.append((line, unit_id, parent))
        for line, unit_id, parent in parents:
            if parent not in units or parent == unit_id:
                self._problem("units.csv", line, f"上级单位“{parent}”不存在")
        if len(fallbacks) != 1:
            self.problems.append(f"units.csv：应有且只有一个兜底单位（fallback=1），现有 {len(fallbacks)} 个")
        return units, fallbacks[0] if fallbacks else ""

    def _assignments(self) -> tuple[Assignment, ...]:
        found: list[Assignment] = []
        seen: set[tuple[str, str]] = set()
        for line, row in self._rows("categories.csv", ("category", "unit", "role", "basis")):
            category, unit = row["category"], row["unit"]
            good = self._check_category("categories.csv", line, category)
            good &= self._check_unit("categories.csv", line, unit)
            good &= self._check_role("categories.csv", line, row["role"])
            if (category, unit) in seen:
                self._problem("categories.csv", line, f"分类 {category} 与单位 {unit} 已经写过")
            elif good:
                seen.add((category, unit))
                found.append(Assignment(category, unit, _ROLES[row["role"]], row["basis"]))
        return tuple(found)

    def _districts(self) -> dict[str, District]:
        found: dict[str, District] = {}
        for line, row in self._rows("districts.csv", ("code", "name", "unit")):
            code, name, unit = row["code"], row["name"], row["unit"]
            if not code or not name or code in found:
                self._problem("districts.csv", line, f"辖区代码“{code}”缺失或重复，或没有名称")
            elif self._check_unit("districts.csv", line, unit):
                found[code] = District(code, name, _split(row.get("aliases", "")), unit)
        return found

    def _rules(self, districts: dict[str, District]) -> tuple[Rule, ...]:
        found: dict[str, Rule] = {}
        for line, row in self._rows("rules.csv", ("id", "priority", "unit", "role", "ground")):
            rule = self._rule(line, row, districts)
            if rule and rule.id in found:
                self._problem("rules.csv", line, f"规则编号“{rule.id}”重复")
            elif rule:
                found[rule.id] = rule
        return tuple(sorted(found.values(), key=lambda rule: (-rule.priority, rule.id)))

    def _rule(self, line: int, row: dict[str, str], districts: dict[str, District]) -> Rule | None:
        keywords, categories = _split(row.get("keywords", "")), _split(row.get("category", ""))
        kind, respondent, district = row.get("kind", ""), row.get("respondent", ""), row.get("district", "")
        good = bool(row["id"])
        if not good:
            self._problem("rules.csv", line, "没有写规则编号（id）")
        if not row["priority"].removeprefix("-").isdecimal():
            good = self._problem("rules.csv", line, f"优先级“{row['priority']}”不是整数")
        if not (keywords or categories or kind or respondent or district):
            good = self._problem("rules.csv", line, "没有任何条件：会命中所有信访件")
        if kind and kind not in KIND_ALIASES:
            good = self._problem("rules.csv", line, f"诉求类型“{kind}”不存在")
        if district and district not in districts:
            good = self._problem("rules.csv", line, f"辖区“{district}”不在 districts.csv 里")
        if respondent and respondent != "*":
            good &= self._check_unit("rules.csv", line, respondent)
        for code in categories:
            good &= self._check_category("rules.csv", line, code)
        good &= self._check_unit("rules.csv", line, row["unit"])
        good &= self._check_role("rules.csv", line, row["role"])
        if not good:
            return None
        return Rule(
            row["id"], int(row["priority"]), row["unit"], _ROLES[row["role"]], row["ground"], keywords, categories,
            KIND_ALIASES[kind] if kind else None, respondent, district,
        )  # fmt: skip

    def _problem(self, file: str, line: int, what: str) -> bool:
        self.problems.append(f"{file} 第 {line} 行：{what}")
        return False

    def _check_unit(self, file: str, line: int, unit: str) -> bool:
        return unit in self._known or self._problem(file, line, f"单位“{unit}”不在 units.csv 里")

    def _check_category(self, file: str, line: int, code: str) -> bool:
        return code in self._taxonomy or self._problem(file, line, f"分类代码“{code}”不在分类表里")

    def _check_role(self, file: str, line: int, role: str) -> bool:
        return role in _ROLES or self._problem(file, line, f"角色“{role}”应为 主办 或 协办")


def _split(cell: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part for part in (piece.strip() for piece in cell.split(_SEPARATOR)) if part))
