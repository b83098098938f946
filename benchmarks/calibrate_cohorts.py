"""Bias and coverage of the cohort estimators on drawn people; writes docs/calibration-cohorts.md.

Each design is drawn thousands of times at three sizes, written as Parquet and analysed as a study would. Where the
assumptions hold, bias must be below a tenth of a standard error, and the share of intervals that hold the truth within
three Monte Carlo standard errors of 95 %, or the program ends with exit code 1. Where they do not hold, the page shows
by how much.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import draw_cohorts as draw
from calibration import FAR_BIAS, NOMINAL, Calibration, Found, all_draws, coverage_error, summary

ROOT = Path(__file__).parents[1]
SIZES = (300, 1000, 3000)
FEW_DRAWS = 100  # behind bands that hold whole curves, which are not looked at here


@dataclass(frozen=True)
class Case:
    """A figure of an estimator; `truth` names the truth where it is not the term's own."""

    estimator: str
    options: dict[str, Any] = field(default_factory=dict)
    term: str = "risk_difference"
    truth: str = ""
    holds: bool = True  # whether the method's assumptions hold in the design
    wide: bool = False  # whether its intervals are known to be too wide: then coverage may be above the limits


@dataclass(frozen=True)
class Design:
    """A way of drawing people, and what is asked of them."""

    name: str
    title: str
    note: str
    make: Callable[[int, np.random.Generator], draw.Drawn]
    cases: tuple[Case, ...]


def _risk(adjust: str, **more: Any) -> Case:
    truth = more.pop("truth", "")
    holds, wide = more.pop("holds", True), more.pop("wide", False)
    return Case(
        "risk_difference", {"adjust": adjust, "window": draw.WINDOW, **more}, truth=truth, holds=holds, wide=wide
    )


