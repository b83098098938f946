"""Panels for tests: data frames written as Parquet, simulated panels, and slow row-level answers to hold fast ones to."""

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
    """What is wrong with a frame as a panel."""
    with TemporaryDirectory() as folder:
        return problems(design(**roles), outcomes, source(frame, folder))


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


def dummies(frame, regressors, weights=None, cluster="unit"):
    """Least squares on unit and period dummies: coefficients and CR1 covariance of `regressors` (rows by P).

    The factor leaves nested unit effects uncounted: G/(G-1) * (N-1)/(N-K), K = P + periods.
    """
    X = np.column_stack([
        np.asarray(regressors, dtype=float),
        pd.get_dummies(frame["unit"]).to_numpy(dtype=float),
        pd.get_dummies(frame["time"]).to_numpy(dtype=float)[:, 1:],
    ])
    p = X.shape[1] - frame["unit"].nunique() - frame["time"].nunique() + 1
    w = np.ones(len(frame)) if weights is None else frame[weights].to_numpy()
    y = frame["y"].to_numpy()
    bread = np.linalg.pinv(X.T @ (X * w[:, None]))
    beta = bread @ (X.T @ (w * y))
    scores = X * (w * (y - X @ beta))[:, None]
    by_cluster = np.array([scores[rows].sum(axis=0) for rows in frame.groupby(cluster).indices.values()])
    g, n, k = len(by_cluster), len(frame), p + frame["time"].nunique()
    factor = g / (g - 1) * (n - 1) / (n - k)
    return beta[:p], factor * (bread @ by_cluster.T @ by_cluster @ bread)[:p, :p]


def influence(frame, controls="never", universal=False, anticipation=0, weight=None, cluster="unit"):
    """Callaway and Sant'Anna unit by unit: {(g, t): effect}, {(g, t): influence by unit}, and aggregations with SEs.

    Written from the paper's definitions on a wide table, with the influence functions of the cohort shares spelt out.
    """
    wide = frame.pivot(index="unit", columns="time", values="y")
    about = frame.groupby("unit")[["cohort", "cluster", "weight"]].first()
    wide = wide[wide.notna().any(axis=1)]
    about = about.loc[wide.index]
    g_i = about["cohort"].to_numpy()
    keep = ~((g_i > 0) & (g_i <= wide.columns[0] + anticipation))
    wide, about, g_i = wide[keep], about[keep], g_i[keep]
    w_i = about["weight"].to_numpy() if weight else np.ones(len(wide))
    group_of = about["cluster"].to_numpy() if cluster == "cluster" else np.arange(len(wide))
    times, n = list(wide.columns), len(wide)
    effect, psi = {}, {}
    for g in sorted({g for g in g_i if 0 < g <= times[-1]}):
        long = [t for t in times if t + anticipation < g][-1]
        for t in times if universal else times[1:]:
            base = long if universal or t >= g else times[times.index(t) - 1]
            if base == t:
                effect[g, t], psi[g, t] = 0.0, np.zeros(n)
                continue
            change = (wide[t] - wide[base]).to_numpy()
            both = ~np.isnan(change)
            free = g_i == 0
            if controls == "notyet":
                free = free | ((g_i > max(t, base) + anticipation) & (g_i != g))
            d, c = both & (g_i == g), both & free
            if not d.any() or not c.any():
                continue
            means = [np.average(change[s], weights=w_i[s]) for s in (d, c)]
            effect[g, t] = means[0] - means[1]
            psi[g, t] = np.zeros(n)
            for s, m, sign in ((d, means[0], 1), (c, means[1], -1)):
                psi[g, t][s] += sign * n * w_i[s] * (change[s] - m) / w_i[s].sum()

    def error(curve):
        sums = np.bincount(pd.factorize(group_of)[0], curve)
        return np.sqrt((sums**2).sum()) / n

    share = {g: (w_i * (g_i == g)).mean() for g, _ in effect}

    def pooled(cells):
        total = sum(share[g] for g, _ in cells)
        value = sum(share[g] * effect[g, t] for g, t in cells) / total
        curve = sum(share[g] / total * psi[g, t] for g, t in cells)
        for g, t in cells:
            own = (w_i * (g_i == g) - share[g]) / total
            all_shares = sum(w_i * (g_i == h) - share[h] for h, _ in cells) * share[g] / total**2
            curve = curve + (own - all_shares) * effect[g, t]
        return value, curve

    def mean(parts):
        return np.mean([v for v, _ in parts]), np.mean([c for _, c in parts], axis=0)

    post = [(g, t) for g, t in effect if t >= g]
    by_group = {g: mean([(effect[k], psi[k]) for k in post if k[0] == g]) for g in sorted({g for g, _ in post})}
    by_event = {e: pooled([k for k in effect if k[1] - k[0] == e]) for e in sorted({t - g for g, t in effect})}
    by_time = {t: pooled([k for k in post if k[1] == t]) for t in sorted({t for _, t in post})}
    total = sum(share[g] for g in by_group)
    group_value = sum(share[g] * v for g, (v, _) in by_group.items()) / total
    group_curve = sum(share[g] / total * c for g, (_, c) in by_group.items())
    for g, (v, _) in by_group.items():
        group_curve = group_curve + (w_i * (g_i == g)) * (v - group_value) / total
    found_all = {
        "att": pooled(post),
        "att_group": (group_value, group_curve),
        "att_dynamic": mean([v for e, v in by_event.items() if e >= 0]),
        "att_calendar": mean(list(by_time.values())),
        **{("event", float(e)): v for e, v in by_event.items()},
        **{("group", str(g)): v for g, v in by_group.items()},
        **{("calendar", float(t)): v for t, v in by_time.items()},
        **{("group_time", str(g), float(t)): (effect[g, t], psi[g, t]) for g, t in effect},
    }
    return {key: (value, error(curve)) for key, (value, curve) in found_all.items()}


def keyed(results):
    """Estimates under the keys of `influence`."""
    return {
        e.term if e.group == "" and e.time is None else tuple(p for p in (e.term, e.group, e.time) if p not in ("", None)): e
        for e in results.estimates
    }
