"""How Chinese characters sound: one toneless syllable each, always the same one. For names that are written down by ear.

The only place that imports pypinyin. Nothing is loaded before the first character is asked for, and then single characters only: the
dictionary of phrases costs ten times as much and would make a character's sound depend on its neighbours.
"""

from __future__ import annotations

import os
from functools import cache

# Surnames that sound otherwise than the character mostly does (解 like 谢, 仇 like 求), by 《通用规范汉字字典》.
_SURNAMES = {
    "曾": "zeng", "单": "shan", "解": "xie", "仇": "qiu", "查": "zha", "区": "ou", "朴": "piao", "盖": "ge", "翟": "zhai",
    "覃": "qin", "召": "shao", "乜": "nie", "员": "yun", "冼": "xian", "缪": "miao", "种": "chong", "折": "she", "便": "pian",
}  # fmt: skip
_TWO_CHARACTER_SURNAMES = {"尉迟": "yu chi ", "万俟": "mo qi ", "长孙": "zhang sun ", "单于": "chan yu "}


class _Syllables(dict[int, str]):
    """For `str.translate`: a character's syllable and a blank, looked up once. What has no reading stays as it is."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        syllable = _reading(character)
        self[code] = found = f"{syllable} " if syllable else character
        return found


_SYLLABLES = _Syllables()


@cache
def _readings() -> dict[int, str]:
    # Read by pypinyin when it is first imported.
    os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
    from pypinyin.constants import PINYIN_DICT  # 0.1 s and 13 MB: only once a name with an address comes in

    return PINYIN_DICT


def _reading(character: str) -> str:
    if character.isascii() or ord(character) not in _readings():
        return ""
    from pypinyin.contrib.tone_convert import to_normal

    return to_normal(_readings()[ord(character)].split(",")[0], v_to_u=False)


def sounds(text: str) -> str:
    """Each Chinese character as its most usual toneless syllable and a blank; everything else stays. Idempotent: syllables stay."""
    return text.translate(_SYLLABLES)


def name_sounds(name: str) -> str:
    """The same for a person's name, whose first character sounds as it does in a surname."""
    for two, syllables in _TWO_CHARACTER_SURNAMES.items():
        if name.startswith(two):
            return syllables + sounds(name[len(two) :])
    surname = _SURNAMES.get(name[:1])
    return f"{surname} {sounds(name[1:])}" if surname else sounds(name)


# Characters of everyday names that are read in two ways which begin differently: both beginnings find the name.
_READ_TWICE = {
    "行": "xh", "重": "zc", "长": "cz", "调": "dt", "会": "hk", "系": "xj", "降": "jx", "传": "cz", "校": "xj", "弹": "dt",
    "省": "sx", "藏": "cz", "乐": "ly", "朝": "cz", "盛": "sc", "折": "zs", "率": "ls",
}  # fmt: skip
_MOST_SPELLINGS = 8


def initials(text: str) -> str:
    """What a hurried typist writes for a name: the first letter of each syllable (住建局 → zjj), letters and digits as they are.

    A name with a character that is read in two ways gets each spelling, the likeliest first, parted by blanks: 银行 → `yx yh`.
    """
    spellings = [""]
    for character in text:
        if not character.isalnum():
            continue
        letters = _READ_TWICE.get(character) or sounds(character)[:1].lower()
        if len(spellings) * len(letters) > _MOST_SPELLINGS:
            letters = letters[0]
        spellings = [begun + letter for letter in letters for begun in spellings]
    return " ".join(spellings)
