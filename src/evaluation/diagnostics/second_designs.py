"""What each panel method regresses, built anew from the rows of the data by the definition of the method."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from evaluation.diagnostics.recomputed import (
    Key,
    Regression,
    least_squares,
    newey_west,
    panel_least_squares,
    poisson,
)

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.diagnostics.case import Case

ROWS = 2_000_000  # beyond, cells stand for rows
MOST_DUMMIES = 300  # units that get a dummy each


def regression(case: Case) -> Regression | None:
    """The analysis's regression, or None where no library here computes it."""
    make = _DESIGNS.get(case.estimator.id)
    return make(case) if make else None


def _rows(case: Case) -> pd.DataFrame:
    """The panel's rows, or cells that stand for them, of units seen more than once."""
    from evaluation.data.panel_frame import cells_of, rows_of

    found = rows_of(case.panel, case.outcome.column or "", most=ROWS)
    frame = cells_of(case.moments) if found is None else found
    return frame[frame.groupby("unit")["time"].transform("size") > 1].reset_index(drop=True)


def _twfe(case: Case) -> Regression | None:
    import pandas as pd

    frame = _rows(case)
    treated = ((frame["cohort"] != 0) & (frame["time"] >= frame["cohort"])).astype(float)
    return Regression(
        frame, pd.DataFrame({"treated": treated}), {("att", "", None): {"treated": 1.0}}, panel_least_squares
    )


def _event_study(case: Case) -> Regression | None:
    """The event times that were estimated, against the others: those left out are zero for both."""
    import pandas as pd

    frame = _rows(case)
    frame = frame[(frame["cohort"] == 0) | (frame["cohort"] > frame["time"].min())]
    frame = frame[frame.groupby("unit")["time"].transform("size") > 1].reset_index(drop=True)
    adopts = (frame["cohort"] != 0) & (frame["cohort"] <= frame["time"].max())
    since = (frame["time"] - frame["cohort"]).where(adopts)
    window = getattr(case.estimator, "window", None)
    if window:
        since = since.clip(window[0], window[1])
    events = [e for e in case.results.estimates if e.term == "event" and e.status == "ok" and e.time is not None]
    if not events:
        return None
    dummies = pd.DataFrame({f"event {e.time:g}": (since == e.time).astype(float) for e in events})
    wanted: dict[Key, dict[str, float]] = {("event", e.group, e.time): {f"event {e.time:g}": 1.0} for e in events}
    times = [e.time for e in events if (e.time or 0) >= 0]
    after = {f"event {t:g}": float(frame.loc[since == t, "weight"].sum()) for t in times}
    if case.overall is not None and after:
        total = sum(after.values())
        wanted["att", "", None] = {name: weight / total for name, weight in after.items()}
    return Regression(frame, dummies, wanted, panel_least_squares)


def _two_by_two(case: Case) -> Regression | None:
    return _saturated(case, ["treated", "post"], {})


def _triple_difference(case: Case) -> Regression | None:
    third = getattr(case.estimator, "third", None)
    return _saturated(case, ["treated", "post", "third"], {"third": third}) if isinstance(third, str) else None


def _saturated(case: Case, groups: list[str], read: dict[str, str]) -> Regression | None:
    """All products of some indicators, and covariates: the last product is the effect. Rows only, no cells."""
    from itertools import combinations

    import pandas as pd

    from evaluation.data.panel_frame import rows_of

    covariates = list(getattr(case.estimator, "covariates", []))
    frame = rows_of(case.panel, case.outcome.column or "", [*read.values(), *covariates], most=ROWS)
    if frame is None:
        return None
    frame = frame.dropna(subset=[*read.values(), *covariates])
    frame = frame[(frame["cohort"] == 0) | (frame["cohort"] > frame["time"].min())].reset_index(drop=True)
    start = frame.loc[frame["cohort"] != 0, "cohort"].min()
    known = {"treated": frame["cohort"] == start, "post": frame["time"] >= start}
    known |= {name: frame[column] == 1 for name, column in read.items()}
    columns = {"const": pd.Series(1.0, frame.index)}
    for size in range(1, len(groups) + 1):
        for chosen in combinations(groups, size):
            both = known[chosen[0]]
            for name in chosen[1:]:
                both = both & known[name]
            columns[" x ".join(chosen)] = both.astype(float)
    columns |= {f"covariate {name}": frame[name] for name in covariates}
    return Regression(frame, pd.DataFrame(columns), {("att", "", None): {" x ".join(groups): 1.0}}, least_squares)


