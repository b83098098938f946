"""Whether a store is what its log of receipts says: every line, every kept file, every version of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evaluation.data.store.commits import read_commit, versions
from evaluation.data.store.files import sha256
from evaluation.data.store.lock import locked
from evaluation.data.store.recovery import recover
from evaluation.data.store.standing import accepted, kept_now, receipted
from evaluation.data.store.tombstones import digest, people_of
from evaluation.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.store import Store


def verify(store: Store) -> list[str]:
    """What is wrong, a sentence each that names the line or file; nothing where all is as receipted.

    The caller holds the lock and has settled what was open, so that no writer is half-way.
    """
    found = store.log.broken()
    if found:
        return found
    entries = store.log.entries()
    now = kept_now(entries)
    for stood in accepted(entries):
        sha = now.get(stood.said["kept_sha256"], stood.said["kept_sha256"])
        if sha is not None:
            found += _judged(store.kept(sha), sha, store)
    gone = {sha for e in entries if e.kind == "removed" for sha in e.content["sealed"]}
    sealed = {s.said["sealed_sha256"] for s in accepted(entries)} - {None}
    for sha in sorted(sealed - gone):
        found += _judged(store.sealed(sha), sha, store)
    for table in _tables(store, entries):
        found += _table(store, table, entries)
    for entry in entries:
        if entry.kind == "removed" and entry.content["why"] == "withdrawal":
            try:
                people = people_of(store.folder, entry.submission)
            except DataError:
                people = None
            if people is None or digest(people) != _buried(entries, entry):
                found.append(f"removed.jsonl does not name the people whom line {entry.number} of the log removed.")
    return list(dict.fromkeys(found))


def _buried(entries: list[Entry], removed: Entry) -> Any:
    return next(e.content["tombstones"] for e in entries if e.kind == "removing" and e.submission == removed.submission)


def _tables(store: Store, entries: list[Entry]) -> list[str]:
    return sorted({c["table"] for c in receipted(entries)} | set(store.tables))


def _table(store: Store, table: str, entries: list[Entry]) -> list[str]:
    """Each version receipted, there and unaltered; the files that the table now consists of likewise."""
    place = store.place(table)
    told: dict[int, str] = {}
    hashes: dict[str, str] = {}
    for commit in receipted(entries):
        if commit["table"] == table:
            told[commit["version"]] = commit["log_sha256"]
            told |= {int(v): sha for v, sha in commit.get("also", {}).items()}
            hashes |= commit["files"]
    gone = {p for e in entries if e.kind == "removed" for p in e.content["files"].get(table, {})}
    found = []
    live: set[str] = set()
    there = {int(file.stem): file for file in versions(place)}
    for version in sorted(there.keys() | told.keys()):
        file = place / "_delta_log" / f"{version:020d}.json"
        if version not in told:
            found.append(f"{_shown(file, store)} changes the table {table}, but no receipt tells of it.")
        elif judged := _judged(file, told[version], store):
            found += judged
            continue
        if version in there:
            change = read_commit(file)
            live = (live - set(change.removed)) | {a.path for a in change.added}
    if found:
        return found
    for path in sorted(hashes.keys() - gone):
        found += _judged(place / path, hashes[path], store)
    return found + _read(store, table, live)


def _read(store: Store, table: str, live: set[str]) -> list[str]:
    """Whether readers are led to the files that the log of the table names, checkpoints notwithstanding."""
    delta = store.delta(table)
    seen = {str(uri).split(f"/tables/{table}/", 1)[1] for uri in delta.file_uris()} if delta is not None else set()
    if seen == live:
        return []
    return [f"tables/{table}/_delta_log leads readers to other files than its versions name: a checkpoint was altered."]


def _judged(file: Path, sha: str, store: Store) -> list[str]:
    if not file.is_file():
        return [f"{_shown(file, store)} is missing."]
    if sha256(file) != sha:
        return [f"{_shown(file, store)} was altered: its hash is not the one in its receipt."]
    return []


def _shown(file: Path, store: Store) -> str:
    return str(file.relative_to(store.folder))


def settled_and_verified(store: Store, now: str) -> tuple[list[str], list[Entry]]:
    """Settle what a stopped writer left, then verify with nobody writing: what is wrong, and the log's entries.

    A log that is damaged is left as it is.
    """
    with locked(store.folder):
        try:
            recover(store, now)
        except DataError:
            return store.log.broken(), []
        return verify(store), store.log.entries()
