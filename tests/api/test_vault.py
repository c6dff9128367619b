"""The office's key: made once, kept to its owner, never replaced behind a database's back; what it seals stays sealed."""

from __future__ import annotations

import base64
import json
import stat
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from api.intake import submit
from api.keyring import Keyring
from api.service import open_service
from api.store.meta import put
from api.store.tables import idempotency, metadata, petitions
from api.vault import Vault, load_key
from classifier.errors import SecretError, SecretMismatchError, SecretMissingError
from classifier.petition import Petition, Petitioner

_KEY, _OTHER_KEY = bytes(range(32)), bytes(range(1, 33))
_VAULT = Vault(_KEY)


def _base64(key: bytes) -> str:
    return base64.b64encode(key).decode()


@given(st.dictionaries(st.text(), st.text()), st.text(alphabet="0123456789abcdef", min_size=1))
def test_what_is_sealed_opens_again(value, owner):
    assert _VAULT.open(_VAULT.seal(value, owner), owner) == value


def test_sealed_parts_open_for_their_owner_and_key_only():
    sealed = Vault(_KEY).seal({"phone": "13971234567"}, "p1")
    changed = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for vault, content, owner in (
        (Vault(_KEY), sealed, "p2"),
        (Vault(_OTHER_KEY), sealed, "p1"),
        (Vault(_KEY), changed, "p1"),
        (Vault(_KEY), sealed[:12], "p1"),
        (Vault(_KEY), b"", "p1"),
    ):
        with pytest.raises(SecretMismatchError):
            vault.open(content, owner)


def test_sealing_twice_gives_different_bytes():
    vault = Vault(_KEY)
    assert vault.seal({"a": "b"}, "p1") != vault.seal({"a": "b"}, "p1")


def test_derived_keys_differ_from_the_master_and_each_other():
    vault = Vault(_KEY)
    assert len({_KEY, vault.identity_secret, bytes.fromhex(vault.check)}) == 3
    assert Vault(_OTHER_KEY).identity_secret != vault.identity_secret


def test_key_file_is_made_once_for_its_owner_alone(tmp_path):
    file = tmp_path / "new" / "fenban.key"
    key = load_key("", file, may_create=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(key) == 32
    assert load_key("", file, may_create=True) == load_key("", file, may_create=False) == key


def test_key_of_the_environment_goes_before_the_file(tmp_path):
    file = tmp_path / "fenban.key"
    load_key("", file, may_create=True)
    assert load_key(f" {_base64(_KEY)}\n", file, may_create=False) == _KEY
    assert load_key(_base64(_KEY), tmp_path / "absent.key", may_create=True) == _KEY
    assert not (tmp_path / "absent.key").exists()


def test_missing_key_is_not_replaced_where_there_is_data(tmp_path):
    with pytest.raises(SecretMissingError, match=r"fenban\.key"):
        load_key("", tmp_path / "fenban.key", may_create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"no base64!", b"\xff\xfe\x00", "密钥".encode()])
def test_key_file_that_is_no_key(tmp_path, content):
    file = tmp_path / "fenban.key"
    file.write_bytes(content)
    with pytest.raises(SecretError):
        load_key("", file, may_create=True)
    assert file.read_bytes() == content


def test_key_file_that_cannot_be_read_or_made(tmp_path):
    (tmp_path / "fenban.key").mkdir()
    (tmp_path / "plain").write_text("")
    for file in (tmp_path / "fenban.key", tmp_path / "plain" / "fenban.key"):
        with pytest.raises(SecretError) as caught:
            load_key("", file, may_create=True)
        assert str(tmp_path) not in str(caught.value)


def _with_key(settings, key: str):
    return type(settings)(**settings.model_dump(exclude={"key"}), key=key)


