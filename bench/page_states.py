"""Every page of the workbench as people meet it, one after the other, in a demo office: addresses, and what only comes of doing something
(a preview, a file half imported, a retraining at work, a session that ended)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from playwright.sync_api import FilePayload, Page

from api.demo import PASSWORD

_LETTER = (
    "棠溪花园的电梯又坏了",
    "棠溪花园3栋的电梯这个月第四次停运，住在十一楼的老人下不了楼。物业说配件在路上，已经等了两个星期。请有关部门督促尽快修好，并公开维保记录。",
)
_ADDRESSES = ("/queue", "/petitions", "/petitions?q=没有这种字样", "/imports", "/overview", "/overview?period=12m", "/overview/list/overdue", "/overview/rising", "/models", "/models/drift", "/admin", "/admin/accounts", "/admin/keys", "/admin/directory", "/admin/directory/rules", "/admin/directory/districts", "/admin/headings", "/admin/audit", "/admin/audit/check", "/help", "/help/algorithm", "/account", "/nothing")  # fmt: skip
_UNIT, _AUDITOR = "城管局", "审计"
_TRAINING_TAKES = 900_000  # milliseconds at most


def sign_in(page: Page, address: str, name: str = "admin") -> None:
    page.goto(f"{address}/sign-in")
    page.fill("#name", name)
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def type_letter(page: Page, address: str) -> None:
    page.goto(f"{address}/register")
    page.fill("#title", _LETTER[0])
    page.fill("#text", _LETTER[1])
    page.wait_for_selector("[data-live] input[name=first_category]", state="attached")
    page.wait_for_timeout(500)


def settled(page: Page) -> None:
    """Wait until all parts of the page have come."""
    page.wait_for_load_state("networkidle")
    page.wait_for_selector("[data-live] [data-running]", state="detached")


def special(page: Page, address: str) -> dict[str, str]:
    """Addresses of a petition with a link to decide on, of the two side by side, and of a matter: the pair that has most in common."""
    most, petition, pair = -1, "", ""
    for one in dict.fromkeys(_found(page, r"^/petitions/[0-9a-f]{32}", address, "/queue?linked=1")):
        for beside in _found(page, "/links/", address, one)[:1]:
            page.goto(address + beside)
            if (common := page.locator(".letter mark").count()) > most:
                most, petition, pair = common, one, beside
    matter = _found(page, "^/matters/", address, "/overview/list/overdue?since=2020-01-01")[0]
    return {"petition": petition, "side-by-side": pair, "matter": matter}


def _found(page: Page, pattern: str, address: str, path: str) -> list[str]:
    """The links of a page that look so."""
    page.goto(address + path)
    links: list[str] = page.eval_on_selector_all(
        "a[href]", "links => links.map(link => link.getAttribute('href'))"
    )
    return [link for link in links if re.search(pattern, link)]


def states(page: Page, address: str, folder: Path) -> Iterator[str]:
    """Names of pages, each while `page` shows it. `folder` is where the office keeps what it has."""
    page.goto(f"{address}/sign-in")
    yield "sign-in"
    page.fill("#name", "admin")
    page.fill("#password", "不是这个")
    page.click("button.primary")
    yield "sign-in-refused"
    sign_in(page, address)
    yield from _training(page, address)
    yield from _registering(page, address)
    for name, path in special(page, address).items():
        page.goto(address + path)
        yield name
        if name == "petition":
            yield from _deciding(page)
    for path in _ADDRESSES:
        page.goto(address + path)
        settled(page)
        yield re.sub(r"\W+", "-", path.strip("/"))
    yield from _accepting(page, address)
    yield from _accepting_many(page, address)
    yield from _importing(page, address)
    yield from _editing_the_directory(page, address)
    yield from _giving_access(page, address)
    yield from _other_roles(page, address)
    yield from _interrupted(page, address, folder)


def _registering(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/register")
    yield "register-empty"
    type_letter(page, address)
    yield "register"
    page.goto(f"{address}/register")
    page.fill("#title", "只有标题")
    page.keyboard.press("Control+Enter")
    page.wait_for_load_state("networkidle")
    yield "register-refused"
    type_letter(page, address)
    _choose(page)
    _send(page)
    page.wait_for_url(re.compile("/receipt"))
    yield "receipt"


def _choose(page: Page) -> None:
    """Where the model is not sure of the petition that is being typed: the first candidate."""
    for name in ("category", "unit"):
        if not page.locator(f"input[name={name}]:checked").count():
            page.locator(f"input[name={name}]:visible").first.check()
            page.wait_for_timeout(800)  # the suggestions follow the choice


def _send(page: Page) -> None:
    page.focus("#text")
    page.keyboard.press("Control+Enter")


def _deciding(page: Page) -> Iterator[str]:
    here = page.url
    page.keyboard.press("e")
    page.wait_for_timeout(200)
    page.fill("#pick-category", "wy")
    page.wait_for_selector("#pick-category-choices li")
    yield "petition-changing"
    page.goto(here)
    page.locator("form[action$='/original'] button").click()
    yield "petition-original"


def _accepting(page: Page, address: str) -> Iterator[str]:
    """The first petition of the queue where the model makes a whole suggestion."""
    for one in dict.fromkeys(_found(page, r"^/petitions/[0-9a-f]{32}", address, "/queue")):
        page.goto(address + one)
        if page.locator("button[data-key=a]").count():
            break
    here = page.url
    page.keyboard.press("a")
    page.wait_for_url(lambda url: url != here)
    yield "petition-accepted"
    page.goto(here)
    yield "petition-in-force"


def _accepting_many(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/queue/preview")
    yield "queue-preview"
    boxes = page.locator("input[name=take]")
    for at in range(3, boxes.count()):
        boxes.nth(at).uncheck()
    page.keyboard.press("a")
    page.wait_for_url(re.compile("/queue/accepted"))
    page.wait_for_selector("ul.figures")
    yield "queue-accepted"
    page.goto(f"{address}/queue?until=2001-01-01")
    yield "queue-empty"


def _importing(page: Page, address: str) -> Iterator[str]:
    for name, rows, step in (("三月", 6, "finished"), ("四月", 900, "running")):
        page.goto(f"{address}/imports")
        book: FilePayload = {
            "name": f"{name}.csv",
            "mimeType": "text/csv",
            "buffer": _table(rows),
        }
        page.set_input_files("#file", book)
        page.click("form.drop button.primary")
        page.wait_for_url(re.compile(r"/imports/[0-9a-f]{32}"))
        if step == "finished":
            yield "import-columns"
        page.keyboard.press("s")
        page.wait_for_selector("ul.figures" if step == "finished" else "progress[value]")
        yield f"import-{step}"
    page.locator("form[action$='/cancel'] button").click()
    page.wait_for_load_state("networkidle")
    page.goto(f"{address}/imports")
    yield "imports-filled"


def _table(rows: int) -> bytes:
    """As an office's spreadsheet saves it, with a banner above and two broken rows."""
    lines = ["2026年3月来信登记", "编号,标题,内容,诉求人,来信时间"]
    lines += [
        f"B{number},{number}号楼的灯,{number}号楼的路灯不亮。,王某,2026-03-04"
        for number in range(1, rows + 1)
    ]
    lines += ["B90001,,,李某,2026-03-04", "B90002,日期不对,路边的共享单车倒了一片。,赵某,三月三十二日"]
    return "\n".join(lines).encode("gb18030")


