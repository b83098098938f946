"""The technical appendix: methods with their options, every estimate, inference, provenance, glossary."""

from __future__ import annotations

from typing import Any

from evaluation.report.headline import options
from evaluation.report.markdown import Table, bullets, escape, paragraphs
from evaluation.report.numbers import MINUS, listing, number, p_cell
from evaluation.report.released import Released
from evaluation.report.sections.checks import status_word
from evaluation.report.words import (
    CONVENTIONS,
    ESTIMATORS,
    GLOSSARY,
    METHODS,
    OPTION_VALUES,
    OPTIONS,
    OPTIONS_OF,
    P_VALUE,
    ROLES,
    SCALES,
    named,
    plain,
    upper_first,
)
from evaluation.results import MAIN_TERMS, Row
from evaluation.study.models import Analysis

ORDER = ("att", "att_group", "att_dynamic", "att_calendar", "event", "group", "calendar", "group_time")
DIGITS = 4


def methods(released: Released) -> str:
    """Each analysis: what it does, the options it ran with, how its uncertainty was reckoned."""
    return "\n".join(part for a in released.study.analyses for part in _method(released, a) if part)


def _method(released: Released, analysis: Analysis) -> list[str]:
    done = next(iter(released.rows("analyses", analysis=analysis.id)), None)
    how = METHODS.get(analysis.estimator, "")
    outcome = released.mid(released.outcome(analysis.outcome))
    text = f"{ROLES[analysis.role]} analysis of {outcome}. Method: {named(ESTIMATORS, analysis.estimator)}."
    chosen = sorted(_in_force(analysis.estimator, options(released, analysis.id)).items())
    return [
        f"### {escape(released.analysis(analysis.id))}\n",
        paragraphs(f"{text} It {how}" if how else text),
        _without_result(released, done),
        _listed("Options in force", [f"{named(OPTIONS, k)}: {_option(released, k, v)}" for k, v in chosen]),
        paragraphs(f"Convention: {CONVENTIONS[analysis.estimator]}") if analysis.estimator in CONVENTIONS else "",
        _listed("Uncertainty", _rules(released, analysis.id)),
    ]


def _in_force(estimator: str, chosen: dict[str, Any]) -> dict[str, Any]:
    """The options that bear on the figures: characteristics, say, are not used where nothing is adjusted."""
    way = chosen.get("adjust")
    unused = {"covariates"} if way == "none" else set()
    if estimator == "risk_difference":
        unused |= {k for k, ways in OPTIONS_OF.items() if way not in ways}
    return {k: v for k, v in chosen.items() if k not in unused}


def _without_result(released: Released, done: Row | None) -> str:
    if done is None or done["status"] == "ok":
        return ""
    if done["status"] == "suppressed":
        return paragraphs("Every figure of this analysis is hidden to protect people’s privacy.")
    return paragraphs(f"This analysis gave no result: {released.prose(done['reason'])}")


def _listed(lead: str, items: list[str]) -> str:
    return f"{lead}:\n\n{bullets(items)}" if items else ""


def _option(released: Released, name: str, value: Any) -> str:
    if name == "window" and released.cohort:
        return "all that the study names" if value is None else released.span(value)
    return _value(released, value)


def _value(released: Released, value: Any) -> str:
    if isinstance(value, list):
        return listing([_value(released, v) for v in value]) if value else "none"
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    text = str(value)
    return OPTION_VALUES.get(text) or released.study.labels.get(text) or plain(text)


def _rules(released: Released, analysis: str) -> list[str]:
    """Distinct ways in which this analysis reckoned the uncertainty of what it is judged by, each in a line."""
    rows = released.rows("inference", analysis=analysis)
    main = next((t for t in MAIN_TERMS if any(r["term"] == t for r in rows)), None)
    return list(dict.fromkeys(_rule(r) + "." for r in rows if main is None or r["term"] == main))


def _rule(row: Row) -> str:
    text = upper_first(plain(row["method"]))
    text += f"; {_distribution(row)}"
    if row["small_sample_factor"] is not None:
        text += f"; small-sample factor {number(row['small_sample_factor'], DIGITS)}"
    return text


def _distribution(row: Row) -> str:
    if row["distribution"] != "t" or row["df"] is None:
        return f"{row['distribution']} distribution"
    rule = f" ({row['df_rule'].replace(' - ', f' {MINUS} ')})" if row["df_rule"] else ""
    return f"t distribution with {number(row['df'], DIGITS)} degrees of freedom{rule}"


