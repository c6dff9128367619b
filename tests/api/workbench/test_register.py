"""Registering: suggestions while typing, accepting, correcting, saving once, files, what is wrong, what survives."""

from __future__ import annotations

import html
import io
import json
import re
import zipfile
from datetime import timedelta

import docx
import pytest
from sqlalchemy import event, update

from api import accounts
from api.decisions import Choice, decide, get_one, get_original
from api.store.audit import Action, entries
from api.store.petitions import now
from api.store.tables import sessions
from api.workbench.pages import register as page

TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_PASSWORD = "梧桐树下等公交车"


def fields(answer):
    """What a browser would send back of a page's form, pressing nothing."""
    found = {}
    for tag in re.findall(r"<(?:input|option|textarea)\b[^>]*>", answer.text):
        pairs = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        name, kind = pairs.get("name"), pairs.get("type", "text")
        if (
            name
            and name != "csrf"
            and kind != "file"
            and (kind not in {"radio", "checkbox"} or " checked" in tag)
        ):
            found.setdefault(name, html.unescape(pairs.get("value", "")))
    found["text"] = html.unescape(re.search(r"<textarea[^>]*>\n(.*?)</textarea>", answer.text, re.S).group(1))
    found["channel"] = re.search(r"<option[^>]* selected>([^<]*)</option>", answer.text).group(1)
    return found


def suggested(someone, **more):
    """The form as it comes back from 查看建议, filled in."""
    form = fields(someone.get("/register")) | {"title": "烧烤店油烟", "text": TEXT, "do": "suggest"} | more
    answer = someone.post("/register", form)
    assert answer.status_code == 200, answer.text
    return fields(answer)


def complete(form):
    """With a category and a unit, whether or not the model was sure."""
    return {"category": "0402", "unit": "urban_management"} | form


def receipt_of(answer):
    assert answer.status_code == 303, answer.text
    found = re.fullmatch(r"/register/(\w{32})/receipt\?done=([\w-]+)", answer.headers["location"])
    return found.groups()


@pytest.fixture
def someone(desk):
    return desk("intake")


def test_what_was_seen_and_accepted_is_what_is_decided(someone, service, administrator, rows):
    form = complete(suggested(someone, people="3", petitioner="", name="欧阳雪梅", phone="13971234567"))
    before = rows()
    petition_id, done = receipt_of(someone.post("/register", form | {"do": "accept"}))
    assert done == "registered-decided"
    whole = get_one(service, petition_id, administrator)
    assert [whole[name] for name in ("category", "kind", "unit")] == [
        form[n] for n in ("category", "kind", "unit")
    ]
    assert (whole["status"], whole["people"], whole["channel"]) == ("已认定", 3, "来信")
    original = get_original(service, petition_id, administrator)
    assert (original["text"], original["petitioner"]["phone"]) == (TEXT, "13971234567")
    assert {name: count - before[name] for name, count in rows().items() if name in {"petitions", "decisions"}} == {"petitions": 1, "decisions": 1}  # fmt: skip
    shown = someone.get(f"/register/{petition_id}/receipt?done={done}").text
    assert re.search(r"\d{8}-\d{6}", shown)
    assert "已登记并认定" in shown
    assert 'data-key="n"' in shown


def test_saved_without_deciding(someone, service, administrator):
    form = fields(someone.get("/register")) | {"text": TEXT, "do": "register"}
    petition_id, done = receipt_of(someone.post("/register", form))
    assert done == "registered"
    assert get_one(service, petition_id, administrator)["status"] == "待认定"
    assert "还没有认定" in someone.get(f"/register/{petition_id}/receipt").text


def test_pressed_twice_is_stored_and_decided_once(someone, rows):
    form = complete(suggested(someone)) | {"do": "accept"}
    first = someone.post("/register", form)
    after = rows()
    again = someone.post("/register", form)
    assert again.headers["location"] == first.headers["location"]
    assert rows() == after


def test_a_decision_lost_on_the_way_is_made_up_for(someone, service, administrator):
    form = complete(suggested(someone))
    petition_id, _ = receipt_of(someone.post("/register", form | {"do": "register"}))
    again, done = receipt_of(someone.post("/register", form | {"do": "accept"}))
    assert (again, done) == (petition_id, "registered-decided")
    assert get_one(service, petition_id, administrator)["status"] == "已认定"


