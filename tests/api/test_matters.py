"""Matters: made by confirmed links, kept in line with every verdict, split by people, counted without counting anybody."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from threading import Barrier, Thread

import pytest
from sqlalchemy import MetaData, Table, inspect, select

from api.decisions import Choice, LinkVerdict, decide
from api.matters import due_at, firsts, unit_in_charge
from api.store.tables import links, matter_events, metadata
from classifier.dates import CHINA

_TEXT = "青石街道锦和苑小区楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"


@pytest.fixture
def four(http):
    """Four petitions of four strangers, each linked to every other."""
    return [http.submit(_TEXT) for _ in range(4)]


def _verdict(http, mine, other, confirmed=True, role="intake"):
    body = {"links": [{"id": other, "confirmed": confirmed}]}
    answer = http.post(f"/v1/petitions/{mine}/decisions", body, role=role)
    assert answer.status_code == 201, answer.text
    return answer.json()


def _matter(http, petition):
    return http.get(f"/v1/petitions/{petition}").json()["matter"]


def _number(http, petition):
    matter = _matter(http, petition)
    return matter["id"] if matter else None


def _split(http, matter, petitions, reason="不是同一家店", role="reviewer"):
    return http.post(
        f"/v1/matters/{matter}/split", {"petitions": list(petitions), "reason": reason}, role=role
    )


def _groups(http, petitions):
    numbers = {petition: _number(http, petition) for petition in petitions}
    return sorted(
        "".join("abcd"[petitions.index(p)] for p in petitions if numbers[p] == number)
        for number in set(numbers.values()) - {None}
    )


def _events(service):
    query = select(matter_events.c.event, matter_events.c.petition_id, matter_events.c.matter_id)
    with service.store.read() as connection:
        return [tuple(row) for row in connection.execute(query.order_by(matter_events.c.id))]


def test_a_petition_without_a_confirmed_link_is_on_no_matter(http, four):
    assert [_matter(http, petition) for petition in four] == [None] * 4
    _verdict(http, four[0], four[1], confirmed=False)
    assert [_matter(http, petition) for petition in four] == [None] * 4


def test_confirming_joins_matters_and_the_older_number_survives(http, service, four):
    a, b, c, d = four
    _verdict(http, c, d)
    older = _number(http, c)
    _verdict(http, a, b)
    younger = _number(http, a)
    assert older != younger
    assert _verdict(http, a, d)["matter"]["id"] == older
    assert _groups(http, four) == ["abcd"]
    assert [_number(http, petition) for petition in four] == [older] * 4
    expected = [("joined", c, older), ("joined", d, older), ("joined", a, younger), ("joined", b, younger)]
    expected += [("left", a, younger), ("left", b, younger), ("joined", a, older), ("joined", b, older)]
    found = _events(service)
    assert [sorted(found[:2]), sorted(found[2:4]), sorted(found[4:6]), sorted(found[6:])] == [
        sorted(expected[at : at + 2]) for at in range(0, 8, 2)
    ]


def test_to_reject_what_was_confirmed_restores_both_matters(http, four):
    a, b, c, d = four
    _verdict(http, a, b)
    _verdict(http, c, d)
    before = [_number(http, petition) for petition in four]
    _verdict(http, b, c)
    _verdict(http, b, c, confirmed=False)
    assert [_number(http, petition) for petition in four] == before
    assert _groups(http, four) == ["ab", "cd"]


def test_to_confirm_again_brings_the_number_back(http, four):
    a, b, *_ = four
    _verdict(http, a, b)
    number = _number(http, a)
    _verdict(http, b, a, confirmed=False)
    assert _groups(http, four) == []
    _verdict(http, a, b)
    assert _number(http, b) == number


def test_the_same_verdict_again_moves_nothing(http, service, four):
    for one, other in pairwise(four):
        _verdict(http, one, other)
    before = _events(service)
    _verdict(http, four[0], four[1])
    _verdict(http, four[1], four[0])
    _verdict(http, four[0], four[3])  # closes the ring: they were on one matter already
    assert _events(service) == before


def test_a_matter_holds_while_another_path_does(http, four):
    a, b, c, _ = four
    for one, other in ((a, b), (b, c), (c, a)):
        _verdict(http, one, other)
    _verdict(http, a, c, confirmed=False)
    assert _groups(http, four) == ["abc"]
    matter = http.get(f"/v1/matters/{_number(http, a)}").json()
    assert matter["rejected_pairs"] == [sorted([a, c])], "shown to people, who may split"
    _verdict(http, a, b, confirmed=False)
    assert _groups(http, four) == ["bc"]


def test_several_verdicts_in_one_decision(http, four):
    a, b, c, d = four
    body = {"links": [{"id": other, "confirmed": True} for other in (b, c, d)]}
    http.post(f"/v1/petitions/{a}/decisions", body)
    assert _groups(http, four) == ["abcd"]


def test_a_decision_that_fails_moves_nothing(http, rows, four):
    before = rows()
    body = {"links": [{"id": four[1], "confirmed": True}, {"id": "nothing", "confirmed": True}]}
    assert http.outcome(http.post(f"/v1/petitions/{four[0]}/decisions", body)) == (404, "not-found")
    assert rows() == before


def test_two_verdicts_at_the_same_moment_make_one_matter(http, service, administrator, four):
    for round_ in range(3):
        barrier, failed = Barrier(3), []

        def confirm(one, other, barrier=barrier, failed=failed):
            barrier.wait()
            try:
                decide(service, one, Choice(links=(LinkVerdict(other, True),)), administrator)
            except BaseException as problem:
                failed.append(problem)

        threads = [Thread(target=confirm, args=ends) for ends in pairwise(four)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert _groups(http, four) == ["abcd"], round_
        for one, other in pairwise(four):
            _verdict(http, one, other, confirmed=False)
        assert _groups(http, four) == []


@pytest.fixture
def chain(http, four):
    """All four on one matter by three links; the other three are only suggested."""
    for one, other in pairwise(four):
        _verdict(http, one, other)
    return _number(http, four[0])


def test_a_split_parts_two_sides_and_keeps_who_when_why(http, four, chain):
    a, b, c, d = four
    answer = _split(http, chain, (c, d), reason="  另一家店，电话13971234567 ")
    assert answer.status_code == 201
    assert _groups(http, four) == ["ab", "cd"]
    assert _number(http, a) == chain, "the side with its longest-standing petition keeps the number"
    assert {row["id"] for row in answer.json()["items"]} == {a, b}
    moves = [event for event in answer.json()["events"] if event["cause"] == "split"]
    assert {(event["event"], event["petition_id"]) for event in moves} == {("left", c), ("left", d)}
    assert {event["reason"] for event in moves} == {"另一家店，电话〈手机号〉"}
    assert answer.json() == http.get(f"/v1/matters/{chain}").json()


def test_no_link_is_suggested_across_a_split(http, service, four, chain):
    a, b, c, d = four
    _split(http, chain, (c, d))
    for mine, across in ((a, {c, d}), (b, {c, d}), (c, {a, b}), (d, {a, b})):
        shown = {
            link["id"]: link["confirmed"] for link in http.get(f"/v1/petitions/{mine}/links").json()["items"]
        }
        assert {other for other, confirmed in shown.items() if confirmed is False} == across
        suggested = http.get(f"/v1/petitions/{mine}").json()["suggestion"]["links"]
        assert not across & {link["id"] for link in suggested}


def test_a_link_found_after_a_split_is_not_suggested_either(http, service, four, chain):
    """A pair without any link at the time of the split; a later search over the archive finds one."""
    a, _, _, d = four
    newcomer = http.submit("请问申请低保需要什么材料，去哪里办理？")
    _add_link(service, newcomer, d)
    _verdict(http, newcomer, d)
    assert _number(http, newcomer) == chain
    assert a not in _links(http, newcomer)
    _split(http, chain, [newcomer])
    _add_link(service, newcomer, a)
    assert (_links(http, newcomer)[a], _links(http, a)[newcomer]) == (False, False)
    _verdict(http, a, newcomer)
    assert (_links(http, newcomer)[a], _links(http, a)[newcomer]) == (True, True), (
        "people may change their mind"
    )
    assert _number(http, newcomer) == chain


def test_a_verdict_is_on_the_pair_whichever_way_its_links_are_written(http, service, four):
    """Two writers at the same moment may each have found the other."""
    a, b, *_ = four
    _add_link(service, a, b, score=0.51)
    assert list(_links(http, a)).count(b) == 1
    for confirmed in (True, False, True):
        _verdict(http, a, b, confirmed)
        assert _links(http, a)[b] is _links(http, b)[a] is confirmed
        assert _groups(http, four) == ["ab"] * confirmed


def _add_link(service, petition, other, score=1.0):
    with service.store.write() as connection:
        connection.execute(
            links.insert().values(
                petition_id=petition,
                other_id=other,
                kind="SharedMatter",
                score=score,
                evidence='{"passages": [], "terms": [], "keys": [], "similarity": 0.5}',
                created_at=datetime(2026, 3, 4, tzinfo=UTC),
            )
        )


def _links(http, petition):
    items = http.get(f"/v1/petitions/{petition}/links").json()["items"]
    assert len({link["id"] for link in items}) == len(items)
    return {link["id"]: link["confirmed"] for link in items}


def test_a_side_that_nothing_holds_together_falls_apart(http, four, chain):
    a, b, c, d = four
    answer = _split(http, chain, (a, c))
    assert _groups(http, four) == []
    assert answer.json()["items"] == []
    assert answer.json()["petitions"] == answer.json()["petitioners"] == 0
    assert (answer.json()["opened_at"], answer.json()["due_at"], answer.json()["overdue"]) == (
        None,
        None,
        False,
    )
    assert {event["petition_id"] for event in answer.json()["events"]} == {a, b, c, d}, "the history stays"


def test_a_split_that_cannot_be(http, rows, four, chain):
    stranger = http.submit("请问申请低保需要什么材料，去哪里办理？")
    _split(http, "nothing", four[:1])  # the reviewer is a row, too
    before = rows()
    for matter, petitions, reason, status, code in (
        (chain, four[:1], " ", 422, "bad-input"),
        (chain, [], "理由", 422, "bad-input"),
        (chain, four, "理由", 422, "bad-input"),
        (chain, [stranger], "理由", 422, "bad-input"),
        (chain, ["nothing"], "理由", 422, "bad-input"),
        ("nothing", four[:1], "理由", 404, "not-found"),
    ):
        assert http.outcome(_split(http, matter, petitions, reason)) == (status, code), (petitions, reason)
    assert rows() == before
    assert http.outcome(http.get("/v1/matters/nothing")) == (404, "not-found")


def test_first_and_repeat_as_the_office_counts(http, letter):
    """The same person twice, by different keys; a stranger's copy; one who gives no name."""
    who = letter["petitioner"]
    by_phone = letter | {"received_at": "2026-03-01", "petitioner": {"phone": who["phone"]}}
    by_number = letter | {
        "received_at": "2026-03-03",
        "petitioner": {"id_number": who["id_number"], "phone": who["phone"]},
    }
    stranger = letter | {"received_at": "2026-03-02", "petitioner": {"phone": "18612345678"}}
    nameless = letter | {"received_at": "2026-03-04", "petitioner": {}}
    # Stored out of order: what counts is when each came in.
    repeat, first, other, anonymous = (
        http.submit(body) for body in (by_number, by_phone, stranger, nameless)
    )
    for petition in (first, other, anonymous):
        _verdict(http, repeat, petition)
    assert [_matter(http, p)["first"] for p in (first, other, repeat, anonymous)] == [True, True, False, True]
    matter = http.get(f"/v1/matters/{_number(http, first)}").json()
    assert [row["id"] for row in matter["items"]] == [first, other, repeat, anonymous]
    assert [row["first"] for row in matter["items"]] == [True, True, False, True]
    assert (matter["petitions"], matter["petitioners"]) == (4, 3)
    keys = {
        "id",
        "petitions",
        "petitioners",
        "unit",
        "opened_at",
        "due_at",
        "due_source",
        "overdue",
        "replies",
        "replied_on",
    }
    assert {key: matter[key] for key in keys} == {key: _matter(http, first)[key] for key in keys}


