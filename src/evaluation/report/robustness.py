"""How far the main result holds: what other choices make of it, in sentences for the brief and the full report."""

from __future__ import annotations

import math

from evaluation.report.headline import Headline, credible
from evaluation.report.measures import Measure, measure_of
from evaluation.report.numbers import listing, number, p_value
from evaluation.report.released import Released, is_hidden
from evaluation.report.words import plain
from evaluation.results import Row

ENOUGH = 1.0  # times the largest move before adoption
ADJUSTED = ("Holm", "Benjamini", "Romano")  # how the names of adjustments over several outcomes begin
FOR_FEW = ("CR2", "wild", "randomisation", "cluster jackknife", "leave-one-cluster-out")


def check_of(head: Headline, name: str, term: str | None = None) -> Row | None:
    """A check of the analysis that disclosure control did not hide."""
    rows = head.released.rows("diagnostics", analysis=head.analysis.id, check=name)
    return next((c for c in rows if not is_hidden(c) and (term is None or c["term"] == term)), None)


def rows_of(head: Headline, *kinds: str) -> list[Row]:
    """The analysis's rows of the sensitivity table, of these kinds, in the order of the kinds."""
    rows = head.released.rows("sensitivity", analysis=head.analysis.id)
    return [r for kind in kinds for r in rows if r["kind"] == kind]


def shown(row: Row) -> bool:
    """Whether a row of the sensitivity table has a figure to show."""
    return bool(row["status"] == "ok" and row["estimate"] is not None)


def measure_for(head: Headline, row: Row) -> Measure:
    """The measure a row of the sensitivity table is told in: the analysis's, or another outcome's for its placebo."""
    other = next((o for o in head.released.study.outcomes if o.id == row["group"]), None)
    if row["kind"] != "placebo_outcome" or other is None or head.row is None:
        return head.told
    scale = head.row["scale"] if other.type == head.outcome.type else "level"
    return measure_of(head.row | {"scale": scale, "estimate": row["estimate"]}, other, head.released.time_unit)


def down(value: float) -> str:
    """Two decimals, rounded down: room for departures must not look larger than it is."""
    return number(math.floor(value * 100) / 100)


# --------------------------------------------------------------------------- sentences


def room(head: Headline) -> str:
    """How far the groups may have moved apart before the conclusion falls; empty where there is none to fall."""
    found = check_of(head, "honest_breakdown", "att")
    if not head.clear or not credible(head) or found is None:
        return ""
    apart, unit, broken = f"without {head.program}, the groups", head.released.time_unit, found["statistic"]
    if broken is None:
        if found["status"] != "pass":
            return ""
        return (
            f"The conclusion stands even if, {apart} had drifted apart from one {unit} to the next by many times what "
            "was seen before adoption."
        )
    times = f"{down(broken)} times" if broken >= 0.01 else "a hundredth of"
    return _stands(apart, unit, times, broken)


def _stands(apart: str, unit: str, times: str, broken: float) -> str:
    if broken >= ENOUGH:
        return (
            f"The conclusion stands as long as, {apart} did not drift apart from one {unit} to the next by more than "
            f"{times} the largest such move seen before adoption."
        )
    return (
        f"The conclusion falls if, {apart} drifted apart from one {unit} to the next by more than {times} the "
        "largest such move seen before adoption. Less than what was seen then would be enough."
    )


def missed_drift(head: Headline) -> str:
    """Which steady drift a look at the paths before adoption would have missed half of the time."""
    rows = [r for r in rows_of(head, "pretrend_power") if shown(r) and r["parameter"] == 0.5]
    if not rows:
        return ""
    slope, unit = rows[0]["estimate"], head.released.time_unit
    return (
        f"Looking at the differences before adoption would have missed a steady drift apart of "
        f"{_amount(head, slope)} a {unit} half of the time. Paths that look alike are no proof that they are."
    )


def _amount(head: Headline, value: float) -> str:
    """A difference without its direction, in the reader's units."""
    size = abs(head.told.size(abs(value)))
    return f"{number(size, 2)}%" if head.told.kind == "percent" else f"{number(size)}{head.told.tail}"


def placebos(head: Headline) -> str:
    """What adoption moved ahead, and random adoption among units never treated, come to."""
    moved = [r for r in rows_of(head, "placebo_time") if shown(r)]
    said = []
    if moved:
        apart = [r for r in moved if _settled(head, r)]
        steps = listing([f"{r['parameter']:g}" for r in moved], "or")
        unit = f"{head.released.time_unit}{'' if steps == '1' else 's'}"
        lead = f"Adoption was moved ahead by {steps} {unit}, where nothing had happened yet"
        said.append(f"{lead}: {_how_many(len(apart), len(moved))}.")
    dealt = next((r for r in rows_of(head, "placebo_never_treated") if shown(r)), None)
    if dealt and dealt["conf_low"] is not None:
        told = head.told
        said.append(
            f"Adoption was dealt at random among {head.released.people} that never adopted: chance alone then makes "
            f"differences from {told.span(dealt['conf_low'], dealt['conf_high'])} (95 of 100 draws); "
            f"p = {p_value(dealt['p_value'])}."
        )
    return " ".join(said)


