"""What a running fenban consists of: settings, store, keyring, live model. Opened once, passed to every use case."""

from __future__ import annotations

import os
from dataclasses import dataclass

from sqlalchemy import Connection

from api.keyring import Keyring, stored_format
from api.live import Live
from api.settings import Settings
from api.store.rotation import progress
from api.store.session import Store
from api.store.terms import take_turn
from api.store.users import Role, add_user, any_user, new_key
from api.vault import Vault
from classifier.errors import SecretError
from classifier.identity import KEY_FORMAT

FIRST_ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Service:
    settings: Settings
    store: Store
    keyring: Keyring
    live: Live

    @property
    def vault(self) -> Vault:
        """The vault in use; whoever writes with it asks `unlock` first."""
        return self.keyring.vault

    def unlock(self, connection: Connection) -> Vault:
        """The vault to write with until this transaction ends: nobody changes the key meanwhile. Raises SecretMismatchError."""
        take_turn(connection)
        return self.keyring.follow(connection)

    def problem(self) -> str | None:
        """What somebody should do about the stored keys, in words; None when nothing."""
        with self.store.read() as connection:
            state = progress(connection)
            old = stored_format(connection) != KEY_FORMAT
        if state is not None:
            return f"身份标识或密钥的更换没有做完。请再运行 fenban keys {state.job}。"
        if old:
            return "库里的身份标识是按旧写法算的，按姓名住址查找重复信访会有遗漏。请运行 fenban keys rehash。"
        return None

    def close(self) -> None:
        self.store.close()


def open_service(settings: Settings) -> Service:
    """Open the database, migrate it, check the key against it, and make the first administrator if there is nobody.

    Raises StoreError, SecretError.
    """
    store = Store(settings.url)
    try:
        store.migrate()
        with store.set_up() as connection:
            keyring = Keyring(settings, connection)
            if not any_user(connection):
                admin = add_user(connection, FIRST_ADMIN, Role.ADMIN)
                _keep_admin_key(settings, new_key(connection, admin.id))
    except BaseException:
        store.close()
        raise
    return Service(settings, store, keyring, _live(settings))


def _live(settings: Settings) -> Live:
    return Live(settings.models, settings.directory, settings.own_directory, settings.headings_file)


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
