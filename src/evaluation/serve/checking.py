"""Files checked and stored in a process of their own: one that hangs or breaks over a file is ended, the page stays."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from evaluation.data.intake.intake import Answer, Keys
    from evaluation.data.store.store import Store
    from evaluation.dictionary.findings import Finding
    from evaluation.errors import Problem

MOST_KEPT = 2000  # findings held for a session
MARKED = "marked.xlsx"  # where a job that marks leaves the file, in its folder
Do = Literal["check", "mark", "send"]


@dataclass(frozen=True)
class Job:
    """One file to be checked, to be given back with its cells marked, or to be stored if nothing is wrong with it.

    `folder` is private and holds the file.
    """

    store: Store
    keys: Keys
    now: str
    folder: Path
    file: Path
    agency: str
    table: str
    period: str
    nothing: bool
    do: Do


@dataclass(frozen=True)
class Outcome:
    """What became of a file, without anything that a finding must not show.

    `letters` gives the spreadsheet's letter of each column that a finding names; `errors` and `warnings` count cells,
    those of findings beyond the first 2,000 too. `receipt` is the number of the receipt, `unmarked` the reason why no
    marked copy could be made.
    """

    findings: tuple[Finding, ...] = ()
    errors: int = 0
    warnings: int = 0
    letters: tuple[tuple[str, str], ...] = ()
    left_out: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    receipt: int | None = None
    identical: bool = False
    unmarked: str = ""


@dataclass(frozen=True)
class Checked:
    """What a session's last file came to: for which table and period, and what the clerk calls the file."""

    do: Do
    table: str
    period: str
    name: str
    time: str
    outcome: Outcome


class Broken(Exception):  # noqa: N818 - told to the clerk as such
    """The check did not come to an end: `late` where it took too long."""

    def __init__(self, *, late: bool) -> None:
        self.late = late
        super().__init__()


class Checker:
    """Starts and ends the processes."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._context = multiprocessing.get_context("spawn")
        self._running: set[BaseProcess] = set()
        self._lock = threading.Lock()

    def run(self, job: Job) -> Outcome:
        """What becomes of a file; waits for it.

        Raises
        ------
        Broken
            When the process takes too long, or ends without an answer.
        """
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(there, job), daemon=True)
        process.start()
        there.close()
        with self._lock:
            self._running.add(process)
        try:
            if not here.poll(self._seconds):
                raise Broken(late=True)
            found = here.recv()
        except EOFError:
            raise Broken(late=False) from None
        finally:
            process.kill()  # what it had to say has been said, and what it began to store the next writer settles
            process.join()
            here.close()
            with self._lock:
                self._running.discard(process)
        if not isinstance(found, Outcome):
            sys.stderr.write(f"a check failed: {found}\n")
            raise Broken(late=False)
        return found

    def stop(self) -> None:
        """End whatever runs: a submission that is not stored yet will not be."""
        with self._lock:
            for process in self._running:
                process.kill()


def _work(to: Connection, job: Job) -> None:
    """The whole of a process: nothing but the outcome leaves it, no traceback with a cell in it either."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever stops the page ends this process by stop()
    _confine(job.folder)
    try:
        to.send(worked(job))
    except Exception as error:  # noqa: BLE001 - anything may be wrong with a file
        to.send(type(error).__name__)
    to.close()


def _confine(folder: Path) -> None:
    """No core dump, which would hold identifiers; out of memory, this process goes first; its files in one folder."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError):  # Linux alone has it
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for spoken in (1, 2):  # libraries speak there, and may quote a cell
        os.dup2(nowhere, spoken)


def worked(job: Job) -> Outcome:
    """Check the file, and store it if it is to be sent; in this process."""
    from evaluation.data.intake.intake import look_over, table_called, take_in
    from evaluation.data.store.periods import period
    from evaluation.errors import EvaluationError

    act = take_in if job.do == "send" else look_over
    try:
        answer = act(job.store, job.file, table_called(job.table), job.agency, period(job.period), job.keys, job.now,
                     nothing=job.nothing)  # fmt: skip
    except EvaluationError as error:
        return Outcome(problems=tuple(_told(p) for p in error.problems))
    found = _outcome(answer)
    return found if job.do != "mark" or not answer.findings else replace(found, unmarked=_mark(job, answer))


def _mark(job: Job, answer: Answer) -> str:
    """Leave a marked copy in the job's folder, or say why there is none."""
    from evaluation.data.intake.intake import scratch
    from evaluation.data.intake.kinds import Unreadable
    from evaluation.data.intake.marked import marked
    from evaluation.data.intake.received import receive, scratch_connection
    from evaluation.errors import DataError

    with scratch() as folder, scratch_connection(folder) as connection:
        try:
            received = receive(job.file, job.table, connection, folder, nothing=job.nothing)
            content = marked(received, connection, answer.findings)
        except Unreadable:
            return "A file that cannot be read cannot be marked."
        except DataError as error:
            return " ".join(p.what[:1].upper() + p.what[1:] for p in error.problems)
    (job.folder / MARKED).write_bytes(content)
    return ""


def _outcome(answer: Answer) -> Outcome:
    ordered = sorted(answer.findings, key=lambda f: f.severity != "error")
    count = {s: sum(f.count for f in ordered if f.severity == s) for s in ("error", "warning")}
    named = {f.column for f in ordered if f.column}
    places: dict[str, list[int]] = {}
    for place, header in enumerate(answer.columns):
        places.setdefault(header, []).append(place)
    letters = {n: letter(places[n][0]) for n in sorted(named) if len(places.get(n, ())) == 1}
    receipt = answer.receipt
    return Outcome(
        tuple(ordered[:MOST_KEPT]), count["error"], count["warning"], tuple(letters.items()), answer.left_out,
        tuple(_told(p) for p in answer.problems), None if receipt is None else receipt.entry.number,
        receipt is not None and receipt.identical,
    )  # fmt: skip


def _told(problem: Problem) -> Problem:
    """A problem without the place of a file on this machine."""
    return replace(problem, where="")


def letter(place: int) -> str:
    """The letters by which a spreadsheet calls its columns, the first being place 0."""
    found, left = "", place + 1
    while left:
        left, digit = divmod(left - 1, 26)
        found = chr(ord("A") + digit) + found
    return found
