"""What came in, what was suggested and what people made of it, within a span: counts, and samples of bounded size.

Ids are random (UUID 4), so the smallest of a span are a random sample of it, and the same one whenever it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, RowMapping, and_, exists, func, select

from api.store.arrivals import Span
from api.store.firewall import visible
from api.store.tables import decisions, petitions, returns, suggestions
from api.store.undos import stands


def category_counts(connection: Connection, span: Span) -> dict[str, int]:
    """Level-2 code → petitions that came in; what people decided, until then what was suggested."""
    code = func.substr(petitions.c.category, 1, 4).label("code")
    query = select(code, func.count()).where(span.of(), petitions.c.category != "").group_by(code)
    return {found: count for found, count in connection.execute(query)}


def answers_in(connection: Connection, span: Span, most: int) -> Iterator[RowMapping]:
    """At most `most` petitions that came in, each with the first suggestion made for it."""
    first = (
        select(func.min(suggestions.c.id))
        .where(suggestions.c.petition_id == petitions.c.id)
        .correlate(petitions)
        .scalar_subquery()
    )
    # Chosen by id alone, or the database sorts the texts of the whole span.
    chosen = select(petitions.c.id).where(span.of()).order_by(petitions.c.id).limit(most).subquery()
    query = (
        select(petitions.c.title, petitions.c.text, suggestions.c.answer, suggestions.c.model_version)
        .join(chosen, chosen.c.id == petitions.c.id)
        .join(suggestions, suggestions.c.id == first)
        .order_by(petitions.c.id)
    )
    yield from connection.execution_options(yield_per=200).execute(query).mappings()


def decided_in(connection: Connection, span: Span, version: str, most: int) -> Iterator[RowMapping]:
    """At most `most` petitions decided on within the span, whenever they came in: the last decision of the span that was not taken back,
    and the suggestion of the model `version` that it answers; `returned`: whether the unit sent that decision back."""
    latest = (
        select(decisions.c.petition_id, func.max(decisions.c.id).label("id"))
        .where(decisions.c.created_at >= span.since, decisions.c.created_at < span.until, stands(decisions))
        .group_by(decisions.c.petition_id)
        .subquery()
    )
    returned = (
        exists()
        # The petition for its index.
        .where(returns.c.petition_id == decisions.c.petition_id, returns.c.decision_id == decisions.c.id)
        .where(stands(returns))
        .correlate(decisions)
    )
    query = (
        select(decisions.c.category, decisions.c.unit, returned.label("returned"), suggestions.c.answer)
        .join(latest, latest.c.id == decisions.c.id)
        .join(
            suggestions,
            and_(suggestions.c.id == decisions.c.suggestion_id, suggestions.c.model_version == version),
        )
        .join(petitions, petitions.c.id == decisions.c.petition_id)
        .where(visible(span.viewer))
        .order_by(petitions.c.id)
        .limit(most)
    )
    yield from connection.execution_options(yield_per=200).execute(query).mappings()
