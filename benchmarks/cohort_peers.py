"""Other programs for the same jobs about people: lifelines, scikit-survival, statsmodels, coxstream."""

from collections.abc import Callable, Iterator
from typing import Any

import cohort_programs
from cohort_data import COVARIATES, DISCRETE, WINDOW, WINDOWS
from cohort_programs import Job

PROGRAMS = cohort_programs.PROGRAMS
LIFELINES, SKSURV, STATSMODELS, COXSTREAM = "lifelines", "scikit-survival", "statsmodels", "coxstream"
COX = {"cox_discrete": DISCRETE, "cox_continuous": COVARIATES, "cox_clustered": COVARIATES}


def job(
    program: str, *names: str
) -> Callable[[Callable[[str, str], Iterator[Any]]], Callable[[str, str], Iterator[Any]]]:
    """Register a generator of (job, file): what it does before its first yield is import, the second is the answer."""

    def register(run: Callable[[str, str], Iterator[Any]]) -> Callable[[str, str], Iterator[Any]]:
        for name in names:
            PROGRAMS[name, program] = _of(run, name)
        return run

    return register


def _of(run: Callable[[str, str], Iterator[Any]], name: str) -> Job:
    return lambda file: run(name, file)


def _frame(file: str, *columns: str) -> Any:
    import pyarrow.parquet as pq

    data = pq.read_table(file, columns=["arm", "time", "event", *columns]).to_pandas()
    data["had"] = data["event"] == 1
    return data


def _arms(data: Any) -> list[Any]:
    return [data[data["arm"] == code] for code in (1, 0)]


# --------------------------------------------------------------------------- lifelines


@job(LIFELINES, "km")
def _lifelines_curves(name: str, file: str) -> Iterator[Any]:  # noqa: ARG001
    import pyarrow.parquet  # noqa: F401
    from lifelines import KaplanMeierFitter
    from lifelines.statistics import logrank_test

    yield
    arms = _arms(_frame(file))
    fits = [KaplanMeierFitter().fit(a["time"], a["had"]) for a in arms]
    logrank_test(arms[0]["time"], arms[1]["time"], arms[0]["had"], arms[1]["had"])
    yield 1 - float(fits[0].predict(WINDOW)), None


@job(LIFELINES, "aj")
def _lifelines_incidence(name: str, file: str) -> Iterator[Any]:  # noqa: ARG001
    import pyarrow.parquet  # noqa: F401
    from lifelines import AalenJohansenFitter

    yield
    fits = [AalenJohansenFitter(seed=1).fit(a["time"], a["event"], event_of_interest=1) for a in _arms(_frame(file))]
    yield float(fits[0].predict(WINDOW)), None


@job(LIFELINES, "rmst")
def _lifelines_means(name: str, file: str) -> Iterator[Any]:  # noqa: ARG001
    import pyarrow.parquet  # noqa: F401
    from lifelines import KaplanMeierFitter
    from lifelines.utils import restricted_mean_survival_time

    yield
    fits = [KaplanMeierFitter().fit(a["time"], a["had"]) for a in _arms(_frame(file))]
    for horizon in (*(w for w in WINDOWS if w != WINDOW), WINDOW):
        found = [restricted_mean_survival_time(f, horizon, return_variance=True) for f in fits]
    (treated, v1), (control, v0) = found
    yield float(treated - control), float((v1 / fits[0].durations.size + v0 / fits[1].durations.size) ** 0.5)


@job(LIFELINES, "cox_discrete", "cox_continuous", "cox_clustered")
def _lifelines_cox(name: str, file: str) -> Iterator[Any]:
    import pyarrow.parquet  # noqa: F401
    from lifelines import CoxPHFitter

    yield
    grouped = {"cluster_col": "site"} if name == "cox_clustered" else {}
    columns = [*COX[name], *grouped.values()]
    data = _frame(file, *columns)[["time", "had", "arm", *columns]]
    fit = CoxPHFitter().fit(data, "time", "had", **grouped)
    yield float(fit.params_["arm"]), float(fit.standard_errors_["arm"])


@job(LIFELINES, "km_iptw")
def _lifelines_weighted(name: str, file: str) -> Iterator[Any]:  # noqa: ARG001
    import numpy as np
    import pyarrow.parquet  # noqa: F401
    import statsmodels.api as sm
    from lifelines import KaplanMeierFitter

    yield
    data = _frame(file, *COVARIATES)
    chance = sm.Logit(data["arm"], sm.add_constant(data[COVARIATES])).fit(disp=0).predict()
    data["weight"] = np.where(data["arm"] == 1, 1 / chance, 1 / (1 - chance))
    fits = [KaplanMeierFitter().fit(a["time"], a["had"], weights=a["weight"]) for a in _arms(data)]
    yield 1 - float(fits[0].predict(WINDOW)), None


