"""A working day at the workbench in a browser: from the one-time link of the first start to signing out, with a retraining in between."""

from __future__ import annotations

import re
from io import BytesIO
from typing import Any

import openpyxl
import pytest

_PASSWORD = "院子里的枇杷熟了"
_FIRST = {
    "title": "化工厂夜里偷排废气",
    "text": "我住在青石镇柏垭村，村口的宏达化工厂每天夜里偷排废气，味道刺鼻，老人孩子咳嗽不止。请环保部门查处宏达化工厂。",
}
_AGAIN = {
    "title": "再次反映宏达化工厂夜里偷排废气",
    "text": "上个月我反映过青石镇柏垭村口宏达化工厂夜里偷排废气的事，至今没有人查处，味道刺鼻，老人孩子咳嗽不止。请环保部门夜里来查宏达化工厂。",
}
_BICYCLES = "1501"


class Watched:
    """A page whose every complaint is kept, and every request to elsewhere."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.address = page, address
        self.wrong: list[str] = []
        page.on("console", lambda said: self._note(said.type in ("error", "warning"), said.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("request", lambda asked: self._note(not asked.url.startswith((address, "data:")), asked.url))

    def _note(self, is_wrong: bool, what: str) -> None:
        if is_wrong:
            self.wrong.append(f"{self.page.url}: {what}")

    def open(self, path: str) -> None:
        assert self.page.goto(self.address + path).status == 200


def _text(page: Any) -> str:
    return re.sub(r"\s+", " ", page.inner_text("main"))


def _register(page: Any, letter: dict[str, str], phone: str) -> None:
    page.fill("#title", letter["title"])
    page.fill("#text", letter["text"])
    page.get_by_label("电话").first.fill(phone)
    page.wait_for_selector("[data-live] input[name=first_category]", state="attached")
    # The suggestion is of all that was typed, the phone too.
    page.wait_for_timeout(600)


def _save(page: Any) -> None:
    """Ctrl+Enter accepts. Where the model is not sure nothing is chosen beforehand: the person chooses."""
    for name in ("category", "unit"):
        if not page.locator(f"input[name={name}]:checked").count():
            page.locator(f"input[name={name}]:visible").first.check()
            page.wait_for_timeout(800)  # the suggestions follow the choice
    page.focus("#text")
    page.keyboard.press("Control+Enter")
    page.wait_for_url(re.compile("/receipt"))


def _workbook(letters: list[dict[str, str]]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["2026年3月来信登记"])
    sheet.append(["编号", "标题", "内容", "诉求人", "来信时间"])
    for number, letter in enumerate(letters):
        sheet.append([f"B{number}", "共享单车乱停", letter["text"], "王某", "2026-03-04"])
    sheet.append(["B90", "", "", "李某", "2026-03-04"])
    sheet.append(["B91", "日期不对", "路边的共享单车倒了一片，没有人扶。", "赵某", "三月三十二日"])
    out = BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.slow
def test_a_working_day(browser, fenban, serving, own_models, bicycle_letters, tmp_path):
    asked, letters = bicycle_letters
    with serving(fenban, models=own_models) as server:
        context = browser.new_context(
            viewport={"width": 1366, "height": 768}, locale="zh-CN", accept_downloads=True
        )
        context.set_default_timeout(20_000)
        page = context.new_page()
        desk = Watched(page, server.address)

        # The first start's link: choose a password, come back with it.
        page.goto(server.link)
        page.fill("#password", _PASSWORD)
        page.fill("#again", _PASSWORD)
        page.click("button.primary")
        page.wait_for_url(f"{server.address}/register")
        page.click(".me button")
        page.wait_for_url(re.compile("/sign-in"))
        page.fill("#name", "admin")
        page.fill("#password", _PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{server.address}/register")

        # Register, accept by key; the same person again: found, looked at side by side, confirmed by key.
        _register(page, _FIRST, "13812345678")
        assert page.locator("[data-live] mark").count() > 0
        _save(page)
        assert re.search(r"\d{8}-000001", _text(page))
        page.keyboard.press("n")
        page.wait_for_url(f"{server.address}/register")
        _register(page, _AGAIN, "13812345678")
        assert "重复信访" in _text(page)
        _save(page)
        page.keyboard.press("o")
        page.wait_for_url(re.compile(r"/petitions/[0-9a-f]{32}"))
        page.locator("a[href*='/links/']").first.click()
        page.wait_for_url(re.compile("/links/"))
        assert page.locator("mark.shared, mark").count() > 0
        page.keyboard.press("y")
        page.wait_for_url(re.compile(r"/petitions/[0-9a-f]{32}(\?|$)"))
        assert "重复信访" in _text(page)

        # Correct the category by type-ahead. The key opens the form and, pressed again, goes back into it.
        page.keyboard.press("e")
        page.wait_for_selector("#pick-category:focus")
        page.keyboard.press("Escape")
        page.keyboard.press("e")
        page.wait_for_selector("#pick-category:focus")
        page.fill("#pick-category", "hjwr")
        page.wait_for_selector("#pick-category-choices li")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        chosen = page.input_value("#pick-category")
        page.get_by_role("button", name="认定", exact=True).click()
        page.wait_for_url(re.compile(r"done=decided"))
        assert chosen in _text(page)

        # An Excel file with a banner and broken rows: look, import, take the rejects.
        desk.open("/imports")
        page.set_input_files(
            "#file",
            {"name": "三月.xlsx", "mimeType": "application/vnd.ms-excel", "buffer": _workbook(letters)},
        )
        page.click("form.drop button.primary")
        page.wait_for_url(re.compile(r"/imports/[0-9a-f]{32}"))
        assert "共享单车" in _text(page)
        page.keyboard.press("s")
        page.wait_for_selector("ul.figures", timeout=60_000)
        assert re.search(r"40 ?新增", _text(page))
        assert re.search(r"2 ?未导入", _text(page))
        with page.expect_download() as taken:
            page.keyboard.press("d")
        rejects = taken.value.path().read_bytes().decode("utf-8-sig")
        assert "三月三十二日" in rejects
        assert "来信时间" in rejects

        # Others decide on what came in; then a new version is trained, looked at, promoted, and taken back.
        rows = server.ask("/v1/petitions?limit=200")["items"]
        for row in rows:
            if "共享单车" in row["text"]:
                server.ask(f"/v1/petitions/{row['id']}/decisions", {"category": _BICYCLES, "kind": "申诉求决", "unit": "transport"}, 201)  # fmt: skip
        before = server.ask("/v1/triage", {"petitions": [{"text": asked}]})["results"][0]
        desk.open("/overview")
        assert page.locator("svg.chart").count() >= 5
        desk.open("/models")
        page.get_by_role("button", name="开始重新训练").click()
        page.get_by_role("link", name=re.compile("查看并启用")).wait_for(timeout=180_000)
        page.get_by_role("link", name=re.compile("查看并启用")).click()
        page.get_by_role("button", name="确认启用").click()
        page.wait_for_url(re.compile("done=model-promoted"))
        after = _served_after(server, asked, before["model_version"], page)
        assert after["categories"][0]["code"] == _BICYCLES != before["categories"][0]["code"]
        desk.open("/models/rollback")
        page.get_by_role("button", name="确认退回").click()
        page.wait_for_url(re.compile("done=model-rolled-back"))
        back = _served_after(server, asked, after["model_version"], page)
        assert back["categories"] == before["categories"]

        desk.open("/admin/audit")
        for action in ("认定关联", "导入", "启用模型", "退回上一版模型", "登录"):
            assert action in _text(page)
        page.click(".me button")
        page.wait_for_url(re.compile("done=signed-out"))
        page.goto(f"{server.address}/queue")
        assert "/sign-in" in page.url
        assert desk.wrong == []
        context.close()


def _served_after(server, text: str, version: str, page: Any) -> dict[str, Any]:
    """The answer of the first version that is not `version`."""
    for _ in range(100):
        answer: dict[str, Any] = server.ask("/v1/triage", {"petitions": [{"text": text}]})["results"][0]
        if answer["model_version"] != version:
            return answer
        page.wait_for_timeout(100)
    raise AssertionError("the version in use does not change")
