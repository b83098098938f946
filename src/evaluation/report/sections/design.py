"""Background, design and data: what was done, to whom, how it is compared, what the data hold."""

from __future__ import annotations

from evaluation.report.headline import Headline, options
from evaluation.report.markdown import NOTHING, Table, escape, paragraphs
from evaluation.report.numbers import listing, number, percent
from evaluation.report.released import Released
from evaluation.report.sections.summary import assumption
from evaluation.report.words import DATA_ROLES, HIDDEN, METHODS, counted, named, upper_first
from evaluation.results import Row
from evaluation.study.models import BuiltCohortDesign, CohortDesign, PanelDesign

LARGE_SMD = 0.1
BUILT = ("person", "arm", "time", "event", "follow-up", "completed", "weight")  # roles of columns the builder writes
LOGIC = (
    ("inputs", "What goes in"),
    ("activities", "What is done"),
    ("outputs", "What that produces"),
    ("outcomes", "What should change"),
)


def logic_model(released: Released) -> str:
    """The logic model as a table; nothing where the study has none."""
    model = released.study.intervention.logic_model
    if model is None:
        return NOTHING
    parts = [(title, getattr(model, key)) for key, title in LOGIC if getattr(model, key)]
    if not parts:
        return NOTHING
    header = [title + (" →" if i < len(parts) else "") for i, (title, _) in enumerate(parts, 1)]
    longest = max(len(items) for _, items in parts)
    rows = [[upper_first(items[i]) if i < len(items) else "" for _, items in parts] for i in range(longest)]
    caption = f"How {released.mid(released.program)} is meant to work"
    return Table("logic", caption, header, "l" * len(parts), rows).markdown()


def glance(released: Released) -> str:
    """The study at a glance: who, program, comparison, outcomes, time, method."""
    study, design = released.study, released.study.design
    comparison = study.intervention.comparison or f"{upper_first(released.group('control'))}, without the program"
    rows = [
        ["Who was studied", upper_first(released.people)],
        ["Program", released.program],
        ["Compared with", upper_first(comparison)],
        ["Outcomes", "; ".join(f"{o.label} ({o.better} is better)" for o in study.outcomes)],
    ]
    rows += _panel_rows(design) if isinstance(design, PanelDesign) else _cohort_rows(released, design)
    rows.append(["Main analysis", released.analysis(study.primary.id)])
    return Table("glance", "The study at a glance", ["Question", "Answer"], "ll", rows).markdown()


def _panel_rows(design: PanelDesign) -> list[list[str]]:
    return [
        ["Kind of study", "Comparison of changes over time (difference-in-differences)"],
        [
            "Time",
            f"Observed once a {design.time_unit}" if design.time_unit != "period" else "Observed period by period",
        ],
    ]


def _cohort_rows(released: Released, design: CohortDesign) -> list[list[str]]:
    kind = (
        "Experiment: people were assigned by chance"
        if released.randomised
        else "Comparison of groups that were not assigned by chance"
    )
    rows = [["Kind of study", kind]]
    if design.windows:
        rows.append(["Followed for", listing([released.span(w) for w in design.windows])])
    if design.covariates:
        rows.append(
            ["Characteristics recorded", "; ".join(upper_first(released.study.label(c)) for c in design.covariates)]
        )
    return rows


def method(head: Headline) -> str:
    """The main analysis in plain words, and what must hold for it to be fair."""
    released = head.released
    name = released.analysis(head.analysis.id)
    how = METHODS.get(head.analysis.estimator)
    lead = f"The main analysis ({name}) {how}" if how else f"The main analysis is: {name}."
    adjusted = ""
    covariates = options(released, head.analysis.id).get("covariates")
    if head.adjusted or (isinstance(covariates, list) and covariates):
        adjusted = f"It takes into account {_adjusted_for(released, covariates)}."
    title, text = assumption(head)
    return paragraphs(f"{lead} {adjusted}".strip()) + f"\n**{escape(title)}** {escape(text)}\n"


