"""An office's units and rules: each kind of wrong line is named, the shipped folders load."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from classifier.directory import Directory, load_directory
from classifier.errors import DirectoryError
from classifier.petition import Kind, UnitRole
from classifier.taxonomy import Taxonomy, load_taxonomy, parse_taxonomy

_ROOT = Path(__file__).resolve().parents[2]
_TAXONOMY = Taxonomy(
    parse_taxonomy("code,name\n01,城建\n0101,规划\n010101,违建\n02,农业\n0201,土地\n0202,林业\n")
)
_FILES = {
    "units.csv": "id,name,parent,duties,aliases,fallback\noffice,信访局,,来信来访登记,信访办,1\nhousing,住建局,,房屋质量监管、物业管理,房管局、住建委,\n"
    "town,青石镇,office,镇内事务,,\ndiscipline,纪委监委,,检举控告,,\n",
    "categories.csv": "category,unit,role,basis\n01,housing,主办,住建局职责\n0101,town,协办,属地\n0201,town,主办,\n0202,office,主办,\n",
    "districts.csv": "code,name,aliases,unit\nD1,青石镇,柏垭村、青石,town\nD2,荻湾镇,,office\n",
    "rules.csv": "id,priority,keywords,category,kind,respondent,district,unit,role,ground\nR1,10,漏水、渗水,01,,,,housing,主办,职责\n"
    "R2,90,,,检举控告,*,,discipline,主办,条例\nR3,10,,02,,,D1,town,协办,属地\n",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in _FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["county", "township", "company"])
def test_the_shipped_directories_load(name: str) -> None:
    taxonomy = load_taxonomy(_ROOT / "corpora" / "taxonomy")
    directory = load_directory(_ROOT / "corpora" / "units" / name, taxonomy)
    assert directory.name == name
    assert directory.fallback in directory.units
    assert len(directory.units) >= 20
    assert directory.rules
    assert directory.districts
    names = [name for unit in directory.units.values() for name in unit.names]
    assert len(names) == len(set(names)), "a name that two units share names neither"


def test_a_directory_as_written(folder: Path) -> None:
    directory = load_directory(folder, _TAXONOMY)
    assert directory.fallback == "office"
    assert directory.units["housing"].names == ("住建局", "房管局", "住建委")
    assert directory.units["town"].parent == "office"
    assert [rule.id for rule in directory.rules] == ["R2", "R1", "R3"]  # priority first, then id
    assert directory.rules[0].kind is Kind.ACCUSATION
    assert directory.rules[1].keywords == ("漏水", "渗水")
    assert directory.rules[1].categories == ("01",)


def test_the_nearest_ancestor_that_has_rows_is_assigned(folder: Path) -> None:
    directory = load_directory(folder, _TAXONOMY)
    assert [(a.unit, a.role) for a in directory.assigned("010101")] == [("town", UnitRole.JOINT)]
    assert [a.unit for a in directory.assigned("0109")] == ["housing"]
    assert directory.assigned("99") == ()


def test_units_by_id_name_or_alias(folder: Path) -> None:
    directory = load_directory(folder, _TAXONOMY)
    assert {directory.unit_named(text).id for text in ("housing", "住建局", "房管局")} == {"housing"}  # type: ignore[union-attr]
    assert directory.unit_named("没有的局") is None


@pytest.mark.parametrize(
    ("given", "text", "code"),
    [
        ("D1", "", "D1"),
        ("荻湾镇", "青石镇有人", "D2"),
        ("柏垭村", "", "D1"),
        ("没有的镇", "先是荻湾镇，后是青石镇", "D2"),
        ("", "住在柏垭村", "D1"),
        ("", "没有地名", None),
    ],
)
def test_the_place_is_the_forms_or_the_one_the_text_names_first(
    folder: Path, given: str, text: str, code: str | None
) -> None:
    district = load_directory(folder, _TAXONOMY).district_in(given, text)
    assert (district.code if district else None) == code


def _problems(folder: Path) -> tuple[str, ...]:
    with pytest.raises(DirectoryError) as caught:
        load_directory(folder, _TAXONOMY)
    assert caught.value.problems[0] in str(caught.value)
    return caught.value.problems


@pytest.mark.parametrize(
    ("file", "row", "problem"),
    [
        ("units.csv", ",没有编号,,,,", "第 6 行：id 和 name 都要写"),
        ("units.csv", "nameless,,,,,", "第 6 行：id 和 name 都要写"),
        ("units.csv", "housing,另一个局,,,,", "第 6 行：单位 id“housing”重复"),
        ("units.csv", "other,住建局,,,,", "第 6 行：单位名称“住建局”重复"),
        ("units.csv", "other,另一个局,nowhere,,,", "第 6 行：上级单位“nowhere”不存在"),
        ("units.csv", "other,另一个局,other,,,", "第 6 行：上级单位“other”不存在"),
        ("units.csv", "other,另一个局,,,,1", "应有且只有一个兜底单位（fallback=1），现有 2 个"),
        ("categories.csv", "99,housing,主办,", "第 6 行：分类代码“99”不在分类表里"),
        ("categories.csv", "0102,housing,主办,", "第 6 行：分类代码“0102”不在分类表里"),
        ("categories.csv", "0101,nowhere,主办,", "第 6 行：单位“nowhere”不在 units.csv 里"),
        ("categories.csv", "0101,housing,主持,", "第 6 行：角色“主持”应为 主办 或 协办"),
        ("categories.csv", "01,housing,协办,", "第 6 行：分类 01 与单位 housing 已经写过"),
        ("districts.csv", "D1,又一个镇,,town", "第 4 行：辖区代码“D1”缺失或重复，或没有名称"),
        ("districts.csv", ",又一个镇,,town", "第 4 行：辖区代码“”缺失或重复，或没有名称"),
        ("districts.csv", "D3,,,town", "第 4 行：辖区代码“D3”缺失或重复，或没有名称"),
        ("districts.csv", "D3,又一个镇,,nowhere", "第 4 行：单位“nowhere”不在 units.csv 里"),
        ("rules.csv", ",1,词,,,,,town,主办,", "第 5 行：没有写规则编号（id）"),
        ("rules.csv", "R9,高,词,,,,,town,主办,", "第 5 行：优先级“高”不是整数"),
        ("rules.csv", "R9,--5,词,,,,,town,主办,", "第 5 行：优先级“--5”不是整数"),
        ("rules.csv", "R9,²,词,,,,,town,主办,", "第 5 行：优先级“²”不是整数"),
        ("rules.csv", "R9,1,,,,,,town,主办,", "第 5 行：没有任何条件：会命中所有信访件"),
        ("rules.csv", "R9,1,,,上访,,,town,主办,", "第 5 行：诉求类型“上访”不存在"),
        ("rules.csv", "R9,1,,,,,D9,town,主办,", "第 5 行：辖区“D9”不在 districts.csv 里"),
        ("rules.csv", "R9,1,,,,nowhere,,town,主办,", "第 5 行：单位“nowhere”不在 units.csv 里"),
        ("rules.csv", "R9,1,,99,,,,town,主办,", "第 5 行：分类代码“99”不在分类表里"),
        ("rules.csv", "R9,1,词,,,,,nowhere,主办,", "第 5 行：单位“nowhere”不在 units.csv 里"),
        ("rules.csv", "R9,1,词,,,,,town,管,", "第 5 行：角色“管”应为 主办 或 协办"),
        ("rules.csv", "R1,1,词,,,,,town,主办,", "第 5 行：规则编号“R1”重复"),
    ],
)
def test_a_wrong_line_is_named_with_its_file_and_line(
    folder: Path, file: str, row: str, problem: str
) -> None:
    with (folder / file).open("a", encoding="utf-8") as out:
        out.write(row + "\n")
    (found,) = _problems(folder)
    assert found == f"{file} {problem}".replace("csv 应有", "csv：应有")


def test_blank_rows_are_passed_over_and_lines_count_on(folder: Path) -> None:
    with (folder / "units.csv").open("a", encoding="utf-8") as out:
        out.write(",,,,,\n\n , ,,,,\n")
    assert len(load_directory(folder, _TAXONOMY).units) == 4
    with (folder / "units.csv").open("a", encoding="utf-8") as out:
        out.write("housing,另一个局,,,,\n")
    assert _problems(folder) == ("units.csv 第 9 行：单位 id“housing”重复",)


def test_a_category_without_a_lead_is_named(folder: Path) -> None:
    path = folder / "categories.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("0202,office,主办,\n", ""), encoding="utf-8")
    assert _problems(folder) == ("categories.csv：一级分类 02 农业 没有主办单位，也没有逐个二级分类写明",)


def test_without_a_fallback_there_is_no_directory(folder: Path) -> None:
    path = folder / "units.csv"
    path.write_text(path.read_text(encoding="utf-8").replace("信访办,1", "信访办,"), encoding="utf-8")
    assert "现有 0 个" in _problems(folder)[0]


@pytest.mark.parametrize("name", sorted(_FILES))
def test_a_missing_file_or_column_is_named(folder: Path, name: str) -> None:
    header, rest = _FILES[name].split("\n", 1)
    (folder / name).write_text(
        header.replace("unit", "danwei").replace("id", "bianhao") + "\n" + rest, encoding="utf-8"
    )
    with pytest.raises(DirectoryError, match=f"{name} 第 1 行：缺少列"):
        load_directory(folder, _TAXONOMY)
    (folder / name).unlink()
    with pytest.raises(DirectoryError, match=f"找不到 {name}"):
        load_directory(folder, _TAXONOMY)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(DirectoryError, match="找不到单位目录 none"):
        load_directory(tmp_path / "none", _TAXONOMY)


def _saved(folder: Path, change: Callable[[str], bytes], target: Path) -> Directory:
    shutil.copytree(folder, target)
    for name in _FILES:
        (target / name).write_bytes(change((folder / name).read_text(encoding="utf-8")))
    return load_directory(target, _TAXONOMY)


def test_files_as_spreadsheets_save_them(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("saved")
    expected = _saved(folder, str.encode, target / "same")
    for encoding in ("gb18030", "utf-8-sig"):
        saved = _saved(
            folder, lambda text, e=encoding: text.replace("\n", "\r\n").encode(e), target / encoding
        )
        assert (saved.units, saved.rules, saved.districts) == (
            expected.units,
            expected.rules,
            expected.districts,
        )
