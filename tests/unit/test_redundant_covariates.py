"""`check` finds covariates that tell nothing, before a regression fails on them."""

import json

import numpy as np
import pandas as pd
import pytest

from evaluation.data.covariate_spread import spreads
from evaluation.errors import NotEstimable
from evaluation.run.plan import check, plan
from tests.cohorts import cohort, fit

N = 400


def people():
    rng = np.random.default_rng(11)
    frame = pd.DataFrame({
        "arm": np.arange(N) % 2, "age": rng.normal(35, 9, N), "priors": rng.poisson(2.0, N).astype(float),
        "felony": rng.integers(0, 2, N), "follow": np.where(np.arange(N) < 150, 18.0, 36.0),
    })  # fmt: skip
    frame["event"] = rng.integers(0, 2, N)
    frame["time"] = np.where(frame["event"] == 1, rng.integers(1, 12, N), frame["follow"])
    return frame


def found(folder, frame, covariates, *analyses):
    frame.to_parquet(folder / "people.parquet")
    path = folder / "aid.yaml"
    path.write_text(json.dumps({
        "study": "aid", "title": "Aid", "question": "Did it help?",
        "intervention": {"kind": "transition_aid", "name": "Aid", "description": "Money."},
        "data": {"path": "people.parquet"}, "disclosure": {"profile": "none"},
        "design": {"type": "cohort", "arm": "arm", "assignment": "observational", "time": "time", "time_unit": "month",
                   "event": "event", "follow_up": "follow", "covariates": covariates, "windows": [12, 24]},
        "outcomes": [{"id": "rearrest", "label": "Rearrest"}],
        "analyses": [{"id": f"a{i}", "role": "secondary" if i else "primary", "outcome": "rearrest", **a}
                     for i, a in enumerate(analyses)],
    }))  # fmt: skip
    return path, [(p.severity, p.key, p.what) for p in check(path)]


def risk(**options):
    return {"estimator": "risk_difference", "options": options}


def answers(analysis, frame, roles):
    """The statuses of all that a fit gives; none where it says at once that there is no answer."""
    try:
        results = fit(analysis["estimator"], frame, analysis.get("options"), **roles)
    except NotEstimable:
        return set()
    return {e.status for e in results.estimates}


@pytest.mark.parametrize("analysis", [
    risk(adjust="regression"), risk(adjust="iptw"), risk(adjust="aipw"), risk(adjust="matching"),
    {"estimator": "cox"}, {"estimator": "kaplan_meier", "options": {"adjust": "iptw"}},
])  # fmt: skip
def test_what_check_finds_is_what_stops_the_fit(tmp_path, analysis):
    sound = people()
    assert found(tmp_path, sound, ["age", "priors"], analysis)[1] == []
    for name, values, words in [
        ("state", 7.0, "`state` has the same value for everyone"),
        ("both", 2 * sound["age"] - sound["priors"], "`both` follows exactly from `age` and `priors`"),
        ("older", sound["age"] / 12 + 3, "`older` follows exactly from `age`"),
        ("other", 1 - sound["arm"], "`other` follows exactly from `arm`"),
    ]:
        frame = sound.assign(**{name: values})
        path, problems = found(tmp_path, frame, ["age", "priors", name], analysis)
        assert {(s, k) for s, k, _ in problems} == {("error", "design.covariates[2]")}
        assert all(words in what for _, _, what in problems)
        roles = {"windows": [12, 24], "follow_up": "follow", "covariates": ["age", "priors", name]}
        assert answers(analysis, frame, roles) <= {"not_estimable"}
        assert any(f"`{name}`" in p.what for p in plan(path).warnings)  # a run goes on with the other analyses


def test_each_mistake_is_told_once_and_unadjusted_analyses_need_nothing(tmp_path):
    frame = people().assign(state=1)
    analyses = [risk(adjust="aipw", window=12), risk(adjust="iptw", window=12), {"estimator": "cox"}]
    problems = found(tmp_path, frame, ["state", "age"], *analyses)[1]
    assert [k for _, k, _ in problems] == [
        "design.covariates[0]"
    ] * 2  # at the window, and of all the cox regression has
    assert found(tmp_path, frame, ["state", "age"], risk(), {"estimator": "kaplan_meier"})[1] == []


