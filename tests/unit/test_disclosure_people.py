"""The disclosure door for tables about people: an attacker who has every released table finds no small number.

The attacker here adds and subtracts as tables of counts invite: parts from wholes, one window or analysis from another,
one curve from another, a person with one value from everyone.
"""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.disclosure.curves import coarsened
from evaluation.disclosure.parts import closed, told_apart
from evaluation.disclosure.profiles import PROFILES
from evaluation.disclosure.release import release
from evaluation.disclosure.rounding import attrition, diagnostics
from evaluation.results import COUNTS, TABLES

CMS = PROFILES["cms11"]
EMPTY = {name: [] for name in TABLES if name != "suppression"}
FEW = range(1, 11)


def released(profile="cms11", **tables):
    return release("s", EMPTY | tables, profile, people=True).tables


def small(*counts):
    return any(n in FEW for n in counts)


# --------------------------------------------------------------------------- the two rules


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=8),
       st.tuples(st.integers(0, 15), st.integers(0, 15)))  # fmt: skip
def test_the_whole_less_the_parts_shown_is_no_small_number(sizes, rest):
    parts = dict(enumerate(sizes))
    hidden = closed(parts, (), CMS, rest)
    assert all(k in hidden for k, counts in parts.items() if small(*counts))
    left = [sum(parts[k][j] for k in hidden) + rest[j] for j in (0, 1)]
    if len(hidden) < len(parts):
        assert not small(*left)
        assert len(hidden) != 1 or any(rest)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12))
def test_no_two_rows_left_differ_by_few(rows):
    hidden = told_apart(rows, CMS)
    kept = [r for r, gone in zip(rows, hidden, strict=True) if not gone]
    assert not any(small(*(abs(x - y) for x, y in zip(a, b, strict=True))) for a, b in combinations(kept, 2))


# --------------------------------------------------------------------------- groups of people


def analysis(name="main", role="primary", outcome="o", options="{}"):
    return {"study": "s", "analysis": name, "role": role, "outcome": outcome, "estimator": "risk_difference",
            "options": options, "status": "ok", "reason": ""}  # fmt: skip


def estimate(
    term="risk_difference", name="main", outcome="o", time=12.0, n=400, treated=200, counts=(60, 140, 80, 120)
):
    return {"study": "s", "analysis": name, "role": "primary", "outcome": outcome, "estimator": "risk_difference",
            "estimand": "x", "term": term, "group": "", "time": time, "estimate": 0.4, "std_error": 0.05,
            "conf_low": 0.3, "conf_high": 0.5, "p_value": 0.01, "conf_level": 0.95, "scale": "risk", "n_obs": n,
            "n_units": n, "n_treated_units": treated, "n_clusters": n, "status": "ok", COUNTS: counts}  # fmt: skip


def stratum(level, treated, control, name="main", covariate="race", time=12.0, cells=(40, 40, 40, 40)):
    return {"study": "s", "analysis": name, "outcome": "o", "covariate": covariate, "level": level,
            "term": "risk_difference", "time": time, "estimate": 0.1, "std_error": 0.1, "conf_low": 0.0, "conf_high": 0.2,
            "p_value": 0.3, "scale": "risk", "n_units": treated + control, "n_treated_units": treated,
            "p_interaction": 0.2, "p_interaction_adjusted": 0.4, "adjustment": "Holm", "status": "ok",
            COUNTS: (treated, control, *cells)}  # fmt: skip


arms = st.tuples(st.integers(1, 60), st.integers(1, 60))


@settings(max_examples=150)
@given(st.lists(arms, min_size=2, max_size=6), st.tuples(st.integers(0, 20), st.integers(0, 20)),
       st.lists(st.integers(0, 3), min_size=6, max_size=6))  # fmt: skip
