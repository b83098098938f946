"""The same figures from other people's code: what linearmodels or statsmodels make of an analysis's regression.

The regression is built anew from the rows of the data (or, where they are too many, from cells), by the definition
of the method and not by this project's code for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from evaluation.results import Check, Estimate, Opinion, ResultSet

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.diagnostics.case import Case

ROWS = 2_000_000  # beyond, cells stand for rows
TOLERANCE = 1e-6  # of the estimate, or of its standard error where that is larger
Key = tuple[str, str, float | None]


@dataclass(frozen=True)
class Regression:
    """A regression to recompute: `weights` maps an estimate's key to the columns it is a combination of."""

    frame: pd.DataFrame  # y, weight, unit, time, cluster
    regressors: pd.DataFrame
    estimates: dict[Key, dict[str, float]]
    effects: bool = True  # of units and periods


@dataclass(frozen=True)
class Recomputed:
    """A library's coefficients and covariance, and how it reckons the latter."""

    library: str
    convention: str
    coefficients: Any
    covariance: Any


def second_opinion(case: Case) -> ResultSet:
    """Every figure of the analysis that can be recomputed, beside ours; and a check of whether they agree.

    Agreement is to 1e-6 of the estimate, or of its standard error where that is larger: a coefficient near zero
    has few digits to agree in. Methods that no library here computes get nothing.
    """
    make = _DESIGNS.get(case.estimator.id)
    if make is None:
        return ResultSet()
    made = make(case)
    if made is None:
        return ResultSet()
    again = _least_squares(made)
    ours = {(e.term, e.group, e.time): e for e in case.results.estimates}
    rows = tuple(_beside(ours[key], again, parts) for key, parts in made.estimates.items())
    return ResultSet(opinions=rows, checks=(_judged(rows, again.library),))


def _beside(mine: Estimate, again: Recomputed, parts: dict[str, float]) -> Opinion:
    import numpy as np

    names, share = list(parts), np.array(list(parts.values()))
    value = float(share @ again.coefficients[names].to_numpy())
    error = float(np.sqrt(share @ again.covariance.loc[names, names].to_numpy() @ share))
    size = max(abs(mine.estimate or 0.0), mine.std_error or 0.0)
    apart = abs(value - (mine.estimate or 0.0)) / size if size else 0.0
    return Opinion(
        mine.term, again.library, again.convention, "agrees" if apart <= TOLERANCE else "differs", mine.group,
        mine.time, value, error, mine.estimate, mine.std_error, apart,
        "clustered (CR1), effects nested in the clusters not counted", mine.counts)  # fmt: skip


def _judged(rows: tuple[Opinion, ...], library: str) -> Check:
    worst = max(rows, key=lambda r: r.relative_difference or 0.0)
    counts = tuple(sorted({n for r in rows for n in r.counts}))
    figures: dict[str, Any] = {"statistic": worst.relative_difference, "threshold": TOLERANCE, "counts": counts}
    if worst.status == "agrees":
        message = f"{library} comes to the same {len(rows)} estimate{'' if len(rows) == 1 else 's'} on the same data."
        return Check("second_opinion", "pass", message, **figures)
    message = (
        f"{library} comes to another estimate on the same data ({worst.estimate:.6g} where this report has "
        f"{worst.our_estimate:.6g}): neither should be relied on until the reason is found."
    )
    return Check("second_opinion", "fail", message, **figures)


# --------------------------------------------------------------------------- libraries


def _least_squares(made: Regression) -> Recomputed:
    return _with_effects(made) if made.effects else _plain(made)


def _with_effects(made: Regression) -> Recomputed:
    import pandas as pd
    from linearmodels.panel import PanelOLS

    at = pd.MultiIndex.from_arrays([made.frame["unit"], made.frame["time"]])
    clusters = pd.DataFrame({"cluster": pd.factorize(made.frame["cluster"], sort=True)[0]}, index=at)
    model = PanelOLS(
        made.frame["y"].set_axis(at), made.regressors.set_axis(at), weights=made.frame["weight"].set_axis(at),
        entity_effects=True, time_effects=True)  # fmt: skip
    fit = model.fit(cov_type="clustered", clusters=clusters)
    return Recomputed(f"linearmodels {version('linearmodels')}", "clustered, unit and period effects all counted",
                      fit.params, fit.cov)  # fmt: skip


def _plain(made: Regression) -> Recomputed:
    import pandas as pd
    import statsmodels.api as sm

    groups = pd.factorize(made.frame["cluster"], sort=True)[0]
    model = sm.WLS(made.frame["y"], made.regressors, weights=made.frame["weight"])
    fit = model.fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    return Recomputed(f"statsmodels {version('statsmodels')}", "clustered, G/(G-1) * (N-1)/(N-K)",
                      fit.params, fit.cov_params())  # fmt: skip


# --------------------------------------------------------------------------- what each method regresses


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
    return Regression(frame, pd.DataFrame({"treated": treated}), {("att", "", None): {"treated": 1.0}})


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
    return Regression(frame, dummies, wanted)


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
    return Regression(frame, pd.DataFrame(columns), {("att", "", None): {" x ".join(groups): 1.0}}, effects=False)


_DESIGNS: dict[str, Callable[[Case], Regression | None]] = {
    "twfe": _twfe,
    "event_study": _event_study,
    "did_2x2": _two_by_two,
    "triple_difference": _triple_difference,
}
