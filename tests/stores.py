"""A small store to test on: two agencies, three tables, an agreement, keys, files that hold planted identifiers."""

import csv
import io
from datetime import date
from pathlib import Path

import pyarrow as pa

from evaluation import resources
from evaluation.data.store.periods import period
from evaluation.data.store.store import open_store
from evaluation.data.store.submission import Original, Submission, submit
from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.tables import tables

KEY = b"0123456789abcdef0123456789abcdef"
SEAL = b"fedcba9876543210fedcba9876543210"
NOW = "2026-02-01T09:00:00Z"

_TABLES = {
    "persons": """
name: persons
title: People
description: One row a person.
level: person
frequency: month
primaryKey: [agency_id, person_id]
missingValues: ["", NA]
fields:
  - {name: agency_id, type: string, title: Agency, description: Agency., constraints: {required: true}, sensitivity: public, example: jail}
  - {name: person_id, type: string, title: Person, description: Number of the person., constraints: {required: true}, sensitivity: identifier, example: P1}
  - {name: first_name, type: string, title: First name, description: First name., sensitivity: identifier, example: Ann}
  - {name: last_name, type: string, title: Last name, description: Last name., sensitivity: identifier, example: Lee}
  - {name: birth_date, type: date, title: Born, description: Day of birth., sensitivity: identifier, example: "1990-01-31"}
  - {name: ssn4, type: string, title: SSN, description: Last four digits., constraints: {pattern: "[0-9]{4}"}, sensitivity: identifier, example: "1234"}
  - {name: state_id, type: string, title: State number, description: State number., sensitivity: identifier, example: S1}
  - {name: sex, type: string, title: Sex, description: Sex., constraints: {enum: [female, male, other]}, sensitivity: confidential, example: female}
""",
    "justice_events": """
name: justice_events
title: Events
description: One row an event.
level: event
period: event_date
frequency: month
primaryKey: [agency_id, event_id]
foreignKeys:
  - {fields: [agency_id, person_id], reference: {resource: persons, fields: [agency_id, person_id]}}
missingValues: ["", NA]
rules:
  - {id: offence_first, kind: row, level: business, severity: warning, holds: offence_date <= event_date, columns: [offence_date], message: The offence comes after the event., remedy: Correct one of the two.}
  - {id: old_enough, kind: compare, with: persons, on: {agency_id: agency_id, person_id: person_id}, holds: this.event_date >= other.birth_date + INTERVAL 10 YEAR, level: business, severity: error, columns: [event_date], message: The person was a child., remedy: Correct the day.}
fields:
  - {name: agency_id, type: string, title: Agency, description: Agency., constraints: {required: true}, sensitivity: public, example: jail}
  - {name: event_id, type: string, title: Event, description: Number of the event., constraints: {required: true}, sensitivity: confidential, example: E1}
  - {name: person_id, type: string, title: Person, description: Number of the person., constraints: {required: true}, sensitivity: identifier, example: P1}
  - {name: event_type, type: string, title: Kind, description: Kind., constraints: {required: true, enum: [arrest, charge]}, sensitivity: confidential, example: arrest}
  - {name: event_date, type: date, title: Day, description: Day., constraints: {required: true}, sensitivity: confidential, example: "2025-01-31"}
  - {name: offence_date, type: date, title: Offence, description: Day of the offence., sensitivity: confidential, example: "2025-01-30"}
""",
    "agency_counts": """
name: agency_counts
title: Counts
description: One row a measure and month.
level: aggregate
period: month
frequency: month
primaryKey: [agency_id, measure, month]
missingValues: ["", NA]
fields:
  - {name: agency_id, type: string, title: Agency, description: Agency., constraints: {required: true}, sensitivity: public, example: jail}
  - {name: measure, type: string, title: Measure, description: Measure., constraints: {required: true}, sensitivity: public, example: arrests}
  - {name: month, type: date, title: Month, description: Month., constraints: {required: true}, sensitivity: public, example: "2025-01-01"}
  - {name: count, type: integer, title: Count, description: Count., constraints: {minimum: 0}, sensitivity: public, example: 3}
""",
}
AGREEMENT = """
agreement: county
title: County data sharing
parties: [jail, court]
tables:
  persons: {fields: all}
  justice_events: {fields: all}
  agency_counts: {fields: [agency_id, measure, month, count]}
purposes: [evaluation]
legal_basis: [{law: cjis, section: "5.1"}]
starts: 2025-01-01
expires: 2030-12-31
retention_years: 5
erase_history: true
contact: someone@example.org
"""
AGENCIES = """
# who may send
- id: jail
  name: County jail
  due:
    - {table: justice_events, every: month, days: 15, since: 2025-01-01}
- id: court
  name: County court
"""
# (number, first, last, born, ssn4, state number, sex): the values that must never be seen again
PEOPLE = [
    ("PN77001", "Zephyrine", "Quackenbush", "1987-06-05", "8642", "SX990017", "female"),
    ("PN77002", "Barnaby", "Thistlewood", "1991-11-23", "7531", "SX990018", "male"),
    ("PN77003", "Isolde", "Fenwick-Moss", "1979-02-28", "9753", "", "female"),
]
PLANTED = sorted({v for p in PEOPLE for v in p[:6] if v})