def test_groups_cannot_be_had_from_everyone(sizes, unknown, later):
    """Everyone's number less the groups shown, in two windows, of which the second has lost a few."""
    rows, everyone = [], []
    for time, lost in ((12.0, [0] * 6), (24.0, later)):
        now = [(max(1, t - k), max(1, c - k)) for (t, c), k in zip(sizes, lost, strict=False)]
        rows += [stratum(str(i), t, c, time=time) for i, (t, c) in enumerate(now)]
        treated, control = (sum(x) + u for x, u in zip(zip(*now, strict=True), unknown, strict=True))
        everyone.append(estimate(time=time, n=treated + control, treated=treated))
    out = released(subgroups=rows, estimates=everyone, analyses=[analysis()])
    for whole in (e for e in out["estimates"] if e["n_units"] is not None):
        strata = [r for r in out["subgroups"] if r["time"] == whole["time"] and r["n_units"] is not None]
        if not strata:
            continue
        left = whole["n_units"] - sum(r["n_units"] for r in strata)
        of_arm = whole["n_treated_units"] - sum(r["n_treated_units"] for r in strata)
        assert not small(left, of_arm, left - of_arm)
    assert not any(small(r["n_treated_units"], r["n_units"] - r["n_treated_units"])
                   for r in out["subgroups"] if r["n_units"] is not None)  # fmt: skip
    for level in {r["level"] for r in out["subgroups"]}:  # the same group in two windows
        n = {r["n_units"] for r in out["subgroups"] if r["level"] == level and r["n_units"] is not None}
        assert not any(small(abs(a - b)) for a, b in combinations(n, 2))


def test_a_small_group_of_two_takes_the_other_and_the_test_with_it():
    rows = [stratum("0", 200, 195), stratum("1", 4, 6), stratum("0", 100, 100, covariate="sex"),
            stratum("1", 104, 101, covariate="sex")]  # fmt: skip
    out = released(subgroups=rows, estimates=[estimate(n=405, treated=204)], analyses=[analysis()])["subgroups"]
    assert [r["status"] for r in out] == ["suppressed", "suppressed", "ok", "ok"]
    assert [r["p_interaction"] for r in out] == [None, None, 0.2, 0.2]
    assert {r["p_interaction_adjusted"] for r in out} == {None}  # one adjusted p-value can be a multiple of another


def test_few_events_in_a_group_hide_it():
    rows = [stratum("0", 100, 100, cells=(3, 97, 40, 60)), stratum("1", 100, 100), stratum("2", 200, 200)]
    out = released(subgroups=rows, estimates=[estimate(n=800, treated=400)], analyses=[analysis()])["subgroups"]
    assert [r["status"] for r in out] == ["suppressed", "suppressed", "ok"]


def test_the_same_groups_are_hidden_in_every_analysis():
    """One analysis hides a and b, and another that hid a and c would give b away."""
    rows = [stratum("a", 5, 90), stratum("b", 50, 50), stratum("c", 60, 60), stratum("d", 90, 90),
            stratum("a", 30, 90, "other"), stratum("b", 50, 50, "other"), stratum("c", 7, 60, "other"),
            stratum("d", 90, 90, "other")]  # fmt: skip
    out = released(subgroups=rows, estimates=[estimate(n=495, treated=205)],
                   analyses=[analysis(), analysis("other", "secondary")])["subgroups"]  # fmt: skip
    shown = [{r["level"] for r in out if r["analysis"] == a and r["status"] == "ok"} for a in ("main", "other")]
    assert shown[0] == shown[1] == {"d"}


def test_what_is_hidden_of_everyone_is_hidden_of_every_group():
    rows = [stratum("0", 100, 100), stratum("1", 100, 100)]
    out = released(subgroups=rows, estimates=[estimate(counts=(4, 196, 80, 120))], analyses=[analysis()])
    assert {r["estimate"] for r in out["subgroups"]} == {None}


# --------------------------------------------------------------------------- balance, overlap, attrition


def balanced(covariate="female", counts=(100, 100, 90, 110), stage="before", name="main", time=12.0, kind="binary"):
    return {"study": "s", "analysis": name, "covariate": covariate, "stage": stage, "time": time, "kind": kind,
            "mean_treated": 0.5, "mean_control": 0.45, "std_dev_treated": 0.5, "std_dev_control": 0.5, "smd": 0.1,
            "variance_ratio": 1.0, "status": "ok", COUNTS: counts}  # fmt: skip


def test_a_characteristic_of_few_is_hidden_in_every_row():
    rows = [balanced(counts=(196, 4, 190, 10)), balanced(time=24.0), balanced("age", (200, 200), kind="continuous")]
    out = released(balance=rows, estimates=[estimate()], analyses=[analysis()])["balance"]
    assert [r["smd"] for r in out] == [None, None, 0.1]


