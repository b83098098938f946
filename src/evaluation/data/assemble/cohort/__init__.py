"""Cohorts from tables: index events, and what happened before and after them, to one row a person."""

from evaluation.data.assemble.cohort.build import build_cohort

__all__ = ["build_cohort"]
