"""Random panels: unbalanced, weighted, with ties of cohort and cluster, and with outcomes missing."""

from dataclasses import dataclass
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from evaluation.data.moments import panel_moments
from evaluation.data.panel import Panel
from tests.panels import OUTCOME, design, source

FIRST = 2001


@dataclass(frozen=True)
class Case:
    """A frame with columns unit, time, cohort, cluster, weight and y, and the roles that are played."""

    frame: pd.DataFrame
    cluster: str
    weights: str | None

    def moments(self, frame=None, spark=None):
        with TemporaryDirectory() as folder:
            roles = design(cluster=self.cluster, weights=self.weights)
            panel = Panel.of(roles, source(self.frame if frame is None else frame, folder))
            return panel_moments(Panel(**{**vars(panel), "spark": spark}), OUTCOME)


@st.composite
def cases(draw, gaps=True):
    """Panels in which effects can be estimated: each cohort has units, one of them never treated, in several clusters."""
    periods = draw(st.integers(3, 6))
    starts = draw(st.lists(st.integers(FIRST + 1, FIRST + periods), min_size=1, max_size=3, unique=True))
    if min(starts) == FIRST + periods:
        starts = [FIRST + 1]
    groups = [0, *sorted(starts)]
    units = draw(st.integers(4 * len(groups), 30))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    clusters = draw(st.integers(3, 8))
    frame = pd.DataFrame({"unit": np.repeat(np.arange(units), periods)})
    frame["time"] = np.tile(np.arange(FIRST, FIRST + periods), units)
    frame["cohort"] = np.repeat(rng.permutation(np.resize(groups, units)), periods)
    frame["cluster"] = np.repeat(rng.integers(0, clusters, units), periods)
    weights = draw(st.sampled_from([None, "constant"]))
    heavy = rng.uniform(0.2, 3.0, units) if weights else np.ones(units)
    frame["weight"] = np.repeat(heavy, periods)
    scale = draw(st.sampled_from([1e-3, 1.0, 1e4]))
    frame["y"] = scale * rng.normal(draw(st.sampled_from([0.0, 50.0])), 1.0, len(frame))
    if gaps:
        share = draw(st.sampled_from([0.0, 0.1, 0.25]))
        frame.loc[rng.uniform(size=len(frame)) < share, "y"] = np.nan
        frame = frame[rng.uniform(size=len(frame)) >= draw(st.sampled_from([0.0, 0.1]))].reset_index(drop=True)
    return Case(frame, draw(st.sampled_from(["unit", "cluster"])), "weight" if weights else None)
