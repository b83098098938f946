"""What becomes of simulated people: offences, arrests, courts, custody, deaths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.data.simulate_cohort import SHAPE
from evaluation.data.simulate_tables_layout import DEATHS, Layout
from evaluation.data.simulate_tables_offences import (
    CHARGED,
    CONVICTED,
    DELAYS,
    IMPRISONED,
    STAGES,
    TO_DISPOSITION,
    TO_FILING,
    Offence,
    dated_by,
    drawn,
)  # fmt: skip
from evaluation.data.simulate_tables_rows import MISSING, Column, Rows, dates, labels, matches, stacked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from evaluation.data.simulate_tables_people import People
    from evaluation.study.models import Outcome

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]
    Flags = NDArray[np.bool_]

MOST = 15  # offences of one person that are followed up; the one that decides the primary outcome always is
JAILED = 0.35  # of those arrested, from the day of the arrest
JAIL_DAYS, PRISON_DAYS, BREACH_DAYS = 12, 150, 20  # mean length of stays
FALL_AWAY = 0.97  # of the offences that would have been in custody
FAR = 2**31


def kind_columns(kinds: Sequence[Offence], kind: Integers) -> dict[str, Column]:
    """Code, level and reason of offences of these kinds (places in `kinds`)."""

    def column(values: list[str]) -> Column:
        levels = [v for v in dict.fromkeys(values) if v]
        places = np.array([levels.index(v) if v else MISSING for v in values])
        return labels(places[kind], levels)

    return {
        "offence_code": column([k.code for k in kinds]),
        "offence_level": column([k.level for k in kinds]),
        "reason": column([k.reason for k in kinds]),
    }


def _event(rows: Rows, name: str, day: Integers, agency: str, which: Flags) -> Rows:
    """Rows of another event that the arrests of `rows` led to on these days."""
    size = len(rows)
    made = {"event_type": labels(np.zeros(size), [name]), "event_date": dates(day),
            "agency_id": labels(np.zeros(size), [agency])}  # fmt: skip
    return rows.given(made).picked(which)


def court_rows(layout: Layout, arrests: Rows, generator: np.random.Generator) -> list[Rows]:
    """Charges and convictions of earlier arrests, as far as the courts' data reach."""
    size, end = len(arrests), layout.end("courts")
    filing = arrests.day("arrest_date") + drawn(TO_FILING, size, generator)
    decision = filing + drawn(TO_DISPOSITION, size, generator)
    charged = generator.random(size) < CHARGED
    convicted = charged & (generator.random(size) < CONVICTED) & (decision <= end)
    told = arrests.given({
        "filing_date": dates(filing), "disposition_date": dates(np.where(decision <= end, decision, MISSING)),
    })  # fmt: skip
    return [
        _event(told, "charge", filing, "courts", charged),
        _event(told, "conviction", decision, "courts", convicted),
    ]


# --------------------------------------------------------------------------- offences after the index date


