"""How long the workbench takes to suggest while a petition is typed in: triage, links found in the archive, the part rendered.

Fills a temporary SQLite file with the invented archive of bench/archive.py, as bench/links_scale.py does, and asks for the part beside the
registration form: for reworded petitions, and for as many copies with the phone number they were stored with. `own` is this process's
own work, the waiting of a busy machine left out.

Run: python -m bench.preview [SIZE …]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from api.service import open_service
from api.settings import Settings
from api.store.firewall import Accusations, Viewer
from api.store.petitions import now
from api.workbench import render
from api.workbench.contexts.register import Person
from api.workbench.petition_form import Deciding, blank, petition_of
from api.workbench.suggesting import suggestions
from bench.archive import Archive
from bench.links_scale import _asked, _fill
from bench.shared_data import ROOT

_ASKED = 200
_VIEWER = Viewer("", Accusations.ALL)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000])
    print(f"{'size':>9}  {'p50 ms':>8}  {'p99 ms':>8}  {'own p50':>8}  {'own p99':>8}  {'links':>6}")
    for size in sorted(parser.parse_args().sizes):
        with tempfile.TemporaryDirectory() as folder:
            print(_row(size, Path(folder)), flush=True)


def _row(size: int, folder: Path) -> str:
    service = open_service(Settings(data_dir=folder, models=ROOT / "models"))
    bundle = service.live.engine().bundle
    archive = Archive(bundle.tokeniser)
    _fill(service.store, size, archive, bundle.term_weights, "SQLite")
    times, own, links = [], [], 0
    half = _ASKED // 2
    copies = [archive.petition(1 + (size - 1) * at // half) for at in range(half)]
    for made in (*_asked(archive, _ASKED - half), *copies):
        title, _, text = made.document.text.partition("\n")
        began, busy = time.perf_counter(), time.process_time()
        filled = replace(blank(now()), title=title, text=text, petitioner=Person(phone=made.phone))
        petition, _ = petition_of(service, filled)
        part = suggestions(service, filled, petition, Deciding(), _VIEWER, {})
        render.fragment(part)
        times.append(1_000 * (time.perf_counter() - began))
        own.append(1_000 * (time.process_time() - busy))
        links += len(part.found.links) if part.found else 0
    service.close()
    figures = [np.percentile(values, share) for values in (times, own) for share in (50, 99)]
    return f"{size:9,}  {'  '.join(f'{value:8.1f}' for value in figures)}  {links / _ASKED:6.1f}"


if __name__ == "__main__":
    main()
