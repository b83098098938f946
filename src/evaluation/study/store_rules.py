"""What a study of the tables that agencies submitted demands of its keys."""

from __future__ import annotations

from collections.abc import Iterator

from evaluation.errors import Problem
from evaluation.study.cohort_rules import from_store, from_tables
from evaluation.study.document import Document

_TABLES = "Write tables: [program_episodes, justice_events], such as `evaluation dictionary` names them."


def broken_store(document: Document) -> Iterator[Problem]:
    """Every problem between `data.store` and other keys."""
    data = document.at(("data",))
    if not isinstance(data, dict):
        return
    if not from_store(document):
        if isinstance(data.get("tables"), list):
            what = "a list of tables is for studies of what agencies submitted."
            yield document.problem(("data", "tables"), what, "Add store: true, or give each table its Parquet file.")
        return
    if not data.get("tables"):
        yield document.problem(("data", "tables"), "this key is missing.", f"Add it. {_TABLES}")
    elif not isinstance(data["tables"], list):
        what = "the tables come from the store, which knows their files."
        yield document.problem(("data", "tables"), what, _TABLES)
    for key, what in (
        ("path", "the data come from the store."),
        ("coverage", "how far each agency's data reach is known from what it submitted."),
    ):
        if data.get(key):
            yield document.problem(("data", key), what, "Delete the line, or the line store: true.", of_key=True)
    if document.at(("disclosure", "profile")) == "none" and document.at(("design", "units_are")) != "places":
        what = "agencies' records of people leave under a profile that hides small numbers."
        fix = "Write cms11, or wonder10; or units_are: places in the design of a panel of areas or agencies."
        yield document.problem(("disclosure", "profile"), what, fix)
    yield from _people(document)


def _people(document: Document) -> Iterator[Problem]:
    if document.at(("design", "type")) != "cohort":
        return
    if not from_tables(document):
        what = "this key is missing."
        fix = "Add it, and design.comparison: the events that begin each person's follow-up, found in data.tables."
        yield document.problem(("design", "index"), what, fix)
