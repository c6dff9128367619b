"""Pictures of the workbench for the README and for a designer's eye: a demo office is made and served, each page is photographed.

Run: python -m bench.screenshots [--all DIR]   (writes docs/pictures; with --all every page and state of one, light and dark, wide and phone, to DIR)
"""

from __future__ import annotations

import argparse
import os
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

from playwright.sync_api import sync_playwright

from bench.page_states import settled, sign_in, special, states, type_letter
from bench.shared_data import ROOT
from bench.swap import free_port

_QUIET = ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking", "disable-component-update", "disable-sync")  # fmt: skip
_WIDE, _PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
_SIZES = {"wide": _WIDE, "phone": _PHONE}


@contextmanager
def office() -> Iterator[tuple[str, Path]]:
    """The address of a demo office on the model in use, and the folder it keeps everything in. Its models are its own: it may be retrained."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        own = {
            "DATA_DIR": Path(folder) / "data",
            "MODELS": shutil.copytree(ROOT / "models", Path(folder) / "models"),
            "PORT": port,
        }
        environment = os.environ | {f"FENBAN_{name}": str(value) for name, value in own.items()}
        script = str(Path(sys.executable).parent / "fenban")
        command = [script, "serve", "--demo"]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT)  # noqa: S603
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.decode().startswith("凭证"):
                    break
            time.sleep(2)
            yield f"http://127.0.0.1:{port}", Path(folder)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)


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
        settled(page)
        page.screenshot(path=into / f"{name}.png")
    page.close()


def everything(browser: Any, address: str, folder: Path, into: Path) -> None:
    into.mkdir(parents=True, exist_ok=True)
    # Colours that are on their way from one scheme to the other are nobody's.
    page = browser.new_page(viewport=_WIDE, locale="zh-CN", reduced_motion="reduce")
    for name in states(page, address, folder):
        for size, viewport in _SIZES.items():
            page.set_viewport_size(viewport)
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)
                page.screenshot(path=into / f"{name}-{size}-{scheme}.png", full_page=True)
        page.set_viewport_size(_WIDE)
        page.emulate_media(color_scheme="light")
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", type=Path)
    given = parser.parse_args()
    program = shutil.which("chromium")
    with office() as (address, folder), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[f"--{name}" for name in _QUIET])
        if given.all:
            everything(browser, address, folder, given.all)
        else:
            pictures(browser, address, ROOT / "docs" / "pictures")
        browser.close()


if __name__ == "__main__":
    main()
