"""查询: by number, by words, by conditions; never by person; only what one may see; and the list as a file."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from io import BytesIO
from urllib.parse import unquote

import numpy as np
import openpyxl
import pytest
from sqlalchemy import insert, select

from api import search as use_case
from api.decisions import Choice, LinkVerdict, decide
from api.listing import Asked
from api.names import Names
from api.queue import neighbours
from api.search import PAGE, export, search
from api.store.audit import Action, entries
from api.store.petitions import now
from api.store.tables import link_terms, petitions
from api.workbench.words import receipt
from classifier.links.terms import term_hash

_DAY = timedelta(days=1)


@pytest.fixture
def found(service, administrator):
    """A function that gives the ids of all pages of a search."""

    def read(query: str = "", viewer=administrator):
        ids, asked = [], Asked.read(query)
        while True:
            page = search(service, asked, viewer)
            ids += [item.row["id"] for item in page.items]
            if not page.next:
                return ids
            asked = Asked.read(page.next)

    return read


def _receipts(service) -> dict[str, str]:
    with service.store.read() as connection:
        rows = connection.execute(select(petitions.c.id, petitions.c.seq, petitions.c.created_at))
        return {row.id: receipt(row.seq, row.created_at) for row in rows}


def test_newest_first_in_pages_that_hold_each_once(stock, found):
    ids = stock(*({"title": f"第{n}件"} for n in range(2 * PAGE + 7)))
    assert found() == ids[::-1]


def test_conditions(stock, found, service, administrator):
    ids = stock(
        {"category": "040206", "channel": "来信", "district": "青石镇"},
        {"category": "0402", "kind": "咨询"},
        {"unit": "housing", "received_at": datetime(2026, 3, 4, 15, 59, tzinfo=UTC)},
    )
    decide(service, ids[0], Choice(category="1502"), administrator)
    for query, expected in {
        "status=已认定": ids[:1],
        "category=15": ids[:1],
        "category=0402": ids[:0:-1],
        "kind=咨询": ids[1:2],
        "unit=housing": ids[2:],
        "channel=来信&district=青石镇": ids[:1],
        "until=2026-03-04": ids[2:],
        "since=2026-03-05": ids[1::-1],
        "q=烧烤店&kind=咨询": ids[1:2],
    }.items():
        assert found(query) == expected, query


def test_something_else_says_of_what(desk, stock, service):
    names = Names.of(service.live.engine())
    other = next(one.code for one in names.taxonomy.level(3) if one.name == "其他")
    assert names.category_short(other) == names.category(other)
    assert names.category_short("040206").count("›") == 1
    stock({"category": other})
    page = desk("admin").get("/petitions").text
    assert names.category(other) in re.sub(r"\s+", " ", re.sub("<[^>]*>", "", page))
    assert "共 1 件" in page


def test_a_receipt_number_opens_its_petition(service, desk, stock):
    ids = stock({}, {"kind": "检举控告"})
    numbers = _receipts(service)
    intake = desk("intake")
    answer = intake.get(f"/petitions?q=%20{numbers[ids[0]]}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/petitions/{ids[0]}")
    # Another day, another place in the register, what one may not see: all the same answer.
    for wrong in (
        "20200101-" + numbers[ids[0]][9:],
        numbers[ids[0]][:9] + "999999",
        numbers[ids[1]],
        "20260304-999999999999",
    ):
        answer = intake.get(f"/petitions?q={wrong}")
        assert answer.status_code == 200
        assert f"没有登记编号是 {wrong} 的件" in answer.text
    assert desk("reviewer").get(f"/petitions?q={numbers[ids[1]]}").status_code == 303


def test_words_of_title_and_text_all_of_them_however_spelt(stock, found):
    ids = stock(
        {"title": "河道油污", "text": "石桥村的河里有ABC公司的油"},
        {"title": "", "text": "石桥村的路灯不亮"},
        {"title": "百分之100%", "text": "100_"},
    )
    assert found("q=石桥村") == ids[1::-1]
    assert found("q=石桥村 油污") == ids[:1]
    assert found("q=石橋村　路燈") == ids[1:2]
    assert found("q=abc") == ids[:1]
    assert found("q=100%25") == ids[2:]
    assert found("q=0_") == ids[2:]
    assert found("q=没有这个词") == []


def test_words_are_read_for_a_part_at_a_time_and_one_can_read_on(
    service, administrator, stock, found, desk, monkeypatch
):
    ids = stock({"text": "石桥村"}, {}, {}, {"text": "石桥村"}, {}, {}, {"text": "石桥村"})
    monkeypatch.setattr(use_case, "READ", 3)
    first = search(service, Asked(q="石桥村"), administrator)
    assert [item.row["id"] for item in first.items] == [ids[6]]
    assert first.read_to is not None
    assert found("q=石桥村") == [ids[6], ids[3], ids[0]]
    assert [row["id"] for row in export(service, Asked(q="石桥村"), administrator)] == [
        ids[6],
        ids[3],
        ids[0],
    ]
    page = desk("intake").get("/petitions?q=查无此词")
    assert "接着往前查" in page.text
    # Narrowed first, then read.
    assert len(search(service, Asked(q="石桥村", until="2020-01-01"), administrator).items) == 0


def test_the_index_of_rare_words_names_older_ones(service, administrator, stock, desk, monkeypatch):
    ids = stock({"text": "石桥村的桥"}, {"text": "别的"}, {"text": "石桥村", "kind": "检举控告"}, *[{}] * 3)
    with service.store.write() as connection:
        seqs = [seq for (seq,) in connection.execute(select(petitions.c.seq).order_by(petitions.c.seq))]
        packed = np.array(seqs[:3], "<u4").tobytes()
        connection.execute(insert(link_terms).values(term=term_hash("石桥村"), df=3, seqs=packed))
        connection.execute(insert(link_terms).values(term=term_hash("的"), df=5_000, seqs=None))
    monkeypatch.setattr(use_case, "READ", 3)
    page = search(service, Asked(q="石桥村"), administrator)
    assert page.items == ()
    assert [item.row["id"] for item in page.older] == [ids[2], ids[0]]
    shown = desk("intake").get("/petitions?q=石桥村").text
    assert "更早的件" in shown
    assert ids[0] in shown
    assert ids[2] not in shown


def test_a_real_petition_is_found_by_the_place_it_names(http, service, administrator, monkeypatch):
    id_ = http.submit({"title": "油烟", "text": "锦绣家园小区楼下烧烤店油烟直接排进楼道，反映多次无人处理。"})
    for _ in range(3):
        http.submit("请问申请低保需要什么材料？")
    monkeypatch.setattr(use_case, "READ", 2)
    assert [item.row["id"] for item in search(service, Asked(q="锦绣家园"), administrator).older] == [id_]


def test_nobody_is_searched_for_and_what_identifies_leaves_the_address(desk, http, letter, markers):
    http.submit(letter)
    someone = desk("admin")
    for wanted in ("13971234567", "11010519491231002X", "电话 1397123 4567"):
        answer = someone.get("/petitions", params={"q": wanted, "kind": "申诉求决"})
        assert answer.status_code == 303
        assert answer.headers["location"].startswith("/petitions?done=not-by-person&kind=")
        assert "不能按姓名、电话、证件号查找" in someone.get(answer.headers["location"]).text
        assert someone.get("/petitions.xlsx", params={"q": wanted}).status_code == 422
    page = someone.get("/petitions", params={"q": "欧阳雪梅"})
    assert "data-row " not in page.text
    assert "不能按姓名、电话、证件号查" in page.text
    listed = someone.get("/petitions").text
    assert not any(marker in listed for marker in markers)


def test_too_many_words_are_told(desk):
    answer = desk("admin").get("/petitions", params={"q": "一 二 三 四 五 六"})
    assert answer.status_code == 422
    assert "最多查 5 个词" in answer.text
    assert 'value="一 二 三 四 五 六"' in answer.text


def test_a_unit_sees_what_people_assigned_to_it_and_until_when(service, desk, stock, administrator, link):
    lead, joint, repeat, late, other, _ = ids = stock(
        {"since": now() - 3 * _DAY, "title": "甲"},
        {"title": "乙"},
        {"title": "丙"},
        {"since": now() - 61 * _DAY, "title": "丁"},
        {"title": "戊", "unit": "urban_management"},
        {"kind": "检举控告", "title": "己"},
    )
    own = Choice(category="0402", kind="申诉求决", unit="urban_management")
    for id_ in (lead, repeat, late):
        decide(service, id_, own, administrator)
    decide(service, joint, Choice(unit="ecology", joint_units=("urban_management",)), administrator)
    decide(service, ids[5], Choice(unit="urban_management"), administrator)
    link(repeat, lead)
    decide(service, repeat, Choice(links=(LinkVerdict(lead, True),)), administrator)
    page = desk("unit").get("/petitions").text
    rows = {
        title: re.sub(r"<[^>]*>|\s+", " ", row)
        for row in re.findall(r"<tr>.*?</tr>", page, re.S)[1:]
        for title in re.findall("data-row [^>]*>(.)<", row)
    }
    assert set(rows) == {"甲", "乙", "丙", "丁"}
    assert "主办" in rows["甲"]
    assert "协办" in rows["乙"]
    # Of one matter: from its first petition.
    assert "还有 57 天" in rows["甲"]
    assert "还有 57 天" in rows["丙"]
    assert "还有 60 天" in rows["乙"]
    assert "逾期 1 天" in rows["丁"]
    assert "《信访工作条例》第三十四条" in page
    assert other not in page


def test_the_workbook_is_the_list_shown_and_its_taking_is_on_record(service, desk, stock):
    ids = stock(
        {"title": "=1+1", "channel": "来信", "people": 3, "district": "青石镇", "category": "040206"},
        {"title": "https://elsewhere.example", "kind": "咨询"},
        {"kind": "检举控告", "title": "举报"},
    )
    intake = desk("intake")
    answer = intake.get("/petitions.xlsx?channel=来信")
    assert answer.headers["content-disposition"].startswith('attachment; filename="petitions-')
    lines = _lines(answer)
    assert lines[0][:3] == ("登记编号", "登记时间", "来件时间")
    assert [(line[0], *line[3:7]) for line in lines[1:]] == [
        (_receipts(service)[ids[0]], "来信", "青石镇", 3, "=1+1")
    ]
    assert [line[6] for line in _lines(intake.get("/petitions.xlsx"))[1:]] == [
        "https://elsewhere.example",
        "=1+1",
    ]
    assert len(_lines(desk("auditor").get("/petitions.xlsx"))) == 4
    with service.store.read() as connection:
        trail = list(entries(connection, action=Action.EXPORTED.value))
    assert [entry.detail for entry in trail][::-1] == [{"count": n, "what": "petitions"} for n in (1, 2, 3)]


def test_the_workbook_ends_at_its_limit(service, administrator, stock, monkeypatch):
    stock(*[{}] * 7)
    monkeypatch.setattr(use_case, "EXPORTED", 5)
    monkeypatch.setattr(use_case, "READ", 2)
    monkeypatch.setattr(use_case, "PAGE", 1)
    assert len(export(service, Asked(), administrator)) == 5


def _lines(answer) -> list[tuple[object, ...]]:
    return list(openpyxl.load_workbook(BytesIO(answer.content)).active.iter_rows(values_only=True))


def test_one_walks_what_was_found_newest_first(service, administrator, desk, stock):
    ids = stock({"kind": "咨询"}, {}, {"kind": "咨询"}, {"kind": "咨询"})
    page = desk("reviewer").get("/petitions?kind=咨询").text
    address = unquote(re.search(r"\?from=([^\"]+)", page).group(1))
    assert neighbours(service, administrator, address, ids[2]) == (ids[3], ids[0])
    assert neighbours(service, administrator, address, ids[3]) == (None, ids[2])
    assert neighbours(service, administrator, address, ids[0]) == (ids[2], None)
    assert neighbours(service, administrator, f"{address}&q=油烟", ids[2]) == (None, None)


def test_empty_lists_say_what_to_do_next(desk, stock):
    assert "还没有信访件" in desk("auditor").get("/petitions").text
    assert "还没有认定由本单位承办的件" in desk("unit").get("/petitions").text
    stock({})
    assert "放宽条件" in desk("auditor").get("/petitions?kind=咨询").text
