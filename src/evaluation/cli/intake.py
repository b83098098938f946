"""Commands of the agencies: send a file, see what came and what is due."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from evaluation.cli.console import STORE, AsJson, StoreFolder, block, now, print_json, print_table, say, tell
from evaluation.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.data.store.status import Status
    from evaluation.data.store.store import Store
    from evaluation.dictionary.findings import Finding

MOST_SHOWN = 50  # findings; --json has all

KeyFile = Annotated[
    Path | None,
    Parameter(name="--key-file", env_var="EVALUATION_KEY_FILE", help="File with the key of the pseudonyms."),
]
SealKey = Annotated[
    Path | None,
    Parameter(
        name="--seal-key", env_var="EVALUATION_SEAL_KEY", help="File with the key that originals are sealed with."
    ),
]


def key_in(path: Path | None, store: Path) -> bytes | None:
    """The key in a file, None where none is named; raises DataError for one that may not be used."""
    from evaluation.data.intake.pseudonyms import read_key

    return None if path is None else read_key(path, store)


def submit(  # noqa: PLR0913 - a command's options
    file: Path,
    /,
    *,
    table: str,
    agency: str,
    period: str,
    nothing: Annotated[bool, Parameter(negative="")] = False,
    store: StoreFolder = STORE,
    key_file: KeyFile = None,
    seal_key: SealKey = None,
    as_json: AsJson = False,
) -> int:
    """Send a file: check it, and store it whole with a receipt, or refuse it whole and say why.

    What the agency sent before for the same table and days gives way, and stays in the history. Exit code 1 when the
    file is refused.

    Parameters
    ----------
    file
        A CSV file, a spreadsheet saved as .xlsx, or Parquet.
    table
        The table of the dictionary that the file holds.
    agency
        The id of the agency that sends it.
    period
        The days it is for: 2025-03, 2025-Q1 or 2025.
    nothing
        Nothing happened in the period: the file has its header and no rows.
    """
    from evaluation.data.intake.intake import Keys, receipt_told, table_called, take_in
    from evaluation.data.store.periods import period as read_period
    from evaluation.data.store.store import open_store

    opened, sent = open_store(store), read_period(period)
    keys = Keys(key_in(key_file, store), key_in(seal_key, store))
    answer = take_in(opened, file, table_called(table), agency, sent, keys, now(), nothing=nothing)
    told = None if answer.receipt is None else receipt_told(answer.receipt, agency, opened.project)
    if as_json:
        print_json(
            {
                "ok": told is not None,
                "receipt": told,
                "findings": [f.to_dict() for f in answer.findings],
                "problems": [p.to_dict() for p in answer.problems],
                "not_checked": list(answer.left_out),
                "refusal": None if answer.refusal is None else answer.refusal.number,
            }
        )
    else:
        show_findings(answer.findings)
        if answer.left_out:
            say(f"Not checked, because the tables they need were not sent yet: {', '.join(answer.left_out)}.")
    if told is None:
        if answer.problems:
            tell(block(answer.problems))
        tell(_refused(file, answer.findings))
        return 1
    if not as_json:
        _show_receipt(told)
    return 0


def _refused(file: Path, findings: Sequence[Finding]) -> str:
    errors = sum(f.count for f in findings if f.severity == "error")
    why = f" {errors:,} error{'s' * (errors != 1)} to mend first." if errors else ""
    return f"{file.name} was refused; nothing of it was stored.{why}"


def show_findings(findings: Sequence[Finding]) -> None:
    """Findings as a table; errors before warnings."""
    if not findings:
        return
    ordered = sorted(findings, key=lambda f: f.severity != "error")
    rows = [
        (f.severity, "" if f.row is None else str(f.row), f.column, f.rule, f"{f.message} {f.remedy}")
        for f in ordered[:MOST_SHOWN]
    ]
    print_table("", ("", "row", "column", "rule", "what is wrong, and how to mend it"), rows)
    if len(ordered) > MOST_SHOWN:
        say(f"{len(ordered) - MOST_SHOWN} more; --json has all of them.")


def _show_receipt(told: dict[str, Any]) -> None:
    if told["identical"]:
        say("This very file is in the store already; nothing was changed. Its receipt:")
    replaced = ", ".join(told["replaced_fields"])
    lines = [
        ("Submission", told["submission"]),
        ("Agency, table, period", f"{told['agency']}, {told['table']}, {told['period']}"),
        ("Received", told["received"]),
        ("Rows", f"{told['rows']:,}" + (f" ({told['dropped']} left out: withdrawn)" if told["dropped"] else "")),
        ("Warnings", str(told["warnings"])),
        ("Takes the place of", ", ".join(told["replaces"]) or "nothing"),
        ("Identifiers replaced", replaced or "none in this table"),
        ("Agreements", ", ".join(told["agreements"])),
        ("Version of the table", str(told["version"])),
        ("SHA-256 of your file", told["original_sha256"]),
        ("SHA-256 of what is kept", told["kept_sha256"]),
        ("Your file itself", "kept, sealed" if told["sealed_sha256"] else "not kept"),
        ("Receipt", f"line {told['receipt']}, {told['receipt_sha256']}"),
    ]
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        say(f"{name:<{width}}  {text}")
    say(f"Keep this receipt. To see that it still holds: evaluation status --verify --receipt {told['receipt_sha256']}")


def status(
    *,
    agency: str | None = None,
    store: StoreFolder = STORE,
    verify: Annotated[bool, Parameter(negative="")] = False,
    receipt: str | None = None,
    as_json: AsJson = False,
) -> int:
    """What was received, what is due, late or rejected, what ends soon, and how good the data are.

    Parameters
    ----------
    agency
        Of this agency alone.
    verify
        Hold the log of receipts, every kept file and every version of the tables against their hashes. Exit code 1
        when anything was altered; it is named.
    receipt
        With --verify: the hash of a receipt that an agency holds, which must be in the log.
    """
    from evaluation.data.store.agencies import known_agency
    from evaluation.data.store.status import status as status_of
    from evaluation.data.store.store import open_store

    opened = open_store(store)
    if verify:
        return _verified(opened, receipt, as_json=as_json)
    if agency is not None:
        known_agency(opened, agency)
    found = status_of(opened, date.fromisoformat(now()[:10]), agency)
    if as_json:
        print_json(found.to_dict())
    else:
        _show_status(found)
    return 0


def _verified(store: Store, receipt: str | None, *, as_json: bool) -> int:
    from evaluation.data.store.verify import settled_and_verified

    wrong, entries = settled_and_verified(store, now())
    if receipt is not None and receipt not in {e.hash for e in entries}:
        wrong = [*wrong, "no line of the log has the hash of this receipt: the line was altered or taken away."]
    accesses = store.folder / "access.jsonl"
    if accesses.exists():
        from evaluation.serve.audit import broken

        wrong = [*wrong, *broken(accesses)]
    if as_json:
        print_json({"ok": not wrong, "entries": len(entries), "wrong": wrong})
    elif not wrong:
        say(f"{len(entries)} lines of the log, and every file they tell of, are as receipted.")
    if wrong:
        tell(block([Problem(str(store.folder), "", w) for w in wrong]))
    return int(bool(wrong))


def _show_status(found: Status) -> None:
    def shown(title: str, columns: Sequence[str], rows: list[tuple[str, ...]]) -> None:
        if rows:
            print_table(title, columns, rows)

    shown(
        "Received",
        ("agency", "table", "period", "on", "rows", "warnings"),
        [(r.agency, r.table, r.period, r.received[:10], f"{r.rows:,}", str(r.warnings)) for r in found.received],
    )
    shown(
        "To come",
        ("agency", "table", "period", "by", ""),
        [(w.agency, w.table, w.period, w.by, w.state) for w in found.awaited if w.state in ("due", "late", "rejected")],
    )
    shown(
        "Rejected, and not sent again since",
        ("agency", "table", "period", "on", "why"),
        [(r.agency, r.table, r.period, r.time[:10], _reasons(r.reasons)) for r in found.rejected],
    )
    shown(
        "Agreements that end",
        ("agreement", "agencies", "on"),
        [
            (
                e.agreement,
                ", ".join(e.agencies),
                f"{e.expires}" + (" (expired)" if e.days < 0 else f" (in {e.days} days)"),
            )
            for e in found.ending
        ],
    )
    shown(
        "Kept longer than agreed: evaluation forget --expired",
        ("agency", "table", "period", "kept until"),
        [(k.agency, k.table, k.period, k.until) for k in found.past_retention],
    )
    shown(
        "Quality",
        ("agency", "periods that came", "required cells filled", "in time", "consistent rows", "correct cells"),
        [
            (q.agency, *map(_percent, (q.completeness, q.filled, q.timeliness, q.consistency, q.correctness)))
            for q in found.quality
        ],
    )
    shown(
        "Told differently by two agencies",
        ("table", "what", "periods"),
        [(d.table, d.message, ", ".join(d.periods[:12]) + (" …" if len(d.periods) > 12 else ""))
         for d in found.differing],
    )  # fmt: skip
    if not (found.received or found.awaited or found.rejected):
        say("Nothing was received yet, and nothing is due.")


def _reasons(reasons: dict[str, int]) -> str:
    return ", ".join(f"{rule} ({n:,})" for rule, n in reasons.items())


def _percent(share: float | None) -> str:
    """A share in per cent, cut: only what is whole is 100.0."""
    return "–" if share is None else f"{int(share * 1000) / 10:.1f} %"
