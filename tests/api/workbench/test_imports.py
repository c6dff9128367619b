"""The pages of imports: what an office's file looks like before it is stored, and what became of it."""

from __future__ import annotations

import csv
import io
import re
import tempfile
import uuid
import warnings
from datetime import timedelta
from types import SimpleNamespace

import openpyxl
import pytest
from sqlalchemy import event, func, select, update

from api import import_run
from api.app import create_app
from api.import_files import ImportFiles
from api.import_run import work
from api.store.audit import Action, broken_at, entries
from api.store.imports import ImportState, add_import
from api.store.petitions import now
from api.store.tables import imports as imports_table
from api.store.tables import petitions, users
from api.workbench.pages.imports import _result

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

_HEAD = ["编号", "标题", "诉求内容", "来信人", "联系电话", "身份证号", "住址", "登记时间", "渠道", "承办单位"]
_NAME, _PHONE, _PLACE = "欧阳雪梅", "13971234567", "柏垭村槐树坡九组十七号"


def text_of(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text)).strip()


def _row(number, text=None, **cells):
    text = f"第{number}号楼的楼道灯坏了{number}天没有人修，物业一直不管。" if text is None else text
    whole = dict(zip(_HEAD, [number, f"楼道灯{number}", text, _NAME, _PHONE, "", _PLACE, "2026-03-04", "来信", "住建局"], strict=True))  # fmt: skip
    return list((whole | cells).values())


def _csv(*rows, encoding="utf-8"):
    file = io.StringIO(newline="")
    csv.writer(file).writerows([_HEAD, *rows])
    return file.getvalue().encode(encoding)


def _xlsx(*rows):
    book = openpyxl.Workbook()
    for row in (["青石县 2026 年 3 月来信登记表"], [], _HEAD, *rows):
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.fixture(autouse=True)
def begun(monkeypatch):
    """No process of its own: the ids of imports whose process would have been started."""
    ids = []
    monkeypatch.setattr(
        import_run, "spawn", lambda settings, command, descriptor, **environment: ids.append(command[-1])
    )
    monkeypatch.setattr(import_run, "_PAUSE", 0.0)
    return ids


def _send(someone, data, name="三月.csv"):
    return someone.post("/imports", files={"file": (name, data)})


def _uploaded(someone, data, name="三月.csv"):
    answer = _send(someone, data, name)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def _imported(service, someone, path):
    assert someone.post(f"{path}/start").headers["location"] == path
    work(service, path.rpartition("/")[2])


def _kept(settings):
    folder = settings.data_dir / "imports"
    return sorted(path.suffix for path in folder.iterdir() if path.name != "lock") if folder.exists() else []


def test_a_file_from_upload_to_result(desk, service, settings):
    someone = desk("intake")
    path = _uploaded(someone, _csv(*map(_row, range(7)), encoding="gb18030"))
    page = text_of(someone.get(path))
    assert "三月.csv" in page
    assert "第4号楼的楼道灯坏了4天" in page
    assert "第5号楼" not in page
    assert "欧＊＊" in page
    assert not any(word in page for word in (_NAME, _PHONE, _PLACE))
    _imported(service, someone, path)
    answer = someone.get(path)
    assert "7 新增 0 已有，没有重复存入 0 未导入" in text_of(answer)
    with service.store.read() as connection:
        by = connection.execute(
            select(users.c.name, func.count()).join(petitions, petitions.c.created_by == users.c.id).group_by(users.c.name)
        ).all()  # fmt: skip
        found = [entry for entry in entries(connection) if entry.action == Action.IMPORTED]
        assert broken_at(connection) is None
    assert [tuple(row) for row in by] == [("user-intake", 7)]
    end, start = found
    assert (start.user, start.detail["step"], start.detail["total"]) == ("user-intake", "start", 7)
    assert (end.detail["step"], end.detail["state"], end.detail["new"]) == ("end", "done", 7)
    # Nothing of a file without rejects is kept.
    assert _kept(settings) == []
    assert "三月.csv" in someone.get("/imports").text


