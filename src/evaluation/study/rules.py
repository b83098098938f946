"""What the keys of a study file demand of each other, and which of the contract's keys this version does not serve yet.

Rules read the plain values, not the models: a file with other mistakes is judged by them all the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evaluation.errors import Problem
from evaluation.study.cohort_rules import broken_cohort, from_store, from_tables
from evaluation.study.document import Document, Loc
from evaluation.study.panel_rules import absent, broken_panel
from evaluation.study.spelling import hint, listed
from evaluation.study.store_rules import broken_store

ROLES = ("primary", "secondary", "sensitivity", "exploratory")
PROFILES = ("none", "cms11", "wonder10")


def broken(document: Document) -> Iterator[Problem]:
    """Every problem between keys, and every key whose feature this version lacks."""
    for rule in (
        _stem,
        _primary,
        _analyses_ids,
        _outcome_ids,
        _references,
        broken_store,
        broken_cohort,
        broken_panel,
        _competing,
        _repeats,
        _roles_of_columns,
        _reserved,
        _path,
        _built,
        _later,
        _profile,
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


_APART = {
    "panel": ("unit", "time", "cohort", "weights"),
    "cohort": ("arm", "time", "event", "person", "follow_up", "weights", "completed"),
}


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
    "arm", "arm_by_time", "arm_at_window",
    "att", "att_group", "att_dynamic", "att_calendar", "event", "group", "calendar", "group_time",
    "risk_treated", "risk_control", "risk_difference", "risk_ratio", "odds_ratio",
    "rmst_treated", "rmst_control", "rmst_difference", "rmst_ratio",
    "rmtl_treated", "rmtl_control", "rmtl_difference", "rmtl_ratio",
    "rate_treated", "rate_control", "rate_ratio",
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
    elsewhere = from_store(document) or from_tables(document)  # what is missing there is told in other words
    if isinstance(data, dict) and absent(data, "path") and not data.get("tables") and not elsewhere:
        yield document.problem(
            ("data", "path"),
            "this key is missing.",
            "Add it: a Parquet file, a folder of them or a glob, relative to the study file.",
        )


def _built(document: Document) -> Iterator[Problem]:
    """A panel is built from tables, or read from a path: not both, and not without saying how."""
    build, tables = document.at(("design", "build")), document.at(("data", "tables"))
    if from_tables(document) or not (build or tables):
        return
    if document.at(("data", "path")):
        if not from_store(document):
            what = "the data are read from data.path, and data.tables and design.build are for panels to be built."
            yield document.problem(("data", "path"), what, "Keep one of the two.", of_key=True)
    elif not build and document.at(("design", "type")) == "panel":
        what = "this key is missing."
        yield document.problem(("design", "build"), what, "Add it: how the panel is made from data.tables.")
    elif from_store(document):
        return
    elif not build:
        what = "this key is missing."
        fix = "Add it, and design.comparison: the events that begin each person's follow-up, found in data.tables."
        yield document.problem(("design", "index"), what, fix)
    elif not tables:
        what = "this key is missing."
        yield document.problem(("data", "tables"), what, "Add it: the Parquet files, by name, that design.build uses.")


def _later(document: Document) -> Iterator[Problem]:
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
