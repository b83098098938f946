"""What the keys of a study that follows people demand of each other: ready-made cohorts, and cohorts from tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from evaluation.errors import Problem
from evaluation.study.document import Document, Loc
from evaluation.study.spelling import hint, listed

CUSTODY, DEATHS = "custody_periods", "deaths"
OF_TABLES = ("kind", "marker", "offence", "date_basis", "lag", "events", "windows", "competing")
OF_PANELS = ("column", "type", "exposure", "build", "per")
OF_RECIDIVISM = ("marker", "offence", "date_basis")
NAMED = ("arm", "time", "event", "follow_up", "weights", "completed", "competing")  # by the builder


def from_store(document: Document) -> bool:
    """Whether the study asks for a cohort built from the submitted tables."""
    return document.at(("data", "store")) is True


def tables_named(document: Document) -> list[str]:
    """The names of the tables of the study."""
    tables = document.at(("data", "tables"))
    return [str(name) for name in tables] if isinstance(tables, (dict, list)) else []


def from_tables(document: Document) -> bool:
    """Whether the study follows people from index events found in tables."""
    design = document.at(("design",))
    return isinstance(design, dict) and design.get("type") == "cohort" and ("index" in design or "comparison" in design)


def broken_cohort(document: Document) -> Iterator[Problem]:
    """Every problem between the keys of a cohort, and every key of cohorts in a study that is none."""
    if from_tables(document):
        for rule in (_sources, _named_by_builder, _outcomes, _competitors, _events_named, _reach, _followed, _traits,
                     _window_names, _known_at_index, _decided):  # fmt: skip
            yield from rule(document)
    else:
        yield from _tables_alone(document)
        yield from _ready_made(document)
    yield from _clocks(document)
    yield from _completers(document)


def _given(mapping: dict[str, Any], key: str) -> bool:
    return mapping.get(key) not in (None, "", [], {})


# --------------------------------------------------------------------------- ready-made data


def _ready_made(document: Document) -> Iterator[Problem]:
    if document.at(("design", "type")) != "cohort":
        return
    event = document.at(("design", "event"))
    entries = document.entries("outcomes")
    for i, outcome in entries:
        if outcome.get("column") not in (None, event):
            what = "is for panel designs; here design.event is the outcome."
            yield document.problem(("outcomes", i, "column"), what, "Delete the line.", of_key=True)
        if outcome.get("type") not in (None, "binary"):
            what = "a cohort's outcome is an event: yes or no."
            yield document.problem(("outcomes", i, "type"), what, "Delete the line.")
    if len(entries) > 1:
        what = "ready-made cohort data hold one outcome, design.event."
        yield document.problem(("outcomes", entries[1][0]), what, "Write one study file for each outcome.")


def _tables_alone(document: Document) -> Iterator[Problem]:
    """Keys of cohorts from tables in a study of ready-made data, or of a panel."""
    what = "is for cohorts that are built from tables (design.index)."
    people = document.at(("design", "type")) == "cohort"
    instead = {"windows": "Write it in the design.", "competing": "Write it in the design, each with its code."}
    for i, outcome in document.entries("outcomes"):
        for key in (k for k in OF_TABLES if _given(outcome, k)):
            fix = instead.get(key, "Delete the line.") if people else "Delete the line."
            yield document.problem(("outcomes", i, key), what, fix, of_key=True)
    for i, analysis in document.entries("analyses"):
        if _given(analysis, "clock"):
            yield document.problem(("analyses", i, "clock"), what, "Delete the line.", of_key=True)
    for key in ("as_of", "coverage"):
        if document.at(("data", key)):
            yield document.problem(("data", key), what, "Delete the line.", of_key=True)


# --------------------------------------------------------------------------- cohorts from tables


def _sources(document: Document) -> Iterator[Problem]:
    """The tables, and how far they reach."""
    data = document.at(("data",))
    if not isinstance(data, dict):
        return
    if _given(data, "path") and not from_store(document):
        what = "the data are read from data.path, and design.index is for a cohort to be built from data.tables."
        yield document.problem(("data", "path"), what, "Keep one of the two.", of_key=True)
        return
    for key, fix in (
        ("tables", "Add it: the Parquet files, by name, from which the cohort is built."),
        ("as_of", "Add it: the last day that the data tell of, such as 2025-12-31; nobody is followed beyond it."),
    ):
        if not _given(data, key) and (key, from_store(document)) != ("tables", True):  # told by the rules of the store
            yield document.problem(("data", key), "this key is missing.", fix)


def _named_by_builder(document: Document) -> Iterator[Problem]:
    design = document.at(("design",))
    for key in (k for k in NAMED if k in design):
        what = "is for ready-made data; a cohort from tables gets its columns from the builder."
        fix = "Name competing events in the outcomes." if key == "competing" else "Delete the line."
        yield document.problem(("design", key), what, fix, of_key=True)


def _outcomes(document: Document) -> Iterator[Problem]:
    """Each outcome says what it is, and only what belongs to its kind."""
    for i, outcome in document.entries("outcomes"):
        kind = outcome.get("kind")
        for key in (k for k in OF_PANELS if _given(outcome, k)):
            what = "is for panel designs."
            yield document.problem(("outcomes", i, key), what, "Delete the line.", of_key=True)
        if not kind:
            yield document.problem(
                ("outcomes", i, "kind"), "this key is missing.", "Add it: recidivism, event or death."
            )
        elif kind == "recidivism" and not _given(outcome, "marker"):
            fix = "Add it: arrest, charge, conviction, incarceration or any."
            yield document.problem(("outcomes", i, "marker"), "this key is missing.", fix)
        elif kind == "event" and not _given(outcome, "events"):
            fix = "Add it: {table: …, date: …}, where the events are found."
            yield document.problem(("outcomes", i, "events"), "this key is missing.", fix)
        if kind in ("event", "death"):
            for key in (k for k in OF_RECIDIVISM if _given(outcome, k)):
                what = "is for outcomes of kind recidivism."
                yield document.problem(("outcomes", i, key), what, "Delete the line.", of_key=True)
        if kind in ("recidivism", "death") and _given(outcome, "events"):
            what = "is for outcomes of kind event."
            yield document.problem(("outcomes", i, "events"), what, "Delete the line.", of_key=True)


def _competitors(document: Document) -> Iterator[Problem]:
    """Competing events are known, and death is among them where it is known."""
    events, tables = document.at(("design", "events")), tables_named(document)
    known = ["death", *(str(e) for e in (events if isinstance(events, dict) else ()))]
    for i, outcome in document.entries("outcomes"):
        loc: Loc = ("outcomes", i, "competing")
        names = outcome.get("competing")
        names = names if isinstance(names, list) else []
        for j, name in enumerate(names):
            if not isinstance(name, str):
                continue  # a wrong type is told elsewhere
            if name not in known:
                what = f'there is no competing event "{name}"' + hint(name, known)
                fix = f"Events of this study: {listed(known)}; others are named in design.events."
                yield document.problem((*loc, j), what, fix)
            elif name == "death" and outcome.get("kind") == "death":
                yield document.problem((*loc, j), "death is the outcome itself.", "Leave it out here.")
            elif name in names[:j]:
                yield document.problem((*loc, j), f"{name} stands here twice.", "Delete one.")
        dies = DEATHS in tables
        if tables and not dies and outcome.get("kind") in ("recidivism", "event") and not names:
            what = "there is no table deaths: whoever died counts as free of the outcome, and the report says so."
            yield document.problem(("data", "tables"), what, "Add the table deaths, if it can be had.", "warning")
        if dies and outcome.get("kind") in ("recidivism", "event") and "death" not in names:
            what = "the table deaths is there, and death is not named: the dead would count as free of the outcome."
            yield document.problem(loc, what, "Write competing: [death].")


# How columns begin that are known only once a program has ended.
AFTERWARDS = ("exit", "graduat", "discharg", "complet", "terminat", "dropout", "withdr")


def _known_at_index(document: Document) -> Iterator[Problem]:
    """Nobody is let in, or kept out, for what happened after the index date."""
    finished = document.at(("design", "completers"))
    told = set(finished) if isinstance(finished, dict) else set()
    places: list[Loc] = [("design", "index", "where"), ("design", "comparison", "where")]
    for kind in ("include", "exclude"):
        rules = document.at(("design", kind))
        places += [
            ("design", kind, i, "where")
            for i, rule in enumerate(rules if isinstance(rules, list) else ())
            if isinstance(rule, dict) and not _given(rule, "table")
        ]
    for loc in places:
        where = document.at(loc)
        for column in where if isinstance(where, dict) else ():
            if column in told or str(column).casefold().startswith(AFTERWARDS):
                what = "is known only after the index date: graduates would be compared with everybody else."
                fix = "Leave it out; to describe those who finished, use design.completers and among: completers."
                yield document.problem((*loc, column), what, fix, of_key=True)
    yield from _traits_at_index(document, told)


def _traits_at_index(document: Document, told: set[Any]) -> Iterator[Problem]:
    """No characteristic is what became of people: how a program ended, or when a stay did."""
    tables = {document.at(("design", pool, "table")) for pool in ("index", "comparison")} | {None}
    at_risk, traits = document.at(("design", "at_risk")), document.at(("design", "characteristics"))
    stays = at_risk if isinstance(at_risk, dict) else {}
    inside = {CUSTODY if stays.get("stop_in") == "custody" else stays.get("stop_in"), CUSTODY}
    ends = {stays.get("start", "start_date"), stays.get("end", "end_date")}
    for name, trait in traits.items() if isinstance(traits, dict) else ():
        for key in ("column", "age_from"):
            column = trait.get(key) if isinstance(trait, dict) else None
            if not isinstance(column, str):
                continue
            own = trait.get("table") in tables and (column in told or column.casefold().startswith(AFTERWARDS))
            if own or (trait.get("table") in inside and column in ends):
                what = f"{column} is known only after the index date: it is no characteristic at that date."
                fix = "Leave it out; to describe those who finished, use design.completers and among: completers."
                yield document.problem(("design", "characteristics", name, key), what, fix)


def _decided(document: Document) -> Iterator[Problem]:
    """Convictions of the last months are not decided yet: the study says how long courts need, be it no time."""
    for i, outcome in document.entries("outcomes"):
        if outcome.get("marker") == "conviction" and outcome.get("lag") is None:
            what = "courts need time, and what they have not decided yet would count as no conviction."
            fix = "Add lag, such as lag: 6 months; or lag: 0 days, if every case is decided."
            yield document.problem(("outcomes", i, "marker"), what, fix, "warning")


def _events_named(document: Document) -> Iterator[Problem]:
    events = document.at(("design", "events"))
    if isinstance(events, dict) and "death" in events:
        what = "death is found in the table deaths by itself."
        yield document.problem(("design", "events", "death"), what, "Delete the line.", of_key=True)


def _reach(document: Document) -> Iterator[Problem]:
    """Whether every index event is followed is said once, of the program's pool."""
    if document.at(("design", "comparison", "first_per_person")) is not None:
        what = "is said once for both pools, in design.index."
        loc: Loc = ("design", "comparison", "first_per_person")
        yield document.problem(loc, what, "Delete the line.", of_key=True)


