"""Which of the keys at hand the database is locked with. A key may be replaced while the service runs; this notices.

While `fenban keys rotate` is at work there are two keys: the one in use (`FENBAN_KEY`, or the key file) and the next one
(`FENBAN_NEW_KEY`, or the key file's name with `.new`). The check value in the database says which of them is in use; sealed parts
may be under either.

Rows of imports and bodies of requests are hashed once by a secret that never changes and then by each secret the office has had since:
what is stored is made anew at a rotation without knowing the row, and the old key alone opens nothing.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from api.settings import Settings
from api.store.meta import any_petition, kept, key_check, put
from api.vault import Vault, load_key
from classifier.errors import ConflictError, SecretMismatchError
from classifier.identity import KEY_FORMAT, keyed_hash

_CHAIN = "hash_chain"
_FORMAT = "key_format"
_BEFORE_FORMATS = 1


@dataclass(frozen=True, slots=True)
class _Unlocked:
    vault: Vault
    chain: tuple[bytes, ...]


class Keyring:
    """The keys of one office. Safe to share between threads: what is in use is one reference."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        """Checks the key against the database, or makes the first key of an empty one. Raises SecretError."""
        self._settings = settings
        if (known := key_check(connection)) is None:
            empty = not any_petition(connection)
            key = load_key(settings.key.get_secret_value(), settings.key_file, may_create=empty)
            put(connection, "key_check", Vault(key).check)
            if empty:
                put(connection, _FORMAT, str(KEY_FORMAT))
            known = Vault(key).check
        self._unlocked = self._unlock(connection, known)

    @property
    def vault(self) -> Vault:
        """The vault in use when `follow` was last asked."""
        return self._unlocked.vault

    def follow(self, connection: Connection) -> Vault:
        """The vault in use now. Raises SecretMismatchError when the key was replaced and the new one is not here."""
        known = key_check(connection)
        if known is not None and known != self.vault.check:
            self._unlocked = self._unlock(connection, known)
        return self.vault

    def open(self, sealed: bytes, owner: str) -> dict[str, Any]:
        """What was sealed, under the key in use or the other one of a rotation. Raises SecretMismatchError."""
        try:
            return self.vault.open(sealed, owner)
        except SecretMismatchError:
            for vault in self._at_hand():
                if vault.check != self.vault.check:
                    return vault.open(sealed, owner)
            raise

    def row_digest(self, row: str) -> str:
        """The inner hash of a row, the same for as long as the database lives; `stored_forms` of it is what may be stored."""
        return keyed_hash(row, self._unlocked.chain[0])

    def stored_forms(self, digest: str) -> tuple[str, ...]:
        """The form to store, and the one from before the last rotation, which may not have come to all rows yet."""
        forms = [digest]
        for secret in self._unlocked.chain[1:]:
            forms.append(rehashed(forms[-1], secret))
        return tuple(forms[:-3:-1])

    def next_vault(self) -> Vault:
        """The key to change to: made now where keys are files. Raises ConflictError when FENBAN_KEY has no successor in FENBAN_NEW_KEY."""
        settings = self._settings
        given = settings.new_key.get_secret_value()
        if settings.key.get_secret_value() and not given:
            raise ConflictError(
                "主密钥来自 FENBAN_KEY。请用 openssl rand -base64 32 生成新密钥，设为 FENBAN_NEW_KEY（服务也要带上它重启），再运行。"
            )
        vault = Vault(load_key(given, _next_file(settings), may_create=True))
        if vault.check == self.vault.check:
            raise ConflictError("FENBAN_NEW_KEY 就是现在的密钥。请换一个新的。")
        return vault

    def change_to(self, connection: Connection, vault: Vault) -> None:
        """From the end of this transaction on `vault` is in use."""
        chain = [secret.hex() for secret in (*self._unlocked.chain, vault.identity_secret)]
        put(connection, _CHAIN, vault.seal({"secrets": chain}, _CHAIN).hex())
        put(connection, "key_check", vault.check)

    def settle_files(self) -> None:
        """Once the database is under the next key: its file takes the key file's name. The old key is kept beside it, for old backups."""
        key_file, next_file = self._settings.key_file, _next_file(self._settings)
        if self._settings.key.get_secret_value() or not next_file.exists():
            return
        check = Vault(load_key("", key_file, may_create=False)).check
        old = key_file.with_name(f"{key_file.name}.old-{check[:8]}")
        old.unlink(missing_ok=True)
        os.link(key_file, old)  # the key file itself is there at every moment
        next_file.replace(key_file)

    def _unlock(self, connection: Connection, known: str) -> _Unlocked:
        vault = next((vault for vault in self._at_hand() if vault.check == known), None)
        if vault is None:
            raise SecretMismatchError(
                "密钥不是这个数据库的密钥。请放回原来的密钥文件，或设置原来的 FENBAN_KEY；"
                "如果换过密钥，请用新的密钥重启服务。"
            )
        sealed = kept(connection, _CHAIN)
        if sealed is None:
            return _Unlocked(vault, (vault.identity_secret,))
        secrets = vault.open(bytes.fromhex(sealed), _CHAIN)["secrets"]
        return _Unlocked(vault, tuple(bytes.fromhex(secret) for secret in secrets))

    def _at_hand(self) -> list[Vault]:
        """Read anew each time: a rotation by another process changes the files."""
        settings = self._settings
        vaults = [Vault(load_key(settings.key.get_secret_value(), settings.key_file, may_create=False))]
        if settings.new_key.get_secret_value() or _next_file(settings).exists():
            given = settings.new_key.get_secret_value()
            vaults.append(Vault(load_key(given, _next_file(settings), may_create=False)))
        return vaults


def rehashed(digest: str, secret: bytes) -> str:
    """What a stored digest of a row becomes under the next secret."""
    return keyed_hash(f"again:{digest}", secret)


def stored_format(connection: Connection) -> int:
    """The key format that the database's identity keys are in."""
    return int(kept(connection, _FORMAT) or _BEFORE_FORMATS)


def keep_format(connection: Connection) -> None:
    put(connection, _FORMAT, str(KEY_FORMAT))


def _next_file(settings: Settings) -> Path:
    return settings.key_file.with_name(f"{settings.key_file.name}.new")
