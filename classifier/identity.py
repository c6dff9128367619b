"""Who submitted, as keyed hashes only. The key stays with the office; without it a hash says nothing.

Three keys (DESIGN "Words"): the ID number, the phone number, name and address together. A name alone is no key: people share
names. A board's own account number, where an export has one, is a fourth. Hashes are HMAC-SHA-256 cut to 128 bits.

Hashes can only be equal or not: what should count as the same gets one canonical form before it is hashed. Whoever changes a
canonical form raises `KEY_FORMAT`; stored keys are then made anew with `fenban keys rehash`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from hashlib import sha256

from classifier.address import canonical_address
from classifier.normalise import normalised
from classifier.petition import Petition, Petitioner
from classifier.redact import is_id_number
from classifier.sounds import name_sounds, sounds

#: (type, 32 hex digits) of everybody a petition names. Types are `id_number`, `phone`, `name_address`, `account`, and of an agent (代理人)
#: `agent_id_number`, `agent_phone`, `agent_address` (name and address), `agent_account`.
Keys = frozenset[tuple[str, str]]

#: Of the canonical forms below. 1 compared names and addresses letter by letter, 2 by sound and without divisions.
KEY_FORMAT = 2

_SPACES = re.compile(r"[\s\-—·.()（）]+")
_COUNTRY = re.compile(r"^(?:\+|00)?86(?=1[3-9]\d{9}$)")
_TITLE = re.compile("(?:先生|女士|小姐|同志|老师)$")
_NOBODY = Petitioner()
_AGENT = "agent_"
# Of an agent's keys, those whose type is not simply prefixed: a type has at most 16 characters in the database.
_SHORTER = {"name_address": "address"}


def canonical_id_number(number: str) -> str:
    """The 18-digit form, upper case, or "" when it is no valid ID number. A 15-digit one gets its century and check digit."""
    plain = _SPACES.sub("", normalised(number)).upper()
    if re.fullmatch(r"\d{15}", plain):
        body = plain[:6] + "19" + plain[6:]
        plain = next((body + check for check in "0123456789X" if is_id_number(body + check)), "")
    return plain if is_id_number(plain) else ""


def canonical_phone(phone: str) -> str:
    """Digits only, without the country code; "" when there are fewer than seven."""
    plain = _COUNTRY.sub("", _SPACES.sub("", normalised(phone)))
    return plain if re.fullmatch(r"\d{7,12}", plain) else ""


def canonical_name_address(name: str, address: str) -> str:
    """Name and address by sound (张玮 is 张伟), or "" when the name is shorter than two characters or the address names no certain place."""
    name = _TITLE.sub("", _SPACES.sub("", normalised(name)).lower())
    if len(name) < 2:
        return ""
    place = canonical_address(address)
    return f"{name_sounds(name)}|{sounds(place)}" if place else ""


def identity_keys(petitioner: Petitioner, secret: bytes) -> dict[str, str]:
    """The keys one person has, by type: `id_number`, `phone`, `name_address`, `account`; each 32 hex digits.

    Raises ValueError when `secret` has fewer than 16 bytes.
    """
    if len(secret) < 16:
        raise ValueError("the identity secret needs at least 16 bytes")
    if petitioner == _NOBODY:
        return {}
    who = petitioner
    canonical = {
        "id_number": canonical_id_number(who.id_number) if who.id_number else "",
        "phone": canonical_phone(who.phone) if who.phone else "",
        "name_address": canonical_name_address(who.name, who.address) if who.name and who.address else "",
        "account": _SPACES.sub("", normalised(who.account)) if who.account else "",
    }
    return {kind: keyed_hash(f"{kind}:{value}", secret) for kind, value in canonical.items() if value}


def petition_keys(petition: Petition, secret: bytes) -> Keys:
    """The keys of all petitioners of a petition, and under types of their own those of the agent. Raises ValueError as above."""
    own = (
        key
        for person in (petition.petitioner, *petition.joint_petitioners)
        for key in identity_keys(person, secret).items()
    )
    agent = identity_keys(petition.agent, secret).items()
    return frozenset((*own, *((_AGENT + _SHORTER.get(kind, kind), digest) for kind, digest in agent)))


def is_agent_key(kind: str) -> bool:
    return kind.startswith(_AGENT)


def same_petitioner(one: Keys, other: Keys) -> bool:
    """Whether two petitions have an identical petitioner, any of several.

    A lawyer has many clients: one agent in both says so only where at least one of the two names nobody else.
    """
    shared = one & other
    if not shared:
        return False
    return names_petitioner(shared) or not (names_petitioner(one) and names_petitioner(other))


def names_petitioner(keys: Iterable[tuple[str, str]]) -> bool:
    """Whether any of the keys is a petitioner's own, not an agent's."""
    return any(not is_agent_key(kind) for kind, _ in keys)


def keyed_hash(value: str, secret: bytes) -> str:
    """HMAC-SHA-256 of `value`, cut to 128 bits, as 32 hex digits."""
    return hmac.new(secret, value.encode("utf-8", "surrogatepass"), sha256).hexdigest()[:32]
