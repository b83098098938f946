"""What a study asks of its tables: every table and column that is missing, or holds the wrong thing, at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from evaluation.data.assemble.cohort import offences
from evaluation.data.assemble.cohort.case import CUSTODY, DEATH_DATE, DEATHS, EVENTS, stays_of
from evaluation.data.assemble.cohort.events import BASES, EVENT_DATE, EVENT_TYPE, OFFENCE_DATE, basis_column
from evaluation.data.assemble.cohort.times import named
from evaluation.data.assemble.tables import Asked, columns_of, wrong
from evaluation.errors import DataError, Problem
from evaluation.study.spelling import hint, listed

if TYPE_CHECKING:
    from evaluation.data.engine import Source
    from evaluation.study.building import Filter
    from evaluation.study.models import BuiltCohortDesign, Outcome, Study

Tables = dict[str, "Source"]


def check_asked(study: Study, tables: Tables) -> None:
    """Raise DataError with all that the tables lack, and all names that clash in the cohort."""
    design = cast("BuiltCohortDesign", study.design)
    problems = [p for asked in _asked(study, design, tables) for p in wrong(tables, asked)]
    problems += [p for i, o in enumerate(study.outcomes) for p in _events(i, o, tables)]
    problems += _stays(design, tables)
    problems += _names(study, design, tables)
    if problems:
        raise DataError(*dict.fromkeys(problems))


def _asked(study: Study, design: BuiltCohortDesign, tables: Tables) -> Iterator[Asked]:
    """Every column that the study file names."""
    for key, pool in (("design.index", design.index), ("design.comparison", design.comparison)):
        yield from _of(design, tables, pool.table, pool.where, key, date=(pool.date, "date"))
    yield from _of_rules(design, tables)
    yield from _own(design, tables, [(c, "design.completers", "") for c in design.completers])
    if design.cluster and design.cluster != design.person:
        yield from _own(design, tables, [(design.cluster, "design.cluster", "")])
    yield from _of_traits(design, tables)
    for name in dict.fromkeys(n for o in study.outcomes for n in o.competing if n in design.events):
        event = design.events[name]
        yield from _of(design, tables, event.table, event.where, f"design.events.{name}", date=(event.date, "date"))
    for i, o in enumerate(study.outcomes):
        if o.events is not None:
            where, date = o.events.where, (o.events.date, "date")
            yield from _of(design, tables, o.events.table, where, f"outcomes[{i}].events", date=date)
    if DEATHS in tables:
        yield from _of(design, tables, DEATHS, {}, f"data.tables.{DEATHS}", date=(DEATH_DATE, "date"))
    c = study.data.coverage
    if c is not None:
        yield from columns_of(c.table, c.where, "data.coverage", of=(c.of, ""), start=(c.start, "date"),
                              end=(c.end, "date"))  # fmt: skip


def _of(
    design: BuiltCohortDesign, tables: Tables, table: str, where: Filter, key: str, **roles: tuple[str | None, str]
) -> Iterator[Asked]:
    """The columns of a part of the study file, and the person's."""
    yield from columns_of(table, where, key, **roles) or [Asked(table, design.person, f"{key}.table")]
    if table in tables:
        yield Asked(table, design.person, "design.person")


def _of_rules(design: BuiltCohortDesign, tables: Tables) -> Iterator[Asked]:
    for kind, rules in (("include", design.include), ("exclude", design.exclude)):
        for i, rule in enumerate(rules):
            key = f"design.{kind}[{i}]"
            if rule.table:
                yield from _of(design, tables, rule.table, rule.where, key, date=(rule.date, "date"))
            else:
                yield from _own(design, tables, [(c, f"{key}.where", "") for c in rule.where])


def _of_traits(design: BuiltCohortDesign, tables: Tables) -> Iterator[Asked]:
    for name, trait in design.characteristics.items():
        key, kind = f"design.characteristics.{name}", "number" if trait.equals is None else ""
        roles = {"column": (trait.column, kind), "age_from": (trait.age_from, "birth"), "date": (trait.date, "date")}
        if trait.table:
            yield from _of(design, tables, trait.table, trait.where, key, **roles)
        else:
            yield from _own(design, tables, [(c, f"{key}.{role}", held) for role, (c, held) in roles.items() if c])


def _own(design: BuiltCohortDesign, tables: Tables, columns: list[tuple[str, str, str]]) -> Iterator[Asked]:
    """Columns of the index event's own row: both pools must have them."""
    for table in dict.fromkeys((design.index.table, design.comparison.table)):
        yield from (Asked(table, column, key, kind) for column, key, kind in columns if table in tables)


