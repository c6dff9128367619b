"""Every page of the demo office as each role meets it in a browser: found by following links, checked for accessibility, errors, requests
to elsewhere and sideways scrolling on a phone."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe

from api import demo

_ROOT = Path(__file__).resolve().parents[2]
_ROLES = [name for name, _, _ in demo.ACCOUNTS]
#: What is not a page, and what would sign out.
_NOT_FOLLOWED = re.compile(r"^/(static|v1|docs|sign-out)|\.(xlsx|csv)$|/rejects$|/download")
_IDS = re.compile(r"/(?:[0-9a-f]{32}|m[0-9a-f]{12,}|\d+)(?=/|$)")
_MOST = 80
#: One petition may have neither links nor a matter: some more of them are opened.
_OFTEN = {"/petitions/{id}": 15}
_AXE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
_CONTRAST = {"runOnly": ["color-contrast"]}


@pytest.fixture(scope="module")
def office(make_fenban, serving, tiny_corpora, tmp_path_factory) -> Iterator[Any]:
    """A demo office of some of the stories, served."""
    folder = tmp_path_factory.mktemp("office")
    corpora = shutil.copytree(tiny_corpora, folder / "corpora")
    (corpora / "demo").mkdir()
    stories = [
        json.loads(line)
        for file in sorted((_ROOT / "corpora" / "demo").glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    # Whole matters, and whatever came lately.
    kept = [row for row in stories if row["matter"][-1:] in ("1", "7") or row["days_ago"] < 15]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept)
    (corpora / "demo" / "some.jsonl").write_text(lines, encoding="utf-8")
    with serving(make_fenban(folder), "--demo", corpora=corpora) as server:
        yield server


def _sign_in(page, server, name):
    page.goto(f"{server.address}/sign-in")
    page.fill("#name", name)
    page.fill("#password", demo.PASSWORD)
    page.click("button.primary")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def _pattern(address: str) -> str:
    return _IDS.sub("/{id}", urlsplit(address).path)


def _links(page) -> list[str]:
    found: list[str] = page.eval_on_selector_all("a[href]", "links => links.map(link => link.href)")
    return found


class Walk:
    """One person's way through every kind of page they can reach. What is wrong is gathered, not raised: all of it is worth knowing."""

    def __init__(self, page, server, seen: set[str]) -> None:
        self.page, self.server, self.seen = page, server, seen
        self.wrong: list[str] = []
        self.visited: dict[str, int] = {}
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.wrong.append(f"{page.url}: {error}"))
        page.on("request", self._asked)

    def _said(self, message) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(f"{self.page.url}: {message.text}")

    def _asked(self, request) -> None:
        if not request.url.startswith((self.server.address, "data:")):
            self.wrong.append(f"asks {request.url}")

    def run(self) -> None:
        waiting = [self.page.url]
        while waiting and sum(self.visited.values()) < _MOST:
            address = waiting.pop(0)
            pattern = _pattern(address)
            if self.visited.get(pattern, 0) >= _OFTEN.get(pattern, 1):
                continue
            answer = self.page.goto(address)
            self.visited[pattern] = self.visited.get(pattern, 0) + 1
            if answer.status != 200:
                self.wrong.append(f"{address}: {answer.status}")
                continue
            if pattern not in self.seen:
                self.seen.add(pattern)
                self._look(pattern)
            for link in _links(self.page):
                path = urlsplit(link).path
                if link.startswith(self.server.address) and not _NOT_FOLLOWED.search(path):
                    waiting.append(link.partition("#")[0])

    def _look(self, pattern: str) -> None:
        for found in Axe().run(self.page, options=_AXE).response["violations"]:
            if found["impact"] in ("serious", "critical"):
                self._blame(pattern, found)
        self.page.emulate_media(color_scheme="dark")
        for found in Axe().run(self.page, options=_CONTRAST).response["violations"]:
            self._blame(f"{pattern} (dark)", found)
        self.page.emulate_media(color_scheme="light")
        self.page.set_viewport_size({"width": 390, "height": 844})
        over = self.page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if over > 0:
            self.wrong.append(f"{pattern}: {over} px wider than a phone")
        self.page.set_viewport_size({"width": 1366, "height": 768})

    def _blame(self, pattern: str, found: dict[str, Any]) -> None:
        where = [node["target"][0] for node in found["nodes"][:3]]
        self.wrong.append(f"{pattern}: {found['id']} ({found['impact']}) at {where}")


@pytest.mark.slow
def test_every_page_of_every_role(browser, office):
    seen: set[str] = set()
    wrong: dict[str, list[str]] = {}
    reached: dict[str, set[str]] = {}
    for name in _ROLES:
        # Colours that are on their way from one scheme to the other are nobody's.
        context = browser.new_context(
            viewport={"width": 1366, "height": 768}, locale="zh-CN", reduced_motion="reduce"
        )
        page = context.new_page()
        _sign_in(page, office, name)
        walk = Walk(page, office, seen)
        walk.run()
        wrong[name], reached[name] = walk.wrong, set(walk.visited)
        context.close()
    assert wrong == {name: [] for name in _ROLES}
    assert {"/register", "/queue", "/petitions/{id}", "/petitions/{id}/links/{id}", "/matters/{id}", "/imports", "/overview", "/models", "/models/{id}", "/admin", "/help"} <= reached["admin"]  # fmt: skip
    assert not reached["城管局"] & {"/register", "/queue", "/models", "/admin"}


def test_sign_in_looks_right_to_axe(browser, office):
    page = browser.new_page()
    page.goto(f"{office.address}/sign-in")
    assert Axe().run(page, options=_AXE).violations_count == 0
    page.close()
