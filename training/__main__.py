"""`python -m training train | retrain | evaluate | corpora`: what the command line and the service start in a process of its own."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from classifier.bundle import load_bundle
from classifier.errors import CorpusError, FenbanError
from classifier.records import Reject, count_rows, petitions
from classifier.registry import Registry
from classifier.taxonomy import load_taxonomy
from training.adapt import adapt
from training.audit import audit
from training.evaluate import evaluation
from training.office import save_test_set
from training.publish import check_free, keeps_versions, publish
from training.report import check_place, render, write_report
from training.retrain import retrain, train_on_labels
from training.show import show_adaptation, show_audit
from training.train import Sources, train

_console = Console(stderr=True)
_REFUSED = 3
_SAY_EVERY_SECONDS = 0.2


class RichProgress:
    """Bars on stderr; on a pipe one line a step once it is done, so that a failure leaves its own line only."""

    @contextmanager
    def step(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        if not _console.is_terminal:
            started = time.perf_counter()
            yield lambda: None
            _note(f"{name}：{time.perf_counter() - started:.1f} 秒")
            return
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=_console) as bars:
            task = bars.add_task(name, total=total)
            yield lambda: bars.advance(task)
            done = bars.tasks[0].completed or 1
            bars.update(task, total=done, completed=done)


class JsonProgress:
    """One JSON object a line on stderr: {"step", "done", "total"}; a few a second at most."""

    @contextmanager
    def step(self, name: str, total: int | None) -> Iterator[Callable[[], None]]:
        done, said = 0, time.monotonic()

        def say() -> None:
            line = json.dumps({"step": name, "done": done, "total": total}, ensure_ascii=False)
            print(line, file=sys.stderr, flush=True)  # noqa: T201  what the service reads

        def tick() -> None:
            nonlocal done, said
            done += 1
            if time.monotonic() - said > _SAY_EVERY_SECONDS:
                said = time.monotonic()
                say()

        say()
        yield tick
        done = done if total is None else total
        say()


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 done, 1 could not (one line on stderr), 2 wrong usage, 3 trained and refused by the gate."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console of another encoding lacks some characters
    try:
        code: int | None = options.run(options)
    except FenbanError as problem:
        print(f"fenban: {problem}", file=sys.stderr)  # noqa: T201  the command's own error line
        return 1
    except OSError as problem:
        print(f"fenban: 读写失败：{problem.strerror or problem}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        print("fenban: 已中断，没有写入任何模型。", file=sys.stderr)  # noqa: T201
        return 1
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fenban")
    commands = parser.add_subparsers(required=True)
    learn = commands.add_parser("train")
    learn.add_argument("--data", type=Path, action="append", default=[])
    learn.add_argument("--labels", type=Path, action="append", default=[])
    learn.add_argument("--unlabelled", type=Path, action="append", default=[])
    learn.add_argument("--no-seed", action="store_true")
    learn.add_argument("--corpora", type=Path, default=Path("corpora"))
    where = learn.add_mutually_exclusive_group()
    where.add_argument("--models", type=Path, default=Path("models"))
    where.add_argument("--out", type=Path)
    learn.add_argument("--promote", action="store_true")
    learn.set_defaults(run=_train)
    again = commands.add_parser("retrain")
    again.add_argument("--labels", type=Path, required=True)
    again.add_argument("--models", type=Path, default=Path("models"))
    again.add_argument("--corpora", type=Path, default=Path("corpora"))
    again.add_argument("--directory", type=Path, default=Path("corpora/units/county"))
    again.add_argument("--policy", type=Path)
    again.add_argument("--json-progress", action="store_true")
    again.set_defaults(run=_retrain)
    check = commands.add_parser("corpora")
    check.add_argument("--corpora", type=Path, default=Path("corpora"))
    check.add_argument("--against", type=Path, action="append", default=[])
    check.add_argument("--json", action="store_true")
    check.set_defaults(run=_corpora)
    score = commands.add_parser("evaluate")
    score.add_argument("file", type=Path)
    score.add_argument("--model", type=Path)
    score.add_argument("--models", type=Path, default=Path("models"))
    score.add_argument("--directory", type=Path, default=Path("corpora/units/county"))
    score.add_argument("--json", default="")
    score.add_argument("--html", type=Path)
    score.set_defaults(run=_evaluate)
    return parser


def _train(options: argparse.Namespace) -> None:
    out = options.out or options.models
    versions = options.out is None or keeps_versions(out)
    check_free(out, versions)
    snapshots = [path for path in options.labels if not path.is_file()]
    tables = [path for path in options.labels if path.is_file()]  # as fenban 0.1 exported them
    sources = Sources(options.corpora, (*options.data, *tables), seed=not options.no_seed)
    if len(snapshots) > 1:
        # Groups have other names in each: one petitioner could be on both sides of the test.
        raise CorpusError("--labels 一次只能用一个快照：快照含全部认定，用最新导出的那个即可。")
    if snapshots and options.unlabelled:
        raise CorpusError("--labels 的快照和 --unlabelled 不能一起用。请分两次训练。")
    if snapshots:
        models = out if versions else None
        bundle, test_set = train_on_labels(sources, snapshots[0], models, RichProgress(), _note)
        if models:
            save_test_set(models, test_set)
    elif options.unlabelled:
        adaptation = adapt(sources, options.unlabelled, RichProgress(), _note)
        show_adaptation(adaptation, _console)
        bundle = adaptation.bundle
    else:
        bundle = train(sources, RichProgress(), _note)
    published = publish(bundle, out, promote=options.promote, versions=versions)
    figures = bundle.report["category"]
    if figures and figures["n"]:
        _console.print(
            f"留出检验（{figures['n']} 件）：第一候选 {figures['accuracy']:.1%}，前三 {figures['top3']:.1%}",
            highlight=False,
        )
    state = (
        "已启用"
        if published.active
        else "未启用（fenban models promote 启用）"
        if versions
        else "可用 --model 指定"
    )
    _console.print(f"模型 {published.version} 已写入 {published.path}，{state}。", highlight=False)


def _retrain(options: argparse.Namespace) -> int:
    # The service cancels by SIGTERM: leave as by Ctrl-C, sweeping up on the way.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    made = retrain(
        options.labels,
        options.models,
        options.corpora,
        options.directory,
        options.policy or options.corpora / "gate" / "policy.toml",
        JsonProgress() if options.json_progress else RichProgress(),
        (lambda _: None) if options.json_progress else _note,
    )
    sys.stdout.write(json.dumps(made.to_json(), ensure_ascii=False) + "\n")
    return 0 if made.verdict.passed else _REFUSED


def _corpora(options: argparse.Namespace) -> None:
    progress = RichProgress()
    foreign: list[str] = []
    for path in options.against:
        with progress.step(f"读取 {path.name}", None) as tick:
            for item in petitions(path):
                tick()
                foreign += [item[1].given] if not isinstance(item, Reject) else []
    with progress.step("检查语料", None):
        found = audit(options.corpora, foreign)
    if options.json:
        text = json.dumps({**found.figures, "problems": found.problems}, ensure_ascii=False, indent=1)
        sys.stdout.write(text + "\n")
    else:
        show_audit(found, load_taxonomy(options.corpora / "taxonomy"), Console(soft_wrap=True))
    if found.problems:
        raise CorpusError(f"语料有 {len(found.problems)} 处不合规则。")


def _evaluate(options: argparse.Namespace) -> None:
    if options.html:
        check_place(options.html)
    bundle = load_bundle(options.model or Registry(options.models).active())
    with RichProgress().step("评测", count_rows(options.file) if options.file.is_file() else None) as tick:
        scored = evaluation(options.file, bundle, options.directory, tick, _note)
    if options.html:
        write_report(options.html, render(scored, bundle, options.file.name))
        _note(f"报告已写入 {options.html}。")
    text = json.dumps(scored.figures, ensure_ascii=False, indent=1) + "\n"
    if options.json and options.json != "-":
        Path(options.json).write_text(text, encoding="utf-8")
    if options.json != "-":
        text = _summary(scored.figures)
    sys.stdout.write(text)


def _note(line: str) -> None:
    _console.print(line, highlight=False, markup=False, soft_wrap=True)


def _summary(figures: dict[str, Any]) -> str:
    """The figures in words, for a person."""
    lines = [f"共 {figures['n']} 件，模型 {figures['model_version']}，{figures['per_second']} 件/秒"]
    for key, name in (
        ("category", "内容分类"),
        ("category_level1", "一级分类"),
        ("kind", "诉求类型"),
        ("unit", "承办单位"),
    ):
        if key in figures:
            shown = ((label, figures[key].get(field)) for field, label in _LABELS)
            lines.append(
                f"{name}：" + "，".join(f"{label} {value:.1%}" for label, value in shown if value is not None)
            )
    return "\n".join(lines) + "\n"


_LABELS = (
    ("accuracy", "正确率"),
    ("macro_f1", "宏平均 F1"),
    ("top3", "前三命中"),
    ("ece", "校准误差"),
    ("coverage_at_95", "95% 正确时可自动覆盖"),
)


if __name__ == "__main__":
    sys.exit(main())
