"""Keyed hashes of a petitioner."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from classifier.identity import (
    canonical_id_number,
    canonical_name_address,
    canonical_phone,
    identity_keys,
    keyed_hash,
)
from classifier.petition import Petitioner

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
