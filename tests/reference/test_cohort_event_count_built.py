"""Numbers of events in cohorts from tables: counted by loops over days, and regressed by statsmodels.

People are arrested again and again, some are removed from the country or die, some are in custody. Arrests go on in the
tables after a removal (of someone else by that name, or on return): they are not the person's, and no time at risk.
"""

import json
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from evaluation.data.assemble.cohort import build_cohort
from evaluation.data.cohort import Cohort
from evaluation.estimators.registry import get
from evaluation.run.plan import check
from evaluation.study.models import Study
from tests.calendar_naive import plus_months
from tests.cohorts import checks, estimates

START, END, WINDOW = date(2020, 1, 1), date(2021, 6, 30), 12
PEOPLE = 240


def drawn():
    """Entries, arrests, removals, deaths and stays in custody, by the table's name."""
    draw = np.random.default_rng(23)
    rows = {
        name: [] for name in ("program_episodes", "justice_events", "removals", "deaths", "custody_periods", "persons")
    }
    for k in range(PEOPLE):
        person, entry = f"p{k:03d}", START + timedelta(days=int(draw.integers(120)))
        arm = int(draw.integers(2))
        rows["program_episodes"].append((person, entry, "court" if arm else "probation"))
        rows["persons"].append((person, int(draw.integers(18, 60))))
        rate = draw.gamma(0.8) * np.exp(-0.4 * arm)
        for _ in range(draw.poisson(3 * rate)):
            rows["justice_events"].append((person, entry + timedelta(days=int(draw.integers(500))), "arrest"))
        for table, chance in (("removals", 0.25), ("deaths", 0.1)):
            if draw.uniform() < chance:
                rows[table].append((person, entry + timedelta(days=int(draw.integers(400)))))
        for _ in range(draw.poisson(0.7)):
            start = entry + timedelta(days=int(draw.integers(-10, 400)))
            rows["custody_periods"].append((person, start, start + timedelta(days=int(draw.integers(0, 60)))))
    return rows


COLUMNS = {
    "program_episodes": ["person_id", "entry_date", "program"], "persons": ["person_id", "age"],
    "justice_events": ["person_id", "event_date", "event_type"], "removals": ["person_id", "removal_date"],
    "deaths": ["person_id", "death_date"], "custody_periods": ["person_id", "start_date", "end_date"],
}  # fmt: skip
POOL = {"table": "program_episodes", "date": "entry_date"}


def plan(tables, options):
    """A study file's content."""
    return {
        "study": "made", "title": "Made", "question": "Made?",
        "intervention": {"kind": "drug_court", "name": "Program", "description": "What was done."},
        "data": {"tables": {t: f"{t}.parquet" for t in tables}, "as_of": END.isoformat()},
        "design": {"type": "cohort", "index": POOL | {"where": {"program": "court"}}, "windows": [WINDOW],
                   "comparison": POOL | {"where": {"program": "probation"}},
                   "events": {"removal": {"table": "removals", "date": "removal_date"}},
                   "characteristics": {"age": {"table": "persons", "column": "age"}}},
        "outcomes": [{"id": "rearrest", "label": "Rearrest", "kind": "recidivism", "marker": "arrest",
                      "offence": {"exclude": []}, "competing": ["death", "removal"], "better": "lower"}],
        "analyses": [{"id": "main", "role": "primary", "outcome": "rearrest", "estimator": "event_count",
                      "options": options}],
        "disclosure": {"profile": "none"},
    }  # fmt: skip


def study():
    return Study.model_validate(plan(COLUMNS, {}))


