"""What use cases say of models, as the pages show it: states become words, ISO moments become moments, figures become charts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any

from markupsafe import Markup

from api.model_diff import CategoryChange, Difference
from api.model_report import Doubtful, Reach
from api.model_state import Standing
from api.run_state import Run, State
from api.workbench.contexts.models import (
    Accuracy,
    AnswerLine,
    Badge,
    ChangeLine,
    Comparison,
    DoubtfulLine,
    Drift,
    InUse,
    Measure,
    MoveLine,
    ReachLine,
    RunView,
    StepLine,
    VersionLine,
    WeekLine,
)
from api.workbench.curves import FEW, Week, interval_bar, lean, means, weeks_chart
from api.workbench.words import receipt
from classifier.dates import CHINA
from classifier.scorecard import SOURCES, TASKS, Tally

_STATES = {
    # The message says so.
    State.IDLE: Badge("", ""),
    State.RUNNING: Badge("accent", "正在训练"),
    State.PASSED: Badge("ok", "通过检验"),
    State.REFUSED: Badge("error", "没有通过检验"),
    State.NOTHING: Badge("", "没有新的认定"),
    State.FAILED: Badge("error", "没有完成"),
    State.CANCELLED: Badge("warn", "已取消"),
}
_AGAINST = {"training": "训练时", "earlier_weeks": "此前几周"}
_MOVES = {"promote": "启用", "rollback": "退回"}


def moment(text: str) -> datetime | None:
    with suppress(ValueError, TypeError):
        found = datetime.fromisoformat(text)
        return found if found.tzinfo else found.replace(tzinfo=UTC)
    return None


def in_use(found: Standing) -> InUse:
    moved = found.moved
    return InUse(
        found.active,
        found.serving,
        moment(moved.at) if moved else None,
        moved.by if moved else "",
        found.previous,
    )


def todo(found: Standing) -> tuple[str, ...]:
    """What to do next, plainly."""
    said = []
    if not found.active:
        said.append("还没有启用的模型。请从下面的版本里启用一个。")
    if found.run.state is State.RUNNING:
        said.append("正在重新训练，完成后在这里看结果。")
    elif found.candidate:
        said.append(f"新版本 {found.candidate} 通过了检验，还没有启用。看过之后可以启用。")
    fresh = found.fresh
    if fresh and found.run.state is not State.RUNNING:
        parts = [f"{fresh.petitions} 件新认定"] if fresh.petitions else []
        parts += [f"{fresh.links} 条新的关联认定"] if fresh.links else []
        parts += [f"{fresh.returned} 件新退回"] if fresh.returned else []
        said.append(f"有 {'、'.join(parts)}，可以重新训练。")
    return tuple(said) or ("没有新的认定，现在不用重新训练。",)


def run_view(run: Run, cancelled: bool, now: datetime) -> RunView:
    began, ended = moment(run.started_at), moment(run.ended_at)
    running = run.state is State.RUNNING
    steps = tuple(
        StepLine(step.step, running and i == len(run.steps) - 1, step.done, step.total)
        for i, step in enumerate(run.steps)
    )
    verdict = run.verdict or {}
    made = run.version if run.state in {State.PASSED, State.REFUSED} else ""
    return RunView(
        running,
        running and cancelled,
        _STATES[run.state],
        # The reasons are listed by themselves.
        f"新版本 {made} 没有通过检验，不会启用。" if run.state is State.REFUSED else run.message,
        run.by,
        began,
        ended,
        _span((ended or now) - began) if began else "",
        steps,
        _lines(verdict, "reasons"),
        _lines(verdict, "changes"),
        made,
    )


def _span(length: timedelta) -> str:
    seconds = max(int(length.total_seconds()), 0)
    return f"{seconds // 60} 分 {seconds % 60} 秒" if seconds >= 60 else f"{seconds} 秒"


def _lines(verdict: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = verdict.get(name)
    return tuple(map(str, found)) if isinstance(found, list | tuple) else ()


def reasons(verdict: Mapping[str, Any] | None) -> tuple[str, ...]:
    return _lines(verdict or {}, "reasons")


def changes(verdict: Mapping[str, Any] | None) -> tuple[str, ...]:
    return _lines(verdict or {}, "changes")


def judgement(passed: object) -> Badge:
    """The gate's verdict: True, False, or None for a version it never saw."""
    if passed is None:
        return Badge("warn", "没有做启用前检验")
    return Badge("ok", "通过检验") if passed is True else Badge("error", "没有通过检验")


def badges(version: str, passed: object, active: str, previous: str) -> tuple[Badge, ...]:
    found = [judgement(passed)]
    if version == active:
        found.insert(0, Badge("accent", "正在使用"))
    if version == previous:
        found.append(Badge("", "上一个在用的"))
    return tuple(found)


