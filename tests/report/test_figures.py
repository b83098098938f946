"""Figures: what they say in words, their data, their legibility."""

from __future__ import annotations

import csv
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas
from matplotlib.text import Text

from evaluation.report.figures.curve import at_risk, curve
from evaluation.report.figures.event_study import event_study
from evaluation.report.figures.figure import STYLE, WIDTH, Figure, spread
from evaluation.report.figures.forest import forest
from evaluation.report.figures.series import series
from evaluation.report.headline import headline
from evaluation.report.released import Released

from .case_experiment import experiment
from .case_panel import panel
from .case_simulated import simulated
from .cases import Case
from .conftest import CASES

if TYPE_CHECKING:
    from matplotlib.transforms import Bbox

Open = Callable[[Case], Released]


def drawn(found: Released) -> dict[str, Figure]:
    head = headline(found)
    figures = (curve(found, head), event_study(found, head), series(found, head), forest(found))
    return {f.id: f for f in figures if f}


def test_each_design_has_its_figures(released: Open) -> None:
    assert sorted(drawn(released(experiment()))) == ["all-analyses", "curve"]


def test_a_panel_has_its_figures(released: Open) -> None:
    assert sorted(drawn(released(panel()))) == ["all-analyses", "event-study", "series"]


def test_alt_text_of_curves_gives_their_ends(released: Open) -> None:
    alt = drawn(released(experiment()))["curve"].alt
    assert "as observed, without adjustment" in alt
    assert "By 52 weeks: 31 of every 100 in the comparison group and 22 of every 100 in the program group." in alt


def test_alt_text_of_an_event_study_counts_what_leaves_out_zero(released: Open) -> None:
    alt = drawn(released(panel()))["event-study"].alt
    assert "In the 8 periods before adoption" in alt
    assert "0 of 8 plausible ranges leave out zero" in alt


def test_alt_text_of_a_series_gives_first_and_last(released: Open) -> None:
    assert "Adopting states: 24.4 in 1980, 16.6 in 2004." in drawn(released(panel()))["series"].alt


def test_alt_text_of_a_forest_names_every_analysis(released: Open) -> None:
    alt = drawn(released(experiment()))["all-analyses"].alt
    assert "Difference in risk: 8 fewer in every 100 (range 16 fewer to 0.02 fewer in every 100)." in alt
    assert "Cox regression: 32% lower" in alt


def test_a_flagged_event_time_is_hollow_and_said(released: Open) -> None:
    case = panel()
    case.tables["diagnostics"].append(
        {
            "analysis": "main",
            "check": "small_cohort",
            "status": "warn",
            "term": "event",
            "time": 12.0,
            "message": "One unit.",
        }
    )
    figure = drawn(released(case))["event-study"]
    assert "Hollow points rest on very few adopting states" in figure.caption
    assert [row[-1] for row in figure.data][-1] == "unreliable: few units"


def test_hidden_points_stay_out_of_the_curve_and_in_its_data(released: Open) -> None:
    figure = drawn(released(simulated()))["curve"]
    assert "By 22 months" in figure.alt
    assert [figure.data[-1][k] for k in (0, 1, 2, -1)] == ["program group", "24", None, "hidden"]


def test_survival_and_incidence_draw_the_same(released: Open, tmp_path: Path) -> None:
    flipped = experiment()
    for row in flipped.tables["curve"]:
        low, high = row["conf_low"], row["conf_high"]
        row |= {
            "quantity": "cumulative_incidence",
            "estimate": 1 - row["estimate"],
            "conf_low": 1 - high,
            "conf_high": 1 - low,
        }
    group, week, share = drawn(released(flipped))["curve"].data[10][:3]
    assert (group, week, share) == ("comparison group", "11", pytest.approx(100 * 10 / 216))


def test_numbers_at_risk_are_those_at_the_next_point() -> None:
    rows = [{"time": 1.0, "n_risk": 10}, {"time": 5.0, "n_risk": 1234}, {"time": 9.0, "n_risk": None}]
    assert [at_risk(rows, t) for t in (0.0, 1.0, 3.0, 9.0, 12.0)] == ["10", "10", "1,234", "hidden", "–"]


def test_the_data_of_every_figure_lie_beside_it(rendered: Path) -> None:
    folder = rendered / "report" / "source" / "figures"
    stems = {p.stem for p in folder.iterdir()}
    assert stems
    for stem in stems:
        assert {p.suffix for p in folder.glob(f"{stem}.*")} == {".svg", ".png", ".csv"}
        with (folder / f"{stem}.csv").open(encoding="utf-8", newline="") as handle:
            rows = list(csv.reader(handle))
        assert len(rows) > 1
        assert {len(r) for r in rows} == {len(rows[0])}


@pytest.mark.parametrize("name", sorted(CASES))
def test_text_is_nine_points_or_more_and_none_lies_over_another(released: Open, name: str) -> None:
    for figure in drawn(released(CASES[name]())).values():
        texts, page = _laid_out(figure)
        assert min(t.get_fontsize() for t in texts) >= 9
        boxes = [(t.get_text(), t.get_window_extent()) for t in texts]
        assert [text for text, box in boxes if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1] == []
        assert [(a, b) for (a, p), (b, q) in combinations(boxes, 2) if _overlap(p, q)] == []


def _laid_out(figure: Figure) -> tuple[list[Text], Bbox]:
    """Every text that is drawn, in place, and the page's edges."""
    with mpl.rc_context(STYLE):
        canvas = Canvas(figsize=(WIDTH, figure.height), layout="constrained")
        FigureCanvasAgg(canvas)
        figure.draw(canvas)
        canvas.draw_without_rendering()
    ticks, shown = set(), []
    for axes in canvas.axes:
        for axis in (axes.xaxis, axes.yaxis):
            ticks |= {
                t for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()) for t in (tick.label1, tick.label2)
            }
            shown += [tick.label1 for tick in axis._update_ticks() if axes.axison and tick.label1.get_visible()]
    shown += [t for t in canvas.findobj(Text) if t not in ticks and t.get_visible()]
    return [
        t for t in shown if t.get_text().strip() and (t.axes is None or t.axes.axison or t in t.axes.texts)
    ], canvas.bbox


def _overlap(a: Bbox, b: Bbox) -> bool:
    return min(a.x1, b.x1) - max(a.x0, b.x0) > 1.5 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1.5


@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0], [1.0, 1.1, 5.0], [3.0, 2.0, 1.0]])
def test_labels_are_spread_and_keep_their_order(values: list[float]) -> None:
    placed = spread(values, 0.5)
    assert all(abs(a - b) >= 0.5 - 1e-6 for a, b in combinations(placed, 2))
    assert sorted(range(3), key=lambda i: (values[i], i)) == sorted(range(3), key=lambda i: (placed[i], i))
