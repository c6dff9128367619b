"""Charts of the model pages: arrays in, SVG out. Colours come from app.css by class; each series has a dash and a mark of its own, too.

Every chart has a title for who does not see it, and a table of its figures behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from markupsafe import Markup, escape

from classifier.curves import Curves

# Plotted between these edges of a 480 × 320 drawing.
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 464, 14, 262
_DASHES = ("", "7 4", "2 3")
#: Rates of fewer answers than this are drawn hollow: one more or less would move them far.
FEW = 20


@dataclass(frozen=True, slots=True)
class Week:
    """One week of a row of weeks: what it is called, its value, None for a gap, and of how many answers it is a rate, None for no rate."""

    label: str
    value: float | None
    of: int | None = None


def reliability_chart(series: Sequence[tuple[str, Curves]]) -> Markup:
    """Confidence said against accuracy found, a mark a bin: on the diagonal, confidence can be taken at its word."""
    parts = [_axes("机器报的把握", "实际正确率", 1.0, 0.2)]
    parts.append(
        f'<path class="axis" stroke-dasharray="3 4" d="M{_LEFT} {_BOTTOM}L{_RIGHT} {_TOP}" fill="none"/>'
    )
    for number, (_, found) in enumerate(series):
        places = [(_x(b.confidence), _y(b.accuracy, 1.0), b.count) for b in found.bins]
        parts.append(_line(number, [(x, y) for x, y, n in places if n >= FEW]))
        parts += [_mark(number, x, y, n >= FEW) for x, y, n in places]
    parts.append(_legend([name for name, _ in series]))
    rows = [
        (name, f"{b.low:.0%}–{b.high:.0%}", str(b.count), f"{b.confidence:.1%}", f"{b.accuracy:.1%}")
        for name, found in series
        for b in found.bins
    ]
    title = "机器报的把握与实际正确率。" + "；".join(
        f"{name}：{found.n} 件，{_lean(found)}" for name, found in series
    )
    return _figure(parts, title, ("来源", "把握", "件数", "平均把握", "实际正确率"), rows)


def coverage_chart(
    series: Sequence[tuple[str, Curves]], threshold: float, marks: Sequence[tuple[float, float | None]]
) -> Markup:
    """Accuracy of the suggestions taken by falling confidence; `marks` are, a series, where the `threshold` of abstention is on it."""
    lowest = min(
        (p.accuracy for _, found in series for p in found.points[len(found.points) // 10 :]), default=0.0
    )
    floor = 0.9 if lowest >= 0.9 else int(lowest * 5) / 5
    step = 0.02 if floor >= 0.9 else 0.1 if floor >= 0.4 else 0.2
    parts = [_axes("采用的比例（从把握最大的开始）", "其中对的比例", 1.0, step, floor)]
    parts.append(
        f'<path class="axis" stroke-dasharray="3 4" d="M{_LEFT} {_y(0.95, 1.0, floor):.1f}H{_RIGHT}" fill="none"/>'
    )
    for number, (_, found) in enumerate(series):
        parts.append(_line(number, [(_x(p.coverage), _y(p.accuracy, 1.0, floor)) for p in found.points]))
    for number, (share, accuracy) in enumerate(marks):
        if accuracy is None:
            continue
        x, y = _x(share), _y(accuracy, 1.0, floor)
        if number == 0:
            parts.append(f'<path class="axis" d="M{x:.1f} {_TOP}V{_BOTTOM}" stroke-width="1.5"/>')
            at_right = x > (_LEFT + _RIGHT) / 2
            parts.append(
                _text(
                    x + (-6 if at_right else 6),
                    _BOTTOM - 10,
                    f"弃权线：把握 {threshold:.1%}",
                    "end" if at_right else "start",
                    "strong",
                )
            )
        parts.append(_mark(number, x, y, True))
    parts.append(_legend([name for name, _ in series]))
    rows = [
        (name, f"{p.coverage:.0%}", f"{p.accuracy:.1%}", f"{p.confidence:.1%}")
        for name, found in series
        for p in found.points[::2]
    ]
    title = f"采用得越多，对的比例越低。弃权线在把握 {threshold:.1%}。"
    return _figure(parts, title, ("来源", "采用的比例", "其中对的", "把握不低于"), rows)


def weeks_chart(name: str, weeks: Sequence[Week], is_share: bool) -> Markup:
    """A small chart of one figure over some weeks, oldest first: bars of counts, or a line of shares. Its table is the caller's."""
    known = [week.value for week in weeks if week.value is not None]
    most = max(known, default=0.0) or 1.0
    if is_share:
        most = min(1.0, most * 1.25)
    width, height = 300, 120
    # Below a line there is room for figures of its lowest points.
    base = 78 if is_share else 92
    slot = (width - 8) / max(len(weeks), 1)
    parts = [f'<path class="axis" d="M4 {base + 0.5}H{width - 4}"/>']
    places = []
    for i, week in enumerate(weeks):
        x = 4 + slot * (i + 0.5)
        if i in {0, len(weeks) - 1}:
            parts.append(_text(x, height - 10, week.label))
        if week.value is None:
            continue
        y = base - (base - 24) * week.value / most
        told = f"{week.value:.0%}" if is_share else f"{week.value:,.0f}"
        if is_share:
            places.append((x, y))
            parts.append(_mark(0, x, y, week.of is None or week.of >= FEW))
        else:
            parts.append(
                f'<g class="c1"><rect class="area" x="{x - slot * 0.3:.1f}" y="{y:.1f}" width="{slot * 0.6:.1f}" height="{base - y:.1f}"/></g>'
            )
        at = y - 7
        if is_share and _in_a_valley(weeks, i):
            # Below its point; of one on the axis, or nearly, below the axis.
            at = y + 16 if y < base - 6 else base + 14
        parts.append(_text(x, at, told, kind="strong" if i == len(weeks) - 1 else ""))
    if is_share:
        parts.insert(1, _line(0, places))
    title = f"{name}，各周：" + "、".join(
        "—" if week.value is None else f"{week.value:.0%}" if is_share else f"{week.value:,.0f}"
        for week in weeks
    )
    return _svg(width, height, title, parts)


