"""A store: a folder with one Delta table for each table of the dictionary, and the log of what came when."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.data.store.files import plain, whole
from evaluation.data.store.lock import LOCK, locked
from evaluation.data.store.receipts import Log
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from deltalake import DeltaTable

FORMAT = 1
_MAKE = "Its operator makes one: evaluation agency ID --name … --project NAME."


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

    def sealed(self, sha: str) -> Path:
        """Where a sealed original with this hash is kept."""
        return self.folder / "sealed" / sha[:2] / sha

    @property
    def incoming(self) -> Path:
        """Where files are written that are not in the store yet."""
        return self.folder / "incoming"

    @property
    def tables(self) -> list[str]:
        """The tables that hold anything, by name."""
        from deltalake import DeltaTable

        return sorted(p.name for p in (self.folder / "tables").glob("*") if DeltaTable.is_deltatable(str(p)))

    def delta(self, table: str, version: int | None = None) -> DeltaTable | None:
        """A table as it now is, or as it was; None where nothing was ever stored in it.

        Raises
        ------
        DataError
            When its log is damaged, or it never had that version.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError

        place = str(self.place(table))
        try:
            return DeltaTable(place, version=version) if DeltaTable.is_deltatable(place) else None
        except DeltaError:
            what = "the table cannot be read" + (f" at version {version}." if version is not None else ".")
            fix = "`evaluation status --verify` names what is damaged; take it from a backup."
            raise DataError(Problem(place, table, what, fix)) from None

    def scan(self, table: str, version: int | None = None) -> str | None:
        """SQL for the rows of a table; None where there are none.

        Raises
        ------
        DataError
            When files of an earlier version were erased, because someone whose rows they held was to be forgotten.
        """
        delta = self.delta(table, version)
        files = delta.file_uris() if delta is not None else []
        if not files:
            return None
        if gone := [f for f in files if not Path(f).is_file()]:
            what = f"{len(gone)} of the {len(files)} files of version {version} of {table} are no longer there."
            fix = "Rows were erased from it, as an agreement asks; the receipts of kind removed tell when."
            raise DataError(Problem(str(self.place(table)), table, what, fix))
        place = self.place(table)
        inside = sorted(str(f).split(f"/tables/{table}/", 1)[1] for f in files)  # the path above is none of the data's
        clean = plain(place)
        listed = ", ".join("'" + str(clean / f).replace("'", "''") + "'" for f in inside)
        return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = true, hive_types_autocast = false)"


def create(folder: Path, project: str) -> Store:
    """Make a store in a folder that is not there yet or is empty.

    Raises
    ------
    DataError
        When the folder holds anything.
    """
    _nameable(folder)
    if folder.exists() and not folder.is_dir():
        raise _taken(folder)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # others than who runs it have no business there
    folder.chmod(0o700)
    with locked(folder):
        if any(p.name != LOCK and not p.name.startswith(".") for p in folder.iterdir()):
            raise _taken(folder)
        with whole(folder / "store.json") as draft:
            draft.write_text(json.dumps({"format": FORMAT, "project": project}, indent=2) + "\n", encoding="utf-8")
    return Store(folder, project)


def _nameable(folder: Path) -> None:
    """Delta takes the path for an address, in which some signs mean something else."""
    if signs := sorted(set("[]*?#%") & set(str(folder.resolve()))):
        what = f"the path to the store has {' '.join(signs)} in it, which the tables cannot be kept under."
        raise DataError(Problem(str(folder), "store", what, "Rename the folders, or name another --store."))


def _taken(folder: Path) -> DataError:
    what = "there is something here already."
    return DataError(Problem(str(folder), "store", what, "Name a folder that does not exist yet."))


def open_store(folder: Path) -> Store:
    """Open a store.

    Raises
    ------
    DataError
        When there is none, or it was made by a later version.
    """
    _nameable(folder)
    try:
        said = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        what = "there is no store here."
        raise DataError(Problem(str(folder), "store", what, _MAKE)) from None
    except (ValueError, NotADirectoryError):
        what = "store.json is damaged."
        raise DataError(Problem(str(folder), "store", what, "Take it from a backup.")) from None
    if said.get("format") != FORMAT:
        what = f"the store has format {said.get('format')}; this version reads {FORMAT}."
        raise DataError(Problem(str(folder), "store", what, "Use the version of this tool that made it."))
    return Store(folder, str(said["project"]))
