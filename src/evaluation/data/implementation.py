"""What was delivered, to whom and when, from the study's tables and the cohort built from them: rows of descriptions.

Everything is counted in DuckDB; only figures come back. Means are of exact decimal sums, so that they do not depend on
the order in which rows are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from evaluation.data.divisions import MOST_LEVELS, levels
from evaluation.data.implementation_case import Described, Figures, Stratified
from evaluation.data.implementation_doses import dosage, fidelity, tests
from evaluation.data.implementation_equity import equity
from evaluation.data.implementation_funnel import funnel
from evaluation.data.implementation_stays import retention, stays
from evaluation.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.data.engine import Source
    from evaluation.results import Row
    from evaluation.study.implementation import Implementation
    from evaluation.study.models import Study


def implementation(study: Study, base: Path, cohort: Source) -> list[Row]:
    """The rows of the results table `implementation`; none where the study asks for none.

    `cohort` is the Parquet that the builder wrote, `base` the folder at which the tables' paths start.

    Raises
    ------
    DataError
        With every table that cannot be read.
    """
    from evaluation.data.assemble.tables import open_tables
    from evaluation.data.engine import connect

    if study.implementation is None:
        return []
    tables = open_tables(study, base)
    with connect() as connection:
        case = Described.of(study, tables, cohort, connection)
        return [{"study": study.study, **row} for row in _rows(case)]


def _rows(case: Described) -> Iterator[Row]:
    """Every family in the order of the results."""
    asked = case.asked
    people = Figures(case, _strata(case))
    people.people()
    if asked.stays:
        stays(case, asked.stays)
    if asked.funnel:
        yield from funnel(case, asked.funnel)
    yield from dosage(people, asked.dosage)
    yield from fidelity(people, asked.fidelity)
    yield from tests(people, asked.tests)
    if asked.stays:
        yield from retention(people, asked.retention)
    if asked.equity:
        yield from equity(case, asked.equity)


def _strata(case: Described) -> list[Stratified]:
    """The characteristics of the cohort by which figures are told as well."""
    return [
        Stratified(case.label(d.column), levels(case.cohort, d.column, d.cut), case.is_flag(case.cohort, d.column))
        for d in case.asked.by
    ]


# --------------------------------------------------------------------------- before any row is read


def problems(study: Study, base: Path, cohort: Source) -> list[Problem]:
    """Tables and columns asked for that are missing or hold the wrong thing, and characteristics of too many values."""
    from evaluation.data.assemble.tables import open_tables, wrong
    from evaluation.data.implementation_case import asked_of

    if study.implementation is None:
        return []
    tables = open_tables(study, base)
    found = [p for asked in asked_of(study) for p in wrong(tables, asked)]
    found += _divisions(study.implementation, cohort)
    of_persons = study.implementation.equity
    if of_persons and not found:
        key = "implementation.equity.by"
        found += [p for i, d in enumerate(of_persons.by) for p in _many(f"{key}[{i}]", tables[of_persons.table], d)]
    return list(dict.fromkeys(found))


def _divisions(asked: Implementation, cohort: Source) -> Iterator[Problem]:
    for i, division in enumerate(asked.by):
        key = f"implementation.by[{i}]"
        if division.column not in cohort.columns:
            what = f'the cohort has no column "{division.column}".'
            yield Problem("", key, what, "Name a characteristic of the design.")
        else:
            yield from _many(key, cohort, division)


def _many(key: str, source: Source, division: object) -> Iterator[Problem]:
    from evaluation.study.implementation import Division

    d = cast("Division", division)
    if d.cut and not source.is_number(d.column):
        yield Problem("", key, f'"{d.column}" holds no numbers, so it has no bands.', "Leave out cut.")
    elif len(levels(source, d.column, d.cut)) > MOST_LEVELS:
        what = f'"{d.column}" has more than {MOST_LEVELS} values.'
        yield Problem("", key, what, "Write bands, such as {column: age, cut: [25, 35]}, or leave it out.")
