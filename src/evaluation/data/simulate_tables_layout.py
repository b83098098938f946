"""What the tables of a study are for: read from the study file before any row is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, cast

import numpy as np

from evaluation.data.simulate_tables_days import DAYS, MONTHS, months_on, window_days
from evaluation.errors import DataError, Problem
from evaluation.study.cohort_building import AtRisk

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.study.implementation import Dose, Standard, Step, Tests
    from evaluation.study.models import BuiltCohortDesign, Outcome, Study

    Integers = NDArray[np.int64]

JUSTICE, DEATHS, CUSTODY, PERSONS = "justice_events", "deaths", "custody_periods", "persons"
DOSAGE = ("hearings", "treatment_sessions", "drug_tests", "sanctions", "referrals")
AGENCIES = {
    JUSTICE: ("city_police", "sheriff", "courts", "corrections"),
    DEATHS: ("registry",),
    CUSTODY: ("county_jail",),
}
LATE = {"sheriff": 31, "courts": 61, "corrections": 15, "registry": 31, "county_jail": 15}  # days before as_of


@dataclass(frozen=True)
class Layout:
    """A study's tables by their parts."""

    study: Study
    design: BuiltCohortDesign
    as_of: int  # days since 1970-01-01

    @classmethod
    def of(cls, study: Study) -> Layout:
        """The layout of a study.

        Raises
        ------
        DataError
            When the study names no last day, no tables, or a table of which nothing says what it holds; or when
            index events lie in a table of outcomes.
        """
        design = cast("BuiltCohortDesign", study.design)
        if study.data.as_of is None:
            what = "the simulation needs the last day that the data are to tell of."
            raise DataError(Problem("data", "as_of", what, "Add it: a day, such as 2025-12-31."))
        found = cls(study, design, (study.data.as_of - date(1970, 1, 1)).days)
        for name in (design.index.table, design.comparison.table):
            if name in (JUSTICE, DEATHS, found.custody):
                what = f"index events in the table {name} cannot be simulated beside the outcomes that it holds."
                raise DataError(
                    Problem("design.index", "table", what, "Name a table of its own, such as program_episodes.")
                )
        known = {*found.named, *DOSAGE, PERSONS, JUSTICE, DEATHS, CUSTODY, *(table for table, _ in found.delivery)}
        for name in study.data.tables:
            if name not in known:
                what = f"nothing in the study file says what the table {name} holds."
                raise DataError(Problem("data.tables", name, what, "Leave it out, or say where it is used."))
        return found

    @property
    def named(self) -> set[str]:
        """Every table that the design, the outcomes or the coverage name."""
        design, outcomes = self.design, self.study.outcomes
        parts = [design.index, design.comparison, *design.include, *design.exclude, *design.characteristics.values(),
                 *design.events.values(), *(o.events for o in outcomes), self.study.data.coverage]  # fmt: skip
        return {t for t in (getattr(p, "table", None) for p in parts) if t} | {self.custody}

    @property
    def delivery(self) -> list[tuple[str, Dose | Standard | Tests | Step]]:
        """What the study tells of the program's work, each with the table it lies in."""
        asked = self.study.implementation
        if asked is None:
            return []
        found: list[tuple[str, Dose | Standard | Tests | Step]] = [(d.table, d) for d in asked.dosage]
        found += [(f.table, f) for f in asked.fidelity]
        found += [(t.table, t) for t in asked.tests]
        return found + [(s.table or self.referrals, s) for s in (asked.funnel.steps if asked.funnel else [])]

    @property
    def referrals(self) -> str:
        """The table of referrals."""
        asked = self.study.implementation
        return asked.funnel.table if asked and asked.funnel else "referrals"

    @property
    def tables(self) -> set[str]:
        """The tables that the study has files for."""
        return set(self.study.data.tables)

    @property
    def stays(self) -> AtRisk:
        """Where stays in custody are written, with the names of their columns."""
        at_risk = self.design.at_risk
        return at_risk if isinstance(at_risk, AtRisk) else AtRisk(stop_in=CUSTODY)

    @property
    def custody(self) -> str:
        """The table of stays in custody."""
        return CUSTODY if self.stays.stop_in == "custody" else self.stays.stop_in

    @property
    def pools(self) -> tuple[str, ...]:
        """The tables of index events, each once."""
        return tuple(dict.fromkeys((self.design.index.table, self.design.comparison.table)))

    def agencies(self, table: str) -> tuple[str, ...]:
        """The agencies that send a table."""
        return AGENCIES[CUSTODY] if table == self.custody else AGENCIES.get(table, ("program_office",))

    def end(self, agency: str) -> int:
        """The last day that an agency's data cover: the study's last day where it has no coverage table."""
        return self.as_of - (LATE.get(agency, 0) if self.study.data.coverage else 0)

    def reach(self, table: str) -> int:
        """The last day that all agencies of a table cover."""
        return min(self.end(agency) for agency in self.agencies(table))

    # ------------------------------------------------------------------ the primary outcome

    @property
    def primary(self) -> Outcome:
        """The outcome of the primary analysis."""
        return self.study.outcome(self.study.primary.outcome)

    @property
    def windows(self) -> list[float]:
        """The primary outcome's windows."""
        return list(self.primary.windows or self.design.windows)

    @property
    def window(self) -> float:
        """The window that the effect is planted at: the primary analysis' own, else the last one, else a year."""
        asked = self.study.primary.options.get("window")
        return float(asked or max(self.windows, default=365.2425 / DAYS[self.design.time_unit]))

    def last_day(self, outcome: Outcome) -> int:
        """The last day on which an outcome can be seen."""
        source = {"recidivism": JUSTICE, "death": DEATHS}.get(outcome.kind or "recidivism")
        needed = [source or (outcome.events.table if outcome.events else JUSTICE)]
        needed += [DEATHS if c == "death" else self.design.events[c].table for c in outcome.competing]
        last = min(self.reach(t) for t in needed)
        lag = outcome.lag
        if lag.unit in MONTHS:
            return int(months_on(np.array([last]), -lag.count * MONTHS[lag.unit])[0])
        return last - int(lag.count * DAYS[lag.unit])

    def window_days(self, start: Integers) -> Integers:
        """Days of the planted window from each index date."""
        return window_days(start, self.window, self.design.time_unit)

    def span(self) -> tuple[int, int]:
        """First and last index date: follow-up runs from half the longest window to one and a half."""
        longest = max([self.window, *self.windows]) * DAYS[self.design.time_unit]
        last = self.last_day(self.primary)
        return int(last - 1.5 * longest), int(last - 0.5 * longest)
