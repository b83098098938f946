"""Whole runs on small data under a disclosure profile: nothing that leaves tells a small number of people."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from evaluation.cli import call
from evaluation.disclosure.profiles import PROFILES
from evaluation.results import TABLES, read_tables

from .conftest import COHORT, PANEL

PEOPLE = re.compile(r"\b(\d+) (?:people|persons?|units?|clusters?|events?|treated)\b")
COUNTED = {
    name: [c.name for c in t.columns if c.disclosure == "count" and c.unit != "rows"] for name, t in TABLES.items()
}


def small_cohort(seed):
    rng = np.random.default_rng(seed)
    people = int(rng.integers(40, 160))
    offered = (rng.uniform(size=people) < rng.choice([0.08, 0.5])).astype(int)
    week = rng.integers(1, 80, people)
    frame = pd.DataFrame({"offered": offered, "week": np.minimum(week, 52), "arrested": (week <= 52).astype(int),
                          "age": rng.normal(30, 8, people), "priors": (rng.uniform(size=people) < 0.06) + 1.0})  # fmt: skip
    frame.loc[rng.uniform(size=people) < 0.04, "age"] = np.nan
    return frame


def small_panel(seed):
    rng = np.random.default_rng(seed)
    adopted = np.repeat(
        [2004, 2006, 0], [int(rng.integers(2, 14)), int(rng.integers(12, 40)), int(rng.integers(8, 60))]
    )
    place = np.repeat(np.arange(len(adopted)), 8)
    year = np.tile(np.arange(2001, 2009), len(adopted))
    frame = pd.DataFrame({"place": place, "region": place, "year": year, "adopted": adopted[place]})
    return frame.assign(rate=(rng.uniform(size=len(frame)) < 0.2).astype(float))


def write(profile, cohort, panel):
    law = PANEL.replace("units_are: places", "units_are: people").replace("type: rate", "type: binary")
    for name, text, frame in (("aid", COHORT, cohort), ("law", law, panel)):
        Path(f"studies/{name}.yaml").write_text(text.replace("profile: none", f"profile: {profile}"), encoding="utf-8")
        frame.to_parquet(f"data/{name}.parquet")


def told(row):
    """Small numbers a row may tell: its counts, the other arm's size, and what a share times its base gives."""
    table, row = row
    for name in COUNTED[table]:
        yield name, row[name]
    if row.get("n_units") is not None and row.get("n_treated_units") is not None:
        yield "comparison", row["n_units"] - row["n_treated_units"]
    base = {"baseline": ("mean", "n"), "series": ("estimate", "n_units")}.get(table)
    if base and None not in (row[base[0]], row[base[1]]) and 0 < row[base[0]] < 1:
        events = row[base[0]] * row[base[1]]
        if abs(events - round(events)) < 1e-6:
            yield "events", round(events)
            yield "others", row[base[1]] - round(events)
    for text in (row.get("message"), row.get("reason")):
        for number in PEOPLE.findall(text or ""):
            yield "text", int(number)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("profile", ["cms11", "wonder10"])
def test_no_small_number_of_people_leaves(workspace, capsys, profile, seed):
    write(profile, small_cohort(seed), small_panel(seed))
    code = call(["run", "aid", "law", "--no-report", "--json"])
    assert code in (0, 1)
    said = capsys.readouterr()
    assert not [n for n in PEOPLE.findall(said.out) if PROFILES[profile].hides(int(n))]
    for study in ("aid", "law"):
        released = read_tables(Path("outputs") / study / "results")
        for table in (
            "estimates",
            "event_study",
            "diagnostics",
            "curve",
            "series",
            "flow",
            "baseline",
            "data_quality",
            "analyses",
        ):
            for row in released[table]:
                for what, number in told((table, row)):
                    structural = number == 0  # no one dropped, nobody missing, no event before the first step
                    hidden = number is not None and not structural and PROFILES[profile].hides(number)
                    assert not hidden, (table, what, number, row)


@pytest.mark.parametrize("seed", range(3))
def test_checks_about_hidden_figures_are_hidden(workspace, seed):
    write("cms11", small_cohort(seed), small_panel(seed).query("place % 3 == 0"))
    call(["run", "law", "--no-report"])
    released = read_tables(Path("outputs/law/results"))
    shown = {(r["analysis"], r["term"]) for r in released["estimates"] if r["status"] == "ok"}
    for row in released["diagnostics"]:
        if row["check"].startswith("pretrend") and row["statistic"] is not None:
            assert (row["analysis"], "event") in shown
