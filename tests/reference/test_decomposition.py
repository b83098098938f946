"""Decompositions of the two-way fixed effects coefficient: printed figures, diff-diff, and regressions."""

import warnings

import moderndid
import numpy as np
import pandas as pd
import pytest
from diff_diff import BaconDecomposition

from evaluation.diagnostics.bacon import goodman_bacon
from evaluation.diagnostics.twfe_weights import twfe_weights
from tests.panels import fit, moments, overall, simulated


@pytest.fixture(scope="module")
def mpdta():
    names = {"countyreal": "unit", "year": "time", "first.treat": "cohort", "lemp": "y"}
    return moderndid.load_mpdta().to_pandas().rename(columns=names)


@pytest.fixture(scope="module")
def ehec():
    names = {"stfips": "unit", "year": "time", "yexp2": "cohort", "dins": "y"}
    return moderndid.load_ehec().to_pandas().rename(columns=names)


@pytest.fixture(scope="module")
def always():
    """One cohort treated throughout, one after the last period."""
    return simulated(starts=(1, 3, 5, 6, 9))


def by_kind(components):
    found = {}
    for kind in {c.kind for c in components}:
        weight = sum(c.weight for c in components if c.kind == kind)
        found[kind] = (weight, sum(c.weight * c.estimate for c in components if c.kind == kind) / weight)
    return found


# mpdta: diff-diff 3.13.0, four decimals. ehec: R's bacondecomp as printed in the Mixtape Sessions.
KINDS = {
    "mpdta": (
        {
            "treated_vs_never": (0.8628, -0.0407),
            "earlier_vs_later": (0.0833, -0.0198),
            "later_vs_earlier": (0.0539, 0.0046),
        },
        5.1e-5,
    ),
    "ehec": (
        {
            "earlier_vs_later": (0.14911, 0.06983),
            "later_vs_earlier": (0.05827, 0.04486),
            "treated_vs_never": (0.79262, 0.07228),
        },
        5.1e-6,
    ),
}


@pytest.mark.parametrize("data", KINDS)
def test_weights_and_effects_by_kind_of_comparison(request, data):
    expected, tolerance = KINDS[data]
    found = by_kind(goodman_bacon(moments(request.getfixturevalue(data))).components)
    assert set(found) == set(expected)
    for kind, figures in expected.items():
        assert found[kind] == pytest.approx(figures, abs=tolerance)


def test_single_comparison_of_the_medicaid_expansion(ehec):
    found = goodman_bacon(moments(ehec)).components
    assert len(found) == 25
    (main,) = (c for c in found if (c.treated, c.control) == ("2014", "never"))
    assert (main.weight, main.estimate) == pytest.approx((0.6215420836, 0.074935691), abs=1e-9)
    assert main.counts == (22, 16)


@pytest.mark.parametrize("data", ["mpdta", "ehec", "always"])
def test_comparisons_add_up_to_the_coefficient(request, data):
    frame = request.getfixturevalue(data)
    found = goodman_bacon(moments(frame)).components
    assert sum(c.weight for c in found) == pytest.approx(1, abs=1e-12)
    assert all(c.weight > 0 for c in found)
    coefficient = overall(fit("twfe", frame)).estimate
    assert sum(c.weight * c.estimate for c in found) == pytest.approx(coefficient, abs=1e-12)


def test_weighted_comparisons_add_up_to_the_weighted_coefficient():
    frame = simulated(weights="constant")
    found = goodman_bacon(moments(frame, weights="weight", cluster="cluster")).components
    coefficient = overall(fit("twfe", frame, weights="weight", cluster="cluster")).estimate
    assert sum(c.weight * c.estimate for c in found) == pytest.approx(coefficient, abs=1e-12)


def test_units_treated_throughout_serve_as_comparisons(always):
    found = goodman_bacon(moments(always)).components
    assert {c.treated for c in found if c.control == "always"} == {"2003", "2005", "2006"}
    assert {c.kind for c in found if c.control == "always"} == {"later_vs_earlier"}
    assert not any(c.treated in ("always", "never", "2009") for c in found)


