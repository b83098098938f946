"""What is wrong with a received file: one breach of the dictionary each, told to the clerk who sent it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

FindingLevel = Literal["file", "schema", "integrity", "business", "plausibility"]


@dataclass(frozen=True)
class Finding:
    """One breach of the dictionary; never holds an identifier's value.

    `row` is the row as a spreadsheet numbers it, the header being row 1, and None where the whole file or column is
    meant; `column` the header as it stands in the file; `count` how many cells are meant.
    """

    file: str
    rule: str
    level: FindingLevel
    severity: Literal["error", "warning"]
    message: str
    remedy: str
    sheet: str = ""
    row: int | None = None
    column: str = ""
    count: int = 1

    def to_dict(self) -> dict[str, Any]:
        """The finding as it stands in `--json`."""
        return asdict(self)