def test_shares_of_nearly_the_same_people_are_not_both_told():
    """Three fewer women by 24 months: two shares, each times its people, would tell."""
    rows = [balanced(), balanced(time=24.0, counts=(80, 97, 60, 90)), balanced(time=36.0, counts=(60, 60, 40, 50))]
    estimates = [estimate(time=12.0), estimate(time=24.0, n=327, treated=177), estimate(time=36.0, n=210, treated=120)]
    out = released(balance=rows, estimates=estimates, analyses=[analysis()])["balance"]
    assert [(r["mean_treated"], r["variance_ratio"], r["smd"]) for r in out] == [
        (0.5, 1.0, 0.1), (None, None, 0.1), (0.5, 1.0, 0.1)]  # fmt: skip


def test_the_share_of_the_baseline_table_is_held_against_those_of_the_analyses():
    table = [{"study": "s", "covariate": "female", "group": g, "n": 200, "n_missing": 0, "kind": "binary", "mean": m,
              "std_dev": 0.5, "smd": 0.1, "status": "ok"} for g, m in (("treated", 0.515), ("control", 0.55))]  # fmt: skip
    out = released(balance=[balanced()], baseline=table, estimates=[estimate()], analyses=[analysis()])["balance"]
    assert out[0]["mean_treated"] is None


def test_means_are_not_told_of_analyses_whose_sizes_are_not():
    out = released(balance=[balanced(), balanced(name="other")], estimates=[estimate(), estimate(name="other", n=396)],
                   analyses=[analysis(), analysis("other", "secondary")])["balance"]  # fmt: skip
    assert [r["mean_treated"] for r in out] == [0.5, None]


def bins(people, group="treated", name="main"):
    return [{"study": "s", "analysis": name, "group": group, "time": 12.0, "low": k / 20, "high": (k + 1) / 20, "n": n,
             "weight": float(n), "status": "ok"} for k, n in enumerate(people)]  # fmt: skip


@pytest.mark.parametrize("profile", ["cms11", "wonder10"])
@given(people=st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_bins_are_put_together_until_none_is_small(profile, people):
    out = released(profile, overlap=bins(people), estimates=[estimate()], analyses=[analysis()])["overlap"]
    hides = PROFILES[profile].hides
    shown = [r["n"] for r in out if r["n"] is not None]
    assert not any(hides(n) for n in shown)
    assert not shown or sum(shown) == sum(people)
    assert not shown or (out[0]["low"], out[-1]["high"]) == (0, len(people) / 20)
    assert all(a["high"] == b["low"] for a, b in pairwise(out))


def lost(time, entered, known, name="main", analysed=None):
    analysed = analysed or known
    return {"study": "s", "analysis": name, "time": time, "n_treated": entered[0], "n_control": entered[1],
            "known_treated": known[0], "known_control": known[1], "analysed_treated": analysed[0],
            "analysed_control": analysed[1], "overall": 5.0, "differential": 1.0,
            "boundary_cautious": 5.0, "boundary_optimistic": 9.0, "rating_cautious": "low", "rating_optimistic": "low",
            "status": "ok"}  # fmt: skip


@given(st.lists(st.tuples(arms, st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=4))
def test_attrition_tells_no_few(windows):
    rows = [lost(float(i), (t + a, c + b), (t, c)) for i, ((t, c), a, b) in enumerate(windows)]
    checks = [{"study": "s", "analysis": "main", "check": "attrition", "status": "info", "term": "", "group": "",
               "time": float(i), "statistic": 5.0, "message": "5.0 % lost", COUNTS: ()} for i in range(len(rows))]  # fmt: skip
    out = released(attrition=rows, diagnostics=checks, analyses=[analysis()])
    assert all(
        r[k] is None for r in out["attrition"] for k in ("n_treated", "n_control", "known_treated", "known_control")
    )
    shown = [r for r, own in zip(out["attrition"], rows, strict=True) if r["status"] == "ok"]
    for r in (own for r, own in zip(out["attrition"], rows, strict=True) if r["status"] == "ok"):
        assert not small(r["n_treated"] - r["known_treated"], r["n_control"] - r["known_control"], r["known_treated"])
    told = {c["time"] for c in out["diagnostics"] if c["statistic"] is not None}
    assert told == {r["time"] for r in shown}


def test_few_left_out_for_a_characteristic_are_hidden():
    few = lost(12.0, (300, 300), (260, 255), analysed=(257, 220))
    many = lost(24.0, (300, 300), (240, 235), analysed=(200, 180))
    assert [r["status"] for r in released(attrition=[few], analyses=[analysis()])["attrition"]] == ["suppressed"]
    assert [r["status"] for r in released(attrition=[many], analyses=[analysis()])["attrition"]] == ["ok"]


def test_attrition_is_held_against_the_sizes_of_the_estimates():
    out = released(attrition=[lost(12.0, (230, 230), (204, 200))], estimates=[estimate()], analyses=[analysis()])
    assert out["attrition"][0]["status"] == "suppressed"  # four treated with a known outcome are not in the analysis


# --------------------------------------------------------------------------- what was delivered


def share(measure, n, having, stratum="", group="treated", position=0, family="fidelity"):
    return {"study": "s", "measure": measure, "label": measure, "family": family, "group": group, "stratum": stratum,
            "position": position, "statistic": "share", "n": n, "n_with": having, "value": having / n if n else None,
            "unit": "", "status": "ok", COUNTS: ()}  # fmt: skip


@settings(max_examples=150)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=2, max_size=5),
       st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=5, max_size=5))  # fmt: skip
