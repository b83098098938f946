"""Which column of a received file is which field of the dictionary: by its name, never by a guess."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from evaluation.dictionary.findings import Finding

if TYPE_CHECKING:
    from evaluation.data.intake.received import Received
    from evaluation.dictionary.tables import Table


def matched(received: Received, table: Table) -> tuple[dict[str, int], list[Finding]]:
    """The place of each field's column in the file, and what is wrong with the header.

    Capitals and blanks around a name do not matter. A column that is not in the dictionary is not read; where its name
    is close to that of a field that is missing, that is an error, for the clerk alone knows whether it is meant.
    """
    names = [h.strip().lower() for h in received.headers]
    places: dict[str, int] = {}
    findings: list[Finding] = []
    fields = {f.name: f for f in table.fields}
    absent = [name for name in fields if name not in names]

    def say(rule: str, column: str, message: str, remedy: str, *, error: bool = True) -> None:
        findings.append(
            Finding(received.path.name, rule, "file", "error" if error else "warning", message, remedy,
                    received.sheet, 1, column)
        )  # fmt: skip

    for place, (name, shown) in enumerate(zip(names, received.headers, strict=True)):
        if not name:
            say("unknown_column", f"column {place + 1}", f"Column {place + 1} has no name.", "Name it, or delete it.")
        elif name in places:
            say("duplicate_column", shown, f"The column {name} stands in the file twice.", "Delete one of the two.")
        elif name in fields:
            places[name] = place
        elif close := get_close_matches(name.replace(" ", "_").replace("-", "_"), absent, 1, 0.75):
            message = f"The dictionary has no column of this name in {table.name}; it has {close[0]}, which is missing."
            say("unknown_column", shown, message, f"If {close[0]} is meant, write exactly that.")
        else:
            message = f"The dictionary has no such column in {table.name}: it is neither read nor kept."
            say("unknown_column", shown, message, "Leave it out; nobody asked for it.", error=False)
    for name in absent:
        if fields[name].constraints.required:
            message = f"The column {name} ({fields[name].title.lower()}) is missing."
            say("missing_column", name, message, "Add it; the template has every column.")
    return places, findings
