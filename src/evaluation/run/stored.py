"""A study of what agencies submitted: the store's tables at a fixed state, under agreements that allow it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors import DataError, EvaluationError, Problem, StudyError
from evaluation.study.load import Draft, StudyFile
from evaluation.study.models import CohortDesign

if TYPE_CHECKING:
    from evaluation.data.store.reading import Found, Read
    from evaluation.data.store.snapshot import Snapshot
    from evaluation.data.store.store import Store
    from evaluation.dictionary.agreements import Agreement, Purpose
    from evaluation.results import Row

COVERAGE = "coverage"
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
    read: Read
    tables: dict[str, list[Row]] = field(default_factory=dict)

    def provenance(self) -> dict[str, Any]:
        """The part of `provenance.json` that tells of the store."""
        passes = [{"key": p.key, "people_with_it": p.with_key, "links": p.links, "refused": p.refused}
                  for p in self.read.passes]  # fmt: skip
        return {
            "snapshot": self.snapshot.to_dict(),
            "agreements": [a.agreement for a in self.agreements],
            "linkage": passes,
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
    from evaluation.data.store.reading import PERSONS, read
    from evaluation.data.store.snapshot import entries_of, latest
    from evaluation.data.store.store import open_store
    from evaluation.dictionary.agreements import read_agreements
    from evaluation.dictionary.tables import tables

    store = open_store(origin.folder)
    asked = [name for name in file.study.data.tables if name != COVERAGE]
    _known(asked, list(tables()))
    people = any(f.name == "person_id" for name in asked for f in tables()[name].fields)
    wanted = list(dict.fromkeys([*asked, *([PERSONS] if people else [])]))
    snapshot = latest(store, wanted) if origin.like is None else snapshot_of(origin.like)
    entries = entries_of(store, snapshot)
    done = read(store, snapshot, asked, folder)
    _there(asked, done, store)
    cohort = isinstance(file.study.design, CohortDesign)
    agreements, missing = _allowed(read_agreements(store.folder / "agreements"), done, origin.today, linked=cohort)
    if missing:
        raise DataError(*missing)
    pq.write_table(coverage_table(covered(entries)), folder / f"{COVERAGE}.parquet")
    return Stored(snapshot, tuple(agreements), done)


def _known(asked: list[str], known: list[str]) -> None:
    from evaluation.study.spelling import hint, listed

    wrong = [name for name in asked if name not in known]
    if wrong:
        raise DataError(*(Problem("", "tables", f'the dictionary has no table "{n}"{hint(n, known)}',
                                  f"Tables: {listed(known)}.") for n in wrong))  # fmt: skip


def _there(asked: list[str], done: Read, store: Store) -> None:
    if gone := [name for name in asked if name not in done.files]:
        what = f"no agency has sent rows of the {'table' if len(gone) == 1 else 'tables'} {', '.join(gone)}."
        fix = "Leave it out of data.tables, or have it submitted: evaluation status."
        raise DataError(Problem(str(store.folder), "tables", what, fix))


def _allowed(
    agreements: list[Agreement], done: Read, day: date, *, linked: bool
) -> tuple[list[Agreement], list[Problem]]:
    from evaluation.dictionary.agreements import using

    return using(agreements, done.agencies, PURPOSE, day, linked=linked)


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
    of = stored.read.agencies
    agreements = [
        {
            "study": study, "agreement": a.agreement, "title": a.title, "parties": ", ".join(a.parties),
            "tables": ", ".join(t for t in of if t in a.tables),
            "legal_basis": "; ".join(f"{b.law}: {b.section}" for b in a.legal_basis),
            "starts": str(a.starts), "expires": str(a.expires), "status": "ok",
        }
        for a in stored.agreements
    ]  # fmt: skip
    return {"agreements": agreements, "linkage": [_share(study, f) for f in stored.read.found]}


def _share(study: str, found: Found) -> Row:
    from evaluation.data.store.reading import DIVISIONS

    return {
        "study": study, "agency": found.agency,
        "stratum": f"{DIVISIONS[found.division]}: {found.group}" if found.division else "",
        "n": found.people, "n_linked": found.linked, "share": found.linked / found.people, "status": "ok",
    }  # fmt: skip
