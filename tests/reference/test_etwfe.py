"""Extended two-way fixed effects: R's etwfe, diff-diff, and regressions on the rows by statsmodels.

Figures on mpdta are the known outputs of R etwfe's own tests (emfx), which moderndid and diff-diff reproduce. R counts
cohort effects in its small-sample factor where ours leaves nested unit effects out: standard errors of the linear
family differ by the root of (N - 30) / (N - 23) there.
"""

import moderndid
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from diff_diff import WooldridgeDiD

from evaluation.data.moments import folded
from evaluation.estimators.registry import get
from tests.panels import OUTCOME, estimates, fit, moments, overall, simulated

LINEAR = {
    "att": {None: (-0.0506270331228907, 0.0124972546529842)},
    "event": {
        0.0: (-0.0332122037837542, 0.0133659635774059), 1.0: (-0.0573456479257483, 0.0171496442892364),
        2.0: (-0.137870386660852, 0.0307883597041053), 3.0: (-0.10953945536511, 0.0323152785480507),
    },
    "group": {
        "2004": (-0.0876269608795944, 0.0230474099815232), "2006": (-0.0212783329358987, 0.0185912208081438),
        "2007": (-0.0459545277368072, 0.0179714452432232),
    },
    "calendar": {
        2004.0: (-0.0212480022225509, 0.0217240109737018), 2005.0: (-0.0818499992698648, 0.0273693827216135),
        2006.0: (-0.0442655912990223, 0.0173733625406716), 2007.0: (-0.0524323095862384, 0.015015825012757),
    },
}  # fmt: skip
POISSON = {
    0.0: (-25.3497484355494, 15.8862762958862), 1.0: (1.09175116997388, 40.2952222352926),
    2.0: (-75.1246321552693, 23.1541376499351), 3.0: (-101.823979344829, 27.0877431076141),
}  # fmt: skip


def mpdta():
    names = {"countyreal": "unit", "year": "time", "first.treat": "cohort", "lemp": "y"}
    return moderndid.load_mpdta().to_pandas().rename(columns=names)


@pytest.fixture(scope="module")
def linear():
    return fit("etwfe", mpdta(), {"covariates": ["lpop"]})


@pytest.mark.parametrize("term", LINEAR)
def test_mpdta_linear(linear, term):
    rows = {None: overall(linear)} if term == "att" else estimates(linear, term)
    assert len(rows) == len(LINEAR[term])
    for key, (value, error) in LINEAR[term].items():
        assert rows[key].estimate == pytest.approx(value, abs=1e-8)
        assert rows[key].std_error == pytest.approx(error, rel=0.003)
        assert rows[key].std_error == pytest.approx(error * np.sqrt((2500 - 30) / (2500 - 23)), rel=1e-6)


def test_mpdta_poisson():
    frame = mpdta()
    results = fit("etwfe", frame.assign(y=np.exp(frame["y"])), {"covariates": ["lpop"], "family": "poisson"})
    events = estimates(results, "event")
    for event, (value, error) in POISSON.items():
        assert events[event].estimate == pytest.approx(value, abs=1e-6)
        assert events[event].std_error == pytest.approx(error, rel=1e-4)
        assert events[event].scale == "level"


def sample(family, **about):
    """A panel with an outcome that fits the family, and covariates that are constant within units."""
    frame = simulated(**about)
    rng = np.random.default_rng(9)
    x = rng.normal(size=frame["unit"].max() + 1)
    frame = frame.assign(x=x[frame["unit"]], z=np.round(rng.uniform(size=len(x)), 1)[frame["unit"]])
    signal = 0.3 * (frame["y"] - frame["y"].mean()).clip(-4, 4) + 0.3 * frame["x"] * (1 + frame["time"] % 2)
    if family == "poisson":
        return frame.assign(y=rng.poisson(np.exp(signal.fillna(0))) * np.where(frame["y"].isna(), np.nan, 1.0))
    if family == "logit":
        share = 1 / (1 + np.exp(-signal.fillna(0)))
        return frame.assign(y=(rng.uniform(size=len(frame)) < share) * np.where(frame["y"].isna(), np.nan, 1.0))
    return frame.assign(y=frame["y"] + signal)


@pytest.mark.parametrize(("family", "method"), [("linear", "ols"), ("poisson", "poisson"), ("logit", "logit")])
def test_diff_diff_agrees(family, method):
    frame = sample(family, seed=3, units=120, periods=6, starts=(3, 4, 6))
    theirs = WooldridgeDiD(method=method).fit(frame, outcome="y", unit="unit", time="time", first_treat="cohort")
    ours = overall(fit("etwfe", frame, {"family": family}))
    assert (ours.estimate, ours.std_error) == pytest.approx((theirs.overall_att, theirs.overall_se), rel=1e-9)


def regressors(used, covariates, linear, effects_of):
    """Columns of the untreated part, and those of the treated cells, each by the covariates less the cell's mean."""
    cells = sorted({(g, t) for g, t in zip(used["cohort"], used["time"], strict=True) if 0 < g <= t})
    one = [np.ones(len(used)), *(used[c].to_numpy() for c in covariates)]
    times = pd.get_dummies(used["time"]).to_numpy(float)[:, 1:]
    groups = pd.get_dummies(used[effects_of]).to_numpy(float)
    plain = [groups] if linear else [groups * v[:, None] for v in one]
    plain += [times * v[:, None] for v in one]
    treated = []
    for g, t in cells:
        inside = ((used["cohort"] == g) & (used["time"] == t)).to_numpy()
        w = used["w"].to_numpy() * inside
        treated.append(np.column_stack([inside * 1.0, *(inside * (v - w @ v / w.sum()) for v in one[1:])]))
    return cells, np.column_stack(plain), np.concatenate(treated, axis=1)


