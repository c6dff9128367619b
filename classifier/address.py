"""Addresses in one spelling, as far as one person's letters spell theirs differently. Rules of writing only; no list of places.

What varies is the prefix (县里的人不写县), the form of numbers (三号楼 3栋 3幢), how a flat is named (2单元501室, 2-501) and punctuation. What is
left out is the province, city, county, and the township or community where what follows says enough without it.
"""

from __future__ import annotations

import re

from classifier.normalise import normalised

_DIGITS = "〇零一二三四五六七八九"
_NUMERALS = _DIGITS + "十百千"
_N = rf"[0-9a-z{_NUMERALS}]"

# A dash between numbers parts them as 号 does (3-2-501); every other sign is dropped.
_SIGNS = re.compile(r"[^\w\-—–~/#]+|_+")
_ORDINAL = re.compile(rf"第[第\-—–~/#]*(?={_N})")
_DASH = re.compile(rf"(?<={_N})[\-—–~/#之]+(?={_N})")
_OTHER_DASH = re.compile(r"[\-—–~/#]+")
# Building, stairway and flat: their order says which is which.
_HOUSE = re.compile(rf"(?<={_N})(?:号[楼院栋幢座]?|[栋幢座楼户室房层]|单元)+|(?<={_N})$")
_GROUP = re.compile(rf"(?<={_N})(?:村民小?组|村民?小组|小组|组|生产队|队|社(?!区))")
_VILLAGE = re.compile("村(?:民?委员?会)+")
_NUMBER = re.compile(f"[{_NUMERALS}]+")
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")

# The name of a division is followed by what it is. A street is named after one often enough (红旗路, 市场街): that is no division.
_NAME = r"[\u4e00-\u9fff0-9](?:(?![路街巷弄村号组队社])[\u4e00-\u9fff0-9])"
_DIVISION = re.compile(
    rf"(?:{_NAME}{{0,12}}?(?:特别行政区|自治[区州县旗]|地区|市(?!场)|[省县旗盟镇乡]|街道(?:办事处|办)?|(?:开发|高新|[新矿林])区)"
    rf"|{_NAME}{{0,2}}?(?<!小)区|{_NAME}{{0,5}}?社区(?:居委会)?)(?:[省市区县旗](?!政府|委|医院|城))*(?![路街巷弄])"
)
_PLACE = re.compile("[村屯庄寨湾沟坪]|小区|花园|家园|公寓|大院|[苑城庭邨]|(?<!政)府")
_NUMBERED = re.compile(rf"[0-9{_NUMERALS}][号组]")
_ANY_NUMBER = re.compile(rf"[0-9{_NUMERALS}]+")
_NUMBERS_ALONE = re.compile(rf"[0-9a-z{_NUMERALS}号组]+")
_SHORTEST, _FEWEST_LETTERS = 4, 2


def canonical_address(address: str) -> str:
    """One spelling of an address, or "" when it names no certain place: it has a number (house, group) or a village or estate, and
    `_SHORTEST` characters without its divisions. Idempotent; a division put before it changes nothing.
    """
    text = normalised(address).lower()
    text = _OTHER_DASH.sub("", _DASH.sub("号", _ORDINAL.sub("", _SIGNS.sub("", text))))
    text = _GROUP.sub("组", _VILLAGE.sub("村", _HOUSE.sub("号", text)))
    text = _LEADING_ZEROS.sub("", _NUMBER.sub(_arabic, text))
    while (division := _DIVISION.match(text)) and _says_enough(text[division.end() :]):
        text = text[division.end() :]
    return text if _says_enough(text) else ""


def _says_enough(text: str) -> bool:
    # Each number counts as one character, however it is written.
    return (
        len(_ANY_NUMBER.sub("0", text)) >= _SHORTEST
        and len(_NUMBERS_ALONE.sub("", text)) >= _FEWEST_LETTERS
        and bool(_NUMBERED.search(text) or _PLACE.search(text))
    )


def _arabic(numeral: re.Match[str]) -> str:
    """三百二十五 and 三二五 as 325; a lone 百 or 千 is part of a name (百花)."""
    text = numeral[0]
    if not set(text) & set("十百千"):
        return "".join(str(max(_DIGITS.index(digit) - 1, 0)) for digit in text)
    if not set(text) & set(_DIGITS + "十"):
        return text
    total = digit = 0
    for character in text:
        if character in _DIGITS:
            digit = max(_DIGITS.index(character) - 1, 0)
        else:
            total += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[character]
            digit = 0
    return str(total + digit)
