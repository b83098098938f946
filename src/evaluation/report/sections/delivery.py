"""What was delivered, to whom and when: tables of the program's work, which are descriptions and no effects."""

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


def section(released: Released) -> str:
    """The section with a table a family; nothing where nothing was described."""
    rows = released.rows("implementation")
    if not rows:
        return NOTHING
    parts = [f"## How the program was delivered\n\n{paragraphs(INTRO)}"]
    for family, title in FAMILIES.items():
        found = [r for r in rows if r["family"] == family]
        if found:
            parts.append(f"### {title}\n\n{_table(released, family, title, found)}")
    return "\n".join(parts)


def _table(released: Released, family: str, title: str, rows: list[Row]) -> str:
    groups = [g for g in ("treated", "control", "all") if any(r["group"] == g for r in rows)]
    lines: dict[tuple[str, str, int, str], dict[str, Row]] = {}
    for r in rows:
        lines.setdefault((r["label"], r["stratum"] or "", r["position"], r["statistic"]), {})[r["group"]] = r
    strata = any(stratum for _, stratum, _, _ in lines)
    cells = [
        [upper_first(released.prose(label)), *([upper_first(released.prose(stratum)) or "Everyone"] if strata else []),
         *(x for g in groups for x in _cells(by.get(g)))]
        for (label, stratum, _, _), by in lines.items()
    ]  # fmt: skip
    header = ["What", *(["Whom"] if strata else [])]
    header += [h for g in groups for h in (upper_first(released.group(g)), "People")]
    return Table(f"delivery-{family}", title, header, "l" * (1 + strata) + "rr" * len(groups), cells).markdown()


def _cells(row: Row | None) -> list[str]:
    if row is None:
        return ["–", "–"]
    n = HIDDEN if row["n"] is None else f"{row['n']:,}"
    if row["value"] is None:
        return [HIDDEN if row["status"] == "suppressed" else "–", n]
    if row["statistic"] == "share":
        return [percent(row["value"]), n]
    shown = number(row["value"])
    unit = row["unit"] or ""
    lead = {"median": "median ", "mean": "mean ", "q25": "a quarter below ", "q75": "a quarter above "}
    return [f"{lead.get(row['statistic'], '')}{shown}{' ' + unit if unit else ''}", n]
