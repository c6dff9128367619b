"""Link search in archives of 10,000 to a million petitions: insert rate, look-up, index size, planted repeats found.

Fills a temporary SQLite file and a scratch schema of a PostgreSQL database with the invented archive of bench/archive.py, row for row as
intake does (text, packed view, sealed original of the usual length, keys, postings), without classifying anything. A look-up is all of
find_links: index, views, texts, scores, evidence. Under each kind of planted repeat stands the share whose original is among the links
shown, or, of the other ways to search, among what they answered; `answered` is how many that were. For time unfiled petitions are asked
for, `own ms` being the 99th percentile of this process's own work, the database server's left out. Beside it, up to 100,000: TF-IDF
against every text (scikit-learn, the best 24), MinHash LSH (datasketch, rensa; 128 permutations of the words) and pg_trgm, on the
same texts.

Run: python -m bench.links_scale [SIZE …] [--postgres URL] [--no-sqlite] [--no-others]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from sqlalchemy import create_engine, insert, make_url, text

from api.store.petitions import now
from api.store.session import Store
from api.store.tables import petitions
from api.store.terms import DatabaseHistory, IndexWriter
from bench.archive import KINDS, Archive, Made, planted
from bench.shared_data import ROOT
from classifier.bundle import load_bundle
from classifier.features import Document
from classifier.links.find import find_links
from classifier.links.model import LinkModel
from classifier.links.terms import LinkEntry, TermWeights, pack
from classifier.registry import Registry

_BATCH = 500
_ASKED = 1_000
_PLANTED = 100
_SEALED_BYTES = 6  # of a character: JSON in ASCII, then AES-GCM
_OTHERS_UP_TO = 100_000

Planted = Sequence[tuple[Made, str, Made]]
Milliseconds = np.typing.NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    size: int
    what: str
    inserts: float
    milliseconds: Milliseconds
    processor: Milliseconds
    index_bytes: float
    found: dict[str, float]
    answered: float

    def __str__(self) -> str:
        p50, p99 = np.percentile(self.milliseconds, [50, 99])
        own = np.percentile(self.processor, 99)
        kinds = "  ".join(f"{self.found[kind]:9.3f}" for kind in KINDS)
        return (
            f"{self.size:9,}  {self.what:22}  {self.inserts:9,.0f}  {p50:8.1f}  {p99:8.1f}  {own:8.1f}  {self.index_bytes:8,.0f}  {kinds}"
            f"  {self.answered:9.1f}"
        )


HEAD = (
    f"{'size':>9}  {'':22}  {'inserts/s':>9}  {'p50 ms':>8}  {'p99 ms':>8}  {'own ms':>8}  {'bytes':>8}  "
    + "  ".join(f"{kind:>9}" for kind in KINDS)
    + f"  {'answered':>9}"
)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000])
    parser.add_argument("--postgres", default=os.environ.get("FENBAN_TEST_POSTGRES", ""))
    parser.add_argument("--no-sqlite", action="store_true")
    parser.add_argument("--no-others", action="store_true")
    given = parser.parse_args()
    bundle = load_bundle(Registry(ROOT / "models").active())
    weights = bundle.term_weights
    archive = Archive(bundle.tokeniser)
    print(HEAD, flush=True)
    for size in sorted(given.sizes):
        if not given.no_sqlite:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "fenban.db"
                print(
                    _database(f"sqlite:///{path}", "SQLite", size, archive, weights, bundle.links), flush=True
                )
        if given.postgres:
            with _scratch(given.postgres) as url:
                print(_database(url, "PostgreSQL", size, archive, weights, bundle.links), flush=True)
                if size <= _OTHERS_UP_TO and not given.no_others:
                    _show(_trigrams(url, size, archive))
        if size <= _OTHERS_UP_TO and not given.no_others:
            for other in (_tfidf, _datasketch, _rensa):
                _show(other(size, archive))


def _show(row: Row | str) -> None:
    print(row, flush=True)


def _database(
    url: str, what: str, size: int, archive: Archive, weights: TermWeights, model: LinkModel
) -> Row:
    store = Store(url)
    store.migrate()
    seconds = _fill(store, size, archive, weights, what)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # What an idle night does by itself on PostgreSQL.
        connection.execute(text("ANALYZE" if store.is_sqlite else "VACUUM ANALYZE"))
    with store.read() as connection:
        query = _SQLITE_BYTES if store.is_sqlite else _POSTGRES_BYTES
        index_bytes = float(connection.execute(text(query)).scalar_one())

    def look_up(asked: tuple[LinkEntry, Document]) -> None:
        with store.read() as connection:
            find_links(*asked, DatabaseHistory(connection), weights, model)

    times, own = _timed(look_up, [(made.entry(weights), made.document) for made in _asked(archive)])
    answered = []
    repeats = planted(archive, size, _PLANTED)
    hits = []
    with store.read() as connection:
        for original, _, repeat in repeats:
            entry, history = repeat.entry(weights), DatabaseHistory(connection)
            links = find_links(entry, repeat.document, history, weights, model)
            hits.append(str(original.number) in {link.id for link in links})
            answered.append(len(links))
    store.close()
    return Row(
        size,
        what,
        size / seconds,
        times,
        own,
        index_bytes / size,
        _by_kind(repeats, hits),
        float(np.mean(answered)),
    )


_SQLITE_BYTES = (
    "SELECT SUM(pgsize) FROM dbstat WHERE name IN ('link_terms', 'petitioner_keys', 'ix_petitioner_keys_seq')"
)
_POSTGRES_BYTES = "SELECT pg_total_relation_size('link_terms') + pg_total_relation_size('petitioner_keys')"


def _fill(store: Store, size: int, archive: Archive, weights: TermWeights, what: str) -> float:
    """Store petitions 1 … `size`; returns the seconds spent in the database, those of inventing left out."""
    moment, seconds = now(), 0.0
    numbers = iter(range(1, size + 1))
    while batch := [archive.petition(number) for number in islice(numbers, _BATCH)]:
        entries = [made.entry(weights) for made in batch]
        started = time.perf_counter()
        rows = [
            {
                "seq": made.number,
                "id": entry.id,
                "created_at": moment,
                "title": entry.text.partition("\n")[0],
                "text": entry.text.partition("\n")[2],
                "original": os.urandom(_SEALED_BYTES * len(entry.text)),
                "link_view": pack(entry),
            }
            for made, entry in zip(batch, entries, strict=True)
        ]
        with store.write() as connection:
            index = IndexWriter(connection, weights)
            index.stored()
            connection.execute(insert(petitions), rows)
            index.add_all([(made.number, entry) for made, entry in zip(batch, entries, strict=True)])
            index.flush()
        seconds += time.perf_counter() - started
        if batch[-1].number % 50_000 == 0:
            print(
                f"  {what}: {batch[-1].number:,} stored at {batch[-1].number / seconds:,.0f}/s",
                file=sys.stderr,
                flush=True,
            )
    return seconds


@contextmanager
def _scratch(url: str) -> Iterator[str]:
    """The address of a schema of its own, dropped at the end."""
    name = f"fenban_bench_{uuid.uuid4().hex[:8]}"
    admin = create_engine(url, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
    options = {"options": f"-csearch_path={name},public"}
    try:
        yield make_url(url).update_query_dict(options).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
        admin.dispose()


def _asked(archive: Archive, count: int = _ASKED) -> list[Made]:
    """Petitions that are in no archive measured here, of the towns and names that are."""
    draw = np.random.default_rng(7)
    return [
        archive.repeat(archive.petition(int(n)), "reworded", 2 * 10**9 + i)
        for i, n in enumerate(draw.integers(1, 10_000, count))
    ]


def _timed(ask: Callable[[T], object], questions: Sequence[T]) -> tuple[Milliseconds, Milliseconds]:
    """Milliseconds of each question by the clock, and of this process's own work, which a busy machine does not lengthen."""
    times = np.zeros((len(questions), 2))
    for at, question in enumerate(questions):
        started = time.perf_counter(), time.thread_time()
        ask(question)
        times[at] = time.perf_counter() - started[0], time.thread_time() - started[1]
    return times[:, 0] * 1e3, times[:, 1] * 1e3