def test_banner_and_broken_rows_and_their_way_home(desk, service):
    someone = desk("intake")
    broken = [
        _row(1),
        _row(2, "", 标题="", 来信人="@HYPERLINK(1)"),
        _row(3, 登记时间="哪天不记得了"),
        _row(4),
    ]
    path = _uploaded(someone, _xlsx(*broken), "三月 登记表.xlsx")
    page = text_of(someone.get(path))
    assert "4 行" not in page
    assert "6 “登记时间”一列的日期无法识别。请写成" in page
    assert "哪天不记得了" not in page
    _imported(service, someone, path)
    assert "2 新增 0 已有，没有重复存入 2 未导入" in text_of(someone.get(path))
    answer = someone.get(f"{path}/rejects")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert "filename*=UTF-8''%E4%B8%89%E6%9C%88%20" in answer.headers["content-disposition"]
    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, first, second = csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline=""))
    assert head == ["行", "原因", *_HEAD]
    assert (first[0], second[0]) == ("5", "6")
    assert "空" in first[1]
    assert first[5] == "'@HYPERLINK(1)"
    assert "哪天不记得了" in second[1]
    assert second[2:6] == ["3", "楼道灯3", "第3号楼的楼道灯坏了3天没有人修，物业一直不管。", _NAME]
    with service.store.read() as connection:
        exported = next(entries(connection, action=Action.EXPORTED))
    assert (exported.user, exported.detail["rows"]) == ("user-intake", 2)
    # Mended in the downloaded file and sent once more.
    second[9] = "2026-03-05"
    again = io.StringIO(newline="")
    csv.writer(again).writerows([head, second])
    path = _uploaded(someone, again.getvalue().encode("utf-8-sig"), "改好.csv")
    _imported(service, someone, path)
    assert "1 新增 0 已有" in text_of(someone.get(path))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("三月.docx", b"PK\x03\x04", "不支持 .docx"), ("三月", b"x", "没有扩展名"), ("三月.csv", b"", "空的"), ("三月.xlsx", b"", "打不开"),
        ("三月.csv", _csv(), "没有数据"), ("三月.xlsx", b"PK\x03\x04 broken", "打不开"), ("三月.xls", _csv(_row(1)), "打不开"),
        ("三月.csv", b"\xff\x00\x80\x81" * 200, "编码"),
    ],
)  # fmt: skip
def test_a_file_that_will_not_do_is_told_why_and_not_kept(desk, settings, rows, name, data, words):
    someone = desk("intake")
    before = rows()
    answer = _send(someone, data, name)
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert rows() == before
    assert _kept(settings) == []


def test_a_form_without_a_file_asks_for_one(desk):
    someone = desk("intake")
    # As a browser sends it, and as a form that is sent again after signing in.
    boundary = {"Content-Type": "multipart/form-data; boundary=b"}
    someone.headers = boundary | {"X-CSRF-Token": someone.session.csrf}
    empty = b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n\r\n--b--\r\n'
    answers = [
        someone.client.post("/imports", content=empty, headers=someone.headers),
        desk("intake").post("/imports"),
    ]
    for answer in answers:
        assert answer.status_code == 422
        assert "还没有选文件" in answer.text


def test_a_column_can_be_named_where_none_was_recognised(desk, service):
    someone = desk("intake")
    path = _uploaded(someone, "甲,乙,丙\n张三,楼上漏水没人管,13800000000\n李四,楼下油烟扰民,\n".encode())
    page = someone.get(path)
    assert "没有认出哪一列是内容" in page.text
    assert someone.post(f"{path}/start").status_code == 422
    # What was chosen is kept when it will not do.
    answer = someone.post(f"{path}/mapping", {"column-text": "乙", "column-name": "乙"})
    assert answer.status_code == 422
    assert "一列只能给一个字段" in answer.text
    assert answer.text.count("<option selected>乙") == 2
    assert someone.post(f"{path}/mapping", {"column-text": "丁"}).status_code == 422
    assert someone.post(f"{path}/mapping", {"column-unit": "乙"}).status_code == 422
    answer = someone.post(f"{path}/mapping", {"column-text": "乙", "column-name": "甲"})
    assert answer.headers["location"] == f"{path}?done=import-columns"
    page = text_of(someone.get(path))
    assert "2 楼上漏水没人管 张＊" in page
    _imported(service, someone, path)
    assert "2 新增" in text_of(someone.get(path))
    assert someone.post(f"{path}/mapping", {"column-text": "甲"}).status_code == 409


def test_a_column_that_was_recognised_can_be_left_out(desk, service):
    someone = desk("intake")
    path = _uploaded(someone, _csv(_row(1, 登记时间="不是日期")))
    assert "没有一行可以导入" in someone.get(path).text
    someone.post(f"{path}/mapping", {"column-text": "诉求内容"})
    _imported(service, someone, path)
    with service.store.read() as connection:
        row = connection.execute(select(petitions)).one()
    assert (row.title, row.received_at, row.contact) == ("", None, None)


def test_two_uploads_at_once_wait_for_each_other_and_store_rows_once(desk, service, begun):
    first, second = desk("intake"), desk("reviewer")
    data = _csv(*map(_row, range(5)))
    one, two = _uploaded(first, data), _uploaded(second, data, "同一个文件.csv")
    first.post(f"{one}/start")
    with import_run._lock(service.settings).held():  # its process
        second.post(f"{two}/start")
        assert "排队中，前面还有 1 个文件" in text_of(second.get(two))
        part = second.get(f"{two}/progress")
        assert "data-running" in part.text
        assert "<html" not in part.text
        # Pressed twice: nothing more.
        assert second.post(f"{two}/start").status_code == 303
    assert begun == [one.rpartition("/")[2]]
    work(service, begun[0])
    assert "5 新增 0 已有" in text_of(first.get(one))
    assert "0 新增 5 已有" in text_of(second.get(two))
    assert 'data-state="done"' in second.get(f"{two}/progress").text


