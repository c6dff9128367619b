"""The tables as they are now; `migrations/` is how they came to be. Suggestions, decisions, returns, replies, links and the history of
matters, and the audit trail are append-only: triggers refuse any change (migrations 0002, 0004, 0005, 0006 and 0010)."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite numbers rows only through its own INTEGER PRIMARY KEY.
_Number = BigInteger().with_variant(Integer, "sqlite")


class _Moment(TypeDecorator[datetime]):
    """A moment in UTC. SQLite keeps no zone and PostgreSQL gives the session's: both come back aware, in UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


meta = Table(
    "meta", metadata, Column("name", String(40), primary_key=True), Column("value", Text, nullable=False)
)

users = Table(
    "users",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(80), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    # A unit user's own unit; empty for all other roles.
    Column("unit", String(80), nullable=False, server_default=""),
    Column("created_at", _Moment, nullable=False),
    Column("disabled_at", _Moment),
    # Argon2id of the workbench password; NULL until one is chosen.
    Column("password", String(200)),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", _Moment, nullable=False),
    Column("expires_at", _Moment),
)

# Who is signed in at the workbench. Of session and link only the SHA-256 of the secret is kept.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("created_at", _Moment, nullable=False),
    Column("seen_at", _Moment, nullable=False),
)

# One-time links with which an account chooses its password; used ones are deleted.
invitations = Table(
    "invitations",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False, index=True),
    Column("created_at", _Moment, nullable=False),
    Column("expires_at", _Moment, nullable=False),
)

# Keyed hashes of account names and addresses that failed to sign in lately; old rows are deleted.
sign_in_failures = Table(
    "sign_in_failures",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("who", String(64), nullable=False),
    Column("created_at", _Moment, nullable=False),
)
Index("ix_sign_in_failures_who", sign_in_failures.c.who, sign_in_failures.c.created_at)

petitions = Table(
    "petitions",
    metadata,
    Column("seq", _Number, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("import_key", String(48), unique=True),
    Column("channel", String(16), nullable=False, server_default=""),
    Column("district", String(80), nullable=False, server_default=""),
    Column("people", Integer, nullable=False, server_default="1"),
    Column("received_at", _Moment, index=True),
    Column("created_at", _Moment, nullable=False, index=True),
    Column("created_by", ForeignKey("users.id")),
    # The link search's view of the text (classifier/links/terms.py packs it). Before the long columns: SQLite reads a row
    # from its beginning.
    Column("link_view", LargeBinary, nullable=False),
    # Redacted; all that is ever searched, shown in lists or exported.
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    # AES-GCM: title and text as given; name, numbers and address of the petitioner.
    Column("original", LargeBinary, nullable=False),
    Column("contact", LargeBinary),
    # What holds now: the decision where there is one, else the first suggestion.
    Column("status", String(16), nullable=False, server_default="待认定", index=True),
    Column("category", String(8), nullable=False, server_default="", index=True),
    Column("kind", String(16), nullable=False, server_default=""),
    Column("unit", String(80), nullable=False, server_default="", index=True),
    # The `fenban relink` whose links to earlier petitions hold now, 0 before any.
    Column("link_run", Integer, nullable=False, server_default="0"),
    # The decision that holds now, NULL while none does. No foreign key: decisions refer to petitions already.
    Column("decision_id", BigInteger),
    # Since when it waits for a decision: its arrival or, once a unit has sent it back, that moment. NULL while it waits for none.
    Column("waits_since", _Moment),
    # The day of the written reply that stands, NULL while there is none.
    Column("replied_on", Date),
)
# What a unit sees hangs on the decision, what intake does not see on the kind (firewall.py).
Index(
    "ix_petitions_decision_id",
    petitions.c.decision_id,
    petitions.c.kind,
    petitions.c.created_by,
    petitions.c.seq,
)
Index(
    "ix_petitions_accusations",
    petitions.c.created_by,
    petitions.c.seq,
    sqlite_where=text("kind = '检举控告'"),
    postgresql_where=text("kind = '检举控告'"),
)
# Lists are narrowed within these indexes: a row of the table is kilobytes of sealed text. The queue by due date:
Index(
    "ix_petitions_waiting",
    *(petitions.c[name] for name in ("waits_since", "seq", "status", "category", "kind", "unit", "channel", "district", "created_by")),
    sqlite_where=petitions.c.waits_since.is_not(None),
    postgresql_where=petitions.c.waits_since.is_not(None),
)  # fmt: skip
# All petitions, newest first, and what is counted of them:
Index(
    "ix_petitions_listed",
    *(petitions.c[name] for name in (
        "seq", "status", "category", "kind", "unit", "channel", "district", "created_by", "decision_id", "received_at", "created_at",
        "people", "replied_on",
    )),
)  # fmt: skip

suggestions = Table(
    "suggestions",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False, index=True),
    Column("model_version", String(64), nullable=False),
    Column("answer", Text, nullable=False),
    Column("created_at", _Moment, nullable=False),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False, index=True),
    Column("suggestion_id", ForeignKey("suggestions.id"), nullable=False),
    Column("category", String(8), nullable=False, server_default=""),
    Column("kind", String(16), nullable=False, server_default=""),
    Column("unit", String(80), nullable=False, server_default="", index=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    # What the user was when deciding: intake, reviewer or admin.
    Column("role", String(16), nullable=False, server_default=""),
    Column("created_at", _Moment, nullable=False),
)
# The few that leave the category open.
Index(
    "ix_decisions_uncategorised",
    decisions.c.id,
    sqlite_where=text("category = ''"),
    postgresql_where=text("category = ''"),
)