def dictionary(folder: Path) -> Path:
    """Write the dictionary of these tests into a folder."""
    (folder / "tables").mkdir(parents=True, exist_ok=True)
    for name, text in _TABLES.items():
        (folder / "tables" / f"{name}.yaml").write_text(text)
    return folder


def use(folder: Path) -> None:
    """Have this process read the dictionary in a folder."""
    resources.folder = lambda _name: folder
    tables.cache_clear()
    codelist.cache_clear()


def made(base: Path) -> Path:
    """A store with its agencies and their agreement, and keys beside it; the command line's tests start from it."""
    store = base / "store"
    store.mkdir(parents=True)
    (store / "store.json").write_text('{"format": 1, "project": "county"}\n')
    (store / "agencies.yaml").write_text(AGENCIES)
    (store / "agreements").mkdir()
    (store / "agreements" / "county.yaml").write_text(AGREEMENT)
    for name, key in (("key", KEY), ("seal", SEAL)):
        (base / name).write_bytes(key)
        (base / name).chmod(0o600)
    return store


def csv_text(header, rows):
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(header)
    writer.writerows(rows)
    return lines.getvalue()


def persons(people=PEOPLE, agency="jail"):
    header = ["agency_id", "person_id", "first_name", "last_name", "birth_date", "ssn4", "state_id", "sex"]
    return csv_text(header, [[agency, *p] for p in people])


def events(month="2025-03", agency="jail", people=PEOPLE, n=3, first=1, offence=""):
    """`n` events a person, a day each."""
    header = ["agency_id", "event_id", "person_id", "event_type", "event_date", "offence_date"]
    rows = []
    for i, person in enumerate(people):
        for j in range(n):
            day = date.fromisoformat(f"{month}-{first + j:02d}")
            rows.append([agency, f"E{month}-{i}-{j}", person[0], "arrest", day.isoformat(), offence])
    return csv_text(header, rows)


def counts(month="2025-03", agency="jail", value=4, n=1):
    rows = [[agency, f"m{i}", f"{month}-01", value + i] for i in range(n)]
    return csv_text(["agency_id", "measure", "month", "count"], rows)


def opened(base: Path):
    return open_store(base / "store")


def rows_of(values, people=("aa", "bb")):
    n = len(values)
    return pa.table(
        {
            "person_id": pa.array([people[i % len(people)] for i in range(n)], pa.string()),
            "count": pa.array(values, pa.int64()),
        }
    )


def send(store, month="2025-03", values=(1, 2), agency="jail", table="agency_counts", now=NOW, original=None, **more):
    path = store.folder.parent / "file.csv"
    path.write_text(repr((month, values)))
    sha = original or f"{hash((month, values)) & (2**64 - 1):064x}"
    made = Submission(agency, table, period(month), more.pop("rows", None) or rows_of(list(values)),
                      Original(path, sha, "csv", more.pop("seal_key", None)), agreements=("county",), **more)  # fmt: skip
    return submit(store, made, now)


def values(store, version=None, table="agency_counts"):
    delta = store.delta(table, version)
    return sorted((r["_agency"], r["_period"], r["count"]) for r in delta.to_pyarrow_table().to_pylist())
