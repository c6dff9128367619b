"""Plain SVG charts for the benchmarks: no plotting library, no font but the reader's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

INK, GREY, LINE, OWN, OTHER = "#1f2933", "#616e7c", "#d9dee3", "#1a6b5c", "#a9b5bf"
PALETTE = (OWN, "#c2702b", "#5b6c9f", "#a9b5bf")
_FONT = "font-family='Noto Sans CJK SC, Microsoft YaHei, PingFang SC, sans-serif'"


def bars(
    path: Path, title: str, panels: Sequence[tuple[str, Mapping[str, float], str]], own: str = "fenban"
) -> None:
    """Horizontal bars, one panel a measure, values written out; the bar named `own` stands out. Bars begin at zero."""
    names = list(panels[0][1])
    left, panel, row = 250, 330, 34
    width, height = left + len(panels) * (panel + 30) + 20, 84 + row * len(names) + 20
    parts = [_text(20, 34, title, 18, INK, weight=600)]
    for i, name in enumerate(names):
        y = 84 + row * i + 19
        parts.append(
            _text(left - 14, y, name, 13, INK if name == own else GREY, "end", 600 if name == own else 400)
        )
    for p, (measure, values, shown) in enumerate(panels):
        x = left + p * (panel + 30)
        parts.append(_text(x, 66, measure, 13, GREY))
        most = max(values.values())
        for i, name in enumerate(names):
            length = (panel - 70) * values[name] / most
            parts.append(
                f"<rect x='{x}' y='{84 + row * i + 4}' width='{length:.1f}' height='20' rx='2' fill='{OWN if name == own else OTHER}'/>"
            )
            parts.append(_text(x + length + 8, 84 + row * i + 19, shown.format(values[name]), 13, INK))
    _write(path, width, height, parts)


def curves(
    path: Path,
    title: str,
    x_label: str,
    y_label: str,
    xs: Sequence[int],
    lines: Mapping[str, Sequence[float | None]],
) -> None:
    """Lines over evenly spaced, labelled x positions; a None leaves a point out. Each line is named at its right end."""
    left, top, wide, high = 76, 84, 560, 320
    values = [v for line in lines.values() for v in line if v is not None]
    low, top_value = int(min(values) * 20) / 20, min(1.0, (int(max(values) * 20) + 1) / 20)

    def at(i: int, value: float) -> tuple[float, float]:
        return left + wide * i / max(len(xs) - 1, 1), top + high * (1 - (value - low) / (top_value - low))

    parts = [_text(20, 34, title, 18, INK, weight=600), _text(20, 62, y_label, 13, GREY)]
    steps = round((top_value - low) / 0.05)
    for step in range(0, steps + 1, 1 if steps <= 8 else 2):
        y = at(0, low + 0.05 * step)[1]
        parts.append(f"<line x1='{left}' x2='{left + wide}' y1='{y:.1f}' y2='{y:.1f}' stroke='{LINE}'/>")
        parts.append(_text(left - 10, y + 4, f"{low + 0.05 * step:.2f}", 12, GREY, "end"))
    for i, x in enumerate(xs):
        parts.append(_text(at(i, low)[0], top + high + 22, f"{x:,}", 12, GREY, "middle"))
    parts.append(_text(left + wide / 2, top + high + 46, x_label, 13, GREY, "middle"))
    ends: list[float] = []
    for colour, (name, line) in zip(PALETTE, lines.items(), strict=False):
        points = [at(i, v) for i, v in enumerate(line) if v is not None]
        parts.append(
            f"<polyline fill='none' stroke='{colour}' stroke-width='2.5' points='{' '.join(f'{x:.1f},{y:.1f}' for x, y in points)}'/>"
        )
        parts += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3.5' fill='{colour}'/>" for x, y in points]
        y = points[-1][1] + 4
        while any(abs(y - other) < 16 for other in ends):
            y += 4
        ends.append(y)
        last = next(v for v in reversed(line) if v is not None)
        parts.append(_text(left + wide + 14, y, f"{name} {last:.3f}", 13, colour, weight=600))
    _write(path, left + wide + 250, top + high + 64, parts)


def _text(
    x: float, y: float, text: str, size: int, colour: str, anchor: str = "start", weight: int = 400
) -> str:
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{colour}' text-anchor='{anchor}' "
        f"font-weight='{weight}'>{escape(text)}</text>"
    )


def traces(
    path: Path,
    title: str,
    x_label: str,
    y_label: str,
    lines: Mapping[str, tuple[Sequence[float], Sequence[float]]],
) -> None:
    """Lines through points (x, y), x from 0 to 1, y from the tenth below the least to 1, with a key; the first line stands out, on top."""
    left, top, wide, high = 76, 84, 560, 380
    low = int(min(min(ys) for _, ys in lines.values()) * 10) / 10
    parts = [_text(20, 34, title, 18, INK, weight=600), _text(20, 62, y_label, 13, GREY)]
    steps = round((1 - low) / 0.05)
    for step in range(0, steps + 1, 1 if steps <= 8 else 4):
        y = top + high * (1 - step / steps)
        parts.append(f"<line x1='{left}' x2='{left + wide}' y1='{y:.1f}' y2='{y:.1f}' stroke='{LINE}'/>")
        parts.append(_text(left - 10, y + 4, f"{low + 0.05 * step:.2f}", 12, GREY, "end"))
    for step in range(0, 11, 2):
        parts.append(_text(left + wide * step / 10, top + high + 22, f"{step / 10:.1f}", 12, GREY, "middle"))
    parts.append(_text(left + wide / 2, top + high + 46, x_label, 13, GREY, "middle"))
    for i, (colour, (name, (xs, ys))) in reversed(list(enumerate(zip(PALETTE, lines.items(), strict=False)))):
        points = " ".join(
            f"{left + wide * x:.1f},{top + high * (1 - (y - low) / (1 - low)):.1f}"
            for x, y in zip(xs, ys, strict=True)
        )
        stroke = f"stroke='{colour}' stroke-width='{3 if i == 0 else 1.8}'"
        parts.append(f"<polyline fill='none' {stroke} points='{points}'/>")
        at = top + 14 + 24 * i
        parts.append(f"<line x1='{left + wide + 16}' x2='{left + wide + 40}' y1='{at}' y2='{at}' {stroke}/>")
        ink, weight = (INK, 600) if i == 0 else (GREY, 400)
        parts.append(_text(left + wide + 48, at + 5, name, 13, ink, weight=weight))
    _write(path, left + wide + 260, top + high + 64, parts)


def _write(path: Path, width: float, height: float, parts: Sequence[str]) -> None:
    body = "\n".join(parts)
    path.write_text(
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' width='{width:.0f}' height='{height:.0f}' {_FONT}>\n"
        f"<rect width='100%' height='100%' fill='#ffffff'/>\n{body}\n</svg>\n",
        encoding="utf-8",
    )