# The units that a decision names beside the lead (协办).
joint_units = Table(
    "joint_units",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("decision_id", ForeignKey("decisions.id"), nullable=False, index=True),
    Column("unit", String(80), nullable=False, index=True),
    Column("created_at", _Moment, nullable=False),
)

returns = Table(
    "returns",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False, index=True),
    Column("unit", String(80), nullable=False),
    Column("reason", Text, nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("role", String(16), nullable=False, server_default=""),
    # The decision that assigned it; NULL for one of before 0005 that answered a mere suggestion.
    Column("decision_id", ForeignKey("decisions.id")),
    # Whether it came after the time limit of Art. 23, as far as the calendar was known.
    Column("late", Boolean, nullable=False, server_default=false()),
    Column("created_at", _Moment, nullable=False),
)

# The written reply to the petitioner (Regulation Art. 32, 34) with which the time limit of a petition ends.
replies = Table(
    "replies",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False, index=True),
    # The decision in force then, and the unit that it names.
    Column("decision_id", ForeignKey("decisions.id"), nullable=False, index=True),
    Column("unit", String(80), nullable=False),
    # The day of the reply, in China; it may be recorded later.
    Column("replied_on", Date, nullable=False),
    # How it was answered, in a line; redacted.
    Column("reason", Text, nullable=False, server_default=""),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("role", String(16), nullable=False, server_default=""),
    Column("created_at", _Moment, nullable=False),
)

