"""Cox regression with strata, weights, clusters and ratios that move with time, against R's survival 3.5-3 (R 4.2.2).

Data: `lifelines.datasets.load_rossi` (Rossi, Berk & Lenihan, 1980), in months of four weeks so that many events tie, with
made-up weights and towns. Each figure was printed by the call named above it, with
`coxph.control(eps = 1e-13, iter.max = 50, toler.chol = 1e-14)`; S is `Surv(month, arrest)`.
"""

import pytest
from lifelines.datasets import load_rossi

from tests.cohorts import checks, fit

TERMS = ("arm", "age", "prio")
ROLES = {"arm": "fin", "time": "month", "event": "arrest", "covariates": ["age", "prio"], "windows": [3, 10]}


@pytest.fixture(scope="module")
def people():
    frame = load_rossi().reset_index(drop=True)
    return frame.assign(
        w=0.5 + (frame.index % 4) / 2, month=-(-frame["week"] // 4), town=(frame.index * 7) % 31, id=frame.index
    )


def statistic(results, name, term=""):
    return next(c.statistic for c in checks(results, name) if c.term == term)


def assert_terms(results, coefficients, errors, terms=TERMS):
    plain = {e.term: e for e in results.estimates if e.time is None}
    assert [plain[t].estimate for t in terms] == pytest.approx(coefficients, abs=1e-9)
    assert [plain[t].std_error for t in terms] == pytest.approx(errors, abs=1e-9)


def assert_drift(results, overall, single):
    """`cox.zph(fit)$table`."""
    assert statistic(results, "proportional_hazards") == pytest.approx(overall, abs=1e-7)
    found = [statistic(results, "proportional_hazards", t) for t in TERMS]
    assert found == pytest.approx(single, abs=1e-7)


def test_strata(people):
    """coxph(S ~ fin + age + prio + strata(wexp))."""
    results = fit("cox", people, {"strata": ["wexp"]}, **ROLES)
    assert_terms(results, [-0.3475641194586, -0.0599262676822, 0.0869253106160],
                 [0.1902490292120, 0.0219996045304, 0.0283043303102])  # fmt: skip
    assert statistic(results, "log_likelihood_null") == pytest.approx(-592.773120256, abs=1e-8)
    assert statistic(results, "log_likelihood") == pytest.approx(-582.590539849, abs=1e-8)
    assert statistic(results, "concordance") == pytest.approx(0.602955379563, abs=1e-11)
    assert_drift(results, 11.5733230406873, [0.1093391478119, 11.5484462155740, 0.0104592393938])


def test_two_strata_robust(people):
    """coxph(S ~ fin + age + prio + strata(wexp, mar), robust = TRUE)."""
    results = fit("cox", people, {"strata": ["wexp", "mar"], "robust": True}, **ROLES)
    assert_terms(results, [-0.3527359336737, -0.0538539342293, 0.0908229932784],
                 [0.1902688034083, 0.0246456026578, 0.0275644248418])  # fmt: skip
    assert statistic(results, "concordance") == pytest.approx(0.598791859715, abs=1e-11)
    assert_drift(results, 10.87187047662712, [0.08608927290106, 10.83824434628512, 0.00129513856313])
    model = [i.std_error for i in results.inference if i.method.startswith("model-based")]
    assert model == pytest.approx([0.1906408269143, 0.0216663742147, 0.0285818825111], abs=1e-9)
    (strata,) = checks(results, "strata")
    assert strata.statistic == people.groupby(["wexp", "mar"]).ngroups == 4


def test_weights_efron(people):
    """coxph(S ~ fin + age + prio, weights = w, robust = TRUE)."""
    results = fit("cox", people, weights="w", **ROLES)
    assert_terms(results, [-0.2064821099166, -0.0758936671683, 0.0749200082431],
                 [0.2083976544801, 0.0240193693712, 0.0305408116181])  # fmt: skip
    assert statistic(results, "log_likelihood_null") == pytest.approx(-849.056589605, abs=1e-8)
    assert statistic(results, "log_likelihood") == pytest.approx(-833.901983632, abs=1e-8)
    assert statistic(results, "concordance") == pytest.approx(0.625565681349, abs=1e-11)
    assert_drift(results, 11.028260920334, [0.122548169261, 9.783680199984, 0.846939894376])
    assert {i.method for i in results.inference} == {"Lin-Wei robust, weighted"}
    (ratio,) = checks(results, "likelihood_ratio")
    assert ratio.p_value is None


def test_weights_breslow(people):
    """coxph(S ~ fin + age + prio, weights = w, robust = TRUE, ties = "breslow")."""
    results = fit("cox", people, {"ties": "breslow"}, weights="w", **ROLES)
    assert_terms(results, [-0.2046150991289, -0.0749535986053, 0.0735727605339],
                 [0.2051226383404, 0.0237092190753, 0.0298395145461])  # fmt: skip
    assert statistic(results, "log_likelihood") == pytest.approx(-835.823571532, abs=1e-8)
    assert_drift(results, 10.793836146213, [0.120730318952, 9.579208661865, 0.808832195924])


def test_weights_clusters_and_strata(people):
    """coxph(S ~ fin + age + prio + strata(wexp), weights = w, cluster = town)."""
    results = fit("cox", people, {"strata": ["wexp"]}, weights="w", cluster="town", **ROLES)
    assert_terms(results, [-0.2021807405096, -0.0697639841632, 0.0682818331034],
                 [0.1894574354827, 0.0319894952166, 0.0220810358760])  # fmt: skip
    assert statistic(results, "log_likelihood") == pytest.approx(-738.777278663, abs=1e-8)
    assert statistic(results, "concordance") == pytest.approx(0.598356957998, abs=1e-11)
    assert_drift(results, 15.035426617694, [0.159205222216, 14.805396901300, 0.344774455120])
    assert {i.n_clusters for i in results.inference} == {31}


MOVING = (*TERMS, "arm_by_time")


def test_ratio_that_moves_with_time(people):
    """coxph(S ~ fin + age + prio + tt(fin), tt = function(x, t, ...) x * t); at 10 from coef and vcov."""
    results = fit("cox", people, {"time_interaction": "linear"}, **ROLES)
    assert_terms(results, [-0.2645376206101, -0.0670074735920, 0.0959197635500, -0.0106186691232],
                 [0.4380989226747, 0.0208404107137, 0.0272521949058, 0.0524963533705], MOVING)  # fmt: skip
    assert statistic(results, "log_likelihood") == pytest.approx(-660.977917786, abs=1e-8)
    (at,) = [e for e in results.estimates if (e.term, e.time) == ("arm_at_window", 10)]
    assert at.estimate == pytest.approx(-0.2645376206101 - 10 * 0.0106186691232, abs=1e-9)
    variance = 0.4380989226747**2 + 20 * -0.0207187163824 + 100 * 0.0524963533705**2
    assert at.std_error == pytest.approx(variance**0.5, abs=1e-9)
    assert [c.term for c in checks(results, "proportional_hazards")] == ["", "age", "prio"]
    assert not checks(results, "concordance")


def test_ratio_that_moves_with_the_logarithm_of_time(people):
    """coxph(S ~ fin + age + prio + tt(fin), tt = function(x, t, ...) x * log(t))."""
    results = fit("cox", people, {"time_interaction": "log"}, **ROLES)
    assert_terms(results, [-0.35634418794826, -0.06701188341011, 0.09566741066999, 0.00638658727088],
                 [0.5829718147933, 0.0208365861675, 0.0272350821665, 0.2967191383046], MOVING)  # fmt: skip
    assert statistic(results, "log_likelihood") == pytest.approx(-660.998136579, abs=1e-8)


def test_moving_ratio_with_weights_and_strata(people):
    """coxph(S ~ fin + age + prio + strata(wexp) + tt(fin), weights = w, cluster = id, tt = … x * log(t)).

    Without `cluster = id` R sums residuals by rows of its widened data, not by people. At 10 months: sqrt(v[1, 1] + 2 g
    v[1, 4] + g^2 v[4, 4]) with g = log(10).
    """
    options = {"time_interaction": "log", "strata": ["wexp"]}
    results = fit("cox", people, options, weights="w", **ROLES)
    assert_terms(results, [-0.21577038651656, -0.06976328962000, 0.06826064139124, 0.00730569223423],
                 [0.6254966568132, 0.0260304121496, 0.0323885526660, 0.3168391542570], MOVING)  # fmt: skip
    (at,) = [e for e in results.estimates if (e.term, e.time) == ("arm_at_window", 10)]
    assert at.std_error == pytest.approx(0.249854615406, abs=1e-9)
    results = fit("cox", people, options | {"ties": "breslow"}, weights="w", **ROLES)
    assert_terms(results, [-0.21472524435470, -0.06868462603038, 0.06720235351527, 0.00792614595763],
                 [0.6190114325915, 0.0255848852915, 0.0317807775663, 0.3126240425088], MOVING)  # fmt: skip
    by_person = fit("cox", people, options | {"ties": "breslow"}, weights="w", cluster="id", **ROLES)
    assert_terms(by_person, [-0.21472524435470], [0.6190114325915], ("arm",))
