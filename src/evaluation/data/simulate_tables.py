"""Simulated tables for a study whose cohort is built from tables, with a planted effect: people's whole histories.

People are drawn in chunks, each written before the next is drawn, so that memory does not grow with their number. The
effect is solved for over the people of the first chunk who meet the study's rules, which is everyone up to `CHUNK`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.data import simulate_tables_edges as edges
from evaluation.data.parquet import Pieces
from evaluation.data.simulate_cohort import BASELINE, HAZARD_RATIO, RISK_SPREAD, check_estimand
from evaluation.data.simulate_tables_chunk import Chunk, chunk_of
from evaluation.data.simulate_tables_days import DAYS
from evaluation.data.simulate_tables_draw import draw_people
from evaluation.data.simulate_tables_layout import DEATHS, Layout
from evaluation.data.simulate_tables_offences import chance_and_delay, mix, share_counted
from evaluation.data.simulate_tables_risk import FRAILTY, Course, Planted, plant
from evaluation.data.simulate_tables_rows import Column, Rows, dates, filled, labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from evaluation.data.simulate_tables_people import Scale
    from evaluation.study.models import Simulation, Study

CHUNK = 50_000  # people
IDS = {"justice_events": "event_id", "program_episodes": "episode_id"}
DEATH_RISK = 0.09  # of each competing event, by the longest window: many who use opioids die young


@dataclass(frozen=True)
class Recipe:
    """All that the chunks have in common."""

    layout: Layout
    plan: Simulation
    scale: Scale
    planted: Planted
    rate: float  # of deaths a day
    frailty: float
    seed: int

    @classmethod
    def of(cls, study: Study, effect: float, plan: Simulation, seed: int) -> Recipe:
        """The recipe at which the effect is the one asked for.

        Raises
        ------
        DataError
            When no data can carry this effect, or the primary analysis has an estimand that cannot be planted.
        """
        check_estimand(study.primary.estimator)
        layout = Layout.of(study)
        hazard = study.primary.estimator in HAZARD_RATIO
        frailty = np.inf if hazard else FRAILTY
        longest = max([layout.window, *layout.windows]) * DAYS[layout.design.time_unit]
        rate = DEATH_RISK / longest
        size = min(plan.size, CHUNK)
        only = plan.size <= CHUNK
        people, scale = draw_people(layout, size, None, RISK_SPREAD, frailty, _generator(seed, 0), with_edges=only)
        # Kaplan-Meier curves answer for a world without competing events.
        competing = 0 if study.primary.estimator == "kaplan_meier" else len(layout.primary.competing)
        baseline = BASELINE if plan.baseline is None else plan.baseline
        planted = plant(
            people.score[~people.broken],
            effect,
            baseline,
            _course(layout, frailty, rate),
            rate * competing,
            hazard=hazard,
        )
        return cls(layout, plan, scale, planted, rate, frailty, seed)

    def chunks(self, everyone: int | None = None) -> Iterator[Chunk]:
        """The chunks, in order; the edge cases are the last people of the last one.

        `everyone` puts all people into one arm, whatever they would have been in: 1, the program, or 0.
        """
        sizes = [min(CHUNK, self.plan.size - start) for start in range(0, self.plan.size, CHUNK)]
        for place, size in enumerate(sizes):
            last = place == len(sizes) - 1
            generator = _generator(self.seed, place)
            people, _ = draw_people(
                self.layout, size, self.scale, RISK_SPREAD, self.frailty, generator, with_edges=last
            )
            made = chunk_of(self.layout, self.planted, self.rate, people, generator, everyone)
            if people.special:
                made = self._with_edges(made)
            yield made

    def _with_edges(self, made: Chunk) -> Chunk:
        first = made.people.size - made.people.special
        tables = edges.planted(made.tables, self.layout, first, made.people.index[first:])
        return replace(made, tables=tables)


def _generator(seed: int, chunk: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, chunk])))


def _course(layout: Layout, frailty: float, rate: float) -> Course:
    """The course of the primary outcome's events."""
    window = layout.window * DAYS[layout.design.time_unit]
    if layout.primary.kind in ("event", "death"):
        return Course.of(window, 1.0, np.ones(1), frailty)
    chance, delay = chance_and_delay(layout.primary, rate if DEATHS in layout.tables else 0.0)
    kinds, _ = mix(layout.primary)
    return Course.of(window, chance * share_counted(kinds, layout.primary), delay, frailty)


# --------------------------------------------------------------------------- writing


def write_tables(
    study: Study, effect: float, paths: Mapping[str, Path], seed: int, plan: Simulation, *, force: bool = False
) -> list[Path]:
    """Write the study's tables, by name, to these files; equal seeds give equal bytes.

    Raises
    ------
    DataError
        As `Recipe.of`, and when a path is a folder or holds data that this tool did not make.
    """
    with Pieces(paths, made="simulated", planted=effect, force=force) as files:
        recipe = Recipe.of(study, effect, plan, seed)
        serial = dict.fromkeys(paths, 1)
        for place, chunk in enumerate(recipe.chunks()):
            for name, rows in chunk.tables.items():
                files.add(name, _written(recipe.layout, name, rows, 1 + place * CHUNK, serial[name]))
                serial[name] += len(rows)
        coverage = study.data.coverage
        if coverage:
            files.add(coverage.table, {n: c.arrow() for n, c in _coverage(recipe).items()})
    return [paths[name] for name in study.data.tables]


def _written(layout: Layout, name: str, rows: Rows, first: int, serial: int) -> dict[str, Any]:
    """The columns of a piece of a table: the person, the row's own identifier, the rest."""
    columns = {layout.design.person: Column(rows.person + first, "person")}
    if name in IDS:
        columns[IDS[name]] = Column(np.arange(serial, serial + len(rows)), "id")
    return {n: c.arrow() for n, c in {**columns, **rows.columns}.items()}


def _coverage(recipe: Recipe) -> dict[str, Column]:
    """What each agency's data cover of each table: from ten years before the first index date to its last day."""
    layout = recipe.layout
    about = layout.study.data.coverage
    assert about is not None  # noqa: S101 - narrows the type
    pairs = [(t, a) for t in layout.study.data.tables if t != about.table for a in layout.agencies(t)]
    names, agencies = ([*dict.fromkeys(p[i] for p in pairs)] for i in (0, 1))
    size = len(pairs)
    more = {name: filled(value, size, _generator(recipe.seed, 0)) for name, value in about.where.items()}
    return {
        about.of: labels([names.index(t) for t, _ in pairs], names),
        about.agency: labels([agencies.index(a) for _, a in pairs], agencies),
        about.start: dates(np.full(size, layout.span()[0] - 3653)),
        about.end: dates([layout.end(a) for _, a in pairs]),
        **more,
    }
