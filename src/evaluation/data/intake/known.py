"""What the store already holds, as the checks of a newly received file need it.

The store holds tokens where the file holds the agency's own numbers. A person of the file is found in the store by the
token of the number, so here the numbers that the file has stand in the place of their tokens; all others are unknown.
Of a date of birth the store knows the year: its first day stands for it, so that no rule on ages finds fault with what
may be right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.data.intake.deidentify import BIRTH, MATCHED, YEAR, identifiers, purpose
from evaluation.data.intake.pseudonyms import normalised
from evaluation.data.intake.received import ROWS
from evaluation.data.store.tombstones import PERSON
from evaluation.dictionary.compile_cells import TYPES, cells, identifier, literal
from evaluation.dictionary.compile_rules import TYPED, Known
from evaluation.dictionary.findings import Finding
from evaluation.dictionary.tables import tables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from evaluation.data.intake.pseudonyms import Pseudonyms
    from evaluation.data.intake.received import Received
    from evaluation.data.store.store import Store
    from evaluation.dictionary.tables import Field, Table

MOST_SAID = 100
PERSONS, AGENCY_ID = "persons", "agency_id"


def plain_numbers(
    table: Table, agency: str, places: dict[str, int], connection: DuckDBPyConnection, pseudonyms: Pseudonyms | None
) -> set[str]:
    """Make a table `plain_<field>` of the agency's own numbers in the file and their tokens, for each such field.

    `places`: the columns of the file by field. `connection` holds the file's rows.
    """
    if pseudonyms is None:
        return set()
    found = [n for n in identifiers(table) if n not in MATCHED and n in places]
    for name in found:
        _plain(connection, table.field(name), table, places[name], pseudonyms, agency)
    return set(found)


def leave_out(
    table: Table, places: dict[str, int], plain: set[str], connection: DuckDBPyConnection, tokens: frozenset[str]
) -> int:
    """Take the rows of people who are to be forgotten out of what was received; how many they were."""
    if PERSON not in plain or not tokens:
        return 0
    given = cells(table, table.field(PERSON), f"c{places[PERSON]}").given
    listed = ", ".join(literal(t) for t in sorted(tokens))
    named = f"SELECT plain FROM {identifier('plain_' + PERSON)} WHERE token IN ({listed})"
    return int(connection.execute(f"DELETE FROM {ROWS} WHERE {given} IN ({named})").fetchall()[0][0])


def known(
    store: Store, table: Table, agency: str, replaces: list[str], plain: set[str], connection: DuckDBPyConnection
) -> Known:
    """Views of the store's other tables, and of the earlier rows of this one that the submission does not replace.

    `plain`: the fields for which `plain_numbers` made a table.
    """
    dictionary = tables() | {table.name: table}
    others = {}
    for name in store.tables:
        if name == table.name or name not in dictionary:
            continue
        if (sql := _view(store, dictionary[name], plain, connection)) is not None:
            others[name] = _made(connection, f"known_{name}", sql)
    sql = _view(store, table, plain, connection)
    if sql is None:
        return Known(others)
    listed = ", ".join(literal(p) for p in replaces)
    gone = f"s._agency = {literal(agency)} AND s._period IN ({listed})" if listed else "false"
    return Known(others, _made(connection, "earlier_rows", f"{sql} WHERE NOT ({gone})"))


def _made(connection: DuckDBPyConnection, name: str, sql: str) -> str:
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {identifier(name)} AS {sql}")
    return identifier(name)


def _plain(
    connection: DuckDBPyConnection, field: Field, table: Table, place: int, pseudonyms: Pseudonyms, agency: str
) -> None:
    """The table `plain_<field>`: the numbers in the file and their tokens."""
    import pyarrow as pa

    given = cells(table, field, f"c{place}").given
    rows = connection.execute(f"SELECT DISTINCT {given} FROM {ROWS} WHERE {given} IS NOT NULL").fetchall()
    texts = [row[0] for row in rows]
    tokens = pseudonyms.tokens(purpose(field.name, agency), [(normalised(field.name, t),) for t in texts])
    made = pa.table({"plain": pa.array(texts, pa.string()), "token": pa.array(tokens, pa.string())})
    connection.register("made", made)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {identifier('plain_' + field.name)} AS SELECT * FROM made")
    connection.unregister("made")


def _view(store: Store, table: Table, restored: set[str], connection: DuckDBPyConnection) -> str | None:
    """A query of a table of the store with the dictionary's columns."""
    scan = store.scan(table.name)
    if scan is None:
        return None
    there = {row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()}
    hidden = set(identifiers(table))
    chosen, joins = [], ""
    for field in table.fields:
        name = identifier(field.name)
        if field.name == BIRTH and BIRTH in hidden and YEAR in there:
            chosen.append(f"make_date(s.{YEAR}, 1, 1) AS {BIRTH}")
        elif field.name in hidden and field.name in restored and field.name in there:
            plain = identifier("plain_" + field.name)
            joins += f" LEFT JOIN {plain} ON s.{name} = {plain}.token"
            chosen.append(f"{plain}.plain AS {name}")
        elif field.name in hidden or field.name not in there:
            chosen.append(f"CAST(NULL AS {TYPES[field.type]}) AS {name}")
        else:
            chosen.append(f"s.{name}")
    return f"SELECT {', '.join(chosen)} FROM {scan} AS s{joins}"


