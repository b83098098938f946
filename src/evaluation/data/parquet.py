"""Writing Parquet so that equal content is equal bytes, and a file is there whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLANTED = b"evaluation.planted"  # the true effect in simulated data, so that no report can present them as real
MARK = b"evaluation.made"  # in the metadata of the files written here: they may be replaced, an agency's data may not


def write(
    path: Path, columns: Mapping[str, Any], *, made: str, planted: float | None = None, force: bool = False
) -> Path:
    """Write `columns` (name to values: an array, or a pyarrow array where some are missing) and return `path`.

    Folders are made where needed. The file is written beside its place and moved there at the end. `made` is
    what its metadata say it is; a file without such a mark is replaced with `force` only. `planted` is the true
    effect in simulated data.

    Raises
    ------
    DataError
        When `path` is a folder, or a file this tool did not make.
    OSError
        When the place cannot be written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _free(path, force)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        notes = {MARK: made.encode()} | ({} if planted is None else {PLANTED: repr(planted).encode()})
        table = pa.table(dict(columns)).replace_schema_metadata(notes)
        pq.write_table(table, unfinished, compression="zstd")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def _free(path: Path, force: bool) -> None:
    if path.is_dir():
        raise DataError(Problem(str(path), "", "is a folder, not a file.", "Name a Parquet file to write."))
    if path.exists() and not force and not _ours(path):
        what = "is there already and was not made by this tool; it was left as it is."
        raise DataError(Problem(str(path), "", what, "Write elsewhere, or replace it with --force."))


def _ours(path: Path) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return MARK in (pq.read_schema(path).metadata or {})
    except (OSError, pa.ArrowException):  # no Parquet file at all
        return False
