"""Kinds of offences in simulated tables, and what arrests lead to: charge, conviction, prison, each with its delay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from evaluation.study.models import Outcome

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

DEFAULT_EXCLUDED = ("technical", "warrant", "program_sanction")


@dataclass(frozen=True)
class Offence:
    """A kind of offence: its NIBRS code, the groups it counts to, its level, the reason for the event, its share."""

    code: str
    groups: tuple[str, ...]
    level: str
    reason: str
    share: float

    def counts(self, outcome: Outcome) -> bool:
        """Whether events of this kind pass the outcome's filter."""
        mine, wanted = {*self.groups, self.level}, outcome.offence
        if not wanted.include and not wanted.exclude:
            return mine.isdisjoint(DEFAULT_EXCLUDED)
        return mine.isdisjoint(wanted.exclude) and (not wanted.include or not mine.isdisjoint(wanted.include))


# New crimes: shares of all of them.
CRIMES = (
    Offence("35A", ("drug",), "felony", "new_crime", 0.16),
    Offence("35A", ("drug",), "misdemeanor", "new_crime", 0.14),
    Offence("35B", ("drug",), "misdemeanor", "new_crime", 0.05),
    Offence("23C", ("property",), "misdemeanor", "new_crime", 0.12),
    Offence("23H", ("property",), "misdemeanor", "new_crime", 0.12),
    Offence("220", ("property",), "felony", "new_crime", 0.07),
    Offence("240", ("property",), "felony", "new_crime", 0.05),
    Offence("290", ("other_property",), "misdemeanor", "new_crime", 0.05),
    Offence("13B", ("simple_assault",), "misdemeanor", "new_crime", 0.12),
    Offence("13A", ("violent",), "felony", "new_crime", 0.07),
    Offence("120", ("violent",), "felony", "new_crime", 0.03),
    Offence("520", ("weapon",), "felony", "new_crime", 0.02),
)
# All others: times a year, of someone at mean risk.
OTHERS = (
    Offence("TRAFFIC", ("traffic",), "infraction", "new_crime", 0.12),
    Offence("90Z", ("technical", "other"), "", "technical_violation", 0.20),
    Offence("90Z", ("warrant", "other"), "", "warrant", 0.10),
)
LIKE_CRIME = 0.15  # share of another kind among the offences, where the primary outcome counts it


def _spread(mean: float, longest: int) -> Floats:
    """Probabilities of 0, 1, … days: falling off evenly, about the mean."""
    chances = (mean / (1 + mean)) ** np.arange(longest + 1)
    return np.asarray(chances / chances.sum())


def _around(mean: float, spread: float, longest: int) -> Floats:
    days = np.arange(longest + 1)
    chances = np.exp(-0.5 * ((days - mean) / spread) ** 2)
    return np.asarray(chances / chances.sum())


TO_ARREST = np.append(0.6, 0.4 * _spread(6, 40))  # most are arrested on the day
TO_FILING = _spread(8, 45)
TO_DISPOSITION = _around(80, 30, 150)
TO_PRISON = _spread(5, 30)
CHARGED, CONVICTED, IMPRISONED = 0.85, 0.70, 0.35  # of those arrested, charged, convicted
STAGES = ("offence", "arrest", "filing", "disposition", "prison")
DELAYS = (TO_ARREST, TO_FILING, TO_DISPOSITION, TO_PRISON)
_STAGE = {
    "arrest": "arrest",
    "charge": "filing",
    "conviction": "disposition",
    "incarceration": "prison",
    "any": "arrest",
}
_REACHED = {"offence": 1.0, "arrest": 1.0, "filing": CHARGED, "disposition": CHARGED,
            "prison": CHARGED * CONVICTED * IMPRISONED}  # fmt: skip
_EXISTS = {"arrest": 1.0, "any": 1.0, "charge": CHARGED, "conviction": CHARGED * CONVICTED,
           "incarceration": CHARGED * CONVICTED * IMPRISONED}  # fmt: skip


def dated_by(outcome: Outcome) -> tuple[str, str]:
    """The marker that counts for an outcome and the stage whose day dates it."""
    marker, basis = outcome.marker or "any", outcome.date_basis or "event"
    return marker, _STAGE[marker] if basis == "event" else basis


def chance_and_delay(outcome: Outcome, deaths: float) -> tuple[float, Floats]:
    """How likely an offence of a kind that counts leads to the outcome, and the delay's probabilities by days.

    `deaths` is the rate of deaths a day: no event comes of a case whose person dies between the day that dates the
    event and the event itself.
    """
    marker, stage = dated_by(outcome)
    dated, happens = STAGES.index(stage), STAGES.index(_STAGE[marker])
    lived = _put_off(dated, happens) if happens > dated else np.ones(1)
    chance = min(_EXISTS[marker], _REACHED[stage]) * float(lived @ np.exp(-deaths * np.arange(len(lived))))
    return chance, _put_off(0, dated)


def _put_off(first: int, last: int) -> Floats:
    """Probabilities of 0, 1, … days from one stage to another."""
    delay = np.ones(1)
    for step in DELAYS[first:last]:
        delay = np.convolve(delay, step)
    return delay


def mix(outcome: Outcome | None) -> tuple[tuple[Offence, ...], tuple[Offence, ...]]:
    """The kinds that the program bears on, with shares that sum to 1, and the others, with their rates.

    Kinds that the primary outcome counts are among the first: all its events then follow the planted course.

    Raises
    ------
    DataError
        When the outcome counts no kind of offence that is simulated.
    """
    if outcome is None:
        return CRIMES, OTHERS
    also = tuple(Offence(k.code, k.groups, k.level, k.reason, LIKE_CRIME) for k in OTHERS if k.counts(outcome))
    left = tuple(k for k in OTHERS if not k.counts(outcome))
    if not any(k.counts(outcome) for k in CRIMES + also):
        known = sorted({g for k in CRIMES + OTHERS for g in (*k.groups, k.level) if g})
        what = f"no offence that is simulated counts for the outcome {outcome.id!r}."
        raise DataError(Problem("outcomes", "offence", what, f"Groups that are simulated: {', '.join(known)}."))
    return CRIMES + also, left


def share_counted(kinds: tuple[Offence, ...], outcome: Outcome) -> float:
    """The share of the offences, by their kinds' shares, that count for an outcome."""
    return sum(k.share for k in kinds if k.counts(outcome)) / sum(k.share for k in kinds)


def drawn(chances: Floats, size: int, generator: np.random.Generator) -> Integers:
    """Places drawn with the chances given (k,)."""
    edges = np.cumsum(chances) / np.sum(chances)
    return np.asarray(np.minimum(np.searchsorted(edges, generator.random(size), side="right"), len(chances) - 1))
