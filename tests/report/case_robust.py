"""The panel of `case_panel` with what panel diagnostics add: other choices, parts of a regression, other libraries."""

from __future__ import annotations

from typing import Any

from .case_panel import COHORTS, panel
from .cases import Case, Row, check, ended, estimate, inference

STATES = [f"State {k:02d}" for k in range(1, 41)]
CONDITIONAL = "conditional least-favourable hybrid test"


def choice(kind: str, label: str, value: float | None, half: float | None = 0.3, **more: Any) -> Row:
    ends = {} if value is None or half is None else ended(value - half, value + half, half / 1.96, 0.2)
    row = {"analysis": "main", "kind": kind, "label": label, "estimate": value, "status": "ok", "group": ""}
    return row | ends | more


def bounds() -> list[Row]:
    """Ranges that widen with the bound: at no departure from −0.9 to −0.1, and wider by twice the bound on each side."""
    return [
        choice(kind, f"Mean effect, bound {m:g}", None, None, group="average", parameter=m, method=CONDITIONAL,
               conf_low=-0.9 - 2 * m, conf_high=-0.1 + 2 * m)
        for kind in ("honest_relative", "honest_smoothness")
        for m in (0.0, 0.5, 1.0, 1.5, 2.0)
    ]  # fmt: skip


def sensitivity() -> list[Row]:
    moved = [choice("placebo_time", f"Adoption moved {k} period{'s' if k > 1 else ''} ahead", 0.05 * k,
                    parameter=float(k)) for k in (1, 2, 3)]  # fmt: skip
    cohorts = [choice("leave_one_cohort", f"Without the cohort that began in {c:g}", -0.5 - c / 1e5, group=f"{c:g}")
               for c in COHORTS]  # fmt: skip
    units = [choice("leave_one_unit", f"Without {s}", -0.5 - k / 400, group=s) for k, s in enumerate(STATES)]
    hidden = choice("leave_one_unit", "Without State 41", None, group="State 41", status="suppressed")
    drift = choice("pretrend_power", "Steady drift per period that is found 50% of the time", 0.04, None, parameter=0.5)
    return [
        *moved,
        choice("placebo_outcome", "Effect on Rainfall", None, status="suppressed"),
        *cohorts,
        *units,
        hidden,
        drift,
        *bounds(),
    ]


def decomposition() -> list[Row]:
    pairs = [("treated_vs_never", "1985", "never", 0.5, -0.6), ("earlier_vs_later", "1985", "1995", 0.3, -0.4),
             ("later_vs_earlier", "1995", "1985", 0.2, 0.9)]  # fmt: skip
    rows: list[Row] = [
        {"analysis": "twfe", "kind": k, "treated": t, "control": c, "weight": w, "estimate": e, "status": "ok"}
        for k, t, c, w, e in pairs
    ]
    cells = [(1985.0, 0.06), (1986.0, -0.02)]
    return rows + [
        {"analysis": "twfe", "kind": "cell", "treated": "1985", "control": "", "time": y, "weight": w, "status": "ok"}
        for y, w in cells
    ]


def opinion(status: str, value: float, apart: float) -> Row:
    return {
        "analysis": "twfe", "term": "att", "group": "", "time": None, "library": "linearmodels 6.1", "status": status,
        "estimate": value, "std_error": 0.4421, "convention": "clustered, effects counted", "our_estimate": -1.3107,
        "our_std_error": 0.442, "our_convention": "clustered (CR1)", "relative_difference": apart}  # fmt: skip


def robust() -> Case:
    case = panel()
    case.estimate("main", "att", **ended(-0.8, -0.05, 0.19, 0.03))
    case.tables["sensitivity"] = sensitivity()
    case.tables["decomposition"] = decomposition()
    case.tables["second_opinion"] = [opinion("agrees", -1.3107, 1e-9)]
    beyond = "The mean effect of 13 periods after adoption stays apart from zero unless the groups moved apart."
    case.tables["diagnostics"] += [
        check("main", "honest_breakdown", "warn", beyond, term="att", statistic=0.4367, threshold=1.0),
        check("twfe", "negative_weights", "warn", "1 of the 2 effects by cohort and period has a negative weight.",
              term="att", statistic=-0.02),
        check("main", "reporting_coverage", "pass", "Each group's units report in much the same number throughout."),
    ]  # fmt: skip
    case.tables["inference"] += [
        inference("main", "att", "leave-one-cluster-out jackknife", **ended(-0.95, 0.11, 0.26, 0.11)),
        inference("main", "att", "Holm adjustment over 2 outcomes", p_value=0.06),
    ]
    return case


def gapped(banded: bool) -> Case:
    """The primary analysis as a synthetic control of the adopting states, the gap 0 before 1990 and −0.5 from then on."""
    case = robust()
    estimator = "interrupted_time_series" if banded else "synthetic_control"
    case.study["analyses"][0]["estimator"] = estimator
    key: dict[str, Any] = {"outcome": "fatalities", "scale": "level", "estimator": estimator, "n_treated_units": 21}
    ends = ended(-1.0, 1.0) if banded else {}
    case.tables["estimates"] += [
        estimate("main", "gap", -0.5 if year >= 1983 else 0.0, time=float(year), **key, **ends)
        for year in range(1980, 2005)
    ]
    if not banded:
        weights = [("Ohio", 0.6), ("Utah", 0.4), ("Iowa", None)]
        case.tables["estimates"] += [
            estimate("main", "weight", w, group=s, **key | {"status": "ok" if w else "suppressed"}) for s, w in weights
        ]
    case.tables["series"] = [r for r in case.tables["series"] if not r["group"].startswith("cohort:")] + [
        r for r in case.tables["series"] if r["group"] == "cohort:1983"
    ]
    return case
