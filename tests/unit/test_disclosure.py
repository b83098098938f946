"""The disclosure door: no small count leaves, nor a figure in the same row or window that gives it away."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from evaluation.disclosure.curves import coarsened
from evaluation.disclosure.profiles import PROFILES
from evaluation.disclosure.release import release
from evaluation.results import COUNTS, TABLES

EMPTY = {name: [] for name in TABLES if name != "suppression"}


def estimate(term="risk_treated", time=12.0, counts=(40, 60), **changes):
    row = {
        "study": "s", "analysis": "main", "role": "primary", "outcome": "o", "estimator": "risk_difference",
        "estimand": "risk", "term": term, "group": "", "time": time, "estimate": 0.4, "std_error": 0.05,
        "conf_low": 0.3, "conf_high": 0.5, "p_value": 0.01, "conf_level": 0.95, "scale": "risk", "n_obs": 100,
        "n_units": 100, "n_treated_units": 50, "n_clusters": None, "status": "ok", COUNTS: counts,
    }  # fmt: skip
    return row | changes


def inference(term="risk_treated", time=12.0):
    return {"study": "s", "analysis": "main", "term": term, "group": "", "time": time, "method": "wald",
            "std_error": 0.05, "conf_low": 0.3, "conf_high": 0.5, "p_value": 0.01, "distribution": "normal"}  # fmt: skip


def released(profile, people=True, **tables):
    return release("s", EMPTY | tables, profile, people=people)


def test_none_hides_nothing_and_drops_the_private_column():
    done = released("none", estimates=[estimate(counts=(1, 2))])
    assert done.tables["estimates"][0]["estimate"] == 0.4
    assert COUNTS not in done.tables["estimates"][0]
    assert done.tables["suppression"][0]["n_suppressed"] == 0


def test_cms11_hides_1_to_10_and_shows_0_and_11():
    profile = PROFILES["cms11"]
    assert [profile.hides(c) for c in (0, 1, 10, 11, None)] == [False, True, True, False, False]


def test_wonder10_hides_0_to_9():
    profile = PROFILES["wonder10"]
    assert [profile.hides(c) for c in (0, 9, 10, None)] == [True, True, False, False]


def test_one_small_count_hides_every_risk_of_its_window_in_every_analysis():
    rows = [
        estimate("risk_treated", counts=(5, 95)),
        estimate("risk_control", counts=(40, 60)),
        estimate("risk_difference", counts=(5, 95, 40, 60)),
        estimate("risk_treated", analysis="km", counts=()),
        estimate("risk_treated", time=24.0),
    ]
    done = released("cms11", estimates=rows, inference=[inference(), inference(time=24.0)])
    status = [r["status"] for r in done.tables["estimates"]]
    assert status == ["suppressed"] * 4 + ["ok"]
    hidden = done.tables["estimates"][0]
    figures = [c.name for c in TABLES["estimates"].columns if c.disclosure != "public"]
    assert all(hidden[name] is None for name in figures)
    assert [r["std_error"] for r in done.tables["inference"]] == [None, 0.05]
    assert done.n_suppressed["estimates"] == 4


def test_numbers_of_places_are_not_people():
    row = estimate("att", scale="level", n_treated_units=3, counts=(3, 20))
    assert released("cms11", people=False, estimates=[row]).tables["estimates"][0]["status"] == "ok"
    assert released("cms11", people=True, estimates=[row]).tables["estimates"][0]["status"] == "suppressed"


def flow(step, dropped, remaining, analysis="main"):
    return {"study": "s", "analysis": analysis, "step": step, "reason": step, "level": "person", "n_dropped": dropped,
            "n_remaining": remaining, "status": "ok"}  # fmt: skip


def analysis(name, role):
    return {"study": "s", "analysis": name, "role": role, "outcome": "o", "estimator": "cox", "options": "{}",
            "status": "ok", "reason": ""}  # fmt: skip


def test_a_small_exclusion_takes_its_running_totals_and_the_next_larger_with_it():
    rows = [
        flow("read", 0, 1000),
        flow("a", 20, 980),
        flow("b", 4, 976),
        flow("c", 90, 886),
        flow("a", 20, 980, "other"),
    ]
    done = released("cms11", flow=rows, analyses=[analysis("main", "primary"), analysis("other", "secondary")])
    shown = [(r["n_dropped"], r["n_remaining"]) for r in done.tables["flow"]]
    assert shown == [(0, None), (None, None), (None, None), (90, None), (None, None)]


def test_where_a_small_exclusion_stands_alone_no_analysis_tells_its_size():
    rows = [flow("read", 0, 400), flow("a", 4, 396), flow("read", 0, 400, "other")]
    cells = {"term": "arm", "scale": "log_hazard", "counts": (90, 80)}
    done = released("cms11", flow=rows, estimates=[estimate(**cells), estimate(**cells, analysis="other")],
                    analyses=[analysis("main", "primary"), analysis("other", "secondary")])  # fmt: skip
    assert [(r["estimate"], r["n_units"]) for r in done.tables["estimates"]] == [(0.4, None), (0.4, None)]


def test_the_size_of_one_arm_is_not_told_by_the_other():
    rows = [estimate("arm", scale="log_hazard", n_units=225, n_treated_units=220, counts=())]
    assert released("cms11", estimates=rows).tables["estimates"][0]["status"] == "suppressed"


def test_an_analysis_of_which_nothing_is_left_says_so():
    done = released("cms11", estimates=[estimate(counts=(3,))], analyses=[analysis("main", "primary")])
    assert done.tables["analyses"][0]["status"] == "suppressed"


def test_a_hidden_cohort_takes_the_next_larger_with_it():
    rows = [estimate("group", None, (n, 200), group=str(g), scale="level", n_units=200 + n, n_treated_units=n)
            for g, n in ((2001, 5), (2002, 30), (2003, 80))]  # fmt: skip
    done = released("cms11", estimates=rows)
    assert [r["status"] for r in done.tables["estimates"]] == ["suppressed", "suppressed", "ok"]


def test_wonder10_marks_risks_on_fewer_than_20_events():
    done = released("wonder10", estimates=[estimate(counts=(15, 90)), estimate(time=24.0, counts=(40, 90))])
    marked = [(r["check"], r["time"]) for r in done.tables["diagnostics"]]
    assert marked == [("few_events", 12.0)]


def test_a_small_number_missing_hides_the_rows_read():
    row = {
        "study": "s",
        "role": "covariate",
        "type": "DOUBLE",
        "n_rows": 1000,
        "n_missing": 0,
        "n_nan": 0,
        "status": "ok",
    }
    rows = [row | {"column": "x", "n_nan": 3}, row | {"column": "y"}]
    out = released("cms11", data_quality=rows).tables["data_quality"]
    assert [r["n_rows"] for r in out] == [None, None]
    assert out[0]["n_nan"] is None
    assert out[1]["n_nan"] == 0


def test_a_share_that_gives_a_small_count_away_hides_both_arms():
    row = {"study": "s", "covariate": "x", "n": 100, "n_missing": 0, "kind": "binary", "std_dev": 0.1, "smd": 0.1,
           "status": "ok"}  # fmt: skip
    rows = [row | {"group": "treated", "mean": 0.97}, row | {"group": "control", "mean": 0.5}]
    out = released("cms11", baseline=rows).tables["baseline"]
    assert [r["mean"] for r in out] == [None, None]


def test_a_message_that_tells_a_small_count_is_replaced():
    row = {"study": "s", "analysis": "main", "check": "competing", "status": "info", "term": "", "group": "",
           "time": None, "statistic": 4, "message": "4 people died first", COUNTS: (4,)}  # fmt: skip
    out = released("cms11", diagnostics=[row]).tables["diagnostics"][0]
    assert "4" not in out["message"]
    assert out["statistic"] is None


def test_small_totals_of_a_count_outcome_are_hidden_for_places_too():
    row = {
        "study": "s",
        "outcome": "o",
        "group": "treated",
        "time": 1.0,
        "estimate": 0.5,
        "n_units": 12,
        "status": "ok",
    }
    rows = [row | {"total": 6.0}, row | {"total": 60.0, "time": 2.0}]
    out = released("wonder10", people=False, series=rows).tables["series"]
    assert [r["estimate"] for r in out] == [None, 0.5]


def curve(exits):
    """Points of one curve from (events, censored) per time."""
    at_risk = sum(e + c for e, c in exits)
    rows = []
    for time, (events, censored) in enumerate(exits):
        rows.append({"study": "s", "analysis": "km", "outcome": "o", "quantity": "survival", "group": "treated",
                     "time": float(time), "n_risk": at_risk, "n_event": events, "n_censor": censored, "estimate": 1.0,
                     "std_error": 0.0, "conf_low": 1.0, "conf_high": 1.0, "status": "ok"})  # fmt: skip
        at_risk -= events + censored
    return rows


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40), st.integers(1, 40))
def test_no_step_of_a_released_curve_tells_a_small_count(exits, window):
    profile = PROFILES["cms11"]
    rows = curve([(0, 0), *exits])
    points, unsafe = coarsened(rows, profile, {("o", float(window))})
    if profile.hides(rows[0]["n_risk"]):
        assert (points, unsafe) == ([], {("o", float(window))})
        return
    assert points[0]["time"] == 0
    assert len({p["time"] for p in points}) == len(points)
    for point in points[1:]:
        assert not profile.hides(point["n_event"] or None)
        assert not profile.hides(point["n_censor"] or None)
        assert (point["n_censor"] is None) == (points[1]["n_risk"] is None)
    told = points if all(p["n_risk"] is not None for p in points) else []  # or no numbers at risk at all
    for before, after in pairwise(told):
        assert after["n_risk"] == before["n_risk"] - before["n_event"] - before["n_censor"]
        assert not profile.hides(after["n_risk"] or None)
    if not unsafe:  # the curve stands at the window where the data do
        shown = sum(p["n_event"] for p in points if p["time"] <= window)
        assert shown == sum(r["n_event"] for r in rows if r["time"] <= window)


def test_a_curve_keeps_the_steps_that_may_be_shown():
    points, _ = coarsened(curve([(0, 0), (20, 0), (5, 0), (6, 0), (0, 15)]), PROFILES["cms11"], set())
    assert [(p["time"], p["n_event"], p["n_censor"]) for p in points] == [(0, 0, 0), (1, 20, 0), (3, 11, 0), (4, 0, 15)]


def test_a_step_stands_at_a_window_where_a_risk_is_given():
    rows = curve([(0, 0), (12, 0), (12, 0), (4, 0), (12, 0), (30, 0)])
    points, unsafe = coarsened(rows, PROFILES["cms11"], {("o", 3.0)})
    assert [(p["time"], p["n_event"]) for p in points] == [(0, 0), (1, 12), (3, 16), (4, 12), (5, 30)]
    assert not unsafe


def test_a_window_whose_events_stand_too_close_to_the_one_before_is_unsafe():
    rows = curve([(0, 0), (20, 0), (4, 0), (40, 0)])
    _, unsafe = coarsened(rows, PROFILES["cms11"], {("o", 1.0), ("o", 2.0)})
    assert unsafe == {("o", 2.0)}
    km = [estimate(time=1.0, counts=(20, 44)), estimate(time=2.0, counts=(24, 40))]
    done = released("cms11", estimates=km, curve=rows)
    assert [r["status"] for r in done.tables["estimates"]] == ["ok", "suppressed"]


def test_a_small_number_missing_hides_the_counts_and_keeps_the_means():
    row = {"study": "s", "covariate": "age", "n": 100, "n_missing": 4, "kind": "continuous", "mean": 30.0, "std_dev": 5.0,
           "smd": 0.1, "status": "ok"}  # fmt: skip
    rows = [row | {"group": "treated"}, row | {"group": "control", "n_missing": 0}]
    out = released("cms11", baseline=rows).tables["baseline"]
    assert [(r["mean"], r["n"], r["n_missing"]) for r in out] == [(30.0, None, None)] * 2


def test_events_at_the_origin_join_the_first_step():
    points, _ = coarsened(curve([(15, 0), (10, 0), (0, 30)]), PROFILES["cms11"], set())
    assert [(p["time"], p["n_risk"], p["n_event"]) for p in points] == [(0, 55, 0), (1, 55, 25), (2, 30, 0)]
    assert points[0]["estimate"] == 1.0


# --------------------------------------------------------------------------- answers beside the headline


def effect(analysis="main", group="", counts=(40, 60), **changes):
    return estimate("group" if group else "att", None, counts, analysis=analysis, group=group, scale="level", **changes)


def adjusted(analysis, method="Holm adjustment over 2 outcomes"):
    return inference("att", None) | {"analysis": analysis, "method": method}


def other(kind="leave_one_cohort", group="2004", counts=(40, 60), analysis="main"):
    row = dict.fromkeys(c.name for c in TABLES["sensitivity"].columns)
    return row | {"analysis": analysis, "kind": kind, "label": kind, "group": group, "estimate": 0.3, "status": "ok",
                  COUNTS: counts}  # fmt: skip


def test_p_values_adjusted_over_outcomes_go_with_a_hidden_one():
    rows = [adjusted("main"), adjusted("second"), adjusted("main", "CR1")]
    hidden = released("cms11", estimates=[effect(), effect("second", counts=(4, 60))], inference=rows).tables[
        "inference"
    ]
    assert [r["p_value"] for r in hidden] == [None, None, 0.01]
    shown = released("cms11", estimates=[effect(), effect("second")], inference=rows).tables["inference"]
    assert [r["p_value"] for r in shown] == [0.01] * 3


def test_a_hidden_effect_outside_the_family_leaves_adjusted_p_values():
    rows = [adjusted("main"), adjusted("second")]
    estimates = [effect(), effect("second"), effect("third", counts=(4, 60))]
    assert released("cms11", estimates=estimates, inference=rows).tables["inference"][0]["p_value"] == 0.01


def test_answers_beside_a_hidden_effect_are_hidden_with_it():
    rows = [other("placebo_time"), other("placebo_time", analysis="second")]
    opinion = {"analysis": "main", "term": "att", "group": "", "time": None, "library": "x", "convention": "y",
               "estimate": 0.4, "our_estimate": 0.4, "status": "agrees", COUNTS: (40,)}  # fmt: skip
    found = released("cms11", estimates=[effect(counts=(3, 60)), effect("second")], sensitivity=rows,
                     second_opinion=[opinion]).tables  # fmt: skip
    assert [(r["estimate"], r["status"]) for r in found["sensitivity"]] == [(None, "suppressed"), (0.3, "ok")]
    assert (found["second_opinion"][0]["our_estimate"], found["second_opinion"][0]["status"]) == (None, "suppressed")


def test_no_difference_between_the_effect_and_one_without_a_small_cohort():
    """The overall effect, and the same without a cohort of 6 people, tell what these 6 did; so do all the others."""
    rows = [other(group="2004", counts=(34, 60, 6)), other(group="2006", counts=(20, 60, 20)), other("placebo_time")]
    found = released("cms11", estimates=[effect()], sensitivity=rows).tables["sensitivity"]
    assert [r["estimate"] for r in found] == [None, None, 0.3]
    cohorts = [effect(), effect(group="2004", n_treated_units=6), effect(group="2006"), effect(group="2008")]
    untold = [other(group=g) for g in ("2004", "2006", "2008")]
    found = released("cms11", estimates=cohorts, sensitivity=untold).tables["sensitivity"]
    assert {r["estimate"] for r in found} == {None}
    assert {
        r["estimate"] for r in released("cms11", estimates=[effect()], sensitivity=untold).tables["sensitivity"]
    } == {0.3}


def test_parts_of_a_coefficient_are_hidden_together():
    part = {"analysis": "main", "kind": "cell", "treated": "2004", "control": "", "time": 2005.0, "weight": 0.5,
            "estimate": 1.0, "status": "ok", COUNTS: (40,)}  # fmt: skip
    rows = [part, part | {"treated": "2006", COUNTS: (5,)}, part | {"analysis": "second"}]
    found = released("cms11", estimates=[effect(), effect("second")], decomposition=rows).tables["decomposition"]
    assert [r["weight"] for r in found] == [None, None, 0.5]


def test_places_keep_their_answers():
    found = released("cms11", people=False, estimates=[effect(counts=(3,))], sensitivity=[other(counts=(3,))]).tables
    assert found["sensitivity"][0]["estimate"] == 0.3


# --------------------------------------------------------------------------- panels: what other rows would tell


def mean(group, time, units, total=None, outcome="o"):
    return {"study": "s", "outcome": outcome, "group": group, "time": time, "estimate": 5.0, "n_units": units,
            "total": total, "status": "ok"}  # fmt: skip


def part(term, group="", time=None, treated=40, **changes):
    return estimate(term, time, (treated, 60), group=group, scale="level", n_treated_units=treated, **changes)


ANALYSIS = {"study": "s", "analysis": "main", "role": "primary", "outcome": "o", "estimator": "callaway_santanna",
            "options": "{}", "status": "ok", "reason": ""}  # fmt: skip


def test_event_counts_of_places_are_not_told_by_effects_of_their_cohort():
    series = [mean("cohort:2005", 2006.0, 2, total=8), mean("control", 2006.0, 20, total=400)]
    rows = [
        part("att"),
        part("group_time", "2005", 2006.0, 2),
        part("event", time=1.0),
        part("gap", time=2006.0),
    ]
    left_out = {"study": "s", "analysis": "main", "kind": "leave_one_cohort", "label": "x", "group": "2005",
                "estimate": 1.0, "status": "ok", COUNTS: (40,)}  # fmt: skip
    done = released(
        "wonder10", people=False, series=series, estimates=rows, analyses=[ANALYSIS], sensitivity=[left_out]
    )
    assert {r["term"]: r["status"] for r in done.tables["estimates"]} == {
        "att": "ok", "group_time": "suppressed", "event": "suppressed", "gap": "suppressed"}  # fmt: skip
    assert done.tables["sensitivity"][0]["estimate"] is None
    shown = released("wonder10", people=False, series=series[1:], estimates=rows, analyses=[ANALYSIS])
    assert {r["status"] for r in shown.tables["estimates"]} == {"ok"}


def test_few_events_left_out_of_a_built_panel_are_not_counted_out():
    steps = [("o_rows", 0, 400), ("o_no_unit_or_date", 3, 397), ("o_unreported", 30, 367)]
    flow = [{"study": "s", "analysis": "", "step": step, "reason": step, "level": "row", "n_dropped": gone,
             "n_remaining": left, "status": "ok"} for step, gone, left in steps]  # fmt: skip
    out = released("cms11", people=False, flow=flow).tables["flow"]
    assert [r["n_dropped"] for r in out] == [0, None, None]  # the small one, and one that would tell it
    assert {r["n_remaining"] for r in out} == {None}


def test_a_hidden_cohort_takes_rows_by_period_and_event_time_with_it():
    rows = [part("att", treated=60), part("group", "2003", treated=20), part("group", "2005", treated=33),
            part("group", "2006", treated=7), part("calendar", time=2003.0, treated=20),
            part("event", time=5.0, treated=20), part("group_time", "2005", 2006.0, 33)]  # fmt: skip
    out = released("cms11", estimates=rows, analyses=[ANALYSIS]).tables["estimates"]
    assert [(r["term"], r["group"]) for r in out if r["status"] == "ok"] == [("att", ""), ("group", "2005")]


def test_the_same_cohorts_are_hidden_in_every_period_of_a_series():
    rows = [mean(f"cohort:{g}", t, n) for t, sizes in ((2007.0, (7, 20, 21)), (2008.0, (7, 20, 19)))
            for g, n in zip((2003, 2005, 2006), sizes, strict=True)]  # fmt: skip
    out = released("cms11", series=rows).tables["series"]
    by_period = [{r["group"] for r in out if r["time"] == t and r["status"] == "ok"} for t in (2007.0, 2008.0)]
    assert by_period[0] == by_period[1]
    assert len(by_period[0]) == 1


def test_numbers_of_people_that_change_by_a_few_are_not_shown():
    rows = [mean("control", t, n) for t, n in ((1.0, 42), (2.0, 39), (3.0, 39))] + [mean("treated", 1.0, 40)]
    out = released("cms11", series=rows).tables["series"]
    assert [r["n_units"] for r in out] == [None, None, None, 40]


def test_degrees_of_freedom_go_with_the_numbers_they_tell():
    rows = [part("att", n_units=84), part("att", analysis="other", n_units=81)]
    how = [inference("att", None) | {"df": 83.0, "small_sample_factor": 1.03, "n_clusters": 84}]
    gone = [{"study": "s", "analysis": "main", "step": "x", "reason": "x", "level": "unit", "n_dropped": 3,
             "n_remaining": 81, "status": "ok"}]  # fmt: skip
    out = released("cms11", estimates=rows, inference=how, flow=gone, analyses=[ANALYSIS]).tables["inference"][0]
    assert (out["df"], out["small_sample_factor"], out["n_clusters"]) == (None, None, None)
