"""Bias, coverage and test size of the panel estimators on simulated panels; writes docs/calibration-panels.md.

Each design is drawn anew thousands of times, straight into moments, and analysed by each estimator as a study would.
Where the assumptions hold, bias must be below a tenth of a standard error, and the share of intervals that hold the
truth within three Monte Carlo standard errors of 95 %, or the program ends with exit code 1. Where they do not hold,
the page shows by how much.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration import NOMINAL, Calibration, Found, all_draws, coverage_error, summary

ROOT = Path(__file__).parents[1]
RANDOMISATIONS = 99


@dataclass(frozen=True)
class Drawn:
    """One panel, as moments or as rows, and the truth at each (term, time) asked for."""

    moments: Any
    truth: dict[tuple[str, float | None], float]
    kind: str = "continuous"
    rows: Any = None  # a data frame, for estimators that read more than outcomes

    def moments_for(self, estimator: Any, outcome: Any) -> Any:
        """What the estimator needs of the panel."""
        if self.rows is None:
            return self.moments
        import tempfile

        from evaluation.data.engine import open_source
        from evaluation.data.panel import Panel
        from evaluation.study.models import PanelDesign

        with tempfile.TemporaryDirectory() as folder:
            self.rows.to_parquet(Path(folder) / "panel.parquet")
            design = PanelDesign(type="panel", unit="unit", time="time", cohort="cohort")
            return estimator.moments(Panel.of(design, open_source("panel.parquet", Path(folder))), outcome)


@dataclass(frozen=True)
class Case:
    """A figure of an estimator, by its headline interval or by the alternative whose method begins so."""

    estimator: str
    options: dict[str, Any] = field(default_factory=dict)
    term: str = "att"
    time: float | None = None
    by: str = ""
    holds: bool = True  # whether the method's assumptions hold in the design


@dataclass(frozen=True)
class Design:
    """A way of making panels, and what is asked of them."""

    name: str
    title: str
    note: str
    make: Callable[[np.random.Generator], Drawn]
    cases: tuple[Case, ...]


# --------------------------------------------------------------------------- making panels


def _panel(  # noqa: PLR0913 - a design is what varies here
    generator: np.random.Generator,
    cohort: np.ndarray,
    cluster: np.ndarray,
    periods: int,
    effect: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    shared: float = 0.0,
    carry: float = 0.5,
    drift: float = 0.0,
    missing: float = 0.0,
) -> tuple[Any, np.ndarray, np.ndarray]:
    """Moments of units with errors that carry over; the effects (N, T) and which cells they fall in."""
    from evaluation.data.planned import Planned, Variation

    times = np.arange(1, periods + 1)
    order = np.argsort(cluster, kind="stable")
    planned = Planned.of(times, cohort[order], cluster[order])
    errors = Variation(1.0, shared, carry).draw(planned.cluster, periods, generator)
    since = times - planned.cohort[:, None]
    treated = (planned.cohort[:, None] > 0) & (since >= 0)
    effects = np.where(treated, effect(planned.cohort[:, None] + 0 * since, since), 0.0)
    level = (
        2 * generator.standard_normal((len(cohort), 1)) + 0.2 * times + drift * times * (planned.cohort[:, None] > 0)
    )
    moments = planned.moments(level + errors + effects)
    if missing:
        gone = generator.random(treated.shape) < missing
        moments = replace(
            moments, counts=np.where(gone, 0, moments.counts), weights=np.where(gone, 0.0, moments.weights),
            sums=np.where(gone, 0.0, moments.sums))  # fmt: skip
        treated &= ~gone
    return moments, effects, treated


def _truth(effects: np.ndarray, treated: np.ndarray) -> dict[tuple[str, float | None], float]:
    return {("att", None): float(effects[treated].mean())}


def _dealt(units: int, starts: tuple[int, ...], share: float = 0.5) -> np.ndarray:
    """Cohorts in turn for a share of the units; the others are never treated."""
    cohort = np.zeros(units, dtype=np.int64)
    adopters = round(units * share)
    cohort[:adopters] = np.array(starts)[np.arange(adopters) % len(starts)]
    return cohort


def _constant(_: np.ndarray, since: np.ndarray) -> np.ndarray:
    return np.full(since.shape, 0.5)


def _growing(cohort: np.ndarray, since: np.ndarray) -> np.ndarray:
    """Grows with time, and is larger for earlier cohorts."""
    return 0.2 * (since + 1) * (1.6 - 0.1 * cohort)


def _nothing(_: np.ndarray, since: np.ndarray) -> np.ndarray:
    return np.zeros(since.shape)


def one_date(generator: np.random.Generator) -> Drawn:
    moments, effects, treated = _panel(generator, _dealt(100, (5,)), np.arange(100), 8, _constant)
    return Drawn(moments, _truth(effects, treated))


def staggered(generator: np.random.Generator) -> Drawn:
    moments, effects, treated = _panel(generator, _dealt(120, (4, 6, 8, 10)), np.arange(120), 12, _growing)
    first = {("event", 0.0): float(np.mean([_growing(np.array(g), np.array(0)) for g in (4, 6, 8, 10)]))}
    return Drawn(moments, _truth(effects, treated) | first)


def clustered(generator: np.random.Generator) -> Drawn:
    cluster = np.arange(300) // 5
    cohort = _dealt(60, (4, 6))[cluster]
    moments, effects, treated = _panel(generator, cohort, cluster, 8, _constant, shared=0.7)
    return Drawn(moments, _truth(effects, treated))


def gaps(generator: np.random.Generator) -> Drawn:
    moments, effects, treated = _panel(generator, _dealt(120, (4, 6)), np.arange(120), 8, _constant, missing=0.1)
    return Drawn(moments, _truth(effects, treated))


def few(generator: np.random.Generator) -> Drawn:
    cluster = np.arange(50) // 5
    moments, effects, treated = _panel(generator, _dealt(10, (5,))[cluster], cluster, 8, _constant, shared=0.7)
    return Drawn(moments, _truth(effects, treated))


def few_treated(generator: np.random.Generator) -> Drawn:
    cohort = _dealt(20, (5,), share=0.1)
    moments, _, _ = _panel(generator, cohort, np.arange(20), 8, _nothing)
    return Drawn(moments, {("att", None): 0.0})


def drifting(generator: np.random.Generator) -> Drawn:
    moments, effects, treated = _panel(generator, _dealt(120, (4, 6)), np.arange(120), 8, _constant, drift=0.1)
    return Drawn(moments, _truth(effects, treated))


def counts(generator: np.random.Generator) -> Drawn:
    """Overdispersed counts with a rate ratio of 0.8 and shocks shared within clusters of two units."""
    from evaluation.data.planned import Planned

    times, cohort, cluster = np.arange(1, 9), _dealt(60, (4, 6))[np.arange(120) // 2], np.arange(120) // 2
    planned = Planned.of(times, cohort, cluster)
    level = 1.5 + 0.5 * generator.standard_normal((120, 1)) + 0.05 * times
    shock = 0.1 * generator.standard_normal((60, 8))[cluster]
    treated = (cohort[:, None] > 0) & (times >= cohort[:, None])
    mean = np.exp(level + shock + math.log(0.8) * treated)
    outcomes = generator.poisson(mean * generator.gamma(5.0, 0.2, mean.shape)).astype(np.float64)
    return Drawn(planned.moments(outcomes), {("att", None): math.log(0.8)}, "count")


def _long(outcomes: np.ndarray, cohort: np.ndarray, **columns: np.ndarray) -> Any:
    """Rows of units in ascending order, with columns that are constant within units."""
    import pandas as pd

    units, periods = outcomes.shape
    frame = pd.DataFrame({
        "unit": np.repeat(np.arange(units), periods), "time": np.tile(np.arange(1, periods + 1), units),
        "cohort": np.repeat(cohort, periods), "y": outcomes.ravel()})  # fmt: skip
    return frame.assign(**{name: np.repeat(values, periods) for name, values in columns.items()})


def _errors(generator: np.random.Generator, units: int, periods: int) -> np.ndarray:
    from evaluation.data.planned import Variation

    return Variation(1.0, 0.0, 0.5).draw(np.arange(units), periods, generator)


def adjusted(generator: np.random.Generator) -> Drawn:
    """Trends depend on a characteristic that also makes units adopt: parallel only given it."""
    size = generator.standard_normal(300)
    adopts = generator.random(300) < 1 / (1 + np.exp(-size))
    cohort = np.where(adopts, np.where(np.arange(300) % 2 == 0, 4, 6), 0)
    times = np.arange(1, 9)
    treated = (cohort[:, None] > 0) & (times >= cohort[:, None])
    outcomes = 0.3 * size[:, None] * times + 0.5 * treated + _errors(generator, 300, 8)
    return Drawn(None, {("att", None): 0.5}, rows=_long(outcomes, cohort, size=size))


def third_group(generator: np.random.Generator) -> Drawn:
    """Adopters move away from the others, alike in both third groups: a triple difference takes it out."""
    cohort, third, times = _dealt(120, (5,)), np.arange(120) // 2 % 2, np.arange(1, 9)
    after = (cohort[:, None] > 0) & (times >= 5)
    outcomes = 0.3 * after + 0.5 * (after & (third[:, None] == 1)) + _errors(generator, 120, 8)
    return Drawn(None, {("att", None): 0.5}, rows=_long(outcomes, cohort, third=third))


def factors(generator: np.random.Generator) -> Drawn:
    """Units answer in different strength to shocks that all share; ten of sixty are treated."""
    cohort, periods = _dealt(60, (16,), share=1 / 6), 24
    strength = 1 + 0.5 * generator.standard_normal((60, 1)) + 0.3 * (cohort[:, None] > 0)
    shocks = np.cumsum(0.3 * generator.standard_normal(periods))
    treated = (cohort[:, None] > 0) & (np.arange(1, periods + 1) >= 16)
    outcomes = strength * shocks + 0.5 * treated + 0.5 * generator.standard_normal((60, periods))
    return Drawn(None, {("att", None): 0.5}, rows=_long(outcomes, cohort))


def series(generator: np.random.Generator) -> Drawn:
    """One unit over 80 periods, a trend and errors that carry over by half."""
    outcomes = 0.05 * np.arange(80) + _errors(generator, 1, 80)
    outcomes[:, 40:] += 1.0
    return Drawn(None, {("att", None): 1.0}, rows=_long(outcomes, np.array([41])))


ROBUST = ("callaway_santanna", "imputation", "sun_abraham", "etwfe")
DESIGNS = (
    Design("one_date", "One adoption date", "100 units and clusters, 8 periods, effect 0.5, errors carry over by 0.5.",
           one_date, tuple(Case(e) for e in ("did_2x2", "twfe", "event_study", *ROBUST, "stacked"))),
    Design("staggered", "Staggered adoption, effects that differ and grow",
           "120 units, 12 periods, 4 cohorts. Two-way fixed effects mixes in comparisons with units already treated, "
           "and misses the mean effect; the event study mixes cohorts.",
           staggered, (*(Case(e) for e in ROBUST),
                       *(Case(e, {}, "event", 0.0) for e in (*ROBUST, "stacked")),
                       Case("callaway_santanna", {"control_group": "not_yet_treated"}),
                       Case("twfe", holds=False), Case("event_study", holds=False))),
    Design("clustered", "Clusters of five units with shared shocks", "60 clusters, 300 units, 8 periods, 2 cohorts.",
           clustered, tuple(Case(e) for e in ("twfe", "event_study", *ROBUST))),
    Design("gaps", "A tenth of the rows missing", "120 units, 8 periods, 2 cohorts, constant effect.",
           gaps, tuple(Case(e) for e in ("twfe", "event_study", "imputation", "sun_abraham"))),
    Design("counts", "Overdispersed counts", "60 clusters of two units, 8 periods, rate ratio 0.8.",
           counts, (Case("poisson_did"),)),
    Design("adjusted", "Parallel trends given a characteristic", "300 units, 8 periods, 2 cohorts.",
           adjusted, (*(Case("callaway_santanna", {"method": m, "covariates": ["size"]}) for m in ("reg", "ipw", "dr")),
                      Case("etwfe", {"covariates": ["size"]}), Case("callaway_santanna", holds=False))),
    Design("third_group", "Adopters move away, alike in both third groups", "120 units, 8 periods, one date.",
           third_group, (Case("triple_difference", {"third": "third"}), Case("did_2x2", holds=False))),
    Design("factors", "Shared shocks that units answer to in different strength",
           "60 units, ten treated, 24 periods. Differences do not take such shocks out; synthetic weights do.",
           factors, (Case("synthetic_did", {"inference": "jackknife"}, holds=False), Case("twfe", holds=False))),
    Design("series", "One series of 80 periods", "Errors carry over by half.",
           series, (Case("interrupted_time_series", {"errors": "ar"}, holds=False),
                    Case("interrupted_time_series", {}, holds=False))),
    Design("few", "Few clusters: 10, five of them treated",
           "Five units each with shared shocks. Which inference survives?",
           few, (Case("twfe", holds=False), Case("twfe", by="CR2", holds=False), Case("twfe", by="wild", holds=False),
                 Case("did_2x2", holds=False), Case("callaway_santanna", holds=False),
                 Case("imputation", holds=False))),
    Design("few_treated", "Few treated clusters: 2 of 20, no effect",
           "The share of intervals that hold zero is 1 minus the test's size.",
           few_treated, (Case("twfe", holds=False), Case("twfe", by="CR2", holds=False),
                         Case("twfe", by="wild", holds=False), Case("twfe", by="randomisation"),
                         Case("callaway_santanna", holds=False))),
    Design("drifting", "Parallel trends do not hold: adopters drift by 0.1 a period",
           "No interval for the effect can be right here; the checks of the periods before adoption are what there is.",
           drifting, (Case("twfe", holds=False), Case("callaway_santanna", holds=False),
                      Case("imputation", holds=False))),
)  # fmt: skip


# --------------------------------------------------------------------------- one draw


def _fit(case: Case, drawn: Drawn) -> Found | None:
    from evaluation.errors import NotEstimable
    from evaluation.estimators.registry import get
    from evaluation.study.models import Outcome

    outcome = Outcome(id="y", label="y", column="y", type=drawn.kind)
    estimator = get(case.estimator).model_validate(case.options)
    truth = drawn.truth[case.term, case.time]
    try:
        moments = drawn.moments_for(estimator, outcome)
        if case.by == "randomisation":
            return _randomised(estimator, moments, outcome)
        if case.term == "att" and not case.by:
            row = estimator.overall(moments, outcome)
            return Found(row.estimate - truth, row.std_error, row.conf_low <= truth <= row.conf_high)
        results = estimator.estimate(moments, outcome)
    except NotEstimable:
        return None
    row = next((e for e in results.estimates if e.term == case.term and e.time == case.time and e.status == "ok"), None)
    if row is None or row.std_error is None:
        return None
    how = row
    if case.by:
        how = next((i for i in results.inference if i.term == case.term and i.time == case.time
                    and i.method.lower().startswith(case.by.lower())), None)  # fmt: skip
        if how is None or how.conf_low is None or how.conf_high is None:
            return None
    return Found(row.estimate - truth, how.std_error or row.std_error, bool(how.conf_low <= truth <= how.conf_high))


def _randomised(estimator: Any, moments: Any, outcome: Any) -> Found:
    """Whether a randomisation test of no effect, which is true, does not reject."""
    from evaluation.inference.randomisation import cohorts_by_cluster, randomisation, reassigned

    found = randomisation(
        lambda dates: estimator.overall(reassigned(moments, dates), outcome).estimate,
        cohorts_by_cluster(moments), draws=RANDOMISATIONS, seed=1)  # fmt: skip
    return Found(found.statistic, float("nan"), found.p_value >= 1 - NOMINAL)


def one_draw(design: str, seed: int) -> list[Found | None]:
    """The findings of every case of a design for one seed."""
    from threadpoolctl import threadpool_limits

    chosen = next(d for d in DESIGNS if d.name == design)
    with threadpool_limits(limits=1):
        drawn = chosen.make(np.random.default_rng([seed, len(design)]))
        return [_fit(case, drawn) for case in chosen.cases]


# --------------------------------------------------------------------------- the page


PAGE = """\
# Calibration of the panel estimators

