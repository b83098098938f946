"""The tables of one chunk of simulated people: what happened to each in the arm they are in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data import simulate_tables_events as events
from evaluation.data import simulate_tables_program as program
from evaluation.data.simulate_cohort import SHAPE, arms
from evaluation.data.simulate_tables_layout import DEATHS, JUSTICE, Layout
from evaluation.data.simulate_tables_offences import Offence, mix
from evaluation.data.simulate_tables_risk import Planted, competing_rate
from evaluation.data.simulate_tables_rows import MISSING, Column, Rows, dates, filled, labels, numbers, stacked
from evaluation.data.simulate_tables_slips import slipped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from evaluation.data.simulate_tables_people import People
    from evaluation.study.cohort_building import IndexEvents

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

FAR = 2**31
RETURN = 0.02  # of the people, who have a second index event in their pool
CROSS = 0.02  # of those in the comparison, who enter the program later
OTHER_EVENTS = 0.25  # expected number of another outcome's events by the longest window
INSTEAD = ("completed", "terminated", "withdrew", "still active")  # how stays in the comparison end
CONFINED = (0.10, 0.35)  # with and without the program: share in jail from the index day on
CONFINED_DAYS = (10, 90)  # how long on average
SITES = 40  # clusters, where the design has any
USUAL = 0.3  # the same of crimes, where the primary outcome is of another kind


@dataclass(frozen=True)
class Chunk:
    """People and their tables; `truth` is what each one's risk would be without and with the program (n, 2)."""

    people: People
    arm: Integers
    tables: dict[str, Rows]
    truth: Floats


