"""What registers get wrong, in simulated tables: rows twice, rows without a day, old offences that come up late.

None of it moves an outcome of a cohort built by the rules: such rows do not count, or stand beside one that does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.simulate_tables_layout import JUSTICE, Layout
from evaluation.data.simulate_tables_people import arrests
from evaluation.data.simulate_tables_rows import MISSING, Rows, dates, matches, stacked

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

SHARE = 0.01  # of the index events and arrests, each kind of slip


def slipped(
    tables: dict[str, Rows], layout: Layout, index: Integers, deaths: Integers, generator: np.random.Generator
) -> dict[str, Rows]:
    """The tables with slips; `index` and `deaths` are each person's days (n,)."""
    found = dict(tables)
    days = {layout.design.comparison.table: layout.design.comparison.date,
            layout.design.index.table: layout.design.index.date}  # fmt: skip
    for name, date in days.items():
        rows = found[name]
        first = rows.picked(rows.day(date) == index[rows.person])
        undated = _some(first, generator)
        found[name] = stacked([rows, _some(first, generator), _without(undated, (date,))])
    if JUSTICE in found:
        rows = found[JUSTICE]
        arrested = rows.picked(matches(rows, {"event_type": "arrest"}))
        undated = _without(_some(arrested, generator), ("event_date", "arrest_date", "offence_date"))
        found[JUSTICE] = stacked([rows, undated, _late(layout, index, deaths, generator)])
    return found


def _some(rows: Rows, generator: np.random.Generator) -> Rows:
    return rows.picked(generator.random(len(rows)) < SHARE)


def _without(rows: Rows, columns: tuple[str, ...]) -> Rows:
    return rows.given({name: dates(np.full(len(rows), MISSING)) for name in columns})


def _late(layout: Layout, index: Integers, deaths: Integers, generator: np.random.Generator) -> Rows:
    """Arrests soon after the index date for offences before it."""
    person = np.flatnonzero(generator.random(len(index)) < SHARE)
    day = index[person] + generator.integers(1, 30, len(person))
    made = Rows(person, arrests(day, generator))
    old = made.given({"offence_date": dates(index[person] - generator.integers(5, 60, len(person)))})
    return old.picked((day <= deaths[person]) & (day <= layout.reach(JUSTICE)))
