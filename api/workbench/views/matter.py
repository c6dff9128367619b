"""The context of a matter's page."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from api.access import Clerk
from api.names import Names
from api.store.firewall import Role
from api.viewing import MatterView
from api.workbench import words
from api.workbench.contexts.matter import MatterPage, MatterPetition, RejectedPair
from api.workbench.views.deciding import last_day
from api.workbench.views.petition import FIRST, REPEAT
from api.workbench.views.steps import arrived, matter_steps, other


def matter_page(
    view: MatterView,
    names: Names,
    clerk: Clerk,
    ticked: Collection[str] = (),
    reason: str = "",
    problem: str = "",
) -> MatterPage:
    """`ticked`, `reason` and `problem` are those of a split that was not made."""
    whole = view.whole
    firsts = sum(row["first"] for row in whole["items"])
    return MatterPage(
        id=whole["id"],
        name=whole["id"][:8],
        petitions=whole["petitions"],
        petitioners=whole["petitioners"],
        firsts=firsts,
        repeats=whole["petitions"] - firsts,
        unit=names.unit(whole["unit"]),
        opened=whole["opened_at"],
        due=last_day(whole["due_at"]),
        source=whole["due_source"],
        overdue=whole["overdue"],
        replied_on=whole["replied_on"],
        replies=whole["replies"],
        items=tuple(_petition(row, names, ticked) for row in whole["items"]),
        rejected=tuple(
            RejectedPair(f"/petitions/{one}/links/{two}", other(view.heads[one]), other(view.heads[two]))
            for one, two in whole["rejected_pairs"]
        ),
        steps=matter_steps(view, names),
        may_split=clerk.may(Role.REVIEWER, Role.ADMIN) and whole["petitions"] > 1,
        reason=reason,
        problem=problem,
    )


def _petition(row: Mapping[str, Any], names: Names, ticked: Collection[str]) -> MatterPetition:
    return MatterPetition(
        row["id"],
        f"/petitions/{row['id']}",
        words.receipt(row["seq"], row["created_at"]),
        row["title"],
        row["channel"],
        arrived(row),
        FIRST if row["first"] else REPEAT,
        row["status"],
        row["replied_on"],
        names.category_alone(row["category"]),
        names.unit(row["unit"]),
        row["id"] in ticked,
    )
