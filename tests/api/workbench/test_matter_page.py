"""A matter's page: how it stands, its petitions and what happened, parting it, and what is not for everybody."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from sqlalchemy import event

_TEXT = "青石街道锦和苑小区楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
UNIT = "urban_management"


@pytest.fixture
def four(http, letter):
    """Two of one petitioner, one of a stranger, and one that is an accusation: on one matter, in a row."""
    who = letter["petitioner"]
    found = [
        http.submit({"text": _TEXT, "received_at": f"2026-03-0{day}", "channel": "来信"} | more)
        for day, more in ((1, {"petitioner": who}), (2, {"petitioner": who}), (3, {}), (4, {}))
    ]
    for one, other in pairwise(found):
        _confirm(http, one, other)
    http.post(f"/v1/petitions/{found[3]}/decisions", {"kind": "检举控告"})
    return found


def _confirm(http, one, other, confirmed=True):
    body = {"links": [{"id": other, "confirmed": confirmed}]}
    assert http.post(f"/v1/petitions/{one}/decisions", body).status_code == 201


@pytest.fixture
def matter(http, four):
    return http.get(f"/v1/petitions/{four[0]}").json()["matter"]["id"]


def _said(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


def _figures(answer):
    found = re.findall(r"<li><b>(\d+)</b>(\w+)</li>", answer.text)
    return {name: int(number) for number, name in found}


def _steps(answer):
    timeline = re.search(r'<ol class="timeline">(.*?)</ol>', answer.text, re.S).group(1)
    return [re.sub(r"<[^>]*>|\s", "", step) for step in re.findall(r"<li[^>]*>(.*?)</li>", timeline, re.S)]


def test_figures_and_petitions_are_those_the_reader_may_see(desk, four, matter):
    page = desk("reviewer").get(f"/matters/{matter}")
    assert _figures(page) == {"信访件": 4, "不同信访人": 3, "初信初访": 3, "重复信访": 1}
    assert all(each in page.text for each in four)
    page = desk("intake").get(f"/matters/{matter}")
    assert _figures(page) == {"信访件": 3, "不同信访人": 2, "初信初访": 2, "重复信访": 1}
    assert four[3] not in page.text
    assert "2026-03-04" not in _said(page)
    assert "拆出" not in _said(page), "only reviewers split"
    assert desk("unit").get(f"/matters/{matter}").status_code == 404
    assert desk("admin").get("/matters/nothing").status_code == 404


def test_the_timeline_tells_what_came_was_assigned_sent_back_and_moved(desk, http, four, matter):
    one = four[0]
    number = http.post(f"/v1/petitions/{one}/decisions", {"unit": UNIT}).json()["decision_id"]
    # The unit stays: nothing new was assigned.
    http.post(f"/v1/petitions/{one}/decisions", {"kind": "申诉求决"})
    http.post(f"/v1/petitions/{one}/returns", {"unit": UNIT, "reason": "油烟归环保"})
    http.post(f"/v1/petitions/{one}/decisions", {"unit": "ecology"})
    http.post(f"/v1/petitions/{one}/undo", {})
    page = desk("reviewer").get(f"/matters/{matter}")
    steps = _steps(page)
    kinds = [re.match("来件|认定|退回|并入|移出|拆分", step).group() for step in steps]
    assert kinds == ["来件"] * 4 + ["并入"] * 3 + ["认定", "退回", "认定"]
    assert "油烟归环保" in steps[-2]
    assert "已撤销" in steps[-1]
    assert "管理员" in steps[-1]
    assert "确认关联" in steps[4]
    assert number


def test_replies_stand_in_the_timeline_and_end_the_time_limit(desk, http, four, matter):
    someone = desk("reviewer")
    assert "已过期限" in someone.get(f"/matters/{matter}").text
    for number, one in enumerate(four):
        http.post(f"/v1/petitions/{one}/decisions", {"unit": UNIT})
        body = {"unit": UNIT, "replied_on": f"2026-05-0{number + 1}", "reason": "当面说明"}
        assert http.post(f"/v1/petitions/{one}/replies", body).status_code == 201
    page = someone.get(f"/matters/{matter}")
    assert "已过期限" not in page.text
    assert "未答复" not in page.text
    assert "全部已答复，最后一件 2026-05-04" in _said(page)
    steps = [step for step in _steps(page) if step.startswith("答复")]
    assert len(steps) == 4
    assert all(
        word in steps[0] for word in ("答复日期：2026-05-01", "答复单位：", "说明：当面说明", "管理员")
    )
    # What intake may not see neither counts nor is told to them.
    page = desk("intake").get(f"/matters/{matter}")
    assert "全部已答复，最后一件 2026-05-03" in _said(page)
    assert len([step for step in _steps(page) if step.startswith("答复")]) == 3
    http.post(f"/v1/petitions/{four[0]}/undo", {"reason": "日期写错"})
    page = someone.get(f"/matters/{matter}")
    assert "已过期限" in page.text
    assert "3 / 4 件已答复" in _said(page)
    assert page.text.count("未答复") == 1
    assert len([step for step in _steps(page) if step.startswith("答复") and "已撤销" in step]) == 1


def test_a_matter_is_called_what_its_first_petition_is(desk, http):
    one = http.submit({"title": "锦和苑烧烤店油烟", "text": _TEXT, "received_at": "2026-03-01"})
    other = http.submit({"title": "又是烧烤店", "text": _TEXT, "received_at": "2026-03-02"})
    _confirm(http, one, other)
    matter = http.get(f"/v1/petitions/{one}").json()["matter"]["id"]
    page = desk("reviewer").get(f"/matters/{matter}")
    assert (
        f'<h1>锦和苑烧烤店油烟 <small>信访事项 <span class="mono">{matter[:8]}</span></small></h1>'
        in page.text
    )


@pytest.mark.parametrize(
    ("came_from", "href", "label"),
    [
        ("", "/overview", "返回概览"),
        ("http://office/overview?period=12m", "/overview?period=12m", "返回概览"),
        (f"http://office/petitions/{'a' * 32}?q=%E7%81%AF&done=decided", f"/petitions/{'a' * 32}?q=%E7%81%AF", "返回信访件"),
        ("http://office/overview/list/overdue?since=2020-01-01", "/overview/list/overdue?since=2020-01-01", "返回列表"),
        ("http://office/matters/x?done=split", "/overview", "返回概览"),
        ("http://[broken", "/overview", "返回概览"),
        ("https://elsewhere//petitions", "/overview", "返回概览"),
    ],
    ids=["none", "overview", "petition", "list", "split", "broken", "elsewhere"],
)  # fmt: skip
def test_the_way_back_leads_where_the_reader_came_from(desk, four, matter, came_from, href, label):
    someone = desk("reviewer")
    someone.headers = {**someone.headers, "Referer": came_from.encode()}
    assert f'<a class="button" href="{href}">{label}</a>' in someone.get(f"/matters/{matter}").text


def test_pairs_told_apart_yet_together_are_pointed_out(desk, http, four, matter):
    _confirm(http, four[0], four[2])
    _confirm(http, four[1], four[2], confirmed=False)
    ends = sorted(four[1:3])
    page = desk("reviewer").get(f"/matters/{matter}")
    assert f'href="/petitions/{ends[0]}/links/{ends[1]}"' in page.text
    assert desk("reviewer").get(f"/petitions/{ends[0]}/links/{ends[1]}").status_code == 200


def test_a_reviewer_parts_petitions(desk, http, four, matter):
    someone = desk("reviewer")
    answer = someone.post(f"/matters/{matter}/split", {"petition": four[2:], "reason": "不是一家店"})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/matters/{matter}?done=split")
    page = someone.get(answer.headers["location"])
    assert _figures(page)["信访件"] == 2
    assert "不是一家店" in _steps(page)[-1]
    assert _steps(page)[-1].startswith("拆分")
    assert "已拆分" in page.text


@pytest.mark.parametrize(
    ("picked", "reason", "word"),
    [((), "不是一家店", "没有选中"), ((2,), "  ", "必须写明理由"), ((0, 1, 2, 3), "都不是", "不能把全部"), ((9,), "别处的", "不在这个事项上")],
)  # fmt: skip
def test_a_split_that_is_not_made_says_why_and_keeps_what_was_chosen(
    desk, http, four, matter, picked, reason, word, rows
):
    someone = desk("reviewer")
    before = rows()
    chosen = [four[at] if at < 4 else "nothing" for at in picked]
    answer = someone.post(f"/matters/{matter}/split", {"petition": chosen, "reason": reason})
    assert answer.status_code == 422
    assert word in _said(answer)
    assert f'value="{reason}"' in answer.text
    ticked = re.findall(r'value="(\w+)" aria-label="[^"]*" checked', answer.text)
    assert ticked == [each for each in chosen if each in four]
    assert rows() == before


def test_a_matter_that_nothing_is_left_of_shows_its_history(desk, http, four, matter):
    for one, other in pairwise(four):
        _confirm(http, one, other, confirmed=False)
    page = desk("reviewer").get(f"/matters/{matter}")
    assert page.status_code == 200
    assert "已经解散" in page.text
    assert any(step.startswith("移出") for step in _steps(page))


def test_more_petitions_ask_no_more_of_the_database(desk, http, four, matter, service):
    someone = desk("reviewer")
    counts = []

    def count(*_):
        counts[-1] += 1

    for more in (0, 8):
        for _ in range(more):
            # Of a dozen copies ten are suggested: the one before is surely among them, the first one need not be.
            new = http.submit(_TEXT)
            other = http.get(f"/v1/petitions/{new}/links").json()["items"][0]["id"]
            _confirm(http, new, other)
        event.listen(service.store.engine, "before_cursor_execute", count)
        counts.append(0)
        page = someone.get(f"/matters/{matter}")
        event.remove(service.store.engine, "before_cursor_execute", count)
        assert _figures(page)["信访件"] == 4 + more
    assert counts[0] == counts[1] <= 20
