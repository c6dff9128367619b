"""Keyed hashes of a petitioner."""

from __future__ import annotations

import re
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifier.address import canonical_address
from classifier.identity import (
    canonical_id_number,
    canonical_name_address,
    canonical_phone,
    identity_keys,
    keyed_hash,
    petition_keys,
    same_petitioner,
)
from classifier.petition import Petition, Petitioner
from classifier.sounds import name_sounds, sounds

_SECRET = b"0123456789abcdef"
_ID = "11010119900307109X"
_PERSON = Petitioner("张三", _ID, "13812345678", "青石镇柏垭村3组", "u-1001")


@pytest.mark.parametrize(
    "spelling",
    [
        Petitioner("张 三", "110101 19900307 109x", "+86 138-1234-5678", "青石镇 柏垭村3组", " u-1001 "),
        Petitioner("張三", "１１０１０１１９９００３０７１０９Ｘ", "0086 13812345678", "青石鎮柏埡村３組", "ｕ-1001"),
        Petitioner("张三\u200b", "110101-19900307-109X", "8613812345678", "青石镇柏垭村（3组）", "u1001"),
    ],
)  # fmt: skip
def test_one_person_in_different_spellings_has_the_same_keys(spelling: Petitioner) -> None:
    assert identity_keys(spelling, _SECRET) == identity_keys(_PERSON, _SECRET)


def test_keys_are_typed_hex_and_tell_nothing() -> None:
    keys = identity_keys(_PERSON, _SECRET)
    assert sorted(keys) == ["account", "id_number", "name_address", "phone"]
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys.values())
    assert len(set(keys.values())) == 4
    assert _ID not in repr(_PERSON)


def test_the_same_value_in_two_fields_gives_two_keys() -> None:
    keys = identity_keys(Petitioner(phone="13812345678", account="13812345678"), _SECRET)
    assert keys["phone"] != keys["account"]


def test_another_secret_gives_other_keys() -> None:
    here, there = identity_keys(_PERSON, _SECRET), identity_keys(_PERSON, _SECRET[::-1])
    assert here.keys() == there.keys()
    assert not set(here.values()) & set(there.values())


@pytest.mark.parametrize("field", ["id_number", "phone", "name", "address", "account"])
def test_another_value_changes_its_own_key_only(field: str) -> None:
    other = replace(
        _PERSON,
        **{field: {"id_number": "110101199003071137", "phone": "13812345679"}.get(field, "另外一个值")},
    )
    here, there = identity_keys(_PERSON, _SECRET), identity_keys(other, _SECRET)
    changed = {kind for kind in here if here[kind] != there.get(kind)}
    assert changed == {"name_address" if field in {"name", "address"} else field}


@pytest.mark.parametrize(
    "petitioner",
    [
        Petitioner(),
        Petitioner(name="张三"),
        Petitioner(address="青石镇柏垭村3组"),
        Petitioner(name="张", address="青石镇柏垭村3组"),
        Petitioner(name="张三", address="青石"),
        Petitioner(phone="12345"),
        Petitioner(phone="不详"),
        Petitioner(id_number="110101199003071098"),
        Petitioner(id_number="无"),
    ],
)
def test_too_little_is_no_key(petitioner: Petitioner) -> None:
    assert identity_keys(petitioner, _SECRET) == {}


def test_the_old_number_is_the_new_one() -> None:
    assert canonical_id_number("110101900307109") == _ID == canonical_id_number(_ID)
    assert identity_keys(Petitioner(id_number="110101 900307 109"), _SECRET) == identity_keys(
        Petitioner(id_number=_ID), _SECRET
    )


@pytest.mark.parametrize("number", ["110101901307109", "010101900307109", "11010190030710"])
def test_a_wrong_old_number_is_none(number: str) -> None:
    assert canonical_id_number(number) == ""


@pytest.mark.parametrize(
    ("phone", "canonical"),
    [
        ("(0371) 6555-1234", "037165551234"),
        ("6555 1234", "65551234"),
        ("8613812345678", "13812345678"),
        ("86123456", "86123456"),
        ("1234567890123", ""),
        ("138x1234567", ""),
    ],
)
def test_canonical_phones(phone: str, canonical: str) -> None:
    assert canonical_phone(phone) == canonical


def test_name_and_address_do_not_run_into_each_other() -> None:
    assert canonical_name_address("张三", "丰收村一组") != canonical_name_address("张三丰", "收村一组")


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        identity_keys(_PERSON, b"too short")


def test_lone_surrogates_can_be_hashed() -> None:
    assert keyed_hash("\ud800", _SECRET) != keyed_hash("\ud801", _SECRET)


_PLACES = st.sampled_from(["柏垭村", "幸福路", "锦和苑", "红旗大道", "锦绣花园东区", "新村里弄堂", "三里湾"])
_HOUSES = st.tuples(st.integers(1, 99), st.integers(1, 9), st.integers(101, 2909))
_DIVISIONS = st.lists(
    st.sampled_from(
        ["云岭省", "白水市", "青石县", "城东区", "乌兰察旗", "高新技术产业开发区", "青石镇", "柳坪乡", "安定街道", "北湖社区"]
    ),
    max_size=4,
).map("".join)  # fmt: skip
_NAMES = st.text(alphabet="曾单解仇查张玮伟章晓小肖李丽莉欧区", min_size=2, max_size=4)


def _digits(number: int) -> str:
    return "".join("〇一二三四五六七八九"[int(digit)] for digit in str(number))


def _numeral(number: int) -> str:
    tens, ones = divmod(number, 10)
    if not tens:
        return "零一二三四五六七八九"[ones]
    return (
        ("" if tens == 1 else "零一二三四五六七八九"[tens])
        + "十"
        + ("零一二三四五六七八九"[ones] if ones else "")
    )


