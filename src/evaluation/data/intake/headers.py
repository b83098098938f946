"""Which column of a received file is which field of the dictionary: by its name, never by a guess."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from evaluation.dictionary.findings import Finding

if TYPE_CHECKING:
    from evaluation.data.intake.received import Received
    from evaluation.dictionary.tables import Table

_NAME = re.compile(r"[\w ]{1,40}")


def matched(received: Received, table: Table) -> tuple[dict[str, int], list[Finding]]:
    """The place of each field's column in the file, and what is wrong with the header.

    Capitals and blanks around a name do not matter. A column that is not in the dictionary is not read; where its name
    is close to that of a field that is missing, that is an error, for the clerk alone knows whether it is meant. What
    cannot be a name is not shown: a file without names begins with a row of data, which may be a person's.
    """
    names = [h.strip().lower() for h in received.headers]
    places: dict[str, int] = {}
    findings: list[Finding] = []
    fields = {f.name: f for f in table.fields}
    absent = [name for name in fields if name not in names]
    named = len(absent) < len(fields)

    def say(rule: str, column: str, message: str, remedy: str, *, error: bool = True) -> None:
        findings.append(
            Finding(received.path.name, rule, "file", "error" if error else "warning", message, remedy,
                    received.sheet, 1, column)
        )  # fmt: skip

    for place, name in enumerate(names):
        header = received.headers[place] if named and _like_a_name(name) else _letter(place)
        if not name:
            say("unknown_column", header, f"C{header[1:]} has no name.", "Name it, or delete it.")
        elif name in places:
            say("duplicate_column", header, f"The column {name} stands in the file twice.", "Delete one of the two.")
        elif name in fields:
            places[name] = place
        elif close := get_close_matches(name.replace(" ", "_").replace("-", "_"), absent, 1, 0.75):
            message = f"The dictionary has no column of this name in {table.name}; it has {close[0]}, which is missing."
            say("unknown_column", header, message, f"If {close[0]} is meant, write exactly that.")
        else:
            message = f"The dictionary has no such column in {table.name}: it is neither read nor kept."
            say("unknown_column", header, message, "Leave it out; nobody asked for it.", error=False)
    for name in absent:
        if fields[name].constraints.required:
            message = f"The column {name} ({fields[name].title.lower()}) is missing."
            say("missing_column", name, message, "Add it; the template has every column.")
    return places, findings


def _like_a_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None and 2 * sum(map(str.isdigit, text)) < len(text)


def _letter(place: int) -> str:
    letters, rest = "", place + 1
    while rest:
        rest, digit = divmod(rest - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return f"column {letters}"
