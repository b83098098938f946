"""The designs on which the cohort estimators are calibrated: how people are drawn, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import draw_cohorts as draw

if TYPE_CHECKING:
    import numpy as np

SIZES = (300, 1000, 3000)


@dataclass(frozen=True)
class Case:
    """A figure of an estimator; `truth` names the truth where it is not the term's own."""

    estimator: str
    options: dict[str, Any] = field(default_factory=dict)
    term: str = "risk_difference"
    truth: str = ""
    holds: bool = True  # whether the method's assumptions hold in the design
    wide: bool = False  # whether its intervals are known to be too wide: then coverage may be above the limits
    why: str = ""  # why its intervals are known to be too narrow among the fewest people
    imputed: bool = False  # asked of copies with missing characteristics imputed
    ignoring: bool = False  # as if people were not in groups

    @property
    def figure(self) -> str:
        """The term, and which truth it is held against where there are several."""
        return f"`{self.term}`" + (f" ({self.truth.partition(':')[2]})" if self.truth else "")

    @property
    def asked(self) -> str:
        """The options in words."""
        said = [f"{k}: {v:g}" if isinstance(v, float) else f"{k}: {v}" for k, v in self.options.items()]
        said += ["missing values imputed"] if self.imputed else []
        said += ["groups ignored"] if self.ignoring else []
        return ", ".join(said) or "defaults"


@dataclass(frozen=True)
class Design:
    """A way of drawing people, and what is asked of them."""

    name: str
    title: str
    note: str
    make: Callable[[int, np.random.Generator], draw.Drawn]
    cases: tuple[Case, ...]
    cluster: str | None = None  # the column of groups
    share: float = 1.0  # of the draws asked for: fewer where an answer takes long
    sizes: tuple[int, ...] = SIZES


def _risk(adjust: str, **more: Any) -> Case:
    beside = {name: more.pop(name) for name in ("truth", "holds", "wide", "why", "imputed", "ignoring") if name in more}
    return Case("risk_difference", {"adjust": adjust, "window": draw.WINDOW, **more}, **beside)


NARROW = (
    "Chance has a part in it: see the same drawn again below. But errors of this kind are also somewhat too small "
    "among few people, as residuals of a fitted model are smaller than the errors they stand for (MacKinnon & "
    "White, 1985)."
)