# --------------------------------------------------------------------------- every estimate


def _kind(term: str) -> int:
    return ORDER.index(term) if term in ORDER else -1


def estimates(released: Released) -> str:
    """Every estimate, a table an analysis, on the scale the results files hold."""
    parts = []
    for analysis in released.study.analyses:
        rows = sorted(released.rows("estimates", analysis=analysis.id), key=lambda r: _kind(r["term"]))
        if not rows:
            continue
        name = released.analysis(analysis.id)
        table = Table(
            f"estimates-{analysis.id.replace('_', '-')}",
            f"Every estimate of: {name}. Scale: {_scales(rows)}.",
            ["What", "Estimate", "Standard error", "Interval", P_VALUE, "Number used"],
            "lrrlrr",
            [_estimate_cells(released, r) for r in rows],
        )
        parts.append(f"### {escape(name)}: every estimate\n\n{table.markdown()}")
    return "\n".join(parts) if parts else paragraphs("No estimates were released.")


def _scales(rows: list[Row]) -> str:
    return listing(list(dict.fromkeys(named(SCALES, r["scale"]) for r in rows)))


def _estimate_cells(released: Released, row: Row) -> list[str]:
    name = released.term(row)
    if released.is_unreliable(row["group"], row["analysis"], row["term"], row["time"]):
        name += " †"
    n = row["n_units"] or row["n_obs"]
    used = f"{n:,}" if n else ""
    if row["estimate"] is None:
        return [name, upper_first(status_word(row)), "", "", "", used]
    interval = "reference" if row["status"] == "reference" else _interval(row)
    return [
        name,
        _number(row["estimate"], DIGITS),
        _number(row["std_error"], 3),
        interval,
        p_cell(row["p_value"]),
        used,
    ]


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else number(value, digits)


def _interval(row: Row) -> str:
    low, high = row["conf_low"], row["conf_high"]
    return "" if low is None or high is None else f"{number(low, DIGITS)} to {number(high, DIGITS)}"


def inference_table(released: Released) -> str:
    """Alternative uncertainty for the overall effects, and the rule each follows."""
    rows = [r for r in released.rows("inference") if r["term"] not in {"event", "group_time", "group", "calendar"}]
    if not rows:
        return paragraphs("No record of how uncertainty was reckoned was released.")
    cells = [
        [
            released.analysis(r["analysis"]),
            released.term(r),
            _rule(r),
            "" if r["n_clusters"] is None else f"{r['n_clusters']:,}",
            _number(r["std_error"], 3),
            _interval(r),
            p_cell(r["p_value"]),
        ]
        for r in rows
    ]
    header = ["Analysis", "What", "How reckoned", "Clusters", "Standard error", "Interval", P_VALUE]
    return Table("inference", "How uncertainty was reckoned", header, "lllrrlr", cells).markdown()


# --------------------------------------------------------------------------- provenance, glossary


def _flat(value: Any, path: str = "") -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [row for k in sorted(value) for row in _flat(value[k], f"{path}, {k}" if path else k)]
    if isinstance(value, list):
        return [row for i, v in enumerate(value, 1) for row in _flat(v, f"{path} {i}")]
    return [(path, "not set" if value is None else str(value))]


def provenance(released: Released) -> str:
    """What the results were made from, so that anyone can check they have the same files."""
    kept = {k: v for k, v in released.provenance.items() if k not in {"times", "run"}}
    if "store" in kept:  # versions stand for the many files behind them, which the provenance file has
        read = kept["store"]["snapshot"]
        versions = {name: f"version {at['version']}" for name, at in read["tables"].items()}
        kept["store"] = kept["store"] | {"snapshot": read | {"tables": versions}}
    if not kept:
        return paragraphs("No record of the run was released.")
    rows = [[upper_first(plain(k).replace("sha256", "fingerprint (SHA-256)")), _broken(v)] for k, v in _flat(kept)]
    if released.date:
        rows.append(["Day of the run", released.date])
    return Table("provenance", "What these results were made from", ["What", "Value"], "ll", rows).markdown()


def _broken(value: str) -> str:
    """A long fingerprint in groups, so that it wraps on a page."""
    return " ".join(value[i : i + 16] for i in range(0, len(value), 16)) if len(value) == 64 else value


def glossary() -> str:
    """Terms used in the reports."""
    return "\n".join(f"{escape(term)}\n:   {escape(text)}\n" for term, text in sorted(GLOSSARY.items()))
