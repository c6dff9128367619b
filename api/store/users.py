"""Users, their roles and their keys. Keys are 256 random bits, so a plain SHA-256 hides them; none is kept in clear."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import Connection, insert, select, update

from api.store.firewall import Role as Role
from api.store.petitions import new_id, now
from api.store.tables import api_keys, users
from classifier.errors import ConflictError, InputError, NotFoundError, UnauthenticatedError

_PREFIX = "fenban_"


@dataclass(frozen=True, slots=True)
class User:
    id: str
    name: str
    role: Role
    #: A unit user's own unit; "" for all other roles.
    unit: str = ""


def add_user(connection: Connection, name: str, role: Role, unit: str = "") -> User:
    """Raises ConflictError when the name is taken, InputError when a unit user has no unit or another role has one."""
    name = name.strip()
    if (role is Role.UNIT) != bool(unit):
        raise InputError("承办单位用户要写明本单位（--unit），其他角色不写。")
    if connection.execute(select(users.c.id).where(users.c.name == name)).first():
        raise ConflictError(f"用户“{name[:40]}”已经存在。要发新凭证请用 fenban users key。")
    user = User(new_id(), name, role, unit)
    connection.execute(
        insert(users).values(id=user.id, name=name, role=role.value, unit=unit, created_at=now())
    )
    return user


def role_of(connection: Connection, user_id: str) -> Role:
    """What a user is now: kept beside what they do, so that it reads the same when they are something else one day."""
    return Role(connection.execute(select(users.c.role).where(users.c.id == user_id)).scalar_one())


def new_key(connection: Connection, user_id: str, days: int | None = None) -> str:
    """A new key for a user, shown this once; it expires after `days`, or never."""
    key = _PREFIX + secrets.token_urlsafe(32)
    expires = now() + timedelta(days=days) if days is not None else None
    connection.execute(
        insert(api_keys).values(digest=_digest(key), user_id=user_id, created_at=now(), expires_at=expires)
    )
    return key


def find_user(connection: Connection, name: str) -> User:
    """Raises NotFoundError."""
    row = connection.execute(
        select(users.c.id, users.c.name, users.c.role, users.c.unit).where(users.c.name == name.strip())
    ).first()
    if row is None:
        raise NotFoundError(f"没有用户“{name[:40]}”。")
    return User(row.id, row.name, Role(row.role), row.unit)


def disable_user(connection: Connection, name: str) -> None:
    user = find_user(connection, name)
    connection.execute(update(users).where(users.c.id == user.id).values(disabled_at=now()))


def any_user(connection: Connection) -> bool:
    return connection.execute(select(users.c.id).limit(1)).first() is not None


def authenticate(connection: Connection, key: str) -> User:
    """The user of a key. Raises UnauthenticatedError saying whether it is unknown, expired or its user disabled."""
    row = connection.execute(
        select(
            users.c.id,
            users.c.name,
            users.c.role,
            users.c.unit,
            users.c.disabled_at,
            api_keys.c.expires_at,
        )
        .join(users, users.c.id == api_keys.c.user_id)
        .where(api_keys.c.digest == _digest(key))
    ).first()
    if row is None:
        raise UnauthenticatedError("凭证无效。请检查，或向管理员申请新的。")
    if row.disabled_at is not None:
        raise UnauthenticatedError("用户已停用。请联系管理员。")
    if row.expires_at is not None and row.expires_at <= now():
        raise UnauthenticatedError("凭证已过期。请向管理员申请新的（fenban users key）。")
    return User(row.id, row.name, Role(row.role), row.unit)


def _digest(key: str) -> str:
    return sha256(key.encode("utf-8", "replace")).hexdigest()
