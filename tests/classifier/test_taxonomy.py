"""The taxonomy file, its headings, and what a code or name stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from classifier.errors import TaxonomyError, UnknownCodeError
from classifier.taxonomy import Taxonomy, load_taxonomy, parse_headings, parse_taxonomy

_ROOT = Path(__file__).resolve().parents[2]
_SMALL = "code,name,parent\n01,城建,\n0101,规划,01\n010101,违建,0101\n010102,其他,0101\n02,农业,\n0201,土地,02\n020101,其他,0201\n0202,规划,02\n"


@pytest.fixture(scope="module")
def shipped() -> Taxonomy:
    return load_taxonomy(_ROOT / "corpora" / "taxonomy")


@pytest.fixture(scope="module")
def small() -> Taxonomy:
    return Taxonomy(parse_taxonomy(_SMALL), {"01": "民生", "010101": "历史遗留"})


def test_the_shipped_taxonomy_has_its_nodes(shipped: Taxonomy) -> None:
    assert [len(shipped.level(level)) for level in (1, 2, 3)] == [15, 118, 517]
    for category in shipped.categories.values():
        assert category.level in {1, 2, 3}
        assert category.level == 3 or shipped.children(category.code)


def test_every_code_and_path_of_the_shipped_taxonomy_finds_itself(shipped: Taxonomy) -> None:
    for code in shipped.categories:
        assert shipped.find(code) == shipped.find(f" {shipped.path(code)} ") == code
        assert shipped.find(shipped.path(code).replace(" ", "")) == code


def test_the_written_form_reads_back(shipped: Taxonomy, small: Taxonomy) -> None:
    assert parse_taxonomy(shipped.to_csv()) == shipped.categories
    assert parse_headings(small.headings_csv(), small.categories) == small.headings


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("1,城建,", "不是 2、4 或 6 位数字"),
        ("010,城建,", "不是 2、4 或 6 位数字"),
        ("abcd,城建,ab", "不是 2、4 或 6 位数字"),
        ("01010101,太深,010101", "不是 2、4 或 6 位数字"),
        ("0101,又一次,01", "代码 0101 与第 3 行重复"),
        ("0102,,01", "没有名称"),
        ("0301,农业,03", "上级 03 不存在"),
        ("0102,错挂,02", "上级应为“01”，写的是“02”"),
        ("0102,规划,01", "“规划”与 0101 同级同名"),
        ("03,城建,", "“城建”与 01 同级同名"),
    ],
)
def test_a_wrong_line_is_named_with_its_file_and_line(tmp_path: Path, row: str, problem: str) -> None:
    file = tmp_path / "taxonomy.csv"
    file.write_text(f"{_SMALL}{row}\n", encoding="utf-8")
    with pytest.raises(TaxonomyError) as caught:
        load_taxonomy(tmp_path)
    (found,) = caught.value.problems
    assert found.startswith("taxonomy.csv 第 10 行：")
    assert problem in found
    assert found in str(caught.value)


def test_many_problems_are_all_kept_and_few_shown() -> None:
    with pytest.raises(TaxonomyError, match="另有 3 处") as caught:
        parse_taxonomy("code,name\n" + "x,错\n" * 8)
    assert len(caught.value.problems) == 8


@pytest.mark.parametrize(
    ("text", "problem"), [("code,name\n", "没有任何分类"), ("编码,名称\n01,城建\n", "缺少列"), ("", "缺少列")]
)
def test_a_file_without_rows_or_columns_is_refused(text: str, problem: str) -> None:
    with pytest.raises(TaxonomyError, match=problem):
        parse_taxonomy(text)


def test_files_as_spreadsheets_save_them(tmp_path: Path) -> None:
    expected = parse_taxonomy(_SMALL)
    for number, encoding in enumerate(("utf-8-sig", "gb18030")):
        file = tmp_path / f"{number}.csv"
        file.write_bytes(_SMALL.replace("\n", "\r\n").encode(encoding))
        assert load_taxonomy(file).categories == expected


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(TaxonomyError, match=r"找不到 taxonomy\.csv"):
        load_taxonomy(tmp_path)
    (tmp_path / "taxonomy.csv").write_bytes(b"\xff\xff\xff")
    with pytest.raises(TaxonomyError, match=r"taxonomy\.csv 的编码无法识别"):
        load_taxonomy(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "folder.csv" / "taxonomy.csv").mkdir()
    with pytest.raises(TaxonomyError, match=r"taxonomy\.csv 打不开"):
        load_taxonomy(tmp_path / "folder.csv")


def test_headings_beside_the_taxonomy_are_read(tmp_path: Path) -> None:
    (tmp_path / "taxonomy.csv").write_text(_SMALL, encoding="utf-8")
    assert load_taxonomy(tmp_path).headings == {}
    (tmp_path / "headings.csv").write_text("heading,code\n民生,01\n历史遗留,010101\n", encoding="utf-8")
    assert load_taxonomy(tmp_path).headings == {"01": "民生", "010101": "历史遗留"}


@pytest.mark.parametrize(
    ("row", "problem"),
    [("民生,99", "代码“99”不在分类表里"), (",02", "没有写标题"), ("其他,01", "代码 01 已经归到“民生”")],
)
def test_a_wrong_heading_is_named_with_its_line(small: Taxonomy, row: str, problem: str) -> None:
    with pytest.raises(TaxonomyError) as caught:
        parse_headings(f"heading,code\n民生,01\n{row}\n", small.categories)
    assert caught.value.problems[0].startswith("headings.csv 第 3 行：")
    assert problem in caught.value.problems[0]


def test_the_longest_covering_code_gives_the_heading(small: Taxonomy) -> None:
    assert [small.heading(code) for code in ("010101", "010102", "0101", "01", "0201")] == [
        "历史遗留", "民生", "民生", "民生", "",
    ]  # fmt: skip


def test_paths_and_children(small: Taxonomy) -> None:
    assert small.path("010101") == "城建 › 规划 › 违建"
    assert [child.code for child in small.children("01")] == ["0101"]
    assert small.children("010101") == ()
    assert "01" in small
    assert "09" not in small


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("城建", "01"),
        ("1", "01"),
        ("101", "0101"),
        ("违建", "010101"),
        ("农业›规划", "0202"),
        (" 土地 ", "0201"),
    ],
)
def test_what_a_name_stands_for(small: Taxonomy, text: str, code: str) -> None:
    assert small.find(text) == code


@pytest.mark.parametrize(
    ("text", "reason"),
    [("规划", "不止一个"), ("其他", "不止一个"), ("没有的", "不存在"), ("", "不存在"), ("9", "不存在")],
)
def test_what_stands_for_no_one_node(small: Taxonomy, text: str, reason: str) -> None:
    with pytest.raises(UnknownCodeError, match=reason):
        small.find(text)


def test_an_unknown_code_is_an_error_of_ours(small: Taxonomy) -> None:
    with pytest.raises(UnknownCodeError, match="99"):
        small.path("99")
