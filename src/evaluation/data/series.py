"""The raw outcome by group and period, before any model."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from evaluation.data.exact import power, up_to_one, whole_sum
from evaluation.results import COUNTS, Row

if TYPE_CHECKING:
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

Sums = tuple[int, int, int, int, int]  # units, sums of weights, of weighted and of plain outcomes, units with a 1
Cells = dict[int, Sums]  # by period


def _groups(cohort: int, first: int, last: int) -> list[str]:
    """Groups a cohort belongs to; none for those treated from the first period on."""
    if cohort == 0 or cohort > last:
        return ["control"]
    return ["treated", f"cohort:{cohort}"] if cohort > first else []


def _group_order(name: str) -> tuple[int, int]:
    kind, _, cohort = name.partition(":")
    return ("treated", "control", "cohort").index(kind), int(cohort or 0)


def _added(cells: Cells, period: int, sums: Sums) -> None:
    before = cells.get(period, (0, 0, 0, 0, 0))
    units, weights, weighted, plain, ones = (a + b for a, b in zip(before, sums, strict=True))
    cells[period] = (units, weights, weighted, plain, ones)


def series(panel: Panel, outcome: Outcome) -> list[Row]:
    """Mean outcome by period: of units `treated` within the span, of `control` units, and of each `cohort:<g>`.

    Units treated from the first period on are in none of them; units that adopt after the last period are
    `control`. The mean is weighted where the panel has weights; `total` is the plain sum of a count. Where all
    outcomes are 0 or 1, the rows' private counts are of the units with a 1 and with a 0.
    """
    assert outcome.column is not None  # noqa: S101 - a panel's outcome names its column
    rows = f"(SELECT * FROM ({panel.rows(outcome.column)}) WHERE y IS NOT NULL AND w > 0)"
    n, first, last, largest, heaviest, binary = panel.source.query(
        f"SELECT count(*), min(t), max(t), max(abs(y)), max(w), bool_and(y IN (0, 1)) FROM {rows}"
    )[0]
    if not n:
        return []
    by_weight, by_outcome = power(1.0, n), power(largest, n)
    weight = f"w * {up_to_one(heaviest)!r}::DOUBLE"
    cells = panel.source.query(
        f"SELECT g, t, count(*), {whole_sum(weight, by_weight)}, {whole_sum(f'{weight} * y', by_outcome)}, "
        f"{whole_sum('y', by_outcome)}, count(*) FILTER (y = 1) FROM {rows} GROUP BY 1, 2"
    )
    found: dict[str, Cells] = defaultdict(dict)
    for cohort, period, *sums in sorted(cells):
        for group in _groups(cohort, first, last):
            _added(found[group], period, (sums[0], sums[1], sums[2], sums[3], sums[4]))
    return [
        {
            "group": group,
            "time": float(period),
            "estimate": (weighted / weights) * 2.0 ** (by_weight - by_outcome),
            "n_units": units,
            "total": round(plain * 2.0**-by_outcome) if outcome.type == "count" else None,
            COUNTS: (ones, units - ones) if binary else (),
        }
        for group in sorted(found, key=_group_order)
        for period, (units, weights, weighted, plain, ones) in sorted(found[group].items())
    ]
