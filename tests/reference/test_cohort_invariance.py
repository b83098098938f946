"""What no estimator of cohorts may depend on: the order of rows, names, and how many rows stand for a person.

Every cohort estimator of the registry is held to this, a new one too: with its default options where `WAYS` says nothing.
"""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from evaluation.estimators.registry import get, known
from tests.cohorts import fit

COUNTED = {"count": "number", "exposure": "days"}
WAYS = {
    "risk_difference": [
        {"censoring": "ipcw", **more}
        for more in (
            {}, {"adjust": "regression"}, {"adjust": "regression", "estimand": "att"}, {"adjust": "iptw"},
            {"adjust": "iptw", "estimand": "att"}, {"adjust": "iptw", "estimand": "ato"}, {"adjust": "aipw"},
            {"adjust": "aipw", "estimand": "att"}, {"adjust": "iptw", "trim": [0.2, 0.8]},
            {"adjust": "iptw", "truncate": 0.95}, {"adjust": "aipw", "folds": 3}, {"adjust": "matching"},
        )
    ],
    "kaplan_meier": [{}, {"adjust": "iptw"}],
    "cumulative_incidence": [{}, {"adjust": "iptw"}, {"adjust": "iptw", "estimand": "att"}],
    "rmst": [{}, {"adjust": "iptw", "estimand": "ato"}],
    "cox": [{}, {"ties": "breslow"}, {"robust": True}],
    "fine_gray": [{}, {"covariates": []}],
    "pooled_logistic": [{}, {"baseline": "dummies", "every": 3.0}],
    "event_count": [COUNTED, {**COUNTED, "model": "poisson"}],
}  # fmt: skip
CASES = [(name, way) for name in known() if get(name).design == "cohort" for way in WAYS.get(name, [{}])]


def weighed(name, way):
    """Whether half of a person twice is that person.

    It is not where someone is matched or put in a fold, and not for Efron's ties: these go by the number of people tied,
    in R's coxph too (which gives the same figures for the people below, once and twice).
    """
    ties = get(name)(**way).ties if name == "cox" else ""
    return way.get("adjust") != "matching" and "folds" not in way and ties != "efron"


WEIGHED = [(name, way) for name, way in CASES if weighed(name, way)]
ROLES = {"windows": [6.0, 12.0], "covariates": ["age", "priors", "urban"], "competing": {"death": 2}, "person": "id"}
COPIES = 1e-8  # relative: fits stop where a step of Newton's method no longer improves them


@pytest.fixture(scope="module")
def people():
    """Times in whole months with many ties, an arm that depends on covariates, deaths, people lost early, courts."""
    draw = np.random.default_rng(17)
    n = 500
    age, priors, urban = draw.normal(30, 8, n).round(1), draw.poisson(2, n), draw.integers(0, 2, n)
    arm = (draw.uniform(size=n) < 1 / (1 + np.exp(0.05 * (age - 30) - 0.2 * (priors - 2)))).astype(int)
    risk = np.exp(0.15 * priors - 0.02 * (age - 30) - 0.4 * arm)
    first = np.ceil(np.stack([draw.exponential(20 / risk), draw.exponential(60, n), draw.exponential(50, n)]))
    time = np.minimum(first.min(axis=0), 18.0)
    event = np.where(first.min(axis=0) > 18, 0, np.array([1, 2, 0])[first.argmin(axis=0)])
    days = time * 30 - draw.integers(0, 20, n)
    return pd.DataFrame({
        "arm": arm, "time": time, "event": event, "age": age, "priors": priors, "urban": urban,
        "court": [f"court {k:02d}" for k in draw.integers(0, 24, n)], "id": np.arange(n), "days": days,
        "number": draw.poisson(risk * days / 300), "w": draw.choice([0.5, 1.0, 1.5], n),
    })  # fmt: skip


def told(results, names=None):
    """Every number of the results, by the row it stands in; `names` undoes a renaming of columns."""
    found, back = {}, names or {}
    for part in ("estimates", "inference", "checks", "curve"):
        for k, row in enumerate(getattr(results, part)):
            term = getattr(row, "term", "")
            words = [str(getattr(row, key, "")) for key in ("check", "quantity", "group", "time", "method")]
            place = (part, back.get(term, term), *words, k if part == "checks" else 0)
            for f in fields(row):
                value = getattr(row, f.name)
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    found[*place, f.name] = value
    assert found
    assert all(e.status == "ok" for e in results.estimates)
    return found


def points(results):
    """Estimates, and the curves."""
    return {key: value for key, value in told(results).items()
            if key[-1] == "estimate" and key[0] in ("estimates", "curve")}  # fmt: skip


def same(found, expected, rel):
    assert found.keys() == expected.keys()
    off = {k: (found[k], v) for k, v in expected.items() if found[k] != pytest.approx(v, rel=rel, abs=rel)}
    assert not off, list(off.items())[:5]


def test_every_way_listed_is_of_a_cohort_estimator():
    assert set(WAYS) <= {name for name, _ in CASES}


@pytest.mark.parametrize("roles", [{}, {"cluster": "court", "weights": "w"}], ids=["plain", "clustered, weighted"])
@pytest.mark.parametrize(("name", "way"), CASES, ids=str)
def test_order_and_names_change_nothing(people, name, way, roles):
    if roles and way.get("adjust") == "matching":
        roles = {"cluster": "court"}  # matching takes no weights
    once = told(fit(name, people, way, **ROLES, **roles))
    shuffled = people.sample(frac=1, random_state=3)
    same(told(fit(name, shuffled, way, **ROLES, **roles)), once, 1e-12)
    draw = np.random.default_rng(5)
    courts = sorted(set(people["court"]))
    other = dict(zip(courts, draw.permutation(len(courts)).tolist(), strict=True))
    names = {"age": "z_age", "priors": "m_priors", "urban": "a_urban"}
    courts_anew, ids = shuffled["court"].map(other), draw.permutation(len(people))
    anew = shuffled.assign(court=courts_anew, id=ids, offered=shuffled["arm"] == 1).drop(columns="arm")
    renamed = ROLES | {"covariates": list(names.values()), "arm": "offered"} | roles
    found = fit(name, anew.rename(columns=names), way, **renamed)
    same(told(found, {new: old for old, new in names.items()}), once, 1e-12)


@pytest.mark.parametrize(("name", "way"), WEIGHED, ids=str)
def test_everyone_twice_with_half_the_weight(people, name, way):
    once = points(fit(name, people, way, **ROLES))
    twice = pd.concat([people, people], ignore_index=True).assign(half=0.5, id=np.arange(2 * len(people)))
    same(points(fit(name, twice, way, **ROLES, weights="half")), once, COPIES)
    weighted = points(fit(name, people, way, **ROLES, weights="w"))
    doubled = twice.assign(half=twice["w"] / 2)
    same(points(fit(name, doubled, way, **ROLES, weights="half")), weighted, COPIES)