def test_shares_of_groups_and_of_everyone_tell_no_few(cells, gone):
    """Two times of a course, at the second of which a few have left or could not be followed."""
    rows = []
    for position, drop in ((3, [(0, 0)] * 5), (6, gone)):
        now = [(max(0, y - a), n + a - b if n + a >= b else 0) for (y, n), (a, b) in zip(cells, drop, strict=False)]
        rows.append(share("kept", sum(map(sum, now)), sum(y for y, _ in now), position=position))
        rows += [share("kept", y + n, y, f"Race: {i}", position=position) for i, (y, n) in enumerate(now)]
    out = released(implementation=rows)["implementation"]
    for row in (r for r in out if r["n"] is not None):
        assert not small(row["n"], row["n_with"], row["n"] - row["n_with"])
    for position in (3, 6):
        everyone, *parts = [r for r in out if r["position"] == position]
        shown = [p for p in parts if p["n"] is not None]
        if everyone["n"] is not None and shown:
            for name in ("n", "n_with"):
                assert not small(everyone[name] - sum(p[name] for p in shown))
    for stratum_name in {r["stratum"] for r in out}:
        first, second = [r for r in out if r["stratum"] == stratum_name]
        if None not in (first["n"], second["n"]):
            assert not small(abs(first["n"] - second["n"]), abs(first["n_with"] - second["n_with"]))


def test_a_funnel_that_few_leave_at_a_step_hides_the_step():
    rows = [
        share("funnel", 300, n, group="all", position=i, family="funnel") for i, n in enumerate((300, 260, 255, 180))
    ]
    out = released(implementation=rows)["implementation"]
    assert [r["n_with"] for r in out] == [300, 260, None, 180]


def test_a_ratio_to_a_hidden_group_is_hidden():
    rows = [share("equity_access", 200, 100), share("equity_access", 120, 60, "Race: a"),
            share("equity_access", 70, 38, "Race: b"), share("equity_access", 10, 2, "Race: c")]  # fmt: skip
    ratio = {"measure": "equity_access_ratio", "n_with": None, "value": 1.0, "statistic": "rate"}
    rows += [share("x", 120, 60, s) | ratio for s in ("Race: a", "Race: b", "Race: c")]
    out = released(implementation=rows)["implementation"]
    assert [r["value"] for r in out[:4]] == [0.5, 0.5, None, None]
    assert {r["value"] for r in out[4:]} == {None}


def test_people_described_are_held_against_those_in_the_estimates():
    rows = [share("kept", 197, 100), share("kept", 150, 60, position=6)]
    out = released(implementation=rows, estimates=[estimate()], analyses=[analysis()])["implementation"]
    assert [r["n"] for r in out] == [None, 150]


# --------------------------------------------------------------------------- curves and risks of the same people


def curve(exits, quantity="cumulative_incidence", name="cif", cause=0):
    """Points of one curve from (outcome, competing, censored) per time; `cause` says which counts as its event."""
    at_risk, rows = sum(map(sum, exits)), []
    for time, leaving in enumerate(exits):
        rows.append({"study": "s", "analysis": name, "outcome": "o", "quantity": quantity, "group": "treated",
                     "time": float(time), "n_risk": at_risk, "n_event": leaving[cause],
                     "n_censor": sum(leaving) - leaving[cause],
                     "estimate": 0.5, "std_error": 0.0, "conf_low": 0.4, "conf_high": 0.6, "status": "ok"})  # fmt: skip
        at_risk -= sum(leaving)
    return rows


