"""`fenban`: the command line. Parses and shows; the work is in use cases and the kernel.

Exit codes: 0 done, 1 could not (one line why on stderr), 2 wrong usage.
"""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path
from typing import Annotated

import typer

from api import cli_learning
from api.cli_audit import audit_app
from api.cli_export import export_app
from api.cli_keys import keys_app
from api.cli_models import models_app
from api.cli_users import users_app
from classifier.errors import FenbanError

app = typer.Typer(
    name="fenban",
    help="分办：读入信访件，给出分类、关联和承办单位的建议，每条都有依据，由人认定。",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
directory_app = typer.Typer(help="单位目录", no_args_is_help=True)
corpora_app = typer.Typer(help="语料", no_args_is_help=True)
for name, group in (
    ("directory", directory_app),
    ("users", users_app),
    ("models", models_app),
    ("export", export_app),
    ("corpora", corpora_app),
    ("keys", keys_app),
    ("audit", audit_app),
):
    app.add_typer(group, name=name)
app.command()(cli_learning.retrain)
models_app.command("health")(cli_learning.health)

Out = Annotated[Path | None, typer.Option("-o", "--out", help="输出文件；- 为标准输出")]
Model = Annotated[Path | None, typer.Option("--model", help="用这个模型包，不用正在启用的")]
Mapping = Annotated[list[str] | None, typer.Option("--map", help="列名对应，例：--map 内容=诉求描述")]


def main() -> None:
    """The console script: every expected failure is one line on stderr and exit code 1."""
    # A console of another encoding (GBK) lacks some characters: better a question mark than a crash.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except FenbanError as problem:
        _fail(str(problem))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as problem:
        _fail(f"读写失败：{problem.strerror or type(problem).__name__}。请检查路径、权限和磁盘空间。")
    except KeyboardInterrupt:
        _fail("已中断。")


def _fail(message: str) -> None:
    typer.echo(f"fenban: {message}", err=True)
    sys.exit(1)


@app.command()
def triage(
    source: Annotated[
        str,
        typer.Argument(metavar="TEXT|FILE", help="一段文字，或 .csv .xlsx .xls .jsonl 文件；- 为标准输入"),
    ],
    out: Out = None,
    top: Annotated[int, typer.Option("--top", min=1, max=20, help="每件给出几个候选")] = 3,
    model: Model = None,
    mapping: Mapping = None,
    as_json: Annotated[bool, typer.Option("--json", help="文字也按 JSON 输出")] = False,
) -> None:
    """分析一段文字或一个文件，不用数据库；关联在文件之内查找。"""
    from api.batch import triage_file, triage_text
    from classifier.records import decode

    path = _as_file(source)
    if path is None:
        text = decode(sys.stdin.buffer.read(), "标准输入") if source == "-" else source
        triage_text(text, model, out, top, as_json)
    else:
        triage_file(path, model, out, top, mapping or [])


@app.command()
def links(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    out: Out = None,
    min_score: Annotated[
        float | None,
        typer.Option("--min-score", min=0.0, max=1.0, help="只列出不低于这个分数的关联，默认用模型的门限"),
    ] = None,
    model: Model = None,
    mapping: Mapping = None,
) -> None:
    """列出一个文件里的全部关联，每行一条 JSON。"""
    from api.batch import links_file

    links_file(file, model, out, min_score, mapping or [])


@app.command(name="import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    mapping: Mapping = None,
    database_url: Annotated[str | None, typer.Option("--database-url", help="数据库地址")] = None,
) -> None:
    """把一个文件导入数据库；中断后重新运行会接着导，不会重复。"""
    from api.batch import import_file
    from api.settings import get_settings

    settings = get_settings()
    import_file(
        file,
        settings.model_copy(update={"database_url": database_url}) if database_url else settings,
        mapping or [],
    )


@app.command(name="run-imports", hidden=True)
def run_imports(
    first: Annotated[str, typer.Option("--first")],
    lock: Annotated[int | None, typer.Option("--lock")] = None,
) -> None:
    """What the workbench starts for files that were uploaded (api/import_run.py)."""
    from api.import_run import be_modest, work
    from api.service import open_service
    from api.settings import get_settings

    be_modest()
    service = open_service(get_settings())
    try:
        work(service, first, lock)
    finally:
        service.close()


@app.command()
def relink(
    database_url: Annotated[str | None, typer.Option("--database-url", help="数据库地址")] = None,
) -> None:
    """换了模型或运行过 fenban keys rehash 之后，为数据库里的全部信访件重新查找关联；中断后重新运行会接着做，人认定过的关联不变。"""
    from api.batch import relink_database
    from api.settings import get_settings

    settings = get_settings()
    relink_database(settings.model_copy(update={"database_url": database_url}) if database_url else settings)


@app.command()
def hot(
    since: Annotated[str, typer.Option("--since", help="从何时起，例：2026-03-01")],
    until: Annotated[str | None, typer.Option("--until", help="到何时止（不含）；不写为现在")] = None,
    min_score: Annotated[
        float, typer.Option("--min-score", min=0.0, max=1.0, help="建议的关联从这个分数起才算")
    ] = 0.8,
    as_json: Annotated[bool, typer.Option("--json", help="按 JSON 输出")] = False,
) -> None:
    """近来明显增多的事项，最不寻常的在前。不含检举控告件。"""
    import json

    from api.hot import hot as find_hot
    from api.hot import in_words
    from api.service import open_service
    from api.settings import get_settings
    from api.store.firewall import PRINTED
    from classifier.dates import parse_date

    start, end = parse_date(since), parse_date(until) if until else None
    answer = find_hot(open_service(get_settings()), start, end, PRINTED, min_score)
    text = json.dumps(answer, ensure_ascii=False, default=lambda moment: moment.isoformat())
    typer.echo(text if as_json else in_words(answer), nl=as_json)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option("--host", help="监听地址")] = None,
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="监听端口")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=64, help="进程数")] = 1,
    database_url: Annotated[str | None, typer.Option("--database-url", help="数据库地址")] = None,
    demo: Annotated[
        bool,
        typer.Option("--demo", help="演示单位：另用一个数据目录，里面是几百件编写的信访件；只在本机监听"),
    ] = False,
) -> None:
    """启动服务。"""
    from api.server import run
    from api.settings import get_settings

    settings = get_settings()
    _check_free(host or settings.host, settings.port if port is None else port)
    if demo:
        _check_demo(host or settings.host, database_url)
        database_url = ""
        os.environ["FENBAN_DATA_DIR"] = str(settings.data_dir / "demo")
        os.environ["FENBAN_DEMO"] = "true"
    # Worker processes read their settings from the environment.
    for name, value in (("HOST", host), ("PORT", port), ("DATABASE_URL", database_url)):
        if value is not None:
            os.environ[f"FENBAN_{name}"] = str(value)
    run(workers)


