"""Result rows: rounding, the data model, writing and reading back."""

import math

import pytest

from evaluation.results import TABLES, data_model, normalised, read_csv, rounded, to_csv, write_tables

CONTRACT = (
    "study, analysis, role, outcome, estimator, estimand, term, group, time, estimate, std_error, conf_low, conf_high, "
    "p_value, conf_level, scale, n_obs, n_units, n_treated_units, n_clusters, status"
)


def test_the_estimates_have_the_agreed_columns_in_the_agreed_order():
    assert TABLES["estimates"].names == CONTRACT.split(", ")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1 / 3, 0.333333333333),
        (-0.0, 0.0),
        (math.nan, None),
        (math.inf, None),
        (None, None),
        (12, 12),
        (1e-300, 1e-300),
    ],
)
def test_rounding_to_twelve_significant_digits(value, expected):
    assert rounded(value) == expected
    assert str(rounded(value)) == str(expected)


def test_unknown_columns_are_refused():
    with pytest.raises(KeyError, match="estimates has no column"):
        normalised(TABLES["estimates"], [{"estimat": 1.0}])


def test_rows_survive_writing_and_reading(tmp_path):
    row = {"study": "s", "analysis": "a", "step": "x,y", "reason": 'said "no"\nthen', "level": "row", "n_dropped": 3,
           "n_remaining": None, "status": "ok"}  # fmt: skip
    write_tables(tmp_path, {"flow": [row]})
    assert read_csv(tmp_path / "flow.csv", TABLES["flow"]) == [row]


def test_every_table_is_written_with_its_header_even_when_empty(tmp_path):
    write_tables(tmp_path, {})
    for name, table in TABLES.items():
        assert (tmp_path / f"{name}.csv").read_text() == ",".join(table.names) + "\n"


def test_the_parquet_holds_what_the_csv_holds(tmp_path):
    import pandas as pd

    row = dict.fromkeys(TABLES["estimates"].names) | {"study": "s", "estimate": 2 / 3, "n_obs": 5}
    write_tables(tmp_path, {"estimates": [row]})
    frame = pd.read_parquet(tmp_path / "estimates.parquet")
    assert frame.loc[0, "estimate"] == 0.666666666667
    assert list(frame.columns) == TABLES["estimates"].names


def test_the_data_model_describes_every_column_once():
    rows = data_model()
    keys = [(r["table"], r["column"]) for r in rows]
    assert len(keys) == len(set(keys))
    assert {t for t, _ in keys} == {*TABLES, "tables"}
    assert all(r["description"] for r in rows)


def test_csv_lines_end_in_one_newline():
    text = to_csv(TABLES["flow"], normalised(TABLES["flow"], [{"study": "s"}]))
    assert "\r" not in text
    assert text.endswith("\n")
