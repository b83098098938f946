"""The technical appendix: methods with their options, every estimate, inference, provenance, glossary."""

from __future__ import annotations

from typing import Any

from evaluation.report.headline import options
from evaluation.report.markdown import Table, escape, paragraphs
from evaluation.report.numbers import listing, number, p_value
from evaluation.report.released import Released
from evaluation.report.sections.checks import status_word
from evaluation.report.words import (
    ESTIMATORS,
    GLOSSARY,
    METHODS,
    METHODS_OF_INFERENCE,
    ROLES,
    SCALES,
    named,
    plain,
    upper_first,
)
from evaluation.results import Row

ORDER = ("att", "att_group", "att_dynamic", "att_calendar", "event", "group", "calendar", "group_time")
DIGITS = 4


def methods(released: Released) -> str:
    """Each analysis: what it does, the options it ran with, how its uncertainty was reckoned."""
    parts = []
    for analysis in released.study.analyses:
        done = next(iter(released.rows("analyses", analysis=analysis.id)), None)
        how = METHODS.get(analysis.estimator, "")
        name = named(ESTIMATORS, analysis.estimator)
        text = f"{ROLES[analysis.role]} analysis of {released.outcome(analysis.outcome)}. {name} {how}".strip()
        parts.append(f"### {escape(released.analysis(analysis.id))}\n\n{paragraphs(text)}")
        if done and done["status"] != "ok":
            parts.append(paragraphs(f"This analysis gave no result: {done['reason']}"))
        chosen = [f"- {escape(upper_first(plain(k)))}: {escape(_value(released, v))}" for k, v in sorted(options(released, analysis.id).items())]
        if chosen:
            parts.append("Options in force:\n\n" + "\n".join(chosen) + "\n")
        rules = _rules(released, analysis.id)
        if rules:
            parts.append("Uncertainty:\n\n" + "\n".join(f"- {escape(r)}" for r in rules) + "\n")
    return "\n".join(parts)


def _value(released: Released, value: Any) -> str:
    if isinstance(value, list):
        return listing([_value(released, v) for v in value]) if value else "none"
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value)
    return released.study.labels.get(value) or plain(str(value))


def _rules(released: Released, analysis: str) -> list[str]:
    """Distinct ways in which this analysis reckoned uncertainty, each in a line."""
    found = []
    for row in released.rows("inference", analysis=analysis):
        text = upper_first(METHODS_OF_INFERENCE.get(row["method"].lower(), plain(row["method"])))
        text += f"; {_distribution(row)}"
        if row["small_sample_factor"] is not None:
            text += f"; small-sample factor {number(row['small_sample_factor'], DIGITS)}"
        if row["n_clusters"] is not None:
            text += f"; {row['n_clusters']:,} clusters"
        found.append(text + ".")
    return list(dict.fromkeys(found))


def _distribution(row: Row) -> str:
    if row["distribution"] != "t" or row["df"] is None:
        return f"{row['distribution']} distribution"
    rule = f" ({row['df_rule']})" if row["df_rule"] else ""
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
            f"Every estimate of: {name}. Scale: {listing(list(dict.fromkeys(SCALES.get(r['scale'], r['scale']) for r in rows)))}.",
            ["What", "Estimate", "Standard error", "Interval", "p-value", "Number used"],
            "lrrlrr",
            [_estimate_cells(released, r) for r in rows],
        )
        parts.append(f"### {escape(name)}: every estimate\n\n{table.markdown()}")
    return "\n".join(parts) if parts else paragraphs("No estimates were released.")


def _estimate_cells(released: Released, row: Row) -> list[str]:
    name = released.term(row)
    if row["group"] and released.is_unreliable(row["group"]):
        name += " †"
    n = row["n_units"] or row["n_obs"]
    used = f"{n:,}" if n else ""
    if row["estimate"] is None:
        return [name, upper_first(status_word(row)), "", "", "", used]
    low, high = row["conf_low"], row["conf_high"]
    interval = "" if low is None or high is None else f"{number(low, DIGITS)} to {number(high, DIGITS)}"
    if row["status"] == "reference":
        interval = "reference"
    error = "" if row["std_error"] is None else number(row["std_error"])
    return [name, number(row["estimate"], DIGITS), error, interval, "" if row["p_value"] is None else upper_first(p_value(row["p_value"])), used]


def inference_table(released: Released) -> str:
    """Alternative uncertainty for the overall effects, and the rule each follows."""
    rows = [r for r in released.rows("inference") if r["term"] not in {"event", "group_time", "group", "calendar"}]
    if not rows:
        return paragraphs("No record of how uncertainty was reckoned was released.")
    cells = [
        [released.analysis(r["analysis"]), released.term(r), upper_first(METHODS_OF_INFERENCE.get(r["method"].lower(), plain(r["method"]))),
         upper_first(_distribution(r)), "" if r["std_error"] is None else number(r["std_error"]),
         "" if r["conf_low"] is None or r["conf_high"] is None else f"{number(r['conf_low'], DIGITS)} to {number(r['conf_high'], DIGITS)}",
         "" if r["p_value"] is None else upper_first(p_value(r["p_value"]))]
        for r in rows
    ]
    header = ["Analysis", "What", "Rule", "Reference distribution", "Standard error", "Interval", "p-value"]
    return Table("inference", "How uncertainty was reckoned", header, "llllrlr", cells).markdown()


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