leaving = st.tuples(st.integers(0, 20), st.integers(0, 12), st.integers(0, 20))


@settings(max_examples=200)
@given(st.lists(leaving, min_size=1, max_size=25), st.integers(1, 25))
def test_competing_curves_beside_each_other_tell_no_few(exits, window):
    exits = [(0, 0, 0), *exits]
    merged = [(a, 0, b + c) for a, b, c in exits]  # Kaplan-Meier: who died counts as censored
    rows = [*curve(exits), *curve(exits, "cumulative_incidence:death", cause=1), *curve(merged, "survival", "km")]
    points, _ = coarsened(rows, CMS, {("o", float(window))}, "cif")
    by = {}
    for p in points:
        by.setdefault(p["quantity"], []).append(p)
    bare = any(p["n_risk"] is None for p in points)
    for name, own in by.items():
        assert not any(small(p["n_event"], p["n_censor"] or 0) for p in own[1:])
        assert not small(own[0]["n_risk"] - sum(p["n_event"] for p in own))
        if bare:
            assert all(p["n_risk"] is None and p["n_censor"] is None for p in own[1:])
        else:
            for a, b in pairwise(own):
                assert b["n_risk"] == a["n_risk"] - a["n_event"] - a["n_censor"]
                assert not small(b["n_risk"])
        if name == "survival":
            assert [p["time"] for p in own] == [p["time"] for p in by["cumulative_incidence"]]
        elif not bare:
            assert {p["time"] for p in own} <= {p["time"] for p in by["cumulative_incidence"]}
    if not bare:
        for before, now in pairwise(by.get("cumulative_incidence:death", ())):
            others = sum(p["n_censor"] for p in by["cumulative_incidence"] if before["time"] < p["time"] <= now["time"])
            assert not small(others - now["n_event"])  # censored alone


def test_few_deaths_hide_the_numbers_at_risk_and_no_window():
    exits = [(0, 0, 0), *[(15, 1, 0)] * 6, (0, 0, 60)]
    points, unsafe = coarsened([*curve(exits), *curve(exits, "cumulative_incidence:death", cause=1)], CMS, {("o", 6.0)})
    main = [p for p in points if p["quantity"] == "cumulative_incidence"]
    assert not unsafe
    assert [(p["time"], p["n_event"]) for p in main] == [(0, 0), *((t, 15) for t in range(1, 7)), (7, 0)]
    assert {p["n_risk"] for p in main[1:]} == {None}
    assert [p["n_event"] for p in points if p["quantity"] != "cumulative_incidence"] == [0]  # six deaths make no step


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.just(0), st.integers(0, 15)), min_size=1, max_size=12), st.integers(1, 12)
)
def test_the_jumps_of_a_curve_tell_no_few_censored(exits, window):
    """A step with events at one time alone is 1 - events / at risk: who was censored since the step before follows."""
    exits = [(0, 0, 0), *exits]
    rows = curve(exits, "survival")
    points, _ = coarsened(rows, CMS, {("o", float(window))})
    for before, now in pairwise(points):
        span = [k for k in range(len(exits)) if before["time"] < k <= now["time"] and exits[k][0]]
        if len(span) == 1:
            first = 0 if before["time"] == 0 else int(before["time"]) + 1
            earlier = sum(c for _, _, c in exits[first : span[0]])
            later = sum(c for _, _, c in exits[span[0] : int(now["time"]) + 1])
            assert not small(earlier, later)


def test_the_curve_on_another_clock_that_differs_by_few_is_not_shown():
    one = [(0, 0, 0), (20, 0, 0), (20, 0, 0), (0, 0, 60)]
    few = [(0, 0, 0), (17, 0, 0), (23, 0, 0), (0, 0, 60)]
    points, _ = coarsened([*curve(one, name="calendar"), *curve(few, name="street")], CMS, set(), "calendar")
    assert {p["analysis"] for p in points} == {"calendar"}
    many = [(0, 0, 0), (40, 0, 0), (20, 0, 0), (0, 0, 80)]
    points, _ = coarsened([*curve(one, name="calendar"), *curve(many, name="street")], CMS, set(), "calendar")
    assert {p["analysis"] for p in points} == {"calendar", "street"}


