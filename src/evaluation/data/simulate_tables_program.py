"""Stays in the program: how they end, and what was delivered, for reports of implementation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.simulate_tables_layout import DEATHS, JUSTICE, PERSONS
from evaluation.data.simulate_tables_rows import MISSING, Column, Rows, dates, filled, labels, numbers
from evaluation.study.implementation import Dose, Tests

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.data.simulate_tables_layout import Layout
    from evaluation.data.simulate_tables_people import People
    from evaluation.study.implementation import Standard, Step

    Integers = NDArray[np.int64]

ENDS = ("graduated", "terminated", "withdrew", "still active")
TERMINATED = 0.45  # of those arrested in the program
FAR = 2**31


@dataclass(frozen=True)
class Stays:
    """Each person's stay (n,): days in it, as far as it is known of, its last day (MISSING: goes on) and its end."""

    days: Integers
    last: Integers
    end: Integers  # place in ENDS


def stays(
    layout: Layout, people: People, arrested: Integers, deaths: Integers, generator: np.random.Generator
) -> Stays:
    """How stays that begin on the index date end. `arrested` is the day of the first arrest after it, or FAR.

    People at higher risk leave early more often, and some of those arrested are put out: who finishes is no accident.
    """
    size = people.size
    planned = generator.integers(330, 480, size)
    doubt = 0.7 * people.score + 0.5 * np.log(people.frailty + 0.05) - 1.3
    quits = generator.random(size) < 1 / (1 + np.exp(-doubt))
    quitting = np.where(quits, (planned * generator.random(size)).astype(np.int64), FAR)
    out = np.where(generator.random(size) < TERMINATED, arrested - people.index + 14, FAR)
    length = np.minimum.reduce([planned, quitting, out, deaths - people.index])
    end = np.select([length == planned, length == out], [0, 1], 2)
    known = layout.as_of - people.index
    active = length > known
    last = np.where(active, MISSING, people.index + length)
    return Stays(np.minimum(length, known), last, np.where(active, 3, end))


def episode_columns(layout: Layout, found: Stays) -> dict[str, Column]:
    """Columns of exits, with the words that the study's `completers` has for those who finished."""
    finished = layout.design.completers.get("exit_reason", ENDS[0])
    first = finished[0] if isinstance(finished, list) else finished
    return {"exit_date": dates(found.last), "exit_reason": labels(found.end, [str(first), *ENDS[1:]])}


# --------------------------------------------------------------------------- what was delivered


def _schedule(length: Integers, every: int, share: float, generator: np.random.Generator) -> tuple[Integers, Integers]:
    """Person and day within the stay of appointments `every` so many days, of which a share is kept."""
    number = np.maximum(length, 0) // every
    person = np.repeat(np.arange(len(length)), number)
    place = np.arange(len(person)) - np.repeat(np.cumsum(number) - number, number)
    kept = generator.random(len(person)) < share
    person, place = person[kept], place[kept]
    return person, place * every + generator.integers(0, min(every, 6), len(person))


def delivered(
    layout: Layout, people: People, arm: Integers, found: Stays, generator: np.random.Generator
) -> dict[str, Rows]:
    """Hearings, treatment sessions, drug tests, sanctions and referrals, where the study has tables for them.

    Tables of delivery by other names hold appointments.
    """
    length = np.where(arm == 1, found.days, 0)
    makers = {"hearings": _hearings, "treatment_sessions": _sessions, "drug_tests": _tests, "sanctions": _sanctions}
    made = {name: make(people, length, generator) for name, make in makers.items() if name in layout.tables}
    if layout.referrals in layout.tables:
        made[layout.referrals] = _referrals(people, arm, generator)
    for table, part in layout.delivery:
        if table not in made and table not in {*layout.named, PERSONS, JUSTICE, DEATHS}:
            made[table] = _hearings(people, length, generator)
        if table in made:
            made[table] = _as_asked(made[table], part, generator)
    return made


def _as_asked(rows: Rows, part: Dose | Standard | Tests | Step, generator: np.random.Generator) -> Rows:
    """The rows with the columns that a part of the study names, where they lack them."""
    day = next(c for c in rows.columns.values() if c.kind == "date")
    wanted = {name: filled(value, len(rows), generator) for name, value in part.where.items()}
    if part.date:
        wanted[part.date] = day
    if isinstance(part, Dose) and part.sum:
        wanted[part.sum] = numbers(1 + generator.integers(0, 3, len(rows)))
    if isinstance(part, Tests):
        words = [*part.negative, *part.positive, *part.missed]
        wanted[part.result] = labels(generator.integers(0, len(words), len(rows)), words)
    return rows.given({name: column for name, column in wanted.items() if name not in rows.columns})


def _office(size: int) -> Column:
    return labels(np.zeros(size), ["program_office"])


def _hearings(people: People, length: Integers, generator: np.random.Generator) -> Rows:
    person, day = _schedule(length, 21, 0.92, generator)
    return Rows(person, {"agency_id": _office(len(day)), "hearing_date": dates(people.index[person] + day)})


def _sessions(people: People, length: Integers, generator: np.random.Generator) -> Rows:
    person, day = _schedule(length, 10, 0.85, generator)
    level = np.where(day < 90, generator.integers(0, 2, len(day)), 0)
    return Rows(person, {
        "agency_id": _office(len(day)), "session_date": dates(people.index[person] + day),
        "hours": numbers(1 + level + generator.integers(0, 3, len(day)) * 0.5),
        "level": labels(level, ["outpatient", "intensive_outpatient"]),
    })  # fmt: skip


def _tests(people: People, length: Integers, generator: np.random.Generator) -> Rows:
    person, day = _schedule(length, 10, 0.97, generator)
    positive = 0.30 * np.exp(-day / 150) * people.frailty[person] ** 0.5
    draw = generator.random(len(day))
    result = np.select([draw < 0.02, draw < 0.06, draw < 0.06 + positive], [3, 2, 1], 0)
    return Rows(person, {
        "agency_id": _office(len(day)), "test_date": dates(people.index[person] + day),
        "result": labels(result, ["negative", "positive", "missed", "dilute"]),
    })  # fmt: skip


def _sanctions(people: People, length: Integers, generator: np.random.Generator) -> Rows:
    person, day = _schedule(length, 45, 0.8, generator)
    sanction = generator.random(len(day)) < 0.3 + 0.2 * (people.frailty[person] > 1)
    return Rows(person, {
        "agency_id": _office(len(day)), "sanction_date": dates(people.index[person] + day),
        "kind": labels(sanction.astype(int), ["incentive", "sanction"]),
    })  # fmt: skip


def _referrals(people: People, arm: Integers, generator: np.random.Generator) -> Rows:
    """Everyone who entered had been referred; of the others a third had, and were not eligible or not admitted."""
    referred = (arm == 1) | (generator.random(people.size) < 0.35)
    person = np.flatnonzero(referred)
    entered = arm[person] == 1
    wait = 3 + generator.geometric(1 / 18, len(person))
    day = people.index[person] - wait
    assessed = entered | (generator.random(len(person)) < 0.8)
    eligible = entered | (assessed & (generator.random(len(person)) < 0.5))
    between = (wait * generator.random(len(person))).astype(np.int64)
    return Rows(person, {
        "agency_id": _office(len(person)), "referral_date": dates(day),
        "assessed_date": dates(np.where(assessed, day + between, MISSING)),
        "eligible": Column(eligible.astype(np.int64), "flag"), "admitted": Column(entered.astype(np.int64), "flag"),
    })  # fmt: skip
