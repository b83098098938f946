"""The moments of a panel's outcomes, by the cheapest way that is exact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from evaluation.data.frames import frames
from evaluation.data.moments.cells import complete, complete_cells, patterned_cells
from evaluation.data.moments.facts import Facts, facts_of, rows_of
from evaluation.data.moments.products import cross_products, mean
from evaluation.data.moments.single import unit_rows
from evaluation.data.moments.streamed import streamed_products
from evaluation.errors import NotEstimable

if TYPE_CHECKING:
    from evaluation.data.frames import Frame, Frames
    from evaluation.data.moments.gathered import Gathered
    from evaluation.data.moments.model import PanelMoments
    from evaluation.data.panel import Panel
    from evaluation.study.models import Outcome

    Found = PanelMoments | NotEstimable

MOST_UNIT_ROWS = 400_000  # rows of the data up to which each unit that is its own cluster is kept as a row


def panel_moments(panel: Panel, outcome: Outcome) -> PanelMoments:
    """The moments of an outcome, equal to the last bit for any order of the rows and on any engine.

    Those that the panel holds already (`holding`) are taken from there.

    Raises
    ------
    NotEstimable
        When no row has an outcome, or its numbers are too large or too small to be reckoned with.
    """
    found = panel.held.get(outcome)
    if found is None:
        found = panel_moments_of(panel, [outcome])[outcome.id]
    if isinstance(found, NotEstimable):
        raise found
    return found


def panel_moments_of(panel: Panel, outcomes: Sequence[Outcome], by: str | None = None) -> dict[Any, Found]:
    """The moments of several outcomes, and of the levels of a subgroup, from shared scans of the data.

    One scan tells size, range and periods of all outcomes; those without gaps share the second one too. `by` is a
    column that is constant within units; rows where it is empty are left out.

    Returns
    -------
    dict
        By the outcome's id or, with `by`, by (outcome's id, level); NotEstimable where there is nothing to sum.
    """
    columns = list(dict.fromkeys(str(o.column) for o in outcomes))
    with frames(panel) as engine:
        rows = rows_of(engine, panel, columns, by)
        facts = facts_of(engine, rows, len(columns), panel.weights is not None, by)
        scan = _Scan(engine, panel, rows, columns, by)
        found = scan.everything(dict(enumerate(facts)))
    made: dict[Any, Found] = {}
    for outcome in outcomes:
        j = columns.index(str(outcome.column))
        for level in facts[j].levels:
            made[(outcome.id, level) if by else outcome.id] = _made(found[j], facts[j], outcome, level)
    return made


def _made(found: Gathered | NotEstimable, facts: Facts, outcome: Outcome, level: Any) -> Found:
    if isinstance(found, NotEstimable):
        return found
    if level is not None and level not in found.level:
        return NotEstimable("No row has an outcome.")
    return found.moments(facts, outcome, level)


class _Scan:
    """The ways to gather outcomes of one panel, each named by its place among the columns."""

    def __init__(self, engine: Frames, panel: Panel, rows: Frame, columns: Sequence[str], by: str | None) -> None:
        self.engine, self.panel, self.rows, self.columns, self.by = engine, panel, rows, columns, by
        self.weighted = panel.weights is not None

    def everything(self, facts: dict[int, Facts]) -> dict[int, Gathered | NotEstimable]:
        """All outcomes: those without gaps together, then the others one by one."""
        found: dict[int, Gathered | NotEstimable] = {}
        for j, fact in facts.items():
            try:
                fact.check()
            except NotEstimable as none:
                found[j] = none
        even = {j: f for j, f in facts.items() if j not in found and f.even}
        if even and not self.panel.clustered_by_unit:
            periods = len(next(iter(even.values())).times)
            if complete(self.engine, self.rows, periods, self.weighted):
                found |= complete_cells(self.engine, self.rows, even, self.weighted, self.by)
        for j, fact in facts.items():
            if j not in found:
                try:
                    found[j] = self.one(j, fact)
                except NotEstimable as none:
                    found[j] = none
        return found

    def one(self, place: int, facts: Facts) -> Gathered:
        """An outcome by itself: summed where that is exact, else unit by unit."""
        made = None
        if not self.panel.clustered_by_unit:
            made = patterned_cells(self.engine, self.rows, place, facts, self.weighted, self.by)
        elif facts.n_rows > MOST_UNIT_ROWS:
            made = self._products(place, facts)
        return made or unit_rows(self.engine, self.rows, place, facts, self._roles())

    def _products(self, place: int, facts: Facts) -> Gathered | None:
        """The cross-products of an outcome: from a stream of rows where these lie sorted and whole, else by a query."""
        shift = mean(self.engine, self.rows, place, facts, self.weighted)
        made = None
        if facts.even and not self.weighted and self.by is None:
            made = streamed_products(self.engine, self.panel, self.columns[place], facts, shift)
        return made or cross_products(self.engine, self.rows, place, facts, shift, self.weighted, self.by)

    def _roles(self) -> list[str]:
        roles = {"c": not self.panel.clustered_by_unit, "w": self.weighted, "b": self.by is not None}
        return ["u", "g", "t", *(r for r, there in roles.items() if there)]