def left_behind(
    store: Store, table: Table, agency: str, plain: set[str], received: Received, connection: DuckDBPyConnection
) -> Iterator[Finding]:
    """People of whom the agency sent records, and who are not in a file that takes the place of all its people.

    Their records would be of nobody: never found at another agency again, and so counted as of people without events.
    """
    if table.period is not None or table.name != PERSONS or PERSON not in plain:
        return
    asked = []
    for name, other in tables().items():
        scan = store.scan(name) if name != PERSONS and any(f.name == PERSON for f in other.fields) else None
        if scan is not None:
            asked.append(f"SELECT {PERSON} FROM {scan} WHERE _agency = {literal(agency)}")
    if not asked:
        return
    tokens = f"SELECT token FROM {identifier('plain_' + PERSON)} WHERE token IS NOT NULL"
    sql = f"SELECT count(DISTINCT {PERSON}) FROM ({' UNION ALL '.join(asked)}) WHERE {PERSON} NOT IN ({tokens})"
    n = int(connection.execute(sql).fetchall()[0][0])
    if n:
        message = f"{n:,} people of whom you sent records are not in the file, which takes the place of all you sent."
        remedy = "Send all people in one file, those of earlier periods too."
        yield Finding(received.path.name, "people_left_out", "integrity", "error", message, remedy, received.sheet)


def sent_before(
    table: Table, earlier: Known, received: Received, places: dict[str, int], connection: DuckDBPyConnection
) -> Iterator[Finding]:
    """Rows whose key the agency sent before for other days; `typed` holds the file's rows."""
    key = table.primary_key
    if earlier.earlier is None or not set(key) <= set(places):
        return
    own = key if AGENCY_ID in key or AGENCY_ID not in places else (AGENCY_ID, *key)  # what others sent is theirs
    same = " AND ".join(f"this.{identifier(c)} = other.{identifier(c)}" for c in own)
    sql = f"SELECT DISTINCT this.row FROM {TYPED} AS this JOIN {earlier.earlier} AS other ON {same}"
    n = connection.execute(f"SELECT count(*) FROM ({sql})").fetchall()[0][0]
    if not n:
        return
    column = received.headers[places[key[-1]]]

    def said(message: str, row: int | None, count: int) -> Finding:
        remedy = "Send each record once, with the period it belongs to; correct it by sending that period again."
        return Finding(received.path.name, "primary_key", "integrity", "error", message, remedy, received.sheet, row,
                       column, count)  # fmt: skip

    for (row,) in connection.execute(f"SELECT row FROM ({sql}) ORDER BY row LIMIT {MOST_SAID}").fetchall():
        yield said("A record with the same key was sent before, for other days.", row, 1)
    if n > MOST_SAID:
        yield said(f"The same holds of {n - MOST_SAID:,} more rows.", None, n - MOST_SAID)
