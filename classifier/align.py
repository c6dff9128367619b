"""Where a rewritten text's characters stood before: the one way offsets travel back to the text as given."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Edit:
    """`before[start:end]` became `after[new_start:new_end]`. Both ends are exclusive."""

    start: int
    end: int
    new_start: int
    new_end: int


class Alignment:
    """Maps spans of a rewritten text to the text before. Outside the edits both run in step.

    Inside an edit a position maps to the edit's whole extent, so that a span mapped back always covers what it came
    from: whoever rewrites character for character gives an edit a character.
    """

    __slots__ = ("_earlier", "_edits", "_new_starts")

    def __init__(self, edits: Iterable[Edit] = (), earlier: Alignment | None = None) -> None:
        self._edits = tuple(edits)
        self._earlier = earlier
        self._new_starts = [edit.new_start for edit in self._edits]

    def before(self, start: int, end: int) -> tuple[int, int]:
        """The span of the text before that `start:end` of the rewritten text came from."""
        if self._edits:
            first = self._position(start, is_end=False)
            start, end = first, self._position(end - 1, is_end=True) + 1 if end > start else first
        return self._earlier.before(start, end) if self._earlier else (start, end)

    def _position(self, at: int, *, is_end: bool) -> int:
        index = bisect_right(self._new_starts, at) - 1
        # An edit that deleted text is empty in the rewritten text: what follows it starts behind it.
        if index < 0:
            return at
        edit = self._edits[index]
        if at >= edit.new_end:
            return edit.end + (at - edit.new_end)
        return edit.end - 1 if is_end else edit.start


def rewrite(
    text: str, replacements: Iterable[tuple[int, int, str]], earlier: Alignment | None = None
) -> tuple[str, Alignment]:
    """Apply `(start, end, new)` replacements, in rising order and not overlapping.

    The alignment reaches back to `text`, or, with `earlier`, to the text `earlier` reaches back to.
    """
    pieces: list[str] = []
    edits: list[Edit] = []
    cursor = length = 0
    for start, end, new in replacements:
        pieces.append(text[cursor:start])
        length += start - cursor
        pieces.append(new)
        edits.append(Edit(start, end, length, length + len(new)))
        length += len(new)
        cursor = end
    if not edits:
        return text, earlier or Alignment()
    pieces.append(text[cursor:])
    return "".join(pieces), Alignment(edits, earlier)