DESIGNS = (
    Design(
        "trial", "Assigned by lot, everyone followed for the window",
        "The chance of the outcome by the window is logistic in the arm and two characteristics.",
        partial(draw.yes_or_no, by_lot=True),
        (_risk("none"), _risk("regression"), _risk("iptw"), _risk("aipw")),
    ),
    Design(
        "entry", "Entry depends on the characteristics, everyone followed for the window",
        "The same, but who enters depends on the characteristics that bear on the outcome. Without adjustment the "
        "comparison is confounded. About as many enter as not: matching without replacement runs out of people alike.",
        partial(draw.yes_or_no, by_lot=False),
        (
            _risk("regression"), _risk("iptw"), _risk("iptw", estimand="att", truth="risk_difference:att"),
            _risk("iptw", estimand="ato", truth="risk_difference:ato"), _risk("aipw"),
            _risk("aipw", estimand="att", truth="risk_difference:att"), _risk("aipw", folds=5),
            _risk("matching", truth="risk_difference:att", holds=False),
            _risk("matching", replace=True, truth="risk_difference:att"),
            Case("risk_difference", {"adjust": "regression", "window": draw.WINDOW}, "risk_ratio"),
            Case("risk_difference", {"adjust": "none", "window": draw.WINDOW}, holds=False),
        ),
    ),
    Design(
        "few_enter",
        "One person in six enters, everyone followed for the window",
        "As before, with five people in the comparison for each treated.",
        partial(draw.yes_or_no, by_lot=False, often=-1.7),
        (
            _risk("matching", truth="risk_difference:att"),
            _risk("matching", replace=True, truth="risk_difference:att"),
            _risk("iptw", estimand="att", truth="risk_difference:att"),
        ),
    ),
    Design(
        "times", "Assigned by lot, times to the outcome, follow-up ends at random",
        "Constant hazards, proportional between the arms given the characteristics.",
        partial(draw.times, by_lot=True),
        (
            Case("kaplan_meier"), Case("cumulative_incidence"),
            Case("rmst", {"window": draw.WINDOW}, "rmst_difference"),
            Case("cox", {"covariates": "all"}, "arm"), Case("cox", {"covariates": "all", "robust": True}, "arm"),
            Case("cox", {"covariates": []}, "arm", holds=False),
        ),
    ),
    Design(
        "deaths", "Assigned by lot, death competes",
        "Without the outcome, people die at a rate that one characteristic raises. Kaplan-Meier treats the dead as "
        "people who left and could still have the outcome.",
        partial(draw.times, by_lot=True, deaths=draw.DEATH),
        (
            Case("cumulative_incidence"), Case("cumulative_incidence", {}, "risk_treated"),
            Case("cumulative_incidence", {}, "risk_ratio"), Case("rmst", {"window": draw.WINDOW}, "rmtl_difference"),
            Case("cox", {"covariates": "all"}, "arm"), Case("kaplan_meier", {}, "risk_treated", holds=False),
        ),
    ),
    Design(
        "entry_deaths", "Entry depends on the characteristics, death competes",
        "Curves weighted by the chance of entering, against curves as observed.",
        partial(draw.times, by_lot=False, deaths=draw.DEATH),
        (
            Case("cumulative_incidence", {"adjust": "iptw"}),
            Case("rmst", {"window": draw.WINDOW, "adjust": "iptw"}, "rmtl_difference"),
            Case("cox", {"covariates": "all"}, "arm"), Case("cumulative_incidence", {"adjust": "none"}, holds=False),
        ),
    ),
    Design(
        "leaving", "People at higher risk leave earlier",
        "Leaving depends on a recorded characteristic that also raises the risk; weights by the chance of staying mend "
        "it. Its errors take these chances as known, which makes them somewhat too large.",
        partial(draw.times, by_lot=True, leaving="x1"),
        (
            _risk("none", censoring="ipcw", censoring_covariates=["x1"], wide=True),
            Case("kaplan_meier", {}, "risk_treated", holds=False),
        ),
    ),
    Design(
        "subhazards", "Proportional subdistribution hazards",
        "Drawn as Fine and Gray (1999) did.",
        draw.subhazards,
        (Case("fine_gray", {"covariates": "all"}, "arm"), Case("cox", {"covariates": "all"}, "arm", holds=False)),
    ),
    Design(
        "monthly", "A logistic chance every month",
        "Entry depends on the characteristics; follow-up ends between 12 and 36 months.",
        draw.monthly,
        (Case("pooled_logistic", {"covariates": "all"}, "arm"), Case("pooled_logistic", {"covariates": "all"})),
    ),
    Design(
        "counts", "Counts with a frailty",
        "Numbers of events over days at liberty that differ between people; a gamma frailty of variance 0.8. The "
        "Poisson model's ordinary errors would be too small; its robust ones are not.",
        partial(draw.counts, frailty=0.8),
        (
            Case("event_count", {"count": "number", "exposure": "days"}, "arm"),
            Case("event_count", {"count": "number", "exposure": "days", "model": "poisson"}, "arm"),
        ),
    ),
)  # fmt: skip


