"""Taking rows out of the store for good: of people who withdraw, and of what is past its retention.

A removal is a redo log: `removing` tells what is to go, `erasing` which files will be gone, `removed` that it is done.
Stopped anywhere, it is taken up where it was left.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from evaluation.data.store.commits import (
    AGENCY,
    PERIOD,
    SUBMISSION,
    acceptance,
    committed,
    named,
    read_commit,
    versions,
)
from evaluation.data.store.files import moved, plain, settle, sha256
from evaluation.data.store.standing import accepted, kept_now
from evaluation.data.store.tombstones import PERSON, people_of, without
from evaluation.dictionary.compile_cells import literal

if TYPE_CHECKING:
    from evaluation.data.store.receipts import Entry
    from evaluation.data.store.standing import Stood
    from evaluation.data.store.store import Store


def complete(store: Store, removing: Entry, now: str) -> Entry | None:
    """Do what an entry `removing` says, or the rest of it; None (and void) where nothing of it had begun.

    The caller holds the lock.
    """
    content, name = removing.content, removing.submission
    people = people_of(store.folder, name) if content["why"] == "withdrawal" else {}
    if people is None:
        store.log.append("void", name, now, {})
        return None
    entries = store.log.entries()
    erasing = next((e for e in entries if e.kind == "erasing" and e.submission == name), None)
    if erasing is None:
        told = _prepared(store, content, name, people, entries)
        erasing = store.log.append("erasing", name, now, told)
    _erase(store, erasing.content)
    return store.log.append("removed", name, now, erasing.content)


def _prepared(
    store: Store, content: dict[str, Any], name: str, people: dict[str, list[str]], entries: list[Entry]
) -> dict[str, Any]:
    """Take the rows out of the current tables, write kept copies anew, and tell what files will go."""
    commits, rows, files = [], {}, {}
    for table in store.tables:
        where = _condition(store, table, content, people)
        if where is None:
            continue
        version = committed(store, table, name)
        if version is None:
            _take_out(store, table, where, name)
            version = committed(store, table, name)
        if version is not None:
            commits.append(acceptance(store, table, version))
        if gone := _past(store, table, content, people):
            files[table] = gone
        rows[table] = _deleted(store, table, version)
    kept, sealed = _copies(store, content, people, entries)
    return {
        "why": content["why"], "people": content["people"], "agencies": content["agencies"],
        "submissions": content["submissions"], "rows": {t: n for t, n in rows.items() if n}, "commits": commits,
        "files": files, "kept": kept, "sealed": sealed,
    }  # fmt: skip


def _condition(
    store: Store, table: str, content: dict[str, Any], people: dict[str, list[str]], *, erased: bool = False
) -> str | None:
    """SQL for the rows of a table that go; None where none can. `erased`: that go from history too."""
    if content["why"] == "retention":
        listed = ", ".join(f"'{name}'" for name in content["submissions"])
        return f"{SUBMISSION} IN ({listed})"
    delta = store.delta(table)
    if delta is None or PERSON not in [f.name for f in delta.schema().fields]:
        return None
    parts = [
        f"({AGENCY} = '{agency}' AND {PERSON} IN ({', '.join(literal(t) for t in tokens)}))"
        for agency, tokens in sorted(people.items())
        if not erased or [agency, table] in content["erase"]
    ]
    return " OR ".join(parts) or None


def _take_out(store: Store, table: str, where: str, name: str) -> None:
    """Write the partitions anew that hold rows to be taken out.

    Not by Delta's own deletion: that writes its condition, and so the tokens of the people, into the table's log.
    """
    import duckdb
    from deltalake import write_deltalake

    scan = store.scan(table)
    if scan is None:
        return
    with duckdb.connect() as connection:
        held = connection.execute(
            f"SELECT DISTINCT {AGENCY}, {PERIOD} FROM {scan} WHERE {where} ORDER BY ALL"
        ).fetchall()
        if not held:
            return
        parts = " OR ".join(f"({AGENCY} = {literal(a)} AND {PERIOD} = {literal(p)})" for a, p in held)
        rows = connection.execute(f"SELECT * FROM {scan} WHERE ({parts}) AND NOT coalesce({where}, false)")
        left = rows.to_arrow_table()
    write_deltalake(str(store.place(table)), left, mode="overwrite", predicate=parts, **named(name))


def _holding(scan: str | None, where: str) -> int:
    """How many rows meet a condition."""
    import duckdb

    if scan is None:
        return 0
    with duckdb.connect() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {scan} WHERE {where}").fetchall()[0][0])


def _deleted(store: Store, table: str, version: int | None) -> int:
    """How many rows a removal took out of the current table."""
    if version is None or version == 0:
        return 0
    before, after = (_holding(store.scan(table, v), "true") for v in (version - 1, version))
    return before - after


def _past(store: Store, table: str, content: dict[str, Any], people: dict[str, list[str]]) -> dict[str, str]:
    """Files of earlier versions that hold rows which are to go from history too, with their hashes."""
    where = _condition(store, table, content, people, erased=True)
    if where is None:
        return {}
    place = store.place(table)
    live: set[str] = set()
    ever: set[str] = set()
    for file in versions(place):
        change = read_commit(file)
        live = (live - set(change.removed)) | {a.path for a in change.added}
        ever |= live
    found = {}
    for path in sorted(ever - live):
        file = place / path
        clean = literal(str(plain(place) / path))
        scan = f"read_parquet({clean}, hive_partitioning = true, hive_types_autocast = false)"
        if file.is_file() and _holding(scan, where):
            found[path] = sha256(file)
    return found


def _copies(
    store: Store, content: dict[str, Any], people: dict[str, list[str]], entries: list[Entry]
) -> tuple[dict[str, str | None], list[str]]:
    """Kept copies that go, each with the one written in its place, and sealed originals that go."""
    now, all_of = kept_now(entries), accepted(entries)
    kept: dict[str, str | None] = {}
    sealed: list[str] = []
    for stood in all_of:
        said = stood.said
        sha = now.get(said["kept_sha256"], said["kept_sha256"])
        if sha is None or not store.kept(sha).is_file():
            continue
        if content["why"] == "retention":
            if stood.receipt.submission not in content["submissions"]:
                continue
            kept[sha] = None if _only(sha, all_of, now, content["submissions"]) else sha
        elif [said["agency"], said["table"]] in content["erase"]:
            new = _rewritten(store, sha, frozenset(people.get(said["agency"], ())))
            if new == sha:
                continue
            kept[sha] = new
        else:
            continue
        if said["sealed_sha256"] is not None and store.sealed(said["sealed_sha256"]).is_file():
            sealed.append(said["sealed_sha256"])
    return {old: new for old, new in kept.items() if old != new}, sorted(set(sealed))


def _only(sha: str, all_of: list[Stood], now: dict[str, str | None], gone: list[str]) -> bool:
    """Whether no submission that stays has the same kept copy."""
    return not [
        s for s in all_of
        if s.receipt.submission not in gone and now.get(s.said["kept_sha256"], s.said["kept_sha256"]) == sha
    ]  # fmt: skip


def _rewritten(store: Store, sha: str, tokens: frozenset[str]) -> str:
    """The hash of a kept copy without some people: its own where it does not hold them."""
    import pyarrow.parquet as pq

    with store.kept(sha).open("rb") as file:
        rows = pq.read_table(file)
    left, n = without(rows, tokens)
    if not n:
        return sha
    store.incoming.mkdir(exist_ok=True)
    draft = store.incoming / secrets.token_hex(8)
    try:
        pq.write_table(left, draft, compression="zstd", store_schema=False)
        settle(draft)
        new = sha256(draft)
        moved(draft, store.kept(new))
    finally:
        draft.unlink(missing_ok=True)
    return new


def _erase(store: Store, told: dict[str, Any]) -> None:
    """Unlink what an entry `erasing` names; what is gone already stays so."""
    places = [store.place(table) / path for table, paths in told["files"].items() for path in paths]
    places += [store.kept(sha) for sha in told["kept"]]
    places += [store.sealed(sha) for sha in told["sealed"]]
    for place in places:
        place.unlink(missing_ok=True)
        if place.parent.is_dir():
            settle(place.parent)
