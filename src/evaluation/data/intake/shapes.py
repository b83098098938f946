"""What a cell looks like, told without telling it: letters as A, digits as 9."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.dictionary.tables import Field, Table

_MOST = 24


def shape(text: str) -> str:
    """The form of a text: `99/99/9999` for a day, `AAAAA 9` for a word and a digit; cut at 24 characters."""
    found = re.sub(r"\d", "9", re.sub(r"[^\W\d_]", "A", text))
    return found if len(found) <= _MOST else found[: _MOST - 1] + "…"


def told(text: str, field: Field, table: Table) -> str:
    """What a message may say of a cell: its value in tables of places and times, its shape in tables of people.

    Of a field that tells who a person is nothing is said but the kind of its content.
    """
    if field.sensitivity == "identifier":
        return "a number" if re.fullmatch(r"[\d\W]+", text) else "text"
    if table.level in ("person", "event"):
        return f"something of the form {shape(text)}"
    return f'"{text if len(text) <= _MOST else text[: _MOST - 1] + "…"}"'
