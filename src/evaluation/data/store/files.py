"""Files that are there whole or not at all, and their hashes."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20


def sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def settle(path: Path) -> None:
    """Wait until a file and its folder's entry of it are on the disk."""
    for place in (path, path.parent):
        handle = os.open(place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def plain(path: Path) -> Path:
    """A path to the same file or folder of which an SQL engine takes every sign as it stands.

    DuckDB reads `[1]`, `*` and `?` in names as patterns, and `a=b` in the names of folders as a column: such a path is
    led round by a link in a private folder, which goes with the process.
    """
    if not set("[]*?=") & set(str(path.resolve())):
        return path
    link = _links() / secrets.token_hex(8)
    link.symlink_to(path.resolve())
    return link


@cache
def _links() -> Path:
    from evaluation.data.passing import passing

    return passing("evaluation-links-")


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A file to write beside `path`, put in its place at the end; gone if anything fails."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        yield draft
        settle(draft)
        draft.replace(path)
        settle(path)
    finally:
        draft.unlink(missing_ok=True)


def moved(draft: Path, target: Path) -> None:
    """Put a settled draft in its place, for good."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft.replace(target)
    settle(target)
    settle(target.parent)
