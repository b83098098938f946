"""The scans behind a panel's cross-products: what the rows hold, their sums by cell, and a second pass for variances.

Sums are of whole numbers on a common scale (`exact`): the same in any order of the rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from evaluation.data.engine import connect
from evaluation.data.exact import power, up_to_one, whole_sum
from evaluation.data.moments import EXTREME
from evaluation.errors import NotEstimable
from evaluation.results import FlowStep

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

    from evaluation.data.moments import Floats, Integers, Mask
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

LARGEST = 1e140  # the square of what is summed must be a number
MOST_NUMBERS = 4_000_000  # in the cells of single units; beyond, cells are summed over units


def fetched(connection: DuckDBPyConnection, sql: str) -> dict[str, NDArray[Any]]:
    """The columns of a result."""
    return cast("dict[str, NDArray[Any]]", connection.execute(sql).fetchnumpy())


@dataclass(frozen=True)
class _Facts:
    """Size and range of the rows, from one scan."""

    terms: int  # rows in the data
    missing: int
    weightless: int
    incomplete: int  # rows without a covariate or the third group
    units: int
    not_third: int  # rows whose third group is neither 0 nor 1
    times: tuple[int, ...]
    heaviest: float
    low: float
    high: float
    spans: tuple[tuple[float, float], ...]  # (L,) ranges of the covariates
    complete: bool  # whether any row has all

    @classmethod
    def of(cls, rows: str, usable: str, known: str, names: tuple[str, ...]) -> _Facts:
        ranges = "".join(f", min(x{i}) FILTER ({usable}), max(x{i}) FILTER ({usable})" for i in range(len(names)))
        with connect() as connection:
            found = connection.execute(
                f"SELECT count(*), count(*) FILTER (y IS NULL), count(*) FILTER (y IS NOT NULL AND NOT w > 0), "
                f"count(*) FILTER (y IS NOT NULL AND w > 0 AND NOT ({known})), count(DISTINCT u) FILTER ({usable}), "
                f"count(*) FILTER ({usable} AND q NOT IN (0, 1)), list(DISTINCT t) FILTER ({usable}), "
                f"max(w) FILTER ({usable}), min(y) FILTER ({usable}), max(y) FILTER ({usable}){ranges} FROM ({rows})"
            ).fetchall()[0]
        terms, missing, weightless, incomplete, units, not_third, times, heaviest, low, high, *spans = found
        return cls(
            terms, missing, weightless, incomplete, units, not_third, tuple(sorted(times or ())), heaviest, low, high,
            tuple(zip(spans[::2], spans[1::2], strict=True)), complete=low is not None)  # fmt: skip

    def require_reach(self, names: tuple[str, ...], summed: bool) -> None:
        """Raise NotEstimable for infinite values, and for sizes whose squares leave the range of numbers."""
        spans = {"outcome": (self.low, self.high), "weight": (0.0, self.heaviest)}
        spans |= {f"covariate {n}": span for n, span in zip(names, self.spans, strict=True)}
        for what, (low, high) in spans.items():
            if not math.isfinite(low) or not math.isfinite(high):
                raise NotEstimable(f"The {what} holds infinite values: leave unknown values empty.")
            _require_size(f"The {what}'s range", high / 2 - low / 2, EXTREME)
        if summed:
            weighted = self.heaviest * (self.high / 2 - self.low / 2)
            _require_size("The outcome times the largest weight", weighted, LARGEST)

    def flow(self, outcome: Outcome, names: tuple[str, ...], third: str | None) -> tuple[FlowStep, ...]:
        """The rows dropped, by reason."""
        what = " or ".join([*(["a covariate"] if names else []), *(["the third group"] if third else [])])
        dropped = [("missing_outcome", f'The outcome "{outcome.label}" is missing', self.missing)]
        dropped += [("zero_weight", "The weight is zero", self.weightless)] if self.weightless else []
        dropped += [("missing_covariate", f"{what[:1].upper()}{what[1:]} is missing", self.incomplete)] if what else []
        steps, left = [FlowStep("read", "Rows in the data", "row", 0, self.terms)], self.terms
        for step, reason, number in dropped:
            left -= number
            steps.append(FlowStep(step, reason, "row", number, left))
        return tuple(steps)


def _require_size(what: str, size: float, largest: float) -> None:
    if size and not 1 / largest < size < largest:
        raise NotEstimable(
            f"{what} is {'above' if size > 1 else 'below'} what can be reckoned with: give it in another unit, or "
            "correct the data."
        )


@dataclass(frozen=True)
class Scan:
    """The rows as SQL with what their first scan told: range of outcome, covariates and weights, and the periods."""

    rows: str  # u, t, g, c, w, y, third group q, covariates x0 …
    usable: str
    names: tuple[str, ...]
    times: tuple[int, ...]
    terms: int  # rows in the data
    shift: float
    spread: float
    heaviest: float
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    by_unit: bool
    summed: bool  # over units, each its own cluster
    flow: tuple[FlowStep, ...]

    @classmethod
    def of(cls, panel: Panel, outcome: Outcome, names: tuple[str, ...], third: str | None) -> Scan:
        """The scan of some covariates and a third group. Raises NotEstimable as `gram_moments` does."""
        assert outcome.column is not None  # noqa: S101 - a panel's outcome names its column
        if third and not panel.source.is_number(third):
            raise NotEstimable(_not_third(third))
        q = panel.source.number(third) if third else "0.0::DOUBLE"
        picked = ", ".join([f"{q} AS q", *(f"{panel.source.number(c)} AS x{i}" for i, c in enumerate(names))])
        rows = panel.rows(outcome.column).replace("SELECT ", f"SELECT {picked}, ", 1)
        known = " AND ".join(["q IS NOT NULL", *(f"x{i} IS NOT NULL" for i in range(len(names)))])
        usable = f"y IS NOT NULL AND w > 0 AND {known}"
        facts = _Facts.of(rows, usable, known, names)
        if not facts.complete:
            what = " with all covariates" if names else " and a third group" if third else ""
            raise NotEstimable(f"No row has an outcome{what}.", (facts.incomplete,) if facts.incomplete else ())
        if facts.not_third:
            raise NotEstimable(_not_third(third or ""))
        summed = panel.clustered_by_unit and facts.units * len(facts.times) * (len(names) + 2) ** 2 > MOST_NUMBERS
        facts.require_reach(names, summed)
        return cls(
            rows, usable, names, facts.times, facts.terms, facts.low / 2 + facts.high / 2,
            facts.high / 2 - facts.low / 2, facts.heaviest, tuple(a / 2 + b / 2 for a, b in facts.spans),
            tuple(up_to_one(b / 2 - a / 2) for a, b in facts.spans), panel.clustered_by_unit, summed,
            facts.flow(outcome, names, third))  # fmt: skip

    @property
    def y(self) -> str:
        """The outcome from the middle of its range."""
        return f"(y - {self.shift!r}::DOUBLE)"

    @property
    def x(self) -> list[str]:
        """The covariates on a common scale, each."""
        spans = zip(self.centre, self.scale, strict=True)
        return [f"((x{i} - {c!r}::DOUBLE) * {s!r}::DOUBLE)" for i, (c, s) in enumerate(spans)]

    @property
    def used(self) -> str:
        """The rows used, with their place `r` and the number `k` of their period; needs `place`."""
        rows = f"(SELECT * EXCLUDE (g, c, q) FROM ({self.rows}) WHERE {self.usable})"
        return f"{rows} JOIN places USING (u) JOIN periods USING (t)"

    def place(self, connection: DuckDBPyConnection) -> tuple[int, bool]:
        """Put each unit's row of the moments into the table `places`, and the periods into `periods`.

        Returns the number of units without any usable row, and whether every unit's weight is constant.
        """
        index = ", ".join(f"({t}, {k})" for k, t in enumerate(self.times))
        connection.execute(f"CREATE TEMP TABLE periods AS SELECT * FROM (VALUES {index}) AS p(t, k)")
        connection.execute(
            f"CREATE TEMP TABLE units AS SELECT u, min(g) AS g, min(c) AS c, min(q) AS q, min(q) <> max(q) AS moves, "
            f"bitstring_agg(k, 0, {len(self.times) - 1}) FILTER ({self.usable}) AS p, "
            f"min(w) FILTER ({self.usable}) = max(w) FILTER ({self.usable}) AS constant "
            f"FROM ({self.rows}) LEFT JOIN periods USING (t) GROUP BY u"
        )
        lost, constant, moved = connection.execute(
            "SELECT count(*) FILTER (p IS NULL), bool_and(constant), count(*) FILTER (moves) FROM units"
        ).fetchall()[0]
        if moved:
            raise NotEstimable(
                f"{moved} units change their third group over time; it must be the same in all rows of a unit.",
                (moved,),
            )
        single = self.by_unit and not self.summed
        row = "c, u" if single else "g, q, p" if self.summed else "c, g, q, p"
        cluster = row if self.summed else "c"  # ranked among all clusters, those without any usable row included
        connection.execute(
            f"CREATE TEMP TABLE places AS SELECT u, g, q, dense_rank() OVER (ORDER BY {row}) - 1 AS r, cluster "
            f"FROM (SELECT *, dense_rank() OVER (ORDER BY {cluster}) - 1 AS cluster FROM units) WHERE p IS NOT NULL"
        )
        return int(lost), bool(constant)

    def cells(self, connection: DuckDBPyConnection) -> dict[str, NDArray[Any]]:
        """Counts and sums by row and period."""
        plain, scaled = power(self.heaviest, self.terms), power(self.heaviest * self.spread, self.terms)
        x = self.x
        sums = {"w": _exact("w", plain), "y": _exact(f"w * {self.y}", scaled)}
        sums |= {f"x{i}": _exact(f"w * {a}", plain) for i, a in enumerate(x)}
        sums |= {f"p{i}": _exact(f"w * {a} * {self.y}", scaled) for i, a in enumerate(x)}
        sums |= {f"s{i}_{j}": _exact(f"w * {a} * {x[j]}", plain) for i, a in enumerate(x) for j in range(i, len(x))}
        picked = ", ".join(f"{sql} AS {name}" for name, sql in sums.items())
        return fetched(connection, f"SELECT r, k, count(*) AS n, {picked} FROM {self.used} GROUP BY r, k")


def _exact(expression: str, scale: int) -> str:
    """SQL for the sum of a DOUBLE expression, as a DOUBLE that is the same in any order of the rows."""
    return f"({whole_sum(expression, scale)}::DOUBLE * {2.0**-scale!r})"


def _not_third(column: str) -> str:
    return f'The column "{column}" that `third` names must hold 0 and 1 alone: 1 = the group that treatment can reach.'


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of a regression on indicators, rows by periods: which are in use, and what the fit says there."""

    origin: Integers  # (R,) number of the row in the data's own order
    times: Integers  # (T,)
    observed: Mask  # (R, T)
    column: Integers  # (R, T) which indicator is on
    fitted: Floats  # (R, T) what it contributes to the fit, the outcome counted from the moments' shift

    def table(self, times: tuple[int, ...]) -> Any:
        """As an Arrow table, by the data's own numbers of rows and periods."""
        import pyarrow as pa

        period = np.searchsorted(np.array(times), self.times)
        r, k = np.nonzero(self.observed)
        return pa.table({"r": self.origin[r], "k": period[k], "j": self.column[r, k], "f": self.fitted[r, k]})


