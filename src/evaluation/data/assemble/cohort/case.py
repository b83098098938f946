"""What every step of the plan knows: the study, its tables, and the engine that makes them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from evaluation.data.assemble.cohort.steps import Steps
    from evaluation.data.engine import Source
    from evaluation.study.building import Filter
    from evaluation.study.cohort_building import AtRisk
    from evaluation.study.models import BuiltCohortDesign, Outcome, Study

CUSTODY = "custody_periods"
DEATHS = "deaths"
EVENTS = "justice_events"
DEATH_DATE = "death_date"


@dataclass(frozen=True)
class Case:
    """A study whose cohort is being built."""

    study: Study
    tables: dict[str, Source]
    sql: Steps

    @property
    def design(self) -> BuiltCohortDesign:
        """The study's design, which is a cohort's from tables."""
        return cast("BuiltCohortDesign", self.study.design)

    @property
    def as_of(self) -> date:
        """The last day that the data tell of."""
        return cast("date", self.study.data.as_of)

    @property
    def every_event(self) -> bool:
        """Whether every index event is followed, each with its weight."""
        return self.design.index.first_per_person is False

    def windows(self, outcome: Outcome) -> list[float]:
        """The windows of an outcome: its own, else the design's."""
        return outcome.windows or self.design.windows

    def rows(self, table: str, columns: list[str], where: Filter | None = None) -> str:
        """SQL of the rows of a table that meet a filter and have a person: p, and what is asked for."""
        source, sql = self.tables[table], self.sql
        person = sql.person(source, self.design.person)
        scan = sql.scan(source, list(source.columns))
        return (
            f"SELECT {', '.join([f'{person} AS p', *columns])} FROM {scan} "
            f"WHERE {sql.name(self.design.person)} IS NOT NULL AND {sql.met(source, where or {})}"
        )

    def day(self, day: date) -> str:
        """A day as SQL."""
        return f"DATE '{day.isoformat()}'"


def stays_of(design: BuiltCohortDesign, tables: object) -> AtRisk | None:
    """Where days in custody are found; None when they are not known."""
    from evaluation.study.cohort_building import AtRisk

    known = cast("dict[str, object]", tables)
    if isinstance(design.at_risk, AtRisk):
        named = design.at_risk.stop_in
        table = CUSTODY if named == "custody" and named not in known else named
        return design.at_risk.model_copy(update={"stop_in": table})
    return AtRisk(stop_in=CUSTODY) if CUSTODY in known else None
