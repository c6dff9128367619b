"""Versions of the model, what tells them apart, whether the one in use still fits, and retraining."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class PromotionOut(BaseModel):
    at: str
    by: str = Field(description="用户名；命令行")
    action: str = Field(description="promote 启用；rollback 退回")
    version: str
    before: str = Field(description="此前启用的版本；没有则为空")


class ModelBriefOut(BaseModel):
    version: str
    lineage: dict[str, Any] | None = Field(description="父版本、认定快照、程序版本；手工训练的没有")
    petitions: int = Field(description="学了多少件")
    accuracy: float | None = Field(description="内容分类在留出件上的正确率")
    passed: bool | None = Field(description="是否通过检验；没有检验过为空")
    reasons: list[str] = Field(description="检验的理由")


class ModelsOut(BaseModel):
    active: str = Field(description="正在启用的版本；没有则为空")
    versions: list[ModelBriefOut]
    promotions: list[PromotionOut] = Field(description="谁在何时换过版本，最近的在前")


class ModelDetailOut(BaseModel):
    version: str
    active: bool
    threshold: float
    report: dict[str, Any]
    verdict: dict[str, Any] | None = Field(description="检验结论；没有检验过为空")


class TallyOut(BaseModel):
    """同样的件，换版本前后答对几件。"""

    cases: int
    before: int
    after: int
    lost: int = Field(description="变错")
    won: int = Field(description="变对")


class CategoryChangeOut(BaseModel):
    series: str = Field(description="检验件与任务，例：office.level2")
    code: str
    path: str
    tally: TallyOut


class AnswerChangeOut(BaseModel):
    id: str
    category: tuple[str, str] = Field(description="换版本前、后")
    kind: tuple[str, str]


class ModelDiffOut(BaseModel):
    before: str
    after: str
    series: dict[str, TallyOut] = Field(description="两个版本没有答过同样的检验件时为空")
    categories: list[CategoryChangeOut] = Field(description="变差的在前")
    asked: int = Field(description="两个版本都回答了的自带检验件")
    answers: list[AnswerChangeOut] = Field(description="回答变了的")


class FindingOut(BaseModel):
    """一项明显变化。"""

    kind: str = Field(
        description="category 某类增减；mix 类别构成；confidence 把握；vocabulary 没见过的词；correction 某类改判；unit_correction 某单位改派"
    )
    key: str = Field(description="分类代码或单位 id；说的是全体时为空")
    name: str
    text: str = Field(description="是什么变化，怎么办")
    now: float
    before: float
    count: int
    total: int
    probability: float = Field(description="碰巧有这么大差别的概率")


class HealthWeekOut(BaseModel):
    since: datetime
    until: datetime
    petitions: int
    confidence: float | None = Field(description="现用模型的平均把握")
    unknown: float | None = Field(description="模型没见过的词所占的比例，平均到每件")
    decided: int = Field(description="这七天里认定的、现用模型给过建议的件数")
    changed: int = Field(description="其中分类被改掉的")
    low: float | None = Field(description="改判率的 95% 区间（Wilson）")
    high: float | None


class CategoryShareOut(BaseModel):
    code: str
    name: str
    count: int
    share: float
    before: float


class CorrectionRateOut(BaseModel):
    key: str
    name: str
    decided: int
    changed: int
    low: float | None
    high: float | None


class ModelsHealthOut(BaseModel):
    model_version: str
    until: datetime
    against: str = Field(description="training 与训练时比；earlier_weeks 与此前几周比")
    note: str = Field(description="没有发现变化，或件数太少不能判断时，在这里说明")
    findings: list[FindingOut]
    weeks: list[HealthWeekOut]
    categories: list[CategoryShareOut] = Field(description="最近 7 天最多的 20 类")
    corrections: list[CorrectionRateOut]
    unit_corrections: list[CorrectionRateOut]


class StepOut(BaseModel):
    step: str
    done: int
    total: int | None


class RetrainOut(BaseModel):
    """一次重新训练。"""

    id: str
    state: str = Field(
        description="idle 没有训练过；running 进行中；passed 通过；refused 没有通过；nothing 没有新的认定；failed 没有完成；cancelled 已取消"
    )
    by: str = Field(description="谁发起的：用户名，或命令行")
    started_at: str
    ended_at: str
    steps: list[StepOut]
    message: str
    version: str = Field(description="训练出的版本")
    verdict: dict[str, Any] | None