def _in_a_valley(weeks: Sequence[Week], at: int) -> bool:
    """Whether the line rises to both sides of a point (to the one it has): a figure above it would be struck through."""
    here = weeks[at].value
    beside = [week.value for week in (*weeks[max(at - 1, 0) : at], *weeks[at + 1 : at + 2])]
    heights = [value for value in beside if value is not None]
    return here is not None and bool(heights) and all(value > here for value in heights)


def interval_bar(low: float, value: float, high: float) -> Markup:
    """A share from 0 to 1 with its interval: a band with a stroke. Beside figures that say the same, so it has no title."""
    return Markup(
        '<svg class="chart" viewBox="0 0 200 14" aria-hidden="true"><path class="grid" d="M0 7.5H200"/>'
        '<g class="c1"><rect class="area" x="{}" y="5" width="{}" height="5" opacity=".45"/>'
        '<rect class="area" x="{}" y="1" width="3" height="13"/></g></svg>'
    ).format(f"{low * 200:.1f}", f"{max(high - low, 0) * 200:.1f}", f"{value * 200 - 1.5:.1f}")


def lean(said: float, was: float) -> str:
    """Whether confidence says more or less than it keeps."""
    if abs(said - was) < 0.02:
        return "把握与实际相当"
    return "说得偏谨慎" if said < was else "说得偏满"


def means(found: Curves) -> tuple[float, float]:
    """Mean confidence and accuracy over all bins, weighted by how many answers each has."""
    total = sum(b.count for b in found.bins) or 1
    return (
        sum(b.count * b.confidence for b in found.bins) / total,
        sum(b.count * b.accuracy for b in found.bins) / total,
    )


def _lean(found: Curves) -> str:
    said, was = means(found)
    return f"平均报 {said:.0%}，实际对 {was:.0%}，{lean(said, was)}"


def _x(share: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * share


def _y(value: float, most: float, least: float = 0.0) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * min(max((value - least) / (most - least), 0.0), 1.0)


def _text(x: float, y: float, text: str, anchor: str = "middle", kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{named}>{escape(text)}</text>'


def _axes(x_label: str, y_label: str, most: float, step: float, least: float = 0.0) -> str:
    parts = []
    for i in count():
        value = least + i * step
        if value > most + 1e-9:
            break
        y = _y(value, most, least)
        parts.append(f'<path class="{"grid" if i else "axis"}" d="M{_LEFT} {y:.1f}H{_RIGHT}"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{value:.0%}", "end"))
    parts += [_text(_x(i / 5), _BOTTOM + 16, f"{i / 5:.0%}") for i in range(6)]
    parts.append(_text((_LEFT + _RIGHT) / 2, _BOTTOM + 34, x_label, kind="strong"))
    middle = (_TOP + _BOTTOM) / 2
    parts.append(
        f'<text x="12" y="{middle}" text-anchor="middle" class="strong" transform="rotate(-90 12 {middle})">{escape(y_label)}</text>'
    )
    return "".join(parts)


def _line(number: int, places: Iterable[tuple[float, float]]) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dash = f' stroke-dasharray="{_DASHES[number]}"' if _DASHES[number % 3] else ""
    return f'<g class="c{number + 1}"><polyline class="curve" points="{points}"{dash}/></g>' if points else ""


def _mark(number: int, x: float, y: float, firm: bool) -> str:
    """A circle, square or diamond; hollow where it stands for few."""
    inside = 'class="area"' if firm else 'class="curve"'
    shape = (
        f'<circle {inside} cx="{x:.1f}" cy="{y:.1f}" r="4"/>',
        f'<rect {inside} x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>',
        f'<path {inside} d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"/>',
    )[number % 3]
    return f'<g class="c{number + 1}">{shape}</g>'


def _legend(names: Sequence[str]) -> str:
    if len(names) < 2:
        return ""
    parts, x = [], float(_LEFT)
    for number, name in enumerate(names):
        y = _BOTTOM + 50
        parts += [_line(number, [(x, y), (x + 26, y)]), _mark(number, x + 13, y, True)]
        parts.append(_text(x + 32, y + 4, name, "start"))
        x += 44 + 13 * len(name)
    return "".join(parts)


def _svg(width: int, height: int, title: str, parts: Iterable[str]) -> Markup:
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img"><title>{}</title>{}</svg>').format(
        width,
        height,
        title,
        Markup("".join(parts)),  # noqa: S704  of numbers, and of texts that `_text` escaped
    )


def _figure(parts: Iterable[str], title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in heads)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(Markup("").join(Markup("<td>{}</td>").format(cell) for cell in row))
        for row in rows
    )
    return _svg(480, 320, title, parts) + Markup(
        "<details><summary>看数字</summary><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></details>"
    ).format(head, body)
