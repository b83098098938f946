"""Drawing the people of simulated tables, with all that lies before their index date."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.simulate_tables_days import before
from evaluation.data.simulate_tables_edges import CASES, index_dates
from evaluation.data.simulate_tables_events import court_rows
from evaluation.data.simulate_tables_layout import DEATHS, JUSTICE, PERSONS, Layout
from evaluation.data.simulate_tables_people import People, Scale, arrests, characterised, measured
from evaluation.data.simulate_tables_rows import MISSING, Column, Rows, dates, labels
from evaluation.data.simulate_tables_rules import keep_rules

if TYPE_CHECKING:
    from evaluation.study.cohort_building import Characteristic, Rule

GONE = 0.008  # of the people: their index event is dated after their death
OLDER = 0.8  # arrests of someone at mean risk in the three years before anything looks
LOST = 0.02  # of the values of every third characteristic that is recorded once a person


def _older(layout: Layout, people: People, generator: np.random.Generator) -> None:
    """Arrests further back than any characteristic or rule looks: frailty shows in them as it does later."""
    design = layout.design
    lookers: list[Characteristic | Rule] = [*design.characteristics.values(), *design.include, *design.exclude]
    here = [one for one in lookers if one.table == JUSTICE]
    if JUSTICE not in layout.tables or any(one.within is None for one in here):
        return
    starts = [before(people.index, one.within) for one in here]
    oldest = np.minimum.reduce([people.index - 365, *starts]) - 1
    number = generator.poisson(OLDER * people.frailty * np.exp(0.5 * people.score))
    person = np.repeat(np.arange(people.size), number)
    day = oldest[person] - generator.integers(0, 1095, len(person))
    people.rows.setdefault(JUSTICE, []).append(Rows(person, arrests(day, generator)))


def _demography(layout: Layout, people: People, generator: np.random.Generator) -> None:
    """Columns that the dictionary's table of people has, where the study asks for nothing else in them."""
    if PERSONS not in layout.tables:
        return
    place, size = people.once.setdefault(PERSONS, {}), people.size
    place.setdefault("birth_date", dates(people.index - generator.integers(18 * 365, 60 * 365, size)))
    place.setdefault("sex", labels((generator.random(size) < 0.75).astype(int), ["female", "male"]))
    place.setdefault("race_ethnicity", labels(generator.integers(0, 4, size), ["white", "black", "hispanic", "other"]))


def _index_arrests(layout: Layout, people: People, generator: np.random.Generator) -> None:
    """The arrest that brought each person here: charged before the index date, and decided, for many, after it."""
    if JUSTICE in layout.tables:
        day = people.index - generator.integers(10, 61, people.size)
        first = Rows(np.arange(people.size), arrests(day, generator))
        people.rows.setdefault(JUSTICE, []).extend([first, *court_rows(layout, first, generator)])


def _lose(layout: Layout, people: People, generator: np.random.Generator) -> None:
    """Values of every third characteristic recorded once a person are not known of a few."""
    recorded = [(n, c) for n, c in layout.design.characteristics.items() if c.date is None and c.table is not None]
    for _, one in recorded[2::3]:
        place, column = people.once[one.table or ""], one.age_from or one.column or ""
        lost = generator.random(people.size) < LOST
        place[column] = Column(np.where(lost, MISSING, place[column].values), place[column].kind, place[column].levels)


def draw_people(
    layout: Layout, size: int, scale: Scale | None, spread: float, frailty: float, generator: np.random.Generator,
    *, with_edges: bool,
) -> tuple[People, Scale]:  # fmt: skip
    """People with their past. `scale` is that of the first chunk; None makes this one the first.

    `spread` is the standard deviation of risk scores, `frailty` the shape of the gamma frailties (inf: none).
    With edges, the last people are those of the edge cases, whose index dates are chosen.
    """
    first, last = layout.span()
    index = generator.integers(first, last, size, endpoint=True)
    special = len(CASES) if with_edges and size >= len(CASES) else 0
    if special:
        index[-special:] = index_dates(layout, index[-special:])
    gone = (generator.random(size) < GONE) & (DEATHS in layout.tables)
    frail = np.ones(size) if np.isinf(frailty) else generator.gamma(frailty, 1 / frailty, size)
    gone[size - special :] = False
    people = People(index, np.zeros(size), gone.copy(), frail, gone, special)
    aliases = characterised(layout, people, generator)
    _index_arrests(layout, people, generator)
    _demography(layout, people, generator)
    keep_rules(layout, people, generator)
    values = measured(layout, people, aliases)
    scale = scale or Scale.by(values, spread)
    people.score = np.broadcast_to(scale.score(values), size).copy()
    _older(layout, people, generator)
    _lose(layout, people, generator)
    return people, scale
