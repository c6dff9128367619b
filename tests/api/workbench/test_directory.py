"""The unit directory at the workbench: nothing is saved unseen, what is wrong stands at its field, all processes follow, nothing gets lost."""

from __future__ import annotations

import csv
import html
import re
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event

from api import directory_changes as changes
from api.directory_preview import preview
from api.office_directory import KEPT, TABLES, Sheets, parse_sheet, versions
from api.store.audit import Action, entries
from api.store.users import Role, add_user, disable_user
from api.workbench import directory_form
from classifier.errors import ConflictError
from tests.api.workbench.conftest import text_of

#: Leads to the waste unit of the county wherever it is.
_NOISE = "小区门口烧烤摊每天夜里十二点还在营业，猜拳喧哗，没法睡觉，请管一管。"
_RULE = {"id": "X1", "priority": "99", "keywords": "烧烤摊\n夜市", "category": "", "kind": "", "respondent_typed": "", "district_typed": "",
         "unit": "", "unit_typed": "档案馆", "role": "主办", "ground": "夜市归口"}  # fmt: skip


@pytest.fixture
def live(settings, follower):
    """One that follows the office's own directory, unlike that of most tests."""
    return follower(settings)


@pytest.fixture
def admin(desk):
    return desk("admin")


def _fields(page):
    """What a form sends when nothing is typed: inputs, textareas and chosen options of the last form with a version stamp."""
    form = next(part for part in reversed(re.split(r"<form", page)) if 'name="v"' in part).split("</form>")[0]
    found = {}
    for tag in re.findall(r"<input[^>]*>", form):
        attributes = dict(re.findall(r'([\w-]+)="([^"]*)"', tag))
        if "name" in attributes and (attributes.get("type") != "checkbox" or " checked" in tag):
            found[attributes["name"]] = html.unescape(attributes.get("value", ""))
    for name, text in re.findall(r'<textarea[^>]* name="(\w+)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        found[name] = html.unescape(text)
    for name, options in re.findall(r'<select[^>]* name="(\w+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        found[name] = html.unescape(chosen[1])
    return {name: value for name, value in found.items() if name != "csrf"}


def _row(someone, table, column, value):
    """The form of the row that has this value, as it is sent unchanged."""
    service = someone.client.app.state.service
    sheets = changes.sheets_in_use(service)
    at = next(n for n, row in enumerate(sheets.rows[table]) if row[column] == value)
    return _fields(someone.get(f"/admin/directory/{table}/row?at={at}&v={sheets.stamp}").text)


def _new(someone, table):
    return _fields(someone.get(f"/admin/directory/{table}/row").text)


def _post(someone, table, form, **more):
    return someone.post(f"/admin/directory/{table}/row", form | more)


def _save(someone, table, form):
    answer = _post(someone, table, form, step="save")
    assert answer.status_code == 303, text_of(answer)
    return answer


def test_a_change_is_tried_on_past_petitions_before_it_is_saved(admin, http, service):
    moved, stays = http.submit(_NOISE), http.submit("厂里拖欠我三个月工资，请帮我要回来。")
    before = changes.sheets_in_use(service).stamp
    form = _new(admin, "rules") | _RULE
    shown = _post(admin, "rules", form)
    assert shown.status_code == 200
    assert "这 1 件过去的来件会转到别处" in text_of(shown)
    assert "最近的 2 件" in text_of(shown)
    assert f'href="/petitions/{moved}"' in shown.text
    assert stays not in shown.text
    assert "→ 档案馆" in text_of(shown)
    assert changes.sheets_in_use(service).stamp == before
    assert not service.settings.own_directory.exists()
    answer = admin.post("/admin/directory/rules/row", _fields(shown.text) | {"step": "save"})
    assert answer.headers["location"] == "/admin/directory/rules?done=directory"
    assert http.post("/v1/petitions", {"text": _NOISE}).json()["suggestion"]["units"][0]["name"] == "档案馆"
    with service.store.read() as connection:
        entry = next(entries(connection))
    assert entry.action == Action.DIRECTORY_CHANGED
    assert (entry.user, entry.detail["row"], entry.detail["number"]) == ("admin", "X1", 2)


def test_the_preview_says_what_routing_will_do(admin, http, service, administrator):
    """What it foretells is what the same texts get once the change is made."""
    texts = [
        _NOISE,
        "楼下夜市油烟直排，窗户不敢开。",
        "村口烧烤摊占道。",
        "反映村里道路破损。",
        "咨询社保卡怎么补办。",
    ]
    ids = [http.submit(text) for text in texts]
    leads = [http.get(f"/v1/petitions/{each}").json()["suggestion"]["units"][0]["name"] for each in ids]
    stamp = changes.sheets_in_use(service).stamp
    row = {
        "id": "X1",
        "priority": "99",
        "keywords": "烧烤摊、夜市",
        "unit": "archives",
        "role": "主办",
        "ground": "",
    }
    draft = changes.edited(service, stamp, "rules", None, row)
    found = preview(service, administrator, changes.findings(service, draft))
    changes.apply(service, administrator, draft)
    after = [
        http.post("/v1/petitions", {"text": text}).json()["suggestion"]["units"][0]["name"] for text in texts
    ]
    expected = {each: (old, new) for each, old, new in zip(ids, leads, after, strict=True) if old != new}
    assert {each.id: (each.before, each.after) for each in found.moved} == expected
    assert len(expected) == 3
    assert (found.looked, found.is_short) == (5, False)


def test_a_preview_that_runs_out_of_time_says_so(http, service, administrator):
    for _ in range(60):
        http.submit("厂里拖欠我三个月工资，请帮我要回来。" + str(_))
    found = preview(service, administrator, service.live.engine().router.directory, seconds=0.0)
    assert (found.looked, found.is_short) == (50, True)


@pytest.mark.parametrize("count", [5, 45])
def test_a_preview_asks_the_database_as_often_for_many_as_for_few(http, service, administrator, count):
    for number in range(count):
        http.submit(f"第{number}栋电梯坏了没人修。")
    asked = []
    event.listen(service.store.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    preview(service, administrator, service.live.engine().router.directory)
    assert sum(statement.lstrip().upper().startswith("SELECT") for statement in asked) == 2


def test_every_process_follows_and_the_folder_given_stays(admin, service, settings, follower):
    other = follower(settings)
    given = {file.name: file.read_bytes() for file in settings.directory.iterdir()}
    assert other.engine().router.directory.units["archives"].name == "档案馆"
    _save(admin, "units", _row(admin, "units", "id", "archives") | {"name": "档案中心"})
    assert service.live.engine().router.directory.units["archives"].name == "档案中心"
    other.look()
    assert other.engine().router.directory.units["archives"].name == "档案中心"
    assert other.problem is None
    assert {file.name: file.read_bytes() for file in settings.directory.iterdir()} == given
    assert [(v.number, v.by, v.in_use) for v in versions(settings)] == [(2, "admin", True), (1, "", False)]
    assert follower(settings).engine().router.directory.units["archives"].name == "档案中心", (
        "after a restart"
    )


_MISTAKES = [
    ("units", {"name": ""}, "name", "请填写名称"),
    ("units", {"name": "公安局"}, "name", "重复"),
    ("units", {"name": "新单位", "id": "archives"}, "id", "重复"),
    ("units", {"name": "新单位", "parent": "nobody", "parent_typed": "没有的单位"}, "parent", "没有的单位"),
    ("categories", {"category_typed": "没有的分类", "unit_typed": "公安局"}, "category", "没有的分类"),
    ("categories", {"category_typed": "0101", "unit_typed": "住建局"}, "unit", "已经写过"),
    ("categories", {"category_typed": "0101", "unit_typed": ""}, "unit", "请填写单位。"),
    ("rules", _RULE | {"unit_typed": ""}, "unit", "请填写交给哪个单位。"),
    ("districts", {"name": "新镇", "code": "D01", "unit_typed": "公安局"}, "code", "重复"),
    ("districts", {"name": "", "code": "D99", "unit_typed": "公安局"}, "name", "请填写名称"),
    ("rules", _RULE | {"id": "R01"}, "id", "重复"),
    ("rules", _RULE | {"id": ""}, "id", "编号"),
    ("rules", _RULE | {"priority": "高"}, "priority", "不是整数"),
    ("rules", _RULE | {"keywords": ""}, "keywords", "没有任何条件"),
    ("rules", _RULE | {"category": "没有的分类"}, "category", "没有的分类"),
    ("rules", _RULE | {"unit_typed": "没有的单位"}, "unit", "没有的单位"),
    ("rules", _RULE | {"role": "旁办"}, "role", "主办 或 协办"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "typed", "field", "word"), _MISTAKES)
def test_what_is_wrong_stands_at_its_field_and_what_was_typed_stays(
    admin, settings, table, typed, field, word
):
    answer = _post(admin, table, _new(admin, table) | typed, step="save")
    assert answer.status_code == 422
    told = re.search(rf'<p id="f-{field}-problem"[^>]*>(.*?)</p>', answer.text)
    assert told, text_of(answer)
    assert word in told[1]
    assert answer.text.count('-problem" class') == 1
    assert f'aria-describedby="f-{field}-problem"' in answer.text
    assert "没有保存 请改正下面标出的 1 处" in text_of(answer)
    kept = _fields(answer.text)
    assert (
        {name: kept.get(name) for name in typed} == typed | {"role": kept.get("role")}
        if "role" in typed
        else True
    )
    assert not settings.own_directory.exists()


def test_two_at_once_both_get_through_and_neither_is_lost(admin, service):
    mine, theirs = _row(admin, "units", "id", "archives"), _row(admin, "units", "id", "public_security")
    _save(admin, "units", theirs | {"duties": theirs["duties"] + "\n夜市治安"})
    answer = _post(admin, "units", mine | {"name": "档案中心"}, step="save")
    assert answer.status_code == 409
    assert "刚有人改过" in text_of(answer)
    again = _fields(answer.text)
    assert again["name"] == "档案中心"
    assert "夜市治安" in service.live.engine().router.directory.units["public_security"].duties
    assert service.live.engine().router.directory.units["archives"].name == "档案馆"
    _save(admin, "units", again)
    units = service.live.engine().router.directory.units
    assert units["archives"].name == "档案中心"
    assert "夜市治安" in units["public_security"].duties


def test_a_row_that_moved_is_found_again_and_one_that_is_gone_is_told(admin, service):
    last, first = _row(admin, "rules", "id", "P12"), _row(admin, "rules", "id", "R46")
    assert _post(admin, "rules", first, remove="1").status_code == 200
    assert _post(admin, "rules", first, remove="1", step="save").status_code == 303
    again = _fields(_post(admin, "rules", last | {"ground": "换个说法"}).text)
    _save(admin, "rules", again)
    found = {rule.id: rule.ground for rule in service.live.engine().router.directory.rules}
    assert found["P12"] == "换个说法"
    assert "R46" not in found
    assert _post(admin, "rules", first).status_code == 409


def test_of_two_threads_one_wins(service, administrator):
    stamp = changes.sheets_in_use(service).stamp
    drafts = [changes.edited(service, stamp, "units", 0, {"name": name}) for name in ("甲局", "乙局")]
    outcomes = []

    def save(draft):
        try:
            outcomes.append(changes.apply(service, administrator, draft))
        except ConflictError:
            outcomes.append("conflict")

    threads = [threading.Thread(target=save, args=(draft,)) for draft in drafts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == ["2", "conflict"]
    assert [v.number for v in versions(service.settings)] == [2, 1]


def test_a_unit_goes_only_when_nothing_needs_it(admin, http, service):
    new = _new(admin, "units") | {"name": "河湖长制办公室", "duties": "河道巡查"}
    _save(admin, "units", new)
    made = next(
        u for u in service.live.engine().router.directory.units.values() if u.name == "河湖长制办公室"
    )
    assert re.fullmatch(r"[a-z0-9]+", made.id), "named by its pinyin initials"
    with service.store.write() as connection:
        add_user(connection, "河长", Role.UNIT, made.id)
    answer = _post(admin, "units", _row(admin, "units", "id", made.id), remove="1")
    assert answer.status_code == 422
    assert "账号 1 个" in text_of(answer)
    assert "没有删除" in text_of(answer)
    used = _post(admin, "units", _row(admin, "units", "id", "archives"), remove="1")
    assert used.status_code == 422
    assert re.search(r"(分类对应|规则)第 \d+ 行：单位“archives”不在", text_of(used))
    with service.store.write() as connection:
        disable_user(connection, "河长")
    assert (
        _post(admin, "units", _row(admin, "units", "id", made.id), remove="1", step="save").status_code == 303
    )
    assert made.id not in service.live.engine().router.directory.units


def test_a_unit_that_petitions_stand_with_stays(service, http, administrator):
    http.submit(_NOISE)
    unit = http.get("/v1/petitions").json()["items"][0]["unit"]
    sheets = changes.sheets_in_use(service)
    left = Sheets(
        {table: tuple(row for row in rows if unit not in row.values()) for table, rows in sheets.rows.items()}
    )
    found = changes.findings(service, changes.Draft(left, sheets.stamp, "试", {}))
    assert isinstance(found, changes.Findings)
    with pytest.raises(ConflictError, match="名下还有信访件"):
        changes.apply(service, administrator, changes.Draft(left, sheets.stamp, "试", {}))


def test_one_unit_takes_what_fits_nowhere(admin, service):
    fallback = service.live.engine().router.directory.fallback
    answer = _post(
        admin, "units", {k: v for k, v in _row(admin, "units", "id", fallback).items() if k != "fallback"}
    )
    assert answer.status_code == 422
    assert "f-fallback-problem" in answer.text
    _save(admin, "units", _row(admin, "units", "id", "archives") | {"fallback": "1"})
    assert service.live.engine().router.directory.fallback == "archives"


def test_a_rule_of_any_complaint_keeps_its_mark(admin, service):
    form = _row(admin, "rules", "id", "R04")
    assert form["any"] == "1"
    _save(admin, "rules", form | {"ground": "换个说法"})
    rule = next(rule for rule in service.live.engine().router.directory.rules if rule.id == "R04")
    assert (rule.respondent, rule.ground) == ("*", "换个说法")


def test_every_row_comes_back_from_its_form_as_it_was(admin, service):
    """For each table, some rows sent unchanged change nothing."""
    sheets = changes.sheets_in_use(service)
    for table, rows in sheets.rows.items():
        for at in range(0, len(rows), max(1, len(rows) // 4)):
            form = _fields(admin.get(f"/admin/directory/{table}/row?at={at}&v={sheets.stamp}").text)
            shown = _post(admin, table, form)
            assert shown.status_code == 200, (table, at, text_of(shown))
            row, wrong = directory_form.read(service, table, form, False, set())
            assert wrong == {}
            assert {**rows[at], **row} == rows[at]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_file_comes_back_from_a_spreadsheet_program(admin, service, encoding):
    got = admin.get("/admin/directory/districts/download")
    assert got.content.startswith(b"\xef\xbb\xbf")
    text = got.content.decode("utf-8-sig").replace("青石镇", "青岩镇").replace("\n", "\r\n")
    v = changes.sheets_in_use(service).stamp
    shown = admin.post(
        "/admin/directory/districts/upload", {"v": v}, files={"file": ("d.csv", text.encode(encoding))}
    )
    assert shown.status_code == 200
    assert "上传辖区，共 12 行" in text_of(shown)
    assert not service.settings.own_directory.exists()
    answer = admin.post("/admin/directory/districts/upload", _fields(shown.text) | {"step": "save"})
    assert answer.status_code == 303
    assert service.live.engine().router.directory.districts["D01"].name == "青岩镇"


@pytest.fixture
def cell_limit():
    """The length of a cell that csv reads at most is the whole process's, and reading petitions raises it."""
    before = csv.field_size_limit(131_072)
    yield
    csv.field_size_limit(before)


@pytest.mark.parametrize(
    ("content", "word"),
    [(b"", "先选"), (b"a,b\n1,2\n", "缺少列"), ("code,name,unit\nD1,甲镇,没有\n".encode(), "不在"), (b"\xff\xfe\xff\xff", "UTF-8"), (b"x" * (2**21 + 1), "2 MB"), (b"code,name,unit\n" + b"x" * 140_000 + b",a,b\n", "太长")],
)  # fmt: skip
def test_a_bad_file_changes_nothing_and_says_why(admin, service, settings, content, word, cell_limit):
    v = changes.sheets_in_use(service).stamp
    files = {"file": ("d.csv", content)}
    answer = admin.post("/admin/directory/districts/upload", {"v": v, "step": "save"}, files=files)
    assert answer.status_code == 422
    assert word in text_of(answer)
    assert not settings.own_directory.exists()


def test_an_earlier_version_comes_back(admin, service):
    _save(admin, "units", _row(admin, "units", "id", "archives") | {"name": "档案中心"})
    v = changes.sheets_in_use(service).stamp
    shown = admin.post("/admin/directory/restore", {"v": v, "number": "1"})
    assert shown.status_code == 200
    assert service.live.engine().router.directory.units["archives"].name == "档案中心"
    assert admin.post("/admin/directory/restore", _fields(shown.text) | {"step": "save"}).status_code == 303
    assert service.live.engine().router.directory.units["archives"].name == "档案馆"
    assert versions(service.settings)[0].what == "恢复第 1 版"
    v = changes.sheets_in_use(service).stamp
    assert admin.post("/admin/directory/restore", {"v": v, "number": "99"}).status_code == 404


def test_the_latest_versions_are_kept(service, administrator, monkeypatch):
    monkeypatch.setattr("api.office_directory.KEPT", 3)
    for name in "甲乙丙丁戊":
        draft = changes.edited(
            service, changes.sheets_in_use(service).stamp, "units", 0, {"name": f"{name}局"}
        )
        changes.apply(service, administrator, draft)
    assert [v.number for v in versions(service.settings)] == [6, 5, 4]
    assert KEPT == 20


def test_a_change_that_cannot_be_recorded_is_not_made(service, administrator, monkeypatch):
    before = changes.sheets_in_use(service).stamp
    draft = changes.edited(service, before, "units", 0, {"name": "甲局"})

    def fail(*_, **__):
        raise RuntimeError("power cut")

    monkeypatch.setattr("api.directory_changes.record", fail)
    with pytest.raises(RuntimeError):
        changes.apply(service, administrator, draft)
    assert changes.sheets_in_use(service).stamp == before
    assert [(v.number, v.in_use) for v in versions(service.settings)] == [(1, False)]
    monkeypatch.undo()
    assert changes.apply(service, administrator, draft) == 2


def test_a_link_that_leads_nowhere_is_told_and_not_passed_over(service, settings):
    before = service.live.engine()
    settings.own_directory.symlink_to("directory-history/0009")
    service.live.look()
    assert service.live.engine() is before
    assert "单位目录" in service.live.problem


_CELL = st.text(st.characters(blacklist_categories=("Cs", "Cc")), max_size=8).map(str.strip)


@given(
    st.lists(st.fixed_dictionaries({column: _CELL for column in (*TABLES["districts"], "备注")}), max_size=6)
)
def test_a_sheet_is_read_as_it_was_written(rows):
    rows = tuple(row for row in rows if any(row.values()))
    sheets = Sheets(dict.fromkeys(TABLES, ()) | {"districts": rows})
    assert parse_sheet(sheets.csv("districts"), "districts") == rows
    assert replace(sheets).stamp == sheets.stamp


@pytest.mark.parametrize("table", list(TABLES))
def test_a_table_is_searched_and_narrowed(desk, service, table):
    someone = desk("auditor")
    page = someone.get(f"/admin/directory/{table}?q=没有这样的词")
    assert "没有找到" in page.text
    page = someone.get(f"/admin/directory/{table}")
    assert "新增一行" not in page.text, "an auditor reads"
    assert "/row?" not in page.text
    total = len(changes.sheets_in_use(service).rows[table])
    assert f"全表 {total} 行" in text_of(page)
    assert someone.get("/admin/directory/petitioners").status_code == 404


def test_a_row_to_be_deleted_is_shown_whole_and_nothing_is_chosen_beforehand(admin, http, service):
    http.submit("厂里拖欠我三个月工资，请帮我要回来。")
    kept = _post(admin, "rules", _row(admin, "rules", "id", "R04"))
    assert "主办不受影响" in text_of(kept)
    assert "保存前看一看" in text_of(kept)
    assert "autofocus" in kept.text
    rule = next(row for row in changes.sheets_in_use(service).rows["rules"] if row["id"] == "R04")
    page = _post(admin, "rules", _row(admin, "rules", "id", "R04"), remove="1")
    assert "删除前看一看" in text_of(page)
    assert "主办不受影响 用最近的 1 件试算" in text_of(page)
    assert rule["keywords"] in text_of(page)
    assert rule["ground"] in text_of(page)
    assert "被投诉的单位：任何单位" in text_of(page)
    assert '<button class="danger" name="step" value="save">确认删除这一行</button>' in page.text
    assert "autofocus" not in page.text
    assert "没有变化" not in page.text


def test_long_cells_end_with_a_whole_value_and_say_how_many_there_are(service):
    words = [f"关键词{number:02}" for number in range(30)]
    row = {"id": "X1", "keywords": "、".join(words), "category": "、".join(["0101"] * 5), "unit": "archives"}
    text = directory_form.cells(service, "rules", row)[2].text
    assert text.startswith(f"含：{'、'.join(words[:10])} 等\u00a030\u00a0项；分类：")
    assert text.endswith(" 等\u00a05\u00a0项")
    assert "…" in directory_form.cells(service, "units", {"duties": "字" * 90})[2].text
    whole = directory_form.cells(service, "rules", row, whole=True)[2].text
    assert row["keywords"] in whole


def test_a_category_called_other_says_what_of(service):
    taxonomy = service.live.engine().bundle.taxonomy
    other = next(c for c in taxonomy.level(2) if c.name == "其他")
    parent = taxonomy[other.code[:2]].name
    text = directory_form.cells(service, "rules", {"category": f"{other.code}、0101"})[2].text
    assert text == f"分类：{parent} › 其他、{taxonomy['0101'].name}"


def test_what_must_be_filled_in_is_marked_and_any_unit_stands_under_the_respondent(admin):
    page = admin.get("/admin/directory/rules/row")
    assert page.text.count("必填") == 2
    assert "不新增" in page.text
    under = re.search(
        r'<div>\s*<div class="field">\s*<label for="f-respondent">(.*?)for="f-district"', page.text, re.S
    )
    assert under
    assert 'for="f-any"' in under[1]
    assert '<textarea id="f-ground" class="brief"' in page.text


def test_the_directory_in_use_has_a_name(desk, service):
    assert "随程序的县区目录，还没有在这里改过" in text_of(desk("auditor").get("/admin"))
    assert "随程序的县区目录" in text_of(desk("auditor").get("/help/algorithm"))