# --------------------------------------------------------------------------- scikit-survival


@job(SKSURV, "km", "aj")
def _sksurv_curves(name: str, file: str) -> Iterator[Any]:
    import pyarrow.parquet  # noqa: F401
    from sksurv.compare import compare_survival
    from sksurv.nonparametric import cumulative_incidence_competing_risks, kaplan_meier_estimator
    from sksurv.util import Surv

    yield
    data, risks = _frame(file), []
    for a in _arms(data):
        days = a["time"].to_numpy()
        if name == "aj":
            times, curves = cumulative_incidence_competing_risks(a["event"].to_numpy(int), days, conf_type="log-log")[
                :2
            ]
            risks.append(float(curves[1][times <= WINDOW][-1]))
        else:
            times, curve, _ = kaplan_meier_estimator(a["had"].to_numpy(), days, conf_type="log-log")
            risks.append(1 - float(curve[times <= WINDOW][-1]))
    if name == "km":
        compare_survival(Surv.from_arrays(data["had"], data["time"]), data["arm"].to_numpy())
    yield risks[0], None


@job(SKSURV, "cox_discrete", "cox_continuous")
def _sksurv_cox(name: str, file: str) -> Iterator[Any]:
    import pyarrow.parquet  # noqa: F401
    from sksurv.linear_model import CoxPHSurvivalAnalysis
    from sksurv.util import Surv

    yield
    data = _frame(file, *COX[name])
    fit = CoxPHSurvivalAnalysis(ties="efron")
    fit.fit(data[["arm", *COX[name]]].to_numpy(float), Surv.from_arrays(data["had"], data["time"]))
    yield float(fit.coef_[0]), None


# --------------------------------------------------------------------------- statsmodels


@job(STATSMODELS, "km")
def _statsmodels_curves(name: str, file: str) -> Iterator[Any]:  # noqa: ARG001
    import pyarrow.parquet  # noqa: F401
    from statsmodels.duration.survfunc import SurvfuncRight, survdiff

    yield
    data = _frame(file)
    fits = [SurvfuncRight(a["time"].to_numpy(), a["had"].to_numpy(float)) for a in _arms(data)]
    survdiff(data["time"].to_numpy(), data["had"].to_numpy(float), data["arm"].to_numpy())
    place = (fits[0].surv_times <= WINDOW).sum() - 1
    yield 1 - float(fits[0].surv_prob[place]), float(fits[0].surv_prob_se[place])


@job(STATSMODELS, "cox_discrete", "cox_continuous")
def _statsmodels_cox(name: str, file: str) -> Iterator[Any]:
    import pyarrow.parquet  # noqa: F401
    from statsmodels.duration.hazard_regression import PHReg

    yield
    data = _frame(file, *COX[name])
    columns = data[["arm", *COX[name]]].to_numpy(float)
    fit = PHReg(data["time"].to_numpy(float), columns, data["had"].to_numpy(float), ties="efron").fit()
    yield float(fit.params[0]), float(fit.bse[0])


@job(STATSMODELS, "rd_regression", "rd_iptw")
def _statsmodels_risks(name: str, file: str) -> Iterator[Any]:
    import numpy as np
    import pyarrow.parquet  # noqa: F401
    import statsmodels.api as sm
    from statsmodels.treatment.treatment_effects import TreatmentEffect

    yield
    data = _frame(file, *COVARIATES)
    had = (data["had"] & (data["time"] <= WINDOW)).to_numpy(float)
    others = sm.add_constant(data[COVARIATES]).to_numpy(float)
    arm = data["arm"].to_numpy(float)
    if name == "rd_regression":
        fit = sm.Logit(had, np.column_stack([arm, others])).fit(disp=0)
        effects = fit.get_margeff(dummy=True, count=False)
        yield float(effects.margeff[0]), float(effects.margeff_se[0])
    else:
        select = sm.Logit(arm, others).fit(disp=0)
        found = TreatmentEffect(sm.OLS(had, others), arm, results_select=select).ipw()
        yield float(np.ravel(found.effect)[0]), float(np.ravel(found.results_gmm.bse)[0])


# --------------------------------------------------------------------------- coxstream


@job(COXSTREAM, "cox_discrete", "cox_continuous")
def _coxstream(name: str, file: str) -> Iterator[Any]:
    import pyarrow.parquet  # noqa: F401
    from coxstream import CoxStream

    yield
    data = _frame(file, *COX[name])
    fit = CoxStream().fit(
        data["time"].to_numpy(float), data["had"].to_numpy(), data[["arm", *COX[name]]].to_numpy(float)
    )
    yield float(fit.coef_[0]), float(fit.standard_errors_[0])
