"""Slow row-level answers to hold the fast ones to: regressions on dummies, and influence functions unit by unit."""

import numpy as np
import pandas as pd


def dummies(frame, regressors, weights=None, cluster="unit"):
    """Least squares on unit and period dummies: coefficients and CR1 covariance of `regressors` (rows by P).

    The factor leaves nested unit effects uncounted: G/(G-1) * (N-1)/(N-K), K = P + periods.
    """
    X = np.column_stack(
        [
            np.asarray(regressors, dtype=float),
            pd.get_dummies(frame["unit"]).to_numpy(dtype=float),
            pd.get_dummies(frame["time"]).to_numpy(dtype=float)[:, 1:],
        ]
    )
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


class Influence:
    """Callaway and Sant'Anna unit by unit, from the paper's definitions on a table of units by periods.

    The influence functions of the cohort shares are spelt out, as in R's did, where the package uses gradients.
    """

    def __init__(self, frame, controls="never", universal=False, anticipation=0, weight=None, cluster="unit"):
        wide = frame.pivot_table(index="unit", columns="time", values="y")
        about = frame.groupby("unit")[["cohort", "cluster", "weight"]].first().loc[wide.index]
        while (
            len(wide) and (early := (about["cohort"] > 0) & (about["cohort"] <= wide.columns[0] + anticipation)).any()
        ):
            wide, about = wide[~early].dropna(axis=1, how="all"), about[~early]
        self.y = wide
        self.cohort, self.n = about["cohort"].to_numpy(), len(about)
        self.w = about["weight"].to_numpy() if weight else np.ones(self.n)
        self.cluster = about["cluster"].to_numpy() if cluster == "cluster" else np.arange(self.n)
        self.controls, self.universal, self.anticipation = controls, universal, anticipation
        self.effect, self.psi = {}, {}
        times = list(self.y.columns)
        for g in sorted({g for g in self.cohort if 0 < g <= times[-1]}):
            for t in times if universal else times[1:]:
                self._cell(g, t, times)
        self.share = {g: (self.w * (self.cohort == g)).mean() for g, _ in self.effect}

    def _cell(self, g, t, times):
        base = [s for s in times if s + self.anticipation < g][-1]
        if not self.universal and t < g:
            base = times[times.index(t) - 1]
        change = (self.y[t] - self.y[base]).to_numpy()
        free = self.cohort == 0
        if self.controls == "notyet":
            free = free | ((self.cohort > max(t, base) + self.anticipation) & (self.cohort != g))
        treated, control = (~np.isnan(change) & s for s in (self.cohort == g, free))
        if base == t and treated.any():
            self.effect[g, t], self.psi[g, t] = 0.0, np.zeros(self.n)
        elif treated.any() and control.any():
            self.effect[g, t], self.psi[g, t] = 0.0, np.zeros(self.n)
            for members, sign in ((treated, 1), (control, -1)):
                w = self.w[members]
                mean = np.average(change[members], weights=w)
                self.effect[g, t] += sign * mean
                self.psi[g, t][members] += sign * self.n * w * (change[members] - mean) / w.sum()

    def _pooled(self, cells):
        """Mean of cells by cohort share: value and influence."""
        total = sum(self.share[g] for g, _ in cells)
        value = sum(self.share[g] * self.effect[g, t] for g, t in cells) / total
        curve = sum(self.share[g] / total * self.psi[g, t] for g, t in cells)
        drift = sum(self.w * (self.cohort == g) - self.share[g] for g, _ in cells)
        for g, t in cells:
            own = (self.w * (self.cohort == g) - self.share[g]) / total
            curve = curve + (own - drift * self.share[g] / total**2) * self.effect[g, t]
        return value, curve

    def _over_cohorts(self, by_group):
        total = sum(self.share[g] for g in by_group)
        value = sum(self.share[g] * v for g, (v, _) in by_group.items()) / total
        curve = sum(self.share[g] / total * c for g, (_, c) in by_group.items())
        for g, (v, _) in by_group.items():
            curve = curve + (self.w * (self.cohort == g)) * (v - value) / total
        return value, curve

    def figures(self):
        """Value and standard error of every effect and mean, by (term, group, time)."""

        def mean(parts):
            return np.mean([v for v, _ in parts]), np.mean([c for _, c in parts], axis=0)

        cells = [(g, t) for g, t in self.effect]
        post = [(g, t) for g, t in cells if t >= g]
        groups = {g: mean([(self.effect[k], self.psi[k]) for k in post if k[0] == g]) for g in dict(post)}
        events = {e: self._pooled([k for k in cells if k[1] - k[0] == e]) for e in {t - g for g, t in cells}}
        periods = {t: self._pooled([k for k in post if k[1] == t]) for _, t in post}
        found = {
            "att": self._pooled(post),
            "att_group": self._over_cohorts(groups),
            "att_dynamic": mean([v for e, v in events.items() if e >= 0]),
            "att_calendar": mean(list(periods.values())),
            **{("event", float(e)): v for e, v in events.items()},
            **{("group", str(g)): v for g, v in groups.items()},
            **{("calendar", float(t)): v for t, v in periods.items()},
            **{("group_time", str(g), float(t)): (self.effect[g, t], self.psi[g, t]) for g, t in cells},
        }
        return {key: (value, self._error(curve)) for key, (value, curve) in found.items()}

    def _error(self, curve):
        sums = np.bincount(pd.factorize(self.cluster)[0], curve)
        return np.sqrt((sums**2).sum()) / self.n
