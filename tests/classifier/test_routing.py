"""Which unit should handle it: total, explained, and never the accused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.bundle import Bundle
from classifier.directory import Directory, load_directory
from classifier.features import Document
from classifier.petition import Kind, Suggestion, UnitRole, UnitSuggestion
from classifier.routing import Router
from classifier.taxonomy import Taxonomy

_UNITS = Path(__file__).resolve().parents[2] / "corpora" / "units"
_PRESETS = ("county", "township", "company")
# Words that rules, accusations, places and duties turn on, to be strung together at random.
_PIECES = (
    "我举报", "纪委干部", "住建局", "不作为", "工作人员收受红包", "泄露举报人", "房管局的局长", "物业费", "青石镇", "柏垭村", "请", "查处",
    "法院判决已经生效", "投诉", "信访办", "，", "。", "打击报复举报人", "档案", "井盖", "公安局民警", "漏水", "拆迁", "工资",
)  # fmt: skip


class _Office:
    """A router with short ways to ask it."""

    def __init__(self, directory: Directory, bundle: Bundle) -> None:
        self.directory = directory
        self.router = Router(directory, bundle.taxonomy, bundle.tokeniser)
        self._taxonomy: Taxonomy = bundle.taxonomy
        self._cut = bundle.tokeniser.cut

    def route(
        self,
        text: str = "",
        *codes: str,
        kind: Kind = Kind.CLAIM,
        district: str = "",
        learned: Mapping[str, float] | None = None,
        most: int = 3,
        decisions: Mapping[str, int] | None = None,
    ) -> tuple[UnitSuggestion, ...]:
        document = Document(text, 0, tuple(self._cut(text)))
        shares = [0.6, 0.3, 0.1]
        categories = [
            Suggestion(code, self._taxonomy[code].name, self._taxonomy.path(code), share)
            for code, share in zip(codes, shares, strict=False)
        ]
        return self.router.route(categories, kind, document, district, learned, most, decisions)


@pytest.fixture(scope="module")
def offices(bundle: Bundle) -> dict[str, _Office]:
    return {name: _Office(load_directory(_UNITS / name, bundle.taxonomy), bundle) for name in _PRESETS}


@pytest.fixture(scope="module")
def county(offices: dict[str, _Office]) -> _Office:
    return offices["county"]


def _assert_sound(
    units: Sequence[UnitSuggestion], directory: Directory, known: set[str] = frozenset()
) -> None:  # type: ignore[assignment]
    assert units
    assert [unit.role for unit in units] == [UnitRole.LEAD] + [UnitRole.JOINT] * (len(units) - 1)
    assert len({unit.id for unit in units}) == len(units)
    for unit in units:
        assert unit.id in directory.units or unit.id in known
        assert unit.name
        assert unit.grounds
        assert all(unit.grounds)
        assert 0 <= unit.score <= 1


@pytest.mark.parametrize("name", _PRESETS)
def test_every_category_in_every_district_has_one_lead_with_grounds(
    offices: dict[str, _Office], bundle: Bundle, name: str
) -> None:
    office = offices[name]
    for code in bundle.taxonomy.categories:
        for district in ("", *office.directory.districts):
            units = office.route("", code, district=district)
            _assert_sound(units, office.directory)
            assert len(code) == 2 or "：" in units[0].grounds[0], (code, district)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_whatever_the_text_and_kind_there_is_one_lead_and_never_an_accused(
    offices: dict[str, _Office], bundle: Bundle, data: st.DataObject
) -> None:
    office = offices[data.draw(st.sampled_from(_PRESETS))]
    text = "".join(data.draw(st.lists(st.sampled_from(_PIECES), max_size=10)))
    codes = data.draw(st.lists(st.sampled_from(sorted(bundle.taxonomy.categories)), max_size=3, unique=True))
    kind = data.draw(st.sampled_from(Kind))
    names = [*sorted(office.directory.units), "外单位"]
    learned = data.draw(st.none() | st.dictionaries(st.sampled_from(names), st.floats(0, 1), max_size=5))
    most = data.draw(st.integers(1, 5))
    units = office.route(text, *codes, kind=kind, learned=learned, most=most)
    _assert_sound(units, office.directory, {"外单位"})
    assert len(units) <= most
    scores = [unit.score for unit in units]
    rule_first = any(ground.startswith("规则") for ground in units[0].grounds)
    assert scores[rule_first:] == sorted(scores[rule_first:], reverse=True)


def test_no_unit_of_the_shipped_directories_is_sent_its_own_accusation(offices: dict[str, _Office]) -> None:
    """Art. 30 of the regulation. The petition office, which takes what fits nowhere, reports upward instead."""
    wordings = cycle(
        ("我举报{}乱收费", "{}的工作人员收受红包，请查", "实名举报{}领导贪污", "{}不作为，乱作为")
    )
    for office in offices.values():
        for unit in office.directory.units.values():
            for name in unit.names if unit.id != office.directory.fallback else ():
                text = next(wordings).format(name)
                ids = [u.id for u in office.route(text, "05", "02", "13", kind=Kind.ACCUSATION, most=5)]
                assert unit.id not in ids, text


def test_an_accusation_is_not_sent_to_the_accused_whatever_speaks_for_it(county: _Office) -> None:
    text = "举报住建局科长收受开发商红包，请纪委监委查处"
    speaking = {"learned": {"住建局": 0.99}, "most": 5}
    claim = county.route(text, "0110", **speaking)  # type: ignore[arg-type]
    accusation = county.route(text, "0110", kind=Kind.ACCUSATION, **speaking)  # type: ignore[arg-type]
    assert "housing" in [unit.id for unit in claim]
    assert "housing" not in [unit.id for unit in accusation]
    assert accusation[0].id == "discipline"


@pytest.mark.parametrize(
    "text",
    [
        "我举报小区楼上违规拆承重墙，请住建局查处",
        "尊敬的住建局领导：我举报楼上违规拆承重墙",
        "我举报楼上违规拆承重墙，请市住建局工作人员查处",
        "已经举报到住建局，没有回音",
    ],
)
def test_a_unit_that_is_asked_to_act_is_not_accused(county: _Office, text: str) -> None:
    assert county.route(text, "0110", kind=Kind.ACCUSATION, learned={"住建局": 0.9})[0].id == "housing"


def test_who_accuses_the_discipline_body_is_not_sent_there(offices: dict[str, _Office]) -> None:
    for office in offices.values():
        name = office.directory.units["discipline"].name
        for text in (f"举报{name}干部收受红包", f"我举报{name}书记受贿，以权谋私"):
            units = office.route(text, "05", kind=Kind.ACCUSATION, most=5)
            assert "discipline" not in [unit.id for unit in units]
        assert office.route("举报镇长受贿", "05", kind=Kind.ACCUSATION)[0].id == "discipline"


_DIRECTORY = {
    "units.csv": "id,name,parent,duties,aliases,fallback\noffice,信访局,,来信来访登记,,1\nhousing,住建局,,房屋质量监管、物业管理,,\n"
    "archive,档案馆,,婚姻档案查询、知青档案查询,,\ntown,青石镇,,镇内事务,,\nplan,规划局,,城乡规划,,\n",
    "categories.csv": "category,unit,role,basis\n"
    + "".join(f"{number:02},plan,主办,规划局职责\n" for number in range(1, 16))
    + "01,housing,协办,住建局职责\n",
    "districts.csv": "code,name,aliases,unit\nD1,青石镇,柏垭村,town\n",
    "rules.csv": "id,priority,keywords,category,kind,respondent,district,unit,role,ground\n"
    "LOW,1,漏水,,,,,plan,主办,次要\nHIGH,9,漏水、渗水,,,,,housing,主办,质保期\nJOIN,5,漏水,,,,,archive,协办,查图纸\n"
    "KIND,5,建议,,建议意见,,,office,主办,征集意见\nCODE,5,路灯,0101、02,,,,town,主办,乡镇\nPLACE,5,井盖,,,,D1,town,主办,属地\n"
    "ANY,5,,,检举控告,*,,office,主办,上报\nONE,5,,,申诉求决,housing,,office,主办,核实\n",
}


@pytest.fixture(scope="module")
def own(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> _Office:
    folder = tmp_path_factory.mktemp("units")
    for name, text in _DIRECTORY.items():
        (folder / name).write_text(text, encoding="utf-8")
    return _Office(load_directory(folder, bundle.taxonomy), bundle)


def _rules_of(units: Sequence[UnitSuggestion]) -> list[str]:
    return [g.split("：")[0][3:] for unit in units for g in unit.grounds if g.startswith("规则 ")]


def test_a_rule_beats_the_category_and_the_greatest_priority_beats_the_others(own: _Office) -> None:
    assert own.route("房子裂缝", "03")[0].id == "plan"
    units = own.route("房子漏水", "03")
    assert units[0].id == "housing"
    assert units[0].grounds[0] == "规则 HIGH：质保期（“漏水”）"
    assert _rules_of(units) == ["HIGH", "JOIN"]


def test_a_rule_beats_even_what_was_learned(own: _Office) -> None:
    assert own.route("房子漏水", "03", learned={"plan": 1.0})[0].id == "housing"


@pytest.mark.parametrize(
    ("text", "code", "kind", "district", "rules"),
    [
        ("建议修路", "03", Kind.PROPOSAL, "", ["KIND"]),
        ("建议修路", "03", Kind.CLAIM, "", []),
        ("路灯不亮", "010102", Kind.CLAIM, "", ["CODE"]),
        ("路灯不亮", "0201", Kind.CLAIM, "", ["CODE"]),
        ("路灯不亮", "0102", Kind.CLAIM, "", []),
        ("井盖没了", "03", Kind.CLAIM, "D1", ["PLACE"]),
        ("柏垭村井盖没了", "03", Kind.CLAIM, "", ["PLACE"]),
        ("井盖没了", "03", Kind.CLAIM, "", []),
        ("举报住建局乱作为", "03", Kind.ACCUSATION, "", ["ANY"]),
        ("举报邻居偷电", "03", Kind.ACCUSATION, "", []),
        ("住建局不作为", "03", Kind.CLAIM, "", ["ONE"]),
        ("规划局不作为", "03", Kind.CLAIM, "", []),
        ("找了住建局两次，住建局推诿", "03", Kind.CLAIM, "", ["ONE"]),
        ("找了住建局两次", "03", Kind.CLAIM, "", []),
    ],
)
def test_a_rule_holds_when_all_its_conditions_do(
    own: _Office, text: str, code: str, kind: Kind, district: str, rules: list[str]
) -> None:
    assert _rules_of(own.route(text, code, kind=kind, district=district, most=5)) == rules


def test_where_a_rule_leads_to_the_accused_the_next_one_leads(own: _Office) -> None:
    units = own.route("举报住建局不作为，房子漏水", "03", kind=Kind.ACCUSATION, most=5)
    assert units[0].id == "office"
    assert _rules_of(units)[0] == "ANY"
    assert "housing" not in [unit.id for unit in units]


def test_a_rule_on_categories_needs_one(own: _Office) -> None:
    assert _rules_of(own.route("路灯不亮")) == []


def test_a_small_unit_is_reached_by_the_words_of_its_duties(own: _Office, county: _Office) -> None:
    units = own.route("我想查一下1975年的知青档案，在哪里查询")
    assert units[0].id == "archive"
    assert units[0].grounds == ("职责相符：知青档案查询、婚姻档案查询",)
    found = county.route("我想查一下父亲当年的知青档案和婚姻登记档案，不知道在哪里查")
    assert "档案" in "".join(unit.name for unit in found)


def test_words_no_duty_has_reach_nobody(own: _Office) -> None:
    assert own.router._duties.match(("火星", "飞船")) == []
    assert own.router._duties.match(()) == []


def test_the_place_speaks_for_its_unit(own: _Office) -> None:
    (lead, *_) = own.route("柏垭村的事")
    assert lead.id == "town"
    assert "属地：青石镇" in "".join(lead.grounds)


def test_learned_probabilities_decide_where_no_rule_does(own: _Office) -> None:
    units = own.route("房子裂缝", "03", learned={"archive": 0.7, "住建局": 0.2, "外单位": 0.1})
    assert [unit.id for unit in units] == ["archive", "housing", "外单位"]
    assert "以往同类件多由其承办（70%）" in units[0].grounds
    more = own.route("房子裂缝", "03", learned={"archive": 0.2, "housing": 0.7})
    assert more[0].id == "housing"


def test_past_decisions_say_how_many_they_were(own: _Office) -> None:
    units = own.route(
        "房子裂缝", learned={"住建局": 0.6, "外单位": 0.4}, decisions={"住建局": 12, "外单位": 3}
    )
    assert units[0].grounds == ("以往同类件多由其承办（60%，共办过 12 件）",)
    assert units[1].grounds == ("以往同类件多由其承办（40%，共办过 3 件）",)


def test_a_unit_no_decision_named_stays_behind_those_they_name_but_is_reachable(own: _Office) -> None:
    learned = {"住建局": 0.9, "外单位": 0.06, "档案馆": 0.04}
    for decisions in (None, dict.fromkeys(learned, 9)):
        units = own.route("房子裂缝", "03", learned=learned, most=5, decisions=decisions)
        assert [unit.id for unit in units[:4]] == ["housing", "外单位", "archive", "plan"]
        assert any("规划局职责" in ground for ground in units[3].grounds)
    both = own.route("房子裂缝", "03", learned=learned, decisions={**dict.fromkeys(learned, 9), "规划局": 1})
    assert both[1].id == "plan"


def test_the_more_decisions_a_unit_has_the_less_counts_what_else_speaks_for_it(own: _Office) -> None:
    learned = {"住建局": 0.9, "外单位": 0.06}
    scores = []
    for count in (1, 20, 500):
        decisions = {"住建局": 500, "外单位": 500, "规划局": count}
        units = own.route("房子裂缝", "03", learned=learned, most=5, decisions=decisions)
        scores.append(next(unit.score for unit in units if unit.id == "plan"))
    assert scores[0] > 1.5 * scores[1] > 3 * scores[2]


def test_the_more_decisions_there_are_the_less_counts_the_directory(own: _Office) -> None:
    """Some hundred decisions do not yet outweigh whose duty a matter is; thousands about other units leave it the smaller part."""

    def score(elsewhere: int) -> float:
        learned = {"外单位": 0.4}
        units = own.route(
            "房子裂缝", "03", learned=learned, most=5, decisions={"规划局": 4, "外单位": elsewhere}
        )
        return next(unit.score for unit in units if unit.name == "规划局")

    scores = [score(elsewhere) for elsewhere in (10, 300, 3_000, 30_000)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] > 2 * scores[-1]


@given(st.dictionaries(st.sampled_from(["住建局", "外单位", "plan", "archive", "青石镇"]), st.floats(0, 1)))
def test_a_rule_leads_whatever_was_learned(own: _Office, learned: dict[str, float]) -> None:
    units = own.route("房子漏水", "03", learned=learned, decisions=dict.fromkeys(learned, 100))
    assert units[0].id == "housing"
    assert units[0].grounds[0].startswith("规则 HIGH")


def test_an_unlikely_learned_unit_gets_no_ground_from_it(own: _Office) -> None:
    units = own.route("", learned={"archive": 0.04}, most=5)
    assert next(unit for unit in units if unit.id == "archive").grounds == ("备选",)


def test_what_speaks_for_nobody_goes_to_the_fallback_and_says_so(own: _Office) -> None:
    (only,) = own.route("你好")
    assert (only.id, only.role) == ("office", UnitRole.LEAD)
    assert only.grounds == ("没有明确依据，由信访工作机构分办",)


def test_routing_twice_gives_the_same(county: _Office) -> None:
    text = "青石镇物业费乱涨价，楼顶漏水，开发商不管，住建局推诿"
    assert county.route(text, "0110", "0101") == county.route(text, "0110", "0101")


def test_a_unit_without_duties_can_stand_in_a_directory(bundle: Bundle) -> None:
    from classifier.directory import Unit

    directory = Directory({"only": Unit("only", "信访局")}, (), {}, (), "only")
    assert _Office(directory, bundle).route("信访局")[0].id == "only"
