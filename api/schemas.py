"""What goes over the wire. The answer to a triage has the shape of the command line's JSON lines."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from classifier.dates import parse_date
from classifier.errors import DateError, UnknownCodeError
from classifier.petition import CHANNEL_ALIASES, Petition, Petitioner
from classifier.records import MAX_CHARACTERS

_EXAMPLE_TITLE = "小区门口烧烤店油烟扰民"
_EXAMPLE_TEXT = "我住在青石街道锦和苑3栋，楼下烧烤店每天晚上营业到凌晨两点，油烟直接排到楼道里，多次反映没有人管，请求有关部门处理。"


class _Model(BaseModel):
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


def _whole(text: str) -> str:
    text.encode()  # half a surrogate pair is a ValueError here; later nothing could send it back
    return text


_Text = Annotated[str, AfterValidator(_whole)]


class PetitionerIn(_Model):
    """信访人。只用于加密保存和带密钥的哈希；不进入任何模型、日志和导出。"""

    name: str = Field(default="", max_length=200, description="姓名")
    id_number: str = Field(default="", max_length=40, description="身份证号")
    phone: str = Field(default="", max_length=40, description="电话")
    address: str = Field(default="", max_length=500, description="住址")
    account: str = Field(default="", max_length=200, description="网站或热线平台的用户编号")

    def to_petitioner(self) -> Petitioner:
        return Petitioner(**self.model_dump())


class PetitionIn(_Model):
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
    title: _Text = Field(default="", description="标题", json_schema_extra={"maxLength": MAX_CHARACTERS})
    text: _Text = Field(default="", description="内容", json_schema_extra={"maxLength": MAX_CHARACTERS})
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


class TriageIn(_Model):
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
        description="suggested 建议、decided 认定、returned 退回、linked 认定关联、undone 撤销"
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
    unit: str = Field(default="", description="认定的主办单位，或退回的单位")
    joint_units: list[str] = []
    late: bool = False
    link: LinkVerdictOut | None = None
    undoes: str = Field(default="", description="撤销的是哪一步")


class HistoryOut(BaseModel):
    items: list[HistoryEventOut] = Field(description="先发生的在前")


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
    overdue: bool = Field(
        description="现在是否已过 due_at。只比较日期：系统还没有办结的记录，所以已经办结的事项过了期限也显示为真；"
        "受理日期也没有记录，以第一件收到代替；第三十四条只适用于第三十一条第六项的事项，是否适用由人判断"
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


class SplitIn(_Model):
    """把几件拆出一个信访事项。"""

    petitions: list[Annotated[str, Field(max_length=32)]] = Field(
        min_length=1, max_length=1_000, description="要拆出的信访件编号"
    )
    reason: str = Field(max_length=2_000, description="理由")


class PetitionDetailOut(PetitionOut):
    joint_units: list[str] = Field(description="协办单位，由人认定的")
    suggestion: TriageOut
    matter: PetitionMatterOut | None = Field(description="所在的信访事项；没有认定过关联的为空")
    decisions: list[DecisionOut]
    returns: list[ReturnOut]


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


class LinkVerdictIn(_Model):
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


class DecisionIn(_Model):
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


class ReturnIn(_Model):
    """承办单位退回。"""

    unit: str = Field(max_length=80)
    reason: str = Field(max_length=2_000)
    expected_decision: _Expected = None


class UndoIn(_Model):
    """撤销最近一次认定或退回；写了 link 则撤销对那件关联的最近一次认定。"""

    link: str = Field(default="", max_length=32, description="另一件的编号")
    reason: str = Field(default="", max_length=2_000)
    expected_decision: _Expected = None


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


class CategoryNodeOut(BaseModel):
    code: str
    name: str
    parent: str
    heading: str = Field(description="本单位自己的大类；没有对应时为空")


class TaxonomyOut(BaseModel):
    categories: list[CategoryNodeOut]


class UnitOut(BaseModel):
    id: str
    name: str
    parent: str
    duties: list[str]


class UnitsOut(BaseModel):
    directory: str
    units: list[UnitOut]


class ModelOut(BaseModel):
    version: str
    threshold: float
    report: dict[str, Any]


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


class HealthOut(BaseModel):
    status: str
    model_version: str | None = None
    problems: list[str] = Field(default_factory=list)


class ProblemOut(BaseModel):
    """出错时的回答（application/problem+json）。"""

    type: str
    title: str
    status: int
    detail: str
