"""The lazy list of estimators: ids here, modules imported when asked for; plug-ins by entry point."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

from evaluation.estimators.base import Estimator

BUILT_IN = {
    "risk_difference": "evaluation.estimators.risk_difference:RiskDifference",
    "kaplan_meier": "evaluation.estimators.kaplan_meier:KaplanMeier",
    "cox": "evaluation.estimators.cox:Cox",
    "twfe": "evaluation.estimators.twfe:TwoWayFixedEffects",
    "event_study": "evaluation.estimators.event_study:EventStudy",
    "callaway_santanna": "evaluation.estimators.callaway_santanna:CallawaySantAnna",
}


@cache
def _plug_ins() -> dict[str, str]:
    return {e.name: e.value for e in entry_points(group="evaluation.estimators")}


def known() -> list[str]:
    """Ids of every estimator there is, built-in ones first."""
    return [*BUILT_IN, *(name for name in sorted(_plug_ins()) if name not in BUILT_IN)]


def get(identifier: str) -> type[Estimator]:
    """The estimator class called `identifier`. Raises KeyError for an unknown id."""
    target = BUILT_IN.get(identifier) or _plug_ins()[identifier]
    module, _, name = target.partition(":")
    found: type[Estimator] = getattr(import_module(module), name)
    return found
