"""The office's key: original text and contact fields encrypted with AES-256-GCM, identities hashed with HMAC.

One master key of 32 bytes, from `FENBAN_KEY` or a key file made on first start (mode 0600). Two keys are derived from it with
HKDF-SHA-256, so that one use never weakens the other. The database keeps a check value of the key it was made with.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from classifier.errors import SecretError, SecretMismatchError, SecretMissingError

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Vault:
    """Encrypts and hashes with one office's key."""

    def __init__(self, master: bytes) -> None:
        if len(master) != _KEY_BYTES:
            raise SecretError(
                f"主密钥应为 {_KEY_BYTES} 字节，现在是 {len(master)} 字节。请检查 FENBAN_KEY 或密钥文件。"
            )
        self._cipher = AESGCM(_derived(master, b"fenban contact and original"))
        self.identity_secret = _derived(master, b"fenban identity")
        self.check = hmac.new(_derived(master, b"fenban check"), b"fenban", sha256).hexdigest()

    def seal(self, value: dict[str, Any], owner: str) -> bytes:
        """Encrypt a JSON object. It opens only for the same `owner` (a petition id): rows cannot be swapped."""
        nonce = os.urandom(_NONCE_BYTES)
        plain = json.dumps(value, ensure_ascii=True).encode()
        return nonce + self._cipher.encrypt(nonce, plain, owner.encode())

    def open(self, sealed: bytes, owner: str) -> dict[str, Any]:
        """Raises SecretMismatchError when the key is another one or the bytes were changed."""
        try:
            plain = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode())
        except (InvalidTag, ValueError):  # ValueError: too short to be sealed at all
            raise SecretMismatchError(
                "这条记录的原文解不开：密钥不对，或数据被改动。请检查密钥文件。"
            ) from None
        value: dict[str, Any] = json.loads(plain)
        return value


def _derived(master: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, None, purpose).derive(master)


def load_key(given: str, file: Path, *, may_create: bool) -> bytes:
    """The master key from the environment, else from its file, else, if `may_create`, a new file with mode 0600.

    `may_create` is False once a database holds data: a new key could never read it. Raises SecretMissingError, SecretError.
    """
    if given:
        return _decoded(given, "FENBAN_KEY")
    try:
        return _decoded(file.read_text(encoding="ascii"), file.name)
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError) as problem:
        raise SecretError(
            f"密钥文件 {file.name} 读不出来（{type(problem).__name__}）。请检查文件和权限。"
        ) from None
    if not may_create:
        raise SecretMissingError(
            f"找不到密钥文件 {file.name}，而数据库里已有加密的数据。请把原来的密钥文件放回数据目录，或设置 FENBAN_KEY。"
        )
    key = os.urandom(_KEY_BYTES)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as out:
            out.write(base64.b64encode(key).decode() + "\n")
            out.flush()
            os.fsync(out.fileno())
    except OSError as problem:
        raise SecretError(
            f"密钥文件 {file.name} 建不了（{type(problem).__name__}）。请检查数据目录、权限和磁盘。"
        ) from None
    return key


def _decoded(text: str, source: str) -> bytes:
    try:
        return base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise SecretError(f"{source} 不是 base64 的密钥。请放回原来的密钥。") from None