def _events(i: int, outcome: Outcome, tables: Tables) -> Iterator[Problem]:
    """What an outcome's events need: their table, and of justice events the columns that tell which count."""
    if DEATHS not in tables and (outcome.kind == "death" or "death" in outcome.competing):
        key = f"outcomes[{i}]." + ("kind" if outcome.kind == "death" else "competing")
        yield _no_table(key, DEATHS, "deaths are found", tables)
    if outcome.kind != "recidivism":
        return
    if EVENTS not in tables:
        yield _no_table(f"outcomes[{i}].kind", EVENTS, "recidivism is found", tables)
        return
    source, at = tables[EVENTS], f"outcomes[{i}]"
    if outcome.marker != "any":
        yield from wrong(tables, Asked(EVENTS, EVENT_TYPE, f"{at}.marker"))
    column = basis_column(outcome, source.columns)
    if column in source.columns or outcome.date_basis in (None, "event"):
        yield from wrong(tables, Asked(EVENTS, column, f"{at}.date_basis", "date"))
    else:
        own = BASES[str(outcome.date_basis)][1]
        what = f'the table has no column "{column}", which date_basis: {outcome.date_basis} reads'
        fix = f"Choose another date_basis: {EVENT_DATE} is there for date_basis: event."
        unless = f"; only of marker {own} is {EVENT_DATE} that date." if own else "."
        yield Problem(source.where, f"{at}.date_basis", what + unless, fix)
    if OFFENCE_DATE in source.columns:
        yield from wrong(tables, Asked(EVENTS, OFFENCE_DATE, f"{at}.kind", "date"))
    for part, groups in (("include", outcome.offence.include), ("exclude", outcome.offence.exclude)):
        for j, group in enumerate(groups):
            yield from _group(f"{at}.offence.{part}[{j}]", group, source)


def _group(key: str, group: str, source: Source) -> Iterator[Problem]:
    known = offences.groups()
    if group not in known:
        what = f'there is no group of offences "{group}"' + hint(group, known)
        yield Problem("", key, what, f"Groups: {listed(known)}.")
    elif offences.column_of(group) not in source.columns:
        what = f'the table has no column "{offences.column_of(group)}", which tells what is {group}.'
        yield Problem(source.where, key, what, f"Its columns: {listed(source.columns)}.")


def _no_table(key: str, table: str, what: str, tables: Tables) -> Problem:
    fix = f"Add it, or change the outcome. Tables of this study: {listed(tables)}."
    return Problem("", key, f'data.tables has no table "{table}", in which {what}' + hint(table, tables), fix)


def _stays(design: BuiltCohortDesign, tables: Tables) -> Iterator[Problem]:
    """The table of stays, where the clock is to stop in it, or where it is there."""
    found = stays_of(design, tables)
    if found is None:
        return
    if found.stop_in not in tables:
        what = f'data.tables has no table "{found.stop_in}"' + hint(found.stop_in, tables)
        yield Problem("", "design.at_risk.stop_in", what, f"Tables of this study: {listed(tables)}.")
        return
    key = f"data.tables.{CUSTODY}" if design.at_risk == "calendar" else "design.at_risk"
    for asked in columns_of(found.stop_in, found.where, key, start=(found.start, "date"), end=(found.end, "date")):
        yield from wrong(tables, asked)
    yield from wrong(tables, Asked(found.stop_in, design.person, "design.person"))


# --------------------------------------------------------------------------- names


def _names(study: Study, design: BuiltCohortDesign, tables: Tables) -> Iterator[Problem]:
    """Columns of the cohort that would bear one name."""
    taken = [(design.person, "design.person"), *((n, "the cohort itself") for n in ("arm", "index_date"))]
    taken += [("weight", "the cohort itself")] if design.index.first_per_person is False else []
    taken += [("completed", "the cohort itself")] if design.completers else []
    if design.cluster and design.cluster != design.person:
        taken.append((design.cluster, "design.cluster"))
    taken += [(name, f"design.characteristics.{name}") for name in design.characteristics]
    street = stays_of(design, tables) is not None
    for i, o in enumerate(study.outcomes):
        windows = [f"_{named(w)}" for w in dict.fromkeys(o.windows or design.windows)]
        ends = ["time", "event", "follow_up"] + [f"{n}{w}" for n in ("count", "days") for w in ("", *windows)]
        more = ["time", "event", "follow_up", *(f"days{w}" for w in ("", *windows))] if street else []
        taken += [(f"{o.id}_{end}", f"outcomes[{i}].id") for end in [*ends, *(f"street_{m}" for m in more)]]
    first: dict[str, str] = {}
    for name, at in taken:
        other = first.setdefault(name.casefold(), at)
        if other != at:
            what = f'a column of the cohort would be called "{name}" twice: {other} is called so too.'
            yield Problem("", at if "itself" not in at else other, what, "Give it another name.")
