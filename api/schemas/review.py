"""Over many petitions: what to ask first, how often suggestions are right, what rises."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import BaseModel, Field


class ReviewItemOut(BaseModel):
    id: str
    title: str
    channel: str
    district: str
    received_at: datetime | None
    created_at: datetime
    reasons: list[str] = Field(description="为什么请人认定")
    usefulness: float = Field(description="人的认定有多大用处，0 到 1；说的是这件的建议，不是人")
    confidence: float = Field(description="收件时第一候选一级分类的概率")
    unseen: float = Field(description="没有学过的词所占比例")
    category: str = Field(description="收件时建议的分类")
    kind: str
    unit: str
    model_version: str


class ReviewOut(BaseModel):
    items: list[ReviewItemOut]


class MeasureOut(BaseModel):
    name: str = Field(description="category_level1、category_level2、kind、unit")
    label: str
    decided: int = Field(description="随机抽取的件里，这一项已由人认定的件数")
    undecided: int = Field(description="还没有认定的件数")
    right: int = Field(description="收件时的建议与认定相同的件数")
    accuracy: float | None = Field(description="正确率；没有认定过为空")
    low: float = Field(description="95% 区间的下限（Wilson）")
    high: float = Field(description="95% 区间的上限")


class AccuracyOut(BaseModel):
    since: datetime | None
    until: datetime | None
    model: str = Field(description="只算这个版本的建议；全部版本时为空")
    share: float = Field(description="现在随机抽取的比例")
    sampled: int = Field(description="这段时间随机抽取的件数")
    measures: list[MeasureOut]
    warning: str = Field(description="估计有什么保留；没有为空")


class WeekOut(BaseModel):
    week: date = Field(description="星期一的日期")
    count: int


class HotItemOut(BaseModel):
    basis: str = Field(
        description="confirmed 由人认定的信访事项；suggested 只由建议的关联连成，尚未认定；category 同一地同一类"
    )
    matter_id: str | None = Field(description="认定的信访事项编号")
    category: str
    path: str = Field(description="最多的内容分类")
    district: str = Field(description="最多的辖区；没有填写为空")
    terms: list[str] = Field(description="相互关联的件共有的词；像人名的词不列")
    count: int = Field(description="本期件数")
    petitioners: int = Field(description="不同信访人数")
    expected: float = Field(description="按此前同样长的时段，平均应有的件数")
    probability: float = Field(description="碰巧达到本期件数的概率（泊松分布尾概率），越小越不寻常")
    weeks: list[WeekOut] = Field(description="每周件数：本期和此前同样长的时段，最多一年")
    unit: str = Field(description="这些件现在最多在哪个单位，认定的或建议的")
    unit_name: str
    ids: list[str] = Field(description="本期的信访件，新的在前，最多 100 件")


class HotOut(BaseModel):
    since: datetime
    until: datetime
    windows: int = Field(description="与此前几个同样长的时段比")
    items: list[HotItemOut]
