"""What pages with lists have in common: their conditions, their time limits in words."""

from __future__ import annotations

from collections.abc import Iterable

from api.listing import Asked
from api.queue import SOON
from api.service import Service
from api.store.petitions import PENDING, RETURNED, STATUSES
from api.workbench.contexts.lists import Choice, Due, Filter, Filters, Group
from classifier.petition import Channel, Kind
from classifier.taxonomy import Taxonomy

_SORTS = (Choice("", "先看最有用的"), Choice("due", "按期限"))
_DUE = (Choice("overdue", "已逾期"), Choice("soon", f"{SOON} 天内到期"))
_CONFIDENCE = (Choice("low", "没有把握"), Choice("high", "把握大"))
_LINKED = (Choice("1", "有未认定的"),)


def due_in_words(days_left: int) -> Due:
    if days_left < 0:
        return Due(f"逾期 {-days_left} 天", "error")
    if days_left == 0:
        return Due("今天到期", "warn")
    return Due(f"还有 {days_left} 天", "warn" if days_left <= SOON else "")


def queue_filters(service: Service, asked: Asked) -> Filters:
    main = (
        _select("sort", "排序", asked.sort, _SORTS),
        _select("status", "状态", asked.status, _same((PENDING, RETURNED))),
        *_matter(service, asked),
        _select("due", "期限", asked.due, _DUE),
    )
    more = (
        _select("confidence", "把握", asked.confidence, _CONFIDENCE),
        _select("linked", "关联", asked.linked, _LINKED),
        *_origin(service, asked),
    )
    return Filters("/queue", main, more, any(one.value for one in more), asked.narrows)


def search_filters(service: Service, asked: Asked, of_unit: bool) -> Filters:
    matter = _matter(service, asked)
    # A unit sees what was assigned to it: mostly one unit's.
    main = (_select("status", "状态", asked.status, _same(STATUSES)), *(matter[:2] if of_unit else matter))
    more = _origin(service, asked)
    return Filters("/petitions", main, more, any(one.value for one in more), asked.narrows)


def _matter(service: Service, asked: Asked) -> tuple[Filter, ...]:
    engine = service.live.engine()
    units = [Choice(unit.id, unit.name) for unit in engine.router.directory.units.values()]
    return (
        Filter(
            "category",
            "内容分类",
            "select",
            asked.category,
            _categories(engine.bundle.taxonomy, asked.category),
        ),
        _select("kind", "诉求类型", asked.kind, _same(kind.value for kind in Kind)),
        _select("unit", "承办单位", asked.unit, units),
    )


def _origin(service: Service, asked: Asked) -> tuple[Filter, ...]:
    districts = [d.name for d in service.live.engine().router.directory.districts.values()]
    return (
        _select("channel", "渠道", asked.channel, _same(channel.value for channel in Channel)),
        _select("district", "属地", asked.district, _same(dict.fromkeys(districts))),
        Filter("since", "来件自", "date", asked.since, ()),
        Filter("until", "来件至", "date", asked.until, ()),
    )


def _categories(taxonomy: Taxonomy, chosen: str) -> tuple[Group, ...]:
    """Each branch with its second level; a finer one that is chosen beside its own."""
    groups = []
    for branch in taxonomy.level(1):
        choices = [Choice(branch.code, f"{branch.name}（全部）")]
        for child in taxonomy.children(branch.code):
            choices.append(Choice(child.code, child.name))
            if len(chosen) == 6 and chosen.startswith(child.code) and chosen in taxonomy:
                choices.append(Choice(chosen, f"{child.name} › {taxonomy[chosen].name}"))
        groups.append(Group(branch.name, tuple(choices)))
    return tuple(groups)


def _select(name: str, label: str, value: str, choices: Iterable[Choice]) -> Filter:
    known = tuple(choices)
    if value and value not in {choice.value for choice in known}:
        # From another page or an earlier directory: shown as it is, for it does narrow.
        known = (*known, Choice(value, value))
    return Filter(name, label, "select", value, (Group("", known),))


def _same(values: Iterable[str]) -> list[Choice]:
    return [Choice(value, value) for value in values]
