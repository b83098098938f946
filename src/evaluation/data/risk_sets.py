"""People by arm, time, event, cluster and weight, in one group-by that reads no other column.

Grouping comes first, by the columns as they are stored, and what follows works on the few rows that are left. The
same rows tell how many were dropped for a missing value, so that the data are scanned once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation.data.cohort import CohortRows
from evaluation.data.engine import quoted

if TYPE_CHECKING:
    from evaluation.data.cohort import Cohort
    from evaluation.results import FlowStep


def risk_sets(cohort: Cohort) -> tuple[CohortRows, tuple[FlowStep, ...]]:
    """Counts of people, sorted by time, event, arm, cluster and weight; and what left the data on the way.

    Follow-up beyond the observed time is not read: curves do not need it.
    """
    import numpy as np

    source = cohort.source
    needed = cohort.needed(())
    names = list(dict.fromkeys(column for _, column in needed))
    listed = ", ".join(quoted(n) for n in names)
    grouped = f"(SELECT {listed}, count(*) AS people_ FROM {source.scan} GROUP BY {listed})"
    shown = {"a": "CAST({} AS INTEGER)", "e": "CAST({} AS INTEGER)", "g": "{}"}
    columns = ", ".join(f"{shown.get(alias, 'CAST({} AS DOUBLE)').format(source.value(c))} AS {alias}"
                        for alias, c in needed)  # fmt: skip
    cases = " ".join(f"WHEN {source.value(c)} IS NULL THEN {i}" for i, (_, c) in enumerate(needed, 1))
    code = ", dense_rank() OVER (ORDER BY dropped > 0, g) - 1 AS code" if cohort.cluster else ""
    read = ", ".join(alias for alias, _ in needed if alias != "g") + ", dropped, people_" + code
    found = source.arrays(
        f"SELECT {read} FROM (SELECT {columns}, CASE {cases} ELSE 0 END AS dropped, people_ FROM {grouped})"
    )
    people = np.asarray(found["people_"], np.int64)
    dropped = np.asarray(found["dropped"], np.int64)
    lost = np.bincount(dropped, people, len(needed) + 1)
    kept = np.flatnonzero(dropped == 0)
    keys = [np.ma.getdata(found[k])[kept] for k in ("w", "code", "a", "e", "t") if k in found]
    order = kept[np.lexsort(keys)]

    def column(name: str) -> Any:
        return np.asarray(np.ma.getdata(found[name])[order])

    rows = CohortRows(
        arm=column("a").astype(np.int64), time=column("t").astype(np.float64), event=column("e").astype(np.int64),
        people=people[order], follow_up=None, cluster=column("code").astype(np.int64) if cohort.cluster else None,
        covariates=np.empty((len(order), 0)), weights=column("w").astype(np.float64) if cohort.weights else None,
    )  # fmt: skip
    return rows, cohort.flow_of({i: int(n) for i, n in enumerate(lost.tolist())})
