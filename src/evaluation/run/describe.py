"""What stands before any model: missing values, raw series, baseline characteristics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.data.engine import FLOATS, Source, quoted
from evaluation.results import Row
from evaluation.study.models import CohortDesign, PanelDesign, Study

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.data.cohort import Cohort
    from evaluation.data.panel import Panel


def frame(study: Study, source: Source) -> Panel | Cohort:
    """The study's `Panel`, or its `Cohort` as the primary analysis sees it, over `source`."""
    if isinstance(study.design, PanelDesign):
        from evaluation.data.panel import Panel

        return Panel.of(study.design, source)
    from evaluation.data.cohort import Cohort

    return Cohort.for_analysis(study, study.primary, source)


def roles(study: Study) -> dict[str, str]:
    """Each column the study reads, with its role; the first role where a column has several."""
    design = study.design
    found: list[tuple[str | None, str]]
    if isinstance(design, PanelDesign):
        found = [
            (design.unit, "unit"),
            (design.time, "period"),
            (design.cohort, "cohort"),
            (design.cluster, "cluster"),
            (design.weights, "weight"),
            *((c, "coordinate") for c in design.coordinates),
            (study.diagnostics.spillover, "ring of neighbours"),
        ]
        found += [(o.column, "outcome") for o in study.outcomes]
        found += [(o.exposure, "exposure") for o in study.outcomes]
    else:
        found = _of_people(study, design)
        found += [(c, "covariate") for c in design.covariates]
    for analysis in study.analyses:
        chosen = analysis.options.get("covariates")
        found += [(c, "covariate") for c in chosen] if isinstance(chosen, list) else []
    out: dict[str, str] = {}
    for column, role in found:
        if column is not None:
            out.setdefault(column, role)
    return out


def _of_people(study: Study, design: CohortDesign) -> list[tuple[str | None, str]]:
    """The columns of a cohort, with those of each outcome on each clock that an analysis looks at it by."""
    looked = dict.fromkeys((a.outcome, design.clock_of(a)) for a in study.analyses)
    ready = [design.for_outcome(study.outcome(name), clock) for name, clock in looked]
    found: list[tuple[str | None, str]] = [(design.person, "person"), (design.arm, "arm")]
    for r in ready:
        found += [(r.time, "time"), (r.event, "event"), (r.follow_up, "follow-up")]
    return [*found, *((r.cluster, "cluster") for r in ready[:1]), *((r.weights, "weight") for r in ready[:1]),
            *((r.completed, "completed") for r in ready[:1])]  # fmt: skip


def data_quality(study: Study, source: Source) -> list[Row]:
    """Missing and not-a-number values of every column the study reads, in one scan."""
    columns = roles(study)
    parts = ["count(*)"]
    for name in columns:
        column = quoted(name)
        nan = f"count(*) FILTER (isnan({column}))" if source.columns[name] in FLOATS else "0"
        parts += [f"count(*) FILTER ({column} IS NULL)", nan]
    total, *counts = source.query(f"SELECT {', '.join(parts)} FROM {source.scan}")[0]
    return [
        {
            "study": study.study,
            "column": name,
            "role": role,
            "type": source.columns[name],
            "n_rows": total,
            "n_missing": counts[2 * i],
            "n_nan": counts[2 * i + 1],
            "status": "ok",
        }
        for i, (name, role) in enumerate(columns.items())
    ]


def raw_series(study: Study, panel: Panel) -> list[Row]:
    """The raw outcome by group and period, for every outcome of a panel study."""
    from evaluation.data.panel import series

    return [
        {"study": study.study, "outcome": o.id, "status": "ok", **row}
        for o in study.outcomes
        for row in series(panel, o)
    ]


def baseline(study: Study, cohort: Cohort) -> list[Row]:
    """Characteristics before the program by arm, with standardised mean differences."""
    from evaluation.data.cohort import baseline as table

    assert isinstance(study.design, CohortDesign)  # noqa: S101 - narrows the type
    return [{"study": study.study, "status": "ok", **row} for row in table(cohort)]


def implementation(study: Study, base: Path, source: Source) -> list[Row]:
    """What was delivered, to whom and who stayed: descriptions from the tables that start at the folder `base`."""
    from evaluation.data.implementation import implementation as table

    return table(study, base, source)