def test_a_decision_of_somebody_else_meanwhile_stays(someone, service, administrator):
    form = complete(suggested(someone))
    petition_id, _ = receipt_of(someone.post("/register", form | {"do": "register"}))
    decide(service, petition_id, Choice(category="0401", kind="咨询", unit="housing"), administrator)
    _, done = receipt_of(someone.post("/register", form | {"do": "accept"}))
    assert done == "registered-otherwise"
    assert get_one(service, petition_id, administrator)["unit"] == "housing"
    assert "没有保存" in someone.get(f"/register/{petition_id}/receipt?done={done}").text


def test_the_same_form_with_another_text_is_asked_about(someone, rows):
    form = complete(suggested(someone)) | {"do": "register"}
    receipt_of(someone.post("/register", form))
    before = rows()
    answer = someone.post("/register", form | {"text": TEXT + "另外还有噪声。"})
    assert answer.status_code == 409
    assert "已经登记过一件" in answer.text
    assert rows() == before
    receipt_of(someone.post("/register", fields(answer) | {"do": "register"}))
    assert rows()["petitions"] == before["petitions"] + 1


def test_changed_by_name_initials_and_code(someone, service, administrator):
    form = complete(suggested(someone)) | {"do": "accept", "joint": ["housing"]}
    form |= {"other_category_typed": "030401", "other_unit_typed": "房管局", "other_joint_typed": "公积金中心", "kind": "咨询"}  # fmt: skip
    petition_id, _ = receipt_of(someone.post("/register", form))
    whole = get_one(service, petition_id, administrator)
    assert [whole[name] for name in ("category", "kind", "unit")] == ["030401", "咨询", "housing"]
    # Who leads joins no longer.
    assert list(whole["joint_units"]) == ["housing_fund"]


#: What is posted beside a complete form, and what the form that comes back says.
_WRONG = [
    ({"other_category_typed": "油烟吵闹"}, "没有“油烟吵闹”这个分类"),
    ({"other_unit_typed": "住建"}, "住建局（housing）"),
    ({"category": "99"}, "已经没有了"),
    ({"unit": "gone"}, "已经没有了"),
    ({"other_joint_typed": "城管局"}, "不能同时是协办"),
    ({"category": ""}, "请选一个分类"),
    ({"unit": ""}, "请选主办单位"),
    ({"text": " \n ", "title": " "}, "还没有内容"),
    ({"text": "长" * 100_001}, "100,000"),
    ({"received": "前天"}, "日期“前天”无法识别"),
    ({"channel": "飞鸽"}, "没有这个渠道"),
    ({"people": "0"}, "人数"),
    ({"people": "三个"}, "人数"),
    ({"people": "9999999999"}, "人数"),
    ({"district_typed": "不周山"}, "没有“不周山”这个辖区"),
    ({"phone": "1" * 41}, "电话过长"),
    ({"joint_name": ["甲"] * 201}, "最多登记 200 位"),
]


def test_what_is_wrong_is_told_and_everything_typed_stays(someone, rows):
    typed = {
        "title": "烧烤<店>油烟",
        "name": '欧阳"雪梅"',
        "address": "柏垭村",
        "agent_name": "司马",
        "people": "2",
    }
    whole = complete(suggested(someone)) | typed | {"do": "accept"}
    before = rows()
    untold, lost = [], []
    for more, words in _WRONG:
        form = whole | more
        answer = someone.post("/register", form)
        if answer.status_code != 422 or words not in html.unescape(answer.text):
            untold.append(more)
        back = fields(answer)
        for name in ("title", "text", "name", "address", "agent_name", "nonce", "received", "people", "kind"):
            if back[name] != (form[name] if name == "text" else form[name].strip()):
                lost.append((more, name))
    assert (untold, lost) == ([], [])
    assert rows() == before


def test_unlikely_numbers_are_warned_of_and_taken(someone):
    form = suggested(
        someone, id_number="110105194912310021", phone="12", channel="来访", people="7", received="2031-01-01"
    )
    answer = someone.post("/register", form | {"do": "suggest"})
    for words in ("信访人的身份证号", "信访人的电话", "代表不超过 5 人", "在现在之后"):
        assert words in answer.text
    receipt_of(someone.post("/register", complete(form) | {"do": "accept"}))


