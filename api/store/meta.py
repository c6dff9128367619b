"""Facts about the database itself: which key it was made with, and whether it holds anything yet."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from api.store.tables import meta, petitions

_KEY_CHECK = "key_check"


def key_check(connection: Connection) -> str | None:
    """The check value of the key this database was made with; None before it has one."""
    value: str | None = connection.execute(select(meta.c.value).where(meta.c.name == _KEY_CHECK)).scalar()
    return value


def keep_key_check(connection: Connection, value: str) -> None:
    connection.execute(insert(meta).values(name=_KEY_CHECK, value=value))


def any_petition(connection: Connection) -> bool:
    return connection.execute(select(petitions.c.seq).limit(1)).first() is not None
