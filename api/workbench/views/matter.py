"""The context of a matter's page."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from api.access import Clerk
from api.names import Names
from api.store.firewall import Role
from api.viewing import MatterView
from api.workbench import words
from api.workbench.contexts.matter import MatterPage, MatterPetition, RejectedPair, WayBack
from api.workbench.views.deciding import last_day
from api.workbench.views.petition import FIRST, REPEAT
from api.workbench.views.steps import arrived, matter_steps, other

#: Pages that lead to a matter, by what their addresses look like.
_BACK = (
    (re.compile(r"/petitions/[0-9a-f]{32}"), "返回信访件"),
    (re.compile(r"/petitions/[0-9a-f]{32}/links/[0-9a-f]{32}"), "返回两件对照"),
    (re.compile(r"/overview/(list/[a-z-]+|rising)"), "返回列表"),
    (re.compile(r"/overview"), "返回概览"),
)


def matter_page(
    view: MatterView,
    names: Names,
    clerk: Clerk,
    came_from: str,
    ticked: Collection[str] = (),
    reason: str = "",
    problem: str = "",
) -> MatterPage:
    """`came_from`: the address of the page before, "" for none. `ticked`, `reason` and `problem` are those of a split that was not made."""
    whole = view.whole
    firsts = sum(row["first"] for row in whole["items"])
    return MatterPage(
        id=whole["id"],
        name=whole["id"][:8],
        title=whole["items"][0]["title"] if whole["items"] else "",
        back=_way_back(came_from),
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


def _way_back(came_from: str) -> WayBack:
    try:
        found = urlsplit(came_from)
    except ValueError:
        found = urlsplit("")
    for path, label in _BACK:
        if path.fullmatch(found.path):
            # What was done before is not said once more.
            kept = urlencode([(name, value) for name, value in parse_qsl(found.query) if name != "done"])
            return WayBack(found.path + (f"?{kept}" if kept else ""), label)
    return WayBack("/overview", "返回概览")


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
