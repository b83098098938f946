"""Cohorts from tables, row by row: a slow reference in plain Python, one person after the other.

Written from the rules alone, so that it shares no line and no query with the builder it is held against.
"""

from dataclasses import dataclass

from tests.calendar_naive import age, plus
from tests.outcome_naive import Outcomes, Table, among, met, named

__all__ = ["Expected", "Reference", "Table"]


@dataclass
class Expected:
    """Rows by (person, index date, arm); `flow`: what left, as (step, level, number dropped, number left)."""

    rows: list
    flow: list


class Reference(Outcomes):
    """A study's cohort from tables, given as `Table` by name; `groups`: offence code to its groups."""

    def __init__(self, study, tables, groups):
        self.study, self.design, self.tables, self.groups = study, study.design, tables, groups
        self.as_of = study.data.as_of
        self.by_person = {}
        for name, table in tables.items():
            of = self.by_person[name] = {}
            for row in table.rows:
                of.setdefault(named(row.get(self.design.person)), []).append(row)
        self.flow = []

    def of(self, table, person, where=None):
        return [row for row in self.by_person[table].get(person, []) if met(row, where or {})]

    def cohort(self):
        events = self.one_row_a_person(self.clean(self.index_events()))
        for kind, rules in (("include", self.design.include), ("exclude", self.design.exclude)):
            for i, rule in enumerate(rules, 1):
                stay = kind == "include"
                events = self.leave(f"{kind}_{i}", self.level, events, lambda e, r=rule, s=stay: self.holds(r, e) == s)
        people = [e["person"] for e in events]
        rows = [self.row(e, people.count(e["person"])) for e in events]
        return Expected(sorted(rows, key=lambda r: (r[self.design.person], r["index_date"], -r["arm"])), self.flow)

    @property
    def level(self):
        """What one row of the cohort is."""
        return "row" if self.design.index.first_per_person is False else "person"

    def leave(self, step, level, events, keep):
        kept = [e for e in events if keep(e)]
        self.flow.append((step, level, len(events) - len(kept), len(kept)))
        return kept

    # ----------------------------------------------------------------- index events

    def index_events(self):
        """Events of both pools, a row in both being the program's; same person, pool and day: one event."""
        found, index, comparison = [], self.design.index, self.design.comparison
        taken = set()
        for i, row in enumerate(self.tables[index.table].rows):
            if met(row, index.where):
                taken.add(i)
                found.append(
                    {"person": named(row.get(self.design.person)), "day": row.get(index.date), "arm": 1, "own": [row]}
                )
        for i, row in enumerate(self.tables[comparison.table].rows):
            if met(row, comparison.where) and not (comparison.table == index.table and i in taken):
                found.append({"person": named(row.get(self.design.person)), "day": row.get(comparison.date), "arm": 0,
                              "own": [row]})  # fmt: skip
        self.flow.append(("index_events", "row", 0, len(found)))
        found = self.leave(
            "no_person_or_date", "row", found, lambda e: e["person"] is not None and e["day"] is not None
        )
        found = self.leave("after_as_of", "row", found, lambda e: e["day"] <= self.as_of)
        first = {}
        for event in found:
            key = event["person"], event["arm"], event["day"]
            if key in first:
                first[key]["own"] += event["own"]
            else:
                first[key] = event
        self.flow.append(("duplicate", "row", len(found) - len(first), len(first)))
        return list(first.values())

    def clean(self, events):
        days = {}
        for e in events:
            days.setdefault(e["person"], []).append(e["day"])

        def alone(event):
            since = plus(event["day"], self.design.clean_window, -1)
            return not any(since <= day < event["day"] for day in days[event["person"]])

        return self.leave("clean_window", "row", events, alone) if self.design.clean_window.count else events

    def one_row_a_person(self, events):
        """The earliest event of each person, or every event; on the same day in both pools the program's."""
        arms, earliest = {}, {}
        for e in events:
            arms.setdefault(e["person"], set()).add(e["arm"])
            key = e["day"], -e["arm"]
            earliest[e["person"]] = min(earliest.get(e["person"], key), key)
        self.flow.append(("people", "person", 0, len(arms)))
        if self.design.crossover == "exclude":
            both = sum(len(found) == 2 for found in arms.values())
            self.flow.append(("crossover", "person", both, len(arms) - both))
            events = [e for e in events if len(arms[e["person"]]) == 1]
        program = {(e["person"], e["day"]) for e in events if e["arm"]}

        def picked(e):
            if self.level == "person":
                return (e["day"], -e["arm"]) == earliest[e["person"]]
            return e["arm"] == 1 or (e["person"], e["day"]) not in program

        events = self.leave("later_events", "row", events, picked)
        if "deaths" not in self.tables:
            return events
        return self.leave(
            "died_before", self.level, events, lambda e: not (self.death(e["person"]) or e["day"]) < e["day"]
        )

    def death(self, person):
        if "deaths" not in self.tables:
            return None
        days = [r["death_date"] for r in self.of("deaths", person) if r["death_date"] is not None]
        return min(days, default=None)

    # ----------------------------------------------------------------- rules and characteristics

    def holds(self, rule, event):
        if rule.table is None:
            return any(met(row, rule.where) for row in event["own"])
        rows = self.of(rule.table, event["person"], rule.where)
        if rule.date is None:
            return bool(rows)
        return any(self.before(row.get(rule.date), event["day"], rule.within) for row in rows)

    def before(self, day, index, within):
        return day is not None and day < index and (within is None or day >= plus(index, within, -1))

    def characteristic(self, c, event):
        if c.date is not None:
            rows = self.of(c.table, event["person"], c.where)
            n = sum(self.before(row.get(c.date), event["day"], c.within) for row in rows)
            return float(n > 0) if c.measure == "any" else float(n)
        rows = event["own"] if c.table is None else self.of(c.table, event["person"], c.where)
        values = {row.get(c.column or c.age_from) for row in rows} - {None}
        if len(values) != 1:
            return None
        (value,) = values
        if c.age_from is not None:
            return float(age(value, event["day"])) if value <= event["day"] else None
        if c.equals is not None:
            return float(among(value, c.equals))
        return float(value)

    # ----------------------------------------------------------------- one person

    def row(self, event, times):
        d = self.design
        row = {d.person: event["person"], "arm": event["arm"], "index_date": event["day"]}
        if d.index.first_per_person is False:
            row["weight"] = 1 / times
        if d.completers:
            row["completed"] = int(any(met(own, d.completers) for own in event["own"]))
        if d.cluster and d.cluster != d.person:
            values = {own.get(d.cluster) for own in event["own"]} - {None}
            row[d.cluster] = values.pop() if len(values) == 1 else None
        for name, characteristic in d.characteristics.items():
            row[name] = self.characteristic(characteristic, event)
        for outcome in self.study.outcomes:
            for name, value in self.outcome(outcome, event["person"], event["day"]).items():
                row[f"{outcome.id}_{name}"] = value
        return row
