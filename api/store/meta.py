"""Facts about the database itself: which key it is locked with, and whether it holds anything yet."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select

from api.store.tables import meta, petitions

_KEY_CHECK = "key_check"


def key_check(connection: Connection) -> str | None:
    """The check value of the key this database is locked with; None before it has one."""
    return kept(connection, _KEY_CHECK)


def kept(connection: Connection, name: str) -> str | None:
    value: str | None = connection.execute(select(meta.c.value).where(meta.c.name == name)).scalar()
    return value


def put(connection: Connection, name: str, value: str | None) -> None:
    """Keep a fact, or with None no longer."""
    connection.execute(delete(meta).where(meta.c.name == name))
    if value is not None:
        connection.execute(insert(meta).values(name=name, value=value))


def any_petition(connection: Connection) -> bool:
    return connection.execute(select(petitions.c.seq).limit(1)).first() is not None
