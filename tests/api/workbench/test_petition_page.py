"""A petition's page: what it shows and to whom, deciding by one press and by form, two people at once, taking back, sending back."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import event, update

from api.store.audit import Action, entries
from api.store.petitions import now
from api.store.tables import audit, decisions, petitions
from api.workbench import words
from api.workbench.pages import petition as pages
from classifier.dates import CHINA

_TEXT = "青石街道锦和苑小区楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
UNIT = "urban_management"


@pytest.fixture
def petition(http):
    return http.submit({"title": "烧烤店油烟", "text": _TEXT, "channel": "来信", "received_at": "2026-03-04"})


def _said(answer):
    """What a page says, tags and blank space aside."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


def _held(http, petition):
    whole = http.get(f"/v1/petitions/{petition}").json()
    names = ("status", "category", "kind", "unit", "joint_units", "decision_id")
    return {name: whole[name] for name in names}


def _hidden(answer, action):
    """The hidden fields of the page's first form with this action."""
    form = re.search(rf'<form [^>]*action="[^"]*{action}"[^>]*>(.*?)</form>', answer.text, re.S).group(1)
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
    return {name: value for name, value in fields.items() if name != "csrf"}


def _events(service, action):
    with service.store.read() as connection:
        return [(entry.user, entry.petition_id) for entry in entries(connection, action=action.value)]


def _decide(someone, petition, **fields):
    return someone.post(f"/petitions/{petition}/decide", {"expected_decision": "0"} | fields)


def test_the_page_shows_text_suggestion_and_what_is_decided(desk, http, petition):
    page = desk("intake").get(f"/petitions/{petition}")
    assert page.status_code == 200
    shown = http.get(f"/v1/petitions/{petition}").json()
    first = shown["suggestion"]["categories"][0]
    assert first["path"] in page.text
    assert re.search(r"\d{8}-\d{6}", page.text)
    said = _said(page)
    for word in (
        "未认定",
        "接受建议",
        "2026-03-04",
        "来信",
        "模型建议",
        shown["suggestion"]["units"][0]["grounds"][0],
    ):
        assert word in said, word
    marked = re.findall(r"<mark>(.*?)</mark>", page.text)
    assert sorted(marked) == sorted(span["text"] for span in first["evidence"])


def test_evidence_of_another_category_is_a_link_away(desk, http, petition):
    categories = http.get(f"/v1/petitions/{petition}").json()["suggestion"]["categories"]
    someone = desk("intake")
    page = someone.get(f"/petitions/{petition}?from=status%3Dpending")
    links = re.findall(r'href="(/petitions/[^"]*evidence=\d)"', page.text)
    assert len(links) == sum(bool(each["evidence"]) for each in categories[1:])
    address = links[0].replace("&amp;", "&")
    assert "from=status%3Dpending" in address
    number = int(address[-1])
    marked = re.findall(r"<mark>(.*?)</mark>", someone.get(address).text)
    assert sorted(marked) == sorted(span["text"] for span in categories[number - 1]["evidence"])
    # One that is not there marks nothing.
    assert "<mark>" not in someone.get(f"/petitions/{petition}?evidence=9").text


def test_nothing_of_the_original_is_on_the_page(desk, http, letter, markers):
    petition = http.submit(letter)
    for role in ("intake", "reviewer", "admin", "auditor"):
        page = desk(role).get(f"/petitions/{petition}")
        assert not [marker for marker in markers if marker in page.text]
        assert '<span class="redacted">〈姓名〉</span>' in page.text


def test_one_press_decides_what_is_suggested(desk, http, petition):
    someone = desk("intake")
    page = someone.get(f"/petitions/{petition}")
    assert 'data-key="a"' in page.text
    answer = someone.post(f"/petitions/{petition}/decide", _hidden(page, "/decide"))
    assert (answer.status_code, answer.headers["location"]) == (303, f"/petitions/{petition}?done=decided")
    suggestion = http.get(f"/v1/petitions/{petition}").json()["suggestion"]
    held = _held(http, petition)
    assert held["status"] == "已认定"
    assert held["category"] == suggestion["categories"][0]["code"]
    assert held["unit"] == suggestion["units"][0]["id"]
    assert held["joint_units"] == [], "other candidates are no joint units because they rank second"
    after = someone.get(answer.headers["location"])
    assert "已认定。" in after.text
    assert 'data-key="a"' not in after.text


