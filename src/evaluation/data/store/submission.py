"""Putting the rows of one submission into the store: whole or not at all, whenever it is stopped.

In order: the rows are written to a draft; under the store's lock the log tells the intent, the draft becomes the kept
copy, the Delta table changes in one commit that carries the submission's name, and the log tells the acceptance. A
writer stopped before the commit has changed nothing that a reader sees, one stopped after it has stored everything, and
the next writer completes the log from the commit and clears away what was left.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from evaluation.data.store.commits import acceptance, commit, committed, unfit
from evaluation.data.store.files import moved, settle, sha256
from evaluation.data.store.lock import locked
from evaluation.data.store.recovery import recover
from evaluation.data.store.seal import seal
from evaluation.data.store.standing import kept_now, replaced, standing
from evaluation.data.store.tombstones import tombstones, without
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from evaluation.data.store.periods import Period
    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.store import Store


@dataclass(frozen=True)
class Original:
    """The file as it was received: its SHA-256, its kind, and the key to seal it with, where it is to be kept."""

    path: Path
    sha256: str
    kind: str
    seal_key: bytes | None = None


@dataclass(frozen=True)
class Submission:
    """Rows ready to be stored: identifiers replaced, every check passed.

    `whole_table`: the rows are all of the agency's table, in place of whatever it sent before. `agreements` are those
    it is sent under; `quality` the numbers that its completeness and correctness are reckoned from; `dropped` how many
    rows were left out already, of people who are to be forgotten: then the original is not kept either.
    """

    agency: str
    table: str
    period: Period
    rows: pa.Table
    original: Original
    whole_table: bool = False
    agreements: tuple[str, ...] = ()
    replaced_fields: tuple[str, ...] = ()
    warnings: int = 0
    quality: dict[str, int] = field(default_factory=dict)
    dropped: int = 0


@dataclass(frozen=True)
class Receipt:
    """What an agency gets: what was told before storing, the entry of the acceptance, and whether nothing was new."""

    said: dict[str, Any]
    entry: Entry
    identical: bool = False


@dataclass(frozen=True)
class _Drafts:
    kept: Path
    kept_sha: str
    sealed: Path | None
    sealed_sha: str | None


def submit(store: Store, submission: Submission, now: str) -> Receipt:
    """Store a submission in place of what the agency sent before for the same table and days; its receipt.

    The same file once more, where its rows would be the same too, is stored once.

    Raises
    ------
    DataError
        When the days were sent before within a longer period, the columns' types have changed, the log is damaged, or
        others have been writing for too long. Nothing is stored then.
    """
    while True:
        forgotten = tombstones(store.folder)
        rows, n = without(submission.rows, forgotten.get(submission.agency, frozenset()))
        dropped = submission.dropped + n
        with ExitStack() as stack:
            drafts = _drafted(store, submission, rows, stack, sealing=dropped == 0)
            stack.enter_context(locked(store.folder))
            recover(store, now)
            if tombstones(store.folder) == forgotten:
                return _stored(store, submission, rows, dropped, drafts, now)


def _drafted(store: Store, submission: Submission, rows: pa.Table, stack: ExitStack, *, sealing: bool) -> _Drafts:
    import pyarrow.parquet as pq

    store.incoming.mkdir(exist_ok=True)
    kept = store.incoming / secrets.token_hex(8)
    stack.callback(kept.unlink, missing_ok=True)
    pq.write_table(rows, kept, compression="zstd", store_schema=False)
    settle(kept)
    original = submission.original
    if original.seal_key is None or not sealing:
        return _Drafts(kept, sha256(kept), None, None)
    sealed = store.incoming / secrets.token_hex(8)
    stack.callback(sealed.unlink, missing_ok=True)
    seal(original.path, sealed, original.seal_key, original.sha256)
    settle(sealed)
    return _Drafts(kept, sha256(kept), sealed, sha256(sealed))


def _stored(store: Store, submission: Submission, rows: pa.Table, dropped: int, drafts: _Drafts, now: str) -> Receipt:
    entries = store.log.entries()
    there = standing(entries).get((submission.agency, submission.table), {})
    before = there.get(submission.period.name)
    if before is not None and before.said["original_sha256"] == submission.original.sha256:
        kept = before.said["kept_sha256"]
        if kept_now(entries).get(kept, kept) == drafts.kept_sha:
            return Receipt(before.said, before.receipt, identical=True)
    unfit(store, submission.table, rows)
    replaces = replaced(there, submission.period, whole_table=submission.whole_table)
    said = {
        "agency": submission.agency, "table": submission.table, "period": submission.period.name,
        "start": str(submission.period.start), "end": str(submission.period.end), "whole_table": submission.whole_table,
        "replaces": replaces, "rows": rows.num_rows, "dropped": dropped, "warnings": submission.warnings,
        "agreements": list(submission.agreements), "replaced_fields": list(submission.replaced_fields),
        "kind": submission.original.kind, "original_sha256": submission.original.sha256,
        "kept_sha256": drafts.kept_sha, "sealed_sha256": drafts.sealed_sha, "quality": submission.quality,
    }  # fmt: skip
    name = f"{now[:10]}-{secrets.token_hex(6)}"
    store.log.append("intent", name, now, said)
    moved(drafts.kept, store.kept(drafts.kept_sha))
    if drafts.sealed is not None and drafts.sealed_sha is not None:
        moved(drafts.sealed, store.sealed(drafts.sealed_sha))
    _committed(store, said, rows, name, now)
    version = committed(store, submission.table, name)
    assert version is not None  # noqa: S101 - the commit has just been made
    return Receipt(said, store.log.append("accepted", name, now, acceptance(store, submission.table, version)))


def _committed(store: Store, said: dict[str, Any], rows: pa.Table, name: str, now: str) -> None:
    """Commit, or settle at once what could not be: a full disk must not leave it to the next who sends."""
    from deltalake.exceptions import DeltaError

    try:
        commit(store, said, rows, name)
    except (DeltaError, OSError):  # its words may hold a cell, so they are not told
        recover(store, now)
        what = "the rows could not be written; nothing of this submission was stored."
        fix = "Look whether the disk is full or the folder may not be written to, and send it again."
        raise DataError(Problem(str(store.place(said["table"])), said["table"], what, fix)) from None


def refuse(store: Store, said: dict[str, Any], now: str) -> Entry:
    """Log that a submission was refused: `said` holds who, what and how many cells broke which rule, no value."""
    with locked(store.folder):
        recover(store, now)
        return store.log.append("refused", f"{now[:10]}-{secrets.token_hex(6)}", now, said)
