"""People with a planted effect, drawn for the calibration of cohort estimators, and what the truth is of each draw.

Two characteristics bear on everything: x1 is standard normal, x2 holds for two people in five. Truths are means over
both, by Gauss-Hermite quadrature; where a truth is a mean over the treated, it is weighted by their chances.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WINDOW, END = 24.0, 36.0
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(60)
GRID = np.array([(x1, x2) for x1 in _NODES for x2 in (0.0, 1.0)])
MASS = np.array([w * p for w in _WEIGHTS / _WEIGHTS.sum() for p in (0.6, 0.4)])


@dataclass(frozen=True)
class Drawn:
    """Columns of one data set, and the truth of each figure asked for."""

    columns: dict[str, Floats]
    truth: dict[str, float]
    competing: dict[str, int]
    follow_up: bool = True


def expit(value: Floats) -> Floats:
    return 1 / (1 + np.exp(-value))


def _people(n: int, generator: np.random.Generator) -> Floats:
    return np.column_stack([generator.normal(size=n), (generator.random(n) < 0.4).astype(float)])


def chance(x: Floats, often: float = -0.3) -> Floats:
    """Of being treated, where entry depends on the characteristics."""
    return expit(often + 0.6 * x[:, 0] - 0.5 * x[:, 1])


def _arms(x: Floats, by_lot: bool, generator: np.random.Generator, often: float = -0.3) -> Floats:
    p = np.full(len(x), 0.5) if by_lot else chance(x, often)
    return (generator.random(len(x)) < p).astype(float)


def _means(of: Callable[[Floats, float], Floats], weight: Floats | None = None) -> tuple[float, float]:
    """The means of a quantity under treatment and without it, over the people (weighted)."""
    mass = MASS if weight is None else MASS * weight / (MASS @ weight)
    return float(mass @ of(GRID, 1.0)), float(mass @ of(GRID, 0.0))


def _drawn(x: Floats, arm: Floats, time: Floats, event: Floats, truth: dict[str, float], **more: object) -> Drawn:
    columns = {"arm": arm, "time": time, "event": event, "x1": x[:, 0], "x2": x[:, 1]}
    follow_up = more.pop("follow_up", None)
    if isinstance(follow_up, np.ndarray):
        columns["follow_up"] = follow_up
    columns |= more.pop("columns", {})  # type: ignore[call-overload]
    return Drawn(columns, truth, dict(more.pop("competing", {})), isinstance(follow_up, np.ndarray))  # type: ignore[call-overload]


# --------------------------------------------------------------------------- a yes/no outcome by the window


def _risk(x: Floats, arm: float | Floats) -> Floats:
    return expit(-0.6 + 0.7 * x[:, 0] + 0.5 * x[:, 1] - 0.5 * arm)


def yes_or_no(n: int, generator: np.random.Generator, *, by_lot: bool, often: float = -0.3) -> Drawn:
    """An outcome by the window that is logistic in arm and characteristics; everyone is followed beyond it."""
    x = _people(n, generator)
    arm = _arms(x, by_lot, generator, often)
    happens = generator.random(n) < _risk(x, arm)
    time = np.where(happens, WINDOW * generator.random(n) ** 1.25, END)
    truth: dict[str, float] = {}
    enters = chance(GRID, often)
    for name, weight in (("", None), (":att", enters), (":ato", enters * (1 - enters))):
        one, zero = _means(_risk, weight)
        truth |= {f"risk_difference{name}": one - zero, f"risk_ratio{name}": one / zero, f"risk_treated{name}": one}
    return _drawn(x, arm, time, happens.astype(float), truth, follow_up=np.full(n, END))


def gaps(n: int, generator: np.random.Generator) -> Drawn:
    """The same with x1 not known of some: of six in ten treated with the outcome, and of one in ten of the others."""
    drawn = yes_or_no(n, generator, by_lot=False)
    columns = drawn.columns
    lacks = generator.random(n) < np.where((columns["arm"] == 1) & (columns["event"] == 1), 0.6, 0.1)
    return replace(drawn, columns=columns | {"x1": np.where(lacks, np.nan, columns["x1"])})


def in_groups(n: int, generator: np.random.Generator, *, apart: float) -> Drawn:
    """An outcome by the window whose risk differs by x2 and, ten points lower, by arm: with x2 by `apart` more."""
    x = _people(n, generator)
    arm = _arms(x, True, generator)
    happens = generator.random(n) < 0.45 + 0.15 * x[:, 1] - (0.1 - apart * x[:, 1]) * arm
    time = np.where(happens, WINDOW * generator.random(n), END)
    return _drawn(x, arm, time, happens.astype(float), {}, follow_up=np.full(n, END))


# --------------------------------------------------------------------------- times to events


EFFECT, DEATH, LEAVING = -0.4, 0.008, 0.02


def _rate(x: Floats, arm: float | Floats, effect: float | Floats = EFFECT) -> Floats:
    return 0.03 * np.exp(0.5 * x[:, 0] + 0.3 * x[:, 1] + effect * arm)


def _deaths(x: Floats, often: float) -> Floats:
    return often * np.exp(0.4 * x[:, 0])


def times(
    n: int,
    generator: np.random.Generator,
    *,
    by_lot: bool,
    deaths: float = 0.0,
    leaving: str = "end",
    effect: float = EFFECT,
    apart: float = 0.0,
) -> Drawn:
    """Constant hazards of the outcome and of death; people leave when their follow-up ends, or as x1 says.

    `apart` is by how much the log hazard ratio among those with x2 differs from that of the others.
    """
    x = _people(n, generator)
    arm = _arms(x, by_lot, generator)
    first = generator.exponential(size=n) / _rate(x, arm, effect + apart * x[:, 1])
    death = generator.exponential(size=n) / _deaths(x, deaths) if deaths else np.full(n, np.inf)
    end = 12 + END * generator.random(n)
    gone = generator.exponential(size=n) / (LEAVING * np.exp(1.2 * x[:, 0])) if leaving == "x1" else np.full(n, np.inf)
    time = np.minimum.reduce([first, death, end, gone])
    event = np.where(time == first, 1.0, np.where(time == death, 2.0, 0.0))
    known = end if leaving == "end" else None
    return _drawn(
        x, arm, time, event, _true_times(deaths, effect), follow_up=known, competing={"death": 2} if deaths else {}
    )


def incidence(moments: Floats, arm: float, deaths: float = 0.0, *, of_death: bool = False) -> Floats:
    """The true share with the outcome, or dead before it, at each of some times (k,), in an arm formed by lot."""
    rate, death = _rate(GRID, arm), _deaths(GRID, deaths) if deaths else np.zeros(len(GRID))
    part, both = death if of_death else rate, rate + death
    found: Floats = (MASS * part / both) @ -np.expm1(-np.outer(both, moments))
    return found


def _true_times(deaths: float, effect: float) -> dict[str, float]:
    def share(x: Floats, arm: float) -> Floats:
        rate, both = _rate(x, arm, effect), _rate(x, arm, effect) + (_deaths(x, deaths) if deaths else 0.0)
        return rate / both * -np.expm1(-both * WINDOW)

    def lost(x: Floats, arm: float) -> Floats:
        rate, both = _rate(x, arm, effect), _rate(x, arm, effect) + (_deaths(x, deaths) if deaths else 0.0)
        return rate / both * (WINDOW + np.expm1(-both * WINDOW) / both)

    (risk1, risk0), (lost1, lost0) = _means(share), _means(lost)
    return {"arm": effect, "risk_difference": risk1 - risk0, "risk_treated": risk1, "risk_ratio": risk1 / risk0,
            "rmtl_difference": lost1 - lost0, "rmst_difference": lost0 - lost1}  # fmt: skip


EARLY, TURN = -0.8, 12.0  # the log hazard ratio until this month; afterwards there is no effect


def waning(n: int, generator: np.random.Generator) -> Drawn:
    """A program by lot that works in the first year and not afterwards, so that hazards are not proportional."""
    x = _people(n, generator)
    arm = _arms(x, True, generator)
    early, late = _rate(x, arm, EARLY), _rate(x, 0.0)
    spent = generator.exponential(size=n)
    first = np.where(spent < early * TURN, spent / early, TURN + (spent - early * TURN) / late)
    end = 12 + END * generator.random(n)

    def risk(x: Floats, arm: float) -> Floats:
        return -np.expm1(-_rate(x, arm, EARLY) * TURN - _rate(x, 0.0) * (WINDOW - TURN))

    one, zero = _means(risk)
    truth = {"risk_difference": one - zero, "arm:early": EARLY, "arm:late": 0.0}
    return _drawn(x, arm, np.minimum(first, end), (first <= end).astype(float), truth, follow_up=end)


def clustered(n: int, generator: np.random.Generator, *, groups: int, treated: int) -> Drawn:
    """Groups of unequal size that are alike inside enter whole, by lot; the program does nothing."""
    x = _people(n, generator)
    size = 1.0 + np.arange(groups) % 4
    group = generator.choice(groups, n, p=size / size.sum())
    arm = np.isin(group, generator.choice(groups, treated, replace=False)).astype(float)
    first = generator.exponential(size=n) / (_rate(x, 0.0) * np.exp(generator.normal(0, 0.4, groups)[group]))
    end = WINDOW + (END - WINDOW) * generator.random(n)
    columns = {"group": group.astype(float)}
    return _drawn(x, arm, np.minimum(first, end), (first <= end).astype(float), {"arm": 0.0, "risk_difference": 0.0},
                  follow_up=end, columns=columns)  # fmt: skip


def subhazards(n: int, generator: np.random.Generator) -> Drawn:
    """Proportional subdistribution hazards (Fine and Gray, 1999, section 5); entry by lot, follow-up ends at random."""
    x = _people(n, generator)
    arm = _arms(x, True, generator)
    ratio, share = np.exp(EFFECT * arm + 0.4 * x[:, 0]), 0.5
    ever = 1 - (1 - share) ** ratio
    happens = generator.random(n) < ever
    u = generator.random(n) * ever
    first = -12 * np.log(1 - (1 - (1 - u) ** (1 / ratio)) / share)
    time = np.where(happens, first, generator.exponential(16, n))
    end = 12 + END * generator.random(n)
    event = np.where(time > end, 0.0, np.where(happens, 1.0, 2.0))
    return _drawn(x, arm, np.minimum(time, end), event, {"arm": EFFECT}, follow_up=end, competing={"death": 2})


def monthly(n: int, generator: np.random.Generator) -> Drawn:
    """A logistic chance of the outcome every month, for 24 months or until follow-up ends; entry by characteristics."""
    x = _people(n, generator)
    arm = _arms(x, False, generator)
    end = generator.integers(12, 37, n).astype(float)

    def hazard(x: Floats, arm: float | Floats) -> Floats:
        return expit(-3.4 + 0.5 * x[:, 0] + 0.3 * x[:, 1] + EFFECT * arm)

    first = np.ceil(np.log(generator.random(n)) / np.log1p(-hazard(x, arm)))
    event = (first <= end).astype(float)
    one, zero = _means(lambda x, a: 1 - (1 - hazard(x, a)) ** WINDOW)
    truth = {"arm": EFFECT, "risk_difference": one - zero}
    return _drawn(x, arm, np.minimum(first, end), event, truth, follow_up=end)


# --------------------------------------------------------------------------- counts


def counts(n: int, generator: np.random.Generator, *, frailty: float) -> Drawn:
    """Counts over days at liberty that differ from person to person, with a gamma frailty of this variance."""
    x = _people(n, generator)
    arm = _arms(x, False, generator)
    days = generator.integers(90, 731, n).astype(float)
    own = generator.gamma(1 / frailty, frailty, n) if frailty else np.ones(n)
    rate = 0.9 * np.exp(0.4 * x[:, 0] - 0.2 * x[:, 1] - 0.3 * arm) * own
    number = generator.poisson(rate * days / 365.25).astype(float)
    columns = {"number": number, "days": days}
    return _drawn(x, arm, np.full(n, END), (number > 0).astype(float), {"arm": -0.3}, columns=columns)
