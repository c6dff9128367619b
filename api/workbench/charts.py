"""Charts as SVG, drawn on the server: values in, markup out. Pure functions; colours come from app.css by class.

Every chart reads without colour: series are told apart by patterns and named beside the chart in their order, bars carry their values.
Sizes are in units of a drawing 420 wide, which a phone shows at nearly its own size and a desk at most a quarter larger (app.css), so that
letters of 13 units stay readable on both. A chart has no links: inside role="img" nobody without a mouse would find them; the table behind it has.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup, escape

WIDTH = 420
_TEXT, _CHARACTER = 14, 13
_LEFT, _TOP, _FOOT = 48, 16, 24
_PLOT = 190
#: What is drawn over a series' colour, in the order of the series: nothing, then marks in the colour of the page.
_PATTERNS = (
    "",
    '<path class="hatch" d="M-1 7L7-1M-1 1L1-1M5 7L7 5"/>',
    '<circle class="dot" cx="3" cy="3" r="1.3"/>',
    '<path class="hatch" d="M0 3H6"/>',
    '<path class="hatch" d="M-1-1L7 7M5-1L7 1M-1 5L1 7"/>',
    '<path class="hatch" d="M3 0V6"/>',
    '<path class="hatch" d="M0 3H6M3 0V6"/>',
    '<path class="hatch" d="M0 0L6 6M6 0L0 6"/>',
)


@dataclass(frozen=True, slots=True)
class Series:
    """Values with one name, one for each label of the chart; None stands for nothing."""

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class Interval:
    """A share with its interval, 0 to 1, and how many it was counted on."""

    name: str
    share: float
    low: float
    high: float
    count: int


def nice_step(most: float, ticks: int = 4) -> float:
    """A step of 1, 2 or 5 times a power of ten, at least 1, of which at most `ticks` reach `most`."""
    rough = max(most, 1) / ticks
    power = 10 ** floor(log10(rough)) if rough > 0 else 1
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999999)
    return max(1, step)


def columns(
    name: str,
    summary: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    side_by_side: bool = False,
    with_values: bool = False,
) -> Markup:
    """Columns, the series stacked with the first at the bottom, or `side_by_side`; several are named at the right in the order in which
    they lie. `with_values` writes the sum above each column."""
    named = len(series) > 1
    right = _name_room(series) if named else 10
    sums = [sum(one.values[at] or 0 for one in series) for at in range(len(labels))]
    highest = max((one.values[at] or 0 for one in series for at in range(len(labels))), default=0)
    axis, y = _scale(highest if side_by_side else max(sums, default=0), right)
    band = (WIDTH - _LEFT - right) / max(len(labels), 1)
    wide = band * 0.76 / (len(series) if side_by_side else 1)
    parts = [axis, *_below(labels, band)]
    for at in range(len(labels)):
        base, x = 0.0, _LEFT + band * at + band * 0.12
        for number, one in enumerate(series):
            value = one.values[at] or 0
            top, bottom = y(base + value), y(base)
            if value:
                parts.append(_rect(x, top, wide, bottom - top, f"{name}-{number}"))
            if side_by_side:
                x += wide
            else:
                base += value
        if with_values:
            parts.append(_text(x + wide / 2, y(base) - 4, f"{base:,.0f}", "middle", "strong"))
    if named:
        parts += _names(name, series, right, from_top=side_by_side)
    return _svg(name, summary, _TOP + _PLOT + _FOOT, parts, len(series))


def bars(
    name: str,
    summary: str,
    rows: Sequence[tuple[str, Sequence[float]]],
    series: Sequence[str] = (),
    rest: tuple[str, float] | None = None,
) -> Markup:
    """Horizontal bars, one a row, stacked of `series` parts with a key above; each row's sum is written at its end.

    `rest` is what many others sum up to: a figure below them and no bar, beside which all would look small.
    """
    many = max(len(series), 1)
    left = min(max((len(label) for label, _ in rows), default=0), 9) * _CHARACTER + 8
    top, row = (26 if series else 4), 24
    most = max((sum(values) for _, values in rows), default=0) or 1
    room = WIDTH - left - 52
    parts = _key(name, series)
    for at, (label, values) in enumerate(rows):
        y, x = top + at * row, float(left)
        parts.append(_text(left - 6, y + 16, _short(label), "end", "strong"))
        for number, value in enumerate(values):
            wide = room * value / most
            if value:
                parts.append(_rect(x, y + 4, max(wide, 1), 16, f"{name}-{number}"))
            x += wide
        parts.append(_text(x + 5, y + 16, f"{sum(values):,.0f}", "start", "strong num"))
    if rest is not None:
        y = top + row * len(rows) + 16
        parts.append(_text(4, y, f"{rest[0]}：", "start", "strong"))
        parts.append(_text(4 + (len(rest[0]) + 1) * _CHARACTER, y, f"{rest[1]:,.0f}", "start", "strong num"))
    return _svg(name, summary, top + row * (len(rows) + (rest is not None)) + 4, parts, many)


def intervals(name: str, summary: str, rows: Sequence[Interval]) -> Markup:
    """Shares as dots on their 95 % intervals; each says its share and on how many it was counted."""
    left = min(max((len(one.name) for one in rows), default=0), 9) * _CHARACTER + 8
    right, row, top = 96, 24, 4
    most = min(1.0, max(0.1, *(ceil(one.high * 10) / 10 for one in rows)) if rows else 1.0)
    foot = top + row * len(rows)

    def x(share: float) -> float:
        return left + (WIDTH - left - right) * share / most

    step = 0.1 if most <= 0.5 else 0.2 if most <= 0.8 else 0.25
    parts = []
    for at in range(round(most / step) + 1):
        share = min(at * step, most)
        parts.append(f'<path class="{"axis" if not at else "grid"}" d="M{x(share):.1f} {top}V{foot}"/>')
        parts.append(_text(x(share), foot + 16, f"{share:.0%}", "middle"))
    for at, one in enumerate(rows):
        y = top + at * row + 12
        parts.append(_text(left - 6, y + 4, _short(one.name), "end", "strong"))
        parts.append(
            f'<path class="curve c1" d="M{x(one.low):.1f} {y}H{x(one.high):.1f}M{x(one.low):.1f} {y - 4}v8M{x(one.high):.1f} {y - 4}v8"/>'
        )
        parts.append(f'<circle class="area c1" cx="{x(one.share):.1f}" cy="{y}" r="4"/>')
        parts.append(_text(WIDTH, y + 4, f"{one.share:.0%}（{one.count:,} 件）", "end", "strong num"))
    return _svg(name, summary, foot + _FOOT, parts, 0)


def spark(name: str, summary: str, values: Sequence[float]) -> Markup:
    """Small columns without axes, for a line of a list; the last one's figure stands behind it."""
    most, band, high = max(values, default=0) or 1, 9, 24
    wide = band * len(values)
    parts = []
    for at, value in enumerate(values):
        tall = max((high - 2) * value / most, 1)
        parts.append(
            f'<rect class="area c1" x="{at * band + 1}" y="{high - tall:.1f}" width="{band - 2}" height="{tall:.1f}"/>'
        )
    return Markup(  # noqa: S704  figures, and a summary that is escaped
        f'<svg class="spark" viewBox="0 0 {max(wide, 1)} {high}" width="{wide}" height="{high}" role="img" aria-labelledby="{name}-says">'
        f'<title id="{name}-says">{escape(summary)}</title>{"".join(parts)}</svg>'
    )


