"""The days on which an outcome's events happened, and what kept others from counting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from evaluation.data.assemble.cohort import offences
from evaluation.data.assemble.cohort.case import EVENTS, Case
from evaluation.results import Check

if TYPE_CHECKING:
    from evaluation.data.assemble.cohort.reach import Reach
    from evaluation.study.building import Filter
    from evaluation.study.models import Outcome

EVENT_TYPE, EVENT_DATE, OFFENCE_DATE = "event_type", "event_date", "offence_date"
# The date columns of the other bases, and the marker whose own date theirs is.
BASES = {
    "offence": (OFFENCE_DATE, ""),
    "arrest": ("arrest_date", "arrest"),
    "filing": ("filing_date", "charge"),
    "disposition": ("disposition_date", "conviction"),
}


def basis_column(outcome: Outcome, columns: object) -> str:
    """The column that dates an outcome's events; one that is not in the table where none will do."""
    basis = outcome.date_basis or "event"
    if basis == "event":
        return EVENT_DATE
    column, marker = BASES[basis]
    return EVENT_DATE if column not in columns and outcome.marker == marker else column  # type: ignore[operator]


def events(case: Case, i: int, outcome: Outcome, reach: Reach) -> Iterator[Check]:
    """Make `happened<i>` (r, day): days with an event that counts, from the index date to the last day."""
    sql = case.sql
    if outcome.kind == "death":
        sql.make(
            f"happened{i}",
            f"SELECT r, death AS day FROM cohort WHERE death >= d AND death <= {case.day(reach.last)}",
        )
        return
    rows = _recidivism(case, outcome) if outcome.events is None else case.rows(
        outcome.events.table, [f"{sql.day(outcome.events.date)} AS day", "CAST(NULL AS DATE) AS offence",
                               "true AS passes", "false AS strange", "false AS technical",
                               "false AS unsaid"], outcome.events.where
    )  # fmt: skip
    why = (
        "CASE WHEN NOT e.passes THEN 9 WHEN e.day IS NULL THEN 1 WHEN e.offence < c.d THEN 2 "
        "WHEN e.day > c.death THEN 3 ELSE 0 END"
    )
    sql.make(
        f"seen{i}",
        "SELECT r, day, " + ", ".join(f"count(*) FILTER (WHERE {met}) AS {name}" for name, met in _TOLD) + " FROM "
        f"(SELECT c.r, e.day, {why} AS why, e.strange, e.technical, e.unsaid "
        f"FROM ({rows}) AS e JOIN cohort AS c ON c.p = e.p "
        f"WHERE e.day IS NULL OR (e.day >= c.d AND e.day <= {case.day(reach.last)})) AS t GROUP BY r, day",
    )
    listed = ", ".join(f"coalesce(sum({name}), 0)" for name, _ in _TOLD)
    told = dict(zip([n for n, _ in _TOLD], map(int, sql.rows(f"SELECT {listed} FROM seen{i}")[0]), strict=True))
    sql.make(f"happened{i}", f"SELECT r, day FROM seen{i} WHERE counting > 0")
    sql.drop(f"seen{i}")
    yield from _told(case, outcome, told)


MOST_UNSAID = 0.05  # of the events that count, without word of whether they are new crimes

_TOLD = (
    ("counting", "why = 0"),
    ("undated", "why = 1"),
    ("pseudo", "why = 2"),
    ("after_death", "why = 3"),
    ("strange", "strange AND day IS NOT NULL"),
    ("technical", "why = 0 AND technical"),
    ("unsaid", "why = 0 AND unsaid"),
)


def _recidivism(case: Case, outcome: Outcome) -> str:
    """SQL of the justice events of an outcome's marker: those that count, and those of an unknown code."""
    sql, source = case.sql, case.tables[EVENTS]
    have, offence = source.columns, outcome.offence
    strange = offences.unknown_code(sql) if offences.by_code(offence) else "false"
    technical = (
        f"coalesce({sql.name(offences.REASON)} = {sql.literal(offences.REASONS['technical'])}, false)"
        if offences.REASON in have
        else "false"
    )
    columns = [
        f"{sql.day(basis_column(outcome, have))} AS day",
        (sql.day(OFFENCE_DATE) if OFFENCE_DATE in have else "CAST(NULL AS DATE)") + " AS offence",
        f"{offences.counts(sql, source, offence)} AS passes",
        f"{strange} AS strange",
        f"{technical} AS technical",
        (f"{sql.name(offences.REASON)} IS NULL" if offences.REASON in have else "false") + " AS unsaid",
    ]
    where: Filter = {} if outcome.marker == "any" else {EVENT_TYPE: str(outcome.marker)}
    return f"SELECT * FROM ({case.rows(EVENTS, columns, where)}) AS marked WHERE passes OR strange"


def _told(case: Case, outcome: Outcome, told: dict[str, int]) -> Iterator[Check]:
    """What was seen of an outcome's events, for the reader."""
    for name, check, what, status in (
        ("undated", "undated_events", "events have no date of the kind asked for and do not count.", "warn"),
        ("pseudo", "pseudo_recidivism", "events after the index date are of offences before it and do not count.",
         "info"),
        ("after_death", "events_after_death", "events are dated after the person's death and are ignored.", "warn"),
        ("strange", "unknown_offence_codes",
         "events have no offence code, or one that is not in the catalogue: they are in no group of offences.", "warn"),
    ):  # fmt: skip
        if told[name]:
            yield _check(check, outcome, f"{told[name]:,} {what}", told[name], status)
    mixed = told["counting"] - told["technical"]
    if outcome.kind == "recidivism" and told["technical"] and mixed:
        what = (
            f"{outcome.label} counts both new crimes ({mixed:,} events) and technical violations "
            f"({told['technical']:,} events)."
        )
        yield Check("technical_mixed", "warn", what, term=outcome.id, statistic=float(told["technical"]),
                    counts=(mixed, told["technical"]))  # fmt: skip
    if told["unsaid"] and offences.by_reason(outcome.offence):
        share = told["unsaid"] / told["counting"]
        what = (
            f"{outcome.label}: {told['unsaid']:,} of {told['counting']:,} events that count do not say whether they "
            "are new crimes or technical violations."
        )
        yield Check("technical_unknown", "fail" if share > MOST_UNSAID else "warn", what, term=outcome.id,
                    statistic=share, threshold=MOST_UNSAID,
                    counts=(told["unsaid"], told["counting"] - told["unsaid"]))  # fmt: skip
    unsaid = outcome.kind == "recidivism" and offences.REASON not in case.tables[EVENTS].columns
    if unsaid and not (outcome.offence.include or outcome.offence.exclude):
        what = (
            f"{outcome.label}: the table {EVENTS} has no column {offences.REASON}, so technical violations cannot be "
            "told from new crimes, and all events count."
        )
        yield Check("technical_unknown", "warn", what, term=outcome.id)


def _check(name: str, outcome: Outcome, what: str, count: int, status: str) -> Check:
    return Check(name, status, f"{outcome.label}: {what}", term=outcome.id, statistic=float(count), counts=(count,))  # type: ignore[arg-type]
