"""A petition comes in: triage it, store it with its suggestion and links, in one transaction; the same request again changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, RowMapping

from api.contact import contact_of, row_of
from api.live import Engine
from api.review import file_for_review
from api.service import Service
from api.store.firewall import Viewer, previews
from api.store.petitions import (
    Sealed,
    add_petition,
    brief_rows,
    dump_answer,
    imported,
    latest_suggestion,
    new_id,
    remember,
    remembered,
)
from api.store.terms import DatabaseHistory, IndexWriter
from classifier.errors import ConflictError, IdempotencyError
from classifier.petition import Kind, Petition, Suggestion, Triage, UnitSuggestion
from classifier.predict import predict, units_of
from classifier.records import check_text
from classifier.triage import Triaged, read, triage_each


@dataclass(frozen=True, slots=True)
class Accepted:
    """A stored petition. `answer` is the suggestion as JSON; `replayed` says the request had been answered before."""

    petition_id: str
    answer: dict[str, Any]
    replayed: bool


def triage_only(service: Service, petitions: Sequence[Petition], top: int = 3) -> list[Triage]:
    """Suggestions without storing anything; links are not looked for. Raises InputError, BundleError."""
    engine = service.live.engine()
    for petition in petitions:
        check_text(petition.title, petition.text)
    readings = [read(p, engine.bundle.tokeniser, service.vault.identity_secret) for p in petitions]
    return [item.triage for item in triage_each(readings, engine.bundle, None, engine.router, top=top)]


@dataclass(frozen=True, slots=True)
class SeenLink:
    """A link to an earlier petition as one viewer may see it.

    `kind` is a LinkKind's value, or RESTRICTED: then there is one, and nothing else of it is told. `other` is the earlier petition's row.
    """

    kind: str
    score: float
    facts: tuple[str, ...]
    contradictions: tuple[str, ...]
    other: RowMapping | None


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be suggested for a petition that is still being written. `units` follow what was chosen so far."""

    triage: Triage
    units: tuple[UnitSuggestion, ...]
    links: tuple[SeenLink, ...]


def preview(
    service: Service, petition: Petition, viewer: Viewer, category: str = "", kind: Kind | None = None
) -> Preview:
    """Suggestions for a petition that is not stored, with the links that `viewer` may see to those that are. Nothing is written.

    With a `category` or `kind` that a person chose already, units are those for it. Raises InputError, BundleError, StoreError.
    """
    check_text(petition.title, petition.text)
    engine = service.live.engine()
    secret = service.vault.identity_secret
    reading = read(petition, engine.bundle.tokeniser, secret)
    with service.store.read() as connection:
        if (now := service.keyring.follow(connection).identity_secret) != secret:  # the key was replaced
            reading = read(petition, engine.bundle.tokeniser, now)
        triaged = next(triage_each([reading], engine.bundle, DatabaseHistory(connection), engine.router))
        links = seen_links(connection, viewer, [asdict(link) for link in triaged.triage.links])
    return Preview(triaged.triage, _units_for(engine, triaged, category, kind), links)


def seen_links(
    connection: Connection, viewer: Viewer, links: Sequence[dict[str, Any]]
) -> tuple[SeenLink, ...]:
    """Suggested links, each with the row of the earlier petition, as `viewer` may see them."""
    shown = previews(connection, viewer, links)
    rows = brief_rows(connection, [link["id"] for link in shown if link["id"]], viewer)
    return tuple(
        SeenLink(
            str(link["kind"]),
            link["score"],
            tuple(link["evidence"].get("facts", ())),
            tuple(link["evidence"].get("contradictions", ())),
            rows.get(link["id"]),
        )
        for link in shown
    )


def _units_for(
    engine: Engine, triaged: Triaged, category: str, kind: Kind | None
) -> tuple[UnitSuggestion, ...]:
    answer, taxonomy = triaged.triage, engine.bundle.taxonomy
    chosen = category if category in taxonomy else ""
    if not chosen and (kind is None or kind is answer.kind.name):
        return answer.units
    categories: Sequence[Suggestion] = answer.categories
    if chosen:
        categories = [Suggestion(chosen, taxonomy[chosen].name, taxonomy.path(chosen), 1.0)]
    document, district = triaged.reading.document, triaged.reading.district
    predictions = predict(engine.bundle, [document])
    most = len(answer.units)
    return units_of(
        engine.bundle, predictions, 0, document, engine.router, categories, kind or answer.kind.name, district, most
    )  # fmt: skip


def submit(
    service: Service, petition: Petition, viewer: Viewer, idempotency_key: str | None = None
) -> Accepted:
    """Store a petition and what is suggested for it; the petition gets an id of ours.

    With an idempotency key, the same body again gives the first answer; another body raises IdempotencyError. Raises InputError,
    BundleError, StoreError: then nothing was stored. Of the links the answer has what `viewer` may see.
    """
    check_text(petition.title, petition.text)
    engine = service.live.engine()
    row = json.dumps(row_of(petition) | {"id": ""}, ensure_ascii=True, sort_keys=True, default=str)
    # Keyed: a plain hash beside the redacted text would let anyone try out phone numbers.
    body_digest = service.keyring.row_digest(f"body:{row}")
    try:
        return _submit(service, engine, petition, viewer, idempotency_key, body_digest)
    except ConflictError as conflict:
        # Two requests with one key at the same moment: the other one won, its answer is ours.
        if idempotency_key is None or isinstance(conflict, IdempotencyError):
            raise
        with service.store.read() as connection:
            earlier = _earlier(service, connection, viewer, idempotency_key, body_digest)
        if earlier is None:
            raise
        return earlier


