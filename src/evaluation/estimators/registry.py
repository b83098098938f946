"""The lazy list of estimators: ids here, modules imported when asked for; plug-ins by entry point."""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from evaluation.estimators.base import Estimator

BUILT_IN = {
    "risk_difference": "evaluation.estimators.risk_difference:RiskDifference",
    "kaplan_meier": "evaluation.estimators.kaplan_meier:KaplanMeier",
    "cox": "evaluation.estimators.cox:Cox",
    "cumulative_incidence": "evaluation.estimators.cumulative_incidence:CumulativeIncidence",
    "rmst": "evaluation.estimators.rmst:RestrictedMean",
    "pooled_logistic": "evaluation.estimators.pooled_logistic:PooledLogistic",
    "fine_gray": "evaluation.estimators.fine_gray:FineGray",
    "event_count": "evaluation.estimators.event_count:EventCount",
    "twfe": "evaluation.estimators.twfe:TwoWayFixedEffects",
    "event_study": "evaluation.estimators.event_study:EventStudy",
    "did_2x2": "evaluation.estimators.did_2x2:TwoByTwo",
    "triple_difference": "evaluation.estimators.triple_difference:TripleDifference",
    "sun_abraham": "evaluation.estimators.sun_abraham:SunAbraham",
    "stacked": "evaluation.estimators.stacked:Stacked",
    "etwfe": "evaluation.estimators.etwfe:ExtendedTwoWay",
    "callaway_santanna": "evaluation.estimators.callaway_santanna:CallawaySantAnna",
    "imputation": "evaluation.estimators.imputation:ImputationDiD",
    "poisson_did": "evaluation.estimators.poisson_did:PoissonDiD",
    "synthetic_control": "evaluation.estimators.synthetic_control:SyntheticControl",
    "synthetic_did": "evaluation.estimators.synthetic_did:SyntheticDiD",
    "interrupted_time_series": "evaluation.estimators.interrupted_time_series:InterruptedTimeSeries",
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


def _values(annotation: dict[str, Any]) -> str:
    """The values an option takes, read off its JSON schema."""
    if "enum" in annotation:
        return " | ".join(str(v) for v in annotation["enum"])
    if "const" in annotation:
        return str(annotation["const"])
    if "anyOf" in annotation:
        return " | ".join(_values(a) for a in annotation["anyOf"])
    if annotation.get("type") == "array":
        return f"list of {_values(annotation.get('items', {}))}"
    return str(annotation.get("type", "any"))


def describe(identifier: str) -> dict[str, Any]:
    """What `evaluation methods` shows of an estimator: texts, and options with values and defaults."""
    estimator = get(identifier)
    schema = estimator.model_json_schema()["properties"]
    options = [
        {
            "name": name,
            "values": _values(about),
            "default": json.dumps(about.get("default")),
            "description": about.get("description", ""),
        }
        for name, about in schema.items()
    ]
    return {
        "id": identifier,
        "design": estimator.design,
        "title": estimator.title,
        "summary": estimator.summary,
        "needs": estimator.needs,
        "conventions": estimator.conventions,
        "source": estimator.source,
        "options": options,
    }
