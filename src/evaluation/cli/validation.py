"""The command that checks a file before it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from evaluation.cli.console import AsJson, Force, now, print_json, say, tell
from evaluation.cli.intake import show_findings
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.dictionary.findings import Finding


def validate(
    file: Path,
    /,
    *,
    table: str,
    agency: str | None = None,
    period: str | None = None,
    marked: Annotated[Path | None, Parameter(name="--marked")] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> int:
    """Check a file against the dictionary: every problem with its row and column, and how to mend it.

    Nothing is sent or stored. Exit code 1 when something must be mended before the file can be submitted.

    Parameters
    ----------
    file
        A CSV file, a spreadsheet saved as .xlsx, or Parquet.
    table
        The table of the dictionary that the file holds.
    agency
        The id of the agency that will send it: its rows must be of this agency.
    period
        The days it is for (2025-03, 2025-Q1 or 2025): its rows must lie in them.
    marked
        Write the file as a spreadsheet in which the cells at fault are coloured and say why.
    """
    from evaluation.data.intake.check import Sent, check
    from evaluation.data.intake.intake import headless, scratch, table_called
    from evaluation.data.intake.kinds import Unreadable
    from evaluation.data.intake.marked import write_marked
    from evaluation.data.intake.received import receive, scratch_connection
    from evaluation.data.store.periods import period as read_period
    from evaluation.dictionary.compile_rules import Known

    if not file.is_file():
        raise DataError(Problem(str(file), "", "there is no such file.", "Give the path of the file to check."))
    asked, days = table_called(table), None if period is None else read_period(period)
    start, end = (None, None) if days is None else (str(days.start), str(days.end))
    sent = Sent(agency, start, end, now()[:10])
    findings: Sequence[Finding]
    left_out: list[str] = []
    n_rows = 0
    with scratch() as folder, scratch_connection(folder) as connection:
        try:
            received = receive(file, asked.name, connection, folder)
        except Unreadable as error:
            findings = [error.finding]
        else:
            n_rows = received.n_rows
            if no_header := headless(received, asked):
                findings = [no_header]
            else:
                findings, left_out = check(received, asked, connection, Known({}), sent)
            if marked is not None:
                write_marked(marked, received, connection, findings, force=force)
    errors = sum(f.count for f in findings if f.severity == "error")
    warnings = sum(f.count for f in findings if f.severity != "error")
    if as_json:
        told = {"ok": not errors, "rows": n_rows, "errors": errors, "warnings": warnings,
                "findings": [f.to_dict() for f in findings], "not_checked": left_out}  # fmt: skip
        print_json(told)
        return int(bool(errors))
    show_findings(findings)
    if marked is not None and marked.exists():
        say(f"Marked copy: {marked}")
    if left_out:
        say(f"Checked when it is submitted, because other tables are needed: {', '.join(left_out)}.")
    if errors:
        tell(f"{file.name}: {_counted(errors, 'error')} to mend first, {_counted(warnings, 'warning')}.")
    else:
        say(f"{file.name}: {n_rows:,} rows, nothing that must be mended, {_counted(warnings, 'warning')}.")
    return int(bool(errors))


def _counted(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
