"""Links that were suggested and that nobody has decided on yet: for lists of petitions, many at once."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, FromClause, and_, exists, or_, select

from api.store.firewall import Viewer, visible
from api.store.tables import link_decisions, links, matter_split_sides, petitions
from api.store.undos import stands
from classifier.petition import Kind


def undecided() -> ColumnElement[bool]:
    """Whether a row of `links` holds and nobody has said anything of its pair: neither of the link itself nor by a split."""
    run = select(petitions.c.link_run).where(petitions.c.id == links.c.petition_id)
    same = links.alias("same")
    said = exists().where(
        link_decisions.c.link_id == same.c.id,
        or_(
            and_(same.c.petition_id == links.c.petition_id, same.c.other_id == links.c.other_id),
            and_(same.c.petition_id == links.c.other_id, same.c.other_id == links.c.petition_id),
        ),
        stands(link_decisions),
    )
    parted, kept = matter_split_sides.alias("parted"), matter_split_sides.alias("kept")
    apart = exists().where(
        parted.c.petition_id == links.c.petition_id,
        kept.c.petition_id == links.c.other_id,
        kept.c.split_id == parted.c.split_id,
        kept.c.parted != parted.c.parted,
    )
    return and_(
        links.c.run == run.correlate(links).scalar_subquery(), ~said.correlate(links), ~apart.correlate(links)
    )


def has_undecided(viewer: Viewer | None) -> ColumnElement[bool]:
    """Whether a row of `petitions` has such a link that `viewer` may see; with None any such link."""
    other = petitions.alias("other")
    ends = (
        (links.c.petition_id == petitions.c.id, links.c.other_id),
        (links.c.other_id == petitions.c.id, links.c.petition_id),
    )
    found = []
    for here, there in ends:
        of = select(links.c.id).where(here, undecided())
        if viewer is not None:
            of = of.where(exists().where(other.c.id == there, *_shown(viewer, other)).correlate(links))
        # Not EXISTS: PostgreSQL would look through the links of the whole archive first.
        found.append(of.limit(1).correlate(petitions).scalar_subquery().is_not(None))
    return or_(*found)


def undecided_counts(connection: Connection, ids: Collection[str], viewer: Viewer) -> dict[str, int]:
    """With how many petitions that `viewer` may see each of these has such a link; those without any are left out."""
    if not ids:
        return {}
    other = petitions.alias("other")
    partners: dict[str, set[str]] = {}
    for here, there in ((links.c.petition_id, links.c.other_id), (links.c.other_id, links.c.petition_id)):
        rows = connection.execute(
            select(here, there)
            .join(other, other.c.id == there)
            .where(here.in_(ids), undecided(), *_shown(viewer, other))
        )
        for petition, partner in rows:
            partners.setdefault(petition, set()).add(partner)
    return {petition: len(found) for petition, found in partners.items()}


def _shown(viewer: Viewer, other: FromClause) -> tuple[ColumnElement[bool], ...]:
    # As api/store/firewall.previews: who is only told of links to accusations counts none, their own neither.
    harmless = (other.c.kind != Kind.ACCUSATION.value,) if viewer.told else ()
    return (visible(viewer, other), *harmless)
