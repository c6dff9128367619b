"""What a running fenban consists of: settings, store, vault, live model. Opened once, passed to every use case."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqlalchemy import Connection

from api.live import Live
from api.settings import Settings
from api.store.meta import any_petition, keep_key_check, key_check
from api.store.session import Store
from api.store.users import Role, add_user, any_user, new_key
from api.vault import Vault, load_key
from classifier.errors import SecretError, SecretMismatchError

_FIRST_ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Service:
    settings: Settings
    store: Store
    vault: Vault
    live: Live

    def close(self) -> None:
        self.store.close()


def open_service(settings: Settings) -> Service:
    """Open the database, migrate it, check the key against it, and make the first administrator if there is nobody.

    Raises StoreError, SecretError.
    """
    store = Store(settings.url)
    try:
        store.migrate()
        with store.write() as connection:
            vault = _unlock(settings, connection)
            if not any_user(connection):
                admin = add_user(connection, _FIRST_ADMIN, Role.ADMIN)
                _keep_admin_key(settings, new_key(connection, admin.id))
    except BaseException:
        store.close()
        raise
    return Service(settings, store, vault, Live(settings.models, settings.directory))


def _unlock(settings: Settings, connection: Connection) -> Vault:
    known = key_check(connection)
    has_data = known is not None or any_petition(connection)
    vault = Vault(load_key(settings.key.get_secret_value(), settings.key_file, may_create=not has_data))
    if known is None:
        keep_key_check(connection, vault.check)
    elif known != vault.check:
        raise SecretMismatchError("密钥不是这个数据库的密钥。请放回原来的密钥文件，或设置原来的 FENBAN_KEY。")
    return vault


def _keep_admin_key(settings: Settings, key: str) -> None:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        settings.admin_file.unlink(missing_ok=True)
        descriptor = os.open(settings.admin_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(key + "\n")
    except OSError as problem:
        raise SecretError(
            f"管理员凭证存不进数据目录（{type(problem).__name__}）。请检查目录、权限和磁盘。"
        ) from None
