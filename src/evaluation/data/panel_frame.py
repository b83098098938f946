"""A panel's rows as a data frame, for libraries that want one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.data.moments import PanelMoments
    from evaluation.data.panel import Panel


def rows_of(panel: Panel, outcome: str, others: Sequence[str] = (), most: int = 2_000_000) -> pd.DataFrame | None:
    """Rows with an outcome and a weight: `unit`, `time`, `cohort`, `cluster`, `weight`, `y`, and `others` by name.

    None where there are more than `most` of them. Sorted by unit and time, so the same for any order of the data.
    """
    base = panel.rows(outcome)
    usable = "y IS NOT NULL AND w > 0"
    if panel.source.query(f"SELECT count(*) FROM ({base}) WHERE {usable}")[0][0] > most:
        return None
    picked = "".join(f", {panel.source.number(c)} AS x{k}" for k, c in enumerate(others))
    given = base.replace("SELECT ", f"SELECT {picked[2:]}, ", 1) if others else base
    frame = _frame(panel, f"SELECT * FROM ({given}) WHERE {usable} ORDER BY u, t, g, c, w, y")
    names = {"u": "unit", "t": "time", "g": "cohort", "c": "cluster", "w": "weight"}
    return frame.rename(columns=names | {f"x{k}": c for k, c in enumerate(others)})


def _frame(panel: Panel, sql: str) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    found = {k: np.ma.filled(v, np.nan) if np.ma.isMaskedArray(v) else v for k, v in panel.source.arrays(sql).items()}
    return pd.DataFrame(found)


def cells_of(moments: PanelMoments) -> pd.DataFrame:
    """The moments' rows as if each were a unit: means of its units' outcomes, with their summed weights.

    Least squares with effects of these units gives the coefficients of the panel itself.
    """
    import numpy as np
    import pandas as pd

    row, period = np.nonzero(moments.observed)
    weight = moments.weights[row, period]
    return pd.DataFrame({
        "unit": row, "time": moments.times[period], "cohort": moments.cohort[row], "cluster": moments.cluster[row],
        "weight": weight, "y": moments.sums[row, period] / weight + moments.shift,
    })  # fmt: skip
