"""Looking petitions up (查询), as far as somebody may see them. There is no search by person: identity is known by keyed hashes only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, RowMapping

from api.listing import Asked, wanted
from api.matters import days_left
from api.service import Service
from api.store import search as store
from api.store.audit import Action, record
from api.store.firewall import Viewer
from api.store.listing import Wanted
from api.store.petitions import DECIDED, now
from classifier.errors import InputError
from classifier.features import Document, is_word
from classifier.links.facts import facts_of
from classifier.links.terms import term_hash
from classifier.normalise import normalised
from classifier.redact import redact

PAGE = 50
#: Words are looked for in so many petitions at a time, the newest that everything else fits.
READ = 3_000
#: The link index names at most so many older ones.
_NAMED = 400
#: An export has at most so many rows.
EXPORTED = 10_000
_EXCERPT = 120
_WORDS, _LONGEST_WORD = 5, 40


@dataclass(frozen=True, slots=True)
class Item:
    """One petition: its row, and how many days of the handling limit are left (None unless somebody handles it)."""

    row: RowMapping
    days_left: int | None


@dataclass(frozen=True, slots=True)
class Found:
    """A page. `older` are further ones that the link index names; `next` is the address of the next page, "" on the last; `read_to`:
    words were looked for only in petitions registered since then, None when in all."""

    items: tuple[Item, ...]
    older: tuple[Item, ...]
    next: str
    read_to: datetime | None


def numbered(service: Service, seq: int, viewer: Viewer) -> RowMapping | None:
    """The petition at a place in the register, None when there is none that `viewer` may see."""
    if seq >= 2**62:
        return None
    with service.store.read() as connection:
        return store.numbered(connection, seq, viewer)


def names_somebody(q: str) -> bool:
    """Whether what is looked for has the form of a phone, an identity number or the like."""
    return bool(redact(normalised(q))[2])


def search(service: Service, asked: Asked, viewer: Viewer) -> Found:
    """A page of what `asked` asks for, newest first."""
    narrowed = wanted(service, asked)
    words = _words(asked.q)
    with service.store.read() as connection:
        seqs, end, floor = _page(connection, narrowed, viewer, words, _before(asked.after))
        older: list[int] = []
        if words and floor is not None:
            older = _indexed(service, connection, narrowed, viewer, words, floor)
        items = _items(service, connection, [*seqs, *older], viewer)
        read_to = None
        if words and floor is not None:
            (last,) = store.rows_of(connection, [floor], 0)
            read_to = last["created_at"]
    following = asked.query(after=str(end), at="") if end is not None else ""
    return Found(items[: len(seqs)], items[len(seqs) :], following, read_to)


def export(service: Service, asked: Asked, viewer: Viewer) -> list[RowMapping]:
    """The whole list, to be taken along: at most `EXPORTED` rows with what the list shows, which is redacted. It is on record."""
    narrowed = wanted(service, asked)
    words = _words(asked.q)
    with service.store.read_one_moment() as connection:
        seqs: list[int] = []
        before = _before("")
        while len(seqs) < EXPORTED:
            window = store.newest(connection, narrowed, viewer, before, READ)
            seqs += store.saying(connection, window, words, EXPORTED) if words else window
            if len(window) < READ:
                break
            before = window[-1]
        seqs = seqs[:EXPORTED]
        rows: list[RowMapping] = []
        for at in range(0, len(seqs), PAGE * 10):
            rows += store.rows_of(connection, seqs[at : at + PAGE * 10], _EXCERPT)
    with service.store.write() as connection:
        record(connection, Action.EXPORTED, viewer.user_id, what="petitions", count=len(rows))
    return rows


def _page(
    connection: Connection, narrowed: Wanted, viewer: Viewer, words: list[str], before: int | None
) -> tuple[list[int], int | None, int | None]:
    """The page's seqs; behind which seq the next begins, None on the last; and down to which words were looked for, None for to the end."""
    if not words:
        seqs = store.newest(connection, narrowed, viewer, before, PAGE + 1)
        return seqs[:PAGE], seqs[PAGE - 1] if len(seqs) > PAGE else None, None
    window = store.newest(connection, narrowed, viewer, before, READ)
    found = store.saying(connection, window, words, PAGE + 1)
    if len(found) > PAGE:
        return found[:PAGE], found[PAGE - 1], None
    floor = window[-1] if len(window) == READ else None
    return found, floor, floor


def _indexed(
    service: Service,
    connection: Connection,
    narrowed: Wanted,
    viewer: Viewer,
    words: list[str],
    below: int,
) -> list[int]:
    """Older ones than were read, by the link index: it knows the rare words and names of each petition."""
    bundle = service.live.engine().bundle
    terms: set[int] = set()
    for word in words:
        cut = tuple(bundle.tokeniser.cut(word))
        facts = facts_of(Document(word, 0, cut), bundle.term_weights.by_word)
        terms |= {term_hash(part) for part in (word, *cut) if len(part) >= 2 and is_word(part)}
        terms |= {term_hash(f"{kind}:{name}") for kind, names in facts.items() for name in names}
    named = [seq for seq in store.indexed(connection, sorted(terms), _NAMED) if seq < below]
    return store.saying(connection, store.among(connection, narrowed, viewer, named), words, PAGE)


def _items(service: Service, connection: Connection, seqs: list[int], viewer: Viewer) -> tuple[Item, ...]:
    rows = store.rows_of(connection, seqs, _EXCERPT)
    handled = [row["id"] for row in rows if row["status"] == DECIDED] if viewer.unit is not None else []
    opened = store.opened(connection, handled, viewer)
    return tuple(Item(row, _left(service, row, opened) if row["id"] in handled else None) for row in rows)


def _left(service: Service, row: RowMapping, opened: Mapping[str, datetime]) -> int:
    begun = opened.get(row["id"]) or row["received_at"] or row["created_at"]
    return days_left(begun, service.settings.handling_days, now())


def _words(q: str) -> list[str]:
    """The words to look for, as texts are spelt. Raises InputError for more than five, or one too long."""
    words = list(dict.fromkeys(normalised(q).split()))
    if len(words) > _WORDS or any(len(word) > _LONGEST_WORD for word in words):
        raise InputError(f"最多查 {_WORDS} 个词，每个不超过 {_LONGEST_WORD} 个字，用空格隔开。请减少。")
    return words


def _before(after: str) -> int | None:
    return int(after) if after.isascii() and after.isdecimal() and len(after) < 19 else None
