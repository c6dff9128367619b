"""What people decided since a mark: how much there is that a model in use has not learnt from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping, Table, func, select

from api.store.firewall import Viewer, visible
from api.store.tables import decisions, link_decisions, links, petitions, returns
from api.store.undos import stands


@dataclass(frozen=True, slots=True)
class Marks:
    """The numbers of the latest decision, return and verdict on a link that are already learnt from; 0 for none."""

    decision: int = 0
    returned: int = 0
    link: int = 0


@dataclass(frozen=True, slots=True)
class Fresh:
    """What came after the marks and holds: petitions decided on, petitions sent back, links confirmed or rejected."""

    petitions: int = 0
    returned: int = 0
    links: int = 0

    def __bool__(self) -> bool:
        return bool(self.petitions or self.returned or self.links)


def marks_at(connection: Connection, moment: datetime) -> Marks:
    """The marks as they were then. Walks back from the newest rows: as many as came since."""

    def latest(table: Table) -> int:
        query = select(table.c.id).where(table.c.created_at <= moment).order_by(table.c.id.desc()).limit(1)
        return connection.execute(query).scalar() or 0

    return Marks(latest(decisions), latest(returns), latest(link_decisions))


def fresh_since(connection: Connection, marks: Marks, viewer: Viewer) -> Fresh:
    """Of petitions that `viewer` may see."""
    decided = select(func.count()).where(petitions.c.decision_id > marks.decision, visible(viewer))
    sent_back = (
        select(func.count(returns.c.petition_id.distinct()))
        .join(petitions, petitions.c.id == returns.c.petition_id)
        .where(returns.c.id > marks.returned, stands(returns), visible(viewer))
    )
    judged = (
        select(func.count(link_decisions.c.link_id.distinct()))
        .join(links, links.c.id == link_decisions.c.link_id)
        .join(petitions, petitions.c.id == links.c.petition_id)
        .where(link_decisions.c.id > marks.link, stands(link_decisions), visible(viewer))
    )
    row = connection.execute(
        select(decided.scalar_subquery(), sent_back.scalar_subquery(), judged.scalar_subquery())
    ).one()
    return Fresh(*row)


def seen_of(connection: Connection, ids: Sequence[str], viewer: Viewer) -> dict[str, RowMapping]:
    """Those of `ids` that `viewer` may see, with their place in the register and the moment they entered it."""
    query = select(petitions.c.id, petitions.c.seq, petitions.c.created_at).where(
        petitions.c.id.in_(ids), visible(viewer)
    )
    return {row["id"]: row for row in connection.execute(query).mappings()}
