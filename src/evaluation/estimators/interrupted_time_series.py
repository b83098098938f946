"""Interrupted time series: one series' level and trend before and after a start."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from evaluation.errors import NotEstimable
from evaluation.estimators._series import Series, one_series
from evaluation.estimators.base import PanelEstimator
from evaluation.inference.rule import ALPHA, Rule
from evaluation.results import Check, Estimate, Inference, ResultSet, Scale

if TYPE_CHECKING:
    from evaluation.data.moments import Floats, Mask, PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.inference.newey_west import SeriesFit
    from evaluation.study.models import Outcome

ATT = "Effect on the series: mean gap to its own continued course from the start on"
LEVEL = "Change of the series' level at the start"
SLOPE = "Change of the series' trend at the start, a period"
GAP = "Observed less what the course before the start would have been in the period"
COVARIATE = "Coefficient of the covariate"
ENOUGH = 8  # points on each side of the start
FEWEST_BEFORE = 2
LJUNG_BOX_LAGS = 10


class InterruptedTimeSeries(PanelEstimator):
    """Segmented regression of one series, with errors correlated over time."""

    id = "interrupted_time_series"
    title = "Interrupted time series"
    summary = (
        "One regression on time: level and trend before the start, and how both changed with it. The comparison is the "
        "series' own continued course, so anything else that happened at the start is taken for the effect, unless a "
        "comparison series shares it."
    )
    needs = (
        "Units that all start at once (one unit is enough), with eight or more periods before and after. Never-treated "
        "units make a comparison series where `comparison: never_treated` asks for it."
    )
    conventions = (
        "Least squares with Newey-West standard errors (Bartlett's kernel; lags 4 (n/100)^(2/9), rounded down, unless "
        "given), times n/(n-K) where `adjust` is on; or iterated generalised least squares with autoregressive errors "
        "(Yule-Walker, order 1 unless `lags` says; 0 = ordinary least squares). t with n-K degrees of freedom, the "
        "points that feed the filter not counted."
    )
    source = (
        "Wagner, Soumerai, Zhang and Ross-Degnan (2002); Newey and West (1987); Bernal, Cummins and Gasparrini (2017)"
    )

    comparison: Annotated[
        Literal["none", "never_treated"],
        Field(description="never_treated: the series is the distance from never-treated units"),
    ] = "none"
    slope: Annotated[bool, Field(description="Whether the trend may change at the start, beside the level")] = True
    log: Annotated[bool, Field(description="Take the logarithm of the series")] = False
    season: Annotated[Literal["none", "dummies", "fourier"], Field(description="How a yearly pattern is taken out")] = (
        "none"
    )
    period: Annotated[int, Field(ge=2, le=366, description="Periods in a year, for the season")] = 12
    harmonics: Annotated[int, Field(ge=1, le=6, description="Pairs of sine and cosine of a fourier season")] = 2
    covariates: Annotated[
        list[str], Field(default_factory=list, description="Columns of numbers to adjust for, as linear terms")
    ]
    errors: Annotated[
        Literal["newey_west", "ar"], Field(description="Correlation over time: allowed for, or modelled")
    ] = "newey_west"
    lags: Annotated[
        int | None, Field(ge=0, le=60, description="Lags of the errors; none: by the rule (newey_west) or 1 (ar)")
    ] = None
    per: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="Outcomes with an exposure: events per so many units of it; "
            "none: as the outcome's population says, or 1",
        ),
    ] = None
    adjust: Annotated[bool, Field(description="Newey-West only: multiply the variance by n/(n-K)")] = True

    def covariate_columns(self, declared: list[str]) -> list[str]:  # noqa: ARG002 - as the options say
        """The covariates."""
        return list(self.covariates)

    def moments(self, panel: Panel, outcome: Outcome) -> PanelMoments:
        """Sums by cohort and period; of covariates and the exposure too, where there are any."""
        columns = list(dict.fromkeys([*self.covariates, *([outcome.exposure] if outcome.exposure else [])]))
        if not columns:
            return super().moments(panel, outcome)
        from evaluation.data.grams import gram_moments

        return gram_moments(panel, outcome, columns)

    def estimate(self, moments: PanelMoments, outcome: Outcome) -> ResultSet:
        """Terms `att`, `level_change`, `slope_change`, covariates by name, and `gap` by period.

        Raises
        ------
        NotEstimable
            When nobody starts, units start at different times, or the series is too short for the regression.
        """
        found = self._regressed(moments, outcome)
        rows = [found.att(), *found.coefficients(), *found.gaps()]
        checks = (*found.checks(), *_unused(moments, self.comparison))
        return ResultSet(
            estimates=tuple(e for e, _ in rows), inference=tuple(i for _, i in rows if i.std_error is not None),
            checks=checks, flow=moments.flow)  # fmt: skip

    def overall(self, moments: PanelMoments, outcome: Outcome) -> Estimate:
        """The mean gap alone.

        Raises
        ------
        NotEstimable
            When there is none.
        """
        return self._regressed(moments, outcome).att()[0]

    def _regressed(self, moments: PanelMoments, outcome: Outcome) -> Regressed:
        from evaluation.inference.newey_west import autoregressive, newey_west, usual_lags

        controlled = self.comparison == "never_treated"
        series = one_series(moments, outcome.exposure, controlled=controlled, logged=self.log, per=self._per(outcome))
        _require(series, self.slope)
        X, names = self._design(series)
        if self.errors == "ar":
            order = 1 if self.lags is None else self.lags
            fit = autoregressive(X, series.values, order)
            method = f"autoregressive errors of order {order}, iterated" if order else "ordinary least squares"
        else:
            lags = usual_lags(len(series.times)) if self.lags is None else self.lags
            fit = newey_west(X, series.values, lags, adjust=self.adjust)
            method = f"Newey-West, {lags} lag{'' if lags == 1 else 's'}"
        return Regressed(series, X, tuple(names), fit, method, self)

    def _per(self, outcome: Outcome) -> float:
        """Events per so many units of the exposure: a rate that can be read."""
        return self.per or (outcome.per.rate if outcome.per else 1.0)

    def _design(self, series: Series) -> tuple[Floats, list[str]]:
        """Regressors (n, K) with their names; those of the start come first."""
        import numpy as np

        since = (series.times - series.start).astype(np.float64)
        after = series.after.astype(np.float64)
        columns = {"level_change": after}
        if self.slope:
            columns["slope_change"] = after * since
        columns |= {"constant": np.ones(len(since)), "trend": since}
        columns |= {f"season {k}": c for k, c in enumerate(self._season(series))}
        columns |= {f"covariate {name}": series.columns[name] for name in dict.fromkeys(self.covariates)
                    if name in series.columns}  # fmt: skip
        return np.column_stack(list(columns.values())), list(columns)

    def _season(self, series: Series) -> list[Floats]:
        import numpy as np

        place = series.times % self.period
        if self.season == "dummies":
            return [(place == k).astype(np.float64) for k in np.unique(place)[1:]]
        if self.season == "none":
            return []
        found = []
        for k in range(1, min(self.harmonics, self.period // 2) + 1):
            angle = 2 * np.pi * k * place / self.period
            found += [np.cos(angle)] if 2 * k == self.period else [np.sin(angle), np.cos(angle)]
        return found


def _require(series: Series, slope: bool) -> None:
    after = int(series.after.sum())
    before, needed = len(series.times) - after, 2 if slope else 1
    if before < FEWEST_BEFORE or after < needed:
        raise NotEstimable(
            f"The series has {before} period{'' if before == 1 else 's'} before the start and {after} from it on; it "
            f"needs {FEWEST_BEFORE} and {needed} at the very least."
        )


def _unused(moments: PanelMoments, comparison: str) -> tuple[Check, ...]:
    never = int(moments.units[(moments.cohort == 0) | (moments.cohort > moments.times[-1])].sum())
    if comparison != "none" or not never:
        return ()
    message = (
        f"{never} units never treated are not used. With `comparison: never_treated` the series would be the distance "
        "from theirs, and shocks that both share would drop out."
    )
    return (Check("comparison_series", "info", message, statistic=never, counts=(never,)),)


@dataclass(frozen=True, eq=False)
class Regressed:
    """A series with its regression."""

    series: Series
    X: Floats
    names: tuple[str, ...]
    fit: SeriesFit
    method: str
    options: InterruptedTimeSeries

    @cached_property
    def rule(self) -> Rule:
        """The convention of all figures."""
        lost = len(self.fit.autoregression)
        df_rule = f"points - {f'{lost} - ' if lost else ''}coefficients"
        return Rule(self.method, self.options.conf_level, 1, float(self.fit.df), df_rule, self.fit.factor)

    @property
    def scale(self) -> Scale:
        """Of the series."""
        return "log" if self.options.log else "level"

    @property
    def exact(self) -> bool:
        """Whether nothing is left over that errors could be reckoned from."""
        spread = float(self.series.values.std())
        return float(self.fit.variance**0.5) <= 1e-12 * max(spread, abs(float(self.series.values.mean())))

    def _figure(
        self, term: str, estimand: str, value: float, variance: float, **place: Any
    ) -> tuple[Estimate, Inference]:
        std_error = None if self.exact else float(max(variance, 0.0) ** 0.5) or None
        return self.rule.figure(term, estimand, value, std_error, **{"scale": self.scale, **self.series.sizes, **place})

    def _combined(self, term: str, estimand: str, weights: Floats, **place: Any) -> tuple[Estimate, Inference]:
        variance = float(weights @ self.fit.covariance @ weights)
        return self._figure(term, estimand, float(weights @ self.fit.coefficients), variance, **place)

    @property
    def _of_effect(self) -> Mask:
        """Which coefficients are of the start (K,)."""
        import numpy as np

        return np.array([n in ("level_change", "slope_change") for n in self.names])

    def att(self) -> tuple[Estimate, Inference]:
        """Mean gap from the start on, by the delta method."""
        import numpy as np

        weights = np.where(self._of_effect, self.X[self.series.after].mean(axis=0), 0.0)
        return self._combined("att", ATT, weights)

    def coefficients(self) -> list[tuple[Estimate, Inference]]:
        """Level, slope and covariates."""
        import numpy as np

        told = {"level_change": LEVEL, "slope_change": SLOPE}
        rows, one = [], np.eye(len(self.names))
        for k, name in enumerate(self.names):
            if name in told or name.startswith("covariate "):
                term = name.removeprefix("covariate ")
                rows.append(self._combined(term, told.get(name, COVARIATE), one[k]))
        return rows

    def gaps(self) -> list[tuple[Estimate, Inference]]:
        """Observed less the continued course, with the band in which it would lie without any effect."""
        import numpy as np

        without = np.where(self._of_effect, 0.0, self.X)
        gap = self.series.values - without @ self.fit.coefficients
        variance = np.einsum("ij,jk,ik->i", without, self.fit.covariance, without) + self.fit.variance
        sizes = {"n_obs": self.series.sizes["n_units"]}
        method = f"{self.method}; the course's own error and one point's"
        return [
            self._figure("gap", GAP, g, v, time=float(t), method=method, **sizes)
            for t, g, v in zip(self.series.times.tolist(), gap.tolist(), variance.tolist(), strict=True)
        ]

    # ----------------------------------------------------------------- checks

    def checks(self) -> tuple[Check, ...]:
        """Points enough, periods without gaps, and correlation left in the errors."""
        return (*self._points(), *self._holes(), *self._cycles(), *(() if self.exact else self._correlation()))

    def _points(self) -> tuple[Check, ...]:
        after = int(self.series.after.sum())
        fewest = min(after, len(self.series.times) - after)
        enough = fewest >= ENOUGH
        message = f"The series has {len(self.series.times) - after} periods before the start and {after} from it on."
        if not enough:
            message += f" With fewer than {ENOUGH} on a side its trend there is a guess."
        return (Check("enough_points", "pass" if enough else "warn", message, statistic=fewest, threshold=ENOUGH),)

    def _holes(self) -> tuple[Check, ...]:
        import numpy as np

        steps = np.diff(self.series.times)
        missing = int((steps // steps.min() - 1).sum())
        if not missing:
            return ()
        message = f"{missing} periods are missing in the series; lags count the points there are."
        return (Check("periods_missing", "warn", message, statistic=missing),)

    def _cycles(self) -> tuple[Check, ...]:
        before = int((~self.series.after).sum())
        if self.options.season == "none" or before >= 2 * self.options.period:
            return ()
        message = (
            f"The season is known from {before} periods before the start: fewer than two rounds of "
            f"{self.options.period}, so season and effect can be mistaken for each other."
        )
        return (Check("short_season", "warn", message, statistic=before, threshold=2 * self.options.period),)

    def _correlation(self) -> tuple[Check, ...]:
        from evaluation.inference.newey_west import durbin_watson, ljung_box

        rest, order = self.fit.innovations, len(self.fit.autoregression)
        watson = durbin_watson(rest)
        message = f"Durbin-Watson of the errors is {watson:.3g} (2: no correlation from one period to the next)."
        found = [Check("durbin_watson", "info", message, statistic=watson)]
        lags = min(LJUNG_BOX_LAGS, len(rest) // 5)
        if lags <= order:
            return tuple(found)
        statistic, df, p_value = ljung_box(rest, lags, order)
        figures: dict[str, Any] = {"statistic": statistic, "df": df, "p_value": p_value, "threshold": ALPHA}
        if p_value >= ALPHA:
            message = f"No correlation of the errors over time is seen (Ljung-Box, {lags} lags)."
            return (*found, Check("autocorrelation", "pass", message, **figures))
        modelled = self.options.errors == "ar"
        message = f"The errors are correlated over time (Ljung-Box, {lags} lags)" + (
            ", more than the model of them allows for: raise `lags`, or set `errors: newey_west`."
            if modelled
            else "; the standard errors allow for it up to their lags, and with few periods are still too small."
        )
        return (*found, Check("autocorrelation", "warn" if modelled else "info", message, **figures))
