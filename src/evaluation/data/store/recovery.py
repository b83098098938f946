"""What a writer who was stopped left open, and how it is settled."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from evaluation.data.store.commits import acceptance, commit, commit_file, committed, read_commit, versions
from evaluation.data.store.files import sha256
from evaluation.data.store.lock import locked
from evaluation.data.store.removal import complete
from evaluation.data.store.standing import accepted, kept_now, receipted
from evaluation.data.store.store import Store, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.data.store.receipts import Entry

OLD = 86_400  # seconds after which a draft's writer is taken to be gone


def recover(store: Store, now: str) -> None:
    """Settle what a stopped writer left open: each intent is accepted if its rows are in the table, else void.

    Called under the lock, so that no writer is at work.

    Raises
    ------
    DataError
        When the log is damaged.
    """
    store.log.mend()
    entries = store.log.whole()
    settled = {e.submission for e in entries if e.kind in ("accepted", "void", "removed")}
    for draft in store.incoming.glob("*"):
        if time.time() - draft.stat().st_mtime > OLD:
            draft.unlink(missing_ok=True)
    for entry in entries:
        if entry.submission in settled:
            continue
        if entry.kind == "intent":
            told = _told(store, entries, entry)
            _sweep(store, entries, entry, there=told is not None)
            store.log.append("void" if told is None else "accepted", entry.submission, now, told or {})
        elif entry.kind == "removing":
            for table in store.tables:
                _orphans(store.place(table))
            complete(store, entry, now)


def settled(folder: Path, now: str) -> Store:
    """Open a store and settle what a stopped writer left open."""
    store = open_store(folder)
    with locked(folder):
        recover(store, now)
    return store


def _told(store: Store, entries: list[Entry], intent: Entry) -> dict[str, Any] | None:
    """What the acceptance of an open intent says; None where its rows never came into the table."""
    table, name = intent.content["table"], intent.submission
    _cut(store, table, {c["version"] for c in receipted(entries) if c["table"] == table})
    version = committed(store, table, name)
    if version is None:
        return None
    try:
        return acceptance(store, table, version)
    except ValueError:  # power failed after the commit: its rows are written once more, from the kept copy
        return _again(store, intent)


def _cut(store: Store, table: str, known: set[int]) -> None:
    """Take away a last commit of which the disk holds only a part: power failed before it was written out.

    No receipt tells of it, for a receipt waits until its commit is on the disk.
    """
    files = versions(store.place(table))
    if not files or int(files[-1].stem) in known:
        return
    try:
        read_commit(files[-1])
    except ValueError:
        files[-1].unlink()


def _again(store: Store, intent: Entry) -> dict[str, Any] | None:
    import pyarrow.parquet as pq

    content, name = intent.content, intent.submission
    kept = store.kept(content["kept_sha256"])
    if sha256(kept) != content["kept_sha256"]:
        return None
    with kept.open("rb") as file:
        commit(store, content, pq.read_table(file), name)
    version = committed(store, content["table"], name)
    assert version is not None  # noqa: S101 - the commit has just been made
    first = acceptance(store, content["table"], version)
    earlier = commit_file(store.place(content["table"]), version - 1)
    return first | {"also": {str(version - 1): sha256(earlier)}}


def _sweep(store: Store, entries: list[Entry], intent: Entry, *, there: bool) -> None:
    """Clear away what no version and no receipt will refer to."""
    _orphans(store.place(intent.content["table"]))
    if there:
        return
    now = kept_now(entries)
    stay = {now.get(s.said["kept_sha256"], s.said["kept_sha256"]) for s in accepted(entries)}
    if intent.content["kept_sha256"] not in stay:
        store.kept(intent.content["kept_sha256"]).unlink(missing_ok=True)
    if intent.content["sealed_sha256"] is not None:
        store.sealed(intent.content["sealed_sha256"]).unlink(missing_ok=True)


def _orphans(place: Path) -> None:
    """Clear away files of a table that no version of it names, of a commit that never was."""
    ever = {a.path for file in versions(place) for a in read_commit(file).added}
    for file in place.rglob("*.parquet"):
        if "_delta_log" not in file.parts and str(file.relative_to(place)) not in ever:
            file.unlink()
    for file in (place / "_delta_log").glob("*.tmp*"):
        file.unlink()
