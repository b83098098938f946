"""A study's hand-made cases through the real builder: every case as expected, or what differs.

Cases that say the same of the study (its keys, `as_of`, how far agencies' data reach) are built together, each a
person or unit of their own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors import DataError, Problem, StudyError
from evaluation.run.case_worlds import Rows, World, who, worlds
from evaluation.run.expectations import Difference, Unknown, in_row, in_unit, told
from evaluation.study.cases import Case, CaseFile, Row, read_cases
from evaluation.study.document import Loc, in_file_order
from evaluation.study.load import load
from evaluation.study.spelling import hint, listed

if TYPE_CHECKING:
    from evaluation.data.assemble.built import Built
    from evaluation.study.models import Study

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
    apart = worlds(file, cases)
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        found = dict(v for i, world in enumerate(apart) for v in _Bench(world, cases, Path(folder) / str(i)).verdicts())
    return [found[place] for place in sorted(found)]


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

    world: World
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
        without = self._build([p for p in self.world.rows if p != place], one_outcome=True)
        before = {s.step: s.n_dropped for s in without.flow}
        steps = [s for s in whole.flow if s.n_dropped > before.get(s.step, 0)]
        return _Step(steps[-1].step, steps[-1].reason) if steps else _Step(NOWHERE, "")

    def _build(self, places: Sequence[int], *, one_outcome: bool = False) -> Built:
        """The data of some cases; with one outcome where it is enough to know who is in a cohort.

        Raises
        ------
        StudyError
            With what the builder says of them, such as that nobody is left.
        """
        from evaluation.data.assemble.case_tables import write

        study, name_of = self.world.study, who(self.world.study)
        tables: Rows = {name: list(rows) for name, rows in self.world.shared.items()}
        for place in places:
            for name, rows in self.world.rows[place].items():
                tables.setdefault(name, []).extend({name_of: self.world.names[place]} | row for row in rows)
        self.built += 1
        folder = self.folder / str(self.built)
        files = write(folder, tables, self.world.types)
        data = study.data.model_copy(update={"tables": files})
        try:
            return _through_the_builder(_fitted(study, one_outcome).model_copy(update={"data": data}), folder)
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
            found.setdefault(row[who(self.world.study)], []).append(row)
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


def _fitted(study: Study, one_outcome: bool) -> Study:
    """The study without the units that a panel leaves out by name, for these are not among the cases."""
    design = study.design
    if design.type == "panel" and design.build is not None:
        by_rows = [e.model_copy(update={"units": []}) for e in design.build.exclude if e.table]
        build = design.build.model_copy(update={"exclude": by_rows})
        return study.model_copy(update={"design": design.model_copy(update={"build": build})})
    return study.model_copy(update={"outcomes": study.outcomes[:1]}) if one_outcome else study


def _through_the_builder(study: Study, folder: Path) -> Built:
    out = folder / "built" / "data.parquet"
    if study.design.type == "panel":
        from evaluation.data.assemble.panel import build_panel

        return build_panel(study, folder, out)
    from evaluation.data.assemble.cohort import build_cohort

    built: Built = build_cohort(study, folder, out)
    return built
