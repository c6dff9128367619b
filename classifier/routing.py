"""Which unit should handle it: rules, categories, place, duties and past decisions, each with its ground.

`route` is total: whatever the category and place, at least one lead unit comes out (the directory's fallback, the petition
office, if nothing else). Accusation material never goes to the accused (Art. 30 of the regulation): a unit an accusation
names is left out, whatever speaks for it; only the fallback, which reports upward, stays.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from classifier.directory import Directory, District, Rule
from classifier.features import Document, is_word
from classifier.petition import Kind, Suggestion, UnitRole, UnitSuggestion
from classifier.taxonomy import Taxonomy
from classifier.tokenise import Tokeniser

# How much each ground can add to a unit's score. A rule outranks a category, a category outranks a likeness of duties.
# Past decisions of the office itself, where it has any, outrank all but rules.
_CATEGORY_LEAD, _CATEGORY_JOINT = 0.7, 0.3
_DUTY, _PLACE, _RULE, _FALLBACK = 0.35, 0.2, 0.95, 0.01
_LEARNED, _BESIDE_LEARNED = 0.85, 0.15
# ... the more so the more decisions there are: what the directory says is worth so many of them,
_DIRECTORY_WORTH = 300
# ... and the more of them name a unit: what speaks for it beside them counts half once it has so many,
_HALF_AT = 20
# and hardly where they never name it: the office may know why (docs/decisions/019).
_NEVER_DECIDED = 0.005
# A learned unit less likely than this has no ground of past decisions to show.
_GROUND_FLOOR = 0.05
# Duties count from this cosine on; below it two texts merely share common words. Set by hand, not measured.
_DUTY_FLOOR = 0.12

# What stands right before the name of an accused body, and what stands right after it.
_ACCUSING = re.compile(r"(?:举报|控告|检举|状告|揭发|投诉|实名反映)(?![到给至])[^，。；\s]{0,6}$")
_FAILING = re.compile(
    r"[^，。；\s]{0,8}?(?:工作人员|局长|副局长|科长|股长|所长|队长|院长|主任|书记|镇长|乡长|干部|领导(?!\s*[：:])|执法人员|职工"
    r"|不作为|乱作为|包庇|袒护|收受|索要|受贿|贪污|渎职|徇私|推诿|勾结|滥用)"
)
# What stands right before the name of a body that is asked or addressed.
_ASKED = re.compile(r"(?:请|尊敬的|敬爱的)[省市县区镇乡]?$")


@dataclass(slots=True)
class _Case:
    """What speaks for one unit so far."""

    score: float = 0.0
    grounds: list[str] = field(default_factory=list)

    def add(self, score: float, ground: str) -> None:
        self.score += score
        if ground and ground not in self.grounds:
            self.grounds.append(ground)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What rules ask about a petition. `respondents` are the units it complains of."""

    categories: Sequence[Suggestion]
    kind: Kind
    text: str
    place: District | None
    respondents: frozenset[str]


