"""Cohorts for tests: a data frame written as Parquet and opened the way a study's data are."""

from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import numpy as np
import pandas as pd

from evaluation.data.cohort import Cohort, CohortRows
from evaluation.data.engine import open_source
from evaluation.estimators.registry import get
from evaluation.inference.curve_bands import Style, incidence_curve
from evaluation.inference.curve_errors import Followed
from evaluation.study.models import CohortDesign, Outcome

OUTCOME = Outcome(id="rearrest", label="Rearrest")
ROLES = {"arm": "arm", "time": "time", "event": "event", "time_unit": "month", "assignment": "observational"}


def design(**roles):
    return CohortDesign(type="cohort", **{**ROLES, **roles})


def source(frame, folder):
    path = Path(folder) / "people.parquet"
    frame.to_parquet(path)
    return open_source(str(path), Path(folder))


def cohort(frame, folder, **roles):
    """The frame as a `Cohort`; roles default to columns called arm, time and event, in months."""
    return Cohort.of(design(**roles), source(frame, folder))


def fit(estimator, frame, options=None, **roles):
    """The results of an estimator (by id) on a frame."""
    with TemporaryDirectory() as folder:
        return get(estimator)(**(options or {})).fit(cohort(frame, folder, **roles), OUTCOME)


def estimates(results, time=None):
    """Estimates by term, at one window where `time` is given."""
    return {e.term: e for e in results.estimates if time is None or e.time == time}


def survival(time, event, level=0.95, conf_type="log-log"):
    """The Kaplan-Meier curve of people who all count alike, at each distinct time; event 1 counts."""
    n = len(time)
    ones, none = np.ones(n, np.int64), np.empty((n, 0))
    rows = CohortRows(ones, np.asarray(time, float), np.asarray(event), ones, None, None, none)
    found = incidence_curve(Followed(rows, (1,)), 1, 1, Style(level, conf_type))
    return SimpleNamespace(
        time=found.time, n_risk=found.n_risk, n_event=found.n_event, n_censor=found.n_left,
        survival=1 - found.estimate, std_error=found.std_error, low=1 - found.high, high=1 - found.low,
    )  # fmt: skip


def checks(results, name):
    return [c for c in results.checks if c.check == name]


def expanded(groups, columns=("arm", "time", "event")):
    """A frame from (values..., how many people) tuples."""
    rows = [values[:-1] for values in groups for _ in range(values[-1])]
    return pd.DataFrame(rows, columns=list(columns))
