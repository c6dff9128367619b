"""Passwords, sessions, one-time links and failed attempts of the workbench's accounts. Of each secret only a hash is kept."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from api.store.petitions import now
from api.store.tables import api_keys, invitations, sessions, sign_in_failures, users
from api.store.users import Role, User
from classifier.errors import NotFoundError

# A session seen within so many seconds is not written again.
_SEEN_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in user. `csrf` is what every unsafe request of the session must bring along."""

    user: User
    csrf: str


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session as it begins; `cookie` is known to nobody but the browser it is sent to."""

    user: User
    csrf: str
    cookie: str


def secret() -> str:
    """256 random bits, for a cookie or a link."""
    return secrets.token_urlsafe(32)


def digest(value: str) -> str:
    return sha256(value.encode("utf-8", "replace")).hexdigest()


def password_of(connection: Connection, name: str) -> tuple[User, str | None] | None:
    """The account of this name that is not disabled, with its password's hash (None before one was chosen)."""
    row = connection.execute(
        select(users.c.id, users.c.name, users.c.role, users.c.unit, users.c.password).where(
            users.c.name == name, users.c.disabled_at.is_(None)
        )
    ).first()
    return (User(row.id, row.name, Role(row.role), row.unit), row.password) if row else None


def any_password(connection: Connection) -> bool:
    return (
        connection.execute(select(users.c.id).where(users.c.password.is_not(None)).limit(1)).first()
        is not None
    )


def set_password(connection: Connection, user_id: str, hashed: str) -> None:
    """A new password ends every session of the account and uses up its links."""
    connection.execute(update(users).where(users.c.id == user_id).values(password=hashed))
    end_sessions(connection, user_id)
    connection.execute(delete(invitations).where(invitations.c.user_id == user_id))


def begin_session(connection: Connection, user: User) -> NewSession:
    new, moment = NewSession(user, secret(), secret()), now()
    connection.execute(
        insert(sessions).values(
            digest=digest(new.cookie), user_id=user.id, csrf=new.csrf, created_at=moment, seen_at=moment
        )
    )
    return new


def session_of(
    connection: Connection, cookie: str, idle: timedelta, longest: timedelta
) -> tuple[Session, bool] | None:
    """The session of a cookie and whether it is due to be `touch`ed; None when unknown, expired or its user disabled."""
    row = connection.execute(
        select(users.c.id, users.c.name, users.c.role, users.c.unit, sessions.c.csrf, sessions.c.seen_at)
        .join(users, users.c.id == sessions.c.user_id)
        .where(
            sessions.c.digest == digest(cookie),
            users.c.disabled_at.is_(None),
            sessions.c.seen_at > now() - idle,
            sessions.c.created_at > now() - longest,
        )
    ).first()
    if row is None:
        return None
    user = User(row.id, row.name, Role(row.role), row.unit)
    return Session(user, row.csrf), row.seen_at < now() - timedelta(seconds=_SEEN_SECONDS)


def touch(connection: Connection, cookie: str) -> None:
    connection.execute(update(sessions).where(sessions.c.digest == digest(cookie)).values(seen_at=now()))


def end_session(connection: Connection, cookie: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.digest == digest(cookie)))


def end_sessions(connection: Connection, user_id: str) -> None:
    connection.execute(delete(sessions).where(sessions.c.user_id == user_id))


def clear_sessions(connection: Connection, longest: timedelta) -> None:
    """Forget sessions that can never be used again."""
    connection.execute(delete(sessions).where(sessions.c.created_at <= now() - longest))


def invite(connection: Connection, user_id: str, lasts: timedelta) -> str:
    """A one-time link's secret; links made before for the same account hold no longer."""
    connection.execute(delete(invitations).where(invitations.c.user_id == user_id))
    token, moment = secret(), now()
    connection.execute(
        insert(invitations).values(
            digest=digest(token), user_id=user_id, created_at=moment, expires_at=moment + lasts
        )
    )
    return token


def invited(connection: Connection, token: str) -> User | None:
    """Whose link this is, as long as it holds."""
    row = connection.execute(
        select(users.c.id, users.c.name, users.c.role, users.c.unit)
        .join(invitations, invitations.c.user_id == users.c.id)
        .where(
            invitations.c.digest == digest(token),
            invitations.c.expires_at > now(),
            users.c.disabled_at.is_(None),
        )
    ).first()
    return User(row.id, row.name, Role(row.role), row.unit) if row else None


