"""The data dictionary: its tables, codelists and rules hold together, and the rules find what they are for."""

import csv
import re

import duckdb
import pytest

from evaluation import resources
from evaluation.dictionary.catalogue import kinds
from evaluation.dictionary.codelists import codelist
from evaluation.dictionary.compile_cells import TYPES, allowed, cell_checks, cells, identifier
from evaluation.dictionary.compile_rules import TYPED, Known, key_checks, rule_check
from evaluation.dictionary.rules import Agree, Compare, NoOverlap, RowRule, SumEquals
from evaluation.dictionary.tables import tables

LISTS = resources.folder("data_dictionary") / "codelists"
TABLES = tables()
FIELDS = [(table, field) for table in TABLES.values() for field in table.fields]
RULES = [(table, rule) for table in TABLES.values() for rule in table.rules]
NAMED_OTHERWISE = {"icd10_overdose", "icd10_drugs", "test_substances"}  # part of a longer text, or of a definition
REFERENCE = {"jurisdictions", "populations", "program_adoption"}

each_table = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))


@pytest.fixture
def connection():
    with duckdb.connect() as opened:
        yield opened


def create(connection, name, table, rows=()):
    """A table of the dictionary's types with a column `row`, and these rows in it."""
    columns = ", ".join(f"{identifier(f.name)} {TYPES[f.type]}" for f in table.fields)
    connection.execute(f"CREATE TABLE {identifier(name)} (row BIGINT, {columns})")
    for place, row in enumerate(rows, start=2):
        names = ", ".join(identifier(n) for n in row)
        marks = ", ".join("?" * (len(row) + 1))
        connection.execute(f"INSERT INTO {identifier(name)} (row, {names}) VALUES ({marks})", [place, *row.values()])


def example(table, **changed):
    return {f.name: f.example for f in table.fields} | changed


# --------------------------------------------------------------------------- tables and fields


def test_the_tables_that_agencies_send_are_all_there():
    assert set(TABLES) == {
        "persons", "program_episodes", "justice_events", "custody_periods", "deaths", "treatment_episodes",
        "drug_tests", "overdose_events", "naloxone_distribution", "agency_counts", "task_force_activity", "trainings",
        "school_survey", "program_adoption", "populations", "jurisdictions", "costs", "referrals",
        "assessments", "hearings", "treatment_sessions", "sanctions",
    }  # fmt: skip


@each_table
def test_a_table_belongs_to_an_agency_and_its_period_is_one_of_its_columns(table):
    assert table.description.endswith(".")
    assert table.field("agency_id").constraints.required or table.name in REFERENCE
    if table.level in ("person", "event"):
        assert table.field("person_id").sensitivity == "identifier"
    if table.period is not None:
        field = table.field(table.period)
        assert field.constraints.required
        assert field.type in ("date", "integer")


@each_table
def test_fields_say_what_they_hold(table):
    for field in table.fields:
        assert field.title
        assert field.description.endswith(".")
        assert field.unit if field.type in ("integer", "number") else field.unit is None, field.name
        assert not (field.codelist and field.constraints.enum)
        assert all(sentence == sentence.strip() and sentence for sentence in (*field.includes, *field.excludes))


@each_table
def test_examples_keep_every_limit_of_their_fields(connection, table):
    for field in table.fields:
        text = str(field.example).lower() if isinstance(field.example, bool) else str(field.example)
        found = cells(table, field, "c")
        checks = [f"coalesce({check.broken}, false)" for check in cell_checks(found)]
        query = f"SELECT {found.typed} IS NOT NULL, {', '.join(checks) or 'false'} FROM (SELECT ? AS c)"
        read, *breaks = connection.execute(query, [text]).fetchall()[0]
        assert read, field.name
        assert not any(breaks), field.name


@each_table
def test_a_row_of_the_examples_breaks_no_rule_within_a_row(connection, table):
    create(connection, TYPED, table, [example(table)])
    for rule in table.rules:
        if isinstance(rule, RowRule):
            check = rule_check(rule, table, Known({}))
            assert connection.execute(check.sql).fetchall() == [], rule.id


WHO = re.compile(r"(first|last|middle)_name|birth_date|ssn|state_id|person_id|address|phone|email")


def test_what_tells_who_a_person_is_is_an_identifier():
    named = [(table, field) for table, field in FIELDS if WHO.search(field.name)]
    assert len(named) > len(TABLES) / 2
    assert all(field.sensitivity == "identifier" for _, field in named)
    assert {t.level for t, f in FIELDS if f.sensitivity == "identifier"} == {"person", "event"}


def test_only_people_have_names_and_the_store_never_needs_them():
    named = {t.name for t, f in FIELDS if re.search(r"_name$|birth_date|ssn4|state_id", f.name)}
    assert named == {"persons"}


@pytest.mark.parametrize("name", ["treatment_episodes", "treatment_sessions", "drug_tests"])
def test_treatment_is_protected_by_part_2(name):
    open_to_all = {f.name for f in TABLES[name].fields if f.sensitivity != "part2"}
    assert open_to_all == {"agency_id", "person_id"}


