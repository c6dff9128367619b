"""Is the model still fit for what comes in? The last seven days against what it learnt, or against the weeks before; in words, with what
to do.

A model that learnt an office's own decisions is held against its training report. One that learnt the seed alone never saw what comes in
there: it is held against the office's own earlier weeks. Counts and shares only; of nobody's petitions by name, and none of
accusations, which the training report leaves out, too: both sides count the same. Texts and suggestions are read from samples of bounded size (api/store/weeks.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, RowMapping

from api.live import Engine
from api.names import Names
from api.service import Service
from api.store.arrivals import Span
from api.store.firewall import PRINTED
from api.store.petitions import now
from api.store.session import Store
from api.store.terms import whole_text
from api.store.weeks import answers_in, category_counts, decided_in
from classifier.dates import CHINA
from classifier.doubt import unseen_share
from classifier.drift import (
    FEWEST_PETITIONS,
    Finding,
    Rates,
    Sample,
    Unknown,
    drifted,
    in_bins,
    mean_of_bins,
    pooled,
)
from classifier.features import blank_marks
from classifier.intervals import wilson

_WEEK = timedelta(days=7)
# Of each week: suggestions whose confidence is read, texts whose words are looked up, decisions compared.
_ANSWERS, _TEXTS, _DECISIONS = 2_000, 500, 2_000
_SHOWN = 20
#: How old what a page shows may be.
KEPT_SECONDS = 600.0
_working = Lock()
_kept: WeakKeyDictionary[Store, tuple[float, dict[str, Any]]] = WeakKeyDictionary()
_AGAINST = {"training": "训练时", "earlier_weeks": "此前几周"}


def health(service: Service, weeks: int = 8, until: datetime | None = None) -> dict[str, Any]:
    """Figures of the last `weeks` times seven days before `until` (now without), newest first, and what moved in the newest."""
    until = until or now()
    engine = service.live.engine()
    spans = [Span(until - (n + 1) * _WEEK, until - n * _WEEK, PRINTED) for n in range(weeks)]
    with service.store.read() as connection:
        samples = [_sample(connection, engine, span) for span in spans]
    latest, earlier = samples[0], pooled(samples[1:])
    learnt = engine.bundle.report.get("reference")
    against, before = "earlier_weeks", earlier
    if learnt and learnt["office"]:
        report = Sample.from_report(learnt)
        # Held-out folds know no rules and no directory: units are compared with what people changed before.
        against = "training"
        before = Sample(
            report.categories, report.confidence, report.unknown, report.corrections, earlier.units
        )
    findings = drifted(before, latest)
    return {
        "model_version": engine.bundle.version,
        "until": until,
        "against": against,
        "note": _note(before, latest, findings),
        "findings": [_told(engine, finding, _AGAINST[against]) for finding in findings],
        "weeks": [_week(span, sample) for span, sample in zip(spans, samples, strict=True)],
        "categories": _mix(engine, before, latest),
        "corrections": _rates(latest.corrections, Names.of(engine).category),
        "unit_corrections": _rates(latest.units, Names.of(engine).unit),
    }


def recent_health(service: Service) -> dict[str, Any]:
    """As `health`, up to KEPT_SECONDS old: with a large archive it takes seconds, and a page is opened often. Asked twice at once, it
    is worked out once."""
    with _working:
        found = _kept.get(service.store)
        version = service.live.engine().bundle.version
        if (
            found is None
            or found[0] < time.monotonic() - KEPT_SECONDS
            or found[1]["model_version"] != version
        ):
            found = _kept[service.store] = (time.monotonic(), health(service))
        return found[1]


def _sample(connection: Connection, engine: Engine, span: Span) -> Sample:
    confidence: list[float] = []
    shares: list[float] = []
    for row in answers_in(connection, span, _ANSWERS):
        # Only the model in use is judged by its own confidence.
        if row["model_version"] == engine.bundle.version:
            confidence += [one["probability"] for one in json.loads(row["answer"])["categories"][:1]]
        if len(shares) < _TEXTS:
            shares.append(_unknown(engine, row))
    decided = decided_in(connection, span, engine.bundle.version, _DECISIONS)
    corrections, units = _changed(decided)
    return Sample(
        category_counts(connection, span), in_bins(confidence), Unknown.of(shares), corrections, units
    )


def _unknown(engine: Engine, row: RowMapping) -> float:
    words = engine.bundle.tokeniser.cut(blank_marks(whole_text(row["title"], row["text"])))
    return unseen_share(words, engine.bundle.known_words)


def _changed(rows: Iterable[RowMapping]) -> tuple[Rates, Rates]:
    """By suggested category and by suggested unit: how many people decided otherwise, of how many they decided on."""
    category: dict[str, tuple[int, int]] = {}
    unit: dict[str, tuple[int, int]] = {}
    for row in rows:
        answer = json.loads(row["answer"])
        for suggested in answer["categories"][:1]:
            if row["category"]:
                # A decision of level 1 does not contradict what lies below it.
                code = suggested["code"][:4]
                _count(category, code, not code.startswith(row["category"][:4]))
        for suggested in answer["units"][:1]:
            if row["unit"]:
                # What the unit sent back was no right suggestion, though people took it.
                _count(unit, suggested["id"], row["returned"] or suggested["id"] != row["unit"])
    return category, unit


def _count(rates: dict[str, tuple[int, int]], key: str, changed: bool) -> None:
    wrong, decided = rates.get(key, (0, 0))
    rates[key] = wrong + changed, decided + 1


def _note(before: Sample, latest: Sample, findings: list[Finding]) -> str:
    if latest.petitions < FEWEST_PETITIONS:
        return f"最近 7 天只有 {latest.petitions} 件，太少，不作判断（至少 {FEWEST_PETITIONS} 件）。"
    if before.petitions < FEWEST_PETITIONS:
        return f"可比的只有 {before.petitions} 件，太少，不作判断；再过几周就可以比。"
    return "" if findings else "没有发现明显变化，不用做什么。"


def _told(engine: Engine, finding: Finding, before: str) -> dict[str, Any]:
    name = ""
    if finding.kind in {"category", "correction"}:
        name = Names.of(engine).category(finding.key)
    elif finding.kind == "unit_correction":
        name = Names.of(engine).unit(finding.key)
    low, high = wilson(finding.count, finding.total)
    times = finding.now / finding.before if finding.before else float("inf")
    much = f"{before}的 {times:.1f} 倍" if times < 100 else f"{before}几乎没有"
    shares = f"{finding.now:.1%}（{finding.count}/{finding.total} 件），{before} {finding.before:.1%}"
    words = {
        "category": f"最近 7 天“{name}”占 {shares}，是{much}。"
        + (
            "建议：抽看这类来件，确认分得对不对；多认定一些，再运行 fenban retrain。"
            if finding.now > finding.before
            else "建议：看看是来件真的少了，还是被分到了别的类。"
        ),
        "mix": f"来件的类别构成与{before}明显不同（稳定性指数 {finding.now:.2f}，0.2 以上为明显变化）。"
        "建议：看下面各类的增减；变化会持续的，多认定后运行 fenban retrain。",
        "confidence": f"模型的平均把握是 {finding.now:.0%}，{before}是 {finding.before:.0%}。"
        "建议：先看弃权和把握低的件，认定后运行 fenban retrain。",
        "vocabulary": f"来件里模型没见过的词占 {finding.now:.1%}，{before}是 {finding.before:.1%}。"
        "可能有新政策、新项目、新说法。建议：看新近来件在讲什么，认定后运行 fenban retrain。",
        "correction": f"建议为“{name}”的件，被人改掉的占 {shares}（按这个件数，实际在 {low:.0%} 到 {high:.0%} 之间）。"
        "建议：看改成了什么；口径变了就多认定后运行 fenban retrain，新换的模型变差就 fenban models rollback。",
        "unit_correction": f"建议给“{name}”的件，被人改派的占 {shares}（按这个件数，实际在 {low:.0%} 到 {high:.0%} 之间）。"
        "建议：核对单位目录里的职责和规则（fenban directory check），再运行 fenban retrain。",
    }
    return {
        "kind": finding.kind,
        "key": finding.key,
        "name": name,
        "text": words[finding.kind],
        "now": round(finding.now, 4),
        "before": round(finding.before, 4),
        "count": finding.count,
        "total": finding.total,
        "probability": finding.probability,
    }


def _week(span: Span, sample: Sample) -> dict[str, Any]:
    wrong = sum(rate[0] for rate in sample.corrections.values())
    decided = sum(rate[1] for rate in sample.corrections.values())
    return {
        "since": span.since,
        "until": span.until,
        "petitions": sample.petitions,
        "confidence": round(mean_of_bins(sample.confidence), 4) if sum(sample.confidence) else None,
        "unknown": round(sample.unknown.mean, 4) if sample.unknown.n else None,
        **_rate(wrong, decided),
    }


def _mix(engine: Engine, before: Sample, latest: Sample) -> list[dict[str, Any]]:
    shown = sorted(latest.categories.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
    past = max(before.petitions, 1)
    return [
        {
            "code": code,
            "name": Names.of(engine).category(code),
            "count": count,
            "share": round(count / latest.petitions, 4),
            "before": round(before.categories.get(code, 0) / past, 4),
        }
        for code, count in shown
    ]


def _rates(rates: Rates, name: Callable[[str], str]) -> list[dict[str, Any]]:
    shown = sorted(rates.items(), key=lambda item: (-item[1][1], item[0]))[:_SHOWN]
    return [{"key": key, "name": name(key), **_rate(*rate)} for key, rate in shown]


def _rate(wrong: int, decided: int) -> dict[str, Any]:
    """A rate with its 95 % interval, None where nothing was decided."""
    low, high = wilson(wrong, decided)
    return {
        "decided": decided,
        "changed": wrong,
        "low": round(low, 4) if decided else None,
        "high": round(high, 4) if decided else None,
    }


def in_words(found: dict[str, Any]) -> str:
    """For a person: what moved and what to do, then the weeks."""
    lines = [f"模型 {found['model_version']}，最近 7 天与{_AGAINST[found['against']]}相比："]
    lines += [f"· {finding['text']}" for finding in found["findings"]] or [found["note"]]
    lines += ["", "七天起于      件数  平均把握  没见过的词  认定  改判（95% 区间）"]
    for week in found["weeks"]:
        day = week["since"].astimezone(CHINA).strftime("%Y-%m-%d")
        changed = f"{week['changed']}（{week['low']:.0%}–{week['high']:.0%}）" if week["decided"] else "—"
        lines.append(
            f"{day}  {week['petitions']:>6}  {_percent(week['confidence']):>8}  {_percent(week['unknown']):>10}"
            f"  {week['decided']:>4}  {changed}"
        )
    return "\n".join(lines) + "\n"


def _percent(share: float | None) -> str:
    return "—" if share is None else f"{share:.1%}"
