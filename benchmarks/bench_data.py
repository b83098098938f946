"""Panels for the speed benchmarks: people by quarters with sites as clusters, written as Parquet a block at a time."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

PERIODS, SITES, BLOCK = 16, 200, 50_000
STARTS = np.array([0, 5, 6, 7, 8, 9, 10, 11, 12])  # by site in turn; 0 = never treated


def panel(folder: Path, people: int, *, holes: bool = False) -> Path:
    """A panel of `people` over 16 quarters, sorted by person; with `holes` a tenth of the rows are missing."""
    path = folder / f"people_{people}{'_holes' if holes else ''}.parquet"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(2024)
    shocks = 0.15 * generator.normal(size=(SITES, PERIODS))
    part, writer = path.with_suffix(".part"), None
    for first in range(0, people, BLOCK):
        table = _block(np.arange(first, min(first + BLOCK, people)), shocks, generator)
        if holes:
            table = table.filter(pa.array(generator.random(len(table)) > 0.1))
        writer = writer or pq.ParquetWriter(part, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()
    part.rename(path)
    return path


def _block(people: np.ndarray, shocks: np.ndarray, generator: np.random.Generator) -> pa.Table:
    n, quarter = len(people), np.arange(1, PERIODS + 1)
    site = generator.integers(0, SITES, n)
    cohort = STARTS[site % len(STARTS)]
    risk, female = generator.integers(0, 3, n), generator.integers(0, 2, n)
    score = generator.normal(size=n)
    level = generator.normal(size=n) + 0.3 * risk
    since = quarter - cohort[:, None]
    on = (cohort[:, None] > 0) & (since >= 0)
    trend = (0.2 * risk + 0.1 * score - 0.1 * female)[:, None] * quarter / PERIODS
    noise = generator.normal(size=(n, PERIODS))
    outcome = level[:, None] + 0.05 * quarter + trend + np.where(on, 1 + 0.1 * since, 0) + shocks[site] + noise
    count = generator.poisson(np.exp(-1 + 0.2 * level[:, None] - 0.2 * on))

    def each(values: np.ndarray, kind: pa.DataType) -> pa.Array:
        return pa.array(np.repeat(values, PERIODS), kind)

    return pa.table({
        "person": each(people, pa.int32()), "site": each(site, pa.int16()), "cohort": each(cohort, pa.int16()),
        "quarter": pa.array(np.tile(quarter, n), pa.int16()), "y": outcome.ravel(),
        "k": pa.array(count.ravel(), pa.int16()), "risk": each(risk, pa.int8()), "female": each(female, pa.int8()),
        "score": each(score, pa.float64()),
    })  # fmt: skip