def _check_demo(host: str, database_url: str | None) -> None:
    """Raises InputError where a demo office, whose password everybody knows, would stand open or in the real database."""
    from classifier.errors import InputError

    if host not in {"127.0.0.1", "localhost", "::1"}:
        raise InputError("演示单位的密码是公开的，只能在本机监听。请去掉 --host，或不用 --demo。")
    if database_url:
        raise InputError("演示单位用自己的数据库文件。请去掉 --database-url，或不用 --demo。")


def _check_free(host: str, port: int) -> None:
    """Raises InputError when nothing could listen there: before a credential is shown for a service that never starts."""
    import socket

    from classifier.errors import InputError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as problem:
        raise InputError(
            f"{host}:{port} 不能监听：{problem.strerror}。请用 --port 换一个端口，或停掉占用它的程序。"
        ) from None


@app.command()
def train(
    data: Annotated[list[Path] | None, typer.Option("--data", help="带标注的文件；可写多次")] = None,
    labels: Annotated[
        list[Path] | None, typer.Option("--labels", help="fenban export labels 导出的快照，只能一个")
    ] = None,
    unlabelled: Annotated[
        list[Path] | None,
        typer.Option("--unlabelled", help="未标注的积存件；学本单位的用语，变差则不采用；可写多次"),
    ] = None,
    no_seed: Annotated[bool, typer.Option("--no-seed", help="不用自带语料，只学给出的数据")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="输出目录；默认为模型目录，存为新版本")] = None,
    promote: Annotated[bool, typer.Option("--promote", help="训练后立即启用")] = False,
) -> None:
    """训练模型。"""
    from api.settings import get_settings

    settings = get_settings()
    where = ("--out", str(out)) if out else ("--models", str(settings.models))
    arguments = ["train", "--corpora", str(settings.corpora), *where]
    for option, paths in (("--data", data), ("--labels", labels), ("--unlabelled", unlabelled)):
        for path in paths or ():
            arguments += [option, str(path)]
    arguments += ["--no-seed"] * no_seed + ["--promote"] * promote
    _training(arguments)


