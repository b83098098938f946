"""Identifiers replaced by keyed tokens before anything is stored.

A token is HMAC-SHA-256 under a key that lies outside the store (RFC 2104), over the project's name, a purpose and the
normalised fields. Without the key nobody can try names and dates of birth until one fits, as one can with a plain hash;
and other projects' tokens of the same person are others.
"""

from __future__ import annotations

import base64
import hmac
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHORTEST = 32  # bytes of a key
LETTERS = 32  # of a token: 160 bits
_BETWEEN = "\x1f"  # no normalised field holds it
# Keys by which people of different agencies are matched, the surest first; each needs all of its fields.
UNKNOWN = frozenset(
    ("NONE", "NULL", "UNKNOWN", "UNK", "NOTKNOWN", "NOTGIVEN", "REFUSED", "PENDING", "MISSING", "NOTAPPLICABLE", "TBD")
)
MATCH_KEYS: dict[str, tuple[str, ...]] = {
    "match_state_id": ("state_id",),
    "match_ssn4_name_birth": ("ssn4", "last_name", "birth_date"),
    "match_names_birth_sex": ("first_name", "last_name", "birth_date", "sex"),
    "match_names_birth": ("first_name", "last_name", "birth_date"),
}


@dataclass(frozen=True)
class Pseudonyms:
    """Tokens of one project under one key."""

    key: bytes
    project: str

    def token(self, purpose: str, fields: Sequence[str | None]) -> str | None:
        """The token of normalised fields, 32 letters and digits; None where a field is missing."""
        if any(not f for f in fields):
            return None
        message = _BETWEEN.join(("evaluation", self.project, purpose, *(f or "" for f in fields)))
        digest = hmac.digest(self.key, message.encode(), "sha256")
        return base64.b32encode(digest[: LETTERS * 5 // 8]).decode("ascii").lower()

    def tokens(self, purpose: str, rows: Sequence[tuple[str | None, ...]]) -> list[str | None]:
        """The tokens of many rows of normalised fields; equal rows are reckoned once."""
        known = {row: self.token(purpose, row) for row in dict.fromkeys(rows)}
        return [known[row] for row in rows]


def normalised(field: str, text: str | None) -> str | None:
    """A field as every agency's spelling of it comes out the same; None where nothing is left.

    Names and official numbers: without accents, capitals, letters and digits alone; words for what is not known, and
    numbers of one sign alone, are nothing. Sex: F, M or X. Dates (ISO) and an agency's own numbers: as they stand, for
    there 1-23 and 12-3 may be two people.
    """
    if text is None:
        return None
    if field not in ("first_name", "last_name", "ssn4", "state_id", "sex"):
        return unicodedata.normalize("NFC", text.strip()) or None
    capitals = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).upper())
    found = "".join(c for c in capitals if c.isalnum())  # accents, now letters of their own, are none of these
    if field == "sex":
        return {"FEMALE": "F", "F": "F", "MALE": "M", "M": "M"}.get(found, "X" if found else None)
    if found in UNKNOWN or (field == "state_id" and len(set(found)) == 1) or (field == "ssn4" and found == "0000"):
        return None
    return found or None


def read_key(path: Path, store: Path) -> bytes:
    """The key of the pseudonyms from its file.

    Raises
    ------
    DataError
        When there is no such file, it is shorter than 32 bytes, lies in the store, or others may read it.
    """

    def refused(what: str, fix: str) -> DataError:
        return DataError(Problem(str(path), "key", what, fix))

    make = "Make one: head -c 32 /dev/urandom | base64 > key.txt; chmod 600 key.txt, and keep it apart from the store."
    if not path.is_file():
        raise refused("there is no key file here.", make)
    if path.resolve().is_relative_to(store.resolve()):
        raise refused("the key lies in the store, where whoever has the data has the key.", "Move it elsewhere.")
    if path.stat().st_mode & 0o077:
        raise refused("others than you may read the key.", f"Run: chmod 600 {path}")
    key = path.read_bytes().strip()
    if len(key) < SHORTEST:
        raise refused(f"the key has {len(key)} bytes; fewer than {SHORTEST} can be guessed.", make)
    return key