def test_the_date_is_read_as_offices_write_it(someone, service, administrator):
    form = suggested(someone) | {"received": "2026年3月4日 下午3点", "do": "register"}
    petition_id, _ = receipt_of(someone.post("/register", form))
    assert (
        get_one(service, petition_id, administrator)["received_at"].isoformat() == "2026-03-04T07:00:00+00:00"
    )


def test_suggestions_beside_the_form(someone, rows, http):
    earlier = http.submit({"title": "烧烤店油烟扰民", "text": TEXT, "petitioner": {"phone": "13971234567"}})
    before = rows()
    answer = someone.post(
        "/register/suggest", {"title": "烧烤店油烟", "text": TEXT, "phone": "139 7123 4567"}
    )
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert "<mark>" in answer.text
    assert f"/petitions/{earlier}" in answer.text
    assert "待认定" in answer.text
    assert re.search(r"\d{8}-000001", answer.text)
    assert 'name="kind"' in answer.text
    assert rows() == before
    assert "13971234567" not in answer.text


def test_identity_is_used_for_the_repeat_alone(someone, http):
    http.submit({"title": "烧烤店油烟扰民", "text": TEXT, "petitioner": {"phone": "13971234567"}})
    other = "楼下烧烤店凌晨还在营业，油烟排进楼道没有人处理，请求查处。"
    asked = [someone.post("/register/suggest", {"text": other} | who).text for who in ({}, {"phone": "13971234567"}, {"phone": "13800138000", "name": "张三"})]  # fmt: skip
    without, same, another = asked
    assert "重复信访" in same
    assert "重复信访" not in without + another
    judged = [re.sub(r"<section aria-labelledby=.links-head.*?</section>|库内没有.*?　", "", text, flags=re.S) for text in asked]  # fmt: skip
    assert judged[0] == judged[1] == judged[2]


def test_an_unsure_model_chooses_nothing_in_advance(someone):
    form = {"text": "你好"}
    shown = someone.post("/register/suggest", form).text
    assert "没有把握" in shown
    assert not re.search(r'name="(category|unit)"[^>]*checked', shown)
    assert re.search(r'name="kind"[^>]*checked', shown)
    # Accepting it as it stands is asked about, not done.
    answer = someone.post(
        "/register", fields(someone.post("/register", form | {"do": "suggest"})) | {"do": "accept"}
    )
    assert answer.status_code == 422
    assert "请选一个分类" in answer.text


def test_accepting_what_was_never_shown_shows_it(someone, rows):
    before = rows()
    answer = someone.post("/register", fields(someone.get("/register")) | {"text": TEXT, "do": "accept"})
    assert answer.status_code == 200
    assert "看过后再保存" in answer.text
    assert rows() == before


def test_a_persons_choice_is_not_moved_by_more_text(someone):
    first = fields(someone.post("/register", suggested(someone) | {"do": "suggest"}))
    chosen = first | {"category": "030401", "kind": "咨询", "text": TEXT + "请求答复。", "do": "suggest"}
    then = fields(someone.post("/register", chosen))
    assert (then["category"], then["kind"]) == ("030401", "咨询")
    # The unit follows the category, until somebody chooses it.
    assert then["unit"] == "natural_resources"
    held = fields(someone.post("/register", then | {"unit": "housing", "category": "0402", "do": "suggest"}))
    assert held["unit"] == "housing"


def test_what_nobody_chose_follows_the_text(someone):
    first = suggested(
        someone, title="", text="社保断缴，单位不给补缴养老保险，退休手续办不下来，请求人社局督促。"
    )
    then = fields(someone.post("/register", first | {"text": TEXT * 2, "do": "suggest"}))
    assert then.get("first_category") != first.get("first_category")
    assert then.get("category", "") == then["first_category"]


