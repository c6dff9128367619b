"""A matter: its petitions, how it stands, how it came together."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, Field

from api.schemas.fields import Strict


class MatterStandingOut(BaseModel):
    """一个信访事项（由人认定的关联连成）现在的情况。数字都是事项的，不是任何人的。"""

    id: str
    petitions: int = Field(description="件数")
    petitioners: int = Field(
        description="不同信访人数：有相同身份标识的算一人，匿名的每件算一人；只看本事项的信访件"
    )
    unit: str = Field(description="承办单位：本事项上最近一次由人认定的单位 id；还没有认定过为空")
    opened_at: datetime | None = Field(description="本事项第一件的收到时间（没有填的用登记时间）")
    due_at: datetime | None = Field(
        description="办理期限的最后一刻：从第一件收到的次日起算，满规定天数那一天的二十四时；不计节假日顺延和批准的延期"
    )
    due_source: str = Field(description="办理期限的依据")
    replies: int = Field(description="已登记答复的件数")
    replied_on: date | None = Field(description="最后一次答复的日期；每件都已答复才有，否则为空")
    overdue: bool = Field(
        description="现在已过 due_at，而本事项还有没登记答复的信访件；"
        "受理日期没有记录，以第一件收到代替；第三十四条只适用于第三十一条第六项的事项，是否适用由人判断"
    )


class PetitionMatterOut(MatterStandingOut):
    first: bool = Field(
        description="真为初信初访，假为重复信访：本事项上更早已有至少一个相同身份标识的信访件"
    )


class MatterPetitionOut(BaseModel):
    id: str
    title: str
    channel: str
    district: str
    received_at: datetime | None
    created_at: datetime
    status: str
    category: str
    kind: str
    unit: str
    replied_on: date | None = Field(description="答复日期；还没有登记为空")
    first: bool = Field(description="真为初信初访，假为重复信访")


class MatterEventOut(BaseModel):
    event: str = Field(description="joined 并入，left 移出")
    petition_id: str
    cause: str = Field(description="link 认定了关联，split 拆分")
    reason: str = Field(description="拆分的理由")
    user_id: str
    created_at: datetime


class MatterOut(MatterStandingOut):
    items: list[MatterPetitionOut] = Field(description="先收到的在前")
    events: list[MatterEventOut] = Field(description="经过，先发生的在前，只增不改")
    rejected_pairs: list[list[str]] = Field(
        description="被人认定为不是同一事项、却因别的关联仍在一起的两件，请人复核"
    )


class SplitIn(Strict):
    """把几件拆出一个信访事项。"""

    petitions: list[Annotated[str, Field(max_length=32)]] = Field(
        min_length=1, max_length=1_000, description="要拆出的信访件编号"
    )
    reason: str = Field(max_length=2_000, description="理由")
