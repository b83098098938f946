"""Bias and coverage of the cohort estimators on drawn people, and how often their tests reject; writes
docs/calibration-cohorts.md.

Each design is drawn thousands of times at three sizes, written as Parquet and analysed as a study would. Where the
assumptions hold, bias must be below a tenth of a standard error, and the share of intervals that hold the truth within
three Monte Carlo standard errors of 95 %, or the program ends with exit code 1. Where they do not hold, the page shows
by how much. Rows whose intervals are known to be too narrow among few people stand as such, with the reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

import cohort_page
import draw_cohorts as draw
import people_cases
from calibration import Found, all_draws
from cohort_designs import DESIGNS, SIZES, Case
from cohort_page import Results, page
from cohort_tests import TRIALS

__all__ = ["DESIGNS", "SIZES", "TRIALS", "one_draw", "one_trial", "page"]

ROOT = Path(__file__).parents[1]
FEW_DRAWS = 100  # behind bands that hold whole curves, where those are not looked at


def _asked(case: Case, people: Any) -> tuple[Any, ...]:
    """The estimates of a case, or what they are with missing characteristics imputed; empty without an answer."""
    from evaluation.diagnostics.imputation import imputation
    from evaluation.errors import NotEstimable

    among = replace(people, cluster=None) if case.ignoring else people
    try:
        fitted = people_cases.analysed(among, case.estimator, case.options)
        rows = imputation(fitted).sensitivity if case.imputed else fitted.results.estimates
    except NotEstimable:
        return ()
    return tuple(rows)


def _found(case: Case, rows: tuple[Any, ...], drawn: draw.Drawn) -> Found | None:
    truth = drawn.truth[case.truth or case.term]
    mine = [r for r in rows if case.imputed or (r.term == case.term and r.time in (None, draw.WINDOW))]
    row = mine[0] if mine else None
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
        people = people_cases.cohort(drawn, Path(folder), chosen.cluster)
        answers: dict[tuple[str, str], tuple[Any, ...]] = {}  # several cases may look at one fit
        for case in chosen.cases:
            if (case.estimator, case.asked) not in answers:
                answers[case.estimator, case.asked] = _asked(case, people)
        return [_found(case, answers[case.estimator, case.asked], drawn) for case in chosen.cases]


def one_trial(name: str, size: int, seed: int) -> list[bool | None]:
    """What every question of a trial of tests and bands answers for one seed, among `size` people; None: nothing."""
    from threadpoolctl import threadpool_limits

    from evaluation.errors import NotEstimable
    from evaluation.inference import curve_bands

    chosen = next(t for t in TRIALS if t.name == name)
    draws = curve_bands.DRAWS if chosen.bands else FEW_DRAWS
    with (
        patch.object(curve_bands, "DRAWS", draws), threadpool_limits(limits=1), tempfile.TemporaryDirectory() as folder,
    ):  # fmt: skip
        drawn = chosen.make(size, np.random.default_rng([seed, size, len(name), 1]))
        people = people_cases.cohort(drawn, Path(folder))
        found: list[bool | None] = []
        for asked in chosen.fits:
            try:
                fitted = people_cases.analysed(people, asked.estimator, asked.options, asked.subgroups)
                found += [q.read(fitted) for q in asked.questions]
            except NotEstimable:
                found += [None] * len(asked.questions)
        return found


def main() -> int:
    """Run every design and trial at every size, write the page, and say whether all that should be is within limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=2)
    every = [d.name for d in DESIGNS] + [t.name for t in TRIALS]
    parser.add_argument("--designs", nargs="+", default=every, choices=every, metavar="NAME")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "calibration-cohorts.md")
    asked = parser.parse_args()
    results = Results(SIZES, asked.draws)
    for design in (d for d in DESIGNS if d.name in asked.designs):
        start = time.monotonic()
        for size in design.sizes:
            found = list(all_draws(one_draw, [design.name, size], round(asked.draws * design.share), asked.jobs))
            results.add(design, size, found)
        print(f"{design.name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        asked.out.write_text(page(results), encoding="utf-8")
    for trial in (t for t in TRIALS if t.name in asked.designs):
        start = time.monotonic()
        for size in trial.sizes:
            answers = list(all_draws(one_trial, [trial.name, size], round(asked.draws * trial.share), asked.jobs))
            results.add_trial(trial, size, answers)
        print(f"{trial.name}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
        asked.out.write_text(page(results), encoding="utf-8")
    print(page(results))
    return int(bool(cohort_page.unexplained(results)))


if __name__ == "__main__":
    sys.exit(main())
