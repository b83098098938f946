"""Pooled logistic regression against statsmodels on the person-intervals written out, and risks against loops."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy.special import expit

from evaluation.errors import NotEstimable
from tests.cohorts import checks, estimates, fit

ROLES = {"covariates": ["age", "prior"], "windows": [3, 8]}


def drawn(n=300, seed=5):
    """Times in months of a logistic hazard, censored between 6 and 12 months."""
    rng = np.random.default_rng(seed)
    arm, age, prior = rng.integers(0, 2, n), rng.normal(size=n), rng.integers(0, 3, n).astype(float)
    first = rng.geometric(expit(-2.6 - 0.5 * arm + 0.4 * age + 0.3 * prior))
    end = rng.integers(6, 13, n)
    frame = {"arm": arm, "time": np.minimum(first, end).astype(float), "event": (first <= end).astype(int)}
    return pd.DataFrame(frame | {"age": age, "prior": prior, "court": rng.integers(0, 25, n)})


def written_out(frame, kind):
    """Person-intervals: outcome, baseline columns, arm and covariates, and whose they are."""
    last = frame["time"].to_numpy().astype(int)
    who = np.repeat(np.arange(len(frame)), last)
    interval = np.concatenate([np.arange(1, k + 1) for k in last])
    y = ((interval == last[who]) & (frame["event"].to_numpy()[who] == 1)).astype(float)
    if kind == "polynomial":
        base = np.vander(interval / 6 - 1, 4)
    else:
        having = sorted(set(interval[y == 1]))
        kept = np.isin(interval, having)
        who, interval, y = who[kept], interval[kept], y[kept]
        base = (interval[:, None] == having).astype(float)
    return y, np.column_stack([base, frame[["arm", "age", "prior"]].to_numpy(float)[who]]), who


def glm(y, x, groups, weights=None):
    model = sm.GLM(y, x, family=sm.families.Binomial(), freq_weights=weights)
    how = {"groups": groups, "use_correction": False}
    return model.fit(tol=1e-13, maxiter=100, cov_type="cluster", cov_kwds=how)


@pytest.mark.parametrize("kind", ["polynomial", "dummies"])
@pytest.mark.parametrize("clustered", [False, True])
def test_coefficients_and_errors_of_statsmodels(kind, clustered):
    frame = drawn()
    y, x, who = written_out(frame, kind)
    groups = frame["court"].to_numpy()[who] if clustered else who
    expected = glm(y, x, groups)
    n, k, g = len(frame), x.shape[1], 25
    factor = g / (g - 1) * (n - 1) / (n - k) if clustered else n / (n - k)
    roles = ROLES | ({"cluster": "court"} if clustered else {})
    results = fit("pooled_logistic", frame, {"baseline": kind}, **roles)
    found = estimates(results)
    for j, term in enumerate(("arm", "age", "prior")):
        assert found[term].estimate == pytest.approx(expected.params[j - 3], abs=1e-8)
        assert found[term].std_error == pytest.approx(expected.bse[j - 3] * factor**0.5, abs=1e-8)
        assert found[term].scale == "log_odds"
    assert checks(results, "log_likelihood")[0].statistic == pytest.approx(expected.llf, abs=1e-8)
    by_term = {(i.term, i.time): i for i in results.inference}
    assert by_term["arm", None].df == (g - 1 if clustered else None)
    assert by_term["arm", None].small_sample_factor == pytest.approx(factor)


def stacked(frame, kind):
    """Risks at 3 and 8 months in both arms by a loop over people, and scores with the derivatives by differences."""
    y, x, who = written_out(frame, kind)
    beta = glm(y, x, who).params
    n, b = len(frame), x.shape[1] - 3
    covariates = frame[["age", "prior"]].to_numpy()
    base = np.vander(np.arange(1, 9) / 6 - 1, 4) if kind == "polynomial" else np.eye(8, b)

    def each(at):
        """(n, 4): risk of each person by 3 and 8 months, treated, then not."""
        out = np.empty((n, 4))
        for i in range(n):
            for a in (1, 0):
                hazard = [expit(base[j] @ at[:b] + at[b] * a + covariates[i] @ at[b + 1 :]) for j in range(8)]
                out[i, 2 * (1 - a)] = 1 - np.prod([1 - h for h in hazard[:3]])
                out[i, 2 * (1 - a) + 1] = 1 - np.prod([1 - h for h in hazard])
        return out

    risks = each(beta)
    p = expit(x @ beta)
    scores = np.zeros((n, len(beta)))
    np.add.at(scores, who, x * (y - p)[:, None])
    bread = np.linalg.inv(x.T @ (x * (p * (1 - p))[:, None]))
    step = 1e-5
    slopes = [(each(beta + step * e).mean(axis=0) - each(beta - step * e).mean(axis=0)) / (2 * step)
              for e in np.eye(len(beta))]  # fmt: skip
    influence = (risks - risks.mean(axis=0)) / n + scores @ bread @ np.array(slopes)
    return risks.mean(axis=0), influence * (n / (n - len(beta))) ** 0.5


@pytest.mark.parametrize("kind", ["polynomial", "dummies"])
def test_risks_by_a_loop_over_people(kind):
    frame = drawn(120)
    assert set(range(1, 9)) <= set(frame["time"][frame["event"] == 1].astype(int))
    risks, influence = stacked(frame, kind)
    results = fit("pooled_logistic", frame, {"baseline": kind}, **ROLES)
    for k, window in enumerate((3, 8)):
        found = estimates(results, window)
        one, zero, by_one, by_zero = risks[k], risks[2 + k], influence[:, k], influence[:, 2 + k]
        for term, value, error in (
            ("risk_treated", one, by_one),
            ("risk_control", zero, by_zero),
            ("risk_difference", one - zero, by_one - by_zero),
            ("risk_ratio", one / zero, (by_one / one - by_zero / zero) * one / zero),
        ):
            assert found[term].estimate == pytest.approx(value, abs=1e-10)
            assert found[term].std_error == pytest.approx(np.sqrt((error**2).sum()), abs=1e-7)
        ratio = found["risk_ratio"]
        assert ratio.conf_low * ratio.conf_high == pytest.approx(ratio.estimate**2)  # symmetric on the log scale


def test_intervals_of_other_lengths_and_times_within_them():
    frame = drawn()
    quarters = frame.assign(time=np.ceil(frame["time"] / 3))
    expected = estimates(fit("pooled_logistic", quarters, covariates=["age"], windows=[2]))
    found = estimates(fit("pooled_logistic", frame, {"every": 3.0}, covariates=["age"], windows=[6]))
    for term in ("arm", "age", "risk_difference"):
        assert found[term].estimate == pytest.approx(expected[term].estimate, abs=1e-12)
        assert found[term].std_error == pytest.approx(expected[term].std_error, abs=1e-12)


def test_whole_weights_are_copies_of_people():
    frame = drawn()
    weight = np.random.default_rng(1).integers(1, 4, len(frame))
    copies = frame.loc[np.repeat(frame.index, weight)]
    weighted = estimates(fit("pooled_logistic", frame.assign(w=weight.astype(float)), weights="w", **ROLES), 8)
    many = estimates(fit("pooled_logistic", copies, **ROLES), 8)
    for term in ("risk_treated", "risk_control", "risk_difference"):
        assert weighted[term].estimate == pytest.approx(many[term].estimate, abs=1e-10)


def test_people_counted_together_are_as_people_apart():
    frame = drawn(400)[["arm", "time", "event", "prior"]]
    apart = frame.assign(own=np.random.default_rng(2).normal(size=len(frame)) * 1e-300)
    together = estimates(fit("pooled_logistic", frame, covariates=["prior"], windows=[8]))
    shuffled = estimates(
        fit("pooled_logistic", frame.sample(frac=1, random_state=3), covariates=["prior"], windows=[8])
    )
    weighted = estimates(fit("pooled_logistic", apart.assign(w=1 + apart["own"]), covariates=["prior"], windows=[8],
                             weights="w"))  # fmt: skip
    for term, row in together.items():
        for other in (shuffled, weighted):
            assert other[term].estimate == pytest.approx(row.estimate, abs=1e-12)
            assert other[term].std_error == pytest.approx(row.std_error, abs=1e-12)


def test_competing_events_end_follow_up_with_a_warning():
    frame = drawn()
    died = frame.assign(event=np.where((frame.index % 5 == 0) & (frame["event"] == 0), 2, frame["event"]))
    results = fit("pooled_logistic", died, competing={"death": 2}, **ROLES)
    (warning,) = checks(results, "competing_events")
    assert warning.status == "warn"
    assert "if competing events were prevented" in warning.message
    found, left = estimates(results, 8)["risk_treated"], estimates(fit("pooled_logistic", frame, **ROLES), 8)
    assert found.estimate == pytest.approx(left["risk_treated"].estimate, abs=1e-12)
    assert "if competing events were prevented" in found.estimand


def test_windows_without_an_answer():
    results = fit("pooled_logistic", drawn(), {"every": 2.0}, covariates=[], windows=[3, 6, 40])
    assert {e.status for t in (3, 40) for e in estimates(results, t).values()} == {"not_estimable"}
    assert {e.status for e in estimates(results, 6).values()} == {"ok"}
    said = {c.time: c.message for c in checks(results, "not_estimable")}
    assert "no whole number of intervals" in said[3]
    assert "followed for longer than 12 months" in said[40]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d[d["arm"] == 1], "nobody is in the comparison"),
        (lambda d: d.assign(event=d["event"] * d["arm"]), "nobody in the comparison had the outcome"),
        (lambda d: d.assign(prior=d["event"] * 1.0), "`prior`, alone or with other covariates"),
        (lambda d: d.assign(prior=1.0), "`prior` has the same value for everyone"),
        (lambda d: d.assign(court=d["arm"]), "one cluster"),
    ],
)
def test_no_valid_comparison(change, reason):
    with pytest.raises(NotEstimable, match=reason):
        fit("pooled_logistic", change(drawn()), cluster="court", **ROLES)


def test_too_many_dummies_and_intervals_too_long():
    frame = drawn(800)
    frame["time"] -= np.random.default_rng(4).random(len(frame))
    with pytest.raises(NotEstimable, match="use longer ones"):
        fit("pooled_logistic", frame, {"baseline": "dummies", "every": 0.001}, **ROLES)
    always = frame.assign(event=1)
    with pytest.raises(NotEstimable, match="nobody or everybody at risk has the event"):
        fit("pooled_logistic", always, {"every": 100.0}, **ROLES)


def test_disclosure_is_told_who_is_behind_a_figure():
    frame = drawn()
    found = estimates(fit("pooled_logistic", frame, **ROLES), 3)["risk_difference"]
    had = (frame["event"] == 1) & (frame["time"] <= 3)
    treated = frame["arm"] == 1
    cells = [(g & h).sum() for g in (treated, ~treated) for h in (had, ~had)]
    assert found.counts == (*cells, treated.sum(), (~treated).sum())
    assert (found.n_units, found.n_treated_units, found.scale) == (300, treated.sum(), "risk")