def by_rows(used, family, covariates, cluster):
    """Event-time means of the cells' effects on the response with the delta method, from the whole regression."""
    linear = family == "linear"
    cells, plain, treated = regressors(used, covariates, linear, "unit" if linear else "cohort")
    full = np.column_stack([plain, treated])
    w, y, p = used["w"].to_numpy(), used["y"].to_numpy(), plain.shape[1]
    kind = {"linear": sm.families.Gaussian(), "poisson": sm.families.Poisson(), "logit": sm.families.Binomial()}[family]
    model = sm.GLM(y, full, family=kind, var_weights=w)
    beta = model.fit(tol=1e-14, maxiter=100).params
    link = kind.link
    eta1, eta0 = full @ beta, plain @ beta[:p]
    slope1, slope0 = link.inverse_deriv(eta1), link.inverse_deriv(eta0)
    bread = np.linalg.pinv(full.T @ (full * (w * slope1)[:, None]))
    scores = full * (w * (y - link.inverse(eta1)))[:, None]
    errors = np.array([scores[r].sum(axis=0) for r in used.groupby(cluster).indices.values()]) @ bread
    g, n = len(errors), len(used)
    k = np.linalg.matrix_rank(full) - (used["unit"].nunique() - 1 if linear else 0)
    factor = g / (g - 1) * (n - 1) / (n - k)
    found = {}
    for event in sorted({t - c for c, t in cells}):
        mass = w * ((used["time"] - used["cohort"]) == event) * (used["cohort"] > 0)
        mass = (mass / mass.sum()).to_numpy()
        value = mass @ (link.inverse(eta1) - link.inverse(eta0))
        gradient = (mass * slope1) @ full
        gradient[:p] -= (mass * slope0) @ plain
        found[event] = value, np.sqrt(factor * ((errors @ gradient) ** 2).sum())
    return found


@pytest.mark.parametrize("family", ["linear", "poisson", "logit"])
@pytest.mark.parametrize("covariates", [[], ["x"], ["x", "z"]])
@pytest.mark.parametrize(("weights", "cluster"), [(None, "unit"), ("varying", "cluster")])
def test_as_regressions_on_the_rows(family, covariates, weights, cluster):
    frame = sample(family, seed=2, units=80, periods=5, clusters=40, starts=(3, 5), holes=0.1, weights=weights)
    role = "weight" if weights else None
    results = fit("etwfe", frame, {"family": family, "covariates": covariates}, cluster=cluster, weights=role)
    used = frame.dropna(subset=["y"]).assign(w=1.0 if role is None else frame["weight"])
    if family == "linear":
        used = used[used.groupby("unit")["y"].transform("size") > 1]
    expected = by_rows(used.reset_index(drop=True), family, covariates, cluster)
    events = estimates(results, "event")
    assert sorted(events) == sorted(expected)
    for event, (value, error) in expected.items():
        assert events[event].estimate == pytest.approx(value, rel=1e-7)
        assert events[event].std_error == pytest.approx(error, rel=1e-7)


@pytest.mark.parametrize("estimator", ["etwfe", "sun_abraham"])
@pytest.mark.parametrize("family", ["linear", "poisson", "logit"])
def test_units_summed_across_clusters_give_the_same(estimator, family):
    one = moments(sample(family, seed=4, units=160, periods=6, starts=(3, 5), holes=0.1, weights="constant"),
                  weights="weight")  # fmt: skip
    made = get(estimator)(**({"family": family} if estimator == "etwfe" else {}))
    whole, summed = made.estimate(one, OUTCOME), made.estimate(folded(one), OUTCOME)
    for a, b in zip(whole.estimates, summed.estimates, strict=True):
        assert b.estimate == pytest.approx(a.estimate, rel=1e-9, abs=1e-12)
        assert (b.std_error or 0.0) == pytest.approx(a.std_error or 0.0, rel=1e-9)


def test_never_treated_controls_are_sun_and_abraham():
    frame = simulated(seed=6, units=60, holes=0.1)
    ours = fit("etwfe", frame, {"control_group": "never_treated"})
    theirs = fit("sun_abraham", frame)
    for event, row in estimates(theirs, "event").items():
        assert estimates(ours, "event")[event].estimate == pytest.approx(row.estimate, abs=1e-12)
    assert overall(ours).std_error == pytest.approx(overall(theirs).std_error, rel=1e-12)


def test_the_ratio_is_that_of_the_means():
    """One treated cell and one period before: both means by hand."""
    rows = [(u, t, 2 * (u < 3), y) for u, ys in enumerate([(2, 9), (4, 6), (3, 6), (5, 6), (3, 8), (4, 7)])
            for t, y in zip((1, 2), ys, strict=True)]  # fmt: skip
    frame = pd.DataFrame(rows, columns=["unit", "time", "cohort", "y"]).astype({"y": float})
    results = fit("etwfe", frame, {"family": "poisson"})
    without = 3 * 7 / 4  # the treated's mean before, times the growth of the controls' mean
    assert overall(results).estimate == pytest.approx(7 - without, rel=1e-12)
    ratio = overall(results, "att_log_ratio")
    assert (ratio.estimate, ratio.scale) == (pytest.approx(np.log(7 / without), rel=1e-12), "log_rate")
