"""Spark for tests: whether it is there, and how it is asked for."""

import importlib.util
import shutil

import pytest

from evaluation.study.models import Engine

LOCAL = Engine(
    master="local[2]", app_name="tests", config={"spark.sql.shuffle.partitions": "2", "spark.ui.enabled": "false"}
)
THERE = importlib.util.find_spec("pyspark") is not None and shutil.which("java") is not None


def on_spark(test):
    """Marks a test as one that needs Spark."""
    skipped = pytest.mark.skipif(not THERE, reason="pyspark and Java are not installed")
    return pytest.mark.spark(skipped(test))