@each_table
def test_foreign_keys_lead_to_columns_that_hold_each_value_once(table):
    for key in table.foreign_keys:
        target = TABLES[key.reference.resource]
        assert [table.field(a).type for a in key.fields] == [target.field(b).type for b in key.reference.fields]
        assert set(key.reference.fields) == set(target.primary_key)


# --------------------------------------------------------------------------- codelists


def test_every_list_that_is_named_exists_and_every_list_is_named():
    there = {path.stem for path in LISTS.glob("*.csv")}
    used = {f.codelist for _, f in FIELDS if f.codelist}
    assert used <= there
    assert there - used == NAMED_OTHERWISE


@pytest.mark.parametrize("name", sorted(path.stem for path in LISTS.glob("*.csv")))
def test_codes_are_given_once_and_have_labels(name):
    codes = codelist(name)
    assert codes
    assert len({c.code for c in codes}) == len(codes)
    assert all(c.code.strip() == c.code and c.code and c.label.strip() == c.label and c.label for c in codes)
    with (LISTS / f"{name}.csv").open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert header[:2] == ["code", "label"]
    assert all(len(row) == len(header) for row in rows)


def test_every_list_has_its_source_in_the_readme():
    told = set(re.findall(r"^\| `(\w+)` \|", (LISTS / "README.md").read_text(encoding="utf-8"), flags=re.MULTILINE))
    assert told == {path.stem for path in LISTS.glob("*.csv")}


def test_kinds_of_intervention_are_those_of_the_catalogue():
    assert [(c.code, c.label) for c in codelist("intervention_kinds")] == [(k.id, k.name) for k in kinds().values()]


def test_weights_of_the_age_groups_add_up_to_one():
    with (LISTS / "age_groups.csv").open(encoding="utf-8", newline="") as lines:
        weights = [float(row["weight"]) for row in csv.DictReader(lines) if row["weight"]]
    assert len(weights) == 8
    assert sum(weights) == pytest.approx(1, abs=1e-9)


def test_marks_for_missing_values_are_no_codes():
    for table, field in FIELDS:
        marks = {*table.missing_values, *field.missing_values}
        assert marks.isdisjoint(allowed(field)), f"{table.name}.{field.name}"


# --------------------------------------------------------------------------- rules


def test_there_are_many_rules_and_each_kind_is_used():
    assert len(RULES) >= 60
    assert {rule.kind for _, rule in RULES} == {
        "row", "no_overlap", "sum_equals", "compare", "change", "coverage", "agree"
    }  # fmt: skip
    assert {rule.level for _, rule in RULES} == {"integrity", "business", "plausibility"}


@each_table
def test_rules_have_names_of_their_own(table):
    names = [rule.id for rule in table.rules]
    assert len(names) == len(set(names))
    builtin = {"type", "required", "codelist", "enum", "pattern", "minimum", "maximum", "unique", "primary_key",
               "foreign_key", "in_period", "agency", "formula"}  # fmt: skip
    assert builtin.isdisjoint(names)


@each_table
def test_messages_are_sentences_for_a_clerk(table):
    for rule in table.rules:
        for text in (rule.message, rule.remedy):
            assert text.endswith("."), rule.id
            assert not re.search(r"[{}]|SQL|NULL|regex|\bnull\b", text), rule.id
        assert rule.severity == "warning" or rule.level != "plausibility", rule.id


@each_table
def test_rules_name_columns_and_tables_that_exist(table):
    for rule in table.rules:
        for name in rule.columns:
            assert table.field(name)
        if isinstance(rule, Compare):
            other = TABLES[rule.with_table]
            for here, there in rule.on.items():
                assert table.field(here).type == other.field(there).type
        if isinstance(rule, Agree):
            assert table.name in (rule.left.table, rule.right.table)
        if isinstance(rule, SumEquals):
            assert rule.total in allowed(table.field(rule.part)) or rule.part == "category"
        if isinstance(rule, NoOverlap):
            assert table.field(rule.start).constraints.required


@each_table
def test_rules_run_on_empty_tables_and_find_nothing(connection, table):
    create(connection, TYPED, table)
    create(connection, "earlier", table)
    for name, other in TABLES.items():
        create(connection, f"known_{name}", other)
    known = Known({n: f"known_{n}" for n in TABLES}, "earlier")
    for check in (*key_checks(table, known), *(rule_check(rule, table, known) for rule in table.rules)):
        assert check is not None
        assert connection.execute(check.sql).fetchall() == []


ALLOWED = {"AND", "OR", "NOT", "IS", "NULL", "IN", "INTERVAL", "DAY", "MONTH", "YEAR", "DATE", "this", "other", "true",
           "false", "date_diff", "coalesce", "regexp_full_match", "length", "abs"}  # fmt: skip


def test_conditions_keep_to_the_words_that_are_allowed():
    for table, rule in RULES:
        if isinstance(rule, RowRule | Compare):
            plain = re.sub(r"'[^']*'", "", rule.holds)
            names = {f.name for f in table.fields}
            if isinstance(rule, Compare):
                names |= {f.name for f in TABLES[rule.with_table].fields}
            assert set(re.findall(r"[A-Za-z_]\w*", plain)) <= ALLOWED | names, f"{table.name}.{rule.id}"
