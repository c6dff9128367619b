"""The rejects file: opens in a spreadsheet under its own headings, and calculates nothing there."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.records import Content, Reject, petitions
from classifier.rejects import RejectsCsv, as_text


def _written(*rejects: Reject) -> list[list[str]]:
    file = io.StringIO(newline="")
    rows = RejectsCsv(file)
    for reject in rejects:
        rows.add(reject)
    return list(csv.reader(io.StringIO(file.getvalue(), newline="")))


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_rows_come_with_all_their_columns_and_headings(name: str) -> None:
    table = "编号,* 内容：,承办单位,\n1,,住建局,备注\n2,好的,,\n"
    objects = '{"编号": 1, "内容": "", "承办单位": "住建局", "": "备注"}\n{"编号": 2, "内容": "好的"}\n'
    content = Content(name, (table if name.endswith("csv") else objects).encode())
    rejects = [item for item in petitions(content) if isinstance(item, Reject)]
    head, row = _written(*rejects)
    text = "* 内容：" if name == "a.csv" else "内容"
    assert head == ["行", "原因", "编号", text, "承办单位", "第4列"]
    assert row[2:] == ["1", "", "住建局", "备注"]


def test_objects_with_other_keys_keep_theirs() -> None:
    first = Reject(1, "空", ("甲", ""), ("编号", "内容"))
    other = Reject(2, "空", ("乙", "3"), ("编号", "人数"))
    unreadable = Reject(3, "不是 JSON", ("{",))
    assert _written(first, other, unreadable)[1:] == [
        ["1", "空", "甲", ""],
        ["2", "空", "乙", "", "人数：3"],
        ["3", "不是 JSON", "{"],
    ]


def test_what_cannot_be_read_at_all_has_one_column() -> None:
    assert _written(Reject(3, "不是 JSON", ("{",))) == [["行", "原因", "内容"], ["3", "不是 JSON", "{"]]


@given(
    st.text(max_size=3),
    st.sampled_from(["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "＋1", "－1", "＠1"]),
)  # fmt: skip
def test_no_cell_is_a_formula(before: str, formula: str) -> None:
    blank = "".join(" " for _ in before)
    assert as_text(blank + formula) == f"'{blank}{formula}"
    (_, row) = _written(Reject(1, formula, (formula,), (formula,)))
    assert all(cell.startswith("'") for cell in row[1:])


@given(st.text().filter(lambda text: text[:1].isalnum()))
def test_other_cells_stay_as_they_are(text: str) -> None:
    assert as_text(text) == text