def _submit(
    service: Service, engine: Engine, petition: Petition, viewer: Viewer, key: str | None, body_digest: str
) -> Accepted:
    petition = replace(petition, id=new_id())
    vault = service.vault
    reading = read(petition, engine.bundle.tokeniser, vault.identity_secret)
    with service.store.write() as connection:
        if (now := service.unlock(connection)) is not vault:  # the key was replaced
            reading = read(petition, engine.bundle.tokeniser, now.identity_secret)
        earlier = _earlier(service, connection, viewer, key, body_digest) if key else None
        if earlier:
            return earlier
        index = IndexWriter(connection, engine.bundle.term_weights)
        triaged = next(triage_each([reading], engine.bundle, index, engine.router))
        _add(service, engine, connection, index, petition, triaged, viewer.user_id, None)
        index.flush()
        if key:
            stored, *_ = service.keyring.stored_forms(body_digest)
            remember(connection, viewer.user_id, key, stored, petition.id)
        answer = _shown(connection, viewer, dump_answer(triaged.triage))
    return Accepted(petition.id, answer, replayed=False)


def _earlier(
    service: Service, connection: Connection, viewer: Viewer, key: str, body_digest: str
) -> Accepted | None:
    row = remembered(connection, viewer.user_id, key)
    if row is None:
        return None
    if row["body_digest"] not in service.keyring.stored_forms(body_digest):
        raise IdempotencyError("这个 Idempotency-Key 已用于另一件信访件。请为新的信访件换一个。")
    answer = _shown(connection, viewer, latest_suggestion(connection, row["petition_id"])["answer"])
    return Accepted(row["petition_id"], answer, replayed=True)


def _shown(connection: Connection, viewer: Viewer, answer: str) -> dict[str, Any]:
    suggestion: dict[str, Any] = json.loads(answer)
    return suggestion | {"links": previews(connection, viewer, suggestion["links"])}


def import_batch(
    service: Service,
    batch: Sequence[tuple[str, Petition]],
    user_id: str | None,
    along: Callable[[Connection, int, int], object] | None = None,
) -> Iterator[tuple[str, bool]]:
    """Store a batch of (import key, petition) in one transaction; yields each key with whether it was new.

    Keys stored already are skipped: an import that was cut off goes on where it stopped. The whole batch is stored or none of it.
    What else belongs to it is done by `along`, which is told how many were new and how many were there.
    """
    engine = service.live.engine()
    done: list[tuple[str, bool]] = []
    with service.store.write() as connection:
        secret = service.unlock(connection).identity_secret
        forms = {key: _stored_keys(service, key) for key, _ in batch}
        found = imported(connection, [form for each in forms.values() for form in each])
        known = {key for key, each in forms.items() if not found.isdisjoint(each)}
        fresh = [(key, replace(petition, id=new_id())) for key, petition in batch if key not in known]
        readings = [read(petition, engine.bundle.tokeniser, secret) for _, petition in fresh]
        index = IndexWriter(connection, engine.bundle.term_weights)
        triaged = triage_each(readings, engine.bundle, index, engine.router)
        for (key, petition), item in zip(fresh, triaged, strict=True):
            _add(service, engine, connection, index, petition, item, user_id, forms[key][0])
        index.flush()
        done = [(key, key not in known) for key, _ in batch]
        if along is not None:
            along(connection, len(fresh), len(done) - len(fresh))
    yield from done


def import_keys(service: Service, petitions: Iterable[Petition]) -> Iterator[tuple[str, Petition]]:
    """Each petition with a key that is the same whenever the same row of an export is read again, under whatever secret.

    The key covers the whole row, so that two offices' running numbers never collide; the second of two
    rows alike in everything is told from the first by its place among them.
    """
    seen: dict[str, int] = {}
    for petition in petitions:
        values = row_of(petition) | ({"id": ""} if petition.id.startswith("line-") else {})
        row = json.dumps(values, ensure_ascii=True, sort_keys=True, default=str)
        digest = service.keyring.row_digest(f"import:{row}")
        seen[digest] = seen.get(digest, 0) + 1
        yield f"{digest}#{seen[digest]}", petition


def _stored_keys(service: Service, key: str) -> list[str]:
    digest, _, place = key.partition("#")
    return [f"{form}#{place}" for form in service.keyring.stored_forms(digest)]


def _add(
    service: Service,
    engine: Engine,
    connection: Connection,
    index: IndexWriter,
    petition: Petition,
    triaged: Triaged,
    user_id: str | None,
    import_key: str | None,
) -> None:
    vault = service.vault
    contact = contact_of(petition)
    sealed = Sealed(
        vault.seal({"title": petition.title, "text": petition.text}, petition.id),
        vault.seal(contact, petition.id) if contact else None,
    )
    seq = add_petition(connection, petition, triaged, sealed, index, user_id, import_key)
    file_for_review(service, engine, connection, seq, petition.id, triaged)