def test_first_start_makes_key_and_admin_credential_for_their_owner_alone(settings, service):
    for file in (settings.key_file, settings.admin_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_losing_the_key_stops_the_start_and_makes_no_new_one(settings, service):
    service.close()
    settings.key_file.unlink()
    with pytest.raises(SecretMissingError):
        open_service(settings)
    assert not settings.key_file.exists()


@pytest.mark.parametrize("how", ["file", "environment"])
def test_another_key_stops_the_start(settings, service, how):
    service.close()
    if how == "file":
        settings.key_file.write_text(_base64(_OTHER_KEY))
    else:
        settings = _with_key(settings, _base64(_OTHER_KEY))
    with pytest.raises(SecretMismatchError):
        open_service(settings)


@pytest.mark.parametrize("key", ["not base64", _base64(b"too short"), _base64(bytes(33))])
def test_unusable_key_stops_the_start_without_being_told(settings, key):
    with pytest.raises(SecretError) as caught:
        open_service(_with_key(settings, key))
    assert key not in str(caught.value)


def test_the_same_key_from_the_environment_opens_the_database(settings, service):
    key = settings.key_file.read_text().strip()
    service.close()
    settings.key_file.unlink()
    again = open_service(_with_key(settings, key))
    again.close()
    assert again.vault.identity_secret == service.vault.identity_secret
    assert not settings.key_file.exists()


def _everything(service) -> bytes:
    """All a thief of the database gets: every value of every table, and on SQLite the bytes of its files."""
    parts: list[bytes] = []
    with service.store.read() as connection:
        for table in metadata.sorted_tables:
            for row in connection.execute(select(table)):
                parts += [v if isinstance(v, bytes) else str(v).encode() for v in row]
    if service.store.is_sqlite:
        file = Path(service.store.engine.url.database)
        found = [part for part in file.parent.glob(f"{file.name}*") if part.stat().st_size]
        assert {file.name, f"{file.name}-wal"} <= {part.name for part in found}
        parts += [part.read_bytes() for part in found]
    return b"\n".join(parts)


def test_identity_and_original_text_never_stand_in_the_database(http, service, keys, letter, markers):
    petition = http.submit(letter, headers={"Idempotency-Key": "k-1"})
    assert http.get(f"/v1/petitions/{petition}/original").json()["text"] == letter["text"]
    content = _everything(service)
    assert "楼下烧烤店每天营业到凌晨".encode() in content, (
        "the redacted text is there, else this finds nothing"
    )
    secrets = [*markers, letter["text"][:20], keys["admin"], service.settings.key_file.read_text().strip()]
    for secret in secrets:
        escaped = json.dumps(secret)[1:-1]
        for form in (secret.encode(), secret.encode("utf-16-le"), secret.encode("gb18030"), escaped.encode()):
            assert form not in content, secret


def test_request_digest_tells_nothing_without_the_key(service, administrator):
    """A plain hash of the body would let anyone with the redacted text try out all phone numbers."""
    petition = Petition("", "", "楼下烧烤店油烟扰民。", Petitioner(phone="13971234567"))
    for name, key in (("a", _KEY), ("b", _KEY), ("c", _OTHER_KEY)):
        with service.store.write() as connection:
            put(connection, "key_check", None)
            keyring = Keyring(_with_key(service.settings, _base64(key)), connection)
        submit(replace(service, keyring=keyring), petition, administrator, name)
    with service.store.read() as connection:
        query = select(idempotency.c.body_digest).order_by(idempotency.c.key)
        one, same, other = connection.execute(query).scalars()
    assert one == same != other


def test_sealed_row_moved_to_another_petition_is_refused(http, service, letter):
    mine, other = http.submit(letter), http.submit("厂里三个月没有发工资，请帮忙追讨。")
    with service.store.write() as connection:
        stolen = connection.execute(
            select(petitions.c.original, petitions.c.contact).where(petitions.c.id == mine)
        ).one()
        connection.execute(
            petitions.update()
            .where(petitions.c.id == other)
            .values(original=stolen.original, contact=stolen.contact)
        )
    answer = http.get(f"/v1/petitions/{other}/original")
    assert http.outcome(answer) == (503, "key-mismatch")
    assert letter["petitioner"]["phone"] not in answer.text
