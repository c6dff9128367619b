"""Files as petitions, as offices really export them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from classifier.dates import CHINA
from classifier.errors import ColumnError, EmptyTextError, TextTooLongError, UnreadableFileError
from classifier.petition import Channel, Petition, Petitioner
from classifier.records import (
    HEADINGS,
    MAX_CHARACTERS,
    Content,
    Record,
    Reject,
    check_text,
    count_rows,
    decode,
    layout,
    parse_mapping,
    petitions,
    read_records,
    to_petition,
)

_TABLE = (
    "编号,标题,内容,来信人,电话\n1,路灯坏了,我们村的路灯坏了三个月,张三,13812345678\n2,,楼上漏水没人管,,\n"
)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def _write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return _write


def _fields(path: Path, **mapping: str) -> list[dict[str, str]]:
    found = list(read_records(path, mapping))
    assert all(isinstance(item, Record) for item in found), found
    return [dict(item.fields) for item in found if isinstance(item, Record)]


_EXPECTED = [
    {
        "id": "1",
        "title": "路灯坏了",
        "text": "我们村的路灯坏了三个月",
        "name": "张三",
        "phone": "13812345678",
    },
    {"id": "2", "text": "楼上漏水没人管"},
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_encoding_reads_alike(write: Callable[..., Path], encoding: str) -> None:
    mark = "\ufeff" if encoding in {"utf-16-le", "utf-16-be"} else ""
    assert _fields(write("a.csv", (mark + _TABLE).encode(encoding))) == _EXPECTED


@pytest.mark.parametrize(
    ("name", "delimiter"), [("a.csv", ","), ("a.tsv", "\t"), ("a.txt", "\t"), ("a.CSV", ";")]
)
def test_every_delimiter_reads_alike(write: Callable[..., Path], name: str, delimiter: str) -> None:
    assert _fields(write(name, _TABLE.replace(",", delimiter))) == _EXPECTED


def test_a_few_broken_bytes_reject_their_row_only(write: Callable[..., Path]) -> None:
    content = _TABLE.encode().replace("坏了三个月".encode(), b"\xff\xfe")
    first, second = read_records(write("a.csv", content))
    assert isinstance(first, Reject)
    assert first.line == 2
    assert "编码" in first.reason
    assert isinstance(second, Record)
    assert second["text"] == "楼上漏水没人管"


def test_bytes_of_no_encoding_are_refused() -> None:
    with pytest.raises(UnreadableFileError, match="编码"):
        decode(b"\xff\x00\x80\x81" * 200, "a.csv")


def test_quoted_newlines_and_quotes_stay_in_the_cell_and_lines_count_on(write: Callable[..., Path]) -> None:
    path = write("a.csv", '内容,编号\r\n"第一行\r\n第二行，他说""不管"",走了",7\r\n另一件,8\r\n')
    first, second = read_records(path)
    assert isinstance(first, Record)
    assert first["text"] == '第一行\r\n第二行，他说"不管",走了'
    assert (first.line, second.line) == (2, 4)


def test_a_banner_above_the_header_is_passed_over(write: Callable[..., Path]) -> None:
    banner = "某某县信访局,,,,\n2019年3月登记表,,,,\n,,,,\n"
    records = list(read_records(write("a.csv", banner + _TABLE)))
    assert [item.line for item in records] == [5, 6]
    assert [item.fields for item in records if isinstance(item, Record)] == _EXPECTED


def test_headings_are_found_under_any_usual_name_in_any_dress(write: Callable[..., Path]) -> None:
    path = write("a.csv", "留言编号,* 留言主题：,留言详情 ,联系电话\n1,标题一,内容一,13812345678\n")
    assert _fields(path) == [{"id": "1", "title": "标题一", "text": "内容一", "phone": "13812345678"}]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(HEADINGS)), st.data())
def test_each_usual_heading_means_its_field(field: str, data: st.DataObject) -> None:
    heading = data.draw(st.sampled_from(HEADINGS[field]))
    assert parse_mapping([f"{heading}=某一列"]) == {field: "某一列"}


def test_broken_rows_are_rejected_with_line_and_reason_and_good_ones_go_on(
    write: Callable[..., Path],
) -> None:
    path = write(
        "a.csv",
        "编号,标题,内容\n1,一,好的一行\n2\n\n,,\n3,三,又是好的一行\n4,,\n5,五,日期不对\n".replace(
            "日期不对", "最后一行"
        ),
    )
    outcome = list(petitions(path))
    good = [item[1].id for item in outcome if not isinstance(item, Reject)]
    bad = {item.line: item for item in outcome if isinstance(item, Reject)}
    assert good == ["1", "3", "5"]
    assert sorted(bad) == [3, 7]
    assert "缺少内容列" in bad[3].reason
    assert bad[3].row == ("2",)
    assert "空" in bad[7].reason


def test_a_row_the_csv_reader_cannot_make_out_is_rejected(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sys.maxsize", 50
    )  # the reader's field limit: a cell beyond it is an error of the format
    path = write("a.csv", f"内容\n{'长' * 60}\n短的一行\n")
    first, second = read_records(path)
    assert isinstance(first, Reject)
    assert (first.line, first.row) == (2, ())
    assert isinstance(second, Record)
    assert (second.line, second["text"]) == (3, "短的一行")


def test_bad_cells_are_rejected_by_what_is_wrong(write: Callable[..., Path]) -> None:
    path = write("a.csv", f"内容,时间\n好,2019-02-30\n{'长' * (MAX_CHARACTERS + 1)},\n好的,2019-03-04\n")
    first, second, third = petitions(path)
    assert isinstance(first, Reject)
    assert "2019-02-30" in first.reason
    assert isinstance(second, Reject)
    assert "100,001" in second.reason
    assert not isinstance(third, Reject)


def _workbook(path: Path, *rows: list[object], sheet_before: bool = False) -> Path:
    book = openpyxl.Workbook()
    sheet = book.active
    if sheet_before:
        sheet = book.create_sheet("数据")
    for row in rows:
        sheet.append(row)
    book.save(path)
    return path


def test_a_workbook_with_numeric_phones_and_real_dates(tmp_path: Path) -> None:
    path = _workbook(
        tmp_path / "a.xlsx",
        ["某某局登记表"],
        ["编号", "内容", "电话", "时间", "人数", "住址"],
        [1, "路灯坏了", 13812345678, datetime(2019, 3, 4, 11, 38, 34), 5, None],
        [2.0, "楼上漏水", 13812345678.0, date(2019, 3, 5), "不详", time(8, 30)],
        [None, None, None, None, None, None],
        [3.5, "没有电话", None, None, None, True],
        sheet_before=True,
    )
    outcome = [item for item in petitions(path) if not isinstance(item, Reject)]
    assert [record.line for record, _ in outcome] == [3, 4, 6]
    first, second, third = (petition for _, petition in outcome)
    assert (first.id, first.petitioner.phone, first.people) == ("1", "13812345678", 5)
    assert first.received_at == datetime(2019, 3, 4, 11, 38, 34, tzinfo=CHINA)
    assert (second.id, second.petitioner.phone, second.people) == ("2", "13812345678", 1)
    assert second.received_at == datetime(2019, 3, 5, tzinfo=CHINA)
    assert second.petitioner.address == "08:30:00"
    assert (third.id, third.petitioner.phone) == ("3.5", "")


def test_lines_of_a_workbook_that_begins_below_the_first_row(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active["B4"], book.active["B5"] = "内容", "路灯坏了"
    book.save(tmp_path / "a.xlsx")
    (record,) = read_records(tmp_path / "a.xlsx")
    assert (record.line, record["text"]) == (5, "路灯坏了")


@pytest.mark.parametrize("content", [b"", b"no workbook", b"PK\x03\x04 cut short"])
@pytest.mark.parametrize("name", ["a.xlsx", "a.xls", "a.ods"])
def test_a_broken_workbook_is_refused(write: Callable[..., Path], name: str, content: bytes) -> None:
    with pytest.raises(UnreadableFileError, match=r"a\.\w+ 打不开"):
        list(read_records(write(name, content)))


def test_an_empty_workbook_has_no_columns(tmp_path: Path) -> None:
    with pytest.raises(ColumnError):
        list(read_records(_workbook(tmp_path / "a.xlsx")))


def test_json_lines(write: Callable[..., Path]) -> None:
    rows = [
        json.dumps({"id": 7, "标题": "路灯", "text": "坏了", "people": 3, "phone": None}, ensure_ascii=False),
        "",
        "{broken",
        '["a", "list"]',
        '{"text": "\\ud800"}',
        "[" * 100_000,
        json.dumps({"other": "no text at all"}),
        json.dumps({"text": "好的"}),
    ]
    path = write("a.jsonl", b"\xef\xbb\xbf" + "\n".join(rows).encode() + b"\n\xff\xfe\n")
    outcome = list(petitions(path))
    good = {item[0].line: item[1] for item in outcome if not isinstance(item, Reject)}
    bad = {item.line: item.reason for item in outcome if isinstance(item, Reject)}
    assert (good[1].id, good[1].title, good[1].text, good[1].people) == ("7", "路灯", "坏了", 3)
    assert good[8].id == "line-8"
    assert sorted(good) == [1, 5, 8]
    assert sorted(bad) == [3, 4, 6, 7, 9]
    assert "不是 UTF-8 的 JSON" in bad[3]
    assert "不是 JSON 对象" in bad[4]


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a"])
def test_an_unknown_type_is_refused(write: Callable[..., Path], name: str) -> None:
    with pytest.raises(UnreadableFileError, match="不支持"):
        read_records(write(name, "内容\n路灯坏了\n"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="找不到"):
        read_records(tmp_path / "none.csv")
    with pytest.raises(UnreadableFileError):
        read_records(tmp_path)


@pytest.mark.parametrize("content", ["", "\n\n", "甲,乙\n1,2\n", "编号\n1\n"])
def test_a_table_without_a_text_column_is_refused_at_once(write: Callable[..., Path], content: str) -> None:
    with pytest.raises(ColumnError, match="--map"):
        read_records(write("a.csv", content))


def test_a_mapped_column_wins_over_a_usual_one(write: Callable[..., Path]) -> None:
    path = write("a.csv", "内容,群众说的\n不是它,是它\n")
    assert _fields(path, text="群众说的") == [{"text": "是它"}]
    with pytest.raises(ColumnError, match="没有的列"):
        read_records(path, {"title": "没有的列", "text": "内容"})


def test_mapping_pairs() -> None:
    assert parse_mapping(["内容=诉求, title=题目", "电话=手机"]) == {
        "text": "诉求",
        "title": "题目",
        "phone": "手机",
    }
    assert parse_mapping([]) == parse_mapping([" ，"]) == {}


@pytest.mark.parametrize("pair", ["内容", "内容=", "=列", "没有的字段=列"])
def test_a_mapping_that_says_nothing_is_refused(pair: str) -> None:
    with pytest.raises(ColumnError, match="--map"):
        parse_mapping([pair])


def _petition(**fields: str) -> Petition:
    return to_petition(Record(3, fields))


def test_a_record_becomes_a_petition() -> None:
    petition = _petition(text="路灯坏了", channel="app", people="12", district="青石镇", account="u1")
    assert (petition.id, petition.channel, petition.people) == ("line-3", Channel.WEB, 12)
    assert (petition.district, petition.petitioner.account) == ("青石镇", "u1")
    assert petition.given == "\n路灯坏了"
    assert _petition(text="路灯", channel="信鸽").channel is None


@pytest.mark.parametrize("people", ["0", "-3", "很多", "1000000", "²"])
def test_a_number_of_people_that_is_none_counts_as_one(people: str) -> None:
    assert _petition(text="路灯坏了", people=people).people == 1


@pytest.mark.parametrize("text", ["", "  \n", "\u200b\u3000", "\0"])
def test_nothing_visible_is_refused(text: str) -> None:
    with pytest.raises(EmptyTextError):
        check_text("", text)


def test_the_limit_counts_title_and_text() -> None:
    check_text("题", "文" * (MAX_CHARACTERS - 1))
    with pytest.raises(TextTooLongError):
        check_text("题", "文" * MAX_CHARACTERS)


def test_rows_are_counted_for_text_files_only(write: Callable[..., Path]) -> None:
    assert count_rows(write("a.csv", _TABLE)) == 3
    assert count_rows(write("a.jsonl", "{}\n{}\n")) == 2
    assert count_rows(write("a.xlsx", b"")) is None


cells = st.text(
    st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from(",;\t\"'\n"), min_size=1, max_size=20
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=4))
def test_what_a_csv_writer_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    import csv

    path = tmp_path_factory.mktemp("csv") / "a.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("编号", "内容"), *rows])
    expected = [
        {key: value.strip() for key, value in (("id", a), ("text", b)) if value.strip()} for a, b in rows
    ]
    assert _fields(path) == [fields for fields in expected if fields]


def _named(**cells: str) -> Petition:
    return to_petition(Record(1, {"text": "楼上漏水没人管"} | cells))


def test_several_people_in_one_cell_stand_side_by_side_with_their_numbers() -> None:
    petition = _named(name="张伟、李丽，王芳等5人", phone="13812345678/13912345678", address="柏垭村3组、4组")
    everyone = (petition.petitioner, *petition.joint_petitioners)
    assert [(p.name, p.phone, p.address) for p in everyone] == [
        ("张伟", "13812345678", "柏垭村3组、4组"),
        ("李丽", "13912345678", ""),
        ("王芳", "", ""),
    ]


def test_a_cell_of_one_stays_as_it_is() -> None:
    petition = _named(name="阿依古丽·买买提", phone="0371-6555 1234")
    assert (petition.petitioner.name, petition.petitioner.phone) == ("阿依古丽·买买提", "0371-6555 1234")
    assert petition.joint_petitioners == ()
    assert _named().petitioner == Petitioner()


def test_more_numbers_than_names() -> None:
    petition = _named(name="张伟", phone="13812345678；13912345678")
    assert [p.phone for p in petition.joint_petitioners] == ["13912345678"]


def test_columns_of_joint_petitioners_and_of_the_agent(write: Callable[[str, str | bytes], Path]) -> None:
    path = write(
        "a.csv",
        "内容,信访人,联名人,联名人电话,代理人,代理人电话\n漏水,张伟,李丽、王芳,13912345678、13712345678,赵律师,13612345678\n",
    )
    (record,) = read_records(path)
    assert isinstance(record, Record)
    petition = to_petition(record)
    assert petition.joint_petitioners == (
        Petitioner("李丽", phone="13912345678"),
        Petitioner("王芳", phone="13712345678"),
    )
    assert petition.agent == Petitioner("赵律师", phone="13612345678")


def _xlsx(rows: list[list[object]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("name", ["a.csv", "a.xlsx", "a.jsonl"])
def test_a_file_in_memory_reads_as_on_disk(write: Callable[..., Path], name: str) -> None:
    rows = [["登记表"], [], ["编号", "内容", "备注"], [1, "楼上漏水没人管", "x"], [2, None, "y"]]
    if name == "a.csv":
        data = "".join(",".join(str(cell or "") for cell in row) + "\n" for row in rows).encode("gb18030")
    elif name == "a.xlsx":
        data = _xlsx(rows)
    else:
        objects = [dict(zip(["编号", "内容", "备注"], row, strict=True)) for row in rows[3:]]
        data = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects).encode()
    content = Content(name, data)
    assert list(petitions(content)) == list(petitions(write(name, data)))
    assert layout(content) == layout(write(name, data))
    assert layout(content).fields == {"id": "编号", "text": "内容"}
    assert layout(content).headings == ("编号", "内容", "备注")


def test_a_field_can_be_left_out_and_a_column_given_to_another() -> None:
    content = Content("a.csv", _TABLE.encode())
    mapping = {"name": "", "phone": "", "title": "来信人"}
    first = next(read_records(content, mapping))
    assert isinstance(first, Record)
    assert dict(first.fields) == {"id": "1", "title": "张三", "text": "我们村的路灯坏了三个月"}
    assert layout(content, mapping).fields == {"id": "编号", "title": "来信人", "text": "内容"}


def test_a_file_without_a_text_column_still_has_headings() -> None:
    content = Content("a.csv", "某某县,,\n甲,乙,丙\n1,楼上漏水,3\n".encode())
    assert layout(content).fields == {}
    assert layout(content).headings == ("甲", "乙", "丙")
    with pytest.raises(ColumnError):
        read_records(content)
    assert dict(next(read_records(content, {"text": "乙"})).fields) == {"text": "楼上漏水"}


def test_an_empty_file_has_no_headings() -> None:
    assert layout(Content("a.csv", b"")).headings == ()
