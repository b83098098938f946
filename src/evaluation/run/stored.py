"""A study of what agencies submitted: the store's tables at a fixed state, under agreements that allow it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors import DataError, EvaluationError, Problem, StudyError
from evaluation.results import Check
from evaluation.study.load import Draft, StudyFile
from evaluation.study.models import CohortDesign

if TYPE_CHECKING:
    from collections.abc import Iterable

    from evaluation.data.store.linkage import Pass
    from evaluation.data.store.reading import Found, Read
    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.snapshot import Snapshot
    from evaluation.data.store.store import Store
    from evaluation.dictionary.agreements import Agreement, Purpose
    from evaluation.results import Row
    from evaluation.study.models import Study

COVERAGE = "coverage"
KEYS = {
    "match_state_id": "state number",
    "match_ssn4_name_birth": "four digits of the social security number, last name, date of birth",
    "match_names_birth_sex": "names, date of birth, sex",
    "match_names_birth": "names, date of birth",
}
PURPOSE: Purpose = "evaluation"


@dataclass(frozen=True)
class Origin:
    """Where studies of the store read: its folder, today's day, and the run whose snapshot is read again, if any."""

    folder: Path
    today: date
    like: Path | None = None


@dataclass(frozen=True)
class Stored:
    """What a study read from the store: the snapshot, the agreements relied on, and the tables that tell of it."""

    snapshot: Snapshot
    agreements: tuple[Agreement, ...]
    agencies: dict[str, list[str]]  # by table
    read: Read
    notes: tuple[Check, ...] = ()
    removed: tuple[dict[str, Any], ...] = ()  # what was removed after the snapshot, which is of an earlier run then
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def provenance(self) -> dict[str, Any]:
        """The part of `provenance.json` that tells of the store."""
        return {
            "snapshot": self.snapshot.to_dict(),
            "agreements": [a.agreement for a in self.agreements],
            "linkage": [p.key for p in self.read.passes],  # what each did is in a table, where small numbers are hidden
        }


def filled(draft: Draft, origin: Origin, folder: Path) -> tuple[Draft, Stored | None, list[Problem]]:
    """The study with the store's tables in the place of their names, written into `folder`; or what is wrong."""
    file = draft.file
    if file is None:
        return draft, None, []
    try:
        stored = _stored(file, origin, folder)
    except EvaluationError as error:
        loc = ("data", "tables") if any(p.key.startswith("tables") for p in error.problems) else ("data", "store")
        told = [draft.document.problem(loc, f"{p.where}: {p.what}" if p.where else p.what, p.fix)
                for p in error.problems]  # fmt: skip
        return replace(draft, file=None), None, told
    files: dict[str, str | list[str]] = {name: str(path) for name, path in stored.read.files.items()}
    files[COVERAGE] = str(folder / f"{COVERAGE}.parquet")
    data = file.study.data.model_copy(update={"tables": files})
    study = file.study.model_copy(update={"data": data})
    stored = replace(stored, tables=_told(study.study, stored))
    return replace(draft, file=StudyFile(**(vars(file) | {"study": study}))), stored, []


def with_tables(file: StudyFile, origin: Origin, folder: Path) -> StudyFile:
    """The same for a file that is right itself. Raises StudyError with what is wrong."""
    if not file.study.data.store:
        return file
    draft, _, problems = filled(Draft(file, (), file), origin, folder)
    if draft.file is None:
        raise StudyError(*problems)
    return draft.file


def _stored(file: StudyFile, origin: Origin, folder: Path) -> Stored:
    import pyarrow.parquet as pq

    from evaluation.data.store.coverage import coverage_table, covered
    from evaluation.data.store.reading import PERSON, PERSONS, Leave, read, sources
    from evaluation.data.store.snapshot import entries_of, latest
    from evaluation.data.store.standing import standing
    from evaluation.data.store.store import open_store
    from evaluation.dictionary.agreements import read_agreements, using, withheld
    from evaluation.dictionary.tables import tables

    store = open_store(origin.folder)
    asked = [name for name in file.study.data.tables if name != COVERAGE]
    _known(asked, list(tables()))
    linked = _follows_people(file.study) and any(f.name == PERSON for name in asked for f in tables()[name].fields)
    wanted = list(dict.fromkeys([*asked, *([PERSONS] if linked else [])]))
    snapshot = latest(store, wanted) if origin.like is None else snapshot_of(origin.like)
    entries = entries_of(store, snapshot)
    agencies = sources(store, snapshot, wanted)
    senders = {(s.said["agency"], s.said["table"]) for of in standing(entries).values() for s in of.values()}
    _there(asked, {table for _, table in senders}, store)
    of_people = frozenset(a for t in asked if t != PERSONS for a in agencies.get(t, ())) or agencies.get(PERSONS, [])
    if linked:  # the people of others are no bridge between those of these
        agencies[PERSONS] = [a for a in agencies.get(PERSONS, []) if a in of_people]
    in_force = read_agreements(store.folder / "agreements")
    relied, missing = using(in_force, agencies, PURPOSE, origin.today, linked=linked)
    if missing:
        raise DataError(*missing)
    named = {table: [f.name for f in tables()[table].fields] for table in agencies}
    without = {
        (table, agency): fields
        for table, those in agencies.items()
        for agency in those
        if (fields := withheld(in_force, agency, table, named[table], PURPOSE, origin.today))
    }
    done = read(store, snapshot, asked, folder, Leave(linked, frozenset(of_people), without))
    pq.write_table(coverage_table(covered(entries)), folder / f"{COVERAGE}.parquet")
    notes = (*_withheld(without), *_silent(relied, asked, senders), *_loose(done))
    return Stored(snapshot, tuple(relied), agencies, done, notes, removals(store.log.readable()[snapshot.line :]))


