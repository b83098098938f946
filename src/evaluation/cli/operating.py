"""Commands of whoever runs the store: let agencies send, forget people, open what was sealed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from evaluation.cli.console import STORE, AsJson, Force, StoreFolder, now, print_json, say, tell
from evaluation.cli.intake import KeyFile, SealKey, key_in
from evaluation.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from evaluation.data.store.store import Store


def forget(
    *,
    agency: str | None = None,
    person_id_file: Annotated[Path | None, Parameter(name="--person-id-file")] = None,
    linked: Annotated[bool, Parameter(negative="")] = False,
    expired: Annotated[bool, Parameter(negative="")] = False,
    store: StoreFolder = STORE,
    key_file: KeyFile = None,
    runs: Path = Path("outputs"),
    as_json: AsJson = False,
) -> int:
    """Take people who withdraw out of the store, or what may be kept no longer; a receipt is written of it.

    Where an agreement says so, people go from the history and from the kept copies too. Sent again, they are left out.

    Parameters
    ----------
    agency
        The agency whose numbers the file holds.
    person_id_file
        A text file with the agency's number of one person a line.
    linked
        Also take out the same people as other agencies know them.
    expired
        Remove every submission that is past its retention, in place of people.
    runs
        Folder of runs: those that read the store before are marked, and their reports will say so.
    """
    from evaluation.data.store.rights import expire, linked_people
    from evaluation.data.store.rights import forget as forget_people
    from evaluation.data.store.store import open_store
    from evaluation.dictionary.agreements import read_agreements
    from evaluation.run.marks import mark

    opened = open_store(store)
    agreements = read_agreements(opened.folder / "agreements")
    if expired:
        entry = expire(opened, agreements, now())
    else:
        if agency is None or person_id_file is None:
            what = "say whom: --agency and --person-id-file, or --expired."
            raise UsageError(Problem("", "forget", what))
        tokens = _tokens(opened, agency, person_id_file, key_file)
        people = linked_people(opened, agency, tokens) if linked else {agency: tokens}
        entry = forget_people(opened, people, agreements, now())
    if entry is None:
        told: dict[str, Any] = {"removed": None}
    else:
        told = {
            "removed": entry.submission,
            "receipt": entry.number,
            "receipt_sha256": entry.hash,
            "people": entry.content["people"],
            "rows": entry.content["rows"],
            "submissions": entry.content["submissions"],
            "files_erased": sum(len(f) for f in entry.content["files"].values()),
            "copies_changed": len(entry.content["kept"]),
            "originals_erased": len(entry.content["sealed"]),
            "runs_marked": [str(run) for run in mark(opened, runs)],
        }
    if as_json:
        print_json(told)
    elif entry is None:
        say("Nothing is past its retention.")
    else:
        rows = ", ".join(f"{n:,} of {table}" for table, n in told["rows"].items()) or "none"
        say(f"Removed ({entry.submission}). Rows: {rows}.")
        say(
            f"History: {told['files_erased']} files erased, {told['copies_changed']} kept copies changed or erased, "
            f"{told['originals_erased']} sealed originals erased."
        )
        say(f"Receipt: line {entry.number}, {entry.hash}")
        for run in told["runs_marked"]:
            tell(f"{run} was computed before this removal; its reports will say so: evaluation report {run}")
    return 0


def _tokens(store: Store, agency: str, path: Path, key_file: Path | None) -> list[str]:
    from evaluation.data.intake.deidentify import purpose
    from evaluation.data.intake.pseudonyms import Pseudonyms, normalised
    from evaluation.data.store.agencies import known_agency
    from evaluation.data.store.tombstones import PERSON

    known_agency(store, agency)
    key = key_in(key_file, store.folder)
    if key is None:
        what = "the store knows people by tokens alone."
        raise DataError(Problem("key", "key", what, "Give --key-file, or set EVALUATION_KEY_FILE."))
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError(Problem(str(path), "", "this is no text in UTF-8.", "Write one number a line.")) from None
    made = Pseudonyms(key, store.project).tokens(purpose(PERSON, agency), [(normalised(PERSON, t),) for t in lines])
    found = sorted({t for t in made if t is not None})
    if not found:
        raise DataError(Problem(str(path), "", "the file names nobody.", "Write one number a line."))
    return found


def agency(
    id_: Annotated[str, Parameter(name="ID", help="Short name: small letters, digits and underscores.")],
    /,
    *,
    name: str,
    due: Annotated[list[str] | None, Parameter(negative="")] = None,
    agreement: Annotated[list[Path] | None, Parameter(negative="")] = None,
    project: str | None = None,
    store: StoreFolder = STORE,
) -> int:
    """Let an agency send: write it, what it is to send by when, and its agreements into the store.

    Parameters
    ----------
    name
        The agency's full name.
    due
        What is to come: TABLE:month:15 for every month within 15 days after its end; also quarter and year. Repeatable.
    agreement
        A file with an agreement, to be copied into the store. Repeatable.
    project
        Make a new store for this project, where there is none. The name separates its pseudonyms from all others.
    """
    from evaluation.data.intake.intake import table_called
    from evaluation.data.store.agencies import agency_of, write_agency
    from evaluation.data.store.lock import locked
    from evaluation.data.store.rights import put_agreement
    from evaluation.data.store.store import create, open_store

    new = project is not None and not (store / "store.json").exists()
    found = agency_of(id_, name, due or [])
    for one in found.due:
        table_called(one.table)
    opened = create(store, project) if new and project is not None else open_store(store)
    if project not in (None, opened.project):
        what = f"the store is of the project {opened.project}."
        raise DataError(Problem(str(store), "project", what, "Leave --project out, or name another --store."))
    with locked(opened.folder):
        for path in agreement or []:
            put_agreement(opened, path)
        write_agency(opened, found)
    if new:
        say(f"Made a store for {opened.project} in {store}.")
    say(f"{id_} may send what its agreements in {store / 'agreements'} cover.")
    return 0


def unseal(
    submission: str, /, *, out: Path, seal_key: SealKey = None, store: StoreFolder = STORE, force: Force = False
) -> int:
    """Write a received file as it came, where it was kept sealed.

    Parameters
    ----------
    submission
        The submission, as its receipt names it.
    out
        The file to write; it holds identifiers.
    force
        Write over a file that is there.
    """
    from evaluation.data.store.files import sha256
    from evaluation.data.store.seal import unseal as unseal_file
    from evaluation.data.store.standing import accepted
    from evaluation.data.store.store import open_store

    opened = open_store(store)
    key = key_in(seal_key, opened.folder)
    if key is None:
        raise DataError(Problem("key", "seal", "no key was given.", "Give --seal-key, or set EVALUATION_SEAL_KEY."))
    found = {s.receipt.submission: s.said for s in accepted(opened.log.entries())}.get(submission)
    if found is None:
        raise DataError(Problem(str(store), "submission", f"there is no submission {submission}."))
    sealed = found["sealed_sha256"]
    if sealed is None or not opened.sealed(sealed).is_file():
        raise DataError(Problem(str(store), "submission", "its original was not kept, or was erased since."))
    if out.exists() and not force:
        raise DataError(Problem(str(out), "", "there is a file here already.", "Name another, or add --force."))
    if out.resolve().is_relative_to(opened.folder.resolve()):
        raise DataError(Problem(str(out), "", "this lies in the store, where no identifier may be written."))
    with os.fdopen(os.open(out, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb"):
        pass  # nobody else may read what comes into it
    unseal_file(opened.sealed(sealed), out, key, found["original_sha256"])
    same = sha256(out) == found["original_sha256"]
    say(f"Wrote {out}; its SHA-256 is {'that' if same else 'NOT that'} of the receipt.")
    return int(not same)
