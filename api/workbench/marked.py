"""A stored text cut into pieces to show: what is marked in it, and where identity data was taken out. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from api.workbench.contexts.letter import Letter, Piece
from classifier.redact import MARK

#: Characters `start:end` of title + "\n" + text, and the number shown with them, 0 for none.
Marked = tuple[int, int, int]


def letter(title: str, text: str, marks: Sequence[Marked] = ()) -> Letter:
    """Title and text with these marks; of marks that overlap the earlier in the list is shown whole."""
    behind = len(title) + 1
    shifted = [(start - behind, end - behind, number) for start, end, number in marks]
    return Letter(pieces(title, marks), pieces(text, shifted))


def pieces(text: str, marks: Sequence[Marked]) -> tuple[Piece, ...]:
    """`text`, all of it, in order; marks may reach beyond it."""
    if not text:
        return ()
    of = [-1] * len(text)
    for index, (start, end, _) in enumerate(marks):
        for at in range(max(start, 0), min(end, len(text))):
            if of[at] < 0:
                of[at] = index
    hidden = [False] * len(text)
    for found in MARK.finditer(text):
        hidden[found.start() : found.end()] = [True] * (found.end() - found.start())
    edges = [at for at in range(len(text)) if not at or (of[at], hidden[at]) != (of[at - 1], hidden[at - 1])]
    cut: list[Piece] = []
    told: set[int] = set()
    for start, end in zip(edges, [*edges[1:], len(text)], strict=True):
        index = of[start]
        number = marks[index][2] if index >= 0 and index not in told else 0
        told.add(index)
        cut.append(Piece(text[start:end], index >= 0, number, hidden[start]))
    return tuple(cut)