def test_bands_of_a_curve_begin_at_its_origin():
    rows = [r | {"band_low": 0.3, "band_high": 0.7} for r in curve([(0, 0, 0), (20, 0, 0), (0, 0, 30)])]
    points, _ = coarsened(rows, CMS, set())
    assert (points[0]["band_low"], points[0]["band_high"]) == (0.0, 0.0)


def risks(name, events, outcome="o", time=12.0, n=200):
    return [estimate(term, name, outcome, time, counts=(e, n - e))
            for term, e in zip(("risk_treated", "risk_control"), events, strict=True)]  # fmt: skip


@pytest.mark.parametrize(
    ("other", "shown"),
    [((60, 80), True), ((64, 80), False), ((90, 95), True), ((60, 71), False)],
)
def test_risks_on_two_clocks_that_differ_by_few_are_not_both_told(other, shown):
    estimates = [*risks("street", other), *risks("main", (60, 80))]
    out = released(estimates=estimates, analyses=[analysis("street", "sensitivity"), analysis()])["estimates"]
    told = {r["analysis"] for r in out if r["status"] == "ok"}
    assert told == ({"main", "street"} if shown else {"main"})


def test_adjusted_risks_tell_no_numbers():
    estimates = [*risks("main", (60, 80)), *risks("adjusted", (64, 80))]
    asked = [analysis(), analysis("adjusted", "secondary", options='{"adjust": "iptw"}')]
    out = released(estimates=estimates, analyses=asked)["estimates"]
    assert {r["status"] for r in out} == {"ok"}


def test_an_outcome_that_could_lie_within_another_is_held_against_it():
    """Seven treated had an arrest that was no felony."""
    estimates = [*risks("main", (60, 90)), *risks("felony", (53, 60), "felony")]
    asked = [analysis(), analysis("felony", "secondary", "felony")]
    out = released(estimates=estimates, analyses=asked)["estimates"]
    assert {r["analysis"] for r in out if r["status"] == "ok"} == {"main"}
    crossed = [*risks("main", (60, 90)), *risks("other", (53, 120), "other")]  # in one arm more, so not within it
    out = released(estimates=crossed, analyses=[analysis(), analysis("other", "secondary", "other")])["estimates"]
    assert {r["status"] for r in out} == {"ok"}


def test_completers_do_not_tell_the_events_of_those_who_left():
    estimates = [*risks("main", (60, 80)), *risks("done", (52, 80))]
    out = released(estimates=estimates, analyses=[analysis(), analysis("done", "exploratory")])["estimates"]
    assert {r["analysis"] for r in out if r["status"] == "ok"} == {"main"}


# --------------------------------------------------------------------------- flow, checks


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.lists(st.integers(0, 30), min_size=1, max_size=5))
def test_rows_and_people_left_out_when_a_cohort_was_built(rows, people):
    steps, left = [], 1000
    for level, dropped in (("row", rows), ("person", people)):
        for k, n in enumerate(dropped):
            left -= n
            steps.append({"study": "s", "analysis": "", "step": f"{level}{k}", "reason": "x", "level": level,
                          "n_dropped": n, "n_remaining": left, "status": "ok"})  # fmt: skip
    out = released(flow=steps)["flow"]
    assert not any(small(r["n_dropped"]) for r in out if r["n_dropped"] is not None)
    if any(small(n) for n in (*rows, *people)):
        assert {r["n_remaining"] for r in out} == {None}
    for level, dropped in (("row", rows), ("person", people)):
        gone = [r for r in out if r["level"] == level and r["n_dropped"] is None]
        assert len(gone) != 1 or sum(n > 0 for n in dropped) == 1


def check(message, name="other", statistic=None, counts=()):
    return {"study": "s", "analysis": name, "check": "x", "status": "info", "term": "", "group": "", "time": None,
            "statistic": statistic, "message": message, COUNTS: counts}  # fmt: skip


@pytest.mark.parametrize(
    ("message", "statistic", "counts", "hidden"),
    [
        ("The 33 donors are few.", None, (), True),
        ("42 units never treated", None, (42,), True),
        ("Half are left.", 198.0, (198, 200), True),
        ("By 24 months nothing is lost; 0.25 standard deviations.", 0.25, (), False),
        ("Everyone has a value.", None, (198,), False),
    ],
)
def test_checks_count_nobody_where_the_numbers_of_an_analysis_are_not_shown(message, statistic, counts, hidden):
    estimates = [estimate(), estimate(name="other", n=396)]
    rows = [check(message, "main", statistic, counts), check(message, "other", statistic, counts)]
    out = released(estimates=estimates, diagnostics=rows, analyses=[analysis(), analysis("other", "secondary")])
    assert [r["message"] == message for r in out["diagnostics"]] == [True, not hidden]


