"""Whether a store is what its log of receipts says: every line, every kept file, every file of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote

from evaluation.data.store.files import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.store import Store


def verify(store: Store) -> list[str]:
    """What is wrong, a sentence each that names the line or file; nothing where all is as receipted."""
    found = store.log.broken()
    try:
        entries = store.log.entries()
    except ValueError:
        return found
    accepted = {e.submission: e for e in entries if e.kind == "accepted"}
    removed = {sha for e in entries if e.kind == "removed" for sha in e.content.get("kept_sha256", [])}
    for entry in entries:
        if entry.kind == "intent" and entry.submission in accepted and entry.content["kept_sha256"] not in removed:
            found += _judged(store.kept(entry.content["kept_sha256"]), entry.content["kept_sha256"], store)
    for entry in accepted.values():
        place = store.place(entry.content["table"])
        commit = place / "_delta_log" / f"{entry.content['version']:020d}.json"
        found += _judged(commit, entry.content["log_sha256"], store)
    return found + _files(store, entries)


def _files(store: Store, entries: list[Entry]) -> list[str]:
    """The files that tables now consist of: each receipted, there, and unaltered."""
    known: dict[str, dict[str, str]] = {}
    for entry in entries:
        if entry.kind in ("accepted", "removed"):
            known.setdefault(entry.content["table"], {}).update(entry.content.get("files", {}))
    found = []
    for table in store.tables:
        delta = store.delta(table)
        assert delta is not None  # noqa: S101 - it is among the tables
        for action in delta.file_uris():
            file = store.place(table) / unquote(action.split(f"/tables/{table}/", 1)[1])
            name = str(file.relative_to(store.place(table)))
            if name not in known.get(table, {}):
                found.append(f"{_shown(file, store)} belongs to the table {table}, but no receipt tells of it.")
            else:
                found += _judged(file, known[table][name], store)
    return found


def _judged(file: Path, sha: str, store: Store) -> list[str]:
    if not file.is_file():
        return [f"{_shown(file, store)} is missing."]
    if sha256(file) != sha:
        return [f"{_shown(file, store)} was altered: its hash is not the one in its receipt."]
    return []


def _shown(file: Path, store: Store) -> str:
    return str(file.relative_to(store.folder))