DESIGNS = (
    Design(
        "trial", "Assigned by lot, everyone followed for the window",
        "The chance of the outcome by the window is logistic in the arm and two characteristics.",
        partial(draw.yes_or_no, by_lot=True),
        (_risk("none"), _risk("regression"), _risk("iptw"), _risk("aipw")),
    ),
    Design(
        "entry", "Entry depends on the characteristics, everyone followed for the window",
        "The same, but who enters depends on the characteristics that bear on the outcome. Without adjustment the "
        "comparison is confounded. About as many enter as not: matching without replacement runs out of people alike.",
        partial(draw.yes_or_no, by_lot=False),
        (
            _risk("regression"), _risk("iptw"), _risk("iptw", estimand="att", truth="risk_difference:att"),
            _risk("iptw", estimand="ato", truth="risk_difference:ato"), _risk("aipw", why=NARROW),
            _risk("aipw", estimand="att", truth="risk_difference:att"), _risk("aipw", folds=5),
            _risk("matching", truth="risk_difference:att", holds=False),
            _risk("matching", replace=True, truth="risk_difference:att"),
            Case("risk_difference", {"adjust": "regression", "window": draw.WINDOW}, "risk_ratio"),
            Case("risk_difference", {"adjust": "none", "window": draw.WINDOW}, holds=False),
        ),
    ),
    Design(
        "entry_again", "Drawn again: doubly robust among few people",
        "The same people as in the table above, with other seeds and twice as many draws.",
        partial(draw.yes_or_no, by_lot=False),
        (_risk("aipw"),),
        share=2.0, sizes=SIZES[:1],
    ),
    Design(
        "few_enter",
        "One person in six enters, everyone followed for the window",
        "As before, with five people in the comparison for each treated.",
        partial(draw.yes_or_no, by_lot=False, often=-1.7),
        (
            _risk("matching", truth="risk_difference:att"),
            _risk("matching", replace=True, truth="risk_difference:att"),
            _risk("iptw", estimand="att", truth="risk_difference:att"),
        ),
    ),
    Design(
        "times", "Assigned by lot, times to the outcome, follow-up ends at random",
        "Constant hazards, proportional between the arms given the characteristics.",
        partial(draw.times, by_lot=True),
        (
            Case("kaplan_meier"), Case("cumulative_incidence"),
            Case("rmst", {"window": draw.WINDOW}, "rmst_difference"),
            Case("cox", {"covariates": "all"}, "arm"), Case("cox", {"covariates": "all", "robust": True}, "arm"),
            Case("cox", {"covariates": []}, "arm", holds=False),
        ),
    ),
    Design(
        "deaths", "Assigned by lot, death competes",
        "Without the outcome, people die at a rate that one characteristic raises. Kaplan-Meier treats the dead as "
        "people who left and could still have the outcome.",
        partial(draw.times, by_lot=True, deaths=draw.DEATH),
        (
            Case("cumulative_incidence"), Case("cumulative_incidence", {}, "risk_treated"),
            Case("cumulative_incidence", {}, "risk_ratio"), Case("rmst", {"window": draw.WINDOW}, "rmtl_difference"),
            Case("cox", {"covariates": "all"}, "arm"), Case("kaplan_meier", {}, "risk_treated", holds=False),
        ),
    ),
    Design(
        "entry_deaths", "Entry depends on the characteristics, death competes",
        "Curves weighted by the chance of entering, against curves as observed.",
        partial(draw.times, by_lot=False, deaths=draw.DEATH),
        (
            Case("cumulative_incidence", {"adjust": "iptw"}),
            Case("rmst", {"window": draw.WINDOW, "adjust": "iptw"}, "rmtl_difference"),
            Case("cox", {"covariates": "all"}, "arm"), Case("cumulative_incidence", {"adjust": "none"}, holds=False),
        ),
    ),
    Design(
        "leaving", "People at higher risk leave earlier",
        "Leaving depends on a recorded characteristic that also raises the risk; weights by the chance of staying mend "
        "it. Its errors take these chances as known, which makes them somewhat too large.",
        partial(draw.times, by_lot=True, leaving="x1"),
        (
            _risk("none", censoring="ipcw", censoring_covariates=["x1"], wide=True),
            Case("kaplan_meier", {}, "risk_treated", holds=False),
        ),
    ),
    Design(
        "subhazards", "Proportional subdistribution hazards",
        "Drawn as Fine and Gray (1999) did.",
        draw.subhazards,
        (Case("fine_gray", {"covariates": "all"}, "arm"), Case("cox", {"covariates": "all"}, "arm", holds=False)),
    ),
    Design(
        "monthly", "A logistic chance every month",
        "Entry depends on the characteristics; follow-up ends between 12 and 36 months.",
        draw.monthly,
        (Case("pooled_logistic", {"covariates": "all"}, "arm"), Case("pooled_logistic", {"covariates": "all"})),
    ),
    Design(
        "counts", "Counts with a frailty",
        "Numbers of events over days at liberty that differ between people; a gamma frailty of variance 0.8. The "
        "Poisson model's ordinary errors would be too small; its robust ones are not.",
        partial(draw.counts, frailty=0.8),
        (
            Case("event_count", {"count": "number", "exposure": "days"}, "arm"),
            Case("event_count", {"count": "number", "exposure": "days", "model": "poisson"}, "arm"),
        ),
    ),
    Design(
        "waning", "A program that works for a year",
        "Assigned by lot; the hazard ratio is 0.45 in the first twelve months and 1 afterwards. A single hazard ratio "
        "is then an average over the times at which the outcome came, which moves with the length of follow-up: it is "
        "the truth of neither period. The difference in risk at a window stays what it says.",
        draw.waning,
        (
            Case("kaplan_meier"), Case("cox", {"covariates": "all"}, "arm", "arm:early", holds=False),
            Case("cox", {"covariates": "all"}, "arm", "arm:late", holds=False),
        ),
        share=0.5,
    ),
    Design(
        "many_groups", "A hundred groups enter whole",
        "Fifty groups of unequal size are drawn by lot and enter whole; people of a group have a risk in common. The "
        "program does nothing, so what is not covered is an effect found where there is none.",
        partial(draw.clustered, groups=100, treated=50),
        (
            _risk("none"), Case("cox", {"covariates": "all"}, "arm"), _risk("none", holds=False, ignoring=True),
            Case("cox", {"covariates": "all"}, "arm", holds=False, ignoring=True),
        ),
        cluster="group", share=0.5,
    ),
    Design(
        "few_groups", "Three groups of ten enter whole",
        "The same with ten groups, of which three enter: too few for variances by group, which grow with the number of "
        "groups and not of people. A report warns of so few.",
        partial(draw.clustered, groups=10, treated=3),
        (_risk("none", holds=False), Case("cox", {"covariates": "all"}, "arm", holds=False)),
        cluster="group", share=0.5,
    ),
    Design(
        "gaps", "Characteristics missing more often among the treated with the outcome",
        "A characteristic on which entry depends is not known of some, depending on arm and outcome. Complete cases "
        "are then not like everyone; values imputed from people alike (20 copies) undo most of it.",
        draw.gaps,
        (_risk("regression", imputed=True), _risk("regression", holds=False)),
        share=0.1,
    ),
)  # fmt: skip