def _by_kind(repeats: Planted, hits: Sequence[bool]) -> dict[str, float]:
    return {
        kind: float(np.mean([hit for (_, of, _), hit in zip(repeats, hits, strict=True) if of == kind]))
        for kind in KINDS
    }


def _measured(
    size: int, what: str, seconds: float, archive: Archive, ask: Callable[[Made], Sequence[int]], asked: int
) -> Row:
    """Times and recall of another way to search; `ask` gives the numbers of the petitions it found."""
    times, own = _timed(ask, _asked(archive, asked))
    repeats = planted(archive, size, _PLANTED)
    answers = [ask(repeat) for _, _, repeat in repeats]
    hits = [original.number in answer for (original, _, _), answer in zip(repeats, answers, strict=True)]
    answered = float(np.mean([len(answer) for answer in answers]))
    return Row(size, what, size / seconds, times, own, float("nan"), _by_kind(repeats, hits), answered)


def _tfidf(size: int, archive: Archive) -> Row:
    from sklearn.feature_extraction.text import TfidfVectorizer

    from classifier.links.history import SHORTLIST

    vectoriser = TfidfVectorizer(analyzer=list, sublinear_tf=True)
    texts = [archive.petition(number).words for number in range(1, size + 1)]
    started = time.perf_counter()
    matrix = vectoriser.fit_transform(texts)
    seconds = time.perf_counter() - started

    def ask(made: Made) -> list[int]:
        scores = (matrix @ vectoriser.transform([made.words]).T).toarray().ravel()
        best: list[int] = (np.argpartition(-scores, SHORTLIST)[:SHORTLIST] + 1).tolist()
        return best

    return _measured(size, "TF-IDF, every text", seconds, archive, ask, 200)