def test_a_placebo_outcome_goes_with_its_hidden_window():
    row = dict.fromkeys(c.name for c in TABLES["sensitivity"].columns)
    row |= {"analysis": "main", "kind": "placebo_outcome", "label": "x", "group": "traffic", "parameter": 12.0,
            "estimate": 0.1, "status": "ok", COUNTS: (40, 60)}  # fmt: skip
    estimates = [*risks("main", (60, 80)), *risks("placebo", (4, 80), "traffic")]
    asked = [analysis(), analysis("placebo", "sensitivity", "traffic")]
    assert released(estimates=estimates, sensitivity=[row], analyses=asked)["sensitivity"][0]["estimate"] is None


def test_released_rows_keep_no_private_column():
    out = released(subgroups=[stratum("0", 100, 100)], balance=[balanced()], implementation=[share("x", 100, 50)])
    assert not any(COUNTS in r for rows in out.values() for r in rows)
    assert np.isfinite(out["implementation"][0]["value"])


# --------------------------------------------------------------------------- numbers told by many digits


def test_a_mean_whose_number_of_people_is_withheld_tells_no_denominator():
    row = {"study": "s", "covariate": "employed", "kind": "binary", "std_dev": 0.4987, "smd": 0.123456, "status": "ok"}
    rows = [row | {"group": g, "n": n, "n_missing": m, "mean": yes / n}
            for g, n, m, yes in (("treated", 1106, 28, 487), ("control", 1074, 20, 401))]  # fmt: skip
    out = released(baseline=rows, analyses=[analysis()])["baseline"]
    assert [r["n"] for r in out] == [None, None]
    for r in out:
        fits = [n for n in range(1000, 1200) if round(round(r["mean"] * n) / n, 3) == r["mean"]]
        assert len(fits) > 20


def test_the_check_of_those_lost_is_as_coarse_as_their_table():
    """With 5,958 analysed, 4.03 % lost leaves few numbers of people that can have entered; 4.0 % leaves many."""
    lost = 100 * (1 - 5958 / 6208)
    row = {**check("4.0 % are lost", "main", lost, (3000, 2958, 130, 120)), "check": "attrition"}
    told = diagnostics([row])[0]["statistic"]
    table = attrition([{"overall": lost, "differential": 0.0}])[0]["overall"]
    assert told == table == 4.0
    fitting = [n for n in range(5958, 6500) if round(100 * (1 - 5958 / n), 1) == told]
    assert 6208 in fitting
    assert len(fitting) > 5


def test_gaps_of_single_columns_are_not_told_beside_the_flow():
    gap = {"study": "s", "analysis": "main", "check": "missing_covariate", "status": "info", "term": "", "time": None,
           "group": "employed", "statistic": 35 / 2228, "message": "1.6 % lack employed", COUNTS: (35,)}  # fmt: skip
    (out,) = released(diagnostics=[gap], analyses=[analysis()])["diagnostics"]
    assert out["statistic"] is None
    assert "1.6" not in out["message"]


def test_no_released_count_of_a_curve_is_below_nought():
    """Points that stand for several times: people leave between two of them, before the next number at risk."""
    rows, left = [], 400
    for time, (events, censored, between) in enumerate([(0, 0, 0), (30, 12, 5), (25, 0, 9), (40, 14, 3)]):
        left -= between
        rows.append({"study": "s", "analysis": "cif", "outcome": "o", "quantity": "cumulative_incidence",
                     "group": "treated", "time": float(time), "n_risk": left, "n_event": events + between,
                     "n_censor": censored, "estimate": 0.5, "std_error": 0.0, "conf_low": 0.4, "conf_high": 0.6,
                     "status": "ok"})  # fmt: skip
        left -= events + censored
    points, _ = coarsened(rows, CMS, {("o", 3.0)}, "cif")
    assert all(p["n_censor"] >= 0 and p["n_event"] >= 0 for p in points)
    assert points[-1]["n_risk"] >= 0
