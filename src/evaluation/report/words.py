"""The reader's words: plain names for what the results tables call by id. All text here is the project's voice.

Change wording here or in the `.qmd` documents; sentences about the main result are in `verdict.py`.
"""

from __future__ import annotations

import re
from datetime import date

P_VALUE = "p‑value"  # with a hyphen that does not break
HIDDEN = "hidden"
NOT_ESTIMABLE = "not estimable"
STATUS = {
    "ok": "",
    "reference": "reference",
    "suppressed": HIDDEN,
    "not_estimable": NOT_ESTIMABLE,
    "gated": "withheld",
    "failed": "failed",
}
WHY_HIDDEN = (
    "A figure marked “hidden” rests on so few people that printing it could reveal something about one of them. "
    "Hiding it is a rule of the agency that supplied the data, not a finding."
)
ROLES = {
    "primary": "Main",
    "secondary": "Secondary",
    "sensitivity": "Robustness",
    "exploratory": "Exploratory",
}
ESTIMATORS = {
    "risk_difference": "Difference in risk",
    "kaplan_meier": "Kaplan–Meier curves",
    "cumulative_incidence": "Cumulative incidence curves",
    "cox": "Cox regression",
    "pooled_logistic": "Pooled logistic regression",
    "fine_gray": "Fine–Gray regression",
    "rmst": "Difference in event-free time",
    "event_count": "Count of events",
    "did_2x2": "Two-group, two-period difference-in-differences",
    "twfe": "Two-way fixed effects",
    "event_study": "Event study",
    "sun_abraham": "Sun–Abraham event study",
    "callaway_santanna": "Callaway–Sant’Anna difference-in-differences",
    "imputation": "Imputation difference-in-differences",
    "etwfe": "Extended two-way fixed effects",
    "stacked": "Stacked difference-in-differences",
    "poisson_did": "Poisson difference-in-differences",
    "triple_difference": "Triple difference",
    "synthetic_control": "Synthetic control",
    "synthetic_did": "Synthetic difference-in-differences",
    "interrupted_time_series": "Interrupted time series",
}
METHODS = {
    "risk_difference": "compares the share of people with the outcome in the two groups at a fixed time.",
    "kaplan_meier": "follows over time the share of people who have not yet had the outcome, and counts people who "
    "leave the data early for as long as they were seen.",
    "cumulative_incidence": "follows the share of people who have had the outcome, allowing for other events that "
    "rule it out.",
    "cox": "compares, at every moment, how often people who have not yet had the outcome come to have it, holding the "
    "listed characteristics equal.",
    "pooled_logistic": "compares, interval by interval, the odds that people who have not yet had the outcome come to "
    "have it, holding the listed characteristics equal, and adds the intervals up to risks if everyone were in one "
    "group.",
    "event_count": "compares how many events people had for the time they were at risk of them, holding the listed "
    "characteristics equal, as a ratio of rates.",
    "fine_gray": "compares how many people come to have the outcome, keeping in the count those whom another event met "
    "first, as if they were still followed, and holding the listed characteristics equal.",
    "rmst": "compares the average time without the outcome up to a fixed horizon.",
    "twfe": "compares the change in places or people that adopted with the change in the others, after taking out what "
    "is fixed about each unit and what is common to each period. With adoption at different times it can mix early "
    "and late effects.",
    "event_study": "estimates the difference for each period before and after adoption, against a period before it.",
    "sun_abraham": "estimates the difference for each adoption group and period in one regression, and averages over "
    "the groups by time since adoption, so that early and late effects are not mixed.",
    "imputation": "learns from everything observed before adoption, and from units that have not adopted, what each "
    "adopter would have had, and averages the differences to it.",
    "etwfe": "is one regression with an effect of its own for each adoption group in each period, averaged afterwards.",
    "stacked": "builds one data set for each adoption group with units that have not adopted, stacks them, and "
    "compares changes within each.",
    "poisson_did": "compares how the rate of events changed in adopters with how it changed in the others, as a ratio "
    "of rates, which suits counts.",
    "did_2x2": "compares the change from before to after in the units that adopted with the change in the others.",
    "triple_difference": "compares the change in the group the program is for with the change in a group beside it "
    "that the program leaves out, and that difference between adopters and the others.",
    "synthetic_control": "weights units that never adopted so that their average follows the adopters before "
    "adoption, and takes the gap afterwards as the difference. How unusual the gap is, doing the same to the others "
    "tells.",
    "synthetic_did": "weights units that never adopted, and periods before adoption, so that both groups’ paths run "
    "parallel before adoption, and compares changes from there.",
    "interrupted_time_series": "continues the course of the series before the start, and compares what was observed "
    "with it. Anything else that changed at the start is taken for the effect.",
    "callaway_santanna": "compares each group of adopters, from the period it adopted, with units that had not "
    "adopted, and then averages over groups. Units that already adopted never serve as comparison.",
}
CLUSTERED = "standard errors clustered with the factor G/(G − 1) · (N − 1)/(N − K), t distribution (G − 1)"
BESIDE = "below 40 clusters, CR2 with Satterthwaite degrees of freedom and the wild bootstrap stand beside"
# How each method's standard errors are reckoned; the pages of docs/methods say it in full.
CONVENTIONS = {
    "risk_difference": "intervals of shares from the sandwich or binomial variance named below; normal distribution, "
    "with clusters or matched sets t.",
    "kaplan_meier": "Greenwood’s variance; the band on the scale named among the options.",
    "cumulative_incidence": "variance of the Aalen–Johansen estimator by the infinitesimal jackknife, summed within "
    "clusters where there are any; the band on the scale named among the options.",
    "rmst": "variance of the area under the curve by the infinitesimal jackknife, summed within clusters where there "
    "are any; normal distribution.",
    "cox": "variance from the partial likelihood, or the sandwich where there are clusters or weights or robust errors "
    "are asked for; normal distribution.",
    "pooled_logistic": "sandwich variance with scores summed within people and the factor N/(N − K), normal "
    "distribution; within clusters the factor G/(G − 1) · (N − 1)/(N − K), t distribution (G − 1).",
    "event_count": "counts need not vary as the model says: sandwich variance with the factor N/(N − K), normal "
    "distribution; within clusters the factor G/(G − 1) · (N − 1)/(N − K), t distribution (G − 1); intervals of rates "
    "and of their ratio come from the log scale.",
    "fine_gray": "sandwich variance with the uncertainty of the censoring weights, summed within clusters where there "
    "are any; Breslow’s ties; normal distribution.",
    "twfe": f"{CLUSTERED}; K counts the coefficient and the periods, unit effects nested in clusters are not counted; "
    f"{BESIDE}.",
    "event_study": f"{CLUSTERED}; K counts coefficients and periods, unit effects nested in clusters are not counted; "
    f"{BESIDE}.",
    "did_2x2": f"{CLUSTERED}; K is 4 and the characteristics; {BESIDE}.",
    "triple_difference": f"{CLUSTERED}; K is 8 and the characteristics; {BESIDE}.",
    "sun_abraham": f"{CLUSTERED}; K counts cohort effects and periods; shares of adoption groups are taken as given; "
    f"{BESIDE}.",
    "stacked": f"{CLUSTERED}; N counts rows of the stacks, clusters are those of the panel; {BESIDE}.",
    "etwfe": f"{CLUSTERED}; shares of the cells are taken as given; {BESIDE}.",
    "callaway_santanna": "standard errors from influence functions summed within clusters, without a small-sample "
    "factor; normal distribution; the uncertainty of the group sizes is included.",
    "imputation": "conservative standard errors with averages by adoption group and time since adoption, summed within "
    "clusters, without a small-sample factor; normal distribution.",
    "poisson_did": f"counts need not follow the Poisson distribution; {CLUSTERED}; intervals of the rate ratio and of "
    "events averted come from the log scale; below 40 clusters the cluster jackknife stands beside.",
    "synthetic_control": "no standard error: the p-value is the place of the gap, after against before adoption, "
    "among those of all units treated as placebos; the interval holds the constant effects that this test does "
    "not reject.",
    "synthetic_did": "placebo standard errors where an adoption group has one unit, else the jackknife with weights "
    "held; normal distribution.",
    "interrupted_time_series": "Newey–West standard errors, or autoregressive errors where asked for; t distribution "
    "with points less coefficients as degrees of freedom.",
}
TERMS = {
    "att": "Overall effect",
    "att_simple": "Overall effect",
    "att_group": "Overall effect, each adoption group counted by its size",
    "att_dynamic": "Average over the periods since adoption",
    "att_calendar": "Average over calendar periods",
    "event": "By time since adoption",
    "group_time": "Each adoption group in each period",
    "group": "By adoption group",
    "calendar": "By calendar period",
    "gap": "Gap to the course expected without the program",
    "weight": "Weight of the comparison unit",
    "time_weight": "Weight of the period",
    "level_change": "Change of the level at the start",
    "slope_change": "Change of the trend at the start",
    "events_averted": "Events averted",
    "mean": "Average",
    "arm": "Program group, against comparison group",
    "arm_by_time": "Change of the ratio of the groups with time",
    "arm_at_window": "Ratio of the groups reached",
    "risk_treated": "Risk, program group",
    "risk_control": "Risk, comparison group",
    "risk_difference": "Difference in risk",
    "risk_ratio": "Risk ratio",
    "odds_ratio": "Odds ratio",
    "rate_ratio": "Rate ratio",
    "rate_treated": "Events a person-year, program group",
    "rate_control": "Events a person-year, comparison group",
    "rmst_treated": "Event-free time, program group",
    "rmst_control": "Event-free time, comparison group",
    "rmst_difference": "Difference in event-free time",
    "rmst_ratio": "Ratio of event-free times",
    "rmtl_treated": "Time lost, program group",
    "rmtl_control": "Time lost, comparison group",
    "rmtl_difference": "Difference in time lost",
    "rmtl_ratio": "Ratio of times lost",
}
SCALES = {
    "level": "the outcome’s own units",
    "log": "logarithm of the outcome",
    "risk": "share of people (0 to 1), or a ratio of shares",
    "log_hazard": "logarithm of a hazard ratio",
    "log_odds": "logarithm of an odds ratio",
    "log_rate": "logarithm of a rate ratio",
    "time": "time",
}
CHECKS = {
    "not_estimable": "No valid comparison",
    "undated_events": "Events without a date",
    "unknown_offence_codes": "Offences that are no codes",
    "events_after_death": "Events after a death",
    "wrong_stays": "Stays that cannot be",
    "crossover": "People in both groups",
    "filter_without_rows": "Conditions that nothing meets",
    "unknown_codes": "Values that are no codes",
    "impossible_days": "Days that cannot be",
    "stays_backwards": "Stays that end before they start",
    "persons_not_found": "People not found in a table",
    "silent_end": "Records that end early",
    "coverage_unknown": "Coverage of an unknown table",
    "impossible_ages": "Ages that cannot be",
    "diagnostic_missing": "A check that stopped",
    "pretrends": "Paths before adoption",
    "pretrend_leads": "Single differences before adoption",
    "pretrend_size": "Size of differences before adoption",
    "pretrend_slope": "Steady drift before adoption",
    "pretrend_power": "Drift that could be missed",
    "honest_breakdown": "Room for paths that differ",
    "honest_breakdown_smoothness": "Room for trends that bend",
    "placebo_time": "Adoption moved ahead",
    "placebo_outcome": "Outcomes out of reach",
    "leave_one_cohort": "One adoption group left out",
    "leave_one_unit": "One unit left out",
    "anticipation": "Reaction before adoption",
    "randomisation": "Adoption dates given to others",
    "neighbours": "Neighbours that share shocks",
    "two_way_clusters": "Shocks of a period",
    "spillover_ring": "Neighbours left out",
    "displacement": "Change among neighbours",
    "estimators_agree": "Other methods agree",
    "second_opinion": "Another library agrees",
    "goodman_bacon": "Comparisons with earlier adopters",
    "negative_weights": "Negative weights",
    "reporting_coverage": "Who reports when",
    "composition": "Same units throughout",
    "outlying_points": "Points out of line",
    "log_rank": "Log-rank test",
    "proportional_hazards": "Constant ratio over time",
    "small_cohort": "Small adoption group",
    "few_clusters": "Few clusters",
    "few_treated_clusters": "Few treated clusters",
    "few_events": "Few events",
    "few_periods_before": "Few periods before adoption",
    "few_placebos": "Few placebos",
    "single_cluster": "One cluster only",
    "clustering": "Clustering",
    "no_standard_error": "No standard error",
    "staggered_adoption": "Adoption at different times",
    "cohorts_left_out": "Adoption groups left out",
    "collinear_covariates": "Characteristics that say the same",
    "one_sided_units": "Units seen on one side only",
    "outcome_type": "Kind of outcome",
    "overlap": "Alike enough to compare",
    "balance": "Alike after adjustment",
    "propensity_tails": "People hardly seen in the other group",
    "effective_size": "Effective number of people",
    "largest_weight": "Largest weight of one person",
    "matched": "People matched",
    "trimmed": "People set aside",
    "truncated": "Weights cut back",
    "censoring_weights": "People who left early",
    "stack_window": "Window of the stacks",
    "event_times": "Periods since adoption",
    "competing_events": "Other events that end follow-up",
    "never_at_risk": "People without time at risk",
    "street_exposure": "Time at liberty alone",
    "exposure_past_competing": "Time at risk after a competing event",
    "dispersion": "How much counts vary",
    "gray_test": "Equality of the curves, with other events allowed for",
    "days_gained": "Days without the outcome gained",
    "cells_missing": "Group and period without data",
    "periods_missing": "Periods without data",
    "donor_pool": "Comparison units to draw on",
    "donor_range": "Within the comparison units’ range",
    "donor_contamination": "Breaks among comparison units",
    "fit_before": "Fit before adoption",
    "post_pre_ratio": "Gap after against before adoption",
    "weights_optimal": "Best possible weights",
    "weights_not_unique": "Other weights fit as well",
    "comparison_series": "Comparison series",
    "enough_points": "Points in the series",
    "short_season": "Season seen too seldom",
    "autocorrelation": "Errors that carry over",
    "durbin_watson": "Durbin–Watson statistic",
    "likelihood_ratio": "Likelihood-ratio test",
    "wald": "Wald test",
    "concordance": "Concordance",
    "strata": "Compared within groups",
    "log_likelihood": "Log likelihood",
    "log_likelihood_null": "Log likelihood without characteristics",
    "attrition": "Attrition",
    "equivalence_after_loss": "Alike among those who remain",
    "follow_up_length": "Length of follow-up",
    "differential_follow_up": "Follow-up alike in both groups",
    "missing_data": "Characteristics not recorded",
    "missing_covariate": "One characteristic not recorded",
    "missing_patterns": "What is missing together",
    "imputation": "Missing characteristics filled in",
    "e_value": "Unmeasured common causes",
    "effect_size": "Size in standard deviations",
    "cluster_correction": "Clusters allowed for afterwards",
    "minimum_detectable": "What the study could have found",
}
# The kinds of the sensitivity table: what was changed.
KINDS = {
    "placebo_time": "Adoption moved ahead, where nothing had happened yet",
    "placebo_outcome": "An outcome that the program cannot change",
    "placebo_never_treated": "Adoption dealt at random among units never treated",
    "leave_one_unit": "One unit left out",
    "leave_one_cohort": "One adoption group left out",
    "anticipation": "Units may react earlier",
    "honest_relative": "Paths that differ (relative to moves before adoption)",
    "honest_smoothness": "Trends that bend",
    "pretrend_power": "Drift that could be missed",
    "randomisation": "Adoption dates given to other units",
    "spillover_ring": "Neighbours left out of the comparison",
    "displacement": "Neighbours as if treated",
    "imputation": "Missing characteristics filled in",
    "e_value": "Unmeasured common cause (E-value)",
}
COMPARISONS = {
    "treated_vs_never": "Adopters against units that never adopt",
    "earlier_vs_later": "Earlier adopters against later ones, before these adopt",
    "later_vs_earlier": "Later adopters against units that adopted already",
    "cell": "Adoption group in one period",
}
OPINIONS = {"agrees": "Agrees", "differs": "Differs", "unavailable": "Not available", "suppressed": "Hidden"}
CHECK_STATUS = {"pass": "Passed", "warn": "Concern", "fail": "Failed", "info": "For information"}
DATA_ROLES = {
    "unit": "Unit",
    "period": "Period",
    "cohort": "Start of the program",
    "cluster": "Cluster",
    "weight": "Weight",
    "outcome": "Outcome",
    "exposure": "Exposure",
    "person": "Person",
    "arm": "Program or comparison",
    "time": "Follow-up time",
    "event": "Outcome or end of follow-up",
    "follow-up": "Potential follow-up",
    "covariate": "Characteristic",
}
OPTIONS = {
    "conf_level": "Confidence level",
    "adjust": "Adjustment",
    "control_group": "Comparison units",
    "base_period": "Base period",
    "method": "Estimation",
    "covariates": "Characteristics held equal",
    "ties": "Events at the same time",
    "variance": "Standard errors",
    "anticipation": "Periods of anticipation",
    "window": "Window",
    "model": "Model of the counts",
    "count": "Number of events",
    "exposure": "Time at risk",
    "exposure_unit": "Unit of the time at risk",
    "reference": "Reference period",
    "robust": "Robust standard errors",
    "strata": "Compared within",
    "time_interaction": "Ratio that moves with time",
    "conf_type": "Scale of the bands",
    "comparison": "Comparison",
    "donors": "Units to draw on",
    "draws": "Draws",
    "errors": "Errors over time",
    "family": "Form of the model",
    "harmonics": "Waves of the season",
    "inference": "Standard errors",
    "lags": "Lags",
    "leave_out": "Own cluster left out of averages",
    "leads": "Differences before adoption",
    "log": "Logarithm of the series",
    "panel": "Data in units over periods",
    "balance": "Balance in time since adoption",
    "penalty": "Penalty on the weights",
    "period": "Periods in a year",
    "season": "Season",
    "seed": "Seed of random draws",
    "slope": "The trend may change",
    "solver": "Way to the weights",
    "third": "Group beside",
    "estimand": "Whom the figures are about",
    "trim": "Propensities kept",
    "truncate": "Quantile at which weights are cut back",
    "folds": "Folds of cross-fitting",
    "distance": "Distance of matching",
    "ratio": "Matches for each",
    "caliper": "Largest distance of matching",
    "exact": "Matched exactly on",
    "replace": "May be matched again",
    "censoring": "People who left early",
    "censoring_covariates": "Characteristics on which leaving early depends",
}
# Options of risk_difference that only some ways of adjusting use; with others they are left out of what is in force.
OPTIONS_OF = {
    "covariates": ("regression", "iptw", "aipw", "matching"),
    "estimand": ("regression", "iptw", "aipw", "matching"),
    "trim": ("iptw",),
    "truncate": ("iptw",),
    "folds": ("aipw",),
    "seed": ("aipw", "matching"),
    "distance": ("matching",),
    "ratio": ("matching",),
    "caliper": ("matching",),
    "exact": ("matching",),
    "replace": ("matching",),
}
OPTION_VALUES = {
    "reg": "outcome regression",
    "ipw": "inverse-probability weighting",
    "iptw": "inverse-probability-of-treatment weighting",
    "dr": "doubly robust",
    "aipw": "doubly robust (augmented inverse-probability weighting)",
    "matching": "matching on the propensity",
    "ate": "everyone",
    "att": "the program group",
    "ato": "people who could be in either group",
    "refuse": "no answer where people left early",
    "independent": "taken to leave for reasons that have nothing to do with their prospects",
    "ipcw": "others weighted to stand for them",
    "efron": "Efron’s rule",
    "breslow": "Breslow’s rule",
    "never_treated": "units that never adopt",
    "not_yet_treated": "units that have not adopted yet",
    "last_cohort": "the last to adopt",
    "varying": "the period before each",
    "universal": "one period for all",
    "newey_west": "Newey–West",
    "ar": "autoregressive model",
    "frank_wolfe": "Frank–Wolfe, as published",
    "logit": "logit",
    "poisson": "Poisson",
    "negative_binomial": "negative binomial",
    "street": "days at liberty",
    "calendar": "calendar days",
}
GLOSSARY = {
    "Adoption group": "Units that started the program in the same period.",
    "Baseline risk": "How common the outcome is without the program; here, in the comparison group.",
    "Clustered": "Uncertainty reckoned for whole groups (such as states) that share what happens to them.",
    "Comparison group": "People or places without the program, who show what would have happened without it.",
    "Confidence interval": "The plausible range. In 95 of 100 repeated studies it would hold the truth.",
    "Covariate": "A characteristic measured before the program, used to make the groups alike.",
    "Difference-in-differences": "The change among adopters less the change among the others.",
    "Event study": "The estimated difference for each period before and after the start.",
    "Hazard ratio": "How often, at any moment, the outcome comes about in the program group, relative to comparison. "
    "1 means equally often.",
    "Minimum detectable effect": "The smallest true difference that a study of this size would find 4 times of 5: 2.8 "
    "times the standard error.",
    "Parallel trends": "The assumption that, without the program, both groups would have changed alike.",
    "Plausible range": "The values of the true difference that fit the data (the 95% confidence interval unless said "
    "otherwise).",
    "p-value": "How often chance alone would give a difference at least this large if there were none.",
    "Risk": "The share of people with the outcome within a stated time.",
    "Risk ratio": "The risk in the program group divided by the risk in the comparison group.",
    "Standard error": "The typical distance of an estimate from the truth that chance alone brings.",
    "Standardised difference": "A difference of two averages, in standard deviations. Below 0.1 is often called small.",
}


MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def day(iso: str) -> str:
    """`2026-01-02` as a reader writes it: January 2, 2026; anything else unchanged."""
    try:
        found = date.fromisoformat(iso)
    except ValueError:
        return iso
    return f"{MONTHS[found.month - 1]} {found.day}, {found.year}"


def plain(identifier: str) -> str:
    """A readable stand-in for an id that has no name of its own."""
    return identifier.replace("_", " ").replace(":", " ").strip()


def named(table: dict[str, str], identifier: str) -> str:
    """The plain name of an id, else the id in plain words with a capital."""
    return table.get(identifier) or upper_first(plain(identifier))


def upper_first(text: str) -> str:
    """For the start of a sentence or a cell."""
    return text[:1].upper() + text[1:]


FIRST_WORD = re.compile(r"[\w’']+")
PROPER = frozenset(
    ("African", "American", "Asian", "Black", "Christian", "Hispanic", "Indian", "Indigenous", "Latina", "Latino",
     "Medicaid", "Medicare", "Narcan", "Native", "White")
)  # fmt: skip


def lower_first(text: str) -> str:
    """For mid-sentence use; names and acronyms (a capital later on, or one of `PROPER`) keep their capital."""
    first = FIRST_WORD.match(text)
    kept = re.search(r"[A-Z]", text[1:]) or (first and first.group() in PROPER)
    return text if kept else text[:1].lower() + text[1:]


def counted(n: float, singular: str, plural: str = "") -> str:
    """`1 week`, `52 weeks`, `1.5 weeks`."""
    from evaluation.report.numbers import number

    shown = f"{int(n):,}" if float(n).is_integer() else number(n)
    return f"{shown} {singular if n == 1 else plural or singular + 's'}"
