"""Outcomes of built cohorts, person by person: the first event, both clocks, counts; part of the slow reference."""

from dataclasses import dataclass, field

from tests.calendar_naive import DAY, elapsed, plus

HAIR = 1e-9  # a third of a month is not lost to rounding
PER_UNIT = {"day": 1.0, "week": 7.0, "month": 30.436875, "year": 365.2425}  # days, for the clock that stops
OF_REASON = {"technical_violation": "technical", "warrant": "warrant", "program_sanction": "program_sanction"}
NEW_CRIME = ("technical", "warrant", "program_sanction")  # left out where an outcome says nothing of offences
OWN_DATE = {"arrest": "arrest", "filing": "charge", "disposition": "conviction"}  # markers whose event_date it is
BASIS = {"event": "event_date", "offence": "offence_date", "arrest": "arrest_date", "filing": "filing_date",
         "disposition": "disposition_date"}  # fmt: skip


def met(row, where):
    """Whether a row meets a filter: unknown values meet none."""
    for column, allowed in where.items():
        value = row.get(column)
        if value is None or not among(value, allowed):
            return False
    return True


def among(value, allowed):
    """Whether a value is one of those allowed; whole numbers stand for themselves as text, too."""
    allowed = allowed if isinstance(allowed, list) else [allowed]
    if isinstance(value, str):
        allowed = [str(a) if isinstance(a, int) and not isinstance(a, bool) else a for a in allowed]
    return value in allowed


def named(person):
    """The person that a row is about: text without blanks around it, nobody where nothing is left."""
    return (person.strip() or None) if isinstance(person, str) else person


@dataclass
class Table:
    """A table's rows, and its columns with their types: `text`, `day`, `number`, `whole` or `flag`."""

    columns: dict
    rows: list = field(default_factory=list)


class Outcomes:
    """What comes of a person's outcomes; `study`, `design`, `tables`, `groups` and rows `of` a person are the reference's."""

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
