"""What several answers and requests are made of: dates in any of the usual ways, text that can be sent back, no unknown fields."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from classifier.dates import CHINA, parse_date
from classifier.errors import DateError


class Strict(BaseModel):
    """A request, or a part of one: a field that nobody knows is a mistake."""

    model_config = ConfigDict(extra="forbid")


def moment(value: Any) -> datetime | None:
    """A date as written, a number included: 20190304 is that day, not seconds since 1970. Raises DateError without the value."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    try:
        return parse_date(value if isinstance(value, datetime) else str(value))
    except DateError:
        raise DateError("日期无法识别。请写成 2019-03-04 或 2019-03-04 11:38:34。") from None


#: In the description of the interface: any string, for dates are written in many ways.
AS_WRITTEN = WithJsonSchema({"type": "string"})
#: A moment in any of the usual ways of writing; empty for none.
Moment = Annotated[
    datetime | None,
    BeforeValidator(moment),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "null"}]}),
]


def _day(value: Any) -> date:
    found = moment(value)
    if found is None:
        raise DateError("日期没有填。请写成 2019-03-04。")
    return found.astimezone(CHINA).date()


#: A day in China in any of the usual ways of writing.
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]


def _whole(text: str) -> str:
    text.encode()  # half a surrogate pair is a ValueError here; later nothing could send it back
    return text


#: Text that UTF-8 can hold.
Text = Annotated[str, AfterValidator(_whole)]