def _how_many(apart: int, n: int) -> str:
    if not apart:
        return "every plausible range includes no difference, as it should"
    verb = "leaves" if apart == 1 else "leave"
    return f"{apart} of {n} plausible ranges {verb} out no difference, though each should include it"


def _settled(head: Headline, row: Row) -> bool:
    return row["conf_low"] is not None and head.told.excludes_null(row["conf_low"], row["conf_high"])


def left_out(head: Headline) -> str:
    """Whether the answer rests on one adoption group or one unit."""
    said = [_without_one(head, "leave_one_cohort", "adoption group"), _without_one(head, "leave_one_unit", "cluster")]
    return " ".join(s for s in said if s)


def _without_one(head: Headline, kind: str, what: str) -> str:
    rows = [r for r in rows_of(head, kind) if shown(r)]
    if not rows:
        return ""
    values = [float(r["estimate"]) for r in rows]
    lead = f"With any one {what} left out, the result lies between {head.told.span(min(values), max(values))}".replace(
        " to ", " and ", 1
    )
    turned = [
        r for r in rows if _side(head, r["conf_low"], r["conf_high"]) != _side(head, *(head.interval or (None, None)))
    ]
    if not turned:
        return f"{lead}, and what is concluded stays the same."
    names = listing([one_left_out(head.released, r) for r in turned[:3]])
    more = "" if len(turned) <= 3 else f", and {len(turned) - 3} more"
    return f"{lead}. What is concluded would change without {names}{more} ({len(turned)} of {len(rows)})."


def one_left_out(released: Released, row: Row) -> str:
    """The unit or adoption group of a row, by name."""
    if row["kind"] != "leave_one_cohort":
        return unit_name(released, str(row["group"]))
    try:
        return f"those that adopted in {released.period(float(row['group']))}"
    except ValueError:
        return str(row["group"])


def unit_name(released: Released, name: str) -> str:
    """A unit or cluster by its name; one that is a number with what it is a number of."""
    design = released.panel
    return f"{released.mid(released.study.label(design.cluster_column))} {name}" if design and name.isdigit() else name


def _side(head: Headline, low: float | None, high: float | None) -> int:
    """Above no difference (1), below (-1), or not settled (0)."""
    if low is None or high is None or not head.told.excludes_null(low, high):
        return 0
    return 1 if low > head.told.null else -1


# --------------------------------------------------------------------------- other uncertainty


def alternatives(head: Headline) -> list[Row]:
    """Other ways of reckoning the main figure's uncertainty that give a p-value; those over outcomes left out."""
    row = head.row
    if row is None:
        return []
    same = head.released.rows(
        "inference", analysis=row["analysis"], term=row["term"], group=row["group"], time=row["time"]
    )
    return [r for r in same[1:] if r["p_value"] is not None and not r["method"].startswith(ADJUSTED)]


def _for_few(head: Headline) -> list[Row]:
    return [r for r in alternatives(head) if r["method"].startswith(FOR_FEW)]


def chance_by_other_rules(head: Headline) -> list[Row]:
    """Rules made for few clusters by which chance could explain the result."""
    limit = 1.0 if head.row is None else round(1 - head.row["conf_level"], 9)
    return [r for r in _for_few(head) if r["p_value"] >= limit]


def few_clusters(head: Headline) -> str:
    """What rules made for few clusters say, where the usual rule settles the question; empty where none was needed."""
    found, open_ = _for_few(head), chance_by_other_rules(head)
    if not head.clear or not found or not credible(head):
        return ""
    if not open_:
        return "Ways of reckoning made for few clusters come to the same conclusion."
    told = listing([f"{plain(r['method'])}, p = {p_value(r['p_value'])}" for r in open_])
    return (
        "The usual plausible range tends to be too narrow where clusters are few. "
        f"By {len(open_)} of {len(found)} ways of reckoning made for that, chance could explain the result: {told}."
    )


def adjusted(head: Headline) -> str:
    """The p-value when all outcomes that were tested are counted; empty where there is one."""
    row = head.row
    if row is None:
        return ""
    rows = head.released.rows(
        "inference", analysis=row["analysis"], term=row["term"], group=row["group"], time=row["time"]
    )
    found = [f"p = {p_value(r['p_value'])} ({plain(r['method'])})" for r in rows
             if r["method"].startswith(ADJUSTED) and r["p_value"] is not None]  # fmt: skip
    if not found:
        return ""
    return f"Each outcome is another chance to find something by luck. With that counted: {'; '.join(found)}."


def second_opinion(head: Headline) -> str:
    """That another library comes to another figure for an analysis of the outcome; empty where none does."""
    of_outcome = {a.id for a in head.released.study.analyses if a.outcome == head.analysis.outcome}
    rows = [r for r in head.released.rows("second_opinion", status="differs") if r["analysis"] in of_outcome]
    if not rows:
        return ""
    names = listing(list(dict.fromkeys(f"“{head.released.analysis(r['analysis'])}”" for r in rows)))
    return (
        f"{rows[0]['library'].split()[0]} comes to other figures than this report for {names}. Neither should be "
        "relied on until the reason is found."
    )
