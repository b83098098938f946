"""What the keys of a study file demand of each other, and which of the contract's keys this version does not serve yet.

Rules read the plain values, not the models: a file with other mistakes is judged by them all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evaluation.errors import Problem
from evaluation.study.cohort_rules import broken_cohort, from_store, from_tables
from evaluation.study.document import Document, Loc
from evaluation.study.spelling import hint, listed, nearest

ROLES = ("primary", "secondary", "sensitivity", "exploratory")
WITH_EXPOSURE = ("poisson_did", "interrupted_time_series")  # estimators that read an outcome's exposure
PROFILES = ("none", "cms11", "wonder10")
_READY_MADE = "give ready-made analysis data, one row a person, with data.path."


def broken(document: Document) -> Iterator[Problem]:
    """Every problem between keys, and every key whose feature this version lacks."""
    for rule in (
        _stem,
        _primary,
        _analyses_ids,
        _outcome_ids,
        _references,
        _panel_outcomes,
        broken_cohort,
        _exposure,
        _competing,
        _repeats,
        _roles_of_columns,
        _reserved,
        _path,
        _built,
        _later,
        _profile,
        _clusters_two_ways,
        _places,
        _placebo_outcomes,
        _panels_alone,
    ):
        yield from rule(document)


def _stem(document: Document) -> Iterator[Problem]:
    study, stem = document.at(("study",)), document.path.stem
    if isinstance(study, str) and study != stem:
        yield document.problem(
            ("study",),
            f'is "{study}", but the file is called {document.path.name}.',
            f'Write "{stem}", or rename the file to {study}.yaml.',
        )


def _primary(document: Document) -> Iterator[Problem]:
    analyses = document.entries("analyses")
    roles = [a.get("role") for _, a in analyses]
    if analyses and "primary" not in roles and all(r in ROLES for r in roles):
        yield document.problem(
            ("analyses",),
            "none of the analyses is the primary one.",
            "Give the analysis that answers the question role: primary.",
        )


def _analyses_ids(document: Document) -> Iterator[Problem]:
    return _same_id(document, "analyses")


def _outcome_ids(document: Document) -> Iterator[Problem]:
    return _same_id(document, "outcomes")


def _same_id(document: Document, section: str) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for i, entry in document.entries(section):
        name = entry.get("id")
        if isinstance(name, str) and first.setdefault(name, i) != i:
            yield document.problem(
                (section, i, "id"), f'"{name}" is the id of {section}[{first[name]}] too.', "Give each its own id."
            )


def _references(document: Document) -> Iterator[Problem]:
    known = list(dict.fromkeys(o["id"] for _, o in document.entries("outcomes") if isinstance(o.get("id"), str)))
    for i, analysis in document.entries("analyses"):
        name = analysis.get("outcome")
        if isinstance(name, str) and known and name not in known:
            yield document.problem(
                ("analyses", i, "outcome"),
                f'there is no outcome "{name}"' + hint(name, known),
                f"Outcomes of this study: {listed(known)}.",
            )


def _panel_outcomes(document: Document) -> Iterator[Problem]:
    if document.at(("design", "type")) != "panel":
        return
    for i, outcome in document.entries("outcomes"):
        if _absent(outcome, "column"):
            yield document.problem(
                ("outcomes", i, "column"),
                "this key is missing.",
                "Add it: the column of the outcome, which a panel design needs.",
            )


def _absent(mapping: dict[str, Any], key: str) -> bool:
    """Whether a key was left out or left empty, rather than misspelt, which is told elsewhere."""
    return mapping.get(key) in (None, "", []) and nearest(key, [k for k in mapping if k != key]) is None


def _exposure(document: Document) -> Iterator[Problem]:
    used = {a.get("outcome") for _, a in document.entries("analyses") if a.get("estimator") in WITH_EXPOSURE}
    for i, outcome in document.entries("outcomes"):
        loc: Loc = ("outcomes", i, "exposure")
        if outcome.get("exposure") is not None and outcome.get("type") not in ("count", "rate"):
            what = "an exposure is for an outcome of type count or rate."
            yield document.problem(loc, what, "Set type: count, or delete the line.", of_key=True)
        elif outcome.get("exposure") is not None and outcome.get("id") not in used:
            what = "no analysis of this outcome uses its exposure: the column of the outcome is compared as it stands."
            fix = "Add an analysis by poisson_did, or name a column that holds the outcome divided by its exposure."
            yield document.problem(loc, what, fix, "warning", of_key=True)


def _competing(document: Document) -> Iterator[Problem]:
    codes = document.at(("design", "competing"))
    if not isinstance(codes, dict):
        return
    first: dict[int, str] = {}
    for name, code in codes.items():
        loc: Loc = ("design", "competing", name)
        if isinstance(code, bool) or not isinstance(code, int):
            continue  # a wrong type is told elsewhere
        if code in (0, 1):
            meaning = "censored" if code == 0 else "the outcome itself"
            yield document.problem(loc, f"the code {code} means {meaning}.", "Give a competing event another code.")
        elif first.setdefault(code, name) != name:
            yield document.problem(loc, f'the code {code} is taken by "{first[code]}".', "Give each its own code.")


def _covariate_lists(document: Document) -> list[Loc]:
    options: list[Loc] = [("analyses", i, "options", "covariates") for i, _ in document.entries("analyses")]
    return [("design", "covariates"), *options]


def _repeats(document: Document) -> Iterator[Problem]:
    for loc in (("design", "windows"), ("report", "products"), *_covariate_lists(document)):
        values = document.at(loc)
        for i in _repeated(values) if isinstance(values, list) else ():
            yield document.problem((*loc, i), f"{values[i]} stands here twice.", "Delete one.")


def _repeated(values: list[Any]) -> Iterator[int]:
    plain = [v if isinstance(v, (int, float, str)) else None for v in values]
    return (i for i, v in enumerate(plain) if v is not None and v in plain[:i])


_APART = {"panel": ("unit", "time", "cohort", "weights"), "cohort": ("arm", "time", "event", "person", "follow_up")}


def _roles_of_columns(document: Document) -> Iterator[Problem]:
    design = document.at(("design",))
    kind = design.get("type") if isinstance(design, dict) else None
    taken: dict[str, str] = {}
    for role in _APART.get(kind, ()) if isinstance(kind, str) else ():
        column = design.get(role)
        if isinstance(column, str) and taken.setdefault(column, role) != role:
            yield _two_roles(document, ("design", role), column, taken[column])
    yield from (
        _two_roles(document, loc, column, taken[column]) for loc, column in _other_columns(document) if column in taken
    )


def _covariates(document: Document) -> Iterator[tuple[Loc, str]]:
    """The covariates of a cohort design, and those that analyses name."""
    if document.at(("design", "type")) != "cohort":
        return
    for loc in _covariate_lists(document):
        names = document.at(loc)
        for i, name in enumerate(names) if isinstance(names, list) else ():
            if isinstance(name, str):
                yield (*loc, i), name


def _other_columns(document: Document) -> Iterator[tuple[Loc, str]]:
    """Covariates and panel outcomes: columns that may not play a part in the design as well."""
    places: list[tuple[Loc, Any]] = list(_covariates(document))
    if document.at(("design", "type")) == "panel":
        places += [(("outcomes", i, "column"), o.get("column")) for i, o in document.entries("outcomes")]
    return ((loc, column) for loc, column in places if isinstance(column, str))


# Terms of the results: a covariate of this name could not be told from them. Those of every design and estimator, so
# that a study does not break when an analysis is added.
RESERVED = (
    "arm", "att", "att_group", "att_dynamic", "att_calendar", "event", "group", "calendar", "group_time",
    "risk_treated", "risk_control", "risk_difference", "risk_ratio", "odds_ratio",
    "rmst_treated", "rmst_control", "rmst_difference",
)  # fmt: skip


def _reserved(document: Document) -> Iterator[Problem]:
    parts = [document.at(("design", role)) for role in _APART["cohort"]]
    for loc, column in [*_covariates(document), *_characteristics(document)]:
        if column in RESERVED and column not in parts:
            what = f'a covariate called "{column}" cannot be told from the term {column} in the results.'
            yield document.problem(loc, what, "Rename the column in the data.")


def _characteristics(document: Document) -> Iterator[tuple[Loc, str]]:
    """The names that a cohort from tables gives to characteristics."""
    named = document.at(("design", "characteristics"))
    for name in named if isinstance(named, dict) else ():
        yield ("design", "characteristics", name), str(name)


def _two_roles(document: Document, loc: Loc, column: str, role: str) -> Problem:
    return document.problem(loc, f'the column "{column}" is design.{role} already.', "Name another column.")


def _path(document: Document) -> Iterator[Problem]:
    data = document.at(("data",))
    elsewhere = from_store(document) or from_tables(document)
    if isinstance(data, dict) and _absent(data, "path") and not data.get("tables") and not elsewhere:
        yield document.problem(
            ("data", "path"),
            "this key is missing.",
            "Add it: a Parquet file, a folder of them or a glob, relative to the study file.",
        )


def _built(document: Document) -> Iterator[Problem]:
    """A panel is built from tables, or read from a path: not both, and not without saying how."""
    build, tables = document.at(("design", "build")), document.at(("data", "tables"))
    if from_store(document) or from_tables(document) or not (build or tables):
        return
    if document.at(("data", "path")):
        what = "the data are read from data.path, and data.tables and design.build are for panels to be built."
        yield document.problem(("data", "path"), what, "Keep one of the two.", of_key=True)
    elif not build and document.at(("design", "type")) == "panel":
        what = "this key is missing."
        yield document.problem(("design", "build"), what, "Add it: how the panel is made from data.tables.")
    elif not build:
        what = "this key is missing."
        fix = "Add it, and design.comparison: the events that begin each person's follow-up, found in data.tables."
        yield document.problem(("design", "index"), what, fix)
    elif not tables:
        what = "this key is missing."
        yield document.problem(("data", "tables"), what, "Add it: the Parquet files, by name, that design.build uses.")


def _later(document: Document) -> Iterator[Problem]:
    if from_store(document):
        what = "studies built from the submitted tables are not available in this version;"
        yield document.problem(("data", "store"), what, _READY_MADE, of_key=True)
    for key, instead in (
        ("gates", "a failed check is reported and nothing is withheld."),
        ("costs", "the report is written without costs."),
    ):
        if document.at((key,)):
            yield document.problem(
                (key,), "is not available in this version;", f"leave it empty: {instead}", of_key=True
            )
    if document.at(("design", "type")) == "panel" and document.at(("subgroups",)):
        fix = "leave it empty: write a study file for each subgroup, with data of that subgroup."
        yield document.problem(("subgroups",), "of a panel is not available in this version;", fix, of_key=True)
    if document.at(("implementation",)) and not from_tables(document):
        what = "is for cohorts that are built from tables (design.index)."
        yield document.problem(("implementation",), what, "Delete it.", of_key=True)


def _profile(document: Document) -> Iterator[Problem]:
    profile = document.at(("disclosure", "profile"))
    if profile in ("opensafely", "sacro"):
        yield document.problem(
            ("disclosure", "profile"),
            f'"{profile}" is not available in this version;',
            f"choose one of: {listed(PROFILES)}.",
        )


def _clusters_two_ways(document: Document) -> Iterator[Problem]:
    """The second way of clustering is by the period: errors of other columns are not known cell by cell."""
    loc: Loc = ("design", "second_cluster")
    second, time = document.at(loc), document.at(("design", "time"))
    if isinstance(second, str) and second and isinstance(time, str) and second != time:
        what = f'clustering by "{second}" beside the cluster is not available; the second way is by the period.'
        yield document.problem(loc, what, f"Write {time}, or name {second} as design.cluster.")


def _places(document: Document) -> Iterator[Problem]:
    """Coordinates and the distance up to which places are neighbours go together."""
    here = document.at(("design", "coordinates"))
    for key, missing, fix in (
        ("coordinates", "cutoff_km", "Add it: the distance in km up to which places are neighbours."),
        ("cutoff_km", "coordinates", "Add it: [LATITUDE, LONGITUDE], the columns of degrees."),
    ):
        loc: Loc = ("design", key)
        if document.at(loc) and document.at(("design", missing)) in (None, []):
            yield document.problem(loc, f"design.{missing} is missing beside it.", fix, of_key=True)
    if isinstance(here, list) and len(here) == 2 and here[0] == here[1]:
        what = "latitude and longitude are the same column."
        yield document.problem(("design", "coordinates", 1), what, "Name both.")


def _placebo_outcomes(document: Document) -> Iterator[Problem]:
    """Placebo outcomes are outcomes of the study that no analysis argues with."""
    named = document.at(("diagnostics", "placebo_outcomes"))
    known = [o["id"] for _, o in document.entries("outcomes") if isinstance(o.get("id"), str)]
    argued = [a.get("outcome") for _, a in document.entries("analyses") if a.get("role") in ("primary", "secondary")]
    for i, name in enumerate(named if isinstance(named, list) else ()):
        loc: Loc = ("diagnostics", "placebo_outcomes", i)
        if not isinstance(name, str):
            continue  # a wrong type is told elsewhere
        if known and name not in known:
            what = f'there is no outcome "{name}"' + hint(name, known)
            yield document.problem(loc, what, f"Outcomes of this study: {listed(known)}.")
        elif name in argued:
            what = f'"{name}" is what a primary or secondary analysis expects the program to change.'
            yield document.problem(loc, what, "Name outcomes that the program cannot change.")
        elif name in named[:i]:
            yield document.problem(loc, f"{name} stands here twice.", "Delete one.")


def _panels_alone(document: Document) -> Iterator[Problem]:
    """Diagnostics of panels in a study that follows people, and of people in a panel."""
    if document.at(("design", "type")) == "panel" and document.at(("diagnostics", "imputation")) is not None:
        what = "is for cohort designs."
        yield document.problem(("diagnostics", "imputation"), what, "Delete the line.", of_key=True)
    if document.at(("design", "type")) != "cohort":
        return
    several = document.at(("design", "index")) is not None  # built from tables: one outcome beside another
    for name in ("spillover",) if several else ("placebo_outcomes", "spillover"):
        if document.at(("diagnostics", name)):
            what = "is for panel designs."
            yield document.problem(("diagnostics", name), what, "Delete the line.", of_key=True)
