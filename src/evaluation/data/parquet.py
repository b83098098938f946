"""Writing Parquet so that equal content is equal bytes, and a file is there whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pyarrow.parquet as pq

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


class Pieces:
    """Parquet files written piece by piece, all there whole at the end or none at all.

    Used as a context: leaving it without an error moves every file to its place. `made`, `planted` and `force` are
    those of `write`.

    Raises
    ------
    DataError
        On entering, when a path is a folder, or a file this tool did not make.
    """

    def __init__(self, paths: Mapping[str, Path], *, made: str, planted: float | None, force: bool) -> None:
        self._paths, self._force = dict(paths), force
        self._notes = {MARK: made.encode()} | ({} if planted is None else {PLANTED: repr(planted).encode()})
        self._writers: dict[str, pq.ParquetWriter] = {}

    def __enter__(self) -> Self:
        for path in self._paths.values():
            _free(path, self._force)
        return self

    def add(self, name: str, columns: Mapping[str, Any]) -> None:
        """Append rows to the file called `name`; the first piece says which columns it has, of which type."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table(dict(columns))
        if name not in self._writers:
            self._paths[name].parent.mkdir(parents=True, exist_ok=True)
            place = self._unfinished(name)
            # Without Arrow's own schema, so that repeated text is read back as plain text.
            self._writers[name] = pq.ParquetWriter(place, table.schema, compression="zstd", store_schema=False)
            self._writers[name].add_key_value_metadata(self._notes)
        self._writers[name].write_table(table)

    def _unfinished(self, name: str) -> Path:
        path = self._paths[name]
        return path.with_name(f".{path.name}.part")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()
        for name in self._writers:
            if kind is None:
                self._unfinished(name).replace(self._paths[name])
            else:
                self._unfinished(name).unlink(missing_ok=True)