def _datasketch(size: int, archive: Archive) -> Row | str:
    try:
        from datasketch import MinHash, MinHashLSH
    except ImportError:
        return f"{size:9,}  datasketch is not installed"

    def sketch(made: Made) -> MinHash:
        made_of = MinHash(num_perm=128, seed=1)
        made_of.update_batch([word.encode() for word in set(made.words)])
        return made_of

    index = MinHashLSH(threshold=0.5, num_perm=128)
    seconds = 0.0
    for number in range(1, size + 1):
        made = archive.petition(number)
        started = time.perf_counter()
        index.insert(number, sketch(made))
        seconds += time.perf_counter() - started
    return _measured(
        size, "datasketch MinHashLSH", seconds, archive, lambda made: list(index.query(sketch(made))), 200
    )


def _rensa(size: int, archive: Archive) -> Row | str:
    try:
        from rensa import RMinHash, RMinHashLSH
    except ImportError:
        return f"{size:9,}  rensa is not installed"

    def sketch(made: Made) -> RMinHash:
        made_of = RMinHash(num_perm=128, seed=1)
        made_of.update(sorted(set(made.words)))
        return made_of

    # 32 bands of 4: the even point of finding lies at a resemblance of (1/32)^(1/4) = 0.42, datasketch's 0.5 near by.
    index = RMinHashLSH(threshold=0.5, num_perm=128, num_bands=32)
    seconds = 0.0
    for number in range(1, size + 1):
        made = archive.petition(number)
        started = time.perf_counter()
        index.insert(number, sketch(made))
        seconds += time.perf_counter() - started
    return _measured(
        size, "rensa RMinHashLSH", seconds, archive, lambda made: list(index.query(sketch(made))), 200
    )


def _trigrams(url: str, size: int, archive: Archive) -> Row | str:
    from classifier.links.history import SHORTLIST

    store = Store(url)
    try:
        with store.write() as connection:
            connection.execute(text("CREATE EXTENSION IF NOT EXISTS pg_trgm"))
            started = time.perf_counter()
            connection.execute(text("CREATE INDEX ix_trgm ON petitions USING gin (text gin_trgm_ops)"))
            seconds = time.perf_counter() - started
        query = text(
            "SELECT seq FROM petitions WHERE text % :words ORDER BY similarity(text, :words) DESC LIMIT :most"
        )

        def ask(made: Made) -> list[int]:
            words = {"words": made.document.text.partition("\n")[2], "most": SHORTLIST}
            with store.read() as connection:
                return list(connection.execute(query, words).scalars())

        return _measured(size, "pg_trgm", seconds, archive, ask, 30)
    except Exception as problem:
        return f"{size:9,}  pg_trgm: {type(problem).__name__}"
    finally:
        store.close()


if __name__ == "__main__":
    main()