def _address(place: str, house: tuple[int, int, int]) -> str:
    return f"{place}{house[0]}号楼{house[1]}单元{house[2]}室"


def _key(name: str, address: str) -> str | None:
    return identity_keys(Petitioner(name, address=address), _SECRET).get("name_address")


@pytest.mark.parametrize(
    ("one", "other"),
    [("张玮", "章伟"), ("李晓丽", "李小莉"), ("解军", "谢君"), ("仇敏", "邱敏"), ("区伟", "欧玮"), ("尉迟恭", "于迟公")],
)  # fmt: skip
def test_names_that_sound_alike_agree(one: str, other: str) -> None:
    assert _key(one, "柏垭村3组") == _key(other, "百雅村三组") is not None


@pytest.mark.parametrize(("one", "other"), [("张伟", "王伟"), ("张伟", "张伟伟"), ("曾伟", "陈伟")])
def test_names_that_sound_otherwise_do_not(one: str, other: str) -> None:
    assert _key(one, "柏垭村3组") != _key(other, "柏垭村3组")


@given(_NAMES, _PLACES, _HOUSES, _DIVISIONS, _DIVISIONS)
def test_divisions_before_an_address_change_nothing(name, place, house, one, other):
    address = _address(place, house)
    assert _key(name, one + address) == _key(name, other + address) == _key(name, address) is not None


@given(_PLACES, _HOUSES, _HOUSES)
def test_another_house_is_another_key(place, one, other):
    assert (_key("张伟", _address(place, one)) == _key("张伟", _address(place, other))) == (one == other)


@given(_PLACES, _HOUSES)
def test_the_same_house_in_other_writing(place, house):
    number, stairs, flat = house
    spellings = [
        f"{place}{number}栋{stairs}-{flat}",
        f"{place} {number}幢 {stairs} 单元 {flat}",
        f"{place}（第{_numeral(number)}栋，{_numeral(stairs)}单元{_digits(flat)}室）",
        f"{place}{number:02}号{stairs}单元{flat}号",
        f"{place}{number}-{stairs}-{flat}",
    ]
    assert {canonical_address(spelling) for spelling in spellings} == {
        canonical_address(_address(place, house))
    }


@given(
    st.text(
        alphabet="一二三十百千〇09a号楼栋单元室组队村委会省市县区旗镇乡街道社区第路-之（ 苑城场政府小",
        max_size=16,
    )
)
def test_canonical_forms_are_their_own_canonical_form(address):
    canonical = canonical_address(address)
    assert canonical_address(canonical) == canonical
    assert sounds(sounds(canonical)) == sounds(canonical)


@pytest.mark.parametrize(
    "address",
    ["", "不详", "青石县", "青石县青石镇", "青石镇人民政府", "3栋501", "五一广场", "柏垭村", "青石县某处"],
)
def test_an_address_that_names_no_certain_place_is_none(address: str) -> None:
    assert canonical_address(address) == ""
    assert _key("张伟", address) is None


@given(st.text(min_size=1, max_size=6))
def test_a_name_alone_is_no_key(name):
    assert identity_keys(Petitioner(name), _SECRET) == {}


@pytest.mark.parametrize("name", ["张", "张先生", "李女士", "王同志"])
def test_a_surname_is_no_name(name: str) -> None:
    assert _key(name, "柏垭村3组") is None


@given(st.sampled_from([sounds, name_sounds]), st.text())
def test_sounds_are_total_and_the_same_every_time(sound, text):
    assert sound(text) == sound(text)


def test_readings_are_those_that_stored_keys_were_made_with() -> None:
    """A dictionary that reads a character otherwise changes keys: raise KEY_FORMAT, and say so in the changes."""
    readings = "".join(sounds(chr(code)) for code in range(0x4E00, 0xA000))
    assert sha256(readings.encode()).hexdigest()[:16] == "47b5f78492805bbe"


_PEOPLE = st.lists(
    st.builds(
        Petitioner,
        name=st.sampled_from(["", "张伟", "李丽"]),
        phone=st.sampled_from(["", "13812345678", "13912345678", "13712345678"]),
        address=st.sampled_from(["", "柏垭村3组"]),
    ),
    min_size=1,
    max_size=4,
)


def _petition(people: list[Petitioner], agent: Petitioner = Petitioner()) -> Petition:  # noqa: B008
    return Petition("x", "", "", people[0], joint_petitioners=tuple(people[1:]), agent=agent)


@given(_PEOPLE, st.randoms())
def test_the_order_of_people_changes_no_key(people, random):
    shuffled = random.sample(people, len(people))
    assert petition_keys(_petition(people), _SECRET) == petition_keys(_petition(shuffled), _SECRET)


@given(_PEOPLE, _PEOPLE)
def test_one_person_in_common_makes_the_same_petitioner(ours, theirs):
    one, other = (petition_keys(_petition(people), _SECRET) for people in (ours, theirs))
    assert same_petitioner(one, other) == same_petitioner(other, one)
    in_common = [
        p
        for p in ours
        for q in theirs
        if identity_keys(p, _SECRET).items() & identity_keys(q, _SECRET).items()
    ]
    assert same_petitioner(one, other) == bool(in_common)


@given(_PEOPLE, _PEOPLE)
def test_keys_tell_nothing_and_fit_their_columns(people, agents):
    keys = petition_keys(_petition(people, agents[0]), _SECRET)
    assert all(len(kind) <= 16 and re.fullmatch("[0-9a-f]{32}", digest) for kind, digest in keys)
    agent = {kind for kind, _ in keys if kind.startswith("agent_")}
    assert len(agent) == len(identity_keys(agents[0], _SECRET))