def test_the_form_changes_each_part_with_and_without_script(desk, http, petition):
    someone = desk("reviewer")
    # With script: the code; without: what was typed, beside the code the page came with.
    answer = _decide(
        someone,
        petition,
        category="040206",
        category_typed="城乡建设",
        kind="咨询",
        unit=UNIT,
        unit_typed="生态环境局",
        with_joint="1",
        joint=["public_security"],
        joint_add="",
        joint_add_typed="城管局",
        reason="电话13971234567的来件",
    )
    assert answer.status_code == 303, answer.text
    held = _held(http, petition)
    assert (held["category"], held["kind"], held["unit"]) == (_code(http, "城乡建设"), "咨询", "ecology")
    assert held["joint_units"] == ["public_security", UNIT]
    page = someone.get(f"/petitions/{petition}")
    assert "电话〈手机号〉的来件" in page.text
    assert page.text.count("13971234567") == 0
    _decide(someone, petition, expected_decision=str(held["decision_id"]), unit=UNIT, with_joint="1")
    assert _held(http, petition)["joint_units"] == []


def _code(http, name):
    return next(
        node["code"] for node in http.get("/v1/taxonomy").json()["categories"] if node["name"] == name
    )


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"category_typed": "没有这一类"}, "没有这一类"),
        ({"unit_typed": "没有这个局"}, "没有这个局"),
        ({"category": "999999"}, "999999"),
        ({"kind": "不知道"}, "诉求类型"),
        ({"unit": UNIT, "with_joint": "1", "joint": [UNIT]}, "主办单位不能同时是协办单位"),
        ({"with_joint": "1", "joint": ["ecology"]}, "还没有认定主办单位"),
        ({"with_joint": "1"}, "没有写任何认定"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(desk, petition, rows, fields, word):
    before = rows()
    answer = _decide(desk("intake"), petition, reason="请看“第二段”", **fields)
    assert answer.status_code == 422
    assert word in _said(answer)
    assert "请看“第二段”" in answer.text
    for typed in ("没有这一类", "没有这个局"):
        if typed in fields.values():
            assert f'value="{typed}"' in answer.text
    assert rows() == before | {"sessions": before["sessions"] + 1, "users": before["users"] + 1}


def test_two_people_at_once_the_second_sees_what_it_is_now_and_loses_nothing(desk, http, petition):
    first, second = desk("intake"), desk("reviewer")
    assert _decide(first, petition, kind="咨询", unit=UNIT, reason="归城管").status_code == 303
    answer = _decide(second, petition, kind="建议意见", unit="ecology", unit_typed="生态环境局", reason="我看归环保")  # fmt: skip
    assert answer.status_code == 409
    said = _said(answer)
    for word in ("刚有变化", "user-intake", "咨询", "归城管", "您填写的内容保留"):
        assert word in said, word
    assert 'value="我看归环保"' in answer.text
    assert 'value="建议意见" checked' in answer.text
    assert 'value="ecology"' in answer.text
    held = _held(http, petition)
    assert held["unit"] == UNIT
    # The page shows the decision of now: sent again, it is meant.
    again = {"expected_decision": str(held["decision_id"]), "kind": "建议意见", "unit": "ecology"}
    assert f'name="expected_decision" value="{held["decision_id"]}"' in answer.text
    assert second.post(f"/petitions/{petition}/decide", again).status_code == 303
    assert _held(http, petition)["unit"] == "ecology"


def test_a_form_sent_twice_decides_once(desk, petition, service):
    someone = desk("intake")
    form = {"kind": "咨询", "unit": UNIT, "with_joint": "1", "joint": ["ecology"], "reason": "归城管"}
    answers = [_decide(someone, petition, **form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert len(_events(service, Action.DECIDED)) == 1
    # Another choice on the old page is no repetition.
    assert _decide(someone, petition, **form | {"kind": "建议意见"}).status_code == 409
    assert _decide(desk("reviewer"), petition, **form).status_code == 409


def test_taking_back_asks_first_and_happens_once(desk, http, petition):
    someone = desk("intake")
    _decide(someone, petition, kind="咨询", unit=UNIT)
    held = _held(http, petition)["decision_id"]
    _decide(someone, petition, expected_decision=str(held), kind="建议意见")
    page = someone.get(f"/petitions/{petition}")
    assert re.search(r"<summary data-key=\"u\">撤销认定", page.text)
    form = _hidden(page, "/undo")
    answers = [someone.post(f"/petitions/{petition}/undo", form | {"reason": "看错了"}) for _ in range(2)]
    assert [answer.headers.get("location") for answer in answers] == [
        f"/petitions/{petition}?done=undone"
    ] * 2
    assert _held(http, petition)["decision_id"] == held, "the one before holds again, and was not taken back"
    page = someone.get(f"/petitions/{petition}")
    undone = re.findall(r'<li class="undone">(.*?)</li>', page.text, re.S)
    assert len(undone) == 1
    assert "已撤销" in undone[0]
    assert "建议意见" in undone[0]
    assert "看错了" in page.text
    # What another decided meanwhile is not what they meant to take back.
    assert desk("reviewer").post(f"/petitions/{petition}/undo", form).status_code == 409


def test_a_unit_sends_back_its_own_and_nothing_else(desk, http, petition, rows):
    unit = desk("unit")
    assert unit.get(f"/petitions/{petition}").status_code == 404
    body = {"kind": "申诉求决", "unit": UNIT, "joint_units": ["ecology"]}
    number = http.post(f"/v1/petitions/{petition}/decisions", body).json()["decision_id"]
    page = unit.get(f"/petitions/{petition}")
    said = _said(page)
    assert "退回理由" in said
    assert "接受建议" not in said
    assert "查看原文" not in said
    form = _hidden(page, "/return")
    assert form["expected_decision"] == str(number)
    assert unit.post(f"/petitions/{petition}/return", form | {"reason": " "}).status_code == 422
    before = rows()
    assert unit.post(f"/petitions/{petition}/return", form | {"reason": "替他们退", "unit": "ecology"}).status_code == 403  # fmt: skip
    assert rows() == before
    answers = [unit.post(f"/petitions/{petition}/return", form | {"reason": "油烟归环保"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert rows()["returns"] == 1
    assert _held(http, petition)["status"] == "已退回"
    said = _said(desk("intake").get(f"/petitions/{petition}"))
    assert "油烟归环保" in said
    assert "撤销退回" not in said, "intake may decide anew, not take a return back"
    assert "撤销退回" in _said(desk("reviewer").get(f"/petitions/{petition}"))


def test_a_unit_records_its_reply_once(desk, http, petition, rows):
    unit = desk("unit")
    number = http.post(f"/v1/petitions/{petition}/decisions", {"kind": "申诉求决", "unit": UNIT}).json()[
        "decision_id"
    ]
    form = _hidden(unit.get(f"/petitions/{petition}"), "/reply")
    assert form["expected_decision"] == str(number)
    for day, word in (("", "看不懂"), ("2019-01-01", "到今天之间"), ("2199-01-01", "到今天之间")):
        answer = unit.post(f"/petitions/{petition}/reply", form | {"replied_on": day, "reason": "已电话说明"})
        assert answer.status_code == 422
        assert word in answer.text
        assert "已电话说明" in answer.text, "what was typed stays"
    before = rows()
    other = form | {"unit": "ecology", "replied_on": "2026-03-05"}
    assert unit.post(f"/petitions/{petition}/reply", other).status_code == 403
    assert rows() == before
    sent = form | {"replied_on": datetime.now(CHINA).date().isoformat(), "reason": "已电话说明"}
    answers = [unit.post(f"/petitions/{petition}/reply", sent) for _ in range(2)]
    assert [answer.headers.get("location") for answer in answers] == [
        f"/petitions/{petition}?done=replied"
    ] * 2
    assert rows()["replies"] == 1
    said = _said(unit.get(f"/petitions/{petition}"))
    assert "已答复" in said
    assert "说明：已电话说明" in said
    assert "登记答复" not in said
    assert "退回理由" not in said, "what is answered is not sent back"
    assert "撤销答复" not in _said(desk("intake").get(f"/petitions/{petition}"))
    page = desk("reviewer").get(f"/petitions/{petition}")
    assert "撤销答复" in _said(page)
    assert desk("reviewer").post(f"/petitions/{petition}/undo", _hidden(page, "/undo")).status_code == 303
    assert "登记答复" in _said(unit.get(f"/petitions/{petition}"))


def test_a_joint_unit_sends_nothing_back(desk, http, petition):
    http.post(f"/v1/petitions/{petition}/decisions", {"unit": "ecology", "joint_units": [UNIT]})
    unit = desk("unit")
    assert "退回理由" not in _said(unit.get(f"/petitions/{petition}"))
    form = {"expected_decision": "1", "unit": "ecology", "reason": "不归我们管"}
    assert unit.post(f"/petitions/{petition}/return", form).status_code == 403


def test_the_unit_that_sent_it_back_is_not_offered_again(desk, http, petition):
    suggested = http.get(f"/v1/petitions/{petition}").json()["suggestion"]["units"][0]["id"]
    whole = http.post(f"/v1/petitions/{petition}/decisions", {"unit": suggested}).json()
    page = desk("reviewer").get(f"/petitions/{petition}")
    form = _hidden(page, "/return") | {"reason": "不归我们管"}
    assert desk("reviewer").post(f"/petitions/{petition}/return", form).status_code == 303
    page = desk("intake").get(f"/petitions/{petition}")
    assert 'data-key="a"' not in page.text
    assert '<input type="hidden" name="unit" value="">' in page.text
    assert _held(http, petition)["decision_id"] == whole["decision_id"]


def test_the_original_is_asked_for_and_that_is_on_record(desk, http, letter, service):
    petition = http.submit(letter)
    someone = desk("intake")
    answer = someone.post(f"/petitions/{petition}/original")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    for word in (
        "记录在案",
        "11010519491231002X",
        "13971234567",
        "欧阳雪梅",
        "柏垭村槐树坡九组十七号",
        "信访人",
    ):
        assert word in answer.text, word
    assert "代理人" not in answer.text
    assert someone.get(f"/petitions/{petition}/original").status_code == 405
    assert _events(service, Action.OPENED_ORIGINAL) == [("user-intake", petition)]


def test_an_accusation_is_for_who_may_and_its_readers_are_on_record_once_a_day(desk, http, petition, service):
    http.post(f"/v1/petitions/{petition}/decisions", {"kind": "检举控告", "unit": UNIT})
    for role, status in (("intake", 404), ("unit", 404), ("reviewer", 200), ("auditor", 200)):
        for _ in range(2):
            assert desk(role).get(f"/petitions/{petition}").status_code == status, role
    seen = [("user-auditor", petition), ("user-reviewer", petition)]
    assert _events(service, Action.OPENED_ACCUSATION) == seen
    assert desk("intake").post(f"/petitions/{petition}/original").status_code == 404
    with service.store.write() as connection:
        # What was read two days ago is read anew today.
        trigger = "audit_no_update"
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql(f"DROP TRIGGER {trigger}")
        else:
            connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER USER")
        connection.execute(update(audit).values(created_at=now() - timedelta(days=2)))
        if connection.dialect.name != "sqlite":
            connection.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER USER")
    desk("reviewer").get(f"/petitions/{petition}")
    assert _events(service, Action.OPENED_ACCUSATION) == [("user-reviewer", petition), *seen]


def test_who_finds_an_accusation_hands_it_on(desk, http, petition):
    own = http.submit(_TEXT, role="intake")
    someone = desk("intake")
    answer = _decide(someone, petition, kind="检举控告")
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue?done=handed-on")
    with_own = _decide(someone, own, kind="检举控告")
    assert with_own.headers["location"] == f"/petitions/{own}?done=decided", "intake sees what it registered"


def test_history_tells_who_when_and_why(desk, http, petition):
    someone = desk("intake")
    _decide(someone, petition, category="040206", unit=UNIT, reason="油烟归城管")
    page = someone.get(f"/petitions/{petition}")
    timeline = re.search(r'<ol class="timeline">(.*?)</ol>', page.text, re.S).group(1)
    steps = [re.sub(r"<[^>]*>|\s", "", step) for step in re.findall(r"<li>(.*?)</li>", timeline, re.S)]
    assert len(steps) == 2
    assert steps[0].startswith("模型建议模型")
    assert steps[1].startswith("认定user-intake（录入）")
    assert "主办单位：城" in steps[1]
    assert steps[1].endswith("理由：油烟归城管")


def test_links_and_matter_stand_beside_the_petition(desk, http, petition):
    other = http.submit({"title": "烧烤店油烟", "text": _TEXT, "received_at": "2026-05-01"})
    secret = http.submit(_TEXT + "另附举报。", role="admin")
    http.post(f"/v1/petitions/{secret}/decisions", {"kind": "检举控告"})
    intake, reviewer = desk("intake"), desk("reviewer")
    said = _said(intake.get(f"/petitions/{petition}"))
    assert "仅限授权人员" in said
    assert "还没有并入事项" in said
    assert secret not in intake.get(f"/petitions/{petition}").text
    assert secret in reviewer.get(f"/petitions/{petition}").text
    assert "1 条待认定" in said
    assert "2 条待认定" in _said(reviewer.get(f"/petitions/{petition}"))
    http.post(f"/v1/petitions/{petition}/decisions", {"links": [{"id": other, "confirmed": True}]})
    page = intake.get(f"/petitions/{other}")
    matter = http.get(f"/v1/petitions/{other}").json()["matter"]
    said = _said(page)
    assert f'href="/matters/{matter["id"]}"' in page.text
    # 60 days from 4 March 2026: the last day, not the midnight that ends it.
    for word in (
        "2 件",
        "已确认",
        "2026-05-03",
        "已过期限",
        "《信访工作条例》第三十四条",
        "初信初访",
        "早于本件",
    ):
        assert word in said, word


def test_from_the_queue_one_goes_on_and_can_go_back(desk, http, petition, monkeypatch):
    following = http.submit("路灯坏了三个月没有人修，晚上走路看不见。")
    around = {petition: ("", following), following: (petition, None)}
    asked = []

    def neighbours(service, viewer, query, one):
        asked.append((viewer.user_id, query))
        return around[one]

    monkeypatch.setattr(pages, "neighbours", neighbours)
    someone = desk("intake")
    queue = "status=待认定&sort=due"
    page = someone.get(f"/petitions/{petition}", params={"from": queue})
    assert f'href="/queue?{queue.replace("&", "&amp;")}"' in page.text
    assert re.search(rf'href="/petitions/{following}\?from=[^"]*" data-key="n"', page.text)
    assert 'data-key="p"' not in page.text
    answer = someone.post(f"/petitions/{petition}/decide", _hidden(page, "/decide") | {"from": queue})
    assert answer.headers["location"].startswith(f"/petitions/{following}?from=status%3D")
    page = someone.get(answer.headers["location"])
    assert re.search(rf'href="/petitions/{petition}\?from=[^"]*" data-key="b"', page.text)
    assert {query for _, query in asked} == {queue}
    assert someone.get(f"/petitions/{petition}").text.count("返回待办") == 0


def test_pages_work_without_script_and_hold_no_script(desk, http, petition):
    page = desk("admin").get(f"/petitions/{petition}")
    assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page.text)
    for form in re.findall(r'<form method="post".*?</form>', page.text, re.S):
        assert 'name="csrf"' in form
        assert "<button" in form


@pytest.fixture
def queries(service):
    """Counts the statements of whatever runs within it."""

    class Count:
        def __enter__(self):
            self.number = 0
            event.listen(service.store.engine, "before_cursor_execute", self._one)
            return self

        def __exit__(self, *_):
            event.remove(service.store.engine, "before_cursor_execute", self._one)

        def _one(self, *_):
            self.number += 1

    return Count


def test_more_links_and_more_history_ask_no_more_of_the_database(desk, http, petition, queries, service):
    someone = desk("reviewer")
    counts = []
    for more in (4, 16):
        for _ in range(more):
            http.submit(_TEXT)
        others = [link["id"] for link in http.get(f"/v1/petitions/{petition}/links").json()["items"]]
        for other in others:
            body = {"links": [{"id": other, "confirmed": True}]}
            http.post(f"/v1/petitions/{petition}/decisions", body)
        http.post(f"/v1/petitions/{petition}/decisions", {"kind": "咨询", "reason": str(more)})
        with queries() as count:
            page = someone.get(f"/petitions/{petition}")
        counts.append((count.number, page.text.count("data-row>")))
    assert counts[0][1] == 4
    assert counts[1][1] >= 10
    assert counts[0][0] == counts[1][0] <= 30
    with service.store.read() as connection:
        assert connection.execute(decisions.select()).fetchall()


def test_the_receipt_number_is_the_one_of_the_register(desk, service, petition):
    with service.store.read() as connection:
        row = connection.execute(petitions.select().where(petitions.c.id == petition)).one()
    assert words.receipt(row.seq, row.created_at) in desk("auditor").get(f"/petitions/{petition}").text


def test_what_a_unit_sent_back_is_not_shown_as_the_decision_in_force(desk, http, petition):
    head = desk("intake").get(f"/petitions/{petition}").text
    assert "退回前的认定" not in head
    decided = http.post(f"/v1/petitions/{petition}/decisions", {"category": "1501", "kind": "申诉求决", "unit": "transport"}).json()  # fmt: skip
    assert decided["status"] == "已认定"
    http.post(f"/v1/petitions/{petition}/returns", {"unit": "transport", "reason": "不属于本单位"})
    page = desk("intake").get(f"/petitions/{petition}").text
    assert "退回前的认定" in page
    assert "重新认定" in page
    assert ">已改<" not in page
