"""What was delivered, against a slow reference that reads every row in Python."""

from datetime import date, timedelta
from statistics import mean

import numpy as np
import pandas as pd
import pytest

from evaluation.data.assemble.cohort import build_cohort
from evaluation.data.implementation import implementation, problems
from evaluation.errors import DataError
from evaluation.study.models import Study
from tests.calendar_naive import plus_months

AS_OF = date(2020, 6, 30)
ENDS = {"hearings": date(2020, 5, 31)}  # the court's data end a month before the others'
ASKED = {
    "arms": "both",
    "by": ["female", {"column": "age", "cut": [30.0]}],
    "stays": {"table": "program_episodes"},
    "retention": ["1 month", "3 months"],
    "dosage": [
        {"id": "hearings", "label": "Hearings", "table": "hearings", "date": "hearing_date", "within": "3 months",
         "at_least": 4, "per_month": True},
        {"id": "hours", "label": "Hours", "table": "sessions", "date": "day", "sum": "hours", "where": {"kind": "group"}},
    ],
    "fidelity": [
        {"id": "monthly", "label": "Monthly", "table": "hearings", "date": "hearing_date", "within": "2 months",
         "at_least": 1, "every_month": True},
        {"id": "first", "label": "First", "table": "sessions", "date": "day", "within": "20 days"},
    ],
    "tests": [{"id": "tests", "label": "Tests", "table": "tests", "date": "day", "within": "3 months"}],
    "funnel": {"table": "referrals", "lag": "30 days", "steps": [
        {"label": "Referred", "date": "referral_date"}, {"label": "Assessed", "date": "assessed_date"},
        {"label": "Admitted", "where": {"admitted": True}},
        {"label": "Engaged", "table": "sessions", "date": "day", "within": "60 days", "at_least": 2}]},
    "equity": {"table": "persons", "by": ["race"], "access": "Admitted"},
}  # fmt: skip


def world(seed, people=140):
    """Tables of random people: overlapping stays, empty ends, days before the entry, tests of odd results."""
    draw = np.random.default_rng(seed)

    def day(low=0, high=360):
        return date(2019, 7, 1) + timedelta(days=int(draw.integers(low, high)))

    ids = [f"p{i}" for i in range(people)]
    persons = [{"person_id": p, "birth_date": day(-16000, -8000), "sex": str(draw.choice(["F", "M"])),
                "race": str(draw.choice(["a", "b", "c"]))} for p in ids]  # fmt: skip
    episodes, hearings, sessions, tests, referrals, arrests = [], [], [], [], [], []
    for p in ids:
        for _ in range(int(draw.integers(1, 3))):
            entry = day(0, 330)
            end = None if draw.random() < 0.3 else entry + timedelta(days=int(draw.integers(0, 200)))
            episodes.append({"person_id": p, "program": str(draw.choice(["court", "usual"])), "entry_date": entry,
                             "exit_date": end, "exit_reason": str(draw.choice(["graduated", "terminated"]))})  # fmt: skip
        hearings += [{"person_id": p, "hearing_date": day(0, 366)} for _ in range(int(draw.integers(0, 14)))]
        sessions += [{"person_id": p, "day": day(0, 366), "hours": float(draw.choice([0.5, 1.0, 1.3])),
                      "kind": str(draw.choice(["group", "single"]))} for _ in range(int(draw.integers(0, 12)))]  # fmt: skip
        tests += [{"person_id": p, "day": day(0, 366),
                   "result": str(draw.choice(["positive", "negative", "missed", "dilute", "lost"]))}
                  for _ in range(int(draw.integers(0, 10)))]  # fmt: skip
        for _ in range(int(draw.integers(0, 3))):
            first = day(0, 360)
            referrals.append({"person_id": p, "referral_date": first, "admitted": bool(draw.integers(0, 2)),
                              "assessed_date": first + timedelta(days=int(draw.integers(0, 40)))
                              if draw.random() < 0.8 else None})  # fmt: skip
        arrests.append({"person_id": p, "event_type": "arrest", "event_date": day(0, 366)})
    return {"persons": persons, "program_episodes": episodes, "hearings": hearings, "sessions": sessions, "tests": tests,
            "referrals": referrals, "justice_events": arrests,
            "reach": [{"table": "hearings", "agency_id": "court", "start_date": date(2019, 1, 1),
                       "end_date": ENDS["hearings"]}]}  # fmt: skip


