"""What lists of petitions are narrowed to, as conditions that databases answer within an index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, func, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from api.store.tables import petitions, reviews

#: From this probability on a category counts as sure, below the other as unsure.
SURE, UNSURE = 0.9, 0.6


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is narrowed to; an empty field does not narrow. `category` is a prefix, `districts` are the names of one district.

    `since` and `until` bound the arrival, `waits_from` and `waits_before` the moment since which a petition waits. `confidence` is high or
    low, `linked` asks for suggested links nobody has decided on.
    """

    status: str = ""
    category: str = ""
    kind: str = ""
    unit: str = ""
    channel: str = ""
    districts: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    waits_from: datetime | None = None
    waits_before: datetime | None = None
    confidence: str = ""
    linked: bool = False


class _Scanned(FunctionElement[Any]):
    """A column that SQLite filters by without looking for an index of it: each of our lists has its own, in its order.

    SQLite knows nothing of how often a value occurs and would take the index of a status that nine of ten petitions have.
    PostgreSQL does know.
    """

    inherit_cache = True

    def __init__(self, column: ColumnElement[Any]) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(_Scanned)
def _as_it_is(element: _Scanned, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(_Scanned, "sqlite")
def _without_index(element: _Scanned, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"


def narrowed(wanted: Wanted, of: FromClause = petitions) -> list[ColumnElement[bool]]:
    """The conditions on a petition, without confidence and links. `of` may be the reviews: then of what was suggested."""
    exact = (
        ("status", wanted.status),
        ("kind", wanted.kind),
        ("unit", wanted.unit),
        ("channel", wanted.channel),
    )
    found: list[ColumnElement[bool]] = [_Scanned(of.c[name]) == value for name, value in exact if value]
    if wanted.category:
        found.append(func.substr(of.c.category, 1, len(wanted.category)) == wanted.category)
    if wanted.districts:
        found.append(_Scanned(of.c.district).in_(wanted.districts))
    if wanted.since:
        found.append(_arrived(of) >= wanted.since.astimezone(UTC))
    if wanted.until:
        found.append(_arrived(of) < wanted.until.astimezone(UTC))
    if wanted.waits_from:
        found.append(of.c.waits_since >= wanted.waits_from.astimezone(UTC))
    if wanted.waits_before:
        found.append(of.c.waits_since < wanted.waits_before.astimezone(UTC))
    return found


def _arrived(of: FromClause) -> ColumnElement[Any]:
    return func.coalesce(of.c.received_at, of.c.created_at)


def confident(wanted: Wanted) -> list[ColumnElement[bool]]:
    """The condition on a petition's row of `reviews`."""
    if wanted.confidence == "high":
        return [~reviews.c.abstained, reviews.c.category_p >= SURE]
    if wanted.confidence == "low":
        return [or_(reviews.c.abstained, reviews.c.category_p < UNSURE, reviews.c.category_p.is_(None))]
    return []
