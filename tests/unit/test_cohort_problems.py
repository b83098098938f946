"""What `check` says about a cohort's data: every breach, each in one message, none echoing a person's id."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation.data.cohort import baseline, problems
from evaluation.data.engine import open_source
from evaluation.errors import DataError
from evaluation.results import COUNTS
from tests.cohorts import cohort, design, source

GOOD = pd.DataFrame({
    "id": range(8), "arm": [1, 1, 1, 1, 0, 0, 0, 0], "time": [3, 12, 12, 5, 7, 12, 2, 12], "event": [1, 0, 0, 2, 1, 0, 1, 0],
    "reach": [24, 24, 12, 24, 24, 24, 12, 24], "age": [30.0, 25.0, 41.0, 19.0, 22.0, 35.0, 40.0, 28.0],
    "court": [1, 1, 2, 2, 1, 1, 2, 2],
})  # fmt: skip
ROLES = {"person": "id", "follow_up": "reach", "competing": {"death": 2}, "covariates": ["age"], "windows": [6, 12]}


def told(tmp_path, frame=GOOD, **roles):
    return problems(design(**{**ROLES, **roles}), source(frame, tmp_path))


def one(tmp_path, frame=GOOD, **roles):
    (problem,) = told(tmp_path, frame, **roles)
    assert problem.where == ""
    return problem


def changed(column, values, rows=slice(None)):
    frame = GOOD.copy()
    frame[column] = frame[column].astype(object)
    frame.loc[frame.index[rows], column] = values
    return frame.infer_objects()


def test_good_data_have_no_problems(tmp_path):
    assert told(tmp_path) == []
    assert told(tmp_path, GOOD.assign(arm=GOOD["arm"] == 1)) == []
    assert told(tmp_path, GOOD.assign(arm=GOOD["arm"].astype(float), event=GOOD["event"].astype(float))) == []


CASES = {
    "arm with a third value": (changed("arm", 2, [0]), {}, "design.arm", "error",
                               "0 (4 people), 1 (3 people), 2 (1 person)"),
    "arm as text": (GOOD.assign(arm=["aid", "aid", "aid", "aid", "none", "none", "none", "none"]), {}, "design.arm", "error",
                    "aid (4 people), none (4 people)"),
    "arm that is an id": (GOOD.assign(arm=[f"person-{i}" for i in range(8)]), {}, "design.arm", "error",
                          "more than 6 different values"),
    "nobody treated": (GOOD.assign(arm=0), {}, "design.arm", "error", "nobody is treated (1)"),
    "nobody in the comparison": (GOOD.assign(arm=1), {}, "design.arm", "error", "no valid comparison"),
    "arm missing": (changed("arm", None, [0, 1]), {}, "design.arm", "warning", "2 people without a value"),
    "negative time": (changed("time", -1, [0, 1]), {}, "design.time", "error", "2 people with a negative duration"),
    "infinite time": (changed("time", np.inf, [0]), {"follow_up": None, "windows": []}, "design.time", "error",
                      "1 person with an infinite duration"),
    "time missing": (changed("time", np.nan, [0]), {}, "design.time", "warning", "1 person without a value"),
    "time as text": (GOOD.assign(time="soon"), {}, "design.time", "error", "holds VARCHAR, not numbers"),
    "time as a switch": (GOOD.assign(time=True), {}, "design.time", "error", "holds BOOLEAN, not numbers"),
    "codes not declared": (GOOD, {"competing": {}}, "design.event", "error", "2 (1 person)"),
    "half an event": (changed("event", 0.5, [1, 2]), {}, "design.event", "error", "0.5 (2 people)"),
    "no outcome": (changed("event", 0, [0, 3, 4, 6]), {}, "design.event", "warning", "nobody has the outcome"),
    "event missing": (changed("event", None, [1]), {}, "design.event", "warning", "1 person without a value"),
    "competing is the outcome": (GOOD, {"competing": {"death": 2, "other": 1}}, "design.competing", "error", "its own"),
    "competing twice": (GOOD, {"competing": {"death": 2, "other": 2}}, "design.competing", "error", "its own"),
    "person twice": (changed("id", 1, [2, 3]), {}, "design.person", "error", "1 person with more than one row"),
    "person missing": (changed("id", None, [2, 3]), {}, "design.person", "warning", "2 rows without an id"),
    "cluster missing": (changed("court", None, [2]), {"cluster": "court"}, "design.cluster", "warning", "1 person without"),
    "follow-up too short": (changed("reach", 1, [0, 4, 5]), {}, "design.follow_up", "error", "3 people with `reach` shorter"),
    "follow-up missing": (changed("reach", np.nan, [0]), {}, "design.follow_up", "warning", "1 person without a value"),
    "covariate missing": (changed("age", np.nan, [0, 1, 2]), {}, "design.covariates[0]", "warning", "3 people without a value"),
    "covariate infinite": (changed("age", np.inf, [0]), {}, "design.covariates[0]", "error", "1 person with an infinite"),
    "covariate as text": (GOOD.assign(age="old"), {}, "design.covariates[0]", "error", "holds VARCHAR, not numbers"),
    "covariate is the time": (GOOD, {"covariates": ["age", "time"]}, "design.covariates[1]", "error", "`time` is the time as well"),
    "one cluster": (GOOD.assign(court=1), {"cluster": "court"}, "design.cluster", "error", "everyone is in one cluster"),
    "no rows": (GOOD.iloc[:0], {}, "data.path", "error", "the data have no rows"),
    "time as time spans": (GOOD.assign(time=pd.to_timedelta(GOOD["time"], "D")), {}, "design.time", "error", "Arrow duration"),
    "reach as time spans": (GOOD.assign(reach=pd.to_timedelta(GOOD["reach"], "D")), {}, "design.follow_up", "error", "Arrow duration"),
    "times in days": (GOOD.assign(time=GOOD["time"] * 30, reach=GOOD["reach"] * 30), {}, "design.windows", "warning",
                      "every time in `time` but 0 is longer than the longest window"),
    "window beyond follow-up": (GOOD, {"windows": [12, 36]}, "design.windows", "error",
                                "36 is longer than the longest follow-up (24 months)"),
    "window beyond the time": (GOOD, {"windows": [36], "follow_up": None}, "design.windows", "warning",
                               "longest follow-up (12 months)"),
    "window beyond one arm": (changed("reach", 12, [4, 5, 7]), {"windows": [20]}, "design.windows", "warning",
                              "one of the arms is followed (12 months)"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_one_message_a_mistake(tmp_path, case):
    frame, roles, key, severity, words = CASES[case]
    problem = one(tmp_path, frame, **roles)
    assert (problem.key, problem.severity) == (key, severity)
    assert words in problem.what
    assert problem.fix


def test_a_column_named_like_an_alias(tmp_path):
    frame = GOOD.rename(columns={"id": "n", "age": "p"}).assign(n=[1, 1, 2, 3, 4, 5, 6, 7])
    problem = one(tmp_path, frame, person="n", covariates=["p"])
    assert "1 person with more than one row" in problem.what


NAMES = "acefgknprtuwxy"  # what queries call things within


def test_data_with_every_short_name(tmp_path):
    names = dict(zip(GOOD.columns, "ntaegxc", strict=True)) | {"arm": "f", "event": "p"}
    frame = GOOD.rename(columns=names)
    frame = frame.assign(**{c: frame["x"] for c in NAMES if c not in frame}, dropped=7, x0=9, first=3)
    renamed = {"person": names["id"], "arm": "f", "time": names["time"], "event": "p", "follow_up": names["reach"],
               "cluster": names["court"]}  # fmt: skip
    (tmp_path / "plain").mkdir()
    plain = cohort(GOOD, tmp_path / "plain", **{**ROLES, "cluster": "court"})
    short = {**ROLES, **renamed, "covariates": ["x"]}
    assert told(tmp_path, frame, **short) == []
    found = cohort(frame, tmp_path, **short)
    one, other = found.rows(["x"]), plain.rows(["age"])
    for role in ("arm", "time", "event", "follow_up", "cluster", "covariates"):
        assert getattr(one, role).tolist() == getattr(other, role).tolist(), role
    assert [s.n_remaining for s in found.flow(["x"])] == [8]
    assert [r["mean"] for r in baseline(found)] == [28.75, 31.25]  # (30+25+41+19)/4, (22+35+40+28)/4


def test_covariates_of_analyses_are_looked_at_as_well(tmp_path):
    frame = changed("court", [-np.inf, np.nan], [0, 1])
    found = problems(design(**ROLES), source(frame, tmp_path), {"analyses[0].options.covariates[1]": "court"})
    assert [(p.key, p.severity) for p in found] == [
        ("analyses[0].options.covariates[1]", "error"), ("analyses[0].options.covariates[1]", "warning")]  # fmt: skip
    assert "1 person with an infinite value in `court`" in found[0].what


@pytest.mark.parametrize("other", ["TIME", "time"])
def test_columns_that_differ_in_case_alone(tmp_path, other):
    twice = pa.Table.from_arrays([pa.array([k]) for k in (1, 2, 0)], names=["time", other, "arm"])
    pq.write_table(twice, tmp_path / "people.parquet")
    with pytest.raises(DataError, match=f"`time` and `{other}`"):
        open_source("people.parquet", tmp_path)


def test_baseline_tells_the_door_how_many_have_each_of_few_values(tmp_path):
    frame = GOOD.assign(sex=[1, 1, 1, 2, 2, 2, 2, 1], many=range(8)).pipe(
        lambda f: pd.concat([f, f.assign(many=f.many + 8)])
    )
    found = baseline(cohort(frame, tmp_path, covariates=["sex", "many"]))
    assert [(r["covariate"], r["group"], r["kind"], r[COUNTS]) for r in found] == [
        ("sex", "treated", "continuous", (6, 2)), ("sex", "control", "continuous", (2, 6)),
        ("many", "treated", "continuous", ()), ("many", "control", "continuous", ())]  # fmt: skip


def test_all_problems_at_once(tmp_path):
    frame = changed("time", -1, [0]).assign(arm=7, age=np.nan)
    assert [p.key for p in told(tmp_path, frame, competing={})] == [
        "design.arm", "design.time", "design.event", "design.covariates[0]"]  # fmt: skip


def test_no_id_is_echoed(tmp_path):
    frame = GOOD.assign(id=["secret-7"] * 8)
    text = " ".join(str(p) for p in told(tmp_path, frame))
    assert "more than one row" in text
    assert "secret" not in text
