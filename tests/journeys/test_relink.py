"""A relink that is killed again and again ends where one that was left alone ends.

The suite kills 8 times on SQLite and 4 times on PostgreSQL, each a start of the program; FENBAN_TEST_KILLS=20 as often as the target says.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import delete, select, update

from api.store.labels import holds
from api.store.relink import progress
from api.store.session import Store
from api.store.tables import link_terms, links, petitions

_ASKED = os.environ.get("FENBAN_TEST_KILLS")


@pytest.mark.slow
def test_a_relink_killed_again_and_again_ends_like_one_left_alone(
    fenban, database_url: str, seed_rows: list[dict[str, str]], write_csv
) -> None:
    # What is killed on PostgreSQL is the same process.
    size, times = (400, 4) if database_url.startswith("postgres") and not _ASKED else (1_200, 8)
    times = min(int(_ASKED), 20) if _ASKED else times
    rows = [{"编号": row["id"], "内容": row["text"], "电话": ""} for row in seed_rows[:size]]
    for i in range(0, size, 5):
        rows[i] |= {"内容": rows[i // 2]["内容"], "电话": "13812345678"}
    database = ("--database-url", database_url)
    fenban("import", write_csv(fenban.folder / "存量.csv", rows), *database)
    done = fenban("relink", *database)
    assert done.text.startswith(f"重新关联完成：{size} 件")
    with _opened(database_url) as store:
        expected = _state(store)
        assert len(expected[2]) > size / 20
        with store.write() as connection:
            # Nothing of the outcome may come from before.
            connection.execute(update(petitions).values(link_view=b"\xff"))
            connection.execute(delete(link_terms))
        kills, places = 0, []
        # A run that ends before it is killed is followed by another one.
        while kills < times:
            running = fenban.start("relink", *database)
            kills += _killed_after_a_step(store, running, kills % 7 * 0.05)
            places.append(_upto(store))
        assert places == sorted(places)
        assert len(set(places)) > times / 2
        fenban("relink", *database)
        assert _state(store) == expected
        with store.read() as connection:
            last = progress(connection)
            assert last is not None
            assert last.done


def _killed_after_a_step(store: Store, running, pause: float) -> bool:
    """Wait until a batch more is done and a moment longer, then kill -9. False when the run ended by itself before."""
    before, end = _upto(store), time.monotonic() + 60
    while _upto(store) == before and running.poll() is None:
        assert time.monotonic() < end, "the relink does not get on"
        time.sleep(0.01)
    time.sleep(pause)
    alive = running.poll() is None
    running.kill()
    running.communicate()
    return alive


def _upto(store: Store) -> tuple[int, int]:
    with store.read() as connection:
        last = progress(connection)
    return (last.run, last.upto) if last else (0, 0)


def _state(store: Store) -> tuple[object, object, dict[object, object]]:
    with store.read() as connection:
        terms = {row.term: (row.df, row.seqs) for row in connection.execute(select(link_terms))}
        views = {
            row.seq: row.link_view
            for row in connection.execute(select(petitions.c.seq, petitions.c.link_view))
        }
        found = connection.execute(select(links).where(holds()))
        held: dict[object, object] = {
            (row.petition_id, row.other_id): (row.kind, row.score, row.evidence) for row in found
        }
    return terms, views, held


@contextmanager
def _opened(url: str) -> Iterator[Store]:
    store = Store(url)
    try:
        yield store
    finally:
        store.close()
