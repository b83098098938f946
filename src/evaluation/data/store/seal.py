"""Received files kept as they came, but unreadable without a key that lies elsewhere.

AES-256-GCM in chunks. Each file has a key of its own, made from the store's key and a random salt (HKDF, RFC 5869);
each chunk's nonce is its number and whether it is the last, so that chunks can be neither left out, cut off nor put in
another order (Hoang, Reyhanitabar, Rogaway & Vizár, 2015). The SHA-256 of the file is authenticated with every chunk.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_MAGIC = b"evaluation sealed 1\n"
_SALT, _TAG, _CHUNK = 32, 16, 1 << 22  # bytes


def seal(source: Path, target: Path, key: bytes, sha: str) -> None:
    """Write the file `source`, whose SHA-256 is `sha`, sealed under a key of 32 bytes or more."""
    salt = os.urandom(_SALT)
    cipher = _cipher(key, salt)
    with source.open("rb") as plain, target.open("wb") as sealed:
        sealed.write(_MAGIC + salt)
        for number, chunk, last in _chunks(plain, _CHUNK):
            sealed.write(cipher.encrypt(_nonce(number, last), chunk, sha.encode()))


def unseal(source: Path, target: Path, key: bytes, sha: str) -> None:
    """Write the file that was sealed.

    Raises
    ------
    DataError
        When the key is another, or the sealed file was altered. Nothing is left of `target` then.
    """
    from cryptography.exceptions import InvalidTag

    wrong = DataError(
        Problem(str(source), "seal", "it does not open: the key is another one, or the file was altered.",
                "Give the key that was used when the file was sent; `evaluation status --verify` tells.")
    )  # fmt: skip
    try:
        with source.open("rb") as sealed, target.open("wb") as plain:
            if sealed.read(len(_MAGIC)) != _MAGIC:
                raise wrong
            cipher = _cipher(key, sealed.read(_SALT))
            for number, chunk, last in _chunks(sealed, _CHUNK + _TAG):
                plain.write(cipher.decrypt(_nonce(number, last), chunk, sha.encode()))
    except InvalidTag:
        target.unlink(missing_ok=True)
        raise wrong from None
    except DataError:
        target.unlink(missing_ok=True)
        raise


def _cipher(key: bytes, salt: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), 32, salt, _MAGIC).derive(key))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def _chunks(file: BinaryIO, size: int) -> Iterator[tuple[int, bytes, bool]]:
    """Numbered chunks, and which is the last; an empty file has one, empty."""
    number, now = 0, file.read(size)
    while True:
        after = file.read(size)
        yield number, now, not after
        if not after:
            return
        number, now = number + 1, after
