"""The nouns of the kernel: frozen dataclasses that pass between its modules. No behaviour beyond construction."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """诉求类型. The first three are the kinds of Art. 29-31 of the regulation; 咨询 is what hotlines add."""

    CLAIM = "申诉求决"
    PROPOSAL = "建议意见"
    ACCUSATION = "检举控告"
    INQUIRY = "咨询"


#: What other systems call the four kinds, so that their exports can be read.
KIND_ALIASES: dict[str, Kind] = {
    **{kind.value: kind for kind in Kind},
    "求决": Kind.CLAIM,
    "申诉": Kind.CLAIM,
    "投诉": Kind.CLAIM,
    "求助": Kind.CLAIM,
    "投诉求助": Kind.CLAIM,
    "反映问题": Kind.CLAIM,
    "建议": Kind.PROPOSAL,
    "意见建议": Kind.PROPOSAL,
    "建议意见类": Kind.PROPOSAL,
    "检举": Kind.ACCUSATION,
    "举报": Kind.ACCUSATION,
    "控告": Kind.ACCUSATION,
    "投诉举报": Kind.ACCUSATION,
    "检举控告类": Kind.ACCUSATION,
    "咨询问题": Kind.INQUIRY,
    "政策咨询": Kind.INQUIRY,
    "咨询类": Kind.INQUIRY,
    "申诉求决类": Kind.CLAIM,
}


class Channel(StrEnum):
    """How a petition came in (Art. 17 of the regulation)."""

    WEB = "网络"
    LETTER = "来信"
    PHONE = "电话"
    FAX = "传真"
    VISIT = "来访"


CHANNEL_ALIASES: dict[str, Channel] = {
    **{channel.value: channel for channel in Channel},
    "网上": Channel.WEB,
    "网信": Channel.WEB,
    "网上信访": Channel.WEB,
    "信息网络": Channel.WEB,
    "留言": Channel.WEB,
    "微信": Channel.WEB,
    "APP": Channel.WEB,
    "书信": Channel.LETTER,
    "信件": Channel.LETTER,
    "信访信件": Channel.LETTER,
    "热线": Channel.PHONE,
    "来电": Channel.PHONE,
    "12345": Channel.PHONE,
    "走访": Channel.VISIT,
    "上访": Channel.VISIT,
}


class LinkKind(StrEnum):
    """The three kinds of link, never mixed. The same person with an unrelated matter is no link at all."""

    DUPLICATE_TEXT = "DuplicateText"
    REPEAT_PETITION = "RepeatPetition"
    SHARED_MATTER = "SharedMatter"


LINK_NAMES: dict[LinkKind, str] = {
    LinkKind.DUPLICATE_TEXT: "一信多投",
    LinkKind.REPEAT_PETITION: "重复信访",
    LinkKind.SHARED_MATTER: "多人同一事项",
}


class UnitRole(StrEnum):
    LEAD = "主办"
    JOINT = "协办"


@dataclass(frozen=True, slots=True)
class Petitioner:
    """Who submits. Nothing here reaches a model, a log or an export; `repr` shows none of it."""

    name: str = field(default="", repr=False)
    id_number: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    address: str = field(default="", repr=False)
    account: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Petition:
    """One submission, as it came in. `title` and `text` are raw: only normalise and redact may read them.

    `joint_petitioners` sign beside the `petitioner` (联名; Art. 20 caps who may visit, not who signs); an `agent` (代理人) speaks for them.
    """

    id: str
    title: str = field(repr=False)
    text: str = field(repr=False)
    petitioner: Petitioner = field(default_factory=Petitioner, repr=False)
    channel: Channel | None = None
    received_at: datetime | None = None
    district: str = ""
    people: int = 1
    joint_petitioners: tuple[Petitioner, ...] = field(default=(), repr=False)
    agent: Petitioner = field(default_factory=Petitioner, repr=False)

    @property
    def given(self) -> str:
        """What all offsets refer to: title, a newline, text; the newline stands even when there is no title."""
        return f"{self.title}\n{self.text}"


@dataclass(frozen=True, slots=True)
class EvidenceSpan:
    """Characters `start:end` of `Petition.given` that carried a decision. `weight` is their share, 0 to 1."""

    start: int
    end: int
    text: str = field(repr=False)
    weight: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One ranked category. `probability` is calibrated, 0 to 1."""

    code: str
    name: str
    path: str
    probability: float
    evidence: tuple[EvidenceSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class KindSuggestion:
    name: Kind
    probability: float


@dataclass(frozen=True, slots=True)
class UnitSuggestion:
    """One ranked unit. `score` is 0 to 1; `grounds` say why in words an officer can check."""

    id: str
    name: str
    role: UnitRole
    score: float
    grounds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """Characters that two petitions share: `start:end` of the one, `other_start:other_end` of the other, redacted title + "\\n" + text both."""

    text: str = field(repr=False)
    start: int
    end: int
    other_start: int
    other_end: int


@dataclass(frozen=True, slots=True)
class LinkEvidence:
    """Why two petitions are linked: passages and rare terms they share, what both name and what they name differently, which identity key
    agreed, and what weighed how much in the score."""

    passages: tuple[Passage, ...] = field(default=(), repr=False)
    terms: tuple[str, ...] = field(default=(), repr=False)
    keys: tuple[str, ...] = ()
    similarity: float = 0.0
    facts: tuple[str, ...] = field(default=(), repr=False)
    contradictions: tuple[str, ...] = field(default=(), repr=False)
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Link:
    """A suggested link to an earlier petition. `score` is 0 to 1 and symmetric in the two petitions."""

    id: str
    kind: LinkKind
    score: float
    evidence: LinkEvidence


@dataclass(frozen=True, slots=True)
class Redaction:
    """Characters `start:end` of `Petition.given` that were replaced by a mark of this type."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Triage:
    """The machine's whole answer for one petition. A suggestion, never a decision."""

    id: str
    model_version: str
    categories: tuple[Suggestion, ...]
    abstained: bool
    kind: KindSuggestion
    units: tuple[UnitSuggestion, ...]
    links: tuple[Link, ...]
    redactions: tuple[Redaction, ...]
    warnings: tuple[str, ...]
