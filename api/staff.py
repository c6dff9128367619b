"""Whose accounts there are, what each may do, and their keys. What an administrator changes here is on record, with the account's name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import RowMapping

from api.accounts import LINK_LASTS, link_path
from api.service import Service
from api.store.accounts import (
    accounts,
    active_administrators,
    change_account,
    end_keys,
    end_sessions,
    get_account,
    invite,
    keys,
    lock_administrators,
    sessions_open,
)
from api.store.audit import Action, record
from api.store.firewall import Role, Viewer
from api.store.users import User, add_user, new_key
from classifier.errors import ConflictError, InputError, UnknownCodeError

#: Longest name, in characters.
LONGEST_NAME = 40
#: Longest life of a key that expires, in days.
MOST_DAYS = 3_650


@dataclass(frozen=True, slots=True)
class Account:
    """One account. `keys` are those in use; `stamp` is what a change must have seen."""

    id: str
    name: str
    role: Role
    unit: str
    since: datetime
    disabled_at: datetime | None
    has_password: bool
    keys: int

    @property
    def stamp(self) -> str:
        return f"{self.role.value}|{self.unit}|{'disabled' if self.disabled_at else 'active'}"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: never the key itself, which nobody knows but who was given it."""

    account_id: str
    account: str
    role: Role
    since: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Secret:
    """What is shown once: a one-time link's path, or a key, and whose it is."""

    account_id: str
    name: str
    value: str


def everybody(service: Service) -> list[Account]:
    """Accounts in use first, by name."""
    with service.store.read() as connection:
        return [
            Account(
                row["id"], row["name"], Role(row["role"]), row["unit"], row["created_at"], row["disabled_at"],
                bool(row["has_password"]), row["keys"],
            )
            for row in accounts(connection)
        ]  # fmt: skip


def one(service: Service, account_id: str) -> tuple[Account, Sequence[Key], int]:
    """An account, its keys, and how many sessions of it are open. Raises NotFoundError."""
    settings = service.settings
    idle, longest = timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours)
    with service.store.read() as connection:
        row = get_account(connection, account_id)
        own = [_key(found) for found in keys(connection, account_id)]
        count = sessions_open(connection, account_id, idle, longest)
    return _account(row, len(own)), own, count


def all_keys(service: Service, most: int) -> list[Key]:
    """The latest `most` keys in use, newest first."""
    with service.store.read() as connection:
        return [_key(row) for row in keys(connection, limit=most)]


def add(service: Service, viewer: Viewer, name: str, role: str, unit: str) -> Secret:
    """A new account with the path of its one-time link. `unit` is an id or name. Raises InputError, UnknownCodeError, ConflictError."""
    name = " ".join(name.split())
    if not name:
        raise InputError("请写用户名。")
    if len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(f"用户名最多 {LONGEST_NAME} 个字，不能有换行等特殊字符。")
    wanted, own = _role_and_unit(service, role, unit)
    with service.store.write() as connection:
        if any(row["name"].casefold() == name.casefold() for row in accounts(connection)):
            raise ConflictError(
                f"已经有账号“{name}”。请换一个用户名；要重设它的密码，请打开这个账号发新链接。"
            )
        user = add_user(connection, name, wanted, own)
        link = link_path(invite(connection, user.id, LINK_LASTS))
        record(connection, Action.ACCOUNT_ADDED, viewer.user_id, account=name, role=wanted.value, unit=own)
    return Secret(user.id, name, link)


