"""One spelling for every text: NFKC, plain spaces, no invisible characters, simplified characters. Idempotent.

Chinese punctuation keeps its full width (NFKC would make `，` a comma): staff read the result, and the segmenter
was trained on it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import opencc

from classifier.align import Alignment, rewrite

# Characters that are their own normal form and never combine with what stands before them.
_STABLE = (
    " \n!-~\u4e00-\u9fff\u3400-\u4dbf\u3001\u3002\u3008-\u3011\u3014-\u301b\u2014\u2018\u2019\u201c\u201d\u00b7"
    "\U0001f300-\U0001f5ff\U0001f600-\U0001f64f\U0001f680-\U0001f6ff\U0001f900-\U0001f9ff"
)
_KEPT_WIDE = "，！？：；（）"
_UNSTABLE_RUN = re.compile(f"[^{_STABLE}{_KEPT_WIDE}]+")
_INVISIBLE = re.compile(
    "[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u0084\u0086-\u009f\u00ad\u061c\u180e\u200b-\u200f"
    "\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]+"
)
_LINE_END = re.compile("\r\n?|[\u0085\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_BLANKS = re.compile(r"\s+")


def normalise(text: str) -> tuple[str, Alignment]:
    """Normalise one text.

    Returns the text and the alignment back to `text`. Lone surrogates become U+FFFD, NUL and other invisible
    characters vanish (so a phone number with zero-width spaces inside is one number again), runs of blanks
    become one space or, if a line ends in them, one line end. Never raises.
    """
    normal, alignment = rewrite(text, _unstable_runs(text))
    normal, alignment = rewrite(normal, _odd_blanks(normal), alignment)
    return _simplify(normal), alignment


def normalised(text: str) -> str:
    """`normalise` for whoever needs no offsets."""
    return normalise(text)[0]


def _unstable_runs(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _UNSTABLE_RUN.finditer(text):
        start, end = match.span()
        if start and text[start - 1] not in _KEPT_WIDE:
            start -= 1  # a combining mark may belong to the character before the run
        old = text[start:end]
        run = _plain(old)
        if run == old:
            continue
        pieces = [_plain(character) for character in old]
        if "".join(pieces) == run:  # nothing combined: an edit a character keeps offsets exact
            for i, (character, piece) in enumerate(zip(old, pieces, strict=True), start):
                if piece != character:
                    yield i, i + 1, piece
        else:
            yield start, end, run


def _plain(run: str) -> str:
    run = _INVISIBLE.sub("", _LINE_END.sub("\n", _SURROGATE.sub("\ufffd", run)))
    return _INVISIBLE.sub("", unicodedata.normalize("NFKC", run))


def _odd_blanks(text: str) -> Iterator[tuple[int, int, str]]:
    for match in _BLANKS.finditer(text):
        blank = match.group()
        at_edge = match.start() == 0 or match.end() == len(text)
        plain = "" if at_edge else "\n" if "\n" in blank else " "
        if blank != plain:
            yield match.start(), match.end(), plain


@lru_cache(maxsize=1)
def _converter() -> tuple[opencc.OpenCC, re.Pattern[str], re.Pattern[str], dict[int, int]]:
    """OpenCC, the characters that only traditional text uses, those that only simplified text uses, and the table between.

    A character counts as traditional only when GB 2312 does not have it: 乾 (in 乾县), 著, 藉 are good simplified
    characters, and a text that has no others is left alone. As simplified counts what Big5 does not have.
    """
    converter = opencc.OpenCC("t2s")
    ideographs = [chr(code) for code in (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000))]
    # Joined, so that two calls do what one a character would.
    simple = converter.convert("\n".join(ideographs)).split("\n")
    stable = converter.convert("\n".join(simple)).split("\n")
    gb2312, big5 = (_characters_of(encoding) for encoding in ("gb2312", "big5"))
    table = {
        ord(old): ord(new)
        for old, new, again in zip(ideographs, simple, stable, strict=True)
        if old != new and len(new) == 1 and new == again and old not in gb2312
    }
    only_simple = {chr(code) for code in table.values()} - big5
    return (
        converter,
        re.compile(f"[{''.join(map(chr, table))}]"),
        re.compile(f"[{''.join(sorted(only_simple))}]"),
        table,
    )


def _characters_of(encoding: str) -> frozenset[str]:
    """The ideographs of a two-byte encoding."""
    pairs = bytes(
        byte
        for lead in range(0xA1, 0xFA)
        for trail in (*range(0x40, 0x7F), *range(0xA1, 0xFF))
        for byte in (lead, trail)
    )
    return frozenset(pairs.decode(encoding, "ignore"))


def _simplify(text: str) -> str:
    """Traditional to simplified, character for character: the length never changes, so offsets need no map.

    Phrase by phrase (乾淨 is 干净) only where the whole text is traditional: 張 in a simplified text leaves its 乾县 alone.
    """
    converter, traditional, simplified, table = _converter()
    if not traditional.search(text):
        return text
    phrasewise = text if simplified.search(text) else converter.convert(text)
    return (phrasewise if len(phrasewise) == len(text) else text).translate(table)
