"""Planted repeats through the API: who writes again is found under another phone, another spelling, without the district."""

from __future__ import annotations

import json

import pytest

_FIRST = "金桂园小区二期电梯困人\n我们小区二期3号楼电梯频繁困人，物业公司说曳引机老化，一直不换，请市场监管部门检查电梯维保记录。"
_AGAIN = "再次反映金桂园小区二期电梯困人\n上次反映金桂园小区二期电梯的问题，物业公司至今没有处理，前天又困人两个小时，曳引机一直没有更换，维保记录也没有公开。"
_UNRELATED = "路灯不亮\n城东大道的路灯坏了半年，晚上骑车看不见路，请路灯所维修。"
_WHO = {"name": "张伟", "phone": "13812345678", "address": "青石县青石镇柏垭村第三村民小组12号"}
_LAWYER = {"name": "赵国梁", "phone": "13612345678"}


def _body(text, **people):
    title, _, words = text.partition("\n")
    return {"title": title, "text": words} | people


def _link(http, text, **people):
    found = http.get(f"/v1/petitions/{http.submit(_body(text, **people))}/links").json()["items"]
    return [(link["kind"], tuple(link["evidence"]["keys"])) for link in found]


@pytest.mark.parametrize(
    ("again", "agreed"),
    [
        ({"phone": "13700000000"}, ("name_address",)),
        ({"name": "章玮", "phone": ""}, ("name_address",)),
        ({"phone": "", "address": "柏垭村三组12号"}, ("name_address",)),
        ({"name": "章玮", "phone": "13700000000", "address": "柏雅村（3组）12号"}, ("name_address",)),
        ({"name": "", "address": ""}, ("phone",)),
    ],
)
def test_a_planted_repeat_is_found(http, again, agreed):
    http.submit(_body(_FIRST, petitioner=_WHO))
    assert _link(http, _AGAIN, petitioner=_WHO | again) == [("RepeatPetition", agreed)]


@pytest.mark.parametrize(
    "other",
    [
        {"name": "章玮", "phone": "13700000000", "address": "柏垭村3组13号"},
        {"name": "王伟", "phone": "13700000000"},
        {"name": "张伟", "phone": "", "address": ""},
        {"name": "", "phone": "", "address": ""},
    ],
)
def test_somebody_else_is_not(http, other):
    http.submit(_body(_FIRST, petitioner=_WHO))
    assert _link(http, _AGAIN, petitioner=_WHO | other) == [("SharedMatter", ())]


def test_the_same_person_with_another_matter_is_none(http):
    http.submit(_body(_FIRST, petitioner=_WHO))
    assert _link(http, _UNRELATED, petitioner=_WHO) == []


def test_any_of_several_who_sign_is_the_same_petitioner(http):
    signed = [{"name": "李丽", "phone": "13900000000"}, {"name": "王芳", "phone": "13911111111"}]
    http.submit(_body(_FIRST, petitioner=_WHO, joint_petitioners=signed))
    assert _link(http, _AGAIN, petitioner={"phone": "13911111111"}) == [("RepeatPetition", ("phone",))]


def test_one_agent_with_two_clients_makes_no_repeat(http):
    first = http.submit(_body(_FIRST, petitioner=_WHO, agent=_LAWYER))
    client = {"name": "李丽", "phone": "13900000000"}
    assert _link(http, _AGAIN, petitioner=client, agent=_LAWYER) == [("SharedMatter", ("agent_phone",))]
    template = http.submit(_body(_FIRST, petitioner={"phone": "13911111111"}, agent=_LAWYER))
    links = http.get(f"/v1/petitions/{template}/links").json()["items"]
    (copy,) = [link for link in links if link["id"] == first]
    assert copy["kind"] == "DuplicateText"
    assert "同一代理人" in copy["evidence"]["reasons"]
    http.post(f"/v1/petitions/{template}/decisions", {"links": [{"id": first, "confirmed": True}]})
    assert http.get(f"/v1/petitions/{template}").json()["matter"]["petitioners"] == 2


def test_an_agent_who_names_nobody_repeats(http):
    http.submit(_body(_FIRST, petitioner=_WHO, agent=_LAWYER))
    assert _link(http, _AGAIN, agent=_LAWYER) == [("RepeatPetition", ("agent_phone",))]


def test_everybody_named_is_sealed_and_gone_from_the_text(http, service):
    people = {"petitioner": _WHO, "joint_petitioners": [{"name": "诸葛青禾"}], "agent": _LAWYER}
    body = _body("电梯困人\n诸葛青禾和赵国梁都被困过，请处理。", **people)
    petition = http.submit(body)
    shown = json.dumps(http.get(f"/v1/petitions/{petition}").json(), ensure_ascii=False)
    assert "诸葛青禾" not in shown
    assert "赵国梁" not in shown
    original = http.get(f"/v1/petitions/{petition}/original").json()
    assert original["text"] == body["text"]
    assert original["joint_petitioners"][0]["name"] == "诸葛青禾"
    assert original["agent"]["phone"] == _LAWYER["phone"]


def test_a_petition_of_one_is_hashed_as_it_was_before_several_were_possible(service):
    """An import or a request repeated after an upgrade finds what was stored before."""
    from api.contact import contact_of, row_of
    from classifier.petition import Petition, Petitioner

    petition = Petition("7", "标题", "内容", Petitioner("张伟", phone="13812345678"))
    fields = "id title text petitioner channel received_at district people"
    assert set(row_of(petition)) == set(fields.split())
    assert set(contact_of(petition) or ()) == {"name", "id_number", "phone", "address", "account"}