links = Table(
    "links",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False),
    Column("other_id", ForeignKey("petitions.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),
    Column("score", Float, nullable=False),
    Column("evidence", Text, nullable=False),
    Column("created_at", _Moment, nullable=False),
    # Which `fenban relink` suggested it, 0 at intake. A later one supersedes it, but changes nothing that stands here.
    Column("run", Integer, nullable=False, server_default="0"),
    UniqueConstraint("petition_id", "other_id", "run"),
)

link_decisions = Table(
    "link_decisions",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("link_id", ForeignKey("links.id"), nullable=False, index=True),
    Column("confirmed", Boolean, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("role", String(16), nullable=False, server_default=""),
    Column("created_at", _Moment, nullable=False),
)

# Each row takes back exactly one decision, return, reply or verdict on a link, once.
undos = Table(
    "undos",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False, index=True),
    Column("decision_id", ForeignKey("decisions.id"), unique=True),
    Column("return_id", ForeignKey("returns.id"), unique=True),
    Column("link_decision_id", ForeignKey("link_decisions.id"), unique=True),
    Column("reply_id", ForeignKey("replies.id"), index=True, unique=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("role", String(16), nullable=False, server_default=""),
    Column("created_at", _Moment, nullable=False),
)

# What was suggested at intake, in narrow columns, and how much a person's answer to it would teach. Nothing of who wrote it.
reviews = Table(
    "reviews",
    metadata,
    Column("seq", ForeignKey("petitions.seq"), primary_key=True, autoincrement=False),
    # Whether nobody has decided yet.
    Column("open", Boolean, nullable=False),
    # Chosen at intake by chance, for honest figures: decisions on these estimate how often the model is right.
    Column("sampled", Boolean, nullable=False),
    # 0 to 1, and what it is made of (classifier/doubt.py).
    Column("usefulness", Float, nullable=False),
    Column("doubts", String(80), nullable=False),
    Column("confidence", Float, nullable=False),
    Column("unseen", Float, nullable=False),
    Column("model_version", String(64), nullable=False),
    Column("category", String(8), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("unit", String(80), nullable=False),
    # Whether the model said that it is not sure of the category; how sure it is of category and kind, 0 to 1, NULL where not known.
    Column("abstained", Boolean, nullable=False, server_default=false()),
    Column("category_p", Float),
    Column("kind_p", Float),
)
# The review queue is the beginning of each of these.
Index("ix_reviews_useful", reviews.c.open, reviews.c.sampled, reviews.c.usefulness.desc(), reviews.c.seq)
Index("ix_reviews_drawn", reviews.c.open, reviews.c.sampled, reviews.c.seq)


# A matter (信访事项) is what people confirmed. It has numbers and clocks of its own; nothing of it is kept by petitioner.
matters = Table(
    "matters",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("created_at", _Moment, nullable=False),
)

# Which petitions are on which matter now; a petition is on one at most.
matter_members = Table(
    "matter_members",
    metadata,
    Column("petition_id", ForeignKey("petitions.id"), primary_key=True),
    Column("matter_id", ForeignKey("matters.id"), nullable=False, index=True),
)

matter_splits = Table(
    "matter_splits",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("matter_id", ForeignKey("matters.id"), nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", _Moment, nullable=False),
)

# Both sides of a split, so that a link found between them later is not suggested again.
matter_split_sides = Table(
    "matter_split_sides",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("split_id", ForeignKey("matter_splits.id"), nullable=False, index=True),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False, index=True),
    Column("parted", Boolean, nullable=False),
    Column("created_at", _Moment, nullable=False),
)

# Every move of a petition, with its cause: a verdict on a link or a split.
matter_events = Table(
    "matter_events",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("matter_id", ForeignKey("matters.id"), nullable=False, index=True),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False, index=True),
    Column("event", String(8), nullable=False),
    Column("link_decision_id", ForeignKey("link_decisions.id")),
    Column("split_id", ForeignKey("matter_splits.id")),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", _Moment, nullable=False),
)


# The two tables of the link index, written in the petition's own transaction.
def _postings(name: str) -> Table:
    return Table(
        name,
        metadata,
        Column("term", BigInteger, primary_key=True, autoincrement=False),
        # How many petitions had the term.
        Column("df", Integer, nullable=False),
        # The latest of them, little-endian uint32 sequence numbers; NULL once the term is common.
        Column("seqs", LargeBinary),
        sqlite_with_rowid=False,
    )


link_terms = _postings("link_terms")
# Filled by `fenban relink` while the other one serves; the two then change names.
link_terms_next = _postings("link_terms_next")

petitioner_keys = Table(
    "petitioner_keys",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("digest", LargeBinary, primary_key=True),
    Column("seq", ForeignKey("petitions.seq"), primary_key=True),
    sqlite_with_rowid=False,
)
Index("ix_petitioner_keys_seq", petitioner_keys.c.seq)

idempotency = Table(
    "idempotency",
    metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("body_digest", String(64), nullable=False),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False),
    Column("created_at", _Moment, nullable=False),
)

access_log = Table(
    "access_log",
    metadata,
    Column("id", _Number, primary_key=True, autoincrement=True),
    Column("petition_id", ForeignKey("petitions.id"), nullable=False, index=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", _Moment, nullable=False),
)

# Who saw, decided and changed what. `digest` covers the row and the digest before it: a row that is changed or gone breaks the chain.
audit = Table(
    "audit",
    metadata,
    Column("number", _Number, primary_key=True, autoincrement=False),
    Column("created_at", _Moment, nullable=False),
    Column("user_id", ForeignKey("users.id"), index=True),
    Column("role", String(16), nullable=False, server_default=""),
    Column("action", String(32), nullable=False),
    Column("petition_id", ForeignKey("petitions.id"), index=True),
    # A JSON object; no text of a petition, no identity.
    Column("detail", Text, nullable=False, server_default=""),
    Column("digest", String(64), nullable=False),
)

Index("ix_audit_action", audit.c.action, audit.c.number)
Index("ix_audit_created_at", audit.c.created_at)

# Files that the workbench takes in. They lie in the data folder, sealed under a key of their own.
imports = Table(
    "imports",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", _Moment, nullable=False),
    # waiting for a person to start it, queued, running, cancelling, done, failed, cancelled
    Column("state", String(16), nullable=False, index=True),
    # AES-GCM: the file's name (it may say whose it is) and, while there are files, their key.
    Column("sealed", LargeBinary, nullable=False),
    # Whether files of it are still kept.
    Column("kept", Boolean, nullable=False),
    # JSON: field → heading, "" for a field to leave out.
    Column("mapping", Text, nullable=False, server_default=""),
    # How many rows the file has, and how many of them are done with: the next one to read. With the rows, in one transaction.
    Column("total", Integer, nullable=False, server_default="0"),
    Column("read", Integer, nullable=False, server_default="0"),
    Column("new", Integer, nullable=False, server_default="0"),
    Column("known", Integer, nullable=False, server_default="0"),
    Column("rejected", Integer, nullable=False, server_default="0"),
    Column("message", Text, nullable=False, server_default=""),
    # How long it was worked on, and how often a process began on it without getting anywhere.
    Column("seconds", Float, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("queued_at", _Moment),
    Column("started_at", _Moment),
    Column("ended_at", _Moment),
)
Index("ix_imports_created_at", imports.c.created_at)

# Suggestions accepted many at once from one preview. The preview's token is claimed before the first is accepted: sent twice, the form
# accepts once.
bulk_accepts = Table(
    "bulk_accepts",
    metadata,
    Column("token", String(32), primary_key=True),
    Column("user_id", ForeignKey("users.id"), nullable=False),
    Column("created_at", _Moment, nullable=False),
    # NULL while it is at work, or when it was cut off.
    Column("ended_at", _Moment),
    # JSON: numbers of petitions accepted, and of those left out with the reason's code.
    Column("result", Text, nullable=False, server_default=""),
)

APPEND_ONLY = (
    "suggestions", "decisions", "returns", "links", "link_decisions", "access_log", "matter_splits", "matter_split_sides",
    "matter_events", "joint_units", "undos", "audit", "replies",
)  # fmt: skip
