"""What a study may declare of a panel's units beside the design: where they lie, and whether they are neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from evaluation.errors import Problem

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.study.models import PanelDesign

Breach = tuple[str, str, str, str]  # an SQL condition, the column to blame, what is wrong, how to mend it


@dataclass(frozen=True)
class Marks:
    """The columns of a unit's place, and of the ring of untreated units next to treated ones; none where not given."""

    design: PanelDesign
    ring: str | None = None

    def columns(self, source: Source) -> dict[str, str]:
        """SQL of the columns under names of our own: `lat`, `lon`, `ring`."""
        named = zip(("lat", "lon"), self.design.coordinates, strict=False)
        found = {name: source.number(column) for name, column in named}
        return found | ({"ring": source.number(self.ring)} if self.ring else {})

    def of_rows(self) -> list[Breach]:
        """What a row breaks on its own."""
        limits = zip(("lat", "lon"), self.design.coordinates, (90, 180), strict=False)
        found = [
            (f"NOT abs({name}) <= {most}", column, f"beyond {most} degrees",
             "Coordinates are degrees, latitude first: [LATITUDE, LONGITUDE].")
            for name, column, most in limits
        ]  # fmt: skip
        if self.ring:
            found.append(("ring NOT IN (0, 1)", self.ring, "with another value than 0 and 1",
                          "Write 1 for untreated units next to treated ones, 0 for all others."))  # fmt: skip
        return found

    def figures(self) -> str:
        """SQL of what is reckoned for each unit: the conditions of `of_units`."""
        found = []
        if self.design.coordinates:
            found.append("count(lat) = 0 OR count(lon) = 0 AS nowhere")
            found.append("coalesce(min(lat) <> max(lat) OR min(lon) <> max(lon), false) AS wanders")
        if self.ring:
            found.append("count(ring) = 0 AS unmarked")
            found.append("coalesce(min(ring) <> max(ring), false) AS remarked")
            found.append("coalesce(max(ring) = 1 AND max(coalesce(g, 0)) <> 0, false) AS inside")
        return "".join(f", {part}" for part in found)

    def of_units(self) -> list[Breach]:
        """What a unit breaks over all its rows."""
        found = []
        if self.design.coordinates:
            latitude = self.design.coordinates[0]
            found.append(("nowhere", latitude, "without coordinates", "Fill in latitude and longitude."))
            found.append(("wanders", latitude, "with more than one place",
                          "Give every row of a unit the same coordinates."))  # fmt: skip
        if self.ring:
            found.append(("unmarked", self.ring, "without a value", "Write 1 for neighbours of treated units, else 0."))
            found.append(("remarked", self.ring, "with more than one value",
                          "Give every row of a unit the same value."))  # fmt: skip
            found.append(("inside", self.ring, "marked as neighbours and treated themselves",
                          "Mark units never treated only."))  # fmt: skip
        return found


_WRITTEN = (("month", 100, 12), ("quarter", 10, 4))  # years with months, or with quarters, written as one number


def calendar_numbers(times: Sequence[int]) -> Iterator[Problem]:
    """A warning where periods are dates written as numbers, so that December and January are 89 apart."""
    for unit, base, last in _WRITTEN:
        years = [t // base for t in times]
        if not all(1 <= t % base <= last for t in times) or not 1800 <= min(years) <= max(years) <= 2200:
            continue
        jump = next(((a, b) for a, b in pairwise(times) if b // base > a // base), None)
        if jump is not None:
            what = f"periods jump from {jump[0]} to {jump[1]}: {unit}s written so are not counted one by one."
            fix = f"Give consecutive numbers ({last} × year + {unit}), or build the panel from tables."
            yield Problem("", "design.time", what, fix, "warning")
            return
