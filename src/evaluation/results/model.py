"""The data model of the results: every table, column, type, unit and disclosure class."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

COUNTS = "_counts"  # a private column of rows on their way to the disclosure door: the numbers of people they tell
# Terms by which an analysis is judged, the first that it has.
MAIN_TERMS = ("att", "risk_difference", "rmst_difference", "arm", "rate_ratio", "risk_ratio", "odds_ratio")
Kind = Literal["string", "integer", "number", "boolean"]
Disclosure = Literal["public", "count", "figure"]


@dataclass(frozen=True)
class Column:
    """One column of a results table. `disclosure`: `count` of people or units, `figure` derivable from counts."""

    name: str
    type: Kind
    description: str
    required: bool = False
    unit: str = ""
    disclosure: Disclosure = "public"


@dataclass(frozen=True)
class Table:
    """A results table: its name, what it holds and its columns, in order."""

    name: str
    description: str
    columns: tuple[Column, ...] = field(default=())

    @property
    def names(self) -> list[str]:
        """Column names, in order."""
        return [c.name for c in self.columns]


def _c(
    name: str,
    kind: Kind,
    description: str,
    *,
    required: bool = False,
    unit: str = "",
    disclosure: Disclosure = "public",
) -> Column:
    return Column(name, kind, description, required, unit, disclosure)


_STUDY = _c("study", "string", "Study id", required=True)
_ANALYSIS = _c("analysis", "string", "Analysis id; empty where the row concerns the whole study")
_TERM = _c("term", "string", "What is estimated", required=True)
_GROUP = _c("group", "string", "Cohort, arm or stratum the row is about")
_TIME = _c("time", "number", "Period, event time or window the row is about")
_INTERVAL = (
    _c("estimate", "number", "Point estimate", disclosure="figure"),
    _c("std_error", "number", "Standard error", disclosure="figure"),
    _c("conf_low", "number", "Lower end of the confidence interval", disclosure="figure"),
    _c("conf_high", "number", "Upper end of the confidence interval", disclosure="figure"),
)
_P = _c("p_value", "number", "Two-sided p-value", disclosure="figure")
_STATUS = _c("status", "string", "ok, reference, suppressed, not_estimable or gated", required=True)
_COUNTS = (
    _c("n_obs", "integer", "Observations used", unit="rows", disclosure="count"),
    _c("n_units", "integer", "Units (people, places) used", unit="units", disclosure="count"),
    _c("n_treated_units", "integer", "Treated units used", unit="units", disclosure="count"),
    _c("n_clusters", "integer", "Clusters used", unit="clusters", disclosure="count"),
)

TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        Table(
            "estimates",
            "One row an estimate",
            (
                _STUDY,
                _c("analysis", "string", "Analysis id", required=True),
                _c("role", "string", "primary, secondary, sensitivity or exploratory", required=True),
                _c("outcome", "string", "Outcome id", required=True),
                _c("estimator", "string", "Estimator id", required=True),
                _c("estimand", "string", "The quantity estimated", required=True),
                _TERM,
                _GROUP,
                _TIME,
                *_INTERVAL,
                _P,
                _c("conf_level", "number", "Confidence level of the interval", required=True),
                _c("scale", "string", "level, log, risk, log_hazard, log_odds, log_rate or time", required=True),
                *_COUNTS,
                _STATUS,
            ),
        ),
        Table(
            "inference",
            "How each uncertainty was reckoned, and alternatives to it, under the estimate's key",
            (
                _STUDY,
                _ANALYSIS,
                _TERM,
                _GROUP,
                _TIME,
                _c("method", "string", "Rule the uncertainty follows", required=True),
                *_INTERVAL[1:],
                _P,
                _c(
                    "distribution",
                    "string",
                    "Reference distribution: t, normal, bootstrap (draws of random weights) or randomisation "
                    "(other assignments of the same adoption dates)",
                    required=True,
                ),
                _c("df", "number", "Degrees of freedom of the reference distribution"),
                _c("df_rule", "string", "Where the degrees of freedom come from"),
                _c("small_sample_factor", "number", "Factor by which the variance was multiplied"),
                _COUNTS[3],
            ),
        ),
        Table(
            "diagnostics",
            "One row a check",
            (
                _STUDY,
                _ANALYSIS,
                _c("check", "string", "Check id", required=True),
                _c("status", "string", "pass, warn, fail or info", required=True),
                _c("term", "string", "Term the check is about"),
                _GROUP,
                _TIME,
                _c("statistic", "number", "Test statistic or measured figure", disclosure="figure"),
                _c("df", "number", "Degrees of freedom"),
                _P,
                _c("threshold", "number", "Limit the statistic is held against"),
                _c("message", "string", "What it means, in words", required=True),
            ),
        ),
        Table(
            "event_study",
            "Effects by time since adoption",
            (
                _STUDY,
                _ANALYSIS,
                _c("outcome", "string", "Outcome id", required=True),
                _c("estimator", "string", "Estimator id", required=True),
                _c("event_time", "number", "Periods since adoption", required=True, unit="periods"),
                _c("phase", "string", "before or after adoption", required=True),
                *_INTERVAL,
                _P,
                _COUNTS[2],
                _STATUS,
            ),
        ),
        Table(
            "sensitivity",
            "The answer under other choices: placebos, one unit or cohort left out, bounds on departures from trends",
            (
                _STUDY,
                _ANALYSIS,
                _c(
                    "kind",
                    "string",
                    "placebo_time, placebo_outcome, placebo_never_treated, leave_one_unit, leave_one_cohort, "
                    "anticipation, honest_smoothness, honest_relative, pretrend_power, randomisation, spillover_ring "
                    "(neighbours left out), displacement (the effect on neighbours), imputation (missing "
                    "characteristics imputed) or e_value (estimate: how strong an unmeasured common cause of program "
                    "and outcome must be, as a risk ratio, to explain the estimate away; conf_low: the same for the "
                    "limit of its interval)",
                    required=True,
                ),
                _c("label", "string", "What was changed, in words", required=True),
                _c("group", "string", "Unit, cohort, outcome or term concerned"),
                _c("parameter", "number", "Figure that was set: a shift in periods, a bound, a window"),
                *_INTERVAL,
                _P,
                _c("method", "string", "How the interval was reckoned, where it is not the analysis's own rule"),
                _STATUS,
            ),
        ),
        Table(
            "decomposition",
            "What a two-way fixed effects coefficient is a weighted mean of",
            (
                _STUDY,
                _ANALYSIS,
                _c("kind", "string", "treated_vs_never, earlier_vs_later, later_vs_earlier or cell", required=True),
                _c("treated", "string", "Cohort that changes treatment", required=True),
                _c("control", "string", "Cohort compared with; empty for a cell"),
                _c("time", "number", "Period, of a cell"),
                _c("weight", "number", "Weight in the coefficient; can be negative for a cell", disclosure="figure"),
                _c("estimate", "number", "Difference-in-differences of the two cohorts", disclosure="figure"),
                _STATUS,
            ),
        ),
        Table(
            "second_opinion",
            "Estimates recomputed by another library, beside ours",
            (
                _STUDY,
                _ANALYSIS,
                _TERM,
                _GROUP,
                _TIME,
                _c("library", "string", "Library and version", required=True),
                _c("estimate", "number", "Its estimate", disclosure="figure"),
                _c("std_error", "number", "Its standard error", disclosure="figure"),
                _c("convention", "string", "How its standard error is reckoned", required=True),
                _c("our_estimate", "number", "Our estimate", disclosure="figure"),
                _c("our_std_error", "number", "Our standard error", disclosure="figure"),
                _c("our_convention", "string", "How our standard error is reckoned"),
                _c("relative_difference", "number", "Difference of the estimates over ours", disclosure="figure"),
                _c("status", "string", "agrees, differs, unavailable or suppressed", required=True),
            ),
        ),
        Table(
            "curve",
            "Curves over follow-up time, by arm",
            (
                _STUDY,
                _ANALYSIS,
                _c("outcome", "string", "Outcome id", required=True),
                _c("quantity", "string", "survival or cumulative_incidence", required=True),
                _c("group", "string", "treated, control or all", required=True),
                _c("time", "number", "Time since the index date", required=True, unit="the design's time unit"),
                _c(
                    "n_risk",
                    "integer",
                    "People at risk just before this time (coarsened curve: after the last point)",
                    unit="people",
                    disclosure="count",
                ),
                _c("n_event", "integer", "Events since the point before", unit="people", disclosure="count"),
                _c("n_censor", "integer", "People censored since the point before", unit="people", disclosure="count"),
                *_INTERVAL,
                _c("band_low", "number", "Lower edge of the band that holds the whole curve", disclosure="figure"),
                _c("band_high", "number", "Upper edge of the band that holds the whole curve", disclosure="figure"),
                _STATUS,
            ),
        ),
        Table(
            "series",
            "The raw outcome by group over time, before any model",
            (
                _STUDY,
                _c("outcome", "string", "Outcome id", required=True),
                _c("group", "string", "treated, control or cohort:<first period>", required=True),
                _c("time", "number", "Period", required=True),
                _c("estimate", "number", "Mean of the outcome (weighted where the study says)", disclosure="figure"),
                _COUNTS[1],
                _c("total", "number", "Sum of a count outcome", unit="events", disclosure="count"),
                _STATUS,
            ),
        ),
        Table(
            "flow",
            "What left the data, step by step, and why",
            (
                _STUDY,
                _ANALYSIS,
                _c("step", "string", "Step id", required=True),
                _c("reason", "string", "Why rows, units or people left", required=True),
                _c("level", "string", "What is counted: row, unit or person", required=True),
                _c("n_dropped", "integer", "Left at this step", required=True, disclosure="count"),
                _c("n_remaining", "integer", "Remaining after it", required=True, disclosure="count"),
                _STATUS,
            ),
        ),
        Table(
            "baseline",
            "Characteristics before the program, by arm",
            (
                _STUDY,
                _c("covariate", "string", "Column", required=True),
                _c("group", "string", "treated or control", required=True),
                _c("n", "integer", "People with the value known", disclosure="count"),
                _c("n_missing", "integer", "People with the value missing", disclosure="count"),
                _c("kind", "string", "binary or continuous", required=True),
                _c("mean", "number", "Mean, or share for a yes/no characteristic", disclosure="figure"),
                _c("std_dev", "number", "Standard deviation", disclosure="figure"),
                _c("smd", "number", "Standardised mean difference, treated minus control", disclosure="figure"),
                _STATUS,
            ),
        ),
        Table(
            "balance",
            "Characteristics by arm before and after an analysis weighs, matches or adjusts",
            (
                _STUDY,
                _ANALYSIS,
                _c("covariate", "string", "Column", required=True),
                _c("stage", "string", "before or after the analysis weighs or matches people", required=True),
                _c("time", "number", "Window, where the analysis has several"),
                _c("kind", "string", "binary or continuous", required=True),
                _c("mean_treated", "number", "Mean, or share, of the treated", disclosure="figure"),
                _c("mean_control", "number", "Mean, or share, of the comparison", disclosure="figure"),
                _c("std_dev_treated", "number", "Standard deviation of the treated", disclosure="figure"),
                _c("std_dev_control", "number", "Standard deviation of the comparison", disclosure="figure"),
                _c("smd", "number", "Standardised mean difference, treated minus control", disclosure="figure"),
                _c(
                    "variance_ratio",
                    "number",
                    "Variance of the treated over that of the comparison",
                    disclosure="figure",
                ),
                _STATUS,
            ),
        ),
        Table(
            "overlap",
            "People by their estimated chance of being treated",
            (
                _STUDY,
                _ANALYSIS,
                _c("group", "string", "treated or control", required=True),
                _c("time", "number", "Window, where the analysis has several"),
                _c("low", "number", "Lower end of the bin", required=True),
                _c("high", "number", "Upper end of the bin", required=True),
                _c("n", "integer", "People in the bin", unit="people", disclosure="count"),
                _c("weight", "number", "Sum of their weights", disclosure="figure"),
                _STATUS,
            ),
        ),
        Table(
            "attrition",
            "People lost to the analysis, by arm, against the What Works Clearinghouse's boundary",
            (
                _STUDY,
                _ANALYSIS,
                _c("time", "number", "Window"),
                _c("n_treated", "integer", "Treated people who entered", unit="people", disclosure="count"),
                _c("n_control", "integer", "Comparison people who entered", unit="people", disclosure="count"),
                _c(
                    "known_treated", "integer", "Treated people with a known outcome", unit="people", disclosure="count"
                ),
                _c(
                    "known_control",
                    "integer",
                    "Comparison people with a known outcome",
                    unit="people",
                    disclosure="count",
                ),
                _c(
                    "analysed_treated",
                    "integer",
                    "Treated people with a known outcome and every characteristic adjusted for",
                    unit="people",
                    disclosure="count",
                ),
                _c(
                    "analysed_control",
                    "integer",
                    "Comparison people with a known outcome and every characteristic adjusted for",
                    unit="people",
                    disclosure="count",
                ),
                _c("overall", "number", "Overall attrition", unit="per cent", disclosure="figure"),
                _c("differential", "number", "Differential attrition", unit="percentage points", disclosure="figure"),
                _c(
                    "boundary_cautious",
                    "number",
                    "Largest differential allowed, cautious assumption",
                    unit="percentage points",
                    disclosure="figure",
                ),
                _c(
                    "boundary_optimistic",
                    "number",
                    "Largest differential allowed, optimistic assumption",
                    unit="percentage points",
                    disclosure="figure",
                ),
                _c("rating_cautious", "string", "low or high attrition, cautious assumption", disclosure="figure"),
                _c("rating_optimistic", "string", "low or high attrition, optimistic assumption", disclosure="figure"),
                _STATUS,
            ),
        ),
        Table(
            "subgroups",
            "Effects within declared strata, with tests of whether they differ",
            (
                _STUDY,
                _ANALYSIS,
                _c("outcome", "string", "Outcome id", required=True),
                _c("covariate", "string", "Characteristic that divides people", required=True),
                _c("level", "string", "Stratum", required=True),
                _TERM,
                _TIME,
                *_INTERVAL,
                _P,
                _c("scale", "string", "As in estimates", required=True),
                _COUNTS[1],
                _COUNTS[2],
                _c("p_interaction", "number", "Test that the effect is the same in all strata", disclosure="figure"),
                _c(
                    "p_interaction_adjusted",
                    "number",
                    "The same, adjusted over the characteristics",
                    disclosure="figure",
                ),
                _c("adjustment", "string", "How it is adjusted"),
                _STATUS,
            ),
        ),
        Table(
            "implementation",
            "What was delivered, to whom and when: descriptions by arm and group, never effects",
            (
                _STUDY,
                _c("measure", "string", "Measure id", required=True),
                _c("label", "string", "What is described, in words", required=True),
                _c("family", "string", "dosage, fidelity, funnel, retention or equity", required=True),
                _c("group", "string", "treated, control or all", required=True),
                _c("stratum", "string", "Group of people within it; empty for all"),
                _c("position", "integer", "Place in a funnel, or time in a course", required=True),
                _c("statistic", "string", "share, mean, median, q25, q75, rate or count", required=True),
                _c("n", "integer", "People described", unit="people", disclosure="count"),
                _c("n_with", "integer", "People of whom it holds, of a share", unit="people", disclosure="count"),
                _c("value", "number", "The figure", disclosure="figure"),
                _c("unit", "string", "Its unit"),
                _STATUS,
            ),
        ),
        Table(
            "data_quality",
            "Missing values per column the study uses",
            (
                _STUDY,
                _c("column", "string", "Column", required=True),
                _c("role", "string", "Role in the study", required=True),
                _c("type", "string", "Type in the data", required=True),
                _c("n_rows", "integer", "Rows read", unit="rows", disclosure="count"),
                _c("n_missing", "integer", "Missing values (empty)", unit="rows", disclosure="count"),
                _c("n_nan", "integer", "Not-a-number values, treated as missing", unit="rows", disclosure="count"),
                _STATUS,
            ),
        ),
        Table(
            "linkage",
            "People of each agency whose records were found at another agency of the store too",
            (
                _STUDY,
                _c("agency", "string", "Agency", required=True),
                _c("stratum", "string", "Group of its people; empty for all"),
                _c("n", "integer", "People of the agency", unit="people", disclosure="count"),
                _c("n_linked", "integer", "Of them, found at another agency", unit="people", disclosure="count"),
                _c("share", "number", "Share found at another agency", disclosure="figure"),
                _STATUS,
            ),
        ),
        Table(
            "agreements",
            "Agreements under which the submitted tables were read",
            (
                _STUDY,
                _c("agreement", "string", "Agreement id", required=True),
                _c("title", "string", "Its title", required=True),
                _c("parties", "string", "Agencies that send under it", required=True),
                _c("tables", "string", "Tables read under it", required=True),
                _c("legal_basis", "string", "Laws that it rests on", required=True),
                _c("starts", "string", "First day in force", required=True),
                _c("expires", "string", "Last day in force", required=True),
                _STATUS,
            ),
        ),
        Table(
            "suppression",
            "What disclosure control hid, by table",
            (
                _STUDY,
                _c("table", "string", "Results table", required=True),
                _c("profile", "string", "Disclosure profile", required=True),
                _c("rule", "string", "Rule applied", required=True),
                _c("n_rows", "integer", "Rows in the table", required=True),
                _c("n_suppressed", "integer", "Rows hidden or coarsened", required=True),
            ),
        ),
        Table(
            "analyses",
            "What became of each analysis",
            (
                _STUDY,
                _c("analysis", "string", "Analysis id", required=True),
                _c("role", "string", "primary, secondary, sensitivity or exploratory", required=True),
                _c("outcome", "string", "Outcome id", required=True),
                _c("estimator", "string", "Estimator id", required=True),
                _c("options", "string", "Options in force, defaults included, as JSON", required=True),
                _c("status", "string", "ok, not_estimable, failed or suppressed", required=True),
                _c("reason", "string", "Why, where it is not ok"),
            ),
        ),
    )
}

DATA_MODEL = Table(
    "tables",
    "The data model of the results",
    tuple(
        _c(n, "string", d, required=True)
        for n, d in (
            ("table", "Table"),
            ("column", "Column"),
            ("type", "string, integer, number or boolean"),
            ("unit", "Unit, where it has one"),
            ("required", "Whether every row has a value"),
            ("disclosure", "public, count or figure"),
            ("description", "What the column holds"),
        )
    ),
)


def data_model() -> list[dict[str, str]]:
    """The rows of `tables.csv`: every column of every results table."""
    return [
        {
            "table": t.name,
            "column": c.name,
            "type": c.type,
            "unit": c.unit,
            "required": "true" if c.required else "false",
            "disclosure": c.disclosure,
            "description": c.description,
        }
        for t in (*TABLES.values(), DATA_MODEL)
        for c in t.columns
    ]
