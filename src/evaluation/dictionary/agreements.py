"""Agreements under which data are shared, as data: who, which fields, for what, on which law, until when.

What no agreement in force covers is neither taken nor used; the answer says which clause is missing.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from evaluation.dictionary.files import read_yaml
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Purpose = Literal["evaluation", "research", "audit", "quality_improvement"]
Law = Literal["42_cfr_part_2", "hipaa", "cjis", "28_cfr_22", "ferpa", "irb", "state_law", "public_record"]
Ident = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Basis(_Part):
    """A law on which data are shared, and the section of it or the number of the decision."""

    law: Law
    section: str


class Shared(_Part):
    """What of a table is shared: `all` its fields, or those named."""

    fields: Literal["all"] | tuple[Ident, ...]


class Agreement(_Part):
    """One agreement. `parties` are the agencies that send; in force from `starts` up to and with `expires`.

    `may_link_to` names the tables with which records of people may be joined. Rows are kept for `retention_years` after
    they were received. `erase_history`: a person who withdraws is taken out of earlier versions too, not of the current
    tables alone.
    """

    agreement: Ident
    title: str
    parties: tuple[Ident, ...] = Field(min_length=1)
    tables: dict[Ident, Shared] = Field(min_length=1)
    purposes: tuple[Purpose, ...] = Field(min_length=1)
    legal_basis: tuple[Basis, ...] = Field(min_length=1)
    may_link_to: tuple[Ident, ...] = ()
    starts: date
    expires: date
    retention_years: int = Field(ge=1)
    erase_history: bool
    contact: str

    @model_validator(mode="after")
    def _in_order(self) -> Agreement:
        if self.expires < self.starts:
            raise ValueError("expires before it starts")
        return self

    def in_force(self, day: date) -> bool:
        """Whether the agreement holds on a day."""
        return self.starts <= day <= self.expires

    def covers(self, table: str, fields: Iterable[str]) -> list[str]:
        """The fields of a table that are not shared under it; all of them where the table is not."""
        shared = self.tables.get(table)
        if shared is None:
            return list(fields)
        return [] if shared.fields == "all" else [f for f in fields if f not in shared.fields]


def read_agreements(folder: Path) -> list[Agreement]:
    """The agreements in a folder, by file name; none where there is no folder.

    Raises
    ------
    DataError
        When a file is no agreement, or two have the same id.
    """
    found: dict[str, Agreement] = {}
    problems: list[Problem] = []
    for file in sorted(folder.glob("*.yaml")):
        try:
            one = read_agreement(file)
        except DataError as error:
            problems += error.problems
            continue
        if one.agreement in found:
            problems.append(
                Problem(str(file), "agreement", f"another file has the id {one.agreement} too.", "Rename one.")
            )
        found[one.agreement] = one
    if problems:
        raise DataError(*problems)
    return list(found.values())


def read_agreement(file: Path) -> Agreement:
    """One agreement from its file.

    Raises
    ------
    DataError
        When the file is no agreement.
    """
    from pydantic import ValidationError
    from ruamel.yaml.error import YAMLError

    try:
        return Agreement.model_validate(read_yaml(file))
    except ValidationError as error:
        raise DataError(
            *(Problem(str(file), ".".join(map(str, e["loc"])), f"{e['msg']}.", "See docs/agreements.md.")
              for e in error.errors())
        ) from None  # fmt: skip
    except (YAMLError, UnicodeDecodeError):
        raise DataError(Problem(str(file), "", "this is not YAML.", "See docs/agreements.md.")) from None


def sending(
    agreements: list[Agreement], agency: str, table: str, fields: Iterable[str], day: date
) -> tuple[list[Agreement], list[Problem]]:
    """The agreements under which an agency may send fields of a table on a day, or which clause is missing."""
    fields = list(fields)
    of_agency = [a for a in agreements if agency in a.parties]
    with_table = [a for a in of_agency if table in a.tables]
    valid = [a for a in with_table if a.in_force(day)]
    key = f"{agency}.{table}"
    if not of_agency:
        return [], [Problem("agreements", key, f"no agreement names {agency} as a party.", "Sign one first.")]
    if not with_table:
        listed = ", ".join(a.agreement for a in of_agency)
        what = f"no agreement with {agency} covers the table {table} (looked at: {listed})."
        return [], [Problem("agreements", key, what, "Add the table under `tables` by an amendment.")]
    if not valid:
        return [], [Problem("agreements", key, f"{a.agreement} {_when(a, day)}.", "Renew it, or wait until it starts.")
                    for a in with_table]  # fmt: skip
    left = [f for f in fields if all(f in a.covers(table, [f]) for a in valid)]
    if left:
        what = f"no agreement in force covers these fields of {table}: {', '.join(left)}."
        return [], [Problem("agreements", key, what, "Leave the columns out, or add them to the agreement.")]
    return valid, []


def _when(agreement: Agreement, day: date) -> str:
    return f"starts on {agreement.starts}" if day < agreement.starts else f"expired on {agreement.expires}"


def using(
    agreements: list[Agreement], sources: dict[str, list[str]], purpose: Purpose, day: date, *, linked: bool
) -> tuple[list[Agreement], list[Problem]]:
    """The agreements under which a run may use tables (`sources`: the agencies of each), or what is missing.

    `linked`: the run joins records of people across the tables, so each must be allowed beside every other.
    """
    relied: dict[str, Agreement] = {}
    problems: list[Problem] = []
    for table, agencies in sources.items():
        for agency in agencies:
            valid, missing = sending(agreements, agency, table, [], day)
            fit = [a for a in valid if purpose in a.purposes]
            if valid and not fit:
                what = f"no agreement with {agency} allows {table} to be used for {purpose.replace('_', ' ')}."
                missing = [Problem("agreements", f"{agency}.{table}", what, "Add it under `purposes` by an amendment.")]
            problems += missing
            if linked:
                problems += _unlinkable(fit, agency, table, [t for t in sources if t != table])
            relied |= {a.agreement: a for a in fit}
    return list(relied.values()), problems


def withheld(
    agreements: list[Agreement], agency: str, table: str, fields: Iterable[str], purpose: Purpose, day: date
) -> frozenset[str]:
    """The fields of an agency's rows that no agreement in force covers for a purpose, though others of them are."""
    valid = [a for a in agreements if agency in a.parties and a.in_force(day) and purpose in a.purposes]
    return frozenset(f for f in fields if all(f in a.covers(table, [f]) for a in valid))


def _unlinkable(fit: list[Agreement], agency: str, table: str, others: list[str]) -> Iterator[Problem]:
    for other in others:
        if fit and not any(other in a.may_link_to or other in a.tables for a in fit):
            what = f"no agreement with {agency} lets {table} be linked to {other}."
            yield Problem("agreements", f"{agency}.{table}", what, "Add it under `may_link_to` by an amendment.")
