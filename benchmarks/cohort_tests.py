"""How often the tests reject, and whether bands hold whole curves: what is drawn, and what is asked.

A test must find a difference that is not there in one draw of twenty; how often it finds one that is there is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

import draw_cohorts as draw
from cohort_designs import SIZES

ALPHA = 0.05
EARLY = (
    "Most misses are a lower limit that is too high, soon after the band begins: with ten to some twenty events behind "
    "it an incidence is still skewed, more than the scale of its band takes off."
)
Read = Callable[[Any], bool | None]  # of a fitted analysis


@dataclass(frozen=True)
class Question:
    """What is counted, and the share in which it must be so; None where that is only shown."""

    label: str
    read: Read
    expected: float | None = ALPHA
    why: str = ""  # what is known to put it outside the limits, told where it is


@dataclass(frozen=True)
class Fit:
    """An estimator and the questions to its answer."""

    estimator: str
    options: dict[str, Any]
    questions: tuple[Question, ...]
    subgroups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Trial:
    """A way of drawing people, and the fits in which something is counted."""

    name: str
    title: str
    note: str
    make: Callable[[int, np.random.Generator], draw.Drawn]
    fits: tuple[Fit, ...]
    bands: bool = False  # whether bands that hold whole curves are drawn in full
    share: float = 1.0  # of the draws asked for
    sizes: tuple[int, ...] = SIZES

    @property
    def questions(self) -> list[Question]:
        """Of all fits, in order."""
        return [q for f in self.fits for q in f.questions]


def _rejects(name: str, group: str = "") -> Read:
    def read(case: Any) -> bool | None:
        check = next((c for c in case.results.checks if (c.check, c.group or c.term) == (name, group)), None)
        return None if check is None or check.p_value is None else bool(check.p_value < ALPHA)

    return read


def _differs(case: Any) -> bool | None:
    from evaluation.diagnostics.subgroups import subgroups

    p = next((s.p_interaction for s in subgroups(case).subgroups), None)
    return None if p is None else p < ALPHA


def _holds(arm: float, quantity: str, deaths: float, low: str, high: str) -> Read:
    """Whether limits hold the true curve at every moment from the band's first time to its last."""
    group = "treated" if arm else "control"

    def read(case: Any) -> bool | None:
        points = [c for c in case.results.curve if (c.quantity, c.group) == (quantity, group)]
        inside = [p for p in points if p.band_low is not None]
        if not inside:
            return None
        moments = np.array([p.time for p in inside])
        of_death = quantity.endswith(":death")
        truth = draw.incidence(moments, arm, deaths, of_death=of_death)
        lower, upper = np.array([[getattr(p, n) for n in (low, high)] for p in inside], float).T
        # Between two times the curve stands while the truth rises: it must still be below the limit at the next one.
        return bool((lower <= truth).all() and (truth <= upper).all() and (truth[1:] <= upper[:-1]).all())

    return read


def _curve(label: str, quantity: str = "cumulative_incidence", deaths: float = 0.0) -> tuple[Question, ...]:
    band = ("band_low", "band_high")
    return (
        Question(f"{label}, treated: the band holds it", _holds(1.0, quantity, deaths, *band), 0.95, EARLY),
        Question(f"{label}, comparison: the band holds it", _holds(0.0, quantity, deaths, *band), 0.95, EARLY),
        Question(f"{label}, treated: pointwise intervals all hold it",
                 _holds(1.0, quantity, deaths, "conf_low", "conf_high"), None),
    )  # fmt: skip


_RISK = ("risk_difference", {"adjust": "none", "window": draw.WINDOW})
_COX = ("cox", {"covariates": "all"})
_ARM = Question("hazards of the arms are not proportional", _rejects("proportional_hazards", "arm"))
_ALL = Question("hazards of arm and characteristics are not", _rejects("proportional_hazards"))
_DIFFERS = Question("effects differ between two groups (Q)", _differs)


def _shown(*questions: Question) -> tuple[Question, ...]:
    """Where there is something to be found."""
    return tuple(Question(q.label, q.read, None) for q in questions)


TRIALS = (
    Trial(
        "no_effect", "No effect: tests of curves",
        "By lot, the arms alike in everything; death competes. The log-rank test takes the dead for people who left.",
        partial(draw.times, by_lot=True, deaths=draw.DEATH, effect=0.0),
        (
            Fit("kaplan_meier", {}, (Question("curves differ (log-rank)", _rejects("log_rank")),)),
            Fit("cumulative_incidence", {}, (
                Question("incidence differs (Gray)", _rejects("gray_test")),
                Question("incidence of death differs (Gray)", _rejects("gray_test", "death")),
            )),
        ),
        share=0.5,
    ),
    Trial(
        "one_ratio", "One hazard ratio for everyone, all the time",
        "By lot, with proportional hazards given the characteristics. The groups are those with and without x2.",
        partial(draw.times, by_lot=True),
        (Fit(*_COX, (_ARM, _ALL, _DIFFERS), ("x2",)),),
        share=0.5,
    ),
    Trial(
        "two_ratios", "A hazard ratio that differs between groups",
        "The hazard ratio is 0.67 among those without x2, and 1.49 among those with it.",
        partial(draw.times, by_lot=True, apart=0.8),
        (Fit(*_COX, _shown(_DIFFERS), ("x2",)),),
        share=0.2,
    ),
    Trial(
        "fading", "A hazard ratio that fades",
        "The hazard ratio is 0.45 in the first twelve months and 1 afterwards.",
        draw.waning,
        (Fit(*_COX, _shown(_ARM)),),
        share=0.2,
    ),
    Trial(
        "one_difference", "One difference in risk for everyone",
        "By lot; treatment lowers every risk by ten points.",
        partial(draw.in_groups, apart=0.0),
        (Fit(*_RISK, (_DIFFERS,), ("x2",)),),
        share=0.5,
    ),
    Trial(
        "two_differences", "A difference in risk that is not the same in groups",
        "Treatment lowers the risk by ten points among those without x2, and raises it by five among those with it.",
        partial(draw.in_groups, apart=0.15),
        (Fit(*_RISK, _shown(_DIFFERS), ("x2",)),),
        share=0.2,
    ),
    Trial(
        "curves", "Bands around survival curves",
        "The bands must hold the true curve at every moment from their first time to their last, in 95 draws of 100. "
        "Pointwise intervals over the same times are not made for that.",
        partial(draw.times, by_lot=True),
        (Fit("kaplan_meier", {}, _curve("curve")),),
        bands=True, share=0.25,
    ),
    Trial(
        "competing_curves", "Bands around cumulative incidence where death competes",
        "The same of the outcome and of death.",
        partial(draw.times, by_lot=True, deaths=draw.DEATH),
        (Fit("cumulative_incidence", {}, (
            *_curve("outcome", deaths=draw.DEATH), *_curve("death", "cumulative_incidence:death", draw.DEATH),
        )),),
        bands=True, share=0.25,
    ),
)  # fmt: skip
