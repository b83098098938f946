"""The names of a panel's clusters, by the codes that its moments give them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from evaluation.data.panel import Panel


def cluster_names(panel: Panel, most: int) -> list[str]:
    """Names in the order of the codes; none where there are more than `most` clusters."""
    value = panel.source.value(panel.cluster)
    found = panel.source.query(
        f"SELECT DISTINCT {value} AS name FROM {panel.source.scan} ORDER BY name LIMIT {most + 1}"
    )
    return [] if len(found) > most else [str(row[0]) for row in found]