@app.command()
def evaluate(
    file: Annotated[Path, typer.Argument(metavar="FILE")],
    json_out: Annotated[str, typer.Option("--json", help="把指标写成 JSON；- 为标准输出")] = "",
    html: Annotated[
        Path | None, typer.Option("--html", help="写一份给人看的报告（单个网页文件，含脱敏原文）")
    ] = None,
    model: Model = None,
) -> None:
    """用带标注的文件评测模型。"""
    from api.settings import get_settings

    settings = get_settings()
    arguments = [
        "evaluate",
        str(file),
        "--models",
        str(settings.models),
        "--directory",
        str(settings.directory_in_use),
    ]
    arguments += ["--json", json_out] if json_out else []
    arguments += ["--html", str(html)] if html else []
    _training(arguments + (["--model", str(model)] if model else []))


def _training(arguments: list[str]) -> None:
    """`api` and `training` never import each other: training runs in a process of its own."""
    import subprocess

    try:
        # -P: a folder or file called `training` where the user stands must not be taken for ours.
        done = subprocess.run([sys.executable, "-P", "-m", "training", *arguments], check=False)  # noqa: S603  our own module
    except KeyboardInterrupt:
        raise typer.Exit(1) from None
    raise typer.Exit(done.returncode if done.returncode in {0, 1, 2} else 1)


@directory_app.command("check")
def directory_check(folder: Annotated[Path, typer.Argument(metavar="FOLDER")]) -> None:
    """检查一个单位目录文件夹，列出每一处问题。"""
    from api.settings import get_settings
    from classifier.directory import load_directory
    from classifier.errors import DirectoryError
    from classifier.taxonomy import load_taxonomy

    taxonomy = load_taxonomy(get_settings().corpora / "taxonomy")
    try:
        directory = load_directory(folder, taxonomy)
    except DirectoryError as error:
        for problem in error.problems:
            typer.echo(problem, err=True)
        raise
    typer.echo(
        f"目录 {folder.name} 没有问题：{len(directory.units)} 个单位，{len(directory.assignments)} 条分类对应，"
        f"{len(directory.districts)} 个辖区，{len(directory.rules)} 条规则。"
    )


@corpora_app.command("check")
def corpora_check(
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", help="别人的文本；其中的句子不得出现在语料里；可写多次"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="按 JSON 输出")] = False,
) -> None:
    """检查语料：各类件数、长短、来源、重复、套话、个人信息。"""
    from api.settings import get_settings

    arguments = ["corpora", "--corpora", str(get_settings().corpora)]
    for path in against or ():
        arguments += ["--against", str(path)]
    _training(arguments + ["--json"] * as_json)


def _as_file(source: str) -> Path | None:
    """The file `source` names, None when it is text. What looks like a file name must exist."""
    if source == "-" or len(source) > 1_000 or "\n" in source:
        return None
    path = Path(source)
    looks_like_file = path.suffix.lower() in {
        ".csv",
        ".tsv",
        ".txt",
        ".xlsx",
        ".xls",
        ".xlsm",
        ".xlsb",
        ".ods",
        ".jsonl",
        ".ndjson",
    }
    try:
        return path if looks_like_file or path.is_file() else None
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    main()
