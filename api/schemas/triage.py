"""A petition as given, and what is suggested for it: the shape of the command line's JSON lines."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from api.schemas.fields import Moment, Strict, Text
from classifier.errors import UnknownCodeError
from classifier.petition import CHANNEL_ALIASES, Petition, Petitioner
from classifier.records import MAX_CHARACTERS

_EXAMPLE_TITLE = "小区门口烧烤店油烟扰民"
_EXAMPLE_TEXT = "我住在青石街道锦和苑3栋，楼下烧烤店每天晚上营业到凌晨两点，油烟直接排到楼道里，多次反映没有人管，请求有关部门处理。"


class PetitionerIn(Strict):
    """信访人。只用于加密保存和带密钥的哈希；不进入任何模型、日志和导出。"""

    name: str = Field(default="", max_length=200, description="姓名")
    id_number: str = Field(default="", max_length=40, description="身份证号")
    phone: str = Field(default="", max_length=40, description="电话")
    address: str = Field(default="", max_length=500, description="住址")
    account: str = Field(default="", max_length=200, description="网站或热线平台的用户编号")

    def to_petitioner(self) -> Petitioner:
        return Petitioner(**self.model_dump())


class PetitionIn(Strict):
    """一件信访件。"""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "title": _EXAMPLE_TITLE,
                    "text": _EXAMPLE_TEXT,
                    "channel": "网络",
                    "received_at": "2026-03-04 21:10",
                }
            ]
        },
        extra="forbid",
    )

    id: str = Field(default="", max_length=200, description="来源系统的编号；仅在只分析不保存时原样带回")
    # check_text keeps this bound, on both together: one kind of fault, one problem type.
    title: Text = Field(default="", description="标题", json_schema_extra={"maxLength": MAX_CHARACTERS})
    text: Text = Field(default="", description="内容", json_schema_extra={"maxLength": MAX_CHARACTERS})
    channel: str = Field(default="", max_length=20, description="网络、来信、电话、传真、来访")
    received_at: Moment = Field(
        default=None, description="收到时间；2019-03-04、2019/3/4、2019年3月4日 下午3点 等写法都可以"
    )
    district: str = Field(default="", max_length=80, description="辖区代码或名称")
    people: int = Field(strict=True, default=1, ge=1, le=999_999, description="人数")
    petitioner: PetitionerIn = Field(default_factory=PetitionerIn)
    joint_petitioners: list[PetitionerIn] = Field(
        default_factory=list, max_length=200, description="联名的其他信访人"
    )
    agent: PetitionerIn = Field(
        default_factory=PetitionerIn, description="代理人；不算信访人，除非没有写明任何信访人"
    )

    def to_petition(self) -> Petition:
        """Raises UnknownCodeError for a channel nobody has."""
        channel = CHANNEL_ALIASES.get(self.channel.strip().upper()) if self.channel.strip() else None
        if self.channel.strip() and channel is None:
            raise UnknownCodeError("信访渠道不存在。可用：网络、来信、电话、传真、来访。")
        return Petition(
            self.id,
            self.title,
            self.text,
            self.petitioner.to_petitioner(),
            channel,
            self.received_at,
            self.district.strip(),
            self.people,
            tuple(person.to_petitioner() for person in self.joint_petitioners),
            self.agent.to_petitioner(),
        )


class TriageIn(Strict):
    """只分析、不保存的一批信访件。"""

    petitions: list[PetitionIn] = Field(min_length=1, max_length=1_000)
    top: int = Field(strict=True, default=3, ge=1, le=20, description="每件给出几个候选")


class EvidenceSpanOut(BaseModel):
    start: int
    end: int
    text: str
    weight: float


class CategoryOut(BaseModel):
    code: str
    name: str
    path: str
    probability: float
    evidence: list[EvidenceSpanOut]


class KindOut(BaseModel):
    name: str
    probability: float


class UnitSuggestionOut(BaseModel):
    id: str
    name: str
    role: str
    score: float
    grounds: list[str]


class PassageOut(BaseModel):
    """两件共有的一段文字；位置按脱敏后的“标题+换行+正文”计。"""

    text: str
    start: int
    end: int
    other_start: int
    other_end: int


class LinkEvidenceOut(BaseModel):
    passages: list[PassageOut]
    terms: list[str]
    keys: list[str]
    similarity: float
    facts: list[str] = []
    contradictions: list[str] = []
    reasons: list[str] = []


class LinkOut(BaseModel):
    id: str = Field(description="另一件的编号；仅限授权人员的为空")
    kind: str = Field(
        description="DuplicateText 一信多投、RepeatPetition 重复信访、SharedMatter 多人同一事项；或“仅限授权人员”"
    )
    score: float
    evidence: LinkEvidenceOut


class LinkWithVerdictOut(LinkOut):
    confirmed: bool | None = Field(description="是否被人认定；尚未认定为空")


class RedactionOut(BaseModel):
    kind: str
    start: int
    end: int


class TriageOut(BaseModel):
    """机器的建议。不是认定。"""

    id: str
    model_version: str
    categories: list[CategoryOut]
    abstained: bool = Field(description="没有把握，请人工判断")
    kind: KindOut
    units: list[UnitSuggestionOut]
    links: list[LinkOut]
    redactions: list[RedactionOut]
    warnings: list[str]


class TriageListOut(BaseModel):
    results: list[TriageOut]
