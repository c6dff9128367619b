"""Pictures of the workbench for the README and for a designer's eye: a demo office is made and served, each page is photographed.

Run: python -m bench.screenshots [--all DIR]   (writes docs/pictures; with --all every page, light and dark, wide and phone, to DIR)
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from api.demo import PASSWORD
from bench.shared_data import ROOT
from bench.swap import free_port

_QUIET = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync")  # fmt: skip
_WIDE, _PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
_LETTER = (
    "棠溪花园的电梯又坏了",
    "棠溪花园3栋的电梯这个月第四次停运，住在十一楼的老人下不了楼。物业说配件在路上，已经等了两个星期。请有关部门督促尽快修好，并公开维保记录。",
)
_PAGES = ("/queue", "/petitions", "/imports", "/overview", "/overview/list/overdue", "/overview/rising", "/models", "/models/drift", "/models/compare", "/admin", "/admin/accounts", "/admin/keys", "/admin/directory", "/admin/directory/rules", "/admin/headings", "/admin/audit", "/help", "/help/algorithm", "/account", "/petitions?q=没有这种字样", "/nothing")  # fmt: skip


@contextmanager
def office() -> Iterator[str]:
    """The address of a demo office on the model in use."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"FENBAN_DATA_DIR": folder, "FENBAN_PORT": str(port)}
        script = str(Path(sys.executable).parent / "fenban")
        command = [script, "serve", "--demo"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT)  # noqa: S603
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.decode().startswith("凭证"):
                    break
            time.sleep(2)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


def sign_in(page: Page, address: str) -> None:
    page.goto(f"{address}/sign-in")
    page.fill("#name", "admin")
    page.fill("#password", PASSWORD)
    page.click("button.primary")
    page.wait_for_url(lambda url: "/sign-in" not in url)


def type_letter(page: Page, address: str) -> None:
    page.goto(f"{address}/register")
    page.fill("#title", _LETTER[0])
    page.fill("#text", _LETTER[1])
    page.wait_for_selector("[data-live] input[name=first_category]", state="attached")
    page.wait_for_timeout(500)


def found(page: Page, pattern: str, address: str, path: str) -> list[str]:
    """The links of a page that look so."""
    page.goto(address + path)
    links: list[str] = page.eval_on_selector_all(
        "a[href]", "links => links.map(link => link.getAttribute('href'))"
    )
    return [link for link in links if re.search(pattern, link)]


def special(page: Page, address: str) -> dict[str, str]:
    """Addresses of a petition with a link to decide on, of the two side by side, and of a matter: the pair that has most in common."""
    most, petition, pair = -1, "", ""
    for one in dict.fromkeys(found(page, r"^/petitions/[0-9a-f]{32}", address, "/queue?linked=1")):
        for beside in found(page, "/links/", address, one)[:1]:
            page.goto(address + beside)
            if (common := page.locator(".letter mark").count()) > most:
                most, petition, pair = common, one, beside
    matter = found(page, "^/matters/", address, "/overview/list/overdue?since=2020-01-01")[0]
    return {"petition": petition, "side-by-side": pair, "matter": matter}


def pictures(browser: Any, address: str, into: Path) -> None:
    """Those of the README: what a person sees at 1366 × 768."""
    into.mkdir(parents=True, exist_ok=True)
    page = browser.new_page(viewport=_WIDE, locale="zh-CN")
    sign_in(page, address)
    paths = special(page, address) | {"queue": "/queue", "overview": "/overview?period=12m"}
    type_letter(page, address)
    page.screenshot(path=into / "register.png")
    for name in ("queue", "petition", "side-by-side", "overview"):
        page.goto(address + paths[name])
        page.wait_for_load_state("networkidle")
        page.screenshot(path=into / f"{name}.png")
    page.close()


def everything(browser: Any, address: str, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    for size, viewport in (("wide", _WIDE), ("phone", _PHONE)):
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport=viewport, locale="zh-CN", color_scheme=scheme)
            page.goto(f"{address}/sign-in")
            page.screenshot(path=into / f"sign-in-{size}-{scheme}.png")
            sign_in(page, address)
            type_letter(page, address)
            page.screenshot(path=into / f"register-{size}-{scheme}.png", full_page=True)
            for name, path in {
                **special(page, address),
                **{re.sub(r"\W+", "-", p.strip("/")): p for p in _PAGES},
            }.items():
                page.goto(address + path)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=into / f"{name}-{size}-{scheme}.png", full_page=True)
            page.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", type=Path)
    given = parser.parse_args()
    program = shutil.which("chromium")
    with office() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[f"--{name}" for name in _QUIET])
        if given.all:
            everything(browser, address, given.all)
        else:
            pictures(browser, address, ROOT / "docs" / "pictures")
        browser.close()


if __name__ == "__main__":
    main()