Does a 95 % interval hold the truth 95 times in 100? Each design is drawn {draws} times with a known effect. `make
calibrate` renews this page, and fails when a row whose assumptions hold is outside the limits.

- **Bias** is the mean error in standard deviations of the estimates; below 0.1 it does no harm.
- **Coverage** is the share of intervals that hold the truth; 1 minus it is the size of the test. With {draws} draws its
  Monte Carlo standard error is {error:.2f} points, so it must lie within {low:.1f} and {high:.1f} %.
- **SE ratio** is the mean standard error over the standard deviation of the estimates; 1 is right.
- Rows marked *assumptions fail* are there to show what happens then, and are not judged.
"""
HEADER = """
## {title}

{note}

| estimator | options | figure | interval by | bias | coverage | SE ratio | within limits |
|---|---|---|---|---|---|---|---|
"""


def _row(c: Calibration) -> str:
    options = ", ".join(f"{k}: {v}" for k, v in c.case.options.items())
    at = "" if c.case.time is None else f" at {c.case.time:g}"
    ratio = "" if math.isnan(c.ratio) else f"{c.ratio:.3f}"
    verdict = ("yes" if c.passes else "**no**") if c.case.holds else "assumptions fail"
    cells = (f"`{c.case.estimator}`", options or "defaults", f"`{c.case.term}`{at}", c.case.by or "headline",
             f"{c.bias:+.3f}", f"{100 * c.coverage:.1f} %", ratio, verdict)  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def page(results: dict[str, list[Calibration]], draws: int) -> str:
    """The page in `docs/`, the same for the same results."""
    error = 100 * coverage_error(draws)
    text = PAGE.format(draws=draws, error=error, low=100 * NOMINAL - 3 * error, high=100 * NOMINAL + 3 * error)
    for design in DESIGNS:
        if design.name in results:
            text += HEADER.format(title=design.title, note=design.note)
            text += "".join(_row(r) + "\n" for r in results[design.name])
    return text


def main() -> int:
    """Run every design, write the page, and say whether all that should be within limits is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--designs", nargs="+", default=[d.name for d in DESIGNS])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "calibration-panels.md")
    asked = parser.parse_args()
    results: dict[str, list[Calibration]] = {}
    for design in (d for d in DESIGNS if d.name in asked.designs):
        start = time.monotonic()
        found = list(all_draws(one_draw, [design.name], asked.draws, asked.jobs))
        results[design.name] = [summary(case, [f[i] for f in found]) for i, case in enumerate(design.cases)]
        print(f"{design.name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        asked.out.write_text(page(results, asked.draws), encoding="utf-8")
    print(page(results, asked.draws))
    return int(not all(r.passes for rows in results.values() for r in rows if r.case.holds))


if __name__ == "__main__":
    sys.exit(main())
