"""Who submitted, as keyed hashes only. The key stays with the office; without it a hash says nothing.

Three keys (DESIGN "Words"): the ID number, the phone number, name and address together. A name alone is no key: people share
names. A board's own account number, where an export has one, is a fourth. Hashes are HMAC-SHA-256 cut to 128 bits.
"""

from __future__ import annotations

import hmac
import re
from hashlib import sha256

from classifier.normalise import normalised
from classifier.petition import Petitioner
from classifier.redact import is_id_number

_SPACES = re.compile(r"[\s\-—·.()（）]+")
_COUNTRY = re.compile(r"^(?:\+|00)?86(?=1[3-9]\d{9}$)")


_NOBODY = Petitioner()


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
    name, address = (_SPACES.sub("", normalised(part)) for part in (name, address))
    return f"{name}|{address}" if len(name) >= 2 and len(address) >= 4 else ""


def identity_keys(petitioner: Petitioner, secret: bytes) -> dict[str, str]:
    """The keys this petitioner has, by type: `id_number`, `phone`, `name_address`, `account`; each 32 hex digits.

    Raises ValueError when `secret` has fewer than 16 bytes.
    """
    if len(secret) < 16:
        raise ValueError("the identity secret needs at least 16 bytes")
    if petitioner == _NOBODY:
        return {}
    canonical = {
        "id_number": canonical_id_number(petitioner.id_number),
        "phone": canonical_phone(petitioner.phone),
        "name_address": canonical_name_address(petitioner.name, petitioner.address),
        "account": _SPACES.sub("", normalised(petitioner.account)),
    }
    return {kind: keyed_hash(f"{kind}:{value}", secret) for kind, value in canonical.items() if value}


def keyed_hash(value: str, secret: bytes) -> str:
    """HMAC-SHA-256 of `value`, cut to 128 bits, as 32 hex digits."""
    return hmac.new(secret, value.encode("utf-8", "surrogatepass"), sha256).hexdigest()[:32]