class Router:
    """A directory made ready for one taxonomy: duty texts are weighed once."""

    def __init__(self, directory: Directory, taxonomy: Taxonomy, tokeniser: Tokeniser) -> None:
        self.directory = directory
        self.taxonomy = taxonomy
        self._duties = _DutyIndex(directory, tokeniser)

    def route(
        self,
        categories: Sequence[Suggestion],
        kind: Kind,
        document: Document,
        district: str = "",
        learned: Mapping[str, float] | None = None,
        most: int = 3,
        decisions: Mapping[str, int] | None = None,
    ) -> tuple[UnitSuggestion, ...]:
        """Ranked units, best first, the first of them the lead.

        `document` is redacted. `learned` are a trained unit model's probabilities by unit name, `decisions` how often
        each unit was decided for in all it learnt from. Scores lie in 0 to 1. Never empty.
        """
        text = document.text
        place = self.directory.district_in(district, text)
        cases: dict[str, _Case] = {}
        respondents = self._accused_in(text)
        left_out = respondents - {self.directory.fallback} if kind is Kind.ACCUSATION else frozenset()
        facts = _Facts(categories, kind, text, place, respondents)
        rule_lead = self._apply_rules(cases, facts, left_out)
        self._apply_categories(cases, categories)
        for unit_id, likeness, words in self._duties.match(document.words):
            cases.setdefault(unit_id, _Case()).add(
                _DUTY * likeness, f"职责相符：{'、'.join(words)}" if words else ""
            )
        if place:
            cases.setdefault(place.unit, _Case()).add(_PLACE, f"属地：{place.name}（条例第五条、第二十二条）")
        if learned:
            self._apply_learned(cases, learned, decisions or {})
        for unit_id in left_out:
            cases.pop(unit_id, None)
        fallback = cases.setdefault(self.directory.fallback, _Case())
        fallback.add(
            _FALLBACK * (_NEVER_DECIDED if learned else 1),
            "" if len(cases) > 1 else "没有明确依据，由信访工作机构分办",
        )
        return self._ranked(cases, rule_lead, most)

    def _apply_rules(self, cases: dict[str, _Case], facts: _Facts, left_out: frozenset[str]) -> str:
        lead = ""
        for rule in self.directory.rules:
            if rule.unit in left_out:
                continue
            matched = _matches(rule, facts)
            if matched is None:
                continue
            if rule.role is UnitRole.LEAD:
                if lead:
                    continue
                lead = rule.unit
            score = _RULE if rule.role is UnitRole.LEAD else _CATEGORY_JOINT
            cases.setdefault(rule.unit, _Case()).add(score, f"规则 {rule.id}：{rule.ground}{matched}")
        return lead

    def _accused_in(self, text: str) -> frozenset[str]:
        """The units the text complains of, not those it merely asks to act (请住建局查处)."""
        return frozenset(
            unit.id
            for unit in self.directory.units.values()
            if any(_is_accused(text, name) for name in unit.names if name in text)
        )

    def _apply_categories(self, cases: dict[str, _Case], categories: Sequence[Suggestion]) -> None:
        for suggestion in categories:
            for assignment in self.directory.assigned(suggestion.code):
                is_lead = assignment.role is UnitRole.LEAD
                weight = _CATEGORY_LEAD if is_lead else _CATEGORY_JOINT
                cases.setdefault(assignment.unit, _Case()).add(
                    weight * suggestion.probability,
                    f"{self.taxonomy.path(assignment.category)}：{assignment.basis or assignment.role.value}",
                )

    def _apply_learned(
        self, cases: dict[str, _Case], learned: Mapping[str, float], decisions: Mapping[str, int]
    ) -> None:
        """Past decisions come first; what spoke for a unit until now becomes the smaller part."""
        named: Counter[str] = Counter()
        for name in decisions or learned:
            named[self._id_of(name)] += decisions.get(name, 0)
        known = named.total()
        few = _DIRECTORY_WORTH / (_DIRECTORY_WORTH + known) if known else 0.0
        for unit_id, case in cases.items():
            beside = (_BESIDE_LEARNED + (1 - _BESIDE_LEARNED) * few) * _HALF_AT / (_HALF_AT + named[unit_id])
            case.score *= beside if unit_id in named else _NEVER_DECIDED
        for name, probability in learned.items():
            count = decisions.get(name)
            share = f"{probability:.0%}，共办过 {count} 件" if count else f"{probability:.0%}"
            cases.setdefault(self._id_of(name), _Case()).add(
                _LEARNED * probability,
                f"以往同类件多由其承办（{share}）" if probability >= _GROUND_FLOOR else "",
            )

    def _id_of(self, name: str) -> str:
        """The id of the unit of that name, or the name where the directory has no such unit."""
        unit = self.directory.unit_named(name)
        return unit.id if unit else name

    def _ranked(self, cases: dict[str, _Case], rule_lead: str, most: int) -> tuple[UnitSuggestion, ...]:
        order = sorted(cases, key=lambda unit_id: (unit_id != rule_lead, -cases[unit_id].score, unit_id))[
            :most
        ]
        suggestions = []
        for rank, unit_id in enumerate(order):
            case, unit = cases[unit_id], self.directory.units.get(unit_id)
            suggestions.append(
                UnitSuggestion(
                    unit_id,
                    unit.name if unit else unit_id,
                    UnitRole.LEAD if rank == 0 else UnitRole.JOINT,
                    round(min(case.score, 1.0), 4),
                    tuple(case.grounds) or ("备选",),
                )
            )
        return tuple(suggestions)