def _followed(document: Document) -> Iterator[Problem]:
    """Rules about people say what they are held against."""
    for kind in ("include", "exclude"):
        rules = document.at(("design", kind))
        for i, rule in enumerate(rules if isinstance(rules, list) else ()):
            loc: Loc = ("design", kind, i)
            if not isinstance(rule, dict):
                continue
            if not _given(rule, "table") and not _given(rule, "where"):
                what = "says neither a table nor what the index event's own row must hold (where)."
                yield document.problem(loc, what, "Add table, or where.")
            yield from _dated(document, loc, rule)


def _dated(document: Document, loc: Loc, part: dict[str, Any]) -> Iterator[Problem]:
    """Time before the index date is reckoned from a date in a table."""
    if _given(part, "date") and not _given(part, "table"):
        yield document.problem((*loc, "date"), "needs a table.", "Add table, or delete the line.", of_key=True)
    elif _given(part, "within") and not _given(part, "date"):
        what = "needs a date: nothing says when the rows were."
        yield document.problem((*loc, "within"), what, "Add date, or delete the line.", of_key=True)


def _traits(document: Document) -> Iterator[Problem]:
    traits = document.at(("design", "characteristics"))
    for name, trait in traits.items() if isinstance(traits, dict) else ():
        if not isinstance(trait, dict):
            continue
        loc: Loc = ("design", "characteristics", name)
        ways = [key for key in ("column", "age_from", "date") if _given(trait, key)]
        if len(ways) != 1:
            what = (
                "is not one of column, age_from, and a table with a date." if not ways else f"is {' and '.join(ways)}."
            )
            yield document.problem(loc, what, "Choose one of column, age_from, and table with date.", of_key=True)
            continue
        yield from _dated(document, loc, trait)
        for key, needs in (("equals", "column"), ("measure", "date"), ("where", "table")):
            if _given(trait, key) and not _given(trait, needs):
                yield document.problem((*loc, key), f"needs {needs}.", f"Add {needs}, or delete the line.", of_key=True)


