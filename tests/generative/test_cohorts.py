"""The cohort builder against the slow reference: the same rows and the same counts, on random event histories.

`COHORT_DRAWS` asks for more draws of every study than the quick suite's one.
"""

import csv
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

from evaluation import resources
from evaluation.data.assemble.cohort import build_cohort
from tests.cohort_naive import Reference
from tests.engines import LOCAL, on_spark
from tests.generative.cohorts import STUDIES, fitted, study_of, tables, written

DRAWS = int(os.environ.get("COHORT_DRAWS", "1"))
PEOPLE = 150
ON_SPARK_PEOPLE = 300  # in each study, all in one job: together more than a thousand histories
ON_SPARK = STUDIES if DRAWS > 1 else ("every_rule", "bases", "street", "short_tables")  # what the dialects differ in


def groups():
    """The groups of each offence code."""
    found = {}
    with (resources.folder("data_dictionary") / "codelists" / "offence_groups.csv").open(encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            found.setdefault(row["code"], set()).add(row["group"])
    return found


def drawn(name, seed, people=PEOPLE, **how):
    """A study, random tables for it, and what the reference makes of them."""
    study = study_of(name)
    made = fitted(name, tables(np.random.default_rng([seed, *name.encode()]), people, **how))
    return study, made, Reference(study, made, groups()).cohort()


def rows_of(built, study):
    found = pq.read_table(built.source.files[0]).to_pylist()
    return sorted(found, key=lambda r: (r[study.design.person], r["index_date"], -r["arm"])), found


def differences(expected, found, person):
    """What differs, person by person: at most ten lines for whoever has to mend it."""
    if [r[person] for r in found] != [r[person] for r in expected]:
        wanted, got = {r[person] for r in expected}, {r[person] for r in found}
        return [f"missing: {sorted(wanted - got)[:5]}; too many: {sorted(got - wanted)[:5]}; {len(found)} rows"]
    lines = []
    for want, got in zip(expected, found, strict=True):
        if list(want) != list(got):
            return [f"columns: {list(got)}, expected {list(want)}"]
        lines += [
            f"{want[person]} {want['index_date']} {name}: {got[name]}, expected {value}"
            for name, value in want.items()
            if not _same(value, got[name])
        ]
    return lines[:10]


def _same(want, got):
    if want is None or got is None or isinstance(want, str):
        return want == got
    if isinstance(want, (int, float)):
        return got == pytest.approx(want, rel=1e-12, abs=1e-12)
    return want == got


@pytest.mark.parametrize("name", STUDIES)
def test_the_builder_gives_what_the_reference_gives(name, tmp_path):
    for seed in range(DRAWS):
        study, made, expected = drawn(name, seed)
        written(made, tmp_path / str(seed))
        built = build_cohort(study, tmp_path / str(seed), tmp_path / str(seed) / "out" / "cohort.parquet")
        found, in_file = rows_of(built, study)
        assert differences(expected.rows, found, study.design.person) == []
        assert [(r["person_id"], r["index_date"]) for r in in_file] == [
            (r["person_id"], r["index_date"]) for r in found
        ]
        assert counts(built) == expected.flow


def counts(built):
    return [(f.step, f.level, f.n_dropped, f.n_remaining) for f in built.flow]


def test_histories_hold_what_they_are_to_test():
    """Every code, missing values, rows of zero days at liberty, and people of both arms occur."""
    _, _, expected = drawn("street", 0)
    codes = [r["rearrest_event"] for r in expected.rows]
    assert set(codes) == {0, 1, 2, 3, None}
    assert {r["arm"] for r in expected.rows} == {0, 1}
    assert any(r["rearrest_street_days"] == 0 for r in expected.rows)
    assert any(r["rearrest_street_event"] is None and r["rearrest_event"] is not None for r in expected.rows)
    for name in STUDIES:
        _, _, expected = drawn(name, 0)
        assert len(expected.rows) >= 20, name


@on_spark
@pytest.mark.parametrize("name", ON_SPARK)
def test_spark_gives_what_the_reference_gives(name, tmp_path):
    study, made, expected = drawn(name, 1, people=ON_SPARK_PEOPLE)
    written(made, tmp_path)
    built = build_cohort(study, tmp_path, tmp_path / "out" / "cohort.parquet", LOCAL)
    assert counts(built) == expected.flow
    assert differences(expected.rows, rows_of(built, study)[0], study.design.person) == []