def test_accusations_are_not_shown_to_intake(desk, http):
    accusing = "实名举报村主任李某贪污征地补偿款，虚报冒领，请纪委查处。"
    hidden = http.submit({"text": accusing, "channel": "来信"})
    http.post(f"/v1/petitions/{hidden}/decisions", {"kind": "检举控告"})
    mine = desk("intake").post("/register/suggest", {"text": accusing}).text
    assert hidden not in mine
    assert "仅限授权人员" in mine
    assert hidden in desk("reviewer").post("/register/suggest", {"text": accusing}).text
    assert desk("intake").get(f"/register/{hidden}/receipt").status_code == 404
    form = fields(desk("intake").get("/register")) | {"text": accusing, "do": "register"}
    petition_id, _ = receipt_of(desk("intake").post("/register", form))
    assert hidden not in desk("intake").get(f"/register/{petition_id}/receipt").text


@pytest.mark.parametrize("action", ["accept", "register"])
def test_what_was_typed_survives_the_end_of_a_session(desk, service, administrator, rows, action):
    accounts.accept_link(service, accounts.first_link(service).partition("=")[2], _PASSWORD, _PASSWORD)
    someone = desk("admin")
    text = '第一行\n"第二行" <b>&amp;\n\n' + TEXT
    form = complete(suggested(someone, text=text)) | {"do": action, "joint": ["housing", "levy_office"], "joint_name": ["甲", "乙"], "joint_phone": ["", "13971234567"]}  # fmt: skip
    with service.store.write() as connection:
        connection.execute(update(sessions).values(seen_at=now() - timedelta(days=1)))
    before = rows()
    answer = someone.post("/register", form | {"text": text.replace("\n", "\r\n")})
    assert answer.status_code == 401
    assert rows()["petitions"] == before["petitions"]
    kept = html.unescape(re.search(r'name="kept" value="([^"]*)"', answer.text).group(1))
    resumed = someone.post(
        "/sign-in", {"name": "admin", "password": _PASSWORD, "onward": "/register", "kept": kept}
    )
    assert 'action="/register"' in resumed.text
    again = {}
    for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', resumed.text):
        again.setdefault(name, []).append(html.unescape(value))
    assert again["joint_name"] == ["甲", "乙"]
    petition_id, done = receipt_of(someone.post("/register", again))
    assert receipt_of(someone.post("/register", again)) == (petition_id, done)
    assert rows()["petitions"] == before["petitions"] + 1
    original = get_original(service, petition_id, administrator)
    assert original["text"] == text
    assert [who["phone"] for who in original["joint_petitioners"]] == ["", "13971234567"]
    if action == "accept":
        assert set(get_one(service, petition_id, administrator)["joint_units"]) == {"housing", "levy_office"}


def test_a_form_from_before_a_new_session_comes_back(desk, rows):
    someone = desk("intake")
    before = rows()
    answer = someone.post(
        "/register", {"text": TEXT, "do": "register", "nonce": "n", "csrf": "of-another-session"}
    )
    assert answer.status_code == 403
    assert rows() == before
    assert TEXT in answer.text
    assert 'action="/register"' in answer.text
    receipt_of(someone.post("/register", dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', answer.text))))  # fmt: skip


def test_a_form_of_another_site_does_not_come_back(desk):
    someone = desk("intake")
    someone.headers["Sec-Fetch-Site"] = "cross-site"
    answer = someone.post("/register", {"text": TEXT, "csrf": "none"})
    assert answer.status_code == 403
    assert TEXT not in answer.text


def test_a_failing_store_gives_the_text_back(someone, monkeypatch):
    def fails(*_):
        raise page.FenbanError("数据库正忙，这次没有存上。请稍后重试。")

    form = complete(suggested(someone)) | {"do": "accept", "text": TEXT}
    monkeypatch.setattr(page, "register", fails)
    answer = someone.post("/register", form)
    assert answer.status_code == 500
    assert "数据库正忙" in answer.text
    assert fields(answer)["text"] == TEXT


def test_deciding_is_on_record(someone, service):
    petition_id, _ = receipt_of(someone.post("/register", complete(suggested(someone)) | {"do": "accept"}))
    with service.store.read() as connection:
        found = [entry for entry in entries(connection) if entry.petition_id == petition_id]
    assert [entry.action for entry in found] == [Action.DECIDED]
    assert "楼下" not in json.dumps(found[0].detail, ensure_ascii=False)


def test_queries_do_not_grow_with_links(someone, service, http):
    def asked():
        found = []

        def note(_, __, statement, *___):
            found.append(statement)

        event.listen(service.store.engine, "before_cursor_execute", note)
        answer = someone.post("/register/suggest", {"text": TEXT})
        event.remove(service.store.engine, "before_cursor_execute", note)
        return answer.text.count('href="/petitions/'), len(found)

    http.submit(TEXT)
    few, with_few = asked()
    for _ in range(7):
        http.submit(TEXT)
    many, with_many = asked()
    assert few < many
    assert with_few == with_many <= 14


# --- files ---------------------------------------------------------------------------------------------------------------------------


def _word(*paragraphs, table=()):
    document = docx.Document()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    if table:
        made = document.add_table(rows=len(table), cols=len(table[0]))
        for row, cells in zip(made.rows, table, strict=True):
            for cell, text in zip(row.cells, cells, strict=True):
                cell.text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _read(someone, name, content, form=None):
    return someone.post("/register/read", form, files={"file": (name, content)})


def test_a_files_text_is_read(someone, rows):
    before = rows()
    someone.headers["X-Fragment"] = "1"
    cases = [
        ("来信.txt", TEXT.encode()),
        ("来信.TXT", TEXT.encode("gb18030")),
        ("来信.txt", "\ufeff".encode() + TEXT.encode()),
        ("来信.txt", TEXT.encode("utf-16")),
        ("来信.docx", _word(TEXT)),
    ]
    answers = [_read(someone, name, content) for name, content in cases]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"text": TEXT})] * len(cases)
    assert rows() == before


