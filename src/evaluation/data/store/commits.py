"""One commit of a Delta table: the rows of a submission in place of those it replaces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from evaluation.data.store.files import settle, sha256
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from evaluation.data.store.store import Store

AGENCY, PERIOD, SUBMISSION = "_agency", "_period", "_submission"
# History is kept: whoever maintains the tables with other tools does not drop it by default. No column's smallest and
# largest values are noted in Delta's log, where they would outlive the rows.
SETTINGS = {
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
    "delta.enableExpiredLogCleanup": "false",
    "delta.dataSkippingNumIndexedCols": "0",
}
_TYPES = {"string": "text", "long": "whole numbers", "double": "numbers", "boolean": "yes or no", "date": "days"}


class Added(NamedTuple):
    """A data file that a commit added: its path in the table's folder, its size in bytes."""

    path: str
    size: int


class Commit(NamedTuple):
    """What one version of a table changed."""

    name: str | None  # of the submission or removal
    added: list[Added]
    removed: list[str]


def commit_file(place: Path, version: int) -> Path:
    """The file of Delta's log that a version of the table in `place` is written in."""
    return place / "_delta_log" / f"{version:020d}.json"


def read_commit(file: Path) -> Commit:
    """A version of a table, from its file in Delta's log. Raises ValueError where that is damaged."""
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
    added = [Added(unquote(x["add"]["path"]), int(x["add"]["size"])) for x in lines if "add" in x]
    removed = [unquote(x["remove"]["path"]) for x in lines if "remove" in x]
    names = [x["commitInfo"].get("submission") for x in lines if "commitInfo" in x]
    return Commit(names[0] if names else None, added, removed)


def versions(place: Path) -> list[Path]:
    """The files of all versions of a table, oldest first."""
    return sorted((place / "_delta_log").glob("[0-9]" * 20 + ".json"))


def committed(store: Store, table: str, name: str) -> int | None:
    """The version that a submission or removal made, if it is the table's last; the caller holds the lock."""
    delta = store.delta(table)
    if delta is None:
        return None
    version = delta.version()
    return version if read_commit(commit_file(store.place(table), version)).name == name else None


def commit(store: Store, content: dict[str, Any], rows: pa.Table, name: str) -> None:
    """Put rows into their table, as an intent's content says."""
    import pyarrow as pa
    from deltalake import write_deltalake

    n, place = rows.num_rows, str(store.place(content["table"]))
    for column, value in ((AGENCY, content["agency"]), (PERIOD, content["period"]), (SUBMISSION, name)):
        rows = rows.append_column(column, pa.array([value] * n, pa.string()))
    said: dict[str, Any] = named(name)
    if store.delta(content["table"]) is None:
        write_deltalake(place, rows, mode="append", partition_by=[AGENCY, PERIOD], name=content["table"],
                        configuration=SETTINGS, **said)  # fmt: skip
        return
    listed = ", ".join(f"'{p}'" for p in sorted({*content["replaces"], content["period"]}))
    where = f"{AGENCY} = '{content['agency']}' AND {PERIOD} IN ({listed})"
    write_deltalake(place, rows, mode="overwrite", predicate=where, schema_mode="merge", **said)


def named(name: str) -> dict[str, Any]:
    """How a commit is told whose it is; it never drops earlier versions."""
    from deltalake import CommitProperties, PostCommitHookProperties

    hook = PostCommitHookProperties(create_checkpoint=True, cleanup_expired_logs=False)
    return {
        "commit_properties": CommitProperties(custom_metadata={"submission": name}),
        "post_commithook_properties": hook,
    }


def acceptance(store: Store, table: str, version: int) -> dict[str, Any]:
    """What the log tells of a commit, once all of it is on the disk: the version and the hashes of its files.

    Raises
    ------
    ValueError
        When a file that the commit names is not there, or broken off: the machine stopped before it was written out.
    """
    place = store.place(table)
    file = commit_file(place, version)
    added = read_commit(file).added
    for path, size in added:
        if not (place / path).is_file() or (place / path).stat().st_size != size:
            raise ValueError(f"{path} is not what the commit says.")
    for written in (*(place / a.path for a in added), file):
        settle(written)
    return {
        "table": table, "version": version, "log_sha256": sha256(file),
        "files": {a.path: sha256(place / a.path) for a in sorted(added)},
    }  # fmt: skip


def unfit(store: Store, table: str, rows: pa.Table) -> None:
    """Whether the rows' columns are of the types that the table has them in; new columns may come.

    Raises
    ------
    DataError
        When one is not: Delta would cast it without a word, or fail half-way.
    """
    from deltalake import Schema

    delta = store.delta(table)
    if delta is None:
        return
    there = {f.name: str(getattr(f.type, "type", f.type)) for f in delta.schema().fields}
    for field in Schema.from_arrow(rows.schema).fields:
        here = str(getattr(field.type, "type", field.type))
        if there.get(field.name, here) != here:
            before, new = _TYPES.get(there[field.name], "others"), _TYPES.get(here, here)
            what = f"{field.name} holds {new}; in the store it holds {before}."
            fix = "The dictionary has changed since the table began: keep the type, or start a new store."
            raise DataError(Problem(str(store.place(table)), table, what, fix))