def _cohort(drawn: draw.Drawn, folder: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from evaluation.data.cohort import Cohort
    from evaluation.data.engine import open_source
    from evaluation.study.models import CohortDesign

    columns = dict(drawn.columns)
    for name in ("arm", "event"):
        columns[name] = columns[name].astype(np.int64)  # type: ignore[assignment]
    pq.write_table(pa.table(columns), folder / "people.parquet", compression="none")
    design = CohortDesign(
        type="cohort", arm="arm", assignment="observational", time="time", time_unit="month", event="event",
        follow_up="follow_up" if drawn.follow_up else None, competing=drawn.competing, covariates=["x1", "x2"],
        windows=[draw.WINDOW],
    )  # fmt: skip
    return Cohort.of(design, open_source("people.parquet", folder))


def _fit(case: Case, cohort: Any, drawn: draw.Drawn) -> Found | None:
    from evaluation.errors import NotEstimable
    from evaluation.estimators.registry import get
    from evaluation.study.models import Outcome

    outcome = Outcome(id="y", label="y")
    truth = drawn.truth[case.truth or case.term]
    try:
        results = get(case.estimator).model_validate(case.options).fit(cohort, outcome)
    except NotEstimable:
        return None
    row = next((e for e in results.estimates if e.term == case.term and e.time in (None, draw.WINDOW)), None)
    if row is None or row.estimate is None or row.std_error is None or row.conf_low is None or row.conf_high is None:
        return None
    return Found(row.estimate - truth, row.std_error, row.conf_low <= truth <= row.conf_high)


def one_draw(design: str, size: int, seed: int) -> list[Found | None]:
    """The findings of every case of a design for one seed, among `size` people."""
    from threadpoolctl import threadpool_limits

    from evaluation.inference import curve_bands

    chosen = next(d for d in DESIGNS if d.name == design)
    few = patch.object(curve_bands, "DRAWS", FEW_DRAWS)
    with few, threadpool_limits(limits=1), tempfile.TemporaryDirectory() as folder:
        drawn = chosen.make(size, np.random.default_rng([seed, size, len(design)]))
        cohort = _cohort(drawn, Path(folder))
        return [_fit(case, cohort, drawn) for case in chosen.cases]


# --------------------------------------------------------------------------- the page


PAGE = """\
# Calibration of the cohort estimators

Does a 95 % interval hold the truth 95 times in 100? Each design is drawn {draws} times at {sizes} people with a known
effect. `make calibrate` renews this page, and fails when a row whose assumptions hold is outside the limits.

- **Bias** is the mean error in standard deviations of the estimates; below 0.1 it does no harm.
- **Coverage** is the share of intervals that hold the truth. With {draws} draws its Monte Carlo standard error is
  {error:.2f} points, so it must lie within {low:.1f} and {high:.1f} %.
- **SE ratio** is the mean standard error over the standard deviation of the estimates; 1 is right.
- **Answered** is the share of draws in which there was an answer: in small ones an arm may be without events.
- Rows marked *assumptions fail* are there to show what happens then, and are not judged.
"""
HEADER = """
## {title}

{note}

| estimator | options | figure | people | bias | coverage | SE ratio | answered | within limits |
|---|---|---|---|---|---|---|---|---|
"""


def _passes(c: Calibration) -> bool:
    """Whether bias and coverage are within their limits, or above them where intervals are known to be too wide."""
    wide = c.case.wide and abs(c.bias) < FAR_BIAS and c.coverage > NOMINAL
    return bool(wide or c.passes)


def _row(c: Calibration, size: int, draws: int) -> str:
    case = c.case
    options = ", ".join(f"{k}: {v:g}" if isinstance(v, float) else f"{k}: {v}" for k, v in case.options.items())
    verdict = ("yes" if _passes(c) else "**no**") if case.holds else "assumptions fail"
    verdict += " (too wide)" if case.wide and verdict == "yes" else ""
    cells = (f"`{case.estimator}`", options or "defaults", f"`{case.term}`", f"{size:,}", f"{c.bias:+.3f}",
             f"{100 * c.coverage:.1f} %", f"{c.ratio:.3f}", f"{100 * c.draws / draws:.1f} %", verdict)  # fmt: skip
    return "| " + " | ".join(cells) + " |"


def page(results: dict[str, list[tuple[int, Calibration]]], draws: int) -> str:
    """The page in `docs/`, the same for the same results."""
    error = 100 * coverage_error(draws)
    sizes = ", ".join(f"{n:,}" for n in SIZES[:-1]) + f" and {SIZES[-1]:,}"
    text = PAGE.format(draws=draws, sizes=sizes, error=error, low=100 * NOMINAL - 3 * error,
                       high=100 * NOMINAL + 3 * error)  # fmt: skip
    for design in DESIGNS:
        if design.name in results:
            text += HEADER.format(title=design.title, note=design.note)
            ordered = sorted(results[design.name], key=lambda r: (design.cases.index(r[1].case), r[0]))
            text += "".join(_row(c, size, draws) + "\n" for size, c in ordered)
    return text


def main() -> int:
    """Run every design at every size, write the page, and say whether all that should be within limits is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--designs", nargs="+", default=[d.name for d in DESIGNS])
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "calibration-cohorts.md")
    asked = parser.parse_args()
    results: dict[str, list[tuple[int, Calibration]]] = {}
    for design in (d for d in DESIGNS if d.name in asked.designs):
        start = time.monotonic()
        results[design.name] = []
        for size in SIZES:
            found = list(all_draws(one_draw, [design.name, size], asked.draws, asked.jobs))
            results[design.name] += [(size, summary(c, [f[i] for f in found])) for i, c in enumerate(design.cases)]
        print(f"{design.name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        asked.out.write_text(page(results, asked.draws), encoding="utf-8")
    print(page(results, asked.draws))
    return int(not all(_passes(c) for rows in results.values() for _, c in rows if c.case.holds))


if __name__ == "__main__":
    sys.exit(main())
