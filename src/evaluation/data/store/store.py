"""A store: a folder with one Delta table for each table of the dictionary, and the log of what came when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.data.store.files import whole
from evaluation.data.store.receipts import Entry, Log
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from deltalake import DeltaTable

FORMAT = 1


@dataclass(frozen=True)
class Store:
    """An opened store; `project` separates its pseudonyms from those of any other."""

    folder: Path
    project: str

    @property
    def log(self) -> Log:
        """The log of receipts."""
        return Log(self.folder / "receipts.jsonl")

    def place(self, table: str) -> Path:
        """The folder of a table."""
        return self.folder / "tables" / table

    def kept(self, sha: str) -> Path:
        """Where a received file with this hash is kept."""
        return self.folder / "received" / sha[:2] / f"{sha}.parquet"

    @property
    def tables(self) -> list[str]:
        """The tables that hold anything, by name."""
        from deltalake import DeltaTable

        return sorted(p.name for p in (self.folder / "tables").glob("*") if DeltaTable.is_deltatable(str(p)))

    def delta(self, table: str, version: int | None = None) -> DeltaTable | None:
        """A table as it now is, or as it was; None where nothing was ever stored in it."""
        from deltalake import DeltaTable

        place = str(self.place(table))
        return DeltaTable(place, version=version) if DeltaTable.is_deltatable(place) else None

    def scan(self, table: str, version: int | None = None) -> str | None:
        """SQL for the rows of a table; None where there are none."""
        delta = self.delta(table, version)
        files = delta.file_uris() if delta is not None else []
        if not files:
            return None
        listed = ", ".join("'" + f.replace("'", "''") + "'" for f in sorted(files))
        return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = true)"

    def committed(self, table: str, submission: str) -> int | None:
        """The version of a table that a submission made; None where it made none."""
        delta = self.delta(table)
        history: list[dict[str, Any]] = delta.history() if delta is not None else []
        return next((int(h["version"]) for h in history if h.get("submission") == submission), None)

    def accepted(self) -> list[Entry]:
        """The intents of submissions that were accepted, oldest first."""
        entries = self.log.entries()
        done = {e.submission for e in entries if e.kind == "accepted"}
        return [e for e in entries if e.kind == "intent" and e.submission in done]


def create(folder: Path, project: str) -> Store:
    """Make a store in a folder that is not there yet or is empty.

    Raises
    ------
    DataError
        When the folder holds anything.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        what = "there is something here already, and it is no store."
        raise DataError(Problem(str(folder), "store", what, "Name a folder that does not exist yet."))
    (folder / "tables").mkdir(parents=True)
    with whole(folder / "store.json") as draft:
        draft.write_text(json.dumps({"format": FORMAT, "project": project}, indent=2) + "\n", encoding="utf-8")
    return Store(folder, project)


def open_store(folder: Path) -> Store:
    """Open a store.

    Raises
    ------
    DataError
        When there is none, or it was made by a later version.
    """
    try:
        said = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        what = "there is no store here."
        raise DataError(Problem(str(folder), "store", what, "`evaluation submit --new PROJECT` makes one.")) from None
    except ValueError:
        what = "store.json is damaged."
        raise DataError(Problem(str(folder), "store", what, "Take it from a backup.")) from None
    if said.get("format") != FORMAT:
        what = f"the store has format {said.get('format')}; this version reads {FORMAT}."
        raise DataError(Problem(str(folder), "store", what, "Use the version of this tool that made it."))
    return Store(folder, str(said["project"]))
