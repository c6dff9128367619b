"""A stored petition: what was suggested and decided, its history, and what people say of it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Day, Strict
from api.schemas.matters import PetitionMatterOut
from api.schemas.triage import KindOut, LinkWithVerdictOut, TriageOut


class AcceptedOut(BaseModel):
    id: str
    suggestion: TriageOut


class PetitionOut(BaseModel):
    """一件已保存的信访件（脱敏后）。分类、类型和单位是现在有效的：有认定的用认定，没有的用建议。"""

    id: str
    title: str
    text: str
    channel: str
    district: str
    people: int
    received_at: datetime | None
    created_at: datetime
    status: str
    category: str
    kind: str
    unit: str
    decision_id: int | None = Field(description="现在有效的认定的编号；没有为空")
    replied_on: date | None = Field(description="书面答复信访人的日期；还没有登记答复为空")


class DecisionOut(BaseModel):
    id: int
    suggestion_id: int
    category: str
    kind: str
    unit: str = Field(description="主办单位")
    joint_units: list[str] = Field(description="协办单位")
    reason: str
    user_id: str
    role: str = Field(description="认定时的角色")
    created_at: datetime
    undone: bool = Field(description="已撤销，不再有效")


class ReturnOut(BaseModel):
    id: int
    unit: str
    reason: str
    late: bool = Field(description="超过规定的工作日；只除去周六周日，不知道节假日")
    user_id: str
    role: str
    created_at: datetime
    undone: bool = Field(description="已撤销，不再有效")


class ReplyOut(BaseModel):
    """承办单位已书面答复信访人。"""

    id: int
    unit: str
    replied_on: date = Field(description="答复日期（北京时间）")
    reason: str = Field(description="简要说明，已脱敏")
    user_id: str
    role: str
    created_at: datetime
    undone: bool = Field(description="已撤销，不再有效")


class RankedCategoryOut(BaseModel):
    code: str
    name: str
    path: str
    probability: float


class RankedUnitOut(BaseModel):
    id: str
    name: str
    role: str
    score: float


class SuggestedOut(BaseModel):
    categories: list[RankedCategoryOut]
    kind: KindOut
    units: list[RankedUnitOut]
    abstained: bool


class LinkVerdictOut(BaseModel):
    id: str = Field(description="另一件的编号")
    kind: str
    score: float
    confirmed: bool


class HistoryEventOut(BaseModel):
    """一件信访件经过中的一步。只增不改；撤销也是一步。"""

    id: str
    event: str = Field(
        description="suggested 建议、decided 认定、returned 退回、replied 答复、linked 认定关联、undone 撤销"
    )
    created_at: datetime
    user: str = Field(description="谁；机器的建议为空")
    role: str = Field(description="当时的角色")
    reason: str
    undone: bool = Field(description="后来被撤销")
    model_version: str = Field(default="", description="哪个模型的建议")
    suggestion: SuggestedOut | None = Field(default=None, description="建议的候选，好的在前")
    suggestion_id: int | None = Field(default=None, description="认定时看到的建议")
    category: str = ""
    kind: str = ""
    unit: str = Field(default="", description="认定的主办单位，或退回、答复的单位")
    joint_units: list[str] = []
    late: bool = False
    replied_on: date | None = Field(default=None, description="答复日期")
    link: LinkVerdictOut | None = None
    undoes: str = Field(default="", description="撤销的是哪一步")


class HistoryOut(BaseModel):
    items: list[HistoryEventOut] = Field(description="先发生的在前")


class PetitionDetailOut(PetitionOut):
    joint_units: list[str] = Field(description="协办单位，由人认定的")
    suggestion: TriageOut
    matter: PetitionMatterOut | None = Field(description="所在的信访事项；没有认定过关联的为空")
    decisions: list[DecisionOut]
    returns: list[ReturnOut]
    replies: list[ReplyOut]


class PetitionPageOut(BaseModel):
    items: list[PetitionOut]
    next_cursor: str | None = Field(description="下一页的 cursor；没有更多时为空")


class LinksOut(BaseModel):
    items: list[LinkWithVerdictOut]


class OriginalOut(BaseModel):
    title: str
    text: str
    petitioner: dict[str, str]
    joint_petitioners: list[dict[str, str]] = []
    agent: dict[str, str] = {}


class LinkVerdictIn(Strict):
    id: str = Field(max_length=32, description="另一件的编号")
    confirmed: bool = Field(strict=True)


_Expected = Annotated[
    int | None,
    Field(
        strict=True,
        ge=0,
        description="您看到的有效认定的编号（decision_id），没有写 0；与现在的不同则不执行，返回 409。不写不检查",
    ),
]


class DecisionIn(Strict):
    """人的认定。没写的项保持原值。"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"category": "040206", "unit": "urban_management", "reason": "油烟归城管"}]
        },
        extra="forbid",
    )

    category: str = Field(default="", max_length=8)
    kind: str = Field(default="", max_length=16)
    unit: str = Field(default="", max_length=80, description="主办单位的 id 或名称")
    joint_units: list[Annotated[str, Field(max_length=80)]] | None = Field(
        default=None, max_length=20, description="协办单位的 id 或名称；不写保持原值，空列表为不再有协办"
    )
    links: list[LinkVerdictIn] = Field(default_factory=list, max_length=100)
    reason: str = Field(default="", max_length=2_000)
    expected_decision: _Expected = None


class ReturnIn(Strict):
    """承办单位退回。"""

    unit: str = Field(max_length=80)
    reason: str = Field(max_length=2_000)
    expected_decision: _Expected = None


class ReplyIn(Strict):
    """承办单位已书面答复信访人。"""

    unit: str = Field(max_length=80, description="主办单位")
    replied_on: Day = Field(description="答复日期（北京时间），收到之日到今天之间")
    reason: str = Field(default="", max_length=2_000, description="简要说明；不要写姓名、电话")
    expected_decision: _Expected = None


class UndoIn(Strict):
    """撤销最近一次认定、退回或答复；写了 link 则撤销对那件关联的最近一次认定。"""

    link: str = Field(default="", max_length=32, description="另一件的编号")
    reason: str = Field(default="", max_length=2_000)
    expected_decision: _Expected = None
