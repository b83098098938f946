"""Random event histories, dense enough that ties, overlaps, duplicates and month ends are common; and studies of them."""

from copy import deepcopy
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation.study.models import Study
from tests.calendar_naive import plus_months
from tests.cohort_naive import Table

AS_OF = date(2020, 6, 30)
FIRST = date(2019, 11, 1)
MONTH_ENDS = tuple(date(2020, m, d) for m, d in ((1, 30), (1, 31), (2, 28), (2, 29), (3, 1), (3, 31), (4, 30), (6, 30)))
ARROW = {"text": pa.string(), "day": pa.date32(), "number": pa.float64(), "whole": pa.int64(), "flag": pa.bool_()}
COLUMNS = {
    "program_episodes": {"person_id": "text", "program": "text", "entry_date": "day", "agency_id": "text",
                         "exit_reason": "text", "risk": "number", "court": "text"},
    "persons": {"person_id": "text", "birth_date": "day", "sex": "text", "employed": "flag", "children": "whole"},
    "justice_events": {"person_id": "text", "event_type": "text", "event_date": "day", "offence_date": "day",
                       "disposition_date": "day", "filing_date": "day", "offence_code": "text", "offence_level": "text",
                       "reason": "text", "agency_id": "text"},
    "custody_periods": {"person_id": "text", "start_date": "day", "end_date": "day", "facility": "text"},
    "deaths": {"person_id": "text", "death_date": "day"},
    "moves": {"person_id": "text", "moved": "day", "kind": "text"},
    "screenings": {"person_id": "text", "screened": "day", "result": "text", "score": "number"},
    "reach": {"agency_id": "text", "table": "text", "start_date": "day", "end_date": "day", "status": "text"},
}  # fmt: skip


class Draw:
    """Random rows; every choice from one generator."""

    def __init__(self, rng):
        self.rng = rng

    def yes(self, chance):
        return self.rng.random() < chance

    def one(self, values):
        return values[int(self.rng.integers(len(values)))]

    def maybe(self, value, chance=0.9):
        return value if self.yes(chance) else None

    def day(self, near=()):
        """A day: one of those given, a month or so after one of them, a month's end, or any."""
        how = self.rng.random()
        if near and how < 0.25:
            return self.one(near)
        if near and how < 0.6:
            return plus_months(self.one(near), self.one((1, 2, 3, 1, -1))) + timedelta(days=self.one((-1, -1, 0, 0, 1)))
        if how < 0.75:
            return self.one(MONTH_ENDS)
        return FIRST + timedelta(days=int(self.rng.integers(260)))

    def count(self, mean):
        return int(self.rng.poisson(mean))


def tables(rng, people, coverage=True):
    """Every table of the made-up agencies, about so many people."""
    draw = Draw(rng)
    rows = {name: [] for name in COLUMNS}
    for i in range(people):
        _person(draw, f"p{i:05d}", rows)
    for name in ("program_episodes", "justice_events", "custody_periods", "deaths", "persons"):
        for _ in range(3):  # rows of nobody
            rows[name].append(dict.fromkeys(COLUMNS[name]) | {"program": "court", "event_type": "arrest"})
    if coverage:
        rows["reach"] = _reach(draw)
    made = {}
    for name, columns in COLUMNS.items():
        order = rng.permutation(len(rows[name]))
        made[name] = Table(dict(columns), [{c: rows[name][j].get(c) for c in columns} for j in order])
        for row in made[name].rows:
            if "person_id" in row and draw.yes(0.05):  # blanks around a name, or nothing but blanks
                row["person_id"] = f" {row['person_id'] or ''} "
    return made