def change(
    service: Service, viewer: Viewer, account_id: str, role: str, unit: str, disabled: bool, seen: str
) -> None:
    """Another role, unit or state. `seen` is the stamp of what whoever changes it saw.

    Raises NotFoundError, InputError, UnknownCodeError, ConflictError: somebody changed it meanwhile, or no administrator would be left.
    """
    wanted, own = _role_and_unit(service, role, unit)
    with service.store.write() as connection:
        lock_administrators(connection)
        account = _account(get_account(connection, account_id), 0)
        if account.stamp != seen:
            raise ConflictError("这个账号刚有人改过。请看过现在的内容再改。")
        keeps = wanted is Role.ADMIN and not disabled
        if not keeps and active_administrators(connection) == [account.id]:
            raise ConflictError(
                "这是最后一个在用的管理员，不能停用，也不能改成别的角色。请先新增一个管理员。"
            )
        after = f"{wanted.value}|{own}|{'disabled' if disabled else 'active'}"
        if after == account.stamp:
            return
        change_account(connection, account.id, wanted, own, disabled)
        if (wanted, own) != (account.role, account.unit):
            # What it may see has changed: no open page of it goes on with what it saw before.
            end_sessions(connection, account.id)
        record(
            connection,
            Action.ACCOUNT_CHANGED,
            viewer.user_id,
            account=account.name,
            role=wanted.value,
            unit=own,
            state="disabled" if disabled else "active",
        )


def new_link(service: Service, viewer: Viewer, account_id: str) -> Secret:
    """The path of a new one-time link; older ones hold no longer. Raises NotFoundError, ConflictError for a disabled account."""
    with service.store.write() as connection:
        user = _active(get_account(connection, account_id))
        link = link_path(invite(connection, user.id, LINK_LASTS))
        record(connection, Action.ACCOUNT_CHANGED, viewer.user_id, account=user.name, change="link")
    return Secret(user.id, user.name, link)


def sign_everywhere_out(service: Service, viewer: Viewer, account_id: str) -> None:
    """End every session of an account. Raises NotFoundError."""
    with service.store.write() as connection:
        row = get_account(connection, account_id)
        end_sessions(connection, row["id"])
        record(connection, Action.ACCOUNT_CHANGED, viewer.user_id, account=row["name"], change="sessions")


def issue_key(service: Service, viewer: Viewer, account_id: str, days: int | None) -> Secret:
    """A new key, which expires after `days` (1 to MOST_DAYS; None: never). Raises NotFoundError, InputError, ConflictError."""
    if days is not None and not 1 <= days <= MOST_DAYS:
        raise InputError(f"有效天数请写 1 到 {MOST_DAYS} 之间的整数，或选“不过期”。")
    with service.store.write() as connection:
        user = _active(get_account(connection, account_id))
        key = new_key(connection, user.id, days)
        record(connection, Action.KEY_ISSUED, viewer.user_id, account=user.name, days=days or 0)
    return Secret(user.id, user.name, key)


def withdraw_keys(service: Service, viewer: Viewer, account_id: str) -> int:
    """Withdraw every key of an account; how many there were. Raises NotFoundError."""
    with service.store.write() as connection:
        row = get_account(connection, account_id)
        count = end_keys(connection, row["id"])
        if count:
            record(
                connection,
                Action.ACCOUNT_CHANGED,
                viewer.user_id,
                account=row["name"],
                change="keys",
                count=count,
            )
    return count


def _account(row: RowMapping, keys_in_use: int) -> Account:
    """Of a whole row of users."""
    return Account(
        row["id"], row["name"], Role(row["role"]), row["unit"], row["created_at"], row["disabled_at"],
        row["password"] is not None, keys_in_use,
    )  # fmt: skip


def _active(row: RowMapping) -> User:
    if row["disabled_at"] is not None:
        raise ConflictError("这个账号已停用。请先启用。")
    return User(row["id"], row["name"], Role(row["role"]), row["unit"])


def _key(row: RowMapping) -> Key:
    return Key(row["user_id"], row["name"], Role(row["role"]), row["created_at"], row["expires_at"])


def _role_and_unit(service: Service, role: str, unit: str) -> tuple[Role, str]:
    if role not in set(Role):
        raise InputError("请选一个角色。")
    wanted, unit = Role(role), unit.strip()
    if wanted is not Role.UNIT:
        return wanted, ""
    if not unit:
        raise InputError("承办单位的账号要写明是哪个单位。")
    known = service.live.engine().router.directory.unit_named(unit)
    if known is None:
        raise UnknownCodeError(f"单位目录里没有“{unit[:40]}”。请从列出的单位里选。")
    return wanted, known.id
