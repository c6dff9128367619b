"""Files that are on disk only encrypted: AES-256-GCM in pieces, under a key of their own.

Each piece is `length (4 bytes) | nonce (12) | ciphertext and tag`, and authenticates whose file it is, its place and whether it is the
last: pieces cannot be swapped, repeated or cut off unnoticed.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from classifier.errors import SecretMismatchError

_PIECE = 1 << 20
_NONCE_BYTES, _TAG_BYTES, _LENGTH_BYTES = 12, 16, 4


def new_file_key() -> bytes:
    return AESGCM.generate_key(256)


@contextmanager
def sealing(path: Path, key: bytes, owner: str) -> Iterator[BinaryIO]:
    """What is written within the block stands sealed at `path` (mode 0600) once it ends; nothing does when it fails."""
    # Made with mode 0600, and holds ciphertext only.
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out:
            sealer = _Sealer(out, key, owner)
            yield cast(BinaryIO, sealer)
            sealer.close()
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def unsealed(path: Path, key: bytes, owner: str) -> Iterator[bytes]:
    """The content in pieces. Raises SecretMismatchError when the key is another one, or bytes were changed or are missing; OSError."""
    cipher = AESGCM(key)
    with path.open("rb") as file:
        number, is_last = 0, False
        head = file.read(_LENGTH_BYTES)
        while not is_last:
            body = file.read(min(int.from_bytes(head), _NONCE_BYTES + _PIECE + _TAG_BYTES))
            head = file.read(_LENGTH_BYTES)
            is_last = not head
            try:
                yield cipher.decrypt(
                    body[:_NONCE_BYTES], body[_NONCE_BYTES:], _authenticated(owner, number, is_last)
                )
            except (InvalidTag, ValueError):  # ValueError: too short to be sealed at all
                raise SecretMismatchError("这个文件解不开：密钥不对，或文件被改动。请重新上传。") from None
            number += 1


class _Sealer(io.RawIOBase):
    """Collects pieces and writes each sealed; the last one on `close`."""

    def __init__(self, out: BinaryIO, key: bytes, owner: str) -> None:
        self._out, self._cipher, self._owner = out, AESGCM(key), owner
        self._waiting, self._number = bytearray(), 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._waiting += data
        while len(self._waiting) > _PIECE:
            self._put(bytes(self._waiting[:_PIECE]), is_last=False)
            del self._waiting[:_PIECE]
        return len(data)

    def close(self) -> None:
        if not self.closed and not self._out.closed:
            self._put(bytes(self._waiting), is_last=True)
        super().close()

    def _put(self, piece: bytes, *, is_last: bool) -> None:
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher.encrypt(
            nonce, piece, _authenticated(self._owner, self._number, is_last)
        )
        self._out.write(len(sealed).to_bytes(_LENGTH_BYTES) + sealed)
        self._number += 1


def _authenticated(owner: str, number: int, is_last: bool) -> bytes:
    return f"{owner}:{number}:{'last' if is_last else 'more'}".encode()
