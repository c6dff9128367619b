"""When a petition came in, in any of the ways exports write it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from classifier.errors import DateError

#: China has one time zone and no summer time; what names no zone is in it.
CHINA = timezone(timedelta(hours=8), "CST")

_TIME = r"(?:[T日号 　]*(?P<half>上午|下午|晚上|中午|凌晨|早上|AM|PM)?\s*(?P<h>\d{1,2})[:：时点](?P<mi>\d{1,2})?(?:[:：分](?P<s>\d{1,2})(?:\.\d+)?)?[分秒]?\s*(?P<half2>AM|PM)?)?"
_ZONE = r"\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?"
_FORMS = tuple(
    re.compile(date + _TIME + _ZONE, re.IGNORECASE)
    for date in (
        r"(?P<y>\d{4})\s*[-/.年_]\s*(?P<m>\d{1,2})\s*[-/.月_]\s*(?P<d>\d{1,2})\s*[日号]?(?:\s*[（(]?(?:星期|周)[一二三四五六日天][)）]?)?",
        r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})",
        r"(?P<m>\d{1,2})/(?P<d>\d{1,2})/(?P<y>\d{4})",
    )
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?")
_SERIAL = re.compile(r"\d{5}(?:\.\d+)?")
_CHINESE_DIGITS = str.maketrans("〇零○一二三四五六七八九", "000123456789")
_CHINESE_DATE = re.compile(
    r"([〇零○一二三四五六七八九]{4})年(元|[一二三四五六七八九十]{1,3})月([一二三四五六七八九十]{1,3})[日号]"
)
_EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=CHINA)


def parse_date(value: str | datetime) -> datetime:
    """An aware datetime from `2019-03-04 11:38:34`, `2019/3/4`, `2019年3月4日 下午3点`, `2019.3.4`, `20190304`, `20190304113834`,
    ISO 8601 with a zone, `3/4/2019`, `二〇一九年三月四日`, or the serial number of a spreadsheet.

    Raises DateError for anything else, and for dates that no calendar has.
    """
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=CHINA)
    text = value.strip()
    try:
        parsed = _parse(text)
    except (ValueError, OverflowError):
        parsed = None
    if parsed is None or not 1949 <= parsed.year <= 2200:
        raise DateError(f"日期“{text[:30]}”无法识别。请写成 2019-03-04 或 2019-03-04 11:38:34。")
    return parsed


def _parse(text: str) -> datetime | None:
    if _SERIAL.fullmatch(text):
        return _EXCEL_EPOCH + timedelta(seconds=round(float(text) * 86_400))
    if compact := _COMPACT.fullmatch(text):
        return datetime(*(int(part or 0) for part in compact.groups()), tzinfo=CHINA)  # type: ignore[arg-type, misc]
    if chinese := _CHINESE_DATE.fullmatch(text):
        year, month, day = chinese.groups()
        return datetime(
            int(year.translate(_CHINESE_DIGITS)), _small_number(month), _small_number(day), tzinfo=CHINA
        )
    for form in _FORMS:
        if match := form.fullmatch(text):
            return _from_match(match)
    return None


def _from_match(match: re.Match[str]) -> datetime:
    part = match.groupdict()
    hour = int(part["h"] or 0)
    half = (part["half"] or part["half2"] or "").upper()
    if half in {"下午", "晚上", "PM", "中午"} and hour < 12 and not (half == "中午" and hour >= 11):
        hour += 12
    elif half in {"上午", "凌晨", "AM"} and hour == 12:
        hour = 0
    zone = _zone(part["zone"])
    return datetime(
        int(part["y"]),
        int(part["m"]),
        int(part["d"]),
        hour,
        int(part["mi"] or 0),
        int(part["s"] or 0),
        tzinfo=zone,
    )


def _zone(text: str | None) -> timezone:
    if not text:
        return CHINA
    if text.upper() == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)


def _small_number(text: str) -> int:
    """一 … 三十一; 元 is the first month."""
    if text == "元":
        return 1
    tens, has_ten, ones = text.rpartition("十")
    if not has_ten:
        return int(text.translate(_CHINESE_DIGITS))
    return 10 * int((tens or "一").translate(_CHINESE_DIGITS)) + int(
        (ones or "零").translate(_CHINESE_DIGITS)
    )
