"""Panels for tests: data frames written as Parquet, and simulated panels with staggered adoption."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from evaluation.data.engine import open_source
from evaluation.data.moments import panel_moments
from evaluation.data.panel import Panel, problems
from evaluation.estimators.registry import get
from evaluation.study.models import Outcome, PanelDesign

OUTCOME = Outcome(id="outcome", label="Outcome", column="y")
ROLES = {"unit": "unit", "time": "time", "cohort": "cohort"}


def design(**roles):
    return PanelDesign(type="panel", **{**ROLES, **roles})


def source(frame, folder):
    path = Path(folder) / "panel.parquet"
    frame.to_parquet(path)
    return open_source(str(path), Path(folder))


def fit(estimator, frame, options=None, outcome=OUTCOME, **roles):
    """The results of an estimator (by id) on a frame; roles default to columns unit, time and cohort."""
    with TemporaryDirectory() as folder:
        panel = Panel.of(design(**roles), source(frame, folder))
        return get(estimator)(**(options or {})).fit(panel, outcome)


def moments(frame, outcome=OUTCOME, **roles):
    with TemporaryDirectory() as folder:
        return panel_moments(Panel.of(design(**roles), source(frame, folder)), outcome)


def found(frame, outcomes=(OUTCOME,), **roles):
    """What is wrong with a frame as a panel, of places unless `units_are` people."""
    with TemporaryDirectory() as folder:
        return problems(design(**{"units_are": "places", **roles}), outcomes, source(frame, folder))


def estimates(results, term):
    """Estimates of a term by (group, time), with empty parts of the key left out."""

    def key(e):
        parts = [p for p in (e.group, e.time) if p not in ("", None)]
        return parts[0] if len(parts) == 1 else tuple(parts)

    return {key(e): e for e in results.estimates if e.term == term}


def overall(results, term="att"):
    return next(e for e in results.estimates if e.term == term)


def checks(results, name):
    return [c for c in results.checks if c.check == name]


def simulated(seed=1, units=60, periods=7, clusters=15, starts=(3, 5, 6), holes=0.0, weights=None, first=2001):
    """A staggered panel with effects that grow and differ by cohort; `weights`: None, "constant" or "varying"."""
    rng = np.random.default_rng(seed)
    cohort = np.repeat([0, *(first - 1 + s for s in starts)], -(-units // (len(starts) + 1)))[:units]
    cluster = np.arange(units) % clusters
    shock = rng.normal(size=(clusters, periods))
    rows = []
    for i in range(units):
        level, heavy = rng.normal(), rng.uniform(0.5, 3)
        for t in range(first, first + periods):
            effect = (t - cohort[i] + 1) * (0.3 + 0.01 * (cohort[i] - first)) if cohort[i] and t >= cohort[i] else 0.0
            y = level + 0.2 * t + effect + 0.5 * shock[cluster[i], t - first] + rng.normal()
            w = {None: 1.0, "constant": heavy, "varying": rng.uniform(0.2, 2)}[weights]
            rows.append((i, t, cohort[i], cluster[i], w, y))
    frame = pd.DataFrame(rows, columns=["unit", "time", "cohort", "cluster", "weight", "y"])
    frame.loc[rng.uniform(size=len(frame)) < holes, "y"] = np.nan
    return frame


def two_by_two():
    """Two treated and three control units, before and after: changes 3 and 5 against 1, 1 and 4."""
    before = {1: 10.0, 2: 20.0, 3: 5.0, 4: 6.0, 5: 7.0}
    change = {1: 3.0, 2: 5.0, 3: 1.0, 4: 1.0, 5: 4.0}
    rows = [(u, t, 2 if u < 3 else 0, before[u] + change[u] * (t == 2)) for u in before for t in (1, 2)]
    return pd.DataFrame(rows, columns=["unit", "time", "cohort", "y"])


def keyed(results):
    """Estimates by (term, group, time), empty parts left out; just the term for the overall ones."""
    return {
        e.term
        if e.group == "" and e.time is None
        else tuple(p for p in (e.term, e.group, e.time) if p not in ("", None)): e
        for e in results.estimates
    }
