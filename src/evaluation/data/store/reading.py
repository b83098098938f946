"""Tables of the store as a study reads them: people of several agencies as one person, and how well that went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from evaluation.data.engine import connect, quoted
from evaluation.data.intake.pseudonyms import MATCH_KEYS
from evaluation.data.store.commits import AGENCY, PERIOD, SUBMISSION
from evaluation.data.store.linkage import Pass, link
from evaluation.data.store.snapshot import scan

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from evaluation.data.store.snapshot import Snapshot
    from evaluation.data.store.store import Store

PERSONS, PERSON = "persons", "person_id"
DIVISIONS = {"birth_decade": "Born", "sex": "Sex", "race_ethnicity": "Race and ethnicity"}
LINKED = "linked"


@dataclass(frozen=True)
class Found:
    """People of an agency, in a group or (empty) all: how many, how many with a match key, how many found elsewhere."""

    agency: str
    division: str
    group: str
    people: int
    with_key: int
    linked: int


@dataclass(frozen=True)
class Read:
    """What was read: the files by table, and the linkage (none where people are not followed)."""

    files: dict[str, Path]
    passes: tuple[Pass, ...] = ()
    found: tuple[Found, ...] = ()
    loose: tuple[tuple[str, str, int], ...] = ()  # table, agency, rows of people whom nobody can recognise


@dataclass(frozen=True)
class Leave:
    """What may be read: whether people may be followed from table to table, and what of a table may not be.

    `agencies`: those whose people are put together, because they send something that the study reads. `withheld`: by
    table and agency, the fields that no agreement covers.
    """

    linked: bool
    agencies: frozenset[str]
    withheld: dict[tuple[str, str], frozenset[str]]

    def of(self, table: str) -> set[str]:
        """Fields of a table that are withheld from some agency's rows."""
        return {f for (name, _), fields in self.withheld.items() if name == table for f in fields}


def sources(store: Store, snapshot: Snapshot, tables: list[str]) -> dict[str, list[str]]:
    """The agencies whose rows each table holds; tables without a row are left out."""
    with connect() as connection:
        scans = {name: sql for name in tables if (sql := scan(store, snapshot, name)) is not None}
        return {name: _agencies(connection, sql) for name, sql in scans.items()}


def read(store: Store, snapshot: Snapshot, tables: list[str], folder: Path, leave: Leave) -> Read:
    """Write the tables of a snapshot as Parquet into a folder, as a study reads them.

    Where people are followed, `person_id` becomes the same for all records of one person (see `linkage`); where they
    are not, it stays behind, as tokens, the store's own columns and withheld fields always do. A table without rows is
    written without rows: agencies may have said that nothing happened.

    Raises
    ------
    DataError
        When a file of the snapshot is gone or was altered.
    """
    with connect() as connection:
        scans = {name: sql for name in tables if (sql := scan(store, snapshot, name)) is not None}
        columns = {name: _columns(connection, sql) for name, sql in scans.items()}
        of_people = leave.linked and any(PERSON in c for c in columns.values())
        people = scan(store, snapshot, PERSONS) if of_people else None
        if people:
            people = f"(SELECT * FROM {people} WHERE {AGENCY} IN ({_listed(leave.agencies)}))"
            scans |= {PERSONS: people} if PERSONS in scans else {}
        passes, found = _linked(connection, people, leave) if people else ((), ())
        files = {}
        folder.mkdir(parents=True, exist_ok=True)
        for name in tables:
            files[name] = folder / f"{name}.parquet"
            gone = leave.of(name) | (set() if leave.linked else {PERSON})
            if name in scans:
                _write(connection, scans[name], [c for c in columns[name] if c not in gone], files[name],
                       linked=bool(people))  # fmt: skip
            else:
                _nothing(connection, name, gone, files[name])
        loose = _loose(connection, scans, columns) if people else ()
    return Read(files, passes, found, loose)


def _listed(names: Iterable[str]) -> str:
    return ", ".join("'" + n.replace("'", "''") + "'" for n in sorted(names))


def _nothing(connection: DuckDBPyConnection, table: str, gone: set[str], file: Path) -> None:
    """A table that was sent and has no rows, because nothing happened."""
    from evaluation.data.intake.deidentify import YEAR, stored_columns
    from evaluation.dictionary.compile_cells import TYPES
    from evaluation.dictionary.tables import tables

    of = tables()[table]
    kinds = {f.name: TYPES[f.type] for f in of.fields} | {YEAR: "BIGINT"}
    kept = [c for c in stored_columns(of) if c not in gone and c not in MATCH_KEYS]
    columns = ", ".join(f"CAST(NULL AS {kinds[c]}) AS {quoted(c)}" for c in kept)
    target = str(file).replace("'", "''")
    connection.execute(f"COPY (SELECT {columns} WHERE false) TO '{target}' (FORMAT parquet)")