def test_tables_of_a_document_are_read(someone):
    someone.headers["X-Fragment"] = "1"
    answer = _read(someone, "表.docx", _word("登记表", table=[["姓名", "张三"], ["事由", "油烟"]]))
    assert answer.json()["text"] == "登记表\n姓名　张三\n事由　油烟"


def _bomb(size, lies=False):
    out = io.BytesIO(_word(TEXT))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/more.xml", b"0" * size)
    content = out.getvalue()
    if lies:  # in the header and in the directory
        content = content.replace(size.to_bytes(4, "little"), (100).to_bytes(4, "little"))
    return content


def test_what_cannot_be_read_is_told(someone):
    cases = [
        ("来信.doc", b"x", "另存为 .docx"),
        ("来信.pdf", b"%PDF", "只能读"),
        ("来信", b"x", "没有扩展名"),
        ("来信.docx", b"PK\x03\x04 broken", "打不开"),
        ("来信.docx", b"", "打不开"),
        ("来信.docx", _bomb(30 << 20), "解压后过大"),
        ("来信.docx", _bomb(30 << 20, lies=True), "打不开"),
        ("来信.txt", b"a" * (2 * 1024 * 1024 + 1), "超过 2 MB"),
        ("来信.txt", "长".encode() * 100_001, "100,000"),
        ("来信.txt", b" \n ", "没有文字"),
        ("来信.docx", _word(" "), "没有文字"),
        ("来信.txt", bytes(range(256)) * 4, "来信.txt"),
    ]
    for name, content, words in cases:
        someone.headers["X-Fragment"] = "1"
        answer = _read(someone, name, content)
        assert answer.status_code in {413, 422}, name
        assert words in answer.text
        assert "<html" not in answer.text
        del someone.headers["X-Fragment"]
        answer = _read(someone, name, content, {"text": "先写的", "title": "标题"})
        assert answer.status_code == 422, name
        assert words in answer.text
        assert fields(answer)["text"] == "先写的"


def test_without_script_the_form_comes_back_with_the_text(someone):
    form = fields(someone.get("/register")) | {"title": "标题", "name": "欧阳雪梅"}
    answer = _read(someone, "来信.txt", TEXT.encode(), form)
    assert answer.status_code == 200
    back = fields(answer)
    assert (back["text"], back["title"], back["name"], back["nonce"]) == (
        TEXT,
        "标题",
        "欧阳雪梅",
        form["nonce"],
    )
    assert "请核对" in answer.text
    answer = _read(someone, "再来.txt", "又及。".encode(), back)
    assert fields(answer)["text"] == f"{TEXT}\n\n又及。"