def _person(draw, person, rows):
    starts = []
    for _ in range(1 + draw.count(0.8)):
        day = date(2019, 12, 1) + timedelta(days=int(draw.rng.integers(120)))
        day = draw.one(starts) if starts and draw.yes(0.35) else draw.one(MONTH_ENDS) if draw.yes(0.35) else day
        starts.append(day)
        episode = {"person_id": person, "program": draw.one(("court", "court", "usual", "usual", "other")),
                   "entry_date": draw.maybe(day, 0.97) if draw.yes(0.98) else draw.one((AS_OF, AS_OF + timedelta(1))),
                   "agency_id": draw.maybe(draw.one(("a", "b"))), "exit_reason": draw.maybe(draw.one(("completed", "left"))),
                   "risk": draw.maybe(float(draw.one((1, 2, 3)))), "court": draw.one(("north", "south"))}  # fmt: skip
        rows["program_episodes"].append(episode)
        if draw.yes(0.15):
            rows["program_episodes"].append(episode | ({"risk": draw.one((None, 2.0, 9.0))} if draw.yes(0.6) else {}))
    dead = draw.day(starts) if draw.yes(0.2) else None
    if dead:
        rows["deaths"] += [{"person_id": person, "death_date": dead}]
        if draw.yes(0.2):
            rows["deaths"] += [{"person_id": person, "death_date": draw.one((None, dead + timedelta(9)))}]
    near = [*starts, dead] if dead else starts
    for _ in range(draw.count(2.5)):
        rows["justice_events"].append(_event(draw, person, near))
    for _ in range(draw.count(1.0)):
        begun = draw.day(near)
        length = draw.one((-1, 0, 1, 3, 30, 45, 90))
        stay = {"person_id": person, "start_date": draw.maybe(begun, 0.97), "facility": draw.one(("jail", "ward")),
                "end_date": draw.maybe(begun + timedelta(days=length), 0.85)}  # fmt: skip
        rows["custody_periods"] += [stay] * (1 + draw.yes(0.1))
    for _ in range(draw.count(0.3)):
        rows["moves"].append(
            {"person_id": person, "moved": draw.maybe(draw.day(near)), "kind": draw.one(("away", "back"))}
        )
    for _ in range(draw.count(0.7)):
        rows["screenings"].append({"person_id": person, "screened": draw.maybe(draw.day(near)), "score": draw.maybe(1.5),
                                   "result": draw.maybe(draw.one(("eligible", "refused", "unfit")))})  # fmt: skip
    for _ in range(draw.one((0, 1, 1, 1, 1, 2))):
        born = date(1990, 2, 28) + timedelta(days=int(draw.rng.integers(-40, 40)))
        born = draw.one((born, date(1988, 2, 29), date(1991, draw.one(starts).month, min(draw.one(starts).day, 28))))
        rows["persons"].append({"person_id": person, "birth_date": draw.maybe(born), "sex": draw.maybe(draw.one(("f", "m"))),
                                "employed": draw.maybe(draw.yes(0.5)), "children": draw.maybe(draw.count(1.0))})  # fmt: skip


def _event(draw, person, near):
    day = draw.day(near)
    offence = day - timedelta(days=draw.one((0, 0, 1, 10, 40)))
    return {
        "person_id": person,
        "event_type": draw.one(("arrest", "arrest", "arrest", "charge", "conviction", "incarceration", None)),
        "event_date": draw.maybe(day, 0.95),
        "offence_date": draw.maybe(draw.one(near) if draw.yes(0.2) else offence, 0.8),
        "filing_date": draw.maybe(day + timedelta(days=draw.one((0, 2, 31))), 0.8),
        "disposition_date": draw.maybe(day + timedelta(days=draw.one((0, 5, 60))), 0.8),
        "offence_code": draw.maybe(draw.one(("13A", "35A", "240", "TRAFFIC", " 13a", "999", ""))),
        "offence_level": draw.maybe(draw.one(("felony", "misdemeanor", "infraction"))),
        "reason": draw.maybe(
            draw.one(("new_crime", "new_crime", "technical_violation", "warrant", "program_sanction")), 0.7
        ),
        "agency_id": draw.one(("a", "b")),
    }


def _reach(draw):
    """How far agencies' data reach; some tables are not mentioned, some ends are empty or beyond `as_of`."""
    rows = []
    for table in ("justice_events", "deaths", "custody_periods", "moves"):
        for agency in draw.one((("a", "b"), ("a",), ())):
            end = draw.one((None, AS_OF + timedelta(5), date(2020, 6, 29), date(2020, 5, 31), date(2020, 4, 30)))
            start = draw.one((None, FIRST, date(2019, 12, 10), date(2019, 12, 31)))
            rows.append({"agency_id": agency, "table": table, "start_date": start, "end_date": end, "status": "final"})
    rows.append(
        {"agency_id": "a", "table": "deaths", "start_date": date(2020, 6, 1), "end_date": FIRST, "status": "draft"}
    )
    return rows