def test_the_unit_that_people_decided_on_last(http, four, chain):
    a, b, *_ = four
    assert _matter(http, a)["unit"] == "", "what is only suggested is in nobody's charge"
    for petition, body, unit in (
        (a, {"unit": "城管局"}, "urban_management"),
        (b, {"unit": "生态环境局"}, "ecology"),
        (a, {"category": "040206"}, "ecology"),
        (a, {"unit": "公安局"}, "public_security"),
    ):
        http.post(f"/v1/petitions/{petition}/decisions", body)
        assert {_matter(http, p)["unit"] for p in four} == {unit}


def test_a_unit_that_sent_it_back_is_in_charge_of_nothing(http, four, chain):
    a, b, *_ = four

    def then(petition, what, body):
        assert http.post(f"/v1/petitions/{petition}/{what}", body).status_code == 201
        return _matter(http, b)["unit"]

    assert then(b, "decisions", {"unit": "生态环境局"}) == "ecology"
    assert then(a, "decisions", {"unit": "城管局"}) == "urban_management"
    assert then(a, "decisions", {"category": "040206"}) == "urban_management"
    assert then(a, "returns", {"unit": "城管局", "reason": "不归我们管"}) == "ecology"
    assert then(a, "decisions", {"unit": "公安局"}) == "public_security"