def naive(rows, until=None, *, stop=True):
    """A row a person: arrest days, and days at liberty, from entry to the last day, `until` or a competing event."""

    def of(table, person):
        return [r[1:] for r in rows[table] if r[0] == person]

    found = []
    for person, entry, program in rows["program_episodes"]:
        rivals = [d for table in ("removals", "deaths") for (d,) in of(table, person) if d >= entry]
        last = min([END, *(rivals if stop else [])])
        if until is not None:
            last = min(last, plus_months(entry, until) - timedelta(days=1))
        died = min((d for (d,) in of("deaths", person)), default=None)
        days = [entry + timedelta(days=k) for k in range((last - entry).days + 1)]
        free = [d for d in days if not any(a <= d < b for a, b in of("custody_periods", person))]
        arrests = {d for d, _ in of("justice_events", person) if entry <= d <= last and (died is None or d <= died)}
        ((age,),) = of("persons", person)
        found.append((person, int(program == "court"), age, len(arrests), len(days), len(free)))
    return pd.DataFrame(found, columns=["person", "arm", "age", "count", "days", "street_days"])


@pytest.fixture(scope="module")
def rows():
    return drawn()


@pytest.fixture(scope="module")
def folder(rows, tmp_path_factory):
    found = tmp_path_factory.mktemp("tables")
    for name, columns in COLUMNS.items():
        pd.DataFrame(rows[name], columns=columns).to_parquet(found / f"{name}.parquet")
    return found


@pytest.fixture(scope="module")
def built(folder):
    return build_cohort(study(), folder, folder / "out" / "cohort.parquet")


@pytest.mark.parametrize("until", [None, WINDOW])
def test_events_and_days_stop_at_the_first_competing_event(rows, built, until):
    made = pd.read_parquet(built.source.files[0]).sort_values("person_id").reset_index(drop=True)
    expected = naive(rows, until)
    end = "" if until is None else f"_{until}"
    for column in ("count", "days", "street_days"):
        assert made[f"rearrest_{column}{end}"].tolist() == expected[column].tolist()
    on = naive(rows, until, stop=False)
    assert on["count"].sum() > 1.1 * expected["count"].sum()  # what counting on would have found
    assert (on["days"] > expected["days"]).sum() > 40


@pytest.mark.parametrize("exposure", ["street_days", "days"])
@pytest.mark.parametrize("until", [None, WINDOW])
def test_the_regression_has_the_time_at_risk_as_its_offset(rows, built, exposure, until):
    expected = naive(rows, until)
    expected = expected[expected[exposure] > 0]
    x = sm.add_constant(expected[["arm", "age"]].astype(float)).to_numpy()
    offset = np.log(expected[exposure] / 365.25)
    made = study()
    options = {"window": None if until is None else float(until)}
    if exposure == "days":
        options["exposure"] = "calendar"
    found = get("event_count")(**options).fit(
        Cohort.for_analysis(made, made.analyses[0], built.source), made.outcomes[0]
    )
    ours, a = estimates(found), checks(found, "dispersion")[0].statistic
    poisson = sm.GLM(expected["count"], x, family=sm.families.Poisson(), offset=offset).fit()
    theirs = sm.NegativeBinomial(expected["count"].to_numpy(), x, offset=offset.to_numpy()).fit(
        method="newton", start_params=[*poisson.params, 1.0], disp=0, tol=1e-14, maxiter=200, cov_type="HC0")  # fmt: skip
    assert [ours["arm"].estimate, ours["age"].estimate, a] == pytest.approx(theirs.params[1:].tolist(), rel=1e-7)
    factor = np.sqrt(len(expected) / (len(expected) - 3))
    assert [ours["arm"].std_error, ours["age"].std_error] == pytest.approx(
        (factor * theirs.bse[1:3]).tolist(), rel=1e-6
    )
    assert bool(checks(found, "street_exposure")) == (exposure == "street_days")


@pytest.mark.parametrize(("options", "without", "words"), [
    ({}, (), ""),
    ({"window": 12, "exposure": "calendar"}, (), ""),
    ({"window": 7}, (), "7 is not among the windows of the outcome"),
    ({"exposure": "street"}, ("custody_periods",), "time in custody is not known"),
])  # fmt: skip
def test_what_cannot_be_counted_is_told_before_the_run(folder, options, without, words):
    path = folder / "made.yaml"
    path.write_text(json.dumps(plan([t for t in COLUMNS if t not in without], options)), encoding="utf-8")
    told = check(path)
    assert bool(told) == bool(words)
    for problem in told:
        assert (problem.severity, problem.key) == ("error", "analyses[0].options")
        assert words in problem.what