@dataclass(frozen=True)
class Offences:
    """Offences (n,) after the index date, by person and then in time; days count from the index date.

    `stage` (n, 5) are the days of the offence, arrest, filing, decision and admission to prison; `reached` how far
    the case went; `jail` the first day at liberty after the arrest, or that of the arrest where nobody was jailed;
    `release` the same of prison.
    """

    person: Integers
    kind: Integers
    stage: Integers
    charged: Flags
    convicted: Flags
    imprisoned: Flags
    jail: Integers
    release: Integers

    def picked(self, rows: Flags | Integers) -> Offences:
        """Some of the offences."""
        return Offences(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def counting(self, kinds: Sequence[Offence], outcome: Outcome) -> Integers:
        """The day by which an outcome counts each offence; FAR where it does not."""
        marker, stage = dated_by(outcome)
        counts = np.array([k.counts(outcome) for k in kinds])[self.kind]
        counts &= {"charge": self.charged, "conviction": self.convicted, "incarceration": self.imprisoned}.get(
            marker, True
        )
        counts &= self.charged if stage in ("filing", "disposition") else True
        return np.where(counts, self.stage[:, STAGES.index(stage)], FAR)


def offences(
    level: Floats, window: Integers, length: Integers, chances: Floats, generator: np.random.Generator
) -> Offences:
    """Offences of people at these levels (n,), over each one's `length` days, each with what it leads to."""
    number = generator.poisson(level * (length / window) ** SHAPE)
    person = np.repeat(np.arange(len(level)), np.minimum(number, 400))
    time = length[person] * generator.random(len(person)) ** (1 / SHAPE)
    order = np.argsort(person + time / FAR, kind="stable") if len(person) else np.zeros(0, np.int64)
    person, time = person[order], time[order]
    size = len(person)
    steps = np.stack([np.floor(time).astype(np.int64), *(drawn(d, size, generator) for d in DELAYS)], axis=1)
    stage = np.cumsum(steps, axis=1)
    charged = generator.random(size) < CHARGED
    convicted = charged & (generator.random(size) < CONVICTED)
    imprisoned = convicted & (generator.random(size) < IMPRISONED)
    jailed = generator.random(size) < JAILED
    jail = stage[:, 1] + jailed * generator.geometric(1 / JAIL_DAYS, size)
    release = stage[:, 4] + imprisoned * generator.geometric(1 / PRISON_DAYS, size)
    return Offences(person, drawn(chances, size, generator), stage, charged, convicted, imprisoned, jail, release)


def thinned(found: Offences, deciding: Integers, size: int, generator: np.random.Generator) -> Offences:
    """The offences without most of those that would have been in custody.

    `deciding` (n,) is the day by which the primary outcome counts each offence. A person's first to count stays, so
    that custody does not move the planted risk.
    """
    first = np.full(size, FAR)
    np.minimum.at(first, found.person, deciding)
    decides = (deciding < FAR) & (deciding == first[found.person])
    day, person = found.stage[:, 0], found.person
    inside = _before(np.maximum(found.jail, day), person) > day
    for back in (1, 2, 3):
        earlier = np.arange(len(day)) - back
        same = (earlier >= 0) & (person[earlier] == person)
        inside |= same & (found.stage[earlier, 4] <= day) & (day < found.release[earlier])
    rank = np.arange(len(day)) - np.searchsorted(person, person)
    gone = (inside & (generator.random(len(day)) < FALL_AWAY)) | (rank >= MOST)
    return found.picked(~gone | decides)


def _before(ends: Integers, person: Integers) -> Integers:
    """The latest of the ends of each person's earlier rows; 0 for the first."""
    if not len(ends):
        return ends
    apart = person * FAR
    running = np.maximum.accumulate(ends + apart)
    found = np.concatenate([[0], running[:-1]]) - apart
    return np.maximum(found, 0)


# --------------------------------------------------------------------------- rows


def justice_rows(
    found: Offences, kinds: Sequence[Offence], index: Integers, deaths: Integers, layout: Layout,
    generator: np.random.Generator,
) -> list[Rows]:  # fmt: skip
    """Arrests, charges, convictions and admissions to prison, as far as the agencies' data reach."""
    size = len(found.person)
    day = found.stage + index[found.person][:, None]
    end = layout.end("courts")
    arrests = Rows(found.person, {
        "event_type": labels(np.zeros(size), ["arrest"]),
        "event_date": dates(day[:, 1]),
        "offence_date": dates(day[:, 0]),
        "arrest_date": dates(day[:, 1]),
        "filing_date": dates(np.where(found.charged & (day[:, 2] <= end), day[:, 2], MISSING)),
        "disposition_date": dates(np.where(found.charged & (day[:, 3] <= end), day[:, 3], MISSING)),
        **kind_columns(kinds, found.kind),
        "agency_id": labels(generator.integers(0, 2, size), ["city_police", "sheriff"]),
    })  # fmt: skip
    parts = [
        arrests,
        _event(arrests, "charge", day[:, 2], "courts", found.charged),
        _event(arrests, "conviction", day[:, 3], "courts", found.convicted),
        _event(arrests, "incarceration", day[:, 4], "corrections", found.imprisoned),
    ]
    return [within_reach(part, "event_date", layout, deaths) for part in parts]


def other_rows(
    people: People, kinds: Sequence[Offence], length: Integers, deaths: Integers, layout: Layout,
    generator: np.random.Generator,
) -> list[Rows]:  # fmt: skip
    """Events that the program does not bear on: of each kind at its own rate, by score and frailty."""
    parts = []
    level = people.frailty * np.exp(0.3 * people.score) * length / 365.25
    for place, kind in enumerate(kinds):
        person = np.repeat(np.arange(people.size), generator.poisson(kind.share * level))
        day = people.index[person] + (length[person] * generator.random(len(person))).astype(np.int64)
        confined = (kind.reason == "technical_violation") & (generator.random(len(person)) < 0.4)
        parts.append(Rows(person, {
            "event_type": labels(confined.astype(int), ["arrest", "incarceration"]),
            "event_date": dates(day),
            "offence_date": dates(day),
            "arrest_date": dates(day),
            "filing_date": dates(np.full(len(person), MISSING)),
            "disposition_date": dates(np.full(len(person), MISSING)),
            **kind_columns(kinds, np.full(len(person), place)),
            "agency_id": labels(np.where(confined, 2, generator.integers(0, 2, len(person))),
                                ["city_police", "sheriff", "corrections"]),
        }))  # fmt: skip
    return [within_reach(part, "event_date", layout, deaths) for part in parts]


def within_reach(rows: Rows, date: str, layout: Layout, deaths: Integers) -> Rows:
    """Rows up to the person's death and the last day that the row's agency covers."""
    day = rows.day(date)
    agency = rows.columns["agency_id"]
    ends = np.array([layout.end(name) for name in agency.levels])[agency.values]
    return rows.picked((day <= deaths[rows.person]) & (day <= ends))


def stays(
    found: Offences, others: Sequence[Rows], index: Integers, deaths: Integers, layout: Layout,
    generator: np.random.Generator,
) -> Rows:  # fmt: skip
    """Stays in custody: after arrests, after sentences, after breaches of supervision. Some run into each other."""
    jailed, sent = found.jail > found.stage[:, 1], found.imprisoned
    start = index[found.person]
    parts = [(found.person[jailed], (start + found.stage[:, 1])[jailed], (start + found.jail)[jailed]),
             (found.person[sent], (start + found.stage[:, 4])[sent], (start + found.release)[sent])]  # fmt: skip
    for rows in others:
        kept = rows.picked(matches(rows, {"event_type": "incarceration"}))
        day = kept.day("event_date")
        parts.append((kept.person, day, day + generator.geometric(1 / BREACH_DAYS, len(day))))
    at = layout.stays
    made = [custody(person, first, last, layout, generator) for person, first, last in parts]
    whole = stacked(made)
    end, death = layout.reach(layout.custody), deaths[whole.person]
    leaving = np.minimum(whole.day(at.end), death)
    told = whole.given({at.end: dates(np.where(leaving > end, MISSING, leaving))})
    return told.picked((whole.day(at.start) <= end) & (whole.day(at.start) <= death))


def custody(person: Integers, first: Integers, last: Integers, layout: Layout, generator: np.random.Generator) -> Rows:
    """Rows of stays from `first` to the day of leaving, `last`."""
    from evaluation.data.simulate_tables_rows import filled

    at = layout.stays
    where = {name: filled(value, len(person), generator) for name, value in at.where.items()}
    return Rows(person, {"agency_id": labels(np.zeros(len(person)), ["county_jail"]), at.start: dates(first),
                         at.end: dates(last), **where})  # fmt: skip


def death_rows(deaths: Integers, layout: Layout) -> Rows:
    """One row for each person who died as far as the registry's data reach."""
    died = np.flatnonzero(deaths <= layout.reach(DEATHS))
    return Rows(died, {"agency_id": labels(np.zeros(len(died)), ["registry"]), "death_date": dates(deaths[died])})