def _matches(rule: Rule, facts: _Facts) -> str | None:
    """None if the rule does not hold, else the keyword that made it hold, in brackets, or ""."""
    if rule.kind and rule.kind is not facts.kind:
        return None
    if rule.categories and not (facts.categories and facts.categories[0].code.startswith(rule.categories)):
        return None
    if rule.district and not (facts.place and facts.place.code == rule.district):
        return None
    if rule.respondent and not (
        facts.respondents if rule.respondent == "*" else rule.respondent in facts.respondents
    ):
        return None
    if rule.keywords:
        word = next((word for word in rule.keywords if word in facts.text), None)
        return None if word is None else f"（“{word}”）"
    return ""


def _is_accused(text: str, name: str) -> bool:
    """Whether some mention of `name` has an accusation right before it, or its people or a failing right after."""
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        if not _ASKED.search(text, max(0, at - 4), at) and (
            _ACCUSING.search(text, max(0, at - 8), at) or _FAILING.match(text, end, end + 16)
        ):
            return True
        at = text.find(name, end)
    return False


class _DutyIndex:
    """TF-IDF over the words of the units' duty texts: how small units with unusual duties are reached."""

    def __init__(self, directory: Directory, tokeniser: Tokeniser) -> None:
        self._ids = list(directory.units)
        self._items = {
            unit.id: [(duty, _content_words(tokeniser.cut(duty))) for duty in unit.duties]
            for unit in directory.units.values()
        }
        words = [
            _content_words(tokeniser.cut("\n".join((*unit.names, *unit.duties))))
            for unit in directory.units.values()
        ]
        self._column = {word: i for i, word in enumerate(sorted(set[str]().union(*words)))}
        matrix = np.zeros((len(words), len(self._column)), dtype=np.float32)
        for row, found in enumerate(words):
            matrix[row, [self._column[word] for word in found]] = 1
        self._idf: npt.NDArray[np.float32] = np.log((1 + len(words)) / (1 + matrix.sum(axis=0))).astype(
            np.float32
        )
        matrix *= self._idf
        norms = np.linalg.norm(matrix, axis=1, keepdims=True)
        self._matrix = matrix / np.where(norms > 0, norms, 1)

    def match(self, words: Sequence[str], most: int = 3) -> list[tuple[str, float, tuple[str, ...]]]:
        """Units whose duties the words name: (unit id, cosine 0 to 1, the duty items that share most with them)."""
        present = _content_words(words)
        columns = [self._column[word] for word in sorted(present) if word in self._column]
        if not columns:
            return []
        query = self._idf[columns]
        likeness = self._matrix[:, columns] @ query / (float(np.linalg.norm(query)) or 1.0)
        order = np.argsort(-likeness, kind="stable")[:most]
        return [
            (self._ids[i], float(min(likeness[i], 1.0)), self._shared(self._ids[i], present))
            for i in order.tolist()
            if likeness[i] >= _DUTY_FLOOR
        ]

    def _shared(self, unit_id: str, present: set[str]) -> tuple[str, ...]:
        shared = sorted((-len(words & present), duty) for duty, words in self._items[unit_id])
        return tuple(duty for negative, duty in shared if negative)[:2]


def _content_words(words: Sequence[str]) -> set[str]:
    return {word for word in set(words) if len(word) >= 2 and is_word(word)}