def test_intake_sees_its_own_imports_and_reviewers_all(desk, service):
    path = _uploaded(desk("reviewer"), _csv(_row(1)))
    other = desk("intake")
    for address in (path, f"{path}/progress", f"{path}/rejects"):
        assert other.get(address).status_code == 404
    for step in ("start", "cancel", "delete", "mapping"):
        assert other.post(f"{path}/{step}").status_code == 404
    assert "三月.csv" not in other.get("/imports").text
    assert "user-reviewer" in desk("admin").get("/imports").text
    assert desk("admin").get(path).status_code == 200


def test_cancelling_what_waits_in_the_queue_and_going_on(desk, service):
    someone = desk("intake")
    path = _uploaded(someone, _csv(_row(1)))
    assert someone.post(f"{path}/cancel").status_code == 409
    with import_run._lock(service.settings).held():
        someone.post(f"{path}/start")
        assert someone.post(f"{path}/cancel").headers["location"] == f"{path}?done=import-cancelled"
    assert "继续导入" in someone.get(path).text
    assert someone.post(f"{path}/cancel").status_code == 303
    _imported(service, someone, path)
    assert someone.post(f"{path}/cancel").status_code == 409
    assert "1 新增" in text_of(someone.get(path))


def test_cancelling_at_work_keeps_what_is_stored_and_can_be_gone_on_with(desk, service, monkeypatch):
    someone = desk("intake")
    data = [_row(0, "", 标题=""), *map(_row, range(1, 9)), _row(9, "", 标题="")]
    path = _uploaded(someone, _csv(*data))
    real, monkeypatched = import_run.import_batch, []

    def then_cancel(*args):
        monkeypatched.append(someone.post(f"{path}/cancel").status_code)
        return real(*args)

    monkeypatch.setattr(import_run, "import_batch", then_cancel)
    _imported(service, someone, path)
    assert monkeypatched == [303]
    page = text_of(someone.get(path))
    assert "1 新增 0 已有，没有重复存入 1 未导入" in page
    assert "已按要求取消" in page
    assert len(list(csv.reader(io.StringIO(someone.get(f"{path}/rejects").text)))) == 2
    monkeypatch.setattr(import_run, "import_batch", real)
    _imported(service, someone, path)
    assert "8 新增 0 已有，没有重复存入 2 未导入" in text_of(someone.get(path))
    assert len(list(csv.reader(io.StringIO(someone.get(f"{path}/rejects").text)))) == 3


def test_a_file_is_on_disk_only_sealed(desk, service, settings, monkeypatch):
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", None)  # it would write to the disk
    someone = desk("intake")
    rows = [_row(n, f"{n}号" + "说来话长。" * 200) for n in range(900)]
    data = _csv(_row(0, ""), *rows)
    assert len(data) > 2 * 1024 * 1024
    path = _uploaded(someone, data, f"{_NAME}.csv")
    import_id = path.rpartition("/")[2]
    with service.store.write() as connection:
        connection.execute(update(imports_table).values(total=0))  # the counts are not what is looked for
    files = list(settings.data_dir.rglob("*"))
    assert {f"{import_id}.file", f"{import_id}.survey"} <= {file.name for file in files}
    for file in files:
        if file.is_file():
            content = file.read_bytes()
            for word in (_NAME, _PHONE, _PLACE, "说来话长"):
                for encoding in ("utf-8", "gb18030", "utf-16-le"):
                    assert word.encode(encoding) not in content, file
        if file.parent.name == "imports" and file.suffix in {".file", ".survey"}:
            assert file.stat().st_mode & 0o777 == 0o600
    assert (settings.data_dir / "imports").stat().st_mode & 0o777 == 0o700


def test_deleting(desk, service, settings, rows):
    someone = desk("intake")
    path = _uploaded(someone, _csv(_row(1)))
    assert _kept(settings) == [".file", ".survey"]
    assert someone.post(f"{path}/delete").headers["location"] == "/imports?done=import-deleted"
    assert someone.get(path).status_code == 404
    assert _kept(settings) == []
    path = _uploaded(someone, _csv(_row(1), _row(2, "", 标题="")))
    someone.post(f"{path}/start")
    assert someone.post(f"{path}/delete").status_code == 409
    work(service, path.rpartition("/")[2])
    assert _kept(settings) == [".rejects"]
    assert someone.post(f"{path}/delete").headers["location"] == f"{path}?done=import-deleted"
    assert _kept(settings) == []
    assert someone.get(f"{path}/rejects").status_code == 404
    assert "1 新增 0 已有，没有重复存入 1 未导入" in text_of(someone.get(path))
    assert rows()["petitions"] == 1