def _etwfe(case: Case) -> Regression | None:
    """An effect for every cohort and period under treatment (or, against never-treated units, every one but -1)."""
    import pandas as pd

    options = case.estimator.model_dump()
    if options["family"] != "linear" or options["covariates"]:
        return None
    frame = _rows(case)
    frame = frame[(frame["cohort"] == 0) | (frame["cohort"] > frame["time"].min())]
    last = frame["time"].max()
    adopts = (frame["cohort"] != 0) & (frame["cohort"] <= last)
    since = (frame["time"] - frame["cohort"]).where(adopts)
    untreated = ~adopts if options["control_group"] == "never_treated" else ~(since >= 0)
    frame = frame[frame["time"].isin(frame.loc[untreated, "time"].unique())]
    frame = frame[frame.groupby("unit")["time"].transform("size") > 1].reset_index(drop=True)
    since = (frame["time"] - frame["cohort"]).where((frame["cohort"] != 0) & (frame["cohort"] <= last))
    own = since.notna() & ((since != -1) if options["control_group"] == "never_treated" else (since >= 0))
    label = frame["cohort"].astype(str) + " in " + frame["time"].astype(str)
    dummies = pd.get_dummies(label.where(own), dtype=float)
    sizes = frame.loc[since >= 0].groupby(label[since >= 0])["weight"].sum()
    return Regression(frame, dummies, {("att", "", None): (sizes / sizes.sum()).to_dict()}, panel_least_squares)


def _poisson(case: Case) -> Regression | None:
    """Dummies for units, or, where there are many and no exposure, for units summed by cohort and periods observed."""
    import pandas as pd

    from evaluation.data.panel_frame import rows_of

    exposure = case.outcome.exposure
    frame = rows_of(case.panel, case.outcome.column or "", [exposure] if exposure else [], most=ROWS)
    if frame is None:
        return None
    if exposure:
        frame = frame.rename(columns={exposure: "exposure"})
        frame = frame[frame["exposure"] > 0]
    frame = frame[frame.groupby("unit")["time"].transform("size") > 1]
    frame = frame[frame.groupby("unit")["y"].transform("sum") > 0]
    if frame["unit"].nunique() > MOST_DUMMIES:
        if exposure or (frame["weight"] != frame["weight"].iloc[0]).any():
            return None
        seen = frame.groupby("unit")["time"].transform(lambda t: " ".join(map(str, sorted(t))))
        frame = frame.assign(unit=frame["cohort"].astype(str) + ": " + seen)
        frame = frame.groupby(["unit", "cohort", "time"], as_index=False).agg(
            y=("y", "sum"), weight=("weight", "first")
        )
    frame = frame.reset_index(drop=True)
    treated = ((frame["cohort"] != 0) & (frame["time"] >= frame["cohort"])).astype(float)
    dummies = [pd.get_dummies(frame["unit"].astype(str), dtype=float, prefix="unit"),
               pd.get_dummies(frame["time"], dtype=float, prefix="time").iloc[:, 1:]]  # fmt: skip
    regressors = pd.concat([treated.rename("treated"), *dummies], axis=1)
    return Regression(frame, regressors, {("att", "", None): {"treated": 1.0}}, poisson)


def _interrupted(case: Case) -> Regression | None:
    """The treated units' mean by period on time, the start and the season."""
    import numpy as np
    import pandas as pd

    from evaluation.data.panel_frame import rows_of

    options = case.estimator.model_dump()
    plain = options["comparison"] == "none" and options["errors"] == "newey_west" and not case.outcome.exposure
    if not plain or options["season"] == "fourier":
        return None
    covariates = options["covariates"]
    rows = rows_of(case.panel, case.outcome.column or "", covariates, most=ROWS)
    if rows is None:
        return None
    rows = rows.dropna(subset=covariates)
    rows = rows[(rows["cohort"] > rows["time"].min()) & (rows["cohort"] <= rows["time"].max())]
    weighted = rows[["y", *covariates]].mul(rows["weight"], axis=0).groupby(rows["time"]).sum()
    series = weighted.div(rows.groupby("time")["weight"].sum(), axis=0).reset_index()
    y = np.log(series["y"]) if options["log"] else series["y"]
    start = rows["cohort"].min()
    after = (series["time"] >= start).astype(float)
    columns = {"const": pd.Series(1.0, series.index), "time": series["time"].astype(float), "level_change": after}
    effect = {"level_change": 1.0}
    if options["slope"]:
        columns["slope_change"] = after * (series["time"] - start)
        effect["slope_change"] = float((series["time"] - start)[after == 1].mean())
    if options["season"] == "dummies":
        season = series["time"] % options["period"]
        columns |= {f"season {k}": (season == k).astype(float) for k in sorted(season.unique())[1:]}
    columns |= {f"covariate {name}": series[name] for name in covariates}
    wanted: dict[Key, dict[str, float]] = {("att", "", None): effect, ("level_change", "", None): {"level_change": 1.0}}
    lags = options["lags"]
    lags = int(4 * (len(series) / 100) ** (2 / 9)) if lags is None else lags
    frame = pd.DataFrame({"y": y, "time": series["time"]})
    return Regression(frame, pd.DataFrame(columns), wanted, newey_west(lags, adjust=options["adjust"]))


_DESIGNS: dict[str, Callable[[Case], Regression | None]] = {
    "twfe": _twfe,
    "event_study": _event_study,
    "did_2x2": _two_by_two,
    "triple_difference": _triple_difference,
    "etwfe": _etwfe,
    "poisson_did": _poisson,
    "interrupted_time_series": _interrupted,
}
