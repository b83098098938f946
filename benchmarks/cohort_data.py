"""People for the speed benchmarks of cohorts: Parquet for all, plain columns for R, histories for the builder."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SITES, BLOCK = 200, 500_000
DISCRETE = ["female", "young", "employed", "prior"]
COVARIATES = [*DISCRETE, "age", "score"]
WINDOW, WINDOWS = 365, [180, 365, 730]
ROOT = Path(__file__).parents[1]
STUDY = ROOT / "studies" / "drug_court.yaml"
EFFECT = -0.10


def people(folder: Path, size: int) -> Path:
    """One row a person: an arm that depends on covariates, days until an event (1), death (2) or the end (0)."""
    path = folder / f"cohort_{size}.parquet"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    generator, part, writer = np.random.default_rng(2025), path.with_suffix(".part"), None
    for first in range(0, size, BLOCK):
        table = _block(np.arange(first, min(first + BLOCK, size)), generator)
        writer = writer or pq.ParquetWriter(part, table.schema, compression="zstd")
        writer.write_table(table)
    if writer is not None:
        writer.close()
    part.rename(path)
    return path


def _block(number: np.ndarray, generator: np.random.Generator) -> pa.Table:
    n = len(number)
    female, young, employed = (generator.random(n) < share for share in (0.3, 0.4, 0.5))
    prior, site = generator.integers(0, 4, n), generator.integers(0, SITES, n)
    age, score = generator.normal(35, 10, n), generator.normal(size=n)
    chance = 1 / (1 + np.exp(0.3 - 0.4 * female + 0.3 * young + 0.2 * score - 0.1 * (site % 3)))
    arm = generator.random(n) < chance
    slant = 0.3 * prior - 0.2 * female + 0.2 * young - 0.2 * employed - 0.01 * (age - 35) + 0.3 * score
    slant += 0.1 * np.sin(site)
    until = generator.exponential(1500 * np.exp(-slant + 0.2 * arm))
    death = generator.exponential(15_000 * np.exp(0.02 * (35 - age)))
    end = generator.integers(730, 1096, n)
    time = np.minimum(np.ceil(np.minimum(until, death)), end)
    event = np.where(np.minimum(until, death) > end, 0, np.where(until <= death, 1, 2))
    kinds = {"id": (number, pa.int32()), "arm": (arm, pa.int8()), "time": (time, pa.int16()),
             "event": (event, pa.int8()), "had": (event == 1, pa.int8()), "until": (end, pa.int16()),
             "site": (site, pa.int16()),
             "female": (female, pa.int8()), "young": (young, pa.int8()), "employed": (employed, pa.int8()),
             "prior": (prior, pa.int8()), "age": (age, pa.float64()), "score": (score, pa.float64())}  # fmt: skip
    return pa.table({name: pa.array(np.asarray(values, kind.to_pandas_dtype()), kind)
                     for name, (values, kind) in kinds.items()})  # fmt: skip


def plain(file: Path) -> Path:
    """The same columns as plain binary files, which R reads: whole numbers in 4 bytes and others in 8."""
    folder = file.with_suffix("")
    if not folder.exists():
        part = file.with_suffix(".columns")
        part.mkdir(exist_ok=True)
        for name in ("arm", "time", "event", "site", *COVARIATES):
            values = pq.read_table(file, columns=[name])[name].to_numpy()
            values.astype(np.float64 if name in ("age", "score") else np.int32).tofile(part / f"{name}.bin")
        part.rename(folder)
    return folder


def histories(folder: Path, size: int) -> Path:
    """The drug court's tables for so many people, about nine events in the justice system each; made once."""
    from evaluation.data.simulate import simulate

    out = folder / f"histories_{size}"
    if not (out / "done").exists():
        simulate(study(size), EFFECT, out, 1, force=True)
        (out / "done").touch()
    return out


def study(size: int, tables: Path | None = None):  # noqa: ANN201 - the package is imported by those who need it
    """The shipped drug court with so many simulated people, its tables in a folder."""
    from evaluation.study.load import load

    found = load(STUDY).study
    found = found.model_copy(update={"simulation": found.simulation.model_copy(update={"size": size})})
    if tables is None:
        return found
    where = {name: str(tables / f"{name}.parquet") for name in found.data.tables}
    return found.model_copy(update={"data": found.data.model_copy(update={"tables": where})})


if __name__ == "__main__":  # in a process of its own, so that the one that measures stays small
    what, place, count = sys.argv[1:]
    if what == "people":
        print(plain(people(Path(place), int(count))).with_suffix(".parquet"))
    else:
        print(histories(Path(place), int(count)))
