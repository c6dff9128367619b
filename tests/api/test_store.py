"""Transactions: a request is stored whole or leaves nothing; moments come back as they went in, on either database."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import insert, select, text

from api.intake import submit
from api.store.petitions import now
from api.store.session import Store
from api.store.tables import idempotency, link_terms, petitioner_keys, petitions, users
from classifier.errors import ConflictError, InputError
from classifier.petition import Petition, Petitioner


@pytest.fixture
def refusing_idempotency(service):
    """A database that refuses the last row of a submission, after everything else was written."""
    store = service.store
    with store.write() as connection:
        if store.is_sqlite:
            connection.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON idempotency BEGIN SELECT RAISE(ABORT, 'no'); END"
                )
            )
        else:
            connection.execute(
                text(
                    "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql "
                    "AS $$ BEGIN RAISE EXCEPTION 'no'; END $$"
                )
            )
            connection.execute(
                text(
                    "CREATE TRIGGER refuse BEFORE INSERT ON idempotency FOR EACH ROW EXECUTE FUNCTION refuse()"
                )
            )

    def permit():
        with store.write() as connection:
            if store.is_sqlite:
                connection.execute(text("DROP TRIGGER IF EXISTS refuse"))
            else:
                connection.execute(text("DROP FUNCTION IF EXISTS refuse CASCADE"))

    yield permit
    permit()


def test_a_write_that_fails_at_its_end_leaves_nothing(http, letter, refusing_idempotency, rows):
    before = rows()
    status, _ = http.outcome(http.post("/v1/petitions", letter, headers={"Idempotency-Key": "k"}))
    assert status in {409, 503}
    assert rows() == before
    refusing_idempotency()
    assert http.post("/v1/petitions", letter, headers={"Idempotency-Key": "k"}).status_code == 201
    assert rows()["petitions"] == before["petitions"] + 1


def test_a_use_case_that_breaks_off_leaves_nothing(service, rows):
    before = rows()
    user = {"id": "x", "name": "x", "role": "admin", "created_at": now()}
    with pytest.raises(ConflictError), service.store.write() as connection:
        connection.execute(insert(users), [user, user | {"id": "y", "name": "y"}, user])
    assert rows() == before


def test_a_stored_petition_is_there_for_the_next_process(service, settings, administrator):
    petition = Petition("", "", "厂里三个月没有发工资，请帮忙追讨。", Petitioner(phone="13971234567"))
    accepted = submit(service, petition, administrator)
    service.close()
    other = Store(settings.url)
    try:
        with other.read() as connection:
            seq = connection.execute(
                select(petitions.c.seq).where(petitions.c.id == accepted.petition_id)
            ).scalar_one()
            postings = connection.execute(select(link_terms.c.df, link_terms.c.seqs)).all()
            assert len(postings) > 3
            assert all(row.df == 1 and row.seqs == seq.to_bytes(4, "little") for row in postings)
            keys = connection.execute(select(petitioner_keys)).mappings().all()
            assert [(row["kind"], row["seq"], len(row["digest"])) for row in keys] == [("phone", seq, 16)]
    finally:
        other.close()


def test_foreign_keys_hold(service):
    with pytest.raises(ConflictError), service.store.write() as connection:
        connection.execute(
            insert(idempotency).values(
                user_id="nobody", key="k", body_digest="d", petition_id="nothing", created_at=now()
            )
        )


def test_moments_come_back_aware_and_in_utc(service):
    given = datetime(2026, 3, 4, 21, 10, 5, 123_456, tzinfo=timezone(timedelta(hours=8)))
    with service.store.write() as connection:
        connection.execute(
            insert(users).values(id="x", name="x", role="admin", created_at=given.astimezone(UTC))
        )
    with service.store.read() as connection:
        found = connection.execute(select(users.c.created_at).where(users.c.id == "x")).scalar_one()
    assert found == given
    assert found.utcoffset() == timedelta(0)


def test_a_value_no_database_keeps_is_the_senders_fault(service):
    """PostgreSQL takes no NUL. SQLite does, and nothing of ours then breaks on reading it."""
    refused = nullcontext() if service.store.is_sqlite else pytest.raises(InputError)
    with refused, service.store.write() as connection:
        connection.execute(insert(users).values(id="x", name="a\0b", role="admin", created_at=now()))


def test_sqlite_keeps_what_it_acknowledged_through_a_power_cut(service):
    if not service.store.is_sqlite:
        pytest.skip("settings of SQLite")
    with service.store.read() as connection:
        pragmas = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
