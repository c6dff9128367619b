"""What a petition names: estates, roads, villages, schools, firms, bus lines, years, phases. Found by the words' endings, not by a list.

Two petitions in the same words about two estates are two matters; two in other words about one estate may be one. So what is named is kept by
kind, and kinds are compared with kinds. Nothing here names a person: the text is redacted before it is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from classifier.features import Document, is_word
from classifier.sounds import sounds

#: Kind of name → what its names end in. The longest ending that fits decides; a name of an earlier kind is not looked at for a later one.
_ENDINGS: Mapping[str, tuple[str, ...]] = {
    "学校": ("幼儿园", "小学", "中学", "学校", "大学", "学院", "职高", "校区"),
    "道路": ("大道", "大街", "路", "街", "巷", "大桥", "桥", "隧道", "立交", "高速", "国道", "省道", "线"),
    "村居": ("社区", "街道", "村", "组", "镇", "乡", "屯", "寨"),
    "小区": (
        "小区", "公园", "花园", "家园", "公寓", "公馆", "新村", "新城", "大厦", "华府", "广场", "山庄", "庄园", "花苑", "雅苑", "名苑",
        "苑", "府", "城", "园", "湾", "郡", "里", "院", "居", "庭", "都", "墅", "邸", "轩",
    ),
    "单位": (
        "公司", "集团", "厂", "物业", "置业", "地产", "超市", "医院", "卫生院", "酒店", "宾馆", "银行", "驾校", "机构", "中心",
        "商场", "市场", "合作社", "工地", "项目", "健身", "俱乐部", "平台", "店", "馆", "站",
    ),
}  # fmt: skip
# By the last character, the longest ending first: most words end in none.
_BY_LAST = {
    last: sorted(
        ((ending, kind) for kind, endings in _ENDINGS.items() for ending in endings if ending[-1] == last),
        key=lambda pair: -len(pair[0]),
    )
    for last in {ending[-1] for endings in _ENDINGS.values() for ending in endings}
}
_CHINESE_DIGIT = str.maketrans("一二三四五六七八九", "123456789")
_NUMBERED = (
    ("公交线路", re.compile(r"(?<![\d.])(\d{1,4})路")),
    ("轨道线路", re.compile(r"(\d{1,2}|[一二三四五六七八九十])号线")),
    ("年份", re.compile(r"(?<!\d)((?:19|20)\d\d)(?:年|级|届|-\d)")),
    ("期组", re.compile(r"((?:\d{1,2}|[一二三四五六七八九十]{1,2})(?:期|组|标段))")),
    ("栋号", re.compile(r"((?:[A-Za-z]?\d{1,3}|[一二三四五六七八九十]{1,2})(?:栋|幢|号楼))")),
)
# What may stand before an ending without being part of a name.
_NOT_NAMES = frozenset(
    "的了在是和与及我你他她们这那有到被把对从向为之其等个请求就都也还不没又很最每各某本该此因由于且或并但如若已再将会能可要让使得着过来去"
    "上下里外前后中内间处否问关反映投诉举报咨询建议强烈希望恳请大小新老旧多少几两同全整附近周边旁边隔壁对面门口"
)
_STRIPPED = "".join(sorted(_NOT_NAMES))
# The administrative district before a name, and a word that ends one: neither is part of the name.
_DISTRICT = re.compile(r"^(?:[A-Z]\d*|.{1,3})[省市县区]")
_DISTRICT_END = re.compile(r"[省市县区州]$")
# 都 by itself mostly means "all" (三兄弟都成家了); it ends a name after these (翠竹名都).
_ALL, _NOT_ALL_AFTER = "都", frozenset("名新花帝")
_NEVER_IN_NAMES = frozenset("的了在是和与我们")
_LONGEST = 8
#: Two names of the same sound are so alike.
HEARD = 0.9
# A name is no word so common in the background, and does not end in one so well known.
_RARE, _KNOWN = 8.0, 7.5
_ENDING_WORDS = frozenset(ending for endings in _ENDINGS.values() for ending in endings)


def facts_of(document: Document, idf: Mapping[str, float] | None = None) -> dict[str, tuple[str, ...]]:
    """Kind → what the text names of it, each once, in code-point order. Names come without their ending (锦绣苑 is 锦绣).

    `idf` gives the background rarity of known words; a name that is one common word (市场, 我们小区) is none.
    """
    found: dict[str, set[str]] = {}
    words = document.words
    for at, word in enumerate(words):
        endings = _BY_LAST.get(word[-1:])
        if endings is None or (word == _ALL and (not at or words[at - 1][-1] not in _NOT_ALL_AFTER)):
            continue
        # 政府, 市里, 医院: a common word that happens to end like a name.
        if (
            idf is not None
            and 2 <= len(word) <= 3
            and word not in _ENDING_WORDS
            and idf.get(word, _KNOWN) < _KNOWN
        ):
            continue
        for ending, kind in endings:
            if word.endswith(ending):
                name = _name(words, at, word[: -len(ending)])
                if name and (idf is None or idf.get(name, _RARE) >= _RARE):
                    found.setdefault(kind, set()).add(name)
                break
    for kind, pattern in _NUMBERED:
        numbers = {number.translate(_CHINESE_DIGIT) for number in pattern.findall(document.text)}
        if numbers:
            found[kind] = numbers
    return {kind: tuple(sorted(names)) for kind, names in sorted(found.items())}


def _name(words: Sequence[str], at: int, core: str) -> str:
    """The name that ends before the ending of word `at`: its own beginning, and short words before it while it is too short for one."""
    before = at - 1
    while len(core) < 4 and before >= 0:
        word = words[before]
        if (
            len(word) > 3
            or not is_word(word)
            or word in _NOT_NAMES
            or word[-1] in _NOT_NAMES
            or _DISTRICT_END.search(word)
        ):
            break
        if len(core) >= 2 and len(word) > 1:
            break
        core = word + core
        before -= 1
    core = _DISTRICT.sub("", core)
    core = core.lstrip(_STRIPPED) if len(core) > 2 else core
    return core if 2 <= len(core) <= _LONGEST and _NEVER_IN_NAMES.isdisjoint(core) else ""


def likeness(one: str, other: str) -> float:
    """How alike two names are, 0 to 1: one within the other is 1 (御景 in 恒泰御景), else the share of the shorter's characters that both
    have; a name written down by ear (锦桦, 金华) counts by its syllables, which say a little less."""
    if one in other or other in one:
        return 1.0
    return max(_shared(tuple(one), tuple(other)), HEARD * _shared(_syllables(one), _syllables(other)))


def _shared(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    rest = list(other)
    shared = 0
    for part in one:
        if part in rest:
            rest.remove(part)
            shared += 1
    return shared / min(len(one), len(other))


@lru_cache(maxsize=4_096)
def _syllables(name: str) -> tuple[str, ...]:
    return tuple(sounds(name).split())
