"""The whole suggestion: offsets into the text as given, honest doubt, and the matter, never the person."""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.bundle import Bundle
from classifier.directory import load_directory
from classifier.links.history import MemoryHistory
from classifier.normalise import normalised
from classifier.petition import Kind, LinkKind, Petition, Petitioner, Triage, UnitRole
from classifier.redact import MARK
from classifier.routing import Router
from classifier.triage import read, triage, triage_each

_ROOT = Path(__file__).resolve().parents[2]
_SECRET = b"0123456789abcdef"
_TITLE = "化工厂夜里偷排废气"
_TEXT = "我们村旁边的化工厂每天半夜偷排废气，味道刺鼻，孩子老是咳嗽。多次打环保热线，检测人员总是白天来。"


def _seeds() -> list[dict[str, str]]:
    lines = (
        line
        for file in sorted((_ROOT / "corpora" / "seed").glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    return [json.loads(line) for line in lines]


_PIECES = (
    "化工厂每天半夜偷排废气，", "味道刺鼻。", "我叫张伟，男，汉族，", "电话１３８-１２３４\u200b５６７８，", "養老保險少了兩年，", "\r\n", "\n\n", "　　",
    "😀", "\ud800", "½", "社保局查不到缴费记录。", "身份证110101 19900307 109X，", "水质监测〈结果〉", "\0", " ", "㈱甲公司", "e\u0301",
)  # fmt: skip
pieces = st.lists(st.sampled_from(_PIECES), max_size=8).map("".join)


@settings(max_examples=60, deadline=None)
@given(title=pieces, text=pieces)
def test_offsets_index_into_title_newline_text_as_given(
    bundle: Bundle, router: Router, title: str, text: str
) -> None:
    petition = Petition("x", title, text)
    answer = triage(petition, bundle, None, router, _SECRET)
    given_text = f"{title}\n{text}"
    assert petition.given == given_text
    for suggestion in answer.categories:
        for span in suggestion.evidence:
            assert 0 <= span.start < span.end <= len(given_text)
            # What an officer sees marked is, once normalised, the passage that carried the decision.
            assert span.text in normalised(f"一{given_text[span.start : span.end]}一")
            assert not MARK.search(span.text)
    for redaction in answer.redactions:
        piece = re.sub(r"[\s\u200b-]", "", normalised(given_text[redaction.start : redaction.end]))
        expected = {
            "姓名": "张伟",
            "性别": "男",
            "民族": "汉族",
            "手机号": "13812345678",
            "身份证号": "11010119900307109X",
        }
        assert expected[redaction.kind] in piece
    kinds = [redaction.kind for redaction in answer.redactions]
    assert kinds.count("身份证号") == (title + text).count("110101 19900307 109X")


@settings(max_examples=40, deadline=None)
@given(title=pieces, text=pieces)
def test_title_and_text_of_a_reading_are_those_of_the_petition(bundle: Bundle, title: str, text: str) -> None:
    reading = read(Petition("x", title, text), bundle.tokeniser, _SECRET)
    assert "".join(reading.document.words) == MARK.sub(lambda m: " " * len(m.group()), reading.document.text)
    if not normalised(title):
        assert reading.title == ""
        assert reading.text == reading.document.text
    elif "\n" not in normalised(title):
        body = read(Petition("x", "", text), bundle.tokeniser, _SECRET)
        assert (reading.title == "") == (reading.document.text == "")
        assert len(reading.text) == len(body.text) or "张伟" in title


def test_an_untitled_letter_has_no_title(bundle: Bundle) -> None:
    reading = read(Petition("x", "", "尊敬的领导：\n路灯坏了。\n请来修。"), bundle.tokeniser, _SECRET)
    assert (reading.title, reading.text) == ("", "尊敬的领导：\n路灯坏了。\n请来修。")


def test_a_petition_of_a_title_alone_keeps_it(bundle: Bundle, router: Router) -> None:
    petition = Petition("x", _TITLE, "")
    reading = read(petition, bundle.tokeniser, _SECRET)
    assert (reading.title, reading.text) == (_TITLE, "")
    assert triage(petition, bundle, None, router, _SECRET).categories[0].code.startswith("04")


def test_the_whole_answer(bundle: Bundle, router: Router) -> None:
    answer = triage(Petition("p-1", _TITLE, _TEXT), bundle, None, router, _SECRET)
    assert (answer.id, answer.model_version, answer.links) == ("p-1", bundle.version, ())
    assert answer.categories[0].code.startswith("0402")
    assert answer.categories[0].path.startswith("环境保护 › 环境污染")
    assert answer.categories[0].evidence
    assert answer.kind.name in set(Kind)
    assert answer.units[0].role is UnitRole.LEAD
    assert answer.units[0].id == "ecology"
    assert answer.redactions == answer.warnings == ()


@pytest.mark.parametrize("top", [1, 2, 5])
def test_top_bounds_categories_and_units(bundle: Bundle, router: Router, top: int) -> None:
    answer = triage(Petition("x", _TITLE, _TEXT), bundle, None, router, _SECRET, top)
    assert len(answer.categories) == top
    assert 1 <= len(answer.units) <= top
    assert all(bool(s.evidence) == (rank < 3) for rank, s in enumerate(answer.categories[:1]))
    assert all(s.evidence == () for s in answer.categories[3:])
    chances = [suggestion.probability for suggestion in answer.categories]
    assert chances == sorted(chances, reverse=True)


def test_an_empty_title_moves_nothing_but_the_newline(bundle: Bundle, router: Router) -> None:
    answer = triage(Petition("x", "", _TEXT), bundle, None, router, _SECRET)
    assert answer.categories[0].code.startswith("04")
    for span in answer.categories[0].evidence:
        assert f"\n{_TEXT}"[span.start : span.end] == span.text


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        ("😀😀😀", "没有中文内容"),
        ("The factory smells at night.", "没有中文内容"),
        ("!!! ??? 12345 ---", "没有中文内容"),
        ("13812345678", "没有中文内容"),
        ("你好", "内容过短"),
        ("路灯 12345！", "内容过短"),
        ("路灯，不亮", "内容过短"),
    ],
)
def test_what_cannot_be_judged_abstains_and_says_why(
    bundle: Bundle, router: Router, text: str, warning: str
) -> None:
    answer = triage(Petition("x", "", text), bundle, None, router, _SECRET)
    assert answer.abstained
    assert any(warning in found and "不可靠" in found for found in answer.warnings)
    assert answer.units[0].grounds


