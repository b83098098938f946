"""Callaway-Sant'Anna with covariates, in cross-sections and over balanced event windows, against other programs.

- `mpdta`, doubly robust with `lpop`: the means of R's did (vignette of did 2.1, four decimals) in full digits as
  differences 0.3.0 and moderndid 0.4.1 give them.
- The CPS comparison of LaLonde's experiment: Stata's drdid (help page) and the examples of R's DRDID, four decimals.
- moderndid (installed with the test extra) for every method, comparison group, base and anticipation. Where
  covariates change and the base is universal it takes those of the earlier of both periods before adoption; this
  project and diff-diff take those of the base. Its doubly robust standard errors of cross-sections add two terms of
  the periods before that should be subtracted: ours are held to derivatives of the estimator instead (unit tests),
  and to its regression and weighting standard errors.
- diff-diff: its logit stops early (agreement to 1e-5), and it fits changing covariates once a cohort.
"""

import warnings

import diff_diff
import moderndid
import numpy as np
import polars as pl
import pytest

from tests.panels import checks, estimates, fit, overall, simulated

CONTROLS = {"never_treated": "nevertreated", "not_yet_treated": "notyettreated"}
MEANS = {"simple": "att", "group": "att_group", "dynamic": "att_dynamic", "calendar": "att_calendar"}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:moderndid")


@pytest.fixture(scope="module")
def mpdta():
    names = {"countyreal": "unit", "year": "time", "first.treat": "cohort", "lemp": "y"}
    return moderndid.load_mpdta().to_pandas().rename(columns=names)


@pytest.fixture(scope="module")
def sections(mpdta):
    """The same rows, each somebody else."""
    return mpdta.assign(unit=np.arange(len(mpdta)))


