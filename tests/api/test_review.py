"""The review queue: what is asked first and why, by chance or by use, never by person; and the accuracy it lets one estimate."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

from api.review import _warning, is_drawn, live_accuracy, review_queue, why
from api.store.petitions import now
from api.store.tables import decisions, petitions, reviews, suggestions
from classifier.intervals import wilson

_TEXT = "楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_BARE = {"title": "", "text": "x", "original": b"", "link_view": b""}
_ROW = {
    "open": True, "doubts": "", "confidence": 0.5, "unseen": 0.0, "model_version": "m", "category": "0402", "kind": "咨询",
    "unit": "ecology",
}  # fmt: skip


def test_candidates_are_near_or_the_model_is_not_sure_at_all():
    assert why("uncertain", abstained=False) == ["前两个候选相近"]
    assert why("words,uncertain", abstained=True) == ["有较多没有学过的词语", "模型没有把握"]


@pytest.fixture
def nothing_drawn(service):
    service.settings.review_share = 0.0


@pytest.fixture
def filled(service):
    """A function that fills the queue with rows of (usefulness, sampled) and gives their ids in order of intake."""

    numbers = count()

    def fill(rows):
        ids = [f"p{next(numbers):05}" for _ in rows]
        if not ids:
            return ids
        with service.store.write() as connection:
            connection.execute(
                insert(petitions), [_BARE | {"id": id_, "created_at": now(), "kind": "咨询"} for id_ in ids]
            )
            seqs = connection.execute(
                select(petitions.c.seq).where(petitions.c.id.in_(ids)).order_by(petitions.c.seq)
            )
            connection.execute(
                insert(reviews),
                [
                    _ROW | {"seq": seq, "usefulness": use, "sampled": drawn}
                    for seq, (use, drawn) in zip(seqs.scalars().all(), rows, strict=True)
                ],
            )
        return ids

    return fill


def _queue(http, role="reviewer", limit=50):
    return http.get("/v1/review", role, params={"limit": limit}).json()["items"]


def test_useful_first_and_every_fifth_place_by_chance(service, administrator, filled):
    useful = [(use / 100, False) for use in (3, 90, 50, 50, 1, 70, 0)]
    ids = filled([*useful, (0.99, True), (0.0, True), (0.5, True)])
    by_use = [ids[n] for n in (1, 5, 2, 3, 0, 4, 6)]
    expected = [ids[7], *by_use[:4], ids[8], *by_use[4:], ids[9]]
    assert [item["id"] for item in review_queue(service, 50, administrator)] == expected
    for limit in range(1, 11):
        assert [item["id"] for item in review_queue(service, limit, administrator)] == expected[:limit]


def test_the_share_by_chance_does_not_wait_for_useful_ones(service, administrator, filled):
    ids = filled([(0.1, True)] * 7)
    assert [item["id"] for item in review_queue(service, 50, administrator)] == ids


def test_what_is_decided_leaves_and_what_is_taken_back_returns(http, nothing_drawn):
    first, second = http.submit(_TEXT), http.submit("请问申请低保需要准备什么材料，去哪里办理？")
    assert {item["id"] for item in _queue(http)} == {first, second}
    body = {"links": [{"id": "x", "confirmed": True}]}
    http.post(f"/v1/petitions/{first}/decisions", body)
    assert len(_queue(http)) == 2
    http.post(f"/v1/petitions/{first}/decisions", {"unit": "城管局"})
    assert [item["id"] for item in _queue(http)] == [second]
    http.post(f"/v1/petitions/{first}/undo", {})
    assert {item["id"] for item in _queue(http)} == {first, second}


def test_the_random_share_is_asked_until_all_of_it_is_decided(http, service):
    service.settings.review_share = 1.0
    petition = http.submit(_TEXT)
    decide, undo, send_back = (f"/v1/petitions/{petition}/{end}" for end in ("decisions", "undo", "returns"))
    for path, body, asked in (
        (decide, {"category": "040206"}, True),
        (decide, {"unit": "城管局"}, True),
        (decide, {"kind": "建议"}, False),
        (undo, {}, True),
        (decide, {"kind": "建议"}, False),
        (send_back, {"unit": "城管局", "reason": "不归我们管"}, True),
        (decide, {"unit": "生态环境局"}, False),
    ):
        assert http.post(path, body).status_code == 201
        assert [item["id"] for item in _queue(http)] == [petition] * asked, body


def test_an_accusation_is_asked_of_who_may_see_it(http, service):
    found = http.submit(_TEXT), http.submit(_TEXT, role="intake")
    with service.store.write() as connection:
        connection.execute(update(petitions).values(kind="检举控告"))
    assert {item["id"] for item in _queue(http, "reviewer")} == set(found)
    assert [item["id"] for item in _queue(http, "intake")] == [found[1]]


def test_each_item_says_why_in_words(http, service):
    service.settings.review_share = 1.0
    http.submit("请问天文台观测彗星陨石，量子计算机、航天飞船、潜水艇、考古化石什么时候展览？")
    (item,) = _queue(http)
    assert any("没有学过" in reason for reason in item["reasons"])
    assert item["unseen"] > 0.3
    assert item["model_version"] == service.live.engine().bundle.version


def test_nothing_says_which_petitions_are_the_test(http, service):
    """The same petition, drawn and not: but for id and time the queue answers alike."""
    answers = []
    for share in (0.0, 1.0):
        service.settings.review_share = share
        petition = http.submit("楼下烧烤店油烟")
        (item,) = _queue(http)
        answers.append({k: v for k, v in item.items() if k not in {"id", "created_at"}})
        body = {"category": "0402", "kind": "建议", "unit": "城管局"}
        http.post(f"/v1/petitions/{petition}/decisions", body)
    assert answers[0] == answers[1]


def test_a_copy_that_people_decided_otherwise_is_asked_first(http, nothing_drawn):
    first = http.submit(_TEXT)
    assert http.get(f"/v1/petitions/{first}").json()["category"][:2] == "04"
    http.post(f"/v1/petitions/{first}/decisions", {"category": "1501"})
    http.submit("请问申请低保需要准备什么材料，去哪里办理？")
    copy = http.submit(_TEXT)
    item = _queue(http)[0]
    assert item["id"] == copy
    assert any("相同内容" in reason for reason in item["reasons"])


def test_what_is_kept_at_intake_knows_nothing_of_the_petitioner(http, service, letter):
    """The same text by another, and by nobody: the rows are alike but for chance and place."""
    others = [
        letter,
        letter | {"petitioner": {"name": "王强", "phone": "18612345678"}},
        letter | {"petitioner": {}},
    ]
    for body in others:
        http.submit(body | {"text": _TEXT, "title": ""})
    with service.store.read() as connection:
        kept = connection.execute(select(reviews)).mappings().all()
    varying = {"seq", "sampled"}
    assert len(kept) == 3
    assert len({tuple(v for k, v in row.items() if k not in varying) for row in kept}) == 1


@given(st.floats(0, 1), st.floats(0, 1), st.text(max_size=32))
def test_a_greater_share_draws_what_a_smaller_one_drew(one, other, petition):
    small, great = sorted((one, other))
    assert is_drawn(petition, great, bytes(32)) >= is_drawn(petition, small, bytes(32))
    assert not is_drawn(petition, 0.0, bytes(32))
    assert is_drawn(petition, 1.0, bytes(32))


def test_chance_draws_its_share_and_hangs_on_the_key():
    ids = [f"{n:032x}" for n in range(20_000)]
    drawn = {id_ for id_ in ids if is_drawn(id_, 0.05, bytes(32))}
    low, high = wilson(len(drawn), len(ids), z=4)
    assert low < 0.05 < high
    other = {id_ for id_ in ids if is_drawn(id_, 0.05, b"k" * 32)}
    assert len(drawn & other) < len(drawn) / 5


def _decided(service, ids, said, administrator):
    with service.store.write() as connection:
        for id_, values in zip(ids, said, strict=True):
            if values is None:
                continue
            suggestion = connection.execute(
                insert(suggestions)
                .values(petition_id=id_, model_version="m", answer="{}", created_at=now())
                .returning(suggestions.c.id)
            ).scalar_one()
            number = connection.execute(
                insert(decisions)
                .values(
                    petition_id=id_,
                    suggestion_id=suggestion,
                    user_id=administrator.user_id,
                    created_at=now(),
                    **values,
                )
                .returning(decisions.c.id)
            ).scalar_one()
            connection.execute(update(petitions).where(petitions.c.id == id_).values(decision_id=number))


_SAID = st.none() | st.fixed_dictionaries(
    {
        "category": st.sampled_from(["", "04", "0402", "040206", "0403", "15", "150101"]),
        "kind": st.sampled_from(["", "咨询", "建议意见"]),
        "unit": st.sampled_from(["", "ecology", "公安局"]),
    }
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.booleans(), _SAID), max_size=12))
def test_the_estimate_counts_the_random_share_and_nothing_else(service, administrator, filled, rows):
    before = live_accuracy(service, administrator)
    ids = filled([(0.5, drawn) for drawn, _ in rows])
    _decided(service, ids, [said for _, said in rows], administrator)
    after = live_accuracy(service, administrator)
    drawn = [said for sampled, said in rows if sampled]
    assert after["sampled"] - before["sampled"] == len(drawn)
    judged = {
        "category_level1": [s["category"][:2] == "04" for s in drawn if s and s["category"]],
        "category_level2": [s["category"][:4] == "0402" for s in drawn if s and len(s["category"]) >= 4],
        "kind": [s["kind"] == "咨询" for s in drawn if s and s["kind"]],
        "unit": [s["unit"] == "ecology" for s in drawn if s and s["unit"]],
    }
    for old, new in zip(before["measures"], after["measures"], strict=True):
        expected = judged[new["name"]]
        assert (new["decided"] - old["decided"], new["right"] - old["right"]) == (
            len(expected),
            sum(expected),
        )
        assert new["decided"] + new["undecided"] == after["sampled"]
        if new["decided"]:
            assert new["low"] <= new["accuracy"] == new["right"] / new["decided"] <= new["high"]
        else:
            assert (new["accuracy"], new["low"], new["high"]) == (None, 0, 1)
    assert bool(after["warning"]) == (not after["sampled"] or any(m["undecided"] for m in after["measures"]))


def test_accuracy_over_http(http, service):
    service.settings.review_share = 1.0
    first, second, third = (http.submit(_TEXT) for _ in range(3))
    suggested = http.get(f"/v1/petitions/{first}").json()
    http.post(
        f"/v1/petitions/{first}/decisions", {name: suggested[name] for name in ("category", "kind", "unit")}
    )
    http.post(f"/v1/petitions/{second}/decisions", {"category": "1501"})
    http.post(f"/v1/petitions/{third}/decisions", {"category": "1501"})
    http.post(f"/v1/petitions/{third}/undo", {})
    answer = http.get("/v1/accuracy", "auditor").json()
    assert answer["sampled"] == 3
    found = {m["name"]: (m["decided"], m["right"], m["undecided"]) for m in answer["measures"]}
    assert found == {
        "category_level1": (2, 1, 1),
        "category_level2": (2, 1, 1),
        "kind": (1, 1, 2),
        "unit": (1, 1, 2),
    }
    assert "2 件没有认定" in answer["warning"]
    http.post(f"/v1/petitions/{first}/returns", {"unit": suggested["unit"], "reason": "不归我们管"})
    *_, unit = http.get("/v1/accuracy", "auditor").json()["measures"]
    assert (unit["decided"], unit["right"]) == (0, 0), "a unit that sent it back was not the right one"
    version = suggested["suggestion"]["model_version"]
    for model, sampled in ((version, 3), ("another", 0)):
        of_one = http.get("/v1/accuracy", params={"model": model}).json()
        assert (of_one["model"], of_one["sampled"]) == (model, sampled)
    later = http.get("/v1/accuracy", params={"since": "2199-01-01"}).json()
    assert later["sampled"] == 0
    assert "无法估计" in later["warning"]


def test_what_is_undecided_alike_everywhere_is_told_as_such():
    assert "20 件里，还有 3 件没有认定" in _warning(20, [3, 3, 3])
    assert "20 件里，有的项目还有 3 件没有认定" in _warning(20, [3, 0, 1])
    assert _warning(20, [0, 0]) == ""