def test_three_words_are_enough_to_judge(bundle: Bundle) -> None:
    assert read(Petition("x", "", "路灯，不亮，半年"), bundle.tokeniser, _SECRET).warnings == ()


def test_unreadable_characters_are_warned_of_without_giving_up(bundle: Bundle, router: Router) -> None:
    answer = triage(Petition("x", _TITLE, _TEXT + "\ufffd"), bundle, None, router, _SECRET)
    assert [("认不出的字符" in warning) for warning in answer.warnings] == [True]


def test_confidence_below_the_threshold_abstains(bundle: Bundle, router: Router) -> None:
    petition = Petition("x", _TITLE, _TEXT)
    assert triage(petition, replace(bundle, threshold=1.1), None, router, _SECRET).abstained
    assert not triage(petition, replace(bundle, threshold=0.0), None, router, _SECRET).abstained


def test_a_bundle_without_categories_answers_without_them(bundle: Bundle, router: Router) -> None:
    answer = triage(Petition("x", _TITLE, _TEXT), replace(bundle, category=None), None, router, _SECRET)
    assert answer.categories == ()
    assert answer.abstained
    assert answer.units


def test_the_petitioners_name_from_the_form_goes(bundle: Bundle, router: Router) -> None:
    petition = Petition("x", "", "甄有理家的田被化工厂的废水淹了，甄有理多次反映。", Petitioner("甄有理"))
    answer = triage(petition, bundle, None, router, _SECRET)
    assert [petition.given[r.start : r.end] for r in answer.redactions] == ["甄有理", "甄有理"]