def _editing_the_directory(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/admin/directory/rules")
    page.locator("a[data-row]").first.click()
    yield "directory-row"
    page.locator("button[name=remove]").click()
    yield "directory-preview"
    page.goto(f"{address}/admin/directory/rules/row")
    page.locator("main form button.primary").first.click()
    yield "directory-row-refused"


def _giving_access(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/admin/accounts")
    page.fill("#name", "新来的同事")
    page.locator("form[action='/admin/accounts'] button.primary").click()
    link = page.input_value("#value")
    yield "secret"
    page.click("a.primary")
    yield "account-of-another"
    page.goto(link)
    yield "welcome"
    sign_in(page, address)


def _training(page: Page, address: str) -> Iterator[str]:
    page.goto(f"{address}/models")
    page.get_by_role("button", name="开始重新训练").click()
    page.wait_for_selector("progress")
    yield "models-training"
    page.wait_for_selector("#retrain [data-running]", state="detached", timeout=_TRAINING_TAKES)
    settled(page)
    yield "models-trained"
    ready = page.get_by_role("link", name=re.compile("查看并启用"))
    if ready.count():  # else the gate refused it, which is a page to look at as well
        ready.click()
        yield "models-promote"
        page.get_by_role("button", name="确认启用").click()
        page.wait_for_url(re.compile("done=model-promoted"))
        settled(page)
        yield "models-promoted"
        page.goto(f"{address}/models/rollback")
        yield "models-rollback"
    page.goto(f"{address}/models/compare")
    yield "models-compare"
    page.goto(f"{address}/models")
    page.locator("td a[data-row]").first.click()
    yield "model"


def _other_roles(page: Page, address: str) -> Iterator[str]:
    for name, label, paths in (
        (_UNIT, "unit", ("/petitions", "/overview", "/help", "/models")),
        (_AUDITOR, "auditor", ("/admin/audit", "/admin/accounts", "/petitions")),
    ):
        page.click(".me button")
        sign_in(page, address, name)
        for path in paths:
            page.goto(address + path)
            yield f"{label}-{path.strip('/').replace('/', '-')}"
        page.goto(f"{address}/petitions")
        page.locator("a[data-row]").first.click()
        yield f"{label}-petition"
    page.click(".me button")


def _interrupted(page: Page, address: str, folder: Path) -> Iterator[str]:
    sign_in(page, address)
    type_letter(page, address)
    _choose(page)
    page.context.clear_cookies()
    _send(page)
    page.wait_for_selector("#password")  # in its place, with what was typed
    yield "session-ended"
    page.fill("#name", "admin")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_load_state("networkidle")
    yield "session-resumed"
    # Somebody else's program holds the database for longer than a page waits.
    type_letter(page, address)
    _choose(page)
    database = next(folder.rglob("fenban.db"))
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with page.expect_navigation(timeout=60_000):
            _send(page)
        yield "database-busy"
        other.execute("ROLLBACK")
