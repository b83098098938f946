"""Cohorts from tables, row by row: a slow reference in plain Python, one person after the other.

Written from the rules alone, so that it shares no line and no query with the builder it is held against.
"""

from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cache

DAY = timedelta(days=1)
HAIR = 1e-9  # a third of a month is not lost to rounding
PER_UNIT = {"day": 1.0, "week": 7.0, "month": 30.436875, "year": 365.2425}  # days, for the clock that stops
OF_REASON = {"technical_violation": "technical", "warrant": "warrant", "program_sanction": "program_sanction"}
NEW_CRIME = ("technical", "warrant", "program_sanction")  # left out where an outcome says nothing of offences
OWN_DATE = {"arrest": "arrest", "filing": "charge", "disposition": "conviction"}  # markers whose event_date it is
BASIS = {"event": "event_date", "offence": "offence_date", "arrest": "arrest_date", "filing": "filing_date",
         "disposition": "disposition_date"}  # fmt: skip


# --------------------------------------------------------------------------- days


def month_length(year, month):
    following = date(year + month // 12, month % 12 + 1, 1)
    return (following - date(year, month, 1)).days


def plus_months(day, months):
    """The same day of the month so many months on (or back), or that month's last day."""
    index = day.year * 12 + day.month - 1 + months
    year, month = index // 12, index % 12 + 1
    return date(year, month, min(day.day, month_length(year, month)))


def plus(day, span, sign=1):
    """A day so many days, weeks, months or years on; `sign` -1: back."""
    count = sign * span.count
    if span.unit in ("day", "week"):
        return day + count * (7 if span.unit == "week" else 1) * DAY
    return plus_months(day, count * (12 if span.unit == "year" else 1))


@cache
def elapsed(start, day, unit):
    """Time from the beginning of one day to that of another, in a unit."""
    if unit in ("day", "week"):
        return (day - start).days / (7 if unit == "week" else 1)
    whole = (day.year - start.year) * 12 + day.month - start.month + 1
    while plus_months(start, whole) > day:
        whole -= 1
    begun, ends = plus_months(start, whole), plus_months(start, whole + 1)
    months = whole + (day - begun).days / (ends - begun).days
    return months / 12 if unit == "year" else months


def age(born, day):
    """Whole years completed; someone born on February 29 has the birthday on the 28th in common years."""
    birthday = date(day.year, born.month, min(born.day, month_length(day.year, born.month)))
    return day.year - born.year - (day < birthday)


# --------------------------------------------------------------------------- rows


def met(row, where):
    """Whether a row meets a filter: unknown values meet none."""
    for column, allowed in where.items():
        value = row.get(column)
        if value is None or value not in (allowed if isinstance(allowed, list) else [allowed]):
            return False
    return True


def named(person):
    """The person that a row is about: text without blanks around it, nobody where nothing is left."""
    return (person.strip() or None) if isinstance(person, str) else person


@dataclass
class Table:
    """A table's rows, and its columns with their types: `text`, `day`, `number`, `whole` or `flag`."""

    columns: dict
    rows: list = field(default_factory=list)


@dataclass
class Expected:
    """Rows by (person, index date, arm); `flow`: what left, as (step, level, number dropped, number left)."""

    rows: list
    flow: list


class Reference:
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
            return float(value in (c.equals if isinstance(c.equals, list) else [c.equals]))
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

    def outcome(self, outcome, person, index):
        windows = outcome.windows or self.design.windows
        custody = self.custody()
        last, first = self.covered(self.sources(outcome))
        last = plus(last, outcome.lag, -1)
        names = ["time", "event", "follow_up"]
        names += ["street_time", "street_event", "street_follow_up"] if custody else []
        names += ["count", "days"] + (["street_days"] if custody else [])
        for k in windows:
            tail = f"{k:g}".replace(".", "_")
            names += [f"count_{tail}", f"days_{tail}"] + ([f"street_days_{tail}"] if custody else [])
        found = dict.fromkeys(names)
        if index > last or (first is not None and index < first):
            return found
        unit = self.design.time_unit
        days = self.event_days(outcome, person, index)
        rivals = [self.rival_days(name, person) for name in outcome.competing]
        code, day = self.first(days, rivals, index, last)
        found["event"] = code
        found["time"] = elapsed(index, (day if code else last) + DAY, unit)
        found["follow_up"] = elapsed(index, last + DAY, unit)
        ends = [*rivals, days] if outcome.kind == "death" else rivals
        stop = min([last, *(d for some in ends for d in some if index <= d <= last)])
        found["count"] = sum(index <= d <= stop for d in days)
        found["days"] = (stop - index).days + 1
        for k in windows:
            tail = f"{k:g}".replace(".", "_")
            inside = [d for d in self.span(index, stop) if elapsed(index, d + DAY, unit) <= k + HAIR]
            found[f"count_{tail}"] = sum(d in days for d in inside)
            found[f"days_{tail}"] = len(inside)
        if custody:
            self.street(found, outcome, (person, index), (days, rivals), (last, stop))
        return found

    def street(self, found, outcome, who, events, ends):
        (person, index), (days, rivals), (last, stop) = who, events, ends
        end, start = self.covered([self.custody()[0]])
        end = min(last, end)
        if index > end or (start is not None and index < start):
            return
        unit = self.design.time_unit
        free = [d for d in self.span(index, end) if not self.inside(person, d)]
        at_large = [d for d in free if d <= stop]
        found["street_days"] = len(at_large)
        for k in outcome.windows or self.design.windows:
            inside = [d for d in at_large if elapsed(index, d + DAY, unit) <= k + HAIR]
            found[f"street_days_{k:g}".replace(".", "_")] = len(inside)
        code, day = self.first(days, rivals, index, end)
        until = sum(d < day for d in free) + 1 if code else len(free)
        if until:
            found["street_event"] = code
            found["street_time"] = until / PER_UNIT[unit]
            found["street_follow_up"] = (until + (end - day).days if code else until) / PER_UNIT[unit]

    def span(self, first, last):
        return [first + n * DAY for n in range((last - first).days + 1)]

    # ----------------------------------------------------------------- events

    def sources(self, outcome):
        own = {"recidivism": "justice_events", "death": "deaths"}.get(outcome.kind)
        others = ["deaths" if n == "death" else self.design.events[n].table for n in outcome.competing]
        return [own or outcome.events.table, *others]

    def covered(self, names):
        """Last and first day that all agencies' data of these tables reach, the first None where from ever."""
        c, last, first = self.study.data.coverage, [self.as_of], []
        for row in self.tables[c.table].rows if c else ():
            if met(row, c.where) and row.get(c.of) in names:
                last += [row[c.end]] if row.get(c.end) is not None else []
                first += [row[c.start]] if row.get(c.start) is not None else []
        return min(last), max(first, default=None)

    def event_days(self, outcome, person, index):
        """The days with an event that counts, in order; some before the index date, or after all follow-up."""
        if outcome.kind == "death":
            return [d for d in [self.death(person)] if d is not None]
        if outcome.kind == "event":
            e = outcome.events
            return sorted({r[e.date] for r in self.of(e.table, person, e.where) if r.get(e.date) is not None})
        columns, basis = self.tables["justice_events"].columns, outcome.date_basis or "event"
        column = BASIS[basis]
        if column not in columns:
            assert OWN_DATE[basis] == outcome.marker
            column = "event_date"
        dead, days = self.death(person), set()
        for row in self.of("justice_events", person):
            day, offence = row.get(column), row.get("offence_date")
            wanted = outcome.marker == "any" or row.get("event_type") == outcome.marker
            if not wanted or day is None or not self.counts(outcome.offence, row):
                continue
            if (offence is None or offence >= index) and (dead is None or day <= dead):
                days.add(day)
        return sorted(days)

    def counts(self, offence, row):
        groups = set(self.groups.get((row.get("offence_code") or "").strip().upper(), ()))
        groups |= {OF_REASON[row["reason"]]} if row.get("reason") in OF_REASON else set()
        groups |= {row["offence_level"]} if row.get("offence_level") else set()
        if not offence.include and not offence.exclude:
            return not groups & set(NEW_CRIME)
        return not groups & set(offence.exclude) and (not offence.include or bool(groups & set(offence.include)))

    def rival_days(self, name, person):
        if name == "death":
            return [d for d in [self.death(person)] if d is not None]
        e = self.design.events[name]
        return [r[e.date] for r in self.of(e.table, person, e.where) if r.get(e.date) is not None]

    def first(self, days, rivals, index, last):
        """Code and day of what came first within follow-up; (0, None) where nothing did."""
        within = [[d for d in some if index <= d <= last] for some in (days, *rivals)]
        first = [(min(some), place + 1) for place, some in enumerate(within) if some]
        day, code = min(first, default=(None, 0))
        return code, day

    # ----------------------------------------------------------------- custody

    def custody(self):
        """Table, first day and day of leaving of stays, and which count; None where the study knows of none."""
        a = self.design.at_risk
        if a == "calendar":
            known = "custody_periods" in self.tables
            return ("custody_periods", "start_date", "end_date", {}) if known else None
        return ("custody_periods" if a.stop_in == "custody" else a.stop_in, a.start, a.end, a.where)

    def inside(self, person, day):
        """Whether someone spends a day in custody: from the first day to the one before leaving."""
        table, start, end, where = self.custody()
        for stay in self.of(table, person, where):
            if stay.get(start) is not None and stay[start] <= day and (stay.get(end) is None or day < stay[end]):
                return True
        return False
