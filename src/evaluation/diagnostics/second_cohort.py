"""What statsmodels makes of an analysis of people, beside what this project makes of it.

Figures are made anew from the people, by the definition of the method and not by this project's code for it. Matching,
cross-fitting and subdistribution hazards, which statsmodels does not compute, get nothing.
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from evaluation.results import Check, ResultSet

if TYPE_CHECKING:
    from evaluation.diagnostics.cohort import CohortCase


def second_opinion(case: CohortCase) -> ResultSet:
    """Every figure of the analysis that can be recomputed, beside ours; and a check of whether they agree."""
    from evaluation.diagnostics import second_rates, second_survival
    from evaluation.diagnostics.second_models import NotRecomputed, quietly
    from evaluation.diagnostics.second_opinion import beside, unavailable
    from evaluation.diagnostics.second_risks import risks

    ways = {"risk_difference": risks, **second_survival.WAYS, **second_rates.WAYS}
    way = ways.get(case.estimator.id)
    if way is None or not any(e.status == "ok" for e in case.results.estimates):
        return ResultSet()
    library = f"statsmodels {version('statsmodels')}"
    try:
        with quietly():
            again = way(case)
    except NotRecomputed as none:
        if none.tried:
            return unavailable(case.results, library, str(none))
        return ResultSet(checks=(Check("second_opinion", "info", str(none)),))
    return beside(case.results, library, again)
