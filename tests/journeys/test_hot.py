"""`fenban hot`: an office imports what came in and asks what rises, before anybody has confirmed anything."""

from __future__ import annotations

import json

from sqlalchemy import select

from api.store.session import Store
from api.store.tables import petitions


def test_what_rises_in_an_imported_file(fenban, write_csv) -> None:
    smoke = "青石街道蓝湾苑小区楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
    accusation = "举报红河镇某村干部收受贿赂、贪污低保款，请纪委立案调查，严肃处理违纪违法行为。"
    rows = [{"内容": "小区停车难。", "时间": "2025-09-01", "辖区": "红河镇", "电话": ""}]
    rows += [
        {"内容": text, "时间": f"2026-03-{day:02}", "辖区": "青石镇", "电话": f"1381234{day:04}"}
        for text in (smoke, accusation)
        for day in (3, 10, 11, 20)
    ]
    fenban("import", write_csv(fenban.folder / "存量.csv", rows))
    window = ("--since", "2026-03-01", "--until", "2026-04-01")
    answer = json.loads(fenban("hot", *window, "--json").out)
    assert set(answer) == {"since", "until", "windows", "items"}
    (cluster,) = (item for item in answer["items"] if item["basis"] == "suggested")
    assert (cluster["count"], cluster["petitioners"], cluster["district"]) == (4, 4, "青石镇")
    text = fenban("hot", *window).text
    assert "〔建议〕" in text
    assert "不同信访人数 4" in text
    assert not [row["电话"] for row in rows if row["电话"] and row["电话"] in text + str(answer)]
    store = Store(f"sqlite:///{fenban.folder / 'data' / 'fenban.db'}")
    with store.read() as connection:
        kinds = connection.execute(select(petitions.c.kind)).scalars().all()
    store.close()
    assert kinds.count("检举控告") == 4, "they are there, and left out of what is printed"


def test_what_cannot_be_asked(fenban) -> None:
    assert "日期" in fenban.refuses("hot", "--since", "昨天")
    assert "早于" in fenban.refuses("hot", "--since", "2026-03-02", "--until", "2026-03-01")
    assert "--since" in fenban("hot", code=2).said
