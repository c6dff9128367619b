"""Who may see which petitions: the one place where it is decided, as conditions that every reading query takes in.

Art. 30 of the regulation: accusation material (检举控告) never reaches the accused or the accused unit. Art. 18 forbids retaliation.
So a unit sees only what people assigned to it, and accusations only where the office allows it; intake sees the accusations it
registered itself; reviewers, administrators and auditors see all. What somebody may not see is not there for them: not in a list, a
count, a matter, a link. Only intake, which tells a petitioner's letters apart, is told that a link is there.

The kind that counts is the one that holds now: what people decided, until then what was suggested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, and_, false, or_, select, true

from api.store.tables import decisions, joint_units, petitions
from classifier.petition import Kind

#: What stands in the place of a link to an accusation.
RESTRICTED = "仅限授权人员"


class Role(StrEnum):
    INTAKE = "intake"
    REVIEWER = "reviewer"
    ADMIN = "admin"
    AUDITOR = "auditor"
    UNIT = "unit"


class Accusations(StrEnum):
    """Which accusations somebody sees, among the petitions they see at all."""

    ALL = "all"
    REGISTERED = "registered"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Viewer:
    """What one user may see. `unit` None: petitions of every unit; else only those people assigned to this one, as lead or joint."""

    user_id: str
    accusations: Accusations
    unit: str | None = None
    #: Whether a link to an accusation is shown as restricted instead of not at all.
    told: bool = False

    @property
    def sees_all(self) -> bool:
        return self.unit is None and self.accusations is Accusations.ALL


def viewer_of(role: Role, user_id: str, unit: str, units_see_accusations: bool) -> Viewer:
    """What a user of this role sees. `unit` is a unit user's own."""
    if role is Role.UNIT:
        seen = Accusations.ALL if units_see_accusations else Accusations.NONE
        return Viewer(user_id, seen, unit)
    if role is Role.INTAKE:
        return Viewer(user_id, Accusations.REGISTERED, told=True)
    return Viewer(user_id, Accusations.ALL)


#: For what is printed and passed around: every unit's petitions, no accusation.
PRINTED = Viewer("", Accusations.NONE)


def visible(viewer: Viewer, of: FromClause = petitions) -> ColumnElement[bool]:
    """Whether `viewer` sees a row of `of`, the petitions or an alias of them."""
    return and_(_unit_is(viewer, of), _kind_is(viewer, of))


def _unit_is(viewer: Viewer, of: FromClause) -> ColumnElement[bool]:
    if viewer.unit is None:
        return true()
    if not viewer.unit:
        return false()
    # A suggestion assigns nothing: a machine that takes an accusation for a claim must not hand it to the accused.
    lead = select(decisions.c.id).where(decisions.c.unit == viewer.unit)
    joint = select(joint_units.c.decision_id).where(joint_units.c.unit == viewer.unit)
    return of.c.decision_id.in_(lead.union_all(joint))


def _kind_is(viewer: Viewer, of: FromClause) -> ColumnElement[bool]:
    harmless = of.c.kind != Kind.ACCUSATION.value
    if viewer.accusations is Accusations.ALL:
        return true()
    if viewer.accusations is Accusations.NONE:
        return harmless
    return or_(harmless, of.c.created_by == viewer.user_id)


def previews(connection: Connection, viewer: Viewer, links: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """`links` (each with the other petition's `id`) as `viewer` may see them.

    A link to what they may not see is left out; who is told of it gets an entry, last, without id, score, text and evidence. So
    does intake for every accusation, its own ones too: a preview stands beside another petition and may be read by its readers.
    """
    rows = connection.execute(
        select(petitions.c.id, petitions.c.kind, visible(viewer).label("seen")).where(
            petitions.c.id.in_([link["id"] for link in links])
        )
    ).all()
    secret = {row.id for row in rows if viewer.told and row.kind == Kind.ACCUSATION.value}
    seen = {row.id for row in rows if row.seen} - secret
    masked = [_masked(link) for link in links if link["id"] in secret]
    return [link for link in links if link["id"] in seen] + masked


def _masked(link: dict[str, Any]) -> dict[str, Any]:
    evidence: dict[str, Any] = {"passages": [], "terms": [], "keys": [], "similarity": 0.0}
    whole = {"id": "", "kind": RESTRICTED, "score": 0.0, "evidence": evidence}
    return whole | ({"confirmed": None} if "confirmed" in link else {})
