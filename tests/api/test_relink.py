"""Relinking: as if every petition had come in anew, whatever stood in the index before; what people decided stays."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select, update

from api.decisions import Choice, LinkVerdict, decide, get_links, undo
from api.intake import import_batch, import_keys, submit
from api.relink import BATCH, relink
from api.store.firewall import Accusations, Viewer
from api.store.labels import holds
from api.store.meta import key_check
from api.store.petitions import now
from api.store.relink import Progress, progress
from api.store.tables import link_terms, link_terms_next, links, petitions, users
from classifier.errors import ConflictError
from classifier.petition import Petition, Petitioner

_ALL = Viewer("", Accusations.ALL)
_SEED = Path(__file__).resolve().parents[2] / "corpora" / "seed"


@pytest.fixture
def letters() -> list[Petition]:
    """Two batches and a bit; every sixth repeats an earlier one."""
    lines = (_SEED / "04.jsonl").read_text(encoding="utf-8").splitlines()[: 2 * BATCH + 15]
    rows = [json.loads(line) for line in lines]
    return [
        Petition(
            "", row["title"] if i % 5 else "", (row if i % 6 else rows[i // 2])["text"],
            Petitioner(phone="13971234567" if i % 8 == 0 else ""),
        )
        for i, row in enumerate(rows)
    ]  # fmt: skip


@pytest.fixture
def filled(service, letters):
    for key in _batches(list(import_keys(service, letters))):
        list(import_batch(service, key, None))
    return service


def _batches(keyed):
    return [keyed[at : at + 40] for at in range(0, len(keyed), 40)]


def _state(service, evidence=True):
    """Index, views and the links that hold."""
    with service.store.read() as connection:
        terms = {row.term: (row.df, row.seqs) for row in connection.execute(select(link_terms))}
        views = {row.seq: row.link_view for row in connection.execute(select(petitions))}
        found = connection.execute(
            select(
                links.c.petition_id, links.c.other_id, links.c.kind, links.c.score, links.c.evidence
            ).where(holds())
        )
        held = {(row[0], row[1]): tuple(row[2:]) for row in found}
    return terms, views, held


def _quiet(done, total):
    pass


def test_relinking_with_the_same_model_changes_nothing(filled):
    before = _state(filled)
    assert len(before[0]) > 500
    assert len(before[2]) > 8
    relink(filled, _quiet)
    assert _state(filled) == before
    relink(filled, _quiet)
    assert _state(filled) == before


def test_relinking_mends_whatever_stood_there(filled):
    before = _state(filled)
    with filled.store.write() as connection:
        connection.execute(update(petitions).values(link_view=b"\xff"))
        connection.execute(delete(link_terms).where(link_terms.c.df == 1))
        connection.execute(update(link_terms).values(df=77, seqs=None))
        connection.execute(insert(link_terms_next).values(term=5, df=5, seqs=b""))
    relink(filled, _quiet)
    assert _state(filled) == before
    with filled.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(link_terms_next)).scalar_one() == 0


def test_an_empty_database_is_relinked(service):
    assert relink(service, _quiet).done
    user = _any_user(service)
    assert submit(service, Petition("", "", "路灯坏了半年没有人修理。"), user).petition_id


def test_progress_is_shown_to_the_end(filled, letters):
    shown = []
    relink(filled, lambda done, total: shown.append((done, total)))
    assert shown[0] == (0, len(letters))
    assert shown[-1] == (len(letters), len(letters))
    assert [done for done, _ in shown] == sorted(done for done, _ in shown)


class _Stopped(Exception):
    pass


def _stop_at(goal):
    def show(done, total):
        if done >= goal:
            raise _Stopped

    return show


def test_a_relink_cut_off_goes_on_where_it_stopped(filled, letters):
    before = _state(filled)
    with pytest.raises(_Stopped):
        relink(filled, _stop_at(BATCH))
    with filled.store.read() as connection:
        halfway = progress(connection)
        assert halfway is not None
        assert (halfway.run, halfway.upto, halfway.done) == (1, BATCH, False)
    # The index that serves is whole all the while.
    assert _state(filled)[0] == before[0]
    shown = []
    relink(filled, lambda done, total: shown.append(done))
    assert shown[0] == BATCH
    assert _state(filled) == before
    with filled.store.read() as connection:
        assert progress(connection) == Progress(1, halfway.model, len(letters), done=True)
        assert key_check(connection)


def test_another_model_begins_anew(filled, letters):
    with pytest.raises(_Stopped):
        relink(filled, _stop_at(BATCH))
    with filled.store.write() as connection:
        from api.store.relink import advance  # what a relink with an older model left behind

        halfway = progress(connection)
        assert halfway is not None
        advance(connection, halfway, Progress(1, "older", halfway.upto, done=False))
    shown = []
    last = relink(filled, lambda done, total: shown.append(done))
    assert shown[0] == 0
    assert last.run == 2
    with filled.store.read() as connection:
        runs = connection.execute(select(petitions.c.link_run).distinct()).scalars().all()
    assert runs == [2]


def test_two_relinks_at_once_do_not_mix(filled):
    before = _state(filled)

    def other_runs_meanwhile(done, total):
        if done == BATCH:
            relink(filled, _quiet)

    with pytest.raises(ConflictError, match="另一个"):
        relink(filled, other_runs_meanwhile)
    assert _state(filled) == before


def test_what_comes_in_meanwhile_is_linked_and_indexed(filled, letters):
    user, accepted = _any_user(filled), []

    def intake_meanwhile(done, total):
        if not accepted or done == BATCH:
            accepted.append(submit(filled, letters[1], user))

    relink(filled, intake_meanwhile)
    assert len(accepted) == 2
    for answer in accepted:
        assert answer.answer["links"]
        assert get_links(filled, answer.petition_id, _ALL)
    with filled.store.read() as connection:
        first, second = (
            connection.execute(select(petitions.c.seq).where(petitions.c.id == a.petition_id)).scalar_one()
            for a in accepted
        )
        both = [n.to_bytes(4, "little") for n in (first, second)]
        postings = connection.execute(select(link_terms.c.seqs)).scalars().all()
    assert sum(p is not None and all(number in p for number in both) for p in postings) > 5
    assert accepted[0].petition_id in {
        link["id"] for link in get_links(filled, accepted[1].petition_id, _ALL)
    }


def test_what_people_decided_stays_and_what_nobody_did_is_superseded(filled):
    """Links no model would suggest: one undecided, one confirmed, one rejected; and a rejected one that every model suggests."""
    user = _any_user(filled)
    (_, _, held) = _state(filled)
    (likely, earlier), kept = next(iter(sorted(held.items())))
    decide(filled, likely, Choice(links=(LinkVerdict(earlier, False),)), user)
    with filled.store.read() as connection:
        ids = connection.execute(select(petitions.c.id).order_by(petitions.c.seq)).scalars().all()
    # Of neither end of the pair looked at below: ids are drawn, so which pair that is differs from run to run.
    pairs = ((ids[i], ids[j]) for i in range(20, 40) for j in range(5))
    unlinked = [pair for pair in pairs if pair not in held and not {*pair} & {likely, earlier}][::7]
    undecided, confirmed, rejected = unlinked[:3]
    with filled.store.write() as connection:
        for petition, other in (undecided, confirmed, rejected):
            connection.execute(
                insert(links).values(
                    petition_id=petition, other_id=other, kind="SharedMatter", score=0.5, evidence="{}", created_at=now()
                )
            )  # fmt: skip
    decide(filled, confirmed[0], Choice(links=(LinkVerdict(confirmed[1], True),)), user)
    decide(filled, rejected[0], Choice(links=(LinkVerdict(rejected[1], False),)), user)
    with filled.store.read() as connection:
        count = connection.execute(select(func.count()).select_from(links)).scalar_one()
    relink(filled, _quiet)
    _, _, after = _state(filled)
    expected = {pair: value for pair, value in held.items() if pair != (likely, earlier)}
    expected |= {pair: ("SharedMatter", 0.5, "{}") for pair in (confirmed, rejected)}
    assert after == expected | {(likely, earlier): kept}
    assert undecided[1] not in {link["id"] for link in get_links(filled, undecided[0], _ALL)}
    verdicts = {link["id"]: link["confirmed"] for link in get_links(filled, confirmed[0], _ALL)}
    assert verdicts[confirmed[1]] is True
    verdicts = {link["id"]: link["confirmed"] for link in get_links(filled, likely, _ALL)}
    assert verdicts[earlier] is False
    assert all(link["confirmed"] is None for link in get_links(filled, earlier, _ALL) if link["id"] != likely)
    with filled.store.read() as connection:
        # Nothing was taken away, and the rejected pair was not suggested again.
        rows = connection.execute(select(links.c.petition_id, links.c.other_id, links.c.run)).all()
    assert len(rows) == count + len(held) - 1
    assert (likely, earlier, 1) not in {tuple(row) for row in rows}


def test_after_an_undo_a_link_stays_until_a_relink_suggests_what_the_model_finds(filled):
    """A likely pair and one that no model would suggest, both judged before one relink and taken back after it."""
    user, (_, _, held) = _any_user(filled), _state(filled)
    likely = min(held)
    with filled.store.write() as connection:
        ids = connection.execute(select(petitions.c.id).order_by(petitions.c.seq)).scalars().all()
        unlikely = next((ids[i], ids[0]) for i in range(20, 40) if (ids[i], ids[0]) not in held)
        connection.execute(
            insert(links).values(
                petition_id=unlikely[0], other_id=unlikely[1], kind="SharedMatter", score=0.5, evidence="{}", created_at=now()
            )
        )  # fmt: skip
    for petition, other in (likely, unlikely):
        decide(filled, petition, Choice(links=(LinkVerdict(other, True),)), user)
    relink(filled, _quiet)
    for petition, other in (likely, unlikely):
        undo(filled, petition, user, link=other)
        shown = [link["confirmed"] for link in get_links(filled, petition, _ALL) if link["id"] == other]
        assert shown == [None]
    assert _state(filled)[2] == held | {unlikely: ("SharedMatter", 0.5, "{}")}
    relink(filled, _quiet)
    assert _state(filled)[2] == held
    with filled.store.read() as connection:
        runs = select(links.c.run).where(links.c.petition_id == likely[0], links.c.other_id == likely[1])
        assert set(connection.execute(runs).scalars()) == {0, 1, 2}, "the last one is fresh"


def test_a_verdict_given_while_a_relink_suggests_the_pair_anew_is_the_one_shown(filled):
    user = _any_user(filled)
    (petition, other), _ = next(iter(_state(filled)[2].items()))
    decide(filled, petition, Choice(links=(LinkVerdict(other, True),)), user)
    with filled.store.write() as connection:
        connection.execute(
            insert(links).values(
                petition_id=petition, other_id=other, kind="SharedMatter", score=1.0, evidence="{}", created_at=now(), run=1
            )
        )  # fmt: skip
        connection.execute(update(petitions).values(link_run=1))
    shown = [link for link in get_links(filled, petition, _ALL) if link["id"] == other]
    assert [link["confirmed"] for link in shown] == [True]


def _any_user(service) -> Viewer:
    with service.store.read() as connection:
        return replace(_ALL, user_id=connection.execute(select(users.c.id).limit(1)).scalar_one())
