"""Hand-made cases by what they say of the study: those that can be built together, each in a world of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evaluation.errors import Problem, StudyError
from evaluation.run.expectations import told
from evaluation.study.cases import CaseFile, varied
from evaluation.study.document import Loc, in_file_order
from evaluation.study.load import StudyFile
from evaluation.study.spelling import hint, listed

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from evaluation.data.assemble.case_tables import Types
    from evaluation.study.models import Study

Rows = dict[str, list[dict[str, Any]]]  # rows by table


@dataclass
class World:
    """A study as some cases have it, what agencies' data cover there, and these cases by their place in the file."""

    study: Study
    types: dict[str, Types]
    shared: Rows
    rows: dict[int, Rows] = field(default_factory=dict)

    @property
    def names(self) -> dict[int, Any]:
        """The name of each case's person or unit, which fits the type of the column."""
        kinds = [self.types[t].get(who(self.study), "") for t in self.types]
        whole = any("INT" in kind for kind in kinds)
        return {place: place + 1 if whole else f"case {place + 1:04d}" for place in self.rows}


def who(study: Study) -> str:
    """The column that says whose a row is."""
    from evaluation.data.assemble.case_tables import person_or_unit

    return person_or_unit(study.design)


def worlds(file: StudyFile, cases: CaseFile) -> list[World]:
    """The cases by what they say of the study.

    Raises
    ------
    StudyError
        With every table, column, value and key of the study that is not right in them.
    """
    from evaluation.data.assemble.case_tables import columns
    from evaluation.data.engine import connect

    found: dict[str, World] = {}
    known: dict[str, dict[str, Types]] = {}
    problems: list[Problem] = []
    with connect() as connection:
        for place, case in enumerate(cases.cases):
            try:
                study = varied(file, cases.document, place, case)
            except StudyError as error:
                problems += error.problems
                continue
            key = repr(sorted((k, repr(v)) for k, v in case.variant.items()))
            if key not in known:
                known[key] = columns(study, file.path.parent)
            types = known[key]
            problems += _wrong(connection, cases, place, types)
            cover = study.data.coverage.table if study.data.coverage else None
            shared: Rows = {name: rows for name, rows in case.rows.items() if name == cover}
            world = found.setdefault(f"{case.as_of} {key} {shared}", World(study, types, shared))
            world.rows[place] = {name: rows for name, rows in case.rows.items() if name != cover}
    if problems:
        raise StudyError(*in_file_order(problems))
    return list(found.values())


def _wrong(
    connection: DuckDBPyConnection, cases: CaseFile, place: int, types: Mapping[str, Types]
) -> Iterator[Problem]:
    """Tables and columns of a case that the study's tables do not have, and values that do not fit."""
    from evaluation.data.assemble.case_tables import fits

    document = cases.document
    for table, rows in cases.cases[place].rows.items():
        loc: Loc = ("cases", place, "rows", table)
        if table not in types:
            what = f'the study has no table "{table}"' + hint(table, types)
            yield document.problem(loc, what, f"Tables of this study: {listed(types)}.", of_key=True)
            continue
        known = types[table]
        for i, row in enumerate(rows):
            for column, value in row.items():
                if column not in known:
                    what = f'the table {table} has no column "{column}"' + hint(column, known)
                    yield document.problem((*loc, i, column), what, f"Its columns: {listed(known)}.", of_key=True)
                elif not fits(connection, value, known[column]):
                    what = f"{told(value)} does not fit the column, which holds {known[column].lower()} values."
                    yield document.problem((*loc, i, column), what)
