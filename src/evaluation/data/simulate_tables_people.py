"""People of simulated tables as they are on the index date: characteristics, earlier events, rules they break, arms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.data.simulate_covariates import draw, shape
from evaluation.data.simulate_tables_days import before, months_on
from evaluation.data.simulate_tables_layout import JUSTICE, Layout
from evaluation.data.simulate_tables_offences import CRIMES, drawn
from evaluation.data.simulate_tables_rows import MISSING, Column, Rows, dates, filled, labels, matches, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from evaluation.study.cohort_building import Characteristic

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

OPPOSITE = {"female": "male", "male": "female", "yes": "no", "no": "yes"}


@dataclass
class People:
    """The people of a chunk (n,). `rows` are what tables hold of the time before the index date.

    `index_row` are columns of the index event's own row; `once` the person's rows of tables that have one a person.
    `broken` is true of those whom a rule of the study keeps out, or who are gone: dead before the index date.
    """

    index: Integers
    score: Floats
    broken: NDArray[np.bool_]
    frailty: Floats
    gone: NDArray[np.bool_]
    special: int = 0  # how many of the last ones are of the edge cases: they meet every rule
    rows: dict[str, list[Rows]] = field(default_factory=dict)
    once: dict[str, dict[str, Column]] = field(default_factory=dict)
    index_row: dict[str, Column] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many people there are."""
        return len(self.index)


@dataclass(frozen=True)
class Scale:
    """Mean and deviation of each characteristic, by which risk scores are reckoned: those of the first chunk."""

    of: Mapping[str, tuple[float, float]]
    spread: float

    @classmethod
    def by(cls, values: Mapping[str, Floats], spread: float) -> Scale:
        """The scale at which these people's scores have this standard deviation."""
        known = {name: (float(v.mean()), float(v.std())) for name, v in values.items() if v.std() > 0}
        plain = cls(known, 1.0)
        deviation = float(np.std(plain.score(values))) if known else 0.0
        return cls(known, spread / deviation if deviation > 0 else 0.0)

    def score(self, values: Mapping[str, Floats]) -> Floats:
        """Risk scores (n,), linear in the characteristics; 0 on average."""
        total = np.zeros(len(next(iter(values.values()))) if values else 1)
        for name, (mean, deviation) in self.of.items():
            total = total + shape(name).direction * (values[name] - mean) / deviation
        return total * self.spread


# --------------------------------------------------------------------------- characteristics


def _alias(place: int, name: str, one: Characteristic) -> str:
    """A name whose shape fits how a characteristic is measured: an age, a count, or yes and no."""
    if one.age_from:
        kinds, other = ("age",), f"age_{place}"
    elif one.date:
        kinds, other = (("count",), f"prior_{place}") if one.measure == "count" else (("yes_no",), f"flag_{place}")
    elif one.equals is not None:
        kinds, other = ("yes_no",), f"flag_{place}"
    else:
        return name
    return name if shape(name).kind in kinds else other


def _recorded(one: Characteristic, values: Integers, index: Integers, generator: np.random.Generator) -> Column:
    """The column in which a characteristic is recorded, so that it has these values."""
    size = len(values)
    if one.age_from:
        return dates(months_on(index, -12 * values) - generator.integers(0, 365, size))
    if one.equals is None:
        return numbers(values)
    first = one.equals[0] if isinstance(one.equals, list) else one.equals
    if isinstance(first, bool):
        return Column(np.where(values == 1, int(first), 1 - int(first)), "flag")
    if isinstance(first, str):
        return labels(1 - values, [first, OPPOSITE.get(first, "other")])
    listed = one.equals if isinstance(one.equals, list) else [first]
    return numbers(np.where(values == 1, first, max(float(v) for v in listed) + 1))


def earlier(
    table: str, date: str, where: Mapping[str, Any], person: Integers, day: Integers, generator: np.random.Generator
) -> Rows:
    """Rows of a table of events on these days, before the index date."""
    size = len(person)
    columns: dict[str, Column] = {date: dates(day)}
    if table == JUSTICE:
        columns = {**arrests(day, generator), date: dates(day)}
    return Rows(person, {**columns, **{name: filled(value, size, generator) for name, value in where.items()}})


def arrests(day: Integers, generator: np.random.Generator) -> dict[str, Column]:
    """Columns of arrests on these days, for crimes of every kind that is not violent."""
    from evaluation.data.simulate_tables_events import kind_columns

    mild = tuple(k for k in CRIMES if "violent" not in k.groups)
    kind = drawn(np.array([k.share for k in mild]), len(day), generator)
    missing = dates(np.full(len(day), MISSING))
    return {
        "event_type": labels(np.zeros(len(day)), ["arrest"]),
        "event_date": dates(day),
        "offence_date": dates(day - generator.integers(0, 5, len(day))),
        "arrest_date": dates(day),
        "filing_date": missing,
        "disposition_date": missing,
        **kind_columns(mild, kind),
        "agency_id": labels(generator.integers(0, 2, len(day)), ["city_police", "sheriff"]),
    }


def _past(people: People, number: Integers, within: Any, generator: np.random.Generator) -> tuple[Integers, Integers]:
    """So many events of each person, at any day of the span that ends the day before the index date."""
    person = np.repeat(np.arange(people.size), number)
    first, index = before(people.index, within)[person], people.index[person]
    return person, first + (generator.random(len(person)) * (index - first)).astype(np.int64)


def characterised(layout: Layout, people: People, generator: np.random.Generator) -> dict[str, str]:
    """Give everyone the characteristics that the study asks for; their aliases by name."""
    wanted = layout.design.characteristics
    aliases = {name: _alias(i, name, one) for i, (name, one) in enumerate(wanted.items())}
    values = draw(list(aliases.values()), people.size, generator)
    for name, one in wanted.items():
        value = values[aliases[name]]
        if one.date:
            number = value if one.measure == "count" else value * (1 + generator.integers(0, 2, people.size))
            person, day = _past(people, number, one.within, generator)
            found = earlier(one.table or "", one.date, one.where, person, day, generator)
            people.rows.setdefault(one.table or "", []).append(found)
        else:
            column = one.age_from or one.column or name
            place = people.index_row if one.table is None else people.once.setdefault(one.table, {})
            if column not in place:
                place[column] = _recorded(one, value, people.index, generator)
            if one.table is not None:
                place |= {k: filled(v, people.size, generator) for k, v in one.where.items() if k not in place}
    return aliases


def measured(layout: Layout, people: People, aliases: Mapping[str, str]) -> dict[str, Floats]:
    """Each characteristic as the cohort will have it, by alias (n,)."""
    return {aliases[name]: _measured(one, people) for name, one in layout.design.characteristics.items()}


def _measured(one: Characteristic, people: People) -> Floats:
    if one.date:
        number = np.zeros(people.size, np.int64)
        for rows in people.rows.get(one.table or "", []):
            day = rows.day(one.date)
            since = np.full(people.size, MISSING + 1) if one.within is None else before(people.index, one.within)
            held = matches(rows, one.where) & (day >= since[rows.person]) & (day < people.index[rows.person])
            number += np.bincount(rows.person[held], minlength=people.size)
        return (number if one.measure == "count" else number > 0).astype(np.float64)
    place = people.index_row if one.table is None else people.once[one.table]
    column = place[one.age_from or one.column or ""]
    if one.age_from:
        return np.asarray(np.floor((people.index - column.values) / 365.2425))
    if one.equals is not None:
        return matches(Rows(people.index, {"c": column}), {"c": one.equals}).astype(np.float64)
    return np.asarray(column.values, np.float64)