@dataclass
class Maker:
    """Draws a chunk's tables, one after the other, from one stream of random numbers."""

    layout: Layout
    planted: Planted
    rate: float
    people: People
    arm: Integers
    generator: np.random.Generator

    @property
    def length(self) -> Integers:
        """Days from each index date to the end of all data (n,)."""
        return np.maximum(self.layout.as_of - self.people.index + 1, 1)

    @property
    def level(self) -> Floats:
        """Each person's level of the primary outcome in their arm, frailty and all (n,)."""
        return np.exp(self.planted.log_levels(self.people.score, self.arm.astype(np.float64))) * self.people.frailty

    def _window(self) -> Integers:
        return np.maximum(self.layout.window_days(self.people.index), 1)

    def first_days(self, level: Floats) -> Integers:
        """The day of each person's first event at these levels (n,); FAR where it would come after all data."""
        waited = self.generator.standard_exponential(self.people.size) / level
        day = np.floor(self._window() * np.minimum(waited, 1e4) ** (1 / SHAPE)).astype(np.int64)
        return np.where(day < self.length, self.people.index + day, FAR)

    def deaths(self) -> Integers:
        """The day of each person's death (n,), FAR of the living."""
        if DEATHS not in self.layout.tables:
            return np.full(self.people.size, FAR)
        days = self.first_days(self.level) if self.layout.primary.kind == "death" else self._by_chance()
        before = self.people.index - self.generator.integers(1, 200, self.people.size)
        return np.where(self.people.gone, before, days)

    def _by_chance(self) -> Integers:
        """Days of events at a constant rate (n,)."""
        rate = competing_rate(self.people.score, self.rate)
        day = np.floor(self.generator.standard_exponential(self.people.size) / rate).astype(np.int64)
        return np.where(day < self.length, self.people.index + day, FAR)

    def tables(self) -> dict[str, Rows]:
        """Every table of the study but that of coverage."""
        found: dict[str, list[Rows]] = {name: list(rows) for name, rows in self.people.rows.items()}
        deaths = self.deaths()
        arrested = self._justice(found, deaths)
        self._outcomes(found, deaths)
        if DEATHS in self.layout.tables:
            found[DEATHS] = [events.death_rows(deaths, self.layout)]
        stays = program.stays(self.layout, self.people, arrested, deaths, self.generator)
        found |= {name: [rows] for name, rows in self._index_rows(stays, deaths).items()}
        found |= {name: [Rows(np.arange(self.people.size), columns)] for name, columns in self.people.once.items()}
        made = program.delivered(self.layout, self.people, self.arm, stays, self.generator)
        found |= {name: [rows] for name, rows in made.items()}
        tables = {name: stacked(parts) for name, parts in found.items() if name in self.layout.tables}
        return slipped(tables, self.layout, self.people.index, deaths, self.generator)

    # ------------------------------------------------------------------ events

    def _crimes(self) -> tuple[Floats, tuple[Offence, ...], tuple[Offence, ...]]:
        """Levels of crime, and the kinds of offence that follow them and those that do not."""
        if self.layout.primary.kind in ("event", "death"):
            return USUAL * np.exp(0.5 * self.people.score) * self.people.frailty, *mix(None)
        return self.level, *mix(self.layout.primary)

    def _justice(self, found: dict[str, list[Rows]], deaths: Integers) -> Integers:
        """Offences and what they led to; the day of each person's first arrest after the index date (n,)."""
        layout, people, generator = self.layout, self.people, self.generator
        level, kinds, others = self._crimes()
        drawn = events.offences(level, self._window(), self.length, np.array([k.share for k in kinds]), generator)
        plain = layout.primary.kind in ("event", "death")
        far = np.full(len(drawn.person), events.FAR)
        deciding = far if plain else drawn.counting(kinds, layout.primary)
        drawn = events.thinned(drawn, deciding, people.size, generator)
        first = np.full(people.size, FAR)
        offended = np.full(people.size, FAR)
        np.minimum.at(first, drawn.person, drawn.stage[:, 1] + people.index[drawn.person])
        np.minimum.at(offended, drawn.person, drawn.stage[:, 0] + people.index[drawn.person])
        crimes = events.justice_rows(drawn, kinds, people.index, deaths, layout, generator)
        more = events.other_rows(people, others, self.length, deaths, layout, generator)
        if JUSTICE in layout.tables:
            found.setdefault(JUSTICE, []).extend([*crimes, *more])
        if layout.custody in layout.tables:
            stays = [events.stays(drawn, more, people.index, deaths, layout, generator)]
            found[layout.custody] = [*stays, self._after_court(offended, deaths)]
        return first

    def _after_court(self, offended: Integers, deaths: Integers) -> Rows:
        """Stays in jail from the index day on, over before the first offence: more and longer without the program.

        Whoever is in custody does not offend, and the planted risk, which runs on the calendar, does not move.
        """
        people, generator = self.people, self.generator
        confined = generator.random(people.size) < np.where(self.arm == 1, *CONFINED)
        drawn = generator.geometric(1 / np.where(self.arm == 1, *CONFINED_DAYS))
        last = np.minimum.reduce([people.index + drawn, offended, deaths])
        person = np.flatnonzero(confined & (last > people.index) & (last <= self.layout.reach(self.layout.custody)))
        return events.custody(person, people.index[person], last[person], self.layout, generator)

    def _outcomes(self, found: dict[str, list[Rows]], deaths: Integers) -> None:
        """Rows of outcomes of kind event, and of competing events other than death."""
        layout, people = self.layout, self.people
        for outcome in layout.study.outcomes:
            if outcome.kind == "event" and outcome.events:
                level = self.level if outcome is layout.primary else self._usual()
                drawn = events.offences(level, self._window(), self.length, np.ones(1), self.generator)
                day = people.index[drawn.person] + drawn.stage[:, 0]
                part = outcome.events
                found.setdefault(part.table, []).append(
                    self._rows(drawn.person, day, part.date, part.where, part.table, deaths)
                )
        for other in layout.design.events.values():
            day = self._by_chance()
            person = np.flatnonzero(day < FAR)
            rows = self._rows(person, day[person], other.date, other.where, other.table, deaths)
            found.setdefault(other.table, []).append(rows)

    def _usual(self) -> Floats:
        return OTHER_EVENTS * np.exp(0.5 * self.people.score) * self.people.frailty

    def _rows(
        self, person: Integers, day: Integers, date: str, where: Mapping[str, object], table: str, deaths: Integers
    ) -> Rows:
        size = len(person)
        agency = labels(np.zeros(size), [self.layout.agencies(table)[0]])
        more = {name: filled(value, size, self.generator) for name, value in where.items()}  # type: ignore[arg-type]
        made = Rows(person, {date: dates(day), "agency_id": agency, **more})
        return events.within_reach(made, date, self.layout, deaths)

    # ------------------------------------------------------------------ index events

    def _index_rows(self, stays: program.Stays, deaths: Integers) -> dict[str, Rows]:
        """Index events of both pools, with what the study asks of them; some people have a second one later."""
        design, size = self.layout.design, self.people.size
        pools = (design.comparison, design.index)
        columns = {**self.people.index_row, **program.episode_columns(self.layout, stays),
                   "referral_date": dates(self.people.index - self.generator.integers(3, 60, size))}  # fmt: skip
        if design.cluster and design.cluster not in columns:
            columns[design.cluster] = numbers(self.generator.integers(1, SITES, size, endpoint=True))
        whole = Rows(np.arange(size), columns)
        parts: dict[str, list[Rows]] = {}
        for arm, pool in enumerate(pools):
            rows = whole.picked(self.arm == arm)
            if arm == 0:  # words of a program would say too much of what came instead
                rows = rows.given({"exit_reason": replace(rows.columns["exit_reason"], levels=INSTEAD)})
            parts.setdefault(pool.table, []).append(self._in_pool(rows, pool, self.people.index[rows.person]))
        for arm, pool, share in ((0, pools[0], RETURN), (1, pools[1], RETURN), (0, pools[1], CROSS)):
            again = self._again(whole.picked(self.arm == arm), share, deaths)
            parts[pool.table].append(self._in_pool(again[0], pool, again[1]))
        return {name: stacked(rows) for name, rows in parts.items()}

    def _again(self, rows: Rows, share: float, deaths: Integers) -> tuple[Rows, Integers]:
        """A second index event of a share of the people, half a year to two and a half years later."""
        every = self.layout.design.index.first_per_person is False
        chosen = self.generator.random(len(rows)) < (share / 10 if every else share)
        day = self.people.index[rows.person] + self.generator.integers(180, 900, len(rows))
        chosen &= (day < deaths[rows.person]) & (day <= self.layout.as_of)
        again, missing = rows.picked(chosen), np.full(int(chosen.sum()), MISSING)
        return again.given({"exit_date": dates(missing), "exit_reason": labels(missing, [program.ENDS[3]])}), day[
            chosen
        ]

    def _in_pool(self, rows: Rows, pool: IndexEvents, day: Integers) -> Rows:
        """Rows as events of one pool: they meet its condition, and not the other's."""
        design, size = self.layout.design, len(rows)
        other = design.comparison if pool is design.index else design.index
        columns = {pool.date: dates(day), "agency_id": labels(np.zeros(size), ["program_office"])}
        for name in (*other.where, *pool.where):
            if name in pool.where:
                columns[name] = filled(pool.where[name], size, self.generator)
            elif other.table == pool.table:
                columns[name] = _another(other.where[name], size)
        if "program" not in columns:
            columns["program"] = labels(np.zeros(size), ["program" if pool is design.index else "comparison"])
        return rows.given(columns)


def _another(value: object, size: int) -> Column:
    """A column that holds none of these values."""
    listed = value if isinstance(value, list) else [value]
    if isinstance(listed[0], bool):
        return Column(np.full(size, 1 - int(listed[0])), "flag")
    if isinstance(listed[0], str):
        return labels(np.zeros(size), ["other"])
    return numbers(np.full(size, max(listed) + 1))


def chunk_of(
    layout: Layout, planted: Planted, rate: float, people: People, generator: np.random.Generator, everyone: int | None
) -> Chunk:
    """A chunk's tables; `everyone` puts all people into one arm."""
    arm = arms(people.score, layout.design.assignment, generator)
    if everyone is not None:
        arm = np.full(people.size, everyone)
    made = Maker(layout, planted, rate, people, arm, generator).tables()
    score, ones = people.score, np.ones(people.size)
    truth = np.stack([planted.risks(score, 0 * ones), planted.risks(score, ones)], axis=1)
    return Chunk(people, arm, made, truth)