def test_links_are_found_as_answers_are_taken(bundle: Bundle, router: Router) -> None:
    history = MemoryHistory(bundle.term_weights)
    readings = [read(Petition(id_, _TITLE, _TEXT), bundle.tokeniser, _SECRET) for id_ in ("first", "second")]
    answers = []
    for item in triage_each(readings, bundle, history, router):
        history.add(item.entry)
        answers.append(item.triage)
    assert answers[0].links == ()
    assert [(link.id, link.kind) for link in answers[1].links] == [("first", LinkKind.DUPLICATE_TEXT)]
    assert list(triage_each([], bundle, history, router)) == []


def test_nothing_of_the_petitioner_or_text_shows_in_a_repr(bundle: Bundle, router: Router) -> None:
    petition = Petition(
        "x", "甄家标题", "甄有理家的田被淹了，电话13812345678。", Petitioner("甄有理", address="甄家村")
    )
    reading = read(petition, bundle.tokeniser, _SECRET)
    (item,) = triage_each([reading], bundle, None, router)
    for shown in (repr(petition), repr(reading), repr(item)):
        assert not re.search("甄|138|淹", shown)


def test_the_same_petition_gives_the_same_answer_alone_and_in_a_batch(bundle: Bundle, router: Router) -> None:
    petitions = [Petition(row["id"], row["title"], row["text"]) for row in _seeds()[::100]]
    readings = [read(petition, bundle.tokeniser, _SECRET) for petition in petitions]
    batch = [item.triage for item in triage_each(readings, bundle, None, router)]
    alone = [triage(petition, bundle, None, router, _SECRET) for petition in petitions]
    again = [triage(petition, bundle, None, router, _SECRET) for petition in petitions]
    assert alone == again
    assert [_gist(answer) for answer in batch] == [_gist(answer) for answer in alone]


_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CLAUSES = (
    "我叫{name}，{sex}，{ethnic}，{year}年{month}月{day}日出生，籍贯{place}，联系电话{phone}，身份证号{id}。",
    "来访人{name}，{sex}，{ethnic}，{year}年{month}月生，籍贯：{place}，身份证号码：{id}，电话：{phone}。",
    "姓名：{name}，性别：{sex}，民族：{ethnic}，出生日期：{year}-{month:02}-{day:02}，出生地：{place}，手机：{phone}，身份证：{id}。",
    "本人{name}，{sex}，{ethnic}，{place}人，身份证{id}，手机{phone}。",
    "{name}，{sex}，{ethnic}，生于{year}年{month}月{day}日，户籍所在地{place}，手机号{phone}，身份证{id}。",
)  # fmt: skip
_NAMES = (
    "王伟", "李秀英", "张建国", "刘芳", "陈志强", "欧阳修文", "韦玉兰", "诸葛亮亮", "马德全", "金敏", "次仁卓玛", "阿依古丽", "巴特尔", "买买提·吐尔逊",
)  # fmt: skip
_ETHNIC = ("汉族", "回族", "维吾尔族", "藏族", "壮族", "满族", "苗族", "蒙古族", "彝族")
_PLACES = (
    "河南省信阳市", "北京市", "新疆喀什", "西藏拉萨市", "广西壮族自治区南宁市", "内蒙古赤峰市", "四川省凉山州", "黑龙江省哈尔滨市", "湖南", "上海市浦东新区",
)  # fmt: skip


@dataclass(frozen=True)
class _Person:
    clause: str
    petitioner: Petitioner


