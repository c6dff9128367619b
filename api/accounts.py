"""Signing in and out, one-time links, passwords. A failed attempt costs time, and more of them more. Whose accounts there are:
api/staff.py.

Passwords are hashed with Argon2id at the second recommended setting of RFC 9106 (64 MiB, three passes), which argon2-cffi has by default.
"""

from __future__ import annotations

import threading
from datetime import timedelta

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import Connection

from api.service import FIRST_ADMIN, Service
from api.store.accounts import (
    NewSession,
    any_password,
    begin_session,
    clear_sessions,
    end_session,
    failures,
    forget_failures,
    invite,
    invited,
    note_failure,
    password_of,
    set_password,
)
from api.store.audit import Action, record
from api.store.petitions import now
from api.store.users import User, find_user
from classifier.errors import ForbiddenError, InputError, ThrottledError, UnauthenticatedError
from classifier.identity import keyed_hash

#: How long a one-time link holds.
LINK_LASTS = timedelta(hours=72)
#: Shortest password in characters (NIST SP 800-63B asks for eight at least), and longest.
SHORTEST, LONGEST = 8, 200
#: So many failures of one account, or from one address, within the window: the next attempt waits.
_WINDOW = timedelta(minutes=15)
_FEW, _MANY = 5, 50
_WAIT = timedelta(minutes=1)

_hasher = PasswordHasher()
# Each hash takes 64 MiB while it is made: who sends a hundred passwords at once must not have them all made at once.
_at_once = threading.BoundedSemaphore(2)
# Verified when there is no account of that name, so that the answer takes as long as a wrong password's. Of a random password.
_NOBODY = "$argon2id$v=19$m=65536,t=3,p=4$+nGwln/Vgv3C4g7nvQwTIg$3DeMKBshaXR7q8nLAVzuAQozUVdj8yCs06xg6jN6QP8"
_WRONG = "用户名或密码不对。请重新输入；忘记密码请找管理员发新的登录链接。"


def sign_in(service: Service, name: str, password: str, address: str) -> NewSession:
    """A new session. `address` is where the request came from.

    Raises UnauthenticatedError, ThrottledError.
    """
    name = name.strip()
    who, where = (_keyed(service, text) for text in (f"name:{name.casefold()}", f"address:{address}"))
    with service.store.read() as connection:
        _check_pace(connection, who, _FEW)
        _check_pace(connection, where, _MANY)
        found = password_of(connection, name)
    user, hashed = found if found else (None, None)
    # Outside any transaction: it takes a tenth of a second on purpose.
    if not _is_password(hashed or _NOBODY, password) or user is None or hashed is None:
        with service.store.write() as connection:
            note_failure(connection, (who, where), _WINDOW)
            record(connection, Action.SIGN_IN_FAILED, user.id if user else None)
        raise UnauthenticatedError(_WRONG)
    with service.store.write() as connection:
        if _hasher.check_needs_rehash(hashed):
            set_password(connection, user.id, hash_password(password))
        forget_failures(connection, who)
        clear_sessions(connection, timedelta(hours=service.settings.session_hours))
        session = begin_session(connection, user)
        record(connection, Action.SIGNED_IN, user.id)
    return session


def sign_out(service: Service, user: User, cookie: str) -> None:
    with service.store.write() as connection:
        end_session(connection, cookie)
        record(connection, Action.SIGNED_OUT, user.id)


def make_link(service: Service, user_id: str) -> str:
    """The path of a one-time link with which this account chooses a (new) password."""
    with service.store.write() as connection:
        return link_path(invite(connection, user_id, LINK_LASTS))


def link_for(service: Service, name: str) -> str:
    """As `make_link`, for the account of this name. Raises NotFoundError."""
    with service.store.read() as connection:
        user = find_user(connection, name)
    return make_link(service, user.id)


def first_link(service: Service) -> str | None:
    """The first administrator's one-time link while no account has chosen a password; None afterwards."""
    with service.store.read() as connection:
        if any_password(connection):
            return None
    return link_for(service, FIRST_ADMIN)


def link_path(token: str) -> str:
    return f"/welcome?token={token}"


def whose_link(service: Service, token: str) -> User:
    """Raises ForbiddenError when the link is unknown, used or expired."""
    with service.store.read() as connection:
        return _invited(connection, token)


def accept_link(service: Service, token: str, password: str, again: str) -> NewSession:
    """Choose a password by a one-time link and sign in; returns as `sign_in`. Raises ForbiddenError, InputError."""
    with service.store.read() as connection:
        user = _invited(connection, token)
    check_password(user.name, password, again)
    hashed = hash_password(password)
    with service.store.write() as connection:
        user = _invited(connection, token)
        set_password(connection, user.id, hashed)
        session = begin_session(connection, user)
        record(connection, Action.PASSWORD_SET, user.id)
    return session


def change_password(service: Service, user: User, current: str, password: str, again: str) -> NewSession:
    """Choose another password; every session ends, the returned one begins. Raises ForbiddenError, InputError, ThrottledError."""
    who = _keyed(service, f"name:{user.name.casefold()}")
    with service.store.read() as connection:
        _check_pace(connection, who, _FEW)
        found = password_of(connection, user.name)
    if found is None or found[1] is None or not _is_password(found[1], current):
        with service.store.write() as connection:
            note_failure(connection, (who,), _WINDOW)
        raise ForbiddenError("现在的密码不对。请重新输入。")
    check_password(user.name, password, again)
    hashed = hash_password(password)
    with service.store.write() as connection:
        set_password(connection, user.id, hashed)
        session = begin_session(connection, user)
        record(connection, Action.PASSWORD_SET, user.id)
    return session


def check_password(name: str, password: str, again: str) -> None:
    """Raises InputError saying what is wrong with a new password."""
    if password != again:
        raise InputError("两次输入的密码不一样。请重新输入。")
    if not SHORTEST <= len(password) <= LONGEST:
        raise InputError(f"密码要有 {SHORTEST} 到 {LONGEST} 个字符。可以用一句话，空格也算。")
    if len(set(password)) < 4:
        raise InputError("密码里不同的字符太少，容易猜到。请换一个。")
    if name.casefold() in password.casefold():
        raise InputError("密码里不能有用户名。请换一个。")


def hash_password(password: str) -> str:
    with _at_once:
        return _hasher.hash(password)


def _is_password(hashed: str, password: str) -> bool:
    try:
        with _at_once:
            return _hasher.verify(hashed, password[: LONGEST + 1])
    except (Argon2Error, InvalidHashError):
        return False


def _invited(connection: Connection, token: str) -> User:
    user = invited(connection, token)
    if user is None:
        raise ForbiddenError(
            "这个登录链接已经用过或已过期。请找管理员发一个新的（fenban users link 用户名）。"
        )
    return user


def _keyed(service: Service, text: str) -> str:
    return keyed_hash(f"sign-in:{text}", service.vault.identity_secret)


def _check_pace(connection: Connection, who: str, most: int) -> None:
    count, latest = failures(connection, who, _WINDOW)
    if count < most or latest is None:
        return
    # One minute after the fifth failure, two after the sixth, …: a person waits, a guesser gives up.
    wait = min(_WAIT * 2 ** min(count - most, 10), _WINDOW)
    left = latest + wait - now()
    if left > timedelta():
        minutes = int(left.total_seconds() // 60) + 1
        raise ThrottledError(f"登录失败次数太多。请等 {minutes} 分钟再试；忘记密码请找管理员发新的登录链接。")