def removals(entries: Iterable[Entry]) -> tuple[dict[str, Any], ...]:
    """The removals among entries of the log, as runs that read before them are marked with them."""
    return tuple(
        {"line": e.number, "day": e.time[:10], "why": e.content["why"]} for e in entries if e.kind == "removed"
    )


def _follows_people(study: Study) -> bool:
    """Whether records of one person are put together: in a cohort, and in a panel whose units are persons."""
    return isinstance(study.design, CohortDesign) or study.design.unit == "person_id"


def _withheld(without: dict[tuple[str, str], frozenset[str]]) -> list[Check]:
    return [
        Check("fields_withheld", "warn", f"No agreement in force covers these fields of {table} from {agency}, so they "
              f"were not read, of any agency: {', '.join(sorted(fields))}.", term=table)
        for (table, agency), fields in sorted(without.items())
    ]  # fmt: skip


def _loose(done: Read) -> list[Check]:
    return [
        Check("people_unknown", "warn", f"{n:,} rows of {table} from {agency} are of people whom it does not have "
              "among its persons: they are found at no other agency.", term=table, statistic=float(n), counts=(n,))
        for table, agency, n in done.loose
    ]  # fmt: skip


def _silent(relied: list[Agreement], asked: list[str], senders: set[tuple[str, str]]) -> list[Check]:
    """Agencies that may send a table and never did: what happened there is not counted."""
    found = []
    for table in asked:
        may = {party for a in relied if table in a.tables for party in a.parties}
        if silent := sorted(may - {a for a, t in senders if t == table}):
            what = (
                f"By the agreements {', '.join(silent)} may send {table} too and "
                f"{'has' if len(silent) == 1 else 'have'} not: what is known there alone is not counted."
            )
            found.append(Check("agencies_silent", "info" if table == "persons" else "warn", what, term=table))
    return found


def _known(asked: list[str], known: list[str]) -> None:
    from evaluation.study.spelling import hint, listed

    wrong = [name for name in asked if name not in known]
    if wrong:
        raise DataError(*(Problem("", "tables", f'the dictionary has no table "{n}"{hint(n, known)}',
                                  f"Tables: {listed(known)}.") for n in wrong))  # fmt: skip


def _there(asked: list[str], sent: set[str], store: Store) -> None:
    if gone := [name for name in asked if name not in sent]:
        what = f"no agency has sent the {'table' if len(gone) == 1 else 'tables'} {', '.join(gone)}."
        fix = "Leave it out of data.tables, or have it submitted: evaluation status."
        raise DataError(Problem(str(store.folder), "tables", what, fix))


def snapshot_of(run: Path) -> Snapshot:
    """The snapshot that a run read, from its folder or its `provenance.json`.

    Raises
    ------
    DataError
        When there is no such run, or it read no store.
    """
    from evaluation.data.store.snapshot import Snapshot

    file = run if run.is_file() else run / "results" / "provenance.json"
    try:
        return Snapshot.from_dict(json.loads(file.read_text(encoding="utf-8"))["store"]["snapshot"])
    except OSError:
        what = "there is no run here."
        raise DataError(
            Problem(str(run), "snapshot", what, "Name the folder of a run, such as outputs/STUDY.")
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        what = "the run that left this read no store."
        fix = "Name a run of a study with data.store: true."
        raise DataError(Problem(str(file), "snapshot", what, fix)) from None


# --------------------------------------------------------------------------- what the report tells


def _told(study: str, stored: Stored) -> dict[str, list[Row]]:
    of = stored.agencies
    agreements = [
        {
            "study": study, "agreement": a.agreement, "title": a.title, "parties": ", ".join(a.parties),
            "tables": ", ".join(t for t in of if t in a.tables),
            "legal_basis": "; ".join(f"{b.law}: {b.section}" for b in a.legal_basis),
            "starts": str(a.starts), "expires": str(a.expires), "status": "ok",
        }
        for a in stored.agreements
    ]  # fmt: skip
    passes = [_pass(study, p) for p in stored.read.passes if p.with_key]
    return {"agreements": agreements, "linkage": [*(_share(study, f) for f in stored.read.found), *passes]}


def _share(study: str, found: Found) -> Row:
    from evaluation.data.store.reading import DIVISIONS

    return {
        "study": study, "agency": found.agency,
        "stratum": f"{DIVISIONS[found.division]}: {found.group}" if found.division else "",
        "n": found.people, "n_linked": found.linked, "share": found.linked / found.people, "status": "ok",
    }  # fmt: skip


def _pass(study: str, one: Pass) -> Row:
    """What a match key did, of the people of all agencies: `n` have it, and `n_linked` were joined to others by it."""
    return {
        "study": study, "agency": "", "stratum": f"Key: {KEYS[one.key]}", "n": one.with_key, "n_linked": one.links,
        "share": one.links / one.with_key, "status": "ok",
    }  # fmt: skip
