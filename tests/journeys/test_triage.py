"""`fenban triage` and `fenban links`: a text, a file, in whatever form offices have them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from classifier.bundle import Bundle
from classifier.normalise import normalised

_PLANT = "我住在青石镇柏垭村，村口的宏达化工厂每天夜里偷排废气，味道刺鼻，老人孩子咳嗽不止。请环保部门查处。"
_PHONE = "１３８１２３４５６７８"
_FILE = [
    ("P1", "化工厂夜里偷排废气", _PLANT + "联系电话" + _PHONE, "甲", "2026-03-01"),
    ("P2", "化工厂夜里偷排废气", _PLANT, "乙", "2026-03-02"),
    ("", "", "", "", ""),
    ("P4", "", "", "丙", "2026-03-02"),
    ("P5", "宏达化工厂還在排廢氣", "上个月反映过柏垭村宏达化工厂夜里偷排废气的事，至今没有人来查，味道更重了。", "甲", "2026/3/20"),
    ("P6", "工地欠薪", "在县城西河湾工地干了半年，包工头拖欠工资四万多，请劳动监察帮忙讨薪。", "甲", "2026年3月21日"),
    ("P7", "厂里不给交社保", "我在服装厂上班五年，厂里一直不给缴养老保险。", "丁", "哪天不记得了"),
    ("P8", "ＡＰＰ上查不到社保", "我在服装厂上班五年，厂里一直不给缴养老保险，　　怎么投诉？", "丁", ""),
]  # fmt: skip
_KEPT = ["P1", "P2", "P5", "P6", "P8"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run over the file: its answers by id in order, what it said, and what it put aside."""

    answers: dict[str, dict[str, Any]]
    said: str
    rejects: list[list[str]]
    folder: Path


@pytest.fixture(scope="module")
def office_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("office") / "三月.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("编号", "标题", "内容", "用户", "登记时间"), *_FILE])
    return path


@pytest.fixture(scope="module")
def run(make_fenban: Callable[[Path], Any], office_file: Path) -> Run:
    folder = office_file.parent
    done = make_fenban(folder)("triage", office_file, "-o", folder / "deep" / "out.jsonl", "--top", 2)
    lines = (folder / "deep" / "out.jsonl").read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line) for line in lines]
    with office_file.with_name("三月.csv.rejects.csv").open(encoding="utf-8-sig", newline="") as file:
        rejects = list(csv.reader(file))
    assert done.out == b""
    return Run({answer["id"]: answer for answer in answers}, done.said, rejects, folder)


def _given(petition_id: str) -> str:
    _, title, text, _, _ = next(row for row in _FILE if row[0] == petition_id)
    return f"{title}\n{text}"


def test_one_object_a_petition_in_input_order(run: Run, bundle: Bundle) -> None:
    assert list(run.answers) == _KEPT
    assert {answer["model_version"] for answer in run.answers.values()} == {bundle.version}
    assert [path.name for path in (run.folder / "deep").iterdir()] == [
        "out.jsonl"
    ]  # nothing half-written beside it


def test_the_objects_have_the_keys_of_the_contract_and_no_other(run: Run) -> None:
    for answer in run.answers.values():
        assert list(answer) == [
            "id",
            "model_version",
            "categories",
            "abstained",
            "kind",
            "units",
            "links",
            "redactions",
            "warnings",
        ]
        assert isinstance(answer["abstained"], bool)
        assert set(answer["kind"]) == {"name", "probability"}
        for category in answer["categories"]:
            assert set(category) == {"code", "name", "path", "probability", "evidence"}
            assert all(set(span) == {"start", "end", "text", "weight"} for span in category["evidence"])
        assert all(set(unit) == {"id", "name", "role", "score", "grounds"} for unit in answer["units"])
        assert all(set(link) == {"id", "kind", "score", "evidence"} for link in answer["links"])