def test_unit_in_charge_is_the_last_that_changed():
    assert unit_in_charge([]) == ""
    assert unit_in_charge([("a", "x"), ("b", "y"), ("a", "x")]) == "y"
    assert unit_in_charge([("a", "x"), ("b", "y"), ("a", "z"), ("a", "x")]) == "x"


def test_firsts_count_anonymous_petitions_one_by_one():
    assert firsts([5, 3, 4, 1], {5: 1, 4: 1}) == [True, True, False, True]


def test_a_limit_begins_the_day_after_and_ends_at_midnight_in_china():
    for opened, days, end in (
        (datetime(2026, 3, 4, 0, 0, tzinfo=CHINA), 60, datetime(2026, 5, 4, tzinfo=CHINA)),
        (datetime(2026, 3, 4, 23, 59, tzinfo=CHINA), 60, datetime(2026, 5, 4, tzinfo=CHINA)),
        (datetime(2026, 3, 4, 16, 0, tzinfo=UTC), 60, datetime(2026, 5, 5, tzinfo=CHINA)),
        (datetime(2026, 3, 4, tzinfo=CHINA), 1, datetime(2026, 3, 6, tzinfo=CHINA)),
    ):
        assert due_at(opened, days) == end


def test_overdue_counts_from_the_first_petition(http, letter):
    old, new = http.submit(letter | {"received_at": "2019-03-04 10:00"}), http.submit(letter)
    fresh = [http.submit({"text": letter["text"]}) for _ in range(2)]
    _verdict(http, old, new)
    _verdict(http, *fresh)
    late, in_time = _matter(http, new), _matter(http, fresh[0])
    assert late["opened_at"] == "2019-03-04T02:00:00Z"
    assert late["due_at"] == "2019-05-03T16:00:00Z"
    assert late["due_source"] == "《信访工作条例》第三十四条"
    assert (late["overdue"], in_time["overdue"]) == (True, False)
    for petition in (old, new):
        http.post(f"/v1/petitions/{petition}/decisions", {"category": "040206", "unit": "城管局"})
    assert _matter(http, new)["overdue"], "decided is not closed"
    today = datetime.now(CHINA).date().isoformat()
    for petition, day, overdue, replies, last in (
        (old, "2019-04-01", True, 1, None),
        (new, today, False, 2, today),
    ):
        body = {"unit": "城管局", "replied_on": day}
        assert http.post(f"/v1/petitions/{petition}/replies", body).status_code == 201
        matter = _matter(http, new)
        assert (matter["overdue"], matter["replies"], matter["replied_on"]) == (overdue, replies, last)
    http.post(f"/v1/petitions/{old}/undo", {})
    assert _matter(http, new)["overdue"], "a reply taken back ends nothing"


