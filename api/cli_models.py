"""`fenban models …`: the versions, what each changes, what the gate said, which one serves, which old ones go. Parses and shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

models_app = typer.Typer(help="模型版本", no_args_is_help=True)

Version = Annotated[str, typer.Argument(metavar="VERSION")]
AsJson = Annotated[bool, typer.Option("--json", help="按 JSON 输出")]
_SHOWN = 20


@models_app.command("list")
def list_() -> None:
    """列出模型版本，* 为正在启用的。"""
    from api.settings import get_settings
    from classifier.registry import Registry

    registry = Registry(get_settings().models)
    active = registry.active_version()
    for version in registry.versions():
        typer.echo(f"{'*' if version == active else ' '} {version}")


@models_app.command("show")
def show(
    version: Annotated[str | None, typer.Argument(metavar="VERSION")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="训练报告，按 JSON 输出")] = False,
) -> None:
    """显示一个模型（默认正在启用的）的说明：从哪里来、学了什么、检验如何、有何局限。"""
    from api.model_card import model_card
    from api.model_diff import provenance
    from api.settings import get_settings
    from classifier.bundle import load_bundle
    from classifier.registry import Registry

    registry = Registry(get_settings().models)
    bundle = load_bundle(registry.path(version) if version else registry.active())
    if as_json:
        typer.echo(json.dumps({"version": bundle.version, **bundle.report}, ensure_ascii=False, indent=1))
    else:
        typer.echo(model_card(bundle))
        if came_from := provenance(registry, bundle.version):
            typer.echo(came_from)


@models_app.command("promote")
def promote(version: Version) -> None:
    """启用一个版本。先完整校验再启用；没有通过检验的不启用，并说明原因。"""
    from api import models
    from api.settings import get_settings
    from classifier.registry import COMMAND_LINE

    models.promote(get_settings(), version, COMMAND_LINE)
    typer.echo(f"已启用 {version}。")


@models_app.command("rollback")
def rollback() -> None:
    """退回上一个启用的版本。那个版本读不出来时保持原样。"""
    from api import models
    from api.settings import get_settings
    from classifier.registry import COMMAND_LINE

    typer.echo(f"已退回 {models.rollback(get_settings(), COMMAND_LINE).version}。")


@models_app.command()
def verdict(version: Version, as_json: AsJson = False) -> None:
    """检验结论：过没过，为什么，哪些变好变差，哪些认定像是标错的（只列编号）。"""
    from api.settings import get_settings
    from classifier.errors import BundleMissingError
    from classifier.registry import Registry
    from classifier.scorecard import TASKS
    from classifier.taxonomy import load_taxonomy

    settings = get_settings()
    found = Registry(settings.models).verdict(version)
    if found is None:
        raise BundleMissingError(
            f"模型 {version[:64]} 没有检验结论。fenban retrain 做的版本才有；用 fenban models list 查看版本。"
        )
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    typer.echo("通过" if found.get("passed") is True else "没有通过")
    for line in (*found.get("reasons", ()), *found.get("changes", ())):
        typer.echo(f"  {line}")
    doubtful = found.get("suspicious", [])
    if doubtful:
        taxonomy = load_taxonomy(settings.corpora / "taxonomy")
        typer.echo(f"像是标错的认定 {len(doubtful)} 条，最像的在前（全部见 --json）：")
        for item in doubtful[:_SHOWN]:
            given, likely = (
                taxonomy.path(name) if name in taxonomy else name for name in (item["given"], item["likely"])
            )
            typer.echo(
                f"  {item['id']}  {TASKS[item['task']]}：认定为 {given}，更像 {likely}（{item['probability']:.0%}）"
            )


@models_app.command()
def diff(
    before: Annotated[str, typer.Argument(metavar="BEFORE")],
    after: Annotated[str, typer.Argument(metavar="AFTER")],
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="比较对这个文件的回答；不写为自带检验件")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """比较两个版本：哪些分类变好变差，哪些件的回答变了（只列编号）。"""
    from api.model_diff import difference
    from api.settings import get_settings
    from classifier.registry import Registry
    from classifier.scorecard import SOURCES, TASKS

    settings = get_settings()
    files = [file] if file else sorted((settings.corpora / "gold").glob("*.jsonl"))
    found = difference(Registry(settings.models), before, after, files)
    if as_json:
        typer.echo(json.dumps(found.to_json(), ensure_ascii=False, indent=1))
        return
    if not found.series:
        typer.echo("这两个版本没有答过同样的检验件，分不出哪些分类变好变差。")
    for series, tally in found.series.items():
        source, task = series.split(".")
        typer.echo(
            f"{SOURCES[source]}，{TASKS[task]}：{tally.cases} 件答对由 {tally.before} 件到 {tally.after} 件"
        )
    for change in found.categories:
        tally = change.tally
        word = "变差" if tally.after < tally.before else "变好" if tally.after > tally.before else "互有得失"
        source, task = change.series.split(".")
        typer.echo(
            f"  {word}：{change.path}（{SOURCES[source]}，{TASKS[task]}）{tally.cases} 件答对由 {tally.before} 件到 {tally.after} 件"
        )
    typer.echo(f"{found.asked} 件里 {len(found.answers)} 件的回答变了。")
    for answer in found.answers[:_SHOWN]:
        changed = [f"{old} → {new}" for old, new in (answer.category, answer.kind) if old != new]
        typer.echo(f"  {answer.id}  {'；'.join(changed)}")
    if len(found.answers) > _SHOWN:
        typer.echo(f"  其余 {len(found.answers) - _SHOWN} 件见 --json。")


@models_app.command()
def prune(
    keep: Annotated[int, typer.Option("--keep", min=1, help="保留最新的几个版本")] = 5,
) -> None:
    """删除旧版本。正在启用的、上一个启用的和它们的上一版总是保留。"""
    from api.settings import get_settings
    from classifier.registry import Registry

    gone = Registry(get_settings().models).prune(keep)
    typer.echo(f"已删除 {len(gone)} 个版本：{'、'.join(gone)}。" if gone else "没有可删除的版本。")