def _scale(most: float, right: float) -> tuple[str, Callable[[float], float]]:
    """Gridlines with their figures, and where a value lies."""
    step = nice_step(most)
    top = step * max(ceil(most / step), 1)

    def y(value: float) -> float:
        return _TOP + _PLOT * (1 - value / top)

    drawn = []
    for at in range(round(top / step) + 1):
        height = y(at * step)
        drawn.append(
            f'<path class="{"grid" if at else "axis"}" d="M{_LEFT} {height:.1f}H{WIDTH - right:.1f}"/>'
        )
        drawn.append(_text(_LEFT - 5, height + 4, f"{at * step:,.0f}", "end", "num"))
    return "".join(drawn), y


def _below(labels: Sequence[str], band: float) -> list[str]:
    widest = max((len(label.encode("gbk", "replace")) for label in labels), default=1) * _CHARACTER * 0.62 + 8
    every = max(1, ceil(widest / band))
    # The last one is always named: that is where the reader is.
    return [
        _text(_LEFT + band * (at + 0.5), _TOP + _PLOT + 16, label, "middle")
        for at, label in enumerate(labels)
        if (len(labels) - 1 - at) % every == 0
    ]


def _names(name: str, series: Sequence[Series], right: float, from_top: bool) -> list[str]:
    """The series' names with their patterns: as they are stacked, the last one uppermost, or as they stand, the first one."""
    parts = []
    order = list(enumerate(series)) if from_top else list(reversed(list(enumerate(series))))
    for at, (number, one) in enumerate(order):
        x, y = WIDTH - right + 10, _TOP + 4 + at * (_TEXT + 6)
        parts.append(_rect(x, y, 12, 12, f"{name}-{number}"))
        parts.append(_text(x + 17, y + 11, _short(one.name, 7), "start", "strong"))
    return parts


def _name_room(series: Sequence[Series]) -> float:
    return min(max((len(one.name) for one in series), default=0), 7) * _CHARACTER + 30


def _rect(x: float, y: float, wide: float, high: float, pattern: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="url(#{pattern})"/>'


def _key(name: str, series: Sequence[str]) -> list[str]:
    parts, x = [], 4.0
    for number, label in enumerate(series):
        parts.append(_rect(x, 4, 12, 12, f"{name}-{number}"))
        parts.append(_text(x + 17, 15, label))
        x += 17 + len(label) * _CHARACTER + 16
    return parts


def _short(text: str, most: int = 9) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(x: float, y: float, text: str, anchor: str = "start", kind: str = "") -> str:
    place = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text x="{x:.1f}" y="{y:.1f}"{place}{f" class={chr(34)}{kind}{chr(34)}" if kind else ""}>{escape(text)}</text>'


def _svg(name: str, summary: str, height: float, parts: Sequence[str], patterns: int) -> Markup:
    """`name` is the chart's own on its page; `summary` says in words what it shows."""
    drawn = "".join(
        f'<pattern id="{name}-{at}" class="c{at % 8 + 1}" width="6" height="6" patternUnits="userSpaceOnUse">'
        f'<rect class="area" width="6" height="6"/>{_PATTERNS[at % len(_PATTERNS)]}</pattern>'
        for at in range(patterns)
    )
    return Markup(  # noqa: S704  everything that is not ours is escaped in `_text` and here
        f'<svg class="chart fit" viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-labelledby="{name}-says">'
        f'<title id="{name}-says">{escape(summary)}</title>'
        f"{f'<defs>{drawn}</defs>' if drawn else ''}{''.join(parts)}</svg>"
    )
