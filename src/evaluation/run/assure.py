"""A study's hand-made cases through the real builder: every case as expected, or what differs.

Cases that say the same of the study (its keys, `as_of`, how far agencies' data reach) are built together, each a
person or unit of their own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors import DataError, Problem, StudyError
from evaluation.run.expectations import Difference, Unknown, in_row, in_unit, told
from evaluation.study.cases import Case, CaseFile, Row, read_cases, varied
from evaluation.study.document import Loc, in_file_order
from evaluation.study.load import StudyFile, load
from evaluation.study.spelling import hint, listed

if TYPE_CHECKING:
    from evaluation.data.assemble.built import Built
    from evaluation.data.assemble.case_tables import Types
    from evaluation.study.models import Study

Rows = dict[str, list[dict[str, Any]]]  # rows by table
LEFT_OUT = "left_out"
NOWHERE = "never in"  # why someone is not in the data whom no step of the flow has dropped


@dataclass(frozen=True)
class Verdict:
    """What came of a case: nothing differs where it passed. `where` is its line in the file of cases."""

    case: str
    where: str
    differences: tuple[Difference, ...]

    @property
    def passed(self) -> bool:
        """Whether everything is as expected."""
        return not self.differences


def assure(path: Path) -> list[Verdict]:
    """Build every hand-made case of the study at `path`, and compare; in the order of the file.

    Raises
    ------
    StudyError
        When the study is wrong, there is nothing to build or no case, or cases name tables, columns or words that
        there are not.
    """
    file = load(path)
    if not file.study.data.tables:
        what = "the data of this study are ready made: there is nothing to build, so no cases to hold against it."
        raise StudyError(file.problem(("data",), what, "Cases are for studies with data.tables.", of_key=True))
    cases = read_cases(path)
    worlds = _worlds(file, cases)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        found = dict(
            v for i, world in enumerate(worlds) for v in _Bench(world, cases, Path(folder) / str(i)).verdicts()
        )
    return [found[place] for place in sorted(found)]


# --------------------------------------------------------------------------- cases that are built together


@dataclass
class _World:
    """A study as some cases have it, what agencies' data cover there, and these cases by their place in the file."""

    study: Study
    types: dict[str, Types]
    shared: Rows
    rows: dict[int, Rows] = field(default_factory=dict)

    @property
    def names(self) -> dict[int, Any]:
        """The name of each case's person or unit, which fits the type of the column."""
        kinds = [self.types[t].get(_who(self.study), "") for t in self.types]
        whole = any("INT" in kind for kind in kinds)
        return {place: place + 1 if whole else f"case {place + 1:04d}" for place in self.rows}


def _who(study: Study) -> str:
    from evaluation.data.assemble.case_tables import person_or_unit

    return person_or_unit(study.design)


def _worlds(file: StudyFile, cases: CaseFile) -> list[_World]:
    """The cases by what they say of the study.

    Raises
    ------
    StudyError
        With every table, column, value and key of the study that is not right in them.
    """
    from evaluation.data.assemble.case_tables import columns

    found: dict[str, _World] = {}
    known: dict[str, dict[str, Types]] = {}
    problems: list[Problem] = []
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
        problems += _wrong(cases, place, types)
        cover = study.data.coverage.table if study.data.coverage else None
        shared: Rows = {name: rows for name, rows in case.rows.items() if name == cover}
        world = found.setdefault(f"{case.as_of} {key} {shared}", _World(study, types, shared))
        world.rows[place] = {name: rows for name, rows in case.rows.items() if name != cover}
    if problems:
        raise StudyError(*in_file_order(problems))
    return list(found.values())


def _wrong(cases: CaseFile, place: int, types: Mapping[str, Types]) -> Iterator[Problem]:
    """Tables and columns of a case that the study's tables do not have, and values that do not fit."""
    from evaluation.data.assemble.case_tables import fits
    from evaluation.data.engine import connect

    document = cases.document
    with connect() as connection:
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


# --------------------------------------------------------------------------- building and comparing


@dataclass(frozen=True)
class _Step:
    """A step of the flow: its id, and its reason in words. Cases name either."""

    step: str
    reason: str

    def __str__(self) -> str:
        return f"{self.step} ({self.reason})" if self.reason else self.step


