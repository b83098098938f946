"""Which justice events count: by group of the offence, by reason, by level."""

from __future__ import annotations

import csv
from functools import cache
from typing import TYPE_CHECKING

from evaluation import resources

if TYPE_CHECKING:
    from evaluation.data.assemble.cohort.steps import Steps
    from evaluation.data.engine import Source
    from evaluation.study.cohort_building import Offence

REASONS = {"technical": "technical_violation", "warrant": "warrant", "program_sanction": "program_sanction"}
LEVELS = ("felony", "misdemeanor", "infraction")
NOT_NEW_CRIME = tuple(REASONS)  # what does not count unless the study file says so
CODE, REASON, LEVEL = "offence_code", "reason", "offence_level"


@cache
def code_groups() -> dict[str, tuple[str, ...]]:
    """The codes of every group of the catalogue of offences."""
    path = resources.folder("data_dictionary") / "codelists" / "offence_groups.csv"
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.DictReader(lines))
    return {g: tuple(r["code"] for r in rows if r["group"] == g) for g in dict.fromkeys(r["group"] for r in rows)}


def groups() -> tuple[str, ...]:
    """Every group that an offence filter may name."""
    return (*code_groups(), *REASONS, *LEVELS)


def column_of(group: str) -> str:
    """The column that tells whether an event is in a group."""
    return REASON if group in REASONS else LEVEL if group in LEVELS else CODE


def counts(sql: Steps, source: Source, offence: Offence) -> str:
    """SQL of whether an event counts."""
    if not offence.include and not offence.exclude:
        told = [g for g in NOT_NEW_CRIME if column_of(g) in source.columns]
        return f"NOT {_in_any(sql, told)}"
    inside = _in_any(sql, offence.include) if offence.include else "true"
    return f"({inside} AND NOT {_in_any(sql, offence.exclude)})"


def _in_any(sql: Steps, named: list[str]) -> str:
    return "(" + (" OR ".join(_in(sql, group) for group in named) or "false") + ")"


def _in(sql: Steps, group: str) -> str:
    held = f"trim(CAST({sql.name(column_of(group))} AS STRING))"
    values: tuple[str, ...] = (REASONS.get(group, group),)
    if column_of(group) == CODE:
        values, held = code_groups()[group], f"upper({held})"
    return f"coalesce({held} IN ({', '.join(sql.literal(v) for v in values)}), false)"


def by_code(offence: Offence) -> bool:
    """Whether a filter names a group of codes."""
    return any(column_of(g) == CODE for g in (*offence.include, *offence.exclude))


def by_reason(offence: Offence) -> bool:
    """Whether a filter, or the rule where there is none, tells technical violations from new crimes."""
    named = (*offence.include, *offence.exclude)
    return not named or any(g in REASONS for g in named)


def unknown_code(sql: Steps) -> str:
    """SQL of whether an event's code is missing, or not in the catalogue."""
    codes = ", ".join(sql.literal(c) for listed in code_groups().values() for c in listed)
    return f"NOT coalesce(upper(trim(CAST({sql.name(CODE)} AS STRING))) IN ({codes}), false)"