def test_top_limits_the_candidates_and_the_first_are_right(run: Run) -> None:
    assert {len(answer["categories"]) for answer in run.answers.values()} == {2}
    assert {len(answer["units"]) for answer in run.answers.values()} <= {1, 2}
    first = {name: answer["categories"][0] for name, answer in run.answers.items()}
    assert [first[name]["code"][:4] for name in ("P1", "P2", "P5")] == ["0402"] * 3
    assert {first["P6"]["code"][:2], first["P8"]["code"][:2]} == {"15"}
    assert first["P1"]["path"].startswith("环境保护 › 环境污染")
    assert [run.answers[name]["units"][0]["name"] for name in ("P1", "P8")] == ["生态环境局", "人社局"]


def test_offsets_point_into_the_text_as_given(run: Run) -> None:
    spans = 0
    for name, answer in run.answers.items():
        given = _given(name)
        for category in answer["categories"]:
            for span in category["evidence"]:
                assert 0 <= span["start"] < span["end"] <= len(given)
                assert 0 < span["weight"] <= 1
                # The span's own text is normalised: half-width, simplified.
                assert normalised(given[span["start"] : span["end"]]).strip() == span["text"]
                spans += 1
    assert spans >= 2 * len(_KEPT)


def test_a_phone_number_is_marked_where_it_stands_and_nowhere_repeated(run: Run) -> None:
    (mark,) = run.answers["P1"]["redactions"]
    assert _given("P1")[mark["start"] : mark["end"]] == _PHONE
    assert mark["kind"] == "手机号"
    assert "13812345678" not in json.dumps(run.answers["P1"])
    assert _PHONE not in json.dumps(run.answers["P1"], ensure_ascii=False)


def test_links_are_found_within_the_file_and_never_for_the_person_alone(run: Run) -> None:
    found = {name: {link["id"]: link["kind"] for link in a["links"]} for name, a in run.answers.items()}
    assert found == {
        "P1": {},
        "P2": {"P1": "DuplicateText"},
        "P5": {"P1": "RepeatPetition", "P2": "SharedMatter"},
        "P6": {},  # the same person with another matter
        "P8": {},  # the only petition like it was rejected
    }


def test_bad_rows_are_put_aside_with_line_and_reason(run: Run) -> None:
    head, *rejects = run.rejects
    assert head[:2] == ["行", "原因"]
    assert {"编号", "内容"} <= set(head[2:])  # the file's own headings
    assert [row[0] for row in rejects] == ["5", "8"]
    assert "空的" in rejects[0][1]
    assert "哪天不记得了" in rejects[1][1]
    assert "厂里不给交社保" in rejects[1]
    assert "2 行有误" in run.said
    assert "三月.csv.rejects.csv" in run.said


def test_links_of_a_file_are_those_triage_finds_from_the_score_asked_for(
    fenban, run: Run, office_file: Path
) -> None:
    triaged = [(link["score"], name, link) for name, a in run.answers.items() for link in a["links"]]
    least = sorted(score for score, _, _ in triaged)[1]  # leaves out the weakest
    fenban("links", office_file, "-o", "links.jsonl", "--min-score", least)
    lines = (fenban.folder / "links.jsonl").read_text(encoding="utf-8").splitlines()
    found = [json.loads(line) for line in lines]
    expected = [
        {"a": name, "b": link["id"]} | {key: link[key] for key in ("kind", "score", "evidence")}
        for score, name, link in triaged
        if score >= least
    ]
    assert found == expected
    assert list(found[0]) == ["a", "b", "kind", "score", "evidence"]
    assert len(found) == len(triaged) - 1 > 0
    assert all(_KEPT.index(link["a"]) > _KEPT.index(link["b"]) for link in found)  # a came after b


def test_a_text_in_words_even_on_a_gbk_console(fenban) -> None:
    text = "厂里三个月没有发工资了，老板还躲着不见，电话13812345678，请劳动监察帮忙讨薪。"
    done = fenban("triage", text, PYTHONIOENCODING="gbk")
    said = done.out.decode("gbk")
    assert "1. 劳动和社会保障" in said
    assert "依据：“" in said
    assert "诉求类型：申诉求决" in said
    assert "主办：人社局  —— " in said
    assert "已脱敏：手机号" in said
    assert "13812345678" not in said
    assert done.err == b""