@pytest.mark.parametrize("data", ["mpdta", "ehec"])
def test_every_comparison_as_diff_diff(request, data):
    frame = request.getfixturevalue(data)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = frame.assign(cohort=frame["cohort"].fillna(0))
        theirs = BaconDecomposition().fit(rows, "y", "unit", "time", "cohort").to_dataframe()
    ours = {(c.kind, c.treated, c.control): c for c in goodman_bacon(moments(frame)).components}
    assert len(ours) == len(theirs)
    for row in theirs.to_dict("records"):
        control = str(row["control_group"])
        key = (
            row["comparison_type"],
            str(int(float(row["treated_group"]))),
            "never" if "never" in control else str(int(float(control))),
        )
        assert (ours[key].weight, ours[key].estimate) == pytest.approx((row["weight"], row["estimate"]), abs=1e-9)


@pytest.mark.parametrize("roles", [{"holes": 0.1}, {"weights": "varying"}])
def test_no_comparisons_where_the_coefficient_has_none(roles):
    frame = simulated(**roles)
    columns = {"weights": "weight"} if "weights" in roles else {}
    found = goodman_bacon(moments(frame, **columns))
    assert found.components == ()
    assert found.checks[0].status == "info"


def cell_weights(frame, weights=None):
    """Coefficients of the regressions of each cell's indicator, times treated, on treatment and the dummies."""
    frame = frame.dropna(subset=["y"])
    treated = ((frame["cohort"] > 0) & (frame["time"] >= frame["cohort"])).to_numpy(dtype=float)
    dummies = [pd.get_dummies(frame[c]).to_numpy(dtype=float) for c in ("unit", "time")]
    X = np.column_stack([treated, *dummies])
    w = np.ones(len(frame)) if weights is None else frame[weights].to_numpy()
    solve = np.linalg.pinv(X.T @ (X * w[:, None])) @ (X * w[:, None]).T
    cells = frame[["cohort", "time"]].apply(tuple, axis=1)
    return {
        (str(int(g)), float(t)): float(solve[0] @ (cells == (g, t)).to_numpy(dtype=float))
        for g, t in sorted(set(cells[treated == 1]))
    }


@pytest.mark.parametrize(
    ("data", "roles"),
    [
        ({}, {}),
        ({"holes": 0.2}, {"cluster": "cluster"}),
        ({"holes": 0.2, "weights": "varying"}, {"weights": "weight"}),
        ({"starts": (1, 3, 5, 9)}, {}),
    ],
)
def test_cell_weights_are_what_the_coefficient_makes_of_each_cell(data, roles):
    frame = simulated(units=40, **data)
    found = {(c.treated, c.time): c.weight for c in twfe_weights(moments(frame, **roles)).components}
    expected = cell_weights(frame, roles.get("weights"))
    assert set(found) == set(expected)
    for key, weight in expected.items():
        assert found[key] == pytest.approx(weight, abs=1e-10)
    assert sum(found.values()) == pytest.approx(1, abs=1e-12)


def test_negative_weights_are_counted_and_summed():
    results = twfe_weights(moments(simulated(starts=(2, 4, 7))))
    negative = [c.weight for c in results.components if c.weight < 0]
    (check,) = results.checks
    assert (check.status, check.statistic) == ("warn", pytest.approx(sum(negative)))
    assert check.message.startswith(f"{len(negative)} of the {len(results.components)} ")


def test_one_adoption_date_has_no_negative_weights():
    results = twfe_weights(moments(simulated(starts=(4,))))
    assert results.checks[0].status == "pass"
    assert {round(c.weight, 12) for c in results.components} == {0.25}


def test_treatment_that_the_effects_take_up_has_no_weights():
    frame = simulated(starts=(4,))
    assert twfe_weights(moments(frame[frame["cohort"] > 0])) == twfe_weights(moments(frame[frame["time"] == 2001]))
