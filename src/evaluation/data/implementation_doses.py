"""What people received after their index date, whether standards were met, and how many drug tests are positive."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from evaluation.data.assemble.cohort.times import MONTHS_IN, STREET_DAYS
from evaluation.data.implementation_case import EXACT, described
from evaluation.results import Row
from evaluation.study.cohort_building import Span

if TYPE_CHECKING:
    from evaluation.data.implementation_case import Described, Figures
    from evaluation.study.implementation import Dose, Standard, Tests

MONTH = STREET_DAYS["month"]


def dosage(figures: Figures, asked: Sequence[Dose]) -> Iterator[Row]:
    """How much people received: in all, so much at least, and a month in the program."""
    for dose in asked:
        _received(figures.case, dose)
        span = f", within {dose.within}" if dose.within else ", in the whole stay"
        of = {"measure": dose.id, "family": "dosage"}
        yield from figures.spread("received", label=f"{dose.label}{span}", unit=dose.unit, **of)
        if dose.at_least is not None:
            unit = f" {dose.unit}" if dose.unit else ""
            label = f"{dose.label}{span}: {dose.at_least:g}{unit} or more"
            table = f"(SELECT r, x >= {dose.at_least!r} AS met FROM received) AS enough"
            yield from figures.share(table, label=label, **of | {"measure": f"{dose.id}_at_least"})
        if dose.per_month:
            table = f"(SELECT r, x * {MONTH!r} / days AS x FROM received WHERE days >= 1) AS monthly"
            label = f"{dose.label} a month in the program{span}"
            of |= {"measure": f"{dose.id}_per_month"}
            yield from figures.spread(table, label=label, unit=f"{dose.unit} a month".strip(), **of)
        figures.case.sql.drop("received")


def _received(case: Described, dose: Dose) -> None:
    """Make the table `received` (r, x, days): what people who could be followed received, and their days in the
    program within the time."""
    stay = "LEFT JOIN stays AS s USING (r)" if case.asked.stays else ""
    end = "s.e" if case.asked.stays else "CAST(NULL AS DATE)"
    if dose.within:
        until = case.sql.add_days(case.on("people.d", dose.within), -1)
        met = f"{case.on('people.d', dose.within)} <= {case.after(dose.table)}"
    else:
        until, met = end, f"{end} IS NOT NULL AND {end} <= {case.last(dose.table)}"
    known = "s.r IS NOT NULL" if case.asked.stays else "false"
    case.sql.make(
        "followed",
        f"SELECT people.r, people.p, people.d, {until} AS u, CASE WHEN {known} THEN "
        f"date_diff('day', people.d, least(coalesce({end}, {until}), {until})) + 1 END AS days "
        f"FROM people {stay} WHERE {met}",
    )
    amount = f"CAST({case.sql.name(dose.sum)} AS {EXACT})" if dose.sum else f"CAST(1 AS {EXACT})"
    rows = case.rows(dose.table, dose.date, dose.where, [f"{amount} AS x"])
    case.sql.make(
        "received",
        f"SELECT f.r, CAST(coalesce(sum(t.x), 0) AS DOUBLE) AS x, any_value(f.days) AS days FROM followed AS f "
        f"LEFT JOIN {rows} AS t ON t.p = f.p AND t.day BETWEEN f.d AND f.u GROUP BY f.r",
    )
    case.sql.drop("followed")


def fidelity(figures: Figures, asked: Sequence[Standard]) -> Iterator[Row]:
    """Shares of people whose treatment met a standard."""
    case = figures.case
    for standard in asked:
        spans = [(case.on("people.d", a), case.on("people.d", b)) for a, b in _spans(standard)]
        enough = " AND ".join(
            f"count(t.day) FILTER (t.day >= {a} AND t.day < {b}) >= {standard.at_least}" for a, b in spans
        )
        last = case.on("people.d", standard.within)
        case.sql.make(
            "met_standard",
            f"SELECT people.r, {enough} AS met FROM people LEFT JOIN "
            f"{case.rows(standard.table, standard.date, standard.where)} AS t ON t.p = people.p "
            f"WHERE {last} <= {case.after(standard.table)} GROUP BY people.r, people.d",
        )
        yield from figures.share("met_standard", measure=standard.id, label=standard.label, family="fidelity")
        case.sql.drop("met_standard")


def _spans(standard: Standard) -> list[tuple[Span, Span]]:
    """The times after the index date within each of which a standard must be met."""
    if not standard.every_month:
        return [(Span(count=0, unit="day"), standard.within)]
    months = standard.within.count * MONTHS_IN[standard.within.unit]
    return [(Span(count=m, unit="month"), Span(count=m + 1, unit="month")) for m in range(months)]


def tests(figures: Figures, asked: Sequence[Tests]) -> Iterator[Row]:
    """Positive tests in 100, of people who could be followed so long: missed ones counted as positive, and left out."""
    case = figures.case
    for test in asked:
        result = f"trim(CAST({case.sql.name(test.result)} AS VARCHAR))"
        kinds = {"positive": test.positive, "negative": test.negative, "missed": test.missed}
        flags = [f"{_one_of(case, result, words)} AS {kind}" for kind, words in kinds.items()]
        case.sql.make(
            "tested",
            f"SELECT people.r, count(*) FILTER (t.positive) AS positive, count(*) FILTER (t.negative) AS negative, "
            f"count(*) FILTER (t.missed) AS missed FROM people LEFT JOIN "
            f"{case.rows(test.table, test.date, test.where, flags)} AS t ON t.p = people.p AND t.day >= people.d "
            f"AND t.day < {case.on('people.d', test.within)} "
            f"WHERE {case.on('people.d', test.within)} <= {case.after(test.table)} GROUP BY people.r",
        )
        label = f"{test.label}, within {test.within}"
        yield from _positive(figures, test.id, f"{label}: positive or missed", "positive + missed")
        yield from _positive(figures, f"{test.id}_taken", f"{label}: positive, of those taken", "positive")
        case.sql.drop("tested")


def _one_of(case: Described, text: str, words: Sequence[str]) -> str:
    listed = ", ".join(case.sql.literal(w) for w in words)
    return f"coalesce({text} IN ({listed}), false)" if words else "false"


def _positive(figures: Figures, measure: str, label: str, bad: str) -> Iterator[Row]:
    for group, stratum, condition in figures.parts():
        n, having, positive, valid = figures.case.sql.rows(
            f"SELECT count(*), count(*) FILTER ({bad} > 0), sum({bad}), sum({bad} + negative) FROM tested "
            f"JOIN people USING (r) WHERE {condition}"
        )[0]
        yield described(
            measure=measure, label=label, family="dosage", group=group, stratum=stratum, statistic="rate", n=n,
            value=100 * int(positive) / int(valid) if valid else None, unit="of 100 tests", counts=(having, n - having),
        )  # fmt: skip