def note_failure(connection: Connection, whos: Sequence[str], window: timedelta) -> None:
    """One failed attempt, by each of these keyed hashes; attempts older than `window` are forgotten."""
    moment = now()
    connection.execute(delete(sign_in_failures).where(sign_in_failures.c.created_at <= moment - window))
    connection.execute(insert(sign_in_failures), [{"who": who, "created_at": moment} for who in whos])


def failures(connection: Connection, who: str, window: timedelta) -> tuple[int, datetime | None]:
    """How many attempts failed within `window`, and when the latest."""
    row = connection.execute(
        select(func.count(), func.max(sign_in_failures.c.created_at)).where(
            sign_in_failures.c.who == who, sign_in_failures.c.created_at > now() - window
        )
    ).one()
    return row[0], row[1]


def forget_failures(connection: Connection, who: str) -> None:
    connection.execute(delete(sign_in_failures).where(sign_in_failures.c.who == who))


def accounts(connection: Connection) -> Sequence[RowMapping]:
    """Every account, with whether it has a password and how many keys of it are in use."""
    keys = (
        select(func.count())
        .where(
            api_keys.c.user_id == users.c.id,
            (api_keys.c.expires_at.is_(None)) | (api_keys.c.expires_at > now()),
        )
        .correlate(users)
        .scalar_subquery()
    )
    query = select(
        users.c.id, users.c.name, users.c.role, users.c.unit, users.c.created_at, users.c.disabled_at,
        users.c.password.is_not(None).label("has_password"), keys.label("keys"),
    )  # fmt: skip
    return connection.execute(query.order_by(users.c.disabled_at.is_not(None), users.c.name)).mappings().all()


def get_account(connection: Connection, user_id: str) -> RowMapping:
    """Raises NotFoundError."""
    row = connection.execute(select(users).where(users.c.id == user_id)).mappings().first()
    if row is None:
        raise NotFoundError("没有这个账号。请从账号列表里重新选择。")
    return row


def change_account(connection: Connection, user_id: str, role: Role, unit: str, disabled: bool) -> None:
    """What it may do from now on; a disabled account is signed out."""
    row = get_account(connection, user_id)
    since = (row["disabled_at"] or now()) if disabled else None
    connection.execute(
        update(users).where(users.c.id == user_id).values(role=role.value, unit=unit, disabled_at=since)
    )
    if disabled:
        end_sessions(connection, user_id)


def end_keys(connection: Connection, user_id: str) -> int:
    """Withdraw every API key of an account; how many there were."""
    return connection.execute(delete(api_keys).where(api_keys.c.user_id == user_id)).rowcount


def lock_administrators(connection: Connection) -> None:
    """Until this transaction ends nobody else changes who is an administrator. SQLite has one writer anyway."""
    connection.execute(
        select(users.c.id).where(users.c.role == Role.ADMIN.value).order_by(users.c.id).with_for_update()
    )


def active_administrators(connection: Connection) -> list[str]:
    """Ids of the administrators that are not disabled."""
    query = select(users.c.id).where(users.c.role == Role.ADMIN.value, users.c.disabled_at.is_(None))
    return list(connection.execute(query).scalars())


def sessions_open(connection: Connection, user_id: str, idle: timedelta, longest: timedelta) -> int:
    """How many sessions of an account still hold."""
    query = select(func.count()).where(
        sessions.c.user_id == user_id,
        sessions.c.seen_at > now() - idle,
        sessions.c.created_at > now() - longest,
    )
    return connection.execute(query).scalar_one()


def keys(connection: Connection, user_id: str = "", limit: int | None = None) -> Sequence[RowMapping]:
    """Keys in use, newest first, of one account or of all that are not disabled: whose, since when, until when. Nothing of the key."""
    query = (
        select(api_keys.c.user_id, users.c.name, users.c.role, api_keys.c.created_at, api_keys.c.expires_at)
        .join(users, users.c.id == api_keys.c.user_id)
        .where((api_keys.c.expires_at.is_(None)) | (api_keys.c.expires_at > now()))
        .order_by(api_keys.c.created_at.desc())
        .limit(limit)
    )
    narrowed = api_keys.c.user_id == user_id if user_id else users.c.disabled_at.is_(None)
    query = query.where(narrowed)
    return connection.execute(query).mappings().all()
