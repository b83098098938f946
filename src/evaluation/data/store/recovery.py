"""What a writer who was stopped left open, and how it is settled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from evaluation.data.store.files import sha256
from evaluation.data.store.lock import locked
from evaluation.data.store.store import Store, open_store

if TYPE_CHECKING:
    from pathlib import Path


def recover(store: Store, now: str) -> None:
    """Settle what a stopped writer left open: each intent is accepted if its rows are in the table, else void.

    Called under the lock, so that no writer is at work.
    """
    store.log.mend()
    entries = store.log.entries()
    settled = {e.submission for e in entries if e.kind in ("accepted", "void")}
    for entry in entries:
        if entry.kind != "intent" or entry.submission in settled:
            continue
        version = store.committed(entry.content["table"], entry.submission)
        if version is None:
            store.log.append("void", entry.submission, now, {})
        else:
            store.log.append("accepted", entry.submission, now, acceptance(store, entry.content["table"], version))


def settled(folder: Path, now: str) -> Store:
    """Open a store and settle what a stopped writer left open."""
    store = open_store(folder)
    with locked(folder):
        recover(store, now)
    return store


def acceptance(store: Store, table: str, version: int) -> dict[str, Any]:
    """What the log tells of a commit: the version, and the hashes of its entry in the Delta log and of its files."""
    place = store.place(table)
    commit = place / "_delta_log" / f"{version:020d}.json"
    added = _added(commit)
    return {
        "table": table, "version": version, "log_sha256": sha256(commit),
        "files": {file: sha256(place / file) for file in sorted(added)},
    }  # fmt: skip


def _added(commit: Path) -> list[str]:
    lines = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines() if line]
    return [unquote(line["add"]["path"]) for line in lines if "add" in line]
