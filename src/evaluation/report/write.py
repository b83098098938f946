"""From released results to `report/source/`: a self-contained Quarto project without code or data access."""

from __future__ import annotations

import shutil
from pathlib import Path

from evaluation import resources
from evaluation.report.docx_theme import with_header
from evaluation.report.figures.competing import competing
from evaluation.report.figures.curve import curve, curve_hidden
from evaluation.report.figures.decomposition import decomposition
from evaluation.report.figures.event_study import event_study
from evaluation.report.figures.figure import Figure
from evaluation.report.figures.flow import flow
from evaluation.report.figures.forest import forest
from evaluation.report.figures.gaps import gaps
from evaluation.report.figures.honest import honest
from evaluation.report.figures.leave_out import leave_out
from evaluation.report.figures.love import love
from evaluation.report.figures.overlap import overlap
from evaluation.report.figures.series import series
from evaluation.report.figures.subgroups import subgroups
from evaluation.report.headline import Headline, credible, headline
from evaluation.report.markdown import NOTHING, escape, paragraphs
from evaluation.report.released import Released, open_run
from evaluation.report.sections import (
    checks,
    delivery,
    design,
    findings,
    people,
    recomputed,
    robustness,
    submitted,
    summary,
    technical,
)
from evaluation.report.words import day

DOCUMENTS = ("_quarto.yml", "brief.qmd", "full.qmd", "appendix.qmd")
FIGURES = ("curve", "event-study", "series", "all-analyses")


def write(run_dir: Path) -> Path:
    """Write a run's report project to `run_dir/report/source/` and return that folder.

    The project is the template documents beside what is special to the study: `_study.yml` (title, date),
    `_variables.yml`, `_includes/*.md`, `tables/*.md` and `figures/` (SVG, PNG, CSV). Equal results give equal bytes.

    Raises
    ------
    ReportError
        Where the folder holds no released results.
    """
    released = open_run(run_dir)
    source = run_dir / "report" / "source"
    if source.exists():
        shutil.rmtree(source)
    source.mkdir(parents=True)
    _copy_templates(source)
    head = headline(released)
    drawn = figures(released, head)
    _write_all(source / "figures", {})
    for figure in drawn.values():
        figure.write(source / "figures")
    _write_all(source / "_includes", includes(released, head, drawn))
    _write_all(source / "tables", tables(released, head))
    _write_yaml(source / "_study.yml", metadata(released))
    _write_yaml(source / "_variables.yml", variables(released))
    reference = source / "theme" / "reference.docx"
    reference.write_bytes(with_header(reference.read_bytes(), released.study.title, simulated=released.simulated))
    return source


def figures(released: Released, head: Headline) -> dict[str, Figure]:
    """The figures there are, by id, in the order of the full report."""
    found: list[Figure | None] = [curve(released, head), event_study(released, head), series(released, head)]
    found += gaps(released, head) if released.panel else []
    found += [flow(head), love(head), overlap(head), competing(head), subgroups(head)] if released.cohort else []
    found += [forest(released)]
    if released.panel and head.known and credible(head):
        found += [honest(head), leave_out(head), decomposition(released, head)]
    return {f.id: f for f in found if f}


def _copy_templates(source: Path) -> None:
    templates = resources.folder("reports")
    for name in DOCUMENTS:
        shutil.copyfile(templates / name, source / name)
    for folder in ("theme", "filters"):
        shutil.copytree(templates / folder, source / folder, copy_function=shutil.copyfile)


def _write_all(folder: Path, texts: dict[str, str]) -> None:
    folder.mkdir()
    for name, text in texts.items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8", newline="")


def _write_yaml(path: Path, content: dict[str, object]) -> None:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.width = 4096
    with path.open("w", encoding="utf-8", newline="") as handle:
        yaml.dump(content, handle)


def metadata(released: Released) -> dict[str, object]:
    """What Quarto calls document metadata, special to the study."""
    found: dict[str, object] = {"title": escape(released.study.title), "lang": "en-US"}
    if released.date:
        found["date"] = released.date
    if released.simulated:
        found["simulated"] = summary.SIMULATED
    return found


def variables(released: Released) -> dict[str, object]:
    """Values for `{{< var … >}}` in the documents; Markdown, as Quarto reads them."""
    study = released.study
    return {
        "study": {"title": escape(study.title), "question": escape(study.question), "people": escape(released.people)},
        "program": {"name": escape(released.program), "description": escape(study.intervention.description)},
        "outcome": {"name": escape(study.outcome(study.primary.outcome).label)},
        "run": {"date": day(released.date) or "not recorded"},
    }


