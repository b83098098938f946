"""People of simulated tables as they are on the index date: characteristics, earlier events, rules they break, arms."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.data.simulate_covariates import draw, shape
from evaluation.data.simulate_tables_days import before, months_on
from evaluation.data.simulate_tables_edges import CASES, index_dates
from evaluation.data.simulate_tables_layout import DEATHS, JUSTICE, PERSONS, Layout
from evaluation.data.simulate_tables_offences import CRIMES, drawn
from evaluation.data.simulate_tables_rows import MISSING, Column, Rows, dates, filled, labels, matches, numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from evaluation.study.cohort_building import Characteristic, Rule

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

GONE = 0.008  # of the people: their index event is dated after their death
BREAKS = 0.02  # of the people, each rule of the study
OLDER = 0.8  # arrests of someone at mean risk in the three years before anything looks
LOST = 0.02  # of the values of every third characteristic that is recorded once a person
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


def _earlier(
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


def _characteristics(layout: Layout, people: People, generator: np.random.Generator) -> dict[str, str]:
    """Give everyone the characteristics that the study asks for; their aliases by name."""
    wanted = layout.design.characteristics
    aliases = {name: _alias(i, name, one) for i, (name, one) in enumerate(wanted.items())}
    values = draw(list(aliases.values()), people.size, generator)
    for name, one in wanted.items():
        value = values[aliases[name]]
        if one.date:
            number = value if one.measure == "count" else value * (1 + generator.integers(0, 2, people.size))
            person, day = _past(people, number, one.within, generator)
            found = _earlier(one.table or "", one.date, one.where, person, day, generator)
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
        return np.floor((people.index - column.values) / 365.2425)
    if one.equals is not None:
        return matches(Rows(people.index, {"c": column}), {"c": one.equals}).astype(np.float64)
    return column.values.astype(np.float64)


# --------------------------------------------------------------------------- rules


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


def _rules(layout: Layout, people: People, generator: np.random.Generator) -> None:
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
    parts.append(_earlier(table, date, rule.where, lacking, day, generator))
    people.rows[table] = parts


# --------------------------------------------------------------------------- all together


def _older(layout: Layout, people: People, generator: np.random.Generator) -> None:
    """Arrests further back than any characteristic or rule looks: frailty shows in them as it does later."""
    design = layout.design
    lookers = [*design.characteristics.values(), *design.include, *design.exclude]
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
    from evaluation.data.simulate_tables_events import court_rows

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
    aliases = _characteristics(layout, people, generator)
    _index_arrests(layout, people, generator)
    _demography(layout, people, generator)
    _rules(layout, people, generator)
    values = measured(layout, people, aliases)
    scale = scale or Scale.by(values, spread)
    people.score = np.broadcast_to(scale.score(values), size).copy()
    _older(layout, people, generator)
    _lose(layout, people, generator)
    return people, scale
