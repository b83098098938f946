"""From tables to a panel: one row a unit and period, with outcomes, exposures and the first treated period.

A period without events is a zero only where the unit reported the whole of it; otherwise the outcome is missing. What
leaves the data, and what was set aside, is counted with its reason.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from evaluation.data.assemble import sql
from evaluation.data.assemble.adopted import adopted
from evaluation.data.assemble.built import Built, write
from evaluation.data.assemble.calendar import Calendar
from evaluation.data.assemble.tables import Asked, check, columns_of, open_tables
from evaluation.data.engine import Source, connect, open_source, quoted
from evaluation.errors import DataError, Problem
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from evaluation.study.building import PanelBuild
    from evaluation.study.models import Outcome, PanelDesign, Study


def build_panel(study: Study, base: Path, out: Path) -> Built:
    """Build the panel of a study into the Parquet file `out`; paths of tables start at `base`.

    Raises
    ------
    DataError
        With every table or column that is missing or holds the wrong thing, spells that overlap, and adoptions that
        the study does not say how to take.
    """
    design = cast("PanelDesign", study.design)
    assert design.build is not None  # noqa: S101 - asked only of panels to be built
    calendar, tables = Calendar.of(design), open_tables(study, base)
    check(tables, list(_asked(study)))
    _names(study, design.build.attributes.columns if design.build.attributes else [])
    maker = _Maker(study, design, design.build, calendar, tables)
    with connect() as connection:
        flow = maker.make(connection, out)
    files = tuple(sorted({f for s in tables.values() for f in s.files}))
    return Built(open_source(str(out), base), files, flow)


KEPT = ("set_aside", "period_start")  # columns that the builder adds


def _names(study: Study, attributes: list[str]) -> None:
    """Raise DataError where two columns of the panel would bear one name, or one that the builder adds."""
    design, key = study.design, "design.build.attributes.columns"
    taken = [(design.unit, "design.unit"), (design.time, "design.time"), (design.cohort, "design.cohort")]  # type: ignore[union-attr]
    for i, o in enumerate(study.outcomes):
        taken.append((o.column or o.id, f"outcomes[{i}].column"))
        taken += [(o.exposure, f"outcomes[{i}].exposure")] if o.exposure and o.per is not None else []
    first: dict[str, str] = {}
    problems = []
    for name, at in [*taken, *((a, key) for a in attributes)]:
        if name.casefold() in KEPT:
            problems.append(Problem("", at, f'the name "{name}" is kept for the panel itself.', "Rename the column."))
        elif name.casefold() in first:
            what = f'"{name}" is the name of {first[name.casefold()]} too.'
            problems.append(Problem("", at, what, "Give each its own name, once."))
        first.setdefault(name.casefold(), at)
    if problems:
        raise DataError(*problems)


def _asked(study: Study) -> Iterator[Asked]:
    """Every column that the study file asks of its tables."""
    design = cast("PanelDesign", study.design)
    build = design.build
    assert build is not None  # noqa: S101 - asked only of panels to be built
    unit, key = design.unit, "design.build"
    a = build.adoption
    yield from columns_of(a.table, a.where, f"{key}.adoption", unit=(a.unit or unit, ""), start=(a.start, "date"),
                          end=(a.end, "date"))  # fmt: skip
    c = build.coverage
    if c is not None and not isinstance(c, str):
        yield from columns_of(c.table, c.where, f"{key}.coverage", unit=(c.unit or unit, ""),
                              start=(c.start, "date"), end=(c.end, "date"), date=(c.date, "date"))  # fmt: skip
    if build.attributes is not None:
        t = build.attributes
        yield from columns_of(t.table, {}, f"{key}.attributes", unit=(t.unit or unit, ""))
        yield from (Asked(t.table, column, f"{key}.attributes.columns") for column in t.columns)
    for i, e in enumerate(build.exclude):
        if e.table:
            yield from columns_of(e.table, e.where, f"{key}.exclude[{i}]", unit=(e.unit or unit, ""))
    for i, o in enumerate(study.outcomes):
        if o.build is not None:
            b = o.build
            yield from columns_of(b.table, b.where, f"outcomes[{i}].build", unit=(b.unit or unit, ""),
                                  date=(b.date, "date"), sum=(b.sum, "number"))  # fmt: skip
        if o.per is not None:
            p = o.per
            yield from columns_of(p.table, p.where, f"outcomes[{i}].per", unit=(p.unit or unit, ""),
                                  year=(p.year, "number"), column=(p.column, "number"))  # fmt: skip


@dataclass(frozen=True)
class _Maker:
    study: Study
    design: PanelDesign
    build: PanelBuild
    calendar: Calendar
    tables: dict[str, Source]

    def make(self, connection: DuckDBPyConnection, out: Path) -> tuple[FlowStep, ...]:
        """Write the panel, and count what was left out."""
        connection.execute(
            "CREATE TEMP TABLE periods AS SELECT * FROM "
            f"(VALUES {self.calendar.values}) AS p(k, t, first_day, last_day, days, year)"
        )
        flow = [*adopted(connection, self.design, self.build, self.calendar, self.tables)]
        sql.coverage(connection, self.design, self.build, self.calendar, self.tables)
        columns = sql.attributes(connection, self.build, self.design, self.tables)
        counted: list[FlowStep] = []
        for i, outcome in enumerate(self.study.outcomes):
            if outcome.build is None:
                raise DataError(
                    Problem("", f"outcomes[{i}].build", "this key is missing.",
                            "Add it: the table, and the column of dates, that the outcome is counted from.")
                )  # fmt: skip
            sql.count(connection, i, outcome, self.design, self.build, self.calendar, self.tables)
        sql.everyone(connection, len(self.study.outcomes), self.tables[self.build.adoption.table])
        for i, outcome in enumerate(self.study.outcomes):
            counted += sql.outcome(connection, i, outcome, self.build, self.calendar)
            columns += self._columns(i, outcome)
        flow += self._units(connection)
        flow += counted
        flow += self._grid(connection, columns)
        self._write(connection, out)
        return tuple(flow)

    def _columns(self, i: int, outcome: Outcome) -> list[str]:
        """SQL of the outcome's column, and of its exposure's, over the joined grid."""
        name, value = quoted(outcome.column or outcome.id), f"o{i}.value"
        if outcome.per is None:
            return [f"{value} AS {name}"]
        if outcome.type == "rate":
            return [f"{value} * {outcome.per.rate!r}::DOUBLE / nullif(o{i}.people, 0) AS {name}"]
        exposure = [f"o{i}.people AS {quoted(outcome.exposure)}"] if outcome.exposure else []
        return [f"{value} AS {name}", *exposure]

    def _units(self, connection: DuckDBPyConnection) -> Iterator[FlowStep]:
        """The table `kept` of units: those that any table knows, less the excluded."""
        connection.execute("CREATE TEMP TABLE kept AS SELECT u FROM everyone")
        left = _count(connection, "kept")
        yield FlowStep("units", "Units in the tables", "unit", 0, left)
        for i, exclusion in enumerate(self.build.exclude):
            gone = sql.excluded(connection, i, exclusion, self.design, self.tables)
            connection.execute(f"DELETE FROM kept WHERE u IN ({gone})")
            now = _count(connection, "kept")
            yield FlowStep(f"exclude_{i + 1}", exclusion.reason, "unit", left - now, now)
            left = now

    def _grid(self, connection: DuckDBPyConnection, columns: list[str]) -> Iterator[FlowStep]:
        """The table `panel`, with the outcomes of periods set aside left empty; incomplete units leave if so asked."""
        joins = " ".join(f"LEFT JOIN outcome{i} o{i} USING (u, k)" for i, _ in enumerate(self.study.outcomes))
        d = self.design
        connection.execute(
            f"CREATE TEMP TABLE panel AS SELECT u AS {quoted(d.unit)}, t AS {quoted(d.time)}, "
            f"coalesce(cohort, 0) AS {quoted(d.cohort)}, first_day AS period_start, {', '.join(columns)}, "
            f"EXISTS (FROM aside WHERE aside.u = kept.u AND aside.k = periods.k) AS set_aside "
            f"FROM kept CROSS JOIN periods LEFT JOIN starts USING (u) LEFT JOIN about USING (u) {joins}"
        )
        left = _count(connection, "panel")
        yield FlowStep("grid", "Units times periods", "row", 0, left)
        names = [quoted(c) for o in self.study.outcomes for c in [o.column or o.id]]
        empty = " AND ".join(f"{c} IS NULL" for c in names)
        aside, empty_rows = connection.execute(
            f"SELECT count(*) FILTER (set_aside), count(*) FILTER (NOT set_aside AND {empty}) FROM panel"
        ).fetchall()[0]
        counted = " OR ".join(f"o{i}.value IS NOT NULL" for i, _ in enumerate(self.study.outcomes))
        silent = _count(
            connection,
            f"(SELECT u FROM kept CROSS JOIN periods {joins} WHERE NOT coalesce({counted}, false) "
            "AND NOT EXISTS (FROM aside WHERE aside.u = kept.u AND aside.k = periods.k))",
        )
        connection.execute("UPDATE panel SET " + ", ".join(f"{c} = NULL" for c in names) + " WHERE set_aside")
        yield FlowStep(
            "set_aside", "Begun, or ended, within or before the period: outcome set aside", "row", aside, left - aside
        )
        yield FlowStep("not_reported", "Not reported in full: outcome missing", "row", silent, left - aside - silent)
        if any(o.per is not None for o in self.study.outcomes):
            reason = "Reported, but no population, or one of zero: rate missing"
            yield FlowStep("no_population", reason, "row", empty_rows - silent, left - aside - empty_rows)
        if self.build.balance == "drop_units":
            yield from self._balanced(connection, names)

    def _balanced(self, connection: DuckDBPyConnection, names: list[str]) -> Iterator[FlowStep]:
        unit = quoted(self.design.unit)
        before = _count(connection, f"(SELECT DISTINCT {unit} FROM panel)")
        missing = " OR ".join(f"{c} IS NULL" for c in names)
        connection.execute(
            f"DELETE FROM panel WHERE {unit} IN (SELECT {unit} FROM panel WHERE ({missing}) AND NOT set_aside)"
        )
        now = _count(connection, f"(SELECT DISTINCT {unit} FROM panel)")
        yield FlowStep("unbalanced", "An outcome missing in some period", "unit", before - now, now)

    def _write(self, connection: DuckDBPyConnection, out: Path) -> None:
        if not _count(connection, "panel"):
            raise DataError(Problem("", "design.build", "no unit is left in the panel.", "See design.build.exclude."))
        order = f"{quoted(self.design.unit)}, {quoted(self.design.time)}"
        query = f"SELECT * EXCLUDE (set_aside) FROM panel ORDER BY {order}"
        write(connection, query, out, self.tables.values())


def _count(connection: DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
