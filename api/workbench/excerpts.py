"""Passages of a text around what carried a suggestion: short enough to be read at a glance."""

from __future__ import annotations

from collections.abc import Iterable

from api.workbench.contexts.register import Piece

#: So many characters are shown on each side of a span; spans that near share a passage.
_AROUND = 14
_MOST = 3


def passages(
    given: str, spans: Iterable[tuple[int, int]], most: int = _MOST
) -> tuple[tuple[Piece, ...], ...]:
    """The `most` first passages of `given` that hold the spans (start, end), in order of the text; line ends become blanks.

    Spans may overlap; what lies outside the text is left out.
    """
    marked = _union((max(0, start), min(end, len(given))) for start, end in spans)
    groups: list[list[tuple[int, int]]] = []
    for span in marked:
        if groups and span[0] - groups[-1][-1][1] <= 2 * _AROUND:
            groups[-1].append(span)
        else:
            groups.append([span])
    return tuple(_passage(given, group) for group in groups[:most])


def _union(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def _passage(given: str, group: list[tuple[int, int]]) -> tuple[Piece, ...]:
    begin, end = max(0, group[0][0] - _AROUND), min(len(given), group[-1][1] + _AROUND)
    pieces = [Piece("…", marked=False)] if begin else []
    at = begin
    for start, stop in group:
        if start > at:
            pieces.append(Piece(_line(given[at:start]), marked=False))
        pieces.append(Piece(_line(given[start:stop]), marked=True))
        at = stop
    if end > at:
        pieces.append(Piece(_line(given[at:end]), marked=False))
    if end < len(given):
        pieces.append(Piece("…", marked=False))
    return tuple(pieces)


def _line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ")
