"""An import that is killed goes on where it stopped; a large workbook is read in a minute."""

from __future__ import annotations

import os
import subprocess
import time
import zipfile
from collections import Counter
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from sqlalchemy import func, select

from api.store.session import Store
from api.store.tables import links, petitioner_keys, petitions, suggestions
from classifier.records import Reject
from classifier.records import petitions as read_petitions


@pytest.mark.slow
def test_an_import_killed_three_times_stores_every_petition_once(
    fenban, database_url: str, seed_rows: list[dict[str, str]], write_csv
) -> None:
    size = 2_000 if database_url.startswith("sqlite") else 400  # what is killed there is the same process
    rows = [{"编号": row["id"], "内容": row["text"][:20], "电话": ""} for row in seed_rows[:size]]
    rows[7]["电话"] = "13812345678"
    rows[-1] = dict(rows[-2])  # two rows alike in everything are two petitions
    rows[size // 2] |= {"内容": ""}
    path = write_csv(fenban.folder / "存量.csv", rows)
    store = Store(database_url)
    store.migrate()
    for goal in (size // 12, size // 4, size // 2):
        running = fenban.start("import", path, "--database-url", database_url)
        _wait_for(store, goal, running)
        running.kill()
        running.communicate()
    stored = _count(store)
    assert size // 2 <= stored < size - 1

    done = fenban("import", path, "--database-url", database_url)
    assert done.text == f"导入完成：新增 {size - 1 - stored} 件，已有 {stored} 件。\n"
    assert "1 行有误" in done.said
    _assert_complete(store, rows)

    again = fenban("import", path, "--database-url", database_url)
    assert again.text == f"导入完成：新增 0 件，已有 {size - 1} 件。\n"
    _assert_complete(store, rows)
    store.close()


def _assert_complete(store: Store, rows: list[dict[str, str]]) -> None:
    """Each row once, each with its one suggestion, nothing dangling from a killed run."""
    with store.read() as connection:
        texts = connection.execute(select(petitions.c.text)).scalars().all()
        suggested = connection.execute(select(suggestions.c.petition_id)).scalars().all()
        ids = set(connection.execute(select(petitions.c.id)).scalars())
        linked = connection.execute(select(links.c.petition_id, links.c.other_id)).all()
        keys = connection.execute(select(func.count()).select_from(petitioner_keys)).scalar_one()
    plain = [row["内容"] for row in rows if row["内容"]]
    assert len(texts) == len(ids) == len(plain)
    # Redaction changes a few texts; the others stand there as often as in the file.
    wanted, found = Counter(plain), Counter(texts)
    assert sum((wanted & found).values()) > 0.9 * len(plain)
    assert found[plain[-1]] == 2
    assert sorted(suggested) == sorted(ids)
    assert {part for pair in linked for part in pair} <= ids
    assert len(linked) == len(set(linked)) > 0
    assert keys == 1


def _count(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(petitions)).scalar_one()


def _wait_for(store: Store, goal: int, running: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 90
    while _count(store) < goal:
        assert running.poll() is None, running.communicate()[1].decode()
        assert time.monotonic() < end, "the import does not get on"
        time.sleep(0.1)


def test_a_folder_that_cannot_be_written_is_said_in_one_line(fenban, write_csv) -> None:
    closed = fenban.folder / "closed"
    closed.mkdir(mode=0o555)
    path = write_csv(fenban.folder / "a.csv", [{"内容": "厂里欠薪"}])
    assert "建不了" in fenban.refuses("import", path, obeys_modes=True, data_dir=closed / "data")
    assert list(closed.iterdir()) == []


def test_a_database_that_became_read_only_is_said_in_one_line(fenban, write_csv) -> None:
    Store(f"sqlite:///{fenban.folder / 'data' / 'fenban.db'}").migrate()
    for path in (*(fenban.folder / "data").iterdir(), fenban.folder / "data"):
        path.chmod(path.stat().st_mode & 0o555)
    path = write_csv(fenban.folder / "a.csv", [{"内容": "厂里欠薪"}])
    assert "只能读、不能写" in fenban.refuses("import", path, obeys_modes=True)


def test_an_answer_that_cannot_be_written_is_said_in_one_line(fenban, write_csv) -> None:
    (fenban.folder / "closed").mkdir(mode=0o555)
    path = write_csv(fenban.folder / "a.csv", [{"内容": "厂里欠薪"}])
    line = fenban.refuses("links", path, "-o", "closed/out.jsonl", obeys_modes=True)
    assert os.strerror(13) in line


@pytest.mark.slow
def test_a_hundred_thousand_rows_of_excel_are_read_within_a_minute(
    tmp_path: Path, seed_rows: list[dict[str, str]]
) -> None:
    texts = [row["text"] for row in seed_rows]
    path = tmp_path / "台账.xlsx"
    _write_workbook(path, 100_000, texts)
    started = time.perf_counter()
    read = rejected = 0
    reasons: Counter[str] = Counter()
    lines = []
    for item in read_petitions(path):
        if isinstance(item, Reject):
            rejected += 1
            reasons[item.reason[:6]] += 1
            lines.append(item.line)
        else:
            read += 1
    seconds = time.perf_counter() - started
    assert (read, rejected) == (97_000, 2_000)
    assert sorted(reasons.values()) == [1_000, 1_000]
    assert lines[:4] == [12, 32, 112, 132]  # as the office sees them in its spreadsheet
    assert seconds <= 60


def _write_workbook(path: Path, count: int, texts: list[str]) -> None:
    """A workbook straight as XML: openpyxl would take longer to write it than we may take to read it.

    Of each hundred rows one has no text, one is blank throughout, one has no date anyone could read.
    """

    def row(number: int) -> str:
        cells = (f"Z{number:06}", texts[number % len(texts)], "2026-03-01")
        broken = {10: (cells[0], "", cells[2]), 20: ("", "", ""), 30: (cells[0], cells[1], "大概春节前")}
        written = "".join(
            f'<c t="inlineStr"><is><t>{escape(cell)}</t></is></c>' if cell else "<c/>"
            for cell in broken.get(number % 100, cells)
        )
        return f'<row r="{number + 2}">{written}</row>'

    head = "".join(
        f'<c t="inlineStr"><is><t>{name}</t></is></c>' for name in ("工单编号", "诉求内容", "登记时间")
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}">'
        '<sheets><sheet name="台账" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as book:
        for name, content in parts.items():
            book.writestr(name, '<?xml version="1.0" encoding="UTF-8"?>' + content)
        with book.open("xl/worksheets/sheet1.xml", "w") as sheet:
            sheet.write(f'<worksheet xmlns="{main}"><sheetData><row r="1">{head}</row>'.encode())
            for start in range(0, count, 5_000):
                sheet.write("".join(map(row, range(start, start + 5_000))).encode())
            sheet.write(b"</sheetData></worksheet>")