def test_files_go_after_thirty_days_and_the_list_stays(desk, service, settings):
    someone = desk("intake")
    done, waiting = (_uploaded(someone, _csv(_row(1), _row(2, "", 标题=""))) for _ in range(2))
    _imported(service, someone, done)
    assert someone.get(f"{done}/rejects").status_code == 200
    with service.store.write() as connection:
        long_ago = now() - import_run.KEPT - timedelta(hours=1)
        connection.execute(update(imports_table).values(ended_at=long_ago, created_at=long_ago))
    last = _uploaded(someone, _csv(_row(3)))
    assert _kept(settings) == [".file", ".survey"]
    assert someone.get(f"{done}/rejects").status_code == 404
    assert someone.get(waiting).status_code == 404  # nothing ever came of it
    assert someone.get("/imports").text.count("三月.csv") == 2
    assert someone.get(last).status_code == 200


def test_a_file_too_large_is_refused(desk, service, settings, monkeypatch):
    monkeypatch.setattr(service.settings, "max_upload_bytes", 2_000)
    answer = _send(desk("intake"), b"x" * 2_001)
    assert answer.status_code == 422
    assert "文件超过 2000 字节" in answer.text
    assert _kept(settings) == []


def test_only_uploads_may_be_larger_than_other_requests(settings, service):
    bounds = {"max_body_bytes": 100_000, "max_upload_bytes": 300_000}
    app = create_app(settings.model_copy(update=bounds), service)
    client = TestClient(app)
    for path, size, status in (
        ("/imports", 300_000, 401), ("/imports", 400_000, 413), ("/account", 120_000, 413), ("/imports/x/start", 120_000, 413),
    ):  # fmt: skip
        app.state.service = service
        answer = client.post(path, files={"file": ("三月.csv", b"x" * size)})
        assert answer.status_code == status, (path, size)
    assert "文件超过 300000 字节" in client.post("/imports", content=b"x" * 400_000).text
    # Put back what the application of the other tests has.
    create_app(settings, service)


def test_the_list_asks_the_database_the_same_however_long_it_is(desk, service):
    someone = desk("admin")
    with service.store.read() as connection:
        user = connection.execute(select(users.c.id).where(users.c.name == "admin")).scalar_one()
    counts = []
    for more in (5, 45):
        with service.store.write() as connection:
            for _ in range(more):
                files = ImportFiles(service.settings.data_dir / "imports", uuid.uuid4().hex, "某某.csv")
                add_import(connection, files.id, user, files.sealed_by(service.vault), {}, 3)
        asked = []

        def note(*args, asked=asked):
            asked.append(args[2])

        event.listen(service.store.engine, "before_cursor_execute", note)
        assert someone.get("/imports").text.count("某某.csv") == sum((5, 45)[: len(counts) + 1])
        event.remove(service.store.engine, "before_cursor_execute", note)
        counts.append(len(asked))
    assert counts[0] == counts[1] < 8


def test_pages_hold_no_script_or_style_of_their_own(desk):
    someone = desk("intake")
    for page in (someone.get("/imports"), someone.get(_uploaded(someone, _csv(_row(1))))):
        assert not re.search(r"<script(?![^>]*src=)|\sstyle=|\son\w+=", page.text)


@pytest.mark.parametrize(
    ("seconds", "took", "rate"), [(0.52, "不到 1 秒", None), (3.2, "3 秒", None), (75.2, "1 分 15 秒", 1.33)]
)
def test_a_rate_is_told_once_it_means_something(seconds, took, rate):
    found = SimpleNamespace(
        state=ImportState.DONE,
        seconds=seconds,
        counts=SimpleNamespace(read=100),
        message="",
        kept=False,
        ended_at=None,
    )
    told = _result(SimpleNamespace(found=found, has_rejects=False))
    assert told.took == took
    assert told.per_second == (pytest.approx(rate, rel=0.01) if rate else None)


def test_what_was_imported_is_a_step_away_and_a_day_has_no_hour(desk, service):
    someone = desk("intake")
    path = _uploaded(someone, _csv(_row(1), _row(2, 登记时间="2026-03-05 09:30")))
    page = text_of(someone.get(path))
    assert "2026-03-04 来信" in page
    assert "2026-03-05 09:30" in page
    assert "00:00" not in page
    _imported(service, someone, path)
    page = someone.get(path)
    assert '新增的 2 件<a href="/queue">在待办里等待认定</a>' in page.text
    assert "jsonl" not in text_of(someone.get("/imports"))