def _adjusted_for(released: Released, covariates: object) -> str:
    if isinstance(covariates, list) and covariates:
        return listing([released.study.label(str(c)) for c in covariates])
    return "the characteristics recorded before the program"


# --------------------------------------------------------------------------- data


def sources(released: Released) -> str:
    """Where the data come from."""
    source = released.study.data.source
    if released.simulated:
        return paragraphs("The data are simulated: a computer made them, with a known effect planted in them.", source)
    return paragraphs(f"Source: {source}" if source else "The study file names no source for the data.")


def quality_table(released: Released, name: str = "missing") -> str:
    """Missing values of each column the study uses."""
    rows = released.rows("data_quality")
    if isinstance(released.study.design, BuiltCohortDesign) and name == "missing":
        rows = [r for r in rows if r["role"] not in BUILT]  # what the builder wrote: outcomes and times are never empty
    if not rows:
        return paragraphs("No record of missing values was released.")
    cells = [
        [
            upper_first(_column(released, r)),
            named(DATA_ROLES, r["role"]),
            _count(r["n_rows"]),
            _missing(r),
            _count(r["n_nan"]),
        ]
        for r in rows
    ]
    header = ["What is recorded", "Used as", "Rows", "Empty", "Not a number"]
    return Table(name, "Missing values in the data the study uses", header, "llrrr", cells).markdown()


def _column(released: Released, row: Row) -> str:
    if row["column"] not in released.study.labels:
        outcome = next((o.label for o in released.study.outcomes if o.column == row["column"]), "")
        if outcome:
            return outcome
    return released.study.label(row["column"])


def _missing(row: Row) -> str:
    n, total = row["n_missing"], row["n_rows"]
    return f"{n:,} ({percent(n / total)})" if n and total else _count(n)


def _count(n: int | None) -> str:
    return HIDDEN if n is None else f"{n:,}"


# --------------------------------------------------------------------------- who was compared


def baseline_table(released: Released) -> str:
    """Characteristics by group with standardised differences; nothing for a panel."""
    rows = released.rows("baseline")
    if not rows:
        return NOTHING
    cells = []
    for covariate in dict.fromkeys(r["covariate"] for r in rows):
        sides = {r["group"]: r for r in rows if r["covariate"] == covariate}
        smd = next((r["smd"] for r in sides.values() if r["smd"] is not None), None)
        cells.append(
            [
                upper_first(released.study.label(covariate)),
                _mean(sides.get("treated")),
                _mean(sides.get("control")),
                "" if smd is None else number(smd, 2),
            ]
        )
    header = ["Characteristic", "Program group", "Comparison group", "Standardised difference"]
    return Table("baseline", "The groups before the program", header, "lrrr", cells).markdown()


def _mean(row: Row | None) -> str:
    if row is None:
        return "–"
    if row["mean"] is None:
        return HIDDEN
    return percent(row["mean"]) if row["kind"] == "binary" else number(row["mean"])


def balance(released: Released) -> str:
    """How alike the groups were, in a sentence; for a panel, how units divide into adopters and comparison."""
    smds = {r["covariate"]: r["smd"] for r in released.rows("baseline") if r["smd"] is not None}
    if not smds:
        if released.panel:
            return paragraphs(_panel_sample(released))
        return paragraphs("No table of characteristics before the program was released.")
    large = [released.study.label(c) for c, v in smds.items() if abs(v) >= LARGE_SMD]
    known = counted(len(smds), "characteristic")
    if large:
        text = f"They differ by 0.1 standard deviations or more in {len(large)} of {known}: {listing(large)}."
    else:
        text = f"None of the differences in the {known} shown reaches 0.1 standard deviations, so all are small."
    return f"@tbl-baseline compares the groups. {escape(text)}\n"


def _panel_sample(released: Released) -> str:
    row = next(iter(released.rows("estimates", analysis=released.study.primary.id, term="att")), None)
    if row is None or row["n_units"] is None:
        return f"How many {released.people} were compared was not released."
    treated = f"; {row['n_treated_units']:,} of them adopted" if row["n_treated_units"] else ""
    return f"The main analysis used {row['n_units']:,} {released.people}{treated}."
