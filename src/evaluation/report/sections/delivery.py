"""What was delivered, to whom and when: tables of the program's work, which are descriptions and not effects."""

from __future__ import annotations

from evaluation.report.markdown import NOTHING, Table, paragraphs
from evaluation.report.numbers import number, percent
from evaluation.report.released import Released
from evaluation.report.words import HIDDEN, upper_first
from evaluation.results import Row

FAMILIES = {
    "funnel": "From referral to the program",
    "dosage": "What people received",
    "fidelity": "Whether the program was delivered as planned",
    "retention": "Who stayed, and who graduated",
    "equity": "Access, staying and graduating by group",
}
INTRO = (
    "These tables describe what was done and who took part. They are descriptions and not effects: people who stayed "
    "longer or received more differ in other ways too."
)
RATIO = ": ratio to the largest group"  # how the label of an equity ratio ends
Cells = dict[str, Row]  # the rows of one cell, by statistic


def section(released: Released) -> str:
    """The section with a table a family; nothing where nothing was described."""
    rows = released.rows("implementation")
    if not rows:
        return NOTHING
    parts = [f"## How the program was delivered\n\n{paragraphs(INTRO)}"]
    for family, title in FAMILIES.items():
        found = [r for r in rows if r["family"] == family]
        if found:
            made = _by_stratum(released, title, found) if family == "equity" else _by_measure(released, title, found)
            parts.append(f"### {title}\n\n{made.markdown()}")
    return "\n".join(parts)


def _by_measure(released: Released, title: str, rows: list[Row]) -> Table:
    """A line a measure, a column for everyone and for each stratum."""
    lines: dict[tuple[str, str], dict[str, Cells]] = {}
    for r in rows:
        lines.setdefault((r["label"], r["group"]), {}).setdefault(r["stratum"] or "", {})[r["statistic"]] = r
    strata = list(dict.fromkeys(r["stratum"] or "" for r in rows))
    groups = {group for _, group in lines}
    cells = []
    for (label, group), by in lines.items():
        whose = f" ({released.group(group)})" if len(groups) > 1 else ""
        people = next((r["n"] for r in by.get("", {}).values()), None)
        told = [_told(by.get(s, {})) for s in strata]
        cells.append([upper_first(released.prose(label)) + whose, *told, _people(people)])
    header = ["What", *(upper_first(released.prose(s)) or "Everyone" for s in strata), "People"]
    return Table(f"delivery-{rows[0]['family']}", title, header, "l" + "r" * (len(header) - 1), cells)


def _by_stratum(released: Released, title: str, rows: list[Row]) -> Table:
    """A line a group of people, a column a share, with its ratio to the largest group's."""
    lines: dict[str, dict[str, Cells]] = {}
    for r in rows:
        label = r["label"].removesuffix(RATIO)
        name = "ratio" if label != r["label"] else r["statistic"]
        lines.setdefault(r["stratum"] or "", {}).setdefault(label, {})[name] = r
    labels = list(dict.fromkeys(r["label"].removesuffix(RATIO) for r in rows))
    cells = [
        [upper_first(released.prose(stratum)) or "Everyone", *(_told(by.get(label, {})) for label in labels)]
        for stratum, by in lines.items()
    ]
    header = ["Group of people", *(upper_first(released.prose(label)) for label in labels)]
    caption = f"{title}; in brackets the ratio to the largest group’s share"
    return Table("delivery-equity", caption, header, "l" + "r" * len(labels), cells)


def _told(cell: Cells) -> str:
    """A cell's figures in one phrase: `84%`, `mean 7.5, half between 5 and 9`, `median 6 days`."""
    if not cell:
        return "–"
    if any(r["status"] == "suppressed" and r["value"] is None for r in cell.values()):
        return HIDDEN
    values = {name: r for name, r in cell.items() if r["value"] is not None}
    if "share" in values:
        ratio = f" ({number(values['ratio']['value'])} times)" if "ratio" in values else ""
        return percent(values["share"]["value"]) + ratio
    if not values:
        return "–"
    unit = next(iter(values.values()))["unit"] or ""
    said = [f"{name} {number(values[name]['value'])}" for name in ("mean", "median", "rate", "count") if name in values]
    if "q25" in values and "q75" in values:
        said.append(f"half between {number(values['q25']['value'])} and {number(values['q75']['value'])}")
    tail = f" {unit}" if unit and len(said) == 1 else ""
    return ", ".join(said).removeprefix("count ").removeprefix("rate ") + tail


def _people(n: int | None) -> str:
    return HIDDEN if n is None else f"{n:,}"
