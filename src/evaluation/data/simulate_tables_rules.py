"""Rules of a study in its simulated tables: who breaks one, and rows that see to it that nobody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.data.simulate_tables_days import before
from evaluation.data.simulate_tables_layout import JUSTICE, Layout
from evaluation.data.simulate_tables_people import OPPOSITE, People, earlier
from evaluation.data.simulate_tables_rows import MISSING, Column, Rows, filled, labels, matches, numbers

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.study.cohort_building import Rule

BREAKS = 0.02  # of the people, each rule of the study


def _unlike(value: Any, size: int) -> Column:
    """A column that holds something else."""
    first = value[0] if isinstance(value, list) else value
    if isinstance(first, bool):
        return Column(np.full(size, 1 - int(first)), "flag")
    if isinstance(first, str):
        return labels(np.zeros(size), [OPPOSITE.get(first, "other")])
    return numbers(np.full(size, max(float(v) for v in (value if isinstance(value, list) else [value])) + 1))


def _either(flags: NDArray[np.bool_], one: Column, other: Column) -> Column:
    """One column's values where `flags`, the other's elsewhere."""
    levels = tuple(dict.fromkeys([*one.levels, *other.levels]))
    if one.kind != "label":
        return Column(np.where(flags, one.values, other.values), one.kind)
    first, second = (np.array([levels.index(v) for v in c.levels])[c.values] for c in (one, other))
    return labels(np.where(flags, first, second), levels)


def keep_rules(layout: Layout, people: People, generator: np.random.Generator) -> None:
    """See that nobody breaks a rule of the study but a few drawn for it."""
    design = layout.design
    for rule, keep in [*((r, True) for r in design.include), *((r, False) for r in design.exclude)]:
        breaks = generator.random(people.size) < BREAKS
        breaks[people.size - people.special :] = False
        people.broken |= breaks
        held = ~breaks if keep else breaks  # who shall meet the rule's condition
        if rule.date or rule.table == JUSTICE:
            _of_events(people, rule, held, generator)
        else:
            place = people.index_row if rule.table is None else people.once.setdefault(rule.table, {})
            for name, value in rule.where.items():
                yes, no = filled(value, people.size, generator), _unlike(value, people.size)
                was = place.get(name, no)
                known = was.values != MISSING
                safe = known & ~matches(Rows(people.index, {"c": was}), {"c": value})
                place[name] = _either(held, yes, _either(safe, was, no))


def _of_events(people: People, rule: Rule, held: NDArray[np.bool_], generator: np.random.Generator) -> None:
    """Those who shall meet a condition have a row that does; rows of the others that do are taken away."""
    table, date = rule.table or "", rule.date or "event_date"
    start = before(people.index, rule.within)
    since = np.full(people.size, MISSING + 1) if rule.within is None else start
    met = np.zeros(people.size, bool)
    parts = people.rows.get(table, [])
    for i, rows in enumerate(parts):
        day = rows.day(date)
        inside = matches(rows, rule.where) & (day >= since[rows.person]) & (day < people.index[rows.person])
        parts[i] = rows.picked(~(inside & ~held[rows.person]))
        met |= np.bincount(rows.person[inside], minlength=people.size) > 0
    lacking = np.flatnonzero(held & ~met)
    length = people.index[lacking] - start[lacking]
    day = start[lacking] + (generator.random(len(lacking)) * length).astype(np.int64)
    parts.append(earlier(table, date, rule.where, lacking, day, generator))
    people.rows[table] = parts
