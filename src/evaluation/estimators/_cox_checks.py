"""What is told beside a Cox regression's coefficients: proportional hazards, tests of the model, strata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.results import Check

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.estimators._hazards import AtRisk
    from evaluation.inference.cox_fit import CoxFit
    from evaluation.inference.proportional_hazards import DriftTest

    Floats = NDArray[np.float64]

ALARM = 0.05


@dataclass(frozen=True, eq=False)
class CoxChecks:
    """The checks of one fit; `covariance` (P, P) is the one in force, `strata` are the columns' names."""

    people: AtRisk
    fit: CoxFit
    covariance: Floats
    strata: Sequence[str]

    def all(self) -> Iterator[Check]:
        """In the order in which they are told."""
        yield from self._proportional()
        yield from self._model()
        yield from self._within_strata()

    @property
    def _every(self) -> tuple[int, ...]:
        return self.people.counts(*range(len(self.people.terms)))

    @property
    def _moves(self) -> bool:
        return self.fit.sets.drift is not None

    def _proportional(self) -> Iterator[Check]:
        people = self.people
        terms = list(enumerate(people.terms))[1 if self._moves else 0 :]
        if not terms:
            return
        found = self.fit.drift()
        if found is None:
            message = "Every event falls at one time, so whether hazards stay proportional cannot be told."
            yield Check("proportional_hazards", "info", message, counts=people.counts(0))
            return
        overall, single = found
        yield _drift("", overall, people.counts(*(j for j, _ in terms)))
        for (j, term), test in zip(terms, single, strict=True):
            yield _drift(term, test, people.counts(j))

    def _model(self) -> Iterator[Check]:
        fit, cells = self.fit, self._every
        yield Check("log_likelihood_null", "info", "Log partial likelihood without arm and covariates.",
                    statistic=fit.loglik_null, counts=self.people.counts(0))  # fmt: skip
        yield Check(
            "log_likelihood", "info", "Log partial likelihood of the fitted model.", statistic=fit.loglik, counts=cells
        )
        yield self._likelihood_ratio()
        yield self._wald()
        if not self._moves:
            message = (
                "Concordance: of two people, how often the one the model puts at higher risk has the outcome first."
            )
            yield Check("concordance", "info", message, statistic=fit.concordance(), counts=cells)

    def _likelihood_ratio(self) -> Check:
        from evaluation.inference.intervals import chi_squared_p

        ratio, df = 2 * (self.fit.loglik - self.fit.loglik_null), len(self.fit.coefficients)
        message = "Likelihood-ratio test that arm and covariates leave the hazard as it is."
        if self.people.cells.weights is not None:
            message = "Twice the gain in log partial likelihood. With weights it has no known distribution: see `wald`."
            return Check("likelihood_ratio", "info", message, statistic=ratio, df=df, counts=self._every)
        return Check("likelihood_ratio", "info", message, statistic=ratio, df=df, p_value=chi_squared_p(ratio, df),
                     counts=self._every)  # fmt: skip

    def _wald(self) -> Check:
        from evaluation.inference.covariance import joint_test

        df, cells = len(self.fit.coefficients), self._every
        wald = joint_test(self.fit.coefficients, self.covariance)
        if wald is None:
            message = f"No Wald test of the same: there are too few clusters to test {df} coefficients jointly."
            return Check("wald", "info", message, counts=cells)
        message = "Wald test of the same, with the standard errors in force."
        return Check("wald", "info", message, statistic=wald.statistic, df=df, p_value=wald.p_value, counts=cells)

    def _within_strata(self) -> Iterator[Check]:
        """How many strata there are, and how many people are in those that tell something of the arm."""
        import numpy as np

        people = self.people
        if people.stratum is None:
            return
        n = int(people.stratum.max()) + 1
        telling = np.ones(n, dtype=bool)
        for flags in (people.arm == 1, people.arm == 0, people.event == 1):
            telling &= np.bincount(people.stratum, flags, n) > 0
        inside = people.count(telling[people.stratum])
        message = (
            f"People are compared within {n:,} strata ({', '.join(self.strata)}). "
            f"{int(telling.sum()):,} of them hold both arms and the outcome, with {inside:,} of {people.cells.total:,} "
            "people; the others tell nothing of the arm."
        )
        yield Check("strata", "info", message, statistic=n, counts=(inside, people.cells.total - inside, *people.arms))


def _drift(term: str, test: DriftTest, cells: tuple[int, ...]) -> Check:
    what = "this hazard ratio changes" if term else "the hazard ratios, taken together, change"
    alarm = test.p_value < ALARM
    if alarm:
        message = (
            f"There are signs that {what} over time (score test). One ratio then is an average over the follow-up: "
            "read the curves and the risks at each window beside it."
        )
    else:
        message = f"No clear sign that {what} over time (score test); small changes may be missed."
    return Check("proportional_hazards", "warn" if alarm else "pass", message, term=term, statistic=test.statistic,
                 df=test.df, p_value=test.p_value, threshold=ALARM, counts=cells)  # fmt: skip
