"""What a person sees in the terminal of figures that training and checking found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from classifier.taxonomy import Taxonomy
from training.adapt import Adaptation
from training.audit import Audit


def show_audit(found: Audit, taxonomy: Taxonomy, console: Console) -> None:
    """Counts of each level-1 branch, then what the petitions are like, then what is wrong, a line each."""
    seed, gold = found.figures["seed"], found.figures["gold"]
    table = Table(title="语料各类件数")
    for name in ("一级分类", "种子", "其中最少的二级分类", "金标准"):
        table.add_column(name, justify="left" if name.endswith("分类") else "right")
    for branch in taxonomy.level(1):
        own = {code: count for code, count in seed["level2"].items() if code[:2] == branch.code}
        least = min(own, key=lambda code: own[code]) if own else ""
        table.add_row(
            f"{branch.code} {branch.name}",
            str(sum(own.values())),
            f"{taxonomy[least].name} {own[least]}" if least else "—",
            str(sum(count for code, count in gold["level2"].items() if code[:2] == branch.code)),
        )
    console.print(table)
    for name, figures in (("种子", seed), ("金标准", gold)):
        console.print(
            f"{name} {figures['petitions']} 件；诉求类型 {_counts(figures['kinds'])}；渠道 {_counts(figures['channels'])}；"
            f"正文字数 {'、'.join(f'{q} 为 {n}' for q, n in figures['lengths'].items())}；无标题 {figures['without_title']} 件",
            highlight=False,
        )
    pairs = found.figures["pairs"]
    console.print(f"成对信访件 {pairs['pairs']} 对，其中同一事项 {pairs['same_matter']} 对", highlight=False)
    for problem in found.problems:
        console.print(f"✗ {problem}", highlight=False, markup=False)
    if not found.problems:
        console.print("✓ 没有近似重复、套话、个人号码或照抄的句子，各类件数和词表都合规则。", highlight=False)


def show_adaptation(found: Adaptation, console: Console) -> None:
    """What a backlog changed, and whether it was taken."""
    changes = found.changes
    before, after = changes["confidence"]
    lines = [
        f"未标注材料 {changes['texts']} 件：其中把握最大的 {changes['taught']} 件（{changes['categories_taught']} 个分类）当作例子来学，"
        f"新识 {changes['new_words']} 个词",
        f"第一候选有变化的占 {changes['changed_suggestions']:.1%}，平均把握从 {before:.1%} 变为 {after:.1%}",
        "金标准："
        + "，".join(
            f"{_GOLD[name]} {value:.1%} → {changes['gold_after'][name]:.1%}"
            for name, value in changes["gold_before"].items()
        ),
    ]
    if found.words:
        lines.append(f"材料里常见而原来不识的词：{'、'.join(found.words)}")
    lines.append(
        "✓ 金标准没有变差，采用。"
        if found.kept
        else "✗ 金标准变差超过一个百分点，不采用：模型和没有这些材料时一样。"
    )
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


_GOLD = {"category": "二级分类", "category_level1": "一级分类", "kind": "诉求类型"}


def _counts(counts: Mapping[str, Any]) -> str:
    return "、".join(f"{name} {count}" for name, count in counts.items())