def _loose(
    connection: DuckDBPyConnection, scans: dict[str, str], columns: dict[str, list[str]]
) -> tuple[tuple[str, str, int], ...]:
    """Rows, by table and agency, of people whom the agency does not have among its people."""
    found: list[tuple[str, str, int]] = []
    for name, sql in scans.items():
        if name != PERSONS and PERSON in columns[name]:
            rows = connection.execute(
                f"SELECT t.{AGENCY}, count(*) FROM {sql} AS t ANTI JOIN {LINKED} AS l ON l.agency_id = t.{AGENCY} "
                f"AND l.person_id = t.{PERSON} WHERE t.{PERSON} IS NOT NULL GROUP BY 1 ORDER BY 1"
            ).fetchall()
            found += [(name, str(agency), int(n)) for agency, n in rows]
    return tuple(found)


def _columns(connection: DuckDBPyConnection, sql: str) -> list[str]:
    return [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()]


def _agencies(connection: DuckDBPyConnection, sql: str) -> list[str]:
    return [str(r[0]) for r in connection.execute(f"SELECT DISTINCT {AGENCY} FROM {sql} ORDER BY 1").fetchall()]


def _write(connection: DuckDBPyConnection, sql: str, columns: list[str], file: Path, *, linked: bool) -> None:
    kept = [c for c in columns if c not in (AGENCY, PERIOD, SUBMISSION, *MATCH_KEYS)]
    named = {c: f"t.{quoted(c)}" for c in kept}
    joined = ""
    if linked and PERSON in kept:
        named[PERSON] = f"coalesce(l.linked_id, t.{PERSON}) AS {PERSON}"
        joined = f" LEFT JOIN {LINKED} AS l ON l.agency_id = t.{AGENCY} AND l.person_id = t.{PERSON}"
    target = str(file).replace("'", "''")
    connection.execute(
        f"COPY (SELECT {', '.join(named.values())} FROM {sql} AS t{joined}) "
        f"TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
    )


def _linked(connection: DuckDBPyConnection, people: str, leave: Leave) -> tuple[tuple[Pass, ...], tuple[Found, ...]]:
    """Make the table `linked` (agency_id, person_id, linked_id); what each pass did, and what was found of whom."""
    there = _columns(connection, people)
    keys = ", ".join(f"{_key(k, there, leave)} AS {k}" for k in MATCH_KEYS)
    rows = connection.execute(
        f"SELECT {AGENCY} AS agency_id, {PERSON}, {keys} FROM {people} WHERE {PERSON} IS NOT NULL"
    ).to_arrow_table()
    done = link(rows)
    connection.register("linked_people", done.people)
    connection.execute(f"CREATE TABLE {LINKED} AS SELECT DISTINCT * FROM linked_people")
    connection.unregister("linked_people")
    return done.passes, tuple(_found(connection, people, there))


def _key(key: str, there: list[str], leave: Leave) -> str:
    """SQL of a match key, NULL in rows of agencies of which a field of it is withheld."""
    if key not in there:
        return "CAST(NULL AS VARCHAR)"
    without = [a for (table, a), fields in leave.withheld.items() if table == PERSONS and fields & {*MATCH_KEYS[key]}]
    listed = ", ".join("'" + a.replace("'", "''") + "'" for a in sorted(without))
    return f"CASE WHEN {AGENCY} NOT IN ({listed}) THEN {key} END" if without else key


def _found(connection: DuckDBPyConnection, people: str, there: list[str]) -> list[Found]:
    has_key = " OR ".join(f"{k} IS NOT NULL" for k in MATCH_KEYS if k in there) or "false"
    born = "(birth_year // 10 * 10)::VARCHAR || 's'" if "birth_year" in there else "NULL"
    groups = {"birth_decade": born} | {
        c: f"CAST({c} AS VARCHAR)" if c in there else "NULL" for c in DIVISIONS if c != "birth_decade"
    }
    connection.execute(
        f"CREATE TABLE seen AS SELECT p.{AGENCY} AS agency, max(({has_key})::INT) AS with_key, l.linked_id, "
        + ", ".join(f"min({sql}) AS {name}" for name, sql in groups.items())
        + f" FROM {people} AS p JOIN {LINKED} AS l ON l.agency_id = p.{AGENCY} AND l.person_id = p.{PERSON} "
        "GROUP BY p." + AGENCY + ", l.linked_id"
    )
    elsewhere = "(SELECT linked_id, count(*) > 1 AS elsewhere FROM seen GROUP BY linked_id)"
    found: list[Found] = []
    for division in ("", *DIVISIONS):
        group = division or "''"
        rows: list[Any] = connection.execute(
            f"SELECT agency, {group} AS g, count(*), sum(with_key), sum(elsewhere::INT) FROM seen "
            f"JOIN {elsewhere} USING (linked_id) WHERE {group} IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        found += [Found(a, division, str(g), int(n), int(k), int(e)) for a, g, n, k, e in rows]
    return found