def lineage_words(lineage: Mapping[str, Any] | None) -> str:
    """What a version came from."""
    if not lineage:
        return "直接训练，没有学本单位的认定快照"
    until = moment(str(lineage.get("last_decision", "")))
    parts = ["种子语料和本单位的认定" + (f"（到 {until.astimezone(CHINA):%Y-%m-%d}）" if until else "")]
    if parent := lineage.get("parent"):
        parts.append(f"与 {parent} 比较过")
    if snapshot := str(lineage.get("snapshot", ""))[:8]:
        parts.append(f"快照 {snapshot}")
    return "；".join(parts)


def version_line(brief: Mapping[str, Any], active: str, previous: str) -> VersionLine:
    return VersionLine(
        brief["version"],
        badges(brief["version"], brief["passed"], active, previous),
        lineage_words(brief["lineage"]),
        brief["petitions"],
        brief["accuracy"],
        tuple(map(str, brief["reasons"])),
        brief["version"] != active and brief["passed"] is not False,
    )


def move_line(found: Mapping[str, Any]) -> MoveLine:
    what = _MOVES.get(found["action"], found["action"])
    return MoveLine(moment(found["at"]), found["by"], what, found["version"], found["before"])


def accuracy_view(found: Mapping[str, Any]) -> Accuracy:
    return Accuracy(
        found["share"],
        found["sampled"],
        tuple(
            Measure(
                one["label"],
                one["decided"],
                one["right"],
                one["undecided"],
                one["accuracy"],
                one["low"],
                one["high"],
                Markup("")
                if one["accuracy"] is None
                else interval_bar(one["low"], one["accuracy"], one["high"]),
            )
            for one in found["measures"]
        ),
        found["warning"],
    )


def drift_view(found: Mapping[str, Any]) -> Drift:
    weeks = tuple(
        WeekLine(
            week["since"],
            week["petitions"],
            week["confidence"],
            week["unknown"],
            week["decided"],
            week["changed"],
            week["low"],
            week["high"],
        )
        for week in found["weeks"]
    )
    labels = [f"{week.since.astimezone(CHINA):%m-%d}" for week in weeks]

    def chart(
        name: str, values: Iterable[float | None], is_share: bool, of: Iterable[int | None] = repeat(None)
    ) -> tuple[str, Markup]:
        told = [Week(*each) for each in zip(labels, values, of, strict=False)]
        return name, weeks_chart(name, told[::-1], is_share)

    charts = (
        chart("来件", [week.petitions for week in weeks], False),
        chart("平均把握", [week.confidence for week in weeks], True),
        chart("没见过的词", [week.unknown for week in weeks], True),
        chart(
            "改判率",
            [week.changed / week.decided if week.decided else None for week in weeks],
            True,
            [week.decided for week in weeks],
        ),
    )
    said = tuple(finding["text"] for finding in found["findings"])
    return Drift(_AGAINST[found["against"]], found["note"], said, weeks, charts, FEW)


def reach_line(found: Reach) -> ReachLine:
    said = lean(*means(found.curves))
    return ReachLine(found.source, found.curves.n, found.coverage, found.accuracy, said)


def doubtful_line(found: Doubtful) -> DoubtfulLine:
    return DoubtfulLine(
        found.petition_id,
        receipt(found.seq, found.created_at),
        TASKS.get(found.task, found.task),
        found.given,
        found.likely,
        found.probability,
    )


def series_lines(found: Mapping[str, Tally]) -> tuple[tuple[str, int, int, int], ...]:
    return tuple((_series(name), tally.cases, tally.before, tally.after) for name, tally in found.items())


def _series(name: str) -> str:
    source, _, task = name.partition(".")
    return f"{SOURCES.get(source, source)}，{TASKS.get(task, task)}"


def change_line(found: CategoryChange) -> ChangeLine:
    source, _, task = found.series.partition(".")
    tally = found.tally
    badge = Badge("", "互有得失")
    if tally.after != tally.before:
        badge = Badge("ok", "变好") if tally.after > tally.before else Badge("error", "变差")
    return ChangeLine(
        found.path,
        SOURCES.get(source, source),
        TASKS.get(task, task),
        tally.cases,
        tally.before,
        tally.after,
        badge,
    )


def comparison(found: Difference, titles: Mapping[str, str]) -> Comparison:
    answers = tuple(
        AnswerLine(
            answer.id,
            titles.get(answer.id, ""),
            tuple(
                f"{old or '无'} → {new or '无'}" for old, new in (answer.category, answer.kind) if old != new
            ),
        )
        for answer in found.answers
    )
    return Comparison(
        series_lines(found.series), tuple(map(change_line, found.categories)), found.asked, answers
    )
