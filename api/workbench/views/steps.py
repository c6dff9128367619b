"""Histories in words: the events of a petition, and those of a matter, as steps of a timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import RowMapping

from api.access import ROLE_NAMES
from api.names import Names
from api.store.firewall import Role
from api.viewing import MatterView
from api.workbench import words
from api.workbench.contexts.letter import Other, Step

_UNDONE = {"decided": "撤销认定", "returned": "撤销退回", "replied": "撤销答复", "linked": "撤销关联认定"}
_Event = Mapping[str, Any]


def other(row: RowMapping | Mapping[str, Any]) -> Other:
    """A petition to name, from its `seq`, `created_at` and `id`."""
    return Other(words.receipt(row["seq"], row["created_at"]), f"/petitions/{row['id']}")


def arrived(row: RowMapping | Mapping[str, Any]) -> datetime:
    """When a petition came in, as far as is known."""
    moment: datetime = row["received_at"] or row["created_at"]
    return moment


def role_name(role: str) -> str:
    """In Chinese; "" where none was kept."""
    return ROLE_NAMES[Role(role)] if role else ""


def steps_of(events: Sequence[_Event], heads: Mapping[str, RowMapping], names: Names) -> tuple[Step, ...]:
    """The steps of a petition's history (api/store/history.py). `heads` are the petitions its links name."""
    of: dict[str, Callable[[_Event], tuple[str, tuple[str, ...]]]] = {
        "suggested": lambda event: ("模型建议", _suggested(event)),
        "decided": lambda event: ("认定", _decided(event, names)),
        "returned": lambda event: ("退回", _returned(event, names)),
        "replied": lambda event: ("答复", _replied(event, names)),
        "linked": _linked,
        "undone": lambda event: (_UNDONE[event["undoes"].partition("-")[0]], ()),
    }
    steps = []
    for event in events:
        what, lines = of[event["event"]](event)
        named = event["link"]["id"] if event.get("link") else ""
        who = event["user"] or f"模型 {event.get('model_version', '')}"
        steps.append(
            Step(
                what,
                event["created_at"],
                who,
                role_name(event["role"]),
                lines,
                (other(heads[named]),) if named in heads else (),
                event["reason"],
                event["undone"],
            )
        )
    return tuple(steps)


def _suggested(event: _Event) -> tuple[str, ...]:
    suggestion = event["suggestion"]
    lines = [f"诉求类型：{suggestion['kind']['name']}（{words.percent(suggestion['kind']['probability'])}）"]
    if suggestion["categories"]:
        first = suggestion["categories"][0]
        lines.insert(0, f"分类：{first['path']}（{words.percent(first['probability'])}）")
    if suggestion["units"]:
        lines.append(f"主办单位：{suggestion['units'][0]['name']}")
    if suggestion["abstained"]:
        lines.append("没有把握，请人工判断")
    return tuple(lines)


def _decided(event: _Event, names: Names) -> tuple[str, ...]:
    parts = (
        ("分类", names.category(event["category"])),
        ("诉求类型", event["kind"]),
        ("主办单位", names.unit(event["unit"])),
        ("协办单位", "、".join(map(names.unit, event["joint_units"]))),
    )
    return tuple(f"{label}：{value}" for label, value in parts if value)


def _returned(event: _Event, names: Names) -> tuple[str, ...]:
    unit = f"退回单位：{names.unit(event['unit'])}"
    return (unit, "超过规定的工作日") if event["late"] else (unit,)


def _replied(row: _Event | RowMapping, names: Names) -> tuple[str, ...]:
    return (f"答复日期：{row['replied_on']}", f"答复单位：{names.unit(row['unit'])}")


def _linked(event: _Event) -> tuple[str, tuple[str, ...]]:
    link = event["link"]
    what = "确认关联" if link["confirmed"] else "否定关联"
    return what, (
        f"{words.LINKS.get(link['kind'], link['kind'])}，是同一事项的可能 {words.percent(link['score'])}",
    )


def matter_steps(view: MatterView, names: Names) -> tuple[Step, ...]:
    """What happened on a matter, in order: petitions as they came, decisions, returns, replies, petitions joined and parted."""
    came = (
        Step(
            "来件",
            arrived(row),
            "",
            "",
            (row["channel"],) if row["channel"] else (),
            (other(row),),
            "",
            False,
        )
        for row in view.whole["items"]
    )
    steps = [*came, *_assigned(view, names), *_sent_back(view, names), *_answered(view, names), *_moved(view)]
    return tuple(sorted(steps, key=lambda step: step.at))


def _assigned(view: MatterView, names: Names) -> Iterator[Step]:
    """A decision repeats what was decided before: a unit was assigned where it is another one than before on the same petition."""
    before: dict[str, str] = {}
    for row in view.assignments:
        if before.get(row["petition_id"]) != row["unit"]:
            yield _step("认定", row, (f"主办单位：{names.unit(row['unit'])}",), view)
        if not row["undone"]:
            before[row["petition_id"]] = row["unit"]


def _sent_back(view: MatterView, names: Names) -> Iterator[Step]:
    for row in view.returns:
        yield _step("退回", row, (f"退回单位：{names.unit(row['unit'])}",), view)


def _answered(view: MatterView, names: Names) -> Iterator[Step]:
    for row in view.replies:
        yield _step("答复", row, _replied(row, names), view)


def _step(what: str, row: RowMapping, lines: tuple[str, ...], view: MatterView) -> Step:
    named = view.heads.get(row["petition_id"])
    others = (other(named),) if named is not None else ()
    return Step(
        what,
        row["created_at"],
        row["user"],
        role_name(row["role"]),
        lines,
        others,
        row["reason"],
        bool(row["undone"]),
    )


def _moved(view: MatterView) -> Iterator[Step]:
    """One step for all that one verdict or one split moved."""

    def move(event: _Event) -> tuple[str, int, str]:
        return event["cause"], event["move"], event["event"]

    for (cause, _, event), group in groupby(view.whole["events"], key=move):
        rows = list(group)
        others = tuple(
            other(view.heads[row["petition_id"]]) for row in rows if row["petition_id"] in view.heads
        )
        what = "拆分" if cause == "split" else "并入" if event == "joined" else "移出"
        line = {
            ("link", "joined"): "因确认关联",
            ("link", "left"): "因关联改变",
            ("split", "joined"): "拆分后归入本事项",
            ("split", "left"): "从本事项拆出",
        }[cause, event]
        first = rows[0]
        yield Step(what, first["created_at"], first["user"], "", (line,), others, first["reason"], False)
