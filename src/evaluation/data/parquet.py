"""Writing Parquet so that equal content is equal bytes, and a file is there whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def write(path: Path, columns: Mapping[str, Any]) -> Path:
    """Write `columns` (name to values: an array, or a pyarrow array where some are missing) and return `path`.

    Folders are made where needed. The file is written beside its place and moved there at the end.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    pq.write_table(pa.table(dict(columns)), unfinished, compression="zstd")
    unfinished.replace(path)
    return path