def test_one_window_of_two_is_a_warning(tmp_path):
    frame = people()
    frame["late"] = np.where(frame["follow"] >= 24, 0.0, np.arange(N) % 3)  # nobody followed for 24 months has any
    problems = found(tmp_path, frame, ["age", "late"], risk(adjust="iptw"))[1]
    assert [(s, k) for s, k, _ in problems] == [("warning", "design.covariates[1]")]
    assert "among people followed for 24 months" in problems[0][2]
    assert found(tmp_path, frame, ["age", "late"], risk(adjust="iptw", window=12))[1] == []
    assert found(tmp_path, frame, ["age", "late"], risk(adjust="iptw", window=24))[1][0][0] == "error"


def test_within_an_arm_where_the_models_are(tmp_path):
    frame = people()
    frame["dose"] = np.where(frame["arm"] == 1, np.arange(N) // 2 % 4, 1.0)
    ((severity, _, what),) = set(found(tmp_path, frame, ["age", "dose"], risk(adjust="aipw", window=12))[1])
    assert severity == "error"
    assert "in the comparison" in what
    assert found(tmp_path, frame, ["age", "dose"], risk(adjust="regression"))[1] == []
    assert found(tmp_path, frame, ["age", "dose"], risk(adjust="iptw"))[1] == []


def test_complete_cases_are_the_people_looked_at(tmp_path):
    frame = people()
    frame["female"] = np.arange(N) % 3 == 0
    frame.loc[frame["female"], "age"] = np.nan  # no woman's age is known
    problems = found(tmp_path, frame, ["age", "female"], risk(adjust="regression", window=12))[1]
    assert ("error", "design.covariates[1]") in {(s, k) for s, k, _ in problems}


def test_a_covariate_of_the_analysis_own_is_named_there(tmp_path):
    frame = people().assign(state=1)
    problems = found(tmp_path, frame, ["age"], risk(adjust="iptw", window=12, covariates=["age", "state"]))[1]
    assert [k for _, k, _ in problems] == ["analyses[0].options.covariates[1]"]


def test_far_from_zero_is_not_constant(tmp_path):
    frame = people()
    frame["born"] = 1e9 + np.arange(N) % 5
    frame["nearly"] = frame["age"] + 1e-3 * frame["felony"]
    assert found(tmp_path, frame, ["born", "age", "nearly"], risk(adjust="regression"))[1] == []


def test_spreads_of_parts_add_up_to_those_of_all(tmp_path):
    frame = people()
    parts = spreads(cohort(frame, tmp_path, follow_up="follow"), ["age", "priors"], (12, 24))
    assert {k: s.n for k, s in parts.items()} == {(1, 1): 75, (1, 2): 125, (0, 1): 75, (0, 2): 125}
    first, *rest = parts.values()
    for part in rest:
        first += part
    values = frame[["age", "priors"]].to_numpy()
    assert first.mean == pytest.approx(values.mean(axis=0), rel=1e-12)
    assert first.cross == pytest.approx(np.cov(values.T, bias=True) * N, rel=1e-11)
    assert (list(first.low), list(first.high)) == (list(values.min(axis=0)), list(values.max(axis=0)))


def test_numbers_too_large_to_be_squared_are_named(tmp_path):
    frame = people()
    frame["huge"] = np.where(np.arange(N) % 2, 1e250, -1e300) * (1 + np.arange(N))
    told = [what for _, _, what in found(tmp_path, frame, ["age", "huge"], risk(adjust="iptw"))[1]]
    assert any("`huge` holds numbers beyond 1e+150" in what for what in told)


def test_columns_that_are_not_there_are_told_once_and_no_more(tmp_path):
    for named in ("zzz", "words"):
        frame = people().assign(words="none")
        problems = found(tmp_path, frame, ["age"], risk(adjust="iptw", covariates=[named]))[1]
        assert [k for _, k, _ in problems] == ["analyses[0].options.covariates[0]"]
