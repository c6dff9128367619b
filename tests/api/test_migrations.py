"""The database as migrations make it: the tables of tables.py, kept through upgrades, append-only where it must be."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import (
    BigInteger,
    Column,
    MetaData,
    Table,
    column,
    delete,
    insert,
    inspect,
    select,
    table,
    text,
    update,
)

from api.decisions import (
    Choice,
    LinkVerdict,
    decide,
    get_links,
    get_one,
    get_original,
    reply,
    send_back,
    undo,
)
from api.intake import submit
from api.matters import split_matter
from api.store.clock import now
from api.store.migrations.run import upgrade
from api.store.session import HEAD, Store
from api.store.tables import (
    APPEND_ONLY,
    link_decisions,
    link_terms,
    links,
    matter_events,
    matter_members,
    metadata,
    petitioner_keys,
    petitions,
    returns,
    reviews,
    suggestions,
    users,
)
from classifier.dates import CHINA
from classifier.errors import ConflictError, SchemaTooNewError, StoreError, StoreUnavailableError
from classifier.petition import Petition

_LATER = timedelta(days=3)
_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"


@pytest.fixture
def store(blank_url):
    opened = Store(blank_url)
    yield opened
    opened.close()


def _at_first_revision(store: Store) -> None:
    with store.write() as connection:
        upgrade(connection, "0001")


def _petition_row(moment: datetime) -> dict[str, object]:
    return {
        "id": "p1",
        "created_at": moment,
        "created_by": "u1",
        "title": "标题",
        "text": "正文",
        "original": b"\x00\xff",
    }


def _old_link(number: int, petition: str, other: str) -> dict[str, object]:
    moment = datetime(2026, 3, 4, tzinfo=UTC)
    ends = {"petition_id": petition, "other_id": other}
    return {"id": number, "kind": "SharedMatter", "score": 0.5, "evidence": "{}", "created_at": moment} | ends


def _hashes(*terms: int) -> bytes:
    return np.array(terms, dtype="<i8").tobytes()


def _counts(*counts: int) -> bytes:
    return np.array(counts, dtype="<i4").tobytes()


# As the first revision made them.
_old_petitions = table(
    "petitions",
    *(column(name) for name in ("seq", "id", "created_at", "created_by", "title", "text", "original")),
    column("term_hashes"),
    column("term_counts"),
)
_old_terms = table("petition_terms", column("term", BigInteger), column("seq"))
_old_links = table("links", *(column(name) for name in _old_link(1, "", "")))
_old_keys = table("petitioner_keys", column("kind"), column("digest"), column("seq"))


def _other_default(context, found_column, declared_column, found, declared, rendered) -> bool:
    """Whether two defaults differ: SQLite gives the empty one back as (''), which Alembic takes for another."""
    return (found or "").strip("()'") != (rendered or "").strip("'")


def test_migrations_build_exactly_the_declared_tables(store):
    store.migrate()
    with store.read() as connection:
        defaults = _other_default if store.is_sqlite else True
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": defaults}
        )
        assert compare_metadata(context, metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
    assert store.revision() == HEAD


def test_link_index_tables_keep_no_second_copy_of_their_key_on_sqlite(store):
    store.migrate()
    if not store.is_sqlite:
        pytest.skip("row ids are SQLite's own")
    query = "SELECT name FROM sqlite_master WHERE sql LIKE '%WITHOUT ROWID%'"
    with store.read() as connection:
        found = set(connection.execute(text(query)).scalars())
    declared = {
        t.name for t in metadata.tables.values() if t.dialect_options["sqlite"]["with_rowid"] is False
    }
    assert found == declared == {"link_terms", "link_terms_next", "petitioner_keys"}


def test_a_first_revision_database_is_upgraded_with_what_it_holds(store):
    moment = datetime(2026, 3, 4, 13, 10, 0, 250_000, tzinfo=UTC)
    _at_first_revision(store)
    with store.write() as connection:
        connection.execute(insert(users).values(id="u1", name="王", role="admin", created_at=moment))
        connection.execute(
            insert(_old_petitions).values(**_petition_row(moment), term_hashes=b"", term_counts=b"")
        )
        connection.execute(
            insert(suggestions).values(petition_id="p1", model_version="m", answer="{}", created_at=moment)
        )
    store.migrate()
    assert store.revision() == HEAD
    with store.read() as connection:
        row = connection.execute(select(petitions)).mappings().one()
        assert {name: row[name] for name in _petition_row(moment)} == _petition_row(moment)
        assert connection.execute(select(suggestions.c.petition_id)).scalars().all() == ["p1"]
    with pytest.raises(StoreError), store.write() as connection:
        connection.execute(text("DELETE FROM suggestions"))


def test_the_link_index_is_carried_over(store):
    """Views, postings and digests of the second revision, with terms just below, at and above the limits of the third."""
    terms = {-(2**63): 1, -5: 99, 7: 100, 8: 101, 9: 1_000, 2**63 - 1: 1_001}
    views = {seq: (_hashes(*range(seq % 4)), _counts(*range(1, seq % 4 + 1))) for seq in range(1, 1_002)}
    with store.write() as connection:
        upgrade(connection, "0002")
        rows = [
            {
                "seq": seq,
                "id": f"p{seq}",
                "created_at": datetime(2026, 3, 4, tzinfo=UTC),
                "created_by": None,
                "title": "标题",
                "text": f"正文{seq}",
                "original": b"",
                "term_hashes": hashes,
                "term_counts": counts,
            }
            for seq, (hashes, counts) in views.items()
        ]
        connection.execute(insert(_old_petitions), rows)
        postings = [{"term": term, "seq": seq + 1} for term, count in terms.items() for seq in range(count)]
        connection.execute(insert(_old_terms), postings)
        keys = [{"kind": "phone", "digest": f"{seq:032x}", "seq": seq} for seq in (1, 255, 1_001)] + [
            {"kind": "id_number", "digest": "f" * 32, "seq": 1}
        ]
        connection.execute(insert(_old_keys), keys)
        moment = datetime(2026, 3, 4, tzinfo=UTC)
        connection.execute(insert(users).values(id="u1", name="王", role="admin", created_at=moment))
        connection.execute(insert(_old_links), [_old_link(7, "p2", "p1"), _old_link(9, "p3", "p2")])
        connection.execute(
            insert(link_decisions).values(link_id=9, confirmed=True, user_id="u1", created_at=moment)
        )
    store.migrate()
    with store.read() as connection:
        found = {row.term: row for row in connection.execute(select(link_terms))}
        assert {term: row.df for term, row in found.items()} == terms
        for term, count in terms.items():
            latest = np.arange(max(1, count - 99), count + 1, dtype="<u4").tobytes()
            assert found[term].seqs == (latest if count <= 1_000 else None)
        packed = connection.execute(select(petitions.c.seq, petitions.c.text, petitions.c.link_view)).all()
        assert len(packed) == len(views)
        for seq, words, view in packed:
            assert words == f"正文{seq}"
            # The form of version 1, written out: what a later program packs is another matter.
            hashes, counts = views[seq]
            assert view == b"\1" + (seq % 4).to_bytes(4, "little") + hashes + counts
        carried = connection.execute(select(petitioner_keys)).mappings().all()
    assert {(row["kind"], row["digest"].hex(), row["seq"]) for row in carried} == {
        (key["kind"], key["digest"], key["seq"]) for key in keys
    }
    for broken in (
        insert(petitioner_keys).values(kind="phone", digest=b"x" * 16, seq=5_000),
        insert(links).values(**_old_link(10, "p4", "nobody")),
        insert(links).values(**_old_link(10, "p2", "p1")),
        insert(link_decisions).values(link_id=8, confirmed=True, user_id="u1", created_at=moment),
    ):
        with pytest.raises(ConflictError), store.write() as connection:
            connection.execute(broken)
    with pytest.raises(StoreError), store.write() as connection:
        connection.execute(delete(links))
    with store.write() as connection:
        connection.execute(insert(links).values(**_old_link(10, "p2", "p1"), run=1))
        found = connection.execute(select(links.c.id, links.c.run, links.c.evidence).order_by(links.c.id))
        assert found.all() == [(7, 0, "{}"), (9, 0, "{}"), (10, 1, "{}")]


def test_links_confirmed_before_there_were_matters_become_matters(store):
    moment = datetime(2026, 3, 4, tzinfo=UTC)
    with store.write() as connection:
        upgrade(connection, "0002")
        plain = Table("users", MetaData(), *(Column(name) for name in ("id", "name", "role")))
        row = _petition_row(moment) | {"term_hashes": b"", "term_counts": b""}
        old_petitions = Table("petitions", MetaData(), *(Column(name) for name in row))
        stamp = {"created_at": moment.isoformat(sep=" ") if store.is_sqlite else moment}
        user = {"id": "u1", "name": "王", "role": "admin"} | stamp
        plain.append_column(Column("created_at"))
        connection.execute(insert(plain).values(user))
        connection.execute(insert(old_petitions), [row | stamp | {"id": f"p{n}"} for n in range(7)])
        for number, (one, other, said) in enumerate(
            [(1, 0, (True,)), (2, 1, (False, True)), (3, 2, (True, False)), (4, 3, ()), (6, 5, (True,))], 1
        ):
            connection.execute(
                insert(links).values(
                    petition_id=f"p{one}",
                    other_id=f"p{other}",
                    kind="k",
                    score=1,
                    evidence="{}",
                    created_at=moment,
                )
            )
            for confirmed in said:
                connection.execute(
                    insert(link_decisions).values(
                        link_id=number, confirmed=confirmed, user_id="u1", created_at=moment
                    )
                )
    store.migrate()
    with store.read() as connection:
        members = connection.execute(select(matter_members)).all()
        events = connection.execute(
            select(
                matter_events.c.petition_id,
                matter_events.c.matter_id,
                matter_events.c.event,
                links.c.petition_id,
                links.c.other_id,
            )
            .join(link_decisions, link_decisions.c.id == matter_events.c.link_decision_id)
            .join(links, links.c.id == link_decisions.c.link_id)
        ).all()
    groups = {matter: {p for p, m in members if m == matter} for _, matter in members}
    assert sorted(map(sorted, groups.values())) == [["p0", "p1", "p2"], ["p5", "p6"]]
    assert {(petition, matter) for petition, matter, *_ in events} == set(map(tuple, members))
    assert all(event == "joined" and petition in ends for petition, _, event, *ends in events)
    with pytest.raises(StoreError), store.write() as connection:
        connection.execute(text("DELETE FROM matter_events"))


def test_decisions_of_before_get_what_later_columns_say(store):
    """Roles, the decision in force, which decision a return answers, a place in the queue; and protection is as before."""
    moment = datetime(2026, 3, 4, tzinfo=UTC)

    def rows_of(*items: dict[str, object]) -> list[dict[str, object]]:
        number = {"created_at": moment.isoformat(sep=" ") if store.is_sqlite else moment}
        return [{"id": i, **item} | number for i, item in enumerate(items, 1)]

    def put(connection, name: str, rows: list[dict[str, object]]) -> None:
        connection.execute(insert(Table(name, MetaData(), *map(Column, rows[0]))), rows)

    answer = {"categories": [{"code": "0402", "probability": 0.4}], "abstained": True}
    answer |= {"kind": {"name": "咨询", "probability": 0.7}, "units": [{"id": "u"}]}
    with store.write() as connection:
        upgrade(connection, "0004")
        put(connection, "users", rows_of({"id": "u1", "name": "王", "role": "reviewer"}))
        given = {"title": "t", "text": "x", "original": b"", "link_view": b""}
        states = ("已退回", "已认定", "待认定")
        put(
            connection,
            "petitions",
            rows_of(*({"id": f"p{n}", "status": status} | given for n, status in enumerate(states))),
        )
        suggested = {"model_version": "m", "answer": json.dumps(answer)}
        put(connection, "suggestions", rows_of(*({"petition_id": f"p{n}"} | suggested for n in range(3))))
        decided = {"suggestion_id": 1, "unit": "ecology", "user_id": "u1"}
        put(
            connection,
            "decisions",
            rows_of(*({"petition_id": p} | decided for p in ("p0", "p1", "p0", "p1"))),
        )
        returned = {"unit": "ecology", "reason": "不归我们管", "user_id": "u1"}
        late = rows_of({"petition_id": "p0"} | returned)
        later = moment + _LATER
        put(
            connection,
            "returns",
            [late[0] | {"created_at": later.isoformat(sep=" ") if store.is_sqlite else later}],
        )
        ends = {"petition_id": "p1", "other_id": "p0", "kind": "k", "score": 1, "evidence": "{}"}
        put(connection, "links", rows_of(ends))
        put(connection, "link_decisions", rows_of({"link_id": 1, "confirmed": True, "user_id": "u1"}))
    store.migrate()
    with store.read() as connection:
        for name in ("decisions", "returns", "link_decisions"):
            found = connection.execute(select(metadata.tables[name].c.role)).scalars().all()
            assert set(found) == {"reviewer"}, name
        held = connection.execute(select(petitions.c.id, petitions.c.decision_id).order_by(petitions.c.seq))
        assert held.all() == [("p0", 3), ("p1", 4), ("p2", None)]
        assert connection.execute(select(returns.c.decision_id, returns.c.late)).one() == (3, False)
        queue = connection.execute(select(reviews).order_by(reviews.c.seq)).mappings().all()
    assert [(row["open"], row["sampled"], row["usefulness"]) for row in queue] == [
        (False, False, 0.3),
        (False, False, 0.3),
        (True, False, 0.3),
    ]
    assert {(row["category"], row["kind"], row["unit"], row["doubts"]) for row in queue} == {
        ("0402", "咨询", "u", "uncertain")
    }
    # And since when each waits, and how sure the suggestion was.
    assert {(row["abstained"], row["category_p"], row["kind_p"]) for row in queue} == {(True, 0.4, 0.7)}
    with store.read() as connection:
        waits = connection.execute(select(petitions.c.waits_since).order_by(petitions.c.seq)).scalars().all()
    assert waits == [moment + _LATER, None, moment]
    for name in ("decisions", "returns", "link_decisions"):
        with pytest.raises(StoreError), store.write() as connection:
            connection.execute(update(metadata.tables[name]).values(role="admin"))


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(store):
    _at_first_revision(store)
    with store.write() as connection:
        # In the way of the second revision, on its last table: what it made before must go again.
        if store.is_sqlite:
            connection.execute(
                text("CREATE TRIGGER access_log_no_delete BEFORE DELETE ON access_log BEGIN SELECT 1; END")
            )
        else:
            connection.execute(
                text(
                    "CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN OLD; END $$"
                )
            )
            connection.execute(
                text(
                    "CREATE TRIGGER access_log_append_only BEFORE DELETE ON access_log "
                    "FOR EACH ROW EXECUTE FUNCTION other()"
                )
            )
    with pytest.raises(StoreUnavailableError):
        store.migrate()
    assert store.revision() == "0001"
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        if store.is_sqlite
        else "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
    )
    with store.read() as connection:
        assert len(connection.execute(text(names)).scalars().all()) == 1


def test_a_database_of_a_newer_program_is_refused_untouched(store):
    store.migrate()
    with store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(SchemaTooNewError, match="0999"):
        store.migrate()
    assert store.revision() == "0999"


def test_migrating_twice_changes_nothing(store):
    store.migrate()
    with store.write() as connection:
        connection.execute(
            insert(users).values(id="u1", name="王", role="admin", created_at=datetime.now(UTC))
        )
    store.migrate()
    with store.read() as connection:
        assert connection.execute(select(users.c.name)).scalars().all() == ["王"]


@pytest.fixture
def full_history(service, administrator):
    """A service whose every append-only table has a row."""
    user = administrator
    first, second = (submit(service, Petition("", "烧烤店油烟", _TEXT), user).petition_id for _ in range(2))
    (link,) = get_links(service, second, user)
    assert link["id"] == first
    links_too = (LinkVerdict(first, True),)
    decide(service, second, Choice(unit="城管局", joint_units=("公安局",), links=links_too), user)
    undo(service, second, user)
    decide(service, second, Choice(category="040206", unit="城管局"), user)
    send_back(service, second, "城管局", "不归我们管", user)
    get_original(service, second, user)
    decide(service, first, Choice(unit="城管局"), user)
    reply(service, first, "城管局", now().astimezone(CHINA).date(), "", user)
    split_matter(service, get_one(service, second, user)["matter"]["id"], {second}, "不是同一家店", user)
    return service


def test_append_only_tables_refuse_update_and_delete(full_history, rows):
    store, before = full_history.store, rows()
    refused = {}
    for name in APPEND_ONLY:
        assert before[name] > 0, name
        target = metadata.tables[name]
        for statement in (delete(target), update(target).values(created_at=target.c.created_at)):
            with pytest.raises(StoreError) as caught, store.write() as connection:
                connection.execute(statement)
            refused[name, type(statement)] = str(caught.value)
    assert len(refused) == 2 * len(APPEND_ONLY) == 26
    assert rows() == before
    assert all(table not in message for message in refused.values() for table in APPEND_ONLY)


def test_every_record_of_a_decision_is_append_only(service):
    """A table whose rows say who did what when, and which has a number of its own, must be among the protected."""
    records = {
        table.name
        for table in metadata.sorted_tables
        if "id" in table.c and table.c.id.autoincrement is True and "created_at" in table.c
    }
    # The trail numbers its rows itself; failures to sign in are forgotten after a quarter of an hour.
    assert records | {"audit"} == set(APPEND_ONLY) | {"sign_in_failures"}
