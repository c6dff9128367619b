"""What a changed directory would do: past petitions routed with the one in use and with the draft, those whose lead unit differs.

On what is stored: redacted text, and the categories and kind that were suggested at intake. Only a model that learnt units is asked again, for
its probabilities are not kept.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api.live import Engine
from api.service import Service
from api.store.firewall import Viewer
from api.store.petitions import Filters, list_petitions
from api.store.suggested import latest_answers
from classifier.directory import Directory
from classifier.features import Document, blank_marks
from classifier.petition import Kind, Suggestion
from classifier.predict import predict, units_of
from classifier.routing import Router

#: So many of the latest petitions are looked at, for so many seconds at most.
MOST, SECONDS = 1_000, 2.0
_BATCH = 50


@dataclass(frozen=True, slots=True)
class Moved:
    """A petition that would have another lead unit. `title` is redacted; `before` and `after` are names of units."""

    id: str
    seq: int
    created_at: datetime
    title: str = field(repr=False)
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Preview:
    """`looked` petitions, the latest ones, were routed both ways; `is_short` when time ran out before all that should be."""

    looked: int
    moved: tuple[Moved, ...]
    is_short: bool


def preview(service: Service, viewer: Viewer, draft: Directory, seconds: float = SECONDS) -> Preview:
    """Route the latest petitions that `viewer` may see both ways."""
    until = time.monotonic() + seconds
    engine = service.live.engine()
    after = Router(draft, engine.bundle.taxonomy, engine.bundle.tokeniser)
    looked, moved, before = 0, list[Moved](), None
    while looked < MOST:
        with service.store.read() as connection:
            listed = list_petitions(connection, Filters(), before, min(_BATCH, MOST - looked), viewer)
            rows = [dict(row) for row in listed]
            answers = latest_answers(connection, [row["id"] for row in rows])
        for row, old, new in _both_ways(engine, after, rows, answers):
            looked += 1
            if old[0] != new[0]:
                moved.append(Moved(row["id"], row["seq"], row["created_at"], row["title"], old[1], new[1]))
        if len(rows) < _BATCH:
            break
        if time.monotonic() >= until:
            return Preview(looked, tuple(moved), is_short=looked < MOST)
        before = rows[-1]["seq"]
    return Preview(looked, tuple(moved), is_short=False)


def _both_ways(
    engine: Engine, after: Router, rows: Sequence[Mapping[str, Any]], answers: Mapping[str, str]
) -> list[tuple[Mapping[str, Any], tuple[str, str], tuple[str, str]]]:
    """Each row with id and name of its lead unit now and then."""
    bundle = engine.bundle
    documents = [_document(engine, row) for row in rows]
    predictions = predict(bundle, documents) if bundle.unit is not None else None
    found = []
    for place, (row, document) in enumerate(zip(rows, documents, strict=True)):
        answer = json.loads(answers[row["id"]])
        categories = [
            Suggestion(c["code"], c["name"], c["path"], c["probability"]) for c in answer["categories"]
        ]
        kind = Kind(answer["kind"]["name"])
        leads = []
        for router in (engine.router, after):
            if predictions is None:
                units = router.route(categories, kind, document, row["district"], most=1)
            else:
                units = units_of(
                    bundle, predictions, place, document, router, categories, kind, row["district"], 1
                )
            leads.append((units[0].id, units[0].name))
        found.append((row, leads[0], leads[1]))
    return found


def _document(engine: Engine, row: Mapping[str, Any]) -> Document:
    title, text = row["title"], row["text"]
    whole = f"{title}\n{text}" if title else text
    return Document(whole, len(title), tuple(engine.bundle.tokeniser.cut(blank_marks(whole))))