def test_an_office_may_have_another_limit(http, service, four, chain):
    service.settings.handling_days, service.settings.handling_source = 90, "本单位规定"
    matter = _matter(http, four[0])
    opened, due = (datetime.fromisoformat(matter[key]) for key in ("opened_at", "due_at"))
    assert (due.astimezone(CHINA).date() - opened.astimezone(CHINA).date()).days == 91
    assert matter["due_source"] == "本单位规定"


#: Columns that tell who somebody is, by a key or in clear.
_WHO = ("digest", "petitioner", "person", "id_number", "phone", "name_address", "account", "identity")
_MARKS = ("count", "number_of", "score", "rank", "label", "status", "level", "risk", "tag", "flag", "times")
#: With a digest that is none of a petitioner's: the office's own accounts, their doings, requests.
_NOT_PEOPLE = {"api_keys", "idempotency", "sessions", "invitations", "audit"}


def _marks_on_people(tables):
    """Tables or views about petitioners that hold anything beyond which petition a key is on: {name: columns}."""
    found = {}
    for name, columns in tables.items():
        about = name not in _NOT_PEOPLE and any(who in part for who in _WHO for part in (name, *columns))
        marks = sorted(column for column in columns if any(mark in column for mark in _MARKS))
        if about and (marks or len(columns) > 3):
            found[name] = marks or sorted(columns)
    return found


def test_no_table_or_view_keyed_by_a_petitioner_holds_a_count_or_a_mark(service):
    declared = {table.name: set(table.c.keys()) for table in metadata.sorted_tables}
    with service.store.read() as connection:
        names = [*inspect(connection).get_table_names(), *inspect(connection).get_view_names()]
        real = {
            name: set(Table(name, MetaData(), autoload_with=connection).c.keys())
            for name in names
            if name != "alembic_version"
        }
    assert real == declared, "no view, and no table that is not declared"
    assert _marks_on_people(declared) == {}
    assert declared["petitioner_keys"] == {"kind", "digest", "seq"}
    assert not {
        who for table in declared if table.startswith("matter") for who in declared[table] if who in _WHO
    }


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("petitioner_keys", {"kind", "digest", "seq", "petition_count"}),
        ("petitioners", {"id", "rank"}),
        ("repeaters", {"digest", "status"}),
        ("people_view", {"phone", "times"}),
        ("persons", {"a", "b", "c", "d"}),
    ],
)
def test_such_a_table_would_be_found(name, columns):
    assert set(_marks_on_people({name: columns, "matters": {"id", "count"}})) == {name}
