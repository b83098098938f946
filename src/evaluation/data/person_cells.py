"""People with the same values, counted together: what regressions over people read, in one group-by where that helps.

Where hardly two people have the same values, grouping costs more than it saves, and each row is one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.data.engine import quoted
from evaluation.results import FlowStep

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from evaluation.data.cohort import Cohort

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

GROUPED = 0.5  # of the people: with more combinations of values than that, people are not grouped
PART = 16  # one of so many combinations is counted to judge that


@dataclass(frozen=True)
class Needed:
    """A column that must not be missing, and what it is called where people are dropped for it.

    `codes`: the column may hold anything, and is read as codes 0, 1, … in the order of its values.
    """

    role: str
    column: str
    codes: bool = False


@dataclass(frozen=True, eq=False)
class PersonCells:
    """Rows (n,) that each stand for `people` persons with the same values, sorted by every column in turn.

    `values` has one array (n,) for each column asked for; `cluster` are codes 0 … G-1, None without clusters, and
    `weights` the design's, of one person each, None where all count alike.
    """

    values: tuple[Any, ...]
    people: Integers
    cluster: Integers | None
    weights: Floats | None

    @property
    def mass(self) -> Floats:
        """What each row weighs (n,): its people times their weight."""
        import numpy as np

        return np.asarray(self.people if self.weights is None else self.people * self.weights, np.float64)

    @property
    def total(self) -> int:
        """How many people there are."""
        return int(self.people.sum())


def person_cells(
    cohort: Cohort, first: Sequence[Needed], more: Sequence[Needed] = (), by: Sequence[int] = ()
) -> tuple[PersonCells, tuple[FlowStep, ...]]:
    """Read people by the columns `first` and `more`, and tell who was dropped for a missing value.

    Values that are missing are looked for in this order: `first`, the design's cluster and weight, then `more`. Rows
    are sorted by the columns at the places `by`, then by all others.
    """
    import numpy as np

    found, columns = _read(cohort, first, more, by)
    dropped = np.asarray(found["dropped"], np.int64)
    people = np.asarray(found["people_"], np.int64)
    lost = np.bincount(dropped, people, len(columns) + 1)
    kept = slice(int((dropped == 0).sum()))  # those dropped come last

    def column(name: str) -> Any:
        values = np.ma.getdata(found[name])[kept]
        return values if values.dtype == np.float64 else values.astype(np.int64)

    names = [f"c{i}" for i in range(len(first) + len(more))]
    cells = PersonCells(
        tuple(column(n) for n in names), people[kept], column("g") if cohort.cluster else None,
        np.asarray(column("w"), np.float64) if cohort.weights else None,
    )  # fmt: skip
    return cells, _flow(columns, [int(n) for n in lost.tolist()])


def _read(
    cohort: Cohort, first: Sequence[Needed], more: Sequence[Needed], by: Sequence[int]
) -> tuple[dict[str, Any], list[Needed]]:
    """The columns c0, c1, …, [g], [w], `dropped` (0, or the place of the missing column) and `people_`."""
    source = cohort.source
    own = [(Needed("cluster", cohort.cluster, codes=True), "g")] if cohort.cluster else []
    own += [(Needed("weight", cohort.weights), "w")] if cohort.weights else []
    head = [(needed, f"c{i}") for i, needed in enumerate(first)]
    tail = [(needed, f"c{i}") for i, needed in enumerate(more, len(first))]
    asked = head + own + tail
    names = ", ".join(quoted(n) for n in dict.fromkeys(needed.column for needed, _ in asked))
    from_ = source.scan
    people = "1 AS people_"
    if _repeats(cohort, [needed.column for needed, _ in asked]):
        from_, people = f"(SELECT {names}, count(*) AS people_ FROM {source.scan} GROUP BY {names})", "people_"
    shown = ", ".join(f"{source.value(n.column) if n.codes else source.number(n.column)} AS {a}" for n, a in asked)
    cases = " ".join(f"WHEN {source.value(n.column)} IS NULL THEN {i}" for i, (n, _) in enumerate(asked, 1))
    inner = f"SELECT {shown}, CASE {cases} ELSE 0 END AS dropped, {people} FROM {from_}"
    coded = [f"dense_rank() OVER (ORDER BY dropped > 0, {a}) - 1 AS {a}" if n.codes else a for n, a in asked]
    order = ", ".join(dict.fromkeys([*(f"c{i}" for i in by), *(a for _, a in (*head, *tail, *own))]))
    listed = ", ".join([*coded, "dropped", "people_"])
    return source.arrays(f"SELECT {listed} FROM ({inner}) ORDER BY dropped, {order}"), [n for n, _ in asked]


def _repeats(cohort: Cohort, columns: Sequence[str]) -> bool:
    """Whether many people share all values, judged by how many combinations there are in a fixed part of all possible.

    The part is picked by a hash of the values, so that it is the same whatever the order of the rows.
    """
    scan, listed = cohort.source.scan, ", ".join(quoted(c) for c in dict.fromkeys(columns))
    found = f"SELECT DISTINCT {listed} FROM {scan} WHERE hash({listed}) % {PART} = 0"
    ((total, combinations),) = cohort.source.query(
        f"SELECT (SELECT count(*) FROM {scan}), (SELECT count(*) FROM ({found}))"
    )
    return int(combinations) * PART <= GROUPED * int(total)


def _flow(columns: Sequence[Needed], counts: list[int]) -> tuple[FlowStep, ...]:
    """Everyone in the data, then those dropped for each missing value; `counts` are those kept, then by column."""
    left = sum(counts)
    steps = [FlowStep("start", "everyone in the data", "person", 0, left)]
    for needed, dropped in zip(columns, counts[1:], strict=True):
        if dropped:
            left -= dropped
            plain = needed.role == needed.column
            reason = f"missing {needed.role}" + ("" if plain else f" ({quoted(needed.column)})")
            steps.append(FlowStep(f"missing_{needed.column}", reason, "person", dropped, left))
    return tuple(steps)