@dataclass
class _Bench:
    """Where the cases of one world are built."""

    world: _World
    cases: CaseFile
    folder: Path
    built: int = 0

    def verdicts(self) -> list[tuple[int, Verdict]]:
        """Each case by its place, with what differs.

        Raises
        ------
        StudyError
            When expectations name columns that the builder does not write.
        """
        whole = self._build(list(self.world.rows))
        rows = self._rows(whole)
        found, unknown = [], []
        for place, name in self.world.names.items():
            case = self.cases.cases[place]
            told_of = list(self._compared(place, case, rows.get(name, []), whole))
            unknown += [self._unknown(place, u) for u in told_of if isinstance(u, Unknown)]
            differences = tuple(d for d in told_of if isinstance(d, Difference))
            where = self.cases.document.where(("cases", place))
            found.append((place, Verdict(case.case, where, differences)))
        if unknown:
            raise StudyError(*in_file_order(unknown))
        return found

    def _compared(
        self, place: int, case: Case, rows: list[dict[str, Any]], whole: Built
    ) -> Iterator[Difference | Unknown]:
        expect = _rows(case.expect)
        panel = self.world.study.design.type == "panel"
        if any(LEFT_OUT in e for e in expect):
            yield from self._left_out(place, expect, rows, whole)
        elif not rows:
            yield Difference("row", "one in the data", f"left out: {self._why(place, whole)}")
        elif panel:
            time = self.world.study.design.time
            yield from in_unit(time, expect[0], rows)
        elif len(rows) != len(expect):
            yield Difference("rows", str(len(expect)), str(len(rows)))
        else:
            for wanted, row in zip(expect, rows, strict=True):
                yield from in_row(self.world.study, wanted, row)

    def _left_out(
        self, place: int, expect: list[dict[str, Any]], rows: list[dict[str, Any]], whole: Built
    ) -> Iterator[Difference | Unknown]:
        reason = expect[0].get(LEFT_OUT)
        if len(expect) > 1 or len(expect[0]) > 1:
            yield Unknown((next(k for e in expect for k in e if k != LEFT_OUT),), (LEFT_OUT,))
        elif rows:
            yield Difference(LEFT_OUT, told(reason), "in the data")
        else:
            step = self._why(place, whole)
            if reason not in (step.step, step.reason):
                yield Difference(LEFT_OUT, told(reason), str(step))

    def _why(self, place: int, whole: Built) -> _Step:
        """Why a case is not in the data: the last step that drops more with it than without."""
        without = self._build([p for p in self.world.rows if p != place])
        before = {s.step: s.n_dropped for s in without.flow}
        steps = [s for s in whole.flow if s.n_dropped > before.get(s.step, 0)]
        return _Step(steps[-1].step, steps[-1].reason) if steps else _Step(NOWHERE, "")

    def _build(self, places: Sequence[int]) -> Built:
        """The data of some cases.

        Raises
        ------
        StudyError
            With what the builder says of them, such as that nobody is left.
        """
        from evaluation.data.assemble.case_tables import write

        who, study = _who(self.world.study), self.world.study
        tables: Rows = {name: list(rows) for name, rows in self.world.shared.items()}
        for place in places:
            for name, rows in self.world.rows[place].items():
                tables.setdefault(name, []).extend({who: self.world.names[place]} | row for row in rows)
        self.built += 1
        folder = self.folder / str(self.built)
        files = write(folder, tables, self.world.types)
        data = study.data.model_copy(update={"tables": files})
        try:
            return _through_the_builder(study.model_copy(update={"data": data}), folder)
        except DataError as error:
            raise StudyError(*(self._not_built(places, p) for p in error.problems)) from None

    def _not_built(self, places: Sequence[int], problem: Problem) -> Problem:
        """What the builder says of the tables of some cases, at the first of them."""
        case = self.cases.cases[places[0]]
        key = "variant" if case.variant else "case"
        stays = [p for p in places if not any(LEFT_OUT in e for e in _rows(self.cases.cases[p].expect))]
        fix = problem.fix if stays else "Add a case of someone who stays, so that there are data to be built."
        what = f"the case cannot be built: {problem.key}: {problem.what}".replace(": : ", ": ")
        return self.cases.document.problem(("cases", places[0], key), what, fix)

    def _rows(self, built: Built) -> dict[Any, list[dict[str, Any]]]:
        """The rows built, by person or unit, in the order of the data."""
        import pyarrow.parquet as pq

        found: dict[Any, list[dict[str, Any]]] = {}
        for row in pq.read_table(built.source.files[0]).to_pylist():
            found.setdefault(row[_who(self.world.study)], []).append(row)
        return found

    def _unknown(self, place: int, unknown: Unknown) -> Problem:
        case = self.cases.cases[place]
        loc: Loc = ("cases", place, "expect")
        if isinstance(case.expect, list):
            at = next((i for i, e in enumerate(case.expect) if unknown.keys[0] in e), 0)
            loc = (*loc, at)
        word = unknown.keys[-1]
        what = f'there is no "{word}"' + hint(word, unknown.valid)
        return self.cases.document.problem(
            (*loc, *unknown.keys), what, f"There are: {listed(unknown.valid)}.", of_key=True
        )


def _rows(expect: Row | list[Row]) -> list[Row]:
    return expect if isinstance(expect, list) else [expect]


def _through_the_builder(study: Study, folder: Path) -> Built:
    out = folder / "built" / "data.parquet"
    if study.design.type == "panel":
        from evaluation.data.assemble.panel import build_panel

        return build_panel(study, folder, out)
    from evaluation.data.assemble.cohort import build_cohort

    built: Built = build_cohort(study, folder, out)
    return built