def written(made, folder):
    """The tables as Parquet files in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in made.items():
        schema = pa.schema([(c, ARROW[kind]) for c, kind in table.columns.items()])
        pq.write_table(pa.Table.from_pylist(table.rows, schema), folder / f"{name}.parquet")


# --------------------------------------------------------------------------- studies

REACH = {"table": "reach", "where": {"status": "final"}}
BASE = {
    "study": "made", "title": "Made", "question": "Made?",
    "intervention": {"kind": "drug_court", "name": "Program", "description": "What was done."},
    "data": {"tables": {n: f"{n}.parquet" for n in COLUMNS}, "as_of": AS_OF, "coverage": REACH},
    "design": {"type": "cohort", "windows": [1, 2, 3],
               "index": {"table": "program_episodes", "date": "entry_date", "where": {"program": "court"}},
               "comparison": {"table": "program_episodes", "date": "entry_date", "where": {"program": "usual"}}},
    "outcomes": [{"id": "rearrest", "kind": "recidivism", "marker": "arrest", "competing": ["death"]}],
    "analyses": [{"id": "main", "role": "primary", "outcome": "rearrest", "estimator": "kaplan_meier"}],
    "disclosure": {"profile": "none"},
}  # fmt: skip
MOVED = {"away": {"table": "moves", "date": "moved", "where": {"kind": "away"}}}
CHARACTERISTICS = {
    "age": {"table": "persons", "age_from": "birth_date"},
    "female": {"table": "persons", "column": "sex", "equals": "f"},
    "employed": {"table": "persons", "column": "employed"},
    "children": {"table": "persons", "column": "children"},
    "risk": {"column": "risk"},
    "north": {"column": "court", "equals": ["north"]},
    "arrests_ever": {"table": "justice_events", "date": "event_date", "where": {"event_type": "arrest"}},
    "arrests_of_late": {"table": "justice_events", "date": "event_date", "where": {"event_type": ["arrest", "charge"]},
                        "within": "1 month"},
    "any_of_late": {"table": "justice_events", "date": "event_date", "within": "30 days", "measure": "any"},
}  # fmt: skip


def outcome(name, **keys):
    return {"id": name, "kind": "recidivism", "marker": "arrest", "competing": ["death"]} | keys


# What each study changes: keys of the design, outcomes, what is known of coverage, tables and columns it does without.
STUDIES = {
    "plain": {},
    "lengths": {"design": {"time_unit": "day", "windows": [30, 60, 90], "clean_window": "30 days"}},
    "weeks": {"design": {"time_unit": "week", "windows": [4, 8.5], "clean_window": "1 month"}},
    "years": {"design": {"time_unit": "year", "windows": [0.25, 1], "crossover": "exclude"}},
    "every_event": {"design": {"index": {**BASE["design"]["index"], "first_per_person": False}, "clean_window": "2 weeks",
                               "cluster": "court"}},
    "people": {"design": {"characteristics": CHARACTERISTICS, "completers": {"exit_reason": "completed"}}},
    "rules": {"design": {
        "include": [{"reason": "Was screened", "table": "screenings", "where": {"result": ["eligible", "unfit"]}}],
        "exclude": [
            {"reason": "Refused of late", "table": "screenings", "date": "screened", "within": "2 months", "where": {"result": "refused"}},
            {"reason": "Arrested before", "table": "justice_events", "date": "event_date", "within": "10 days"},
            {"reason": "Stole a car", "table": "justice_events", "where": {"offence_code": [240, "999"], "event_type": "charge"}},
            {"reason": "High risk", "where": {"risk": [3.0, 9.0]}},
            {"reason": "Moved before", "table": "moves", "date": "moved"}]}},
    "every_rule": {"design": {
        "index": {**BASE["design"]["index"], "first_per_person": False}, "crossover": "exclude",
        "include": [{"reason": "In the north", "where": {"court": "north"}}],
        "characteristics": CHARACTERISTICS, "completers": {"exit_reason": ["completed"], "agency_id": "a"}}},
    "markers": {"outcomes": [outcome(m, marker=m) for m in ("any", "arrest", "charge", "conviction", "incarceration")]},
    "bases": {"design": {"events": MOVED}, "outcomes": [
        outcome("offence", date_basis="offence", competing=["death", "away"]),
        outcome("decided", marker="conviction", date_basis="disposition", lag="1 month", competing=["away", "death"]),
        outcome("filed", marker="charge", date_basis="filing", lag="10 days", windows=[2, 4]),
        outcome("arrested", date_basis="arrest", marker="arrest")]},
    "offences": {"outcomes": [
        outcome("violent", offence={"include": ["violent"]}), outcome("everything", offence={"exclude": ["traffic"]}),
        outcome("felony", offence={"include": ["felony", "drug"], "exclude": ["warrant"]}),
        outcome("technical", marker="any", offence={"include": ["technical"]})]},
    "kinds": {"design": {"events": MOVED}, "outcomes": [
        {"id": "moved", "kind": "event", "events": MOVED["away"], "competing": ["death"], "windows": [1, 3]},
        {"id": "died", "kind": "death", "competing": ["away"]}, {"id": "deceased", "kind": "death"}, outcome("rearrest")]},
    "street": {"design": {"at_risk": {"stop_in": "custody"}, "events": MOVED}, "outcomes": [
        outcome("rearrest", competing=["away", "death"]), outcome("convicted", marker="conviction", lag="1 month")]},
    "ward": {"design": {"at_risk": {"stop_in": "custody_periods", "where": {"facility": "ward"}}, "time_unit": "day",
                        "windows": [10, 31]}},
    "both_pools": {"design": {"index": {**BASE["design"]["index"], "where": {"program": ["court", "other"]}},
                              "comparison": {**BASE["design"]["comparison"], "where": {"agency_id": "a"}}}},
    "releases": {"design": {"index": {"table": "custody_periods", "date": "end_date", "where": {"facility": "ward"}},
                            "comparison": {"table": "program_episodes", "date": "entry_date"}, "clean_window": "3 days",
                            "exclude": [{"reason": "In the south", "where": {}, "table": "moves", "date": "moved",
                                         "within": "1 year"}]}},
    "numbered": {"whole": True, "outcomes": [outcome("rearrest", marker="any", offence={"exclude": ["technical"]})]},
    "short_tables": {"lack": {"justice_events": ("filing_date", "offence_date", "reason", "offence_code")}, "whole": True,
                     "drop": ("deaths",), "outcomes": [
                         outcome("filed", marker="charge", date_basis="filing", competing=[]),
                         outcome("felony", offence={"include": ["felony"]}, competing=[])]},
    "nothing_known": {"coverage": False, "drop": ("custody_periods", "deaths"), "outcomes": [outcome("rearrest", competing=[])]},
}  # fmt: skip


def fitted(name, made):
    """The tables as a study has them: some left out, or without some columns; persons as numbers."""
    keys = STUDIES[name]
    made = {table: made[table] for table in COLUMNS if table not in keys.get("drop", ())}
    for table, columns in keys.get("lack", {}).items():
        made[table] = Table({c: kind for c, kind in made[table].columns.items() if c not in columns}, made[table].rows)
        made[table].rows = [{c: row[c] for c in made[table].columns} for row in made[table].rows]
    if keys.get("whole"):
        for table in made.values():
            table.columns = {c: "whole" if c == "person_id" else kind for c, kind in table.columns.items()}
            table.rows = [row | {"person_id": _number(row["person_id"])} if "person_id" in row else row
                          for row in table.rows]  # fmt: skip
    return made


def _number(person):
    return int(person.strip()[1:]) if person and person.strip() else None


def study_of(name):
    """One of the studies."""
    keys = deepcopy(STUDIES[name])
    made = deepcopy(BASE)
    made["design"] |= keys.get("design", {})
    made["outcomes"] = keys.get("outcomes", made["outcomes"])
    made["analyses"][0]["outcome"] = made["outcomes"][0]["id"]
    for table in keys.get("drop", ()):
        del made["data"]["tables"][table]
    if not keys.get("coverage", True):
        del made["data"]["coverage"]
    return Study.model_validate(made)