def study(asked=ASKED, **tables):
    named = ("persons", "program_episodes", "hearings", "sessions", "tests", "referrals", "justice_events", "reach")
    return Study.model_validate({
        "study": "s", "title": "t", "question": "q",
        "intervention": {"kind": "drug_court", "name": "n", "description": "d"},
        "data": {"tables": {n: f"{n}.parquet" for n in named} | tables, "as_of": AS_OF, "coverage": {"table": "reach"}},
        "design": {"type": "cohort", "windows": [6.0],
                   "index": {"table": "program_episodes", "date": "entry_date", "where": {"program": "court"}},
                   "comparison": {"table": "program_episodes", "date": "entry_date", "where": {"program": "usual"}},
                   "characteristics": {"age": {"table": "persons", "age_from": "birth_date"},
                                       "female": {"table": "persons", "column": "sex", "equals": "F"}}},
        "outcomes": [{"id": "rearrest", "kind": "recidivism", "marker": "arrest"}],
        "analyses": [{"id": "main", "role": "primary", "outcome": "rearrest", "estimator": "risk_difference"}],
        "disclosure": {"profile": "none"}, "implementation": asked,
    })  # fmt: skip


def written(tables, folder):
    for name, rows in tables.items():
        pd.DataFrame(rows).to_parquet(folder / f"{name}.parquet")


