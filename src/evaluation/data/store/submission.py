"""Putting the rows of one submission into the store: whole or not at all, whenever it is stopped.

In order: the rows are kept under their hash; the log tells the intent; the Delta table changes in one commit that
carries the submission's name; the log tells the acceptance. A writer stopped before the commit has changed nothing that
a reader sees, one stopped after it has stored everything, and the next writer completes the log from the commit.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.data.store.files import settle, sha256, whole
from evaluation.data.store.lock import locked
from evaluation.data.store.receipts import Entry
from evaluation.data.store.recovery import acceptance, recover

if TYPE_CHECKING:
    import pyarrow as pa

    from evaluation.data.store.store import Store

AGENCY, PERIOD, SUBMISSION = "_agency", "_period", "_submission"


@dataclass(frozen=True)
class Submission:
    """Rows ready to be stored: identifiers replaced, every check passed.

    `original` is the SHA-256 of the file as it was received, `name` its name.
    """

    agency: str
    table: str
    period: str
    rows: pa.Table
    original: str
    name: str
    warnings: int = 0


def submit(store: Store, submission: Submission, now: str) -> Entry:
    """Store a submission in place of what the agency sent before for the same table and period; its receipt.

    Raises
    ------
    DataError
        When others have been writing for too long. Nothing is stored then.
    """
    name = f"{now[:10]}-{secrets.token_hex(6)}"
    kept = _keep(store, submission)
    with locked(store.folder):
        recover(store, now)
        store.log.append("intent", name, now, _told(submission, kept))
        _commit(store, submission, name)
        version = store.committed(submission.table, name)
        assert version is not None  # noqa: S101 - the commit has just been made
        return store.log.append("accepted", name, now, acceptance(store, submission.table, version))


def _keep(store: Store, submission: Submission) -> str:
    """Keep the rows as they are stored, under the hash of their file."""
    import pyarrow.parquet as pq

    draft = store.folder / "received" / f"draft-{secrets.token_hex(6)}"
    with whole(draft) as place:
        pq.write_table(submission.rows, place, compression="zstd", store_schema=False)
    try:
        sha = sha256(draft)
        target = store.kept(sha)
        target.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(target)
        settle(target)
    finally:
        draft.unlink(missing_ok=True)
    return sha


def _told(submission: Submission, kept: str) -> dict[str, Any]:
    return {
        "agency": submission.agency, "table": submission.table, "period": submission.period,
        "file": submission.name, "rows": submission.rows.num_rows, "warnings": submission.warnings,
        "original_sha256": submission.original, "kept_sha256": kept,
    }  # fmt: skip


def _commit(store: Store, submission: Submission, name: str) -> None:
    import pyarrow as pa
    from deltalake import CommitProperties, write_deltalake

    rows, n = submission.rows, submission.rows.num_rows
    for column, value in ((AGENCY, submission.agency), (PERIOD, submission.period), (SUBMISSION, name)):
        rows = rows.append_column(column, pa.array([value] * n, pa.string()))
    place = store.place(submission.table)
    said = CommitProperties(custom_metadata={"submission": name})
    if store.delta(submission.table) is None:
        write_deltalake(
            str(place), rows, mode="append", partition_by=[AGENCY, PERIOD], name=submission.table,
            commit_properties=said)  # fmt: skip
        return
    replaced = f"{AGENCY} = '{submission.agency}' AND {PERIOD} = '{submission.period}'"
    write_deltalake(str(place), rows, mode="overwrite", predicate=replaced, schema_mode="merge", commit_properties=said)
