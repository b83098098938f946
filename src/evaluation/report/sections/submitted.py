"""Data that agencies submitted: under which agreements, and how many people were found at more than one agency."""

from __future__ import annotations

from evaluation.report.markdown import NOTHING, Table, callout, escape, paragraphs
from evaluation.report.numbers import percent
from evaluation.report.released import Released
from evaluation.report.words import HIDDEN, plain, upper_first
from evaluation.results import Row

LAWS = {
    "42_cfr_part_2": "42 CFR Part 2",
    "hipaa": "HIPAA",
    "cjis": "CJIS",
    "28_cfr_22": "28 CFR Part 22",
    "ferpa": "FERPA",
    "irb": "review board",
    "state_law": "state law",
    "public_record": "public record",
}
LINKING = (
    "Agencies give the same person different numbers. People were recognised by a state number, or by name and date of "
    "birth, replaced by codes before anything was stored. Who is not recognised at another agency counts as having no "
    "record there, which makes outcomes look better than they are; where the shares below differ between groups of "
    "people, comparisons between these groups are to be read with care."
)


def section(released: Released) -> str:
    """The agreements and the linkage; nothing where the data were not submitted."""
    agreements = released.rows("agreements")
    if not agreements:
        return NOTHING
    store = released.provenance.get("store", {})
    line = store.get("snapshot", {}).get("line")
    since = store.get("snapshot", {}).get("day")
    lead = (
        f"The data are those that agencies had submitted by {since} (line {line} of the log of receipts)."
        if line
        else ""
    )
    parts = [paragraphs(lead, "They were used under these agreements:"), _agreements(agreements)]
    linkage = released.rows("linkage")
    if linkage:
        parts += ["### Who was recognised at several agencies\n", paragraphs(LINKING)]
        parts += [_linkage([r for r in linkage if r["agency"]])]
    return "\n".join(parts)


def _agreements(rows: list[Row]) -> str:
    cells = [
        [
            r["title"],
            _listed(r["parties"]),
            _listed(r["tables"]),
            _laws(r["legal_basis"]),
            f"{r['starts']} to {r['expires']}",
        ]
        for r in rows
    ]
    header = ["Agreement", "Agencies", "What was used", "Legal basis", "In force"]
    return Table("agreements", "Agreements relied on", header, "lllll", cells).markdown()


def _listed(names: str) -> str:
    return ", ".join(plain(name) for name in names.split(", "))


def _laws(basis: str) -> str:
    parts = [one.partition(": ") for one in basis.split("; ") if one]
    return "; ".join(f"{LAWS.get(law, plain(law))}, {section}" if section else law for law, _, section in parts)


def _linkage(rows: list[Row]) -> str:
    agencies = list(dict.fromkeys(r["agency"] for r in rows))
    strata = list(dict.fromkeys(r["stratum"] or "" for r in rows))
    at = {(r["agency"], r["stratum"] or ""): r for r in rows}
    cells = [
        [upper_first(stratum) or "Everyone", *(_share(at.get((agency, stratum))) for agency in agencies)]
        for stratum in sorted(strata)
    ]
    header = ["People", *(upper_first(plain(a)) for a in agencies)]
    caption = "Share of each agency’s people who were found at another agency too"
    return Table("linkage", caption, header, "l" + "r" * len(agencies), cells).markdown()


def _share(row: Row | None) -> str:
    if row is None:
        return "–"
    return HIDDEN if row["share"] is None else percent(row["share"])


def outdated(released: Released) -> str:
    """The warning on a run that used rows which were since removed from the store."""
    if not released.removed_since:
        return NOTHING
    days = sorted({str(r["day"]) for r in released.removed_since})
    text = (
        f"Since this study was run, records were removed from the store ({', '.join(days)}), because people withdrew "
        "or because they might be kept no longer. Figures here were computed with them; run the study again."
    )
    return callout("warning", "Computed before a removal", escape(text))
