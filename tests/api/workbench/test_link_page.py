"""Two petitions side by side: what is marked in both, verdicts and taking them back, two people at once, what is not for everybody."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import insert

from api.store.audit import Action, entries
from api.store.petitions import now
from api.store.tables import links

_TEXT = "青石街道锦和苑小区楼下烧烤店每天营业到凌晨，油烟直接排进楼道，反映多次无人处理。"
_OTHER = "我们锦和苑小区的居民来信：楼下烧烤店每天营业到凌晨，开窗就是烟味；油烟直接排进楼道，希望尽快查处。"


@pytest.fixture
def pair(http):
    """An earlier one with a title and a later one without."""
    first = http.submit({"title": "烧烤店油烟", "text": _TEXT, "received_at": "2026-03-04"})
    return first, http.submit({"text": _OTHER, "received_at": "2026-03-14"})


def _said(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", answer.text))


def _passages(answer):
    """What is marked on each side, by number."""
    sides = re.findall(r'<article class="panel".*?</article>', answer.text, re.S)
    assert len(sides) == 2
    found = []
    for side in sides:
        marks = re.findall(r'<mark class="shared">(.*?)</mark>', side, re.S)
        split = [
            re.fullmatch(r'<b class="no"><span class="away">相同段落 </span>(\d+)</b>(.*)', each, re.S)
            for each in marks
        ]
        found.append({int(each[1]): each[2] for each in split})
    return found


def _address(one, other):
    return f"/petitions/{one}/links/{other}"


def _verdict(someone, one, other, verdict="yes", expected="0", **more):
    return someone.post(_address(one, other), {"verdict": verdict, "expected_verdict": expected} | more)


def _confirmed(http, one, other):
    items = http.get(f"/v1/petitions/{one}/links").json()["items"]
    return next(link["confirmed"] for link in items if link["id"] == other)


def _expected(page):
    return re.search(r'name="expected_verdict" value="(\d+)"', page.text).group(1)


def test_shared_passages_are_marked_in_both_under_one_number(desk, http, pair):
    someone = desk("intake")
    for one, other in (pair, pair[::-1]):
        page = someone.get(_address(one, other))
        assert page.status_code == 200
        ours, theirs = _passages(page)
        assert ours == theirs
        assert len(ours) >= 2
        assert list(ours) == sorted(ours), "numbered in the order of this one's text"
        assert any("油烟直接排进楼道" in words for words in ours.values())
        said = _said(page)
        for word in ("相隔 10 天", "2026-03-04", "2026-03-14", "待认定", "没有一致的身份信息", "用词相近"):
            assert word in said, word


def test_what_differs_is_said_from_where_one_stands(desk, http, service):
    one = http.submit("锦绣花园门口的公交站牌坏了半年，候车很不安全。")
    other = http.submit("路灯坏了三个月没有人修，晚上走路看不见。")
    evidence = {"passages": [], "terms": [], "keys": [], "similarity": 0.5}
    said = {"facts": ["道路：柳坪"], "contradictions": ["小区：翠湖／锦绣"], "reasons": ["名称不同 −0.5", "用词相近 +2.6"]}  # fmt: skip
    with service.store.write() as connection:
        connection.execute(
            insert(links).values(
                petition_id=other,
                other_id=one,
                kind="SharedMatter",
                score=0.7,
                evidence=json.dumps(evidence | said),
                created_at=now(),
            )
        )
    from_other = _said(desk("intake").get(_address(other, one)))
    from_one = _said(desk("intake").get(_address(one, other)))
    assert "小区：本件“翠湖”，另一件“锦绣”" in from_other
    assert "小区：本件“锦绣”，另一件“翠湖”" in from_one
    for word in ("道路：柳坪", "名称不同：不支持（中）", "用词相近：支持（强）"):
        assert word in from_one, word


def test_the_identity_key_that_agrees_is_named_and_not_shown(desk, http, letter):
    one, other = http.submit(letter), http.submit(letter | {"text": letter["text"] + "请回复。"})
    page = desk("intake").get(_address(other, one))
    assert "身份证号一致" in page.text
    assert "电话一致" in page.text
    assert letter["petitioner"]["phone"] not in page.text


def test_a_verdict_leads_to_the_next_undecided_link_and_at_last_back(desk, http, pair):
    one, other = pair
    third = http.submit({"title": "烧烤店油烟", "text": _TEXT})
    someone = desk("intake")
    answer = _verdict(someone, one, other, reason="同一家店")
    assert (answer.status_code, answer.headers["location"]) == (
        303,
        f"{_address(one, third)}?done=link-confirmed",
    )
    answer = _verdict(someone, one, third, "no", **{"from": "status=x"})
    assert answer.headers["location"] == f"/petitions/{one}?from=status%3Dx&done=link-rejected"
    assert _confirmed(http, one, other) is True
    assert _confirmed(http, one, third) is False
    assert "同一家店" in _said(desk("reviewer").get(_address(one, other)))


def test_a_verdict_sent_twice_is_one_and_another_persons_is_a_conflict(desk, http, pair, service):
    one, other = pair
    first, second = desk("intake"), desk("reviewer")
    assert [_verdict(first, one, other).status_code for _ in range(2)] == [303, 303]
    answer = _verdict(second, other, one, "no", reason="两家店")
    assert answer.status_code == 409
    assert "现在是：已确认" in _said(answer)
    assert 'value="两家店"' in answer.text
    assert _confirmed(http, one, other) is True
    # The page of now says what it is now: sent again, it is meant.
    assert _verdict(second, other, one, "no", expected=_expected(answer)).status_code == 303
    assert _confirmed(http, one, other) is False
    with service.store.read() as connection:
        verdicts = [
            entry.detail["confirmed"] for entry in entries(connection, action=Action.LINK_DECIDED.value)
        ]
    assert verdicts == [False, True]


def test_a_verdict_is_taken_back_once(desk, http, pair):
    one, other = pair
    someone = desk("intake")
    _verdict(someone, one, other)
    _verdict(someone, one, other, "no", expected=_expected(someone.get(_address(one, other))))
    page = someone.get(_address(one, other))
    assert re.search(r"<summary data-key=\"u\">撤销认定", page.text)
    form = {"expected_verdict": _expected(page)}
    answers = [someone.post(f"{_address(one, other)}/undo", form) for _ in range(2)]
    assert [answer.headers.get("location") for answer in answers] == [
        f"{_address(one, other)}?done=undone"
    ] * 2
    assert _confirmed(http, one, other) is True, "the one before holds again, and was not taken back"
    assert desk("reviewer").post(f"{_address(one, other)}/undo", form).status_code == 409
    page = someone.get(_address(one, other))
    assert page.text.count('<li class="undone">') == 1
    someone.post(f"{_address(one, other)}/undo", {"expected_verdict": _expected(page)})
    assert _confirmed(http, one, other) is None
    assert "撤销认定</summary>" not in someone.get(_address(one, other)).text


def test_what_a_split_said_is_not_taken_back_here(desk, http, pair):
    one, other = pair
    _verdict(desk("intake"), one, other)
    matter = http.get(f"/v1/petitions/{one}").json()["matter"]["id"]
    http.post(f"/v1/matters/{matter}/split", {"petitions": [other], "reason": "两家店"})
    page = desk("reviewer").get(_address(one, other))
    assert "因拆分事项分开" in page.text
    assert 'data-key="u"' not in page.text
    form = {"expected_verdict": _expected(page)}
    answer = desk("reviewer").post(f"{_address(one, other)}/undo", form)
    assert answer.status_code == 422
    assert "来自拆分" in _said(answer)


def test_readers_may_look_and_not_decide(desk, http, pair):
    one, other = pair
    page = desk("auditor").get(_address(one, other))
    assert page.status_code == 200
    assert 'data-key="y"' not in page.text
    for each in pair:
        http.post(f"/v1/petitions/{each}/decisions", {"kind": "申诉求决", "unit": "urban_management"})
    assert 'data-key="y"' not in desk("unit").get(_address(one, other)).text


def test_a_link_to_an_accusation_is_not_for_intake(desk, http, pair, service):
    one, secret = pair
    own = http.submit(_TEXT, role="intake")
    for each in (secret, own):
        http.post(f"/v1/petitions/{each}/decisions", {"kind": "检举控告"})
    intake = desk("intake")
    # Of their own accusation they are told no more beside another petition: it may be read by others.
    for other in (secret, own):
        assert intake.get(_address(one, other)).status_code == 404
        assert _verdict(intake, one, other).status_code == 404
        assert intake.post(f"{_address(one, other)}/undo", {"expected_verdict": "1"}).status_code == 404
    assert intake.get(_address(own, one)).status_code == 200
    assert desk("reviewer").get(_address(one, secret)).status_code == 200
    with service.store.read() as connection:
        opened = [
            (entry.user, entry.petition_id)
            for entry in entries(connection, action=Action.OPENED_ACCUSATION.value)
        ]
    assert opened == [("user-reviewer", secret), ("user-intake", own)]


def test_what_is_no_link_is_not_found(desk, http, pair):
    one, _ = pair
    stranger = http.submit("路灯坏了三个月没有人修，晚上走路看不见。")
    for address in (_address(one, stranger), _address(one, one), _address(one, "nothing"), _address("nothing", one)):  # fmt: skip
        assert desk("admin").get(address).status_code == 404
    assert _verdict(desk("admin"), one, stranger).status_code == 404
    assert _verdict(desk("admin"), *pair, verdict="maybe").status_code == 422
