"""The link index in real databases: the same candidates as in a file, whoever writes when, and however it was filled."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from threading import Barrier, Thread

import pytest
from sqlalchemy import delete, func, insert, make_url, select, text, update

from api.decisions import get_links
from api.intake import import_batch, import_keys, submit
from api.store.firewall import Accusations, Viewer
from api.store.petitions import now
from api.store.session import Store
from api.store.tables import link_terms, petitioner_keys, petitions, users
from api.store.terms import DatabaseHistory, IndexWriter
from classifier.errors import StoreUnavailableError
from classifier.links.history import COMMON, SHORTLIST, MemoryHistory
from classifier.links.terms import pack
from classifier.petition import Petition, Petitioner
from classifier.predict import predict
from classifier.triage import entry_of, read

_ALL = Viewer("", Accusations.ALL)
_SEED = Path(__file__).resolve().parents[2] / "corpora" / "seed"
_PHONES = ("13971234567", "13812345678", "")


def _seed(count: int, step: int = 1) -> list[Petition]:
    """Petitions of the corpus, some with a phone; every tenth says again what another said before."""
    rows = [
        json.loads(line)
        for branch in ("04", "15", "06")
        for line in (_SEED / f"{branch}.jsonl").read_text(encoding="utf-8").splitlines()
    ][::step]
    made = []
    for i, row in enumerate(rows[:count]):
        text = row["text"] if i % 10 else rows[i // 2]["text"]
        phone = _PHONES[i % 3] if i % 7 == 0 else ""
        made.append(Petition(f"s{i}", row["title"], text, Petitioner(phone=phone)))
    return made


def _import(service, letters: list[Petition], size: int) -> None:
    keyed = list(import_keys(service, letters))
    for at in range(0, len(keyed), size):
        list(import_batch(service, keyed[at : at + size], None))


def _entries(service, letters: list[Petition]):
    bundle, secret = service.live.engine().bundle, service.vault.identity_secret
    for letter in letters:
        reading = read(letter, bundle.tokeniser, secret)
        yield entry_of(bundle, predict(bundle, [reading.document]), 0, reading)


def test_files_and_databases_give_the_same_candidates(service):
    letters, asked = _seed(150, 2), _seed(60, 3)
    _import(service, letters, 40)
    weights = service.live.engine().bundle.term_weights
    memory = MemoryHistory(weights)
    for entry in _entries(service, letters):
        memory.add(entry)
    found = 0
    with service.store.read() as connection:
        numbers = connection.execute(select(petitions.c.id, petitions.c.seq)).all()
        given = {row.id: letters[row.seq - 1].id for row in numbers}
        history = DatabaseHistory(connection)
        for entry in _entries(service, [replace(letter, id="new") for letter in asked]):
            ours = [given[candidate.id] for candidate in history.candidates(entry, weights)]
            assert ours == [candidate.id for candidate in memory.candidates(entry, weights)]
            found += len(ours)
    assert found > 5 * len(asked)


def test_candidates_come_back_whole(service):
    (letter,) = _seed(1)
    letter = replace(letter, petitioner=Petitioner(phone=_PHONES[0]))
    _import(service, [letter], 1)
    (entry,) = _entries(service, [letter])
    with service.store.read() as connection:
        (found,) = DatabaseHistory(connection).candidates(entry, service.live.engine().bundle.term_weights)
    assert found.keys == entry.keys
    assert found.text == entry.text
    assert pack(found) == pack(entry)


@pytest.mark.parametrize("size", [1, 7, 64])
def test_the_index_is_the_same_however_petitions_came_in(service, size):
    letters = _seed(64, 3)
    _import(service, letters, size)
    lists = MemoryHistory(service.live.engine().bundle.term_weights)
    for entry in _entries(service, letters):
        lists.add(entry)
    with service.store.read() as connection:
        rows = connection.execute(select(link_terms)).all()
    assert {row.term: (row.df, row.seqs) for row in rows} == lists._lists.by_term
    assert sum(row.df > 1 for row in rows) > 100


def test_petitions_of_one_batch_find_each_other(service):
    letter = Petition("", "烧烤店油烟", "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。")
    _import(service, [letter, replace(letter, title="烧烤店油烟！")], 2)
    with service.store.read() as connection:
        first, second = connection.execute(select(petitions.c.id).order_by(petitions.c.seq)).scalars()
    assert [link["id"] for link in get_links(service, second, _ALL)] == [first]


def test_a_petition_not_stored_leaves_no_trace_in_the_index(service, rows):
    letter = Petition("", "烧烤店油烟", "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。")
    before = rows()
    with pytest.raises(RuntimeError):
        _file_and_fail(service, letter)
    assert rows() == before


def _file_and_fail(service, letter: Petition) -> None:
    with service.store.write() as connection:
        index = IndexWriter(connection, service.live.engine().bundle.term_weights)
        (entry,) = _entries(service, [letter])
        index.add(1, replace(entry, keys=frozenset()))
        index.flush()
        assert connection.execute(select(func.count()).select_from(link_terms)).scalar_one() > 3
        raise RuntimeError


def test_a_mass_letter_of_common_words_is_found(service):
    letter = Petition("", "", "路灯坏了，请修理。")
    user = _any_user(service)
    first = submit(service, letter, replace(_ALL, user_id=user)).petition_id
    with service.store.write() as connection:
        # As after a thousand other letters with these words.
        (entry,) = _entries(service, [letter])
        common = update(link_terms).where(link_terms.c.term.in_([int(h) for h in entry.hashes]))
        assert connection.execute(common.values(df=COMMON + 1, seqs=None)).rowcount > 0
    second = submit(service, replace(letter, text="路灯坏了请修理"), replace(_ALL, user_id=user)).petition_id
    (link,) = get_links(service, second, _ALL)
    assert (link["id"], link["kind"]) == (first, "DuplicateText")


def test_a_view_of_another_version_is_passed_over(service):
    first, other = _seed(2)
    letters = [first, replace(first, title="又一次"), other]
    _import(service, letters, 20)
    weights = service.live.engine().bundle.term_weights
    (entry,) = _entries(service, [first])
    with service.store.write() as connection:
        before = DatabaseHistory(connection).candidates(entry, weights)
        connection.execute(update(petitions).where(petitions.c.seq == 1).values(link_view=b"\xff"))
        after = DatabaseHistory(connection).candidates(entry, weights)
    assert len(before) > 1
    assert [found.id for found in after] == [found.id for found in before[1:]]


def test_a_person_of_many_petitions_fills_no_shortlist(service):
    letters = [
        Petition(f"m{i}", "", text, Petitioner(phone=_PHONES[0]))
        for i, text in enumerate(letter.text for letter in _seed(80))
    ]
    _import(service, letters, 80)
    (entry,) = _entries(service, [Petition("new", "", "村口公交站牌倒了。", Petitioner(phone=_PHONES[0]))])
    with service.store.read() as connection:
        found = DatabaseHistory(connection).candidates(entry, service.live.engine().bundle.term_weights)
    assert 0 < len(found) <= SHORTLIST + 8


@pytest.mark.parametrize("attempt", range(5))
def test_two_who_store_the_same_text_at_once_both_succeed_and_are_linked(service, attempt):
    """Two connections and a barrier: neither has seen the other's petition when it begins."""
    user = _any_user(service)
    letter = Petition(
        "", f"第{attempt}次烧烤店油烟", "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
    )
    # Others before it, so that some of the terms exist already and some do not.
    _import(service, _seed(10 * attempt), 50)
    barrier, accepted = Barrier(2), []

    def intake():
        barrier.wait(10)
        accepted.append(submit(service, letter, replace(_ALL, user_id=user)))

    threads = [Thread(target=intake) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    one, other = (answer.petition_id for answer in accepted)
    assert other in {link["id"] for link in get_links(service, one, _ALL)}
    # Whoever came second was told so at once.
    told = [link["id"] for answer in accepted for link in answer.answer["links"]]
    assert len(set(told) & {one, other}) == 1


def test_two_imports_at_once_lose_no_count(service):
    """Batches that share most terms, in opposite orders: no deadlock, and every petition is counted under each term."""
    letters = _seed(60, 2)
    halves = (letters[:30], letters[:29:-1])
    barrier, failures = Barrier(2), []

    def run(half):
        barrier.wait(10)
        try:
            _import(service, half, 10)
        except BaseException as problem:
            failures.append(problem)

    threads = [Thread(target=run, args=(half,)) for half in halves]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    alone = MemoryHistory(service.live.engine().bundle.term_weights)
    for entry in _entries(service, letters):
        alone.add(entry)
    with service.store.read() as connection:
        counts = {row.term: row.df for row in connection.execute(select(link_terms))}
    assert counts == {term: posting.df for term, posting in alone._lists.by_term.items()}


def test_readers_do_not_wait_for_who_writes_the_index(service):
    letters = _seed(10)
    _import(service, letters, 10)
    weights = service.live.engine().bundle.term_weights
    (entry,) = _entries(service, [replace(letters[0], id="new")])
    with service.store.write() as writing:
        index = IndexWriter(writing, weights)
        index.add(11, replace(entry, keys=frozenset()))
        index.flush()
        with service.store.read() as reading:
            found = DatabaseHistory(reading).candidates(entry, weights)
        writing.execute(delete(link_terms))
    assert found
    assert found[0].text == entry.text


def test_who_waits_too_long_for_a_turn_is_told_so(settings, service, monkeypatch):
    """On SQLite the file is locked, on PostgreSQL the index: both give up after the same time with the same words."""
    monkeypatch.setattr("api.store.terms._PATIENCE_MILLISECONDS", 50)
    monkeypatch.setattr("api.store.session._BUSY_MILLISECONDS", 50)
    other = Store(settings.url)
    weights = service.live.engine().bundle.term_weights
    try:
        with service.store.write() as writing:
            IndexWriter(writing, weights).stored()
            with pytest.raises(StoreUnavailableError, match="正忙"), other.write() as late:
                IndexWriter(late, weights).stored()
    finally:
        other.close()


def test_two_schemas_of_a_database_do_not_wait_for_each_other(settings, service):
    if service.store.is_sqlite:
        pytest.skip("a file has no schemas")
    other = make_url(settings.url).update_query_dict({"options": "-csearch_path=other"})
    neighbour = Store(other.render_as_string(hide_password=False))
    weights = service.live.engine().bundle.term_weights
    with service.store.write() as connection:
        connection.execute(text("CREATE SCHEMA other"))
    try:
        neighbour.migrate()
        with service.store.write() as ours, neighbour.write() as theirs:
            assert IndexWriter(ours, weights).stored() == 0
            assert IndexWriter(theirs, weights).stored() == 0
    finally:
        neighbour.close()
        with service.store.write() as connection:
            connection.execute(text("DROP SCHEMA other CASCADE"))


def test_keys_are_kept_as_raw_bytes(service):
    _import(service, [Petition("a", "", "路灯坏了", Petitioner(phone=_PHONES[0]))], 1)
    with service.store.read() as connection:
        (digest,) = connection.execute(select(petitioner_keys.c.digest)).scalars()
    assert isinstance(digest, bytes)
    assert len(digest) == 16


def _any_user(service) -> str:
    with service.store.write() as connection:
        found = connection.execute(select(users.c.id).limit(1)).scalar()
        if found is None:
            found = "u"
            connection.execute(insert(users).values(id="u", name="u", role="admin", created_at=now()))
    return found