def test_gb18030_with_headings_of_its_own_answers_in_utf8(fenban, write_csv) -> None:
    rows = [
        {"流水": "7", "诉求描述": "化工厂夜里偷排废气，味道刺鼻。", "反映人电话": "13812345678"},
        {"流水": "8", "诉求描述": "工地老板拖欠农民工工资，请帮忙讨薪。", "反映人电话": ""},
    ]
    path = write_csv(fenban.folder / "热线.csv", rows, "gb18030")
    done = fenban("triage", path, "--map", "内容=诉求描述,编号=流水", PYTHONIOENCODING="gbk")
    answers = [json.loads(line) for line in done.text.splitlines()]
    assert [answer["id"] for answer in answers] == ["7", "8"]
    assert [answer["categories"][0]["code"][:2] for answer in answers] == ["04", "15"]
    assert [answer["warnings"] for answer in answers] == [[], []]


def test_a_workbook_with_a_banner(fenban) -> None:
    book = Workbook()
    sheet = book.active
    sheet.append(["青石县信访局三月来信登记表"])
    sheet.append(["序号", "来信标题", "来信内容", "联系电话", "登记日期"])
    sheet.append([1, "化工厂排污", "化工厂夜里偷排废气，味道刺鼻。", 13812345678, "2026-03-01"])
    sheet.append([2, None, None, None, None])
    sheet.append([3, "欠薪", "工地老板拖欠农民工工资，请帮忙讨薪。", None, None])
    book.save(fenban.folder / "来信.xlsx")
    done = fenban("triage", "来信.xlsx", "-o", "-")
    assert [json.loads(line)["id"] for line in done.text.splitlines()] == ["1", "3"]
    rejects = (fenban.folder / "来信.xlsx.rejects.csv").read_text(encoding="utf-8-sig")
    assert [row[0] for row in csv.reader(StringIO(rejects))] == ["行", "4"]


def test_standard_input_in_the_encoding_of_an_old_computer(fenban) -> None:
    text = "化工厂夜里偷排废气，味道刺鼻，请环保部门查处。"
    done = fenban("triage", "-", "--json", stdin=text.encode("gb18030"))
    (answer,) = map(json.loads, done.text.splitlines())
    assert answer["categories"][0]["code"][:4] == "0402"
    assert answer["links"] == []
    given = "\n" + text
    assert all(given[s["start"] : s["end"]] == s["text"] for c in answer["categories"] for s in c["evidence"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("triage", "没有.csv"), "找不到文件 没有.csv"),
        (("triage", "合同.docx"), "不支持 .docx"),
        (("links", "表.csv", "-o", "out.jsonl"), "表.csv 里找不到标题列或内容列。现有列：甲、乙"),
        (("triage", "好.csv", "--map", "看不懂"), "--map “看不懂”看不懂"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(fenban, arguments: tuple[str, ...], says: str) -> None:
    (fenban.folder / "合同.docx").write_bytes(b"PK\x03\x04")
    (fenban.folder / "表.csv").write_text("甲,乙\n1,2\n", encoding="utf-8")
    (fenban.folder / "好.csv").write_text("内容\n厂里欠薪\n", encoding="utf-8")
    assert says in fenban.refuses(*arguments)
    assert not list(fenban.folder.glob("*out.jsonl*"))  # nor does a failed run leave half an answer


@pytest.mark.parametrize(
    "arguments",
    [
        ("triage",),
        ("triage", "文字", "--top", "0"),
        ("links", "a.csv", "--min-score", "2"),
        ("nosuch",),
    ],
)
def test_wrong_usage_is_exit_code_2(fenban, arguments: tuple[str, ...]) -> None:
    assert fenban(*arguments, code=2).out == b""
