"""The way of a submission: from the file that an agency sends to the receipt, or to what must be mended first.

One function for the command line and the page. Whatever is refused is refused whole, and the log tells that it was and
why, without a cell of it.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.data.intake.check import Sent, check
from evaluation.data.intake.deidentify import deidentified, identifiers
from evaluation.data.intake.headers import matched
from evaluation.data.intake.kinds import Unreadable, kind_of
from evaluation.data.intake.known import known, leave_out, left_behind, plain_numbers, sent_before
from evaluation.data.intake.pseudonyms import Pseudonyms
from evaluation.data.intake.received import ROWS, receive, scratch_connection
from evaluation.data.passing import sweep
from evaluation.data.store.agencies import known_agency
from evaluation.data.store.files import sha256
from evaluation.data.store.standing import replaced, standing
from evaluation.data.store.submission import Original, Submission, refuse, submit
from evaluation.data.store.tombstones import tombstones
from evaluation.dictionary.agreements import read_agreements, sending
from evaluation.dictionary.compile_cells import cells, identifier
from evaluation.dictionary.compile_rules import TYPED
from evaluation.dictionary.findings import Finding
from evaluation.dictionary.rules import Agree
from evaluation.dictionary.tables import tables
from evaluation.errors import DataError, Problem, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from evaluation.data.intake.received import Received
    from evaluation.data.store.periods import Period
    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.store import Store
    from evaluation.data.store.submission import Receipt
    from evaluation.dictionary.agreements import Agreement
    from evaluation.dictionary.tables import Table

_SCRATCH = "evaluation-intake-"


@dataclass(frozen=True)
class Keys:
    """The key of the pseudonyms, and that with which originals are sealed; None where there is none."""

    pseudonyms: bytes | None = None
    seal: bytes | None = None


@dataclass(frozen=True)
class Answer:
    """What became of a file: a receipt, or a refusal with what is wrong (`findings` in it, `problems` about it).

    `left_out` are the rules that could not be checked, because a table they need has not been sent yet. `columns` are
    the headers of the file in their order, where it has any; they may hold what a finding must not show.
    """

    findings: tuple[Finding, ...] = ()
    left_out: tuple[str, ...] = ()
    receipt: Receipt | None = None
    refusal: Entry | None = None
    problems: tuple[Problem, ...] = ()
    columns: tuple[str, ...] = ()


class _Refused(Exception):  # noqa: N818 - an answer to the agency, not an error of the program
    def __init__(
        self, reasons: dict[str, int], findings: tuple[Finding, ...] = (), problems: tuple[Problem, ...] = (),
        left_out: tuple[str, ...] = (), quality: dict[str, int] | None = None,
    ) -> None:  # fmt: skip
        self.reasons, self.quality = reasons, quality or {}
        self.answer = (findings, left_out, problems)
        super().__init__()


def table_called(name: str) -> Table:
    """The table of the dictionary. Raises UsageError, with the nearest name, where there is none."""
    if name in tables():
        return tables()[name]
    close = get_close_matches(name, list(tables()), 1)
    fix = f"Do you mean {close[0]}?" if close else f"There are: {', '.join(tables())}."
    raise UsageError(Problem("", "table", f"the dictionary has no table {name}.", fix))


def take_in(
    store: Store, path: Path, table: Table, agency: str, sent: Period, keys: Keys, now: str, *, nothing: bool = False
) -> Answer:
    """Check a file against the dictionary, the agreements and the store, and store it if nothing is wrong.

    `now` is the moment in ISO form (UTC). `nothing`: the file has no rows because nothing happened in the period.

    Raises
    ------
    DataError
        When the store does not know the agency, the period has not ended, the table tells who people are and there is
        no key, the log is damaged, or others have been writing for too long. Nothing of that is logged.
    """
    way = _way(store, path, table, agency, sent, keys, now, nothing=nothing)
    sha = sha256(path)
    try:
        submission, findings, left_out = way.checked()
    except _Refused as refused:
        findings, left_out, problems = refused.answer
        said = {"agency": agency, "table": table.name, "period": sent.name, "original_sha256": sha,
                "reasons": refused.reasons, "quality": refused.quality}  # fmt: skip
        return Answer(findings, left_out, None, refuse(store, said, now), problems, tuple(way.columns))
    if sha != submission.original.sha256:
        raise DataError(Problem(path.name, "", "the file changed while it was read.", "Save it, and send it again."))
    return Answer(findings, left_out, submit(store, submission, now), columns=tuple(way.columns))


def look_over(
    store: Store, path: Path, table: Table, agency: str, sent: Period, keys: Keys, now: str, *, nothing: bool = False
) -> Answer:
    """What `take_in` would find wrong with a file; nothing is stored, nothing logged. Raises DataError as it does."""
    way = _way(store, path, table, agency, sent, keys, now, nothing=nothing)
    try:
        _, findings, left_out = way.checked()
    except _Refused as refused:
        findings, left_out, problems = refused.answer
        return Answer(findings, left_out, problems=problems, columns=tuple(way.columns))
    return Answer(findings, left_out, columns=tuple(way.columns))


def _way(
    store: Store, path: Path, table: Table, agency: str, sent: Period, keys: Keys, now: str, *, nothing: bool
) -> _Way:
    known_agency(store, agency)
    today = date.fromisoformat(now[:10])
    if sent.end > today:
        what = f"{sent.name} ends on {sent.last}; what is sent before would pass for all of it."
        raise DataError(Problem("", "period", what, "Send it when it is over, or send the months that are."))
    if identifiers(table) and keys.pseudonyms is None:
        what = f"the table {table.name} tells who people are, so it is stored under a key only."
        raise DataError(Problem("key", "key", what, "Give --key-file, or set EVALUATION_KEY_FILE."))
    if not path.is_file():
        raise DataError(Problem(str(path), "", "there is no such file.", "Give the path of the file to send."))
    return _Way(store, path, table, agency, sent, keys, today, nothing)


@dataclass(frozen=True)
class _Way:
    store: Store
    path: Path
    table: Table
    agency: str
    sent: Period
    keys: Keys
    today: date
    nothing: bool
    columns: list[str] = field(default_factory=list)  # the file's headers, once it is read

    def checked(self) -> tuple[Submission, tuple[Finding, ...], tuple[str, ...]]:
        """What is to be stored, with the warnings; raises _Refused."""
        agreements = read_agreements(self.store.folder / "agreements")
        self._covered(agreements, [])
        whole_table = self.table.period is None
        there = standing(self.store.log.entries()).get((self.agency, self.table.name), {})
        try:
            replaces = replaced(there, self.sent, whole_table=whole_table)
        except DataError as error:
            raise _Refused({"period": 1}, problems=error.problems) from None
        with scratch() as folder, scratch_connection(folder) as connection:
            try:
                received = receive(self.path, self.table.name, connection, folder, nothing=self.nothing)
            except Unreadable as error:
                raise _Refused({error.finding.rule: 1}, (error.finding,)) from None
            self.columns[:] = received.headers
            if no_header := headless(received, self.table):
                raise _Refused({"no_header": 1}, (no_header,))
            places = matched(received, self.table)[0]
            relied = self._covered(agreements, _filled(self.table, places, connection))
            return self._judged(received, places, connection, replaces, relied)

    def _judged(
        self, received: Received, places: dict[str, int], connection: DuckDBPyConnection, replaces: list[str],
        relied: list[Agreement],
    ) -> tuple[Submission, tuple[Finding, ...], tuple[str, ...]]:  # fmt: skip
        key = self.keys.pseudonyms
        pseudonyms = None if key is None else Pseudonyms(key, self.store.project)
        plain = plain_numbers(self.table, self.agency, places, connection, pseudonyms)
        forgotten = tombstones(self.store.folder).get(self.agency, frozenset())
        dropped = leave_out(self.table, places, plain, connection, forgotten)
        told = known(self.store, self.table, self.agency, replaces, plain, connection)
        about = Sent(self.agency, str(self.sent.start), str(self.sent.end), str(self.today))
        listed, rules = check(received, _own(self.table), connection, told, about)
        listed += sent_before(self.table, told, received, places, connection)
        listed += left_behind(self.store, self.table, self.agency, plain, received, connection)
        findings, left_out = tuple(listed), tuple(rules)
        quality = _quality(self.table, places, connection, findings)
        if any(f.severity == "error" for f in findings):
            raise _Refused(_counted(findings), findings, left_out=left_out, quality=quality)
        rows = deidentified(self.table, connection, self.agency, pseudonyms)
        original = Original(self.path, sha256(self.path), kind_of(self.path), self.keys.seal)
        hidden = [f for f in identifiers(self.table) if f in places]
        warnings = sum(f.count for f in findings)
        return (
            Submission(self.agency, self.table.name, self.sent, rows, original, self.table.period is None,
                       tuple(a.agreement for a in relied), tuple(hidden), warnings, quality, dropped),
            findings, left_out,
        )  # fmt: skip

    def _covered(self, agreements: list[Agreement], fields: list[str]) -> list[Agreement]:
        relied, missing = sending(agreements, self.agency, self.table.name, fields, self.today)
        if missing:
            raise _Refused({"agreement": 1}, problems=tuple(missing))
        return relied


def _own(table: Table) -> Table:
    """The table without the rules that hold it against other agencies' numbers, which their answers would tell.

    The operator sees these in the status of the store.
    """
    return table.model_copy(update={"rules": tuple(r for r in table.rules if not isinstance(r, Agree))})


def headless(received: Received, table: Table) -> Finding | None:
    """The finding that nothing in the first row is the name of a column; what it holds may be a person's, and is not
    shown."""
    if matched(received, table)[0]:
        return None
    message = "The first row has none of the names of the table's columns."
    remedy = "Put the names of the columns into the first row; the template has them."
    return Finding(received.path.name, "no_header", "file", "error", message, remedy, received.sheet, 1)


def _filled(table: Table, places: dict[str, int], connection: DuckDBPyConnection) -> list[str]:
    """The fields of which the file has at least one value: a column left empty sends nothing."""
    given = [cells(table, table.field(name), f"c{place}").given for name, place in places.items()]
    counts = connection.execute(f"SELECT {', '.join(f'count({g})' for g in given)} FROM {ROWS}").fetchall()[0]
    return [name for name, n in zip(places, counts, strict=True) if n]


def _counted(findings: tuple[Finding, ...]) -> dict[str, int]:
    found: Counter[str] = Counter()
    for f in findings:
        if f.severity == "error":
            found[f.rule] += f.count
    return dict(sorted(found.items()))


def _quality(
    table: Table, places: dict[str, int], connection: DuckDBPyConnection,
    findings: tuple[Finding, ...],
) -> dict[str, int]:  # fmt: skip
    """The numbers behind completeness, consistency and correctness.

    Rows that a rule marks beyond the hundredth are counted once for each such rule, so `marked` is an upper bound then.
    """
    n = connection.execute(f"SELECT count(*) FROM {TYPED}").fetchall()[0][0]
    required = [f.name for f in table.fields if f.constraints.required]
    filled = 0
    if required:
        listed = " + ".join(f"count({identifier(name)})" for name in required)
        filled = connection.execute(f"SELECT {listed} FROM {TYPED}").fetchall()[0][0]
    about = [f for f in findings if f.level in ("business", "plausibility")]
    marked = len({f.row for f in about if f.row is not None}) + sum(f.count for f in about if f.row is None)
    broken = sum(f.count for f in findings if f.level == "schema")
    return {
        "rows": n, "cells": n * len(places), "required": n * len(required), "filled": filled,
        "marked": min(marked, n), "broken": broken,
    }  # fmt: skip


@contextmanager
def scratch() -> Iterator[Path]:
    """A private folder for what is read; those of processes that were stopped are cleared away."""
    sweep(_SCRATCH)
    with tempfile.TemporaryDirectory(prefix=f"{_SCRATCH}{os.getpid()}-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def receipt_told(receipt: Receipt, agency: str, project: str) -> dict[str, Any]:
    """A receipt as the agency gets it, in JSON."""
    said, entry = receipt.said, receipt.entry
    return {
        "submission": entry.submission, "project": project, "agency": agency, "table": said["table"],
        "period": said["period"], "received": entry.time, "identical": receipt.identical, "rows": said["rows"],
        "dropped": said["dropped"], "warnings": said["warnings"], "replaces": said["replaces"],
        "replaced_fields": said["replaced_fields"], "agreements": said["agreements"],
        "version": entry.content["version"], "original_sha256": said["original_sha256"],
        "kept_sha256": said["kept_sha256"], "sealed_sha256": said["sealed_sha256"],
        "receipt": entry.number, "receipt_sha256": entry.hash,
    }  # fmt: skip