def _window_names(document: Document) -> Iterator[Problem]:
    """Windows of one outcome bear names of their own in the cohort's columns."""
    places: list[Loc] = [("design", "windows"), *(("outcomes", i, "windows") for i, _ in document.entries("outcomes"))]
    for loc in places:
        values = document.at(loc)
        first: dict[str, Any] = {}
        for i, value in enumerate(values if isinstance(values, list) else ()):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                continue
            other = first.setdefault(f"{value:g}", value)
            if (other != value) or (loc[0] == "outcomes" and value in values[:i]):
                yield document.problem((*loc, i), f"{value} and {other} are one window, {value:g}.", "Delete one.")


# --------------------------------------------------------------------------- analyses


def _clocks(document: Document) -> Iterator[Problem]:
    """Street time needs a table of custody, and is no primary analysis's clock."""
    if not from_tables(document):
        return
    at_risk = document.at(("design", "at_risk"))
    stops = isinstance(at_risk, dict)
    known = stops or CUSTODY in tables_named(document)
    for i, analysis in document.entries("analyses"):
        street = analysis.get("clock") == "street" or (stops and not analysis.get("clock"))
        loc: Loc = ("analyses", i, "clock")
        if street and not known:
            what = "street time needs to know who was in custody when."
            yield document.problem(loc, what, f"Add a table {CUSTODY} to data.tables, or write clock: calendar.")
        elif street and analysis.get("role") == "primary":
            what = (
                "the primary analysis runs on street time, whose clock stops in custody: that depends on what happened "
                "after entry, so it is a sensitivity analysis."
            )
            fix = "Write clock: calendar here, and add a sensitivity analysis with clock: street."
            yield document.problem(loc, what, fix, "warning")


def _completers(document: Document) -> Iterator[Problem]:
    """A contrast among completers is described, never argued with."""
    built = from_tables(document)
    key = "completers" if built else "completed"
    for i, analysis in document.entries("analyses"):
        if analysis.get("among") != "completers":
            continue
        loc: Loc = ("analyses", i, "among")
        if document.at(("design", "type")) != "cohort":
            yield document.problem(loc, "is for designs that follow people.", "Delete the line.", of_key=True)
        elif not document.at(("design", key)):
            fix = (
                "Add it: what the index event's row says of them, such as {exit_reason: graduated}."
                if built
                else "Add it: the column that is 1 for those who completed the program."
            )
            yield document.problem(loc, f"nothing says who completed the program: design.{key} is missing.", fix)
        if analysis.get("role") in ("primary", "secondary", "sensitivity"):
            what = (
                "those who complete a program differ from those who do not before it begins: a contrast among "
                "completers describes, and is no effect of the program."
            )
            yield document.problem(("analyses", i, "role"), what, "Write role: exploratory.")
