"""The store as a run read it: exact versions of tables, and the hashes of their files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from evaluation.data.store.commits import commit_file, read_commit
from evaluation.data.store.files import plain, sha256
from evaluation.data.store.standing import receipted
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.store import Store


@dataclass(frozen=True)
class TableAt:
    """A table at a version: the hash of each file that it then consisted of, by its path in the table's folder."""

    version: int
    files: dict[str, str]


@dataclass(frozen=True)
class Snapshot:
    """A place in the store's log and what the tables held then; `day` is the day on which the entry was written."""

    project: str
    line: int
    hash: str
    day: str
    tables: dict[str, TableAt]

    def to_dict(self) -> dict[str, Any]:
        """As it stands in a run's provenance."""
        return asdict(self)

    @classmethod
    def from_dict(cls, said: dict[str, Any]) -> Snapshot:
        """From a run's provenance. Raises KeyError or TypeError where that holds no snapshot."""
        tables = {name: TableAt(int(t["version"]), dict(t["files"])) for name, t in said["tables"].items()}
        return cls(str(said["project"]), int(said["line"]), str(said["hash"]), str(said["day"]), tables)


def latest(store: Store, tables: Iterable[str]) -> Snapshot:
    """The store as its log now tells it: of each table the last version that was receipted, where there is one.

    A submission that is being stored is not in it, nor is anything that came without a receipt.

    Raises
    ------
    DataError
        When the log is damaged, or holds nothing yet.
    """
    entries = store.log.readable()
    if not entries:
        what = "nothing was submitted to this store yet."
        raise DataError(Problem(str(store.folder), "store", what, "See: evaluation status."))
    last = entries[-1]
    found = {name: at for name in tables if (at := _at(store, name, entries)) is not None}
    return Snapshot(store.project, last.number, last.hash, last.time[:10], found)


def _at(store: Store, table: str, entries: list[Entry]) -> TableAt | None:
    """The files that the last receipted version consists of: those that its versions added and did not remove."""
    told = [c for c in receipted(entries) if c["table"] == table]
    if not told:
        return None
    version = max(int(c["version"]) for c in told)
    hashes: dict[str, str] = {}
    for commit in told:
        hashes |= commit["files"]
    live: set[str] = set()
    for number in range(version + 1):
        try:
            change = read_commit(commit_file(store.place(table), number))
        except (OSError, ValueError):
            raise _altered(store, table, f"version {number} of its log cannot be read") from None
        live = (live - set(change.removed)) | {a.path for a in change.added}
    if unknown := sorted(live - hashes.keys()):
        raise _altered(store, table, f"no receipt tells of {unknown[0]}")
    return TableAt(version, {path: hashes[path] for path in sorted(live)})


def entries_of(store: Store, snapshot: Snapshot) -> list[Entry]:
    """The log up to the snapshot's line.

    Raises
    ------
    DataError
        When the log is damaged, or is not the one that the snapshot was taken of.
    """
    entries = store.log.readable()[: snapshot.line]
    if store.project != snapshot.project or len(entries) < snapshot.line or entries[-1].hash != snapshot.hash:
        what = f"line {snapshot.line} of its log is not the one that the run read; this is another store."
        raise DataError(Problem(str(store.folder), "snapshot", what, "Name the store that the run read with --store."))
    return entries


def scan(store: Store, snapshot: Snapshot, table: str) -> str | None:
    """SQL for the rows of a table as they were, each file held against its hash; None where there were none.

    Raises
    ------
    DataError
        When a file is no longer there (rows were erased, as an agreement asks) or was altered.
    """
    at = snapshot.tables.get(table)
    if at is None or not at.files:
        return None
    place = store.place(table)
    for path, sha in at.files.items():
        if not (place / path).is_file():
            what = f"{path} of version {at.version} is no longer there."
            fix = "Rows were erased from it, as an agreement asks; run the study anew without --snapshot."
            raise DataError(Problem(str(place), table, what, fix))
        if sha256(place / path) != sha:
            raise _altered(store, table, f"{path} is not the file of its receipt")
    clean = plain(place)
    listed = ", ".join("'" + str(clean / p).replace("'", "''") + "'" for p in at.files)
    return f"read_parquet([{listed}], union_by_name = true, hive_partitioning = true, hive_types_autocast = false)"


def _altered(store: Store, table: str, why: str) -> DataError:
    fix = "`evaluation status --verify` names what was altered; take it from a backup."
    return DataError(Problem(str(store.place(table)), table, f"the table is not as receipted: {why}.", fix))


def day_of(snapshot: Snapshot) -> date:
    """The day up to which the snapshot's log tells."""
    return date.fromisoformat(snapshot.day)
