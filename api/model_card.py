"""A model's card in Chinese, for command line and page: what it was trained on, what it reached, whom it may fail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from classifier.bundle import Bundle

_HEADS = (("category", "内容分类（二级）"), ("kind", "诉求类型"), ("unit", "承办单位"))
_FIGURES = (
    ("accuracy", "正确率"),
    ("top3", "前三命中"),
    ("macro_f1", "宏平均 F1"),
    ("ece", "校准误差"),
    ("coverage_at_95", "正确率 95% 时的覆盖"),
)
_LIMITS = (
    "一件几事的来信，只按其中一事分类，其余可能排在第二、第三，也可能没有。",
    "很短的、方言重的、语音转写的来信容易分错，也更常弃权；请先看弃权件，不要放到最后。",
    "少见的事项和新出现的事项（新政策、新骗局）没有学过，标注之后重新训练才会认得。",
    "检举控告判成其他类型时，“不转被控告人”的保护就不起作用：请先核对诉求类型。",
    "姓名、性别、民族、籍贯、电话、身份证号在判断之前已去除，换掉它们不影响分类、类型、单位和次序（有测试为证）。",
    "概率只在与学过的材料相近时可信；用本单位已办结件 fenban evaluate 检验后再定用法。",
)


@dataclass(frozen=True, slots=True)
class Card:
    """The card's three parts, as sentences: what the model learnt, what it reached on what it had not learnt, whom it may fail."""

    learnt: tuple[str, ...]
    held_out: tuple[str, ...]
    limits: tuple[str, ...]


def card_of(report: Mapping[str, Any], threshold: float) -> Card:
    """Figures are those of the bundle's own training report."""
    learnt = [
        f"自带的种子语料：{'学了' if report.get('seed') else '没有学'}",
        f"信访件 {report.get('petitions', 0):,} 件",
    ]
    if report.get("data"):
        learnt.append(f"本单位文件 {'、'.join(report['data'])}")
    lines = ["；".join(learnt)]
    if report.get("kinds"):
        lines.append(f"诉求类型：{_counts(report['kinds'])}")
    if report.get("units"):
        lines.append(f"承办单位：{len(report['units'])} 个")
    if changes := report.get("unlabelled"):
        taken = "已采用" if changes["kept"] else "未采用（金标准变差）"
        lines.append(f"未标注材料 {changes['texts']} 件，其中 {changes['taught']} 件当作例子：{taken}")
    reached = []
    for name, title in _HEADS:
        if report.get(name) and report[name].get("n"):
            reached.append(f"{title}：{report[name]['n']:,} 件，{_figures(report[name])}")
            if "level1" in report[name]:
                reached.append(f"内容分类（一级）：{_figures(report[name]['level1'])}")
    reached.append(f"一级分类把握低于 {threshold:.1%} 时弃权，交人判断")
    return Card(tuple(lines), tuple(reached), _LIMITS)


def model_card(bundle: Bundle) -> str:
    """The card as lines of text."""
    card = card_of(bundle.report, bundle.threshold)
    lines = [
        f"模型 {bundle.version}",
        "",
        "学了什么",
        *(f"  {line}" for line in card.learnt),
        "",
        "留出检验（训练时没有学过的那部分）",
        *(f"  {line}" for line in card.held_out),
        "",
        "局限",
        *(f"  · {limit}" for limit in card.limits),
        "",
        "全文见 docs/model-card.md；机器可读的训练报告用 --json。",
    ]
    return "\n".join(lines)


def _figures(figures: Mapping[str, Any]) -> str:
    return "，".join(f"{title} {figures[name]:.1%}" for name, title in _FIGURES if name in figures)


def _counts(counts: Mapping[str, int]) -> str:
    return "、".join(f"{name} {count:,}" for name, count in counts.items())