@dataclass(frozen=True, eq=False)
class SecondPass:
    """A scan with the coefficients in hand, for variances where every unit is its own cluster."""

    scan: Scan

    def meat(self, cells: Cells, slopes: Floats, size: int) -> Floats:
        """Sum over units of the outer product of their scores (size + L, size + L).

        Parameters
        ----------
        cells
            The cells in use, with what the indicators say there.
        slopes
            (L,) coefficients of the covariates on the moments' scale.
        size
            Number of indicators.
        """
        scan = self.scan
        x = scan.x
        part = " + ".join(["f", *(f"{b!r}::DOUBLE * {a}" for b, a in zip(slopes.tolist(), x, strict=True))])
        bound = scan.heaviest * (scan.spread + float(np.abs(cells.fitted).max()) + float(np.abs(slopes).sum()))
        whole = len(scan.times) * bound
        with connect() as connection:
            scan.place(connection)
            connection.register("cells", cells.table(scan.times))
            connection.execute(
                f"CREATE TEMP TABLE errors AS SELECT u, j, w * ({scan.y} - ({part})) AS e"
                + "".join(f", {a} AS x{i}" for i, a in enumerate(x))
                + f" FROM {scan.used} JOIN cells USING (r, k)"
            )
            parts = ["SELECT u, j, e AS v FROM errors"]
            parts += [f"SELECT u, {size + i} AS j, e * x{i} AS v FROM errors" for i in range(len(x))]
            connection.execute(
                f"CREATE TEMP TABLE scores AS SELECT u, j, {_exact('v', power(bound, scan.terms))} AS z "
                f"FROM ({' UNION ALL '.join(parts)}) GROUP BY u, j"
            )
            total = _exact("a.z * b.z", power(whole**2, scan.terms))
            found = fetched(
                connection,
                f"SELECT a.j AS i, b.j AS j, {total} AS z FROM scores a JOIN scores b USING (u) GROUP BY 1, 2",
            )
        meat = np.zeros((size + len(x), size + len(x)))
        meat[found["i"], found["j"]] = found["z"]
        return meat