def brief_figure(drawn: dict[str, Figure]) -> str | None:
    """The one figure of the brief: the first there is of the kinds in `FIGURES`."""
    return next((f for f in FIGURES if f in drawn), None)


def includes(released: Released, head: Headline, drawn: dict[str, Figure]) -> dict[str, str]:
    """The generated passages, by name."""
    chosen = brief_figure(drawn)
    texts = {
        "notice": summary.notice(released),
        "outdated": submitted.outdated(released),
        "standing": summary.standing(head),
        "headline": summary.headline_box(head),
        "what_was_done": summary.what_was_done(released),
        "found": summary.found(head, chosen),
        "found_in_full": summary.found(head, None),
        "sure": summary.sure(head),
        "keep_in_mind": summary.keep_in_mind(head),
        "more": summary.more(released),
        "method": design.method(head),
        "sources": design.sources(released),
        "submitted": submitted.section(released),
        "balance": design.balance(released),
        "main_result": findings.main_text(head),
        "robustness": robustness.section(head),
        "alike_after": people.alike_after(head),
        "within_groups": people.subgroups_text(head),
        "delivery": delivery.section(released),
        "hidden": checks.hidden_text(released),
        "methods": technical.methods(released),
        "glossary": technical.glossary(),
        "figure_brief": drawn[chosen].markdown() if chosen else NOTHING,
    }
    for name in FIGURES:
        instead = curve_hidden(released, head) if name == "curve" else ""
        texts[f"figure_{name.replace('-', '_')}"] = _section(name, drawn, released.time_unit, instead)
    for name in ("honest", "leave-out", "decomposition", "flow", "love", "overlap", "competing", "subgroups"):
        texts[f"figure_{name.replace('-', '_')}"] = _section(name, drawn, released.time_unit)
    beside = [f.markdown() for name, f in drawn.items() if name.startswith("gap-")]
    texts["figure_gaps"] = "\n".join([f"{HEADINGS['gaps']}\n", *beside]) if beside else NOTHING
    return texts


HEADINGS = {
    "curve": "### How the outcome grew over time",
    "event-study": "### Before and after adoption, {unit} by {unit}",
    "series": "### The raw figures",
    "gaps": "### Against the course expected without the program",
    "all-analyses": "",
    "honest": "### If paths differed",
    "leave-out": "### One left out in turn",
    "decomposition": "### What a regression mixes",
    "flow": "",
    "love": "",
    "overlap": "",
    "competing": "### What came first",
    "subgroups": "",
}


def _section(name: str, drawn: dict[str, Figure], unit: str, instead: str = "") -> str:
    """A figure, or the reason why it is left out, under its own heading; nothing where there is neither."""
    if name not in drawn and not instead:
        return NOTHING
    heading = HEADINGS[name].format(unit=unit) + "\n\n" if HEADINGS[name] else ""
    return heading + (drawn[name].markdown() if name in drawn else paragraphs(instead))


def tables(released: Released, head: Headline) -> dict[str, str]:
    """The generated tables, by name."""
    return {
        "logic": design.logic_model(released),
        "glance": design.glance(released),
        "flow": NOTHING if flow(head) else checks.flow_table(released, checks.flow_rows(head)),
        "flow_all": checks.flow_table(released, released.rows("flow"), "flow-all"),
        "missing": design.quality_table(released),
        "quality": design.quality_table(released, "quality"),
        "baseline": design.baseline_table(released),
        "balance": people.balance_table(head),
        "attrition": people.attrition_table(head),
        "clocks": people.clocks_table(head),
        "subgroups": people.subgroups_table(head),
        "main": "\n".join(t for t in (findings.main_table(head), findings.windows_table(head)) if t),
        "analyses": findings.all_table(released),
        "groups": findings.groups_table(head),
        "again": robustness.again_table(head),
        "weights": robustness.weights_table(head) if released.panel else NOTHING,
        "sensitivity": recomputed.sensitivity(released),
        "decomposition": recomputed.decomposition(released),
        "second_opinion": recomputed.second_opinion(released),
        "checks": checks.checks_table(released),
        "checks_figures": checks.checks_table(released, numbers=True),
        "estimates": technical.estimates(released),
        "inference": technical.inference_table(released),
        "suppression": checks.suppression_table(released),
        "provenance": technical.provenance(released),
    }