@pytest.fixture(scope="module", params=[1, 2, 3])
def case(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("delivery")
    tables = world(request.param)
    written(tables, folder)
    built = build_cohort(study(), folder, folder / "cohort.parquet")
    rows = implementation(study(), folder, built.source)
    return tables, pd.read_parquet(folder / "cohort.parquet").to_dict("records"), rows


def parts(people):
    """Everyone by group and stratum, as the study divides them."""
    for group, arm in (("treated", 1), ("control", 0)):
        own = [p for p in people if p["arm"] == arm]
        yield group, "", own
        yield from (
            (group, f"Female: {word}", [p for p in own if p["female"] == v]) for v, word in ((0, "no"), (1, "yes"))
        )
        yield group, "Age: below 30", [p for p in own if p["age"] < 30]
        yield group, "Age: 30 or more", [p for p in own if p["age"] >= 30]


def got(rows, measure, group="treated", stratum="", statistic="share", position=0):
    return next(r for r in rows if (r["measure"], r["group"], r["stratum"].replace("age", "Age").replace("female", "Female"),
                                    r["statistic"], r["position"]) == (measure, group, stratum, statistic, position))  # fmt: skip


def of(tables, name, person, key):
    return [r for r in tables[name] if r["person_id"] == person["person_id"] and r[key] is not None]


def entry(person):
    return person["index_date"] if isinstance(person["index_date"], date) else person["index_date"].date()


def reach(table):
    return ENDS.get(table, AS_OF) + timedelta(days=1)


def stay(tables, person):
    """(last day or None, graduated) of the stay that begins on the index date; False where there is none."""
    own = [r for r in of(tables, "program_episodes", person, "entry_date") if r["entry_date"] == entry(person)]
    ends = [r["exit_date"] if r["exit_date"] and r["exit_date"] <= AS_OF else None for r in own]
    if not own:
        return False
    if None in ends:
        return None, False
    return max(ends), any(r["exit_reason"] == "graduated" for r, e in zip(own, ends, strict=True) if e == max(ends))


def test_dosage_within_a_time(case):
    tables, people, rows = case
    for group, stratum, own in parts(people):
        amounts, monthly = [], []
        for p in own:
            d, end = entry(p), plus_months(entry(p), 3)
            if end > reach("hearings"):
                continue
            n = sum(d <= r["hearing_date"] < end for r in of(tables, "hearings", p, "hearing_date"))
            amounts.append(n)
            if (s := stay(tables, p)) is not False:
                days = (min(s[0] or end, end - timedelta(days=1)) - d).days + 1
                monthly.append(n * 30.436875 / days)
        for measure, values in (("hearings", amounts), ("hearings_per_month", monthly)):
            row = got(rows, measure, group, stratum, "mean")
            assert row["n"] == len(values)
            assert row["value"] == pytest.approx(mean(values), rel=1e-8)
            for name, q in (("q25", 0.25), ("median", 0.5), ("q75", 0.75)):
                assert got(rows, measure, group, stratum, name)["value"] == pytest.approx(
                    np.quantile(values, q), rel=1e-12
                )
        row = got(rows, "hearings_at_least", group, stratum)
        assert (row["n"], row["n_with"]) == (len(amounts), sum(a >= 4 for a in amounts))


def test_dosage_of_whole_stays_is_of_those_whose_stay_has_ended(case):
    tables, people, rows = case
    for group, stratum, own in parts(people):
        ended = [(p, s[0]) for p in own if (s := stay(tables, p)) and s[0] is not None]
        hours = [sum(r["hours"] for r in of(tables, "sessions", p, "day")
                     if r["kind"] == "group" and entry(p) <= r["day"] <= end) for p, end in ended]  # fmt: skip
        row = got(rows, "hours", group, stratum, "mean")
        assert row["n"] == len(hours)
        assert row["value"] == pytest.approx(mean(hours), rel=1e-8)


def test_standards(case):
    tables, people, rows = case
    for group, stratum, own in parts(people):
        monthly, first = [], []
        for p in own:
            d = entry(p)
            if plus_months(d, 2) <= reach("hearings"):
                days = [r["hearing_date"] for r in of(tables, "hearings", p, "hearing_date")]
                monthly.append(all(any(plus_months(d, m) <= x < plus_months(d, m + 1) for x in days) for m in (0, 1)))
            if d + timedelta(days=20) <= reach("sessions"):
                first.append(any(d <= r["day"] < d + timedelta(days=20) for r in of(tables, "sessions", p, "day")))
        for name, met in (("monthly", monthly), ("first", first)):
            row = got(rows, name, group, stratum)
            assert (row["n"], row["n_with"]) == (len(met), sum(met))


def test_retention_and_graduation(case):
    tables, people, rows = case
    for group, stratum, own in parts(people):
        stays = [(p, s) for p in own if (s := stay(tables, p)) is not False]
        for k in (1, 3):
            able = [(p, s) for p, s in stays if plus_months(entry(p), k) <= reach("program_episodes")]
            there = [s[0] is None or s[0] >= plus_months(entry(p), k) or s[1] for p, s in able]
            row = got(rows, "retention", group, stratum, position=k)
            assert (row["n"], row["n_with"]) == (len(there), sum(there))
        ended = [s[1] for _, s in stays if s[0] is not None]
        row = got(rows, "graduation", group, stratum)
        assert (row["n"], row["n_with"]) == (len(ended), sum(ended))


def test_drug_tests(case):
    tables, people, rows = case
    for group, stratum, own in parts(people):
        for measure, bad in (("tests", ("positive", "missed", "dilute")), ("tests_taken", ("positive",))):
            tested, valid, positive = 0, 0, 0
            for p in own:
                d, end = entry(p), plus_months(entry(p), 3)
                if end > reach("tests"):
                    continue
                results = [r["result"] for r in of(tables, "tests", p, "day") if d <= r["day"] < end]
                counted = [r for r in results if r in (*bad, "negative")]
                tested += 1
                valid += len(counted)
                positive += sum(r in bad for r in counted)
            row = got(rows, measure, group, stratum, "rate")
            assert row["n"] == tested
            assert row["value"] == pytest.approx(100 * positive / valid)


def way(tables):
    """Each person's first referral, and the day, or True, of every step reached."""
    found = {}
    for person in {r["person_id"] for r in tables["referrals"]}:
        own = [r for r in tables["referrals"] if r["person_id"] == person]
        first = min(r["referral_date"] for r in own)
        if first > AS_OF - timedelta(days=30):
            continue
        own = [r for r in own if r["referral_date"] == first]
        assessed = min(
            (r["assessed_date"] for r in own if r["assessed_date"] and r["assessed_date"] <= AS_OF), default=None
        )
        steps = [first, assessed]
        if assessed and any(r["admitted"] for r in own):
            days = sorted(r["day"] for r in tables["sessions"] if r["person_id"] == person
                          and assessed <= r["day"] <= AS_OF and r["day"] < assessed + timedelta(days=60))  # fmt: skip
            steps += [True, days[0] if len(days) >= 2 else None]
        found[person] = [*steps, *[None] * (4 - len(steps))]
    return found


def test_the_funnel_and_its_times(case):
    tables, _, rows = case
    found = way(tables)
    for i in range(4):
        row = got(rows, "funnel", "all", position=i)
        assert (row["n"], row["n_with"]) == (len(found), sum(bool(s[i]) for s in found.values()))
    for i, before in ((1, 0), (3, 1)):
        days = [(s[i] - s[before]).days for s in found.values() if s[i]]
        row = got(rows, "funnel_days", "all", statistic="median", position=i)
        assert (row["n"], row["value"]) == (len(days), np.median(days))


def test_equity_compares_with_the_largest_group(case):
    tables, people, rows = case
    race = {r["person_id"]: r["race"] for r in tables["persons"]}
    admitted = [(race[p], bool(s[2])) for p, s in way(tables).items()]
    retained = [(race[p["person_id"]], s[0] is None or s[0] >= plus_months(entry(p), 3) or s[1]) for p in people
                if p["arm"] == 1 and (s := stay(tables, p)) is not False
                and plus_months(entry(p), 3) <= reach("program_episodes")]  # fmt: skip
    for measure, group, position, pairs in (("equity_access", "all", 2, admitted),
                                            ("equity_retention", "treated", 3, retained)):  # fmt: skip
        by = {v: [met for of, met in pairs if of == v] for v in "abc"}
        largest = max("abc", key=lambda v: len(by[v]))
        for v in "abc":
            stratum = next(r["stratum"] for r in rows if r["measure"] == measure and r["stratum"].endswith(f": {v}"))
            row = next(r for r in rows if (r["measure"], r["group"], r["stratum"], r["position"])
                       == (measure, group, stratum, position))  # fmt: skip
            assert (row["n"], row["n_with"]) == (len(by[v]), sum(by[v]))
            ratio = next(r for r in rows if (r["measure"], r["stratum"], r["position"])
                         == (f"{measure}_ratio", stratum, position))  # fmt: skip
            assert ratio["value"] == pytest.approx(mean(by[v]) / mean(by[largest]))


def test_row_order_and_threads_do_not_matter(tmp_path):
    tables = world(5)
    found = []
    for seed in (0, 1):
        folder = tmp_path / str(seed)
        folder.mkdir()
        shuffled = {n: pd.DataFrame(r).sample(frac=1, random_state=seed).to_dict("records") for n, r in tables.items()}
        written(shuffled, folder)
        built = build_cohort(study(), folder, folder / "cohort.parquet")
        found.append(implementation(study(), folder, built.source))
    assert found[0] == found[1]


def test_what_the_tables_lack_is_told_at_its_key(tmp_path):
    written(world(6, people=40), tmp_path)
    built = build_cohort(study(), tmp_path, tmp_path / "cohort.parquet")
    asked = {"dosage": [{"id": "x", "label": "X", "table": "hearings", "date": "hearingdate"}], "by": ["sexes"],
             "stays": {"table": "episodes"}}  # fmt: skip
    told = {p.key: p.what for p in problems(study(asked), tmp_path, built.source)}
    assert 'no column "hearingdate"' in told["implementation.dosage[0].date"]
    assert 'no column "sexes"' in told["implementation.by[0]"]
    assert 'no table "episodes"' in told["implementation.stays.table"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"retention": ["3 months"]}, "stays in the program"),
        ({"by": [{"column": "age", "cut": [40.0, 30.0]}]}, "from low to high"),
        ({"funnel": {"table": "r", "steps": [{"label": "A", "where": {"a": 1}}, {"label": "B", "date": "b"}]}}, "first step"),
        ({"fidelity": [{"id": "f", "label": "F", "table": "t", "date": "d", "within": "50 days", "every_month": True}]}, "months"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(asked, told):
    with pytest.raises(ValueError, match=told):
        study(asked)


def test_a_table_that_cannot_be_read_is_an_error_of_the_data(tmp_path):
    written(world(6, people=40), tmp_path)
    built = build_cohort(study(), tmp_path, tmp_path / "cohort.parquet")
    with pytest.raises(DataError, match="lost"):
        implementation(study(lost="lost.parquet"), tmp_path, built.source)
