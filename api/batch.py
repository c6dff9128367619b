"""Whole files on the command line: triage, links, import. Streams in batches, shows progress, keeps bad rows aside."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from api.intake import import_batch, import_keys
from api.live import Engine
from api.relink import relink
from api.service import open_service
from api.settings import Settings, get_settings
from classifier.bundle import Bundle, load_bundle
from classifier.directory import load_directory
from classifier.links.find import find_links
from classifier.links.history import FILE_SHORTLIST, MemoryHistory
from classifier.petition import LINK_NAMES, Petition, Triage
from classifier.predict import predict
from classifier.records import Reject, check_text, count_rows, parse_mapping, petitions
from classifier.registry import Registry, replacing
from classifier.rejects import RejectsCsv
from classifier.routing import Router
from classifier.triage import entry_of, read, triage_each
from classifier.triage import triage as triage_one

_BATCH = 200
_IMPORT_BATCH = 50
_console = Console(stderr=True)


def triage_text(text: str, model: Path | None, out: Path | None, top: int, as_json: bool) -> None:
    """One text: in words for a person, or as a JSON line."""
    check_text("", text)
    engine = _engine(model)
    answer = triage_one(Petition("text", "", text), engine.bundle, None, engine.router, os.urandom(32), top)
    if out is not None or as_json:
        with _writer(out) as file:
            file.write(_line(asdict(answer)))
    else:
        sys.stdout.write(_in_words(answer))


def triage_file(path: Path, model: Path | None, out: Path | None, top: int, mapping: list[str]) -> None:
    """One JSON line a petition, in input order."""
    engine = _engine(model)
    history = MemoryHistory(engine.bundle.term_weights)
    secret = os.urandom(32)
    with _writer(out) as file, _rows(path, mapping, "分析") as rows:
        for batch in _batches(rows, _BATCH):
            readings = [read(petition, engine.bundle.tokeniser, secret) for petition in batch]
            for item in triage_each(readings, engine.bundle, history, engine.router, top=top):
                history.add(item.entry)
                file.write(_line(asdict(item.triage)))


def links_file(
    path: Path, model: Path | None, out: Path | None, min_score: float | None, mapping: list[str]
) -> None:
    """Every link found in a file: `a` is the later petition, `b` the earlier one."""
    bundle = _bundle(model)
    weights = bundle.term_weights
    history = MemoryHistory(weights, FILE_SHORTLIST)
    secret = os.urandom(32)
    with _writer(out) as file, _rows(path, mapping, "查找关联") as rows:
        for batch in _batches(rows, _BATCH):
            readings = [read(petition, bundle.tokeniser, secret) for petition in batch]
            predictions = predict(bundle, [reading.document for reading in readings])
            for row, reading in enumerate(readings):
                entry = entry_of(bundle, predictions, row, reading)
                for link in find_links(
                    entry, reading.document, history, weights, bundle.links, min_score, most=None
                ):
                    found = {"a": reading.id, "b": link.id, "kind": link.kind.value, "score": link.score}
                    file.write(_line(found | {"evidence": asdict(link.evidence)}))
                history.add(entry)


def import_file(path: Path, settings: Settings, mapping: list[str]) -> None:
    """Store every petition of a file once, however often the import is started, stopped or killed."""
    service = open_service(settings)
    service.live.engine()  # no model: say so before anything is read
    new = known = 0
    with _rows(path, mapping, "导入") as rows:
        keyed = import_keys(service, rows)
        while batch := list(islice(keyed, _IMPORT_BATCH)):
            for _, is_new in import_batch(service, batch, None):
                new, known = new + is_new, known + (not is_new)
    service.close()
    sys.stdout.write(f"导入完成：新增 {new} 件，已有 {known} 件。\n")


def relink_database(settings: Settings) -> None:
    """Make links anew with the active model, under a progress bar; a run cut off goes on where it stopped."""
    service = open_service(settings)
    try:
        with Progress(*_columns(), console=_console) as bars:
            bar = bars.add_task("重新关联", total=None)
            last = relink(service, lambda done, total: bars.update(bar, completed=done, total=total))
            count = int(bars.tasks[0].completed)
    finally:
        service.close()
    sys.stdout.write(f"重新关联完成：{count} 件，模型 {last.model}。\n")


def _bundle(model: Path | None) -> Bundle:
    return load_bundle(model or Registry(get_settings().models).active())


def _engine(model: Path | None) -> Engine:
    bundle = _bundle(model)
    directory = load_directory(get_settings().directory, bundle.taxonomy)
    return Engine(bundle, Router(directory, bundle.taxonomy, bundle.tokeniser))


@contextmanager
def _rows(path: Path, mapping: list[str], task: str) -> Iterator[Iterator[Petition]]:
    """The petitions of a file under a progress bar; rows that are none go to the rejects file and are counted at the end."""
    found = petitions(path, parse_mapping(mapping))
    # A file that cannot be read says so here, before any bar is drawn.
    first = list(islice(found, 1))
    rejects = _Rejects(path)
    total = count_rows(path) if path.is_file() else None
    with Progress(*_columns(), console=_console) as bars, rejects:
        bar = bars.add_task(task, total=total)
        yield _good(chain(first, found), rejects, lambda: bars.advance(bar))
        done = bars.tasks[0].completed
        bars.update(bar, total=done, completed=done)
    if rejects.count:
        note = f"{rejects.count} 行有误，已写入 {rejects.path}，其余照常处理。"
        _console.print(note, highlight=False, markup=False, soft_wrap=True)


def _columns() -> tuple[ProgressColumn, ...]:
    return (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip


def _good(found: Iterator[Any], rejects: _Rejects, tick: Callable[[], object]) -> Iterator[Petition]:
    for item in found:
        tick()
        if isinstance(item, Reject):
            rejects.add(item)
        else:
            yield item[1]


class _Rejects:
    """A CSV of the rows that could not be used, with line and reason; made at the first one, beside the file or, where that
    cannot be written, in the working directory."""

    def __init__(self, source: Path) -> None:
        folder = source.parent if os.access(source.parent, os.W_OK) else Path()
        self.path = folder / f"{source.name}.rejects.csv"
        self.count = 0
        self._file: TextIO | None = None

    def __enter__(self) -> _Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file:
            self._file.close()

    def add(self, reject: Reject) -> None:
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8-sig", errors="replace", newline="")
            self._rows = RejectsCsv(self._file)
        self.count += 1
        self._rows.add(reject)


def _batches(rows: Iterator[Petition], size: int) -> Iterator[list[Petition]]:
    while batch := list(islice(rows, size)):
        yield batch


@contextmanager
def _writer(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears whole when all is written: a run cut off leaves no half answer behind."""
    if out is None or str(out) == "-":
        if isinstance(sys.stdout, TextIOWrapper):
            sys.stdout.reconfigure(encoding="utf-8")  # JSON is UTF-8 on a GBK console, too
        yield sys.stdout
        return
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8", errors="replace") as file:
        yield file


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _in_words(answer: Triage) -> str:
    lines = []
    if answer.abstained:
        lines.append("没有把握，请人工判断。以下仅供参考：")
    for rank, category in enumerate(answer.categories, start=1):
        lines.append(f"{rank}. {category.path}（{category.code}）  {category.probability:.0%}")
        if category.evidence:
            lines.append("   依据：" + "、".join(f"“{span.text}”" for span in category.evidence))
    lines.append(f"诉求类型：{answer.kind.name}  {answer.kind.probability:.0%}")
    for unit in answer.units:
        lines.append(f"{unit.role}：{unit.name}  —— {'；'.join(unit.grounds)}")
    lines += [f"{LINK_NAMES[link.kind]}：{link.id}" for link in answer.links]
    if answer.redactions:
        lines.append("已脱敏：" + "、".join(sorted({redaction.kind for redaction in answer.redactions})))
    lines += [f"注意：{warning}" for warning in answer.warnings]
    return "\n".join(lines) + "\n"
