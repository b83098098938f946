"""Every rule of the dictionary, broken by a file of its own: the stated finding, in its row and column, and no value."""

import pytest

from evaluation.data.intake.check import check
from evaluation.data.intake.received import receive, scratch_connection
from evaluation.dictionary.tables import tables
from tests.intake.breaking import PLANTED, cases, csv, known_tables

CASES = cases()


def test_there_is_a_case_of_every_rule():
    assert {c.id for c in CASES} == {f"{t.name}.{r.id}" for t in tables().values() for r in t.rules}
    assert len(CASES) >= 250


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_the_rule_finds_its_row(case, tmp_path):
    file = tmp_path / "sent.csv"
    file.write_text(csv(case.rows), encoding="utf-8")
    table = tables()[case.table]
    rule = next(r for r in table.rules if r.id == case.rule)
    with scratch_connection(tmp_path) as connection:
        received = receive(file, case.table, connection, tmp_path)
        findings, _ = check(received, table, connection, known_tables(connection, case))
    found = [f for f in findings if f.rule == case.rule]
    assert found, [f.rule for f in findings]
    assert {(f.level, f.severity, f.column, f.message, f.remedy) for f in found} == {
        (rule.level, rule.severity, rule.columns[0], rule.message, rule.remedy)
    }
    if case.row is not None:
        assert case.row in {f.row for f in found}
    told = " ".join(f"{f.message} {f.remedy} {f.column}" for f in findings)
    assert PLANTED not in told