def theirs(frame, method="dr", formula="~lpop", control_group="never_treated", **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        named = {"idname": "unit"} if options.get("panel", True) else {}
        return moderndid.att_gt(
            pl.from_pandas(frame), yname="y", tname="time", gname="cohort", est_method=method, boot=False,
            control_group=CONTROLS[control_group], xformla=formula, **named, **options)  # fmt: skip


def differences(ours, found):
    """Largest difference of estimates, and of standard errors where both have one."""
    cells = estimates(ours, "group_time")
    pairs = [(cells[str(int(g)), float(t)], value, error) for g, t, value, error in
             zip(found.groups, found.times, found.att_gt, found.se_gt, strict=True)]  # fmt: skip
    assert len(pairs) == len(cells)
    values = [abs(row.estimate - value) for row, value, _ in pairs]
    errors = [abs(row.std_error - error) for row, _, error in pairs if row.std_error]
    assert len(errors) >= len(pairs) - 3
    return max(values), max(errors)


@pytest.mark.parametrize(
    ("term", "value", "error"),
    [
        ("att", -0.0417517721, 0.0115028382),
        ("att_dynamic", -0.0803539497, 0.0189575572),
        ("att_group", -0.0328195972, 0.0118981787),
        ("att_calendar", -0.0441773578, 0.0150381752),
    ],
)
def test_mpdta_doubly_robust(mpdta, term, value, error):
    results = fit("callaway_santanna", mpdta, {"method": "dr", "covariates": ["lpop"]})
    found = overall(results, term)
    assert found.estimate == pytest.approx(value, abs=1e-9)
    assert found.std_error == pytest.approx(error, abs=1e-9)
    (check,) = checks(results, "pretrends")
    assert check.p_value == pytest.approx(0.23267, abs=5e-6)


@pytest.mark.parametrize(
    ("method", "value", "error"),
    [("dr", -871.3271, 396.0211), ("reg", -1300.6446, 349.8259), ("ipw", -1021.6095, 397.5201)],
)
def test_lalonde_as_drdid(method, value, error):
    frame = moderndid.load_nsw().to_pandas()
    frame = frame[(frame["treated"] == 0) | (frame["sample"] == 2)]
    frame = frame.assign(cohort=np.where(frame["experimental"] == 1, 1978, 0))
    frame = frame.rename(columns={"id": "unit", "year": "time", "re": "y"})
    covariates = ["age", "educ", "black", "married", "nodegree", "hisp", "re74"]
    found = overall(fit("callaway_santanna", frame, {"method": method, "covariates": covariates}))
    assert found.estimate == pytest.approx(value, abs=1e-3)
    assert found.std_error == pytest.approx(error, abs=1e-3)


@pytest.mark.parametrize(
    ("method", "control_group", "base_period", "anticipation"),
    [
        ("reg", "never_treated", "varying", 0),
        ("reg", "not_yet_treated", "universal", 1),
        ("ipw", "never_treated", "universal", 0),
        ("ipw", "not_yet_treated", "varying", 1),
        ("dr", "never_treated", "varying", 0),
        ("dr", "never_treated", "universal", 1),
        ("dr", "not_yet_treated", "varying", 1),
        ("dr", "not_yet_treated", "universal", 0),
    ],
)
def test_adjusted_effects_as_moderndid(mpdta, method, control_group, base_period, anticipation):
    how = {"base_period": base_period, "anticipation": anticipation}
    options = {"method": method, "covariates": ["lpop"], "control_group": control_group, **how}
    ours, found = fit("callaway_santanna", mpdta, options), theirs(mpdta, method, control_group=control_group, **how)
    assert max(differences(ours, found)) < 1e-11
    for kind, term in MEANS.items():
        mean = moderndid.aggte(found, type=kind, boot=False, cband=False)
        assert overall(ours, term).estimate == pytest.approx(mean.overall_att, abs=1e-11)
        assert overall(ours, term).std_error == pytest.approx(mean.overall_se, abs=1e-11)


@pytest.mark.parametrize(("method", "tolerance"), [("reg", 1e-10), ("ipw", 1e-5), ("dr", 1e-5)])
def test_adjusted_effects_as_diff_diff(mpdta, method, tolerance):
    model = diff_diff.CallawaySantAnna(control_group="never_treated", estimation_method=method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = model.fit(mpdta, "y", "unit", "time", "cohort", covariates=["lpop"])
    cells = estimates(fit("callaway_santanna", mpdta, {"method": method, "covariates": ["lpop"]}), "group_time")
    for (cohort, period), one in found.group_time_effects.items():
        row = cells[str(int(cohort)), float(period)]
        assert row.estimate == pytest.approx(one["effect"], abs=tolerance)
        assert row.std_error == pytest.approx(one["se"], abs=tolerance)


@pytest.fixture(scope="module")
def changing():
    """A covariate that changes within units and drives the outcome."""
    frame, rng = simulated(units=120, periods=5, clusters=30, starts=(3, 5)), np.random.default_rng(5)
    x = rng.normal(size=len(frame)) + 0.3 * (frame["cohort"] > 0)
    return frame.assign(x=x, y=frame["y"] + 0.5 * x)


@pytest.mark.parametrize(
    ("method", "control_group"), [("reg", "never_treated"), ("ipw", "not_yet_treated"), ("dr", "not_yet_treated")]
)
def test_changing_covariates_as_moderndid(changing, method, control_group):
    options = {"method": method, "covariates": ["x"], "control_group": control_group}
    found = theirs(changing, method, "~x", control_group)
    assert max(differences(fit("callaway_santanna", changing, options), found)) < 1e-10


def test_several_covariates_and_weights_as_moderndid(changing):
    unit = changing["unit"]
    frame = changing.assign(a=np.sin(unit), b=(unit % 3 == 0).astype(int), w=1 + (unit % 5) / 4)
    options = {"method": "dr", "covariates": ["a", "b"]}
    ours = fit("callaway_santanna", frame, options, weights="w")
    assert max(differences(ours, theirs(frame, "dr", "~a+b", weightsname="w"))) < 1e-10


@pytest.mark.parametrize("control_group", CONTROLS)
def test_cross_sections_as_moderndid(sections, control_group):
    ours = fit("callaway_santanna", sections, {"panel": False, "control_group": control_group})
    found = theirs(sections, "reg", None, control_group, panel=False)
    assert max(differences(ours, found)) < 1e-12
    for kind, term in MEANS.items():
        mean = moderndid.aggte(found, type=kind, boot=False, cband=False)
        assert overall(ours, term).estimate == pytest.approx(mean.overall_att, abs=1e-12)
        assert overall(ours, term).std_error == pytest.approx(mean.overall_se, abs=1e-12)


@pytest.mark.parametrize(("method", "of_errors"), [("reg", 1e-12), ("ipw", 1e-10), ("dr", 2e-4)])
def test_adjusted_cross_sections_as_moderndid(sections, method, of_errors):
    options = {"panel": False, "method": method, "covariates": ["lpop"]}
    values, errors = differences(fit("callaway_santanna", sections, options), theirs(sections, method, panel=False))
    assert values < 1e-12
    assert errors < of_errors


@pytest.mark.parametrize("balance", [1, 2])
def test_balanced_event_windows_as_moderndid(mpdta, balance):
    ours = fit("callaway_santanna", mpdta, {"balance": balance})
    found = moderndid.aggte(theirs(mpdta, "reg", None), type="dynamic", balance_e=balance, boot=False, cband=False)
    events = estimates(ours, "event")
    assert list(events) == [float(e) for e in found.event_times]
    for event, value, error in zip(found.event_times, found.att_by_event, found.se_by_event, strict=True):
        assert events[float(event)].estimate == pytest.approx(value, abs=1e-12)
        assert events[float(event)].std_error == pytest.approx(error, abs=1e-12)
    assert overall(ours, "att_dynamic").estimate == pytest.approx(found.overall_att, abs=1e-12)
    assert overall(ours, "att_dynamic").std_error == pytest.approx(found.overall_se, abs=1e-12)


def test_bands_as_moderndid(mpdta):
    """Critical values of two programs' draws differ by their draws alone: about 0.04 at 999 and 9,999 draws."""
    ours = fit("callaway_santanna", mpdta)
    found = moderndid.aggte(
        theirs(mpdta, "reg", None), type="dynamic", boot=True, cband=True, biters=9999, random_state=1
    )
    band = [i for i in ours.inference if i.term == "event" and "simultaneous" in i.method]
    critical = float(band[0].df_rule.split()[2].rstrip(","))
    assert len(band) == 7
    assert critical == pytest.approx(float(np.ravel(found.critical_values)[0]), abs=0.12)
    for row in band:
        pointwise = estimates(ours, "event")[row.time]
        assert row.std_error == pytest.approx(pointwise.std_error, rel=0.12)
        assert row.conf_high - row.conf_low > pointwise.conf_high - pointwise.conf_low