def _person(source: random.Random, template: str) -> _Person:
    sex, year, month, day = (
        source.choice("男女"),
        source.randint(1935, 2004),
        source.randint(1, 12),
        source.randint(1, 28),
    )
    body = f"{source.choice((110101, 410105, 650102, 540102, 450103))}{year}{month:02}{day:02}{source.randint(100, 999)}"
    id_number = body + "10X98765432"[sum(int(d) * w for d, w in zip(body, _WEIGHTS, strict=True)) % 11]
    name, phone = source.choice(_NAMES), f"1{source.randint(3, 9)}{source.randint(0, 999_999_999):09}"
    clause = template.format(
        name=name, sex=sex, ethnic=source.choice(_ETHNIC), year=year, month=month, day=day,
        place=source.choice(_PLACES), phone=phone, id=id_number,
    )  # fmt: skip
    return _Person(clause, Petitioner(name, id_number, phone, "某县某镇某村"))


def _gist(answer: Triage) -> tuple[object, ...]:
    """What must not depend on the person: the order of categories and units, the kind, whether it abstains."""
    return (
        [suggestion.code for suggestion in answer.categories],
        answer.kind.name,
        [unit.id for unit in answer.units],
        answer.abstained,
    )


@pytest.mark.parametrize("first", [True, False], ids=["prepended", "appended"])
def test_another_person_with_the_same_matter_gets_the_same_suggestion(day_one: Bundle, first: bool) -> None:
    """DESIGN, first principle: name, sex, ethnic group, birth, birthplace, phone and ID number change nothing."""
    directory = load_directory(_ROOT / "corpora" / "units" / "county", day_one.taxonomy)
    router = Router(directory, day_one.taxonomy, day_one.tokeniser)
    source = random.Random(20_240_501)  # noqa: S311
    readings, clauses = [], []
    for row in source.sample(_seeds(), 200):
        template = source.choice(_CLAUSES)
        for person in (_person(source, template), _person(source, template)):
            text = person.clause + row["text"] if first else row["text"] + person.clause
            readings.append(
                read(Petition(row["id"], row["title"], text, person.petitioner), day_one.tokeniser, _SECRET)
            )
            clauses.append(person.clause)
    answers = [item.triage for item in triage_each(readings, day_one, None, router)]
    differing = [
        (clauses[i], clauses[i + 1], _gist(answers[i]), _gist(answers[i + 1]))
        for i in range(0, len(answers), 2)
        if _gist(answers[i]) != _gist(answers[i + 1])
    ]
    assert differing == []
    assert len({str(_gist(answer)) for answer in answers}) > 50  # the suggestions do depend on the matter


def test_who_is_in_the_form_changes_nothing(bundle: Bundle, router: Router) -> None:
    petition = Petition("x", _TITLE, _TEXT)
    source = random.Random(7)  # noqa: S311
    expected = triage(petition, bundle, None, router, _SECRET)
    for template in _CLAUSES * 4:
        person = _person(source, template).petitioner
        assert triage(replace(petition, petitioner=person), bundle, None, router, _SECRET) == expected


def test_a_confirmed_repeat_leaves_category_kind_and_units_alone(bundle: Bundle, router: Router) -> None:
    petition = Petition("x", _TITLE, _TEXT, Petitioner(phone="13812345678"))
    history = MemoryHistory(bundle.term_weights)
    for id_ in ("a", "b", "c"):
        reading = read(replace(petition, id=id_), bundle.tokeniser, _SECRET)
        (item,) = triage_each([reading], bundle, history, router)
        history.add(item.entry)
    fresh = triage(petition, bundle, None, router, _SECRET)
    repeated = triage(petition, bundle, history, router, _SECRET)
    assert len(repeated.links) == 3
    assert replace(repeated, links=()) == fresh


def test_an_evidence_span_is_a_share(bundle: Bundle, router: Router) -> None:
    answer = triage(Petition("x", _TITLE, _TEXT), bundle, None, router, _SECRET)
    weights = np.array([span.weight for span in answer.categories[0].evidence])
    assert ((weights > 0) & (weights <= 1)).all()
    assert weights.sum() <= 1.001
