"""A new key for everything (`rotate`), or the identity keys in the present form (`rehash`), while the service runs.

Nothing is taken away before everything is there. First each petition is sealed with the new key and filed under its new identity keys
beside the old ones; running services look up and file by the old key and open either. Then, while nobody writes, the new key becomes
the one in use: a service notices at its next write. Last, the old identity keys go and the digests of rows and requests are hashed
once more. Progress stands in the transaction of the work: killed at any moment, the next run goes on there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row

from api.contact import keys_of
from api.import_files import owner_of
from api.keyring import keep_format, rehashed
from api.service import Service
from api.store.imports import reseal_import, sealed_imports
from api.store.petitions import Sealed
from api.store.rotation import (
    ADDING,
    CLEANING,
    Progress,
    add_keys,
    advance,
    drop_other_keys,
    how_many,
    progress,
    rehash_imports,
    rehash_requests,
    reseal,
    sealed_after,
)
from api.store.terms import take_turn
from api.vault import Vault
from classifier.errors import ConflictError
from classifier.identity import Keys

ROTATE, REHASH = "rotate", "rehash"
# Some 20 ms a transaction: intake does not wait noticeably.
BATCH = 200

Show = Callable[[int, int], object]


def rotate(service: Service, show: Show) -> int:
    """Replace the office's key; returns the number of petitions. `show` is told how many steps are done and how many there are.

    Raises ConflictError (another run at work, no new key in FENBAN_NEW_KEY), SecretError, StoreError; what was done stays done.
    """
    with service.store.write() as connection:
        service.unlock(connection)
        state = _unfinished(connection, ROTATE)
        if state is not None and state.phase == CLEANING:
            target = service.vault
        else:
            target = service.keyring.next_vault()
            state = _begin(connection, state, ROTATE, target)
    return _run(service, state, target, show)


def rehash(service: Service, show: Show) -> int:
    """Make all identity keys anew in the present canonical form. Raises as `rotate` does."""
    with service.store.write() as connection:
        target = service.unlock(connection)
        state = _begin(connection, _unfinished(connection, REHASH), REHASH, target)
    return _run(service, state, target, show)


def _unfinished(connection: Connection, job: str) -> Progress | None:
    """What a run that was cut off left to do. Raises ConflictError when that was another job."""
    state = progress(connection)
    if state is not None and state.job != job:
        raise ConflictError(f"上一次 fenban keys {state.job} 没有做完。请先再运行它。")
    return state


def _begin(connection: Connection, state: Progress | None, job: str, target: Vault) -> Progress:
    if state is None:
        advance(connection, None, state := Progress(job, target.check))
    if state.check != target.check:
        raise ConflictError("上一次更换密钥没有做完，而新密钥不是那一个。请放回那次的新密钥再运行。")
    return state


def _run(service: Service, state: Progress, target: Vault, show: Show) -> int:
    with service.store.read() as connection:
        total = how_many(connection)
        done = how_many(connection, state.upto) + (total if state.phase == CLEANING else 0)
    steps = 2 * total
    show(done, steps)
    while state.phase == ADDING:
        with service.store.write() as connection:
            service.unlock(connection)
            rows = sealed_after(connection, state.upto, BATCH)
            _add(service, connection, state, target, rows)
            state, before = _after(state, rows), state
            if len(rows) < BATCH:  # the last ones, and nobody writes
                if state.job == ROTATE:
                    _reseal_imports(service, connection, target)
                    service.keyring.change_to(connection, target)
                keep_format(connection)
                state = replace(state, phase=CLEANING, last=state.upto, upto=0)
            advance(connection, before, state)
        done += len(rows)
        show(done, max(done, steps))
    if state.job == ROTATE:
        service.keyring.settle_files()
    while state.upto < state.last:
        with service.store.write() as connection:
            take_turn(connection)
            rows = [row for row in sealed_after(connection, state.upto, BATCH) if row.seq <= state.last]
            drop_other_keys(connection, {row.seq: _keys(target, row) for row in rows})
            if state.job == ROTATE:
                rehash_imports(connection, rows, lambda digest: rehashed(digest, target.identity_secret))
            state, before = _after(state, rows), state
            advance(connection, before, state)
        done += len(rows)
        show(done, max(done, steps))
    _finish(service, state, target)
    return done // 2


def _add(
    service: Service, connection: Connection, state: Progress, target: Vault, rows: Sequence[Row[Any]]
) -> None:
    if state.job == ROTATE:
        opened = {row.seq: (row.id, _opened(service, row)) for row in rows}
        reseal(
            connection,
            {
                seq: Sealed(
                    target.seal(original, petition), target.seal(contact, petition) if contact else None
                )
                for seq, (petition, (original, contact)) in opened.items()
            },
        )
        contacts = {seq: contact for seq, (_, (_, contact)) in opened.items()}
    else:
        contacts = {row.seq: target.open(row.contact, row.id) if row.contact else None for row in rows}
    secret = target.identity_secret
    add_keys(connection, {seq: keys_of(c, secret) if c else frozenset() for seq, c in contacts.items()})


def _reseal_imports(service: Service, connection: Connection, target: Vault) -> None:
    """Files on their way in have keys of their own, which the vault seals: those few bytes alone are sealed anew."""
    for import_id, sealed in sealed_imports(connection):
        owner = owner_of(import_id)
        reseal_import(connection, import_id, target.seal(service.keyring.open(sealed, owner), owner))


def _opened(service: Service, row: Row[Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
    keyring = service.keyring
    return (
        keyring.open(row.original, row.id),
        keyring.open(row.contact, row.id) if row.contact else None,
    )


def _keys(target: Vault, row: Row[Any]) -> Keys:
    return keys_of(target.open(row.contact, row.id), target.identity_secret) if row.contact else frozenset()


def _after(state: Progress, rows: Sequence[Row[Any]]) -> Progress:
    return replace(state, upto=rows[-1].seq) if rows else replace(state, upto=max(state.upto, state.last))


def _finish(service: Service, state: Progress, target: Vault) -> None:
    """The digests of requests, then the job is over."""
    while True:
        with service.store.write() as connection:
            take_turn(connection)
            request = (
                rehash_requests(
                    connection,
                    state.request,
                    state.last,
                    lambda digest: rehashed(digest, target.identity_secret),
                    BATCH,
                )
                if state.job == ROTATE
                else None
            )
            after = replace(state, request=request) if request else None
            advance(connection, state, after)
        if after is None:
            return
        state = after
