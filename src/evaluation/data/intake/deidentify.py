"""The rows of a checked file as they may be stored: identifiers replaced by tokens, dates of birth by years."""

from __future__ import annotations

from typing import TYPE_CHECKING

from evaluation.data.intake.pseudonyms import MATCH_KEYS, Pseudonyms, normalised
from evaluation.dictionary.compile_cells import identifier
from evaluation.dictionary.compile_rules import TYPED
from evaluation.errors import DataError, Problem

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

    from evaluation.dictionary.tables import Table

MATCHED = tuple(dict.fromkeys(f for fields in MATCH_KEYS.values() for f in fields if f != "sex"))
BIRTH, YEAR = "birth_date", "birth_year"


def identifiers(table: Table) -> list[str]:
    """The fields of a table that tell who a person is."""
    return [f.name for f in table.fields if f.sensitivity == "identifier"]


def stored_columns(table: Table) -> list[str]:
    """The columns of a table in the store, in order."""
    hidden = set(identifiers(table)) & set(MATCHED)
    kept = [f.name for f in table.fields if f.name not in hidden]
    return kept + ([YEAR] if BIRTH in hidden and YEAR not in kept else []) + (list(MATCH_KEYS) if hidden else [])


def deidentified(table: Table, connection: DuckDBPyConnection, agency: str, pseudonyms: Pseudonyms | None) -> pa.Table:
    """The rows of `typed` in their order, with the columns that the store has.

    The agency's own numbers become tokens of that agency; names, dates of birth, social security digits and state
    numbers become tokens by which people of several agencies are matched, and are themselves left out.

    Raises
    ------
    DataError
        When the table tells who people are and there is no key.
    """
    hidden = identifiers(table)
    if hidden and pseudonyms is None:
        what = f"the table {table.name} tells who people are ({', '.join(hidden)}), so it is stored under a key only."
        raise DataError(Problem("key", "key", what, "Give --key-file, or set EVALUATION_KEY_FILE."))
    chosen = {c: f"this.{identifier(c)}" for c in stored_columns(table) if c not in (YEAR, *MATCH_KEYS)}
    joins = ""
    if pseudonyms is not None:
        for name in (h for h in hidden if h not in MATCHED):
            _tokens(connection, pseudonyms, f"token_{name}", purpose(name, agency), (name,))
            joins += _joined(f"token_{name}", (name,))
            chosen[name] = f"token_{name}.token AS {identifier(name)}"
        for key, fields in MATCH_KEYS.items() if set(hidden) & set(MATCHED) else ():
            if {f.name for f in table.fields}.issuperset(fields):
                _tokens(connection, pseudonyms, key, key, fields)
                joins += _joined(key, fields)
                chosen[key] = f"{key}.token AS {key}"
            else:
                chosen[key] = f"CAST(NULL AS VARCHAR) AS {key}"
    if YEAR in stored_columns(table) and BIRTH in hidden:
        chosen[YEAR] = f"CAST(year(this.{BIRTH}) AS BIGINT) AS {YEAR}"
    ordered = ", ".join(chosen[c] for c in stored_columns(table))
    return connection.execute(f"SELECT {ordered} FROM {TYPED} AS this{joins} ORDER BY this.row").to_arrow_table()


def purpose(name: str, agency: str) -> str:
    """What the tokens of an agency's own numbers are for; those of people are the same in all its tables."""
    return f"{name.removesuffix('_id')}:{agency}"


def _joined(tokens: str, fields: tuple[str, ...]) -> str:
    same = " AND ".join(
        f"CAST(this.{identifier(f)} AS VARCHAR) IS NOT DISTINCT FROM {tokens}.f{i}" for i, f in enumerate(fields)
    )
    return f" LEFT JOIN {tokens} ON {same}"


def _tokens(
    connection: DuckDBPyConnection, pseudonyms: Pseudonyms, name: str, purpose: str, fields: tuple[str, ...]
) -> None:
    """A table of the fields' different values and their tokens."""
    import pyarrow as pa

    listed = ", ".join(f"CAST({identifier(f)} AS VARCHAR)" for f in fields)
    rows = connection.execute(f"SELECT DISTINCT {listed} FROM {TYPED}").fetchall()
    plain = [tuple(normalised(f, v) for f, v in zip(fields, row, strict=True)) for row in rows]
    columns = {f"f{i}": pa.array([row[i] for row in rows], pa.string()) for i in range(len(fields))}
    made = pa.table({**columns, "token": pa.array(pseudonyms.tokens(purpose, plain), pa.string())})
    connection.register("made", made)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS SELECT * FROM made")
    connection.unregister("made")
