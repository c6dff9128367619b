"""The two curves of an evaluation report as SVG: confidence against what was right, reach against what was wrong."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from classifier.curves import reliability, risk_coverage
from training.evaluate import Ranking
from training.metrics import coverage_at
from training.tallies import FEW

LEVELS = {1: "一级分类", 2: "二级分类"}
ACCENT, _GREY, _LINE = "#1a6b5c", "#66727d", "#e1e5e8"

# Charts: 500 × 400, plotted between these edges.
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 428, 16, 312


def _x(share: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * share


def _y(value: float, most: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * min(value / most, 1.0)


def _text(x: float, y: float, text: str, extra: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {extra}>{escape(text)}</text>'


def _axes(x_label: str, y_label: str, most: float, step: float) -> str:
    parts = []
    for i in range(round(most / step) + 1):
        y = _y(i * step, most)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{_RIGHT}" stroke="{_LINE if i else _GREY}"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{i * step:.0%}", 'text-anchor="end"'))
    parts += [_text(_x(i / 5), _BOTTOM + 20, f"{i / 5:.0%}", 'text-anchor="middle"') for i in range(6)]
    parts.append(_text((_LEFT + _RIGHT) / 2, 388, x_label, 'text-anchor="middle" class="name"'))
    middle = (_TOP + _BOTTOM) / 2
    turned = f'text-anchor="middle" class="name" transform="rotate(-90 14 {middle})"'
    return "".join([*parts, _text(14, middle, y_label, turned)])


def _figure(title: str, how: str, label: str, drawing: str) -> str:
    svg = f'<svg viewBox="0 0 500 400" role="img" aria-label="{escape(label)}">{drawing}</svg>'
    return f"<figure><figcaption><h3>{title}</h3><p>{how}</p></figcaption>{svg}</figure>"


def side_by_side(*figures: str) -> str:
    return f"<div class=two>{''.join(figures)}</div>"


def reliability_chart(ranking: Ranking) -> str:
    bins = [b for b in reliability(ranking.confidence, ranking.correct) if b.count]
    parts = [_axes("机器报的把握", "实际正确率", 1.0, 0.2)]
    parts.append(
        f'<path d="M{_x(0)} {_y(0, 1)}L{_x(1)} {_y(1, 1)}" stroke="#9aa5ae" stroke-dasharray="4 4"/>'
    )
    places = [(_x(b.confidence), _y(b.accuracy, 1.0)) for b in bins]
    firm = [place for b, place in zip(bins, places, strict=True) if b.count >= FEW]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in firm)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{ACCENT}" stroke-width="1.5"/>')
    for b, (x, y) in zip(bins, places, strict=True):
        radius = 3.5 + 8 * (b.count / max(b.count for b in bins)) ** 0.5
        fill = ACCENT if b.count >= FEW else "#fff"
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="{fill}" stroke="{ACCENT}"/>')
        parts.append(_text(_x((b.low + b.high) / 2), _BOTTOM + 44, str(b.count), 'text-anchor="middle"'))
    parts.append(_text(_LEFT - 8, _BOTTOM + 44, "件数", 'text-anchor="end"'))
    said, was = float(ranking.confidence.mean()), float(ranking.correct.mean())
    lean = "两者相当" if abs(said - was) < 0.02 else "说得偏谨慎" if said < was else "说得偏满"
    how = (
        f"点落在虚线上，就是报几成把握对几成；在上方是偏谨慎，在下方是偏自信。点越大件数越多，空心点不到 {FEW} 件，不足为凭。"
        f"这份文件上，机器平均报 {said:.0%} 的把握，实际对 {was:.0%}，{lean}。"
    )
    return _figure("把握与实际", how, "把握与实际正确率", "".join(parts))


def risk_chart(rankings: Sequence[Ranking]) -> str:
    """One line a level, the finest in the accent colour; the largest share that stays 95 % right is marked on each."""
    curves = [risk_coverage(ranking.confidence, ranking.correct) for ranking in rankings]
    # The first few taken are one error or none: they do not set the scale.
    highest = max(float(risk[len(risk) // 20 :].max()) for _, risk in curves)
    step = next(s for s in (0.02, 0.05, 0.1, 0.2) if highest <= 5 * s or s == 0.2)
    most = max(step * np.ceil(round(highest / step, 6)), 0.1)
    parts = [_axes("自动采用的比例（从把握最大的开始）", "其中分错的比例", most, step)]
    parts.append(
        f'<path d="M{_LEFT} {_y(0.05, most):.1f}H{_RIGHT}" stroke="#9aa5ae" stroke-dasharray="4 4"/>'
    )
    for ranking, (coverage, risk) in reversed(list(zip(rankings, curves, strict=True))):
        own = ranking is rankings[0]
        colour, width = (ACCENT, 2.2) if own else ("#9aa5ae", 1.5)
        shown = np.unique(np.linspace(0, len(risk) - 1, 400).astype(int))
        line = " ".join(f"{_x(coverage[i]):.1f},{_y(risk[i], most):.1f}" for i in shown)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="{width}"/>')
        bold = f'class="mark{" own" if own else ""}"'
        parts.append(_text(_RIGHT + 8, _y(risk[-1], most) + 4, LEVELS[ranking.level], bold))
        share = coverage_at(ranking.confidence, ranking.correct)[0]
        if share:
            x, y = _x(share), _y(float(risk[round(share * len(risk)) - 1]), most)
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>')
            parts.append(_text(x + 4, y + 21, f"{share:.0%}", bold))
    how = (
        "越往右，自动采用的越多，错的也越多。虚线是错 5%；圆点是错的不超过 5% 时能走到的最远处，也就是 95% 正确。"
        "圆点是在这份文件上找出来的，真正放手时应留余量。"
    )
    return _figure("放手与差错", how, "自动采用的比例与分错的比例", "".join(parts))
