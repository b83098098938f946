"""Results are flat rows: estimates, checks, curves, counts; their data model, reading and writing.

An estimator returns a `ResultSet`; the run adds the keys (study, analysis, …) and writes tables. Everything
later (release, reports, comparisons) reads those tables and nothing else. NaN is never stored: a number
that does not exist is None, and `status` says why.
"""

from evaluation.results.files import (
    SIGNIFICANT_DIGITS,
    Row,
    normalised,
    read_csv,
    read_tables,
    rounded,
    to_csv,
    write_json,
    write_parquet,
    write_tables,
)
from evaluation.results.model import COUNTS, MAIN_TERMS, TABLES, Column, Disclosure, Kind, Table, data_model
from evaluation.results.rows import (
    Attrition,
    Balance,
    Check,
    Component,
    CurvePoint,
    Estimate,
    FlowStep,
    Inference,
    Influence,
    Joint,
    Opinion,
    Overlap,
    ResultSet,
    Scale,
    Sensitivity,
    Status,
    Subgroup,
    not_estimable,
)

__all__ = [
    "COUNTS",
    "MAIN_TERMS",
    "SIGNIFICANT_DIGITS",
    "TABLES",
    "Attrition",
    "Balance",
    "Check",
    "Column",
    "Component",
    "CurvePoint",
    "Disclosure",
    "Estimate",
    "FlowStep",
    "Inference",
    "Influence",
    "Joint",
    "Kind",
    "Opinion",
    "Overlap",
    "ResultSet",
    "Row",
    "Scale",
    "Sensitivity",
    "Status",
    "Subgroup",
    "Table",
    "data_model",
    "normalised",
    "not_estimable",
    "read_csv",
    "read_tables",
    "rounded",
    "to_csv",
    "write_json",
    "write_parquet",
    "write_tables",
]
