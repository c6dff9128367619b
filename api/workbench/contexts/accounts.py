"""What the pages of accounts and keys show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from api.workbench.contexts.base import Page


@dataclass(frozen=True, slots=True)
class RoleOption:
    """A role to choose."""

    #: As it is kept.
    value: str
    #: In Chinese, with what it is for.
    label: str
    #: Whether it is the one now.
    chosen: bool


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An account in a list."""

    #: Its id.
    id: str
    #: The user name.
    name: str
    #: In Chinese.
    role: str
    #: The name of a unit user's unit, "" for others.
    unit: str
    #: Whether it may be used.
    active: bool
    #: Whether a password was chosen.
    has_password: bool
    #: How many keys of it are in use.
    keys: int
    #: When it was made.
    since: datetime


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key in use; never the key itself."""

    #: The account's id.
    account_id: str
    #: Whose it is.
    account: str
    #: The account's role in Chinese.
    role: str
    #: When it was issued.
    since: datetime
    #: When it ends, None for never.
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class AccountsPage(Page):
    """Every account, and a form for a new one."""

    template: ClassVar[str] = "accounts.html"

    #: Those in use first, by name.
    accounts: tuple[AccountRow, ...]
    #: Whether whoever looks may change anything.
    editable: bool
    #: Roles for the new account.
    roles: tuple[RoleOption, ...]
    #: The new account's name as typed before, after a failure.
    name: str
    #: The chosen unit's id.
    unit: str
    #: The unit as it stands in the input.
    unit_typed: str
    #: What was wrong with the last try, "" for nothing.
    problem: str


@dataclass(frozen=True, slots=True)
class AccountAdminPage(Page):
    """One account: what it may do, its keys, its sessions."""

    template: ClassVar[str] = "account_admin.html"

    #: The account.
    account: AccountRow
    #: What a change must have seen.
    stamp: str
    #: Its keys in use, newest first.
    keys: tuple[KeyRow, ...]
    #: How many sessions are open.
    sessions: int
    #: Whether whoever looks may change anything.
    editable: bool
    #: Roles to choose.
    roles: tuple[RoleOption, ...]
    #: The chosen unit's id.
    unit: str
    #: The unit as it stands in the input.
    unit_typed: str
    #: What was wrong with the last try, "" for nothing.
    problem: str


@dataclass(frozen=True, slots=True)
class SecretPage(Page):
    """A one-time link or a key, shown this once."""

    template: ClassVar[str] = "secret.html"

    #: 登录链接 or 凭证.
    what: str
    #: Whose it is.
    name: str
    #: The account's id.
    account_id: str
    #: The link or key.
    value: str
    #: What to do with it.
    advice: str


@dataclass(frozen=True, slots=True)
class KeysPage(Page):
    """The keys in use, of all accounts."""

    template: ClassVar[str] = "keys.html"

    #: Newest first.
    keys: tuple[KeyRow, ...]
    #: Whether there are more than are shown.
    goes_on: bool
